"""Twin of lru-hits-first: a list of pages in the order of use."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..hooks import Now
from ..lists import empty, insert_used, new_lists, new_marks, oldest, unlink
from ..task import Task
from . import twin


@twin()
class LruHitsFirst(NamedTuple):
    """Pages in the order of use; ``loaded[page]`` is the step that loaded the page, if that was its last use."""

    pages: int
    layers: int
    after: Any
    before: Any
    loaded: Any

    @classmethod
    def begin(cls, task: Task) -> LruHitsFirst:
        """Return a state for a pool."""
        pages = task.grid.pages
        return cls(pages, task.instance.layers, *new_lists(pages), new_marks(pages))

    def reset(self, session: int) -> None:
        """Forget all pages."""
        empty(self.after, self.before, self.pages)

    def clear(self, now: Now) -> None:
        """Forget all pages."""
        empty(self.after, self.before, self.pages)

    def hit(self, page: int, now: Now) -> None:
        """Move the page to the end, before what the event loads."""
        unlink(self.after, self.before, page)
        step = now.round * self.layers + now.layer
        insert_used(self.after, self.before, self.pages, page, self.loaded, step, False)

    def miss(self, page: int, now: Now) -> None:
        """Put the page near the end, among the misses of the event."""
        step = now.round * self.layers + now.layer
        insert_used(self.after, self.before, self.pages, page, self.loaded, step, True)

    def victim(self, resident: Any, guard: Any, now: Now) -> int:
        """Take the first page that may go."""
        page: int = oldest(self.after, guard, now.stamp, self.pages)
        unlink(self.after, self.before, page)
        return page
