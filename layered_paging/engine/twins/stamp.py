"""Twin of stamp: two numbers a page, and a search through all pages."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...policies.stamp import FADE, USE
from ..hooks import Now, inlined
from ..task import Task
from . import twin


@twin()
class Stamp(NamedTuple):
    """Decayed uses and step of the last use, 0 uses before it; the factors by age; layers."""

    uses: Any
    last: Any
    fade: Any
    layers: int

    @classmethod
    def begin(cls, task: Task) -> Any:
        """Return a state for a pool."""
        pages = task.grid.pages
        return cls(np.zeros(pages, np.int64), np.zeros(pages, np.int64), np.array(FADE), task.instance.layers)

    def reset(self, session: int) -> None:
        """Forget all uses."""
        self.uses[:] = 0

    def hit(self, page: int, now: Now) -> None:
        """Count a use."""
        _use(self, page, now)

    def miss(self, page: int, now: Now) -> None:
        """Count a use."""
        _use(self, page, now)

    def leaves_before(self, page: int, other: int, now: Now) -> bool:
        """Return whether one page has the smaller value, then the lower number."""
        mine, theirs = _value(self, page, now), _value(self, other, now)
        return bool(mine < theirs or (mine == theirs and page < other))

    def victim(self, resident: Any, guard: Any, now: Now) -> int:
        """Return the page of smallest value, then of the lowest number."""
        best = -1
        least = 0
        for page in range(resident.shape[0]):
            if resident[page] and guard[page] != now.stamp:
                value = _value(self, page, now)
                if best < 0 or value < least:
                    best = page
                    least = value
        return best


@inlined
def _value(state: Any, page: Any, now: Any) -> Any:
    steps = now.round * state.layers + now.layer - state.last[page]
    age = steps // state.layers
    return (_faded(state, page, age) + 6 * USE // (2 * age + 1)) * (state.layers + steps - age * state.layers)


@inlined
def _faded(state: Any, page: Any, age: Any) -> Any:
    return state.uses[page] * state.fade[age] >> 16 if age < state.fade.shape[0] else 0


@inlined
def _use(state: Any, page: Any, now: Any) -> None:
    step = now.round * state.layers + now.layer
    state.uses[page] = _faded(state, page, (step - state.last[page]) // state.layers) + USE
    state.last[page] = step
