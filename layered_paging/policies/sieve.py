"""SIEVE: a queue whose hand takes out the unused pages and leaves the used ones in their places."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.instance import Instance
from ..core.registry import register
from .spec import Time


@register(
    "policy", "sieve", cites=("zhang-et-al-2024",), aka=(), stack=False, lazy=True, marking=False, conservative=False
)
class Sieve:
    """Move the hand from the oldest page to the newest; clear the bit of a used page, evict the first unused one.

    A hit sets the page's bit, and loading does not.  The hand stays where it evicted; past the newest
    page it goes back to the oldest.  Pages loaded by the present event enter as the newest, in ascending
    page number, after its evictions.  The hand passes over members that must stay and leaves their bits alone.
    """

    symmetric = True

    def __init__(self, instance: Instance) -> None:
        self._queue: list[int] = []  # oldest first
        self._waiting: list[tuple[int, int]] = []
        self._bit: dict[int, bool] = {}
        self._hand: int | None = None  # the page to look at next; None: the oldest

    def hit(self, page: int, time: Time) -> None:
        """Set the bit."""
        self._bit[page] = True

    def miss(self, page: int, time: Time) -> None:
        """Let the page wait until the event's evictions are over."""
        self._waiting.append((time.clock, page))
        self._bit[page] = False

    def victim(self, candidates: Sequence[int], time: Time) -> int:
        """Move the hand to the first candidate without its bit, and return it."""
        allowed = set(candidates)
        self._enter(time.clock)
        if allowed.isdisjoint(self._queue):  # only what the event itself loaded is left
            self._enter(None)
        at = 0 if self._hand is None else self._queue.index(self._hand)
        while self._queue[at] not in allowed or self._bit[self._queue[at]]:
            if self._queue[at] in allowed:
                self._bit[self._queue[at]] = False
            at = (at + 1) % len(self._queue)
        page = self._queue.pop(at)
        self._hand = self._queue[at] if at < len(self._queue) else None
        return page

    def clear(self, time: Time) -> None:
        """Empty the queue."""
        self._queue, self._waiting, self._hand = [], [], None

    def state(self, resident: Sequence[int], time: Time) -> dict[int, int]:
        """Return the places in the queue, the bits, and the hand."""
        queue = self._queue + [page for _, page in self._waiting]
        return {page: 4 * place + 2 * self._bit[page] + (page == self._hand) for place, page in enumerate(queue, 1)}

    def _enter(self, before: int | None) -> None:
        self._queue += [page for clock, page in self._waiting if before is None or clock < before]
        self._waiting = [(clock, page) for clock, page in self._waiting if before is not None and clock >= before]
