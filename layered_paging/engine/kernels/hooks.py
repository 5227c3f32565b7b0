"""What can happen to the state of a compiled policy, and how a state says what it does then.

A state is a NamedTuple of arrays.  ``behaves`` ties functions to its type; the replay loop is then
compiled once for each type, so that no function is passed around and the loops are cached on disk.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba.extending import overload, register_jitable

__all__ = [
    "Now",
    "behaves",
    "below",
    "flushes",
    "inlined",
    "next_bits",
    "next_victim",
    "on_clear",
    "on_hit",
    "on_miss",
    "on_reset",
    "on_round",
    "on_served",
    "seeded",
    "waits",
]


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
_INLINE = {"forceinline": True, "no_cfunc_wrapper": True, "error_model": "numpy", "_nrt": False}


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a helper into the loop that uses it: once for each kind of its arguments, whatever constants they are."""
    helper: Callable[..., Any] = register_jitable(**_INLINE)(function)
    return helper


def on_hit(state: Any, page: int, now: Now) -> None:
    """A member of the event was present."""


def on_miss(state: Any, page: int, now: Now) -> None:
    """A member of the event was loaded."""


def on_served(state: Any, now: Now, experts: Any, row: int, column: int, guard: Any) -> None:
    """All members of the event, experts[row, column] without the negative ones, are present; evictions follow."""


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
    victim: Callable[..., int],
    reset: Callable[..., None],
    hit: Callable[..., None] | None = None,
    miss: Callable[..., None] | None = None,
    clear: Callable[..., None] | None = None,
    each_round: Callable[..., None] | None = None,
    served: Callable[..., None] | None = None,
    flush: bool = False,
    wait: bool = False,
) -> None:
    """Say what happens to a state of type ``kind``: functions that numba can compile."""

    def tie(stub: Callable[..., Any], what: Callable[..., Any]) -> None:
        def choose(state: Any, *rest: Any) -> Callable[..., Any] | None:
            return what if getattr(state, "instance_class", None) is kind else None

        overload(stub, strict=False, jit_options=_INLINE)(choose)

    tie(on_hit, hit or _no_use)
    tie(on_miss, miss or _no_use)
    tie(next_victim, victim)
    tie(on_reset, reset)
    tie(on_clear, clear or _nothing)
    tie(on_round, each_round or _no_round)
    tie(on_served, served or _not_served)
    tie(flushes, _yes if flush else _no)
    tie(waits, _yes if wait else _no)


def _nothing(state: Any, now: Now) -> None:
    return None


def _no_use(state: Any, page: int, now: Now) -> None:
    return None


def _not_served(state: Any, now: Now, experts: Any, row: int, column: int, guard: Any) -> None:
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
