"""Two twins on simulated caches beside the cache that counts, compiled: the construction of ``follow`` and ``hedge``."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .hooks import Now, inlined, next_victim, on_clear, on_hit, on_miss, on_reset, on_served, shared
from .task import Task

__all__ = ["Combination", "begin_combination"]

# places in ``n``: the event that is noted and not yet played, its number, whether there is one; who is followed; pages held by
# either, misses of either
ROUND, LAYER, STAMP, MEMBERS, OPEN, LEAD, COUNTS, MISSES = 0, 1, 2, 3, 4, 5, 6, 8
# columns of ``when``: what a member was told of time
CLOCK, TICK, BEGIN, EVENT = range(4)


class Combination(NamedTuple):
    """The states of both policies, what they hold, and the event that is not yet played.

    ``guard[page]`` is the number of the last event with this page, ``last[page]`` the clock of its last use. ``page``, ``when`` and
    ``experts`` (its entries behind the last member are -1) hold the members of the event.
    """

    slots: int
    patience: int
    first: Any
    second: Any
    held_first: Any
    held_second: Any
    guard: Any
    last: Any
    page: Any
    when: Any
    experts: Any
    base: Any
    n: Any

    def reset(self, session: int) -> None:
        """Begin from nothing, with the second policy."""
        self.n[:] = 0
        self.n[LEAD] = 1
        self.held_first[:] = False
        self.held_second[:] = False
        self.guard[:] = 0
        self.experts[:] = -1
        on_reset(self.first, session)
        on_reset(self.second, session)

    def clear(self, now: Now) -> None:
        """Empty the simulated caches."""
        _settle(self)
        self.held_first[:] = False
        self.held_second[:] = False
        self.n[COUNTS] = 0
        self.n[COUNTS + 1] = 0
        on_clear(self.first, now)
        on_clear(self.second, now)

    def hit(self, page: int, now: Now) -> None:
        """Note the use."""
        self.last[page] = now.clock

    def miss(self, page: int, now: Now) -> None:
        """Note the use."""
        self.last[page] = now.clock

    def served(self, now: Now, experts: Any, row: int, column: int, guard: Any) -> None:
        """Note the members; a new round or layer ends the event before."""
        n = self.n
        place = 0
        for i in range(experts.shape[2]):
            expert = experts[row, column, i]
            if expert < 0:
                continue
            if n[OPEN] == 0 or n[ROUND] != now.round or n[LAYER] != now.layer:
                _settle(self)
                n[OPEN] = 1
                n[ROUND] = now.round
                n[LAYER] = now.layer
                n[STAMP] += 1
                n[MEMBERS] = 0
            at = n[MEMBERS]
            page = self.base[now.layer] + expert
            self.page[at] = page
            self.guard[page] = n[STAMP]
            self.experts[0, 0, at] = expert
            self.when[at, CLOCK] = self.last[page]
            self.when[at, TICK] = now.start + place
            self.when[at, BEGIN] = now.start
            self.when[at, EVENT] = now.event
            n[MEMBERS] += 1
            place += 1

    def victim(self, resident: Any, guard: Any, now: Now) -> int:
        """Return the oldest page that the policy followed does not hold; if it holds all, the oldest."""
        _settle(self)
        second = self.n[LEAD] == 1
        best = -1
        kept = True
        for page in range(resident.shape[0]):
            if resident[page] and guard[page] != now.stamp:
                held = self.held_second[page] if second else self.held_first[page]
                if best < 0 or (kept and not held) or (held == kept and self.last[page] < self.last[best]):
                    best = page
                    kept = held
        return best


def begin_combination(kind: Any, task: Task, patience: int, first: Any, second: Any) -> Any:
    """Return a state of type ``kind`` for a pool, with the states of both policies."""
    grid, pages = task.grid, task.grid.pages
    width = int(np.bincount(grid.layer).max()) * grid.shape[2]  # of serial events, all of a layer are one
    held = np.zeros(pages, np.bool_), np.zeros(pages, np.bool_)
    event = np.zeros(width, np.int64), np.zeros((width, 4), np.int64), np.full((1, 1, width), -1)
    base = np.asarray(task.instance.first[: task.instance.layers], np.int64)
    longs = np.zeros(pages, np.int64), np.zeros(pages, np.int64)
    return kind(task.instance.slots, patience, first, second, *held, *longs, *event, base, np.zeros(10, np.int64))


@shared
def _settle(state: Any) -> None:
    """End the event: both policies play it, and the lead may change."""
    n = state.n
    if n[OPEN] == 0:
        return
    n[OPEN] = 0
    _play(state, state.first, state.held_first, 0)
    _play(state, state.second, state.held_second, 1)
    state.experts[:] = -1
    lead = n[LEAD]
    if n[MISSES + lead] - n[MISSES + 1 - lead] >= state.patience:
        n[LEAD] = 1 - lead


@shared
def _play(state: Any, side: Any, held: Any, which: int) -> None:
    """Let one policy play the event; ``held`` is modified in place."""
    n = state.n
    members = n[MEMBERS]
    # members that are present, then absent ones, then evictions: the order of the reference
    for i in range(members):
        page = state.page[i]
        if held[page]:
            on_hit(side, page, _when(state, i))
    for i in range(members):
        page = state.page[i]
        if not held[page]:
            on_miss(side, page, _when(state, i))
            held[page] = True
            n[COUNTS + which] += 1
            n[MISSES + which] += 1
    stamp = n[STAMP]
    now = Now(state.when[0, CLOCK], n[ROUND], n[LAYER], state.when[0, TICK], state.when[0, BEGIN], stamp, stamp, 0)
    on_served(side, now, state.experts, 0, 0, state.guard)
    while n[COUNTS + which] > max(state.slots, members):
        held[next_victim(side, held, state.guard, now)] = False
        n[COUNTS + which] -= 1


@inlined
def _when(state: Any, i: int) -> Now:
    when = state.when
    event = when[i, EVENT]
    return Now(when[i, CLOCK], state.n[ROUND], state.n[LAYER], when[i, TICK], when[i, BEGIN], event, event, 0)
