"""Twins of the policies that evict the smallest score, kept in a heap: lfu, lfu-window, lru-2, static."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...core.counts import Counts
from ...core.instance import Instance
from ...core.layout import Grid, locked
from ...errors import ParameterError
from ...policies.spec import PolicySpec
from .driver import run
from .hooks import behaves, inlined

__all__ = ["play"]


class Uses(NamedTuple):
    """A heap of the resident pages by ``key = (uses << bits) + tick of the last use``."""

    bits: int  # of the largest tick
    forgets: bool
    key: Any
    heap: Any
    at: Any  # place in the heap; -1: not there
    size: Any


class Window(NamedTuple):
    """The same heap, with the uses that leave the window taken back round by round."""

    bits: int
    window: int
    begin: int  # round of the first row of experts
    key: Any
    heap: Any
    at: Any
    size: Any
    experts: Any
    first: Any


class Twice(NamedTuple):
    """The same heap, by ``key = ((event of the last use but one + 1) << bits) + tick of the last use``."""

    bits: int
    key: Any
    heap: Any
    at: Any
    size: Any
    clock: Any  # of the last use; -1: none


class Ranks(NamedTuple):
    """The same heap, by ``key = (rank << bits) + tick of the last use``."""

    bits: int
    key: Any
    heap: Any
    at: Any
    size: Any
    rank: Any


def play(grid: Grid, spec: PolicySpec, instance: Instance, capacity: int, **options: Any) -> Counts:
    """Replay one pool; see ``driver.run``.

    Raises
    ------
    ParameterError
        The trace is so long that keys would not fit into 63 bits.
    """
    policy: Any = spec.make(instance)
    pages = grid.pages
    rounds, _, width = grid.shape
    ticks = (grid.origin + rounds) * grid.stride * width
    carry: dict[str, Any] | None = options.get("carry")
    bits = ticks.bit_length() if carry is None else 31  # how long it will be is not known
    if max(bits, ticks.bit_length()) + max(ticks, pages).bit_length() > 62:
        raise ParameterError(
            f"{spec.name}: a trace of {ticks} requests is too long for the compiled kernel; use engine 'reference'"
        )

    def heap() -> tuple[Any, Any, Any, Any]:
        return np.zeros(pages, np.int64), np.zeros(pages, np.int32), np.full(pages, -1, np.int32), np.zeros(1, np.int64)

    def state() -> Any:
        match spec.base:
            case "lfu":
                return Uses(bits, policy.forgets, *heap())
            case "lfu-window":
                window = policy.window if carry is not None else min(policy.window, rounds)
                return Window(bits, window, grid.origin, *heap(), grid.experts, grid.first)
            case "lru-2":
                return Twice(bits, *heap(), np.zeros(pages, np.int64))
            case _:
                return Ranks(bits, *heap(), np.array(policy.ranks, np.int64))

    if carry and spec.base == "lfu-window":  # the rounds of the window, then those of this part
        before: Window = carry["state"]
        kept = before.experts[-policy.window :]
        experts = locked(np.concatenate((kept, grid.experts)))
        carry["state"] = before._replace(experts=experts, begin=grid.origin - len(kept))
    return run(grid, capacity, state, **options)


@inlined
def _rise(key: Any, heap: Any, at: Any, i: int, page: int) -> None:
    """Put ``page`` into the hole ``i`` or above it."""
    k = key[page]
    while i > 0:
        up = (i - 1) >> 1
        other = heap[up]
        if key[other] <= k:
            break
        heap[i] = other
        at[other] = i
        i = up
    heap[i] = page
    at[page] = i


@inlined
def _sink(key: Any, heap: Any, at: Any, n: int, i: int, page: int) -> None:
    """Put ``page`` into the hole ``i`` or below it."""
    k = key[page]
    while True:
        down = 2 * i + 1
        if down >= n:
            break
        other = heap[down]
        if down + 1 < n and key[heap[down + 1]] < key[other]:
            down += 1
            other = heap[down]
        if k <= key[other]:
            break
        heap[i] = other
        at[other] = i
        i = down
    heap[i] = page
    at[page] = i


@inlined
def _remove(key: Any, heap: Any, at: Any, size: Any, page: int) -> None:
    i = at[page]
    at[page] = -1
    n = size[0] - 1
    size[0] = n
    if i < n:
        last = heap[n]
        if key[last] < key[page]:
            _rise(key, heap, at, i, last)
        else:
            _sink(key, heap, at, n, i, last)


@inlined
def _add(key: Any, heap: Any, at: Any, size: Any, page: int) -> None:
    n = size[0]
    size[0] = n + 1
    _rise(key, heap, at, n, page)


def _heap_victim(state: Any, resident: Any, guard: Any, now: Any) -> Any:
    heap = state.heap
    size = state.size
    parked = 0  # pages that may not go, kept behind the shrinking heap
    while True:
        page = np.int64(heap[0])
        _remove(state.key, heap, state.at, size, page)
        if guard[page] != now.stamp:
            break
        heap[size[0]] = page
        parked += 1
    behind = size[0] + 1
    for i in range(behind, behind + parked):
        _add(state.key, heap, state.at, size, heap[i])
    return page


def _heap_clear(state: Any, now: Any) -> None:
    state.size[0] = 0
    state.at[:] = -1


def _uses_hit(state: Any, page: Any, now: Any) -> None:
    uses = state.key[page] >> state.bits
    state.key[page] = ((uses + 1) << state.bits) + now.tick
    _sink(state.key, state.heap, state.at, state.size[0], state.at[page], page)


def _uses_miss(state: Any, page: Any, now: Any) -> None:
    uses = 0 if state.forgets else state.key[page] >> state.bits
    state.key[page] = ((uses + 1) << state.bits) + now.tick
    _add(state.key, state.heap, state.at, state.size, page)


def _uses_reset(state: Any, session: Any) -> None:
    state.key[:] = 0
    state.at[:] = -1
    state.size[0] = 0


behaves(Uses, hit=_uses_hit, miss=_uses_miss, victim=_heap_victim, reset=_uses_reset, clear=_heap_clear)


def _window_miss(state: Any, page: Any, now: Any) -> None:
    uses = state.key[page] >> state.bits
    state.key[page] = ((uses + 1) << state.bits) + now.tick
    _add(state.key, state.heap, state.at, state.size, page)


def _window_round(state: Any, r: Any, begin: Any) -> None:
    gone = r - state.window
    if gone >= begin:
        for c in range(state.experts.shape[1]):
            for q in range(state.experts.shape[2]):
                e = state.experts[gone - state.begin, c, q]
                if e >= 0:
                    page = state.first[c] + e
                    state.key[page] -= 1 << state.bits
                    if state.at[page] >= 0:
                        _rise(state.key, state.heap, state.at, state.at[page], page)


behaves(
    Window,
    hit=_uses_hit,
    miss=_window_miss,
    victim=_heap_victim,
    reset=_uses_reset,
    clear=_heap_clear,
    each_round=_window_round,
)


def _twice_hit(state: Any, page: Any, now: Any) -> None:
    state.key[page] = ((state.clock[page] + 1) << state.bits) + now.tick
    state.clock[page] = now.clock
    _sink(state.key, state.heap, state.at, state.size[0], state.at[page], page)


def _twice_miss(state: Any, page: Any, now: Any) -> None:
    state.key[page] = ((state.clock[page] + 1) << state.bits) + now.tick
    state.clock[page] = now.clock
    _add(state.key, state.heap, state.at, state.size, page)


def _twice_reset(state: Any, session: Any) -> None:
    state.clock[:] = -1
    state.at[:] = -1
    state.size[0] = 0


behaves(Twice, hit=_twice_hit, miss=_twice_miss, victim=_heap_victim, reset=_twice_reset, clear=_heap_clear)


def _ranks_hit(state: Any, page: Any, now: Any) -> None:
    state.key[page] = (state.rank[page] << state.bits) + now.tick
    _sink(state.key, state.heap, state.at, state.size[0], state.at[page], page)


def _ranks_miss(state: Any, page: Any, now: Any) -> None:
    state.key[page] = (state.rank[page] << state.bits) + now.tick
    _add(state.key, state.heap, state.at, state.size, page)


behaves(Ranks, hit=_ranks_hit, miss=_ranks_miss, victim=_heap_victim, reset=_uses_reset, clear=_heap_clear)
