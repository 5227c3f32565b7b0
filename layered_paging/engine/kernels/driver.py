"""The one replay loop of the compiled twins; the type of a policy's state decides what happens inside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ...core.compiled import bare_kernel
from ...core.counts import Counts
from ...core.layout import Grid, locked
from ...errors import BudgetError, ParameterError
from .hooks import Now, flushes, next_victim, on_clear, on_hit, on_miss, on_reset, on_round, on_served, waits

__all__ = ["run"]

NEVER, SESSION, CACHE = 0, 1, 2
GOES_ON, BOUNDARY, START = 0, 1, 2  # how the first round follows on what was before it


def run(
    grid: Grid,
    capacity: int,
    state: Callable[[], Any],
    *,
    sizes: npt.NDArray[np.int64] | None,
    in_bytes: bool,
    reset: str,
    bypass: bool,
    oversize: bool,
    seed: int,
    key: int,
    record: bool,
    carry: dict[str, Any] | None = None,
) -> Counts:
    """Replay one pool with the twin whose state ``state()`` builds; the same counts as the reference.

    ``carry`` is empty before the first part of a trace that comes in parts, and keeps what the next one needs.

    Raises
    ------
    BudgetError
        An event does not fit, and ``oversize`` is not allowed.
    ParameterError
        All requests together could reach 2^63 bytes, more than the kernel counts.
    """
    width = grid.shape[2]
    largest = 1 if sizes is None else int(sizes.max())
    if grid.experts.size * largest >= 1 << 63:
        raise ParameterError(
            f"requests times the largest page must stay below 2^63 bytes; got {grid.experts.size} requests of up to {largest} bytes"
        )
    counts = Counts.zero(grid, record)
    ones = np.ones(grid.pages, np.int64)
    flags = np.zeros((0, 0, 0), np.bool_) if counts.flags is None else counts.flags
    if carry is None:
        carry = {}
    opens = START
    if carry:
        opens = GOES_ON if grid.goes_on else BOUNDARY
    else:
        none = np.zeros(grid.pages, np.bool_), np.full(grid.pages, -1, np.int64)
        carry.update(state=state(), resident=none[0], guard=none[1], numbers=np.array([grid.origin, 0, 0]))
    outcome = _replay(
        carry["state"],
        grid.experts,
        grid.first,
        grid.layer,
        grid.offset,
        grid.stride,
        grid.starts,
        grid.stage,
        grid.ranked,
        capacity,
        locked(sizes if in_bytes and sizes is not None else ones),
        locked(ones if sizes is None else sizes),
        {"never": NEVER, "session": SESSION, "cache": CACHE}[reset],
        bypass,
        oversize,
        counts.misses,
        counts.layer_misses,
        flags,
        carry["resident"],
        carry["guard"],
        np.empty(width, np.int64),
        np.empty(width, np.int64),
        grid.origin,
        grid.number,
        opens,
        carry["numbers"],
    )
    if outcome < 0:
        raise BudgetError(f"round {-1 - outcome}: an event does not fit into {capacity}")
    counts.missed_bytes = int(outcome)
    return counts


@bare_kernel
def _replay(
    state: Any,
    experts: Any,
    first: Any,
    layer: Any,
    offset: Any,
    stride: int,
    starts: Any,
    stage: Any,
    ranked: bool,
    capacity: int,
    weight: Any,
    sizes: Any,
    reset: int,
    bypass: bool,
    oversize: bool,
    misses: Any,
    layer_misses: Any,
    flags: Any,
    resident: Any,
    guard: Any,  # the last event that shields the page from eviction
    absent: Any,
    place: Any,
    origin: int,
    number: int,
    opens: int,
    numbers: Any,  # begin, held and count of the part before
) -> int:
    rounds, columns, width = experts.shape
    pages = sizes.shape[0]
    record = flags.shape[0] > 0
    session = 0
    begin = numbers[0]
    held = numbers[1]  # in slots or bytes
    count = numbers[2]
    loaded = 0
    if opens == START:
        on_reset(state, number)
    for row in range(rounds):
        r = origin + row
        boundary = row == 0 and opens == BOUNDARY
        if session + 1 < starts.shape[0] and starts[session + 1] <= row:
            session += 1
            boundary = True
        if boundary and reset != NEVER:
            resident[:] = False
            held = 0
            count = 0
            if reset == SESSION:
                begin = r
                on_reset(state, number + session)
            else:
                event = r * stride + offset[0]
                clock = event * width if ranked else event
                on_clear(state, Now(clock, r, layer[0], event * width, event * width, event, event, 0))
        on_round(state, r, begin)
        for c in range(columns):
            event = r * stride + offset[c]
            start = event * width
            clock = start if ranked else event
            of_layer = layer[c]
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
                    at = clock + members if ranked else clock
                    on_hit(state, page, Now(at, r, of_layer, start + members, start, event, event, 0))
                else:
                    absent[missing] = page
                    place[missing] = members
                    missing += 1
                    if record:
                        flags[row, c, q] = True
                members += 1
            older = count
            for i in range(missing):
                page = absent[i]
                at = clock + place[i] if ranked else clock
                on_miss(state, page, Now(at, r, of_layer, start + place[i], start, event, event, 0))
                resident[page] = True
                held += weight[page]
                loaded += sizes[page]
                if waits(state):
                    guard[page] = event
            on_served(state, Now(clock, r, of_layer, start, start, event, event, 0), experts, row, c, guard)
            count += missing
            if missing > 0:
                misses[session, stage[row]] += missing
                layer_misses[of_layer] += missing
            while held > capacity:
                free = count if bypass else count - members
                if free == 0:
                    if oversize:
                        break
                    return -1 - r
                if flushes(state):
                    for page in range(pages):
                        if resident[page] and guard[page] != event:
                            resident[page] = False
                            held -= weight[page]
                            count -= 1
                    continue
                stamp = event
                if waits(state) and bypass:
                    if older > 0:
                        free = older
                        older -= 1
                    else:
                        stamp = -2
                gone = next_victim(state, resident, guard, Now(clock, r, of_layer, start, start, event, stamp, free))
                resident[gone] = False
                held -= weight[gone]
                count -= 1
    numbers[0] = begin
    numbers[1] = held
    numbers[2] = count
    return loaded
