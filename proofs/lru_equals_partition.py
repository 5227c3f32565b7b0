"""At k = l the split costs nothing: LRU, LRU per layer, OPT per layer and LLRU are one policy, of ratio 2 - 1/l.

Evidence. The ratio of LRU is exact and certified at each size; the four counts are equal on every sequence in the scope,
          up to renaming inside layers.  With one slot a layer the optimum per layer has no choice.
Control.  The ratio 2 - 1/l minus a tenth.
"""

from __future__ import annotations

from fractions import Fraction

from layered_paging.claims import certified_ratio, layered_sequences, misses
from layered_paging.core.registry import register
from layered_paging.policies.belady import furthest


@register(
    "claim",
    "lru-equals-partition",
    cites=(),
    statement="At k = l: LRU = LRU per layer = OPT per layer = LLRU (far) on every sequence, of ratio",
    latex=r"2 - \frac{1}{l}",
    status="[derived]",
    evidence="exhaustive",
    scope={"small": "l <= 3, n = 2; 4 rounds", "full": "l <= 3, n <= 3; 5 rounds"},
    control={"less": Fraction(1, 10)},
    breaks="LRU has ratio",
)
def lru_equals_partition(scope: str = "small", *, less: Fraction = Fraction(0)) -> str | None:
    """Return a sequence on which the counts differ, or a size with another ratio."""
    small = scope == "small"
    for layers, experts in ((2, 2), (3, 2)) if small else ((2, 2), (3, 2), (4, 2), (2, 3), (3, 3)):
        value = certified_ratio("lru", layers=layers, experts=experts, slots=layers).value
        if value != 2 - Fraction(1, layers) - less:
            return f"l = {layers}, n = {experts}: LRU has ratio {value}"
    for layers, experts, rounds in ((1, 2, 5), (2, 2, 5), (3, 2, 4)) if small else ((2, 3, 5), (3, 2, 5), (3, 3, 4)):
        sizes = {"layers": layers, "experts": experts, "slots": layers}
        for pages in layered_sequences(layers, experts, rounds):
            counts = {
                misses("lru", pages, **sizes),
                misses("lru", pages, pool="per-layer", **sizes),
                misses("llru", pages, **sizes),
                sum(sum(furthest(pages[j::layers], 1)) for j in range(layers)),
            }
            if len(counts) > 1:
                return f"l = {layers}, n = {experts}: {pages}"
    return None
