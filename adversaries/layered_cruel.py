"""The cruel adversary with layers: request the absent page of the layer whose turn it is, if there is one.

Otherwise repeat the page that was requested last in this layer.  In a k-phase only the first visits to the
other l - 1 layers can bring a new distinct page without a miss, so a deterministic policy misses at least
k - l + 1 times in a phase and the optimum once.  The construction is reported from the paper; the proof is ours.
"""

from __future__ import annotations

from fractions import Fraction

from layered_paging.adversary import require, spread
from layered_paging.adversary.table import Adversary
from layered_paging.core.registry import register


@register(
    "adversary",
    "layered-cruel",
    cites=("angelopoulos-marchal-obrecht-simon-2025",),
    kind="adaptive",
    against="deterministic",
    forces="k - l + 1",
    bound=lambda layers, experts, slots: Fraction(slots - layers + 1),
    sizes=((2, 2, 3), (3, 3, 5), (4, 4, 15)),
)
def layered_cruel(*, layers: int, experts: int, slots: int) -> Adversary:
    """Request the lowest absent page of the layer, else the page requested there last."""
    require("layered-cruel", slots >= layers, "k >= l", layers=layers, experts=experts, slots=slots)
    fits = slots + 1 <= layers * experts
    require("layered-cruel", fits, "k + 1 <= l * n", layers=layers, experts=experts, slots=slots)
    pages = spread(layers, experts, slots + 1)
    last = [row[0] for row in pages]
    resident: frozenset[int] = frozenset()
    while True:
        for layer, row in enumerate(pages):
            last[layer] = next((page for page in row if page not in resident), last[layer])
            resident = yield last[layer]
