"""Misses against capacity, from one event to all pages: synthetic Zipf, and every trace with one or all its experts.

The paper's parameters are not visible to us: synthetic workloads are 32 layers of 8 experts (the shape of
Mixtral-8x7B) with exponent 1 in all layers, or 0 to 3 rising from the first layer to the last.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import layered_paging as lp
from layered_paging.reproduction import Finding, Study
from layered_paging.reproduction.measures import curves, draw_curves, grid_of, legal, long_traces, mean_demand, thinned

PAPER = "angelopoulos-marchal-obrecht-simon-2025"
FACTS: dict[str, Any] = {
    "cites": (PAPER,),
    "reported": "LLRU has fewer misses than LRU and than caches split over the layers, on {}.",
    "status": "[text]",
    "agrees_when": "on all of them LLRU never exceeds LRU by more than 1 %, saves at least 5 % somewhere, and never exceeds LRU per layer",
}


def stated(where: str) -> dict[str, Any]:
    """Return the registration of a result on some workloads."""
    return {**FACTS, "reported": FACTS["reported"].format(where)}


OPEN = {
    **FACTS,
    "reported": "Several experts a layer are left open; stated as for one: LLRU has the fewest misses, on traces.",
    "status": "[open]",
}


@lp.register("result", f"{PAPER}/capacity-zipf", small="partly", **stated("synthetic Zipf sequences"))
def capacity_zipf(study: Study) -> Finding:
    """Misses at every capacity on synthetic Zipf, equal and unequal exponents."""
    rounds = 5000 if study.full else 2000
    equal = lp.workloads.zipf(32, 8, rounds, exponent=1.0, seed=study.seed)
    unequal = lp.workloads.zipf(32, 8, rounds, exponent=np.linspace(0, 3, 32).tolist(), seed=study.seed)
    return _compare([("Zipf, exponent 1", equal), ("Zipf, exponents 0 to 3", unequal)])


@lp.register("result", f"{PAPER}/capacity-top-one", needs_traces=True, **stated("traces, one expert a layer"))
def capacity_top_one(study: Study) -> Finding:
    """Misses at every capacity on each trace, first expert of each event alone."""
    return _compare([(name, lp.transforms.top_one(trace)) for name, trace in long_traces(study)])


@lp.register("result", f"{PAPER}/capacity-events", needs_traces=True, **OPEN)
def capacity_events(study: Study) -> Finding:
    """Misses at every capacity on each trace, all experts of each event."""
    return _compare(long_traces(study))


def _compare(workloads: list[tuple[str, lp.Trace]]) -> Finding:
    rows: list[dict[str, Any]] = []
    said, wins, never = [], [], []
    for name, trace in workloads:
        found = curves(trace)
        sizes = legal(found, "lru", "llru", "opt")
        if not len(sizes):
            continue  # nothing is ever asked for twice after an eviction
        edge = [s for s in (math.ceil(mean_demand(trace)) - 1, math.ceil(mean_demand(trace))) if s in sizes]
        for size in sorted({*thinned(sizes, 40), *edge}):
            row = {"workload": name, "pages": trace.pages, "demand": round(mean_demand(trace), 2), "slots": size}
            rows.append({**row, **{key: int(c[size]) if c[size] >= 0 else None for key, c in found.items()}})
        gain = 1 - found["llru"][sizes] / found["lru"][sizes]
        both = legal(found, "llru", "lru per layer")
        split = found["llru"][both] / found["lru per layer"][both] - 1
        wins.append(gain.max())
        never.append(gain.min() >= -0.01 and (len(split) == 0 or split.max() <= 0))
        worse = f"{split.max():+.1%} against LRU per layer" if len(split) else "no legal split"
        said.append(f"{name}: {-gain.max():+.1%} to {-gain.min():+.1%} against LRU, at worst {worse}")
    if not rows:
        return Finding("Nothing to decide: no policy matters at any capacity of these traces.", "not decidable")
    agrees = "yes" if all(never) and min(wins) >= 0.05 else "partly" if max(wins) >= 0.05 else "no"

    def draw(figure: Any) -> None:
        shown = list(dict.fromkeys(row["workload"] for row in rows))
        for n, (axes, name) in enumerate(zip(grid_of(figure, len(shown)), shown, strict=True)):
            part = [row for row in rows if row["workload"] == name]
            values = {
                key: [row[key] / row["opt"] if row[key] is not None else None for row in part]
                for key in list(part[0])[4:]
            }
            draw_curves(axes, [row["slots"] for row in part], values, part[0]["pages"], legend=n == 0)
            axes.axvline(part[0]["demand"] / part[0]["pages"], color="0.6", linewidth=0.8)
            axes.set(title=name, xlabel="share of all pages that fits", ylabel="misses / Opt")

    return Finding("; ".join(said) + ".", agrees, rows, draw, "grey line: one token's demand; reset at each session")
