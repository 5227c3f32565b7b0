"""A fixed partition of the cache has no bounded ratio: the instance, played.

One layer cycles over one page more than its share and the others ask for one page each.  All pages
together fit into the shared pool, so the optimum stops missing; the partition misses for ever,
whatever it evicts: even Opt per layer does.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import layered_paging as lp
from layered_paging.plot import COLOURS
from layered_paging.reproduction import Finding, Study


@lp.register(
    "result",
    "angelopoulos-marchal-obrecht-simon-2025/partition",
    cites=("angelopoulos-marchal-obrecht-simon-2025",),
    reported="A fixed partition of the cache over the layers has unbounded competitive ratio.",
    status="[text]",
    agrees_when="on our instance the misses of Opt per layer grow with the rounds and those of Opt do not",
    small="yes",
)
def partition(study: Study) -> Finding:
    """Misses of LRU and Opt per layer, LRU and Opt on the instance that no partition survives."""
    layers, slots = 4, 12
    width = slots // layers + 1
    lengths = [2**power for power in range(4, 15 if study.full else 10)]
    rows: list[dict[str, Any]] = []
    for rounds in lengths:
        trace = lp.Trace([[r % width] + [0] * (layers - 1) for r in range(rounds)], n_experts=width)
        rows.append(
            {
                "rounds": rounds,
                "lru per layer": lp.replay(trace, "lru", slots, pool="per-layer").misses,
                "opt per layer": lp.optimum(trace, slots, admission="forced", pool="per-layer").misses,
                "lru": lp.replay(trace, "lru", slots).misses,
                "opt": lp.optimum(trace, slots, admission="forced").misses,
            }
        )
    first, last = rows[0], rows[-1]
    grows = all(b["opt per layer"] > a["opt per layer"] for a, b in pairwise(rows))
    fixed = first["opt"] == last["opt"] == width + layers - 1

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        for n, name in enumerate(("lru per layer", "opt per layer", "lru", "opt")):
            style = ("-", "--", ":", "-.")[n]
            axes.loglog(lengths, [row[name] for row in rows], style, color=COLOURS[n], label=name, linewidth=2)
        axes.set(
            xlabel="rounds",
            ylabel="misses",
            title=f"{layers} layers, {slots} slots: {width} pages in turn in one layer",
        )
        axes.legend()
        axes.grid(alpha=0.3)

    ours = (
        f"{layers} layers, {slots} slots: after {last['rounds']:,} rounds LRU per layer has {last['lru per layer']:,} misses, "
        f"Opt per layer {last['opt per layer']:,}, Opt {last['opt']}."
    )
    return Finding(ours, "yes" if grows and fixed else "no", rows, draw, "proof for all sizes: claim `fixed-partition`")
