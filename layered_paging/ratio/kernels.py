"""Compiled parts of the exact ratios: exploring the product graph, and longest paths in integers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.compiled import kernel

__all__ = ["best_cycle", "explore", "relax"]

MOST_NODES = 2**31 - 2**20  # so that a node and its followers have numbers of 32 bits


@kernel
def _bits(mask: int) -> int:
    count = 0
    while mask:
        mask &= mask - 1
        count += 1
    return count


@kernel
def _find(table: Any, keys: Any, key: int) -> Any:
    """Return the place of a key in an open-addressing table: where it is, or where it would go."""
    room = table.shape[0] - 1
    mixed = key * 0x9E3779B97F4A7C1
    at = (mixed ^ (mixed >> 29)) & room  # the high bits too: keys of states far apart agree in the low ones
    while table[at] >= 0 and keys[table[at]] != key:
        at = (at + 1) & room
    return at


# copied one by one: the check of shapes that comes with a slice takes long to compile
@kernel
def _grow64(old: Any, size: int) -> Any:
    new = np.empty(size, np.int64)
    for i in range(old.shape[0]):
        new[i] = old[i]
    return new


@kernel
def _grow8(old: Any, size: int) -> Any:
    new = np.empty(size, np.int8)
    for i in range(old.shape[0]):
        new[i] = old[i]
    return new


@kernel
def _grow32(old: Any, size: int) -> Any:
    new = np.empty(size, np.int32)
    for i in range(old.shape[0]):
        new[i] = old[i]
    return new


@kernel
def _grow16(old: Any, size: int) -> Any:
    new = np.empty(size, np.int16)
    for i in range(old.shape[0]):
        new[i] = old[i]
    return new


@kernel
def _settle(mask: int, moved: Any, groups: Any, pages: int) -> int:
    """Return a cache mask in the places of the next state, low places first within groups of equals."""
    out = 0
    i = 0
    while i < pages:
        end = groups[i]
        count = 0
        for j in range(i, end):
            count += (mask >> moved[j]) & 1
        out |= ((1 << count) - 1) << i
        i = end
    return out


@kernel
def explore(
    layer: Any,
    nxt: Any,
    misses: Any,
    moved: Any,
    groups: Any,
    events: Any,
    counts: Any,
    slots: int,
    bypass: bool,
    limit: int,
    seen: Any,
) -> Any:
    """Explore all pairs (policy state, offline cache) from the empty caches, in breadth-first order.

    ``groups[s, i]`` is the end of the run of places that are alike with place i; ``events[j, e]``
    is a mask of places, ``counts[j]`` their number.  The offline cache answers lazily: it loads
    what is absent and evicts, if it must, as little as it must, in every way (with ``bypass`` also of the event).

    ``seen[0]`` counts the nodes that are done, ``seen[1]`` those that are known; others may read them meanwhile.
    Once ``seen[2]`` is not 0 it ends, as if there were too many arcs.

    Returns (nodes, first, targets, cost, opt, event): node = state << pages | mask; arcs of node i
    are first[i]..first[i+1]-1.  An empty first array says that there were more than ``limit`` arcs.
    """
    pages = moved.shape[2]
    low = (1 << pages) - 1
    nodes = np.empty(1 << 12, np.int64)
    first = np.empty(1 << 12, np.int64)
    table = np.full(1 << 14, -1, np.int64)
    targets = np.empty(1 << 14, np.int32)
    costs = np.empty(1 << 14, np.int32)
    opts = np.empty(1 << 14, np.int8)
    which = np.empty(1 << 14, np.int16)
    nodes[0] = 0
    table[_find(table, nodes, 0)] = 0
    count, arcs, at = 1, 0, 0
    while at < count:
        if at + 1 >= first.shape[0]:
            first = _grow64(first, 2 * first.shape[0])
        first[at] = arcs
        # the node: a state of the policy and the offline cache as a mask of its places
        s = nodes[at] >> pages
        mask = nodes[at] & low
        for e in range(counts[layer[s]]):
            event = events[layer[s], e]
            t = nxt[s, e]
            # the offline cache loads what is absent; ``need`` places must go, out of ``spare``
            joined = mask | event
            opt = _bits(event & ~mask)
            need = _bits(joined) - slots
            spare = joined if bypass else mask & ~event
            begin = arcs
            rest = spare
            gone = spare if need > 1 else 0 if need <= 0 else spare & -spare
            while True:
                # every set of places to evict: the members of spare, or its submasks that have ``need`` members
                if need <= 1 or _bits(gone) == need:
                    key = (t << pages) | _settle(joined & ~gone, moved[s, e], groups[t], pages)
                    # a node that is new is appended, and the table of hashes doubled in time
                    slot = _find(table, nodes, key)
                    if table[slot] < 0:
                        if count >= nodes.shape[0]:
                            nodes = _grow64(nodes, 2 * nodes.shape[0])
                        nodes[count] = key
                        table[slot] = count
                        count += 1
                        if 2 * count > table.shape[0]:
                            table = np.full(4 * table.shape[0], -1, np.int64)
                            for i in range(count):
                                table[_find(table, nodes, nodes[i])] = i
                            slot = _find(table, nodes, key)
                    target = table[slot]
                    # several evictions may end in one node: one arc is enough
                    fresh = True
                    for i in range(begin, arcs):
                        if targets[i] == target:
                            fresh = False
                            break
                    if fresh:
                        if arcs >= targets.shape[0]:
                            size = 3 * targets.shape[0] // 2
                            targets = _grow32(targets, size)
                            costs, opts, which = _grow32(costs, size), _grow8(opts, size), _grow16(which, size)
                        targets[arcs] = target
                        costs[arcs] = misses[s, e]
                        opts[arcs] = opt
                        which[arcs] = e
                        arcs += 1
                if need == 1:
                    rest &= rest - 1
                    gone = rest & -rest
                elif gone:
                    gone = (gone - 1) & spare
                if gone == 0:
                    break
        at += 1
        seen[0] = at
        seen[1] = count
        if arcs > limit or count > MOST_NODES or seen[2] != 0:
            return nodes[:0], first[:0], targets[:0], costs[:0], opts[:0], which[:0]
    first[at] = arcs
    return nodes[:count], first[: count + 1], targets[:arcs], costs[:arcs], opts[:arcs], which[:arcs]


@kernel
def relax(
    first: Any, targets: Any, cost: Any, opt: Any, p: int, q: int, value: Any, choice: Any, sweeps: int, down: bool
) -> int:
    """Raise ``value`` to the largest ``q*cost - p*opt`` sums along paths; return how many changed in the last sweep."""
    nodes = value.shape[0]
    changed = 0
    for sweep in range(sweeps):
        changed = 0
        for i in range(nodes):
            # in place, in alternating orders: long paths settle in few sweeps
            u = nodes - 1 - i if down == (sweep % 2 == 0) else i
            best = value[u]
            arc = -1
            for a in range(first[u], first[u + 1]):
                v = q * cost[a] - p * opt[a] + value[targets[a]]
                if v > best:
                    best = v
                    arc = a
            if arc >= 0:
                value[u] = best
                choice[u] = arc
                changed += 1
        if changed == 0:
            break
    return changed


@kernel
def best_cycle(targets: Any, cost: Any, opt: Any, choice: Any, p: int, q: int) -> Any:
    """Return (node, cost, opt) of the chosen cycle of largest ratio above p/q; node -1 if there is none."""
    nodes = choice.shape[0]
    seen = np.zeros(nodes, np.int64)
    best, best_c, best_o = -1, p, q
    for i in range(nodes):
        u = i
        # follow the chosen arcs; a node of this walk met again closes a cycle
        while seen[u] == 0 and choice[u] >= 0:
            seen[u] = i + 1
            u = targets[choice[u]]
        if seen[u] == i + 1 and choice[u] >= 0:
            c, o = 0, 0
            v = u
            while True:
                c += cost[choice[v]]
                o += opt[choice[v]]
                v = targets[choice[v]]
                if v == u:
                    break
            if c * best_o > best_c * o:
                best, best_c, best_o = u, c, o
        if seen[u] == 0:
            seen[u] = i + 1
    return best, best_c, best_o
