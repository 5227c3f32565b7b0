"""The pictures of the first page."""

from __future__ import annotations

import html
from collections.abc import Sequence
from importlib.resources import files

import layered_paging as lp
from layered_paging.report import figure
from layered_paging.report.replaying import parse_sequence
from layered_paging.samples import SAMPLE
from layered_paging.scaffold import files_of

from .drawing import curve_svg

SLOTS = (12, 18, 24, 36, 48, 60, 72, 84, 96)
CARDS = ("fifo", "lfu", "arc", "sieve", "llru", "similar-rounds")  # of the gallery, to be seen on its tile
_INK = "#1b1b1b"


def pictures() -> dict[str, str]:
    """Return the pictures by file name; each stands alone, on white."""
    trace = lp.load_trace(SAMPLE)
    optimum = lp.optimum_curve(trace, admission="forced")
    lines = {"optimum": {slots: int(optimum[slots]) / trace.requests for slots in SLOTS}}
    for name in ("lru", "similar-rounds"):
        lines[name] = {slots: lp.replay(trace, name, slots).misses / trace.requests for slots in SLOTS}
    played = parse_sequence("0,0 1,1 0,2 2,1 0,0", 3)
    worst = lp.competitive_ratio("lru", layers=1, experts=3, slots=2).witness
    assert worst is not None
    cycle = lp.Trace([[event[0]] for event in (*worst.prefix, *worst.cycle)], n_experts=3)
    cards = {name: {slots: lp.replay(trace, name, slots).misses / trace.requests for slots in SLOTS} for name in CARDS}
    shared = {name: lines[name] for name in ("optimum", "lru")}
    small = {name: curve_svg({**shared, name: line}, small=True) for name, line in cards.items()}
    header = files("layered_paging.live").joinpath("layered_cache.h").read_text(encoding="utf-8").splitlines()
    calls = [
        line.lstrip(" *").partition(";")[0] + ";" for line in header[:20] if "layered_cache_" in line and ";" in line
    ]
    return {
        "gallery.svg": _grid(small).replace("currentColor", _INK),
        "header.svg": _lines(calls),
        "package.svg": _lines(sorted(files_of("policy", "mine"))),
        "curve.svg": curve_svg(lines).replace("currentColor", _INK),
        "worst.svg": figure(cycle, ["lru", "opt"], 2),
        "played.svg": figure(played, ["llru"], 3),
    }


def _grid(pictures: dict[str, str]) -> str:
    """Return named pictures of 220 x 90 in rows of three."""
    parts = []
    for at, (name, svg) in enumerate(pictures.items()):
        x, y = 240 * (at % 3), 120 * (at // 3)
        parts.append(f'<text x="{x}" y="{y + 14}" font-size="15" fill="{_INK}">{html.escape(name)}</text>')
        parts.append(svg.replace("<svg ", f'<svg x="{x}" y="{y + 20}" width="220" height="90" ', 1))
    tall = 120 * -(-len(pictures) // 3)
    return f'<svg viewBox="0 0 700 {tall}" xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'


def _lines(texts: Sequence[str]) -> str:
    """Return lines of code as a picture."""
    wide = 8.5 * max(map(len, texts)) + 16
    rows = [
        f'<text x="8" y="{22 * at + 20}" font-family="monospace" font-size="14" fill="{_INK}">{html.escape(text)}</text>'
        for at, text in enumerate(texts)
    ]
    return f'<svg viewBox="0 0 {wide} {22 * len(texts) + 12}" xmlns="http://www.w3.org/2000/svg">{"".join(rows)}</svg>'
