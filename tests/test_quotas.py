"""Quotas: the best split of any policy, found exactly, and replayed."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

import layered_paging as lp
from layered_paging.cli import main
from layered_paging.core.rules import Rules, Traffic
from layered_paging.engine.quotas import best_quotas, best_split, layer_curves
from layered_paging.errors import BudgetError, ParameterError
from layered_paging.samples import SAMPLE as SHIPPED

SAMPLE = str(SHIPPED)
POLICIES = ("lru", "llru", "lfu", "sieve", "marking", "lfu-decay", "belady")


@st.composite
def traces(draw: st.DrawFn) -> lp.Trace:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    layers, rounds, top_k = draw(st.integers(1, 3)), draw(st.integers(1, 25)), draw(st.integers(1, 2))
    widths = [int(n) for n in rng.integers(top_k, 6, layers)]
    ids = np.array([[rng.permutation(n)[:top_k] for n in widths] for _ in range(rounds)])
    if layers > 1 and rng.random() < 0.3:
        ids[:, 1] = -1  # a layer without requests
    return lp.Trace(ids, widths, np.unique(np.append(np.flatnonzero(rng.random(rounds) < 0.1), 0)))


@given(trace=traces(), policy=st.sampled_from(POLICIES), data=st.data())
@settings(deadline=None, max_examples=40)
def test_the_best_split_is_the_best_of_all(trace: lp.Trace, policy: str, data: st.DataObject) -> None:
    traffic = data.draw(st.sampled_from([{}, {"evict_after": 2}, {"bypass_above": 1}]))
    may = data.draw(st.sampled_from([{}, {}, {"admission": "bypass"}, {"oversize": "allow"}]))
    rules = Rules(reset=data.draw(st.sampled_from(["never", "session"])), traffic=Traffic(**traffic), **may)
    beside = trace.top_k > traffic.get("bypass_above", trace.top_k)
    least = 0 if may or beside else trace.top_k  # where events need not fit, a layer can do without slots
    asked = [bool(flag) for flag in trace.asked]
    slots = data.draw(st.integers(max(1, least * sum(asked)), sum(trace.n_experts) + 2))
    floor, top = data.draw(st.integers(0, 2)), data.draw(st.none() | st.integers(1, 8))
    ranges = [
        range(max(floor, least), min(slots, slots if top is None else top) + 1) if flag else [0] for flag in asked
    ]
    every = {
        split: lp.replay(
            trace, policy, quotas=split, reset=rules.reset, traffic=traffic, engine="reference", **may
        ).misses
        for split in itertools.product(*ranges)
        if sum(split) == slots
    }
    if not every:
        with pytest.raises(BudgetError):
            best_quotas(trace, policy, slots, rules=rules, floor=floor, ceiling=top)
        return
    found = best_quotas(trace, policy, slots, rules=rules, floor=floor, ceiling=top)
    assert every[found.quotas] == found.misses == min(every.values())
    if found.uniform is not None:
        given = {"reset": rules.reset, "traffic": traffic, **may}
        assert found.uniform == lp.replay(trace, policy, slots, pool="per-layer", engine="reference", **given).misses


def test_more_slots_than_anything_can_use() -> None:
    assert best_split(np.array([[-1, 3, 2], [-1, 1, 1]]), 10**12).misses == 3
    found = best_split(np.array([[-1, 3, 2], [0, -1, -1], [-1, 1, 1]]), 10**12, floor=10**11)
    assert found.quotas == (9 * 10**11, 0, 10**11)
    with pytest.raises(BudgetError, match="within its floor and ceiling"):
        best_split(np.array([[-1, 3, 2]]), 10**12, floor=10**13)


@given(trace=traces(), extra=st.integers(0, 6))
@settings(deadline=None, max_examples=25)
def test_the_best_split_of_belady_is_the_certified_optimum(trace: lp.Trace, extra: int) -> None:
    slots = trace.top_k * int(trace.asked.sum()) + extra
    best = lp.optimum(trace, slots, admission="forced", pool="per-layer", quotas="free")
    assert best.misses == best_quotas(trace, "belady", slots).misses
    lp.certify.check(best.certificate, trace)


@pytest.mark.parametrize("policy", ["lru", "lfu", "sieve"])
def test_a_curve_of_a_layer_is_its_replays(policy: str) -> None:
    trace = lp.load_trace(SAMPLE)
    curves = layer_curves(trace, policy, Rules(reset="session"))
    need = trace.top_k
    for q in (need, need + 3, min(trace.n_experts)):
        run = lp.replay(trace, policy, quotas=[q] * trace.layers, reset="session")
        assert curves[:, q].tolist() == run.misses_by_layer.tolist()
        assert run.options["quotas"] == [q] * trace.layers
    assert (curves[:, :need] == -1).all()


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"floor": 5}, "slots must hold the largest event of every layer within its floor and ceiling; 6 do not"),
        ({"ceiling": 2}, "the ceilings must hold all slots, 6; they hold 4"),
        ({"floor": [1, 2, 3]}, "floor must be one int, or one for each of 2 layers; got 3"),
        ({"ceiling": [3, -1]}, "ceiling of layer 1 must be an integer of at least 0; got -1"),
    ],
)
def test_bad_limits_are_refused(limits: dict[str, Any], said: str) -> None:
    with pytest.raises((BudgetError, ParameterError), match=said):
        best_split(np.array([[-1, 3, 2, 2], [-1, 1, 1, 1]]), 6, **limits)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace = lp.load_trace(SAMPLE)
    slots = 16 * trace.layers
    given = ["replay", SAMPLE, "--policy", "lru", "sieve", "--reset", "session"]
    assert (
        main([*given, "--slots", str(slots), "--quotas", "best", "--floor", "8", "--optimum", "forced", "--json"]) == 0
    )
    answer = json.loads(capsys.readouterr().out)
    assert answer["options"]["pool"] == "per-layer"
    for run, best in zip(answer["runs"], answer["best_quotas"], strict=True):
        assert run["misses"] == best["misses"] <= best["uniform"]
        assert sum(best["quotas"]) == slots
        assert min(best["quotas"]) >= 8
        assert answer["optimum"][0]["misses"] <= run["misses"]
    kept = tmp_path / "quotas.json"
    kept.write_text(json.dumps(answer["best_quotas"][0]["quotas"]))
    assert main([*given, "--quotas", str(kept), "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["runs"][0]["misses"] == answer["runs"][0]["misses"]
    assert again["runs"][0]["slots"] == slots
    assert main([*given, "--slots", str(slots), "--quotas", "best"]) == 0
    assert "misses, best quotas" in capsys.readouterr().out


@given(trace=traces(), policy=st.sampled_from(POLICIES), data=st.data())
@settings(deadline=None, max_examples=25)
def test_bytes_that_hold_whole_experts_are_slots(trace: lp.Trace, policy: str, data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 9))
    sized = lp.Trace(trace.experts, trace.n_experts, trace.sessions, trace.stage, [size] * trace.layers)
    slots = [trace.top_k + data.draw(st.integers(0, 3)) if asked else 0 for asked in trace.asked]
    spare = [q * size + data.draw(st.integers(0, size - 1)) for q in slots]
    run = lp.replay(sized, policy, budget_bytes=sum(spare), quotas=spare, engine="reference")
    plain = lp.replay(trace, policy, quotas=slots, engine="reference")
    assert run.misses_by_layer.tolist() == plain.misses_by_layer.tolist()
    best = lp.optimum(sized, budget_bytes=sum(spare), quotas=spare, admission="forced")
    assert best.misses == lp.optimum(trace, quotas=slots, admission="forced").misses <= run.misses
    with pytest.raises(ParameterError, match=f"quotas must sum to bytes, {sum(spare) + 1}; got"):
        lp.replay(sized, policy, budget_bytes=sum(spare) + 1, quotas=spare)


def test_quotas_in_bytes_of_unequal_experts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace = lp.Trace([[0, 0], [1, 1], [0, 1], [1, 0]], n_experts=2, expert_bytes=[2, 3, 4, 4])
    kept = tmp_path / "t.npz"
    lp.save_trace(trace, kept)
    quotas = tmp_path / "quotas.json"
    quotas.write_text('["5B", "4B"]')
    assert main(["replay", str(kept), "--policy", "lru", "--quotas", str(quotas), "--json"]) == 0
    run = json.loads(capsys.readouterr().out)["runs"][0]
    assert (run["budget_bytes"], run["misses"], run["bytes_read"]) == (9, 5, 17)
    with pytest.raises(ParameterError, match="quotas in bytes need one size of all experts of a layer here"):
        lp.optimum(trace, budget_bytes=9, quotas=[5, 4], admission="forced")


def test_a_budget_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["replay", SAMPLE, "--quotas", "best"])
    assert "give --slots or --bytes, the --quotas of all layers, --tier or --devices" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--slots", "64", "--floor", "2"], "--floor and --ceiling go with --quotas best"),
        (["--bytes", "1MiB", "--quotas", "best"], "splits slots: give --slots, not --bytes (they hold 14)"),
        (["--bytes", "1MiB", "--quotas", "4,4,4,4,4,4"], "--quotas with a unit are bytes, and without one slots"),
        (["--slots", "9", "--quotas", "1MiB,1MiB"], "--quotas with a unit are bytes, and without one slots"),
        (["--quotas", "1MiB,4"], "--quotas: quotas must all be slots, or all be bytes with a unit; got 1MiB,4"),
        (["--quotas", "1MiB,4XB"], "--quotas: a size is a number with B, KiB"),
        (["--quotas", "4,x"], "--quotas must be numbers with commas, best, or a file with a JSON list; 4,x"),
        (["--quotas", ",4"], "--quotas must be numbers with commas, best, or a file with a JSON list; ,4"),
        (["--quotas", "4,,4"], "--quotas must be numbers with commas, best, or a file with a JSON list; 4,,4"),
        (["--quotas", "²,4"], "--quotas must be numbers with commas, best, or a file with a JSON list; ²,4"),
        (["--quotas", "4,4"], "quotas must be one int for each of"),
        (["--quotas", "4,4", "--pool", "shared"], "they do not go with --pool shared"),
    ],
)
def test_the_command_refuses(more: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", SAMPLE, *more]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.strip().splitlines()) == 1
