"""What exact computation decides about the open questions, size by size.

Evidence. Exact ratios, each certificate accepted by the trusted checker.
Control.  The opposite of what was found, at the smallest size that shows it.
"""

from __future__ import annotations

from layered_paging.claims import certified_ratio, misses
from layered_paging.registry import register

CONVENTIONS = (
    "llru",
    "llru(same_layer='near')",
    "llru(rounds='absolute')",
    "llru(rounds='absolute', same_layer='near')",
)
SMALL = ((1, 3), (1, 4), (2, 2), (3, 2), (2, 3))
FULL = (*SMALL, (1, 5), (4, 2), (2, 4), (3, 3))


@register(
    "claim",
    "lru-vs-fifo-sizes",
    cites=("chrobak-noga-1999",),
    statement="At every size in the scope LRU's ratio is at most FIFO's, and less at some; yet on some sequence LRU misses more.",
    latex=r"r(\mathrm{LRU}) \le r(\mathrm{FIFO})",
    status="[computed]",
    evidence="certificate",
    scope={"small": "l n <= 6, every k", "full": "l n <= 9, every k"},
    control={"strictly": True},
)
def lru_vs_fifo_sizes(scope: str = "small", *, strictly: bool = False) -> str | None:
    """Return a size at which LRU's ratio is larger (or, strictly, not smaller)."""
    smaller = 0
    for layers, experts in SMALL if scope == "small" else FULL:
        for slots in range(1, layers * experts):
            lru, fifo = (certified_ratio(p, layers=layers, experts=experts, slots=slots).value for p in ("lru", "fifo"))
            if lru > fifo or (strictly and lru == fifo):
                return f"l = {layers}, n = {experts}, k = {slots}: LRU {lru}, FIFO {fifo}"
            smaller += lru < fifo
    pages = [0, 1, 0, 2, 1]
    worse = misses("lru", pages, layers=1, experts=3, slots=2) > misses("fifo", pages, layers=1, experts=3, slots=2)
    return None if smaller and worse else "LRU is never strictly better, or never worse on a sequence"


@register(
    "claim",
    "llru-conventions",
    cites=("angelopoulos-marchal-obrecht-simon-2025",),
    statement="With `rounds='absolute', same_layer='far'` LLRU is not k-competitive: at l = 2, n = 3, k = 5 its ratio is 11/2; the other three conventions have ratio at most max(k, 1) at every size in the scope:",
    latex=r"r(\mathrm{LLRU}_{\text{absolute, far}}) = 11/2 > 5",
    status="[computed]",
    evidence="certificate",
    scope={"small": "l n <= 6, every k", "full": "l n <= 9, every k"},
    control={"all_conventions": True},
)
def llru_conventions(scope: str = "small", *, all_conventions: bool = False) -> str | None:
    """Return a convention and a size at which the ratio is above k (for the three, or for all four)."""
    from fractions import Fraction

    for layers, experts in SMALL if scope == "small" else FULL:
        for slots in range(1, layers * experts):
            for policy in CONVENTIONS if all_conventions else (p for p in CONVENTIONS if p != CONVENTIONS[2]):
                value = certified_ratio(policy, layers=layers, experts=experts, slots=slots).value
                if value is None or value > slots:
                    return f"{policy}, l = {layers}, n = {experts}, k = {slots}: {value}"
    value = certified_ratio(CONVENTIONS[2], layers=2, experts=3, slots=5).value
    return None if value == Fraction(11, 2) else f"absolute, far: {value}"
