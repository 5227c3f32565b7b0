"""From a problem to its solution: which solver takes which pool, and what each one proves."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..core.deadline import Deadline, OutOfTime
from ..core.rules import choice
from ..errors import ParameterError, SolverError
from . import bound, flow
from .brute import by_brute_force
from .furthest import furthest, greedy, see_ahead
from .limited import within
from .model import Model
from .problem import Part, Problem

__all__ = ["SOLVERS", "Free", "Solved", "free_split", "solve", "with_bytes"]

SOLVERS = ("auto", "belady", "flow", "paths", "ortools", "highs", "networkx", "ilp", "cbc", "lp", "brute")
_METHODS = {"ilp": "highs", "cbc": "cbc"}  # who solves the integer program
SMALL = 20_000  # intervals that "auto" gives to the integer program where sizes differ
TINY = 40  # intervals up to which a bracket in bytes is closed by brute force, if that ends
PROGRAM = 100_000  # intervals up to which a linear program gives the bound in bytes
LARGE = 50_000  # intervals from which "flow" prefers OR-tools

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Solved:
    """A schedule for one pool.

    Attributes
    ----------
    hits : bool array of the pool's grid
    prices : int64 array, one per point, or None
        They prove the schedule optimal; None where the solver gives none.
    solver : str
    """

    hits: npt.NDArray[np.bool_]
    prices: Ints | None
    solver: str


def solve(
    problem: Problem, part: Part, solver: str, capacity: int | None = None, clock: Deadline | None = None
) -> Solved:
    """Solve one pool in slots exactly.

    A schedule from floats that turns out to be no optimum is not used: ``paths`` is taken instead, and named.

    Raises
    ------
    ParameterError
        The solver is not made for this problem.
    SolverError
        It failed, or ran out of time.
    """
    choice("solver", solver, SOLVERS)
    clock = clock or Deadline(None)
    room = part.capacity if capacity is None else capacity
    cost = problem.one_cost(part)
    if solver == "auto":
        solver = "flow" if cost is None else "belady"
    if solver == "belady":
        if cost is None:
            raise ParameterError(
                "is exact for equal costs only", parameter="solver", value="belady", ways=[("solver", "flow")]
            )
        return _by_belady(problem, part, room, cost)
    model = problem.model(part, room)
    if solver == "brute":
        hits = _by_brute_force(problem, part, room, clock)
        return Solved(hits, flow.price(model, hits.reshape(-1)[model.request], clock), "brute")
    if solver == "flow":
        solver = "ortools" if len(model.begin) > LARGE and flow.has_ortools() else "paths"
    if solver in ("paths", "networkx"):
        kept, prices = within(model, solver, clock)
        return Solved(_flags(part, model, kept), flow.price(model, kept, clock) if prices is None else prices, solver)
    try:
        kept = _from_floats(model, solver, clock)
        return Solved(_flags(part, model, kept), flow.price(model, kept, clock), solver)
    except OutOfTime:
        raise
    except SolverError:
        kept, prices = within(model, "paths", clock)
        return Solved(_flags(part, model, kept), prices, "paths")


def _from_floats(model: Model, solver: str, clock: Deadline) -> npt.NDArray[np.bool_]:
    left = clock.left("optimum")
    if solver == "ortools":
        return flow.by_ortools(model, left)
    if solver in ("highs", "lp"):
        return flow.by_highs(model, left)
    from . import integral

    answer = integral.solve([model], time_limit=left, method=_METHODS[solver])
    if not answer.proved:
        kind = SolverError if left is None else OutOfTime
        raise kind("the integer program proved no optimum; give it more time or use 'flow'")
    return answer.kept[0]


def _by_brute_force(problem: Problem, part: Part, capacity: int, clock: Deadline) -> npt.NDArray[np.bool_]:
    return by_brute_force(
        part.grid,
        capacity,
        resets=problem.resets,
        bypass=problem.bypass,
        costs=problem.costs,
        sizes=problem.sizes,
        warm=part.warm,
        clock=clock,
    )


def _by_belady(problem: Problem, part: Part, capacity: int, cost: int) -> Solved:
    from .kernels import prices

    found = greedy(part.grid, capacity, resets=problem.resets, bypass=problem.bypass, warm=part.warm, record=True)
    assert found.counts.flags is not None
    out = np.zeros(len(found.full), np.int64)
    prices(found.full, problem.bypass, out)
    hits = ~found.counts.flags
    hits &= part.grid.experts >= 0
    return Solved(hits, out if cost == 1 else out * cost, "belady")


def _flags(part: Part, model: Model, kept: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    hits = np.zeros(part.grid.shape, bool)
    hits.reshape(-1)[model.request[kept]] = True
    return hits


@dataclass(frozen=True)
class Free:
    """The best split of slots over layers, and what proves it."""

    quotas: list[int]
    solved: list[Solved]
    supports: list[list[Ints]]
    slot_price: int


def free_split(problem: Problem, solver: str, clock: Deadline) -> Free:
    """Find the split of ``problem.slots`` over the layers that costs least.

    Every layer is solved at every quota, and a dynamic program over the layers picks the quotas:
    exact whatever the curves look like.  They are in fact convex, since what a quota saves is
    the value of a flow. That gives the proof: prices at the quota itself and its two neighbours, and
    one price of a slot that no layer would rather sell or buy at.
    """
    assert problem.slots is not None
    n_experts = problem.trace.n_experts
    curves: list[dict[int, int]] = []
    for layer, part in enumerate(problem.parts):
        least = len(part.warm) if problem.bypass else max(len(part.warm), part.grid.largest_event())
        curve = {q: _cost_at(problem, part, q, solver, clock) for q in range(least, n_experts[layer] + 1)}
        curves.append(curve)
    need = sum(min(curve) for curve in curves)
    if need > problem.slots:
        raise ParameterError(
            f"must hold the largest event of every layer ({need} in all); got {problem.slots}", parameter="slots"
        )
    quotas = _split(curves, problem.slots)
    gains = [curve[q] - curve[q + 1] for curve, q in zip(curves, quotas, strict=True) if q + 1 in curve]
    slot_price = max(gains, default=0) if sum(quotas) == problem.slots else 0
    supports, solved = [], []
    for part, curve, q in zip(problem.parts, curves, quotas, strict=True):
        answers = {n: solve(problem, part, solver, n, clock) for n in (q - 1, q, q + 1) if n in curve}
        solved.append(answers[q])
        supports.append([a.prices for a in answers.values() if a.prices is not None])
    return Free(quotas, solved, supports, slot_price)


def _cost_at(problem: Problem, part: Part, quota: int, solver: str, clock: Deadline) -> int:
    clock.left("split")
    cost = problem.one_cost(part)
    if cost is not None and solver in ("auto", "belady"):
        found = greedy(part.grid, quota, resets=problem.resets, bypass=problem.bypass, warm=part.warm)
        return cost * int(found.counts.misses.sum())
    hits = solve(problem, part, solver, quota, clock).hits
    model = problem.model(part, quota)
    return model.value(hits.reshape(-1)[model.request])


def _split(curves: Sequence[dict[int, int]], slots: int) -> list[int]:
    """Return quotas of least cost that sum to at most ``slots``: a dynamic program over the layers."""
    best: dict[int, int] = {0: 0}
    picks: list[dict[int, int]] = []
    for curve in curves:
        then: dict[int, int] = {}
        pick: dict[int, int] = {}
        for used, cost in best.items():
            for q, more in curve.items():
                at = used + q
                if at <= slots and cost + more < then.get(at, cost + more + 1):
                    then[at], pick[at] = cost + more, q
        best = then
        picks.append(pick)
    at = min(best, key=lambda used: (best[used], -used))
    quotas = []
    for pick in reversed(picks):
        quotas.append(pick[at])
        at -= pick[at]
    return quotas[::-1]


@dataclass(frozen=True)
class Bracket:
    """With sizes: a schedule, its cost, and a cost that no schedule can be below."""

    solved: list[Solved]
    prices: list[Ints]
    denominator: int
    lower: int
    upper: int
    proved: bool


def with_bytes(problem: Problem, solver: str, clock: Deadline) -> Bracket:
    """Solve pools in bytes: exact by integer program or brute force where that ends, otherwise a bracket.

    The prices come from the linear relaxation: by HiGHS, or by descent beyond ``PROGRAM`` intervals and where HiGHS fails.
    They are all 0 for ``solver="belady"``, which looks for none.  With ``auto``, a bracket of a very small case is closed by brute force.
    """
    choice("solver", solver, SOLVERS)
    assert problem.sizes is not None
    models = [problem.model(part) for part in problem.parts]
    warm = any(len(part.warm) for part in problem.parts)
    own_choice = solver == "auto"
    if own_choice:
        solver = "ilp" if sum(len(m.begin) for m in models) <= SMALL else "lp"
    if solver not in ("belady", *_METHODS, "lp", "brute"):
        raise ParameterError(
            "is for slots; with bytes use 'ilp', 'cbc', 'lp', 'belady' or 'brute'", parameter="solver", value=solver
        )
    proved = False
    solved: list[Solved] = []
    prices, denominator = _relaxed(models, solver, clock)  # first, so that there is a bound when time is over
    if solver in _METHODS:
        solved, proved = _by_program(problem, models, clock, not warm, solver)
        solver = solver if solved else "lp"
    if solver == "brute":
        solved = [Solved(_by_brute_force(problem, p, p.capacity, clock), None, solver) for p in problem.parts]
        proved = True
    elif solver not in _METHODS:
        if warm:
            raise ParameterError(f"warm is not supported by solver {solver!r} with bytes; use 'ilp'")
        solved = [Solved(_by_distance(problem, part), None, solver) for part in problem.parts]
    elif not proved and not warm:  # what was found in time need not be better than the heuristic
        for n, (part, model) in enumerate(zip(problem.parts, models, strict=True)):
            hits = _by_distance(problem, part)
            if _value(model, hits) < _value(model, solved[n].hits):
                solved[n] = Solved(hits, None, "belady")
    saved = sum(bound.proved_saving(m, y, denominator) for m, y in zip(models, prices, strict=True))
    lower = sum(m.total for m in models) - saved // denominator
    upper = sum(_value(m, s.hits) for m, s in zip(models, solved, strict=True))
    if own_choice and not proved and lower < upper and sum(len(m.begin) for m in models) <= TINY:
        with contextlib.suppress(SolverError):
            solved = [Solved(_by_brute_force(problem, p, p.capacity, clock), None, "brute") for p in problem.parts]
            upper, proved = sum(_value(m, s.hits) for m, s in zip(models, solved, strict=True)), True
    return Bracket(solved, prices, denominator, lower, upper, proved or lower == upper)


def _value(model: Model, hits: npt.NDArray[np.bool_]) -> int:
    return model.value(hits.reshape(-1)[model.request])


def _by_program(
    problem: Problem, models: Sequence[Model], clock: Deadline, otherwise: bool, solver: str
) -> tuple[list[Solved], bool]:
    """Solve by an integer program; return nothing where it fails and there is another road."""
    from . import integral

    try:
        answer = integral.solve(models, time_limit=clock.left("schedule"), method=_METHODS[solver])
    except SolverError:
        if not otherwise:
            raise
        return [], False
    pairs = zip(problem.parts, models, answer.kept, strict=True)
    return [Solved(_flags(p, m, k), None, solver) for p, m, k in pairs], answer.proved


def _relaxed(models: Sequence[Model], solver: str, clock: Deadline) -> tuple[list[Ints], int]:
    """Return prices and their denominator: by a linear program, or by descent where it is too large or fails."""
    if solver == "belady":
        return [np.zeros(len(m.capacity), np.int64) for m in models], 1
    prices = []
    for model in models:
        if len(model.begin) <= PROGRAM:
            try:
                prices.append(bound.relaxed_prices(model, clock.left("bound")))
                continue
            except SolverError:
                pass
        prices.append(bound.descended_prices(model))
    return bound.in_integers(models, prices)


def _by_distance(problem: Problem, part: Part) -> npt.NDArray[np.bool_]:
    """Return what hits under furthest next use in bytes, a heuristic."""
    counts = furthest(part.grid, part.capacity, problem.rules, sizes=problem.sizes, in_bytes=True, record=True)
    assert counts.flags is not None
    return ~counts.flags & (part.grid.experts >= 0)


def oracle(problem: Problem, rounds: int) -> list[Solved]:
    """Play every pool with ``rounds`` rounds of lookahead; O(slots) a miss."""
    if problem.sizes is not None or problem.rule == "free" or any(len(p.warm) for p in problem.parts):
        raise ParameterError("lookahead is for slots, an empty start and a given split")
    found = []
    for part in problem.parts:
        counts = see_ahead(part.grid, part.capacity, rounds, resets=problem.resets, bypass=problem.bypass)
        assert counts.flags is not None
        found.append(Solved(~counts.flags & (part.grid.experts >= 0), None, "lookahead"))
    return found
