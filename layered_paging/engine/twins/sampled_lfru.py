"""Twin of sampled-lfru: the slots, those that wait for one, and the engine's generator."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...policies.sampled_lfru import INCREMENT, MODULUS, MULTIPLIER
from ..hooks import Now, inlined
from ..task import Task
from . import twin

STATE, USED, WAITING = 0, 1, 2  # places in ``numbers``


@twin()
class SampledLfru(NamedTuple):
    """``page_of[slot]`` is -1 for an empty slot; ``queue`` holds the pages that wait, in their order."""

    sample: int
    seed: int
    counts: bool
    page_of: Any
    slot_of: Any
    queue: Any
    uses: Any
    clock: Any
    numbers: Any

    @classmethod
    def begin(cls, task: Task) -> SampledLfru:
        """Return a state for a pool."""
        policy: Any = task.spec.make(task.instance)
        pages = task.grid.pages
        slots = np.full(min(task.instance.slots, task.instance.pages), -1, np.int64)
        slot_of, queue, uses, clock = np.zeros((4, pages), np.int64)
        return cls(policy.sample, policy.seed, policy.counts, slots, slot_of, queue, uses, clock, np.zeros(3, np.int64))

    def reset(self, session: int) -> None:
        """Empty the slots and begin the generator."""
        _empty(self)
        self.numbers[STATE] = self.seed

    def clear(self, now: Now) -> None:
        """Empty the slots; the generator goes on."""
        _empty(self)

    def hit(self, page: int, now: Now) -> None:
        """Count a use."""
        self.uses[page] += 1
        self.clock[page] = now.clock

    def miss(self, page: int, now: Now) -> None:
        """Give the page the lowest empty slot, or let it wait for one."""
        self.uses[page] = 1
        self.clock[page] = now.clock
        self.slot_of[page] = -1
        if self.numbers[USED] < self.page_of.shape[0]:
            slot = 0
            while self.page_of[slot] >= 0:
                slot += 1
            self.page_of[slot] = page
            self.slot_of[page] = slot
            self.numbers[USED] += 1
        else:
            self.queue[self.numbers[WAITING]] = page
            self.numbers[WAITING] += 1

    def victim(self, resident: Any, guard: Any, now: Now) -> int:
        """Take the best of the pages drawn, and give its slot to the page that waits longest."""
        best = -1
        state = self.numbers[STATE]
        # draw slots by a linear congruential generator; empty ones count as drawn
        for _ in range(self.sample):
            state = (state * MULTIPLIER + INCREMENT) % MODULUS
            page = self.page_of[state % self.page_of.shape[0]]
            if page >= 0 and guard[page] != now.stamp and (best < 0 or _before(self, page, best)):
                best = page
        self.numbers[STATE] = state
        if best < 0:
            best = _first(self, guard, now.stamp)
        # its slot goes to the page that waits longest, if one waits
        slot = self.slot_of[best]
        if slot < 0:
            _leave(self, best)
        else:
            self.page_of[slot] = -1
            self.numbers[USED] -= 1
            if self.numbers[WAITING] > 0:
                page = self.queue[0]
                _leave(self, page)
                self.page_of[slot] = page
                self.slot_of[page] = slot
                self.numbers[USED] += 1
        return best


@inlined
def _empty(state: Any) -> None:
    state.page_of[:] = -1
    state.numbers[USED] = 0
    state.numbers[WAITING] = 0


@inlined
def _before(state: Any, page: Any, other: Any) -> Any:
    """Whether a page is to be evicted before the other."""
    if state.counts and state.uses[page] != state.uses[other]:
        return state.uses[page] < state.uses[other]
    if state.clock[page] != state.clock[other]:
        return state.clock[page] < state.clock[other]
    return page < other


@inlined
def _first(state: Any, guard: Any, stamp: Any) -> Any:
    """Return the page of the first slot that may go, else the first one that waits."""
    for slot in range(state.page_of.shape[0]):
        page = state.page_of[slot]
        if page >= 0 and guard[page] != stamp:
            return page
    for i in range(state.numbers[WAITING]):
        if guard[state.queue[i]] != stamp:
            return state.queue[i]
    return -1


@inlined
def _leave(state: Any, page: Any) -> None:
    """Take a page out of those that wait."""
    place = 0
    while state.queue[place] != page:
        place += 1
    state.numbers[WAITING] -= 1
    for i in range(place, state.numbers[WAITING]):
        state.queue[i] = state.queue[i + 1]
