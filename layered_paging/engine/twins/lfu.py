"""Twin of lfu: a heap by the number of uses."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..fast import stacks
from ..heaps import add, bits_of, empty, new_heap, pop_victim, sink
from ..hooks import Now
from ..task import Task
from . import twin


@twin(depths=stacks.lfu_depths, nested=lambda spec: spec.params.get("history", "all") == "all")
class Lfu(NamedTuple):
    """A heap of the resident pages by ``key = (uses << bits) + tick of the last use``."""

    bits: int  # of the largest tick
    forgets: bool
    key: Any
    heap: Any
    at: Any
    size: Any

    @classmethod
    def begin(cls, task: Task) -> Lfu:
        """Return a state for a pool."""
        policy: Any = task.spec.make(task.instance)
        return cls(bits_of(task), policy.forgets, *new_heap(task.grid.pages))

    def reset(self, session: int) -> None:
        """Forget all uses."""
        self.key[:] = 0
        empty(self.at, self.size)

    def clear(self, now: Now) -> None:
        """Empty the heap; uses stay counted."""
        empty(self.at, self.size)

    def hit(self, page: int, now: Now) -> None:
        """Count a use."""
        uses = self.key[page] >> self.bits
        self.key[page] = ((uses + 1) << self.bits) + now.tick
        sink(self.key, self.heap, self.at, self.size[0], self.at[page], page)

    def miss(self, page: int, now: Now) -> None:
        """Count a use, the first one if uses are forgotten at an eviction."""
        uses = 0 if self.forgets else self.key[page] >> self.bits
        self.key[page] = ((uses + 1) << self.bits) + now.tick
        add(self.key, self.heap, self.at, self.size, page)

    def victim(self, resident: Any, guard: Any, now: Now) -> int:
        """Take the page of fewest uses that may go."""
        page: int = pop_victim(self, guard, now)
        return page
