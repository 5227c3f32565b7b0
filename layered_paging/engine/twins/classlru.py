"""Twin of classlru: a list of pages for each class, in the order of use."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...policies.classlru import TOP, USE
from ..hooks import Now, inlined
from ..lists import empty, insert_used, new_lists, new_marks, oldest, unlink
from ..task import Task
from . import twin


@twin()
class Classlru(NamedTuple):
    """Lists of the classes; decayed uses, and round and step of the last use; the factors by age; layers."""

    pages: int
    layers: int
    factors: Any
    after: Any
    before: Any
    loaded: Any
    uses: Any
    round: Any
    step: Any

    @classmethod
    def begin(cls, task: Task) -> Classlru:
        """Return a state for a pool."""
        policy: Any = task.spec.make(task.instance)
        pages = task.grid.pages
        lists = new_lists(pages, TOP + 1)
        numbers = (np.zeros(pages, np.int64) for _ in range(3))
        return cls(pages, task.instance.layers, np.array(policy.factors), *lists, new_marks(pages), *numbers)

    def reset(self, session: int) -> None:
        """Forget all uses."""
        self.uses[:] = 0
        _empty(self)

    def clear(self, now: Now) -> None:
        """Empty the lists; uses stay counted."""
        _empty(self)

    def hit(self, page: int, now: Now) -> None:
        """Count the use and move the page to the end of its class."""
        unlink(self.after, self.before, page)
        head = _use(self, page, now)
        insert_used(self.after, self.before, head, page, self.loaded, self.step[page], False)

    def miss(self, page: int, now: Now) -> None:
        """Count the use and put the page near the end of its class, among the misses of the event."""
        head = _use(self, page, now)
        insert_used(self.after, self.before, head, page, self.loaded, self.step[page], True)

    def victim(self, resident: Any, guard: Any, now: Now) -> int:
        """Take the page of largest age over 2^class among the oldest ones of the classes."""
        best = -1
        most = 0
        step = now.round * self.layers + now.layer
        for of_class in range(TOP + 1):
            page = oldest(self.after, guard, now.stamp, self.pages + of_class)
            if page >= 0:
                value = (step - self.step[page]) << (TOP - of_class)
                if best < 0 or value > most:
                    best = page
                    most = value
        unlink(self.after, self.before, best)
        return best


@inlined
def _empty(state: Any) -> None:
    for of_class in range(TOP + 1):
        empty(state.after, state.before, state.pages + of_class)


@inlined
def _use(state: Any, page: Any, now: Any) -> Any:
    """Count a use; return the head of the list of the page's class."""
    age = now.round - state.round[page]
    half_life = state.factors.shape[0]
    halvings = age // half_life
    left = 0
    if halvings < 29:  # no count reaches 2^29
        left = state.uses[page] * state.factors[age - halvings * half_life] >> (32 + halvings)
    state.uses[page] = left + USE
    state.round[page] = now.round
    state.step[page] = now.round * state.layers + now.layer
    of_class = 0
    while state.uses[page] >= 2 * USE << of_class:
        of_class += 1
    return state.pages + of_class
