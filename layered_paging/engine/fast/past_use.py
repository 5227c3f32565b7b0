"""What LRU and LLRU keep between the parts of a trace: the rounds that ask for what is in the cache.

Both decide by the order of last requests; LLRU compares their rounds too, but a difference of two
rounds decides as a larger one does.  So the cache after a part is the cache after a short *past*: each
page held is requested once, in its column and place, in rounds that come in the same order and at most two apart.
The past is played before the next part from an empty cache: nothing is evicted meanwhile, every
request of it misses, and these misses are taken off again.  Its length does not grow with the trace.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ...core.counts import Counts
from ...core.layout import Grid
from ...core.trace import DECODE

__all__ = ["discount", "live", "resumed"]


def resumed(grid: Grid, carry: dict[str, Any], resets: bool) -> tuple[Grid, int]:
    """Return a part with the past before its rounds, and the number of rounds of the past."""
    past: npt.NDArray[Any] | None = carry.get("past")
    if past is None or len(past) == 0 or (resets and not grid.goes_on):
        return grid, 0
    rows = len(past)
    starts = grid.starts + rows
    starts[0] = 0
    stage = np.concatenate((np.full(rows, DECODE, np.int8), grid.stage))
    return replace(grid, experts=np.concatenate((past, grid.experts)), starts=starts, stage=stage), rows


def discount(counts: Counts, grid: Grid, rows: int, sizes: npt.NDArray[np.int64] | None) -> None:
    """Take off what the first ``rows`` rounds, where every request missed, have counted."""
    _, column, _ = held = np.nonzero(grid.experts[:rows] >= 0)
    pages = grid.first[column] + grid.experts[:rows][held]
    counts.misses[0, DECODE] -= len(pages)
    np.subtract.at(counts.layer_misses, grid.layer[column], 1)
    counts.missed_bytes = int(counts.missed_bytes) - (len(pages) if sizes is None else int(sizes[pages].sum()))
    if counts.flags is not None:
        counts.flags = counts.flags[rows:]


def live(grid: Grid, last: npt.NDArray[Any], words: npt.NDArray[np.uint64], lowest: int) -> npt.NDArray[Any]:
    """Return the past: rounds shaped like those of the grid, -1 where nothing is asked for.

    A page is held iff its last place is at least ``lowest`` and its bit is set (see ``recency``).
    """
    rounds, columns, width = grid.shape
    places = last[last >= max(lowest, 64)].astype(np.uint64)
    bits = (words[places >> np.uint64(6)] >> (places & np.uint64(63))) & np.uint64(1)
    index = places[bits == 1].astype(np.int64) - 64
    r, rest = np.divmod(index, columns * width)
    column, place = np.divmod(rest, width)
    rows, row = np.unique(r, return_inverse=True)
    ahead = np.minimum(np.diff(rows, append=rounds), 2)  # rounds from each to the next
    left = np.cumsum(ahead[::-1])[::-1]
    past = np.full((int(left[0]) if len(rows) else 0, columns, width), -1, grid.experts.dtype)
    past[(len(past) - left)[row], column, place] = grid.experts[r, column, place]
    return past
