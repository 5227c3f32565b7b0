"""CLOCK: a queue that gives every page used since the hand last passed a second chance."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.instance import Instance
from ..core.registry import register
from ..errors import ParameterError
from .spec import Time


@register(
    "policy",
    "clock",
    cites=("corbato-1968",),
    aka=("second chance", "FIFO-Reinsertion"),
    stack=False,
    lazy=True,
    marking=False,
    conservative=True,
)
class Clock:
    """Sweep the pages in a ring; clear the bit of a page that has it, evict the first page that has not.

    Parameters
    ----------
    instance : Instance
    fresh : bool
        Whether loading a page sets its bit (the request that loads it is a use).

    Notes
    -----
    The ring is held as a queue that begins at the hand; what the hand passes goes to its end.
    Pages loaded by the present event enter behind the hand, in ascending page number, after its
    evictions.  The hand passes over members that must stay and leaves their bits alone.
    """

    symmetric = True

    def __init__(self, instance: Instance, *, fresh: bool = True) -> None:
        if not isinstance(fresh, bool):
            raise ParameterError(f"clock: fresh must be True or False; got {fresh!r}")
        self.fresh = fresh
        self._queue: list[int] = []
        self._waiting: list[tuple[int, int]] = []
        self._bit: dict[int, bool] = {}

    def hit(self, page: int, time: Time) -> None:
        """Set the bit."""
        self._bit[page] = True

    def miss(self, page: int, time: Time) -> None:
        """Let the page wait until the event's evictions are over."""
        self._waiting.append((time.clock, page))
        self._bit[page] = self.fresh

    def victim(self, candidates: Sequence[int], time: Time) -> int:
        """Move the hand to the first candidate without its bit, and return it."""
        allowed = set(candidates)
        self._enter(time.clock)
        if allowed.isdisjoint(self._queue):  # only what the event itself loaded is left
            self._enter(None)
        while True:
            page = self._queue.pop(0)
            if page in allowed and not self._bit[page]:
                return page
            if page in allowed:
                self._bit[page] = False
            self._queue.append(page)

    def clear(self, time: Time) -> None:
        """Empty the ring."""
        self._queue, self._waiting = [], []

    def state(self, resident: Sequence[int], time: Time) -> dict[int, int]:
        """Return the places in the ring, and the bits."""
        ring = self._queue + [page for _, page in self._waiting]
        return {page: 2 * place + self._bit[page] for place, page in enumerate(ring, 1)}

    def _enter(self, before: int | None) -> None:
        self._queue += [page for clock, page in self._waiting if before is None or clock < before]
        self._waiting = [(clock, page) for clock, page in self._waiting if before is not None and clock >= before]
