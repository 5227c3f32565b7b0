"""LLRU with k slots against an optimum with h slots, and the lemma behind it.

Claim.    For k >= l and h <= k - l + 1, LLRU (visit, far): LLRU_k <= (k - l + 1) / (k - l + 2 - h) OPT_h + h, because between a
          request to p and the next miss on p at least k - l + 1 other distinct pages are requested.
Evidence. ``llru-augmented``: exact ratios with certificates and their additive constants.  ``llru-distinct``: every sequence
          in the scope, up to renaming inside layers.
Control.  Nine tenths of the ratio; one distinct page more.
"""

from __future__ import annotations

from fractions import Fraction

from layered_paging.adversary import Table
from layered_paging.claims import certified_ratio, layered_sequences, within
from layered_paging.core.registry import register


@register(
    "claim",
    "llru-augmented",
    cites=(),
    statement="LLRU (visit, far), k >= l, against an optimum with h <= k - l + 1 slots:",
    latex=r"\mathrm{LLRU}_k \le \frac{k - l + 1}{k - l + 2 - h} \mathrm{OPT}_h + h",
    status="[derived]",
    evidence="certificate",
    scope={"small": "l n <= 6, l <= 2, every k and h", "full": "l n <= 6, every k and h"},
    control={"scale": Fraction(9, 10)},
    breaks="above the bound",
)
def llru_augmented(scope: str = "small", *, scale: Fraction = Fraction(1)) -> str | None:
    """Return a size at which the exact ratio or its additive constant is larger."""
    small = ((1, 3), (2, 2), (2, 3))
    for layers, experts in small if scope == "small" else (*small, (3, 2), (1, 5)):
        for slots in range(layers, layers * experts):
            for offline in range(1, slots - layers + 2):
                found = certified_ratio("llru", layers=layers, experts=experts, slots=slots, offline_slots=offline)
                bound = scale * Fraction(slots - layers + 1, slots - layers + 2 - offline)
                if not within(found, bound, offline):
                    return f"above the bound: l = {layers}, n = {experts}, k = {slots}, h = {offline}: {found.value}, additive {found.additive}"
    return None


@register(
    "claim",
    "llru-distinct",
    cites=(),
    statement="LLRU (visit, far), k >= l: between a request to p and the next miss on p lie at least so many other distinct pages:",
    latex=r"k - l + 1",
    status="[derived]",
    evidence="exhaustive",
    scope={
        "small": "l = 2, n = 3, 5 rounds; l = 3, n = 2, 4 rounds",
        "full": "l = 2, n = 3, 6 rounds; l = 3, n = 2, 6 rounds",
    },
    control={"extra": 1},
    breaks="too few distinct pages",
)
def llru_distinct(scope: str = "small", *, extra: int = 0) -> str | None:
    """Return a sequence with a miss after too few distinct pages."""
    fewest = None
    for layers, experts, rounds in ((2, 3, 5), (3, 2, 4)) if scope == "small" else ((2, 3, 6), (3, 2, 6)):
        for slots in range(layers, layers * experts):
            for pages in layered_sequences(layers, experts, rounds):
                table = Table("llru", layers=layers, experts=experts, slots=slots)
                for t, page in enumerate(pages):
                    if table.serve(page) and page in pages[:t]:
                        last = max(s for s in range(t) if pages[s] == page)
                        spare = len(set(pages[last + 1 : t])) - (slots - layers + 1 + extra)
                        fewest = spare if fewest is None else min(fewest, spare)
                        if spare < 0:
                            return f"too few distinct pages: l = {layers}, n = {experts}, k = {slots}: {pages[: t + 1]}"
    return None if fewest == 0 else "never attained"
