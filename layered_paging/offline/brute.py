"""Every cache after every event, for tiny cases: the optimum by definition."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import numpy.typing as npt

from ..core.deadline import Deadline
from ..core.layout import Grid
from ..errors import SolverError

__all__ = ["by_brute_force"]

LIMIT = 200_000  # caches looked at in all


def by_brute_force(
    grid: Grid,
    capacity: int,
    *,
    resets: bool,
    bypass: bool,
    costs: npt.NDArray[np.int64] | None = None,
    sizes: npt.NDArray[np.int64] | None = None,
    warm: npt.NDArray[np.int64] | None = None,
    clock: Deadline | None = None,
) -> npt.NDArray[np.bool_]:
    """Return which requests hit, in the grid's shape, under a schedule of least cost.

    Forced: the cache after an event is any part of what was there and the event, with the whole event
    in it.  Bypass: any part at all.  It must fit.

    Raises
    ------
    SolverError
        More than 200,000 caches to look at, or time ran out.
    """
    cost = np.ones(grid.pages, np.int64) if costs is None else costs
    size = np.ones(grid.pages, np.int64) if sizes is None else sizes
    start: frozenset[int] = frozenset(() if warm is None else warm.tolist())
    best: dict[frozenset[int], int] = {start: 0}
    trail: list[dict[frozenset[int], frozenset[int]]] = []
    session = 0
    looked = 0
    for event in grid.events():
        if clock is not None:
            clock.left("optimum by brute force")
        members = frozenset(event.pages)
        emptied = resets and event.session != session
        session = event.session
        after: dict[frozenset[int], int] = {}
        came: dict[frozenset[int], frozenset[int]] = {}
        for cache, paid in best.items():
            held = frozenset() if emptied else cache
            price = paid + sum(int(cost[p]) for p in members - held)
            must = frozenset() if bypass else members
            free = sorted((held | members) - must)
            for n in range(len(free) + 1):
                for extra in combinations(free, n):
                    then = must | frozenset(extra)
                    looked += 1
                    if looked > LIMIT:
                        raise SolverError(f"brute force would look at more than {LIMIT} caches; use another solver")
                    if sum(int(size[p]) for p in then) <= capacity and price < after.get(then, price + 1):
                        after[then], came[then] = price, cache
        best = after
        trail.append(came)
    cache = min(best, key=lambda c: best[c])
    hits = np.zeros(grid.shape, bool)
    columns = grid.shape[1]
    for n in range(len(trail) - 1, -1, -1):
        cache = trail[n][cache]
        r, c = divmod(n, columns)
        if resets and c == 0 and r > 0 and r in grid.starts:
            continue
        for q, e in enumerate(grid.experts[r, c].tolist()):
            hits[r, c, q] = e >= 0 and int(grid.first[c]) + e in cache
    return hits
