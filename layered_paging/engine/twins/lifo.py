"""Twin of lifo: a list of pages in the order of loading."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..hooks import Now
from ..lists import empty, new_lists, push, unlink
from ..task import Task
from . import twin


@twin()
class Lifo(NamedTuple):
    """Pages in the order of loading; list 0 of ``lists``."""

    pages: int
    after: Any
    before: Any

    @classmethod
    def begin(cls, task: Task) -> Lifo:
        """Return a state for a pool."""
        return cls(task.grid.pages, *new_lists(task.grid.pages))

    def reset(self, session: int) -> None:
        """Forget all pages."""
        empty(self.after, self.before, self.pages)

    def clear(self, now: Now) -> None:
        """Forget all pages."""
        empty(self.after, self.before, self.pages)

    def miss(self, page: int, now: Now) -> None:
        """Note that the page is the newest."""
        push(self.after, self.before, self.pages, page)

    def victim(self, resident: Any, guard: Any, now: Now) -> int:
        """Take the newest page that may go off the list."""
        page: int = self.before[self.pages]
        while guard[page] == now.stamp:
            page = self.before[page]
        unlink(self.after, self.before, page)
        return page
