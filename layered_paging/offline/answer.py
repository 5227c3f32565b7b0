"""``optimum``: what the best offline schedule costs, the schedule itself, and its certificate."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ..certificate import Certificate
from ..core.counts import Counts
from ..core.deadline import Deadline
from ..core.instance import integer, seconds_above_0
from ..core.rules import Rules, choice
from ..core.tables import Tabular
from ..core.trace import Trace
from ..errors import ParameterError, SolverError
from . import evidence
from .furthest import greedy
from .problem import Problem, pose
from .schedule import Schedule
from .solve import SOLVERS, Bracket, Free, Solved, free_split, oracle, solve, with_bytes

__all__ = ["Optimum", "bracket_in_slots", "optimum"]

Ints = npt.NDArray[np.int64]


class Optimum(Tabular):
    """The best offline schedule of a trace, or as much as is known of it.

    Attributes
    ----------
    solver : str
        What found it: belady, paths, ortools, highs, networkx, ilp, cbc, brute, lp or lookahead; joined by ``+``
        where pools were solved differently.
    exact : bool
        Whether it is an optimum.  False for a schedule in bytes that is not proved to be best, and
        for the lookahead oracle.
    requests : int
        Number of expert requests.
    split : tuple of int
        Capacity of each pool, in slots (or bytes); with free quotas the best one.
    slots, budget_bytes : int or None
        As given; ``slots`` is also there where a budget in bytes comes to slots.
    options : dict
        admission, pool, reset, events, prefill, and the pages held at the start (``warm``).
    """

    def __init__(self, problem: Problem, solver: str, rounds: int | None, time_limit: float | None) -> None:
        self._problem = problem
        self._way = solver
        self._rounds = rounds
        clock = Deadline(time_limit)
        self.options: dict[str, Any] = dict(problem.options)
        self.slots = problem.slots
        self.budget_bytes = problem.budget_bytes
        self._bracket: Bracket | None = None
        self._free: Free | None = None
        self._counts: Counts | None = None
        self.exact = rounds is None
        self.split = tuple(part.capacity for part in problem.parts)
        self.requests = int(np.count_nonzero(problem.grid.experts >= 0))
        by_greedy = solver in ("auto", "belady") and all(problem.one_cost(p) is not None for p in problem.parts)
        if rounds is not None:
            self._solved = oracle(problem, rounds)
        elif problem.sizes is not None:
            self._bracket = with_bytes(problem, solver, clock)
            self._solved = self._bracket.solved
            self.exact = self._bracket.proved
        elif problem.rule == "free":
            self._free = free_split(problem, solver, clock)
            self._solved = self._free.solved
            self.split = tuple(self._free.quotas)
        elif by_greedy:
            self._counts = self._count()  # the schedule is worked out when it is asked for
        else:
            self._solved = [solve(problem, part, solver, None, clock) for part in problem.parts]
        names = ["belady"] if self._counts is not None else sorted({s.solver for s in self._solved})
        self.solver = "+".join(names)

    @cached_property
    def _solved(self) -> list[Solved]:
        return [solve(self._problem, part, "belady") for part in self._problem.parts]

    def _count(self) -> Counts:
        problem = self._problem
        counts = Counts.zero(problem.grid, False)
        for part in problem.parts:
            found = greedy(part.grid, part.capacity, resets=problem.resets, bypass=problem.bypass, warm=part.warm)
            counts.add(found.counts)
        return counts

    @cached_property
    def _missed(self) -> npt.NDArray[np.bool_]:
        return ~self.schedule.hits & (self._problem.grid.experts >= 0)

    def _only_if_known(self, name: str) -> None:
        if self._bracket is not None and not self.exact:
            low, high = self.bounds
            raise SolverError(f"{name} is not known: the least cost in bytes lies in {low}..{high}; see .bounds")

    @property
    def misses(self) -> int:
        """Number of misses of the schedule (with costs: of the one found, which need not miss least).

        Raises
        ------
        SolverError
            In bytes, if the schedule is not proved optimal; see ``bounds``.
        """
        self._only_if_known("misses")
        return int(self.misses_by_session.sum())

    @property
    def misses_by_session(self) -> Ints:
        """Misses by session and stage (0 prefill, 1 decode), shape (sessions, 2)."""
        if self._counts is not None:
            return self._counts.misses
        grid = self._problem.grid
        by_round = self._missed.sum(axis=(1, 2))
        session = np.searchsorted(grid.starts, np.arange(grid.shape[0]), side="right") - 1
        counts = np.zeros((len(grid.starts), 2), np.int64)
        np.add.at(counts, (session, grid.stage), by_round)
        return counts

    @property
    def misses_by_layer(self) -> Ints:
        """Misses by layer, shape (layers,)."""
        if self._counts is not None:
            return self._counts.layer_misses
        counts = np.zeros(self._problem.grid.n_layers, np.int64)
        np.add.at(counts, self._problem.grid.layer, self._missed.sum(axis=(0, 2)))
        return counts

    @cached_property
    def cost(self) -> int:
        """Least cost of all loads; equal to ``misses`` without ``costs``.

        Raises
        ------
        SolverError
            In bytes, if it is not proved; see ``bounds``.
        """
        self._only_if_known("cost")
        return self._schedule_cost()

    def _schedule_cost(self) -> int:
        if self._problem.costs is None:
            return int(self.misses_by_session.sum())
        grid = self._problem.grid
        total = 0
        for at in range(0, grid.shape[0], 65536):
            r, c, q = np.nonzero(self._missed[at : at + 65536])
            total += int(self._problem.costs[grid.first[c] + grid.experts[at : at + 65536][r, c, q]].sum())
        return total

    @property
    def bounds(self) -> tuple[int, int]:
        """(lower, upper) for the least cost, as the certificate proves them; equal unless sizes differ."""
        if self._rounds is not None:
            raise ParameterError("the lookahead oracle is one policy, not a bound")
        if self._bracket is not None:
            return self._bracket.lower, self._bracket.upper
        return self.cost, self.cost

    @property
    def hits(self) -> int:
        """Requests less misses."""
        return self.requests - self.misses

    @property
    def hit_rate(self) -> float:
        """Hits / requests."""
        return self.hits / self.requests

    @cached_property
    def schedule(self) -> Schedule:
        """The schedule: which requests hit."""
        grid = self._problem.grid
        if len(self._problem.parts) == 1:
            hits = self._solved[0].hits
        else:
            hits = np.zeros(grid.shape, bool)
            for part, solved in zip(self._problem.parts, self._solved, strict=True):
                hits[:, part.columns] = solved.hits
        return Schedule(grid, hits, self.split, self.options)

    @cached_property
    def certificate(self) -> Certificate:
        """The certificate: the schedule, and prices that prove it optimal (in bytes: that prove a bound).

        Raises
        ------
        ParameterError
            For the lookahead oracle, which is no optimum.
        """
        problem, hits = self._problem, self.schedule.hits
        if self._rounds is not None:
            raise ParameterError("the lookahead oracle is one policy, not an optimum: it has no certificate")
        if self._bracket is not None:
            bracket = self._bracket
            return evidence.certify_bound(
                problem, hits, self.split, (bracket.lower, bracket.upper), bracket.prices, bracket.denominator
            )
        if self._free is not None:
            return evidence.certify_free(
                problem, hits, self.split, self.cost, self._free.supports, self._free.slot_price
            )
        prices = [s.prices for s in self._solved if s.prices is not None]
        return evidence.certify_optimum(problem, hits, self.split, self.cost, prices)

    def to_rows(self) -> list[dict[str, Any]]:
        """Return one row: the problem, the misses, the bounds on the cost, who found it."""
        low, high = self.bounds
        size = {"slots": self.slots, "budget_bytes": self.budget_bytes}
        facts = {"requests": self.requests, "misses": self.misses, "lower": low, "upper": high, "exact": self.exact}
        return [{"admission": self.options["admission"], **size, **facts, "solver": self.solver}]

    def __repr__(self) -> str:
        size = f"{self.budget_bytes} bytes" if self.budget_bytes is not None else f"{self.slots} slots"
        name = f"{self.options['admission']}, {size}, by {self.solver}"
        if self._rounds is not None:
            return (
                f"<Lookahead oracle, {self._rounds} rounds: {name}: {self.misses} misses of {self.requests} requests>"
            )
        if not self.exact:
            low, high = self.bounds
            return f"<No optimum, only bounds: {name}: cost between {low} and {high}>"
        cost = "" if self._problem.costs is None else f"cost {self.cost}, "
        return f"<Optimum: {name}: {cost}{self.misses} misses of {self.requests} requests>"


def optimum(
    trace: Trace,
    slots: int | None = None,
    *,
    admission: str,
    pool: str = "shared",
    reset: str = "never",
    events: str = "atomic",
    costs: Any = None,
    budget_bytes: int | None = None,
    prefill: str = "token",
    quotas: str | Sequence[int] = "uniform",
    warm: Sequence[int] | None = None,
    lookahead: int | None = None,
    solver: str = "auto",
    time_limit: float | None = None,
) -> Optimum:
    """Return the offline optimum of a trace.

    Parameters
    ----------
    trace : Trace
    slots : int
        Total slots, at least 1, also for per-layer pools.
    admission : {"forced", "bypass"}
        No default, they are different problems.  Forced: all members of an event stay until it ends.
        Bypass: a just-loaded member may be dropped.
    pool : {"shared", "per-layer"}
    reset : {"never", "session", "cache"}
        Whether every session starts with an empty cache ("cache" means the same here).
    events : {"atomic", "serial"}
        Members of an event together, or one at a time in router order: a different problem, easier under
        forced admission.
    costs : "bytes", int, or sequence of int, optional
        Cost of a load: the trace's bytes, or integers of at least 0, one, one per layer or one per page.
        Default: every load costs 1.
    budget_bytes : int
        Bytes instead of slots.  Exact at once if all pages of a pool have one size; otherwise NP-hard
        (folwarczny-sgall-2015).
    prefill : {"token", "merged"}
        Merged: one event per layer for the whole prefill of a prompt.
    quotas : {"uniform", "free"} or sequence of int
        For per-layer pools: floor(slots / layers) each, the remainder to the lowest layers; or the best
        fixed split of ``slots``; or these quotas.
    warm : sequence of int, optional
        Pages held at the start of the trace.
    lookahead : int, optional
        Rounds after this one that an oracle sees; the answer is then not the optimum but the oracle's.  It evicts pages
        not asked for there in LRU order, and after them the furthest next use.
    solver : str
        auto, belady, flow, paths, ortools, highs, networkx, ilp, cbc, lp, brute.  Auto takes belady for equal
        costs, and flow for others (paths, or ortools for large traces if it is installed).  In bytes it takes the integer
        program up to 20,000 intervals.  Above that it takes furthest next use with the bound of the linear relaxation.
    time_limit : float, optional
        Seconds, for every solver; then there is no answer, or in bytes what is known by then.  Furthest next use
        (``belady``), which takes about as long as reading the trace, is not interrupted.

    Returns
    -------
    Optimum
        ``misses``, ``cost``, ``solver``, ``split``; ``schedule`` and ``certificate`` are worked out when asked for.

    Raises
    ------
    BudgetError
        No budget, two of them, out of range, or below the largest event.
    ParameterError
        Another argument is out of range.
    SolverError
        The solver failed, ran out of time, or gave an answer that did not verify.

    Notes
    -----
    Ties: furthest next use, then the lowest page number is evicted.  Exact in integers wherever ``exact`` is
    True; the integer program's optimality in bytes is the solver's word, the certificate carries bound and gap.
    Unit costs: one pass over the requests, and memory of one bit a request (belady-1966).

    Examples
    --------
    >>> import layered_paging as lp
    >>> trace = lp.Trace([[[0, 1], [0, 1]], [[0, 2], [0, 1]], [[0, 1], [1, 2]]], n_experts=3)
    >>> best = lp.optimum(trace, 5, admission="forced")
    >>> best
    <Optimum: forced, 5 slots, by belady: 6 misses of 12 requests>
    >>> lp.certify.check(best.certificate, trace)
    >>> lp.optimum(trace, 5, admission="forced", costs=[1, 3]).cost
    12
    """
    given = {"pool": pool, "reset": reset, "events": events, "admission": admission, "prefill": prefill}
    rules = Rules.with_quotas(quotas, **given)
    problem = pose(trace, slots, rules, costs=costs, budget_bytes=budget_bytes, warm=warm)
    choice("solver", solver, SOLVERS)
    seconds_above_0("time_limit", time_limit)
    rounds = None if lookahead is None else integer("lookahead", lookahead, 0)
    if rounds is not None and (problem.costs is not None or solver != "auto"):
        raise ParameterError("takes neither costs nor a solver", parameter="lookahead")
    return Optimum(problem, solver, rounds, time_limit)


def bracket_in_slots(trace: Trace, slots: int, rules: Rules, costs: Sequence[int]) -> Optimum:
    """Bound what schedules cost in slots, in time O(requests log requests), where their exact optimum takes too long.

    Slots are taken as bytes of pages of size 1: the lower bound is by prices, the upper one by a schedule.  The
    certificate is about the trace with these sizes.

    Examples
    --------
    >>> import layered_paging as lp
    >>> trace = lp.workloads.zipf(2, 4, 30, seed=0)
    >>> found = bracket_in_slots(trace, 3, Rules(), [1, 3] * 4)
    >>> low, high = found.bounds
    >>> low <= lp.optimum(trace, 3, admission="forced", costs=[1, 3] * 4).cost <= high
    True
    """
    ones = Trace(trace.experts, trace.n_experts, trace.sessions, trace.stage, 1)
    return Optimum(pose(ones, None, rules, costs=costs, budget_bytes=slots, as_slots=False), "lp", None, None)
