"""Twin of similar-rounds: every loop over the experts of a layer, or over ages, goes 32 at a time.

An event is dealt with at once, when its members are known to be present; nothing is done for a member alone.

What it knows, and the search for similar rounds, are in ``neighbours``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..compiled import bare_kernel, leading_zeros
from ..errors import BudgetError
from ..grid import Grid
from ..instance import Instance
from ..policies.similar_rounds import ALWAYS, NEIGHBOURS, NOW, SOON
from ..policy import PolicySpec
from ..reference import Counts
from .driver import locked, run
from .hooks import Now, behaves, inlined
from .lanes import (
    LANES,
    add,
    at_lane,
    both,
    bytes_of,
    choose_equal,
    count_set,
    either,
    larger,
    least,
    load,
    multiply,
    ranked,
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
    FIELDS,
    FIRST,
    LAST,
    LAYER,
    LOWEST,
    OURS,
    RANK,
    ROUND,
    SERVED,
    SLOT,
    SOONNESS,
    START,
    TICK,
    TIMES,
    WEIGHT,
    Similar,
    compare,
    forget,
    note,
    state_of,
    turn,
    unsigned,
)

__all__ = ["play", "state_of"]

_NONE = np.int64(1 << 62)
_NOBODY = np.int64(2047 << 16)


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
        state_of(grid, spec, instance, rounds), locked(grid.experts), locked(grid.layer), grid.origin,
        locked(grid.starts), locked(grid.stage), resets, capacity, not options["bypass"], options["oversize"], counts.misses, counts.layer_misses,
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
def _least(values: Any, block: Any) -> Any:
    """Return the logarithm of the smallest value, and its expert in the low 16 bits."""
    low = least(values)
    return ((low >> 5) << 16) + block + (low & (LANES - 1))


@inlined
def _rank(state: Any, layer: Any, lowest: Any) -> None:
    """Note the page of smallest value of a layer, and play the matches that this decides."""
    state.layer[unsigned(layer * FIELDS + LOWEST)] = lowest
    key = _NONE
    if lowest < _NOBODY:
        key = (((lowest >> 16) * state.layers - state.layer[unsigned(layer * FIELDS + AT)]) << 16) + layer
    _play(state, layer, key)


@inlined
def _play(state: Any, layer: Any, key: Any) -> None:
    i = state.leaves + layer
    state.key[unsigned(i)] = key
    while i > 1:
        key = min(key, state.key[unsigned(i ^ 1)])
        i >>= 1
        if i > 1 or state.key[1] != key:  # mostly not: the next eviction need not wait for this
            state.key[unsigned(i)] = key


@inlined
def _release(state: Any) -> None:
    """The members of the last event may go now."""
    n = state.n
    if n[OURS] < _NOBODY:
        begin = n[LAYER] * state.width
        for block in range(0, state.width, LANES):
            ours = load(state.ours, block)
            save(state.value, begin + block, smaller(load(state.value, begin + block), ours))
        if n[OURS] < state.layer[unsigned(n[LAYER] * FIELDS + LOWEST)]:
            _rank(state, n[LAYER], n[OURS])
        n[OURS] = _NOBODY


@inlined
def _value(state: Any, layer: Any, number: Any, new: Any, forced: Any) -> Any:
    """Value the experts of a layer, and rank it; return how many members were away."""
    near = state.near
    width = state.width
    slow = 63 - np.int64(leading_zeros(np.uint64(state.layer[unsigned(layer * FIELDS + TIMES)])))
    fade = words_of(slow)
    fades = words_of(65535 if new else 0)
    gain = words_of(ALWAYS >> slow)
    rows = layer * state.memory * width
    recent_weight = words_of(state.recent_weight)
    frequent_weight = words_of(state.frequent_weight)
    eight = words_of(8)
    lowest = _NOBODY
    ours = _NOBODY
    keeps = bytes_of(255 if forced else 0)
    missing = 0
    for block in range(0, width, LANES):
        present = bytes_of(0)
        for i in range(number):
            lane = state.members[unsigned(i)] - block
            if width > 256 and (lane < 0 or lane >= LANES):
                lane = LANES
            present = either(present, at_lane(lane))
        at = layer * width + block
        recent = load(state.recent, at)
        less = add(shift_right(recent, words_of(2)), shift_right(recent, words_of(3)))
        recent = add(subtract(recent, both(less, fades)), both(stretch(present), words_of(NOW)))
        save(state.recent, at, recent)
        frequent = load(state.frequent, at)
        frequent = subtract(frequent, both(shift_right(frequent, fade), fades))
        frequent = add(frequent, both(stretch(present), gain))
        save(state.frequent, at, frequent)
        for i in range(len(SOON)):
            place = rows + np.int64(near[unsigned(LAST + i)]) + block
            save(
                state.soon,
                place,
                larger(load(state.soon, place), both(present, bytes_of(near[unsigned(SOONNESS + i)]))),
            )
        value = add(
            multiply(shift_right(recent, eight), recent_weight), multiply(shift_right(frequent, eight), frequent_weight)
        )
        rest = multiply(both(frequent, words_of(255)), frequent_weight)
        value = add(value, shift_right(rest, eight))
        for c in range(NEIGHBOURS):
            soon = widen(load(state.soon, rows + np.int64(near[unsigned(BACK + c)]) + block))
            value = add(value, multiply(soon, words_of(near[unsigned(WEIGHT + c)])))
        away = load(state.away, at)
        missing += count_set(both(away, present))
        away = both(away, subtract(bytes_of(255), present))
        save(state.away, at, away)
        value = either(ranked(either(value, words_of(1))), stretch(away))
        kept = stretch(both(present, keeps))
        own = either(value, subtract(words_of(AWAY), kept))
        save(state.ours, block, own)
        ours = min(ours, _least(own, block))
        value = either(value, kept)
        save(state.value, at, value)
        lowest = min(lowest, _least(value, block))
    _rank(state, layer, lowest)
    state.n[OURS] = ours
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
            row = (layer * state.memory + slot) * width
            for at in range(row, row + width, LANES):
                save(state.soon, at, bytes_of(0))
            slot -= 1
            if slot < 0:
                slot += state.memory
    if rank >= 0:
        forget(state, rank, gone)
        begin = rank * width * 2 * state.memory + state.memory - 1 - n[SLOT]
        for i in range(number):
            state.place[unsigned(i)] = begin + state.members[unsigned(i)] * 2 * state.memory
        for i in range(number, number + 3):  # four are added up at once
            state.place[unsigned(i)] = state.past.shape[0] - 2 * state.memory
        compare(state, number, new)
        note(state, rank, number)
    state.layer[unsigned(layer * FIELDS + AT)] = n[TICK] * state.octave
    return _value(state, layer, number, new, forced)


@inlined
def _pass(state: Any, passed: Any) -> None:
    """So many layers were passed without an event."""
    layers = state.layers
    for first in range(min(passed, layers)):
        layer = (state.n[TICK] + 1 + first) % layers
        key = state.key[unsigned(state.leaves + layer)]
        if key != _NONE:
            turns = (passed - 1 - first) // layers + 1
            halved = 2 * layers * turns * state.octave
            state.layer[unsigned(layer * FIELDS + AT)] += halved
            _play(state, layer, key - (halved << 16))


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
    _release(state)
    number = 0
    for i in range(experts.shape[2]):
        expert = experts[unsigned(row), unsigned(column), unsigned(i)]
        if expert >= 0:
            state.members[unsigned(number)] = expert
            number += 1
    tick = now.round * state.layers + now.layer
    passed = tick - n[TICK] - min(1, number)
    if passed > 0:
        _pass(state, passed)
    n[TICK] = tick
    n[LAYER] = now.layer
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
    begin = layer * state.width
    gone = state.layer[unsigned(layer * FIELDS + LOWEST)]
    expert = gone & 65535
    gone = words_of(((gone >> 16) << 5) + (expert & (LANES - 1)))
    lowest = _NOBODY
    for block in range(0, state.width, LANES):
        values = load(state.value, begin + block)
        if block == expert & -LANES:
            values = choose_equal(values, gone, words_of(AWAY), values)
            save(state.value, begin + block, values)
        lowest = min(lowest, _least(values, block))
    _rank(state, layer, lowest)
    state.away[unsigned(begin + expert)] = 255
    return state.layer[unsigned(layer * FIELDS + FIRST)] + expert


def _victim(state: Any, resident: Any, guard: Any, now: Any) -> Any:
    return _evict(state)


@inlined
def _start(state: Any) -> None:
    if state.n[APPEARED] > 0:
        state.soon[:] = 0
        state.past[:] = 0
        state.uses[:] = 0
    state.n[:] = 0
    state.near[:AGO] = 0
    state.n[ROUND] = -1
    state.n[LAYER] = -1
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
    state.n[OURS] = _NOBODY


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
                if state.key[1] == _NONE:  # members alone
                    if oversize:
                        break
                    return -1 - (origin + row)
                _evict(state)
                held -= 1
        misses[session, stage[row]] += loaded
    return 0
