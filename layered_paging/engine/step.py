"""The reference replay: small, slow and obvious.  What the compiled twins must equal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import numpy.typing as npt

from ..core.counts import Counts
from ..core.layout import Event, Grid
from ..core.rules import PLAIN, Rules
from ..core.trace import PREFILL
from ..policies.gate import Gate
from ..policies.spec import Policy
from ..policies.step import Outcome, Pool
from .lending import Lending, Loan
from .task import Task

__all__ = ["Step", "maker_of", "play", "steps"]

KEPT = 1 << 16  # events of a grid up to which they are kept; some 260 bytes each


@dataclass(frozen=True)
class Step:
    """One event as it happened: what hit, what was loaded, what was evicted, what is held after; and loads not kept."""

    event: Event
    hits: tuple[int, ...]
    misses: tuple[int, ...]
    evicted: tuple[int, ...]
    resident: frozenset[int] = field(default_factory=frozenset)
    dropped: tuple[int, ...] = ()


def steps(
    grid: Grid | _Feed,
    make: Callable[[int], Policy],
    capacity: int,
    rules: Rules = PLAIN,
    *,
    sizes: npt.NDArray[np.int64] | None = None,
    loan: Loan | None = None,
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
    rules : Rules
        Of these ``reset``, ``admission``, ``oversize`` and ``traffic`` matter.
    sizes : int64 array, shape (pages,), optional
    loan : Loan, optional
        What the pool borrows and lends while prompts pass.
    """
    for event, outcome, pool in _served(grid, make, capacity, rules, sizes, loan):
        yield Step(event, *outcome, frozenset(pool.cache), pool.dropped)


def _served(
    grid: Grid | _Feed,
    make: Callable[[int], Policy],
    capacity: int,
    rules: Rules,
    sizes: npt.NDArray[np.int64] | None,
    loan: Loan | None,
) -> Iterator[tuple[Event, Outcome, Pool]]:
    """Yield each event, what it did, and the pool after it, which changes with the next one."""
    session = grid.number
    gate = None if rules.traffic.plain else Gate(rules.traffic)
    pool = Pool(make(session), capacity, sizes=sizes, bypass=rules.bypass, oversize=rules.stays_over, gate=gate)
    lending = None if loan is None else Lending(pool, loan)
    for event in _events(grid):
        if lending is not None:
            lending.ends(event)
        if event.session != session:
            session = event.session
            if rules.reset == "session":
                pool.restart(make(session))
            elif rules.reset == "cache":
                pool.clear(event.time)
        if lending is not None:
            lending.begins(event)
        alone = gate is not None and rules.traffic.passes(len(event.pages), event.stage == PREFILL, event.tokens)
        outcome = pool.serve(event.pages, event.time, ranked=grid.ranked, alone=alone)
        yield event, outcome, pool


@dataclass
class _Feed:
    """The events of one part after another, to a replay that does not end with the part."""

    ranked: bool
    number: int
    part: Iterator[Event] = field(default_factory=lambda: iter(()))

    def events(self) -> Iterator[Event]:
        while True:
            yield next(self.part)


def play(task: Task) -> Counts:
    """Replay one pool and count."""
    grid, sizes = task.grid, task.sizes
    counts = Counts.zero(grid, task.record)
    rounds, columns, _ = grid.shape
    carry = {} if task.carry is None else task.carry
    feed = carry.setdefault("feed", _Feed(grid.ranked, grid.number))
    feed.part = _events(grid)
    if "served" not in carry:
        make, rules = maker_of(task)
        carry["served"] = _served(feed, make, task.capacity, rules, sizes if task.in_bytes else None, task.loan)
    loads = [1] * grid.pages if sizes is None else sizes.tolist()
    missed = [[0, 0] for _ in grid.starts]  # by session and stage
    by_layer = [0] * grid.n_layers
    firsts = grid.first.tolist()
    for n, (event, outcome, pool) in enumerate(islice(carry["served"], rounds * columns)):
        misses = outcome.misses
        if not misses:
            continue
        missed[event.session - grid.number][event.stage] += len(misses)
        by_layer[event.time.layer] += len(misses)
        counts.dropped += len(pool.dropped)
        counts.missed_bytes += sum([loads[page] for page in misses])
        if counts.flags is not None:
            r, c = divmod(n, columns)
            counts.flags[r, c] = [e >= 0 and firsts[c] + e in misses for e in grid.experts[r, c].tolist()]
    counts.misses += np.array(missed)
    counts.layer_misses += np.array(by_layer)
    return counts


def _events(grid: Grid | _Feed) -> Iterator[Event]:
    """Return the events in order; those of a small grid are kept with it, as one replay seldom comes alone.

    What makes its events while it is replayed has no shape, and is not kept: a feed, or an adversary's table.
    """
    if not isinstance(grid, Grid) or grid.shape[0] * grid.shape[1] > KEPT:
        return grid.events()
    kept: list[Event] | None = grid.__dict__.get("_kept_events")
    if kept is None:
        kept = grid.__dict__["_kept_events"] = list(grid.events())
    return iter(kept)


def maker_of(task: Task) -> tuple[Callable[[int], Policy], Rules]:
    """Return what builds the policy of a session, and the rules to replay with."""
    spec, rules = task.spec, task.rules
    if spec.offline and rules.reset == "cache":
        rules = rules.but(reset="session")  # nothing is learnt, and requests beyond a reset do not matter
    futures = _futures(task.grid, rules.resets) if spec.offline else {}

    def make(session: int) -> Policy:
        return spec.make(task.instance, task.seed, session, task.key, future=futures.get(session))

    return make, rules


def _futures(grid: Grid, resets: bool) -> dict[int, dict[int, list[int]]]:
    """Return, for each session (or for all of them as session 0), the clocks of the requests of every page."""
    futures: dict[int, dict[int, list[int]]] = {}
    for event in _events(grid):
        future = futures.setdefault(event.session if resets else 0, {})
        for q, page in enumerate(event.pages):
            future.setdefault(page, []).append(event.time.clock + (q if grid.ranked else 0))
    return futures
