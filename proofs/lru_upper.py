"""LRU with k slots against an optimum with h <= k slots.

Claim.    LRU_k <= k / (k - h + 1) OPT_h + h on every sequence; with h = k the ratio is at most k.
Evidence. The exact ratio at every size in the scope, its potential checked by the trusted checker, with the additive
          constant.  The proof for all sizes is the phase argument of the cited paper, not repeated here.
Control.  Nine tenths of the ratio.
"""

from __future__ import annotations

from fractions import Fraction

from layered_paging.claims import certified_ratio, within
from layered_paging.core.registry import register

SMALL = ((1, 3), (2, 2), (3, 2), (2, 3))
FULL = ((1, 4), (1, 5), (4, 2), (2, 4))


@register(
    "claim",
    "lru-upper",
    cites=("sleator-tarjan-1985",),
    statement="LRU with k slots against an optimum with h <= k slots:",
    latex=r"\mathrm{LRU}_k \le \frac{k}{k - h + 1} \mathrm{OPT}_h + h",
    status="[classical]",
    evidence="certificate",
    scope={"small": "l n <= 6, every h <= k", "full": "l n <= 8, every h <= k"},
    control={"scale": Fraction(9, 10)},
    breaks="above the bound",
    tight="adversary cyclic where l divides k + 1",
)
def lru_upper(scope: str = "small", *, scale: Fraction = Fraction(1)) -> str | None:
    """Return a size at which the exact ratio or its additive constant is larger."""
    for layers, experts in SMALL if scope == "small" else SMALL + FULL:
        for slots in range(1, layers * experts):
            for offline in range(1, slots + 1):
                found = certified_ratio("lru", layers=layers, experts=experts, slots=slots, offline_slots=offline)
                bound = scale * Fraction(slots, slots - offline + 1)
                # tight where l divides k + 1 (claim lru-lower)
                tight = offline == slots and (slots + 1) % layers == 0
                if not within(found, bound, offline) or (tight and found.value != bound):
                    return f"above the bound: l = {layers}, n = {experts}, k = {slots}, h = {offline}: {found.value}, additive {found.additive}"
    return None
