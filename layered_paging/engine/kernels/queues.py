"""Twins of the policies that keep pages in the order of loading or of use: fifo, lifo, clock, fwf, slru, mark-lru."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...core.counts import Counts
from ...core.instance import Instance
from ...core.layout import Grid
from ...policies.spec import PolicySpec
from .driver import run
from .hooks import behaves
from .lists import empty, insert, push, unlink

__all__ = ["play"]


class Fifo(NamedTuple):
    """Pages in the order of loading."""

    pages: int
    after: Any
    before: Any


class Lifo(NamedTuple):
    """Pages in the order of loading."""

    pages: int
    after: Any
    before: Any


class Flush(NamedTuple):
    """Nothing to remember."""

    pages: int


class Clock(NamedTuple):
    """The ring from the hand on, and what waits to enter it: ``wait[0]`` pages of event ``wait[1]``."""

    pages: int
    fresh: bool
    after: Any
    before: Any
    bit: Any
    wait: Any
    waiting: Any


class Segments(NamedTuple):
    """Two lists; ``where`` says in which a page is (0 trial, 1 protected); ``size[0]`` counts the second."""

    pages: int
    room: int
    after: Any
    before: Any
    clock: Any
    where: Any
    size: Any


class Recency(NamedTuple):
    """Pages in the order of their last use."""

    pages: int
    after: Any
    before: Any
    clock: Any


def play(grid: Grid, spec: PolicySpec, instance: Instance, capacity: int, **options: Any) -> Counts:
    """Replay one pool; see ``driver.run``."""
    policy: Any = spec.make(instance)
    pages = grid.pages

    def links(lists: int) -> tuple[Any, Any]:
        return np.zeros(pages + lists, np.int32), np.zeros(pages + lists, np.int32)

    def state() -> Any:
        match spec.base:
            case "fifo":
                return Fifo(pages, *links(1))
            case "lifo":
                return Lifo(pages, *links(1))
            case "fwf":
                return Flush(pages)
            case "clock":
                waiting = np.zeros(grid.shape[2], np.int32)
                return Clock(pages, policy.fresh, *links(1), np.zeros(pages, np.bool_), np.zeros(2, np.int64), waiting)
            case "slru":
                where = np.zeros(pages, np.int8)
                return Segments(pages, policy.room, *links(2), np.zeros(pages, np.int64), where, np.zeros(1, np.int64))
            case _:
                return Recency(pages, *links(1), np.zeros(pages, np.int64))

    return run(grid, capacity, state, **options)


def _ignore(state: Any, page: Any, now: Any) -> None:
    return None


def _restart(state: Any, session: Any) -> None:
    empty(state.after, state.before, state.pages)


def _append(state: Any, page: Any, now: Any) -> None:
    push(state.after, state.before, state.pages, page)


def _oldest(state: Any, resident: Any, guard: Any, now: Any) -> Any:
    page = state.after[state.pages]
    while guard[page] == now.stamp:
        page = state.after[page]
    unlink(state.after, state.before, page)
    return page


def _newest(state: Any, resident: Any, guard: Any, now: Any) -> Any:
    page = state.before[state.pages]
    while guard[page] == now.stamp:
        page = state.before[page]
    unlink(state.after, state.before, page)
    return page


behaves(Fifo, hit=_ignore, miss=_append, victim=_oldest, reset=_restart, clear=_restart)
behaves(Lifo, hit=_ignore, miss=_append, victim=_newest, reset=_restart, clear=_restart)


def _no_state(state: Any, session: Any) -> None:
    return None


def _no_victim(state: Any, resident: Any, guard: Any, now: Any) -> Any:
    return 0


behaves(Flush, hit=_ignore, miss=_ignore, victim=_no_victim, reset=_no_state, flush=True)


def _recency_miss(state: Any, page: Any, now: Any) -> None:
    state.clock[page] = now.clock
    insert(state.after, state.before, state.pages, page, state.clock)


def _recency_hit(state: Any, page: Any, now: Any) -> None:
    unlink(state.after, state.before, page)
    state.clock[page] = now.clock
    insert(state.after, state.before, state.pages, page, state.clock)


behaves(Recency, hit=_recency_hit, miss=_recency_miss, victim=_oldest, reset=_restart, clear=_restart)


def _clock_hit(state: Any, page: Any, now: Any) -> None:
    state.bit[page] = True


def _clock_miss(state: Any, page: Any, now: Any) -> None:
    if state.wait[1] != now.event:
        for i in range(state.wait[0]):
            push(state.after, state.before, state.pages, state.waiting[i])
        state.wait[0] = 0
        state.wait[1] = now.event
    state.waiting[state.wait[0]] = page
    state.wait[0] += 1
    state.bit[page] = state.fresh


def _clock_victim(state: Any, resident: Any, guard: Any, now: Any) -> Any:
    if state.wait[1] != now.event or now.stamp == -2:
        for i in range(state.wait[0]):
            push(state.after, state.before, state.pages, state.waiting[i])
        state.wait[0] = 0
    while True:
        page = state.after[state.pages]
        unlink(state.after, state.before, page)
        if guard[page] != now.stamp:
            if not state.bit[page]:
                return page
            state.bit[page] = False
        push(state.after, state.before, state.pages, page)


def _clock_reset(state: Any, session: Any) -> None:
    empty(state.after, state.before, state.pages)
    state.wait[0] = 0
    state.wait[1] = -1


behaves(
    Clock, hit=_clock_hit, miss=_clock_miss, victim=_clock_victim, reset=_clock_reset, clear=_clock_reset, wait=True
)


def _segments_miss(state: Any, page: Any, now: Any) -> None:
    state.where[page] = 0
    state.clock[page] = now.clock
    insert(state.after, state.before, state.pages, page, state.clock)


def _segments_hit(state: Any, page: Any, now: Any) -> None:
    unlink(state.after, state.before, page)
    if state.where[page] == 0:
        state.where[page] = 1
        state.size[0] += 1
    state.clock[page] = now.clock
    insert(state.after, state.before, state.pages + 1, page, state.clock)
    if state.size[0] > state.room:
        oldest = state.after[state.pages + 1]
        unlink(state.after, state.before, oldest)
        state.size[0] -= 1
        state.where[oldest] = 0
        state.clock[oldest] = now.clock
        insert(state.after, state.before, state.pages, oldest, state.clock)


def _segments_victim(state: Any, resident: Any, guard: Any, now: Any) -> Any:
    page = state.after[state.pages]
    while page != state.pages and guard[page] == now.stamp:
        page = state.after[page]
    if page == state.pages:
        page = state.after[state.pages + 1]
        while guard[page] == now.stamp:
            page = state.after[page]
        state.size[0] -= 1
    unlink(state.after, state.before, page)
    return page


def _segments_reset(state: Any, session: Any) -> None:
    empty(state.after, state.before, state.pages)
    empty(state.after, state.before, state.pages + 1)
    state.size[0] = 0


behaves(
    Segments,
    hit=_segments_hit,
    miss=_segments_miss,
    victim=_segments_victim,
    reset=_segments_reset,
    clear=_segments_reset,
)
