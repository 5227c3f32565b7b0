"""Twin of similar-rounds: loops over neighbouring numbers, which a compiler turns into vector instructions.

An event is dealt with at once, when its members are present.  An eviction compares the smallest values of the layers.
A round has a place.  The remembered rounds have places one after the other, and move to the front when the room is full.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...errors import ParameterError
from ...policies.similar_rounds import EVENTS, FADE, GROUPS, RECENT, SLOW, SOON
from ..hooks import Now, inlined
from ..task import Task
from . import twin

GONE = np.int32(1 << 28)  # for the value of a page that may not go: no value reaches it
BASE, PLACE, LAYER, FULL, SINCE, ADDED, SAYS, KEPT, MEMBERS, COLUMNS = range(10)  # what ``n`` holds


@twin()
class SimilarRounds(NamedTuple):
    """What is known; ``n[PLACE]`` is -1 before the first event."""

    layers: int
    memory: int
    shift: Any  # bits of a place in ``best``
    weights: Any
    first: Any  # page numbers of the trace
    layer_of: Any  # by page
    turn: Any  # layers + distance gone, layers backwards
    used: Any  # by layer, expert, place; one expert more, which is never used
    soon: Any  # by layer, place, expert: how soon it was used again
    soonness: Any
    last: Any  # by layer and expert: the place of the last use
    like: Any  # by ``memory - 1 - age``, so that it rises with the place
    common: Any  # what is not in ``like`` yet
    best: Any  # likeness and its place in ``like``
    places: Any  # of the rounds that have a say
    says: Any
    similar: Any  # by expert
    often: Any  # by layer and expert, how frequent
    value: Any  # by layer and expert
    free: Any  # the same, of pages that may go
    low: Any  # by layer: the smallest of those
    held: Any
    members: Any
    n: Any

    @classmethod
    def begin(cls, task: Task) -> Any:
        """Return a state for a pool; raise ParameterError if it is too large."""
        policy: Any = task.spec.make(task.instance)
        memory, layers, experts = policy.memory, task.instance.layers, max(task.instance.experts)
        room, shift, (rounds, _, top_k) = 2 * memory, (memory - 1).bit_length(), task.grid.shape
        most = top_k * int(np.bincount(task.grid.layer, minlength=1).max())
        cells, likest = 2 * room * layers * experts, 16 * most * EVENTS << FADE
        if max(experts - 1, layers) >> 16 or rounds * layers >> 35 or cells >> 33 or likest << shift >> 31:
            raise ParameterError(
                f"{task.spec.name}: a trace of {rounds} rounds and {layers} layers of up to {experts} experts, {most} in an event, is too large for the compiled kernel with a memory of {memory} rounds; use engine 'reference'"
            )
        turn = 2 * layers - 1 - np.arange(2 * layers) % layers if policy.distance else np.full(2 * layers, layers)
        last, often, value, free = (np.full((layers, experts), start, np.int32) for start in (-1, 0, 0, GONE))
        return cls(
            layers, memory, shift, np.array(policy.weights, np.int32), np.array(task.instance.first[:layers], np.int64),
            np.repeat(np.arange(layers), task.instance.experts), turn.astype(np.int64),
            np.zeros((layers, experts + 1, room), np.uint8), np.zeros((layers, room, experts), np.uint8),
            np.array(SOON[::-1], np.uint8), last, np.zeros(memory, np.int32), np.zeros(memory, np.uint8), np.zeros(memory, np.int32),
            np.zeros(GROUPS, np.int64), np.zeros(GROUPS, np.uint16), np.zeros(experts, np.uint16), often, value, free, np.full(layers, GONE), np.zeros((layers, experts), np.bool_),
            np.zeros(most + 4, np.int64), np.full(COLUMNS, -1, np.int64),
        )  # fmt: skip

    def reset(self, session: int) -> None:
        """Begin from nothing."""
        for layer in range(self.layers):
            for expert in range(self.used.shape[1]):
                self.used[layer, expert, : self.n[PLACE] + 1] = 0
            self.soon[layer, : self.n[PLACE] + 1] = 0
        self.n[:] = 0
        self.n[PLACE] = self.n[LAYER] = self.last[:] = -1
        self.like[:] = self.common[:] = self.often[:] = 0
        _forget(self)

    def clear(self, now: Now) -> None:
        """Nothing is held any more."""
        _forget(self)

    def served(self, now: Now, experts: Any, row: int, column: int, guard: Any) -> None:
        """Note an event, and value its layer."""
        for i in range(self.n[MEMBERS]):  # those of the last event may go now
            layer, expert = self.n[KEPT], self.members[i]
            self.held[layer, expert] = True
            self.free[layer, expert] = self.value[layer, expert]
            self.low[layer] = min(self.low[layer], self.value[layer, expert])
        self.n[MEMBERS] = 0
        number, forced = 0, False
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
        expert = 0
        while self.free[layer, expert] != self.low[layer]:
            expert += 1
        self.held[layer, expert] = False
        self.free[layer, expert] = GONE
        self.low[layer] = _least(self.free[layer])
        return int(self.first[layer] + expert)


@inlined
def _order(state: Any, page: Any, layer: Any) -> Any:
    j = state.layer_of[page]
    return state.free[j, page - state.first[j]] * state.turn[state.layers - 1 - layer + j]


@inlined
def _forget(state: Any) -> None:
    state.n[MEMBERS] = 0
    state.held[:] = False
    state.free[:] = GONE
    state.low[:] = GONE


@inlined
def _first(low: Any, turn: Any) -> Any:
    """Return the layer whose page of smallest value goes first."""
    first = np.int64(1) << 62
    for layer in range(low.shape[0]):
        first = min(first, (low[layer] * turn[layer] << 16) + layer)
    return first & 65535


@inlined
def _least(free: Any) -> Any:
    low = GONE
    for expert in range(free.shape[0]):
        low = min(low, free[expert])
    return low


@inlined
def _add_common(common: Any, a: Any, b: Any, c: Any, d: Any) -> None:
    for i in range(common.shape[0]):
        common[i] += np.uint8(np.uint8(a[i] + b[i]) + np.uint8(c[i] + d[i]))


@inlined
def _fade(counts: Any, by: Any) -> None:
    for i in range(counts.shape[0]):
        counts[i] -= counts[i] >> by


@inlined
def _gather(like: Any, common: Any, best: Any, unit: Any) -> None:
    for i in range(like.shape[0]):
        like[i] += np.int32(common[i]) * np.int32(16)
        best[i] = np.int32(like[i] * unit) + np.int32(i)
        common[i] = 0


@inlined
def _largest(some: Any, others: Any) -> None:
    for i in range(others.shape[0]):
        some[i] = max(some[i], others[i])


@inlined
def _add_says(similar: Any, says: Any, a: Any, b: Any, c: Any, d: Any) -> None:
    w, x, y, z = says[0], says[1], says[2], says[3]
    for expert in range(similar.shape[0]):
        one = np.uint16(np.uint16(w * a[expert]) + np.uint16(x * b[expert]))
        similar[expert] += np.uint16(one + np.uint16(np.uint16(y * c[expert]) + np.uint16(z * d[expert])))


@inlined
def _value(state: Any, layer: Any, place: Any) -> Any:
    """Value the pages of a layer; return the smallest value of one that may go."""
    value, free, often, last = state.value[layer], state.free[layer], state.often[layer], state.last[layer]
    held, similar, weights, low = state.held[layer], state.similar, state.weights, GONE
    for expert in range(value.shape[0]):
        age = np.int32(place - last[expert])
        part = np.int32(np.float32(RECENT) / np.float32(np.int32(2 * age + 1)))  # rounded down: RECENT * memory < 2^24
        recent = np.int32(weights[2] * (part if age < state.memory else np.int32(0)))
        known = np.int32(np.int32(weights[1] * often[expert]) + recent)
        value[expert] = np.int32(weights[0] * np.int32(similar[expert])) + known
        free[expert] = value[expert] if held[expert] else GONE
        low = min(low, free[expert])
    return low


@inlined
def _slide(state: Any, by: Any) -> None:
    """Move what is remembered to the front, so that there is room for more places."""
    used, soon, left = state.used, state.soon, max(0, state.soon.shape[1] - by)
    for layer in range(state.layers):
        for place in range(soon.shape[1]):
            for expert in range(soon.shape[2]):
                soon[layer, place, expert] = soon[layer, place + by, expert] if place < left else 0
        for expert in range(soon.shape[2]):
            state.last[layer, expert] = max(np.int64(-1), state.last[layer, expert] - by)
            for place in range(soon.shape[1]):
                used[layer, expert, place] = used[layer, expert, place + by] if place < left else 0


@inlined
def _serve(state: Any, now: Any, number: Any, forced: Any) -> None:
    """Note an event of members that are in ``state.members``."""
    n, layer, members, soon = state.n, now.layer, state.members, state.soon[now.layer]
    if n[PLACE] < 0:
        n[BASE] = now.round - (state.memory - 1)
    place = now.round - n[BASE]
    if place != n[PLACE] or layer != n[LAYER]:
        if n[SINCE] == 0:  # the rounds were chosen at the event before
            _fade(state.like, np.int32(FADE))
            n[FULL] -= n[FULL] >> FADE
        n[SINCE] = 0 if place != n[PLACE] or n[SINCE] == EVENTS - 1 else n[SINCE] + 1
        if place >= soon.shape[0]:
            _slide(state, place - (state.memory - 1))
            place = state.memory - 1
            n[BASE] = now.round - place
        n[PLACE], n[LAYER] = place, layer
        _fade(state.often[layer], np.int32(SLOW))
    n[FULL] += 16 * number
    for expert in members[:number]:
        state.used[layer, expert, place] = 1
        for j in range(len(SOON)):
            before = place - len(SOON) + j
            soon[before, expert] = max(soon[before, expert], state.soonness[j])
        state.last[layer, expert] = place
        state.often[layer, expert] += 65536 >> SLOW
        state.held[layer, expert] = not forced  # members of a forced event may not go yet
    _compare(state, layer, number)
    state.similar[:] = 0
    for i in range(0, n[SAYS], 4):
        a, b, c, d = state.places[i], state.places[i + 1], state.places[i + 2], state.places[i + 3]
        _add_says(state.similar, state.says[i:], soon[a], soon[b], soon[c], soon[d])
    state.low[layer] = _value(state, layer, place)
    n[KEPT], n[MEMBERS] = layer, number if forced else 0


@inlined
def _compare(state: Any, layer: Any, number: Any) -> None:
    """Count what rounds have in common with the present one, and choose the likest, where it is time."""
    n, members = state.n, state.members
    front = n[PLACE] - (state.memory - 1)
    used = state.used[layer, :, front : n[PLACE] + 1]
    members[number : number + 3] = state.used.shape[1] - 1
    for i in range(0, number, 4):
        _add_common(state.common, used[members[i]], used[members[i + 1]], used[members[i + 2]], used[members[i + 3]])
        n[ADDED] += 4
        if n[ADDED] > 251 or (n[SINCE] == 0 and i + 4 >= number):
            state.common[state.memory - 1] = 0  # the present round
            _gather(state.like, state.common, state.best, np.int32(1 << state.shift))
            n[ADDED] = 0
    if n[SINCE] > 0:
        return
    size = state.memory
    while size > GROUPS:  # of two halves, what is in the same place has the same rest
        half = (size // GROUPS + 1) // 2 * GROUPS
        _largest(state.best[:half], state.best[half:size])
        size = half
    share, total, top = (GROUPS << 16) // n[FULL], 0, 0
    for group in range(GROUPS):
        top = max(top, state.best[group])
    state.says[:] = n[SAYS] = 0
    for group in range(GROUPS):
        likest, i = state.best[group] >> state.shift, state.best[group] & (1 << state.shift) - 1
        below = ((top >> state.shift) - likest) * share >> 16
        if likest > 0 and below < 16:
            state.says[n[SAYS]], state.places[n[SAYS]] = 32768 >> below, front + i
            total += 32768 >> below
            n[SAYS] += 1
    share = (1 << 24) // max(1, total)
    for i in range(n[SAYS]):
        state.says[i] = state.says[i] * share >> 16
