"""Twins of the policies with predictions: blind-oracle, lmarker, predictive-marker, guard, dominating."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...core.counts import Counts
from ...core.instance import Instance
from ...core.layout import Grid
from ...policies import dominating
from ...policies.forecast import Forecast
from ...policies.spec import PolicySpec
from .driver import run
from .hooks import behaves, below, inlined, next_bits, seeded

__all__ = ["BLIND", "EVER", "furthest", "play", "state_of"]

KINDS = ("blind-oracle", "lmarker", "predictive-marker", "guard", "dominating")
BLIND, LMARKER, PREDICTIVE, GUARD, DOMINATING = range(5)
EVER = np.int64(0x7FFFFFFFFFFFFFFF)
MOST, SLACK = dominating.MOST, dominating.SLACK
_earlier = inlined(dominating.earlier)
_solve = inlined(dominating.solve)


class Predicted(NamedTuple):
    """The state of all of them: predictions as told so far, marks, causes, chains, guards, and a small game."""

    kind: int
    seed: Any
    key: int
    rng: Any
    # the forecast
    table: Any
    ahead: Any
    ahead_next: Any
    layers: int
    first: Any
    due: Any  # of each page
    row: Any  # event whose row was read last
    # marking
    clock: Any  # of each page's last request
    phase: Any  # clock at which the phase began, and the one before
    queue: Any  # absent members of the event
    queue_last: Any  # the clock of their last request before
    queue_at: Any  # event, next entry, number of entries
    chain: Any  # of pages evicted in this phase, or -1
    length: Any  # evictions of each chain
    chains: Any  # their number
    trust: int
    # guard
    old: Any
    gone: Any
    guarded: Any
    olds: Any  # their number
    # dominating
    layer_of: Any
    rate: Any
    distance: Any
    game: Any
    work: Any
    basis: Any
    weight: Any
    chosen: Any


def play(grid: Grid, spec: PolicySpec, instance: Instance, capacity: int, **options: Any) -> Counts:
    """Replay one pool; see ``driver.run``."""
    policy: Any = spec.make(instance)
    trust = getattr(policy, "_trust", 0)
    seed, key = options["seed"], options["key"]

    def state() -> Predicted:
        return state_of(grid, KINDS.index(spec.base), instance, spec.predictions, trust, seed, key)

    return run(grid, capacity, state, **options)


def state_of(
    grid: Grid, kind: int, instance: Instance, forecast: Forecast, trust: int = 0, seed: int = 0, key: int = 0
) -> Predicted:
    """Return the state of a policy of ``KINDS``."""
    pages, width = grid.pages, grid.shape[2]
    small = MOST if kind == DOMINATING else 1

    def longs(n: int) -> Any:
        return np.zeros(n, np.int64)

    def flags() -> Any:
        return np.zeros(pages, np.bool_)

    return Predicted(
        kind,
        np.uint64(seed & ((1 << 64) - 1)),
        key,
        np.zeros(1, np.uint64),
        np.ascontiguousarray(forecast.due, np.float64),
        np.ascontiguousarray(forecast.ahead, np.float32),
        np.ascontiguousarray(forecast.ahead_next, np.float32),
        instance.layers,
        np.ascontiguousarray(forecast.first, np.int64),
        np.zeros(pages),
        longs(1),
        longs(pages),
        longs(2),
        longs(width + 1),
        longs(width + 1),
        longs(3),
        longs(pages),
        longs(pages + width + 1),
        longs(1),
        trust,
        flags(),
        flags(),
        flags(),
        longs(1),
        np.repeat(np.arange(instance.layers), instance.experts),
        np.zeros(pages),
        longs(pages),
        np.zeros((small, small)),
        np.zeros((small + 1, 2 * small + 1)),
        longs(small),
        np.zeros(small),
        longs(small),
    )


@inlined
def _told(state: Any, page: Any, now: Any) -> None:
    if state.table.shape[0] > 0:
        state.due[page] = state.table[now.event, now.tick - now.start]
    elif state.row[0] != now.event:
        state.row[0] = now.event
        layer = now.layer
        begin = state.first[layer]
        base = now.round * state.layers + layer
        for page_ in range(begin, state.first[layer + 1]):
            state.due[page_] = base + state.layers * np.float64(state.ahead[now.event, page_ - begin])
        if state.ahead_next.shape[0] > 0:
            layer = (now.layer + 1) % state.layers
            begin = state.first[layer]
            base = (now.round - (layer > now.layer)) * state.layers + layer
            for page_ in range(begin, state.first[layer + 1]):
                state.due[page_] = base + state.layers * np.float64(state.ahead_next[now.event, page_ - begin])


@inlined
def _requested(state: Any, page: Any, now: Any) -> None:
    _told(state, page, now)
    state.clock[page] = now.clock
    if state.old[page]:
        state.old[page] = False
        state.olds[0] -= 1


def _hit(state: Any, page: Any, now: Any) -> None:
    _requested(state, page, now)


def _miss(state: Any, page: Any, now: Any) -> None:
    at = state.queue_at
    if at[0] != now.event:
        at[0] = now.event
        at[1] = 0
        at[2] = 0
    state.queue[at[2]] = page
    state.queue_last[at[2]] = state.clock[page]
    at[2] += 1
    _requested(state, page, now)


@inlined
def _cause(state: Any, now: Any) -> Any:
    """Return the place in the queue of the member on whose behalf something is evicted now; -1 for none."""
    at = state.queue_at
    if at[0] != now.event:
        return -1
    place = at[1]
    if at[1] + 1 < at[2]:
        at[1] += 1
    return place


@inlined
def _ends(state: Any) -> None:
    for page in range(state.chain.shape[0]):
        state.chain[page] = -1
    state.chains[0] = 0


def _victim(state: Any, resident: Any, guard: Any, now: Any) -> Any:
    if state.kind == BLIND:
        return furthest(state, resident, guard, now, EVER, False)
    if state.kind == GUARD:
        return _guard_victim(state, resident, guard, now)
    if state.kind == DOMINATING:
        return _dominating_victim(state, resident, guard, now)
    n = 0
    limit = state.phase[0]
    for _ in range(2):
        for page in range(resident.shape[0]):
            n += resident[page] and guard[page] != now.stamp and state.clock[page] < limit
        if n > 0:
            break
        if state.phase[0] < now.clock:
            state.phase[1] = state.phase[0]
            state.phase[0] = now.clock
        if state.kind == PREDICTIVE:
            _ends(state)
        limit = state.phase[0]
    if n == 0:
        n = now.free
        limit = EVER
    place = _cause(state, now)
    if state.kind == LMARKER:
        last = state.queue_last[place] if place >= 0 else -1
        if state.phase[1] <= last and last < state.phase[0]:
            return _drawn(state, resident, guard, now, limit, n)
        return furthest(state, resident, guard, now, limit, False)
    chain = state.chain[state.queue[place]] if place >= 0 else -1
    if chain < 0:
        chain = state.chains[0]
        state.length[chain] = 0
        state.chains[0] += 1
    state.length[chain] += 1
    if state.length[chain] > state.trust:
        gone = _drawn(state, resident, guard, now, limit, n)
    else:
        gone = furthest(state, resident, guard, now, limit, False)
    state.chain[gone] = chain
    return gone


@inlined
def _drawn(state: Any, resident: Any, guard: Any, now: Any, limit: Any, n: Any) -> Any:
    left = below(state.rng, n)
    page = 0
    while True:
        if resident[page] and guard[page] != now.stamp and state.clock[page] < limit:
            if left == 0:
                return page
            left -= 1
        page += 1


@inlined
def furthest(state: Any, resident: Any, guard: Any, now: Any, limit: Any, unguarded: Any) -> Any:
    """Return the page that may go whose predicted use is furthest, of those last used before ``limit``."""
    best = -1
    for page in range(resident.shape[0]):
        if resident[page] and guard[page] != now.stamp and state.clock[page] < limit:
            if unguarded and state.guarded[page]:
                continue
            if best < 0 or state.due[page] > state.due[best]:
                best = page
    return best


@inlined
def _guard_victim(state: Any, resident: Any, guard: Any, now: Any) -> Any:
    pages = resident.shape[0]
    if state.olds[0] == 0:
        for page in range(pages):
            state.gone[page] = False
            state.guarded[page] = False
            free = resident[page] and guard[page] != now.stamp
            if free and state.clock[page] < now.clock:
                state.old[page] = True
                state.olds[0] += 1
    place = _cause(state, now)
    cause = state.queue[place] if place >= 0 else 0
    n = 0
    if place >= 0 and state.gone[cause]:
        for page in range(pages):
            n += resident[page] and guard[page] != now.stamp and state.old[page]
    if n > 0:
        state.guarded[cause] = True
        left = below(state.rng, n)
        page = 0
        while True:
            if resident[page] and guard[page] != now.stamp and state.old[page]:
                if left == 0:
                    break
                left -= 1
            page += 1
    else:
        page = furthest(state, resident, guard, now, EVER, True)
        if page < 0:
            page = furthest(state, resident, guard, now, EVER, False)
    if state.old[page]:
        state.old[page] = False
        state.olds[0] -= 1
    state.gone[page] = True
    return page


@inlined
def _before(state: Any, page: Any, other: Any) -> Any:
    return _earlier(state.rate[page], state.distance[page], state.rate[other], state.distance[other])


@inlined
def _dominating_victim(state: Any, resident: Any, guard: Any, now: Any) -> Any:
    pages = resident.shape[0]
    best = -1
    step = now.round * state.layers + now.layer
    for page in range(pages):
        if resident[page] and guard[page] != now.stamp:
            distance = (state.layer_of[page] - now.layer - 1) % state.layers + 1
            rounds = (state.due[page] - step - distance) / state.layers
            state.rate[page] = 1.0 / (1.0 + max(rounds, 0.0))
            state.distance[page] = distance
            if best < 0 or _before(state, page, best) < 0.5:
                best = page
    state.chosen[0] = best
    state.weight[0] = 1.0
    size = 1
    while True:
        worst = -1
        most = 0.5 + SLACK
        for page in range(pages):
            if resident[page] and guard[page] != now.stamp:
                chance = 0.0
                for i in range(size):
                    chance += state.weight[i] * _before(state, state.chosen[i], page)
                if chance > most:
                    worst = page
                    most = chance
        known = False
        for i in range(size):
            known = known or state.chosen[i] == worst
        if worst < 0 or known or size == MOST:
            break
        state.chosen[size] = worst
        size += 1
        for i in range(size):
            for j in range(size):
                state.game[j, i] = 0.5 if i == j else _before(state, state.chosen[i], state.chosen[j])
        _solve(size, state.game, state.work, state.basis, state.weight)
    several = 0
    for i in range(size):
        several += state.weight[i] > 0.0
    left = 0.0
    if several > 1:
        left = np.float64(next_bits(state.rng) >> np.uint64(11)) * (1.0 / (1 << 53))
    page = best
    for i in range(size):
        if state.weight[i] > 0.0:
            page = state.chosen[i]
            left -= state.weight[i]
            if left < 0.0:
                break
    return page


def _reset(state: Any, session: Any) -> None:
    state.rng[0] = seeded(state.seed, session, state.key)
    state.row[0] = -1
    state.clock[:] = -1
    state.phase[:] = 0
    state.queue_at[0] = -1
    state.olds[0] = 0
    state.old[:] = False
    state.gone[:] = False
    state.guarded[:] = False
    _ends(state)


def _clear(state: Any, now: Any) -> None:
    state.phase[:] = now.clock
    state.olds[0] = 0
    state.old[:] = False
    state.gone[:] = False
    state.guarded[:] = False
    _ends(state)


behaves(Predicted, hit=_hit, miss=_miss, victim=_victim, reset=_reset, clear=_clear)
