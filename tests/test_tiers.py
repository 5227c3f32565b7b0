"""Tiers and devices: one is the plain replay, exclusive LRU is one larger LRU, and no policy is below the bounds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

import layered_paging as lp
from layered_paging import catalog
from layered_paging.cli import main
from layered_paging.core import registry
from layered_paging.core.rules import Budget, Rules, Traffic
from layered_paging.core.slices import of_layers
from layered_paging.engine.run import Wanted, replay_all
from layered_paging.engine.tiers import SHARING, Tier, bounds, by_device, missed_by, replay_tiers
from layered_paging.errors import BudgetError, ParameterError, TraceError
from layered_paging.policies.names import resolve
from layered_paging.samples import SAMPLE as SHIPPED

catalog.collect()
SAMPLE = str(SHIPPED)
EVERY = [
    entry.name
    for entry in registry.entries("policy")
    if entry.obj.__module__.startswith("layered_paging.policies.") and not resolve(entry.name).predicted
]


@st.composite
def traces(draw: st.DrawFn, most: int = 2) -> lp.Trace:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    layers, rounds, top_k = draw(st.integers(1, 3)), draw(st.integers(1, 25)), draw(st.integers(1, most))
    widths = [int(n) for n in rng.integers(top_k, 6, layers)]
    ids = np.array([[rng.permutation(n)[:top_k] for n in widths] for _ in range(rounds)])
    starts = np.unique(np.append(np.flatnonzero(rng.random(rounds) < 0.1), 0))
    return lp.Trace(ids, widths, starts, (rng.random(rounds) < 0.5).astype(int), rng.integers(1, 5, sum(widths)))


RULES = st.builds(
    Rules,
    reset=st.sampled_from(["never", "session", "cache"]),
    events=st.sampled_from(["atomic", "serial"]),
    admission=st.sampled_from(["forced", "bypass"]),
    ties=st.sampled_from(["page", "rank"]),
    traffic=st.builds(Traffic, keep_event=st.none() | st.integers(0, 2), evict_after=st.integers(1, 3)),
)


@given(trace=traces(), policy=st.sampled_from(EVERY), rules=RULES, extra=st.integers(0, 6))
@settings(deadline=None, max_examples=60)
def test_one_tier_is_the_plain_replay(trace: lp.Trace, policy: str, rules: Rules, extra: int) -> None:
    slots = trace.top_k + extra
    run = replay_all(trace, [Wanted(resolve(policy), slots)], rules)[0]
    for sharing in SHARING:
        (one,) = replay_tiers(trace, [Tier("only", policy, slots)], sharing, rules)
        assert (one.requests, one.misses, one.bytes_read) == (run.requests, run.misses, run.bytes_read)
        first, second = replay_tiers(trace, [Tier("a", policy, slots), Tier("b", "lru", slots)], sharing, rules)
        assert (first.misses, second.requests) == (run.misses, run.misses)


@given(trace=traces(most=1), a=st.integers(1, 5), b=st.integers(1, 5), reset=st.sampled_from(["never", "session"]))
@settings(deadline=None, max_examples=60)
def test_exclusive_tiers_of_one_policy_are_one_larger_cache(trace: lp.Trace, a: int, b: int, reset: str) -> None:
    rules = Rules(reset=reset)
    for policy in ("lru", "belady"):
        found = replay_tiers(trace, [Tier("a", policy, a), Tier("b", policy, b)], "exclusive", rules)
        assert [one.misses for one in found] == [lp.replay(trace, policy, n, reset=reset).misses for n in (a, a + b)]
    # the optimum's caches are nested: furthest next use in both reaches both bounds at once
    assert [one.misses for one in found] == bounds(trace, [Tier("a", "lru", a), Tier("b", "lru", b)], rules)


@given(
    trace=traces(),
    upper=st.sampled_from(EVERY),
    lower=st.sampled_from(EVERY),
    rules=RULES,
    sizes=st.lists(st.integers(0, 4), min_size=2, max_size=3),
    sharing=st.sampled_from(SHARING),
    in_bytes=st.booleans(),
)
@settings(deadline=None, max_examples=120)
def test_no_policies_are_below_the_bounds(
    trace: lp.Trace, upper: str, lower: str, rules: Rules, sizes: list[int], sharing: str, in_bytes: bool
) -> None:
    least = trace.top_k * (5 if in_bytes else 1)
    key = "budget_bytes" if in_bytes else "slots"
    tiers = [Tier(str(n), lower if n else upper, **{key: least + more}) for n, more in enumerate(sizes)]
    found = replay_tiers(trace, tiers, sharing, rules)
    low = bounds(trace, tiers, rules)
    for n, one in enumerate(found):
        assert low[n] <= one.misses <= one.requests
        assert one.requests == (trace.experts.size if n == 0 else found[n - 1].misses)
        assert one.bytes_read is not None
        assert one.bytes_read >= one.misses
        if sharing == "inclusive":
            assert one.least is not None
            assert low[n] <= one.least <= one.misses
    assert low == sorted(low, reverse=True)


@given(trace=traces(), policy=st.sampled_from(["lru", "llru", "lfu"]), rules=RULES, a=st.integers(0, 4))
@settings(deadline=None, max_examples=40)
def test_a_larger_inclusive_tier_of_a_stack_policy_is_never_worse(
    trace: lp.Trace, policy: str, rules: Rules, a: int
) -> None:
    rules = rules.but(admission="forced", traffic=Traffic())
    run = replay_all(trace, [Wanted(resolve("lru"), trace.top_k + a)], rules, record=True)[0]
    left = missed_by(trace, run, rules)
    assert left is not None
    assert left.experts[left.experts >= 0].size == run.misses
    misses = [
        replay_tiers(trace, [Tier("a", "lru", trace.top_k + a), Tier("b", policy, b)], rules=rules)[1].misses
        for b in range(trace.top_k, trace.pages + 1)
    ]
    assert misses == sorted(misses, reverse=True)
    two = [Tier("a", "lru", trace.top_k + a), Tier("b", "belady", trace.top_k)]
    best = replay_tiers(trace, two, rules=rules)[1]
    assert best.misses == best.least  # furthest next use in the lower tier is the best that it can do
    assert misses[0] == replay_all(left, [Wanted(resolve(policy), trace.top_k)], rules)[0].misses


def test_a_page_that_moves_up_leaves_the_queue_of_the_lower_tier() -> None:
    # 0, 1 and 2 move down in this order; 0 moves up and down again, and so stands behind 2 when 1 has to go
    trace = lp.Trace([[0], [1], [2], [0], [3], [0]], 4)
    for policy in ("fifo", "sieve", "clock", "s3-fifo(small=0)"):
        found = replay_tiers(trace, [Tier("a", "lru", 1), Tier("b", policy, 2)], "exclusive")
        assert [one.misses for one in found] == [6, 4], policy


def test_a_load_that_the_first_tier_does_not_keep_stays_where_it_was() -> None:
    # 1 moves down when 0 misses the second time; at its own first miss after that it is not kept above, and stays below
    trace = lp.Trace([[1], [0], [0], [1], [1], [1]], 2)
    tiers = [Tier("a", "lru", 1), Tier("b", "lru", 1)]
    free = replay_tiers(trace, tiers, "exclusive")
    slow = replay_tiers(trace, tiers, "exclusive", Rules(traffic=Traffic(evict_after=2)))
    assert [one.misses for one in free] == [3, 2]
    assert [one.misses for one in slow] == [5, 3]
    assert (free[1].moved_down, slow[1].moved_down) == (2, 2)
    left, below = replay_tiers(trace, tiers, rules=Rules(traffic=Traffic(keep_event=0)))
    assert (left.misses, below.misses) == (6, lp.replay(trace, "lru", 1).misses)


def test_merged_prompts_stay_merged() -> None:
    trace = lp.load_trace(SAMPLE)
    rules = Rules(prefill="merged", reset="session")
    tiers = [Tier("a", "lru", 48), Tier("b", "lru", 64)]
    first, second = replay_tiers(trace, tiers, rules=rules)
    assert first.misses == lp.replay(trace, "lru", 48, prefill="merged", reset="session").misses
    assert second.misses >= bounds(trace, tiers, rules)[1]
    assert replay_tiers(trace, tiers, "exclusive", rules)[0].misses == first.misses


@given(trace=traces(), policy=st.sampled_from(EVERY), data=st.data())
@settings(deadline=None, max_examples=40)
def test_devices_are_replays_of_their_layers(trace: lp.Trace, policy: str, data: st.DataObject) -> None:
    owner = [data.draw(st.integers(0, 1)) for _ in range(trace.layers)]
    devices = [layers for d in (0, 1) if (layers := [j for j in range(trace.layers) if owner[j] == d])]
    budgets = [Budget(trace.top_k + data.draw(st.integers(0, 5))) for _ in devices]
    runs = by_device(trace, devices, budgets, policy, Rules(reset="session"))
    for layers, budget, run in zip(devices, budgets, runs, strict=True):
        ids = trace.experts[:, layers]
        alone = lp.Trace(ids, [trace.n_experts[j] for j in layers], trace.sessions, trace.stage)
        assert run.misses == lp.replay(alone, policy, budget.total, reset="session", engine="reference").misses
        assert run.misses >= lp.optimum(alone, budget.total, admission="forced", reset="session").misses


@given(trace=traces(), policy=st.sampled_from(["lru", "lfu", "sieve"]), data=st.data())
@settings(deadline=None, max_examples=30)
def test_a_device_for_each_layer_is_a_pool_for_each_layer(trace: lp.Trace, policy: str, data: st.DataObject) -> None:
    quotas = [trace.top_k + data.draw(st.integers(0, 3)) for _ in range(trace.layers)]
    runs = by_device(trace, [[j] for j in range(trace.layers)], [Budget(q) for q in quotas], policy)
    assert [run.misses for run in runs] == lp.replay(trace, policy, quotas=quotas).misses_by_layer.tolist()


def test_bad_tiers_and_devices_are_refused() -> None:
    trace = lp.Trace([[[0, 1], [0, 1]]], 3)
    two = [Budget(2), Budget(2)]
    for devices, said in (
        ([[0], [0, 1]], "devices must hold each of the 2 layers once; layer 0 is on two"),
        ([[0], [2]], "layer 2 is none"),
        ([[0]], "layer 1 is on none"),
    ):
        with pytest.raises(ParameterError, match=said):
            by_device(trace, devices, two, "lru")
    idle = lp.Trace([[[0, 1], [-1, -1]]], 3)
    with pytest.raises(TraceError, match="the device of layer 1: a trace must hold at least one request"):
        by_device(idle, [[0], [1]], two, "lru")
    with pytest.raises(ParameterError, match="layers must be ascending numbers below 2"):
        of_layers(trace, [1, 0])
    with pytest.raises(ParameterError, match="tiers must be at least one"):
        replay_tiers(trace, [])
    with pytest.raises(ParameterError, match="all be in slots, or all in bytes; got both"):
        replay_tiers(trace, [Tier("a", "lru", 2), Tier("b", "lru", budget_bytes=9)])
    with pytest.raises(ParameterError, match="sharing must be one of 'inclusive', 'exclusive'; got 'both'"):
        replay_tiers(trace, [Tier("a", "lru", 2)], "both")
    with pytest.raises(ParameterError, match="go without per-layer pools and quotas"):
        replay_tiers(trace, [Tier("a", "lru", 4)], rules=Rules(pool="per-layer"))
    for sharing in SHARING:
        with pytest.raises(BudgetError, match="slots must hold the largest event"):
            replay_tiers(trace, [Tier("a", "lru", 1), Tier("b", "lru", 4)], sharing)


def test_the_command_plays_tiers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["replay", SAMPLE, "--policy", "lru", "sieve", "--tier", "vram=2MiB@10GB", "--tier", "ram=4MiB@1GB"]
    trace = lp.load_trace(SAMPLE)
    for sharing in SHARING:
        assert main([*given, "--tiers", sharing, "--lower", "lru", "--compute", "1ms", "--json"]) == 0
        answer: dict[str, Any] = json.loads(capsys.readouterr().out)
        for one in answer["tiers"]:
            vram, ram = one["rows"]
            assert vram["misses"] == lp.replay(trace, one["policy"], budget_bytes=2 << 20).misses == ram["requests"]
            assert ram["policy"] == "lru"
            assert vram["bound"] <= vram["misses"]
            assert ram["bound"] <= ram["misses"]
            tokens = trace.rounds
            seconds = 0.001 + vram["bytes_read"] / tokens / 10e9 + ram["bytes_read"] / tokens / 1e9
            assert one["tokens_per_second"] == pytest.approx(1 / seconds)
            assert one["tokens_per_second"] <= one["bound_tokens_per_second"]
        assert (ram["moved_down"] is None) == (sharing == "inclusive")
    assert main([*given, "--tiers", "exclusive", "--compute", "1ms", "--certificates", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "moved down" in shown and "least here" not in shown
    assert "tokens per second; with the least loads" in shown
    for n, row in enumerate(answer["tiers"][0]["rows"], start=1):
        kept = lp.Certificate.load(tmp_path / f"boundary-{n}.json.gz")
        lp.certify.check(kept, trace)
        assert kept.statement["cost"] == row["bound"]


def test_the_last_column_of_inclusive_tiers_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", SAMPLE, "--tier", "vram=2MiB", "--tier", "ram=4MiB", "--policy", "lru"]) == 0
    shown = capsys.readouterr().out
    said = "least here: the fewest loads of this tier alone, for the requests that the tiers above let through."
    assert "least here\n" in shown and said in shown.splitlines()


def test_the_command_plays_devices(capsys: pytest.CaptureFixture[str]) -> None:
    trace = lp.load_trace(SAMPLE)
    given = ["replay", SAMPLE, "--policy", "lru", "--devices", f"layers=0:20slots,1-{trace.layers - 1}:60slots"]
    assert main([*given, "--json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)["devices"]
    runs = by_device(trace, [[0], list(range(1, trace.layers))], [Budget(20), Budget(60)], "lru")
    assert [row["misses"] for row in one["rows"]] == [run.misses for run in runs]
    assert one["misses"] == sum(run.misses for run in runs) >= one["bound"]
    assert main(given) == 0
    assert "all devices" in capsys.readouterr().out


@pytest.mark.parametrize("sharing", SHARING)
def test_tiers_behind_a_device_are_those_of_its_layers(
    sharing: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trace = lp.load_trace(SAMPLE)
    given = ["replay", SAMPLE, "--policy", "lru", "sieve", "--devices", "0-1:1MiB,2-5:2MiB", "--bandwidth", "10GB"]
    given += ["--tier", "ram=3MiB@1GB", "--tiers", sharing, "--lower", "lru", "--compute", "1ms"]
    assert main([*given, "--certificates", str(tmp_path), "--json"]) == 0
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    parts = [of_layers(trace, layers) for layers in ([0, 1], [2, 3, 4, 5])]
    for one in answer["tiers"]:
        seconds = 0.001
        for part, size, rows in zip(parts, (1 << 20, 2 << 20), (one["rows"][:2], one["rows"][2:]), strict=True):
            tiers = [Tier("device", one["policy"], None, size), Tier("ram", "lru", None, 3 << 20)]
            found = replay_tiers(part, tiers, sharing)
            assert [row["misses"] for row in rows] == [crossing.misses for crossing in found]
            assert [row["bound"] for row in rows] == bounds(part, tiers)
            seconds += sum(row["bytes_read"] / trace.rounds / into for row, into in zip(rows, (10e9, 1e9), strict=True))
        assert one["tokens_per_second"] == pytest.approx(1 / seconds)
    for device, part in zip(("layers-0-1", "layers-2-5"), parts, strict=True):
        for n in (1, 2):
            lp.certify.check(lp.Certificate.load(tmp_path / f"{device}-boundary-{n}.json.gz"), part)
    assert main(given) == 0
    shown = capsys.readouterr().out
    assert "each device with tiers of its own, of the size given" in shown and "all devices, ram" in shown


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--tier", "vram"], "a tier is such as vram=6GiB or ram=24GiB@2GB; got 'vram'"),
        (["--tier", "vram=1MiB@0"], "a speed must be above 0"),
        (["--devices", "3-1:1MiB"], "devices are such as 0-23:8GiB,24-47:8GiB; got '3-1:1MiB'"),
        (["--devices", "0-1:0slots"], "a size must be at least 1; got '0slots'"),
        (["--devices", "0-1:1MiB"], "devices must hold each of the 6 layers once; layer 2 is on none"),
        (["--slots", "60", "--lower", "lru"], "--lower, --tiers and --certificates go with --tier"),
        (["--slots", "60", "--tier", "a=60slots"], "--tier goes without --slots"),
        (["--tier", "a=60slots", "--devices", "0-5:1MiB"], "sizes must all be in slots, or all in bytes; got both"),
        (
            ["--tier", "device=60slots", "--devices", "0-5:60slots"],
            "each --tier must have a name of its own; got device",
        ),
        (["--tier", "a=60slots", "--devices", "0-4:60slots"], "devices must hold each of the 6 layers once; layer 5"),
        (["--tier", "a=6MiB@1GB", "--devices", "0-5:1MiB", "--compute", "1ms"], "and of the devices: --bandwidth"),
        (
            ["--tier", "a=60slots", "--certificates", "/nowhere"],
            "--certificates must name a folder; '/nowhere' is none",
        ),
        (["--tier", "a=60slots", "--certificates", ""], "--certificates must name a folder; '' is none"),
        (["--tier", "a=60slots", "--compute", "1ms"], "--compute needs the speed of every tier"),
        (["--tier", "a=60slots@1GB"], "the speeds of tiers and --latency need --compute"),
        (["--tier", "a=6"], "6 could be slots or bytes: write 6slots, or 6B, 6GiB"),
        (["--tier", "a=1000@1GB"], "1000 could be slots or bytes"),
        (["--devices", "0-2:60,3-5:60slots"], "60 could be slots or bytes: write 60slots, or 60B, 60GiB"),
        (["--tier", "a=60slots", "--pool", "per-layer"], "go without per-layer pools and quotas"),
        (["--tier", "a=60slots", "--tier", "b=1MiB"], "sizes must all be in slots, or all in bytes; got both"),
        (["--devices", "0-2:60slots,3-5:1MiB"], "sizes must all be in slots, or all in bytes; got both"),
        (["--tier", "a=60slots", "--tier", "a=70slots"], "each --tier must have a name of its own; got a, a"),
        (["--tier", "a=60slots", "--lower", "lru"], "--lower and --tiers are of a second --tier; there is one"),
        (["--tier", "a=60slots", "--tiers", "exclusive"], "--lower and --tiers are of a second --tier; there is one"),
        (["--tier", "a=60slots", "--tier", "b=1slots"], "tier b: "),
        (["--devices", "0-2:60slots,3-5:1slots"], "the device of layer 3: "),
        (["--tier", "a=60slots", "--per-token", "--cpu", "1ms"], "--tier goes without --cpu, --per-token"),
        (["--tier", "a=60slots", "--floor", "2", "--ceiling", "3"], "--tier goes without --floor, --ceiling"),
        (["--devices", "0-5:60slots", "--pool", "per-layer", "--lend", "all"], "--devices goes without --lend"),
    ],
)
def test_the_command_refuses(more: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code = main(["replay", SAMPLE, *more])
    except SystemExit as left:  # argparse
        code = left.code  # type: ignore[assignment]
    assert code == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.strip().splitlines()) == 1


def test_a_batch_is_paced_in_steps(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", SAMPLE, "--policy", "lru", "--batch", "3", "--tier", "a=2MiB@1GB", "--compute", "1ms"]) == 0
    shown = capsys.readouterr().out
    assert "steps per second" in shown and "tokens per second" not in shown
