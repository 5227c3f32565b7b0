"""Experts re-read through a mapped file, against a cache that the engine manages: the same memory, the same disk."""

from __future__ import annotations

from typing import Any

import layered_paging as lp
from layered_paging.prefetch.replay import prefetch
from layered_paging.prefetch.timing import TimeModel
from layered_paging.reproduction import Finding, Study
from layered_paging.reproduction.measures import grid_of, long_traces, mean_demand

PAPER = "usage-aware-caching"
EXPERT = 13_000_000  # bytes, where a trace has no sizes
COMPUTE, BANDWIDTH, FAULT, LATENCY, READAHEAD, MINOR = 500_000, 3_000_000_000, 100_000, 100_000, 1 << 17, 50_000
SHARES = (1.1, 1.5, 2.0, 3.0, 4.0)


def workloads(study: Study) -> list[tuple[str, lp.Trace]]:
    """Return a sticky router, and the traces at hand (at most 9 sessions)."""
    rounds = 2000 if study.full else 200
    found = [
        (
            "sticky, 16 experts",
            lp.workloads.markov(12, 16, rounds, top_k=2, stickiness=0.4, exponent=1.0, seed=study.seed),
        )
    ]
    for name, trace in long_traces(study):
        every = max(1, len(trace.sessions) // 9)
        found.append((name, trace.select(list(range(0, len(trace.sessions), every)))))
    return found


@lp.register(
    "result",
    f"{PAPER}/page-cache",
    cites=(PAPER,),
    reported="Experts repeatedly re-read by mmap; even a modest improvement in hit rate would noticeably improve the speed.",
    status="[text]",
    agrees_when="decayed LFU per layer gives at least 5 % more tokens a second than LRU in one pool at two tokens' demand, on every workload, both with explicit reads; partly: on some",
)
def page_cache(study: Study) -> Finding:
    """Tokens a second: a mapped file under LRU of the whole, explicit reads under LRU, and under decayed LFU per layer."""
    mapped = TimeModel.page_cache(compute=COMPUTE, bandwidth=BANDWIDTH, fault=FAULT, readahead=READAHEAD, hit=MINOR)
    read = TimeModel(compute=COMPUTE, bandwidth=BANDWIDTH, latency=LATENCY, channels=1, overlap=True)
    ways = {
        "mapped file, LRU": (mapped, "lru", "shared"),
        "reads, LRU": (read, "lru", "shared"),
        "reads, LRU per layer": (read, "lru", "per-layer"),
        "reads, decayed LFU per layer": (read, "lfu-decay", "per-layer"),
    }
    rows: list[dict[str, Any]] = []
    jobs = workloads(study)
    for name, trace in jobs:
        size = None if trace.expert_bytes is not None else EXPERT
        for share in SHARES:
            slots = min(trace.pages, round(share * mean_demand(trace) + 0.5))
            for way, (clock, policy, pool) in ways.items():
                got = prefetch(trace, None, slots, time=clock, page_bytes=size, policy=policy, pool=pool)
                speed = got.tokens_per_second
                rows.append(
                    {
                        "workload": name,
                        "demand": share,
                        "slots": slots,
                        "way": way,
                        "hit rate": round(got.hit_rate, 5),
                        "tokens/s": None if speed is None else round(speed, 4),
                    }
                )
    parts, gains = [], []
    for name, _ in jobs:
        at = {r["way"]: r for r in rows if r["workload"] == name and r["demand"] == 2.0}
        gains.append(at["reads, decayed LFU per layer"]["tokens/s"] / at["reads, LRU"]["tokens/s"] - 1)
        parts.append(
            f"{name} "
            + ", ".join(f"{way} {r['tokens/s']:.2f} ({100 * r['hit rate']:.1f} % hits)" for way, r in at.items())
        )

    def draw(figure: Any) -> None:
        for axes, (name, _) in zip(grid_of(figure, len(jobs)), jobs, strict=False):
            for way in ways:
                mine = [r for r in rows if (r["workload"], r["way"]) == (name, way)]
                axes.plot([r["demand"] for r in mine], [r["tokens/s"] for r in mine], marker=".", label=way)
            axes.set(title=name, xlabel="slots, in tokens' demand", ylabel="tokens a second")
            axes.grid(alpha=0.3)
        figure.axes[0].legend(fontsize="x-small")

    verdict = "yes" if min(gains) >= 0.05 else "partly" if max(gains) >= 0.05 else "no"
    return Finding(
        "Tokens a second at two tokens' demand: " + "; ".join(parts) + ".",
        verdict,
        rows,
        draw,
        "a model, not a measurement: 0.5 ms a layer, 3 GB/s, 0.1 ms a read or major fault of 128 KiB, 50 us of minor faults an expert; "
        "13 MB an expert where the trace has no sizes; never reset",
    )
