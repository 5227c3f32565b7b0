"""FIFO: evict the page that has been in the cache longest."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.instance import Instance
from ..core.registry import register
from .spec import Time, ranks


@register(
    "policy",
    "fifo",
    cites=("sleator-tarjan-1985",),
    aka=("first in, first out",),
    stack=False,
    lazy=True,
    marking=False,
    conservative=True,
)
class FIFO:
    """Evict the page loaded by the oldest event; ties to the lowest page number.

    Guarantee: ``k / (k - h + 1)`` against an optimum with ``h <= k`` slots.

    Examples
    --------
    Belady's anomaly: one slot more, one miss more (belady-nelson-shedler-1969).

    >>> import layered_paging as lp
    >>> trace = lp.Trace([[p] for p in [0, 1, 2, 3, 0, 1, 4, 0, 1, 2, 3, 4]])
    >>> lp.replay(trace, "fifo", 3).misses, lp.replay(trace, "fifo", 4).misses
    (9, 10)
    """

    symmetric = True
    turning = True

    def __init__(self, instance: Instance) -> None:
        self._loaded: dict[int, int] = {}

    def hit(self, page: int, time: Time) -> None:
        """Nothing changes."""

    def miss(self, page: int, time: Time) -> None:
        """Note when the page was loaded."""
        self._loaded[page] = time.clock

    def victim(self, candidates: Sequence[int], time: Time) -> int:
        """Return the candidate loaded longest ago."""
        return min(candidates, key=lambda page: (self._loaded[page], page))

    def state(self, resident: Sequence[int], time: Time) -> dict[int, int]:
        """Return the order of loading."""
        return ranks({page: self._loaded[page] for page in resident})
