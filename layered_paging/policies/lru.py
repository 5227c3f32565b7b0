"""LRU: evict the page whose last request is oldest."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.instance import Instance
from ..core.registry import register
from .spec import Time, ranks


@register(
    "policy",
    "lru",
    cites=("sleator-tarjan-1985",),
    aka=("least recently used",),
    stack=True,
    lazy=True,
    marking=True,
    conservative=True,
)
class LRU:
    """Evict the page whose last request is oldest; ties to the lowest page number.

    Guarantee: ``k / (k - h + 1)`` against an optimum with ``h <= k`` slots (claim ``lru-upper``).

    Examples
    --------
    >>> import layered_paging as lp
    >>> trace = lp.Trace([[0, 0], [1, 0], [0, 0]], n_experts=2)
    >>> lp.replay(trace, "lru", 3).misses
    3
    """

    symmetric = True
    turning = True

    def __init__(self, instance: Instance) -> None:
        self._last: dict[int, int] = {}

    def hit(self, page: int, time: Time) -> None:
        """Note the request."""
        self._last[page] = time.clock

    miss = hit

    def victim(self, candidates: Sequence[int], time: Time) -> int:
        """Return the candidate requested longest ago."""
        return min(candidates, key=lambda page: (self._last[page], page))

    def state(self, resident: Sequence[int], time: Time) -> dict[int, int]:
        """Return the order of last requests."""
        return ranks({page: self._last[page] for page in resident})
