"""Furthest next use without compiled code, for traces that are not worth a compiler; it decides as ``kernels.play_sets``."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

import numpy.typing as npt

from ..core.layout import Grid

__all__ = ["PRICE", "REQUEST", "play"]

PRICE, REQUEST = 2.0, 3e-6  # seconds of loading a compiler and compiling, and of this loop per place of a member


def play(
    grid: Grid, slots: int, *, resets: bool, bypass: bool, warm: npt.NDArray[Any], missed: Any, full: Any, misses: Any
) -> list[int]:
    """Play one pool of pages that count alike; return the misses by column.

    Parameters
    ----------
    grid : Grid
    slots : int
    resets, bypass : bool
    warm : int array
        Pages held at the start.
    missed, full : array
        As for ``kernels.play_sets``, flat; empty where they are not wanted.
    misses : int64 array, (sessions, 2)
        Modified in place: the misses of each session and stage are added.

    Notes
    -----
    Time is counted in events, from 1 on.  ``bits`` is the sorted list of the places at which the capacity that is left grows
    by one. There are never more than ``slots`` of them, so that a place is found by bisection.
    """
    first, columns = grid.first.tolist(), grid.shape[1]
    starts, stages = set(grid.starts[1:].tolist()), grid.stage.tolist()
    record = len(full) > 0
    ahead = 1 if bypass else 2  # from an event to the first point that a page must be kept over
    last: dict[int, int] = dict.fromkeys(warm.tolist(), ahead)  # where the interval since the last use begins
    bits = [0] * slots
    by_column = [0] * columns
    floor = opening = earliest = session = at = 0
    here = 1
    width = grid.shape[2]
    for r, row in enumerate(grid.experts.tolist()):
        if r in starts:
            session += 1
            if resets:
                floor = opening = here + ahead - 1
        for c, members in enumerate(row):
            present, dropped = 0, False
            # of pages that are needed again at the same time, the highest is kept first
            for q in range(width - 1, -1, -1):
                if members[q] < 0:
                    continue
                present += 1
                page = first[c] + members[q]
                begin = last.get(page, 0)
                last[page] = here + ahead
                if begin > floor:
                    if begin == here + 1 and not bypass:
                        continue  # used by the event just before: nothing lies between
                    place = bisect_left(bits, begin) - 1
                    if place >= 0:
                        del bits[place]
                        continue
                    floor = begin
                by_column[c] += 1
                misses[session, stages[r]] += 1
                if record:
                    missed[at + q] = True
                    dropped |= begin > opening
            if dropped:
                place = bisect_left(bits, earliest)
                earliest = min(here, bits[place]) if place < len(bits) else here
                full[r * columns + c] = -1 if earliest < 1 else earliest - 2 + bypass
            # the point of this event, or the gap before it: no more is left from anywhere on than its own capacity
            capacity = slots if bypass else max(0, slots - present)
            del bits[capacity:]
            bits += [here] * (capacity - len(bits))
            at += width
            here += 1
    return by_column
