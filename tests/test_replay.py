"""Replay: published and hand-checked values, options, budgets, bad input."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import layered_paging as lp
from layered_paging.core.layout import lay_out, quotas
from layered_paging.core.rules import Rules
from layered_paging.errors import BudgetError, NotRegistered, ParameterError, PolicyError
from layered_paging.policies.spec import Time

# Hits in percent on gpt-oss-20b, forced, emptied at each session, slots = 24 x (4, 8, 12).
EXPECTED = {
    ("lru", "shared"): ("44.628", "61.942", "80.347"),
    ("lru", "per-layer"): ("44.628", "66.238", "80.789"),
    ("lfu", "shared"): ("43.588", "67.289", "82.496"),
    ("lfu", "per-layer"): ("44.628", "69.410", "83.212"),
    ("belady", "shared"): ("62.957", "82.710", "91.696"),
    ("belady", "per-layer"): ("44.628", "77.662", "89.137"),
}
BYPASS = {"shared": ("63.534", "82.849", "91.742"), "per-layer": ("61.530", "81.192", "90.323")}


@pytest.fixture(scope="module")
def gpt_oss(traces: Path) -> lp.Trace:
    return lp.load_trace(traces / "gpt_oss_20b.npz")


def test_shape_of_the_published_trace(gpt_oss: lp.Trace) -> None:
    assert (gpt_oss.rounds, gpt_oss.layers, gpt_oss.top_k, gpt_oss.pages) == (37642, 24, 4, 768)
    assert (len(gpt_oss.sessions), gpt_oss.requests) == (74, 3613632)


@pytest.mark.parametrize(("policy", "pool"), EXPECTED)
def test_check_values(gpt_oss: lp.Trace, policy: str, pool: str) -> None:
    runs = [lp.replay(gpt_oss, policy, 24 * n, pool=pool, reset="session") for n in (4, 8, 12)]
    assert tuple(f"{100 * run.hit_rate:.3f}" for run in runs) == EXPECTED[policy, pool]


@pytest.mark.parametrize("pool", BYPASS)
def test_check_values_of_the_bypass_optimum(gpt_oss: lp.Trace, pool: str) -> None:
    found = [lp.optimum(gpt_oss, 24 * n, admission="bypass", pool=pool, reset="session").misses for n in (4, 8, 12)]
    assert tuple(f"{100 * (1 - m / gpt_oss.requests):.3f}" for m in found) == BYPASS[pool]


def test_a_reset_changes_the_order_of_lru_and_lfu(gpt_oss: lp.Trace) -> None:
    rates = {
        (p, r): f"{100 * lp.replay(gpt_oss, p, 192, pool='per-layer', reset=r).hit_rate:.1f}"
        for p in ("lru", "lfu")
        for r in ("session", "never")
    }
    assert rates == {
        ("lru", "session"): "66.2",
        ("lfu", "session"): "69.4",
        ("lru", "never"): "66.3",
        ("lfu", "never"): "62.2",
    }


def published(traces: Path, ties: str) -> list[bool]:
    """Return, for each published row, whether replay prints the same digits."""
    same = []
    for model in ("qwen3_30b_a3b", "gpt_oss_120b"):
        trace = lp.load_trace(traces / f"{model}.npz")
        with (traces / f"{model}.curve.csv").open() as stream:
            rows = [row for row in csv.DictReader(stream) if row["policy"] in ("belady", "lru", "lfu")]
        for row in rows:
            budget = int(row["budget_mib"]) << 20
            run = lp.replay(trace, row["policy"], budget_bytes=budget, prefill="merged", ties=ties, oversize="allow")
            decode, read = run.stage_hit_rate(1), run.bytes_read
            assert decode is not None
            assert read is not None
            found = (f"{100 * run.hit_rate:.3f}", f"{100 * decode:.3f}", f"{read / 2**20:.1f}")
            same.append(found == (row["hit_pct_cum"], row["hit_pct_decode"], row["read_mib"]))
    return same


def test_published_curves(traces: Path) -> None:
    assert published(traces, "rank") == [True] * 66


def test_the_default_ties_tell_another_story(traces: Path) -> None:
    assert published(traces, "page").count(False) == 29


def test_the_toy_trace(traces: Path) -> None:
    toy = lp.load_trace(traces / "toy.events.csv")
    run = lp.replay(toy, "lru", 6, pool="per-layer", record=True)
    assert (run.requests, run.hits, run.misses, run.compulsory) == (30, 12, 18, 12)
    assert run.missed is not None
    with (traces / "toy.events.csv").open() as stream:
        published = [int(row["misses"]) for row in csv.DictReader(stream)]
    assert run.missed.sum(axis=2).ravel().tolist() == published


def tiny(rounds: Sequence[Sequence[Sequence[int]]], n: int = 4, **more: object) -> lp.Trace:
    return lp.Trace(np.array(rounds), n, **more)  # type: ignore[arg-type]


def test_llru_by_hand() -> None:
    # 2 layers x 3 experts, 3 slots; layer 0 has pages 0..2, layer 1 pages 3..5.  Requests: 0 3 1 4 0 3 1 4.
    # Step 3 (page 4) finds 0, 3 and 1, of age 3, 2 and 1: R = 1, 1, 0; D = 1, 2 (far) or 0 (near), 1.
    # Far evicts 3, later 4, and hits 0 and 1; near evicts 0, then always the page that is asked for next.
    trace = lp.Trace([[0, 0], [1, 1], [0, 0], [1, 1]], 3)
    far = lp.replay(trace, "llru", 3, record=True, engine="reference")
    near = lp.replay(trace, "llru(same_layer='near')", 3, record=True, engine="reference")
    assert far.missed is not None
    assert near.missed is not None
    assert far.missed.ravel().tolist() == [True, True, True, True, False, True, False, True]
    assert near.missed.ravel().tolist() == [True] * 8


def test_serial_is_another_problem() -> None:
    trace = tiny([[[0, 1]], [[0, 2]], [[0, 1]]])
    assert lp.replay(trace, "lru", 2).misses == 4
    assert lp.replay(trace, "lru", 2, events="serial").misses == 4
    swapped = tiny([[[0, 1]], [[2, 0]], [[0, 1]]])
    assert lp.replay(swapped, "lru", 2).misses == 4
    assert lp.replay(swapped, "lru", 2, events="serial").misses == 5


def test_breakdowns_add_up() -> None:
    trace = lp.workloads.zipf(3, 6, 40, top_k=2, seed=5, sessions=4)
    run = lp.replay(trace, "lru", 8, reset="session")
    assert run.misses == run.misses_by_layer.sum() == run.misses_by_session.sum()
    assert run.requests == run.requests_by_layer.sum() == run.requests_by_session.sum() == trace.requests
    assert run.misses_by_session.shape == (4, 2)
    parts = [lp.replay(trace.select([s]), "lru", 8).misses for s in range(4)]
    assert run.misses_by_session.sum(axis=1).tolist() == parts
    assert run.compulsory == sum(lp.replay(trace.select([s]), "lru", trace.pages).misses for s in range(4))


def test_reset_cache_keeps_what_was_learnt() -> None:
    # In session 0 page 0 is used often.  Session 1: an LFU that remembers keeps it, one that forgets does not.
    trace = lp.Trace([[0]] * 5 + [[0], [1], [1], [2], [0]], 3, sessions=[0, 5])
    assert lp.replay(trace, "lfu", 2, reset="cache").misses == 4
    assert lp.replay(trace, "lfu", 2, reset="session").misses == 5


def test_bytes_and_slots_agree_where_sizes_are_equal() -> None:
    base = lp.workloads.zipf(3, 6, 60, top_k=2, seed=9)
    trace = lp.Trace(base.experts, 6, expert_bytes=10)
    for policy in ("lru", "llru", "lfu", "belady", "sieve"):
        slots, size = lp.replay(trace, policy, 7), lp.replay(trace, policy, budget_bytes=79)
        assert slots.misses == size.misses
        assert slots.bytes_read == size.bytes_read == 10 * slots.misses


def test_merged_prefill_asks_once_for_each_expert() -> None:
    trace = tiny([[[0, 1]], [[1, 2]], [[2, 0]], [[0, 3]]], stage=[0, 0, 0, 1])
    grid = lay_out(trace, Rules(prefill="merged", ties="rank"))
    assert grid.experts[0, 0].tolist() == [1, 2, 0]  # by last occurrence
    assert grid.experts[1, 0].tolist() == [0, 3, -1]
    run = lp.replay(trace, "lru", 4, prefill="merged")
    assert (run.requests, run.misses) == (5, 4)


def test_oversize() -> None:
    trace = tiny([[[0, 1, 2]], [[0, 1, -1]]])
    with pytest.raises(BudgetError, match="slots must hold the largest event"):
        lp.replay(trace, "lru", 2)
    assert lp.replay(trace, "lru", 2, oversize="allow").misses == 3
    assert lp.replay(trace, "lru", 2, admission="bypass").misses == 4


@pytest.mark.parametrize("seed", [0, 1])
def test_randomized_policies_depend_on_the_seed_only(seed: int) -> None:
    trace = lp.workloads.uniform(3, 6, 60, seed=3, sessions=3)
    runs = [lp.replay(trace, "random", 6, reset="session", seed=seed) for _ in range(2)]
    assert runs[0].misses_by_session.tolist() == runs[1].misses_by_session.tolist()
    other = lp.replay(trace, "random", 6, reset="session", seed=seed + 2)
    assert other.misses_by_session.tolist() != runs[0].misses_by_session.tolist()


class Wrong:
    """Names a page that is not there."""

    def __init__(self, instance: lp.Instance) -> None:
        self.pages = instance.pages

    def hit(self, page: int, time: Time) -> None: ...
    def miss(self, page: int, time: Time) -> None: ...
    def victim(self, candidates: Sequence[int], time: Time) -> int:
        return self.pages


def test_a_policy_cannot_cheat() -> None:
    with pytest.raises(PolicyError, match="round 1, layer 0: Wrong must evict one of its candidates; got 4"):
        lp.replay(tiny([[[0]], [[1]]]), Wrong, 1)
    with pytest.raises(PolicyError, match="lacks hit, miss, victim"):
        lp.replay(tiny([[[0]]]), int, 1)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"slots": -1}, ParameterError, "slots must be an integer of at least 1; got -1"),
        ({"slots": 0}, ParameterError, "slots must be an integer of at least 1; got 0"),
        ({"slots": 2.5}, ParameterError, "slots must be an integer"),
        ({"slots": True}, ParameterError, "slots must be an integer"),
        ({}, BudgetError, "give slots or budget_bytes, one of them"),
        ({"slots": 2, "budget_bytes": 3}, BudgetError, "one of them"),
        ({"budget_bytes": 100}, BudgetError, "needs a trace with expert_bytes"),
        ({"slots": 2, "policy": "lruu"}, NotRegistered, "did you mean 'lru'"),
        (
            {"slots": 2, "policy": "llru(round='visit')"},
            ParameterError,
            "no parameter 'round'; available: rounds, same_layer",
        ),
        ({"slots": 2, "policy": "llru(rounds='x')"}, ParameterError, "rounds must be 'visit' or 'absolute'; got 'x'"),
        ({"slots": 2, "policy": "llru(__import__('os'))"}, ParameterError, "plain values"),
        ({"slots": 2, "policy": "llru(rounds=open('x'))"}, ParameterError, "plain values"),
        ({"slots": 2, "pool": "both"}, ParameterError, "pool must be one of 'shared', 'per-layer'; got 'both'"),
        ({"slots": 2, "reset": "often"}, ParameterError, "reset must be one of"),
        ({"slots": 2, "events": "x"}, ParameterError, "events must be one of"),
        ({"slots": 2, "admission": "x"}, ParameterError, "admission must be one of"),
        ({"slots": 2, "ties": "x"}, ParameterError, "ties must be one of"),
        ({"slots": 2, "seed": -1}, ParameterError, "seed must be an integer of at least 0"),
        ({"slots": 1, "pool": "per-layer"}, BudgetError, "slots must hold the largest event of layer 1"),
    ],
)
def test_bad_arguments(arguments: dict[str, object], error: type[Exception], message: str) -> None:
    trace = lp.Trace([[0, 1], [1, 0]], 2)
    words = {"policy": "lru", **arguments}
    with pytest.raises(error) as caught:
        lp.replay(trace, **words)  # type: ignore[arg-type]
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_quotas() -> None:
    assert quotas(7, 3) == [3, 2, 2]
    assert quotas(0, 2) == [0, 0]


def test_events_of_small_traces_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from layered_paging.engine import step

    trace = lp.workloads.zipf(2, 8, 60, top_k=2, seed=1, sessions=3)
    made = []
    events = type(lay_out(trace)).events
    monkeypatch.setattr(type(lay_out(trace)), "events", lambda grid: made.append(1) or events(grid))
    runs = [lp.replay(trace, name, 6, engine="reference", reset="session").misses for name in ("lru", "lfu")]
    assert len(made) == 1
    monkeypatch.setattr(step, "KEPT", lay_out(trace).shape[0] * 2 - 1)
    assert runs == [lp.replay(trace, name, 6, engine="reference", reset="session").misses for name in ("lru", "lfu")]
    assert len(made) == 3
