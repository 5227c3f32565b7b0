"""LRU against LFU with half of each layer's experts cached, and what equal hit rates cost in memory.

The paper's traces of Mixtral-8x7B (32 layers of 8 experts, 2 of them a token, 4 of 8 cached) are not at hand: its shape is
played by synthetic routers, and real traces of other models are played at the same share. A trace of the paper's
model can be given by ``--trace``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import layered_paging as lp
from layered_paging.reproduction import Finding, Study
from layered_paging.reproduction.measures import curves, draw_curves, grid_of, long_traces

PAPER = "lin-he-chen-2025"
RESETS = ("session", "never")


def routers(study: Study) -> list[tuple[str, lp.Trace]]:
    """Return synthetic routers of 32 layers x 8 experts, top 2: skewed, sticky, drifting; then the traces at hand."""
    rounds = 4000 if study.full else 300
    shape = {"top_k": 2, "seed": study.seed, "sessions": 8}
    made = [
        ("skewed, 8 experts", lp.workloads.zipf(32, 8, rounds, exponent=1.0, **shape)),
        ("sticky, 8 experts", lp.workloads.markov(32, 8, rounds, stickiness=0.4, exponent=0.5, **shape)),
        ("drifting, 8 experts", lp.workloads.drift(32, 8, rounds, exponent=1.0, period=50, swaps=1, **shape)),
    ]
    return made + long_traces(study)


def half(trace: lp.Trace) -> int:
    """Return the slots that hold half of each layer's experts: 4 of 8."""
    return sum(max(trace.top_k, n // 2) for n in trace.n_experts)


@lp.register(
    "result",
    f"{PAPER}/lfu-against-lru",
    cites=(PAPER,),
    reported="LFU caching gives strong improvements over LRU (half of each layer's experts cached, the present event protected).",
    status="[text]",
    agrees_when="LFU's hit rate is at least 1 point above LRU's on every workload and with both resets; partly: on some",
)
def lfu_against_lru(study: Study) -> Finding:
    """Hit rates of LRU, LFU and decayed LFU per layer at half the experts, event-atomic and serial."""
    rows: list[dict[str, Any]] = []
    for name, trace in routers(study):
        for reset in RESETS:
            for events in ("atomic", "serial"):
                row: dict[str, Any] = {"workload": name, "reset": reset, "events": events}
                for policy in ("lru", "lfu", "lfu-decay"):
                    run = lp.replay(trace, policy, half(trace), pool="per-layer", reset=reset, events=events)
                    row[policy] = round(run.hit_rate, 6)
                rows.append(row)
    gains = [100 * (r["lfu"] - r["lru"]) for r in rows if r["events"] == "atomic"]
    decayed = [100 * (r["lfu-decay"] - r["lru"]) for r in rows if r["events"] == "atomic"]
    parts = [
        f"{r['workload']} {100 * r['lru']:.1f} to {100 * r['lfu']:.1f} (decayed {100 * r['lfu-decay']:.1f})"
        for r in rows
        if r["events"] == "atomic" and r["reset"] == "session"
    ]
    serial = [100 * (r["lfu"] - r["lru"]) for r in rows if r["events"] == "serial"]
    verdict = "yes" if min(gains) >= 1 else "partly" if max(gains) >= 1 else "no"
    return Finding(
        f"Hit rate in %, LRU to LFU, reset at each session: {'; '.join(parts)}. LFU minus LRU over all workloads and resets: "
        f"{min(gains):+.1f} to {max(gains):+.1f} points (serial replay {min(serial):+.1f} to {max(serial):+.1f}); decayed LFU "
        f"minus LRU: {min(decayed):+.1f} to {max(decayed):+.1f}.",
        verdict,
        rows,
        notes="without a reset LFU keeps counting what the workload no longer asks for; decay forgets it",
    )


def _curves(study: Study) -> list[tuple[str, lp.Trace, dict[str, Any]]]:
    return [
        (name, trace, curves(trace, ("lru per layer", "lfu per layer", "opt per layer"), reset="session"))
        for name, trace in routers(study)
    ]


@lp.register(
    "result",
    f"{PAPER}/hit-rate",
    cites=(PAPER,),
    reported="A 23.6 % better cache hit rate than LRU.",
    status="[second hand]",
    agrees_when="relative gain of LFU over LRU at half the experts of at least 20 % on every workload; partly: somewhere at some capacity",
)
def hit_rate(study: Study) -> Finding:
    """Relative gain in hit rate of LFU per layer over LRU per layer, at half the experts and at every capacity."""
    rows: list[dict[str, Any]] = []
    panels: list[tuple[str, Any, Any]] = []
    for name, trace, found in _curves(study):
        requests = trace.requests
        lru, lfu = found["lru per layer"], found["lfu per layer"]
        known = np.flatnonzero((lru >= 0) & (lfu >= 0) & (lru < requests))
        gain = (requests - lfu[known]) / (requests - lru[known]) - 1
        at = int(np.flatnonzero(known == half(trace))[0]) if half(trace) in known else len(known) - 1
        best = int(np.argmax(gain))
        rows.append(
            {
                "workload": name,
                "gain at half": round(float(gain[at]), 6),
                "largest gain": round(float(gain[best]), 6),
                "at slots": int(known[best]),
                "of pages": trace.pages,
                "lru there": round(1 - int(lru[known[best]]) / requests, 6),
                "least gain": round(float(gain.min()), 6),
                "optimum at half": round(
                    (requests - int(found["opt per layer"][known[at]])) / (requests - int(lru[known[at]])) - 1, 6
                ),
            }
        )
        panels.append((name, known / trace.pages, 100 * gain))

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        for name, x, y in panels:
            axes.plot(x, y, label=name)
        axes.axhline(23.6, color="grey", linestyle=":")
        axes.set(xlabel="share of all experts cached", ylabel="gain in hit rate of LFU over LRU, %", ylim=(-15, 40))
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")

    at_half = [r["gain at half"] for r in rows]
    most = [r["largest gain"] for r in rows]
    parts = [
        f"{r['workload']} {100 * r['gain at half']:+.1f} % at half (optimum {100 * r['optimum at half']:+.1f} %), at most "
        f"{100 * r['largest gain']:+.1f} % (at {r['at slots']} of {r['of pages']} slots)"
        for r in rows
    ]
    able = sum(r["optimum at half"] >= 0.236 for r in rows)
    verdict = "yes" if min(at_half) >= 0.2 else "partly" if max(most) >= 0.2 else "no"
    told = f" The offline optimum itself gains 23.6 % at half on {able} of {len(rows)} workloads."
    return Finding(
        "; ".join(parts) + "." + told, verdict, rows, draw, "per layer, reset at each session; grey line: 23.6 %"
    )


@lp.register(
    "result",
    f"{PAPER}/memory",
    cites=(PAPER,),
    reported="31.4 % less peak memory than LRU; the comparable quantity is the slots needed for LRU's hit rate.",
    status="[second hand]",
    agrees_when="at least 25 % fewer slots for the hit rate of LRU at half the experts on every workload; partly: on some",
)
def memory(study: Study) -> Finding:
    """Slots that LFU, and the optimum, need per layer to reach LRU's hit rate with half the experts."""
    rows: list[dict[str, Any]] = []
    found_all = _curves(study)
    for name, trace, found in found_all:
        slots = half(trace)
        target = int(found["lru per layer"][slots])
        row: dict[str, Any] = {"workload": name, "lru slots": slots, "hit rate": round(1 - target / trace.requests, 6)}
        for policy in ("lfu per layer", "opt per layer"):
            line = found[policy]
            enough = np.flatnonzero((line >= 0) & (line <= target))
            row[policy] = int(enough[0])
            row[f"{policy} saves"] = round(1 - int(enough[0]) / slots, 6)
        rows.append(row)
    saved = [r["lfu per layer saves"] for r in rows]
    parts = [
        f"{r['workload']} {100 * r['lfu per layer saves']:+.1f} % ({r['lfu per layer']} for {r['lru slots']} slots; "
        f"optimum {100 * r['opt per layer saves']:+.1f} %)"
        for r in rows
    ]

    def draw(figure: Any) -> None:
        for axes, (name, trace, found) in zip(grid_of(figure, len(found_all)), found_all, strict=False):
            sizes = np.flatnonzero(np.min([found[p] for p in found], axis=0) >= 0)[
                :: max(1, trace.pages // 100)
            ].tolist()
            draw_curves(
                axes, sizes, {p: [1 - int(found[p][s]) / trace.requests for s in sizes] for p in found}, trace.pages
            )
            axes.set(title=name, xlabel="share cached", ylabel="hit rate")
            axes.axvline(half(trace) / trace.pages, color="grey", linestyle=":")

    able = sum(r["opt per layer saves"] >= 0.314 for r in rows)
    told = f" The offline optimum itself saves 31.4 % on {able} of {len(rows)} workloads."
    verdict = "yes" if min(saved) >= 0.25 else "partly" if max(saved) >= 0.25 else "no"
    return Finding(
        "Slots saved by LFU: " + "; ".join(parts) + "." + told, verdict, rows, draw, "per layer, reset at each session"
    )
