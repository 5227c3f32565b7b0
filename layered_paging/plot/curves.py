"""Misses against slots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from .common import COLOURS, STYLES, check_picture, new_figure, save_figure

__all__ = ["plot_curves"]


def plot_curves(curves: Mapping[str, Sequence[int]], requests: int, path: str | Path, *, title: str = "") -> None:
    """Draw miss ratios against slots.

    Parameters
    ----------
    curves : mapping from a name to misses by slots
        As ``miss_curve`` returns them; entries of -1 are left out.
    requests : int
    path : str or Path
        A name ending in .svg, .png or .pdf.
    title : str
    """
    check_picture(path)
    figure = new_figure()
    axes = figure.subplots()
    for n, (name, curve) in enumerate(curves.items()):
        points = [(s, m / requests) for s, m in enumerate(curve) if m >= 0]
        axes.plot(
            *zip(*points, strict=True),
            label=name,
            color=COLOURS[n % len(COLOURS)],
            linestyle=STYLES[n // len(COLOURS) % len(STYLES)],
        )
    axes.set(xlabel="slots", ylabel="share of requests that miss", title=title, ylim=(0, None), xlim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend()
    save_figure(figure, path)
