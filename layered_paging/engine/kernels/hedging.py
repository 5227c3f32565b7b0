"""Twin of hedge: LLRU and BlindOracle on simulated caches beside the one that counts."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...core.counts import Counts
from ...core.instance import Instance
from ...core.layout import Grid
from ...policies.spec import PolicySpec
from .driver import run
from .hooks import Now, behaves, inlined, on_hit, on_reset
from .predicted import BLIND, EVER, furthest, state_of

__all__ = ["COUNTS", "LAYER", "LEAD", "MEMBERS", "MISSES", "OPEN", "ROUND", "STAMP", "play", "recent_victim"]

# places in ``n``
ROUND, LAYER, STAMP, MEMBERS, OPEN, LEAD, COUNTS, MISSES = 0, 1, 2, 3, 4, 5, 6, 8


class Hedge(NamedTuple):
    """BlindOracle, what LLRU needs, what either holds, and counts."""

    slots: int
    patience: int
    layers: int
    oracle: Any
    round: Any
    layer_of: Any
    recent: Any  # held by LLRU
    trusted: Any  # held by BlindOracle
    guard: Any
    last: Any
    n: Any


def play(grid: Grid, spec: PolicySpec, instance: Instance, capacity: int, **options: Any) -> Counts:
    """Replay one pool; see ``driver.run``."""
    policy: Any = spec.make(instance)
    pages = grid.pages

    def state() -> Any:
        return Hedge(
            instance.slots,
            policy._patience,
            instance.layers,
            state_of(grid, BLIND, instance, spec.predictions),
            np.zeros(pages, np.int64),
            np.repeat(np.arange(instance.layers), instance.experts),
            np.zeros(pages, np.bool_),
            np.zeros(pages, np.bool_),
            np.zeros(pages, np.int64),
            np.zeros(pages, np.int64),
            np.zeros(10, np.int64),
        )

    return run(grid, capacity, state, **options)


@inlined
def recent_victim(state: Any) -> Any:
    """Return the page that LLRU lets go of its simulated cache."""
    n = state.n
    best = -1
    rounds = -1
    distance = 0
    for page in range(state.recent.shape[0]):
        if state.recent[page] and state.guard[page] != n[STAMP]:
            layer = state.layer_of[page]
            r = n[ROUND] - state.round[page] - (1 if layer > n[LAYER] else 0)
            d = layer - n[LAYER] if layer > n[LAYER] else layer - n[LAYER] + state.layers
            if r > rounds or (r == rounds and d > distance):
                best = page
                rounds = r
                distance = d
    return best


@inlined
def _settle(state: Any) -> None:
    n = state.n
    if n[OPEN] == 0:
        return
    n[OPEN] = 0
    room = max(state.slots, n[MEMBERS])
    while n[COUNTS] > room:
        state.recent[recent_victim(state)] = False
        n[COUNTS] -= 1
    while n[COUNTS + 1] > room:
        now = Now(0, n[ROUND], n[LAYER], 0, 0, n[STAMP], n[STAMP], 0)
        state.trusted[furthest(state.oracle, state.trusted, state.guard, now, EVER, False)] = False
        n[COUNTS + 1] -= 1
    lead = n[LEAD]
    if n[MISSES + lead] - n[MISSES + 1 - lead] >= state.patience:
        n[LEAD] = 1 - lead


def _use(state: Any, page: Any, now: Any) -> None:
    n = state.n
    if n[OPEN] == 1 and (n[ROUND] != now.round or n[LAYER] != now.layer):
        _settle(state)
    if n[OPEN] == 0:
        n[OPEN] = 1
        n[ROUND] = now.round
        n[LAYER] = now.layer
        n[STAMP] += 1
        n[MEMBERS] = 0
    if state.guard[page] != n[STAMP]:
        n[MEMBERS] += 1
        state.guard[page] = n[STAMP]
    state.last[page] = now.clock
    state.round[page] = now.round
    on_hit(state.oracle, page, now)
    if not state.recent[page]:
        state.recent[page] = True
        n[COUNTS] += 1
        n[MISSES] += 1
    if not state.trusted[page]:
        state.trusted[page] = True
        n[COUNTS + 1] += 1
        n[MISSES + 1] += 1


def _victim(state: Any, resident: Any, guard: Any, now: Any) -> Any:
    _settle(state)
    trusts = state.n[LEAD] == 1
    best = -1
    kept = True
    for page in range(resident.shape[0]):
        if resident[page] and guard[page] != now.stamp:
            held = state.trusted[page] if trusts else state.recent[page]
            if best < 0 or (kept and not held) or (held == kept and state.last[page] < state.last[best]):
                best = page
                kept = held
    return best


def _reset(state: Any, session: Any) -> None:
    state.n[:] = 0
    state.n[LEAD] = 1
    state.recent[:] = False
    state.trusted[:] = False
    state.guard[:] = 0
    on_reset(state.oracle, session)


def _clear(state: Any, now: Any) -> None:
    _settle(state)
    state.recent[:] = False
    state.trusted[:] = False
    state.n[COUNTS] = 0
    state.n[COUNTS + 1] = 0


behaves(Hedge, hit=_use, miss=_use, victim=_victim, reset=_reset, clear=_clear)
