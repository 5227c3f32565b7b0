"""Twin of sieve: a queue with a hand."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..hooks import Now, inlined
from ..lists import empty, new_lists, push, unlink
from ..task import Task
from . import twin

WAITS, EVENT, HAND = 0, 1, 2  # places in ``n``: pages that wait, the event that loaded them, the hand


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
        _empty(self)

    def clear(self, now: Now) -> None:
        """Empty the queue."""
        _empty(self)

    def hit(self, page: int, now: Now) -> None:
        """Set the bit."""
        self.bit[page] = True

    def miss(self, page: int, now: Now) -> None:
        """Let the page wait until its event is over; those of the event before enter."""
        if self.n[EVENT] != now.event:
            _enter(self)
            self.n[EVENT] = now.event
        self.waiting[self.n[WAITS]] = page
        self.n[WAITS] += 1
        self.bit[page] = False

    def victim(self, resident: Any, guard: Any, now: Now) -> int:
        """Move the hand to the first page without its bit; bits are cleared on the way."""
        if self.n[EVENT] != now.event or now.stamp == -2:
            _enter(self)
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


@inlined
def _enter(state: Any) -> None:
    for i in range(state.n[WAITS]):
        push(state.after, state.before, state.pages, state.waiting[i])
    state.n[WAITS] = 0


@inlined
def _empty(state: Any) -> None:
    empty(state.after, state.before, state.pages)
    state.n[WAITS] = 0
    state.n[EVENT] = -1
    state.n[HAND] = state.pages
