"""Compiled loops of placement: gains, lazy greedy, layer tables, (max,+) convolution, prices.

A change of placement modifies ``now`` and ``late`` of ``Events`` in place, and nothing else there.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..core.compiled import kernel

BIG = 1 << 62


class Events(NamedTuple):
    """The members of all events, and what they take at present; an entry of ``members`` is a *slot*.

    ``start`` (groups + 1) says where each event begins in ``members``.  ``by_page`` lists slots by page, and ``page_start`` says
    where each page begins there.  ``owner`` is the event of a slot; ``user`` and ``weight`` belong to events; ``near``
    (users, servers) holds latencies.  ``now`` is what each slot's fastest place takes, ``late`` the slowest member of each event.
    """

    start: Any
    members: Any
    by_page: Any
    page_start: Any
    owner: Any
    user: Any
    weight: Any
    near: Any
    now: Any
    late: Any


@kernel
def denser(a: Any, s: Any, b: Any, t: Any) -> Any:
    """Whether a / s > b / t, exactly, for a, b >= 0 and s, t >= 1: Euclid on both at once."""
    while True:
        p, q = a // s, b // t
        if p != q:
            return p > q
        a, b = a - p * s, b - q * t
        if a == 0 or b == 0:
            return a > b
        # a / s > b / t  iff  t / b > s / a
        a, s, b, t = t, b, s, a


@kernel
def gain_of(server: Any, page: Any, events: Events) -> Any:
    """Return what one more expert at a server saves."""
    total = 0
    for at in range(events.page_start[page], events.page_start[page + 1]):
        slot = events.by_page[at]
        e = events.owner[slot]
        t = events.near[events.user[e], server]
        if t < events.now[slot] and events.now[slot] == events.late[e]:
            slowest = t
            for other in range(events.start[e], events.start[e + 1]):
                if other != slot and events.now[other] > slowest:
                    slowest = events.now[other]
            total += events.weight[e] * (events.late[e] - slowest)
    return total


@kernel
def add(server: Any, page: Any, events: Events) -> None:
    """Place one expert: update ``now`` and ``late``."""
    for at in range(events.page_start[page], events.page_start[page + 1]):
        slot = events.by_page[at]
        e = events.owner[slot]
        t = events.near[events.user[e], server]
        if t < events.now[slot]:
            before = events.now[slot]
            events.now[slot] = t
            if before == events.late[e]:
                slowest = 0
                for other in range(events.start[e], events.start[e + 1]):
                    slowest = max(slowest, events.now[other])
                events.late[e] = slowest


@kernel
def drop(server: Any, page: Any, held: Any, base: Any, events: Events) -> None:
    """Take one expert away from a server (``held`` no longer shows it): update ``now`` and ``late``."""
    for at in range(events.page_start[page], events.page_start[page + 1]):
        slot = events.by_page[at]
        e = events.owner[slot]
        m = events.user[e]
        if events.near[m, server] == events.now[slot]:
            best = base[slot]
            for n in range(held.shape[0]):
                if held[n, page] and events.near[m, n] < best:
                    best = events.near[m, n]
            events.now[slot] = best
            if best > events.late[e]:
                events.late[e] = best


@kernel
def before(i: Any, j: Any, gain: Any, sizes: Any, pages: Any) -> Any:
    """Whether candidate i comes before j: more gain per byte, then the lower server, then the lower page."""
    s, t = sizes[i % pages], sizes[j % pages]
    if s == t:
        if gain[i] != gain[j]:
            return gain[i] > gain[j]
        return i < j
    if denser(gain[i], s, gain[j], t):
        return True
    if denser(gain[j], t, gain[i], s):
        return False
    return i < j


@kernel
def sink(heap: Any, size: Any, at: Any, gain: Any, sizes: Any, pages: Any) -> None:
    """Restore the heap below a position."""
    while True:
        best = at
        for child in (2 * at + 1, 2 * at + 2):
            if child < size and before(heap[child], heap[best], gain, sizes, pages):
                best = child
        if best == at:
            return
        heap[at], heap[best] = heap[best], heap[at]
        at = best


@kernel
def greedy(lazy: Any, held: Any, room: Any, family: Any, sizes: Any, events: Events, log: Any) -> Any:
    """Add the expert of the most saving per byte that fits until none saves anything; return how many were added.

    ``lazy``: trust that savings only fall (true for one member per event) and evaluate the top of a heap.
    Otherwise look at every candidate in every step.  ``family[page]`` names the pages whose placement can
    change the savings of a page.  ``log`` receives server * pages + page of each addition.
    """
    servers, pages = held.shape
    gain = np.zeros(servers * pages, np.int64)
    stamp = np.zeros(servers * pages, np.int64)
    version = np.zeros(pages + 1, np.int64)
    heap = np.empty(servers * pages, np.int64)
    # candidates server * pages + page that fit; with ``lazy`` only those that save something
    size = 0
    for n in range(servers):
        for p in range(pages):
            if not held[n, p] and sizes[p] <= room[n]:
                c = n * pages + p
                gain[c] = gain_of(n, p, events)
                if gain[c] > 0 or not lazy:
                    heap[size] = c
                    size += 1
    added = 0
    # into a heap; ``stamp`` says at which version of its family a gain was computed
    if lazy:
        for at in range(size // 2 - 1, -1, -1):
            sink(heap, size, at, gain, sizes, pages)
    while size:
        if lazy:
            # the top, if its gain is fresh; a stale one is evaluated again and sinks
            c = heap[0]
            n, p = c // pages, c % pages
            if sizes[p] <= room[n] and stamp[c] != version[family[p]]:
                gain[c] = gain_of(n, p, events)
                stamp[c] = version[family[p]]
                if gain[c] > 0:
                    sink(heap, size, 0, gain, sizes, pages)
                    continue
            size -= 1
            heap[0] = heap[size]
            sink(heap, size, 0, gain, sizes, pages)
            if sizes[p] > room[n] or gain[c] == 0:
                continue
        else:
            # the best of all candidates; those that do not fit any more are left out for good
            c = -1
            kept = 0
            for at in range(size):
                d = heap[at]
                if held[d // pages, d % pages] or sizes[d % pages] > room[d // pages]:
                    continue
                heap[kept] = d
                kept += 1
                if stamp[d] != version[family[d % pages]]:
                    gain[d] = gain_of(d // pages, d % pages, events)
                    stamp[d] = version[family[d % pages]]
                if gain[d] > 0 and (c < 0 or before(d, c, gain, sizes, pages)):
                    c = d
            size = kept
            if c < 0:
                return added
            n, p = c // pages, c % pages
        # place it: ``held``, ``room`` and ``events`` change in place, and gains of its family are stale
        held[n, p] = True
        room[n] -= sizes[p]
        add(n, p, events)
        version[family[p]] += 1
        log[added] = c
        added += 1
    return added


@kernel
def peel(server: Any, low: Any, high: Any, sizes: Any, events: Events, scratch: Any, order: Any, values: Any) -> None:
    """Order the pages low..high-1 by taking away, again and again, the one whose loss per byte is smallest.

    ``order[:q]`` is what remains with q pages and ``values[q]`` what it saves.  Ties: the smaller sum of
    savings of single members per byte goes first, then the larger page.  For one member per event the order
    is that of savings per byte, and among equal sizes ``values`` is the best possible.  ``scratch`` has one
    entry an event.
    """
    number = high - low
    loss = np.zeros(number, np.int64)
    credit = np.zeros(number, np.int64)
    alive = np.ones(number, np.bool_)
    # with all pages at the server: what each event takes (``scratch``), and what is saved in all
    total = 0
    for p in range(low, high):
        for at in range(events.page_start[p], events.page_start[p + 1]):
            slot = events.by_page[at]
            e = events.owner[slot]
            if slot == events.start[e]:
                t = events.near[events.user[e], server]
                slowest = 0
                for other in range(events.start[e], events.start[e + 1]):
                    slowest = max(slowest, min(events.now[other], t))
                scratch[e] = slowest
                total += events.weight[e] * (events.late[e] - slowest)
    # loss: what taking a page away alone costs; credit: what it saves its own members
    for p in range(low, high):
        for at in range(events.page_start[p], events.page_start[p + 1]):
            slot = events.by_page[at]
            e = events.owner[slot]
            t = events.near[events.user[e], server]
            if events.now[slot] > t:
                credit[p - low] += events.weight[e] * (events.now[slot] - t)
                if events.now[slot] > scratch[e]:
                    loss[p - low] += events.weight[e] * (events.now[slot] - scratch[e])
    values[number] = total
    for left in range(number, 0, -1):
        # the page of smallest loss per byte, then of smallest credit per byte, then the last one
        worst = -1
        for q in range(number):
            if not alive[q]:
                continue
            if worst < 0:
                worst = q
                continue
            s, t = sizes[low + q], sizes[low + worst]
            if denser(loss[worst], t, loss[q], s) or (
                not denser(loss[q], s, loss[worst], t) and not denser(credit[q], s, credit[worst], t)
            ):
                worst = q
        p = low + worst
        alive[worst] = False
        order[left - 1] = p
        values[left - 1] = values[left] - loss[worst]
        # its events get slower, so losing a further member of theirs costs less
        for at in range(events.page_start[p], events.page_start[p + 1]):
            slot = events.by_page[at]
            e = events.owner[slot]
            old = scratch[e]
            if events.now[slot] > old:
                new = events.now[slot]
                scratch[e] = new
                for other in range(events.start[e], events.start[e + 1]):
                    q = events.members[other] - low
                    if alive[q] and events.near[events.user[e], server] < events.now[other]:
                        loss[q] -= events.weight[e] * (max(old, events.now[other]) - old)
                        loss[q] += events.weight[e] * (max(new, events.now[other]) - new)


@kernel
def subset_values(server: Any, low: Any, high: Any, events: Events, values: Any) -> None:
    """Fill ``values[mask]`` with what the pages low + (bits of mask) save at a server."""
    for p in range(low, high):
        for at in range(events.page_start[p], events.page_start[p + 1]):
            slot = events.by_page[at]
            e = events.owner[slot]
            t = events.near[events.user[e], server]
            if slot != events.start[e] or t >= events.late[e]:
                continue
            for mask in range(len(values)):
                slowest = 0
                for other in range(events.start[e], events.start[e + 1]):
                    held = mask >> (events.members[other] - low) & 1
                    slowest = max(slowest, min(events.now[other], t) if held else events.now[other])
                values[mask] += events.weight[e] * (events.late[e] - slowest)


@kernel
def plain(old: Any, table: Any, stride: Any, new: Any, choice: Any) -> None:
    """Set ``new[b]`` to the largest ``old[b - q * stride] + table[q]``, and ``choice[b]`` to the least such q."""
    for b in range(len(old)):
        best, at = old[b] + table[0], 0
        for q in range(1, min(len(table) - 1, b // stride) + 1):
            value = old[b - q * stride] + table[q]
            if value > best:
                best, at = value, q
        new[b] = best
        choice[b] = at


@kernel
def entry(old: Any, table: Any, stride: Any, rest: Any, low: Any, high: Any, i: Any, j: Any) -> Any:
    """Return the entry of the matrix of SMAWK; outside the band it prefers columns nearer to the band."""
    q = i - j
    if q < low:
        return -BIG - j
    if q > high:
        return -BIG + j
    return old[rest + j * stride] + table[q]


@kernel
def concave(old: Any, table: Any, low: Any, high: Any, stride: Any, new: Any, choice: Any) -> None:
    """Raise ``new[b]`` to the largest ``old[b - q * stride] + table[q]`` over low <= q <= high, by SMAWK.

    ``table[low:high + 1]`` must be concave; ``old`` is arbitrary.  O(len(old)) for each call.
    """
    budget = len(old)
    most = (budget + stride - 1) // stride
    stack = np.empty(2 * most + 64, np.int64)
    where = np.zeros(most, np.int64)
    offset = np.zeros(66, np.int64)
    count = np.zeros(66, np.int64)
    # budgets of one remainder form a matrix: row i is a budget, column j what is left for the old servers
    for rest in range(min(stride, budget)):
        rows = (budget - rest + stride - 1) // stride
        depth = 0
        # down, REDUCE: level d has every (2^d)-th row; keep as many columns as rows, among them all row maxima
        while (1 << depth) - 1 < rows:
            step, first = 1 << depth, (1 << depth) - 1
            mine = (rows - first + step - 1) // step
            size = 0
            base = offset[depth]
            for k in range(rows if depth == 0 else count[depth - 1]):
                column = k if depth == 0 else stack[offset[depth - 1] + k]
                while size:
                    row = first + (size - 1) * step
                    here = entry(old, table, stride, rest, low, high, row, stack[base + size - 1])
                    if here >= entry(old, table, stride, rest, low, high, row, column):
                        break
                    size -= 1
                if size < mine:
                    stack[base + size] = column
                    size += 1
            count[depth] = size
            offset[depth + 1] = base + size
            depth += 1
        # up, INTERPOLATE: odd rows are known from the level below; an even row's maximum lies between its neighbours'
        for level in range(depth - 1, -1, -1):
            step, first = 1 << level, (1 << level) - 1
            mine = (rows - first + step - 1) // step
            at = offset[level]
            end = at + count[level]
            for k in range(0, mine, 2):
                row = first + k * step
                last = where[row + step] if k + 1 < mine else stack[end - 1]
                best = stack[at]
                value = entry(old, table, stride, rest, low, high, row, best)
                while stack[at] < last:
                    at += 1
                    other = entry(old, table, stride, rest, low, high, row, stack[at])
                    if other > value:
                        best, value = stack[at], other
                where[row] = best
        # take what is better than the parts of the table before this one
        for row in range(rows):
            value = entry(old, table, stride, rest, low, high, row, where[row])
            if value > new[rest + row * stride]:
                new[rest + row * stride] = value
                choice[rest + row * stride] = row - where[row]
