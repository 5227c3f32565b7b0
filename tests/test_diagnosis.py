"""The diagnosis: its counts are those of replay and optimum, and its verdict is the largest part."""

from __future__ import annotations

import numpy as np
import pytest

import layered_paging as lp
from layered_paging.errors import BudgetError


def test_policy_failure() -> None:
    # A loop over 3 tokens' experts: LRU with room for 2 tokens never hits, the optimum keeps a part.
    trace = lp.Trace(np.arange(300)[:, None].repeat(4, axis=1) % 3, 3)
    found = lp.diagnose(trace, 8, policies=["lru", "llru"])
    assert found.verdict == "policy"
    assert found.misses == trace.requests
    assert found.optimum == lp.optimum(trace, 8, admission="forced").misses
    assert found.sentences[0].startswith("Policy failure")


def test_working_set_failure() -> None:
    trace = lp.workloads.uniform(4, 32, 200, seed=1)
    found = lp.diagnose(trace, 8, policies=["lru"])
    assert found.verdict == "working set"
    assert found.bypass == lp.optimum(trace, 8, admission="bypass").misses


def test_cold() -> None:
    trace = lp.Trace(np.arange(8)[:, None], 8)
    found = lp.diagnose(trace, 4)
    assert (found.verdict, found.compulsory, found.optimum) == ("cold", 8, 8)
    assert "first requests" in found.sentences[0]


def test_the_cliff_is_named() -> None:
    trace = lp.workloads.zipf(6, 8, 100, top_k=2, seed=2)
    assert "below the cliff" in " ".join(lp.diagnose(trace, 10).sentences)
    assert lp.replay(trace, "lru", 10).hits == 0
    assert "on the cliff" in " ".join(lp.diagnose(trace, 11).sentences)
    assert "the budget holds 2.00 tokens" in " ".join(lp.diagnose(trace, 24).sentences)


def test_parts_against_their_definitions() -> None:
    trace = lp.workloads.markov(4, 8, 150, top_k=2, stickiness=0.6, seed=3, sessions=3)
    found = lp.diagnose(trace, 12, reset="session", policy="fifo")
    for name, misses in found.by_policy.items():
        assert misses == lp.replay(trace, name, 12, reset="session").misses
    assert found.best == min(found.by_policy, key=lambda n: found.by_policy[n] or 0)
    assert (
        found.per_layer_optimum == lp.optimum(trace, 12, admission="forced", pool="per-layer", reset="session").misses
    )
    assert found.doubled == lp.replay(trace, found.best, 24, reset="session").misses
    # the share of repeats, counted plainly
    again = 0
    for r in range(1, trace.rounds):
        if r not in trace.sessions:
            again += sum(len(np.intersect1d(trace.experts[r, j], trace.experts[r - 1, j])) for j in range(4))
    assert found.repeated == round(again / trace.requests, 6)
    uses = np.sort(np.bincount((trace.experts + trace.first_page[:, None]).ravel(), minlength=32))[::-1]
    assert found.coverage["12 slots"] == round(uses[:12].sum() / uses.sum(), 6)
    assert found.to_dict()["slots"] == 12


def test_reuse_distances() -> None:
    # page 0 returns after 1 other page three times, after 3 others once
    trace = lp.Trace([[0], [1], [0], [1], [0], [2], [3], [1], [0]], 4)
    assert lp.diagnose(trace, 2).reuse == {"10 %": 2, "25 %": 2, "50 %": 2, "75 %": 4, "90 %": 4}


def test_bytes_become_slots_of_mean_size() -> None:
    base = lp.workloads.zipf(2, 8, 60, seed=4)
    trace = lp.Trace(base.experts, 8, expert_bytes=[100, 300])
    assert lp.diagnose(trace, budget_bytes=1999).slots == 9
    with pytest.raises(BudgetError, match="must hold an expert"):
        lp.diagnose(trace, budget_bytes=100)
    with pytest.raises(BudgetError, match="one of them"):
        lp.diagnose(trace)


def test_bytes_where_sizes_are_known() -> None:
    base = lp.workloads.zipf(2, 8, 60, seed=4)
    assert lp.diagnose(base, 6).optimum_bytes is None
    equal = lp.diagnose(lp.Trace(base.experts, 8, expert_bytes=100), 6)
    assert (equal.bytes_read, equal.optimum_bytes) == (100 * equal.misses, 100 * equal.optimum)
    sized = lp.Trace(base.experts, 8, expert_bytes=[100, 300])
    found = lp.diagnose(sized, 6)
    assert found.bytes_read == lp.replay(sized, "lru", 6).bytes_read
    assert found.optimum_bytes == lp.optimum(sized, 6, admission="forced", costs="bytes").cost
    assert any(sentence.startswith("In bytes: lru loads") for sentence in found.sentences)
