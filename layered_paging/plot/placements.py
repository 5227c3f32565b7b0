"""Latency of placements, against storage or side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .common import COLOURS, STYLES, check_picture, new_figure, save_figure

__all__ = ["plot_placements"]


def plot_placements(rows: Sequence[Mapping[str, Any]], path: str | Path, *, title: str = "") -> None:
    """Draw placements: lines against storage where several storages occur, else bars.

    Parameters
    ----------
    rows : sequence of mappings
        ``algorithm``, ``storage`` (bytes of a server, or None), ``latency_ms``, and ``bound_ms`` where known.
    path : str or Path
        A name ending in .svg, .png or .pdf.
    title : str
    """
    check_picture(path)
    figure = new_figure()
    axes = figure.subplots()
    names = list(dict.fromkeys(row["algorithm"] for row in rows))
    if len({row["storage"] for row in rows}) > 1:
        for n, name in enumerate(names):
            points = sorted((row["storage"] / 2**20, row["latency_ms"]) for row in rows if row["algorithm"] == name)
            style = STYLES[n // len(COLOURS) % len(STYLES)]
            axes.plot(*zip(*points, strict=True), style, marker="o", label=name, color=COLOURS[n % len(COLOURS)])
        least: dict[int, float] = {}
        for row in rows:
            if row.get("bound_ms") is not None:
                least[row["storage"]] = max(row["bound_ms"], least.get(row["storage"], 0.0))
        if least:
            points = sorted((size / 2**20, value) for size, value in least.items())
            axes.plot(*zip(*points, strict=True), ":", color="black", label="no placement is below")
        axes.set(
            xlabel="storage of each server (MiB)", ylabel="mean latency of a token (ms)", title=title, ylim=(0, None)
        )
        axes.legend()
    else:
        axes.barh(names[::-1], [row["latency_ms"] for row in rows][::-1], color=COLOURS[0])
        bounds = [row["bound_ms"] for row in rows if row.get("bound_ms") is not None]
        if bounds:
            axes.axvline(max(bounds), color="black", linestyle=":", label="no placement is below")
            axes.legend()
        axes.set(xlabel="mean latency of a token (ms)", title=title)
    axes.grid(alpha=0.3)
    save_figure(figure, path)
