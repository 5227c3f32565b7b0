"""Curves that several results look at: computed once, thinned for a figure, drawn alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.trace import Trace
from ..engine.curves import miss_curve, optimum_curve
from ..plot import COLOURS
from .study import Study

__all__ = ["LOOKS", "curves", "draw_curves", "grid_of", "legal", "long_traces", "mean_demand", "thinned"]

Curve = npt.NDArray[np.int64]

# how each is drawn, the same in every figure: colour, line
LOOKS: dict[str, tuple[str, str]] = {
    "lru": (COLOURS[0], "-"),
    "llru": (COLOURS[1], "-"),
    "lfu": (COLOURS[2], "-"),
    "lru per layer": (COLOURS[0], "--"),
    "lfu per layer": (COLOURS[2], "--"),
    "opt per layer": (COLOURS[6], "--"),
    "opt": (COLOURS[6], "-"),
}

_kept: dict[tuple[str, str, str], Curve] = {}


def curves(trace: Trace, names: Iterable[str] = LOOKS, *, reset: str = "session") -> dict[str, Curve]:
    """Return misses at every number of slots, forced admission.

    Parameters
    ----------
    trace : Trace
    names : iterable of str
        A policy, or ``opt``; with `` per layer`` for a fixed quota of each layer.
    reset : {"session", "never", "cache"}

    Returns
    -------
    dict from a name to an int64 array of pages + 1 entries
        -1 where a number of slots is not legal.  Computed once for equal traces.
    """
    found = {}
    digest = trace.digest()
    for name in names:
        key = (digest, name, reset)
        if key not in _kept:
            base, per_layer = name.removesuffix(" per layer"), name.endswith(" per layer")
            pool = "per-layer" if per_layer else "shared"
            if base == "opt":
                _kept[key] = optimum_curve(trace, admission="forced", pool=pool, reset=reset)
            else:
                _kept[key] = miss_curve(trace, base, pool=pool, reset=reset)
            _kept[key].flags.writeable = False
        found[name] = _kept[key]
    return found


def legal(found: Mapping[str, Curve], *names: str) -> npt.NDArray[np.int64]:
    """Return the numbers of slots at which all these curves are known and some page still has to be evicted.

    Where the cache is so large that a curve is down to its last value, nothing is left to decide.
    """
    rows = np.array([found[name] for name in names or found])
    known = rows.min(axis=0) >= 0
    busy = (rows > rows[:, -1:]).any(axis=0)
    return np.flatnonzero(known & busy)


def thinned(sizes: npt.NDArray[np.int64], count: int) -> list[int]:
    """Return at most ``count`` of the sizes, evenly spread, first and last among them."""
    if len(sizes) <= count:
        return [int(s) for s in sizes]
    return sorted({int(sizes[round(n * (len(sizes) - 1) / (count - 1))]) for n in range(count)})


def draw_curves(
    axes: Any, sizes: Sequence[int], values: Mapping[str, Sequence[float | None]], pages: int, *, legend: bool = False
) -> None:
    """Draw values against the share of all pages that fits into the cache."""
    for n, (name, line) in enumerate(values.items()):
        colour, style = LOOKS.get(name, (COLOURS[(n + 3) % len(COLOURS)], "-."))
        points = [(s / pages, v) for s, v in zip(sizes, line, strict=True) if v is not None]
        if points:
            axes.plot(*zip(*points, strict=True), style, color=colour, label=name, linewidth=1.4)
    axes.grid(alpha=0.3)
    axes.set(xlim=(0, 1))
    if legend:
        axes.legend(fontsize="small")


def long_traces(study: Study, least: int = 50) -> list[tuple[str, Trace]]:
    """Return the traces at hand of at least ``least`` rounds; shorter ones show start-up and little else."""
    return [(name, trace) for name, trace in study.traces if trace.rounds >= least]


def halves(study: Study) -> dict[str, Trace]:
    """Return the traces at hand by name, that of gpt_oss_20b as its sessions of even and of odd number."""
    found: dict[str, Trace] = {}
    for name, trace in long_traces(study):
        if name == "gpt_oss_20b":
            for parity, half in enumerate(("even", "odd")):
                chosen = list(range(parity, len(trace.sessions), 2))
                if chosen:
                    found[f"{name}, {half} sessions"] = trace.select(chosen)
        else:
            found[name] = trace
    return found


def mean_demand(trace: Trace) -> float:
    """Return how many experts a round asks for on average: one token's demand, in slots."""
    return trace.requests / trace.rounds


def grid_of(figure: Any, count: int, *, width: float = 3.4, height: float = 2.9) -> list[Any]:
    """Return axes for ``count`` panels, two or three in a row; empty places stay empty."""
    columns = min(2 if count == 4 else 3, count)
    rows = -(-count // columns)
    figure.set_size_inches(width * columns + 0.6, height * rows + 0.4)
    axes = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for spare in axes[count:]:
        spare.set_axis_off()
    return list(axes[:count])
