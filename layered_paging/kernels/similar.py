"""Twin of similar-rounds.

``future`` holds a byte for each page and round: bit 7 says that the page was used in the round after it,
bit 6 in the one after that, and so on.  A row is written from its end to its start, so that the byte of
the round ``age`` rounds ago is always at ``n[AT] + age``; when the start is reached the row moves up.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..compiled import leading_zeros
from ..errors import ParameterError
from ..grid import Grid
from ..instance import Instance
from ..policies.similar_rounds import CLOSE, DOWN, LANES, NEIGHBOURS, RATE, RECENT, UP
from ..policy import PolicySpec
from ..reference import Counts
from .driver import run
from .hooks import behaves, inlined

__all__ = ["play", "state_of"]

# places in ``n``
ROUND, LAYER, START, WIDTH, BEFORE, SETTLED, AT, FULL, MEMBERS, ASKED, EPOCH, SCALE, TICK, WAIT, SHIELD = range(15)
_NONE = np.int64(1 << 62)


class Similar(NamedTuple):
    """What the policy knows; pages held are listed by layer."""

    layers: int
    memory: int
    distance: int
    similar: int
    recent: int
    frequent: int
    n: Any
    future: Any
    count: Any
    value: Any
    common: Any
    like: Any
    age: Any
    weight: Any
    lane: Any
    held: Any  # pages, those of a layer from its first page on
    size: Any
    place: Any
    first: Any
    key: Any  # of each layer: the order of the page of smallest value (without the present time), and the layer
    page: Any  # that page
    tick: Any  # when it was last served, later by two turns for each turn without an event
    close: Any
    recently: Any
    up: Any
    down: Any
    rate: Any


def play(grid: Grid, spec: PolicySpec, instance: Instance, capacity: int, **options: Any) -> Counts:
    """Replay one pool; see ``driver.run``."""
    return run(grid, capacity, lambda: state_of(grid, spec, instance), **options)


def state_of(grid: Grid, spec: PolicySpec, instance: Instance) -> Similar:
    """Return a new state.

    Raises
    ------
    ParameterError
        Likeness would not fit into 31 bits, or the order of pages into 63.
    """
    policy: Any = spec.make(instance)
    pages, memory, layers = grid.pages, policy.memory, instance.layers
    similar, recent, frequent = policy.weights
    _, columns, width = grid.shape
    part = width * columns // len(np.unique(grid.layer)) * max(1, columns // 8)  # members that are compared at once
    if part * 64 << 12 >= 1 << 31 or layers >= 1 << 16 or grid.shape[0] * layers >= 1 << 35:
        raise ParameterError(
            f"{spec.name}: a trace of {grid.shape[0]} rounds, {layers} layers and events of {grid.shape[2]} members is too large for the compiled kernel; use engine 'reference'"
        )

    def longs(size: int) -> Any:
        return np.zeros(size, np.int64)

    return Similar(
            layers, memory, int(policy.distance), similar, recent, frequent, longs(16),
            np.zeros((pages, 2 * memory + 16), np.uint8), longs(pages), longs(pages),
            np.zeros(memory, np.uint8 if part < 256 else np.uint16), np.zeros(memory, np.int32), longs(NEIGHBOURS), longs(NEIGHBOURS),
            np.zeros(LANES, np.int32), longs(pages), longs(layers), longs(pages), np.array(instance.first, np.int64),
            longs(layers), longs(layers), longs(layers), np.array(CLOSE), np.array(RECENT), np.array(UP), np.array(DOWN), np.array(RATE),
        )  # fmt: skip


@inlined
def _u(index: Any) -> Any:
    """Return an index that is known not to be negative."""
    return np.uint64(index)


@inlined
def _advance(state: Any, rounds: Any) -> None:
    n = state.n
    memory = state.memory
    if rounds > memory + 8:
        state.future[:] = 0
        n[AT] = memory
        return
    for _ in range(rounds):
        if n[AT] == 0:
            for page in range(state.future.shape[0]):
                row = state.future[page]
                for i in range(memory + 16):
                    row[memory + 15 + memory - i] = row[memory + 15 - i]
                for i in range(memory):
                    row[i] = 0
            n[AT] = memory
        n[AT] -= 1


@inlined
def _compare(state: Any) -> None:
    lane = state.lane
    like = state.like
    common = state.common
    for age in range(state.memory):
        like[age] += (np.int32(common[age]) << np.int32(4)) - (like[age] >> np.int32(2))
    for age in range(state.memory):
        common[age] = 0
    state.n[FULL] += 16 * state.n[MEMBERS] - (state.n[FULL] >> 2)
    state.n[MEMBERS] = 0
    for k in range(LANES):
        most = np.int32(0)
        for i in range(state.memory // LANES):
            most = max(most, (like[i * LANES + k] << np.int32(12)) + (np.int32(4095) - np.int32(i * LANES + k)))
        lane[k] = most
    best = state.age
    for k in range(LANES):
        one = np.int64(lane[k])
        if k < NEIGHBOURS or one > best[NEIGHBOURS - 1]:
            i = min(k, NEIGHBOURS - 1)
            while i > 0 and best[_u(i - 1)] < one:
                best[_u(i)] = best[_u(i - 1)]
                i -= 1
            best[_u(i)] = one
    top = best[0] >> 12
    share = (1 << 24) // max(1, state.n[FULL])
    total = 0
    for k in range(NEIGHBOURS):
        state.weight[k] = state.close[_u(min(256, ((top - (best[k] >> 12)) * share) >> 16))]
        total += state.weight[k]
        best[k] = 4095 - (best[k] & 4095)
    share = (1 << 24) // total
    for k in range(NEIGHBOURS):
        state.weight[k] = (state.weight[k] * share) >> 16


@inlined
def _rank(state: Any, layer: Any, low: Any, lowest: Any) -> None:
    state.page[_u(layer)] = lowest
    if lowest < 0:
        state.key[_u(layer)] = _NONE
    else:
        power = 63 - np.int64(leading_zeros(np.uint64(low)))
        log = (power << 8) + (((low << 8) >> power) & 255)
        state.key[_u(layer)] = ((log * state.layers - 256 * state.distance * state.tick[_u(layer)]) << 16) + layer


@inlined
def _settle(state: Any) -> None:
    n = state.n
    if n[SETTLED] == 1:
        return
    n[SETTLED] = 1
    n[WAIT] -= 1
    if n[WAIT] <= 0:
        _compare(state)
        n[WAIT] = max(1, n[BEFORE] >> 3)
    layer = n[LAYER]
    state.tick[_u(layer)] = n[TICK]
    at = n[AT]
    scale = n[SCALE]
    low = _NONE
    lowest = -1
    begin = state.first[_u(layer)]
    weight = state.weight
    w0, w1, w2, w3 = weight[0], weight[1], weight[2], weight[3]
    w4, w5, w6, w7 = weight[4], weight[5], weight[6], weight[7]
    age = state.age
    a0, a1, a2, a3 = _u(at + age[0]), _u(at + age[1]), _u(at + age[2]), _u(at + age[3])
    a4, a5, a6, a7 = _u(at + age[4]), _u(at + age[5]), _u(at + age[6]), _u(at + age[7])
    lately = _u(at + 8)
    for i in range(begin, begin + state.size[_u(layer)]):
        page = state.held[_u(i)]
        row = state.future[_u(page)]
        similar = (
            w0 * np.int64(row[a0]) + w1 * np.int64(row[a1]) + w2 * np.int64(row[a2]) + w3 * np.int64(row[a3])
            + w4 * np.int64(row[a4]) + w5 * np.int64(row[a5]) + w6 * np.int64(row[a6]) + w7 * np.int64(row[a7])
        )  # fmt: skip
        often = (state.count[_u(page)] * scale) >> 16
        value = state.similar * (similar << 1) + state.recent * state.recently[_u(row[lately])] + state.frequent * often
        value |= 1
        state.value[_u(page)] = value
        if value < low or (value == low and page < lowest):
            low = value
            lowest = page
    _rank(state, layer, low, lowest)


@inlined
def _lowest(state: Any, layer: Any) -> None:
    low = _NONE
    lowest = -1
    begin = state.first[_u(layer)]
    for i in range(begin, begin + state.size[_u(layer)]):
        page = state.held[_u(i)]
        value = state.value[_u(page)]
        if value < low or (value == low and page < lowest):
            low = value
            lowest = page
    _rank(state, layer, low, lowest)


@inlined
def _lowest_free(state: Any, layer: Any, guard: Any, stamp: Any) -> None:
    low = _NONE
    lowest = -1
    begin = state.first[_u(layer)]
    for i in range(begin, begin + state.size[_u(layer)]):
        page = state.held[_u(i)]
        value = state.value[_u(page)]
        if guard[_u(page)] != stamp and (value < low or (value == low and page < lowest)):
            low = value
            lowest = page
    _rank(state, layer, low, lowest)


@inlined
def _pass(state: Any, passed: Any) -> None:
    """So many layers were passed without an event."""
    layers = state.layers
    for layer in range(layers):
        first = (layer - state.n[TICK] - 1) % layers
        if state.size[_u(layer)] > 0 and first < passed:
            turns = (passed - 1 - first) // layers + 1
            state.tick[_u(layer)] += 2 * layers * turns
            state.key[_u(layer)] -= (512 * layers * turns * state.distance) << 16


@inlined
def _begin(state: Any, now: Any) -> None:
    n = state.n
    _settle(state)
    if n[ASKED] == 1:
        _lowest(state, n[LAYER])
    if now.round != n[ROUND]:
        if n[WIDTH] == 0:
            n[START] = now.round
        else:
            _advance(state, now.round - n[ROUND])
        n[BEFORE] = n[WIDTH]
        n[WIDTH] = 0
        since = now.round - n[START]
        while n[EPOCH] < since >> 8:
            n[EPOCH] += 1
            for page in range(state.count.shape[0]):
                state.count[page] >>= 8
        n[SCALE] = (state.down[since & 255] * state.rate[min(since, 1023)]) >> 16
        n[ROUND] = now.round
    n[LAYER] = now.layer
    tick = now.round * state.layers + now.layer
    passed = tick - n[TICK] - 1
    if passed > 0 and n[WIDTH] + n[BEFORE] > 0:
        _pass(state, passed)
    n[TICK] = tick
    n[SETTLED] = 0
    n[ASKED] = 0
    n[WIDTH] += 1


@inlined
def _use(state: Any, page: Any, now: Any) -> None:
    n = state.n
    if n[ROUND] != now.round or n[LAYER] != now.layer or n[SETTLED] == 1:
        _begin(state, now)
    at = n[AT]
    row = state.future[_u(page)]
    past = row[at + 1 : at + 1 + state.memory]
    common = state.common
    for age in range(state.memory):
        common[age] += np.uint8(past[age] >> np.uint8(7))
    future = row[at + 1 : at + 9]
    for i in range(8):
        future[i] |= np.uint8(128 >> i)
    state.count[_u(page)] += state.up[_u((now.round - n[START]) & 255)]
    n[MEMBERS] += 1


@inlined
def _smallest(keys: Any) -> Any:
    least = _NONE
    for layer in range(keys.shape[0]):
        least = min(least, keys[layer])
    return least & 65535


def _hit(state: Any, page: Any, now: Any) -> None:
    _use(state, page, now)


def _miss(state: Any, page: Any, now: Any) -> None:
    _use(state, page, now)
    layer = now.layer
    place = state.first[_u(layer)] + state.size[_u(layer)]
    state.place[_u(page)] = place
    state.held[_u(place)] = page
    state.size[_u(layer)] += 1


def _victim(state: Any, resident: Any, guard: Any, now: Any) -> Any:
    n = state.n
    _settle(state)
    if n[ASKED] == 1 and n[SHIELD] != now.event:
        _lowest(state, n[LAYER])
        n[ASKED] = 0
    tick = now.round * state.layers + now.layer
    if tick != n[TICK]:  # an event without members, and an earlier one did not fit
        _pass(state, tick - n[TICK])
        n[TICK] = tick
    keys = state.key[: state.layers]
    chosen = _smallest(keys)
    page = state.page[_u(chosen)]
    if guard[_u(page)] == now.stamp:
        n[ASKED] = 1
        n[SHIELD] = now.event
        _lowest_free(state, now.layer, guard, now.stamp)
        chosen = _smallest(keys)
        page = state.page[_u(chosen)]
    end = state.first[_u(chosen)] + state.size[_u(chosen)] - 1
    moved = state.held[_u(end)]
    state.held[_u(state.place[_u(page)])] = moved
    state.place[_u(moved)] = state.place[_u(page)]
    state.size[_u(chosen)] -= 1
    if chosen == now.layer:
        if n[ASKED] == 1:
            _lowest_free(state, chosen, guard, now.stamp)
        else:
            _lowest(state, chosen)
    else:
        _lowest(state, chosen)
    return page


def _reset(state: Any, session: Any) -> None:
    state.n[:] = 0
    state.n[ROUND] = -1
    state.n[LAYER] = -1
    state.n[SETTLED] = 1
    state.n[AT] = state.memory
    state.future[:] = 0
    state.count[:] = 0
    state.like[:] = 0
    state.common[:] = 0
    state.weight[:] = 0
    state.age[:] = 0
    state.size[:] = 0
    state.key[:] = 1 << 62
    state.tick[:] = 0


def _clear(state: Any, now: Any) -> None:
    _settle(state)
    state.size[:] = 0
    state.key[:] = 1 << 62
    state.n[ASKED] = 0


behaves(Similar, hit=_hit, miss=_miss, victim=_victim, reset=_reset, clear=_clear)
