"""Min-cost flow on the time line, compiled: intervals enter in the order of their ends.

At any moment the schedule is optimal for the intervals seen so far, and ``height`` proves it:
``height[t + 1] - height[t]`` is the price of point t.  A new interval is worth more than its price, or it
is dropped.  If it is, room for it is made along the cheapest way back from its end to its begin:
through points with room to spare, by dropping kept intervals, by taking up dropped ones, or forward
by giving back room.  All these steps have a reduced cost of at least 0 (complementary slackness), so
Dijkstra's algorithm finds the way. If it costs no more than what is gained, it is taken. In
any case the heights of the nodes reached rise so that everything is optimal again.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.compiled import kernel

__all__ = ["augment", "settle"]

_SPARE = -3  # came from t + 1 through point t, which has room
_GIVE_BACK = -2  # came from t - 1 by giving back room of point t - 1


@kernel
def _push(keys: Any, nodes: Any, size: int, key: int, node: int) -> int:
    """Put a node into the binary heap of ``size`` entries; return the new size."""
    i = size
    while i > 0:
        up = (i - 1) >> 1
        if keys[up] <= key:
            break
        keys[i] = keys[up]
        nodes[i] = nodes[up]
        i = up
    keys[i] = key
    nodes[i] = node
    return size + 1


@kernel
def _pop(keys: Any, nodes: Any, size: int) -> int:
    """Take the smallest key, entry 0, off the heap; return the new size."""
    size -= 1
    key = keys[size]
    node = nodes[size]
    i = 0
    while True:
        down = 2 * i + 1
        if down >= size:
            break
        if down + 1 < size and keys[down + 1] < keys[down]:
            down += 1
        if keys[down] >= key:
            break
        keys[i] = keys[down]
        nodes[i] = nodes[down]
        i = down
    keys[i] = key
    nodes[i] = node
    return size


@kernel
def _go_back(u: Any, now: Any, came: Any, begin: Any, end: Any, kept: Any, spare: Any, full: Any) -> Any:
    """Change ``kept`` and ``spare`` along the way from ``now`` to ``u``, as ``came`` tells it; return the last full point."""
    while u != now:
        way = came[u]
        if way == _SPARE:
            spare[u] -= 1
            if spare[u] == 0:
                full = max(full, u)
            u += 1
        elif way == _GIVE_BACK:
            u -= 1
            spare[u] += 1
        elif kept[way]:
            kept[way] = False
            u = end[way]
        else:
            kept[way] = True
            u = begin[way]
    return full


@kernel
def augment(
    capacity: Any,
    begin: Any,
    end: Any,
    worth: Any,
    by_end: Any,
    end_at: Any,
    by_begin: Any,
    begin_at: Any,
    kept: Any,
    height: Any,
) -> None:
    """Fill ``kept`` (False, one per interval) and ``height`` (zeros, one per node) with an optimum and its proof.

    ``by_end`` lists the intervals by end, those that end at t from ``end_at[t]`` on; ``by_begin`` lists them
    by begin, then end.  Only intervals that cover a point.
    """
    points = capacity.shape[0]
    spare = capacity.copy()
    dist = np.full(points + 1, -1, np.int64)
    came = np.zeros(points + 1, np.int64)
    done = np.zeros(points + 1, np.bool_)
    reached = np.zeros(points + 1, np.int64)
    stack = np.zeros(2 * points + 8, np.int64)
    keys = np.zeros(1024, np.int64)
    nodes = np.zeros(1024, np.int64)
    full = -1  # no later point is full
    # node by node: the intervals that end here are kept where that gains something
    for now in range(1, points + 1):
        height[now] = height[now - 1]
        if capacity[now - 1] <= 0:
            full = now - 1
        for x in range(end_at[now], end_at[now + 1]):
            i = by_end[x]
            target = begin[i]
            gain = worth[i] - (height[now] - height[target])
            if gain <= 0:
                continue
            if target > full:  # there is room all the way
                kept[i] = True
                for t in range(target, now):
                    spare[t] -= 1
                    if spare[t] == 0:
                        full = max(full, t)
                continue
            # Dijkstra from ``now`` back to the begin, by reduced costs; ways of cost 0 wait in a stack, the others in a heap
            dist[now] = 0
            reached[0] = now
            many = 1
            stack[0] = now
            top = 1
            size = 0
            least = gain
            found = False
            while top > 0 or size > 0:
                if top > 0:
                    top -= 1
                    v = stack[top]
                else:
                    v = nodes[0]
                    d = keys[0]
                    size = _pop(keys, nodes, size)
                    if d > dist[v]:
                        continue
                if done[v]:
                    continue
                d = dist[v]
                done[v] = True
                if v == target:
                    least = d
                    found = True
                    break
                if size + end_at[v + 1] - end_at[v] + begin_at[v + 1] - begin_at[v] + 8 > keys.shape[0]:
                    keys = np.concatenate((keys, np.zeros(keys.shape[0] + 4096, np.int64)))
                    nodes = np.concatenate((nodes, np.zeros(nodes.shape[0] + 4096, np.int64)))
                first = end_at[v] - 2
                middle = end_at[v + 1]
                for y in range(first, middle + begin_at[v + 1] - begin_at[v]):
                    if y == first:
                        if v == 0 or spare[v - 1] <= 0:
                            continue
                        u = v - 1
                        way = _SPARE
                        far = d
                    elif y == first + 1:
                        if v == now:
                            continue
                        u = v + 1
                        way = _GIVE_BACK
                        far = d + height[u] - height[v]
                    elif y < middle:
                        way = by_end[y]
                        if not kept[way]:
                            continue
                        u = begin[way]
                        far = d + worth[way] - (height[v] - height[u])
                    else:
                        way = by_begin[begin_at[v] + y - middle]
                        u = end[way]
                        if u > now:
                            break
                        # an interval still to be looked at has no place in the proof yet
                        if kept[way] or (u == now and _still_to_come(by_end, x, end_at[now + 1], way)):
                            continue
                        far = d + height[u] - height[v] - worth[way]
                    if far < gain and (dist[u] < 0 or far < dist[u]):
                        if dist[u] < 0:
                            reached[many] = u
                            many += 1
                        dist[u] = far
                        came[u] = way
                        if far == d and top < stack.shape[0]:
                            stack[top] = u
                            top += 1
                        else:
                            size = _push(keys, nodes, size, far, u)
            # raise the heights of what is nearer than the end of the search: reduced costs stay non-negative
            for y in range(many):
                u = reached[y]
                if dist[u] < least:
                    height[u] += least - dist[u]
                dist[u] = -1
                done[u] = False
            if found:
                kept[i] = True
                full = _go_back(target, now, came, begin, end, kept, spare, full)


@kernel
def _still_to_come(by_end: Any, here: int, stop: int, interval: int) -> bool:
    """Return whether an interval is the present one or comes after it."""
    while here < stop and by_end[here] != interval:
        here += 1
    return here < stop


@kernel
def settle(
    height: Any,
    spare: Any,
    low_begin: Any,
    low_end: Any,
    low_worth: Any,
    high_begin: Any,
    high_end: Any,
    high_worth: Any,
    limit: int,
    sweeps: int,
) -> int:
    """Raise ``height`` towards the least solution of ``flow.price``'s differences, by at most ``sweeps`` sweeps.

    Return 0 if it is reached, 1 if there is none, 2 if it is not yet known.  The dropped intervals come sorted by end,
    the kept ones by begin.  ``height`` is modified in place.
    """
    points = spare.shape[0]
    for _ in range(sweeps):
        changed = False
        # forwards: heights never fall, and a dropped interval is worth at most what it would take
        i = 0
        for t in range(1, points + 1):
            here = max(height[t], height[t - 1])
            while i < low_end.shape[0] and low_end[i] == t:
                here = max(here, height[low_begin[i]] + low_worth[i])
                i += 1
            if here != height[t]:
                height[t] = here
                changed = True
        # backwards: a point with room has no price, and a kept interval is worth at least what it takes
        i = high_begin.shape[0] - 1
        for t in range(points - 1, -1, -1):
            here = height[t]
            if spare[t]:
                here = max(here, height[t + 1])
            while i >= 0 and high_begin[i] == t:
                here = max(here, height[high_end[i]] - high_worth[i])
                i -= 1
            if here != height[t]:
                height[t] = here
                changed = True
        if not changed:
            return 0
        if height[0] > limit:
            return 1
    return 2
