"""Twin of least-stale: the last use, and a search through all pages."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..hooks import Now, inlined
from ..task import Task
from . import twin


@twin()
class LeastStale(NamedTuple):
    """Round, layer and tick of the last use."""

    round: Any
    layer: Any
    tick: Any

    @classmethod
    def begin(cls, task: Task) -> LeastStale:
        """Return a state for a pool."""
        pages = task.grid.pages
        return cls(np.zeros(pages, np.int64), np.zeros(pages, np.int64), np.zeros(pages, np.int64))

    def reset(self, session: int) -> None:
        """Forget nothing that matters: all is written before it is read."""

    def hit(self, page: int, now: Now) -> None:
        """Note the use."""
        _use(self, page, now)

    def miss(self, page: int, now: Now) -> None:
        """Note the use."""
        _use(self, page, now)

    def victim(self, resident: Any, guard: Any, now: Now) -> int:
        """Return a page of an earlier round whose layer is past, else of a layer to come, else of this round; then the oldest."""
        best = -1
        least = 3
        for page in range(resident.shape[0]):
            if resident[page] and guard[page] != now.stamp:
                kind = 2 if self.round[page] == now.round else (0 if self.layer[page] <= now.layer else 1)
                if best < 0 or kind < least or (kind == least and self.tick[page] < self.tick[best]):
                    best = page
                    least = kind
        return best


@inlined
def _use(state: Any, page: Any, now: Any) -> None:
    state.round[page] = now.round
    state.layer[page] = now.layer
    state.tick[page] = now.tick
