"""The least that any schedule costs, without the schedule: what a picture of many budgets needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..core.rules import Rules
from ..core.trace import Trace
from .bound import descended_prices, in_integers, proved_saving
from .furthest import greedy
from .problem import Part, Problem, pose

__all__ = ["STEPS", "Least", "least_cost"]

STEPS = 60  # of the descent to prices


@dataclass(frozen=True)
class Least:
    """A cost that no schedule is below; ``exact`` says that a schedule has it."""

    cost: int
    exact: bool


def least_cost(
    trace: Trace,
    slots: int | None,
    rules: Rules,
    *,
    budget_bytes: int | None = None,
    costs: Any = None,
    steps: int = STEPS,
) -> Least:
    """Return the least cost of a schedule, or a proved lower bound where sizes or costs differ in a pool.

    Parameters
    ----------
    trace : Trace
    slots, budget_bytes : int
        One of the two.
    rules : Rules
        Of the replay.
    costs : None, "bytes", int, or sequence
        Of a load, as for ``optimum``; None counts loads.
    steps : int
        Of the descent to prices, at least 0: more of them prove more.

    Raises
    ------
    BudgetError
        The budget is missing, given twice, or below the largest event of a pool.

    Notes
    -----
    Exact by furthest next use where all loads of a pool have one size and one cost.  Elsewhere any prices prove a bound, in
    integers (see ``offline.bound``); they come from ``steps`` steps of descent, each O(requests).  Time O(requests log requests)
    beside them.

    Examples
    --------
    >>> trace = Trace([[0, 0], [1, 0], [0, 0]], n_experts=2, expert_bytes=[2, 3])
    >>> least_cost(trace, 3, Rules()), least_cost(trace, None, Rules(), budget_bytes=7)
    (Least(cost=3, exact=True), Least(cost=3, exact=False))
    """
    problem = pose(trace, slots, rules, costs=costs, budget_bytes=budget_bytes)
    found = [_of_pool(problem, part, steps) for part in problem.parts]
    return Least(sum(one.cost for one in found), all(one.exact for one in found))


def _of_pool(problem: Problem, part: Part, steps: int) -> Least:
    cost = problem.one_cost(part)
    if problem.sizes is None and cost is not None:
        counts = greedy(part.grid, part.capacity, resets=problem.resets, bypass=problem.bypass).counts
        return Least(cost * int(counts.misses.sum()), True)
    model = problem.model(part)
    prices, denominator = in_integers([model], [descended_prices(model, steps)])
    saved = proved_saving(model, prices[0], denominator) // denominator
    return Least(model.total - min(saved, int(model.worth.sum())), False)
