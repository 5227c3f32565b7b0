"""Twin of guard: predictions, and pages that are guarded once a mistake about them was seen."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..causes import Causes, begin_causes, forget_causes, next_cause, note_absent
from ..dice import below, seed_of, seeded
from ..forecasts import Told, begin_told, forget_told, tell
from ..hooks import Now, inlined
from ..task import Task
from . import twin


@twin()
class Guard(NamedTuple):
    """Clock of each page's last request; whether it is old, evicted, guarded in this phase; ``olds[0]`` old pages."""

    seed: Any
    key: int
    rng: Any
    told: Told
    causes: Causes
    clock: Any
    old: Any
    gone: Any
    guarded: Any
    olds: Any

    @classmethod
    def begin(cls, task: Task) -> Guard:
        """Return a state for a pool."""
        pages = task.grid.pages
        dice = seed_of(task.seed), task.key, np.zeros(1, np.uint64)
        flags = np.zeros(pages, np.bool_), np.zeros(pages, np.bool_), np.zeros(pages, np.bool_)
        causes = begin_causes(task.grid.shape[2])
        return cls(*dice, begin_told(task), causes, np.zeros(pages, np.int64), *flags, np.zeros(1, np.int64))

    def reset(self, session: int) -> None:
        """Begin the stream and the first phase of the session."""
        self.rng[0] = seeded(self.seed, session, self.key)
        forget_told(self.told)
        forget_causes(self.causes)
        self.clock[:] = -1
        _end_phase(self)

    def clear(self, now: Now) -> None:
        """Begin a phase."""
        _end_phase(self)

    def hit(self, page: int, now: Now) -> None:
        """Note that the page is no longer old."""
        _use(self, page, now)

    def miss(self, page: int, now: Now) -> None:
        """Note that the page is no longer old, and that something is evicted on its behalf."""
        note_absent(self.causes, page, self.clock[page], now)
        _use(self, page, now)

    def victim(self, resident: Any, guard: Any, now: Now) -> int:
        """Return an old page, drawn, if the member was evicted in this phase; else the furthest unguarded one."""
        pages = resident.shape[0]
        if self.olds[0] == 0:  # a phase begins: what is there is old
            for page in range(pages):
                self.gone[page] = False
                self.guarded[page] = False
                free = resident[page] and guard[page] != now.stamp
                if free and self.clock[page] < now.clock:
                    self.old[page] = True
                    self.olds[0] += 1
        place = next_cause(self.causes, now)
        cause = self.causes.page[place] if place >= 0 else 0
        n = 0
        if place >= 0 and self.gone[cause]:
            for page in range(pages):
                n += resident[page] and guard[page] != now.stamp and self.old[page]
        if n > 0:
            self.guarded[cause] = True
            left = below(self.rng, n)
            page = 0
            while True:
                if resident[page] and guard[page] != now.stamp and self.old[page]:
                    if left == 0:
                        break
                    left -= 1
                page += 1
        else:
            page = _furthest(self, resident, guard, now, True)
            if page < 0:
                page = _furthest(self, resident, guard, now, False)
        if self.old[page]:
            self.old[page] = False
            self.olds[0] -= 1
        self.gone[page] = True
        return page


@inlined
def _use(state: Any, page: Any, now: Any) -> None:
    tell(state.told, page, now)
    state.clock[page] = now.clock
    if state.old[page]:
        state.old[page] = False
        state.olds[0] -= 1


@inlined
def _end_phase(state: Any) -> None:
    state.olds[0] = 0
    state.old[:] = False
    state.gone[:] = False
    state.guarded[:] = False


@inlined
def _furthest(state: Any, resident: Any, guard: Any, now: Any, unguarded: Any) -> Any:
    """Return the page that may go whose predicted use is furthest, if need be of those that are not guarded; -1 for none."""
    best = -1
    for page in range(resident.shape[0]):
        may_go = resident[page] and guard[page] != now.stamp and not (unguarded and state.guarded[page])
        if may_go and (best < 0 or state.told.due[page] > state.told.due[best]):
            best = page
    return best
