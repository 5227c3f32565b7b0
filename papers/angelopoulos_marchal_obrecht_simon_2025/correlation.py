"""How much of each gain needs correlation: tokens shuffled, and events drawn anew from the same marginals."""

from __future__ import annotations

from typing import Any

import numpy as np

import layered_paging as lp
from layered_paging import transforms
from layered_paging.plot import COLOURS
from layered_paging.reproduction import Finding, Study
from layered_paging.reproduction.measures import curves, grid_of, long_traces, mean_demand

PAPER = "angelopoulos-marchal-obrecht-simon-2025"
TOKENS = (1.5, 2.0, 3.0)
POLICIES = ("lru", "llru", "lfu", "opt")


@lp.register(
    "result",
    f"{PAPER}/correlation",
    cites=(PAPER,),
    reported="Readers ask how much of each gain needs correlation in time or between layers, and how much the marginals give.",
    status="[not reported]",
    agrees_when="yes if LLRU keeps at least half of its saving over LRU without any correlation, at two tokens' demand, on every workload",
    small="yes",
)
def correlation(study: Study) -> Finding:
    """Hit rates and savings as traced, shuffled, and redrawn within sessions and over the whole trace."""
    made = lp.workloads.markov(
        16, 16, 6000 if study.full else 800, top_k=2, stickiness=0.3, exponent=1.0, seed=study.seed, sessions=4
    )
    rows: list[dict[str, Any]] = []
    for name, trace in [("sticky Zipf", made), *long_traces(study)]:
        kinds = {
            "as it is": trace,
            "shuffled": transforms.shuffle_tokens(trace, seed=study.seed),
            "redrawn in sessions": transforms.redraw(trace, seed=study.seed),
            "redrawn": transforms.redraw(trace, "trace", seed=study.seed),
        }
        for kind, changed in kinds.items():
            found = curves(changed, POLICIES)
            for tokens in TOKENS:
                slots = min(round(tokens * mean_demand(trace)), trace.pages)
                misses = {policy: int(found[policy][slots]) for policy in POLICIES}
                row: dict[str, Any] = {"workload": name, "trace": kind, "tokens": tokens, "slots": slots}
                row |= {f"{policy} hits": round(1 - m / changed.requests, 4) for policy, m in misses.items()}
                row |= {f"{p} saves": round(1 - misses[p] / misses["lru"], 4) for p in ("llru", "lfu", "opt")}
                rows.append(row)
    kept, said = [], []
    for name in dict.fromkeys(row["workload"] for row in rows):
        at = {row["trace"]: row for row in rows if row["workload"] == name and row["tokens"] == 2.0}
        before, after = at["as it is"], at["redrawn in sessions"]
        kept.append(after["llru saves"] >= before["llru saves"] / 2)
        said.append(
            f"{name}: LRU hits {before['lru hits']:.1%}, shuffled {at['shuffled']['lru hits']:.1%}, redrawn in sessions "
            f"{after['lru hits']:.1%}, over the trace {at['redrawn']['lru hits']:.1%}; LLRU saves {before['llru saves']:.1%}, "
            f"redrawn {after['llru saves']:.1%}; LFU {before['lfu saves']:+.1%}, redrawn {after['lfu saves']:+.1%}; "
            f"Opt {before['opt saves']:.1%}, redrawn {after['opt saves']:.1%}"
        )

    def draw(figure: Any) -> None:
        names = list(dict.fromkeys(row["workload"] for row in rows))
        panels = grid_of(figure, len(names), width=3.6, height=3.4)
        for axes, name in zip(panels, names, strict=True):
            part = [row for row in rows if row["workload"] == name and row["tokens"] == 2.0]
            for n, policy in enumerate(POLICIES):
                colour = (*COLOURS[:3], COLOURS[6])[n]
                axes.plot(
                    np.arange(4),
                    [100 * row[f"{policy} hits"] for row in part],
                    "-" + "os^D"[n],
                    color=colour,
                    label=policy,
                )
            axes.set_xticks(range(4), ["as it is", "shuffled", "redrawn in\nsessions", "redrawn"], fontsize="small")
            axes.set(title=name, ylabel="hits, %, at two tokens' demand")
            axes.grid(alpha=0.3)
        panels[0].legend(fontsize="small")

    notes = "shuffled: order in time gone, layers of a token kept; redrawn: both gone, events of a layer kept"
    return Finding(
        "At two tokens' demand. " + "; ".join(said) + ".",
        "yes" if all(kept) else "partly" if any(kept) else "no",
        rows,
        draw,
        notes,
    )
