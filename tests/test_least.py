"""The least cost without a schedule: exact, or below every schedule; and the rows of a plan that are made of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import layered_paging as lp
from layered_paging.core.rules import Rules
from layered_paging.offline.least import least_cost
from layered_paging.plan.budgets import BOUND, OPTIMUM, table_of
from layered_paging.report import facts, report_page


def _trace(seed: int, sizes: list[int], rounds: int = 7) -> lp.Trace:
    random = np.random.default_rng(seed)
    ids = np.array([[random.permutation(3)[:2] for _ in sizes] for _ in range(rounds)])
    return lp.Trace(ids, 3, sessions=[0, rounds // 2], expert_bytes=sizes)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 999),
    sizes=st.sampled_from([[2, 3], [1, 1], [5, 2]]),
    room=st.integers(0, 12),
    admission=st.sampled_from(["forced", "bypass"]),
    pool=st.sampled_from(["shared", "per-layer"]),
    reset=st.sampled_from(["never", "session"]),
    costs=st.sampled_from([None, "bytes"]),
)
def test_it_is_below_the_optimum_and_equal_where_it_says_so(
    seed: int, sizes: list[int], room: int, admission: str, pool: str, reset: str, costs: str | None
) -> None:
    trace = _trace(seed, sizes)
    budget = 2 * 2 * max(sizes) + room
    rules = Rules(pool, reset, admission=admission)
    found = least_cost(trace, None, rules, budget_bytes=budget, costs=costs)
    options = {"admission": admission, "pool": pool, "reset": reset, "costs": costs}
    low, high = lp.optimum(trace, budget_bytes=budget, **options).bounds
    assert low == high and found.cost <= low
    if found.exact:
        assert found.cost == low
    few = least_cost(trace, None, rules, budget_bytes=budget, costs=costs, steps=0)
    assert few.cost <= found.cost


@pytest.mark.parametrize("sized", [False, True])
@pytest.mark.parametrize("prefill", ["token", "merged"])
def test_a_plan_of_unequal_experts_shows_a_bound(sized: bool, prefill: str) -> None:
    trace = _trace(3, [2, 3], 20)
    sizes = [9, 11, 13] if sized else [4, 5, 6]
    options = {"pool": "shared", "reset": "never", "prefill": prefill}
    table = table_of(trace, ["lru", "llru"], sizes, sized=sized, clock=None, options=options)
    bounds = table.of(BOUND)
    assert len(bounds) == len(sizes) and not table.of(OPTIMUM)
    for row in bounds:
        size = row.size(sized) if sized else row.slots
        for name in ("lru", "llru", "belady"):
            budget = {"budget_bytes": size} if sized else {"slots": size}
            run = lp.replay(trace, name, **budget, **options)
            assert row.misses <= run.misses and row.loaded <= run.bytes_read / trace.rounds
            assert row.hit_rate == 1 - row.misses / run.requests


def test_a_plan_of_merged_prompts_shows_the_optimum() -> None:
    stage = np.repeat([0, 1], 10)
    random = np.random.default_rng(1)
    ids = np.array([[random.permutation(6)[:2] for _ in range(2)] for _ in range(20)])
    trace = lp.Trace(ids, 6, stage=stage, expert_bytes=[7, 7])
    options = {"pool": "shared", "reset": "never", "prefill": "merged"}
    table = table_of(trace, ["lru"], [84, 100], sized=True, clock=None, options=options)
    for row in table.of(OPTIMUM):
        run = lp.replay(trace, "belady", budget_bytes=row.budget, prefill="merged")
        assert (row.misses, row.hit_rate) == (run.misses, run.hit_rate)
        assert row.loaded == run.bytes_read / trace.rounds
    assert len(table.of(OPTIMUM)) == 2


def test_the_report_draws_the_bound_and_says_what_it_is() -> None:
    told = facts(_trace(5, [2, 3], 20), budget_bytes=11, policies=("lru",))
    assert BOUND in told["budgets"]["names"] and OPTIMUM not in told["budgets"]["names"]
    page = report_page(told, title="t", trace="t.npz")
    assert '<polyline class="optimum"' in page and "The bound is proved: no policy hits more" in page
