"""Twin of clock: a ring of pages from the hand on."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..hooks import Now
from ..lists import new_lists, push, unlink
from ..task import Task
from ..waiting import EVENT, enter, forget, wait
from . import twin


@twin(waits=True)
class Clock(NamedTuple):
    """The ring from the hand on, the bit of each page, and the pages that wait to enter the ring."""

    pages: int
    fresh: bool
    after: Any
    before: Any
    bit: Any
    waiting: Any
    n: Any

    @classmethod
    def begin(cls, task: Task) -> Clock:
        """Return a state for a pool."""
        policy: Any = task.spec.make(task.instance)
        pages, width = task.grid.pages, task.grid.shape[2]
        bit, waiting, n = np.zeros(pages, np.bool_), np.zeros(width, np.int32), np.zeros(2, np.int64)
        return cls(pages, policy.fresh, *new_lists(pages), bit, waiting, n)

    def reset(self, session: int) -> None:
        """Empty the ring."""
        forget(self)

    def clear(self, now: Now) -> None:
        """Empty the ring."""
        forget(self)

    def hit(self, page: int, now: Now) -> None:
        """Set the bit."""
        self.bit[page] = True

    def miss(self, page: int, now: Now) -> None:
        """Let the page wait until its event is over; those of the event before enter."""
        wait(self, page, now)
        self.bit[page] = self.fresh

    def victim(self, resident: Any, guard: Any, now: Now) -> int:
        """Turn the hand to the first page without its bit; bits are cleared on the way."""
        if self.n[EVENT] != now.event or now.stamp == -2:
            enter(self)
        while True:
            page: int = self.after[self.pages]
            unlink(self.after, self.before, page)
            if guard[page] != now.stamp:
                if not self.bit[page]:
                    return page
                self.bit[page] = False
            push(self.after, self.before, self.pages, page)
