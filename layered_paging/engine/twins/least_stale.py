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

    def leaves_before(self, page: int, other: int, now: Now) -> bool:
        """Return whether one page goes before the other: by kind, then the oldest."""
        mine, theirs = _kind(self, page, now), _kind(self, other, now)
        if mine != theirs:
            return bool(mine < theirs)
        return bool(self.tick[page] < self.tick[other])

    def victim(self, resident: Any, guard: Any, now: Now) -> int:
        """Return a page of an earlier round whose layer is past, else of a layer to come, else of this round; then the oldest."""
        best = -1
        least = 3
        for page in range(resident.shape[0]):
            if resident[page] and guard[page] != now.stamp:
                kind = _kind(self, page, now)
                if best < 0 or kind < least or (kind == least and self.tick[page] < self.tick[best]):
                    best = page
                    least = kind
        return best


@inlined
def _kind(state: Any, page: Any, now: Any) -> Any:
    return 2 if state.round[page] == now.round else (0 if state.layer[page] <= now.layer else 1)


@inlined
def _use(state: Any, page: Any, now: Any) -> None:
    state.round[page] = now.round
    state.layer[page] = now.layer
    state.tick[page] = now.tick
