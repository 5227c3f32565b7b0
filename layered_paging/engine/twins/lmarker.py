"""Twin of lmarker: marks, predictions, and a random stream for pages that were marked in the phase before."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..causes import Causes, begin_causes, forget_causes, next_cause, note_absent
from ..dice import seed_of, seeded
from ..forecasts import Told, begin_told, forget_told, furthest, tell
from ..hooks import Now
from ..marks import EVER, drawn, unmarked
from ..task import Task
from . import twin


@twin()
class Lmarker(NamedTuple):
    """Clock of each page's last request; clocks at which this phase and the one before began."""

    seed: Any
    key: int
    rng: Any
    told: Told
    causes: Causes
    clock: Any
    phase: Any

    @classmethod
    def begin(cls, task: Task) -> Lmarker:
        """Return a state for a pool."""
        pages, width = task.grid.pages, task.grid.shape[2]
        dice = seed_of(task.seed), task.key, np.zeros(1, np.uint64)
        return cls(*dice, begin_told(task), begin_causes(width), np.zeros(pages, np.int64), np.zeros(2, np.int64))

    def reset(self, session: int) -> None:
        """Begin the stream and the first phase of the session."""
        self.rng[0] = seeded(self.seed, session, self.key)
        forget_told(self.told)
        forget_causes(self.causes)
        self.clock[:] = -1
        self.phase[:] = 0

    def clear(self, now: Now) -> None:
        """Begin a phase, with none before it."""
        self.phase[:] = now.clock

    def hit(self, page: int, now: Now) -> None:
        """Mark the page."""
        tell(self.told, page, now)
        self.clock[page] = now.clock

    def miss(self, page: int, now: Now) -> None:
        """Mark the page, and note when it was requested before."""
        note_absent(self.causes, page, self.clock[page], now)
        tell(self.told, page, now)
        self.clock[page] = now.clock

    def victim(self, resident: Any, guard: Any, now: Now) -> int:
        """Return an unmarked page: drawn if the member was marked in the phase before, else of the furthest predicted use."""
        limit = self.phase[0]
        n = unmarked(self, resident, guard, now, limit)
        if n == 0:  # a phase begins
            if self.phase[0] < now.clock:
                self.phase[1] = self.phase[0]
                self.phase[0] = now.clock
            limit = self.phase[0]
            n = unmarked(self, resident, guard, now, limit)
        if n == 0:  # only marked members of the event are left
            n = now.free
            limit = EVER
        place = next_cause(self.causes, now)
        last = self.causes.last[place] if place >= 0 else -1
        page: int = -1
        if self.phase[1] <= last and last < self.phase[0]:
            page = drawn(self, resident, guard, now, limit, n)
        else:
            page = furthest(self.told, self.clock, resident, guard, now, limit)
        return page
