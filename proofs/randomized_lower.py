"""The reported randomized lower bound, and why it needs a hypothesis."""

from __future__ import annotations

from fractions import Fraction

from layered_paging.claims import certified_ratio
from layered_paging.core.registry import register
from layered_paging.coupon import harmonic


@register(
    "claim",
    "randomized-lower",
    cites=("angelopoulos-marchal-obrecht-simon-2025",),
    statement="As reported, by Yao's principle and a parallel coupon collector; assumptions not visible, false without one (claim `randomized-lower-hypothesis`):",
    latex=r"r \ge \max(H_n, \log(l) / (6 n))",
    status="[second hand]; false without a hypothesis",
    evidence="none",
)
def randomized_lower(scope: str = "small") -> None:
    """Stated only."""


@register(
    "claim",
    "randomized-lower-hypothesis",
    cites=("angelopoulos-marchal-obrecht-simon-2025",),
    statement="The reported bound needs a hypothesis: at l = k = 2, n = 4 LRU itself is below H_n:",
    latex=r"r(\mathrm{LRU}) = 3/2 < H_4 = 25/12 \text{ at } l = k = 2, n = 4",
    status="[computed]",
    evidence="certificate",
    scope={"small": "l = k = 2, n = 4", "full": "l = k = 2, n = 3 .. 5"},
    control={"ratio": Fraction(25, 12)},
    breaks="LRU has ratio",
)
def randomized_lower_hypothesis(scope: str = "small", *, ratio: Fraction = Fraction(3, 2)) -> str | None:
    """Return a size at which LRU has another ratio, or is not below H_n."""
    for experts in (4,) if scope == "small" else (3, 4, 5):
        value = certified_ratio("lru", layers=2, experts=experts, slots=2).value
        if value != ratio or not value < harmonic(experts):
            return f"n = {experts}: LRU has ratio {value}, H_n is {harmonic(experts)}"
    return None
