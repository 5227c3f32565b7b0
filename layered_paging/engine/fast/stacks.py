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

A whole curve costs one pass here, not one replay per number of slots (``python tests/benchmarks/kernels.py`` prints the ratio).
LRU has positions by a Fenwick tree; LLRU, LFU and the optimum have a key that a sweep compares; any other policy whose twin has
``leaves_before`` is swept by that.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ...core.compiled import bare_kernel, kernel
from ...core.layout import Arrays, Grid
from ..hooks import Now, leaves_before, on_clear, on_hit, on_miss, on_reset, on_round, on_served
from ..task import Task

__all__ = ["lfu_depths", "llru_depths", "lru_depths", "opt_depths", "swept_depths"]

_ONE, _SIX, _LOW, _FULL = np.uint64(1), np.uint64(6), np.uint64(63), np.uint64(2**64 - 1)

Ints = npt.NDArray[np.int64]


class Keys(NamedTuple):
    """An order of pages: those of larger (key + shift of their layer, second, page) are kept longer."""

    key: Any
    second: Any
    shift: Any
    layer_of: Any

    def leaves_before(self, page: int, other: int, now: Now) -> bool:
        """Return whether one page is evicted before the other."""
        mine = self.key[page] + self.shift[self.layer_of[page]]
        theirs = self.key[other] + self.shift[self.layer_of[other]]
        if mine != theirs:
            return bool(mine < theirs)
        if self.second[page] != self.second[other]:
            return bool(self.second[page] < self.second[other])
        return page < other


class Stack(NamedTuple):
    """What a sweep works on, modified in place.

    ``pages`` is the stack, ``size[0]`` how many stand there; ``carried`` takes the pages that are carried along; ``members`` holds the
    event; ``mark[page]`` is the last event with this page; ``histogram`` counts requests by position.
    """

    pages: Any
    size: Any
    carried: Any
    members: Any
    mark: Any
    histogram: Any


def _stack(grid: Grid) -> Stack:
    pages, width = grid.pages, grid.shape[2]
    stack, carried = np.zeros(pages + width, np.int64), np.zeros(2 * width + 1, np.int64)
    histogram = np.zeros(pages + 2, np.int64)
    members, mark = np.zeros(width, np.int64), np.full(pages, -1, np.int64)
    return Stack(stack, np.zeros(1, np.int64), carried, members, mark, histogram)


def _keys(pages: int, layers: int = 1) -> Keys:
    longs = np.zeros(pages, np.int64), np.zeros(pages, np.int64)
    return Keys(*longs, np.zeros(layers, np.int64), np.zeros(pages, np.int64))


# Each function below returns an int64 array of shape (pages + 2,).  Entry d in 1..pages: requests at position d.  Entry
# pages + 1: first requests since a reset.  Capacity s misses the requests of all entries above s.  Forced, s is at least the
# largest event.


def lru_depths(task: Task) -> Ints:
    """Return how many requests stood at each position of the stack of LRU."""
    histogram = np.zeros(task.grid.pages + 2, np.int64)
    _lru(task.grid.arrays(), task.rules.resets, histogram)
    return histogram


def llru_depths(task: Task) -> Ints:
    """Return how many requests stood at each position of the stack of LLRU."""
    grid, params = task.grid, task.spec.params
    layer = np.searchsorted(np.unique(grid.layer), grid.layer).astype(np.int64)
    layers = int(layer[-1]) + 1
    far = params.get("same_layer", "far") == "far"
    visit = params.get("rounds", "visit") == "visit"
    stack = _stack(grid)
    _llru(grid.arrays(), task.rules.resets, stack, _keys(grid.pages, layers), layer, far, visit)
    histogram: Ints = stack.histogram
    return histogram


def lfu_depths(task: Task) -> Ints:
    """Return how many requests stood at each position of the stack of LFU with perfect history."""
    stack = _stack(task.grid)
    _lfu(task.grid.arrays(), task.rules.resets, stack, _keys(task.grid.pages), task.rules.reset == "session")
    histogram: Ints = stack.histogram
    return histogram


