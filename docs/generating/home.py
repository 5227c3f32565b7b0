"""The pictures of the first page."""

from __future__ import annotations

import layered_paging as lp
from layered_paging.report import figure
from layered_paging.report.replaying import parse_sequence
from layered_paging.samples import SAMPLE

from .drawing import curve_svg

SLOTS = (12, 18, 24, 36, 48, 60, 72, 84, 96)


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
    return {
        "curve.svg": curve_svg(lines).replace("currentColor", "#1b1b1b"),
        "worst.svg": figure(cycle, ["lru", "opt"], 2),
        "played.svg": figure(played, ["llru"], 3),
    }
