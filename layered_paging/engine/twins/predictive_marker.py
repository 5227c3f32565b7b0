"""Twin of predictive-marker: marks, predictions, and chains of evictions of which long ones are drawn."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..causes import Causes, begin_causes, forget_causes, next_cause, note_absent
from ..dice import seed_of, seeded
from ..forecasts import Told, begin_told, forget_told, furthest, tell
from ..hooks import Now, inlined
from ..marks import EVER, drawn, unmarked
from ..task import Task
from . import twin


@twin()
class PredictiveMarker(NamedTuple):
    """Marks as in lmarker; ``chain`` of pages evicted in this phase (-1: none), ``length`` of each chain, their number ``chains[0]``."""

    seed: Any
    key: int
    rng: Any
    told: Told
    causes: Causes
    clock: Any
    phase: Any
    chain: Any
    length: Any
    chains: Any
    trust: int

    @classmethod
    def begin(cls, task: Task) -> PredictiveMarker:
        """Return a state for a pool."""
        policy: Any = task.spec.make(task.instance)
        pages, width = task.grid.pages, task.grid.shape[2]

        def longs(n: int) -> Any:
            return np.zeros(n, np.int64)

        dice = seed_of(task.seed), task.key, np.zeros(1, np.uint64)
        marks = longs(pages), longs(1)
        chains = longs(pages), longs(pages + width + 1), longs(1)
        return cls(*dice, begin_told(task), begin_causes(width), *marks, *chains, policy._trust)

    def reset(self, session: int) -> None:
        """Begin the stream and the first phase of the session."""
        self.rng[0] = seeded(self.seed, session, self.key)
        forget_told(self.told)
        forget_causes(self.causes)
        self.clock[:] = -1
        self.phase[0] = 0
        _end_chains(self)

    def clear(self, now: Now) -> None:
        """Begin a phase."""
        self.phase[0] = now.clock
        _end_chains(self)

    def hit(self, page: int, now: Now) -> None:
        """Mark the page."""
        tell(self.told, page, now)
        self.clock[page] = now.clock

    def miss(self, page: int, now: Now) -> None:
        """Mark the page, and note it as a cause of an eviction."""
        note_absent(self.causes, page, self.clock[page], now)
        tell(self.told, page, now)
        self.clock[page] = now.clock

    def victim(self, resident: Any, guard: Any, now: Now) -> int:
        """Return an unmarked page: of the furthest predicted use while the chain is short, else drawn."""
        limit = self.phase[0]
        n = unmarked(self, resident, guard, now, limit)
        if n == 0:  # a phase begins
            self.phase[0] = max(self.phase[0], now.clock)
            _end_chains(self)
            limit = self.phase[0]
            n = unmarked(self, resident, guard, now, limit)
        if n == 0:  # only marked members of the event are left
            n = now.free
            limit = EVER
        # the chain of the member on whose behalf this happens; a new one if it was not evicted in this phase
        place = next_cause(self.causes, now)
        chain = self.chain[self.causes.page[place]] if place >= 0 else -1
        if chain < 0:
            chain = self.chains[0]
            self.length[chain] = 0
            self.chains[0] += 1
        self.length[chain] += 1
        page: int = -1
        if self.length[chain] > self.trust:
            page = drawn(self, resident, guard, now, limit, n)
        else:
            page = furthest(self.told, self.clock, resident, guard, now, limit)
        self.chain[page] = chain
        return page


@inlined
def _end_chains(state: Any) -> None:
    for page in range(state.chain.shape[0]):
        state.chain[page] = -1
    state.chains[0] = 0
