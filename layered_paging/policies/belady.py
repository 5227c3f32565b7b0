"""Belady: evict the page whose next request is furthest in the future."""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Mapping, Sequence

from ..core.instance import Instance
from ..core.registry import register
from .spec import Time


@register(
    "policy",
    "belady",
    cites=("belady-1966",),
    aka=("OPT", "MIN", "furthest next use", "clairvoyant"),
    offline=True,
    stack=True,
    lazy=True,
)
class Belady:
    """Evict the page whose next request is furthest; ties to the lowest page number.

    An offline policy: it is given the future.  The optimum where all pages cost and weigh the
    same (claim ``belady-optimal``); with pages of unequal size a heuristic.  Under ``ties="rank"``
    members of one future event are told apart by router order, the last one going first.

    Parameters
    ----------
    instance : Instance
    future : mapping from page to the clocks of its requests, ascending, until the cache is next emptied
    """

    def __init__(self, instance: Instance, *, future: Mapping[int, Sequence[int]]) -> None:
        self._future = future
        self._passed: dict[int, int] = {}  # requests of each page up to the last time that was told of it

    def hit(self, page: int, time: Time) -> None:
        """Note that the next request of the page is the first one after this time."""
        self._passed[page] = bisect_right(self._future[page], time.clock, self._passed.get(page, 0))

    miss = hit

    def victim(self, candidates: Sequence[int], time: Time) -> int:
        """Return the candidate requested last from now on, or never again."""
        return max(candidates, key=lambda page: (self._next(page, time), -page))

    def _next(self, page: int, time: Time) -> float:
        clocks = self._future[page]
        passed = self._passed[page]
        if passed < len(clocks) and clocks[passed] <= time.clock:  # a request that it was not told of
            passed = self._passed[page] = bisect_right(clocks, time.clock, passed)
        return clocks[passed] if passed < len(clocks) else float("inf")


def furthest(requests: Sequence[int], slots: int) -> list[bool]:
    """Return which of these single requests miss when the page needed furthest in the future is evicted.

    The first t entries sum to the optimum of the first t requests, for every t: pages that are not needed
    before t may be evicted in any order (belady-1966).  O(requests * log requests).
    """
    upcoming: dict[int, int] = {}
    following = [0] * len(requests)
    for t in range(len(requests) - 1, -1, -1):
        following[t] = upcoming.get(requests[t], len(requests))
        upcoming[requests[t]] = t
    missed: list[bool] = []
    due: dict[int, int] = {}  # next use of what is held
    heap: list[tuple[int, int]] = []
    for t, page in enumerate(requests):
        missed.append(page not in due)
        if page not in due and len(due) == slots:
            while True:
                when, victim = heapq.heappop(heap)
                if due.get(victim) == -when:
                    del due[victim]
                    break
        due[page] = following[t]
        heapq.heappush(heap, (-following[t], page))
    return missed
