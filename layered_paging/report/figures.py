"""A short replay as a picture for a slide, in SVG or TikZ; the playground's export writes the same bytes."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.arguments import kinds
from ..core.instance import integer
from ..core.trace import Trace
from ..core.words import counted
from ..engine.run import history
from ..errors import ParameterError
from ..policies.names import resolve
from ..policies.spec import PolicySpec
from .boards import labels
from .replaying import each_once, shown_as

__all__ = ["figure"]

_MOST = 200  # steps that fit on any slide
_MOST_SLOTS = 1000
_LABEL, _HEIGHT, _GAP = 74, 24, 10
_COLOURS = {
    "ink": "#1b1b1b",
    "soft": "#5b5b5b",
    "line": "#c9c9c9",
    "edge": "#7d7d7d",
    "held": "#cfd8e3",
    "hit": "#0072b2",
    "load": "#b34700",
    "gone": "#6b3fa0",
    "mark": "#ffffff",
}
_LATEX = {
    "\\": "\\textbackslash{}",
    **{sign: "\\" + sign for sign in "{}$&#%_"},
    "~": "\\textasciitilde{}",
    "^": "\\textasciicircum{}",
    "✕": "$\\times$",
    "·": "$\\cdot$",
    "–": "--",
}


@dataclass(frozen=True)
class _Frame:
    """One step of one policy: what is in which slot afterwards."""

    hits: tuple[int, ...]
    absent: tuple[int, ...]
    evicted: tuple[int, ...]
    slots: tuple[int, ...]  # -1 where nothing is


@kinds()
def figure(
    trace: Trace,
    policies: Sequence[str | type | PolicySpec],
    slots: int,
    *,
    form: str = "svg",
    reset: str = "never",
    title: str = "",
) -> str:
    """Return a picture of a short replay: a column a step, the requests above, each policy's slots below.

    Parameters
    ----------
    trace : Trace
        At most 200 events.
    policies : sequence of str, class or PolicySpec
        Names as for ``replay``; ``opt`` stands for ``belady``.
    slots : int
        At least the size of the largest event, at most 1000.
    form : {"svg", "tikz"}
    reset : str
        As for ``replay``.
    title : str
        The picture's title (SVG) or first comment (TikZ); by default policies, slots and sequence.

    Raises
    ------
    ParameterError
        More steps, or another form; what ``replay`` raises.

    Notes
    -----
    A loaded page is a house, a hit is round, what stays is a square: colour is never needed.

    Examples
    --------
    >>> import layered_paging as lp
    >>> picture = figure(lp.Trace([[0, 0], [1, 1]], n_experts=2), ["lru"], 3)
    >>> picture.startswith("<svg"), picture.count("<polygon")
    (True, 4)
    """
    if form not in ("svg", "tikz"):
        raise ParameterError(f"must be 'svg' or 'tikz'; got {form!r}", parameter="form")
    if trace.rounds * trace.layers > _MOST:
        raise ParameterError(
            f"a figure must have at most {_MOST} steps; got {trace.rounds * trace.layers}: cut the trace"
        )
    if len(policies) == 0:
        raise ParameterError("must be one or more; got none", parameter="policies")
    slots = integer("slots", slots, 1, _MOST_SLOTS, "each is drawn")
    label = labels(trace)
    played = [(shown_as(name), _frames(trace, name, slots, reset)) for name in each_once(policies)]
    shapes, width, height = _shapes(trace, label, played)
    steps = [[e for e in event if e >= 0] for row in trace.experts.tolist() for event in row]
    said = ["+".join(map(str, sorted(event))) or "-" for event in steps]
    rounds = [",".join(said[t : t + trace.layers]) for t in range(0, len(said), trace.layers)]
    names = ", ".join(shown_as(name) for name in policies)
    title = title or f"{names}: {counted(slots, 'slot')}, {' '.join(rounds)}"
    return _svg(shapes, width, height, title) if form == "svg" else _tikz(shapes, title)


def _frames(trace: Trace, name: str | type | PolicySpec, slots: int, reset: str) -> list[_Frame]:
    """Replay, and give every page the first slot that is free when it is loaded."""
    held, frames = [-1] * slots, []
    for step in history(trace, resolve("belady" if name == "opt" else name), slots, reset=reset):
        held = [page if page in step.resident else -1 for page in held]
        for page in step.misses:
            held[held.index(-1)] = page
        frames.append(_Frame(step.hits, step.misses, step.evicted, tuple(held)))
    return frames


def _shapes(
    trace: Trace, label: Callable[[int], str], plays: Sequence[tuple[str, list[_Frame]]]
) -> tuple[list[dict[str, Any]], int, int]:
    """Return the shapes from top to bottom, and the size of the picture."""

    def names(pages: Sequence[int]) -> str:
        return " ".join(map(label, pages))

    events = [sorted((*frame.hits, *frame.absent)) for frame in plays[0][1]]
    total = sum(map(len, events))
    written = [names(event) for event in events]
    written += [names(frame.evicted) for _, frames in plays for frame in frames]
    width = 14 + 8 * max(2, *map(len, written), 2)
    shapes: list[dict[str, Any]] = []

    def text(x: int, y: int, words: str, bold: bool = False, colour: str = "ink", anchor: str = "middle") -> None:
        if words:
            shapes.append(
                {"kind": "text", "x": x, "y": y + 12, "words": words, "bold": bold, "colour": colour, "anchor": anchor}
            )

    def row(y: int, head: str, cell: Callable[[int, int], None]) -> int:
        text(0, y, head, colour="soft", anchor="start")
        for t in range(len(events)):
            cell(t, _LABEL + t * width)
        return y + _HEIGHT

    def rules(top: int, bottom: int) -> None:
        for t in range(trace.layers, len(events), trace.layers) if trace.layers > 1 else ():
            shapes.append({"kind": "line", "x": _LABEL + t * width, "top": top, "bottom": bottom})

    middle, wide = width // 2, _LABEL + len(events) * width
    y = row(0, "asks for", lambda t, x: text(x + middle, 0, names(events[t]) or "–", True))
    rules(0, y)
    for name, frames in plays:
        y += _GAP
        text(0, y, name, True, anchor="start")
        paid, beside = f"{sum(len(f.absent) for f in frames)} of {total} missed", max(_LABEL, 4 + 10 * len(name))
        text(beside, y, paid, anchor="start")
        wide = max(wide, beside + 7 * len(paid))
        y += _HEIGHT
        top = y
        for slot in range(len(frames[0].slots)):

            def cell(t: int, x: int, slot: int = slot, y: int = y, frames: list[_Frame] = frames) -> None:
                page = frames[t].slots[slot]
                fresh, again = page in frames[t].absent, page in frames[t].hits
                look = "empty" if page < 0 else "load" if fresh else "hit" if again else "held"
                shapes.append(
                    {"kind": look, "x": x + 2, "y": y + 2, "width": width - 4, "height": _HEIGHT - 4},
                )
                if page >= 0:
                    text(x + middle, y, label(page), look != "held", "ink" if look == "held" else "mark")

            y = row(y, f"slot {slot + 1}", cell)
        here, there = y, y + _HEIGHT
        y = row(y, "missed", lambda t, x, y=here, f=frames: text(x + middle, y, "✕" * len(f[t].absent) or "·", True))  # type: ignore[misc]
        y = row(y, "evicted", lambda t, x, y=there, f=frames: text(x + middle, y, names(f[t].evicted), colour="gone"))  # type: ignore[misc]
        rules(top, y)
    return shapes, wide, y


def _house(s: dict[str, Any]) -> list[tuple[int, int]]:
    """Return the outline of a loaded page."""
    x, y, right, below = s["x"], s["y"], s["x"] + s["width"], s["y"] + s["height"]
    return [(x, y + 7), (x + s["width"] // 2, y), (right, y + 7), (right, below), (x, below)]


def _svg(shapes: Sequence[dict[str, Any]], width: int, height: int, title: str) -> str:
    c = _COLOURS
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-4 -4 {width + 8} {height + 8}" width="{width + 8}" '
        f'height="{height + 8}" font-family="Helvetica, Arial, sans-serif" font-size="13" role="img">',
        f"<title>{html.escape(title)}</title>",
    ]
    for s in shapes:
        if s["kind"] == "line":
            lines.append(f'<line x1="{s["x"]}" y1="{s["top"]}" x2="{s["x"]}" y2="{s["bottom"]}" stroke="{c["edge"]}"/>')
        elif s["kind"] == "text":
            bold = ' font-weight="bold"' if s["bold"] else ""
            lines.append(
                f'<text x="{s["x"]}" y="{s["y"]}" fill="{c[s["colour"]]}" text-anchor="{s["anchor"]}" '
                f'dominant-baseline="central"{bold}>{html.escape(s["words"])}</text>'
            )
        elif s["kind"] == "load":
            points = " ".join(f"{x},{y}" for x, y in _house(s))
            lines.append(f'<polygon points="{points}" fill="{c["load"]}" stroke="{c["ink"]}"/>')
        else:
            look = {
                "hit": f'rx="10" fill="{c["hit"]}" stroke="{c["ink"]}"',
                "held": f'rx="2" fill="{c["held"]}" stroke="{c["edge"]}"',
                "empty": f'rx="2" fill="none" stroke="{c["line"]}"',
            }[s["kind"]]
            lines.append(f'<rect x="{s["x"]}" y="{s["y"]}" width="{s["width"]}" height="{s["height"]}" {look}/>')
    return "\n".join([*lines, "</svg>", ""])


def _tikz(shapes: Sequence[dict[str, Any]], title: str) -> str:
    def latex(text: str) -> str:
        return "".join(_LATEX.get(sign, sign) for sign in text)

    lines = [f"% {' '.join(title.split())}", "% needs \\usepackage{tikz}"]
    lines += [f"\\definecolor{{lp{name}}}{{HTML}}{{{code[1:].upper()}}}" for name, code in _COLOURS.items()]
    lines.append("\\begin{tikzpicture}[x=0.75pt, y=-0.75pt, font=\\sffamily\\scriptsize, inner sep=0pt]")
    for s in shapes:
        if s["kind"] == "line":
            lines.append(f"\\draw[lpedge] ({s['x']},{s['top']}) -- ({s['x']},{s['bottom']});")
        elif s["kind"] == "text":
            anchor = "west" if s["anchor"] == "start" else "center"
            words = f"\\textbf{{{latex(s['words'])}}}" if s["bold"] else latex(s["words"])
            lines.append(f"\\node[text=lp{s['colour']}, anchor={anchor}] at ({s['x']},{s['y']}) {{{words}}};")
        elif s["kind"] == "load":
            path = " -- ".join(f"({x},{y})" for x, y in _house(s))
            lines.append(f"\\filldraw[fill=lpload, draw=lpink] {path} -- cycle;")
        else:
            look = {
                "hit": "\\filldraw[fill=lphit, draw=lpink, rounded corners=7pt]",
                "held": "\\filldraw[fill=lpheld, draw=lpedge]",
                "empty": "\\draw[lpline]",
            }[s["kind"]]
            lines.append(f"{look} ({s['x']},{s['y']}) rectangle ({s['x'] + s['width']},{s['y'] + s['height']});")
    return "\n".join([*lines, "\\end{tikzpicture}", ""])
