"""What similar-rounds knows, and how it finds the rounds most like the present one.

``soon`` has a row of experts for each layer and round, in a ring of ``memory`` rounds: how soon after that round
the expert was used again.  ``past`` says for an expert of a compared layer in which rounds it was used: round by
round backwards, each twice, so that the ages 0, 1, ... are neighbours wherever the ring begins.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..errors import ParameterError
from ..grid import Grid
from ..instance import Instance
from ..policies.similar_rounds import NEIGHBOURS, SOON
from ..policy import PolicySpec
from .hooks import inlined
from .lanes import (
    LANES,
    add,
    both,
    bytes_of,
    choose_equal,
    eight_of,
    fold,
    greatest,
    larger,
    load,
    multiply,
    save,
    shift_left,
    shift_right,
    smaller,
    subtract,
    total,
    widen,
    words_of,
)

__all__ = ["Similar", "compare", "forget", "note", "state_of", "turn", "unsigned"]

# places in ``n``
ROUND, LAYER, START, SLOT, LIKE, TICK, APPEARED, OURS, LIKED, SHARE = range(10)
# places in ``near``: ages of the rounds most like the present one, their weights, and where their rows are in ``soon``;
# ages of the last rounds, how soon each sees a use of the present one, and where their rows are
AGE, WEIGHT, BACK, AGO, SOONNESS, LAST, PLACES = 0, 8, 16, 24, 32, 40, 48
# places in what is known of a layer: its first page; its rank among those compared, -1 for none, -2 before it appears;
# the last round with an event; how many there were, at most 32; when it was last served, in units of the order, later by two turns for
# each turn without an event; its page of smallest value
FIRST, RANK, SERVED, TIMES, AT, LOWEST, FIELDS = 0, 1, 2, 3, 4, 5, 8
AWAY = 65535


class Similar(NamedTuple):
    """What the policy knows."""

    layers: int
    memory: int
    octave: int  # of values, in units of their order; 0 where the distance of layers does not count
    similar: int
    recent_weight: int
    frequent_weight: int
    apart: int  # layers from one that is compared to the next
    fade: int
    width: int  # experts of a layer, a multiple of LANES
    most: int  # members of a layer in a round
    leaves: int
    n: Any
    near: Any  # uint32
    members: Any  # experts of the present event
    place: Any  # where their uses are in ``past``
    soon: Any  # uint8, by layer, round and expert
    recent: Any  # uint16, by layer and expert, like the next three
    frequent: Any  # uint16
    value: Any  # uint16, ranked: 65535 where the page may not go
    ours: Any  # uint16, by expert: values of the members of the event, which may not go yet
    away: Any  # uint8: 255 where the page is not held
    past: Any  # uint8, by compared layer, expert and round, and of nobody
    uses: Any  # by compared layer and round: how many experts were used, and where they are in ``past``
    layer: Any  # FIELDS a layer
    like: Any  # uint16, by age
    key: Any  # of each layer: the order of the page of smallest value (without the present time), and the layer; a tree
    inverse: Any  # of a sum of weights


def state_of(grid: Grid, spec: PolicySpec, instance: Instance, span: int | None = None) -> Similar:
    """Return a new state; there are at most ``span`` rounds between resets, if it is given.

    Raises
    ------
    ParameterError
        Likeness would not fit into 16 bits, an expert into 16, or the order of pages into 63.
    """
    policy: Any = spec.make(instance)
    memory, layers = policy.memory, instance.layers
    if span is not None:  # rounds before the first have no likeness: no need to remember them
        memory = min(memory, -(-max(1, span) // LANES) * LANES)
    similar, recent, frequent = policy.weights
    rounds, columns, width = grid.shape
    experts = -(-max(instance.experts) // LANES) * LANES
    most = width * int(np.bincount(grid.layer).max()) if columns else width  # members of a layer in a round
    if most >= 1 << 9 or experts > 1 << 16 or layers >= 1 << 16 or rounds * layers >= 1 << 35:
        raise ParameterError(
            f"{spec.name}: a trace of {rounds} rounds, {layers} layers of up to {max(instance.experts)} experts and {most} members a round is too large for the compiled kernel; use engine 'reference'"
        )
    compared = -(-layers // policy.apart)

    records = np.zeros((layers, FIELDS), np.int64)
    records[:, FIRST] = instance.first[:layers]
    near = np.zeros(PLACES, np.uint32)
    near[AGO:SOONNESS] = np.arange(1, 9)
    near[SOONNESS : SOONNESS + len(SOON)] = SOON
    leaves = 1 << max(1, layers - 1).bit_length()

    def longs(size: int) -> Any:
        return np.zeros(size, np.int64)

    def small(size: int, kind: Any) -> Any:
        return np.zeros(size, kind)

    return Similar(
            layers, memory, 128 * policy.distance, similar, recent, frequent, policy.apart, policy.fade, experts, most, leaves, longs(16), near,
            longs(most), longs(most + 3), small(layers * memory * experts, np.uint8), small(layers * experts, np.uint16),
            small(layers * experts, np.uint16), small(layers * experts, np.uint16), np.full(experts, AWAY, np.uint16), small(layers * experts, np.uint8),
            small((compared * experts + 1) * 2 * memory, np.uint8), longs(compared * memory * (most + 1)),
            records.ravel(), small(memory, np.uint16),
            longs(2 * leaves), (similar << 16) // np.arange(1, 256 * NEIGHBOURS + 1),
        )  # fmt: skip


@inlined
def unsigned(index: Any) -> Any:
    """Return an index that is known not to be negative."""
    return np.uint64(index)


@inlined
def forget(state: Any, rank: Any, gone: Any) -> None:
    """Forget the uses of the rounds that are as many as ``memory`` ago."""
    memory = state.memory
    slot = state.n[SLOT]
    for _ in range(gone):
        uses = (rank * memory + slot) * (state.most + 1)
        for i in range(state.uses[unsigned(uses)]):
            at = state.uses[unsigned(uses + 1 + i)]
            state.past[unsigned(at)] = 0
            state.past[unsigned(at + memory)] = 0
        state.uses[unsigned(uses)] = 0
        slot -= 1
        if slot < 0:
            slot += memory


@inlined
def note(state: Any, rank: Any, number: Any) -> None:
    """Note the uses of this round."""
    memory = state.memory
    uses = (rank * memory + state.n[SLOT]) * (state.most + 1)
    count = state.uses[unsigned(uses)]
    for i in range(number):
        at = state.place[unsigned(i)]
        state.past[unsigned(at)] = 1
        state.past[unsigned(at + memory)] = 1
        state.uses[unsigned(uses + count + 1 + i)] = at
    state.uses[unsigned(uses)] = count + number


@inlined
def compare(state: Any, number: Any, new: Any) -> None:
    """Find the rounds most like the present one."""
    n = state.n
    memory = state.memory
    like = state.like
    place = state.place
    most = words_of(0)
    where = words_of(0)
    fade = words_of(state.fade)
    fades = words_of(65535 if new else 0)
    for block in range(memory // LANES):
        common = words_of(0)
        for begin in range(0, number, 252):  # so many fit into bytes
            part = bytes_of(0)
            for i in range(begin, min(number, begin + 252), 4):
                at = block * LANES
                one = add(load(state.past, place[unsigned(i)] + at), load(state.past, place[unsigned(i + 1)] + at))
                other = add(
                    load(state.past, place[unsigned(i + 2)] + at), load(state.past, place[unsigned(i + 3)] + at)
                )
                part = add(part, add(one, other))
            common = add(common, widen(part))
        now = load(like, block * LANES)
        now = add(subtract(now, both(shift_right(now, fade), fades)), shift_left(common, words_of(4)))
        save(like, block * LANES, now)
        new_most = larger(now, most)
        where = choose_equal(new_most, most, where, words_of(block))
        most = new_most
    if new:
        n[LIKE] -= n[LIKE] >> state.fade
    n[LIKE] += 16 * number
    if n[LIKE] != n[LIKED]:
        n[LIKED] = n[LIKE]
        n[SHARE] = (1 << 24) // n[LIKE]
    near = state.near
    best = fold(most, where)
    save(near, AGE, subtract(eight_of(8191), both(best, eight_of(8191))))
    likes = shift_right(best, eight_of(13))
    short = shift_right(multiply(subtract(eight_of(greatest(likes)), likes), eight_of(n[SHARE])), eight_of(16))
    times = multiply(short, eight_of(13))
    rest = subtract(eight_of(512), both(times, eight_of(255)))
    close = shift_right(rest, add(shift_right(times, eight_of(8)), eight_of(1)))
    share = state.inverse[unsigned(total(close) - 1)]
    save(near, WEIGHT, shift_right(multiply(close, eight_of(share)), eight_of(16)))
    _point(state, AGE, BACK)


@inlined
def _point(state: Any, ages: Any, rows: Any) -> None:
    """Say where the rows of the rounds so long ago are."""
    row = subtract(eight_of(state.n[SLOT]), load(state.near, ages))
    row = smaller(row, add(row, eight_of(state.memory)))  # below 0 is very large
    save(state.near, rows, multiply(row, eight_of(state.width)))


@inlined
def turn(state: Any, rounds: Any) -> None:
    """So many rounds on."""
    n = state.n
    n[SLOT] += rounds
    if n[SLOT] >= state.memory:
        n[SLOT] %= state.memory
    _point(state, AGE, BACK)
    _point(state, AGO, LAST)
