"""Speculative prefetching: how good guesses are, and what they save on a clock whose parameters are stated.

The paper's guesses come from the next layer's gate applied to the present hidden state, which no trace holds; a live model
can write them (``layered-paging prefetch --predictor imported``). Here: guesses from what a trace shows, and a perfect
oracle as the limit.
"""

from __future__ import annotations

from typing import Any

import layered_paging as lp
from layered_paging.prefetch import guesses
from layered_paging.prefetch.replay import LOADS, prefetch
from layered_paging.prefetch.timing import TimeModel
from layered_paging.reproduction import Finding, Study
from layered_paging.reproduction.measures import grid_of, long_traces

PAPER = "lin-he-chen-2025"
PREDICTORS = ("previous", "popularity(half_life=32)", "markov", "markov(distance=2)", "oracle")
# name -> (predictor, guesses an event over top_k, least score, staging buffer)
WAYS: dict[str, tuple[str | None, float, float, int]] = {
    "none": (None, 1, 0.0, 0),
    **{text: (text, 1, 0.0, 0) for text in PREDICTORS},
    "markov above 0.5": ("markov", 1, 0.5, 0),
    "markov, buffer of 8": ("markov", 1, 0.0, 8),
    "markov, twice as many, buffer of 8": ("markov", 2, 0.15, 8),
}
RATIOS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)  # time of a load over the time of a layer
LAYER_NS = 1_000_000


