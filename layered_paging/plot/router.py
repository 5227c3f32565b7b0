"""Pictures of a router: heat maps, and which experts a layer's cache held, token by token."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..core.trace import Trace
from ..engine.run import history
from .common import COLOURS

__all__ = ["draw_heat", "draw_map"]


def draw_heat(
    axes: Any,
    values: Any,
    *,
    xlabel: str,
    ylabel: str,
    label: str = "",
    ticks: tuple[list[str], list[str]] | None = None,
) -> None:
    """Draw a matrix as a heat map into matplotlib axes; nan stays white.

    Parameters
    ----------
    axes : matplotlib Axes
    values : float array, shape (rows, columns)
    xlabel, ylabel, label : str
        Of the columns, the rows and the colours.
    ticks : two lists of str, optional
        Names of the rows and of the columns.
    """
    image = axes.imshow(
        np.asarray(values, float), aspect="auto", cmap="cividis", interpolation="nearest", origin="upper"
    )
    axes.set(xlabel=xlabel, ylabel=ylabel)
    if ticks is not None:
        axes.set_yticks(range(len(ticks[0])), ticks[0], fontsize="x-small")
        axes.set_xticks(range(len(ticks[1])), ticks[1], fontsize="x-small", rotation=90)
    axes.figure.colorbar(image, ax=axes, label=label)


def draw_map(
    axes: Any, trace: Trace, policy: str, slots: int, layer: int, tokens: Iterable[int], **options: Any
) -> None:
    """Draw what one layer asked for and held: tokens to the right, experts upwards.

    Parameters
    ----------
    axes : matplotlib Axes
    trace : Trace
    policy : str
    slots : int
        Total slots.
    layer : int
    tokens : range
        The rounds to draw; the replay starts at the trace's first.
    **options
        As for ``history``: pool, reset, admission.

    Notes
    -----
    Grey: held when the token's event of this layer ended.  Filled: a hit.  Hollow: a miss.  Cross: evicted since the layer's
    event before (in a shared pool other layers' events evict too).
    """
    wanted = list(tokens)
    low, high, n = wanted[0], wanted[-1], trace.n_experts[layer]
    first = int(trace.first_page[layer])
    held = np.full((n, len(wanted)), np.nan)
    marks: dict[str, list[tuple[int, int]]] = {"hit": [], "miss": [], "evicted": []}
    for step in history(trace, policy, slots, **options):
        r = step.event.time.round
        if r > high:
            break
        if r < low:
            continue
        marks["evicted"] += [(r, p - first) for p in step.evicted if first <= p < first + n]
        if step.event.time.layer != layer:
            continue
        marks["hit"] += [(r, p - first) for p in step.hits]
        marks["miss"] += [(r, p - first) for p in step.misses]
        for page in step.resident:
            if first <= page < first + n:
                held[page - first, r - low] = 0.3
    box = (low - 0.5, high + 0.5, -0.5, n - 0.5)
    axes.imshow(held, aspect="auto", cmap="Greys", vmin=0, vmax=1, interpolation="nearest", origin="lower", extent=box)
    looks: dict[str, dict[str, Any]] = {
        "hit": {"marker": "s", "color": COLOURS[0]},
        "miss": {"marker": "s", "facecolors": "none", "edgecolors": COLOURS[1]},
        "evicted": {"marker": "x", "color": COLOURS[6], "linewidths": 0.7},
    }
    for name, points in marks.items():
        if points:
            axes.scatter(*zip(*points, strict=True), s=14, label=f"{name} ({len(points)})", **looks[name])
    axes.set(xlabel="token", ylabel=f"expert of layer {layer}", xlim=box[:2], ylim=box[2:])
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize="small")
