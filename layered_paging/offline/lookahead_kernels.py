"""The lookahead oracle, compiled."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.compiled import kernel
from .kernels import Asked, Tally

__all__ = ["lookahead"]


@kernel
def lookahead(
    asked: Asked, slots: int, bypass: bool, rounds_ahead: int, following: Any, pages: int, tally: Tally
) -> None:
    """Play with knowledge of the present round and ``rounds_ahead`` further ones.

    The victim is a page not asked for in that window, the least recently used first; if there is
    none, the page whose next use is furthest; ties: the lowest page number.
    """
    members, width, first, starts, stage, resets = asked
    missed, by_session, by_column = tally
    columns = first.shape[0]
    cache = np.zeros(slots + width, np.int64)
    place_of = np.full(pages, -1, np.int64)
    last = np.zeros(pages, np.int64)  # event of the last use
    then = np.zeros(pages, np.int64)  # event of the next use, -1 for none
    held = 0
    session = 0
    at = 0
    event = 0
    for r in range(stage.shape[0]):
        if session + 1 < starts.shape[0] and starts[session + 1] == r:
            session += 1
            if resets:
                for i in range(held):
                    place_of[cache[i]] = -1
                held = 0
        seen = (r + rounds_ahead + 1) * columns  # first event out of sight
        for c in range(columns):
            for q in range(width):
                e = members[at + q]
                if e < 0:
                    continue
                page = first[c] + e
                if place_of[page] < 0:
                    place_of[page] = held
                    cache[held] = page
                    held += 1
                    by_session[session, stage[r]] += 1
                    by_column[c] += 1
                    missed[at + q] = True
                last[page] = event
                then[page] = (following[at + q] - 1) // width if following[at + q] > 0 else -1
            while held > slots:
                victim = -1
                unseen = False
                for i in range(held):
                    page = cache[i]
                    if last[page] == event and not bypass:
                        continue
                    dark = then[page] < 0 or then[page] >= seen
                    if victim < 0 or (dark and not unseen):
                        better = True
                    elif dark != unseen:
                        better = False
                    elif dark:
                        better = last[page] < last[victim] or (last[page] == last[victim] and page < victim)
                    else:
                        better = then[page] > then[victim] or (then[page] == then[victim] and page < victim)
                    if better:
                        victim = page
                        unseen = dark
                held -= 1
                moved = cache[held]
                cache[place_of[victim]] = moved
                place_of[moved] = place_of[victim]
                place_of[victim] = -1
            at += width
            event += 1
