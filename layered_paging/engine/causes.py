"""On whose behalf something is evicted, compiled: the absent members of the present event, in the order of loading."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .hooks import inlined

__all__ = ["Causes", "begin_causes", "forget_causes", "next_cause", "note_absent"]


class Causes(NamedTuple):
    """Absent members and the clocks of their last requests; ``at``: the event, the next entry, the number of entries."""

    page: Any
    last: Any
    at: Any


def begin_causes(width: int) -> Causes:
    """Return room for the members of an event."""
    return Causes(np.zeros(width + 1, np.int64), np.zeros(width + 1, np.int64), np.zeros(3, np.int64))


@inlined
def forget_causes(causes: Any) -> None:
    """Begin from nothing."""
    causes.at[0] = -1


@inlined
def note_absent(causes: Any, page: Any, last: Any, now: Any) -> None:
    """Note an absent member that was last requested at the clock ``last``."""
    at = causes.at
    if at[0] != now.event:
        at[0] = now.event
        at[1] = 0
        at[2] = 0
    causes.page[at[2]] = page
    causes.last[at[2]] = last
    at[2] += 1


@inlined
def next_cause(causes: Any, now: Any) -> Any:
    """Return the entry on whose behalf something is evicted now, the last one again and again; -1 for none."""
    at = causes.at
    if at[0] != now.event:
        return -1
    place = at[1]
    if at[1] + 1 < at[2]:
        at[1] += 1
    return place
