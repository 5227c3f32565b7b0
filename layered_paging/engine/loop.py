"""The replay loop of the compiled twins: one function, compiled once for the state of each policy.

``fast`` holds the loops of policies for which this one is too slow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..core.compiled import bare_kernel
from ..core.counts import Counts
from ..core.layout import Arrays, locked
from ..errors import BudgetError
from .gates import DROPPED, Gate, begin_gate, passes, reset_gate, show, sift
from .hooks import Now, flushes, next_victim, on_clear, on_hit, on_miss, on_reset, on_round, on_served, waits
from .task import Task

__all__ = ["play_with", "run"]

RESET = {"never": 0, "session": 1, "cache": 2}
GOES_ON, BOUNDARY, START = 0, 1, 2  # how the first round follows on what was before it
BEGIN, HELD, COUNT = 0, 1, 2  # places in ``Cache.numbers``


class Limits(NamedTuple):
    """What the cache may hold and how it is ruled; ``weight`` is what a page takes, ``sizes`` are its bytes."""

    capacity: int
    weight: Any
    sizes: Any
    reset: int
    bypass: bool
    oversize: bool


class Tally(NamedTuple):
    """Where the loop counts, modified in place: misses by session and stage, and by layer; flags, empty if not asked for."""

    misses: Any
    by_layer: Any
    flags: Any


class Cache(NamedTuple):
    """The cache, modified in place.

    ``guard[page]`` is the last event that shields a page from eviction; ``absent`` and ``place`` take the absent members of one
    event and their places in it; ``numbers`` holds, between parts, the first round since the last reset, what is held (in
    slots or bytes), and the number of pages.
    """

    resident: Any
    guard: Any
    absent: Any
    place: Any
    numbers: Any


def run(task: Task, kind: Any) -> Counts:
    """Replay one pool with a twin whose state is of type ``kind``; the same counts as the reference.

    Raises
    ------
    BudgetError
        An event does not fit, and may not stay over.
    ParameterError
        All requests together could reach 2^63 bytes, more than the kernel counts.
    """
    task.check_bytes()
    carry = {} if task.carry is None else task.carry
    if "state" not in carry:
        carry["state"] = kind.begin(task)
    elif hasattr(kind, "part"):  # a state that looks at the requests themselves
        carry["state"] = kind.part(carry["state"], task)
    return play_with(_replay, task, carry)


def play_with(play: Callable[..., int], task: Task, carry: dict[str, Any]) -> Counts:
    """Call the compiled loop for a state that is in ``carry``."""
    grid, rules = task.grid, task.rules
    width = grid.shape[2]
    counts = Counts.zero(grid, task.record)
    ones = np.ones(grid.pages, np.int64)
    opens = START
    if "resident" in carry:
        opens = GOES_ON if grid.goes_on else BOUNDARY
    else:
        none = np.zeros(grid.pages, np.bool_), np.full(grid.pages, -1, np.int64)
        carry.update(resident=none[0], guard=none[1], numbers=np.array([grid.origin, 0, 0]))
    carry["gate"] = gate = None if rules.traffic.plain else begin_gate(task, carry.get("gate"))
    limits = Limits(
        task.capacity,
        locked(task.sizes if task.in_bytes and task.sizes is not None else ones),
        locked(ones if task.sizes is None else task.sizes),
        RESET[rules.reset],
        rules.bypass,
        rules.stays_over,
    )
    flags = np.zeros((0, 0, 0), np.bool_) if counts.flags is None else counts.flags
    tally = Tally(counts.misses, counts.layer_misses, flags)
    places = np.empty(width, np.int64), np.empty(width, np.int64)
    cache = Cache(carry["resident"], carry["guard"], *places, carry["numbers"])
    dropped = 0 if gate is None else int(gate.numbers[DROPPED])
    outcome = play(carry["state"], grid.arrays(), limits, tally, cache, gate, opens)
    counts.dropped = 0 if gate is None else int(gate.numbers[DROPPED]) - dropped
    if outcome < 0:
        raise BudgetError(f"round {-1 - outcome}: an event does not fit into {task.capacity}")
    counts.missed_bytes = int(outcome)
    return counts


@bare_kernel
def _replay(state: Any, grid: Arrays, limits: Limits, tally: Tally, cache: Cache, gate: Gate | None, opens: int) -> int:
    """Return the bytes loaded, or -1 - round where an event does not fit; modify ``state``, ``tally``, ``cache``, ``gate``.

    Without a gate, what is about it is not compiled.
    """
    experts, first, layer, offset, starts = grid.experts, grid.first, grid.layer, grid.offset, grid.starts
    capacity, weight, sizes, bypass = limits.capacity, limits.weight, limits.sizes, limits.bypass
    resident, guard, absent, place, numbers = cache.resident, cache.guard, cache.absent, cache.place, cache.numbers
    rounds, columns, width = experts.shape
    record = tally.flags.shape[0] > 0
    begin, held, count = numbers[BEGIN], numbers[HELD], numbers[COUNT]
    session = 0
    loaded = 0
    if opens == START:
        on_reset(state, grid.number)
    for row in range(rounds):
        r = grid.origin + row
        # a new session: empty what the rules say
        boundary = row == 0 and opens == BOUNDARY
        if session + 1 < starts.shape[0] and starts[session + 1] <= row:
            session += 1
            boundary = True
        if boundary and limits.reset != 0:
            resident[:] = False
            held = 0
            count = 0
            if limits.reset == 1:
                begin = r
                on_reset(state, grid.number + session)
                if gate is not None:
                    reset_gate(gate)
            else:
                event = r * grid.stride + offset[0]
                clock = event * width if grid.ranked else event
                on_clear(state, Now(clock, r, layer[0], event * width, event * width, event, event, 0))
        on_round(state, r, begin)
        for c in range(columns):
            event = r * grid.stride + offset[c]
            start = event * width
            clock = start if grid.ranked else event
            of_layer = layer[c]
            alone = False  # whether the event leaves the cache alone
            if gate is not None:
                alone = passes(gate, experts, row, c)
            # the members that are there, in the order of presentation; the absent ones are noted
            members = 0
            missing = 0
            for q in range(width):
                e = experts[row, c, q]
                if e < 0:
                    continue
                page = first[c] + e
                if not bypass:
                    guard[page] = event
                if resident[page]:
                    if alone:
                        continue
                    at = clock + members if grid.ranked else clock
                    on_hit(state, page, Now(at, r, of_layer, start + members, start, event, event, 0))
                else:
                    absent[missing] = page
                    place[missing] = members
                    missing += 1
                    if record:
                        tally.flags[row, c, q] = True
                members += 1
            if missing > 0:
                tally.misses[session, grid.stage[row]] += missing
                tally.by_layer[of_layer] += missing
                for i in range(missing):
                    loaded += sizes[absent[i]]
            loads = missing
            if gate is not None:
                loads = 0 if alone else sift(gate, absent, place, missing, r, capacity - held, weight)
                gate.numbers[DROPPED] += missing - loads
                members -= missing - loads
            if alone:
                continue
            # the absent ones are loaded
            older = count
            for i in range(loads):
                page = absent[i]
                at = clock + place[i] if grid.ranked else clock
                on_miss(state, page, Now(at, r, of_layer, start + place[i], start, event, event, 0))
                resident[page] = True
                held += weight[page]
                if waits(state):
                    guard[page] = event
            now = Now(clock, r, of_layer, start, start, event, event, 0)
            if gate is not None:  # the policy sees those that are there
                show(gate, experts, row, c, first[c], resident)
                on_served(state, now, gate.shown, 0, 0, guard)
            else:
                on_served(state, now, experts, row, c, guard)
            count += loads
            # evict until it fits
            while held > capacity:
                free = count if bypass else count - members
                if free == 0:
                    if limits.oversize:
                        break
                    return -1 - r
                if flushes(state):
                    for page in range(resident.shape[0]):
                        if resident[page] and guard[page] != event:
                            resident[page] = False
                            held -= weight[page]
                            count -= 1
                    continue
                stamp = event
                if waits(state) and bypass:  # what was there before the event goes first
                    if older > 0:
                        free = older
                        older -= 1
                    else:
                        stamp = -2  # no event has this number: nothing is shielded
                gone = next_victim(state, resident, guard, Now(clock, r, of_layer, start, start, event, stamp, free))
                resident[gone] = False
                held -= weight[gone]
                count -= 1
    numbers[BEGIN], numbers[HELD], numbers[COUNT] = begin, held, count
    return loaded
