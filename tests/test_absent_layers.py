"""Layers without any request, such as dense ones: they take no slots, whoever counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import layered_paging as lp
from layered_paging.core.layout import quotas
from layered_paging.errors import BudgetError, CertificateRejected
from layered_paging.profiles.profile import Profile
from layered_paging.profiles.value import hot_pages

SMALL = lp.workloads.zipf(layers=3, experts=6, rounds=60, top_k=2, seed=3, sessions=3)


def among_dense(trace: lp.Trace, layers: int, places: list[int]) -> lp.Trace:
    """Return the same requests with layers that have none between them."""
    ids = np.full((trace.rounds, layers, trace.top_k), -1)
    ids[:, places] = trace.experts
    return lp.Trace(ids, trace.n_experts[0], trace.sessions, trace.stage)


@given(st.integers(0, 40), st.lists(st.booleans(), min_size=1, max_size=6))
def test_quotas_are_shared_by_the_layers_that_ask(total: int, asked: list[bool]) -> None:
    split = quotas(total, len(asked), asked)
    mine = [q for q, flag in zip(split, asked, strict=True) if flag]
    assert all(q == 0 for q, flag in zip(split, asked, strict=True) if not flag)
    assert mine == quotas(total, len(mine)) if mine else not any(split)


@settings(max_examples=15)
@given(st.permutations(range(5)), st.integers(6, 18))
def test_dense_layers_change_no_count(order: list[int], slots: int) -> None:
    wide = among_dense(SMALL, 5, sorted(order[:3]))
    for policy in ("lru", "lfu", "belady", "sieve"):
        one, other = (lp.replay(t, policy, slots, pool="per-layer", reset="session") for t in (SMALL, wide))
        assert one.misses == other.misses
        parts = lp.replay(lp.core.parts.LongTrace.of(wide, 7), policy, slots, pool="per-layer", reset="session")
        assert parts.misses == one.misses
    for admission in ("forced", "bypass"):
        best = [lp.optimum(t, slots, admission=admission, pool="per-layer") for t in (SMALL, wide)]
        assert best[0].misses == best[1].misses
        lp.certify.check(best[1].certificate, wide)
    for policy in ("lru", "fifo"):
        curves = [lp.miss_curve(t, policy, pool="per-layer", sizes=[slots]) for t in (SMALL, wide)]
        assert curves[0][slots] == curves[1][slots]


def test_a_certificate_with_slots_for_a_dense_layer_is_refused() -> None:
    wide = among_dense(SMALL, 4, [0, 2, 3])
    best = lp.optimum(wide, 9, admission="forced", pool="per-layer")
    assert best.certificate.statement["split"] == [3, 0, 3, 3]
    says = {**best.certificate.statement, "split": [3, 2, 2, 2]}
    with pytest.raises(CertificateRejected, match="split must be the uniform split"):
        lp.certify.check(lp.Certificate(best.certificate.kind, says, best.certificate.evidence), wide)


def test_the_least_budget_counts_the_layers_that_ask() -> None:
    wide = among_dense(SMALL, 5, [1, 3, 4])
    with pytest.raises(
        BudgetError, match=r"must hold the largest event of layer 4 \(2 slots\); got 1 \(use at least 6 "
    ):
        lp.replay(wide, "lru", 5, pool="per-layer")
    assert lp.replay(wide, "lru", 6, pool="per-layer").misses > 0


def test_profiles_give_dense_layers_nothing() -> None:
    wide = among_dense(SMALL, 4, [0, 2, 3])
    assert len(hot_pages(Profile.of(wide), 9, "per-layer")) == 9


def test_three_dense_layers_of_a_file(tmp_path: Path) -> None:
    wide = among_dense(SMALL, 6, [3, 4, 5])
    assert wide.asked.tolist() == [False] * 3 + [True] * 3
    lp.save_trace(wide, tmp_path / "t.jsonl")
    assert lp.open_trace(tmp_path / "t.jsonl").asked.tolist() == wide.asked.tolist()


def weighed(trace: lp.Trace, asked: int, others: int) -> lp.Trace:
    """Return a trace whose experts have one size, and those of layers without a request another."""
    sizes = np.where(trace.asked, asked, others)
    return lp.Trace(trace.experts, trace.n_experts, trace.sessions, trace.stage, sizes)


@pytest.mark.parametrize("pool", ["shared", "per-layer"])
@pytest.mark.parametrize("sized", [True, False])
def test_a_plan_has_the_same_budgets_whatever_dense_layers_would_weigh(pool: str, sized: bool) -> None:
    from layered_paging.plan import plan

    traces = (weighed(SMALL, 3, 3), weighed(among_dense(SMALL, 5, [0, 2, 3]), 3, 7))
    one, other = (
        plan(t, policies=["lfu", "slru"], size=45 if sized else 15, sized=sized, pool=pool, reset="session")
        for t in traces
    )
    assert one.table.to_rows() == other.table.to_rows() and max(one.table.sizes) == (54 if sized else 18)
    assert one.sentences == other.sentences


@pytest.mark.parametrize("policy", ["slru", "arc", "s3-fifo"])
def test_what_dense_layers_would_weigh_does_not_change_shares_of_a_budget(policy: str) -> None:
    wide = weighed(among_dense(SMALL, 5, [0, 2, 3]), 3, 7)
    budgets = (20, 31, 45)
    assert [lp.replay(wide, policy, budget_bytes=b).misses for b in budgets] == [
        lp.replay(weighed(SMALL, 3, 3), policy, budget_bytes=b).misses for b in budgets
    ]
    parts = lp.replay(lp.core.parts.LongTrace.of(wide, 7), policy, budget_bytes=31)
    assert parts.misses == lp.replay(wide, policy, budget_bytes=31).misses
