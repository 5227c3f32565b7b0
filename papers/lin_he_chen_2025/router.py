"""What the router does: skew, overlap of consecutive tokens, gate weights, experts that could be pruned."""

from __future__ import annotations

from typing import Any

import numpy as np

import layered_paging as lp
from layered_paging.plot import draw_map
from layered_paging.profiles.behaviour import behaviour, gate_shares, gates, pruned
from layered_paging.reproduction import Finding, Study
from layered_paging.reproduction.measures import grid_of, long_traces

PAPER = "lin-he-chen-2025"


def workloads(study: Study) -> list[tuple[str, lp.Trace]]:
    """Return a sticky router of 8 experts and the traces at hand."""
    rounds = 2000 if study.full else 200
    made = lp.workloads.markov(32, 8, rounds, top_k=2, stickiness=0.4, exponent=0.5, seed=study.seed, sessions=4)
    return [("sticky, 8 experts", made), *long_traces(study)]


def half(trace: lp.Trace) -> int:
    """Return the slots that hold half of each layer's experts."""
    return sum(max(trace.top_k, n // 2) for n in trace.n_experts)


@lp.register(
    "result",
    f"{PAPER}/activation",
    cites=(PAPER,),
    reported="Expert activation is studied in detail: uneven, with some reuse between consecutive tokens.",
    status="[second hand]",
    agrees_when="on every trace consecutive tokens share more experts than independent draws of the same frequencies would",
)
def activation(study: Study) -> Finding:
    """Skew, overlap of consecutive tokens, reuse and information between layers, means over layers; a map of one layer."""
    rows: list[dict[str, Any]] = []
    jobs = workloads(study)
    for name, trace in jobs:
        seen = behaviour(trace)
        rows.append(
            {
                "workload": name,
                "gini": round(float(seen.gini.mean()), 4),
                "hottest 25 %": round(float(seen.coverage[:, 1].mean()), 4),
                "overlap": round(float(np.nanmean(seen.overlap)), 4),
                "by chance": round(float(np.nanmean(seen.by_chance)), 4),
                "median reuse": round(float(np.nanmean(seen.median_reuse)), 2),
                "information bits": round(float(seen.information.mean()), 4),
            }
        )
    parts = [
        f"{r['workload']} Gini {r['gini']:.2f}, hottest quarter {100 * r['hottest 25 %']:.0f} %, overlap {100 * r['overlap']:.1f} % "
        f"(chance {100 * r['by chance']:.1f} %), {r['information bits']:.2f} bits from the layer before"
        for r in rows
    ]

    def draw(figure: Any) -> None:
        figure.set_size_inches(11, 4 * len(jobs))
        for axes, (name, trace) in zip(np.atleast_1d(figure.subplots(len(jobs))), jobs, strict=True):
            middle = trace.layers // 2
            tokens = range(min(100, trace.rounds))
            draw_map(axes, trace, "lru", half(trace), middle, tokens, pool="per-layer", reset="session")
            axes.set_title(name)

    verdict = "yes" if all(r["overlap"] > r["by chance"] for r in rows) else "partly"
    return Finding(
        "; ".join(parts) + ".", verdict, rows, draw, "the picture: LRU, half the experts, one layer, first tokens"
    )


@lp.register(
    "result",
    f"{PAPER}/gate-weights",
    cites=(PAPER,),
    reported="Characteristics of the gating network, for interpretation and pruning.",
    status="[text]",
    agrees_when="not decidable: no number is visible to us",
    needs_traces=True,
)
def gate_weights(study: Study) -> Finding:
    """Entropy of the gate weights, share of the top expert, and LRU's hit rate weighted by them, at half the experts."""
    rows: list[dict[str, Any]] = []
    without = []
    for name, trace in long_traces(study):
        if trace.weights is None:
            without.append(name)
            continue
        seen, shares = gates(trace), gate_shares(trace)
        for policy in ("lru", "lfu", "lfu-decay"):
            run = lp.replay(trace, policy, half(trace), pool="per-layer", ties="rank", record=True)
            assert run.missed is not None
            weighted = 1 - float(shares[run.missed].sum() / shares.sum())
            rows.append(
                {
                    "trace": name,
                    "policy": policy,
                    "entropy bits": round(float(np.nanmean(seen.entropy)), 4),
                    "of at most": round(float(np.log2(trace.top_k)), 4),
                    "top share": round(float(np.nanmean(seen.top_share)), 4),
                    "hit rate": round(run.hit_rate, 6),
                    "weighted hit rate": round(weighted, 6),
                }
            )
    parts = [
        f"{r['trace']}: entropy {r['entropy bits']:.2f} of {r['of at most']:.2f} bits, top expert {100 * r['top share']:.1f} %, LRU hits "
        f"{100 * r['hit rate']:.1f} %, weighted {100 * r['weighted hit rate']:.1f} %"
        for r in rows
        if r["policy"] == "lru"
    ]
    told = "; ".join(parts) or "no trace at hand has gate weights"
    return Finding(
        f"{told}." + (f" Without weights: {', '.join(without)}." if without else ""),
        "not decidable",
        rows,
        notes="weights are normalised to sum 1 in each event",
    )


@lp.register(
    "result",
    f"{PAPER}/pruning",
    cites=(PAPER,),
    reported="The study can inspire pruning with minimal performance loss.",
    status="[text]",
    agrees_when="not decidable: requests and gate weight lost are not the quality of the model's answers",
)
def pruning(study: Study) -> Finding:
    """Requests and gate weight lost against experts removed per layer, chosen on other sessions or on earlier tokens."""
    rows: list[dict[str, Any]] = []
    jobs = workloads(study)
    for name, trace in jobs:
        count = len(trace.sessions)
        if count > 1:
            chosen, other = trace.select(list(range(0, count, 2))), trace.select(list(range(1, count, 2)))
            split = "every second session"
        else:
            at = trace.rounds // 2
            chosen, other = (_part(trace, a, b) for a, b in ((0, at), (at, trace.rounds)))
            split = "the first half of the one session"
        n = min(trace.n_experts)
        for share in (0.125, 0.25, 0.375, 0.5):
            lost, weight = pruned(chosen, other, int(n * share))
            rows.append(
                {
                    "workload": name,
                    "chosen on": split,
                    "removed": int(n * share),
                    "of": n,
                    "requests lost": round(lost, 6),
                    "gate weight lost": None if weight is None else round(weight, 6),
                }
            )

    def draw(figure: Any) -> None:
        for axes, (name, _) in zip(grid_of(figure, len(jobs)), jobs, strict=False):
            mine = [r for r in rows if r["workload"] == name]
            for field in ("requests lost", "gate weight lost"):
                if mine[0][field] is not None:
                    axes.plot(
                        [r["removed"] / r["of"] for r in mine], [100 * r[field] for r in mine], marker=".", label=field
                    )
            axes.set(title=name, xlabel="share removed", ylabel="lost, %")
            axes.grid(alpha=0.3)
            axes.legend(fontsize="small")

    parts = []
    for name, _ in jobs:
        quarter = next(r for r in rows if r["workload"] == name and r["removed"] == r["of"] // 4)
        weight = (
            ""
            if quarter["gate weight lost"] is None
            else f", {100 * quarter['gate weight lost']:.1f} % of the gate weight"
        )
        parts.append(f"{name} {100 * quarter['requests lost']:.1f} % of the requests{weight}")
    return Finding(
        "A quarter of each layer's experts removed loses " + "; ".join(parts) + ".", "not decidable", rows, draw
    )


def _part(trace: lp.Trace, a: int, b: int) -> lp.Trace:
    weights = None if trace.weights is None else trace.weights[a:b]
    return lp.Trace(trace.experts[a:b], trace.n_experts, weights=weights)
