"""Compiled loops over *rows*: what an event saves by being done within a time, and the experts that this needs.

Row r belongs to an event of ``user[r]`` and is worth ``gain[r]``.  Its needs are ``page[first[r]:first[r + 1]]``.  It is won when each
of them is at some server that takes the user at most ``limit[r]`` nanoseconds.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..core.compiled import kernel


class Written(NamedTuple):
    """Where rows are written: see the head of this module."""

    user: Any
    gain: Any
    limit: Any
    first: Any
    page: Any


@kernel
def rows(
    level_start: Any,
    levels: Any,
    near: Any,
    start: Any,
    members: Any,
    user: Any,
    weight: Any,
    base: Any,
    fill: Any,
    out: Written,
) -> Any:
    """Return (rows, needs); write them to ``out`` if ``fill``.  ``levels`` are a user's possible latencies, ascending."""
    number = 0
    needs = 0
    for e in range(len(start) - 1):
        m = user[e]
        # between no server's help and its fastest server: each level is a row, worth the step to the next one
        slowest = 0
        for slot in range(start[e], start[e + 1]):
            slowest = max(slowest, base[slot])
        least = near[m].min() if near.shape[1] else 1 << 60
        for k in range(level_start[m], level_start[m + 1]):
            t = levels[k]
            if t >= slowest:
                break
            if t < least:
                continue
            then = min(slowest, levels[k + 1]) if k + 1 < level_start[m + 1] else slowest
            if fill:
                out.user[number] = m
                out.gain[number] = weight[e] * (then - t)
                out.limit[number] = t
                out.first[number] = needs
            # its needs: the members that take longer than the level without servers
            for slot in range(start[e], start[e + 1]):
                if base[slot] > t:
                    if fill:
                        out.page[needs] = members[slot]
                    needs += 1
            number += 1
    if fill:
        out.first[number] = needs
    return number, needs


@kernel
def charges(prices: Any, user: Any, limit: Any, first: Any, page: Any, near: Any, charge: Any) -> None:
    """Add up what each server would be paid for each expert: the prices of all needs that it would meet."""
    charge[:] = 0
    for r in range(len(user)):
        for n in range(near.shape[1]):
            if near[user[r], n] <= limit[r]:
                for j in range(first[r], first[r + 1]):
                    charge[n, page[j]] += prices[j]


@kernel
def step(
    prices: Any, length: Any, taken: Any, user: Any, gain: Any, limit: Any, first: Any, page: Any, near: Any
) -> Any:
    """Move prices against the subgradient of the bound, staying at 0 or above; return its squared length."""
    norm = 0.0
    for r in range(len(user)):
        total = 0.0
        for j in range(first[r], first[r + 1]):
            total += prices[j]
        # a row whose prices are below its gain wants its needs met; taken are the shares of the relaxed knapsacks
        wanted = 1.0 if total < gain[r] else 0.0
        for j in range(first[r], first[r + 1]):
            offered = 0.0
            for n in range(near.shape[1]):
                if near[user[r], n] <= limit[r]:
                    offered += taken[n, page[j]]
            slope = offered - wanted
            if length == 0.0:
                if prices[j] > 0 or slope < 0:
                    norm += slope * slope
            else:
                prices[j] = max(0.0, prices[j] - length * slope)
    return norm


@kernel
def surplus(prices: Any, gain: Any, first: Any) -> Any:
    """Return the sum over rows of what the gain exceeds the prices of its needs by."""
    total = 0
    for r in range(len(gain)):
        paid = 0
        for j in range(first[r], first[r + 1]):
            paid += prices[j]
        if gain[r] > paid:
            total += gain[r] - paid
    return total
