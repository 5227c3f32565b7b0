"""Misses at every number of slots."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.curve import MissCurve
from ..core.instance import integer
from ..core.layout import Grid, capacities, lay_out, needs_of, quotas
from ..core.rules import Budget, Rules, Traffic
from ..core.trace import Trace
from ..errors import ParameterError
from ..policies.names import resolve
from ..policies.spec import PolicySpec
from .run import Wanted, informed, replay_all
from .task import Task
from .twins import home_of, twin_of

__all__ = ["has_one_pass", "has_plain_pass", "miss_curve", "optimum_curve"]

PLAIN = 1 << 23  # ids times pages up to which LRU's curve is not worth loading a compiler
Curve = npt.NDArray[np.int64]


def has_one_pass(policy: str | type | PolicySpec) -> bool:
    """Return whether ``miss_curve`` finds all capacities of a policy in one pass.

    The caches of a policy that declares ``stack=True`` are nested; its twin must have an order of the pages, too.
    """
    found = twin_of(resolve(policy))
    return found is not None and found.depths is not None and found.nested(resolve(policy))


def has_plain_pass(trace: Trace, policy: str | type | PolicySpec) -> bool:
    """Return whether ``miss_curve`` finds all capacities in one pass that needs no compiler, and is quicker than two replays."""
    return _is_plain(resolve(policy), lay_out(trace))


def miss_curve(
    trace: Trace,
    policy: str | type | PolicySpec,
    *,
    pool: str = "shared",
    reset: str = "never",
    sizes: Sequence[int] | None = None,
    seed: int = 0,
    workers: int | None = None,
    progress: Callable[[int], object] | None = None,
    predictions: Any = None,
    traffic: Traffic | None = None,
) -> MissCurve:
    """Return the misses of a policy at every number of slots (forced, event-atomic).

    Parameters
    ----------
    trace : Trace
    policy : str or class
    pool : {"shared", "per-layer"}
    reset : {"never", "session", "cache"}
    sizes : sequence of int, optional
        Only these numbers of slots, each at least 1; the other entries are -1.
    seed : int
        For randomized policies.
    workers : int, optional
        Threads for policies that need one replay per size; default: one per core.
    progress : callable, optional
        Called with the number of sizes done so far, where there is one replay per size.
    predictions : str, array, or source
        For a policy that takes them, as for ``replay``.
    traffic : Traffic, optional
        Which loads stay in the cache; there is then one replay per size.

    Returns
    -------
    int64 array of pages + 1 entries, which leaves as a table, too
        Entry s is the number of misses with s slots; -1 where s is not legal: 0, below the largest
        event, or (per layer) some quota below the largest event of its layer.

    Notes
    -----
    A policy whose caches are nested takes one pass for all sizes: LRU O(log pages) per request, the others
    O(stack depth) per event.  Other policies take one replay per size.  Equal to ``replay`` at each size.

    Examples
    --------
    >>> trace = Trace([[0, 0], [1, 0], [0, 0]], n_experts=2)
    >>> miss_curve(trace, "lru")
    array([-1,  6,  4,  3,  3])
    """
    spec = resolve(policy)
    rules = Rules(pool, reset, traffic=Traffic.of(traffic))
    integer("seed", seed, 0)
    if workers is not None:
        integer("workers", workers, 1)
    grid = lay_out(trace, rules)
    spec = informed(spec, predictions, trace, grid, rules)
    if sizes is not None and not isinstance(sizes, (Sequence, np.ndarray)):
        raise ParameterError(f"must be a list of numbers of slots; got {sizes!r}", parameter="sizes")
    wanted = None if sizes is None else sorted({integer("sizes", s, 1) for s in sizes})
    if wanted and wanted[-1] > trace.pages:
        raise ParameterError(f"must be at most the number of pages, {trace.pages}; got {wanted[-1]}", parameter="sizes")
    depths = _depths_of(spec, grid) if rules.traffic.plain else None
    if depths is not None:

        def of_pool(part: Grid) -> Curve:
            task = Task(part, spec, trace.instance(trace.pages), trace.pages, rules)
            return _from_depths(depths(task), part.largest_event())

        curve = _combined(grid, trace, rules, of_pool)
    else:
        every = _Sizes(trace, spec, rules, wanted, seed)
        curve = every.replayed(workers, progress)
    if wanted is not None:
        chosen = np.full_like(curve, -1)
        chosen[wanted] = curve[wanted]
        curve = chosen
    return MissCurve.of(curve)


def optimum_curve(trace: Trace, *, admission: str, pool: str = "shared", reset: str = "never") -> MissCurve:
    """Return the misses of the offline optimum at every number of slots, in one pass.

    Parameters
    ----------
    trace : Trace
    admission : {"forced", "bypass"}
        No default: they are different problems.
    pool : {"shared", "per-layer"}
    reset : {"never", "session", "cache"}

    Returns
    -------
    int64 array of pages + 1 entries
        As for ``miss_curve``; under bypass every number of slots from 1 is legal.

    Examples
    --------
    >>> trace = Trace([[0, 0], [1, 0], [0, 0]], n_experts=2)
    >>> optimum_curve(trace, admission="forced")
    array([-1,  6,  4,  3,  3])
    """
    rules = Rules(pool, reset, admission=admission)
    from .fast.stacks import opt_depths

    forced = not rules.bypass
    grid = lay_out(trace)

    def of_pool(part: Grid) -> Curve:
        histogram = opt_depths(part, resets=rules.resets, forced=forced)
        return _from_depths(histogram, part.largest_event() if forced else 0)

    return MissCurve.of(_combined(grid, trace, rules, of_pool))


def _depths_of(spec: PolicySpec, grid: Grid) -> Callable[[Task], Curve] | None:
    """Return what counts the requests by their position in the stack of a policy; None where its caches are not nested."""
    if _is_plain(spec, grid):
        return lambda task: lru_depths(task.grid, task.rules.resets)
    found = twin_of(spec)
    return found.depths if found is not None and found.nested(spec) else None


def _is_plain(spec: PolicySpec, grid: Grid) -> bool:
    return home_of(spec) == f"{__package__}.twins.lru" and grid.experts.size * grid.pages <= PLAIN


def lru_depths(grid: Grid, resets: bool) -> Curve:
    """Return how many requests stood at each position of the stack of LRU, without compiled code.

    Parameters
    ----------
    grid : Grid
    resets : bool
        Whether the cache is emptied at each session.

    Returns
    -------
    int64 array of pages + 2 entries
        Entry d in 1..pages: requests at position d; the last entry: first requests since a reset.

    Notes
    -----
    O(pages) per request; the same counts as ``fast.stacks.lru_depths``.
    """
    histogram = [0] * (grid.pages + 2)
    order: list[int] = []  # the latest first
    known: set[int] = set()  # the same pages
    starts, first = set(grid.starts.tolist()), grid.first.tolist()
    for r, row in enumerate(grid.experts.tolist()):
        if resets and r in starts:
            order, known = [], set()
        for begin, event in zip(first, row, strict=True):
            members = [begin + e for e in event if e >= 0]
            # positions as of the begin of the event
            places = [order.index(page) + 1 if page in known else -1 for page in members]
            known.update(members)
            for page, place in zip(members, places, strict=True):
                histogram[place] += 1
                if place > 0:
                    order.remove(page)
                order.insert(0, page)
    return np.array(histogram, np.int64)


def _from_depths(histogram: Curve, least: int) -> Curve:
    """Turn counts of stack positions into misses by size, -1 below ``least``; entry 0 counts all requests."""
    curve = np.cumsum(histogram[::-1])[::-1][1:].copy()
    curve[:least] = -1
    return curve


def _combined(grid: Grid, trace: Trace, rules: Rules, of_pool: Callable[[Grid], Curve]) -> Curve:
    if not rules.per_layer:
        curve = of_pool(grid)
    else:
        layers = grid.n_layers
        # quotas of the layers take only two values at a time, so all totals follow from the layers' own curves
        curves = [of_pool(grid.of_layer(j)) for j in range(grid.n_layers)]
        curve = np.zeros(trace.pages + 1, np.int64)
        for total in range(1, trace.pages + 1):
            shares = quotas(total, layers, trace.asked)
            parts = [layer[min(q, trace.pages)] for layer, q in zip(curves, shares, strict=True)]
            curve[total] = -1 if not rules.bypass and min(parts) < 0 else sum(parts)
    curve[0] = -1
    return curve


@dataclass(frozen=True)
class _Sizes:
    """The sizes of a cache to be replayed one by one."""

    trace: Trace
    spec: PolicySpec
    rules: Rules
    wanted: Sequence[int] | None
    seed: int

    def legal(self) -> list[int]:
        """Return the wanted sizes that hold every event."""
        trace, rules = self.trace, self.rules
        needs = needs_of(lay_out(trace, rules), trace, Budget(1), rules)
        return [
            slots
            for slots in (self.wanted or range(1, trace.pages + 1))
            if all(q >= need for q, need in zip(capacities(trace, Budget(slots), rules), needs, strict=True))
        ]

    def misses(self, slots: int) -> int:
        """Return the misses at one size."""
        return replay_all(self.trace, [Wanted(self.spec, slots, None, self.seed)], self.rules)[0].misses

    def replayed(self, workers: int | None, progress: Callable[[int], object] | None) -> Curve:
        """Return the misses at all legal sizes."""
        curve = np.full(self.trace.pages + 1, -1, np.int64)
        todo = self.legal()
        if todo:
            curve[todo[0]] = self.misses(todo[0])  # compiles, and counts the trace, once
        threads = ThreadPoolExecutor((os.cpu_count() or 1) if workers is None else workers)
        try:
            jobs = {threads.submit(self.misses, s): s for s in todo[1:]}
            for done, job in enumerate(as_completed(jobs), start=2):
                curve[jobs[job]] = job.result()
                if progress is not None:
                    progress(done)
        finally:
            threads.shutdown(cancel_futures=True)
        return curve
