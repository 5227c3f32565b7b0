"""Compiled parts of the ratio game: its positions, and sweeps of its values.

A position is one int: five bits per page, ``level << 1 | resident``, pages in order. The layer that
comes next is the first one (layers of equal width are turned round) or stands above bit 60.

``level`` holds the optimum's work function: the caches that are best for it are the sets S with
``|S & (levels 1..j)| <= j`` for all j and no page of level 0 (koutsoupias-papadimitriou-2000).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.compiled import kernel

__all__ = ["play", "reach", "sweep"]


@kernel
def _slot(table: Any, keys: Any, key: int) -> Any:
    room = table.shape[0] - 1
    at = ((key * 0x9E3779B97F4A7C1) ^ (key >> 31)) & room
    while table[at] >= 0 and keys[table[at]] != key:
        at = (at + 1) & room
    return at


@kernel
def _longer(old: Any, size: int) -> Any:
    new = np.empty(size, old.dtype)
    new[: old.shape[0]] = old
    return new


@kernel
def _pack(items: Any, first: Any, layer: int, turn: bool) -> Any:
    """Return the position after an event of ``layer``; items are sorted within layers."""
    layers = first.shape[0] - 1
    pages = first[layers]
    for j in range(layers):
        for a in range(first[j] + 1, first[j + 1]):
            item = items[a]
            b = a - 1
            while b >= first[j] and items[b] > item:
                items[b + 1] = items[b]
                b -= 1
            items[b + 1] = item
    code = 0
    shift = first[1] if turn else 0
    for a in range(pages):
        code |= items[(a + shift) % pages] << (5 * a)
    if not turn:
        code |= ((layer + 1) % layers) << 60
    return code


@kernel
def play(first: Any, slots: int, turn: bool, limit: int, seen: Any) -> Any:
    """Explore all positions from empty caches, for every request and every lazy answer.

    Returns (codes, ask, page, cost, opt, answer, victim, target): requests of position i are
    ask[i]..ask[i+1]-1, answers of request q are answer[q]..answer[q+1]-1; victim -1 where nothing is evicted.
    No positions at all if there are more than ``limit`` answers, or once ``seen[2]`` is not 0.

    ``seen[0]`` counts the positions that are done, ``seen[1]`` those that are known; others may read them meanwhile.
    """
    layers = first.shape[0] - 1
    pages = first[layers]
    codes = np.empty(1 << 12, np.int64)
    ask = np.empty(1 << 12, np.int64)
    table = np.full(1 << 14, -1, np.int64)
    page = np.empty(1 << 12, np.int8)
    cost = np.empty(1 << 12, np.int8)
    opt = np.empty(1 << 12, np.int8)
    answer = np.empty(1 << 12, np.int64)
    victim = np.empty(1 << 12, np.int8)
    target = np.empty(1 << 12, np.int32)
    items = np.empty(pages, np.int64)
    after = np.empty(pages, np.int64)
    work = np.empty(pages, np.int64)
    codes[0] = 0
    table[_slot(table, codes, 0)] = 0
    count, asks, answers, at = 1, 0, 0, 0
    while at < count:
        if at + 2 >= ask.shape[0]:
            ask = _longer(ask, 2 * ask.shape[0])
        ask[at] = asks
        # unpack the position: the item of each page, and how many pages are held
        code = codes[at]
        layer = 0 if turn else code >> 60
        held = 0
        for a in range(pages):
            items[a] = (code >> (5 * a)) & 31
            held += items[a] & 1
        for p in range(first[layer], first[layer + 1]):
            # equal pages of a layer are asked for once
            if p > first[layer] and items[p] == items[p - 1]:
                continue
            if asks + 2 >= page.shape[0]:
                size = 2 * page.shape[0]
                page, cost, opt, answer = (
                    _longer(page, size),
                    _longer(cost, size),
                    _longer(opt, size),
                    _longer(answer, size),
                )
            # the work function after the request: levels from the page's own up fall by one (for level 0 the highest one
            # falls), and the page gets the highest
            level = items[p] >> 1
            for a in range(pages):
                x = items[a] >> 1
                if level == 0:
                    if x == slots and slots > 1:
                        x = slots - 1
                    elif x == slots:
                        x = 0
                elif x >= level:
                    x -= 1
                if a == p:
                    x = slots
                work[a] = (x << 1) | (items[a] & 1)
            page[asks] = p
            cost[asks] = 1 - (items[p] & 1)
            opt[asks] = 1 if level == 0 else 0
            answer[asks] = answers
            # every lazy answer: nothing to evict, or each held page in turn
            work[p] |= 1
            full = items[p] & 1 == 0 and held == slots
            for v in range(pages if full else 1):
                if full:
                    same = False
                    if items[v] & 1 == 0:
                        continue
                    for j in range(layers):  # an equal page just before it in its layer gives the same answer
                        if first[j] < v < first[j + 1] and items[v - 1] == items[v]:
                            same = True
                    if same:
                        continue
                for a in range(pages):
                    after[a] = work[a]
                if full:
                    after[v] &= ~1
                key = _pack(after, first, layer, turn)
                # a position that is new is appended, and the table of hashes doubled in time
                slot = _slot(table, codes, key)
                if table[slot] < 0:
                    if count >= codes.shape[0]:
                        codes = _longer(codes, 2 * codes.shape[0])
                    codes[count] = key
                    table[slot] = count
                    count += 1
                    if 2 * count > table.shape[0]:
                        table = np.full(4 * table.shape[0], -1, np.int64)
                        for i in range(count):
                            table[_slot(table, codes, codes[i])] = i
                        slot = _slot(table, codes, key)
                if answers >= target.shape[0]:
                    size = 2 * target.shape[0]
                    victim, target = _longer(victim, size), _longer(target, size)
                victim[answers] = v if full else -1
                target[answers] = table[slot]
                answers += 1
            asks += 1
        at += 1
        seen[0], seen[1] = at, count
        if answers > limit or seen[2] != 0:
            return codes[:0], ask[:0], page[:0], cost[:0], opt[:0], answer[:0], victim[:0], target[:0]
    ask[at] = asks
    answer[asks] = answers
    return (
        codes[:count], ask[: count + 1], page[:asks], cost[:asks], opt[:asks],
        answer[: asks + 1], victim[:answers], target[:answers],
    )  # fmt: skip


@kernel
def sweep(ask: Any, cost: Any, opt: Any, answer: Any, target: Any, p: int, q: int, value: Any, rounds: int) -> int:
    """Raise values towards the least ``max(0, max over requests of q*cost - p*opt + min over answers)``.

    All values of a round come from those of the round before: values updated in place grow at a
    pace that depends on their order, and a strategy read off them would exploit that order.
    """
    nodes = value.shape[0]
    before = value.copy()
    changed = 0
    for _ in range(rounds):
        # the adversary takes the best request, the policy the cheapest answer
        changed = 0
        for u in range(nodes):
            best = before[u]
            for r in range(ask[u], ask[u + 1]):
                low = before[target[answer[r]]]
                for a in range(answer[r] + 1, answer[r + 1]):
                    low = min(low, before[target[a]])
                best = max(best, q * cost[r] - p * opt[r] + low)
            if best > before[u]:
                changed += 1
            value[u] = best
        if changed == 0:
            break
        before[:] = value
    return changed


@kernel
def reach(ask: Any, cost: Any, opt: Any, answer: Any, target: Any, p: int, q: int, value: Any, adversary: bool) -> Any:
    """Return the graph that is left when one side plays by the values, from position 0.

    ``adversary`` fixes one request for each position, otherwise one answer is fixed for each request.
    Returns (position of each node, first arc, target node, request of each arc, answer of each arc).
    """
    nodes = value.shape[0]
    name = np.full(nodes, -1, np.int64)
    order = np.empty(nodes, np.int64)
    first = np.empty(nodes + 1, np.int64)
    to = np.empty(1 << 12, np.int64)
    asked = np.empty(1 << 12, np.int64)
    given = np.empty(1 << 12, np.int64)
    name[0] = 0
    order[0] = 0
    count, arcs, at = 1, 0, 0
    while at < count:
        u = order[at]
        first[at] = arcs
        begin, end = ask[u], ask[u + 1]
        # the adversary's best request; all answers to it stay
        if adversary:
            pick, top = -1, 0
            for r in range(begin, end):
                low = value[target[answer[r]]]
                for a in range(answer[r] + 1, answer[r + 1]):
                    low = min(low, value[target[a]])
                v = q * cost[r] - p * opt[r] + low
                if pick < 0 or v > top:
                    pick, top = r, v
            begin, end = pick, pick + 1
        for r in range(begin, end):
            low, high = answer[r], answer[r + 1]
            # the policy's cheapest answer; all requests stay
            if not adversary:
                best = low
                for a in range(low + 1, high):
                    if value[target[a]] < value[target[best]]:
                        best = a
                low, high = best, best + 1
            for a in range(low, high):
                t = target[a]
                if name[t] < 0:
                    name[t] = count
                    order[count] = t
                    count += 1
                if arcs >= to.shape[0]:
                    size = 2 * arcs
                    to, asked, given = _longer(to, size), _longer(asked, size), _longer(given, size)
                to[arcs] = name[t]
                asked[arcs] = r
                given[arcs] = a
                arcs += 1
        at += 1
    first[at] = arcs
    return order[:count].copy(), first[: count + 1].copy(), to[:arcs].copy(), asked[:arcs].copy(), given[:arcs].copy()
