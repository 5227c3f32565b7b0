"""Twin of lru-2: a heap by the last use but one."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..heaps import add, bits_of, empty, new_heap, pop_victim, sink
from ..hooks import Now
from ..task import Task
from . import twin


@twin()
class Lru2(NamedTuple):
    """A heap by ``key = ((event of the last use but one + 1) << bits) + tick of the last use``; ``clock`` of the last use, or -1."""

    bits: int
    key: Any
    heap: Any
    at: Any
    size: Any
    clock: Any

    @classmethod
    def begin(cls, task: Task) -> Lru2:
        """Return a state for a pool."""
        return cls(bits_of(task), *new_heap(task.grid.pages), np.zeros(task.grid.pages, np.int64))

    def reset(self, session: int) -> None:
        """Forget all uses."""
        self.clock[:] = -1
        empty(self.at, self.size)

    def clear(self, now: Now) -> None:
        """Empty the heap; uses stay known."""
        empty(self.at, self.size)

    def hit(self, page: int, now: Now) -> None:
        """Note a use."""
        self.key[page] = ((self.clock[page] + 1) << self.bits) + now.tick
        self.clock[page] = now.clock
        sink(self.key, self.heap, self.at, self.size[0], self.at[page], page)

    def miss(self, page: int, now: Now) -> None:
        """Note a use."""
        self.key[page] = ((self.clock[page] + 1) << self.bits) + now.tick
        self.clock[page] = now.clock
        add(self.key, self.heap, self.at, self.size, page)

    def leaves_before(self, page: int, other: int, now: Now) -> bool:
        """Return whether one page has the smaller key."""
        return bool(self.key[page] < self.key[other])

    def victim(self, resident: Any, guard: Any, now: Now) -> int:
        """Take the page whose last use but one is oldest, of those that may go."""
        page: int = pop_victim(self, guard, now)
        return page
