"""Twin of arc."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...core.counts import Counts
from ...core.instance import Instance
from ...core.layout import Grid
from ...policies.spec import PolicySpec
from .driver import run
from .hooks import behaves, inlined
from .lists import empty, insert, oldest, push, unlink

__all__ = ["play"]

# places in the array ``n``; FRESH: pages of T1 loaded by event SINCE; ASKED: the last loaded page was in B2
FRESH, SINCE, ASKED, T1, T2, B1, B2 = range(7)


class Adaptive(NamedTuple):
    """T1, T2, B1, B2; ``where`` is the list of a page (-1: none)."""

    pages: int
    slots: int
    after: Any
    before: Any
    where: Any
    clock: Any
    event: Any  # that loaded the page
    target: Any
    n: Any


def play(grid: Grid, spec: PolicySpec, instance: Instance, capacity: int, **options: Any) -> Counts:
    """Replay one pool; see ``driver.run``."""
    pages = grid.pages

    def state() -> Any:
        after, before = np.zeros(pages + 4, np.int32), np.zeros(pages + 4, np.int32)
        where = np.full(pages, -1, np.int8)
        clock, event = np.zeros(pages, np.int64), np.zeros(pages, np.int64)
        return Adaptive(pages, instance.slots, after, before, where, clock, event, np.zeros(1), np.zeros(8, np.int64))

    return run(grid, capacity, state, **options)


# lists 0 T1, 1 T2, 2 B1, 3 B2


def _adaptive_hit(state: Any, page: Any, now: Any) -> None:
    unlink(state.after, state.before, page)
    if state.where[page] == 0:
        state.where[page] = 1
        state.n[T1] -= 1
        state.n[T2] += 1
    state.clock[page] = now.clock
    insert(state.after, state.before, state.pages + 1, page, state.clock)


def _adaptive_miss(state: Any, page: Any, now: Any) -> None:
    n = state.n
    if n[SINCE] != now.event:
        n[SINCE] = now.event
        n[FRESH] = 0
    was = state.where[page]
    n[ASKED] = was == 3
    if was == 2:
        state.target[0] = min(state.target[0] + max(1.0, n[B2] / n[B1]), 1.0 * state.slots)
        n[B1] -= 1
    elif was == 3:
        state.target[0] = max(state.target[0] - max(1.0, n[B1] / n[B2]), 0.0)
        n[B2] -= 1
    state.clock[page] = now.clock
    state.event[page] = now.event
    if was >= 2:
        unlink(state.after, state.before, page)
        state.where[page] = 1
        n[T2] += 1
        insert(state.after, state.before, state.pages + 1, page, state.clock)
    else:
        state.where[page] = 0
        n[T1] += 1
        n[FRESH] += 1
        insert(state.after, state.before, state.pages, page, state.clock)
    _trim(state)


@inlined
def _trim(state: Any) -> None:
    n = state.n
    while n[B1] > 0 and n[T1] + n[B1] > state.slots:
        old = state.after[state.pages + 2]
        unlink(state.after, state.before, old)
        state.where[old] = -1
        n[B1] -= 1
    once = min(n[T1] + n[B1], state.slots)  # what T1 has beyond is about to leave
    while n[B2] > 0 and once + n[T2] + n[B2] > 2 * state.slots:
        old = state.after[state.pages + 3]
        unlink(state.after, state.before, old)
        state.where[old] = -1
        n[B2] -= 1


def _adaptive_victim(state: Any, resident: Any, guard: Any, now: Any) -> Any:
    n = state.n
    size = n[T1] - (n[FRESH] if n[SINCE] == now.event else 0)
    first = size > state.target[0] or (size == state.target[0] and size > 0 and n[ASKED] == 1)
    one = oldest(state.after, guard, now.stamp, state.pages)
    two = oldest(state.after, guard, now.stamp, state.pages + 1)
    page = two
    if (first and one >= 0) or two < 0:
        page = one
    unlink(state.after, state.before, page)
    if page == one:
        if state.event[page] == now.event:
            n[FRESH] -= 1
        n[T1] -= 1
        n[B1] += 1
        state.where[page] = 2
        push(state.after, state.before, state.pages + 2, page)
    else:
        n[T2] -= 1
        n[B2] += 1
        state.where[page] = 3
        push(state.after, state.before, state.pages + 3, page)
    _trim(state)
    return page


def _adaptive_reset(state: Any, session: Any) -> None:
    for i in range(4):
        empty(state.after, state.before, state.pages + i)
    state.where[:] = -1
    state.n[:] = 0
    state.n[SINCE] = -1
    state.target[0] = 0.0


def _adaptive_clear(state: Any, now: Any) -> None:
    for i in range(2):
        empty(state.after, state.before, state.pages + i)
    for page in range(state.pages):
        if state.where[page] < 2:
            state.where[page] = -1
    state.n[T1] = 0
    state.n[T2] = 0
    state.n[SINCE] = -1


behaves(
    Adaptive,
    hit=_adaptive_hit,
    miss=_adaptive_miss,
    victim=_adaptive_victim,
    reset=_adaptive_reset,
    clear=_adaptive_clear,
    wait=True,
)
