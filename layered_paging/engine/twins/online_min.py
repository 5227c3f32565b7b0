"""Twin of online-min: levels, priorities, and a random stream."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..dice import next_bits, seed_of, seeded
from ..hooks import Now, inlined
from ..task import Task
from . import twin


@twin()
class OnlineMin(NamedTuple):
    """Level (0: in none) and priority of each page; ``held`` counts by level, ``last[0]`` is the page of the last level."""

    seed: Any
    key: int
    rng: Any
    slots: int
    level: Any
    priority: Any
    held: Any
    last: Any

    @classmethod
    def begin(cls, task: Task) -> OnlineMin:
        """Return a state for a pool."""
        pages = task.grid.pages
        # more slots than pages change nothing but the cost of walking through empty levels
        slots = min(task.instance.slots, pages + 1)
        dice = seed_of(task.seed), task.key, np.zeros(1, np.uint64)
        level, priority = np.zeros(pages, np.int32), np.zeros(pages, np.uint64)
        return cls(*dice, slots, level, priority, np.zeros(slots + 1, np.int32), np.zeros(1, np.int64))

    def reset(self, session: int) -> None:
        """Begin the stream of the session; no page has a level."""
        self.rng[0] = seeded(self.seed, session, self.key)
        self.level[:] = 0
        self.last[0] = -1

    def clear(self, now: Now) -> None:
        """Take all levels back."""
        self.level[:] = 0
        self.last[0] = -1

    def hit(self, page: int, now: Now) -> None:
        """Raise the page to the last level."""
        _raise(self, page)

    def miss(self, page: int, now: Now) -> None:
        """Raise the page to the last level."""
        _raise(self, page)

    def victim(self, resident: Any, guard: Any, now: Now) -> int:
        """Return the page of least priority below the first level that is full beyond its number."""
        # how many cached pages each level has
        held = self.held
        held[:] = 0
        for page in range(resident.shape[0]):
            if resident[page]:
                held[self.level[page]] += 1
        total = 0
        for level in range(self.slots + 2):
            # the first level at which the cache holds too many pages; where none may go, the next such level; at last all
            bound = min(level, self.slots)
            if level <= self.slots:
                total += held[level]
                if total <= level or held[level] == 0:
                    continue
            best = -1
            for page in range(resident.shape[0]):
                free = resident[page] and guard[page] != now.stamp and self.level[page] <= bound
                if free and (best < 0 or self.priority[page] < self.priority[best]):
                    best = page
            if best >= 0:
                return best
        return -1


@inlined
def _raise(state: Any, page: Any) -> None:
    """Make a page the last level; the levels below take up what that moves."""
    level = state.level
    top = state.slots
    at = level[page]
    if at == 0:  # new: it gets a priority
        state.priority[page] = next_bits(state.rng)
        at = top
    if at == top:  # the page that was last joins the level below
        if state.last[0] >= 0:
            level[state.last[0]] = top - 1
    else:  # the levels from its own on merge downwards by one
        for other in range(level.shape[0]):
            level[other] -= level[other] >= at
    level[page] = top
    state.last[0] = page
