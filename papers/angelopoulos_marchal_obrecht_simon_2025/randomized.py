"""Yao's bound on randomized policies, beside H_n and H_k, and where the bound as reported is too much."""

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
    f"{PAPER}/randomized-bound",
    reported="Every randomized policy has ratio at least max(H_n, log(l) / (6 n)), which is Omega(log k) for constant n or l.",
    agrees_when="yes if Yao's bound, exact at k = l n - 1, is at least H_n at all sizes and no policy below H_n is known; partly if the first only",
    small="partly",
    **FACTS,
)
def randomized_bound(study: Study) -> Finding:
    """The exact Yao bound beside H_n and H_k, and the size at which H_n is too much."""
    rows: list[dict[str, Any]] = []
    most = (64, 16) if study.full else (8, 8)
    for experts in (2, 4, 8, 16):
        for layers in (1, 2, 4, 8, 16, 32, 64):
            if layers <= most[0] and experts <= most[1] and layers * experts <= 1024:
                bound = yao(layers, experts)
                slots = layers * experts - 1
                row = {"layers": layers, "experts": experts, "slots": slots, "yao": round(float(bound), 6)}
                row |= {"H_n": round(float(harmonic(experts)), 6), "H_k": round(float(harmonic(slots)), 6)}
                rows.append({**row, "holds": bound >= harmonic(experts) or layers == 1})
    ratio = lp.competitive_ratio("lru", layers=2, experts=4, slots=2)
    lp.certify.check(ratio.certificate)
    several = [row for row in rows if row["layers"] > 1]
    share = [row["yao"] / row["H_k"] for row in several]
    ours = (
        f"At k = l n - 1 Yao's bound exceeds H_n at {sum(row['holds'] for row in several)} of {len(several)} sizes with l >= 2 and is "
        f"{min(share):.2f} to {max(share):.2f} of H_k. As reported, without a condition on k, it fails: at l = k = 2, n = 4 LRU has ratio "
        f"{ratio.value}, below H_4 = {float(harmonic(4)):.3f}."
    )

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        for n, experts in enumerate(sorted({row["experts"] for row in rows})):
            part = [row for row in rows if row["experts"] == experts]
            slots = [row["slots"] for row in part]
            axes.semilogx(
                slots, [row["yao"] for row in part], "-o", color=COLOURS[n], label=f"Yao, n = {experts}", markersize=4
            )
            axes.semilogx(slots, [row["H_n"] for row in part], ":", color=COLOURS[n])
        ordered = sorted(rows, key=lambda row: row["slots"])
        axes.semilogx([row["slots"] for row in ordered], [row["H_k"] for row in ordered], color="0.5", label="H_k")
        axes.set(xlabel="slots k = l n - 1", ylabel="lower bound on the randomized ratio (dotted: H_n)")
        axes.legend()
        axes.grid(alpha=0.3)

    holds = all(row["holds"] for row in several) and ratio.value is not None
    return Finding(ours, "partly" if holds else "no", rows, draw)


def harmonic(n: int) -> Fraction:
    """Return 1 + 1/2 + ... + 1/n."""
    return sum((Fraction(1, i) for i in range(1, n + 1)), Fraction(0))


def yao(layers: int, experts: int) -> Fraction:
    """Return Yao's bound at k = l n - 1: exact at small sizes, else the lower end of an enclosure of 30 digits."""
    if layers * experts <= 64:
        return lp.coupon.yao_bound(layers=layers, experts=experts)
    return lp.coupon.enclose_yao(layers, experts).lower
