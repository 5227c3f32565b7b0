"""Twin of heat-protected: a list of cold pages and one of hot pages, in the order of use."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..hooks import Now
from ..lists import empty, insert, new_lists, oldest, unlink
from ..task import Task
from . import twin


@twin()
class HeatProtected(NamedTuple):
    """Two lists by last use, ties to the lowest page; hits since the page was loaded."""

    pages: int
    hot_uses: int
    after: Any
    before: Any
    clock: Any
    hits: Any

    @classmethod
    def begin(cls, task: Task) -> HeatProtected:
        """Return a state for a pool."""
        policy: Any = task.spec.make(task.instance)
        pages = task.grid.pages
        return cls(pages, policy.hot_uses, *new_lists(pages, 2), np.zeros(pages, np.int64), np.zeros(pages, np.int64))

    def reset(self, session: int) -> None:
        """Empty both lists."""
        empty(self.after, self.before, self.pages)
        empty(self.after, self.before, self.pages + 1)

    def clear(self, now: Now) -> None:
        """Empty both lists."""
        empty(self.after, self.before, self.pages)
        empty(self.after, self.before, self.pages + 1)

    def hit(self, page: int, now: Now) -> None:
        """Count the hit; with enough of them the page is hot."""
        unlink(self.after, self.before, page)
        self.clock[page] = now.clock
        self.hits[page] += 1
        insert(self.after, self.before, self.pages + (self.hits[page] > self.hot_uses), page, self.clock)

    def miss(self, page: int, now: Now) -> None:
        """Put the page among the cold ones."""
        self.clock[page] = now.clock
        self.hits[page] = 0
        insert(self.after, self.before, self.pages, page, self.clock)

    def victim(self, resident: Any, guard: Any, now: Now) -> int:
        """Take the oldest cold page that may go, else the oldest hot one."""
        page: int = oldest(self.after, guard, now.stamp, self.pages)
        if page < 0:
            page = oldest(self.after, guard, now.stamp, self.pages + 1)
        unlink(self.after, self.before, page)
        return page
