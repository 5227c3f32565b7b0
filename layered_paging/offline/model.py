"""The one model behind every solver: which intervals between uses to keep.

Number the events of a pool 0, 1, ...  *Points* carry the capacity.  Forced: point t is event
t, and what is kept strictly over it shares the slots that its members leave.  Bypass: point t is
the gap before event t, and all slots are there.  An interval from a use at event u to the next
use of the page at event v covers the points ``begin`` .. ``end - 1``:

========  =========  =======  =====================
forced    u + 1      v        slots - members of t
bypass    u + 1      v + 1    slots
========  =========  =======  =====================

Keeping an interval saves the cost of one load.  So the least cost is that of all requests
less the most that can be kept.  The matrix of intervals and points has consecutive ones in
its columns, hence is totally unimodular: for slots, the linear program has integral optima on
both sides.  With sizes, each interval takes its page's bytes and that is lost.

Intervals do not cross the start of a session if the cache is emptied there.  A page held at
the start is an interval from event -1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..core.layout import Grid

__all__ = ["Model", "build"]


@dataclass(frozen=True)
class Model:
    """Intervals and capacities of one pool.

    Attributes
    ----------
    capacity : int64 array, one per point
        Slots (or bytes) for kept intervals; negative where not even the event fits.
    begin, end : int64 arrays, one per interval
        The points covered, ``begin`` to ``end - 1``; none if they are equal.
    worth : int64 array, one per interval
        Cost saved by keeping it, at least 0.
    size : int64 array, one per interval
        Slots (1) or bytes that it takes.
    request : int64 array, one per interval
        Place in the grid (flat) of the request that hits if the interval is kept.
    total : int
        Cost of missing every request.
    """

    capacity: npt.NDArray[np.int64]
    begin: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]
    worth: npt.NDArray[np.int64]
    size: npt.NDArray[np.int64]
    request: npt.NDArray[np.int64]
    total: int

    @property
    def unit(self) -> bool:
        """Whether all intervals take one slot."""
        return bool((self.size == 1).all())

    def value(self, kept: npt.NDArray[np.bool_]) -> int:
        """Return the cost of a schedule, given the intervals that it keeps."""
        return self.total - int(self.worth[kept].sum())


def build(
    grid: Grid,
    capacity: int,
    *,
    resets: bool,
    bypass: bool,
    costs: npt.NDArray[np.int64] | None = None,
    sizes: npt.NDArray[np.int64] | None = None,
    warm: npt.NDArray[np.int64] | None = None,
) -> Model:
    """Lay out the intervals of one pool; O(requests log requests).

    Parameters
    ----------
    grid : Grid
    capacity : int
        Slots, or bytes if ``sizes`` is given.
    resets, bypass : bool
    costs, sizes : int64 arrays, one per page, optional
        Cost of a load (default 1) and bytes (default one slot).
    warm : int64 array, optional
        Pages held at the start.
    """
    rounds, columns, width = grid.shape
    place = np.flatnonzero(grid.experts.reshape(-1) >= 0)
    event = place // width
    page = grid.experts.reshape(-1)[place] + grid.first[event % columns]
    segment = np.searchsorted(grid.starts, event // columns, side="right") if resets else np.zeros(len(event), np.int64)
    order = np.argsort(page, kind="stable")
    ordered = page[order]
    again = np.flatnonzero((ordered[1:] == ordered[:-1]) & (segment[order[1:]] == segment[order[:-1]]))
    use, then = order[again], order[again + 1]
    begin = event[use] + 1
    if warm is not None and len(warm) and len(order):
        head = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
        held = order[head[np.isin(ordered[head], warm)]]
        held = held[segment[held] == (1 if resets else 0)]  # asked for in the first session
        begin = np.concatenate((np.zeros(len(held), np.int64), begin))
        then = np.concatenate((held, then))
    cost = np.ones(grid.pages, np.int64) if costs is None else costs
    size = np.ones(grid.pages, np.int64) if sizes is None else sizes
    room = np.full(rounds * columns, capacity, np.int64)
    if not bypass:
        np.subtract.at(room, event, size[page])
    return Model(
        capacity=room,
        begin=begin,
        end=event[then] + (1 if bypass else 0),
        worth=cost[page[then]],
        size=size[page[then]],
        request=place[then],
        total=sum(int(part.sum()) for part in np.array_split(cost[page], 1 + len(page) // 65536)),
    )
