"""A clock for tokens: what a token takes when so many bytes are loaded for it; given by hand, or fitted to measured runs.

The model is a line.  Without overlap a token takes ``compute + bytes / bandwidth + loads * latency``; with overlap the
longer of computing and loading.  A share of the misses may be computed where they are (on the CPU) and not loaded.
Everything here is an estimate in floats and says so; counts stay exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.arguments import kinds, kinds_of_fields
from ..core.stats import t_quantile
from ..errors import ParameterError

__all__ = ["Clock", "Fit", "fit"]

LEVEL = 0.95  # of the intervals


@kinds_of_fields()
@dataclass(frozen=True)
class Clock:
    """What a token takes.

    Attributes
    ----------
    compute : float
        Seconds per token of everything but loads, at least 0.
    bandwidth : float
        Bytes per second that loads reach together, above 0.
    latency : float
        Seconds per load beside its bytes, at least 0.
    overlap : bool
        Whether loads run while the token computes.
    on_cpu : float
        Share of the misses that is computed where the expert lies and not loaded, 0 to 1.
    cpu : float
        Seconds per miss that is computed there, at least 0.

    Raises
    ------
    ParameterError
        A value outside its range.

    Examples
    --------
    >>> clock = Clock(compute=0.020, bandwidth=2e9)
    >>> clock.token(loads=40, loaded=80e6), clock.rate(loads=40, loaded=80e6)
    (0.06, 16.666666666666668)
    """

    compute: float
    bandwidth: float
    latency: float = 0.0
    overlap: bool = False
    on_cpu: float = 0.0
    cpu: float = 0.0

    def __post_init__(self) -> None:
        for name in ("compute", "latency", "cpu"):
            if not 0 <= getattr(self, name) < 1e6:
                raise ParameterError(f"must be seconds, at least 0; got {getattr(self, name)!r}", parameter=name)
        if not 0 < self.bandwidth < 1e18:
            raise ParameterError(f"must be bytes per second, above 0; got {self.bandwidth!r}", parameter="bandwidth")
        if not 0 <= self.on_cpu <= 1:
            raise ParameterError(f"must be a share from 0 to 1; got {self.on_cpu!r}", parameter="on_cpu")

    def token(self, loads: float, loaded: float) -> float:
        """Return the seconds of a token with ``loads`` misses of ``loaded`` bytes together (means over tokens)."""
        stay = 1 - self.on_cpu
        waiting = stay * (loaded / self.bandwidth + loads * self.latency)
        busy = self.compute + self.on_cpu * loads * self.cpu
        return max(busy, waiting) if self.overlap else busy + waiting

    def rate(self, loads: float, loaded: float) -> float:
        """Return tokens per second."""
        seconds = self.token(loads, loaded)
        return float("inf") if seconds == 0 else 1 / seconds


@dataclass(frozen=True)
class Fit:
    """A clock fitted to measured runs, and how far to trust it.

    Attributes
    ----------
    clock : Clock
    compute_low, compute_high, bandwidth_low, bandwidth_high : float or None
        95 % intervals (Student's t, from the residuals); None with fewer than three runs.
    residuals : tuple of float
        (fitted - measured) / measured, in the order of the runs.
    note : str
        Where the model does not fit; empty where nothing speaks against it.
    """

    clock: Clock
    compute_low: float | None
    compute_high: float | None
    bandwidth_low: float | None
    bandwidth_high: float | None
    residuals: tuple[float, ...]
    note: str

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON holds it."""
        return {**vars(self.clock), **{key: value for key, value in vars(self).items() if key != "clock"}}


@kinds()
def fit(loaded: Sequence[float], seconds: Sequence[float], *, overlap: bool = False) -> Fit:
    """Fit compute and bandwidth to runs: seconds per token against bytes loaded per token.

    Parameters
    ----------
    loaded : sequence of float
        Bytes loaded per token of each run, of at least two different sizes.
    seconds : sequence of float
        Measured seconds per token of each run, above 0.
    overlap : bool
        Whether loads run while the token computes.  The slope then comes from the runs in which loading is longer.

    Raises
    ------
    ParameterError
        Fewer than two runs, values out of range, or runs that all load the same.

    Notes
    -----
    Without overlap: least squares of a line through (bytes, seconds). With overlap: the best split of the runs into a flat part (compute)
    and a line through the origin (loading).  A slope that is not above 0 means that loads do not explain the time: the
    clock then has an unlimited bandwidth (1e15 bytes per second), and the note says so.

    Examples
    --------
    >>> fitted = fit([1e8, 5e7, 2e7], [0.070, 0.045, 0.030])
    >>> round(fitted.clock.compute, 6), round(fitted.clock.bandwidth / 1e9, 3)
    (0.02, 2.0)
    """
    x, y = np.asarray(loaded, float), np.asarray(seconds, float)
    if x.ndim != 1 or x.shape != y.shape or len(x) < 2:
        raise ParameterError(
            "a clock is fitted to two measured runs or more, each with its bytes and its seconds; "
            f"got {len(x)} with bytes and {len(y)} with seconds"
        )
    if not (np.isfinite(x).all() and np.isfinite(y).all() and (x >= 0).all() and (y > 0).all()):
        raise ParameterError("measured runs must have bytes of at least 0 and seconds above 0, all finite")
    if np.ptp(x) == 0:
        raise ParameterError(
            f"the runs must load different amounts to tell computing from loading; all load {x[0]:,.0f} bytes per token"
        )
    return _overlapped(x, y) if overlap else _line(x, y)


def _line(x: Any, y: Any) -> Fit:
    slope, base = np.polyfit(x, y, 1)
    note = ""
    if slope <= 0:
        slope, base, note = 1e-15, float(y.mean()), "runs that load more are not slower: loads do not explain the time"
    elif base < 0:
        slope, base, note = float((x @ y) / (x @ x)), 0.0, "the line would start below zero: compute was set to 0"
    fitted = base + slope * x
    low: list[float | None] = [None] * 4
    if len(x) > 2 and not note:
        low = _intervals(x, y, fitted, base, slope)
    residuals = tuple(float(r) for r in (fitted - y) / y)
    worst = max(residuals, key=abs)
    if not note and len(x) > 2 and abs(worst) > 0.1:
        note = f"the line is {100 * worst:+.0f} % off a run: something beside loads changes the time"
    return Fit(Clock(compute=float(base), bandwidth=float(1 / slope)), low[0], low[1], low[2], low[3], residuals, note)


def _intervals(x: Any, y: Any, fitted: Any, base: float, slope: float) -> list[float | None]:
    free = len(x) - 2
    spread = float(((y - fitted) ** 2).sum() / free) ** 0.5
    width = t_quantile(LEVEL, free) * spread
    deviation = float(((x - x.mean()) ** 2).sum())
    of_base = width * float(1 / len(x) + x.mean() ** 2 / deviation) ** 0.5
    of_slope = width / deviation**0.5
    fastest = None if slope <= of_slope else 1 / (slope - of_slope)
    found = (max(0.0, base - of_base), base + of_base, 1 / (slope + of_slope), fastest)
    return [None if value is None else float(value) for value in found]


def _overlapped(x: Any, y: Any) -> Fit:
    """Try each split of the runs, sorted by bytes, into "computing is longer" and "loading is longer"."""
    order = np.argsort(x)
    best: tuple[float, float, float, int] | None = None
    for cut in range(len(x)):  # at least the run that loads most is on the line
        short, long = order[:cut], order[cut:]
        slope = float((x[long] @ y[long]) / (x[long] @ x[long]))
        base = float(y[short].mean()) if cut else 0.0
        error = float(((y - np.maximum(base, slope * x)) ** 2).sum())
        if best is None or error < best[0]:
            best = (error, base, slope, cut)
    assert best is not None
    _, base, slope, cut_at = best
    fitted = np.maximum(base, slope * x)
    residuals = tuple(float(r) for r in (fitted - y) / y)
    worst = max(residuals, key=abs)
    note = (
        ""
        if abs(worst) <= 0.1
        else f"the clock is {100 * worst:+.0f} % off a run: loading and computing do not overlap fully"
    )
    if len(x) - cut_at < 2 and base > 0:
        note = (
            note
            or "computing is longer in all runs but one: the bandwidth is a lower bound, and less memory may be faster than shown"
        )
    if base == 0:
        note = note or "loading is longer in every run: computing takes at most the fastest of them"
    return Fit(Clock(compute=base, bandwidth=1 / slope, overlap=True), None, None, None, None, residuals, note)
