"""The theorems' instances: k - l + 1 for deterministic policies, k for LRU on a cycle."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import layered_paging as lp
from layered_paging.plot import COLOURS
from layered_paging.reproduction import Finding, Study

PAPER = "angelopoulos-marchal-obrecht-simon-2025"
FACTS: dict[str, Any] = {"cites": (PAPER,), "status": "[second hand]"}


@lp.register(
    "result",
    f"{PAPER}/deterministic-bound",
    reported="Every deterministic policy has competitive ratio at least k - l + 1.",
    agrees_when="the exact best ratio, certificate checked, is at least k - l + 1 at every size solved here with l <= k < l n",
    small="yes",
    **FACTS,
)
def deterministic_bound(study: Study) -> Finding:
    """Exact ratio of the best deterministic policy beside the bound."""
    sizes = [(2, 2, 2), (2, 2, 3), (2, 3, 2), (2, 3, 3), (2, 3, 4), (2, 3, 5), (3, 2, 3), (3, 2, 4), (3, 2, 5)]
    if study.full:
        sizes += [(2, 4, 3), (2, 4, 4), (2, 4, 5), (2, 4, 6), (2, 4, 7), (4, 2, 5), (4, 2, 6), (4, 2, 7)]
    rows: list[dict[str, Any]] = []
    for done, (layers, experts, slots) in enumerate(sizes):
        study.progress(done, len(sizes))
        best = lp.optimal_ratio(layers=layers, experts=experts, slots=slots)
        lp.certify.check(best.certificate)
        row = {"layers": layers, "experts": experts, "slots": slots, "bound": slots - layers + 1}
        rows.append({**row, "best ratio": best.lower, "at most": best.upper})
    holds = all(row["best ratio"] >= row["bound"] for row in rows)
    above = [row for row in rows if row["best ratio"] > row["bound"]]
    said = ", ".join(
        f"{r['best ratio']} at l = {r['layers']}, n = {r['experts']}, k = {r['slots']} (bound {r['bound']})"
        for r in above
    )
    ours = f"Holds at all {len(rows)} sizes, with equality at {len(rows) - len(above)}; above it: {said or 'none'}."

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        axes.plot([0, 6], [0, 6], color="0.6", linewidth=0.8, label="k - l + 1")
        for n, layers in enumerate(sorted({row["layers"] for row in rows})):
            part = [row for row in rows if row["layers"] == layers]
            marks = {"marker": "os^D"[n], "color": COLOURS[n], "label": f"{layers} layers"}
            axes.scatter([row["bound"] for row in part], [float(row["best ratio"]) for row in part], **marks)
        axes.set(xlabel="bound k - l + 1", ylabel="exact ratio of the best deterministic policy")
        axes.legend()
        axes.grid(alpha=0.3)

    return Finding(ours, "yes" if holds else "no", rows, draw)


@lp.register(
    "result",
    f"{PAPER}/lru-bound",
    reported="The ratio of LRU is k where l divides k + 1: on the cyclic sequence it misses always and Opt once in k requests.",
    agrees_when="played k turns on the cycle, after the first, LRU misses every request and LRU / Opt is exactly k",
    small="yes",
    **FACTS,
)
def lru_bound(study: Study) -> Finding:
    """LRU, LLRU and Opt on the cycle through k + 1 pages, per turn after the first."""
    rows: list[dict[str, Any]] = []
    for layers, width in (
        (1, 8),
        (2, 2),
        (2, 4),
        (4, 4),
        (8, 8),
        *([(32, 8), (24, 32), (94, 16)] if study.full else []),
    ):
        slots = layers * width - 1
        long = lp.Trace([[r % width] * layers for r in range(width * (slots + 1))], n_experts=width)
        short = lp.Trace(long.experts[:width], width)
        row: dict[str, Any] = {"layers": layers, "experts": width, "slots": slots, "requests": slots * layers * width}
        for policy in ("lru", "llru"):
            row[policy] = lp.replay(long, policy, slots).misses - lp.replay(short, policy, slots).misses
        row["opt"] = lp.optimum(long, slots, admission="forced").misses - slots - 1
        rows.append(
            {**row, "lru / opt": Fraction(row["lru"], row["opt"]), "llru / opt": Fraction(row["llru"], row["opt"])}
        )
    holds = all(row["lru"] == row["requests"] and row["lru / opt"] == row["slots"] for row in rows)
    best = min((row for row in rows if row["layers"] > 1), key=lambda row: row["llru"] / row["requests"])
    ours = (
        f"LRU misses all requests at {len(rows)} sizes up to {rows[-1]['layers']} layers of {rows[-1]['experts']}, Opt one in k. LLRU does better here: "
        f"at best {best['llru']} misses in {best['requests']} requests, at l = {best['layers']}, k = {best['slots']}."
    )

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        for n, policy in enumerate(("lru", "llru")):
            ratios = [row[policy] / row["opt"] for row in rows]
            axes.loglog(
                [row["slots"] for row in rows],
                ratios,
                "os"[n],
                fillstyle=("full", "none")[n],
                color=COLOURS[n],
                label=policy,
            )
        axes.loglog([1, 2000], [1, 2000], color="0.6", linewidth=0.8, label="k")
        axes.set(xlabel="slots k", ylabel="misses / Opt on the cycle")
        axes.legend()
        axes.grid(alpha=0.3)

    return Finding(ours, "yes" if holds else "no", rows, draw)
