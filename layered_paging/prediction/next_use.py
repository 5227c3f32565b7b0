"""Predicted next uses: perfect, spoilt on purpose, given as an array, or learnt from the stream."""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np

from ..core.instance import integer
from ..core.layout import Grid
from ..core.registry import nearest
from ..core.trace import Trace
from ..errors import ParameterError
from ..policies.forecast import Forecast
from ..policies.stream import Stream
from .learnt import Learnt
from .predictors import PREDICTORS
from .steps import actual, at_requests, members_of, now_of

__all__ = ["Given", "Noisy", "Perfect", "Source", "bind", "source"]

KEPT = 1 << 29  # bytes of predictions that are kept on a trace, the last in any case
NOISES = ("noisy", "uniform", "inverted")


class Source(Protocol):
    """Where predictions come from."""

    def forecast(self, trace: Trace, grid: Grid, reset: str) -> Forecast:
        """Return the predictions for a trace laid out as ``grid``."""


class Perfect:
    """The true next use, read from the trace: an oracle.  Never again (before the next reset): infinity."""

    label = "perfect"

    def forecast(self, trace: Trace, grid: Grid, reset: str) -> Forecast:
        """Return the true next uses."""
        members, due, _ = actual(grid, reset)
        return at_requests(grid, trace, members, due, self.label)


class Noisy:
    """The true next use, spoilt: an oracle with errors.

    Parameters
    ----------
    level : float
        ``noisy``: the sigma of a lognormal factor on the rounds until the next use; ``uniform``: the largest
        error in rounds, drawn uniformly from -level..level; 0 or more.  ``inverted`` has no level.
    kind : {"noisy", "uniform", "inverted"}
        ``inverted``: what comes first is predicted last.
    seed : int
        At least 0.

    Notes
    -----
    A page that does not come again counts as coming just after the last round before the reset (or the trace's end).
    """

    def __init__(self, level: float = 0.0, *, kind: str = "noisy", seed: int = 0) -> None:
        if isinstance(level, bool) or not isinstance(level, (int, float)) or not 0 <= level < 1e9:
            raise ParameterError(f"{kind}: the level must be a number of at least 0; got {level!r}")
        if kind not in NOISES:
            raise ParameterError(f"must be one of {', '.join(NOISES)}; got {kind!r}", parameter="kind")
        self.level, self.kind, self.seed = float(level), kind, integer("seed", seed, 0)
        self.label = kind if kind == "inverted" else f"{kind}:{level:g}" + (f":{seed}" if seed else "")

    def forecast(self, trace: Trace, grid: Grid, reset: str) -> Forecast:
        """Return the spoilt next uses."""
        members, due, end = actual(grid, reset)
        if not self.level and self.kind != "inverted":
            return at_requests(grid, trace, members, due, self.label)
        now = now_of(grid)
        rng = np.random.default_rng(Stream(self.seed, 1).next())
        true = np.minimum(due, end)
        if self.kind == "noisy":
            with np.errstate(over="ignore"):
                spoilt = now + (true - now) * np.exp(self.level * rng.standard_normal(true.shape))
        elif self.kind == "uniform":
            spoilt = true + grid.n_layers * rng.uniform(-self.level, self.level, true.shape)
        else:
            spoilt = 2 * end - true
        return at_requests(grid, trace, members, np.where(members >= 0, spoilt, np.inf), self.label)


class Given:
    """Predictions given as an array: rounds until the next use of each requested expert.

    Parameters
    ----------
    rounds : float array, shape (rounds, layers, top_k)
        1 for the next round, inf for never; entries of missing experts are ignored.
    """

    label = "given"

    def __init__(self, rounds: Any) -> None:
        try:
            self._rounds = np.asarray(rounds, np.float64)
        except (TypeError, ValueError):
            raise ParameterError(f"must be numbers; got {type(rounds).__name__}", parameter="predictions") from None

    def forecast(self, trace: Trace, grid: Grid, reset: str) -> Forecast:
        """Return the predictions in the order of presentation."""
        if self._rounds.shape != trace.experts.shape:
            raise ParameterError(
                f"must have the trace's shape {trace.experts.shape}; got {self._rounds.shape}", parameter="predictions"
            )
        if grid.shape != trace.experts.shape:
            raise ParameterError("an array of predictions goes with events 'atomic' and prefill 'token'")
        if np.isnan(np.where(trace.experts >= 0, self._rounds, 0.0)).any():
            raise ParameterError("must be rounds until the next use or inf; got nan", parameter="predictions")
        ahead = self._rounds
        if not grid.ranked and trace.top_k > 1:  # as the members were sorted
            ahead = np.take_along_axis(ahead, np.argsort(trace.experts, axis=2, kind="stable"), 2)
        members, order = members_of(grid)
        ahead = np.take_along_axis(ahead.reshape(members.shape), order, 1)
        return at_requests(grid, trace, members, now_of(grid) + grid.n_layers * ahead, self.label)


