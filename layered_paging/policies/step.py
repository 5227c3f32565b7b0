"""One event of a cache that a policy rules: the one place in Python where it is served.

The replay, the policies that play others inside, exact ratios, prefetching and measurements all go through here.  The
checker of certificates alone has its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import BudgetError, PolicyError
from .gate import Gate
from .spec import Policy, Time

__all__ = ["Outcome", "Pool"]


class Outcome(NamedTuple):
    """What an event did: pages that were there, pages that were loaded, pages that were evicted, each in this order."""

    hits: tuple[int, ...]
    misses: tuple[int, ...]
    evicted: tuple[int, ...]


class Pool:
    """A cache and the policy that rules it.

    Parameters
    ----------
    policy : Policy
    capacity : int
        Slots, or bytes if ``sizes`` is given.
    sizes : int64 array, shape (pages,), optional
    bypass : bool
        Whether a just-loaded member may be the victim.
    oversize : bool
        Whether an event larger than the cache may stay over until the next event.
    gate : Gate, optional
        Decides which loads are kept; without it, all are.

    Attributes
    ----------
    cache : set of int
        The pages held between events.
    dropped : tuple of int
        The misses of the last event that the gate did not keep.

    Examples
    --------
    >>> from layered_paging.core.instance import Instance
    >>> from layered_paging.policies.lru import LRU
    >>> pool = Pool(LRU(Instance(1, 4, 2)), 2)
    >>> [pool.serve([page], Time(n, n, 0)).evicted for n, page in enumerate([0, 1, 2])]
    [(), (), (0,)]
    """

    def __init__(
        self,
        policy: Policy,
        capacity: int,
        *,
        sizes: npt.NDArray[np.int64] | None = None,
        bypass: bool = False,
        oversize: bool = False,
        gate: Gate | None = None,
    ) -> None:
        self.cache: set[int] = set()
        self.policy, self.capacity, self.sizes = policy, capacity, sizes
        self.bypass, self.oversize, self.gate = bypass, oversize, gate
        self.dropped: tuple[int, ...] = ()

    def restart(self, policy: Policy) -> None:
        """Begin from nothing, with this policy."""
        self.cache, self.policy = set(), policy
        if self.gate is not None:
            self.gate.restart()

    def clear(self, time: Time) -> None:
        """Empty the cache; the policy keeps what it knows."""
        self.cache = set()
        getattr(self.policy, "clear", lambda _: None)(time)

    def serve(
        self,
        pages: Sequence[int],
        time: Time,
        *,
        ranked: bool = False,
        times: Mapping[int, Time] | None = None,
        alone: bool = False,
    ) -> Outcome:
        """Serve one event: load what is absent, then evict until the cache fits.

        Parameters
        ----------
        pages : sequence of int
            Members in the order of presentation.
        time : Time
        ranked : bool
            Whether the clock ticks once per member.
        times : mapping, optional
            The time of each member, where they are not one event of the trace.
        alone : bool
            Whether the event leaves the cache alone, by the rules of the gate.

        Raises
        ------
        BudgetError
            A forced event does not fit.
        PolicyError
            The policy evicts what it may not.
        """
        if ranked:
            times = {page: time._replace(clock=time.clock + q) for q, page in enumerate(pages)}
        if self.gate is None:
            hits: tuple[int, ...]
            misses: tuple[int, ...]
            if len(pages) == 1 and times is None and pages[0] in self.cache:  # the shortest way is a common one
                self.policy.hit(pages[0], time)
                hits, misses = (pages[0],), ()
            else:
                hits, misses = self.admit(pages, time, times)
            if self.sizes is None and len(self.cache) <= self.capacity:
                return Outcome(hits, misses, ())
            return Outcome(hits, misses, self.make_room(time, () if self.bypass else pages))
        absent = tuple([page for page in pages if page not in self.cache])
        if alone:
            self.dropped = absent
            return Outcome(tuple([page for page in pages if page in self.cache]), absent, ())
        room = self.capacity - self._weight(self.cache)
        stay = self.gate.kept(absent, time, room, lambda page: self._weight((page,)))
        self.dropped = tuple([page for page in absent if page not in stay])
        kept = [page for page in pages if page not in self.dropped]
        hits, _ = self.admit(kept, time, times)
        return Outcome(hits, absent, self.make_room(time, () if self.bypass else kept))

    def admit(
        self, pages: Sequence[int], time: Time, times: Mapping[int, Time] | None = None
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Tell the policy of the members that are there, then of those that are loaded; return both."""
        cache = self.cache
        hits = tuple([page for page in pages if page in cache])
        misses = tuple([page for page in pages if page not in cache]) if len(hits) < len(pages) else ()
        for page in hits:
            self.policy.hit(page, time if times is None else times[page])
        if misses:
            for page in misses:
                self.policy.miss(page, time if times is None else times[page])
            cache.update(misses)
        return hits, misses

    def make_room(self, time: Time, protected: Iterable[int] = ()) -> tuple[int, ...]:
        """Evict until the cache fits; return what was evicted.  Protected pages stay."""
        held = self._weight(self.cache)
        evicted: list[int] = []
        while held > self.capacity:
            candidates = sorted(self.cache.difference(protected))
            if not candidates:
                if self.oversize:
                    break
                unit = "slots" if self.sizes is None else "bytes"
                raise BudgetError(
                    f"round {time.round}, layer {time.layer}: an event of {held} does not fit into {self.capacity} {unit}"
                )
            gone = self._evict(candidates, time)
            evicted += gone
            held -= len(gone) if self.sizes is None else self._weight(gone)
        return tuple(evicted)

    def evict_one(self, candidates: Sequence[int], time: Time) -> int:
        """Let the policy evict one of the candidates (ascending); return it.

        Raises
        ------
        PolicyError
            The policy evicts what is no candidate.
        """
        page = self.policy.victim(candidates, time)
        if page not in candidates:
            raise PolicyError(
                f"round {time.round}, layer {time.layer}: {type(self.policy).__name__} must evict one of its candidates; got {page!r}"
            )
        self.cache.remove(page)
        return page

    def _evict(self, candidates: Sequence[int], time: Time) -> Sequence[int]:
        flush: Any = getattr(self.policy, "flush", None)
        if flush is None:
            return (self.evict_one(candidates, time),)
        flush(time)
        self.cache.difference_update(candidates)
        return candidates

    def _weight(self, pages: Collection[int]) -> int:
        return len(pages) if self.sizes is None else sum(int(self.sizes[page]) for page in pages)
