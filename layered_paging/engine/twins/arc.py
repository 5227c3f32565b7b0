"""Twin of arc: two lists of pages, two of ghosts, and a target."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..hooks import Now, inlined
from ..lists import empty, insert, new_lists, oldest, push, unlink
from ..task import Task
from . import twin

# places in the array ``n``; FRESH: pages of T1 loaded by event SINCE; ASKED: the last loaded page was in B2
FRESH, SINCE, ASKED, T1, T2, B1, B2 = range(7)


@twin(waits=True)
class Arc(NamedTuple):
    """Lists 0 T1, 1 T2, 2 B1, 3 B2; ``where`` is the list of a page (-1: none), ``event`` the one that loaded it."""

    pages: int
    slots: int
    after: Any
    before: Any
    where: Any
    clock: Any
    event: Any
    target: Any
    n: Any

    @classmethod
    def begin(cls, task: Task) -> Arc:
        """Return a state for a pool."""
        pages = task.grid.pages
        where, clock, event = np.full(pages, -1, np.int8), np.zeros(pages, np.int64), np.zeros(pages, np.int64)
        target, n = np.zeros(1), np.zeros(7, np.int64)
        return cls(pages, task.instance.slots, *new_lists(pages, 4), where, clock, event, target, n)

    def reset(self, session: int) -> None:
        """Empty all lists."""
        for i in range(4):
            empty(self.after, self.before, self.pages + i)
        self.where[:] = -1
        self.n[:] = 0
        self.n[SINCE] = -1
        self.target[0] = 0.0

    def clear(self, now: Now) -> None:
        """Empty T1 and T2; ghosts and the target stay."""
        for i in range(2):
            empty(self.after, self.before, self.pages + i)
        for page in range(self.pages):
            if self.where[page] < 2:
                self.where[page] = -1
        self.n[T1] = 0
        self.n[T2] = 0
        self.n[SINCE] = -1

    def hit(self, page: int, now: Now) -> None:
        """Move the page to the end of T2."""
        unlink(self.after, self.before, page)
        if self.where[page] == 0:
            self.where[page] = 1
            self.n[T1] -= 1
            self.n[T2] += 1
        self.clock[page] = now.clock
        insert(self.after, self.before, self.pages + 1, page, self.clock)

    def miss(self, page: int, now: Now) -> None:
        """Load the page into T2 if it is a ghost, whose list moves the target, else into T1."""
        n = self.n
        if n[SINCE] != now.event:
            n[SINCE] = now.event
            n[FRESH] = 0
        was = self.where[page]
        n[ASKED] = was == 3
        # a ghost of T1 says that T1 was too small, one of T2 that it was too large: the target moves
        if was == 2:
            self.target[0] = min(self.target[0] + max(1.0, n[B2] / n[B1]), 1.0 * self.slots)
            n[B1] -= 1
        elif was == 3:
            self.target[0] = max(self.target[0] - max(1.0, n[B1] / n[B2]), 0.0)
            n[B2] -= 1
        self.clock[page] = now.clock
        self.event[page] = now.event
        # a ghost comes back into T2, every other page into T1
        if was >= 2:
            unlink(self.after, self.before, page)
            self.where[page] = 1
            n[T2] += 1
            insert(self.after, self.before, self.pages + 1, page, self.clock)
        else:
            self.where[page] = 0
            n[T1] += 1
            n[FRESH] += 1
            insert(self.after, self.before, self.pages, page, self.clock)
        _trim(self)

    def victim(self, resident: Any, guard: Any, now: Now) -> int:
        """Take the oldest page of T1 if that is above its target, else of T2; it becomes a ghost."""
        n = self.n
        # what the event itself loaded does not count in T1
        size = n[T1] - (n[FRESH] if n[SINCE] == now.event else 0)
        first = size > self.target[0] or (size == self.target[0] and size > 0 and n[ASKED] == 1)
        one = oldest(self.after, guard, now.stamp, self.pages)
        two = oldest(self.after, guard, now.stamp, self.pages + 1)
        page = two
        if (first and one >= 0) or two < 0:
            page = one
        # the victim becomes the newest ghost of its list
        unlink(self.after, self.before, page)
        if page == one:
            if self.event[page] == now.event:
                n[FRESH] -= 1
            n[T1] -= 1
            n[B1] += 1
            self.where[page] = 2
            push(self.after, self.before, self.pages + 2, page)
        else:
            n[T2] -= 1
            n[B2] += 1
            self.where[page] = 3
            push(self.after, self.before, self.pages + 3, page)
        _trim(self)
        gone: int = page
        return gone


@inlined
def _trim(state: Any) -> None:
    """Drop the oldest ghosts: T1 and B1 hold at most ``slots`` pages, all four lists twice that."""
    n = state.n
    while n[B1] > 0 and n[T1] + n[B1] > state.slots:
        old = state.after[state.pages + 2]
        unlink(state.after, state.before, old)
        state.where[old] = -1
        n[B1] -= 1
    once = min(n[T1] + n[B1], state.slots)  # what T1 has beyond is about to leave
    while n[B2] > 0 and once + n[T2] + n[B2] > 2 * state.slots:
        old = state.after[state.pages + 3]
        unlink(state.after, state.before, old)
        state.where[old] = -1
        n[B2] -= 1
