"""The FIFO trap: FIFO never learns from hits, so waiting for the right layer costs the adversary nothing.

FIFO loads k + 1 pages in a fixed cyclic order.  While the absent page is in another layer, request the lowest page of the
present layer that this k-phase has seen, or else the lowest (the one loaded longest ago): a hit, which changes nothing, and
never the last page of the phase.  Each phase then has k misses of FIFO, whether or not l divides k + 1, and the optimum
misses once.  Derived here.
"""

from __future__ import annotations

from fractions import Fraction

from layered_paging.adversary import require, spread
from layered_paging.adversary.table import Adversary
from layered_paging.core.registry import register


@register(
    "adversary",
    "fifo-trap",
    cites=("sleator-tarjan-1985",),
    kind="adaptive",
    against=("fifo",),
    forces="k",
    bound=lambda layers, experts, slots: Fraction(slots),
    sizes=((2, 3, 4), (3, 3, 6), (3, 4, 9)),
)
def fifo_trap(*, layers: int, experts: int, slots: int) -> Adversary:
    """Request the absent page of the layer, else a page of the layer seen in this phase."""
    where = {"layers": layers, "experts": experts, "slots": slots}
    require("fifo-trap", slots + 1 <= layers * experts, "k + 1 <= l * n", **where)
    require("fifo-trap", slots + 1 >= 2 * layers, "k + 1 >= 2 l", **where)
    pages = spread(layers, experts, slots + 1)
    seen: set[int] = set()
    resident: frozenset[int] = frozenset()
    while True:
        for row in pages:
            absent = [page for page in row if page not in resident]
            page = min(absent or [p for p in row if p in seen] or row)
            seen = seen | {page} if len(seen | {page}) <= slots else {page}
            resident = yield page
