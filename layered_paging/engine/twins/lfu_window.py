"""Twin of lfu-window: a heap by the number of uses in the window."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...core.layout import locked
from ..heaps import add, bits_of, empty, new_heap, pop_victim, rise, sink
from ..hooks import Now
from ..task import Task
from . import twin


@twin(gated=False)  # it takes uses back by looking at the trace
class LfuWindow(NamedTuple):
    """A heap by ``key = (uses in the window << bits) + tick of the last use``; ``begins`` is the round of the first row of experts."""

    bits: int
    window: int
    begins: int
    key: Any
    heap: Any
    at: Any
    size: Any
    experts: Any
    first: Any

    @classmethod
    def begin(cls, task: Task) -> LfuWindow:
        """Return a state for a pool."""
        policy: Any = task.spec.make(task.instance)
        grid = task.grid
        window = policy.window if task.carry is not None else min(policy.window, grid.shape[0])
        return cls(bits_of(task), window, grid.origin, *new_heap(grid.pages), grid.experts, grid.first)

    @staticmethod
    def part(before: LfuWindow, task: Task) -> LfuWindow:
        """Return the state at the begin of a further part: it sees the rounds of the window, then those of the part."""
        bits_of(task)
        kept = before.experts[-before.window :]
        experts = locked(np.concatenate((kept, task.grid.experts)))
        return before._replace(experts=experts, begins=task.grid.origin - len(kept))

    def reset(self, session: int) -> None:
        """Forget all uses."""
        self.key[:] = 0
        empty(self.at, self.size)

    def clear(self, now: Now) -> None:
        """Empty the heap; uses stay counted."""
        empty(self.at, self.size)

    def round_begins(self, r: int, begin: int) -> None:
        """Take back the uses of the round that leaves the window."""
        gone = r - self.window
        if gone >= begin:
            for c in range(self.experts.shape[1]):
                for q in range(self.experts.shape[2]):
                    e = self.experts[gone - self.begins, c, q]
                    if e >= 0:
                        page = self.first[c] + e
                        self.key[page] -= 1 << self.bits
                        if self.at[page] >= 0:
                            rise(self.key, self.heap, self.at, self.at[page], page)

    def hit(self, page: int, now: Now) -> None:
        """Count a use."""
        uses = self.key[page] >> self.bits
        self.key[page] = ((uses + 1) << self.bits) + now.tick
        sink(self.key, self.heap, self.at, self.size[0], self.at[page], page)

    def miss(self, page: int, now: Now) -> None:
        """Count a use."""
        uses = self.key[page] >> self.bits
        self.key[page] = ((uses + 1) << self.bits) + now.tick
        add(self.key, self.heap, self.at, self.size, page)

    def leaves_before(self, page: int, other: int, now: Now) -> bool:
        """Return whether one page has the smaller key."""
        return bool(self.key[page] < self.key[other])

    def victim(self, resident: Any, guard: Any, now: Now) -> int:
        """Take the page of fewest uses that may go."""
        page: int = pop_victim(self, guard, now)
        return page
