"""Twin of lfru: uses and last use, and a search through all pages."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..hooks import Now, inlined
from ..task import Task
from . import twin


@twin(nested=lambda spec: spec.params.get("history", "all") == "all")
class Lfru(NamedTuple):
    """Uses, and clock and tick of the last use."""

    forgets: bool
    uses: Any
    clock: Any
    tick: Any

    @classmethod
    def begin(cls, task: Task) -> Lfru:
        """Return a state for a pool."""
        policy: Any = task.spec.make(task.instance)
        pages = task.grid.pages
        return cls(policy.forgets, np.zeros(pages, np.int64), np.zeros(pages, np.int64), np.zeros(pages, np.int64))

    def reset(self, session: int) -> None:
        """Forget all uses."""
        self.uses[:] = 0

    def hit(self, page: int, now: Now) -> None:
        """Count a use."""
        _use(self, page, now)

    def miss(self, page: int, now: Now) -> None:
        """Count a use, the first one if uses are forgotten at an eviction."""
        if self.forgets:
            self.uses[page] = 0
        _use(self, page, now)

    def leaves_before(self, page: int, other: int, now: Now) -> bool:
        """Return whether one page has fewer uses per age, then the older use; fractions are compared crosswise."""
        mine = self.uses[page] * max(1, now.clock - self.clock[other] + 1)
        theirs = self.uses[other] * max(1, now.clock - self.clock[page] + 1)
        if mine != theirs:
            return bool(mine < theirs)
        return bool(self.tick[page] < self.tick[other])

    def victim(self, resident: Any, guard: Any, now: Now) -> int:
        """Return the page of fewest uses per age, then of the oldest use; fractions are compared crosswise."""
        best = -1
        uses = 0
        age = 1
        for page in range(resident.shape[0]):
            if resident[page] and guard[page] != now.stamp:
                of_page = max(1, now.clock - self.clock[page] + 1)
                a = self.uses[page] * age
                b = uses * of_page
                if best < 0 or a < b or (a == b and self.tick[page] < self.tick[best]):
                    best = page
                    uses = self.uses[page]
                    age = of_page
        return best


@inlined
def _use(state: Any, page: Any, now: Any) -> None:
    state.uses[page] += 1
    state.clock[page] = now.clock
    state.tick[page] = now.tick
