"""Between which bounds the best randomized ratio lies, at sizes where it is known exactly.

Evidence. The bracket of the best randomized policy closes, and the trusted checker accepts both sides: distributions
          above, a request source below.
Control.  One layer: there the ratio is H_k itself, so it is not below.
"""

from __future__ import annotations

from layered_paging import coupon
from layered_paging.claims import certified_optimal
from layered_paging.core.registry import register

SMALL = ((2, 2, 3), (2, 3, 3))
FULL = (*SMALL, (2, 2, 2), (2, 3, 2), (3, 2, 2), (3, 2, 5))


@register(
    "claim",
    "randomized-gap-sizes",
    cites=("angelopoulos-marchal-obrecht-simon-2025",),
    statement="At every layered size in the scope the best randomized ratio is strictly below H_k, and where k >= l strictly above the best Yao bound of uniform sources:",
    latex=r"\max_{n_1 + \dots + n_l = k + 1} Y(n_1, \dots, n_l) < r < H_k",
    status="[computed]",
    evidence="certificate",
    scope={
        "small": "(l, n, k) = (2, 2, 3), (2, 3, 3)",
        "full": "the same, (2, 2, 2), (2, 3, 2), (3, 2, 2), (3, 2, 5)",
    },
    control={"also": ((1, 3, 2),)},
    breaks="is not below H_k",
)
def randomized_gap_sizes(scope: str = "small", *, also: tuple[tuple[int, int, int], ...] = ()) -> str | None:
    """Return a size at which the ratio is not known, or not strictly between the bounds."""
    for layers, experts, slots in (*also, *(SMALL if scope == "small" else FULL)):
        bracket = certified_optimal(layers=layers, experts=experts, slots=slots, randomized=True)
        where = f"l = {layers}, n = {experts}, k = {slots}"
        if not bracket.solved:
            return f"{where}: only within {bracket.lower} .. {bracket.upper}"
        if bracket.upper >= coupon.harmonic(slots):
            return f"{where}: {bracket.upper} is not below H_k"
        if slots >= layers and bracket.lower <= coupon.best_split(layers, experts, slots)[0]:
            return f"{where}: {bracket.lower} is not above the Yao bound"
    return None
