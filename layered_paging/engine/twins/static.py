"""Twin of static: a heap by rank."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..heaps import add, bits_of, empty, new_heap, pop_victim, sink
from ..hooks import Now
from ..task import Task
from . import twin


@twin()
class Static(NamedTuple):
    """A heap by ``key = (rank << bits) + tick of the last use``."""

    bits: int
    key: Any
    heap: Any
    at: Any
    size: Any
    rank: Any

    @classmethod
    def begin(cls, task: Task) -> Static:
        """Return a state for a pool."""
        policy: Any = task.spec.make(task.instance)
        return cls(bits_of(task), *new_heap(task.grid.pages), np.array(policy.ranks, np.int64))

    def reset(self, session: int) -> None:
        """Empty the heap."""
        self.key[:] = 0
        empty(self.at, self.size)

    def clear(self, now: Now) -> None:
        """Empty the heap."""
        empty(self.at, self.size)

    def hit(self, page: int, now: Now) -> None:
        """Note the last use."""
        self.key[page] = (self.rank[page] << self.bits) + now.tick
        sink(self.key, self.heap, self.at, self.size[0], self.at[page], page)

    def miss(self, page: int, now: Now) -> None:
        """Note the last use."""
        self.key[page] = (self.rank[page] << self.bits) + now.tick
        add(self.key, self.heap, self.at, self.size, page)

    def leaves_before(self, page: int, other: int, now: Now) -> bool:
        """Return whether one page has the smaller key."""
        return bool(self.key[page] < self.key[other])

    def victim(self, resident: Any, guard: Any, now: Now) -> int:
        """Take the page of lowest rank that may go."""
        page: int = pop_victim(self, guard, now)
        return page