def opt_depths(grid: Grid, *, resets: bool, forced: bool) -> Ints:
    """Return how many requests stood at each position of the stack of furthest next use."""
    rounds, columns, _ = grid.shape
    ahead = np.empty(grid.shape, np.int32 if rounds * columns < 1 << 31 else np.int64)
    stack = _stack(grid)
    _opt(grid.arrays(), resets, stack, _keys(grid.pages), forced, ahead, np.zeros(grid.pages, np.int64))
    histogram: Ints = stack.histogram
    return histogram


def swept_depths(task: Task, kind: Any) -> Ints:
    """Return how many requests stood at each position of the stack of a policy whose twin is ``kind``."""
    stack = _stack(task.grid)
    _swept(kind.begin(task), task.grid.arrays(), task.rules.reset == "session", task.rules.resets, stack)
    histogram: Ints = stack.histogram
    return histogram


@kernel
def _lru(grid: Arrays, resets: bool, histogram: Any) -> None:
    """LRU: the position of a page is 1 + the number of pages requested after it.

    Pages stand in a bitmap in the order of their last request; a Fenwick tree over its words and a
    population count give the position in O(log(pages / 64)).  When the bitmap is full, it is
    compacted, which costs O(1) per request on average.
    """
    experts, first, starts = grid.experts, grid.first, grid.starts
    rounds, columns, width = experts.shape
    pages = histogram.shape[0] - 2
    # room for four times the pages, so that a compaction is rare
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
            # positions: pages requested after the last request of each member, as of the begin of the event
            for q in range(m):
                old = last[members[q]]
                if old < 0:
                    histogram[pages + 1] += 1
                else:
                    word = old >> 6
                    # live places up to the old one: inside its word, and in the words before it (prefix sum of the tree)
                    below = _ones(bits[word] & (_FULL >> (_LOW - (np.uint64(old) & _LOW))))
                    at = word
                    while at > 0:
                        below += tree[at]
                        at &= at - 1
                    histogram[alive - below + 1] += 1
            if place + m > size:
                place = _compact(bits, tree, last, owner, place)
            # the members move to the end: bit and tree are taken back at the old place, and set at the new one
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


@bare_kernel
def _sweep(stack: Stack, order: Any, now: Now, m: int, forced: bool) -> None:
    """Serve one event, whose ``m`` pages are in ``stack.members``, on the stack.

    A page that leaves later, by ``order``, is kept longer; forced members before all.
    """
    pages, carried, members, mark, histogram = stack.pages, stack.carried, stack.members, stack.mark, stack.histogram
    event = now.event
    for q in range(m):
        mark[members[q]] = event
    # the members are carried first, the best one in front
    size = 0
    for q in range(m):
        page = members[q]
        at = size
        while at > 0 and not forced and leaves_before(order, carried[at - 1], page, now):
            carried[at] = carried[at - 1]
            at -= 1
        carried[at] = page
        size += 1
    # down the stack: a position left by a member takes the best carried page, others keep the better one
    alive = stack.size[0]
    for i in range(alive):
        if size == 0:
            return
        page = pages[i]
        if mark[page] == event:
            histogram[i + 1] += 1
            pages[i] = carried[0]
            size -= 1
            for at in range(size):
                carried[at] = carried[at + 1]
            continue
        top = carried[0]
        if not (forced and mark[top] == event) and leaves_before(order, top, page, now):
            continue
        pages[i] = top
        at = 1  # the page that stood there is carried in its order
        while at < size:
            other = carried[at]
            if not (forced and mark[other] == event) and leaves_before(order, other, page, now):
                break
            carried[at - 1] = other
            at += 1
        carried[at - 1] = page
    # what is still carried was not on the stack
    for at in range(size):
        pages[alive + at] = carried[at]
    histogram[histogram.shape[0] - 1] += size
    stack.size[0] = alive + size


@bare_kernel
def _members(experts: Any, first: Any, r: int, c: int, members: Any) -> int:
    """Fill ``members`` with the pages of an event; return their number."""
    m = 0
    for q in range(experts.shape[2]):
        e = experts[r, c, q]
        if e >= 0:
            members[m] = first[c] + e
            m += 1
    return m


