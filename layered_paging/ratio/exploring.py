"""Exploring a graph or a game: by plain Python while that is cheaper than compiling, with the same answer to the last number."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np

from ..core.rented import Rented

__all__ = ["explore", "explore_plainly", "play"]

_EXPLORE = Rented(f"{__package__}.kernels", "explore", 1.6)
_PLAY = Rented(f"{__package__}.game_kernels", "play", 2.0)
ARC, ANSWER = 2e-6, 6e-5  # seconds of plain Python for each arc of a graph, and for each answer of a game


def explore(*tables: Any, slots: int, bypass: bool, limit: int, seen: Any) -> Any:
    """Return what ``kernels.explore`` does."""
    return _cheaper(_EXPLORE, (*tables, slots, bypass), limit, seen, ARC, explore_plainly)


def play(first: Any, slots: int, turn: bool, limit: int, seen: Any) -> Any:
    """Return what ``game_kernels.play`` does."""
    return _cheaper(_PLAY, (first, slots, turn), limit, seen, ANSWER, None)


def _cheaper(
    kernel: Rented, given: tuple[Any, ...], limit: int, seen: Any, price: float, by: Callable[..., Any] | None
) -> Any:
    """Explore plainly as far as the rent that is left reaches; begin again with the kernel where that is not enough."""
    most = min(limit, int(kernel.left() / price))
    if most > 0:
        found = kernel.plain(*given, most, seen, by=by)
        if len(found[1]) or most == limit or seen[2]:
            return found
    return kernel.compiled(*given, limit, seen)


def explore_plainly(*given: Any) -> Any:
    """Return what ``kernels.explore`` does, which says what the arguments are."""
    layer, nxt, misses, moved, groups, events, counts, slots, bypass, limit, seen = given
    pages = moved.shape[2]
    low = (1 << pages) - 1
    layers, masks, number = layer.tolist(), events.tolist(), counts.tolist()
    nodes, known = [0], {0: 0}
    first, targets, costs, opts, which = list[int](), list[int](), list[int](), list[int](), list[int]()
    settled: dict[tuple[int, int], _Settled] = {}
    answers: dict[tuple[int, int], tuple[int, ...]] = {}
    for at, node in enumerate(nodes):
        first.append(len(targets))
        s, mask = node >> pages, node & low
        here = layers[s]
        for e in range(number[here]):
            event = masks[here][e]
            if (s, e) not in settled:
                t = int(nxt[s, e])
                settled[s, e] = _Settled(t << pages, moved[s, e].tolist(), groups[t].tolist(), int(misses[s, e]))
            then = settled[s, e]
            joined = mask | event
            opt = (event & ~mask).bit_count()
            spare, need = joined if bypass else mask & ~event, max(0, joined.bit_count() - slots)
            if (spare, need) not in answers:
                answers[spare, need] = _answers(spare, need)
            begin = len(targets)
            for gone in answers[spare, need]:
                key = then[joined & ~gone]
                if key not in known:
                    known[key] = len(nodes)
                    nodes.append(key)
                target = known[key]
                if target not in targets[begin:]:
                    targets.append(target)
            fresh = len(targets) - begin
            costs += [then.misses] * fresh
            opts += [opt] * fresh
            which += [e] * fresh
        seen[0], seen[1] = at + 1, len(nodes)
        if len(targets) > limit or seen[2]:
            nodes, first, targets, costs, opts, which = [], [], [], [], [], []
            break
    else:
        first.append(len(targets))
    return (
        np.array(nodes, np.int64), np.array(first, np.int64), np.array(targets, np.int32),
        np.array(costs, np.int64).astype(np.int32), np.array(opts, np.int8), np.array(which, np.int16),
    )  # fmt: skip


class _Settled(dict[int, int]):
    """The nodes that one event of one state leads to, by the offline cache before its places are settled."""

    def __init__(self, base: int, moved: list[int], groups: list[int], misses: int) -> None:
        self._base, self.misses = base, misses
        self._runs: list[tuple[int, int]] = []  # first place of a run of equals, and the places that it comes from
        at = 0
        while at < len(groups):
            self._runs.append((at, sum(1 << place for place in moved[at : groups[at]])))
            at = groups[at]

    def __missing__(self, kept: int) -> int:
        key = self._base
        for at, run in self._runs:
            key |= ((1 << (kept & run).bit_count()) - 1) << at
        self[kept] = key
        return key


def _answers(spare: int, need: int) -> tuple[int, ...]:
    """Return the sets of ``need`` places of ``spare``, in the order of the kernel: single places from below, sets from above."""
    places = [1 << i for i in range(spare.bit_length()) if spare >> i & 1]
    if need <= 1:
        return tuple(places) if need else (0,)
    return tuple(sorted((sum(some) for some in combinations(places, need)), reverse=True))
