"""Curves equal replay at every size, in every mode."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import layered_paging as lp
from layered_paging.core.layout import lay_out
from layered_paging.core.rules import Rules
from layered_paging.engine.curves import has_one_pass, lru_depths
from layered_paging.engine.fast import stacks
from layered_paging.engine.task import Task
from layered_paging.errors import BudgetError, ParameterError
from layered_paging.policies.names import resolve

ONE_PASS = [
    "lru",
    "lfu",
    *(f"llru(rounds='{r}', same_layer='{s}')" for r in ("visit", "absolute") for s in ("far", "near")),
    "mark-lru",
    "lru-2",
    "lfu-decay(half_life=3)",
    "lfu-window(window=3)",
    "lfru",
    "least-stale",
    "static",
    "stamp",
    "similar-rounds(memory=32)",
    "similar-rounds(similar=0, distance=False)",
]
REPLAYED = ["arc", "clock", "fifo", "fwf", "lifo", "lfu(history='cache')", "mark-far", "marking", "online-min"]
REPLAYED += ["random", "s3-fifo", "sieve", "slru"]


@st.composite
def small_traces(draw: st.DrawFn) -> lp.Trace:
    layers, n = draw(st.integers(1, 4)), draw(st.integers(2, 5))
    rounds, top_k = draw(st.integers(1, 14)), draw(st.integers(1, min(3, n)))
    seed = draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    ids = np.argsort(random.random((rounds, layers, n)), axis=2)[:, :, :top_k]
    ids[random.random(ids.shape) < draw(st.sampled_from([0, 0, 0.3]))] = -1
    ids[0, 0, 0] = max(ids[0, 0, 0], 0) if (ids < 0).all() else ids[0, 0, 0]
    starts = sorted({0, *draw(st.lists(st.integers(0, rounds - 1), max_size=2))})
    return lp.Trace(ids, n, sessions=starts)


def replayed(trace: lp.Trace, policy: str, slots: int, pool: str, reset: str, engine: str = "auto") -> int:
    try:
        return lp.replay(trace, policy, slots, pool=pool, reset=reset, engine=engine).misses
    except BudgetError:
        return -1


@pytest.mark.parametrize("policy", ONE_PASS + REPLAYED)
@settings(max_examples=25)
@given(
    trace=small_traces(),
    pool=st.sampled_from(["shared", "per-layer"]),
    reset=st.sampled_from(["never", "session", "cache"]),
)
def test_equal_to_replay_at_each_size(policy: str, trace: lp.Trace, pool: str, reset: str) -> None:
    assert has_one_pass(policy) == (policy in ONE_PASS)
    if policy == "static":
        policy = f"static(profile={[7 * page % 3 for page in range(trace.pages)]})"
    curve = lp.miss_curve(trace, policy, pool=pool, reset=reset)
    assert curve.shape == (trace.pages + 1,)
    assert curve[0] == -1
    assert curve[1:].tolist() == [replayed(trace, policy, s, pool, reset) for s in range(1, trace.pages + 1)]


@settings(max_examples=60)
@given(
    trace=small_traces(),
    pool=st.sampled_from(["shared", "per-layer"]),
    reset=st.sampled_from(["never", "session"]),
    admission=st.sampled_from(["forced", "bypass"]),
)
def test_optimum_curve_equals_the_reference_replay_of_belady(
    trace: lp.Trace, pool: str, reset: str, admission: str
) -> None:
    curve = lp.optimum_curve(trace, admission=admission, pool=pool, reset=reset)
    for slots in range(1, trace.pages + 1):
        if admission == "forced":
            assert curve[slots] == replayed(trace, "belady", slots, pool, reset, "reference")
        else:
            run = lp.replay(trace, "belady", slots, pool=pool, reset=reset, admission="bypass", engine="reference")
            assert curve[slots] == run.misses


@settings(max_examples=40)
@given(trace=small_traces(), resets=st.booleans())
def test_lru_without_a_compiler_counts_the_same(trace: lp.Trace, resets: bool) -> None:
    grid = lay_out(trace)
    task = Task(
        grid, resolve("lru"), trace.instance(trace.pages), trace.pages, Rules(reset="cache" if resets else "never")
    )
    assert stacks.lru_depths(task).tolist() == lru_depths(grid, resets).tolist()


def test_chosen_sizes_only() -> None:
    trace = lp.workloads.zipf(2, 6, 50, seed=1)
    whole = lp.miss_curve(trace, "fifo")
    some = lp.miss_curve(trace, "fifo", sizes=[3, 7])
    assert some[[3, 7]].tolist() == whole[[3, 7]].tolist()
    assert (np.delete(some, [3, 7]) == -1).all()
    with pytest.raises(ParameterError, match="at most the number of pages, 12; got 13"):
        lp.miss_curve(trace, "fifo", sizes=[13])
    with pytest.raises(ParameterError, match="sizes must be an integer of at least 1"):
        lp.miss_curve(trace, "lru", sizes=[0])


def test_optimum_curve_has_no_default_admission() -> None:
    with pytest.raises(TypeError):
        lp.optimum_curve(lp.Trace([[0]]))  # type: ignore[call-arg]


def test_all_capacities_of_a_real_trace(traces: Path) -> None:
    trace = lp.load_trace(traces / "gpt_oss_20b.npz")
    for policy in ("lru", "llru", "lfu", "lfu-decay", "similar-rounds"):
        curve = lp.miss_curve(trace, policy, reset="session")
        for slots in (4, 92, 96, 192, 500) if policy.startswith("l") else (96, 500):
            assert curve[slots] == lp.replay(trace, policy, slots, reset="session").misses
    forced = lp.optimum_curve(trace, admission="forced", reset="session")
    assert forced[192] == lp.optimum(trace, 192, admission="forced", reset="session").misses
    # the cliff: no hits of a shared LRU up to demand - top_k slots, all of a token's at its demand
    lru = lp.miss_curve(trace, "lru", reset="session")
    assert (lru[4:93] == trace.requests).all()
    assert lru[93] < trace.requests
