"""The reference replay: small, slow and obvious.  What the compiled kernels must equal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.counts import Counts
from ..core.layout import Event, Grid, Time
from ..errors import BudgetError, PolicyError
from ..policies.spec import Policy

__all__ = ["Pool", "Step", "play", "steps"]


@dataclass(frozen=True)
class Step:
    """One event as it happened: what hit, what was loaded, what was evicted, what is held after."""

    event: Event
    hits: tuple[int, ...]
    misses: tuple[int, ...]
    evicted: tuple[int, ...]
    resident: frozenset[int] = field(default_factory=frozenset)


def steps(
    grid: Grid | _Feed,
    make: Callable[[int], Policy],
    capacity: int,
    *,
    sizes: npt.NDArray[np.int64] | None = None,
    reset: str = "never",
    bypass: bool = False,
    oversize: bool = False,
) -> Iterator[Step]:
    """Replay one pool event by event.

    Parameters
    ----------
    grid : Grid
    make : callable
        ``make(session)`` builds the policy; called for the first session and, under
        ``reset="session"``, at every session.
    capacity : int
        Slots, or bytes if ``sizes`` is given.
    sizes : int64 array, shape (pages,), optional
    reset : {"never", "session", "cache"}
    bypass : bool
        Whether a just-loaded member may be the victim.
    oversize : bool
        Whether an event larger than the cache may stay over until the next event.
    """
    session = grid.number
    pool = Pool(make(session), capacity, sizes=sizes, bypass=bypass, oversize=oversize)
    for event in grid.events():
        if event.session != session:
            session = event.session
            if reset == "session":
                pool.restart(make(session))
            elif reset == "cache":
                pool.clear(event.time)
        hits, misses, evicted = pool.serve(event.pages, event.time, ranked=grid.ranked)
        yield Step(event, hits, misses, evicted, frozenset(pool.cache))


class Pool:
    """A cache and the policy that rules it: the one place where an event is served.

    Parameters
    ----------
    policy : Policy
    capacity : int
        Slots, or bytes if ``sizes`` is given.
    sizes, bypass, oversize
        As for ``steps``.

    Attributes
    ----------
    cache : set of int
        The pages held between events.
    """

    def __init__(
        self,
        policy: Policy,
        capacity: int,
        *,
        sizes: npt.NDArray[np.int64] | None = None,
        bypass: bool = False,
        oversize: bool = False,
    ) -> None:
        self.cache: set[int] = set()
        self.policy, self.capacity, self.sizes = policy, capacity, sizes
        self.bypass, self.oversize = bypass, oversize

    def restart(self, policy: Policy) -> None:
        """Begin from nothing, with this policy."""
        self.cache, self.policy = set(), policy

    def clear(self, time: Time) -> None:
        """Empty the cache; the policy keeps what it knows."""
        self.cache = set()
        getattr(self.policy, "clear", lambda _: None)(time)

    def serve(
        self, pages: Sequence[int], time: Time, *, ranked: bool = False
    ) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        """Serve one event; return what hit, what was loaded, and what was evicted, in this order.

        Parameters
        ----------
        pages : sequence of int
            Members in the order of presentation.
        time : Time
        ranked : bool
            Whether the clock ticks once per member.

        Raises
        ------
        BudgetError
            A forced event does not fit.
        PolicyError
            The policy evicts what it may not.
        """
        cache, policy, sizes = self.cache, self.policy, self.sizes
        hits = tuple(p for p in pages if p in cache)
        misses = tuple(p for p in pages if p not in cache)
        clock = {p: time._replace(clock=time.clock + q) if ranked else time for q, p in enumerate(pages)}
        for page in hits:
            policy.hit(page, clock[page])
        for page in misses:
            policy.miss(page, clock[page])
        cache |= set(misses)
        held = sum(int(sizes[p]) for p in cache) if sizes is not None else len(cache)
        evicted: list[int] = []
        protected = frozenset() if self.bypass else frozenset(pages)
        while held > self.capacity:
            candidates = sorted(cache - protected)
            if not candidates:
                if self.oversize:
                    break
                raise BudgetError(
                    f"round {time.round}, layer {time.layer}: an event of {held} does not fit into {self.capacity}"
                )
            flush: Any = getattr(policy, "flush", None)
            if flush is not None:
                flush(time)
                gone = candidates
            else:
                gone = [policy.victim(candidates, time)]
                if gone[0] not in candidates:
                    raise PolicyError(
                        f"round {time.round}, layer {time.layer}: {type(policy).__name__} must evict one of its candidates; got {gone[0]!r}"
                    )
            cache -= set(gone)
            evicted += gone
            held -= sum(int(sizes[p]) for p in gone) if sizes is not None else len(gone)
        return hits, misses, tuple(evicted)


@dataclass
class _Feed:
    """The events of one part after another, to a replay that does not end with the part."""

    ranked: bool
    number: int
    part: Iterator[Event] = field(default_factory=lambda: iter(()))

    def events(self) -> Iterator[Event]:
        while True:
            yield next(self.part)


def play(
    grid: Grid,
    make: Callable[[int], Policy],
    capacity: int,
    *,
    sizes: npt.NDArray[np.int64] | None = None,
    in_bytes: bool = False,
    record: bool = False,
    carry: dict[str, Any] | None = None,
    **options: Any,
) -> Counts:
    """Replay one pool and count; capacity in bytes if ``in_bytes``, other options as for ``steps``.

    ``carry`` is empty before the first part of a trace that comes in parts, and keeps what the next one needs.
    """
    counts = Counts.zero(grid, record)
    rounds, columns, _ = grid.shape
    carry = {} if carry is None else carry
    feed = carry.setdefault("feed", _Feed(grid.ranked, grid.number))
    feed.part = grid.events()
    if "steps" not in carry:
        carry["steps"] = steps(feed, make, capacity, sizes=sizes if in_bytes else None, **options)
    for n, step in enumerate(islice(carry["steps"], rounds * columns)):
        event = step.event
        counts.misses[event.session - grid.number, event.stage] += len(step.misses)
        counts.layer_misses[event.time.layer] += len(step.misses)
        counts.missed_bytes += sum(int(sizes[p]) for p in step.misses) if sizes is not None else len(step.misses)
        if counts.flags is not None:
            r, c = divmod(n, columns)
            members = grid.experts[r, c]
            counts.flags[r, c] = [e >= 0 and int(grid.first[c]) + int(e) in step.misses for e in members]
    return counts
