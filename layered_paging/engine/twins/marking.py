"""Twin of marking: the phase, and a random stream."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..dice import seed_of, seeded
from ..hooks import Now
from ..marks import EVER, drawn, unmarked
from ..task import Task
from . import twin


@twin()
class Marking(NamedTuple):
    """Clock of the last request, clock at which the phase began, and a random stream."""

    seed: Any
    key: int
    rng: Any
    clock: Any
    phase: Any

    @classmethod
    def begin(cls, task: Task) -> Marking:
        """Return a state for a pool."""
        dice = seed_of(task.seed), task.key, np.zeros(1, np.uint64)
        return cls(*dice, np.zeros(task.grid.pages, np.int64), np.zeros(1, np.int64))

    def reset(self, session: int) -> None:
        """Begin the stream and the first phase of the session."""
        self.rng[0] = seeded(self.seed, session, self.key)
        self.phase[0] = 0

    def clear(self, now: Now) -> None:
        """Begin a phase."""
        self.phase[0] = now.clock

    def hit(self, page: int, now: Now) -> None:
        """Mark the page."""
        self.clock[page] = now.clock

    def miss(self, page: int, now: Now) -> None:
        """Mark the page."""
        self.clock[page] = now.clock

    def victim(self, resident: Any, guard: Any, now: Now) -> int:
        """Draw one of the unmarked pages that may go; without one a phase begins."""
        limit = self.phase[0]
        n = unmarked(self, resident, guard, now, limit)
        if n == 0:
            limit = now.clock
            self.phase[0] = limit
            n = unmarked(self, resident, guard, now, limit)
        if n == 0:  # only marked members of the event are left
            n = now.free
            limit = EVER
        page: int = drawn(self, resident, guard, now, limit, n)
        return page
