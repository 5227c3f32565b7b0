"""Solvers that fail or take too long: another road is taken, or a bracket returned, and every one obeys a time limit."""

from __future__ import annotations

import numpy as np
import pytest

import layered_paging as lp
from layered_paging.core.deadline import Deadline
from layered_paging.core.program import has_cbc
from layered_paging.core.rules import Rules
from layered_paging.errors import SolverError
from layered_paging.offline import bound, flow, integral
from layered_paging.offline.problem import pose

CBC = pytest.param("cbc", marks=pytest.mark.skipif(not has_cbc(), reason="PuLP finds no CBC"))
SLOTS = ("highs", "lp", "ilp", CBC, "paths", "networkx", "brute")


def costly(seed: int) -> tuple[lp.Trace, list[int]]:
    """Return a small trace and costs near a thousand million that differ by little."""
    trace = lp.workloads.uniform(2, 4, 12, seed=seed)
    return trace, [10**9 + 37 * n for n in range(trace.pages)]


@pytest.mark.parametrize("limit", [None, 60.0])
@pytest.mark.parametrize("solver", SLOTS)
def test_costs_near_each_other_have_an_optimum(solver: str, limit: float | None) -> None:
    for seed in range(3):
        trace, costs = costly(seed)
        best = lp.optimum(trace, 4, admission="forced", costs=costs, solver="brute").cost
        found = lp.optimum(trace, 4, admission="forced", costs=costs, solver=solver, time_limit=limit)
        assert found.cost == best
        lp.certify.check(found.certificate, trace)


def test_a_schedule_that_is_no_optimum_has_no_prices() -> None:
    """However large the costs are: the sweeps are counted."""
    trace, _ = costly(0)
    problem = pose(trace, 4, Rules(), costs=[10**15 + n for n in range(trace.pages)])
    model = problem.model(problem.parts[0])
    kept, _ = flow.by_paths(model)
    flow.price(model, kept)
    kept = kept & (model.begin >= model.end)  # nothing that takes a slot
    with pytest.raises(SolverError, match="not optimal"):
        flow.price(model, kept)


SIZES = [4_000_000_000, 4_000_000_000, 1_000_000_000, 4_000_000_002, 5_000_000_000, 1_000_000_001]
HARD = lp.Trace([[2, 0], [1, 1], [0, 1], [1, 0], [1, 0], [2, 0]], 3, expert_bytes=SIZES)


@pytest.mark.parametrize("solver", ["auto", "ilp", CBC, "lp", "brute"])
def test_sizes_that_highs_cannot_handle(solver: str) -> None:
    best = 30_000_000_004  # by brute force
    found = lp.optimum(HARD, budget_bytes=8_000_000_001, admission="bypass", costs="bytes", solver=solver)
    low, high = found.bounds
    assert low <= best <= high
    assert found.exact == (solver in ("auto", "brute"))
    if found.exact:
        assert found.cost == best
    lp.certify.check(found.certificate, HARD)


@pytest.mark.parametrize("broken", [("bound",), ("ilp",), ("bound", "ilp")])
def test_another_road_where_highs_fails(broken: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*given: object, **named: object) -> None:
        raise SolverError("HiGHS Status 4: Solve error")

    base = lp.workloads.zipf(2, 8, 40, seed=1)
    trace = lp.Trace(base.experts, 8, expert_bytes=np.arange(16) % 5 + 2)
    given = {"budget_bytes": 20, "admission": "forced"}
    best = lp.optimum(trace, **given, solver="ilp").cost
    if "bound" in broken:
        monkeypatch.setattr(bound, "relaxed_prices", fails)
    if "ilp" in broken:
        monkeypatch.setattr(integral, "solve", fails)
    for solver in ("auto", "ilp"):
        low, high = lp.optimum(trace, **given, solver=solver).bounds
        assert low <= best <= high


def large() -> tuple[lp.Trace, list[int]]:
    trace = lp.workloads.uniform(4, 60, 3000, top_k=4, seed=1)
    return trace, [1 + n % 7 for n in range(trace.pages)]


@pytest.mark.parametrize("solver", ["paths", "networkx", "highs", "ilp", CBC, "brute", "lp"])
def test_every_solver_obeys_its_limit(solver: str) -> None:
    trace, costs = large()
    with pytest.raises(
        SolverError, match=r"did not end within|Time limit|proved no optimum|found no schedule|brute force would"
    ):
        lp.optimum(trace, 120, admission="forced", costs=costs, solver=solver, time_limit=0.05)


@pytest.mark.parametrize("solver", ["auto", "ilp", CBC, "lp"])
def test_bytes_give_a_bracket_when_time_is_over(solver: str) -> None:
    base, _ = large()
    trace = lp.Trace(base.experts, 60, expert_bytes=[1 + n % 7 for n in range(base.pages)])
    found = lp.optimum(trace, budget_bytes=400, admission="forced", solver=solver, time_limit=0.01)
    low, high = found.bounds
    assert 0 < low < high and not found.exact
    with pytest.raises(SolverError):
        lp.optimum(trace, 100, admission="forced", costs="bytes", quotas="free", time_limit=0.01)


def test_a_deadline_counts() -> None:
    assert Deadline(None).left("x") is None
    assert 0 < (Deadline(1000).left("x") or 0) <= 1000
    with pytest.raises(SolverError, match="the search for the split did not end within"):
        Deadline(1e-9).left("split")
