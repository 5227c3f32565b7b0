"""Where caches collapse: slots from n/2 to 2n, and one token's demand.

Between two requests to a page shared LRU sees every other layer's event of one round.  With l events of m
experts it needs l m - m + 1 slots before anything can hit, so that the collapse belongs to one token's demand l m and
not to the n experts of a layer; the two look alike where l m is near n.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import layered_paging as lp
from layered_paging.plot import COLOURS
from layered_paging.reproduction import Finding, Study
from layered_paging.reproduction.measures import curves, grid_of, long_traces, mean_demand

PAPER = "angelopoulos-marchal-obrecht-simon-2025"


@lp.register(
    "result",
    f"{PAPER}/collapse",
    cites=(PAPER,),
    reported="If k is near n, the number of experts of a layer, performance collapses (thrashing).",
    status="[second hand]",
    agrees_when="yes if LRU's collapse is nearer to k = n than to k = one token's demand on every workload, partly if on some, no if on none",
    small="no",
)
def collapse(study: Study) -> Finding:
    """Hit rates around n and around one token's demand; the slots at which LRU reaches half of what it reaches at twice the demand."""
    rounds = 4000 if study.full else 800
    workloads = [
        (f"Zipf, {layers} x {n}, top-{m}", lp.workloads.zipf(layers, n, rounds, top_k=m, exponent=1.5, seed=study.seed))
        for layers, n, m in ((8, 64, 1), (16, 16, 1), (32, 8, 1), (8, 32, 4), (24, 32, 4))
    ]
    workloads += long_traces(study)
    rows: list[dict[str, Any]] = []
    lines = []
    for name, trace in workloads:
        found = curves(trace, ("lru", "llru", "opt"))
        hits = {policy: np.where(c < 0, 0, 1 - c / trace.requests) for policy, c in found.items()}
        demand, width = mean_demand(trace), trace.n_experts[0]
        most = min(trace.pages, round(2 * demand))
        half = int(np.flatnonzero(hits["lru"] >= hits["lru"][most] / 2)[0])
        never = int(np.flatnonzero(found["lru"] == trace.requests)[-1]) if (found["lru"] == trace.requests).any() else 0
        row = {
            "workload": name,
            "n": width,
            "demand": round(demand, 2),
            "lru never hits up to": never,
            "lru at half": half,
        }
        for text, slots in (
            ("n/2", width // 2),
            ("n", width),
            ("2n", 2 * width),
            ("demand", round(demand)),
            ("2 demand", most),
        ):
            if slots <= trace.pages:
                row |= {f"{policy} at {text}": round(float(h[slots]), 4) for policy, h in hits.items()}
        nearer = "n" if abs(np.log(half / width)) < abs(np.log(half / demand)) else "demand"
        rows.append({**row, "nearer to": nearer})
        lines.append((name, demand, width, {policy: h[: max(most, 2 * width) + 1] for policy, h in hits.items()}))
    by_n = [row for row in rows if row["nearer to"] == "n" and row["n"] != round(row["demand"])]
    agrees = "no" if not by_n else "yes" if len(by_n) == len(rows) else "partly"
    said = [
        f"{r['workload']} n {r['n']}, demand {r['demand']:g}, half at {r['lru at half']}, no hit up to {r['lru never hits up to']}"
        for r in rows
    ]
    ours = f"LRU reaches half of its hit rate at twice the demand nearer to n than to the demand on {len(by_n)} of {len(rows)}: "

    def draw(figure: Any) -> None:
        for n, (axes, (name, demand, width, hits)) in enumerate(zip(grid_of(figure, len(lines)), lines, strict=True)):
            for at, (policy, values) in enumerate(hits.items()):
                pick = np.unique(np.linspace(1, len(values) - 1, 60).astype(np.int64))
                axes.plot(pick, 100 * values[pick], color=(*COLOURS[:2], COLOURS[6])[at], linewidth=1.4, label=policy)
            axes.axvline(demand, color="0.4", linewidth=0.9, label="one token's demand")
            axes.axvline(width, color=COLOURS[3], linestyle=":", linewidth=1.4, label="n")
            axes.set(title=name, xlabel="slots", ylabel="hits, %", xlim=(0, None))
            axes.grid(alpha=0.3)
            if n == 0:
                axes.legend(fontsize="x-small")

    notes = "between what one, two, three rounds ask for LRU gains hardly anything: its hit rate is a staircase, LLRU's a slope"
    return Finding(ours + "; ".join(said) + ".", agrees, rows, draw, notes)
