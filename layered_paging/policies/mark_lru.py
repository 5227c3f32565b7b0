"""MARK-LRU: among the unmarked pages, evict the one whose last request is oldest."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.instance import Instance
from ..core.registry import register
from .spec import Time, ranks


@register(
    "policy",
    "mark-lru",
    cites=("borodin-el-yaniv-1998",),
    aka=("marking with LRU",),
    decides_as="lru",
    stack=True,
    lazy=True,
    marking=True,
    conservative=True,
)
class MarkLRU:
    """Evict the unmarked page whose last request is oldest; ties to the lowest page number.

    A page is unmarked if it was not requested in the present phase, so it is older than every
    marked page: this policy is LRU, written as the marking policy that it is.
    A phase ends when an event cannot be placed without evicting a page marked outside it.
    """

    symmetric = True

    def __init__(self, instance: Instance) -> None:
        self._last: dict[int, int] = {}
        self._phase = 0  # clock at which the phase began; pages requested since then are marked

    def hit(self, page: int, time: Time) -> None:
        """Mark the page."""
        self._last[page] = time.clock

    miss = hit

    def victim(self, candidates: Sequence[int], time: Time) -> int:
        """Return the unmarked candidate requested longest ago."""
        if all(self._last[page] >= self._phase for page in candidates):
            self._phase = time.clock
        return min(candidates, key=lambda page: (self._last[page], page))  # unmarked, if one is

    def clear(self, time: Time) -> None:
        """Begin a phase."""
        self._phase = time.clock

    def state(self, resident: Sequence[int], time: Time) -> dict[int, int]:
        """Return the order of last requests, and the marks."""
        place = ranks({page: self._last[page] for page in resident})
        return {page: 2 * place[page] - (self._last[page] >= self._phase) for page in resident}
