"""The cyclic sequence: round r asks for page r mod m of every layer.

With N = l m > k pages, LRU (and FIFO, and CLOCK) misses every request; the optimum misses N - k of every
N - 1 requests.  If l divides k + 1 this forces k.  Only whole rounds are used, so m is the least number of
pages a layer with l m > k.
"""

from __future__ import annotations

from fractions import Fraction

from layered_paging.adversary import require
from layered_paging.adversary.table import Adversary
from layered_paging.core.registry import register


def _pages(layers: int, slots: int) -> int:
    return layers * (slots // layers + 1)


@register(
    "adversary",
    "cyclic",
    cites=("sleator-tarjan-1985", "angelopoulos-marchal-obrecht-simon-2025"),
    kind="oblivious",
    against=("lru", "fifo", "clock", "mark-lru"),
    forces="(N - 1) / (N - k) with N = l (floor(k / l) + 1); this is k if l divides k + 1",
    bound=lambda layers, experts, slots: Fraction(_pages(layers, slots) - 1, _pages(layers, slots) - slots),
    sizes=((1, 4, 3), (2, 3, 5), (3, 3, 7)),
)
def cyclic(*, layers: int, experts: int, slots: int) -> Adversary:
    """Request page r mod m of each layer in round r."""
    width = _pages(layers, slots) // layers
    fits = width <= experts
    require("cyclic", fits, "floor(k / l) + 1 <= n (k < l * n)", layers=layers, experts=experts, slots=slots)
    turn = 0
    while True:
        for layer in range(layers):
            yield layer * experts + turn % width
        turn += 1
