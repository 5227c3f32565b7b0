"""Rules of traffic: what they mean, and that the optimum without them stays below."""

from __future__ import annotations

import json
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

import layered_paging as lp
from layered_paging.cli import main
from layered_paging.core.parts import LongTrace
from layered_paging.core.rules import Rules, Traffic
from layered_paging.engine.prices import traffic_prices
from layered_paging.engine.run import Wanted, replay_all
from layered_paging.errors import BudgetError, ParameterError
from layered_paging.policies.names import resolve
from layered_paging.samples import SAMPLE as SHIPPED

SAMPLE = str(SHIPPED)
POLICIES = ("lru", "llru", "sieve", "lfu-decay", "marking", "belady")


@st.composite
def traces(draw: st.DrawFn) -> lp.Trace:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rounds, layers, experts, top_k = (draw(st.integers(1, n)) for n in (30, 3, 6, 3))
    top_k = min(top_k, experts)
    ids = np.array([[rng.permutation(experts)[:top_k] for _ in range(layers)] for _ in range(rounds)])
    starts = np.unique(np.append(np.flatnonzero(rng.random(rounds) < 0.1), 0))
    return lp.Trace(ids, experts, starts, (rng.random(rounds) < 0.5).astype(int))


def play(trace: lp.Trace, policy: str, slots: int, **traffic: Any) -> lp.Run:
    return lp.replay(trace, policy, slots, traffic=traffic, engine="reference")


@given(trace=traces(), policy=st.sampled_from(POLICIES), share=st.floats(0, 1))
@settings(deadline=None, max_examples=30)
def test_rules_that_keep_everything_or_nothing(trace: lp.Trace, policy: str, share: float) -> None:
    slots = max(trace.top_k, int(share * trace.pages))
    free = lp.replay(trace, policy, slots, engine="reference")
    for wide in ({"bypass_above": trace.top_k}, {"keep_event": trace.top_k}, {"keep_round": trace.pages}):
        run = play(trace, policy, slots, **wide)
        assert (run.misses, run.dropped) == (free.misses, 0)
    for shut in ({"bypass_above": 0}, {"keep_event": 0}, {"keep_round": 0}, {"admit_after": trace.rounds + 1}):
        run = play(trace, policy, slots, **shut)
        assert run.misses == run.dropped == run.requests
    whole = play(trace, policy, trace.pages, evict_after=9)  # nothing is ever evicted
    assert (whole.misses, whole.dropped) == (whole.compulsory, 0)


@given(
    trace=traces(),
    policy=st.sampled_from(POLICIES),
    share=st.floats(0, 1),
    traffic=st.fixed_dictionaries(
        {},
        optional={
            "bypass_above": st.integers(0, 3),
            "keep_event": st.integers(0, 2),
            "keep_round": st.integers(0, 4),
            "admit_after": st.integers(1, 3),
            "evict_after": st.integers(1, 4),
            "prefill_cache": st.just("leave"),
        },
    ),
    reset=st.sampled_from(["never", "session"]),
    pool=st.sampled_from(["shared", "per-layer"]),
)
@settings(deadline=None, max_examples=60)
def test_the_optimum_with_bypass_is_below(
    trace: lp.Trace, policy: str, share: float, traffic: dict[str, Any], reset: str, pool: str
) -> None:
    slots = max(trace.top_k * trace.layers, int(share * trace.pages))
    best = lp.optimum(trace, slots, admission="bypass", reset=reset, pool=pool).misses
    run = lp.replay(trace, policy, slots, reset=reset, pool=pool, traffic=traffic, engine="reference")
    assert best <= run.misses
    kept = run.misses - run.dropped
    if "keep_event" in traffic:
        assert kept <= traffic["keep_event"] * trace.rounds * trace.layers
    if "keep_round" in traffic:
        assert kept <= traffic["keep_round"] * trace.rounds * (trace.layers if pool == "per-layer" else 1)


def test_each_rule_by_hand() -> None:
    # one slot: 0 stays until 1 has missed twice; then 1 stays until 0 has missed twice
    trace = lp.Trace([[0], [1], [0], [1], [1], [0], [0], [0]], 2)
    run = lp.replay(trace, "lru", 1, traffic={"evict_after": 2}, record=True)
    assert run.missed is not None
    assert run.missed.ravel().tolist() == [True, True, False, True, False, True, True, False]
    # prefill leaves the cache alone, but what is there hits
    trace = lp.Trace([[0], [1], [0], [0], [1]], 2, stage=[1, 0, 0, 1, 1])
    run = lp.replay(trace, "lru", 1, traffic={"prefill_cache": "leave"}, record=True)
    assert run.missed is not None
    assert run.missed.ravel().tolist() == [True, True, False, False, True]
    # only the first load of an event is kept, in ascending page number
    run = lp.replay(lp.Trace([[[2, 1]], [[1, 2]]], 3), "lru", 3, traffic={"keep_event": 1}, record=True)
    assert run.missed is not None
    assert run.missed.ravel().tolist() == [True, True, False, True]
    # a load of the round is kept, in whichever layer comes first
    run = lp.replay(lp.Trace([[[0], [0]], [[0], [0]]], 1), "lru", 2, traffic={"keep_round": 1})
    assert run.misses_by_layer.tolist() == [1, 2]
    # a new session begins anew; a cache that is emptied does not forget the misses
    trace = lp.Trace([[0], [0], [0]], 1, sessions=[0, 1])
    assert lp.replay(trace, "lru", 1, reset="session", traffic={"admit_after": 2}).misses == 3
    assert lp.replay(trace, "lru", 1, reset="cache", traffic={"admit_after": 2}).misses == 2


