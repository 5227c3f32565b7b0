"""A schedule, and an independent recount of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..core.layout import Grid
from ..errors import SolverError

__all__ = ["Recount", "Schedule", "recount"]


@dataclass(frozen=True, eq=False)
class Schedule:
    """Which requests hit; a page is kept from a use to the next one exactly if the next one hits.

    Attributes
    ----------
    grid : Grid
        The trace as it was laid out: its columns are the events of a round.
    hits : bool array of the grid's shape
    split : tuple of int
        Capacity of each pool, in slots or bytes.
    options : dict
        admission, pool, reset, events, prefill, and the pages held at the start.
    """

    grid: Grid
    hits: npt.NDArray[np.bool_]
    split: tuple[int, ...]
    options: dict[str, Any]

    def caches(self) -> Iterator[frozenset[int]]:
        """Yield what is kept after each event: the pages whose next request hits."""
        reset = self.options["reset"] == "session"
        following: list[frozenset[int]] = []
        wanted: set[int] = set()
        session = None
        rounds, columns, _ = self.grid.shape
        for n, event in zip(range(rounds * columns - 1, -1, -1), reversed(list(self.grid.events())), strict=True):
            if reset and session is not None and event.session != session:
                wanted = set()
            session = event.session
            following.append(frozenset(wanted))
            present = self.hits[divmod(n, columns)][self.grid.experts[divmod(n, columns)] >= 0]
            for page, hit in zip(event.pages, present.tolist(), strict=True):
                wanted.discard(page)
                if hit:
                    wanted.add(page)
        yield from reversed(following)


class Recount(NamedTuple):
    """What a schedule comes to: misses, and the cost of the loads."""

    misses: int
    cost: int


def recount(
    schedule: Schedule,
    *,
    costs: npt.NDArray[np.int64] | None = None,
    sizes: npt.NDArray[np.int64] | None = None,
) -> Recount:
    """Replay a schedule with a set for a cache, event by event, and count again.

    Shares nothing with the solvers.

    Parameters
    ----------
    schedule : Schedule
    costs, sizes : int64 arrays, one per page, optional
        Default 1.

    Raises
    ------
    SolverError
        A page that should hit is not there, or the cache does not fit; the message says at which event.
    """
    options = schedule.options
    forced = options["admission"] == "forced"
    per_layer = options["pool"] == "per-layer"
    cache: set[int] = set(options["warm"])
    session = misses = cost = 0
    columns = schedule.grid.shape[1]
    first = [*np.unique(schedule.grid.first).tolist(), schedule.grid.pages]

    def take(pages: set[int] | frozenset[int]) -> int:
        return len(pages) if sizes is None else sum(int(sizes[p]) for p in pages)

    for n, (event, kept) in enumerate(zip(schedule.grid.events(), schedule.caches(), strict=True)):
        where = f"round {event.time.round}, layer {event.time.layer}"
        if options["reset"] == "session" and event.session != session:
            cache = set()
        session = event.session
        r, c = divmod(n, columns)
        flags = schedule.hits[r, c][schedule.grid.experts[r, c] >= 0].tolist()
        for page, hit in zip(event.pages, flags, strict=True):
            if hit != (page in cache):
                raise SolverError(f"{where}: page {page} is said to {'hit' if hit else 'miss'}, and it does not")
            misses += not hit
            cost += 0 if hit else 1 if costs is None else int(costs[page])
        members = set(event.pages)
        if not kept <= cache | members:
            raise SolverError(f"{where}: kept pages are not there: {sorted(kept - cache - members)}")
        cache = set(kept)
        held = cache | members if forced else cache
        pools = [held]
        if per_layer:
            pools = [{p for p in held if first[j] <= p < first[j + 1]} for j in range(len(first) - 1)]
        for pages, capacity in zip(pools, schedule.split, strict=True):
            if take(pages) > capacity:
                raise SolverError(f"{where}: {take(pages)} are held where {capacity} fit")
    return Recount(misses, cost)
