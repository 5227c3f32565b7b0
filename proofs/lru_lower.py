"""LRU is not better than k where l divides k + 1.

Claim.    If l divides k + 1 and (k + 1) / l <= n, LRU has ratio at least k.
Evidence. The cyclic sequence over (k + 1) / l pages of each layer: LRU misses every request, the optimum exactly once in
          k requests (its misses per turn, computed exactly).  Where the exact ratio is affordable, its certificate
          is checked as well.
Control.  k + 1: refuted by the exact ratio.
"""

from __future__ import annotations

from fractions import Fraction

from layered_paging.adversary.search import cyclic_optimum
from layered_paging.claims import certified_ratio, misses
from layered_paging.core.registry import register


@register(
    "claim",
    "lru-lower",
    cites=("angelopoulos-marchal-obrecht-simon-2025", "sleator-tarjan-1985"),
    statement="The ratio of LRU is at least k if l divides k + 1:",
    latex=r"l \mid k + 1,\; (k + 1)/l \le n \Rightarrow r(\mathrm{LRU}) \ge k",
    status="[second hand], proof [derived]",
    evidence="exhaustive",
    scope={"small": "l <= 5, at most 5 pages a layer", "full": "l <= 12, at most 12 pages a layer"},
    control={"extra": 1},
    breaks="LRU has ratio",
    tight="lru (claim lru-upper)",
)
def lru_lower(scope: str = "small", *, extra: int = 0) -> str | None:
    """Return a size at which LRU is below k."""
    most = 5 if scope == "small" else 12
    for layers in range(1, most + 1):
        for width in range(2, most + 1):
            slots = layers * width - 1
            turn = [j * width + r for r in range(width) for j in range(layers)]
            paid = misses("lru", turn * 3, layers=layers, experts=width, slots=slots) - misses(
                "lru", turn, layers=layers, experts=width, slots=slots
            )
            ratio = Fraction(paid, 2) / cyclic_optimum(turn, slots)
            if ratio < slots:
                return f"l = {layers}, k = {slots}: the cyclic sequence gives {ratio}"
    for layers, width in ((2, 2), (3, 2), (2, 3)):
        slots = layers * width - 1
        value = certified_ratio("lru", layers=layers, experts=width, slots=slots).value
        if value != slots + extra:
            return f"l = {layers}, n = {width}, k = {slots}: LRU has ratio {value}"
    return None
