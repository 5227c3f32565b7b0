"""Hits over time: windows are sums of what each request did, times are those of the first window at the mark."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layered_paging as lp
from layered_paging.analysis.over_time import over_time
from layered_paging.cli import main
from layered_paging.errors import ParameterError
from layered_paging.plan import Clock


def topics(sessions: int = 6, rounds: int = 40) -> lp.Trace:
    """Each session loops over four experts of its own."""
    ids = [[[4 * s + r % 4]] for s in range(sessions) for r in range(rounds)]
    return lp.Trace(ids, 4 * sessions, [s * rounds for s in range(sessions)])


@pytest.mark.parametrize(("reset", "changes"), [("never", True), ("session", False), ("cache", False)])
def test_a_topic_is_learnt_in_its_first_loop(reset: str, changes: bool) -> None:
    trace = topics()
    found = over_time(trace, lp.replay(trace, "lru", 4, reset=reset, record=True), 2)
    assert (found.steady, found.settled, found.horizon, found.sessions, found.short) == (1.0, True, 40, 6, 0)
    assert found.cold[:4] == [0.0, 0.0, 1.0, 1.0] and found.cold_rounds == 6
    assert (found.change[:4], found.change_rounds) == (([0.0, 0.0, 1.0, 1.0], 6) if changes else ([], None))
    assert ("after a change" in found.sentence()) == changes


def test_windows_add_up_to_the_run() -> None:
    trace = lp.workloads.markov(3, 8, 120, top_k=2, stickiness=0.5, exponent=1.0, seed=3, sessions=4)
    run = lp.replay(trace, "lru", 8, record=True)
    found = over_time(trace, run, 2)
    assert run.missed is not None
    hits = (~run.missed).reshape(120, -1).sum(axis=1)
    assert found.cold == [hits[n : n + 2].sum() / 12 for n in range(0, 120, 2)]
    later = np.add.reduceat(hits, np.arange(0, 120, 2)).reshape(4, 15)[1:]
    assert found.change == pytest.approx((later.sum(axis=0) / 36).tolist())
    assert found.steady == pytest.approx(hits.reshape(4, 30)[1:, 15:].sum() / (3 * 15 * 6))
    fresh = over_time(trace, lp.replay(trace, "lru", 8, reset="session", record=True), 2)
    alone = [lp.replay(trace.select([s]), "lru", 8, record=True).missed for s in range(4)]
    assert fresh.cold[0] == pytest.approx(sum((~missed[:2]).sum() for missed in alone if missed is not None) / 48)


def test_short_sessions_and_a_state_that_is_not_steady_are_told() -> None:
    rising = [[[r if r < 30 else 0]] for r in range(40)]
    trace = lp.Trace([*rising, *rising[:10], *rising], 40, [0, 40, 50])
    found = over_time(trace, lp.replay(trace, "lru", 1, reset="session", record=True), 5)
    assert (found.horizon, found.sessions, found.short) == (40, 2, 1)
    assert not found.settled and "not steady" in found.sentence()
    with pytest.raises(ParameterError, match="at most 20"):
        over_time(trace, lp.replay(trace, "lru", 1, record=True), 21)
    with pytest.raises(ParameterError, match="recorded"):
        over_time(trace, lp.replay(trace, "lru", 1))


def run(capsys: pytest.CaptureFixture[str], *words: object) -> Any:
    capsys.readouterr()
    assert main([*map(str, words), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_command_says_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "t.npz"
    lp.save_trace(topics(), path)
    words = ("replay", path, "--slots", 4, 8, "--policy", "lru", "fifo", "--over-time", "--window", 2)
    found = run(capsys, *words)["over_time"]
    assert [(one["policy"], one["size"]) for one in found] == [("lru", 4), ("fifo", 4), ("lru", 8), ("fifo", 8)]
    mine = over_time(topics(), lp.replay(topics(), "fifo", 8, record=True), 2)
    assert {key: found[3][key] for key in mine.to_dict()} == mine.to_dict()
    assert main([*map(str, words)]) == 0
    out = capsys.readouterr().out
    assert "steady state is the second half of the first 40 rounds" in out and "after a change of session" in out
    assert main(["replay", str(path), "--slots", "4", "--window", "2"]) == 2
    assert "--window goes with --over-time" in capsys.readouterr().err


def test_a_half_without_requests_has_no_steady_state() -> None:
    trace = lp.Trace([[[0]], [[1]], [[-1]], [[-1]]], 2)
    with pytest.raises(ParameterError, match="over time needs requests in rounds 2 to 3 of a session; got none"):
        over_time(trace, lp.replay(trace, "lru", 1, record=True), 1)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--per-token",), "goes without a clock, --per-token, --workers and --sample"),
        (("--workers", "2"), "--workers goes with --stream"),
        (("--sample", "2"), "--sample goes with --stream"),
        (("--compute", "1ms", "--bandwidth", "1GB"), "goes without a clock, --per-token, --workers and --sample"),
    ],
)
def test_nothing_is_ignored_beside_it(
    more: tuple[str, ...], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "t.npz"
    trace = topics()
    lp.save_trace(lp.Trace(trace.experts, trace.n_experts, trace.sessions, expert_bytes=9), path)
    assert main(["replay", str(path), "--slots", "4", "--over-time", *more]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("more", [("--per-token",), ("--compute", "1ms", "--bandwidth", "1GB")])
def test_an_estimate_has_no_clock(more: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "t.jsonl"
    trace = topics()
    lp.save_trace(lp.Trace(trace.experts, trace.n_experts, trace.sessions, expert_bytes=9), path)
    given = ["replay", str(path), "--slots", "4", "--stream", "--reset", "session", "--sample", "2"]
    assert main([*given, *more]) == 2
    assert "--sample estimates hits: it goes without a clock" in capsys.readouterr().err


CLOCK = ("--compute", "2ms", "--bandwidth", "1GB", "--latency", "10us")


def test_misses_are_said_per_token_and_per_second(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What replay, curve and gap say of a budget is one clock on one count."""
    path, plain = tmp_path / "t.npz", tmp_path / "plain.npz"
    made = lp.workloads.markov(3, 8, 120, top_k=2, stickiness=0.5, exponent=1.0, seed=3, sessions=4)
    trace = lp.Trace(made.experts, made.n_experts, made.sessions, expert_bytes=1 << 20)
    lp.save_trace(trace, path)
    lp.save_trace(made, plain)
    clock = Clock(0.002, 10**9, 10e-6)
    count = lp.replay(trace, "llru", 12)
    rate = clock.rate(count.misses / 120, (count.bytes_read or 0) / 120)
    best = lp.optimum(trace, 12, admission="forced").misses
    replayed = run(capsys, "replay", path, "--slots", 12, "--policy", "llru", "--optimum", "forced", *CLOCK)
    one, optimum = replayed["runs"][0], replayed["optimum"][0]
    assert one["loads_per_token"] == count.misses / 120
    assert one["bytes_per_token"] == count.misses / 120 * 2**20
    assert one["tokens_per_second"] == rate
    assert optimum["tokens_per_second"] == clock.rate(best / 120, best / 120 * 2**20)
    shown = f"{count.misses / 120:.3f}"
    assert main(["curve", str(path), "--policy", "llru", *CLOCK, "--format", "csv"]) == 0
    lines = [row for row in csv.DictReader(io.StringIO(capsys.readouterr().out)) if row["slots"] == "12"]
    assert {shown, f"{rate:.2f}"} <= {row["llru"] for row in lines} and len({row["table"] for row in lines}) == len(
        lines
    )
    cells = run(capsys, "gap", path, "--policy", "llru", "--base", "lru", "--demand", "2", "--reset", "never", *CLOCK)[
        "cells"
    ]
    assert (cells[0]["slots"], cells[0]["tokens_per_second"]) == (12, rate)
    assert cells[0]["optimum_tokens_per_second"] == optimum["tokens_per_second"]
    without = run(capsys, "replay", plain, "--slots", 12, "--policy", "llru")["runs"][0]
    assert (without["bytes_per_token"], without["tokens_per_second"]) == (None, None)
    for command in (["replay", "--slots", "12"], ["curve"], ["gap"]):
        assert main([command[0], str(plain), *command[1:], *CLOCK]) == 2
        assert "a clock needs the bytes that are loaded" in capsys.readouterr().err
    assert main(["replay", str(path), "--slots", "12", *CLOCK, "--cpu", "1us"]) == 2
    assert "it needs --on-cpu" in capsys.readouterr().err
    assert main(["replay", str(path), "--slots", "12", "--latency", "1us"]) == 2
    assert "it needs --compute and --bandwidth" in capsys.readouterr().err


def test_per_token_shows_columns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "t.npz"
    lp.save_trace(topics(), path)
    for more, head in ((), False), (("--per-token",), True):
        assert main(["replay", str(path), "--slots", "4", "--format", "csv", *more]) == 0
        assert ("loads per token" in capsys.readouterr().out) == head
    assert main(["gap", str(path), "--demand", "4", "--per-token"]) == 0
    assert "loads per token" in capsys.readouterr().out
