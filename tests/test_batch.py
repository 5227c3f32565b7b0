"""Several requests at once: against a plain simulation, and what commands say of steps."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import layered_paging as lp
from layered_paging.analysis.batches import batches
from layered_paging.cli import main
from layered_paging.errors import ParameterError
from layered_paging.samples import SAMPLE


@st.composite
def requests(draw: Any) -> lp.Trace:
    """Return a trace of several sessions with prompts, and with tokens that ask for nothing."""
    rounds, layers, top = draw(st.integers(1, 20)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    random = np.random.default_rng(draw(st.integers(0, 99)))
    ids = np.argsort(random.random((rounds, layers, 5)), axis=2)[:, :, :top]
    ids[random.random((rounds, layers)) < 0.2] = -1
    ids[0, 0, 0] = max(0, ids[0, 0, 0])
    starts = sorted({0, *random.integers(0, rounds, draw(st.integers(0, 6))).tolist()})
    return lp.Trace(ids, 5, starts, random.integers(0, 2, rounds), expert_bytes=7)


def by_definition(trace: lp.Trace, size: int, chunk: int | None) -> tuple[list[list[list[int]]], list[int]]:
    """Run the requests step by step."""
    ends = [*trace.sessions[1:].tolist(), trace.rounds]
    waiting = [list(range(a, b)) for a, b in zip(trace.sessions.tolist(), ends, strict=True)]
    places: list[list[int]] = [[] for _ in range(size)]
    steps, stages = [], []
    while waiting or any(places):
        for place in range(size):
            if not places[place] and waiting:
                places[place] = waiting.pop(0)
        events: list[dict[int, None]] = [{} for _ in range(trace.layers)]
        prefill = False
        for queue in places:
            took, now = 0, 0
            while queue and (took == 0 or (trace.stage[now] == trace.stage[queue[0]] == 0 and took != chunk)):
                now = queue.pop(0)
                took += 1
                prefill |= trace.stage[now] == 0
                for layer, event in enumerate(trace.experts[now].tolist()):
                    events[layer] |= dict.fromkeys(e for e in event if e >= 0)
        steps.append([list(event) for event in events])
        stages.append(0 if prefill else 1)
    return steps, stages


@given(trace=requests(), size=st.integers(1, 5), chunk=st.sampled_from([None, 1, 2, 3]))
def test_a_batch_is_what_its_definition_says(trace: lp.Trace, size: int, chunk: int | None) -> None:
    if size > len(trace.sessions):
        with pytest.raises(ParameterError, match="size must be at most"):
            lp.transforms.batch(trace, size, chunk=chunk)
        return
    together = lp.transforms.batch(trace, size, chunk=chunk)
    steps, stages = by_definition(trace, size, chunk)
    assert [[[e for e in event if e >= 0] for event in row] for row in together.experts.tolist()] == steps
    assert together.stage.tolist() == stages
    said = together.meta["batch"]
    sizes = [len(event) for row in steps for event in row if event]
    assert (said["steps"], said["tokens"], said["largest_union"]) == (len(steps), trace.rounds, max(sizes))
    assert said["mean_union"] == round(sum(sizes) / len(sizes), 6)
    assert together.sessions.tolist() == [0]
    assert together.expert_bytes is not None


@given(trace=requests())
def test_one_request_at_a_time_token_by_token_is_the_trace(trace: lp.Trace) -> None:
    alone = lp.transforms.batch(trace, 1, chunk=1)
    assert alone.experts[:, :, : trace.top_k].tolist() == trace.experts[:, :, : alone.top_k].tolist() or (
        alone.top_k < trace.top_k
    )
    assert alone.stage.tolist() == trace.stage.tolist()
    assert lp.replay(alone, "lru", 15).misses == lp.replay(trace, "lru", 15).misses


def test_several_traces_are_one_queue() -> None:
    one, other = lp.Trace([[0], [1]], 4), lp.Trace([[[2, 3]]], 4)
    assert lp.transforms.batch([one, other], 2).experts.tolist() == [[[0, 2, 3]], [[1, -1, -1]]]
    with pytest.raises(ParameterError, match="trace 1 has other layers or experts"):
        lp.transforms.batch([one, lp.Trace([[0]], 5)], 1)
    with pytest.raises(ParameterError, match="other expert_bytes"):
        lp.transforms.batch([one, lp.Trace([[0]], 4, expert_bytes=3)], 1)
    with pytest.raises(ParameterError, match="at least one trace"):
        lp.transforms.batch([], 1)


def test_steps_of_a_batch_are_not_merged_again() -> None:
    together = lp.transforms.batch(lp.load_trace(SAMPLE), 4, chunk=8)
    with pytest.raises(ParameterError, match="steps hold tokens of several prompts"):
        lp.replay(together, "lru", 96, prefill="merged")
    assert lp.diagnose(together, 90, policies=["lru"]).prompts is None


def test_where_caching_stops_paying() -> None:
    trace = lp.workloads.zipf(3, 8, 160, top_k=2, seed=4, sessions=16)
    found = batches(trace, 12, [8, 1, 4, 2, 16, 2], policies=["lru", "llru"])
    assert [one.size for one in found.sizes] == [1, 2, 4, 8, 16]
    for one in found.sizes:
        together = lp.transforms.batch(trace, one.size)
        assert one.requests == together.requests
        assert one.misses["lru"] == lp.replay(together, "lru", 12).misses
        assert (
            one.least
            == lp.optimum(together, 12, admission="forced").misses
            <= min(m for m in one.misses.values() if m is not None)
        )
    for name in ("lru", "llru", "optimum"):
        pays = [
            (count := one.least if name == "optimum" else one.misses[name]) is not None
            and 20 * count <= 19 * one.requests
            for one in found.sizes
        ]
        later = [one.size for at, one in enumerate(found.sizes) if not any(pays[at:])]
        assert found.stops[name] == (later[0] if later else None)
    assert found.stops["lru"] is not None
    assert {row["policy"] for row in found.to_rows()} == {"lru", "llru"}
    with pytest.raises(ParameterError, match="at least one size"):
        batches(trace, 12, [])


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["batch", str(SAMPLE), "--slots", "24", "--sizes", "1", "8", "24", "--chunk", "8"]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "lru: from a batch of 8 on" in out
    assert "loads per token" in out
    assert main([*words, "--json"]) == 0
    assert [one["size"] for one in json.loads(capsys.readouterr().out)["sizes"]] == [1, 8, 24]
    assert main(["batch", str(SAMPLE), "--slots", "24", "--sizes", "25"]) == 2
    assert "at most 24, the number of requests" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["replay", "--slots", "90"],
        ["curve", "--policy", "lru"],
        ["diagnose", "--slots", "90", "--against", "lru"],
        ["gap", "--demand", "1", "--policy", "lfu"],
        ["plan", "--slots", "90", "--against", "lru"],
    ],
    ids=lambda words: words[0],
)
def test_commands_take_batches_and_speak_of_steps(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    command = [words[0], str(SAMPLE), *words[1:], "--batch", "4", "--chunk", "8"]
    assert main(command) == 0
    said = capsys.readouterr()
    assert "24 requests in 510 steps; a step asks a layer for 7.14 experts on average, 16 at most" in said.err
    assert not any(word in said.out for word in ("per token", "a token", "one token", "1 token", "token by token"))
    assert main([*command, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["batch"]["size"], answer["batch"]["largest_union"]) == (4, 16)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["replay", "--slots", "90", "--chunk", "8"], "--chunk goes with --batch"),
        (
            ["replay", "--slots", "90", "--batch", "2", "--prefill", "merged"],
            "--prefill merged does not go with --batch",
        ),
        (["replay", "--slots", "90", "--batch", "2", "--stream"], "does not go with --stream"),
        (["plan", "--slots", "90", "--batch", "2", "--target", "5tok/s"], "all requests together, or of each"),
    ],
)
def test_what_does_not_go_together(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([words[0], str(SAMPLE), *words[1:]]) == 2
    assert said in capsys.readouterr().err
