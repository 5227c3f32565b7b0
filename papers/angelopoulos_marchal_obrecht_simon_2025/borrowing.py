"""Slots that each layer holds in a shared pool over time: memory borrowing."""

from __future__ import annotations

from typing import Any

import numpy as np

import layered_paging as lp
from layered_paging.engine.run import history
from layered_paging.reproduction import Finding, Study
from layered_paging.reproduction.measures import long_traces, mean_demand
from layered_paging.reproduction.study import first_rounds

PAPER = "angelopoulos-marchal-obrecht-simon-2025"
POLICIES = {"lru": "LRU", "llru": "LLRU", "belady": "Opt"}


@lp.register(
    "result",
    f"{PAPER}/borrowing",
    cites=(PAPER,),
    reported="A shared pool lets layers borrow slots from each other, as a fixed partition cannot.",
    status="[second hand]",
    agrees_when="on every workload Opt and LLRU hold at least 5 % of the slots, on average over time, above the equal share of their layer",
    small="yes",
)
def borrowing(study: Study) -> Finding:
    """Slots a layer holds at the end of each round, under LRU, LLRU and Opt, at three tokens' demand."""
    rounds = 400 if study.full else 80
    workloads = [
        ("unequal Zipf", lp.workloads.zipf(12, 12, rounds, exponent=np.linspace(0, 3, 12).tolist(), seed=study.seed))
    ]
    longest = max(long_traces(study), key=lambda pair: pair[1].rounds, default=None)
    if longest is not None:
        workloads.append((longest[0], first_rounds(longest[1], rounds if study.full else 30)))
    rows: list[dict[str, Any]] = []
    pictures, said, lent = [], [], []
    for name, trace in workloads:
        slots = round(3 * mean_demand(trace))
        share = slots / trace.layers
        layer_of = np.repeat(np.arange(trace.layers), trace.n_experts)
        for policy, shown in POLICIES.items():
            held = np.zeros((trace.rounds, trace.layers), np.int64)
            for step in history(trace, policy, slots):
                if step.event.time.layer == trace.layers - 1:
                    held[step.event.time.round] = np.bincount(layer_of[sorted(step.resident)], minlength=trace.layers)
            late = held[trace.rounds // 4 :]
            borrowed = float(np.maximum(late - share, 0).sum(axis=1).mean() / slots)
            row: dict[str, Any] = {"workload": name, "policy": shown, "slots": slots, "equal share": round(share, 2)}
            row |= {"borrowed": round(borrowed, 4), "most": int(late.max()), "least": int(late.min())}
            rows += [{**row, "layer": j, "mean held": round(float(late[:, j].mean()), 2)} for j in range(trace.layers)]
            pictures.append((f"{name}, {shown}", held))
            said.append(
                f"{name}, {shown}: {borrowed:.1%} of {slots} slots, a layer holds {late.min()} to {late.max()} (equal share {share:g})"
            )
            lent.append(policy == "lru" or borrowed >= 0.05)

    def draw(figure: Any) -> None:
        figure.set_size_inches(9.6, 3 * len(workloads))
        panels = figure.subplots(len(workloads), 3, squeeze=False).ravel()
        for axes, (title, held) in zip(panels, pictures, strict=True):
            image = axes.imshow(held.T, aspect="auto", origin="lower", cmap="cividis", interpolation="nearest", vmin=0)
            axes.set(title=title, xlabel="round", ylabel="layer")
            figure.colorbar(image, ax=axes, label="slots held")

    notes = "borrowed: slots above the equal share, as a share of all, mean over the last three quarters"
    return Finding("; ".join(said) + ".", "yes" if all(lent) else "partly" if any(lent) else "no", rows, draw, notes)
