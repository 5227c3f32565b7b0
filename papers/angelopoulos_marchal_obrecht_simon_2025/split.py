"""Caches split over the layers: Opt per layer against Opt, LRU per layer against LRU, and when which is ahead.

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
    f"{PAPER}/opt-per-layer",
    reported="Opt per layer has up to 3 times the misses of Opt; the gap depends on the Zipf exponent.",
    agrees_when="some exponents reach a factor of at least 3, and we can say which",
    small="yes",
    **FACTS,
)
def opt_per_layer(study: Study) -> Finding:
    """Largest ratio of Opt per layer to Opt over all capacities, by Zipf exponent, equal and unequal."""
    layers, experts, rounds = 32, 8, 5000 if study.full else 2000
    rows: list[dict[str, Any]] = []
    values = np.linspace(0, 4, 17 if study.full else 5)
    for done, value in enumerate(values.tolist()):
        study.progress(done, len(values))
        for kind, powers in (("equal", [value] * layers), ("0 to a", np.linspace(0, value, layers).tolist())):
            trace = lp.workloads.zipf(layers, experts, rounds, exponent=powers, seed=study.seed)
            found = curves(trace, ("opt per layer", "opt"))
            sizes = legal(found)
            ratio = found["opt per layer"][sizes] / found["opt"][sizes]
            best = int(ratio.argmax())
            row = {"kind": kind, "exponent a": value, "largest ratio": round(float(ratio[best]), 3)}
            rows.append({**row, "slots": int(sizes[best]), "median ratio": round(float(np.median(ratio)), 3)})
    span = {
        kind: [f(r["largest ratio"] for r in rows if r["kind"] == kind) for f in (min, max)]
        for kind in ("equal", "0 to a")
    }
    first = next((r for r in rows if r["kind"] == "0 to a" and r["largest ratio"] >= 3), None)
    where = (
        f"3 is reached from exponents 0 to {first['exponent a']:g} on, at {first['slots']} slots"
        if first
        else "never 3"
    )
    ours = (
        f"{layers} layers of {experts}, largest ratio over capacities: {span['equal'][0]:.2f} to {span['equal'][1]:.2f} with equal "
        f"exponents 0 to 4; with exponents rising from 0 to a over the layers {where}, and {span['0 to a'][1]:.1f} at most."
    )

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        for n, kind in enumerate(("equal", "0 to a")):
            part = [r for r in rows if r["kind"] == kind]
            for key, style in (("largest ratio", "-"), ("median ratio", ":")):
                label = f"{kind}, {key.split()[0]} over capacities"
                axes.plot([r["exponent a"] for r in part], [r[key] for r in part], style, color=COLOURS[n], label=label)
        axes.axhline(3, color="0.6", linewidth=0.8)
        axes.set(xlabel="Zipf exponent a", ylabel="Opt per layer / Opt", yscale="log", yticks=[1, 2, 3, 5, 10])
        axes.set_yticklabels(["1", "2", "3", "5", "10"])
        axes.legend()
        axes.grid(alpha=0.3)

    return Finding(ours, "yes" if first else "no", rows, draw)


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
