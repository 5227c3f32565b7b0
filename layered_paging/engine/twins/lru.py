"""Twin of lru: a list of pages in the order of use."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..fast import recency, stacks
from ..hooks import Now
from ..lists import empty, insert, new_lists, unlink
from ..task import Task
from . import twin


@twin(play=recency.play, depths=stacks.lru_depths)
class Lru(NamedTuple):
    """Pages in the order of their last use, ties to the lowest page; a replay takes the faster bitmap."""

    pages: int
    after: Any
    before: Any
    clock: Any

    @classmethod
    def begin(cls, task: Task) -> Lru:
        """Return a state for a pool."""
        pages = task.grid.pages
        return cls(pages, *new_lists(pages), np.zeros(pages, np.int64))

    def reset(self, session: int) -> None:
        """Forget all pages."""
        empty(self.after, self.before, self.pages)

    def clear(self, now: Now) -> None:
        """Forget all pages."""
        empty(self.after, self.before, self.pages)

    def miss(self, page: int, now: Now) -> None:
        """Put the page near the end, behind all of an earlier use."""
        self.clock[page] = now.clock
        insert(self.after, self.before, self.pages, page, self.clock)

    def hit(self, page: int, now: Now) -> None:
        """Move the page near the end."""
        unlink(self.after, self.before, page)
        self.clock[page] = now.clock
        insert(self.after, self.before, self.pages, page, self.clock)

    def victim(self, resident: Any, guard: Any, now: Now) -> int:
        """Take the first page that may go."""
        page: int = self.after[self.pages]
        while guard[page] == now.stamp:
            page = self.after[page]
        unlink(self.after, self.before, page)
        return page