def source(text: str, *, train: Trace | None = None) -> Source:
    """Return the source that a name stands for.

    Parameters
    ----------
    text : str
        ``perfect``; ``noisy:SIGMA``, ``uniform:ROUNDS`` (each with ``:SEED`` after it if need be); ``inverted``; or a
        predictor such as ``popularity(half_life=16)``, ``markov`` or ``markov@request``.
    train : Trace, optional
        For a predictor: observed first.

    Raises
    ------
    ParameterError
        Unknown name, or a level or parameter out of range.

    Examples
    --------
    >>> source("noisy:0.5").label, source("markov@request").label
    ('noisy:0.5', 'markov@request')
    """
    base, *rest = text.strip().split(":") if "(" not in text else [text.strip()]
    name = base.partition("@")[0].partition("(")[0].strip()
    learnt = [key for key in PREDICTORS if key not in ("oracle", "profile")]
    if name in learnt and not rest:
        return Learnt(base, train=train)
    if train is not None:
        raise ParameterError(
            f"goes with predictions that learn ({', '.join(learnt)}); got {text!r}", parameter="training"
        )
    if base == "perfect" and not rest:
        return Perfect()
    if base == "inverted" and not rest:
        return Noisy(kind="inverted")
    if base in ("noisy", "uniform") and 1 <= len(rest) <= 2:
        try:
            level, seed = float(rest[0]), int(rest[1]) if len(rest) > 1 else 0
        except ValueError:
            level, seed = math.nan, 0
        if math.isnan(level):
            raise ParameterError(
                f"predictions are written {base}:LEVEL or {base}:LEVEL:SEED with numbers; got {text!r}"
            )
        return Noisy(level, kind=base, seed=seed)
    known = ["perfect", "noisy:LEVEL", "uniform:LEVEL", "inverted", *learnt]
    raise ParameterError(f"unknown predictions {text!r}; {nearest(base, known)}")


def bind(predictions: Any, trace: Trace, grid: Grid, reset: str, variant: str = "") -> Any:
    """Return what a policy's predictions begin from: a ``Forecast``, or the object itself if it has ``begin``.

    Parameters
    ----------
    predictions : str, array, Source, Forecast, or object with ``begin()``
        A name as for ``source``; an array as for ``Given``.
    trace : Trace
    grid : Grid
        The trace as laid out, all layers.
    reset : {"never", "session", "cache"}
    variant : str
        Names the layout; the last forecasts made from names are kept on the trace.

    Raises
    ------
    ParameterError
        What was given is none of these.
    """
    if callable(getattr(predictions, "begin", None)):
        return predictions
    if isinstance(predictions, str):
        made = source(predictions)
        kept: dict[Any, Forecast] = trace.__dict__.setdefault("_forecasts", {})
        key = (predictions, variant, reset)
        if key not in kept:
            new = made.forecast(trace, grid, reset)
            while kept and sum(f.due.nbytes + 2 * f.ahead.nbytes for f in (*kept.values(), new)) > KEPT:
                kept.pop(next(iter(kept)))
            kept[key] = new
        return kept[key]
    if callable(getattr(predictions, "forecast", None)):
        return predictions.forecast(trace, grid, reset)
    if isinstance(predictions, (np.ndarray, list, tuple)):
        return Given(predictions).forecast(trace, grid, reset)
    raise ParameterError(
        f"must be a name, an array of rounds until the next use, or a source; got {type(predictions).__name__}",
        parameter="predictions",
    )
