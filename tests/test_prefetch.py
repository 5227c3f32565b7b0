"""Replay with prefetching: exact accounts, the reference and the kernel, and what must hold of any model of time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import layered_paging as lp
from layered_paging.cli import main
from layered_paging.errors import BudgetError, ParameterError
from layered_paging.prefetch import guesses
from layered_paging.prefetch.replay import LOADS, Prefetched, prefetch
from layered_paging.prefetch.timing import TimeModel

WIDTHS = (5, 3, 4)


def random_trace(seed: int, rounds: int, top_k: int = 2) -> lp.Trace:
    rng = np.random.default_rng(seed)
    experts = np.full((rounds, len(WIDTHS), top_k), -1)
    for r in range(rounds):
        for j, n in enumerate(WIDTHS):
            size = rng.integers(0 if r else 1, min(n, top_k) + 1)
            experts[r, j, :size] = rng.permutation(n)[:size]
    return lp.Trace(experts, n_experts=WIDTHS, sessions=[0, rounds // 3, rounds // 2])


def random_guesses(seed: int, trace: lp.Trace, width: int) -> Any:
    rng = np.random.default_rng(seed)
    table = np.full((trace.rounds, trace.layers, width), -1)
    for r in range(trace.rounds):
        for j, n in enumerate(WIDTHS):
            size = min(n, width)
            table[r, j, :size] = rng.permutation(n)[:size]
            if rng.random() < 0.5:
                table[r, j, rng.integers(0, width) :] = -1
    return table


def disk(compute: int = 7, load: int = 10, channels: int = 1, **more: Any) -> TimeModel:
    """Loads of one byte take ``load`` ns."""
    return TimeModel(
        compute=compute, bandwidth=10**9, latency=load - 1, channels=channels, **({"overlap": True} | more)
    )


def balanced(got: Prefetched, trace: lp.Trace) -> None:
    assert got.hits + got.staged + got.misses == got.requests == trace.requests
    assert all(v >= 0 for v in got.loads.values()) and set(got.loads) == set(LOADS)
    # a miss is a demand load, or waits for a load on its way
    assert got.loads["demand"] <= got.misses == int(got.misses_by_round.sum())
    busy = int(np.sum(got.options["time"]["compute_ns"])) * trace.rounds * trace.layers
    assert got.total_time == int(got.stall.sum()) + busy


MODELS = st.builds(
    lambda compute, load, channels, overlap: disk(compute, load, channels, overlap=overlap),
    st.integers(0, 30),
    st.integers(1, 30),
    st.integers(1, 3),
    st.booleans(),
)


@settings(max_examples=120)
@given(
    seed=st.integers(0, 10**6),
    time=MODELS,
    policy=st.sampled_from(
        [
            "lru",
            "llru",
            "lfu",
            "lfu-decay(half_life=2)",
            "lfu-decay(profile=[3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8])",
            "static",
        ]
    ),
    pool=st.sampled_from(["shared", "per-layer"]),
    reset=st.sampled_from(["never", "session"]),
    slots=st.integers(6, 12),
    distance=st.integers(1, 3),
    budget=st.sampled_from([None, 0, 1, 2]),
    staging=st.sampled_from([0, 1, 4]),
)
def test_the_kernel_is_the_reference_and_every_load_is_one_thing(
    seed: int,
    time: TimeModel,
    policy: str,
    pool: str,
    reset: str,
    slots: int,
    distance: int,
    budget: int | None,
    staging: int,
) -> None:
    trace = random_trace(seed, 12)
    said = random_guesses(seed + 1, trace, 3)
    options: dict[str, Any] = {"time": time, "page_bytes": 1, "policy": policy, "pool": pool, "reset": reset}
    options |= {"distance": distance, "budget": budget, "staging": staging}
    fast, slow = (prefetch(trace, said, slots, engine=engine, **options) for engine in ("kernel", "reference"))
    for name in ("hits", "staged", "misses", "loads", "bytes_loaded", "refused", "skipped", "total_time"):
        assert getattr(fast, name) == getattr(slow, name), name
    assert fast.stall.tolist() == slow.stall.tolist() and fast.misses_by_round.tolist() == slow.misses_by_round.tolist()
    assert fast.cache_precision == pytest.approx(slow.cache_precision)
    assert fast.cache_recall == pytest.approx(slow.cache_recall)
    balanced(fast, trace)
    if budget == 0:
        plain = lp.replay(trace, policy, slots, pool=pool, reset=reset)
        assert fast.misses == plain.misses == fast.loads["demand"]
        assert sum(fast.loads.values()) == fast.loads["demand"]


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10**6),
    load=st.integers(1, 10),
    channels=st.integers(1, 3),
    reset=st.sampled_from(["never", "session"]),
)
def test_a_perfect_oracle_with_room_and_time_stalls_only_at_first(
    seed: int, load: int, channels: int, reset: str
) -> None:
    trace = random_trace(seed, 12)
    per_event = -(-trace.top_k // channels) * load  # all members of one event
    got = prefetch(trace, trace.experts, trace.pages, time=disk(per_event, load, channels), page_bytes=1, reset=reset)
    # compute >= load: only a session's first event, which no event precedes, can stall
    first = trace.sessions.tolist()
    assert not np.delete(got.stall, first).any()
    assert (got.stall[first] <= per_event).all()
    assert got.loads["evicted"] == got.loads["late"] == got.loads["later"] == got.loads["unused"] == 0


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    time=MODELS,
    slots=st.integers(6, 12),
    distance=st.integers(1, 3),
    staging=st.integers(1, 5),
)
def test_wrong_guesses_in_a_buffer_never_help(
    seed: int, time: TimeModel, slots: int, distance: int, staging: int
) -> None:
    trace = random_trace(seed, 12)
    wrong = random_guesses(seed + 1, trace, 3)
    for q in range(3):
        wrong[..., q][(wrong[..., q, None] == trace.experts).any(axis=2)] = -1
    options: dict[str, Any] = {"time": time, "page_bytes": 1, "reset": "session"}
    plain = prefetch(trace, None, slots, **options)
    got = prefetch(trace, wrong, slots, distance=distance, staging=staging, **options)
    assert got.misses == plain.misses and got.hits == plain.hits and got.staged == 0
    assert (got.stall >= plain.stall).all()
    assert got.loads["demand"] == plain.loads["demand"] and got.loads["in_time"] == got.loads["late"] == 0


def test_without_overlap_and_with_time_for_nothing_guesses_do_not_start() -> None:
    trace = random_trace(1, 12)
    none = disk(0, 10)
    got, plain = (prefetch(trace, g, trace.pages, time=none, page_bytes=1) for g in (trace.experts, None))
    assert got.loads["in_time"] == 0 and got.total_time >= plain.total_time - 10


def test_by_hand() -> None:
    # one layer, experts a b c; two slots; a load takes 3, an event 2
    trace = lp.Trace([[[0]], [[1]], [[2]], [[0]]], n_experts=3)
    said = [[[-1]], [[1]], [[0]], [[0]]]
    got = prefetch(trace, said, 2, time=disk(2, 3), page_bytes=1)
    # event 0: demand 0 at 0..3, computes 3..5; guess 1 starts at 3, arrives at 6: late by 1
    # event 1 at 5: waits to 6, computes 6..8; the guess for event 2 is 0: there already
    # event 2 at 8: demand 2 at 8..11; evicts 1, since 0 is wanted by event 3: computes 11..13
    # event 3 at 13: 0 is there
    assert got.stall.tolist() == [3, 1, 3, 0] and got.total_time == 15
    assert got.loads == {"demand": 2, "in_time": 0, "late": 1, "later": 0, "evicted": 0, "unused": 0}
    assert (got.guess_precision, got.guess_recall) == (2 / 3, 0.5)


def test_later_evicted_and_unused() -> None:
    trace = lp.Trace([[[0]], [[0]], [[1]], [[0]], [[3]], [[3]]], n_experts=5)
    said = [[[-1]], [[1]], [[-1]], [[2]], [[-1]], [[4]]]
    got = prefetch(trace, said, 3, time=disk(10, 3), page_bytes=7, reset="session")
    # 1 is loaded for event 1 and used by event 2; 2 makes room for 3 or stays; 4 is never used
    assert got.loads["later"] == 1 and got.loads["evicted"] + got.loads["unused"] == 2 and got.loads["demand"] == 2
    assert got.bytes_loaded["later"] == 7


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"guesses": [[[7]]]}, "shape"),
        ({"guesses": np.full((4, 1, 1), 9)}, r"must be in 0\.\.2"),
        ({"guesses": np.zeros((4, 1, 2), int)}, "distinct"),
        ({"distance": 2}, "at most the 1 layers"),
        ({"distance": 0}, "distance"),
        ({"policy": "belady"}, "online"),
        ({"page_bytes": None}, "use page_bytes"),
        ({"page_bytes": 0}, "page_bytes"),
        ({"budget": -1}, "budget"),
        ({"staging": -1}, "staging"),
        ({"policy": "fifo", "engine": "kernel"}, "no compiled prefetch"),
        ({"time": TimeModel(compute=[1, 2], bandwidth=1, latency=0, channels=1, overlap=True)}, "compute must be"),
        (
            {"time": TimeModel(compute=1, bandwidth=1, latency=0, channels=1, overlap=True), "page_bytes": 2**40},
            "at most",
        ),
    ],
)
def test_mistakes_are_named(changes: dict[str, Any], words: str) -> None:
    trace = lp.Trace([[[0]], [[1]], [[2]], [[0]]], n_experts=3)
    options: dict[str, Any] = {"guesses": None, "time": disk(), "page_bytes": 1} | changes
    with pytest.raises(ParameterError, match=words):
        prefetch(trace, slots=2, **options)


def test_an_event_must_fit() -> None:
    with pytest.raises(BudgetError):
        prefetch(random_trace(0, 9), None, 1, time=disk(), page_bytes=1)


def test_policies_without_a_kernel_play_too() -> None:
    trace = random_trace(4, 12)
    got = prefetch(trace, guesses(trace, "popularity", 2), 7, time=disk(), page_bytes=1, policy="fifo")
    balanced(got, trace)
    assert (
        prefetch(trace, None, 7, time=disk(), page_bytes=1, policy="random", seed=3).misses
        == lp.replay(trace, "random", 7, seed=3).misses
    )


def test_a_page_cache_pays_for_each_read_and_each_hit() -> None:
    model = TimeModel.page_cache(compute=100, bandwidth=10**9, fault=50, readahead=16, hit=3)
    assert model.load_times([1, 16, 17, 33]).tolist() == [51, 66, 117, 183]
    trace = lp.Trace([[[0]], [[0]]], n_experts=1)
    got = prefetch(trace, None, 1, time=model, page_bytes=16)
    assert got.stall.tolist() == [66, 0] and got.total_time == 66 + 100 + 100 + 3


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    experts = np.argsort(rng.random((40, 3, 6)), axis=2)[:, :, :2]
    meta = {"items": [{"topic": "a"}, {"topic": "b"}]}
    trace, said, prof = tmp_path / "t.npz", tmp_path / "g.npz", tmp_path / "p.json"
    lp.save_trace(lp.Trace(experts, n_experts=6, sessions=[0, 20], meta=meta), trace)
    lp.save_trace(lp.Trace(experts[:, :, ::-1], n_experts=6), said)
    assert main(["profile", "make", str(trace), "-o", str(prof)]) == 0
    clock = ["--layer-compute", "9us", "--bandwidth", "1GB", "--latency", "1us", "--expert-bytes", "3000"]
    words = ["prefetch", str(trace), "--slots", "6", "9", *clock]
    extra = ["--predictor", "markov", "profile", "imported", "oracle", "--profile", str(prof), "--guesses", str(said)]
    picture = tmp_path / "s.svg"
    capsys.readouterr()
    assert main([*words, *extra, "--sensitivity", str(picture), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    names = ["none", "markov(distance=1)", "profile", "imported", "oracle"]
    assert [row["predictor"] for row in answer["runs"]] == names * 2 and picture.stat().st_size > 1000
    assert len(answer["sensitivity"]) == 2 * 5 * 2 * 7
    by = {row["predictor"]: row for row in answer["runs"][5:]}
    assert (
        by["imported"]["guess_recall"] == 1
        and by["imported"]["stall_ns_per_token"] == by["oracle"]["stall_ns_per_token"]
    )
    assert by["oracle"]["stall_ns_per_token"] < by["none"]["stall_ns_per_token"]
    assert main([*words, "--where", "topic=a", "--train-where", "topic=b", "--predictor", "popularity"]) == 0
    proof = tmp_path / "stall.json"
    capsys.readouterr()
    assert main([*words, "--first", "5", "--predictor", "oracle", "--least-stall", str(proof), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    for best in answer["optimum"]:
        assert 0 < best["lower_ns"] <= best["upper_ns"]
        stalls = [row["stall_ns_per_token"] * 5 for row in answer["runs"] if row["slots"] == best["slots"]]
        assert min(stalls) >= best["lower_ns"]
    lp.save_trace(lp.Trace(experts[:5], n_experts=6), tmp_path / "five.npz")
    assert main(["check", str(proof), "--trace", str(tmp_path / "five.npz")]) == 0
    assert main([*words, "--first", "5", "--predictor", "oracle", "--least-stall"]) == 0
    capsys.readouterr()
    for wrong, word in (
        ([*words, "--least-stall", "--pool", "per-layer"], "one shared pool"),
        ([*words, "--where", "topic=a", "--train-where", "session=0-1"], "different sessions"),
        ([*words, "--predictor", "markov(distance=1)", "--distance", "2"], "needs what is known"),
        (["prefetch", str(trace), "--slots", "6", *clock[:6]], "(use --expert-bytes)"),
        ([*words, "--predictor", "profile"], "takes a profile"),
        ([*words, "--sensitivity", str(tmp_path / "s.txt")], "must end in"),
    ):
        assert main(wrong) == 2
        error = capsys.readouterr().err
        assert word in error and error.count("\n") == 1


def test_each_predictor_pays_for_its_own_kernel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from layered_paging.core.renting import Lease
    from layered_paging.prefetch import guessing

    paid: dict[tuple[str, ...], Lease] = {}
    monkeypatch.setattr(guessing, "lease", lambda *kernel: paid.setdefault(kernel, Lease(tmp_path / "-".join(kernel))))
    trace = lp.workloads.zipf(2, 8, 60, top_k=2, seed=1)
    for name in ("previous", "popularity", "popularity(window=4)", "markov"):
        guessing.guesses(trace, name, 2)
    assert [kernel for _, kernel in paid] == ["previous", "popularity", "markov"]
    assert not any(kernel.bought for kernel in paid.values())
