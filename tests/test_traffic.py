"""Rules of traffic: what they mean, and that the optimum without them stays below."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

import layered_paging as lp
from layered_paging.cli import main
from layered_paging.core.layout import merged_prefill
from layered_paging.core.parts import LongTrace
from layered_paging.core.rules import Rules, Traffic
from layered_paging.engine.prices import traffic_prices
from layered_paging.engine.run import Wanted, replay_all
from layered_paging.errors import BudgetError, ParameterError
from layered_paging.policies.names import resolve
from layered_paging.samples import SAMPLE as SHIPPED
from layered_paging.transforms import batch

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


@given(trace=traces(), limit=st.integers(0, 12), share=st.floats(0, 1), how=st.sampled_from(["batch", "merged"]))
@settings(deadline=None, max_examples=25)
def test_a_limit_of_tokens_counts_those_of_a_step_or_of_a_merged_prompt(
    trace: lp.Trace, limit: int, share: float, how: str
) -> None:
    seen = merged_prefill(trace) if how == "merged" else batch(trace, min(2, len(trace.sessions)), chunk=3)
    assert seen.tokens is not None and seen.tokens.sum() == trace.rounds
    slots = max(int((seen.experts >= 0).sum(axis=2).max()), int(share * trace.pages))
    fast, slow = (
        lp.replay(seen, "llru", slots, traffic={"bypass_tokens": limit}, record=True, engine=engine)
        for engine in ("kernel", "reference")
    )
    assert (fast.misses, fast.dropped) == (slow.misses, slow.dropped)
    # the same rounds, said to be prompts, that leave the cache alone
    past = lp.Trace(seen.experts, seen.n_experts, seen.sessions, np.where(seen.tokens > limit, 0, 1))
    left = lp.replay(past, "llru", slots, traffic={"prefill_cache": "leave"}, record=True)
    assert np.array_equal(fast.missed, left.missed) and fast.dropped == left.dropped
    if how == "merged":
        run = lp.replay(trace, "llru", slots, prefill="merged", traffic={"bypass_tokens": limit})
        assert run.misses == fast.misses


def test_tokens_that_are_not_known_are_refused() -> None:
    trace = lp.load_trace(SAMPLE)
    for refused in (trace, batch(trace, 4).select([0])):
        with pytest.raises(ParameterError, match="bypass_tokens needs events whose tokens are known"):
            lp.replay(refused, "lru", 60, traffic={"bypass_tokens": 32})
    with pytest.raises(ParameterError, match="bypass_tokens needs a whole trace"):
        rules = Rules(traffic=Traffic(bypass_tokens=32))
        replay_all(LongTrace.of(trace, 70), [Wanted(resolve("lru"), 80)], rules)


@pytest.mark.parametrize("rule", [{"evict_after": 3}, {"bypass_above": 1}, {"prefill_cache": "leave"}])
def test_plan_curve_and_gap_replay_by_the_rules(rule: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    trace = lp.load_trace(SAMPLE)
    words = [word for name, value in rule.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    runs = {name: lp.replay(trace, name, 24, traffic=rule).misses for name in ("lru", "llru")}
    assert main(["plan", SAMPLE, "--slots", "24", "--against", "llru", *words, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    rows = {row["policy"]: row["misses"] for row in answer["rows"] if row["slots"] == 24}
    best = lp.optimum(trace, 24, admission="bypass").misses
    assert rows == {**runs, "bound": best}
    assert any("Rules of traffic drop loads" in line for line in answer["unknown"]) and answer["traffic"] == rule
    assert main(["curve", SAMPLE, "--policy", "lru", "llru", "--points", "4", *words, "--json"]) == 0
    curves = json.loads(capsys.readouterr().out)["curves"]
    assert {name: curve[24] for name, curve in curves.items() if name in runs} == runs
    assert curves["lower bound (optimum bypass, without rules)"][24] == best
    gap = ["gap", SAMPLE, "--base", "lru", "--policy", "llru", "--demand", "2", "--reset", "never", *words, "--json"]
    assert main([*gap, "--admission", "bypass"]) == 0
    cell = json.loads(capsys.readouterr().out)["cells"][0]
    ruled = [lp.replay(trace, name, 24, admission="bypass", traffic=rule).misses for name in ("lru", "llru")]
    assert [cell["slots"], cell["base"], cell["misses"], cell["optimum"]] == [24, *ruled, best]
    assert main(gap) == 2
    assert "the forced optimum is no bound under them (use --admission bypass)" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["diagnose"], ["report", "-o", "x.html"], ["evidence", "--policy", "llru"]])
def test_what_measures_against_the_forced_optimum_says_why_it_has_no_rules(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([*command, SAMPLE, "--slots", "48", "--evict-after=4"])
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "--evict-after: rules of traffic drop loads, so the forced optimum" in error


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
        (["--bypass-above", "32tokens"], "--bypass-above needs events whose tokens are known"),
        (
            ["--bypass-above", "0"],
            "--bypass-above must be at least 1; 0 could keep no load, so that every request misses",
        ),
        (["--bypass-above", "0tokens"], "--bypass-above must be at least 1; 0 could keep no load"),
        (["--keep-event", "0"], "--keep-event must be at least 1; 0 could keep no load"),
        (["--keep-round", "0"], "or be no limit: for that leave the option out"),
        (["--keep-round", "-2"], "--keep-round must be an integer of at least 0; got -2"),
        (["--keep-event", "1", "--stream", "--sample", "2"], "rules of traffic go without --workers and --sample"),
    ],
)
def test_the_command_refuses(more: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", SAMPLE, "--slots", "60", *more]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.strip().splitlines()) == 1


def test_prices_that_are_left_out_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "t.jsonl"
    lp.save_trace(lp.load_trace(SAMPLE).select([0, 1]), log)
    words = ["replay", str(log), "--slots", "60", "--policy", "lru", "--evict-after", "3"]
    for more, said in (([], False), (["--stream"], True)):
        assert main([*words, *more]) == 0
        shown = capsys.readouterr().out
        assert ("the price of each rule of traffic is left out" in shown) == said
