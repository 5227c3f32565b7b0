"""What similar-rounds knows, and how it finds the rounds most like the present one.

``soon`` has a row of experts for each round and layer, in a ring of ``memory`` rounds: how soon after that round the
expert was used again.  ``past`` has a row of bits for each expert of a compared layer: bit a, used a rounds before its
last use; below them are as many zeros, so that the same row read from an earlier place says it of a later round.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ...core.instance import Instance
from ...core.layout import Grid
from ...errors import ParameterError
from ...policies.similar_rounds import ALWAYS, SHARPNESS, SOON
from ...policies.spec import PolicySpec
from .hooks import inlined
from .lanes import (
    BITS,
    LANES,
    add,
    add_full,
    bits_of,
    both,
    bytes_of,
    choose_equal,
    differ,
    eight_of,
    eight_times,
    either,
    fold,
    greatest,
    larger,
    load,
    load_bits,
    multiply,
    save,
    save_bits,
    shift_left,
    shift_right,
    shift_words,
    smaller,
    spread,
    subtract,
    total,
    words_of,
)

__all__ = ["Similar", "compare", "state_of", "turn", "unsigned"]

# places in ``n``
ROUND, START, SLOT, LIKE, TICK, APPEARED, KEPT, LIKED, SHARE = range(9)
# places in ``near``: ages of the rounds most like the present one, their weights, and where their rows are in ``soon``;
# ages of the last rounds, how soon each sees a use of the present one, and where their rows are
AGE, WEIGHT, BACK, AGO, SOONNESS, LAST, PLACES = 0, 8, 16, 24, 32, 40, 48
# places in what is known of a layer: its first page; its rank among those compared, -1 for none, -2 before it appears;
# the last round with an event; how many there were, at most 32; when it was last served, in units of the order, later by two turns for
# each turn without an event; its two pages of smallest value, and the key of the second
FIRST, RANK, SERVED, TIMES, AT, LOWEST, SECOND, NEXT, FIELDS = 0, 1, 2, 3, 4, 5, 6, 7, 8
# a page, in LOWEST and SECOND, is its level (what it is compared by) times 2^16 plus its expert
# levels: every value below 512, every fourth one below 2,688, every 64th one from there on
AWAY, LEVELS, FINE, COARSE = 65535, 2047, 384, 1014
# places in ``masks``: one byte of 255, from which a load says where a member is; 0 and then 255; the lowest bit
LANE, LATER, BIT, MASKS = 256, 576, 640, 704
PLANES = 7  # binary digits of the number of members in common, the last one for all that do not fit


class Similar(NamedTuple):
    """What the policy knows; arrays lie one after the other in memory, so that their distances are the same in every run."""

    layers: int
    memory: int
    octave: int  # of values, in units of their order; 0 where the distance of layers does not count
    similar: int
    recent_gain: int
    frequent_gain: int
    apart: int  # layers from one that is compared to the next
    fade: int
    width: int  # experts of a layer, a multiple of LANES
    most: int  # members of a layer in a round
    leaves: int
    bits: int  # of a row of ``past``: ``memory``, a multiple of BITS
    row: int  # bytes of a row of ``past``
    n: Any
    near: Any  # uint32
    members: Any  # experts of the present event
    begin: Any  # where their bits begin in ``past``
    ago: Any  # how many rounds ago they were last used
    planes: Any  # uint8, bits by age: the binary digits of how many members were used then
    words: Any  # the same as uint32
    masks: Any  # uint8
    kept: Any  # uint16, by expert: 0, then 65535 for the members of the event, which may not go yet
    like: Any  # uint8, by age
    key: Any  # of each layer: the order of the page of smallest value (without the present time), and the layer; a tree
    layer: Any  # FIELDS a layer
    order: Any  # of a level, without the distance
    recent: Any  # uint16, by layer and expert, like the next three
    frequent: Any  # uint16
    value: Any  # uint16, numbered: 65535 where the page is not held
    away: Any  # uint8: 255 where the page is not held
    used: Any  # by compared layer and expert: the round of the last use
    past: Any  # uint8, by compared layer and expert
    soon: Any  # uint8, by round, layer and expert


def state_of(grid: Grid, spec: PolicySpec, instance: Instance, span: int | None = None) -> Similar:
    """Return a new state; there are at most ``span`` rounds between resets, if it is given.

    Raises
    ------
    ParameterError
        An expert or a layer would not fit into 16 bits, a place in ``soon`` into 32, or the order of pages into 60.
    """
    policy: Any = spec.make(instance)
    memory, layers = policy.memory, instance.layers
    if span is not None:  # rounds before the first have no likeness: no need to remember them
        memory = min(memory, -(-max(1, span) // LANES) * LANES)
    similar, recent, frequent = policy.weights
    rounds, columns, width = grid.shape
    experts = -(-max(instance.experts) // LANES) * LANES
    pages = layers * experts
    most = width * int(np.bincount(grid.layer).max()) if columns else width
    if experts > 1 << 16 or layers >= 1 << 16 or rounds * layers >= 1 << 35 or memory * pages >= 1 << 32:
        raise ParameterError(
            f"{spec.name}: a trace of {rounds} rounds and {layers} layers of up to {max(instance.experts)} experts is too large for the compiled kernel with a memory of {memory} rounds; use engine 'reference'"
        )
    compared = -(-layers // policy.apart)
    leaves = 1 << max(1, layers - 1).bit_length()
    bits = -(-memory // BITS) * BITS
    row = bits // 4 + 8
    arrays = _arrays(
        n=(16, np.int64), near=(PLACES, np.uint32), members=(most, np.int64), begin=(most, np.int64), ago=(most, np.int64),
        planes=(PLANES * BITS // 8, np.uint8), masks=(MASKS, np.uint8), kept=(2 * experts, np.uint16), like=(memory, np.uint8),
        key=(2 * leaves, np.int64), layer=(layers * FIELDS, np.int64), order=(LEVELS + 1, np.int64),
        recent=(pages, np.uint16), frequent=(pages, np.uint16), value=(pages, np.uint16), away=(pages, np.uint8),
        used=(compared * experts, np.int64), past=(compared * experts * row, np.uint8), soon=(memory * pages, np.uint8),
    )  # fmt: skip
    arrays["near"][AGO:SOONNESS] = np.arange(1, 9)
    arrays["near"][SOONNESS : SOONNESS + len(SOON)] = SOON
    arrays["masks"][LANE] = arrays["masks"][LATER + 1 : LATER + LANES] = 255
    arrays["masks"][BIT] = 1
    arrays["layer"][FIRST::FIELDS] = instance.first[:layers]
    arrays["order"][:] = _orders() * layers
    arrays["order"][LEVELS] = 1 << 46
    return Similar(
        layers=layers, memory=memory, octave=128 * policy.distance, similar=similar, recent_gain=3 * ALWAYS * recent >> 3, frequent_gain=ALWAYS * frequent,
        apart=policy.apart, fade=policy.fade, width=experts, most=most, leaves=leaves, bits=bits, row=row, words=arrays["planes"].view(np.uint32), **arrays,
    )  # fmt: skip


def _arrays(**wanted: tuple[int, Any]) -> dict[str, npt.NDArray[Any]]:
    """Return arrays of these sizes and types, all 0, each from the begin of a line of the processor's cache on."""
    bytes_of_each = {name: -(-size * np.dtype(kind).itemsize // 64) * 64 for name, (size, kind) in wanted.items()}
    room = np.zeros(sum(bytes_of_each.values()) + 4096, np.uint8)
    at = -room.ctypes.data % 4096
    arrays = {}
    for name, (size, kind) in wanted.items():
        arrays[name] = room[at : at + size * np.dtype(kind).itemsize].view(kind)
        at += bytes_of_each[name]
    return arrays


@functools.cache
def _orders() -> npt.NDArray[np.int64]:
    """Return 128 times the logarithm to base 2 of the smallest value of each level, linear between powers of 2."""
    value = np.arange(1, 1 << 16)
    level = np.minimum(value, np.minimum(FINE + (value >> 2), COARSE + (value >> 6)))
    smallest = np.ones(LEVELS + 1, np.int64)
    smallest[level[::-1]] = value[::-1]
    power = np.log2(smallest).astype(np.int64)
    return (power << 7) + (smallest << 7 >> power & 127)


@inlined
def unsigned(index: Any) -> Any:
    """Return an index that is known not to be negative."""
    return np.uint64(index)


@inlined
def compare(state: Any, rank: Any, number: Any, new: Any) -> None:
    """Find the rounds most like the present one, and note its uses."""
    n = state.n
    memory = state.memory
    reach = min(memory, (n[ROUND] - n[START] + LANES) & -LANES)  # nothing is like the present one further back
    fade = state.fade
    width = state.width
    for i in range(number):
        page = rank * width + state.members[unsigned(i)]
        state.ago[unsigned(i)] = min(n[ROUND] - state.used[unsigned(page)], memory)
        state.used[unsigned(page)] = n[ROUND]
        state.begin[unsigned(i)] = (page + 1) * state.row - state.bits // 8
    counts = 32 >> fade  # a member in common
    fading = words_of(fade)
    fades = bytes_of((255 >> fade) if new else 0)
    most = bytes_of(0)
    where = bytes_of(0)
    for group in range((reach - 1) // BITS, -1, -1):
        _count(state, group, number)
        for block in range(min(BITS, reach - BITS * group) // LANES - 1, -1, -1):
            common = bytes_of(0)
            for digit in range(3):
                plane = spread(state.words[unsigned(digit * (BITS // 32) + block)])
                common = either(common, both(plane, bytes_of(counts << digit)))
            if number >= 8:
                for digit in range(3, PLANES):
                    plane = spread(state.words[unsigned(digit * (BITS // 32) + block)])
                    common = either(common, both(plane, bytes_of(min(255, counts << digit))))
            at = group * BITS + block * LANES
            now = load(state.like, at)
            less = both(shift_words(now, fading), fades)
            now = add_full(subtract(now, less), common)
            if at == 0:
                now = both(now, load(state.masks, LATER))  # not the present one
            save(state.like, at, now)
            most = larger(now, most)
            where = choose_equal(most, now, bytes_of(at // LANES), where)
    if new:
        n[LIKE] -= n[LIKE] >> fade
    n[LIKE] += counts * number
    if n[LIKE] != n[LIKED]:
        n[LIKED] = n[LIKE]
        n[SHARE] = (SHARPNESS << 24) // n[LIKE]
    near = state.near
    best = fold(most, where)
    save(near, AGE, eight_times(subtract(eight_of(255), both(best, eight_of(255)))))
    likes = shift_right(best, eight_of(8))
    short = subtract(eight_of(greatest(likes)), likes)
    times = shift_right(multiply(short, eight_of(n[SHARE])), eight_of(16))
    rest = subtract(eight_of(512), both(times, eight_of(255)))
    close = shift_right(rest, add(shift_right(times, eight_of(8)), eight_of(1)))
    share = np.uint64(state.similar << 16) // unsigned(total(close))
    save(near, WEIGHT, shift_right(multiply(close, eight_of(share)), eight_of(16)))
    _point(state, AGE, BACK)


@inlined
def _count(state: Any, group: Any, number: Any) -> None:
    """Note the uses of this round in 256 bits of the rows of its members, and count by age how many were used."""
    past = state.past
    planes = state.planes
    ones = bits_of(0)
    twos = bits_of(0)
    fours = bits_of(0)
    eights = bits_of(0)
    sixteens = bits_of(0)
    many = bits_of(0)  # 32
    more = bits_of(0)  # 64 or more
    for i in range(number):
        ago = state.ago[unsigned(i)]
        to = state.begin[unsigned(i)] + group * (BITS // 8)
        at = to - (ago >> 3)
        high = shift_left(load_bits(past, at), bits_of(ago & 7))
        low = shift_right(shift_right(load_bits(past, at - 8), bits_of(1)), bits_of(63 - (ago & 7)))
        seen = either(high, low)
        if group == 0:
            seen = either(seen, load_bits(state.masks, BIT))
        save_bits(past, to, seen)
        carry = both(ones, seen)
        ones = differ(ones, seen)
        next_carry = both(twos, carry)
        twos = differ(twos, carry)
        if number < 8:
            fours = either(fours, next_carry)
        else:
            carry = both(fours, next_carry)
            fours = differ(fours, next_carry)
            next_carry = both(eights, carry)
            eights = differ(eights, carry)
            carry = both(sixteens, next_carry)
            sixteens = differ(sixteens, next_carry)
            more = either(more, both(many, carry))
            many = differ(many, carry)
    save_bits(planes, 0, ones)
    save_bits(planes, BITS // 8, twos)
    save_bits(planes, 2 * BITS // 8, fours)
    if number >= 8:
        save_bits(planes, 3 * BITS // 8, eights)
        save_bits(planes, 4 * BITS // 8, sixteens)
        save_bits(planes, 5 * BITS // 8, many)
        save_bits(planes, 6 * BITS // 8, more)


@inlined
def _point(state: Any, ages: Any, rows: Any) -> None:
    """Say where the rows of the rounds so long ago are."""
    row = subtract(eight_of(state.n[SLOT]), load(state.near, ages))
    row = smaller(row, add(row, eight_of(state.memory)))  # below 0 is very large
    save(state.near, rows, multiply(row, eight_of(state.width * state.layers)))


@inlined
def turn(state: Any, rounds: Any) -> None:
    """So many rounds on."""
    n = state.n
    n[SLOT] += rounds
    if n[SLOT] >= state.memory:
        n[SLOT] %= state.memory
    _point(state, AGE, BACK)
    _point(state, AGO, LAST)