@bare_kernel
def _llru(grid: Arrays, resets: bool, stack: Stack, keys: Keys, layer: Any, far: bool, visit: bool) -> None:
    """LLRU: R and D of a page are its key, -(round of last request) * (layers + 1), shifted by layer."""
    experts, first, starts = grid.experts, grid.first, grid.starts
    key, shift, layer_of, members = keys.key, keys.shift, keys.layer_of, stack.members
    rounds, columns, _ = experts.shape
    layers = shift.shape[0]
    session = 0
    for r in range(rounds):
        while session + 1 < starts.shape[0] and starts[session + 1] <= r:
            session += 1
            if resets:
                stack.size[0] = 0
        for c in range(columns):
            now = layer[c]
            # the order at this layer: rounds since the visit first, then the distance of the layer
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
            _sweep(stack, keys, _at(r * columns + c), m, True)


@bare_kernel
def _at(event: int) -> Now:
    """Return the time of an event of which only the number matters."""
    return Now(event, 0, 0, event, event, event, event, 0)


@bare_kernel
def _lfu(grid: Arrays, resets: bool, stack: Stack, keys: Keys, forget: bool) -> None:
    """LFU with perfect history: more uses, then the later event, then the higher page."""
    experts, first, starts = grid.experts, grid.first, grid.starts
    uses, last, members = keys.key, keys.second, stack.members
    rounds, columns, _ = experts.shape
    session = 0
    for r in range(rounds):
        while session + 1 < starts.shape[0] and starts[session + 1] <= r:
            session += 1
            if resets:
                stack.size[0] = 0
                if forget:
                    uses[:] = 0
        for c in range(columns):
            m = _members(experts, first, r, c, members)
            for q in range(m):
                uses[members[q]] += 1
                last[members[q]] = r * columns + c
            _sweep(stack, keys, _at(r * columns + c), m, True)


@bare_kernel
def _opt(grid: Arrays, resets: bool, stack: Stack, keys: Keys, forced: bool, ahead: Any, coming: Any) -> None:
    """Furthest next use: the nearer next use, then the higher page; ``ahead`` takes the next uses, by ``coming`` of each page."""
    experts, first, starts = grid.experts, grid.first, grid.starts
    key, members = keys.key, stack.members
    rounds, columns, width = experts.shape
    # backwards: the next use of each request
    never = rounds * columns
    coming[:] = never
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
    # forwards: the stack
    session = 0
    for r in range(rounds):
        while session + 1 < starts.shape[0] and starts[session + 1] <= r:
            session += 1
            if resets:
                stack.size[0] = 0
        for c in range(columns):
            m = 0
            for q in range(width):
                e = experts[r, c, q]
                if e >= 0:
                    members[m] = first[c] + e
                    key[members[m]] = -np.int64(ahead[r, c, q])
                    m += 1
            _sweep(stack, keys, _at(r * columns + c), m, forced)


@bare_kernel
def _swept(state: Any, grid: Arrays, forgets: bool, resets: bool, stack: Stack) -> None:
    """Sweep by the order that a policy's own state says, forced; ``forgets``: a reset is one of the policy, too."""
    experts, first, layer, offset, starts = grid.experts, grid.first, grid.layer, grid.offset, grid.starts
    members, mark, pages = stack.members, stack.mark, stack.pages
    rounds, columns, width = experts.shape
    session = 0
    begin = grid.origin
    on_reset(state, grid.number)
    for row in range(rounds):
        r = grid.origin + row
        while session + 1 < starts.shape[0] and starts[session + 1] <= row:
            session += 1
            if resets:
                for i in range(stack.size[0]):
                    mark[pages[i]] = -1
                stack.size[0] = 0
                if forgets:
                    begin = r
                    on_reset(state, grid.number + session)
                else:
                    event = r * grid.stride + offset[0]
                    on_clear(state, Now(event, r, layer[0], event * width, event * width, event, event, 0))
        on_round(state, r, begin)
        for c in range(columns):
            event = r * grid.stride + offset[c]
            start = event * width
            m = 0
            for q in range(width):
                e = experts[row, c, q]
                if e >= 0:
                    page = first[c] + e
                    now = Now(event, r, layer[c], start + m, start, event, event, 0)
                    # which of the two it is differs between the sizes: their effect on the order is the same
                    if mark[page] < 0:
                        on_miss(state, page, now)
                    else:
                        on_hit(state, page, now)
                    mark[page] = event
                    members[m] = page
                    m += 1
            now = Now(event, r, layer[c], start, start, event, event, 0)
            on_served(state, now, experts, row, c, mark)
            _sweep(stack, state, now, m, True)
