"""Pictures inside a page: drawn once for light and once for dark, as data that no network is needed for."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from ..plot import COLOURS, STYLES, figure_bytes, new_figure
from .html import escape

__all__ = ["curves", "layers", "picture"]

_OPTIMUM = "#8a8a8a"

_INK = {"light": "#1b1b1b", "dark": "#ececec"}


def picture(draw: Callable[[Any], None], about: str, *, width: float = 9, height: float = 4.2) -> str:
    """Return an HTML picture of what ``draw`` puts into axes; ``about`` says in words what it shows."""
    sources = {}
    for theme, ink in _INK.items():
        figure = new_figure(width, height)
        axes = figure.subplots()
        draw(axes)
        figure.patch.set_alpha(0)
        axes.patch.set_alpha(0)
        for part in (axes.title, axes.xaxis.label, axes.yaxis.label, *axes.get_xticklabels(), *axes.get_yticklabels()):
            part.set_color(ink)
        axes.tick_params(colors=ink)
        for spine in axes.spines.values():
            spine.set_color(ink)
        legend = axes.get_legend()
        if legend is not None:
            legend.get_frame().set_alpha(0)
            for text in legend.get_texts():
                text.set_color(ink)
        data = base64.b64encode(figure_bytes(figure, "svg")).decode()
        sources[theme] = f"data:image/svg+xml;base64,{data}"
    return (
        f'<picture><source media="(prefers-color-scheme: dark)" srcset="{sources["dark"]}">'
        f'<img src="{sources["light"]}" alt="{escape(about)}"></picture>'
    )


def curves(told: dict[str, Any]) -> Callable[[Any], None]:
    """Return what draws the share of requests that miss against slots, or against bytes where sizes differ."""
    found, requests = told["diagnosis"], told["diagnosis"]["requests"]

    def draw(axes: Any) -> None:
        lines = {name: curve for name, curve in told["curves"].items() if name != "bytes"}
        sizes = told["curves"].get("bytes")
        for n, (name, curve) in enumerate(lines.items()):
            at_size = range(len(curve)) if sizes is None else [size / 2**20 for size in sizes]
            points = [(s, m / requests) for s, m in zip(at_size, curve, strict=True) if m >= 0]
            axes.plot(
                *zip(*points, strict=True),
                label=name,
                color=_colour(told, name),
                linewidth=2.6 if name == found["best"] else 1.6,
                linestyle="-" if name == found["best"] else STYLES[n % 4],
            )
        most = found["pages"] if sizes is None else sizes[-1] / 2**20
        budget = found["slots"] if sizes is None else round(found["budget_bytes"] / 2**20, 1)
        for at, text in ((budget, "budget"), (found["demand"] if sizes is None else budget, "round")):
            if at <= most and (text == "budget" or sizes is None):
                axes.axvline(at, color="#7f7f7f", linewidth=1.2, linestyle=":")
                words = f"{text} {at:,}"
                axes.annotate(words, (at, 1.01), xycoords=("data", "axes fraction"), color="#7f7f7f", fontsize="small")
        unit = "slots" if sizes is None else "MiB"
        axes.set(xlabel=unit, ylabel="share of requests that miss", ylim=(0, None), xlim=(0, most))
        axes.grid(alpha=0.25)
        axes.legend(fontsize="small")

    return draw


def _colour(told: dict[str, Any], name: str) -> str:
    """Return the same colour for a policy in every picture."""
    if name.startswith("optimum"):
        return _OPTIMUM
    return COLOURS[[n for n in told["curves"] if not n.startswith(("optimum", "bytes"))].index(name) % len(COLOURS)]


def layers(told: dict[str, Any]) -> Callable[[Any], None]:
    """Return what draws the misses of each layer: unavoidable, lost by the best policy, lost by the one in use."""
    found, rows = told["diagnosis"], told["layers"]

    def draw(axes: Any) -> None:
        x = list(range(len(rows)))
        ahead = "optimum" if found["optimum_how"] == "exact" else "furthest next use"
        axes.bar(x, [r["optimum"] for r in rows], color=_OPTIMUM, alpha=0.6, label=ahead, width=0.8)
        axes.plot(x, [r["best"] for r in rows], color=_colour(told, found["best"]), marker="s", label=found["best"])
        if found["best"] != found["policy"]:
            axes.plot(
                x, [r["misses"] for r in rows], color=_colour(told, found["policy"]), marker="o", label=found["policy"]
            )
        axes.set(xlabel="layer", ylabel="misses", ylim=(0, None))
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.25, axis="y")
        axes.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))

    return draw
