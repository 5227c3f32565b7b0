"""Twins of sieve and s3-fifo."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...core.counts import Counts
from ...core.instance import Instance
from ...core.layout import Grid
from ...policies.spec import PolicySpec
from .driver import run
from .hooks import behaves, inlined
from .lists import empty, oldest, push, unlink

__all__ = ["play"]

# places in the array ``n`` of counters
WAITS, EVENT, HAND = 0, 1, 2  # pages that wait, the event that loaded them, the hand
SMALL, BEGUN, GHOSTS = 2, 3, 4  # pages of the small queue, whether anything was evicted, ghosts


class Hand(NamedTuple):
    """A queue with a hand; the hand at ``pages`` is at the oldest page."""

    pages: int
    after: Any
    before: Any
    bit: Any
    waiting: Any
    n: Any


class Trial(NamedTuple):
    """Small, main and ghost queue; ``where`` is the queue of a page (-1: none), also of waiting ones."""

    pages: int
    small_room: int
    ghost_room: int
    fills_main: bool
    after: Any
    before: Any
    where: Any
    uses: Any
    waiting: Any
    n: Any


def play(grid: Grid, spec: PolicySpec, instance: Instance, capacity: int, **options: Any) -> Counts:
    """Replay one pool; see ``driver.run``."""
    policy: Any = spec.make(instance)
    pages = grid.pages

    def links(lists: int) -> tuple[Any, Any]:
        return np.zeros(pages + lists, np.int32), np.zeros(pages + lists, np.int32)

    def state() -> Any:
        waiting, n = np.zeros(grid.shape[2], np.int32), np.zeros(8, np.int64)
        where = np.full(pages, -1, np.int8)
        match spec.base:
            case "sieve":
                return Hand(pages, *links(1), np.zeros(pages, np.bool_), waiting, n)
            case _:
                rooms = (policy.small_room, policy.ghost_room, policy.fills_main)
                return Trial(pages, *rooms, *links(3), where, np.zeros(pages, np.int64), waiting, n)

    return run(grid, capacity, state, **options)


# sieve


def _hand_hit(state: Any, page: Any, now: Any) -> None:
    state.bit[page] = True


def _hand_miss(state: Any, page: Any, now: Any) -> None:
    if state.n[EVENT] != now.event:
        _hand_enter(state)
        state.n[EVENT] = now.event
    state.waiting[state.n[WAITS]] = page
    state.n[WAITS] += 1
    state.bit[page] = False


@inlined
def _hand_enter(state: Any) -> None:
    for i in range(state.n[WAITS]):
        push(state.after, state.before, state.pages, state.waiting[i])
    state.n[WAITS] = 0


def _hand_victim(state: Any, resident: Any, guard: Any, now: Any) -> Any:
    if state.n[EVENT] != now.event or now.stamp == -2:
        _hand_enter(state)
    page = state.n[HAND]
    while True:
        if page == state.pages:
            page = np.int64(state.after[page])
        if guard[page] != now.stamp:
            if not state.bit[page]:
                break
            state.bit[page] = False
        page = np.int64(state.after[page])
    state.n[HAND] = state.after[page]
    unlink(state.after, state.before, page)
    return page


def _hand_reset(state: Any, session: Any) -> None:
    empty(state.after, state.before, state.pages)
    state.n[WAITS] = 0
    state.n[EVENT] = -1
    state.n[HAND] = state.pages


behaves(Hand, hit=_hand_hit, miss=_hand_miss, victim=_hand_victim, reset=_hand_reset, clear=_hand_reset, wait=True)


# s3-fifo: lists 0 small, 1 main, 2 ghost


def _trial_hit(state: Any, page: Any, now: Any) -> None:
    state.uses[page] += 1


def _trial_miss(state: Any, page: Any, now: Any) -> None:
    n = state.n
    if n[EVENT] != now.event:
        _trial_enter(state)
        n[EVENT] = now.event
    if state.where[page] == 2:
        unlink(state.after, state.before, page)
        n[GHOSTS] -= 1
        state.where[page] = 1
    else:
        state.where[page] = 0
    state.waiting[n[WAITS]] = page
    n[WAITS] += 1
    state.uses[page] = 0


@inlined
def _trial_enter(state: Any) -> None:
    for i in range(state.n[WAITS]):
        page = state.waiting[i]
        if state.fills_main and state.n[BEGUN] == 0 and state.n[SMALL] >= state.small_room:
            state.where[page] = 1
        push(state.after, state.before, state.pages + state.where[page], page)
        state.n[SMALL] += state.where[page] == 0
    state.n[WAITS] = 0


@inlined
def _from_small(state: Any, guard: Any, stamp: Any) -> Any:
    n = state.n
    while True:
        page = oldest(state.after, guard, stamp, state.pages)
        if page < 0:
            return page
        unlink(state.after, state.before, page)
        n[SMALL] -= 1
        if state.uses[page] < 2:
            state.where[page] = -1
            if state.ghost_room > 0:
                state.where[page] = 2
                push(state.after, state.before, state.pages + 2, page)
                n[GHOSTS] += 1
                if n[GHOSTS] > state.ghost_room:
                    old = state.after[state.pages + 2]
                    unlink(state.after, state.before, old)
                    state.where[old] = -1
                    n[GHOSTS] -= 1
            return page
        state.uses[page] = 0
        state.where[page] = 1
        push(state.after, state.before, state.pages + 1, page)


@inlined
def _from_main(state: Any, guard: Any, stamp: Any) -> Any:
    while True:
        page = oldest(state.after, guard, stamp, state.pages + 1)
        if page < 0:
            return page
        unlink(state.after, state.before, page)
        if state.uses[page] == 0:
            state.where[page] = -1
            return page
        state.uses[page] = min(state.uses[page], 3) - 1
        push(state.after, state.before, state.pages + 1, page)


def _trial_victim(state: Any, resident: Any, guard: Any, now: Any) -> Any:
    n = state.n
    if n[EVENT] != now.event:
        _trial_enter(state)
    n[BEGUN] = 1
    if now.stamp == -2:
        _trial_enter(state)
    page = -1
    if n[SMALL] < state.small_room:
        page = _from_main(state, guard, now.stamp)
    if page < 0:
        page = _from_small(state, guard, now.stamp)
    if page < 0:
        page = _from_main(state, guard, now.stamp)
    return page


def _trial_reset(state: Any, session: Any) -> None:
    for i in range(3):
        empty(state.after, state.before, state.pages + i)
    state.where[:] = -1
    state.n[:] = 0
    state.n[EVENT] = -1


def _trial_clear(state: Any, now: Any) -> None:
    for i in range(2):
        empty(state.after, state.before, state.pages + i)
    for page in range(state.pages):
        if state.where[page] < 2:
            state.where[page] = -1
    state.n[WAITS] = 0
    state.n[SMALL] = 0
    state.n[BEGUN] = 0
    state.n[EVENT] = -1


behaves(
    Trial, hit=_trial_hit, miss=_trial_miss, victim=_trial_victim, reset=_trial_reset, clear=_trial_clear, wait=True
)
