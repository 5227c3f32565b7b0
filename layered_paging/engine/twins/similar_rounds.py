"""Twin of similar-rounds: loops over neighbouring numbers, which a compiler turns into vector instructions.

An event is dealt with at once, when its members are present.  Of each layer the page of smallest value is known, so
that an eviction compares layers, and then looks for the next page of one layer.  A round has the place
``round mod ring``.  Likeness is kept by ``memory - 1 - age``, so that it rises with the place.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...errors import ParameterError
from ...policies.similar_rounds import EVENTS, FADE, GROUPS, RECENT, SLOW, SOON
from ..hooks import Now, inlined, shared
from ..task import Task
from . import twin

GONE = np.int64(1 << 44)  # the key of a page that may not go: no value reaches 2^28
BLOCK = 32  # places that are emptied together
ROUND, LAYER, BEGIN, PLACE, FULL, SINCE, FADES, ADDED, SAYS, KEPT, MEMBERS, COLUMNS = range(12)  # what ``n`` holds


@twin()
class SimilarRounds(NamedTuple):
    """What is known; ``n[BEGIN]`` is -1 before the first event."""

    layers: int
    memory: int
    weights: Any
    first: Any  # page numbers of the trace
    layer_of: Any  # by page
    turn: Any  # layers + distance gone, layers backwards
    used: Any  # by layer, expert, place; one expert more, which is never used
    soon: Any  # by layer, place, expert: how soon it was used again
    soonness: Any
    last: Any  # by layer and expert: the round of the last use
    emptied: Any  # by layer: the last block
    like: Any
    common: Any  # what is not in ``like`` yet
    best: Any  # likeness and its place in ``like``
    places: Any  # of the rounds that have a say
    says: Any
    often: Any  # by layer and expert, how frequent
    value: Any  # by layer and expert
    key: Any  # the same: value and expert of pages that may go
    low: Any  # by layer: the smallest key
    held: Any
    members: Any
    n: Any

    @classmethod
    def begin(cls, task: Task) -> Any:
        """Return a state for a pool; raise ParameterError if it is too large."""
        policy: Any = task.spec.make(task.instance)
        memory, layers, experts = policy.memory, task.instance.layers, max(task.instance.experts)
        ring, (rounds, _, top_k) = -(-memory // BLOCK) * BLOCK + BLOCK, task.grid.shape
        most = top_k * int(np.bincount(task.grid.layer, minlength=1).max())
        cells, likest = 2 * ring * layers * experts, 16 * most * EVENTS << FADE
        if max(experts - 1, layers) >> 16 or rounds * layers >> 35 or cells >> 33 or likest * 2 * memory >> 31:
            raise ParameterError(
                f"{task.spec.name}: a trace of {rounds} rounds and {layers} layers of up to {experts} experts, {most} in an event, is too large for the compiled kernel with a memory of {memory} rounds; use engine 'reference'"
            )
        turn = 2 * layers - 1 - np.arange(2 * layers) % layers if policy.distance else np.full(2 * layers, layers)
        grids = [np.zeros((layers, experts), kind) for kind in (np.int64, np.int32, np.int32, np.int64, np.bool_)]
        return cls(
            layers, memory, np.array(policy.weights, np.int32), np.array(task.instance.first[:layers], np.int64),
            np.repeat(np.arange(layers), task.instance.experts), turn.astype(np.int64),
            np.zeros((layers, experts + 1, ring), np.uint8), np.zeros((layers, ring, experts), np.uint8),
            np.array((0, *SOON), np.uint8), grids[0], np.zeros(layers, np.int64),
            np.zeros(memory, np.int32), np.zeros(memory, np.uint8), np.zeros(memory, np.int32),
            np.zeros(GROUPS, np.int64), np.zeros(GROUPS, np.int32), grids[1], grids[2], grids[3], np.zeros(layers, np.int64), grids[4],
            np.zeros(most + 4, np.int64), np.zeros(COLUMNS, np.int64),
        )  # fmt: skip

    def reset(self, session: int) -> None:
        """Begin from nothing."""
        self.n[:] = 0
        self.n[ROUND] = self.n[LAYER] = self.n[BEGIN] = -1
        self.like[:] = 0
        self.common[:] = 0
        self.often[:] = 0
        _forget(self)

    def clear(self, now: Now) -> None:
        """Nothing is held any more."""
        _forget(self)

    def served(self, now: Now, experts: Any, row: int, column: int, guard: Any) -> None:
        """Note an event, and value its layer."""
        for i in range(self.n[MEMBERS]):  # those of the last event may go now
            layer, expert = self.n[KEPT], self.members[i]
            self.held[layer, expert] = True
            self.key[layer, expert] = (np.int64(self.value[layer, expert]) << 16) + expert
            self.low[layer] = min(self.low[layer], self.key[layer, expert])
        self.n[MEMBERS] = 0
        number = 0
        forced = False
        for i in range(experts.shape[2]):
            expert = experts[row, column, i]
            if expert >= 0:
                forced |= guard[self.first[now.layer] + expert] == now.event
                self.members[number] = expert
                number += 1
        if number > 0:
            _serve(self, now, number, forced)

    def leaves_before(self, page: int, other: int, now: Now) -> bool:
        """Return whether one page, which may go, has the smaller value, then the lower number."""
        mine, theirs = _order(self, page, now.layer), _order(self, other, now.layer)
        return bool(mine < theirs or (mine == theirs and page < other))

    def victim(self, resident: Any, guard: Any, now: Now) -> int:
        """Let the page of smallest value go, seen from the layer that is served."""
        at = self.layers - 1 - now.layer
        layer = _first(self.low, self.turn[at : at + self.layers])
        expert = self.low[layer] & 65535
        self.held[layer, expert] = False
        self.key[layer, expert] = GONE
        self.low[layer] = _least(self.key[layer])
        return int(self.first[layer] + expert)


@inlined
def _order(state: Any, page: Any, layer: Any) -> Any:
    j = state.layer_of[page]
    return (state.key[j, page - state.first[j]] >> 16) * state.turn[state.layers - 1 - layer + j]


@inlined
def _forget(state: Any) -> None:
    state.n[MEMBERS] = 0
    state.held[:] = False
    state.key[:] = GONE
    state.low[:] = GONE


@shared
def _first(low: Any, turn: Any) -> Any:
    """Return the layer whose page of smallest value goes first."""
    first = np.int64(1) << 62
    for layer in range(low.shape[0]):
        first = min(first, ((low[layer] >> 16) * turn[layer] << 16) + layer)
    return first & 65535


@shared
def _least(keys: Any) -> Any:
    low = GONE
    for expert in range(keys.shape[0]):
        low = min(low, keys[expert])
    return low


@shared
def _add_common(common: Any, a: Any, b: Any, c: Any, d: Any) -> None:
    for i in range(common.shape[0]):
        common[i] += np.uint8(np.uint8(a[i] + b[i]) + np.uint8(c[i] + d[i]))


@shared
def _gather(like: Any, common: Any, best: Any, fade: Any) -> None:
    for i in range(like.shape[0]):
        like[i] += np.int32((np.int32(common[i]) << 4) - (like[i] >> fade))
        best[i] = np.int32(like[i] * (2 * best.shape[0])) + np.int32(i)
        common[i] = 0


@shared
def _largest(some: Any, others: Any) -> None:
    for i in range(others.shape[0]):
        some[i] = max(some[i], others[i])


@shared
def _begin(value: Any, often: Any, last: Any, weights: Any, now: Any, memory: Any) -> None:
    for expert in range(value.shape[0]):
        age = np.int32(now - last[expert])
        part = np.int32(np.float32(RECENT) / np.float32(2 * age + 1))  # exact, rounded down: RECENT * memory < 2^24
        value[expert] = often[expert] * weights[1] + weights[2] * (part if age < memory else np.int32(0))


@shared
def _add_says(value: Any, says: Any, a: Any, b: Any, c: Any, d: Any) -> None:
    w, x, y, z = says[0], says[1], says[2], says[3]
    for expert in range(value.shape[0]):
        one = np.int32(w * np.int32(a[expert])) + np.int32(x * np.int32(b[expert]))
        value[expert] += np.int32(one + np.int32(y * np.int32(c[expert])) + np.int32(z * np.int32(d[expert])))


@shared
def _enter(key: Any, value: Any, held: Any) -> Any:
    low = GONE
    for expert in range(value.shape[0]):
        key[expert] = (np.int64(value[expert]) << 16) + expert if held[expert] else GONE
        low = min(low, key[expert])
    return low


@shared
def _serve(state: Any, now: Any, number: Any, forced: Any) -> None:
    """Note an event of members that are in ``state.members``."""
    n, layer, members, soon, ring = state.n, now.layer, state.members, state.soon[now.layer], state.soon.shape[1]
    if n[BEGIN] < 0:
        n[BEGIN] = now.round
        state.emptied[:] = now.round // BLOCK - 1
        state.last[:] = now.round - state.memory
    if now.round != n[ROUND] or layer != n[LAYER]:
        if n[SINCE] == 0:  # the rounds were chosen at the event before
            n[FADES] = FADE
            n[FULL] -= n[FULL] >> FADE
        n[SINCE] = 0 if now.round != n[ROUND] or n[SINCE] == EVENTS - 1 else n[SINCE] + 1
        n[PLACE] = now.round % ring
        n[ROUND], n[LAYER] = now.round, layer
        block = now.round // BLOCK
        for new in range(max(state.emptied[layer] + 1, block + 1 - ring // BLOCK), block + 1):
            place = new * BLOCK % ring
            state.used[layer, :, place : place + BLOCK] = 0
            soon[place : place + BLOCK] = 0
        state.emptied[layer] = block
        for expert in range(soon.shape[1]):
            state.often[layer, expert] -= state.often[layer, expert] >> np.int32(SLOW)
    n[FULL] += 16 * number
    far = min(state.soonness.shape[0] - 1, state.memory - 1, now.round - n[BEGIN])
    for i in range(number):
        expert, before = members[i], n[PLACE]
        state.used[layer, expert, before] = 1
        state.last[layer, expert] = now.round
        state.often[layer, expert] += 65536 >> SLOW
        for later in range(1, far + 1):
            before = before - 1 if before > 0 else ring - 1
            soon[before, expert] = max(soon[before, expert], state.soonness[later])
    _compare(state, layer, number)
    _begin(state.value[layer], state.often[layer], state.last[layer], state.weights, now.round, state.memory)
    for i in range(0, n[SAYS], 4):
        a, b, c, d = state.places[i], state.places[i + 1], state.places[i + 2], state.places[i + 3]
        _add_says(state.value[layer], state.says[i:], soon[a], soon[b], soon[c], soon[d])
    for i in range(number):  # members of a forced event may not go yet
        state.held[layer, members[i]] = not forced
    state.low[layer] = _enter(state.key[layer], state.value[layer], state.held[layer])
    n[KEPT] = layer
    n[MEMBERS] = number if forced else 0


@inlined
def _compare(state: Any, layer: Any, number: Any) -> None:
    """Count what rounds have in common with the present one, and choose the likest, where it is time."""
    n, ring, members = state.n, state.soon.shape[1], state.members
    known = min(state.memory - 1, n[ROUND] - n[BEGIN])
    start = n[PLACE] - known if n[PLACE] >= known else n[PLACE] - known + ring
    end = min(known, ring - start)  # of the ages up to the end of the ring
    common = state.common[state.memory - 1 - known :]
    members[number : number + 3] = state.used.shape[1] - 1
    for i in range(0, number, 4):
        a, b, c, d = members[i], members[i + 1], members[i + 2], members[i + 3]
        used = state.used[layer, :, start : start + end]
        _add_common(common[:end], used[a], used[b], used[c], used[d])
        used = state.used[layer, :, : known - end]
        _add_common(common[end:known], used[a], used[b], used[c], used[d])
        n[ADDED] += 4
        if n[ADDED] > 251 or (n[SINCE] == 0 and i + 4 >= number):
            _gather(state.like, state.common, state.best, n[FADES])
            n[FADES], n[ADDED] = 31, 0
    if n[SINCE] > 0:
        return
    size = state.memory
    while size > GROUPS:  # of two halves, what is in the same place has the same rest
        half = (size // GROUPS + 1) // 2 * GROUPS
        _largest(state.best[:half], state.best[half:size])
        size = half
    top = state.best[0]
    for group in range(1, GROUPS):
        top = max(top, state.best[group])
    share, total, unit = (GROUPS << 16) // n[FULL], 0, 2 * state.memory
    state.says[:] = 0
    n[SAYS] = 0
    for group in range(GROUPS):
        likest = state.best[group] // unit
        below = (top // unit - likest) * share >> 16
        if likest > 0 and below < 16:
            state.says[n[SAYS]] = 32768 >> below
            place = n[PLACE] - (state.memory - 1 - state.best[group] % unit)
            state.places[n[SAYS]] = place if place >= 0 else place + ring
            total += state.says[n[SAYS]]
            n[SAYS] += 1
    share = (1 << 24) // max(1, total)
    for i in range(n[SAYS]):
        state.says[i] = (state.says[i] * share >> 16) * state.weights[0]
