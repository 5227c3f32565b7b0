"""The one replay loop of the compiled twins; a policy's state decides what happens inside.

A twin is a NamedTuple of arrays, its *state*, with a function for each thing that can happen to it.
``behaves`` ties the functions to the type of the state, so that numba compiles the loop below once for
each type: no function is passed around, and the compiled loops are cached on disk.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt
from numba.extending import overload

from ..compiled import bare_kernel
from ..errors import BudgetError
from ..grid import Grid
from ..reference import Counts

__all__ = ["Now", "behaves", "below", "inlined", "next_bits", "run", "seeded"]


class Now(NamedTuple):
    """When something happens: ``Time``, and the place in the order of all requests.

    ``tick`` orders requests by clock, then by place in the event; ``start`` is the tick at which the event
    begins; ``free`` is the number of pages that may go; pages with ``guard[page] == stamp`` may not.
    """

    clock: int
    round: int
    layer: int
    tick: int
    start: int
    event: int
    stamp: int
    free: int


# one function without reference counts, which would cost more than the policies
_INLINE = {"forceinline": True, "error_model": "numpy", "_nrt": False}


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a helper into the loop that uses it."""
    helper: Callable[..., Any] = numba.njit(**_INLINE)(function)
    return helper


def on_hit(state: Any, page: int, now: Now) -> None:
    """A member of the event was present."""


def on_miss(state: Any, page: int, now: Now) -> None:
    """A member of the event was loaded."""


def next_victim(state: Any, resident: Any, guard: Any, now: Now) -> int:
    """Return the page to evict; there is one."""
    return -1


def on_reset(state: Any, session: int) -> None:
    """Begin from nothing."""


def on_clear(state: Any, now: Now) -> None:
    """The cache was emptied from outside."""


def on_round(state: Any, r: int, begin: int) -> None:
    """A round begins; ``begin`` is the first round since the last reset."""


def flushes(state: Any) -> bool:
    """Whether everything that may go goes at once."""
    return False


def waits(state: Any) -> bool:
    """Whether what the event loaded may go only when nothing older may."""
    return False


def behaves(
    kind: type,
    *,
    hit: Callable[..., None],
    miss: Callable[..., None],
    victim: Callable[..., int],
    reset: Callable[..., None],
    clear: Callable[..., None] | None = None,
    each_round: Callable[..., None] | None = None,
    flush: bool = False,
    wait: bool = False,
) -> None:
    """Say what happens to a state of type ``kind``: functions that numba can compile."""

    def tie(stub: Callable[..., Any], what: Callable[..., Any]) -> None:
        def choose(state: Any, *rest: Any) -> Callable[..., Any] | None:
            return what if getattr(state, "instance_class", None) is kind else None

        overload(stub, strict=False, jit_options=_INLINE)(choose)

    tie(on_hit, hit)
    tie(on_miss, miss)
    tie(next_victim, victim)
    tie(on_reset, reset)
    tie(on_clear, clear or _nothing)
    tie(on_round, each_round or _no_round)
    tie(flushes, _yes if flush else _no)
    tie(waits, _yes if wait else _no)


def _nothing(state: Any, now: Now) -> None:
    return None


def _no_round(state: Any, r: int, begin: int) -> None:
    return None


def _yes(state: Any) -> bool:
    return True


def _no(state: Any) -> bool:
    return False


@inlined
def next_bits(rng: Any) -> Any:
    """Return the next 64 bits of the stream whose state is ``rng[0]``: the twin of ``Stream.next``."""
    rng[0] += np.uint64(0x9E3779B97F4A7C15)
    return _mix(rng[0])


@inlined
def below(rng: Any, n: Any) -> Any:
    """Return an integer in 0..n-1: the twin of ``Stream.below``."""
    return np.int64(((next_bits(rng) >> np.uint64(32)) * np.uint64(n)) >> np.uint64(32))


@inlined
def seeded(seed: Any, session: int, key: int) -> Any:
    """Return the state of ``Stream(seed, session, key)``."""
    state = _mix(seed)
    state = _mix(state ^ (np.uint64(session) + np.uint64(1)))
    return _mix(state ^ (np.uint64(key) + np.uint64(1)))


@inlined
def _mix(z: Any) -> Any:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


NEVER, SESSION, CACHE = 0, 1, 2


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
) -> Counts:
    """Replay one pool with the twin whose state ``state()`` builds; the same counts as the reference."""
    width = grid.shape[2]
    counts = Counts.zero(grid, record)
    ones = np.ones(grid.pages, np.int64)
    flags = np.zeros((0, 0, 0), np.bool_) if counts.flags is None else counts.flags
    outcome = _replay(
        state(),
        _locked(grid.experts),
        _locked(grid.first),
        _locked(grid.layer),
        _locked(grid.offset),
        grid.stride,
        _locked(grid.starts),
        _locked(grid.stage),
        grid.ranked,
        capacity,
        _locked(sizes if in_bytes and sizes is not None else ones),
        _locked(ones if sizes is None else sizes),
        {"never": NEVER, "session": SESSION, "cache": CACHE}[reset],
        bypass,
        oversize,
        counts.misses,
        counts.layer_misses,
        flags,
        np.zeros(grid.pages, np.bool_),
        np.full(grid.pages, -1, np.int64),
        np.empty(width, np.int64),
        np.empty(width, np.int64),
    )
    if outcome < 0:
        raise BudgetError(f"round {-1 - outcome}: an event does not fit into {capacity}")
    counts.missed_bytes = int(outcome)
    return counts


def _locked(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a read-only view, so that one compiled loop serves writable and read-only arrays."""
    view = array.view()
    view.flags.writeable = False
    return view


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
) -> int:
    rounds, columns, width = experts.shape
    pages = sizes.shape[0]
    record = flags.shape[0] > 0
    session = 0
    begin = 0
    held = 0  # in slots or bytes
    count = 0
    loaded = 0
    on_reset(state, 0)
    for r in range(rounds):
        if session + 1 < starts.shape[0] and starts[session + 1] <= r:
            session += 1
            if reset != NEVER:
                resident[:] = False
                held = 0
                count = 0
                if reset == SESSION:
                    begin = r
                    on_reset(state, session)
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
                e = experts[r, c, q]
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
                        flags[r, c, q] = True
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
            count += missing
            if missing > 0:
                misses[session, stage[r]] += missing
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
    return loaded