def workloads(study: Study) -> list[tuple[str, lp.Trace]]:
    """Return a router of 8 experts whose layers do not depend on each other, and the traces at hand (at most 9 sessions)."""
    rounds = 2000 if study.full else 200
    made = lp.workloads.markov(32, 8, rounds, top_k=2, stickiness=0.4, exponent=0.5, seed=study.seed, sessions=4)
    found = [("sticky, 8 experts", made)]
    for name, trace in long_traces(study):
        every = max(1, len(trace.sessions) // 9)
        found.append((name, trace.select(list(range(0, len(trace.sessions), every)))))
    return found


def half(trace: lp.Trace) -> int:
    """Return the slots that hold half of each layer's experts."""
    return sum(max(trace.top_k, n // 2) for n in trace.n_experts)


def clock(ratio: float) -> TimeModel:
    """One channel, with overlap; a layer computes for 1 ms and an expert loads in ``ratio`` ms."""
    load = round(ratio * LAYER_NS)
    return TimeModel(compute=LAYER_NS, bandwidth=10**9, latency=load - 1, channels=1, overlap=True)


@lp.register(
    "result",
    f"{PAPER}/guesses",
    cites=(PAPER,),
    reported="Speculative prefetching has huge potential; precision and recall per token and layer are traced.",
    status="[text]",
    agrees_when="not decidable: the paper's guesses need hidden states; ours are from the trace alone",
)
def guess_quality(study: Study) -> Finding:
    """Precision and recall of top_k guesses by predictor, and of the cache as a set, LRU and LFU, per token and layer."""
    rows: list[dict[str, Any]] = []
    for name, trace in workloads(study):
        for text in PREDICTORS[:-1]:
            said = guesses(trace, text, trace.top_k)
            got = prefetch(
                trace, said, half(trace), time=clock(1.0), page_bytes=1, pool="per-layer", reset="session", budget=0
            )
            rows.append({"workload": name, "set": text, "precision": got.guess_precision, "recall": got.guess_recall})
        for policy in ("lru", "lfu"):
            got = prefetch(
                trace,
                None,
                half(trace),
                time=clock(1.0),
                page_bytes=1,
                pool="per-layer",
                reset="session",
                policy=policy,
            )
            kind = f"cache, {policy}"
            rows.append({"workload": name, "set": kind, "precision": got.cache_precision, "recall": got.cache_recall})
    for row in rows:
        row["precision"], row["recall"] = round(row["precision"], 6), round(row["recall"], 6)
    parts = []
    for name, _ in workloads(study):
        best = max((r for r in rows if r["workload"] == name and "cache" not in r["set"]), key=lambda r: r["recall"])
        cache = next(r for r in rows if r["workload"] == name and r["set"] == "cache, lru")
        parts.append(
            f"{name}: best guess {best['set']} {100 * best['precision']:.1f} / {100 * best['recall']:.1f}, LRU's cache "
            f"{100 * cache['precision']:.1f} / {100 * cache['recall']:.1f}"
        )
    return Finding(
        "Precision / recall in %: " + "; ".join(parts) + ".",
        "not decidable",
        rows,
        notes="means over events; as many guesses as the event has members, so that precision and recall nearly agree",
    )


@lp.register(
    "result",
    f"{PAPER}/stall",
    cites=(PAPER,),
    reported="Speculative prefetching mitigates the latency of loading.",
    status="[second hand]",
    agrees_when="the best online guess lowers the stall by at least 10 % at some ratio of load to compute time on every workload; partly: on some",
)
def stall(study: Study) -> Finding:
    """Stall per token with guesses loaded into the cache, against the time of a load over that of a layer."""
    rows: list[dict[str, Any]] = []
    jobs = workloads(study)
    for done, (name, trace) in enumerate(jobs):
        plain = {}
        for way, (text, more, least, staging) in WAYS.items():
            said = None if text is None else guesses(trace, text, int(more * trace.top_k), least=least)
            for ratio in RATIOS:
                got = prefetch(
                    trace,
                    said,
                    half(trace),
                    time=clock(ratio),
                    page_bytes=1,
                    pool="per-layer",
                    reset="session",
                    staging=staging,
                    distance=2 if text == "markov(distance=2)" else 1,
                )
                plain.setdefault(ratio, got.stall_per_token)
                rows.append(
                    {
                        "workload": name,
                        "guess": way,
                        "load over layer": ratio,
                        "stall ms": round(got.stall_per_token / 1e6, 4),
                        "change": round(got.stall_per_token / plain[ratio] - 1, 6) if plain[ratio] else None,
                        **{kind: got.loads[kind] for kind in LOADS},
                    }
                )
        study.progress(done + 1, len(jobs))
    parts, best_changes = [], []
    for name, _ in jobs:
        mine = [r for r in rows if r["workload"] == name and r["change"] is not None]
        best = min((r for r in mine if r["guess"] not in ("none", "oracle")), key=lambda r: r["change"])
        worst = max((r for r in mine if r["guess"] not in ("none", "oracle")), key=lambda r: r["change"])
        oracle = min((r for r in mine if r["guess"] == "oracle"), key=lambda r: r["change"])
        best_changes.append(best["change"])
        parts.append(
            f"{name}: {100 * best['change']:+.1f} % ({best['guess']} at {best['load over layer']:g}), at worst "
            f"{100 * worst['change']:+.1f} % ({worst['guess']} at {worst['load over layer']:g}), oracle "
            f"{100 * oracle['change']:+.1f} % at {oracle['load over layer']:g}"
        )

    def draw(figure: Any) -> None:
        for axes, (name, _) in zip(grid_of(figure, len(jobs)), jobs, strict=False):
            for text in WAYS:
                line = [r for r in rows if (r["workload"], r["guess"]) == (name, text)]
                axes.plot([r["load over layer"] for r in line], [r["stall ms"] for r in line], marker=".", label=text)
            axes.set(title=name, xscale="log", yscale="log", xlabel="load / layer time", ylabel="stall a token, ms")
            axes.grid(alpha=0.3)
        figure.axes[0].legend(fontsize="x-small")

    verdict = "yes" if max(best_changes) <= -0.1 else "partly" if min(best_changes) <= -0.1 else "no"
    return Finding(
        "Change of the stall by guesses: " + "; ".join(parts) + ".",
        verdict,
        rows,
        draw,
        "LRU per layer, half the experts cached, one channel, a layer computes for 1 ms; guesses displace what LRU gives up, or "
        "wait in a buffer of 8 slots beside the cache",
    )
