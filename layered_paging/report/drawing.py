"""Pictures inside a page: SVG elements whose text is text, and whose colours are those of the page's theme."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .html import escape

__all__ = ["HEIGHT", "WIDTH", "Axes", "Series", "bars", "key", "lines", "ticks"]

WIDTH, HEIGHT = 480, 250
LEFT, RIGHT, TOP, BOTTOM = 64, 14, 28, 40


@dataclass(frozen=True)
class Series:
    """Points of one line; ``kind`` is a class of the page's style: s0, s1, ..., or optimum."""

    name: str
    kind: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Axes:
    """What an axis each way spans and says; ``marks`` are vertical lines with a word."""

    x: tuple[float, float]
    y: tuple[float, float]
    xlabel: str
    ylabel: str
    xticks: Sequence[tuple[float, str]]
    yticks: Sequence[tuple[float, str]]
    marks: Sequence[tuple[float, str]] = ()

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return the place of a point in the picture."""
        across = (x - self.x[0]) / ((self.x[1] - self.x[0]) or 1)
        up = (y - self.y[0]) / ((self.y[1] - self.y[0]) or 1)
        return round(LEFT + across * (WIDTH - LEFT - RIGHT), 2), round(
            HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM), 2
        )


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Return round numbers from ``low`` to ``high``, both included at most: steps of 1, 2 or 5 times a power of ten.

    Examples
    --------
    >>> ticks(0, 96), ticks(0.0, 0.23)
    ([0, 20, 40, 60, 80], [0.0, 0.05, 0.1, 0.15, 0.2])
    """
    span = (high - low) or 1.0
    power = 10 ** math.floor(math.log10(span / most))
    step = next(power * f for f in (1, 2, 5, 10) if span / (power * f) <= most)
    first = math.ceil(low / step)
    return [round(n * step, 10) for n in range(first, math.floor(high / step + 1e-9) + 1)]


def lines(series: Sequence[Series], axes: Axes, about: str, *, name: str = "") -> str:
    """Return a picture of lines; ``about`` says in words what it shows, ``name`` is an id for the page's script."""
    drawn = []
    for one in series:
        places = [axes.at(*point) for point in one.points]
        path = " ".join(f"{x},{y}" for x, y in places)
        drawn.append(f'<polyline class="{one.kind}" points="{path}"/>')
    return _picture(axes, drawn, about, name)


def bars(heights: Sequence[float], series: Sequence[Series], axes: Axes, about: str) -> str:
    """Return a picture of bars at 0, 1, ..., with dots above them."""
    wide = (WIDTH - LEFT - RIGHT) / max(1, len(heights))
    floor = axes.at(0, axes.y[0])[1]
    drawn = []
    for n, height in enumerate(heights):
        x, y = axes.at(n, height)
        drawn.append(
            f'<rect class="bar" x="{x - 0.4 * wide:.2f}" y="{y}" width="{0.8 * wide:.2f}" height="{floor - y:.2f}"/>'
        )
    for one in series:
        drawn += [
            f'<circle class="{one.kind}" cx="{x}" cy="{y}" r="3"/>'
            for x, y in (axes.at(*point) for point in one.points)
        ]
    return _picture(axes, drawn, about, "")


def key(entries: Sequence[tuple[str, str]]) -> str:
    """Return the key to a picture: (kind, name) each; a kind ending in ``dot`` or ``bar`` is drawn so."""
    items = "".join(
        f'<li><svg viewBox="0 0 30 12" aria-hidden="true">{_sample(kind)}</svg>{escape(name)}</li>'
        for kind, name in entries
    )
    return f"<ul class='key'>{items}</ul>"


def _sample(kind: str) -> str:
    name, _, shape = kind.partition(" ")
    if shape == "dot":
        return f'<circle class="{name}" cx="15" cy="6" r="4"/>'
    if shape == "bar":
        return f'<rect class="{name}" x="5" y="1" width="20" height="10"/>'
    return f'<polyline class="{name}" points="0,6 30,6"/>'


def _picture(axes: Axes, drawn: Sequence[str], about: str, name: str) -> str:
    floor, top = HEIGHT - BOTTOM, TOP
    frame = []
    for value, text in axes.yticks:
        y = axes.at(axes.x[0], value)[1]
        frame.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        frame.append(f'<text class="right" x="{LEFT - 5}" y="{y + 4}">{escape(text)}</text>')
    for value, text in axes.xticks:
        x = axes.at(value, axes.y[0])[0]
        frame.append(f'<line class="axis" x1="{x}" x2="{x}" y1="{floor}" y2="{floor + 4}"/>')
        frame.append(f'<text class="mid" x="{x}" y="{floor + 17}">{escape(text)}</text>')
    frame.append(f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{floor}" y2="{floor}"/>')
    frame.append(f'<text class="right" x="{WIDTH - RIGHT}" y="{HEIGHT - 5}">{escape(axes.xlabel)}</text>')
    frame.append(f'<text x="2" y="16">{escape(axes.ylabel)}</text>')
    for value, text in axes.marks:
        x = axes.at(value, axes.y[0])[0]
        side = "right" if x > WIDTH / 2 else ""
        frame.append(f'<line class="mark" x1="{x}" x2="{x}" y1="{top}" y2="{floor}"/>')
        frame.append(f'<text class="{side}" x="{x + (-4 if side else 4)}" y="{floor - 6}">{escape(text)}</text>')
    moving = f'<line class="now" x1="{LEFT}" x2="{LEFT}" y1="{top}" y2="{floor}"/>' if name else ""
    named = f' id="{name}"' if name else ""
    return (
        f'<svg class="chart"{named} viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(about)}">'
        f"{''.join(frame)}{''.join(drawn)}{moving}</svg>"
    )
