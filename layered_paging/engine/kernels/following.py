"""Twin of follow for its default pair: LLRU and similar-rounds on simulated caches beside the one that counts.

Other pairs have none.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

from ...core.counts import Counts
from ...core.instance import Instance
from ...core.layout import Grid
from ...policies.names import resolve
from ...policies.spec import PolicySpec
from .driver import run
from .hedging import COUNTS, LAYER, LEAD, MEMBERS, MISSES, OPEN, ROUND, STAMP, recent_victim
from .hooks import Now, behaves
from .similar import _clear_all, _evict, _serve, _start, state_of

__all__ = ["play"]


class Following(NamedTuple):
    """What either policy knows and holds, the event that is not yet played, and counts."""

    slots: int
    patience: int
    layers: int
    similar: Any
    where: Any  # of a page, in ``similar.away``
    first: Any
    layer_of: Any
    round: Any
    recent: Any  # held by LLRU
    guard: Any
    last: Any
    event: Any  # experts, -1 after the last one
    n: Any


def play(grid: Grid, spec: PolicySpec, instance: Instance, capacity: int, **options: Any) -> Counts:
    """Replay one pool; see ``driver.run``."""
    policy: Any = spec.make(instance)
    pages = grid.pages

    def state() -> Any:
        similar = state_of(grid, resolve("similar-rounds"), instance)
        layer_of = np.repeat(np.arange(instance.layers), instance.experts)
        first = np.asarray(instance.first[: instance.layers], np.int64)
        return Following(
            instance.slots,
            policy._patience,
            instance.layers,
            similar,
            np.arange(pages) - first[layer_of] + layer_of * similar.width,
            first,
            layer_of,
            np.zeros(pages, np.int64),
            np.zeros(pages, np.bool_),
            np.zeros(pages, np.int64),
            np.zeros(pages, np.int64),
            np.full((1, 1, similar.most), -1),
            np.zeros(10, np.int64),
        )

    return run(grid, capacity, state, **options)


@numba.njit(error_model="numpy", _nrt=False)
def _settle(state: Any) -> None:
    n = state.n
    if n[OPEN] == 0:
        return
    n[OPEN] = 0
    room = max(state.slots, n[MEMBERS])
    for i in range(n[MEMBERS]):
        page = state.first[n[LAYER]] + state.event[0, 0, i]
        state.guard[page] = n[STAMP]
        state.round[page] = n[ROUND]
        if not state.recent[page]:
            state.recent[page] = True
            n[COUNTS] += 1
            n[MISSES] += 1
    while n[COUNTS] > room:
        state.recent[recent_victim(state)] = False
        n[COUNTS] -= 1
    missing = _serve(state.similar, Now(0, n[ROUND], n[LAYER], 0, 0, 0, 0, 0), state.event, 0, 0, True)
    n[COUNTS + 1] += missing
    n[MISSES + 1] += missing
    while n[COUNTS + 1] > room:
        _evict(state.similar)
        n[COUNTS + 1] -= 1
    state.event[:] = -1
    lead = n[LEAD]
    if n[MISSES + lead] - n[MISSES + 1 - lead] >= state.patience:
        n[LEAD] = 1 - lead


def _use(state: Any, page: Any, now: Any) -> None:
    state.last[page] = now.clock


def _served(state: Any, now: Any, experts: Any, row: Any, column: Any, guard: Any) -> None:
    n = state.n
    for i in range(experts.shape[2]):
        expert = experts[row, column, i]
        if expert >= 0:
            if n[OPEN] == 0 or n[ROUND] != now.round or n[LAYER] != now.layer:
                _settle(state)
                n[OPEN] = 1
                n[ROUND] = now.round
                n[LAYER] = now.layer
                n[STAMP] += 1
                n[MEMBERS] = 0
            state.event[0, 0, n[MEMBERS]] = expert
            n[MEMBERS] += 1


def _victim(state: Any, resident: Any, guard: Any, now: Any) -> Any:
    _settle(state)
    second = state.n[LEAD] == 1
    best = -1
    kept = True
    for page in range(resident.shape[0]):
        if resident[page] and guard[page] != now.stamp:
            held = state.similar.away[state.where[page]] == 0 if second else state.recent[page]
            if best < 0 or (kept and not held) or (held == kept and state.last[page] < state.last[best]):
                best = page
                kept = held
    return best


def _reset(state: Any, session: Any) -> None:
    state.n[:] = 0
    state.n[LEAD] = 1
    state.recent[:] = False
    state.guard[:] = 0
    state.event[:] = -1
    _start(state.similar)


def _clear(state: Any, now: Any) -> None:
    _settle(state)
    state.recent[:] = False
    state.n[COUNTS] = 0
    state.n[COUNTS + 1] = 0
    _clear_all(state.similar)


behaves(Following, hit=_use, miss=_use, served=_served, victim=_victim, reset=_reset, clear=_clear)
