"""Prompts that are served layer by layer at once: one replay, by whatever way it is asked for."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import layered_paging as lp
from layered_paging.analysis.gaps import gap_table
from layered_paging.analysis.shape import prefill_rounds
from layered_paging.cli import main
from layered_paging.errors import TraceError

BASE = lp.workloads.zipf(3, 12, 90, top_k=2, seed=2, sessions=5)


def prompts(stage: list[int]) -> lp.Trace:
    return lp.Trace(BASE.experts, 12, BASE.sessions, stage, expert_bytes=[3, 4, 5])


@settings(max_examples=15)
@given(st.lists(st.integers(0, 1), min_size=90, max_size=90), st.integers(20, 36))
def test_a_merged_trace_is_a_merged_replay(stage: list[int], slots: int) -> None:
    trace = prompts(stage)
    merged = lp.transforms.merge_prefill(trace)
    assert np.array_equal(merged.experts[merged.stage == 1], np.sort(trace.experts[trace.stage == 1])) or (
        merged.top_k > trace.top_k
    )
    for policy in ("lru", "lfu", "belady", "fifo"):
        for reset in ("never", "session"):
            options = {"reset": reset, "oversize": "allow"}
            one = lp.replay(trace, policy, slots, prefill="merged", **options)
            other = lp.replay(merged, policy, slots, **options)
            assert one.misses == other.misses and one.bytes_read == other.bytes_read
            assert np.array_equal(one.misses_by_session, other.misses_by_session)


def test_rounds_that_an_engine_serves_together_are_counted() -> None:
    stage = [1] * 90
    assert prefill_rounds(prompts(stage)) == 0
    stage[4] = 0
    assert prefill_rounds(prompts(stage)) == 0  # alone
    stage[5] = 0
    assert prefill_rounds(prompts(stage)) == 2
    start = int(BASE.sessions[1])
    stage[start - 1] = stage[start] = 0  # two sessions
    assert prefill_rounds(prompts(stage)) == 2


def test_gaps_of_merged_prompts() -> None:
    trace = prompts([0, 0, 0, 1, 1, 1] * 15)
    found = gap_table({"t": trace}, ["lfu"], base="lru", tokens=[4, 5], resets=["session"], prefill="merged")
    assert found.cells
    for cell in found.cells:
        given = {"reset": "session", "prefill": "merged"}
        assert cell.base == lp.replay(trace, "lru", cell.slots, **given).misses
        assert cell.misses == lp.replay(trace, "lfu", cell.slots, **given).misses
        assert cell.optimum == lp.optimum(trace, cell.slots, admission="forced", **given).misses


@pytest.mark.parametrize("prefill", ["token", "merged"])
def test_every_command_says_how_prompts_are_served(
    prefill: str, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path_factory.mktemp("prefill")
    path = str(folder / "t.npz")
    lp.save_trace(prompts([0, 0, 0, 1, 1, 1] * 15), path)
    clock = ["--layer-compute", "1000us", "--bandwidth", "1MB", "--latency", "0us"]
    for words in (
        ["diagnose", path, "--slots", "24"],
        ["report", path, "--slots", "24", "-o", str(folder / "r.html")],
        ["curve", path, "--policy", "lru"],
        ["gap", path, "--policy", "lfu", "--base", "lru"],
        ["prefetch", path, "--slots", "24", *clock],
    ):
        assert main([*words, "--prefill", prefill]) == 0, words
        out = capsys.readouterr().out
        if words[0] == "report":
            out = (folder / "r.html").read_text()
        assert ("rounds are prefill, replayed token by token" in out) == (prefill == "token"), words
    assert main(["curve", path, "--policy", "lru", "--prefill", "merged", "--json"]) == 0
    curve = json.loads(capsys.readouterr().out)["curves"]["lru"]
    assert curve[24] == lp.replay(lp.load_trace(path), "lru", 24, prefill="merged").misses


def test_a_dense_layer_of_zeros_is_told_apart() -> None:
    with pytest.raises(TraceError, match=r"got \[0, 0\] \(for a dense layer, which has no experts, write -1\)"):
        lp.Trace([[[0, 0]]], 4)
