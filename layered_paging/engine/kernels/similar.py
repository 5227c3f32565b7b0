"""Twin of similar-rounds: every loop over the experts of a layer, or over ages, goes 32 at a time.

An event is dealt with at once, when its members are known to be present; nothing is done for a member alone.
Of each layer the two pages of smallest value are known, so that an eviction need not wait for a search, and a
tournament of the layers finds the page that goes.  The members of an event may go from the next one on.

What it knows, and the search for similar rounds, are in ``neighbours``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.compiled import bare_kernel, leading_zeros
from ...core.counts import Counts
from ...core.instance import Instance
from ...core.layout import Grid
from ...errors import BudgetError
from ...policies.similar_rounds import NEIGHBOURS, SOON
from ...policies.spec import PolicySpec
from .driver import run
from .hooks import Now, behaves, inlined
from .lanes import (
    LANES,
    add,
    add_full,
    both,
    bytes_of,
    choose_equal,
    count_set,
    either,
    larger,
    least,
    load,
    multiply,
    numbered,
    save,
    shift_right,
    smaller,
    stretch,
    subtract,
    widen,
    words_of,
)
from .neighbours import (
    AGO,
    APPEARED,
    AT,
    AWAY,
    BACK,
    COARSE,
    FIELDS,
    FINE,
    FIRST,
    KEPT,
    LANE,
    LAST,
    LEVELS,
    LOWEST,
    NEXT,
    RANK,
    ROUND,
    SECOND,
    SERVED,
    SLOT,
    SOONNESS,
    START,
    TICK,
    TIMES,
    WEIGHT,
    Similar,
    compare,
    state_of,
    turn,
    unsigned,
)

__all__ = ["play", "state_of"]

_NONE = np.int64(1 << 60)  # from here on, the key of a layer without a page that may go
_NOBODY = np.int64(LEVELS << 16)


def play(grid: Grid, spec: PolicySpec, instance: Instance, capacity: int, **options: Any) -> Counts:
    """Replay one pool; see ``driver.run``, which has a loop for every mode; here is one for most."""
    sizes = options["sizes"]
    each = [1] * grid.n_layers if sizes is None else _by_layer(instance, sizes)
    if each and grid.experts.size * max(each) >= 1 << 63:
        each = []  # refused there
    if options["in_bytes"] or options["record"] or grid.ranked or options.get("carry") is not None or not each:
        return run(grid, capacity, lambda: state_of(grid, spec, instance), **options)
    ends = np.append(grid.starts[1:], grid.shape[0])
    rounds = int((ends - grid.starts).max()) if options["reset"] == "session" else grid.shape[0]
    counts = Counts.zero(grid, False)
    resets = {"never": 0, "session": 1, "cache": 2}[options["reset"]]
    event = _replay(
        state_of(grid, spec, instance, rounds), grid.experts, grid.layer, grid.origin,
        grid.starts, grid.stage, resets, capacity, not options["bypass"], options["oversize"], counts.misses, counts.layer_misses,
    )  # fmt: skip
    if event < 0:
        raise BudgetError(f"round {-1 - event}: an event does not fit into {capacity}")
    counts.missed_bytes = sum(int(missed) * size for missed, size in zip(counts.layer_misses, each, strict=True))
    return counts


def _by_layer(instance: Instance, sizes: Any) -> list[int]:
    """Return the size of a page of each layer, nothing if a layer has pages of several sizes."""
    parts = [sizes[a:b] for a, b in zip(instance.first[:-1], instance.first[1:], strict=True)]
    return [int(part[0]) for part in parts] if all((part == part[0]).all() for part in parts) else []


@inlined
def _page(low: Any, block: Any) -> Any:
    """Return the level of a numbered value, and its expert in the low 16 bits."""
    return ((low >> 5) << 16) + block + (low & (LANES - 1))


@inlined
def _two(values: Any, block: Any, lowest: Any, second: Any) -> Any:
    """Return the two pages of smallest value among a block of experts and two pages."""
    low = least(values)
    one = _page(low, block)
    other = _page(least(choose_equal(values, words_of(low), words_of(AWAY), values)), block)
    return min(lowest, one), min(max(lowest, one), min(second, other))


@inlined
def _without(values: Any, page: Any, block: Any) -> Any:
    """Return the values of a block of experts without that of a page."""
    lane = (page & 65535) - block
    if lane < 0 or lane >= LANES:
        return values
    return choose_equal(values, words_of(((page >> 16) << 5) + lane), words_of(AWAY), values)


@inlined
def _key(state: Any, layer: Any, page: Any) -> Any:
    """Return the order of a page without the present time, and the layer in the low 16 bits."""
    return ((state.order[unsigned(page >> 16)] - state.layer[unsigned(layer * FIELDS + AT)]) << 16) + layer


@inlined
def _play(state: Any, layer: Any, key: Any, other: Any) -> None:
    """Note the key of a layer, and play the matches that this decides, up to where those of another place begin."""
    i = state.leaves + layer
    state.key[unsigned(i)] = key
    while i ^ other > 1:
        key = min(key, state.key[unsigned(i ^ 1)])
        i >>= 1
        other >>= 1
        state.key[unsigned(i)] = key


@inlined
def _rank(state: Any, layer: Any, lowest: Any, second: Any, other: Any) -> None:
    """Note the two pages of smallest value of a layer, and play."""
    at = layer * FIELDS
    state.layer[unsigned(at + LOWEST)] = lowest
    state.layer[unsigned(at + SECOND)] = second
    state.layer[unsigned(at + NEXT)] = _key(state, layer, second)
    _play(state, layer, _key(state, layer, lowest), other)


@inlined
def _release(state: Any) -> None:
    """The members of the last event may go now."""
    layer = state.n[KEPT]
    if layer >= 0:
        state.n[KEPT] = -1
        lowest = _NOBODY
        second = _NOBODY
        for block in range(0, state.width, LANES):
            lowest, second = _two(load(state.value, layer * state.width + block), block, lowest, second)
        _rank(state, layer, lowest, second, 0)


@inlined
def _value(state: Any, layer: Any, number: Any, new: Any, forced: Any) -> Any:
    """Value the experts of a layer, and rank it and the layer whose members may go now; return how many members were away."""
    near = state.near
    width = state.width
    slow = 63 - np.int64(leading_zeros(np.uint64(state.layer[unsigned(layer * FIELDS + TIMES)])))
    fade = words_of(slow)
    fades = words_of(65535 if new else 0)
    recent_gain = words_of(state.recent_gain)
    frequent_gain = words_of(state.frequent_gain >> slow)
    rows = layer * width
    before = state.n[KEPT] if state.n[KEPT] >= 0 else layer
    lowest_before = second_before = _NOBODY
    lowest = second = _NOBODY
    keeps = bytes_of(255 if forced else 0)
    missing = 0
    for block in range(0, width, LANES):
        present = bytes_of(0)
        for i in range(number):
            lane = state.members[unsigned(i)] - block
            if width > 256 and (lane < 0 or lane >= LANES):
                lane = LANES
            present = either(present, load(state.masks, LANE - lane))
        used = stretch(present)
        at = layer * width + block
        recent = load(state.recent, at)
        less = add(shift_right(recent, words_of(2)), shift_right(recent, words_of(3)))
        recent = add_full(subtract(recent, both(less, fades)), both(used, recent_gain))
        save(state.recent, at, recent)
        frequent = load(state.frequent, at)
        frequent = add_full(subtract(frequent, both(shift_right(frequent, fade), fades)), both(used, frequent_gain))
        save(state.frequent, at, frequent)
        for i in range(len(SOON)):
            place = rows + np.int64(near[unsigned(LAST + i)]) + block
            save(
                state.soon,
                place,
                larger(load(state.soon, place), both(present, bytes_of(near[unsigned(SOONNESS + i)]))),
            )
        value = words_of(0)
        for c in range(NEIGHBOURS):
            soon = widen(load(state.soon, rows + np.int64(near[unsigned(BACK + c)]) + block))
            value = add(value, multiply(soon, words_of(near[unsigned(WEIGHT + c)])))
        value = add_full(value, add_full(recent, frequent))
        away = load(state.away, at)
        missing += count_set(both(away, present))
        away = both(away, subtract(bytes_of(255), present))
        save(state.away, at, away)
        level = smaller(value, add(words_of(FINE), shift_right(value, words_of(2))))
        level = smaller(level, add(words_of(COARSE), shift_right(value, words_of(6))))
        value = either(numbered(level), stretch(away))
        kept = stretch(both(present, keeps))
        save(state.kept, width + block, kept)
        old = load(state.value, before * width + block)
        save(state.value, at, value)
        lowest_before, second_before = _two(old, block, lowest_before, second_before)
        lowest, second = _two(either(value, kept), block, lowest, second)
    _rank(state, before, lowest_before, second_before, state.leaves + layer)
    _rank(state, layer, lowest, second, 0)
    state.n[KEPT] = layer
    return missing


@inlined
def _settle(state: Any, layer: Any, number: Any, forced: Any) -> Any:
    n = state.n
    width = state.width
    rank = state.layer[unsigned(layer * FIELDS + RANK)]
    if rank == -2:
        rank = -1
        if n[APPEARED] % state.apart == 0:
            rank = n[APPEARED] // state.apart
        state.layer[unsigned(layer * FIELDS + RANK)] = rank
        state.layer[unsigned(layer * FIELDS + SERVED)] = n[START] - 1
        n[APPEARED] += 1
    gone = min(state.memory, n[ROUND] - state.layer[unsigned(layer * FIELDS + SERVED)])
    new = gone > 0
    if new:
        state.layer[unsigned(layer * FIELDS + SERVED)] = n[ROUND]
        state.layer[unsigned(layer * FIELDS + TIMES)] = min(32, state.layer[unsigned(layer * FIELDS + TIMES)] + 1)
        slot = n[SLOT]
        for _ in range(gone):
            row = (slot * state.layers + layer) * width
            for at in range(row, row + width, LANES):
                save(state.soon, at, bytes_of(0))
            slot -= 1
            if slot < 0:
                slot += state.memory
    if rank >= 0:
        compare(state, rank, number, new)
    state.layer[unsigned(layer * FIELDS + AT)] = n[TICK] * state.octave
    return _value(state, layer, number, new, forced)


@inlined
def _pass(state: Any, passed: Any) -> None:
    """So many layers were passed without an event."""
    layers = state.layers
    for first in range(min(passed, layers)):
        layer = (state.n[TICK] + 1 + first) % layers
        turns = (passed - 1 - first) // layers + 1
        halved = 2 * layers * turns * state.octave
        state.layer[unsigned(layer * FIELDS + AT)] += halved
        if state.key[unsigned(state.leaves + layer)] < _NONE:
            lowest = state.layer[unsigned(layer * FIELDS + LOWEST)]
            _rank(state, layer, lowest, state.layer[unsigned(layer * FIELDS + SECOND)], 0)


@inlined
def _serve(state: Any, now: Any, experts: Any, row: Any, column: Any, forced: Any) -> Any:
    n = state.n
    if now.round != n[ROUND]:
        if n[ROUND] < 0:
            n[START] = now.round
            n[TICK] = now.round * state.layers + now.layer - 1
            turn(state, 0)
        else:
            turn(state, now.round - n[ROUND])
        n[ROUND] = now.round
    number = 0
    for i in range(experts.shape[2]):
        expert = experts[unsigned(row), unsigned(column), unsigned(i)]
        if expert >= 0:
            state.members[unsigned(number)] = expert
            number += 1
    if number == 0:
        _release(state)
    tick = now.round * state.layers + now.layer
    passed = tick - n[TICK] - min(1, number)
    if passed > 0:
        _pass(state, passed)
    n[TICK] = tick
    return _settle(state, now.layer, number, forced) if number > 0 else 0


def _served(state: Any, now: Any, experts: Any, row: Any, column: Any, guard: Any) -> None:
    forced = False
    first = state.layer[unsigned(now.layer * FIELDS + FIRST)]
    for i in range(experts.shape[2]):
        expert = experts[unsigned(row), unsigned(column), unsigned(i)]
        forced |= expert >= 0 and guard[first + expert] == now.event
    _serve(state, now, experts, row, column, forced)


@inlined
def _evict(state: Any) -> Any:
    """Let the page of smallest value go."""
    layer = state.key[1] & 65535
    at = layer * FIELDS
    begin = layer * state.width
    gone = state.layer[unsigned(at + LOWEST)]
    lowest = state.layer[unsigned(at + SECOND)]
    _play(state, layer, state.layer[unsigned(at + NEXT)], 0)
    second = _NOBODY
    kept = state.width if layer == state.n[KEPT] else 0
    for block in range(0, state.width, LANES):
        values = _without(load(state.value, begin + block), gone, block)
        save(state.value, begin + block, values)
        rest = either(_without(values, lowest, block), load(state.kept, kept + block))
        second = min(second, _page(least(rest), block))
    state.layer[unsigned(at + LOWEST)] = lowest
    state.layer[unsigned(at + SECOND)] = second
    state.layer[unsigned(at + NEXT)] = _key(state, layer, second)
    expert = gone & 65535
    state.away[unsigned(begin + expert)] = 255
    return state.layer[unsigned(at + FIRST)] + expert


def _victim(state: Any, resident: Any, guard: Any, now: Any) -> Any:
    return _evict(state)


@inlined
def _start(state: Any) -> None:
    if state.n[APPEARED] > 0:
        state.soon[:] = 0
        state.past[:] = 0
        state.used[:] = 0
    state.n[:] = 0
    state.near[:AGO] = 0
    state.n[ROUND] = -1
    state.recent[:] = 0
    state.frequent[:] = 0
    for layer in range(state.layers):
        state.layer[unsigned(layer * FIELDS + RANK)] = -2
        state.layer[unsigned(layer * FIELDS + TIMES)] = 0
        state.layer[unsigned(layer * FIELDS + AT)] = 0
    state.like[:] = 0
    _clear_all(state)


def _reset(state: Any, session: Any) -> None:
    _start(state)


@inlined
def _clear_all(state: Any) -> None:
    state.away[:] = 255
    state.value[:] = AWAY
    state.key[:] = 1 << 62
    state.n[KEPT] = -1
    for layer in range(state.layers):
        state.layer[unsigned(layer * FIELDS + LOWEST)] = _NOBODY


def _clear(state: Any, now: Any) -> None:
    _clear_all(state)


behaves(Similar, served=_served, victim=_victim, reset=_reset, clear=_clear)


@bare_kernel
def _replay(
    state: Any,
    experts: Any,
    layers: Any,
    origin: int,
    starts: Any,
    stage: Any,
    resets: int,
    capacity: int,
    forced: bool,
    oversize: bool,
    misses: Any,
    layer_misses: Any,
) -> int:
    """``driver._replay`` for pages of equal size when only counts are asked for: no page is looked at alone."""
    rounds, columns, _ = experts.shape
    session = 0
    held = 0
    _start(state)
    for row in range(rounds):
        if session + 1 < starts.shape[0] and starts[session + 1] <= row:
            session += 1
            if resets == 1:
                _start(state)
            if resets == 2:
                _clear_all(state)
            if resets > 0:
                held = 0
        loaded = 0
        for c in range(columns):
            layer = layers[c]
            missing = _serve(state, Now(0, origin + row, layer, 0, 0, 0, 0, 0), experts, row, c, forced)
            held += missing
            loaded += missing
            layer_misses[layer] += missing
            while held > capacity:
                if state.key[1] >= _NONE:  # members alone
                    if oversize:
                        break
                    return -1 - (origin + row)
                _evict(state)
                held -= 1
        misses[session, stage[row]] += loaded
    return 0
