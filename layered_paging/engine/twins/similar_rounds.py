"""Twin of similar-rounds: loops over neighbouring numbers, which a compiler turns into vector instructions.

An event is dealt with at once, when its members are present.  Of each layer the page of smallest value is known, so
that an eviction compares layers, and then looks for the next page of one layer.  What is known of a round has a place,
``-round mod memory``: the round ``a`` before the present one is ``a`` places further, round the end.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...errors import ParameterError
from ...policies.similar_rounds import FADE, GROUPS, SLOW, SOON
from ..hooks import Now, inlined, shared
from ..task import Task
from . import twin

GONE = np.int64(1 << 60)  # the key of a page that may not go
OLDEST = 4095  # the largest age, and a mask for ages
ROUND, LAYER, BEGIN, PLACE, EVENTS, FULL, SAYS, KEPT, MEMBERS, COLUMNS = range(10)  # what ``n`` holds


@twin()
class SimilarRounds(NamedTuple):
    """What is known."""

    layers: int
    memory: int
    similar: int
    frequent: int
    first: Any  # page numbers of the trace
    layer_of: Any  # by page
    turn: Any  # layers + distance gone, layers backwards
    masks: Any  # by layer, 64 experts, place: who was used
    soon: Any  # by layer, place, expert: how soon it was used again
    soonness: Any
    seen: Any  # by layer: the last round with an event
    like: Any  # by age
    best: Any
    ages: Any
    says: Any
    often: Any  # by layer and expert, how frequent
    value: Any  # by expert, of the last event's layer
    key: Any  # by layer and expert: value and expert of pages that may go
    held: Any
    low: Any  # by layer: the smallest key
    members: Any
    n: Any

    @classmethod
    def begin(cls, task: Task) -> Any:
        """Return a state for a pool; raise ParameterError if it is 2^32 bytes or more."""
        policy: Any = task.spec.make(task.instance)
        memory, layers = policy.memory, task.instance.layers
        words = -(-max(task.instance.experts) // 64)
        width = -(-max(task.instance.experts) // 16) * 16
        most = (
            task.grid.shape[2] * int(np.bincount(task.grid.layer).max()) if task.grid.shape[1] else task.grid.shape[2]
        )
        if (
            width > 1 << 16
            or layers >= 1 << 16
            or task.grid.shape[0] * layers >= 1 << 35
            or memory * layers * width >= 1 << 32
        ):
            raise ParameterError(
                f"{task.spec.name}: a trace of {task.grid.shape[0]} rounds and {layers} layers of up to {max(task.instance.experts)} experts is too large for the compiled kernel with a memory of {memory} rounds; use engine 'reference'"
            )
        turn = 2 * layers - 1 - np.arange(2 * layers) % layers if policy.distance else np.full(2 * layers, layers)

        def longs(*shape: int) -> Any:
            return np.zeros(shape, np.int64)

        def shorts(*shape: int) -> Any:
            return np.zeros(shape, np.int32)

        return cls(
            layers, memory, policy.similar, policy.frequent, np.array(task.instance.first[:layers], np.int64),
            np.repeat(np.arange(layers), task.instance.experts),
            turn.astype(np.int64), np.zeros((layers, words, memory), np.uint64), np.zeros((layers, memory, width), np.uint8),
            np.array((0, *SOON), np.uint8), longs(layers), shorts(memory), longs(memory), longs(GROUPS), longs(GROUPS),
            shorts(layers, width), shorts(width), longs(layers, width), np.zeros((layers, width), np.bool_),
            longs(layers), longs(most), longs(COLUMNS),
        )  # fmt: skip

    def reset(self, session: int) -> None:
        """Begin from nothing."""
        self.n[:] = 0
        self.n[ROUND] = self.n[LAYER] = -1
        self.like[:] = 0
        self.often[:] = 0
        _forget(self)

    def clear(self, now: Now) -> None:
        """Nothing is held any more."""
        _forget(self)

    def served(self, now: Now, experts: Any, row: int, column: int, guard: Any) -> None:
        """Note an event, and value its layer."""
        forced = False
        for i in range(experts.shape[2]):
            expert = experts[row, column, i]
            forced |= expert >= 0 and guard[self.first[now.layer] + expert] == now.event
        _serve(self, now, experts, row, column, forced)

    def leaves_before(self, page: int, other: int, now: Now) -> bool:
        """Return whether one page, which may go, has the smaller value, then the lower number."""
        mine, theirs = _order(self, page, now.layer), _order(self, other, now.layer)
        return bool(mine < theirs or (mine == theirs and page < other))

    def victim(self, resident: Any, guard: Any, now: Now) -> int:
        """Let the page of smallest value go, seen from the layer that is served."""
        page: int = _evict(self, now.layer)
        return page


@shared
def _add_common(like: Any, masks: Any, members: Any) -> None:
    """Add 64 for each member in common: the bits that are set are counted two, four, eight together, and so on."""
    for age in range(like.shape[0]):
        bits = masks[age] & members
        bits -= bits >> np.uint64(1) & np.uint64(0x5555555555555555)
        bits = (bits & np.uint64(0x3333333333333333)) + (bits >> np.uint64(2) & np.uint64(0x3333333333333333))
        bits = bits + (bits >> np.uint64(4)) & np.uint64(0x0F0F0F0F0F0F0F0F)
        like[age] += np.int32((bits * np.uint64(0x0101010101010101) >> np.uint64(56)) << np.uint64(6))


@shared
def _fade(numbers: Any, by: Any) -> None:
    for i in range(numbers.shape[0]):
        numbers[i] -= numbers[i] >> by


@shared
def _number(best: Any, like: Any) -> None:
    for age in range(like.shape[0]):
        best[age] = (np.int64(like[age]) << 12) + (OLDEST - age)


@shared
def _largest(young: Any, old: Any) -> None:
    for age in range(old.shape[0]):
        young[age] = max(young[age], old[age])


@shared
def _multiply(value: Any, count: Any, weight: Any) -> None:
    for expert in range(value.shape[0]):
        value[expert] = count[expert] * weight


@shared
def _add(value: Any, soon: Any, weight: Any) -> None:
    for expert in range(value.shape[0]):
        value[expert] += weight * np.int32(soon[expert])


@shared
def _enter(key: Any, value: Any, held: Any) -> None:
    for expert in range(value.shape[0]):
        key[expert] = (np.int64(value[expert]) << 16) + expert if held[expert] else GONE


@shared
def _least(keys: Any) -> Any:
    low = GONE
    for key in keys:
        low = min(low, key)
    return low


@inlined
def _remember(state: Any, layer: Any, number: Any, new: Any) -> None:
    """Note the uses of an event, and fade what was frequent."""
    n = state.n
    if new:
        for round_ in range(max(state.seen[layer] + 1, n[ROUND] - state.memory + 1), n[ROUND] + 1):
            state.masks[layer, :, -round_ % state.memory] = 0
            state.soon[layer, -round_ % state.memory] = 0
        state.seen[layer] = n[ROUND]
        _fade(state.often[layer], np.int32(SLOW))
    last = min(state.soonness.shape[0] - 1, state.memory - 1, n[ROUND] - n[BEGIN])
    for i in range(number):
        expert = state.members[i]
        state.masks[layer, expert >> 6, n[PLACE]] |= np.uint64(1) << np.uint64(expert & 63)
        state.often[layer, expert] += 65536 >> SLOW
        place = n[PLACE]
        for later in range(1, last + 1):
            place = place + 1 if place + 1 < state.memory else 0
            if state.soon[layer, place, expert] >= state.soonness[later]:
                break  # used in between
            state.soon[layer, place, expert] = state.soonness[later]


@inlined
def _compare(state: Any, layer: Any, number: Any, new: Any) -> None:
    """Find the rounds most like the present one."""
    n = state.n
    known = min(state.memory, n[ROUND] - n[BEGIN] + 1)
    ages = -(-known // GROUPS) * GROUPS
    like = state.like[:ages]
    if new:
        _fade(like, np.int32(FADE))
        n[FULL] -= n[FULL] >> FADE
    n[FULL] += 64 * number
    to_end = min(known, state.memory - n[PLACE])
    for word in range(state.masks.shape[1]):
        masks = state.masks[layer, word]
        members = np.uint64(0)
        for i in range(number):
            if state.members[i] >> 6 == word:
                members |= np.uint64(1) << np.uint64(state.members[i] & 63)
        if members:
            _add_common(like[:to_end], masks[n[PLACE] : n[PLACE] + to_end], members)
            _add_common(like[to_end:known], masks[: known - to_end], members)
    like[0] = 0
    best = state.best
    _number(best, like)
    while ages > GROUPS:  # of two halves, what is in the same place has the same rest
        half = (ages // GROUPS + 1) // 2 * GROUPS
        _largest(best[:half], best[half:ages])
        ages = half
    top = _largest_of(best[:GROUPS]) >> 12
    share = (GROUPS << 16) // n[FULL]
    total = 0
    for group in range(GROUPS):
        state.says[group] = 32768 >> min(62, (top - (best[group] >> 12)) * share >> 16) if best[group] >> 12 > 0 else 0
        total += state.says[group]
    share = (1 << 24) // max(1, total)
    n[SAYS] = 0
    for group in range(GROUPS):
        say = state.says[group] * share >> 16
        if say > 0:
            state.says[n[SAYS]] = say
            state.ages[n[SAYS]] = OLDEST - (best[group] & OLDEST)
            n[SAYS] += 1


@inlined
def _largest_of(numbers: Any) -> Any:
    top = numbers[0]
    for number in numbers:
        top = max(top, number)
    return top


@inlined
def _value(state: Any, layer: Any, number: Any, forced: Any) -> None:
    """Value the experts of a layer; members of a forced event may not go yet."""
    n = state.n
    _multiply(state.value, state.often[layer], np.int32(state.frequent))
    for i in range(n[SAYS]):
        place = n[PLACE] + state.ages[i]
        place -= state.memory if place >= state.memory else 0
        _add(state.value, state.soon[layer, place], np.int32(state.says[i] * state.similar))
    _enter(state.key[layer], state.value, state.held[layer])
    if forced:
        for i in range(number):
            state.key[layer, state.members[i]] = GONE
        n[KEPT] = layer
        n[MEMBERS] = number
    state.low[layer] = _least(state.key[layer])


@shared
def _serve(state: Any, now: Any, experts: Any, row: Any, column: Any, forced: Any) -> None:
    """Note an event."""
    n = state.n
    kept = n[KEPT]
    if kept >= 0:  # the members of the last event may go now
        n[KEPT] = -1
        for i in range(n[MEMBERS]):
            key = (np.int64(state.value[state.members[i]]) << 16) + state.members[i]
            state.key[kept, state.members[i]] = key
            state.low[kept] = min(state.low[kept], key)
    number = 0
    for i in range(experts.shape[2]):
        expert = experts[row, column, i]
        if expert >= 0:
            state.held[now.layer, expert] = True
            state.members[number] = expert
            number += 1
    if number > 0:
        new = now.round != n[ROUND] or now.layer != n[LAYER]
        if n[EVENTS] == 0:
            n[BEGIN] = now.round
            state.seen[:] = now.round - 1
        if now.round != n[ROUND]:
            n[PLACE] = -now.round % state.memory
        n[ROUND] = now.round
        n[LAYER] = now.layer
        n[EVENTS] += 1
        _remember(state, now.layer, number, new)
        _compare(state, now.layer, number, new)
        _value(state, now.layer, number, forced)


@inlined
def _order(state: Any, page: Any, layer: Any) -> Any:
    j = state.layer_of[page]
    return (state.key[j, page - state.first[j]] >> 16) * state.turn[state.layers - 1 - layer + j]


@inlined
def _evict(state: Any, layer: Any) -> Any:
    """Let the page of smallest value go, seen from the layer that is served."""
    least = np.int64(1) << 62
    of = 0
    at = state.layers - 1 - layer
    for j in range(state.layers):
        order = (state.low[j] >> 16) * state.turn[at + j]
        if order < least and state.low[j] < GONE:
            least = order
            of = j
    expert = state.low[of] & 65535
    state.held[of, expert] = False
    state.key[of, expert] = GONE
    state.low[of] = _least(state.key[of])
    return state.first[of] + expert


@inlined
def _forget(state: Any) -> None:
    """Nothing is held."""
    state.n[KEPT] = -1
    state.held[:] = False
    state.key[:] = GONE
    state.low[:] = GONE
