"""MARKING: evict an unmarked page drawn at random."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.instance import Instance
from ..core.registry import register
from .spec import Time
from .stream import Stream


@register(
    "policy",
    "marking",
    cites=("fiat-karp-luby-mcgeoch-sleator-young-1991",),
    aka=("randomized marking", "MARK"),
    stack=False,
    lazy=True,
    conservative=False,
    marking=True,
    randomized=True,
)
class Marking:
    """Mark what is requested; evict an unmarked page drawn uniformly; no ties.

    A phase ends when an event cannot be placed without evicting a page marked outside it: when
    nothing unmarked is left, every page loses its mark but the members of the event.
    Guarantee: exactly ``2 H_k - 1`` in expectation for k + 2 pages or more (achlioptas-chrobak-noga-2000).

    Draws one number per eviction: the index among the unmarked candidates in ascending page number
    (with bypass, when only marked members of the event are left: among them).
    """

    def __init__(self, instance: Instance, *, rng: Stream) -> None:
        self._rng = rng
        self._last: dict[int, int] = {}
        self._phase = 0  # clock at which the phase began; pages requested since then are marked

    def hit(self, page: int, time: Time) -> None:
        """Mark the page."""
        self._last[page] = time.clock

    miss = hit

    def victim(self, candidates: Sequence[int], time: Time) -> int:
        """Return an unmarked candidate drawn uniformly."""
        for _ in range(2):
            unmarked = [page for page in candidates if self._last[page] < self._phase]
            if unmarked:
                break
            self._phase = time.clock
        chosen = unmarked or candidates
        return chosen[self._rng.below(len(chosen))]

    def clear(self, time: Time) -> None:
        """Begin a phase."""
        self._phase = time.clock

    def state(self, resident: Sequence[int], time: Time) -> dict[int, int]:
        """Return the marks."""
        return {page: int(self._last[page] >= self._phase) for page in resident}
