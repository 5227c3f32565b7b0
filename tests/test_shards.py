"""Sessions on several workers, and estimates from some of them."""

from __future__ import annotations

import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import layered_paging as lp
from layered_paging.cli import main
from layered_paging.errors import ParameterError
from layered_paging.sweep.shards import share_interval

pytest.importorskip("pyarrow")


@pytest.fixture(scope="module")
def trace() -> lp.Trace:
    rng = np.random.default_rng(3)
    lengths = rng.integers(1, 40, 60)
    made = lp.workloads.zipf(3, 10, int(lengths.sum()), top_k=2, exponent=0.7)
    return lp.Trace(made.experts, 10, np.concatenate(([0], np.cumsum(lengths)[:-1])))


@pytest.fixture
def path(trace: lp.Trace, tmp_path: Path) -> Path:
    lp.save_trace(trace, tmp_path / "t.parquet")
    return tmp_path / "t.parquet"


def same(a: lp.Run, b: lp.Run) -> bool:
    return all(
        np.array_equal(getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(a) if f.name != "missed"
    )


@pytest.mark.parametrize("workers", [1, 3, 40])
def test_shards_equal_one_run(trace: lp.Trace, path: Path, workers: int) -> None:
    names = ["lru", "llru", "marking", "lfu-decay(half_life=5)", "belady", "clock", "lfu-window(window=4)"]
    with ThreadPoolExecutor(2) as pool:
        found = lp.sweep.replay_sharded(path, names, [7, 12], workers=workers, seed=5, executor=pool)
    plain = [lp.replay(trace, name, slots, reset="session", seed=5) for slots in (7, 12) for name in names]
    assert all(same(a, b) for a, b in zip(found, plain, strict=True))


def test_shards_in_processes(trace: lp.Trace, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["replay", str(path), "--slots", "7", "--policy", "lru", "--reset", "session", "--json"]
    assert main([*words, "--stream", "--workers", "2"]) == 0
    split = json.loads(capsys.readouterr().out)
    assert main([*words, "--stream", "--optimum", "forced"]) == 0
    parts = json.loads(capsys.readouterr().out)
    assert main([*words, "--optimum", "forced"]) == 0
    whole = json.loads(capsys.readouterr().out)
    assert parts == whole and split == {**whole, "optimum": None}


def test_only_independent_sessions(path: Path) -> None:
    with pytest.raises(ParameterError, match="reset must be 'session', which makes sessions independent"):
        lp.sweep.replay_sharded(path, ["lru"], [7], reset="cache")
    with pytest.raises(ParameterError, match="no such option"):
        lp.sweep.replay_sharded(path, ["lru"], [7], resets="cache")
    assert main(["replay", str(path), "--slots", "7", "--workers", "2"]) == 2
    assert main(["replay", str(path), "--slots", "7", "--stream", "--workers", "2"]) == 2
    assert main(["replay", str(path), "--slots", "7", "--sample", "9"]) == 2


def test_estimate_of_all_sessions_is_exact(trace: lp.Trace, path: Path) -> None:
    whole = lp.replay(trace, "llru", 9, reset="session")
    found = lp.sweep.estimate(lp.open_trace(path), "llru", 9, sessions=1000)
    assert (found.hit_rate, found.low, found.high) == (pytest.approx(whole.hit_rate),) * 3
    assert (found.misses, found.requests, found.sessions, found.of) == (whole.misses, whole.requests, 60, 60)
    with pytest.raises(ParameterError, match="one session"):
        lp.sweep.estimate(lp.workloads.zipf(2, 4, 9), "lru", 3)
    with pytest.raises(ParameterError, match="confidence must lie"):
        lp.sweep.estimate(trace, "lru", 3, confidence=95)


def test_sessions_without_a_request(tmp_path: Path) -> None:
    ids = np.full((6, 1, 1), -1)
    ids[0], ids[5] = 1, 0
    trace = lp.Trace(ids, 2, [0, 1, 2, 3, 4, 5])
    lp.save_trace(trace, tmp_path / "t.parquet")
    with ThreadPoolExecutor(2) as pool:
        found = lp.sweep.replay_sharded(tmp_path / "t.parquet", ["lru"], [1], workers=6, executor=pool)[0]
    assert same(found, lp.replay(trace, "lru", 1, reset="session"))
    assert lp.sweep.estimate(trace, "lru", 1, sessions=6).hit_rate == 0
    with pytest.raises(ParameterError, match="hold nothing"):
        share_interval(np.zeros(2, np.int64), np.zeros(2, np.int64), 6)


def test_the_command_estimates(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["replay", str(path), "--stream", "--slots", "9", "--policy", "lru", "--reset", "session", "--sample", "20"]
    assert main([*words, "--json", "--seed", "4"]) == 0
    found = json.loads(capsys.readouterr().out)["estimates"][0]
    assert found == dataclasses.asdict(lp.sweep.estimate(lp.open_trace(path), "lru", 9, sessions=20, seed=4))
    assert main(words) == 0
    assert "20 of 60 sessions" in capsys.readouterr().out


def test_intervals_cover(trace: lp.Trace) -> None:
    """Of 2000 samples of 20 of 60 sessions of very different lengths, about 95 % cover; half of such intervals do not."""
    run = lp.replay(trace, "lru", 9, reset="session")
    misses, requests = run.misses_by_session.sum(axis=1), run.requests_by_session.sum(axis=1)
    rng = np.random.default_rng(0)
    inside = np.zeros(2)
    for _ in range(2000):
        drawn = rng.permutation(60)[:20]
        share, half = share_interval(misses[drawn], requests[drawn], 60)
        off = abs(share - run.misses / run.requests)
        inside += (off <= half, off <= half / 2)
    covered, control = inside / 2000
    assert 0.92 <= covered <= 0.98
    assert control < 0.85
