"""Twin of sieve: a queue with a hand."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..hooks import Now
from ..lists import new_lists, unlink
from ..task import Task
from ..waiting import EVENT, enter, forget, wait
from . import twin

HAND = 2  # place in ``n`` of the hand, behind those of ``waiting``


@twin(waits=True)
class Sieve(NamedTuple):
    """A queue with a hand; the hand at ``pages`` is at the oldest page."""

    pages: int
    after: Any
    before: Any
    bit: Any
    waiting: Any
    n: Any

    @classmethod
    def begin(cls, task: Task) -> Sieve:
        """Return a state for a pool."""
        pages, width = task.grid.pages, task.grid.shape[2]
        bit, waiting, n = np.zeros(pages, np.bool_), np.zeros(width, np.int32), np.zeros(3, np.int64)
        return cls(pages, *new_lists(pages), bit, waiting, n)

    def reset(self, session: int) -> None:
        """Empty the queue."""
        forget(self)
        self.n[HAND] = self.pages

    def clear(self, now: Now) -> None:
        """Empty the queue."""
        forget(self)
        self.n[HAND] = self.pages

    def hit(self, page: int, now: Now) -> None:
        """Set the bit."""
        self.bit[page] = True

    def miss(self, page: int, now: Now) -> None:
        """Let the page wait until its event is over; those of the event before enter."""
        wait(self, page, now)
        self.bit[page] = False

    def victim(self, resident: Any, guard: Any, now: Now) -> int:
        """Move the hand to the first page without its bit; bits are cleared on the way."""
        if self.n[EVENT] != now.event or now.stamp == -2:
            enter(self)
        page = self.n[HAND]
        while True:
            if page == self.pages:
                page = np.int64(self.after[page])
            if guard[page] != now.stamp:
                if not self.bit[page]:
                    break
                self.bit[page] = False
            page = np.int64(self.after[page])
        self.n[HAND] = self.after[page]
        unlink(self.after, self.before, page)
        gone: int = page
        return gone