@pytest.mark.parametrize("engine", ["auto", "reference"])
def test_events_that_leave_the_cache_alone_need_not_fit(engine: str) -> None:
    trace = lp.Trace([[[0, 1, 2], [0, 1, 2]], [[0, -1, -1], [0, -1, -1]]], 3, stage=[0, 1], expert_bytes=[4, 5])
    for traffic in ({"bypass_above": 2}, {"prefill_cache": "leave"}):
        for size in ({"slots": 1}, {"slots": 2, "pool": "per-layer"}, {"budget_bytes": 5}, {"quotas": [1, 1]}):
            run = lp.replay(trace, "lru", **size, traffic=traffic, engine=engine)  # type: ignore[arg-type]
            assert (run.misses, run.dropped) == (8, 6)
    for traffic in ({"bypass_above": 3}, {"keep_event": 1}):
        with pytest.raises(BudgetError, match="must hold the largest event"):
            lp.replay(trace, "lru", 2, traffic=traffic, engine=engine)


def test_a_policy_without_a_compiled_loop_for_it_is_played_by_the_reference() -> None:
    trace = lp.load_trace(SAMPLE)
    for name in ("belady", "lfu-window"):
        auto = lp.replay(trace, name, 60, traffic={"evict_after": 2})
        assert auto.misses == lp.replay(trace, name, 60, traffic={"evict_after": 2}, engine="reference").misses
        with pytest.raises(ParameterError, match="no compiled kernel under rules of traffic"):
            lp.replay(trace, name, 60, traffic={"evict_after": 2}, engine="kernel")


def test_a_trace_in_parts_counts_the_same() -> None:
    trace = lp.load_trace(SAMPLE)
    rules = Rules(traffic=Traffic(keep_round=20, evict_after=3), reset="session")
    for name in ("lru", "sieve"):
        for engine in ("kernel", "reference"):
            (run,) = replay_all(LongTrace.of(trace, 70), [Wanted(resolve(name), 80)], rules, engine=engine)
            whole = lp.replay(trace, name, 80, traffic=rules.traffic, reset="session")
            assert (run.misses, run.dropped) == (whole.misses, whole.dropped)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"bypass_above": -1}, "bypass_above must be an integer of at least 0; got -1"),
        ({"admit_after": 0}, "admit_after must be an integer of at least 1; got 0"),
        ({"prefill_cache": "cold"}, "prefill_cache must be one of 'warm', 'leave'; got 'cold'"),
        ({"cap": 3}, "a rule of traffic must be one of 'bypass_above', .*; got 'cap'"),
        (7, "traffic must be a Traffic or a mapping; got 7"),
    ],
)
def test_bad_rules_are_refused(given: Any, said: str) -> None:
    with pytest.raises(ParameterError, match=said):
        lp.replay(lp.Trace([[0]]), "lru", 1, traffic=given)


def test_the_command_prints_the_price_of_each_rule(capsys: pytest.CaptureFixture[str]) -> None:
    given = ["replay", SAMPLE, "--slots", "60", "--policy", "lru", "sieve", "--keep-event", "1", "--evict-after", "3"]
    assert main([*given, "--optimum", "bypass", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["options"]["traffic"] == {"keep_event": 1, "evict_after": 3}
    rows = traffic_prices(lp.load_trace(SAMPLE), "lru", 60, traffic=answer["options"]["traffic"])
    assert answer["prices"][:4] == rows
    assert [row["rule"] for row in rows] == ["none", "keep_event", "evict_after", "all"]
    assert answer["runs"][0]["misses"] == rows[-1]["misses"] >= answer["optimum"][0]["misses"]
    assert main([*given, "--optimum", "bypass"]) == 0
    shown = capsys.readouterr().out
    assert "lower bound (optimum bypass, without rules)" in shown
    assert "price of each rule of traffic" in shown

    shown = ["replay", SAMPLE, "--slots", "60", "--policy", "marking", "--keep-event", "1"]
    for more, said in (([], False), (["--repeat", "2", "--seed", "3"], True)):
        assert main([*shown, *more]) == 0
        assert ("without rules (seed 3 alone)" in capsys.readouterr().out) == said


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--keep-event", "1", "--optimum", "forced"], "--optimum forced is no bound under rules of traffic"),
        (["--admission", "bypass", "--optimum", "forced"], "--optimum forced is no bound under --admission bypass"),
        (["--keep-round", "-2"], "--keep-round must be an integer of at least 0; got -2"),
        (["--keep-event", "1", "--sample", "2"], "rules of traffic go without --workers and --sample"),
    ],
)
def test_the_command_refuses(more: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", SAMPLE, "--slots", "60", *more]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.strip().splitlines()) == 1
