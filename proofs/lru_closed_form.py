"""LRU's closed form beside ratios that are computed from its reference class.

Evidence. Exact ratios, each certificate accepted by the trusted checker; the form is a theorem as well (`lru_exact`).
Control.  The form of k > l used at k = l.
"""

from __future__ import annotations

from fractions import Fraction

from layered_paging.claims import certified_ratio
from layered_paging.core.registry import register

SMALL = ((2, 3), (3, 2), (4, 1))
# with the sizes of ten and twelve pages: 30 that are larger than those of the atlas
FULL = (*SMALL, (5, 2), (2, 5), (10, 1), (11, 1))


@register(
    "claim",
    "lru-closed-form",
    cites=("angelopoulos-marchal-obrecht-simon-2025",),
    statement="At every size in the scope the ratio of LRU, computed from its reference class, is (l-1)/(l-k) for k < l, 2 - 1/l at k = l, min(k, 2(k-l) + 1) for k > l:",
    latex=r"r(\mathrm{LRU}) = (l-1)/(l-k),\ 2 - 1/l,\ \min(k, 2(k-l)+1)",
    status="[computed]",
    evidence="certificate",
    scope={
        "small": "l x n = 2 x 3, 3 x 2, 4 x 1, every k",
        "full": "and 5 x 2, 2 x 5, 10 x 1, 11 x 1, every k: 37 larger sizes",
    },
    control={"equal": False},
    breaks="computed",
)
def lru_closed_form(scope: str = "small", *, equal: bool = True) -> str | None:
    """Return a size at which the computed ratio is another."""
    for layers, experts in SMALL if scope == "small" else FULL:
        for slots in range(1, layers * experts):
            if slots < layers:
                form = Fraction(layers - 1, layers - slots)
            elif slots == layers and equal:
                form = 2 - Fraction(1, layers)
            else:
                form = Fraction(min(slots, 2 * (slots - layers) + 1))
            value = certified_ratio("lru", layers=layers, experts=experts, slots=slots).value
            if value != form:
                return f"l = {layers}, n = {experts}, k = {slots}: computed {value}, not {form}"
    return None
