"""Misses at every capacity in one pass, for policies whose caches are nested.

A policy that evicts the maximum of an order that does not depend on the capacity keeps, at
every moment, the caches of all capacities nested: capacity s holds the first s pages of one *stack*
(mattson-gecsei-slutz-traiger-1970).  A request misses at every capacity below its page's position, so
a histogram of positions is the whole curve.

For events of several members that must all stay (forced), the caches of capacity at least the largest
event are nested as well, and one sweep down the stack updates all of them: walking from
capacity to capacity, what the smaller cache would have had to drop is *carried* along, at most one
page per absent member; at each position the better of the carried pages and the page that stands
there stays, and a position left by a member takes the best of the carried ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ...core.compiled import kernel
from ...core.layout import Grid
from ...policies.spec import PolicySpec

__all__ = ["depths", "opt_depths"]

_ONE, _SIX, _LOW, _FULL = np.uint64(1), np.uint64(6), np.uint64(63), np.uint64(2**64 - 1)


def depths(grid: Grid, spec: PolicySpec, *, reset: str) -> npt.NDArray[np.int64] | None:
    """Return how many requests stood at each stack position, or None if there is no such kernel.

    Returns
    -------
    int64 array, shape (pages + 2,)
        Entry d in 1..pages: requests at position d; entry pages + 1: first requests since a reset.
        Capacity s misses the requests of all entries above s.  Forced, s at least the largest event.
    """
    histogram = np.zeros(grid.pages + 2, np.int64)
    common = (grid.experts, grid.first, grid.starts, reset != "never", histogram)
    if spec.base == "lru":
        _lru_depths(*common)
        return histogram
    layer = np.searchsorted(np.unique(grid.layer), grid.layer).astype(np.int64)
    layers = int(layer[-1]) + 1
    if spec.base == "llru":
        far = spec.params.get("same_layer", "far") == "far"
        visit = spec.params.get("rounds", "visit") == "visit"
        _llru_depths(*common, layer, layers, far, visit)
        return histogram
    if spec.base == "lfu" and spec.params.get("history", "all") == "all":
        _lfu_depths(*common, reset == "session")
        return histogram
    return None


@kernel
def _lru_depths(experts: Any, first: Any, starts: Any, resets: bool, histogram: Any) -> None:
    """LRU: the position of a page is 1 + the number of pages requested after it.

    Pages stand in a bitmap in the order of their last request; a Fenwick tree over its words and a
    population count give the position in O(log(pages / 64)).  When the bitmap is full, it is
    compacted, which costs O(1) per request on average.
    """
    rounds, columns, width = experts.shape
    pages = histogram.shape[0] - 2
    n_words = max(4, (4 * pages + 64 * width) // 64)
    size = n_words * 64
    bits = np.zeros(n_words, np.uint64)
    tree = np.zeros(n_words + 1, np.int32)
    last = np.full(pages, -1, np.int64)
    owner = np.zeros(size, np.int64)
    members = np.zeros(width, np.int64)
    place = 0
    alive = 0
    session = 0
    for r in range(rounds):
        while session + 1 < starts.shape[0] and starts[session + 1] <= r:
            session += 1
            if resets:
                bits[:] = 0
                tree[:] = 0
                last[:] = -1
                place = 0
                alive = 0
        for c in range(columns):
            m = 0
            for q in range(width):
                e = experts[r, c, q]
                if e >= 0:
                    members[m] = first[c] + e
                    m += 1
            for q in range(m):
                old = last[members[q]]
                if old < 0:
                    histogram[pages + 1] += 1
                else:
                    word = old >> 6
                    below = _ones(bits[word] & (_FULL >> (_LOW - (np.uint64(old) & _LOW))))
                    at = word
                    while at > 0:
                        below += tree[at]
                        at &= at - 1
                    histogram[alive - below + 1] += 1
            if place + m > size:
                place = _compact(bits, tree, last, owner, place)
            for q in range(m):
                page = members[q]
                old = last[page]
                if old >= 0:
                    bits[old >> 6] &= ~(_ONE << (np.uint64(old) & _LOW))
                    at = (old >> 6) + 1
                    while at <= n_words:
                        tree[at] -= 1
                        at += at & -at
                else:
                    alive += 1
                last[page] = place
                owner[place] = page
                bits[place >> 6] |= _ONE << (np.uint64(place) & _LOW)
                at = (place >> 6) + 1
                while at <= n_words:
                    tree[at] += 1
                    at += at & -at
                place += 1


@kernel
def _ones(word: Any) -> Any:
    """Return the number of set bits."""
    w = word - ((word >> _ONE) & np.uint64(0x5555555555555555))
    w = (w & np.uint64(0x3333333333333333)) + ((w >> np.uint64(2)) & np.uint64(0x3333333333333333))
    w = (w + (w >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((w * np.uint64(0x0101010101010101)) >> np.uint64(56))


@kernel
def _compact(bits: Any, tree: Any, last: Any, owner: Any, place: int) -> int:
    """Move the live places together to the front; return the next free one."""
    to = 0
    for old in range(place):
        if (bits[old >> 6] >> (np.uint64(old) & _LOW)) & _ONE:
            page = owner[old]
            owner[to] = page
            last[page] = to
            to += 1
    bits[:] = 0
    tree[:] = 0
    for old in range(to):
        bits[old >> 6] |= _ONE << (np.uint64(old) & _LOW)
    for word in range(bits.shape[0]):
        tree[word + 1] += _ones(bits[word])
        up = (word + 1) + ((word + 1) & -(word + 1))
        if up <= bits.shape[0]:
            tree[up] += tree[word + 1]
    return to


@kernel
def _sweep(
    stack: Any,
    alive: int,
    members: Any,
    m: int,
    carried: Any,
    mark: Any,
    event: int,
    forced: bool,
    key: Any,
    second: Any,
    shift: Any,
    layer_of: Any,
    histogram: Any,
) -> int:
    """Serve one event on the stack; return how many pages it then holds.

    A page of larger (key + shift of its layer, second, page) is kept longer; forced members before all.
    ``mark[page] == event`` says that a page is a member.
    """
    for q in range(m):
        mark[members[q]] = event
    size = 0
    for q in range(m):  # the members, best first
        page = members[q]
        at = size
        while at > 0 and not forced and _better(page, carried[at - 1], key, second, shift, layer_of):
            carried[at] = carried[at - 1]
            at -= 1
        carried[at] = page
        size += 1
    for i in range(alive):
        if size == 0:
            return alive
        page = stack[i]
        if mark[page] == event:
            histogram[i + 1] += 1
            stack[i] = carried[0]
            size -= 1
            for at in range(size):
                carried[at] = carried[at + 1]
            continue
        top = carried[0]
        if not (forced and mark[top] == event) and _better(page, top, key, second, shift, layer_of):
            continue
        stack[i] = top
        at = 1
        while at < size:
            other = carried[at]
            if not (forced and mark[other] == event) and _better(page, other, key, second, shift, layer_of):
                break
            carried[at - 1] = other
            at += 1
        carried[at - 1] = page
    for at in range(size):
        stack[alive + at] = carried[at]
    histogram[histogram.shape[0] - 1] += size
    return alive + size


@kernel
def _better(a: int, b: int, key: Any, second: Any, shift: Any, layer_of: Any) -> bool:
    """Return whether page ``a`` is kept rather than page ``b``."""
    first_a = key[a] + shift[layer_of[a]]
    first_b = key[b] + shift[layer_of[b]]
    if first_a != first_b:
        return bool(first_a > first_b)
    if second[a] != second[b]:
        return bool(second[a] > second[b])
    return a > b


@kernel
def _room(pages: int, width: int) -> Any:
    """Return what a sweep works on: stack, carried pages, members, marks, both keys and the layer of each page."""
    stack = np.zeros(pages + width, np.int64)
    carried = np.zeros(2 * width + 1, np.int64)
    members = np.zeros(width, np.int64)
    mark = np.full(pages, -1, np.int64)
    return (
        stack,
        carried,
        members,
        mark,
        np.zeros(pages, np.int64),
        np.zeros(pages, np.int64),
        np.zeros(pages, np.int64),
    )


@kernel
def _members(experts: Any, first: Any, r: int, c: int, members: Any) -> int:
    """Fill ``members`` with the pages of an event; return their number."""
    m = 0
    for q in range(experts.shape[2]):
        e = experts[r, c, q]
        if e >= 0:
            members[m] = first[c] + e
            m += 1
    return m


@kernel
def _llru_depths(
    experts: Any, first: Any, starts: Any, resets: bool, histogram: Any, layer: Any, layers: int, far: bool, visit: bool
) -> None:
    """LLRU: R and D of a page are its key, -(round of last request) * (layers + 1), shifted by layer."""
    rounds, columns, width = experts.shape
    pages = histogram.shape[0] - 2
    stack, carried, members, mark, key, second, layer_of = _room(pages, width)
    shift = np.zeros(layers, np.int64)
    alive = 0
    session = 0
    for r in range(rounds):
        while session + 1 < starts.shape[0] and starts[session + 1] <= r:
            session += 1
            if resets:
                alive = 0
        for c in range(columns):
            now = layer[c]
            for j in range(layers):
                distance = j - now if j > now else j - now + layers
                if j == now and not far:
                    distance = 0
                late = 1 if visit and j > now else 0
                shift[j] = late * (layers + 1) - distance
            m = _members(experts, first, r, c, members)
            for q in range(m):
                key[members[q]] = r * (layers + 1)
                layer_of[members[q]] = now
            alive = _sweep(
                stack, alive, members, m, carried, mark, r * columns + c, True, key, second, shift, layer_of, histogram
            )


@kernel
def _lfu_depths(experts: Any, first: Any, starts: Any, resets: bool, histogram: Any, forget: bool) -> None:
    """LFU with perfect history: more uses, then the later event, then the higher page."""
    rounds, columns, width = experts.shape
    pages = histogram.shape[0] - 2
    stack, carried, members, mark, uses, last, layer_of = _room(pages, width)
    shift = np.zeros(1, np.int64)
    alive = 0
    session = 0
    for r in range(rounds):
        while session + 1 < starts.shape[0] and starts[session + 1] <= r:
            session += 1
            if resets:
                alive = 0
                if forget:
                    uses[:] = 0
        for c in range(columns):
            m = _members(experts, first, r, c, members)
            for q in range(m):
                uses[members[q]] += 1
                last[members[q]] = r * columns + c
            alive = _sweep(
                stack, alive, members, m, carried, mark, r * columns + c, True, uses, last, shift, layer_of, histogram
            )


@kernel
def opt_depths(experts: Any, first: Any, starts: Any, resets: bool, histogram: Any, forced: bool, ahead: Any) -> None:
    """Furthest next use: the nearer next use, then the higher page; ``ahead`` takes the next uses."""
    rounds, columns, width = experts.shape
    pages = histogram.shape[0] - 2
    never = rounds * columns
    coming = np.full(pages, never, np.int64)
    session = starts.shape[0] - 1
    for r in range(rounds - 1, -1, -1):
        for c in range(columns - 1, -1, -1):
            for q in range(width):
                e = experts[r, c, q]
                if e >= 0:
                    ahead[r, c, q] = coming[first[c] + e]
                    coming[first[c] + e] = r * columns + c
        if r == starts[session]:
            session -= 1
            if resets:
                coming[:] = never
    stack, carried, members, mark, key, second, layer_of = _room(pages, width)
    shift = np.zeros(1, np.int64)
    alive = 0
    session = 0
    for r in range(rounds):
        while session + 1 < starts.shape[0] and starts[session + 1] <= r:
            session += 1
            if resets:
                alive = 0
        for c in range(columns):
            m = 0
            for q in range(width):
                e = experts[r, c, q]
                if e >= 0:
                    members[m] = first[c] + e
                    key[members[m]] = -np.int64(ahead[r, c, q])
                    m += 1
            alive = _sweep(
                stack,
                alive,
                members,
                m,
                carried,
                mark,
                r * columns + c,
                forced,
                key,
                second,
                shift,
                layer_of,
                histogram,
            )
