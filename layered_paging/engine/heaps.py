"""A heap of the resident pages by an integer key, compiled; the smallest key is on top.

``heap[:size[0]]`` holds pages, ``at[page]`` is a page's place in it (-1: not there), ``key[page]`` what it is ordered
by.  All are modified in place.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ParameterError
from .hooks import inlined
from .task import Task

__all__ = ["add", "bits_of", "empty", "new_heap", "pop_victim", "rise", "sink"]


def bits_of(task: Task) -> int:
    """Return how many bits of a key the tick of a request takes; a rank or a count stands above them.

    Raises
    ------
    ParameterError
        The trace is so long that keys would not fit into 63 bits.
    """
    grid = task.grid
    rounds, _, width = grid.shape
    ticks = (grid.origin + rounds) * grid.stride * width
    bits = ticks.bit_length() if task.carry is None else 31  # how long it will be is not known
    if max(bits, ticks.bit_length()) + max(ticks, grid.pages).bit_length() > 62:
        raise ParameterError(
            f"{task.spec.name}: a trace of {ticks} requests is too long for the compiled kernel; use engine 'reference'"
        )
    return bits


def new_heap(pages: int) -> tuple[Any, Any, Any, Any]:
    """Return key, heap, at and size of an empty heap."""
    return np.zeros(pages, np.int64), np.zeros(pages, np.int32), np.full(pages, -1, np.int32), np.zeros(1, np.int64)


@inlined
def rise(key: Any, heap: Any, at: Any, i: int, page: int) -> None:
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
def sink(key: Any, heap: Any, at: Any, n: int, i: int, page: int) -> None:
    """Put ``page`` into the hole ``i`` or below it, in a heap of ``n`` pages."""
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
    """Take a page out of the heap."""
    i = at[page]
    at[page] = -1
    n = size[0] - 1
    size[0] = n
    if i < n:  # the last page fills the hole
        last = heap[n]
        if key[last] < key[page]:
            rise(key, heap, at, i, last)
        else:
            sink(key, heap, at, n, i, last)


@inlined
def add(key: Any, heap: Any, at: Any, size: Any, page: int) -> None:
    """Put a page that is not there into the heap."""
    n = size[0]
    size[0] = n + 1
    rise(key, heap, at, n, page)


@inlined
def empty(at: Any, size: Any) -> None:
    """Take all pages out."""
    size[0] = 0
    at[:] = -1


@inlined
def pop_victim(state: Any, guard: Any, now: Any) -> Any:
    """Take the page of smallest key that may go out of the heap of a state, and return it."""
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
        add(state.key, heap, state.at, size, heap[i])
    return page
