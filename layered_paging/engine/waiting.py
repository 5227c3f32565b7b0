"""Pages that wait until their event is over before they enter a list, compiled.

A state that waits has a list (``after``, ``before``, head ``pages``: see ``lists``), ``waiting`` with the pages of one event, and
``n``, whose first two entries are ``WAITS`` and ``EVENT``.  All are modified in place.
"""

from __future__ import annotations

from typing import Any

from .hooks import Now, inlined
from .lists import empty, push

__all__ = ["EVENT", "WAITS", "enter", "forget", "wait"]

WAITS, EVENT = 0, 1  # places in ``n``: the number of pages that wait, and the event that loaded them


@inlined
def enter(state: Any) -> None:
    """Put the pages that wait at the end of the list."""
    for i in range(state.n[WAITS]):
        push(state.after, state.before, state.pages, state.waiting[i])
    state.n[WAITS] = 0


@inlined
def wait(state: Any, page: int, now: Now) -> None:
    """Let a page wait until its event is over; those of the event before enter."""
    if state.n[EVENT] != now.event:
        enter(state)
        state.n[EVENT] = now.event
    state.waiting[state.n[WAITS]] = page
    state.n[WAITS] += 1


@inlined
def forget(state: Any) -> None:
    """Empty the list; no page waits."""
    empty(state.after, state.before, state.pages)
    state.n[WAITS] = 0
    state.n[EVENT] = -1
