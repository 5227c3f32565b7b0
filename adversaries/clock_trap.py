"""The CLOCK trap: keep every bit as it is, so that CLOCK is FIFO.

While the absent page is in another layer, request the page of the present layer that was loaded last: its
bit is set already unless the hand swept over it, so the hit changes little.  Derived here.
"""

from __future__ import annotations

from fractions import Fraction

from layered_paging.adversary import require, spread
from layered_paging.adversary.table import Adversary
from layered_paging.core.registry import register


@register(
    "adversary",
    "clock-trap",
    cites=("corbato-1968",),
    kind="adaptive",
    against=("clock",),
    forces="k if l divides k + 1, else k - l + 1",
    bound=lambda layers, experts, slots: Fraction(slots if (slots + 1) % layers == 0 else slots - layers + 1),
    sizes=((2, 3, 4), (3, 3, 6), (3, 4, 9)),
)
def clock_trap(*, layers: int, experts: int, slots: int) -> Adversary:
    """Request the absent page of the layer, else the page of the layer that was loaded last."""
    where = {"layers": layers, "experts": experts, "slots": slots}
    require("clock-trap", slots + 1 <= layers * experts, "k + 1 <= l * n", **where)
    require("clock-trap", slots >= layers, "k >= l", **where)
    pages = spread(layers, experts, slots + 1)
    loaded = {page: 0 for row in pages for page in row}
    resident: frozenset[int] = frozenset()
    clock = 0
    while True:
        for row in pages:
            clock += 1
            absent = [page for page in row if page not in resident]
            page = min(absent, key=lambda p: (loaded[p], p)) if absent else max(row, key=lambda p: loaded[p])
            if absent:
                loaded[page] = clock
            resident = yield page
