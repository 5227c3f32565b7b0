"""LRU per layer against LRU with one shared pool, and when which is ahead.

Shared LRU keeps what was asked for within one common span of time; LRU per layer gives every layer the same
number of pages, hence a span of its own.  Two things decide between them.  Layers of unequal working sets:
the common span lends pages from layers that need few to layers that need many, which pays more the larger the
cache.  And the order of the layers: shared LRU spends one token's demand of slots on pages that are needed last
of all, so that with few tokens' worth of slots the split is ahead.  The control makes all layers alike (each
replays the first one's sequence, shifted in time): then only the second effect is left.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import layered_paging as lp
from layered_paging.plot import COLOURS
from layered_paging.reproduction import Finding, Study
from layered_paging.reproduction.measures import curves, grid_of, legal, long_traces, mean_demand, thinned

PAPER = "angelopoulos-marchal-obrecht-simon-2025"
FACTS: dict[str, Any] = {"cites": (PAPER,), "status": "[second hand]"}


@lp.register(
    "result",
    f"{PAPER}/lru-per-layer",
    reported="LRU per layer has 1.8 to 3 times the misses of LRU with one shared pool.",
    agrees_when="yes if every workload reaches 1.8 somewhere, partly if some do, no if none",
    small="partly",
    **FACTS,
)
def lru_per_layer(study: Study) -> Finding:
    """LRU per layer against shared LRU at every capacity; layers made alike as a control."""
    rounds = 5000 if study.full else 2000
    real = long_traces(study)
    workloads = [
        ("equal Zipf", lp.workloads.zipf(32, 8, rounds, exponent=1.0, seed=study.seed)),
        ("unequal Zipf", lp.workloads.zipf(32, 8, rounds, exponent=np.linspace(0, 3, 32).tolist(), seed=study.seed)),
        *real,
        *((f"{name}, layers alike", alike(trace)) for name, trace in real),
    ]
    rows: list[dict[str, Any]] = []
    lines = []
    for name, trace in workloads:
        found = curves(trace, ("lru", "lru per layer"))
        sizes = legal(found)
        if not len(sizes):
            continue
        ratio = found["lru per layer"][sizes] / found["lru"][sizes]
        low, high = int(ratio.argmin()), int(ratio.argmax())
        ahead = np.flatnonzero(ratio < 1)
        turn = float(sizes[ahead[-1]] + 1) / mean_demand(trace) if len(ahead) else 1.0
        row = {"workload": name, "pages": trace.pages, "least": round(float(ratio[low]), 3), "at": int(sizes[low])}
        row |= {"most": round(float(ratio[high]), 3), "at slots": int(sizes[high])}
        row |= {"at half": round(float(np.interp(trace.pages / 2, sizes, ratio)), 3)}
        row |= {"shared ahead from, tokens": round(turn, 2)}
        rows.append(row)
        lines.append((name, sizes, trace.pages, ratio))
    reach = [row["most"] >= 1.8 for row in rows if "alike" not in row["workload"]]
    agrees = "yes" if all(reach) else "partly" if any(reach) else "no"
    said = [
        f"{r['workload']} {r['least']:.2f} (at {r['at']} slots) to {r['most']:.2f} (at {r['at slots']}), at half of all pages {r['at half']:.2f}"
        for r in rows
    ]

    def draw(figure: Any) -> None:
        for axes, (name, sizes, pages, ratio) in zip(grid_of(figure, len(lines)), lines, strict=True):
            at = thinned(np.arange(len(sizes)), 60)
            axes.plot(sizes[at] / pages, ratio[at], color=COLOURS[0], linewidth=1.4)
            axes.axhline(1, color="0.5", linewidth=0.8)
            axes.set(title=name, xlabel="share of all pages that fits", ylabel="LRU per layer / LRU", xlim=(0, 1))
            axes.grid(alpha=0.3)

    notes = "the split is ahead with few tokens' worth of slots, the shared pool with large caches and unequal layers"
    return Finding("; ".join(said) + ".", agrees, rows, draw, notes)


def alike(trace: lp.Trace) -> lp.Trace:
    """Return the trace whose every layer replays the first one's events, shifted in time."""
    columns = [np.roll(trace.experts[:, 0], j * trace.rounds // trace.layers, axis=0) for j in range(trace.layers)]
    return lp.Trace(np.stack(columns, axis=1), trace.n_experts[0])
