"""What the compiled loop asks of a policy's state, and the time it tells.

The state of a twin is a NamedTuple of numbers and arrays, with methods of the names that the reference class has.
The loop is compiled once for each type of state.  The functions below stand for the methods: numba replaces a call of one
by the method of the state's own class, or by one that does nothing where the class has none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from numba import extending  # numba itself first: threads that begin with different parts of it wait for each other

__all__ = [
    "Now",
    "flushes",
    "inlined",
    "leaves_before",
    "next_victim",
    "on_clear",
    "on_hit",
    "on_miss",
    "on_reset",
    "on_round",
    "on_served",
    "shared",
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
    """Compile a helper into the loop that uses it.

    It is compiled once for each combination of argument types, not once for each constant that is passed.
    """
    helper: Callable[..., Any] = extending.register_jitable(**_INLINE)(function)
    return helper


def shared(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a helper that is called from several places as a function of its own; it must not create arrays."""
    helper: Callable[..., Any] = extending.register_jitable(**(_INLINE | {"forceinline": False}))(function)
    return helper


def on_hit(state: Any, page: int, now: Now) -> None:
    """``state.hit``: a member of the event was present."""


def on_miss(state: Any, page: int, now: Now) -> None:
    """``state.miss``: a member of the event was loaded."""


def on_served(state: Any, now: Now, experts: Any, row: int, column: int, guard: Any) -> None:
    """``state.served``: all members of the event, experts[row, column] without the negative ones, are present; evictions follow."""


def next_victim(state: Any, resident: Any, guard: Any, now: Now) -> int:
    """``state.victim``: return the page to evict; there is one."""
    return -1


def on_reset(state: Any, session: int) -> None:
    """``state.reset``: begin from nothing."""


def on_clear(state: Any, now: Now) -> None:
    """``state.clear``: the cache was emptied from outside."""


def on_round(state: Any, r: int, begin: int) -> None:
    """``state.round_begins``: a round begins; ``begin`` is the first round since the last reset."""


def flushes(state: Any) -> bool:
    """Whether everything that may go goes at once: the class has a method ``flush``."""
    return False


def waits(state: Any) -> bool:
    """Whether what the event loaded may go only when nothing older may: ``@twin(waits=True)``."""
    return False


def _no_use(state: Any, page: int, now: Now) -> None:
    return None


def _not_served(state: Any, now: Now, experts: Any, row: int, column: int, guard: Any) -> None:
    return None


def _no_clear(state: Any, now: Now) -> None:
    return None


def _no_round(state: Any, r: int, begin: int) -> None:
    return None


def _yes(state: Any) -> bool:
    return True


def _no(state: Any) -> bool:
    return False


def _scan(state: Any, resident: Any, guard: Any, now: Now) -> int:
    """Look through all pages for the one that leaves before all others."""
    best = -1
    for page in range(resident.shape[0]):
        if resident[page] and guard[page] != now.stamp and (best < 0 or leaves_before(state, page, best, now)):
            best = page
    return best


def leaves_before(state: Any, page: int, other: int, now: Now) -> bool:
    """``state.leaves_before``: whether one page is evicted before the other; a total order, whatever the number of slots."""
    return False


def _tie(stub: Callable[..., Any], method: str, default: Callable[..., Any] | None) -> None:
    """Let numba replace calls of ``stub`` by the method of the state's class."""

    def choose(state: Any, *rest: Any) -> Any:
        kind = getattr(state, "instance_class", None)
        return None if kind is None else getattr(kind, method, default)

    extending.overload(stub, strict=False, jit_options=_INLINE)(choose)


def _tie_flag(stub: Callable[..., Any], holds: Callable[[Any], bool]) -> None:
    def choose(state: Any) -> Any:
        kind = getattr(state, "instance_class", None)
        return None if kind is None else _yes if holds(kind) else _no

    extending.overload(stub, strict=False, jit_options=_INLINE)(choose)


_tie(on_hit, "hit", _no_use)
_tie(on_miss, "miss", _no_use)
_tie(on_served, "served", _not_served)
_tie(next_victim, "victim", _scan)
_tie(leaves_before, "leaves_before", None)
_tie(on_reset, "reset", None)
_tie(on_clear, "clear", _no_clear)
_tie(on_round, "round_begins", _no_round)
_tie_flag(flushes, lambda kind: hasattr(kind, "flush"))
_tie_flag(waits, lambda kind: bool(getattr(kind, "_waits", False)))
