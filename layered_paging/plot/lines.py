"""Panels of lines against a quantity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .common import COLOURS, STYLES

__all__ = ["draw_lines"]


def draw_lines(
    axes: Any,
    x: Sequence[float],
    lines: Mapping[str, Sequence[float | None]],
    *,
    xlabel: str,
    ylabel: str,
    log: str = "",
    legend: bool = True,
) -> None:
    """Draw lines over the same points into matplotlib axes.

    Parameters
    ----------
    axes : matplotlib Axes
    x : sequence of float
    lines : mapping from a name to values, None where there is none
    xlabel, ylabel : str
    log : str
        "x", "y", "xy" or "": which axes are logarithmic.
    legend : bool
    """
    for n, (name, values) in enumerate(lines.items()):
        points = [(a, b) for a, b in zip(x, values, strict=True) if b is not None]
        if points:
            style = STYLES[n // len(COLOURS) % len(STYLES)]
            axes.plot(
                *zip(*points, strict=True), label=name, color=COLOURS[n % len(COLOURS)], linestyle=style, marker="."
            )
    if "x" in log:
        axes.set_xscale("log", base=2)
    if "y" in log:
        axes.set_yscale("log")
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.grid(alpha=0.3)
    if legend and axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize="small")
