"""Misses over time: how LRU, LLRU and Opt fluctuate together."""

from __future__ import annotations

from typing import Any

import numpy as np

import layered_paging as lp
from layered_paging.plot import COLOURS
from layered_paging.reproduction import Finding, Study

PAPER = "angelopoulos-marchal-obrecht-simon-2025"
LOOK = {"lru": (COLOURS[0], "-"), "llru": (COLOURS[1], "-"), "belady": (COLOURS[6], "-")}


@lp.register(
    "result",
    f"{PAPER}/fluctuation",
    cites=(PAPER,),
    reported="A figure shows how the misses of LRU and Opt fluctuate over time on Mixtral traces; its values are not visible to us.",
    status="[second hand]",
    agrees_when="never decidable without those traces: give one by --trace",
    small="not decidable",
)
def fluctuation(study: Study) -> Finding:
    """Misses a token in windows of time, at two tokens' demand, one expert a layer, never reset."""
    made = lp.workloads.drift(32, 8, 20_000 if study.full else 2000, exponent=1.5, period=50, seed=study.seed)
    longest = max(study.traces, key=lambda pair: pair[1].rounds, default=("drifting Zipf", made))
    rows: list[dict[str, Any]] = []
    said = []
    for name, trace in dict([("drifting Zipf", made), longest]).items():
        single = lp.transforms.top_one(trace)
        slots = 2 * single.layers
        count = min(60, single.rounds // 5)
        edges = np.linspace(0, single.rounds, count + 1).astype(np.int64)
        series = {}
        for policy in LOOK:
            run = lp.replay(single, policy, slots, record=True)
            if policy == "belady":
                assert run.misses == lp.optimum(single, slots, admission="forced").misses
            assert run.missed is not None
            a_round = run.missed.reshape(single.rounds, -1).sum(axis=1)
            series[policy] = np.add.reduceat(a_round, edges[:-1]) / np.diff(edges)
        for n in range(count):
            row = {"workload": name, "slots": slots, "from round": int(edges[n]), "to round": int(edges[n + 1])}
            rows.append({**row, **{policy: round(float(values[n]), 4) for policy, values in series.items()}})
        spread = {policy: values[1:].std() / values[1:].mean() for policy, values in series.items()}
        ratio = (series["lru"] / series["belady"])[1:]
        together = np.corrcoef(series["lru"][1:], series["belady"][1:])[0, 1]
        said.append(
            f"{name}, {count} windows of {edges[1]} tokens, {slots} slots: misses vary by {spread['lru']:.1%} (LRU), "
            f"{spread['llru']:.1%} (LLRU), {spread['belady']:.1%} (Opt) of their mean; LRU / Opt {ratio.min():.2f} to "
            f"{ratio.max():.2f}; correlation of LRU with Opt {together:.2f}"
        )

    def draw(figure: Any) -> None:
        names = list(dict.fromkeys(row["workload"] for row in rows))
        figure.set_size_inches(8, 2.6 * len(names) + 0.4)
        for axes, name in zip(figure.subplots(len(names), squeeze=False).ravel(), names, strict=True):
            part = [row for row in rows if row["workload"] == name]
            for policy, (colour, style) in LOOK.items():
                label = "opt" if policy == "belady" else policy
                values = [row[policy] for row in part]
                axes.plot(
                    [row["from round"] for row in part],
                    values,
                    style,
                    color=colour,
                    label=label,
                    drawstyle="steps-post",
                )
            axes.set(title=name, xlabel="round (token)", ylabel="misses a token", ylim=(0, None))
            axes.legend(fontsize="small", loc="lower right", ncols=3)
            axes.grid(alpha=0.3)

    notes = "standard deviation of the windows, the first left out; Opt's misses are those of one optimal schedule"
    return Finding("; ".join(said) + ".", "not decidable", rows, draw, notes)
