"""Twin of slru: two lists in the order of use."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..hooks import Now, inlined
from ..lists import empty, insert, new_lists, unlink
from ..task import Task
from . import twin

TRIAL, PROTECTED = 0, 1


@twin()
class Slru(NamedTuple):
    """Two lists by last use; ``where`` says in which one a page is, ``size[0]`` counts the protected ones."""

    pages: int
    room: int
    after: Any
    before: Any
    clock: Any
    where: Any
    size: Any

    @classmethod
    def begin(cls, task: Task) -> Slru:
        """Return a state for a pool."""
        policy: Any = task.spec.make(task.instance)
        pages = task.grid.pages
        clock, where, size = np.zeros(pages, np.int64), np.zeros(pages, np.int8), np.zeros(1, np.int64)
        return cls(pages, policy.room, *new_lists(pages, 2), clock, where, size)

    def reset(self, session: int) -> None:
        """Empty both lists."""
        _empty(self)

    def clear(self, now: Now) -> None:
        """Empty both lists."""
        _empty(self)

    def miss(self, page: int, now: Now) -> None:
        """Put the page on trial."""
        self.where[page] = TRIAL
        self.clock[page] = now.clock
        insert(self.after, self.before, self.pages, page, self.clock)

    def hit(self, page: int, now: Now) -> None:
        """Protect the page; what no longer fits there is on trial again."""
        unlink(self.after, self.before, page)
        if self.where[page] == TRIAL:
            self.where[page] = PROTECTED
            self.size[0] += 1
        self.clock[page] = now.clock
        insert(self.after, self.before, self.pages + PROTECTED, page, self.clock)
        if self.size[0] > self.room:
            oldest = self.after[self.pages + PROTECTED]
            unlink(self.after, self.before, oldest)
            self.size[0] -= 1
            self.where[oldest] = TRIAL
            self.clock[oldest] = now.clock
            insert(self.after, self.before, self.pages, oldest, self.clock)

    def victim(self, resident: Any, guard: Any, now: Now) -> int:
        """Take the oldest page on trial that may go, else the oldest protected one."""
        page: int = self.after[self.pages]
        while page != self.pages and guard[page] == now.stamp:
            page = self.after[page]
        if page == self.pages:
            page = self.after[self.pages + PROTECTED]
            while guard[page] == now.stamp:
                page = self.after[page]
            self.size[0] -= 1
        unlink(self.after, self.before, page)
        return page


@inlined
def _empty(state: Any) -> None:
    empty(state.after, state.before, state.pages)
    empty(state.after, state.before, state.pages + PROTECTED)
    state.size[0] = 0
