"""Twin of mark-far: the phase, and how far ahead the layer of a page is."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..hooks import Now, inlined
from ..marks import EVER
from ..task import Task
from . import twin


@twin()
class MarkFar(NamedTuple):
    """Number of layers, tick and layer of the last request, tick at which the phase began."""

    layers: int
    tick: Any
    layer: Any
    phase: Any

    @classmethod
    def begin(cls, task: Task) -> MarkFar:
        """Return a state for a pool."""
        pages = task.grid.pages
        return cls(task.instance.layers, np.zeros(pages, np.int64), np.zeros(pages, np.int64), np.zeros(1, np.int64))

    def reset(self, session: int) -> None:
        """Begin the first phase of the session."""
        self.phase[0] = 0

    def clear(self, now: Now) -> None:
        """Begin a phase."""
        self.phase[0] = now.start

    def hit(self, page: int, now: Now) -> None:
        """Mark the page."""
        _use(self, page, now)

    def miss(self, page: int, now: Now) -> None:
        """Mark the page."""
        _use(self, page, now)

    def victim(self, resident: Any, guard: Any, now: Now) -> int:
        """Return the unmarked page of the farthest layer, then of the oldest request; without one a phase begins."""
        best = -1
        for attempt in range(3):  # this phase, the next one, and members of the event alone
            limit = self.phase[0] if attempt < 2 else EVER
            far = 0
            for page in range(resident.shape[0]):
                if resident[page] and guard[page] != now.stamp and self.tick[page] < limit:
                    distance = self.layer[page] - now.layer
                    if distance <= 0:
                        distance += self.layers
                    if distance > far or (distance == far and self.tick[page] < self.tick[best]):
                        best = page
                        far = distance
            if best >= 0:
                return best
            self.phase[0] = now.start
        return best


@inlined
def _use(state: Any, page: Any, now: Any) -> None:
    state.tick[page] = now.tick
    state.layer[page] = now.layer
