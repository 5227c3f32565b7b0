"""From a problem to its solution: which solver takes which pool, and what each one proves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..core.layout import choice
from ..errors import ParameterError, SolverError
from . import bound, flow
from .brute import by_brute_force
from .furthest import furthest, greedy, see_ahead
from .model import Model
from .problem import Part, Problem

__all__ = ["SOLVERS", "Free", "Solved", "free_split", "solve", "with_bytes"]

SOLVERS = ("auto", "belady", "flow", "paths", "ortools", "highs", "networkx", "ilp", "lp", "brute")
SMALL = 20_000  # intervals that "auto" gives to the integer program where sizes differ
LARGE = 50_000  # intervals from which "flow" prefers OR-tools

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Solved:
    """A schedule for one pool.

    Attributes
    ----------
    hits : bool array of the pool's grid
    prices : int64 array, one a point, or None
        They prove the schedule optimal; None where the solver gives none.
    solver : str
    """

    hits: npt.NDArray[np.bool_]
    prices: Ints | None
    solver: str


def solve(
    problem: Problem, part: Part, solver: str, capacity: int | None = None, time_limit: float | None = None
) -> Solved:
    """Solve one pool in slots exactly.

    Raises
    ------
    ParameterError
        The solver is not made for this problem.
    SolverError
        It failed, or ran out of time.
    """
    choice("solver", solver, SOLVERS)
    room = part.capacity if capacity is None else capacity
    cost = problem.one_cost(part)
    if solver == "auto":
        solver = "flow" if cost is None else "belady"
    if solver == "belady":
        if cost is None:
            raise ParameterError("solver 'belady' is exact for equal costs only; use 'flow'")
        return _by_belady(problem, part, room, cost)
    if solver == "brute":
        hits = by_brute_force(
            part.grid, room, resets=problem.resets, bypass=problem.bypass, costs=problem.costs, warm=part.warm
        )
        return Solved(hits, _prices_of(problem.model(part, room), hits), "brute")
    model = problem.model(part, room)
    if solver == "flow":
        solver = "ortools" if len(model.begin) > LARGE and flow.has_ortools() else "paths"
    if solver == "paths":
        kept, prices = flow.by_paths(model)
        return Solved(_flags(part, model, kept), prices, "paths")
    if solver == "networkx":
        kept = flow.by_networkx(model)
    elif solver == "ortools":
        kept = flow.by_ortools(model, time_limit)
    elif solver in ("highs", "lp"):
        kept = flow.by_highs(model, time_limit)
    else:
        from . import pulp_adapter

        answer = pulp_adapter.solve([model], time_limit=time_limit)
        if not answer.proved:
            raise SolverError(f"HiGHS proved no optimum within {time_limit:g} s; give it more time or use 'flow'")
        kept = answer.kept[0]
    return Solved(_flags(part, model, kept), flow.price(model, kept), solver)


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


def _prices_of(model: Model, hits: npt.NDArray[np.bool_]) -> Ints:
    return flow.price(model, hits.reshape(-1)[model.request])


@dataclass(frozen=True)
class Free:
    """The best split of slots over layers, and what proves it."""

    quotas: list[int]
    solved: list[Solved]
    supports: list[list[Ints]]
    slot_price: int


def free_split(problem: Problem, solver: str, time_limit: float | None = None) -> Free:
    """Find the split of ``problem.slots`` over the layers that costs least.

    Every layer is solved at every quota, and a dynamic program over the layers picks the quotas:
    exact whatever the curves look like.  They are in fact convex, since what a quota saves is
    the value of a flow; that gives the proof: prices at the quota itself and its two neighbours, and
    one price of a slot that no layer would rather sell or buy at.
    """
    assert problem.slots is not None
    n_experts = problem.trace.n_experts
    curves: list[dict[int, int]] = []
    for layer, part in enumerate(problem.parts):
        least = len(part.warm) if problem.bypass else max(len(part.warm), part.grid.largest_event())
        curve = {q: _cost_at(problem, part, q, solver, time_limit) for q in range(least, n_experts[layer] + 1)}
        curves.append(curve)
    need = sum(min(curve) for curve in curves)
    if need > problem.slots:
        raise ParameterError(f"slots must hold the largest event of every layer ({need} in all); got {problem.slots}")
    quotas = _split(curves, problem.slots)
    gains = [curve[q] - curve[q + 1] for curve, q in zip(curves, quotas, strict=True) if q + 1 in curve]
    slot_price = max(gains, default=0) if sum(quotas) == problem.slots else 0
    supports, solved = [], []
    for part, curve, q in zip(problem.parts, curves, quotas, strict=True):
        answers = {n: solve(problem, part, solver, n, time_limit) for n in (q - 1, q, q + 1) if n in curve}
        solved.append(answers[q])
        supports.append([a.prices for a in answers.values() if a.prices is not None])
    return Free(quotas, solved, supports, slot_price)


def _cost_at(problem: Problem, part: Part, quota: int, solver: str, time_limit: float | None) -> int:
    cost = problem.one_cost(part)
    if cost is not None and solver in ("auto", "belady"):
        found = greedy(part.grid, quota, resets=problem.resets, bypass=problem.bypass, warm=part.warm)
        return cost * int(found.counts.misses.sum())
    hits = solve(problem, part, solver, quota, time_limit).hits
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


def with_bytes(problem: Problem, solver: str, time_limit: float | None) -> Bracket:
    """Solve pools in bytes: exact by integer program or brute force where that ends, otherwise a bracket.

    The prices come from the linear relaxation, or are all 0 for ``solver="belady"``, which solves no program.
    """
    choice("solver", solver, SOLVERS)
    assert problem.sizes is not None
    models = [problem.model(part) for part in problem.parts]
    warm = any(len(part.warm) for part in problem.parts)
    own_choice = solver == "auto"
    if own_choice:
        solver = "ilp" if sum(len(m.begin) for m in models) <= SMALL else "lp"
    if solver not in ("belady", "ilp", "lp", "brute"):
        raise ParameterError(f"solver {solver!r} is for slots; with bytes use 'ilp', 'lp', 'belady' or 'brute'")
    proved = False
    solved = []
    if solver == "ilp":
        from . import pulp_adapter

        try:
            answer = pulp_adapter.solve(models, time_limit=time_limit)
        except SolverError:
            if not own_choice or warm:
                raise
            solver = "lp"
        else:
            proved = answer.proved
            solved = [
                Solved(_flags(p, m, k), None, "ilp") for p, m, k in zip(problem.parts, models, answer.kept, strict=True)
            ]
    if solver != "ilp":
        proved = solver == "brute"
        for part in problem.parts:
            if solver == "brute":
                hits = by_brute_force(
                    part.grid,
                    part.capacity,
                    resets=problem.resets,
                    bypass=problem.bypass,
                    costs=problem.costs,
                    sizes=problem.sizes,
                    warm=part.warm,
                )
            else:
                if len(part.warm):
                    raise ParameterError(f"warm is not supported by solver {solver!r} with bytes; use 'ilp'")
                hits = _by_distance(problem, part)
            solved.append(Solved(hits, None, solver))
    elif not proved and not warm:  # what HiGHS found need not be better than the heuristic
        for n, (part, model) in enumerate(zip(problem.parts, models, strict=True)):
            hits = _by_distance(problem, part)
            if model.value(hits.reshape(-1)[model.request]) < model.value(solved[n].hits.reshape(-1)[model.request]):
                solved[n] = Solved(hits, None, "belady")
    if solver == "belady":
        prices, denominator = [np.zeros(len(m.capacity), np.int64) for m in models], 1
    else:
        prices, denominator = bound.in_integers(models, [bound.relaxed_prices(m, time_limit) for m in models])
    saved = sum(bound.proved_saving(m, y, denominator) for m, y in zip(models, prices, strict=True))
    upper = sum(m.value(s.hits.reshape(-1)[m.request]) for m, s in zip(models, solved, strict=True))
    lower = sum(m.total for m in models) - saved // denominator
    return Bracket(solved, prices, denominator, lower, upper, proved or lower == upper)


def _by_distance(problem: Problem, part: Part) -> npt.NDArray[np.bool_]:
    """Return what hits under furthest next use in bytes, a heuristic."""
    counts = furthest(
        part.grid,
        part.capacity,
        sizes=problem.sizes,
        in_bytes=True,
        reset="session" if problem.resets else "never",
        bypass=problem.bypass,
        record=True,
    )
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
