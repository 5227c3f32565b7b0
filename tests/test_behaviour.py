"""How a router behaves, against counting by hand and by loops; pictures; what could be pruned."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import layered_paging as lp
from layered_paging.cli import main
from layered_paging.errors import ParameterError
from layered_paging.profiles.behaviour import behaviour, gates, gini, pruned, reuse_ages, transition_counts


def random_trace(seed: int, weights: bool = False) -> lp.Trace:
    rng = np.random.default_rng(seed)
    widths = (4, 6, 3)
    experts = np.full((14, 3, 2), -1)
    for r in range(14):
        for j, n in enumerate(widths):
            size = rng.integers(0 if r else 1, 3)
            experts[r, j, :size] = rng.permutation(n)[:size]
    gate = np.where(experts >= 0, rng.random(experts.shape) + 0.01, np.nan) if weights else None
    return lp.Trace(experts, widths, [0, 5, 9], weights=gate, meta={"items": [{"t": x} for x in "aba"]})


@settings(max_examples=25)
@given(st.integers(0, 10**6))
def test_the_same_as_loops(seed: int) -> None:
    trace = random_trace(seed)
    seen = behaviour(trace)
    ends = [*trace.sessions[1:].tolist(), trace.rounds]
    for j in range(3):
        shares, ages, fresh = [], [], 0
        pairs = np.zeros((trace.n_experts[j - 1], trace.n_experts[j]))
        for a, b in zip(trace.sessions.tolist(), ends, strict=True):
            last: dict[int, int] = {}
            for r in range(a, b):
                now = [e for e in trace.experts[r, j].tolist() if e >= 0]
                if r > a and now:
                    shares.append(len(set(now) & set(trace.experts[r - 1, j].tolist())) / len(now))
                for e in now:
                    if e in last:
                        ages.append(r - last[e])
                    else:
                        fresh += 1
                    last[e] = r
                source = trace.experts[r, j - 1] if j else (trace.experts[r - 1, -1] if r > a else [])
                for p in source:
                    for e in now:
                        pairs[p, e] += p >= 0
        assert seen.overlap[j] == pytest.approx(np.mean(shares), nan_ok=True) if shares else math.isnan(seen.overlap[j])
        found, first = reuse_ages(trace, j)
        assert sorted(found.tolist()) == sorted(ages) and first == fresh
        assert np.array_equal(transition_counts(trace, j), pairs)
        assert 0 <= seen.information[j] <= math.log2(max(trace.n_experts)) and 0 <= seen.gini[j] < 1


@given(st.lists(st.integers(0, 20), min_size=1, max_size=8))
def test_gini_is_the_mean_difference(values: list[int]) -> None:
    n, total = len(values), sum(values)
    expected = sum(abs(a - b) for a in values for b in values) / (2 * n * total) if total else 0
    assert gini(values) == pytest.approx(expected)


def test_information_of_a_chain_and_of_none() -> None:
    chain = lp.Trace([[[r % 4], [(r + 1) % 4]] for r in range(400)], n_experts=4)
    assert behaviour(chain).information[1] == pytest.approx(2)
    rng = np.random.default_rng(0)
    free = lp.Trace(rng.integers(0, 4, (4000, 2, 1)), n_experts=4)
    assert behaviour(free).information[1] < 0.005
    assert behaviour(free).overlap == pytest.approx(behaviour(free).by_chance, abs=0.03)


def test_gates_by_hand() -> None:
    trace = lp.Trace([[[0, 1]], [[1, -1]], [[2, 0]]], n_experts=3, weights=[[[3.0, 1.0]], [[7.0, 0.0]], [[1.0, 1.0]]])
    seen = gates(trace)
    assert seen.top_share[0] == pytest.approx((0.75 + 0.5) / 2)  # the event of one member does not count
    assert seen.entropy[0] == pytest.approx((0.8112781244591328 + 1) / 2)
    with pytest.raises(ParameterError, match="no gate weights"):
        gates(lp.Trace([[0]]))
    for bad in ([[-1.0, 1.0]], [[0.0, 0.0]]):
        with pytest.raises(ParameterError):
            gates(lp.Trace([[[0, 1]]], weights=[bad]))


def test_pruning_by_hand() -> None:
    before = lp.Trace([[[0, 1]], [[0, 2]], [[0, 1]]], n_experts=4)
    here = lp.Trace([[[3, 0]], [[2, 1]]], n_experts=4, weights=[[[0.9, 0.1]], [[0.25, 0.75]]])
    # uses before: 3 2 1 0
    assert pruned(before, here, 0) == (0, 0)
    assert pruned(before, here, 1) == (0.25, pytest.approx(0.45))
    assert pruned(before, here, 2) == (0.5, pytest.approx((0.9 + 0.25) / 2))
    assert pruned(here, before, 1)[1] is None
    for wrong in (4, -1):
        with pytest.raises(ParameterError):
            pruned(before, here, wrong)
    with pytest.raises(ParameterError, match="shape"):
        pruned(before, lp.Trace([[0]], n_experts=2), 1)


def test_the_command_and_its_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "t.npz"
    lp.save_trace(random_trace(1, weights=True), file)
    drawn = [str(tmp_path / f"{n}.svg") for n in ("heat", "transitions", "map")]
    words = [
        "--heat",
        drawn[0],
        "--transitions",
        drawn[1],
        "--map",
        drawn[2],
        "--slots",
        "4",
        "--layer",
        "1",
        "--from",
        "2",
        "--rounds",
        "8",
    ]
    assert main(["router", str(file), *words, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert len(answer["rows"]) == 3 and answer["weights"] and answer["rows"][0]["gate_top_share"] > 0.5
    assert all(Path(p).read_bytes().startswith(b"<?xml") for p in drawn)
    assert main(["router", str(file), "--by", "t"]) == 0
    assert main(["router", str(file), "--where", "t=b"]) == 0
    lp.save_trace(random_trace(1), file)
    assert main(["router", str(file)]) == 0
    assert "no gate weights" in capsys.readouterr().out
    for wrong in (
        ["--layer", "3"],
        ["--map", drawn[2]],
        ["--from", "50"],
        ["--from", "-1"],
        ["--rounds", "2001"],
        ["--by", "x"],
        ["--heat", "x.y"],
    ):
        assert main(["router", str(file), *wrong]) == 2
        assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("count", [1, 3])
def test_items_must_be_of_every_session(count: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "t.npz"
    lp.save_trace(lp.Trace([[[0]], [[1]]], 2, [0, 1], meta={"items": [{"dataset": "a"}] * count}), path)
    assert main(["router", str(path), "--by", "dataset"]) == 2
    assert "each session needs an item" in capsys.readouterr().err


def test_the_map_shows_what_the_replay_did() -> None:
    from layered_paging.plot import draw_map, new_figure

    trace = random_trace(2)
    axes = new_figure().subplots()
    draw_map(axes, trace, "lru", 7, 0, range(trace.rounds), pool="per-layer")
    shown = {text.get_text() for text in axes.get_legend().get_texts()}
    run = lp.replay(trace, "lru", 7, pool="per-layer")
    misses = int(run.misses_by_layer[0])
    hits = int(run.requests_by_layer[0]) - misses
    assert f"miss ({misses})" in shown and (f"hit ({hits})" in shown or hits == 0)
