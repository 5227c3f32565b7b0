"""How far online policies stay behind Opt."""

from __future__ import annotations

from typing import Any

import numpy as np

import layered_paging as lp
from layered_paging.reproduction import Finding, Study
from layered_paging.reproduction.measures import curves, draw_curves, grid_of, legal, long_traces, mean_demand, thinned

PAPER = "angelopoulos-marchal-obrecht-simon-2025"


@lp.register(
    "result",
    f"{PAPER}/online-gap",
    cites=(PAPER,),
    reported="Online policies have up to 2.5 times the misses of Opt.",
    status="[second hand]",
    agrees_when="yes if the largest ratio of LLRU to Opt, from one token's demand on, is 2 to 3 on some workload and at most 3 on all; partly if only the first",
    small="partly",
)
def online_gap(study: Study) -> Finding:
    """Largest ratio of LRU, LLRU and LFU to Opt over all capacities, and where it is reached."""
    rounds = 5000 if study.full else 2000
    workloads = [
        ("equal Zipf", lp.workloads.zipf(32, 8, rounds, exponent=1.0, seed=study.seed)),
        ("unequal Zipf", lp.workloads.zipf(32, 8, rounds, exponent=np.linspace(0, 3, 32).tolist(), seed=study.seed)),
    ]
    for name, trace in long_traces(study):
        workloads += [(f"{name} top-1", lp.transforms.top_one(trace)), (f"{name} events", trace)]
    rows: list[dict[str, Any]] = []
    lines = []
    for name, trace in workloads:
        found = curves(trace, ("lru", "llru", "lfu", "opt"))
        sizes = legal(found)
        if not len(sizes):
            continue
        row: dict[str, Any] = {"workload": name, "pages": trace.pages, "demand": round(mean_demand(trace), 2)}
        ratios = {policy: found[policy][sizes] / found["opt"][sizes] for policy in ("lru", "llru", "lfu")}
        for policy, ratio in ratios.items():
            best = int(np.argmax(np.where(sizes >= mean_demand(trace), ratio, 0)))
            row |= {policy: round(float(ratio[best]), 3), f"{policy} at": int(sizes[best])}
        rows.append(row)
        at = thinned(np.arange(len(sizes)), 60)
        lines.append((name, sizes[at], trace.pages, {policy: ratio[at] for policy, ratio in ratios.items()}))
    worst = [row["llru"] for row in rows]
    near = any(2 <= value <= 3 for value in worst)
    agrees = "yes" if near and max(worst) <= 3 else "partly" if near else "no"
    said = [
        f"{r['workload']} LRU {r['lru']:.2f}, LLRU {r['llru']:.2f} (at {r['llru at']} slots), LFU {r['lfu']:.2f}"
        for r in rows
    ]

    def draw(figure: Any) -> None:
        for n, (axes, (name, sizes, pages, ratios)) in enumerate(zip(grid_of(figure, len(lines)), lines, strict=True)):
            draw_curves(axes, sizes, ratios, pages, legend=n == 0)
            axes.axhline(2.5, color="0.6", linewidth=0.8)
            axes.set(title=name, xlabel="share of all pages that fits", ylabel="misses / Opt")

    return Finding("; ".join(said) + ".", agrees, rows, draw, "from one token's demand of slots on; grey line: 2.5")
