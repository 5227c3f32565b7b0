"""Belady: evict the page whose next request is furthest in the future."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..instance import Instance
from ..policy import Time
from ..registry import register


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
        self._served: dict[int, int] = {}

    def hit(self, page: int, time: Time) -> None:
        """Note that the next request of the page is now the following one."""
        self._served[page] = self._served.get(page, 0) + 1

    miss = hit

    def victim(self, candidates: Sequence[int], time: Time) -> int:
        """Return the candidate requested last from now on, or never again."""
        return max(candidates, key=lambda page: (self._next(page), -page))

    def _next(self, page: int) -> float:
        clocks = self._future[page]
        served = self._served[page]
        return clocks[served] if served < len(clocks) else float("inf")
