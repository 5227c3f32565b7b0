"""Every warning about a trace has a file that triggers it, and one like it that must not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

import layered_paging as lp
from layered_paging.analysis.models import KNOWN, stated_experts, stated_top_k
from layered_paging.analysis.sanity import CHECKS, inspect
from layered_paging.cli import main
from layered_paging.samples import SAMPLE
from layered_paging.testing.strategies import traces

NAMES = [check.name for check in inspect(lp.Trace([[0]])).checks]


def router(
    rounds: int = 300,
    layers: int = 5,
    experts: int = 32,
    top: int = 4,
    seed: int = 1,
    spread: float = 1.0,
    stay: float = 0.5,
) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return ids as a trained router gives them: skewed, sticky, ranked."""
    random = np.random.default_rng(seed)
    taste = random.normal(0, spread, (layers, experts))
    noise = random.gumbel(size=(rounds, layers, experts))
    for r in range(1, rounds):
        kept = random.random(layers) < stay
        noise[r, kept] = noise[r - 1, kept] + 0.5 * noise[r, kept]
    return np.argsort(-(taste + noise), axis=2)[:, :, :top]


def sane(**more: Any) -> lp.Trace:
    stage = np.tile(np.repeat([0, 1], [20, 80]), 3)
    return lp.Trace(more.pop("ids", router()), 32, [0, 100, 200], more.pop("stage", stage), meta=more.pop("meta", None))


def cut_off(wrong: bool) -> lp.Trace:
    ids = router(experts=512, top=8 if wrong else 10, rounds=40)
    return lp.Trace(ids, 512, meta={"model": "Qwen/Qwen3-Next-80B-A3B-Instruct"})


def cut_off_as_stated(wrong: bool) -> lp.Trace:
    return sane(meta={"config": {"num_experts_per_tok": 6 if wrong else 4}})


def sorted_ids(wrong: bool) -> lp.Trace:
    ids = router()
    return sane(ids=np.sort(ids, axis=2) if wrong else ids)


def sorted_prompts(wrong: bool) -> lp.Trace:
    ids, trace = router(), sane()
    rows = trace.stage == 0
    ids[rows] = np.sort(ids[rows], axis=2)
    if not wrong:
        ids[0, 0] = ids[0, 0, ::-1]
    return sane(ids=ids)


def too_many_ids(wrong: bool) -> lp.Trace:
    return sane(meta={"num_local_experts": 24 if wrong else 32})


def rebalanced(wrong: bool) -> lp.Trace:
    ids = router(3000, stay=0.0)
    if wrong:
        new = np.random.default_rng(5).permuted(np.tile(np.arange(32), (5, 1)), axis=1)
        ids[1700:] = new[np.arange(5)[:, None], ids[1700:]]
    return lp.Trace(ids, 32)


def copied(wrong: bool) -> lp.Trace:
    ids = router()
    if wrong:
        ids[:, 3] = ids[:, 2]
    return sane(ids=ids)


def shifted(wrong: bool) -> lp.Trace:
    ids = router()
    if wrong:
        ids[1:, 1:] = ids[:-1, :-1].copy()
    else:
        ids[1:, 1:] = ids[1:, 1:][::-1].copy()
    return sane(ids=ids)


def strided(wrong: bool) -> lp.Trace:
    """Every token's ranking of all experts, read as if it were the choices of several tokens."""
    whole = router(40, top=32)
    ids = whole.reshape(40, 5, 8, 4).transpose(0, 2, 1, 3).reshape(320, 5, 4)
    return lp.Trace(ids if wrong else router(320), 32)


def dummy(wrong: bool) -> lp.Trace:
    ids = router()
    ids[:16] = ids[0] if wrong else ids[:16]
    return sane(ids=ids)


def one_dummy(wrong: bool) -> lp.Trace:
    ids = router()
    ids[0] = np.arange(4)
    if not wrong:
        ids[0, 2] = [0, 1, 2, 31]
    return sane(ids=ids)


def blanks(wrong: bool) -> lp.Trace:
    """One token again and again, at the start only, or later as well."""
    ids = router()
    ids[:12] = ids[0]
    if not wrong:
        ids[150:156] = ids[150]
    return sane(ids=ids)


def uniform(wrong: bool) -> lp.Trace:
    return sane(ids=router(spread=0.0 if wrong else 0.2, stay=0.0))


def again(wrong: bool) -> lp.Trace:
    ids = router()
    ids[200:] = ids[:100]
    if not wrong:
        ids[[219, 299], 0] = [0, 1, 2, 3]
        ids[[19, 99], 0] = [4, 5, 6, 7]
    return sane(ids=ids)


def prompt_again(wrong: bool) -> lp.Trace:
    ids = router()
    ids[200:220] = ids[:20]
    if not wrong:
        ids[219, 0], ids[19, 0] = [0, 1, 2, 3], [4, 5, 6, 7]
    return sane(ids=ids)


def dense(wrong: bool) -> lp.Trace:
    ids = router()
    ids[:, 0] = [0, -1, -1, -1]
    if not wrong:
        ids[77, 0] = [1, -1, -1, -1]
    return sane(ids=ids)


def never_filled(wrong: bool) -> lp.Trace:
    ids = router()
    ids[:, 2] = [3, 1, 2, 0]
    if not wrong:
        ids[::2, 2] = [3, 1, 2, 4]
    return sane(ids=ids)


def missing(wrong: bool) -> lp.Trace:
    """Tokens from a prefix cache begin a session; others are lost."""
    ids = router()
    ids[100:110] = -1
    if wrong:
        ids[150] = -1
    return sane(ids=ids)


def missing_events(wrong: bool) -> lp.Trace:
    ids = router()
    ids[[3, 140], 2] = -1
    return sane(ids=ids if wrong else router())


def mixed(wrong: bool) -> lp.Trace:
    """Prompts of others come between the tokens of a request; or a chat of several turns."""
    stage = np.ones(300, int)
    stage[0:100:10] = 0
    if not wrong:
        stage = np.tile(np.repeat([0, 1], [5, 20]), 12)
    return sane(stage=stage)


CASES: dict[Callable[[bool], lp.Trace], str] = {
    cut_off: "top_k cut off",
    cut_off_as_stated: "top_k cut off",
    sorted_ids: "sorted by id",
    sorted_prompts: "sorted by id",
    too_many_ids: "physical slots",
    rebalanced: "physical slots",
    copied: "copied layers",
    shifted: "copied layers",
    strided: "strided tokens",
    dummy: "dummy rounds",
    one_dummy: "dummy rounds",
    blanks: "dummy rounds",
    uniform: "uniform routing",
    again: "repeated sessions",
    prompt_again: "repeated sessions",
    dense: "constant layers",
    never_filled: "constant layers",
    missing: "missing tokens",
    missing_events: "missing tokens",
    mixed: "mixed stages",
}


@pytest.mark.parametrize("make", CASES, ids=lambda make: make.__name__)
def test_a_file_that_warns_and_one_like_it_that_must_not(
    make: Callable[[bool], lp.Trace], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = {}
    for wrong in (True, False):
        path = str(tmp_path / f"{wrong}.npz")
        lp.save_trace(make(wrong), path)
        assert main(["inspect", path, "--json"]) == 0
        answer = json.loads(capsys.readouterr().out)
        found[wrong] = [warning["name"] for warning in answer["warnings"]]
        assert [check["name"] for check in answer["checks"]] == NAMES
    assert CASES[make] in found[True]
    assert CASES[make] not in found[False]
    assert found[False] == []


def test_every_test_has_a_case() -> None:
    assert set(CASES.values()) == set(NAMES)
    assert len(NAMES) == len(CHECKS)


def test_a_sane_trace_has_no_warning_and_the_sample_is_sane() -> None:
    assert inspect(sane()).warnings == []
    assert inspect(lp.load_trace(SAMPLE)).warnings == []


def test_an_event_that_names_an_expert_twice_is_refused_with_its_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = router(20)
    lp.save_trace(lp.Trace(ids, 32), tmp_path / "good.npz")
    ids[7, 2] = [1, 5, 1, 2]
    np.savez(tmp_path / "twice.npz", experts=ids, n_experts=32)
    assert main(["inspect", str(tmp_path / "good.npz")]) == 0
    assert main(["inspect", str(tmp_path / "twice.npz")]) == 2
    assert "experts[7, 2] must be distinct" in capsys.readouterr().err


def test_facts_are_counted_plainly(capsys: pytest.CaptureFixture[str]) -> None:
    trace = lp.load_trace(SAMPLE)
    facts = {fact.name: fact for fact in inspect(trace).facts}
    pages = (trace.experts + trace.first_page[:, None])[trace.experts >= 0]
    assert facts["distinct pages asked for"].value == len(np.unique(pages))
    counts = np.sort(np.bincount(pages, minlength=trace.pages))[::-1]
    assert facts["requests of the hottest tenth of the pages"].value == round(counts[:9].sum() / counts.sum(), 6)
    assert facts["rounds"].value == trace.rounds == facts["prefill rounds"].value + facts["decode rounds"].value
    assert facts["bytes of all experts"].value == int(trace.page_bytes.sum() if trace.page_bytes is not None else 0)
    assert main(["inspect", str(SAMPLE)]) == 0
    out = capsys.readouterr().out
    assert "0 warnings" in out
    assert "cannot tell" in out


def test_the_chi_square_has_its_degrees() -> None:
    """Over many uniform traces the statistic has the mean and the variance of its law."""
    values = []
    for seed in range(200):
        random = np.random.default_rng(seed)
        ids = np.argsort(random.random((60, 3, 8)), axis=2)[:, :, :3]
        ids[random.random((60, 3)) < 0.2, 2] = -1
        check = next(c for c in inspect(lp.Trace(ids, 8)).checks if c.name == "uniform routing")
        values.append(check.evidence["chi-square"])
        assert check.evidence["degrees"] == 3 * 7
    assert abs(np.mean(values) - 21) < 4 * np.sqrt(42 / 200)
    assert 0.6 < np.var(values) / 42 < 1.6


def test_few_rounds_are_no_evidence() -> None:
    outcomes = {check.name: check.outcome for check in inspect(lp.Trace([[[0, 1]], [[1, 2]]], 64)).checks}
    assert "warning" not in outcomes.values()
    assert outcomes["uniform routing"] == outcomes["sorted by id"] == outcomes["repeated sessions"] == "cannot tell"


def test_what_is_stated_of_a_model() -> None:
    assert stated_top_k({"model": {"num_experts_per_tok": 6}})[0] == 6
    assert stated_top_k({"model": "unknown"}) == (None, "")
    assert stated_experts({"model": "OLMoE-1B-7B_0924"})[0] == 64
    assert all(0 < top < experts for _, top, experts in KNOWN)
    names = [name for name, *_ in KNOWN]
    assert all(one == other or one not in other for one in names for other in names)


@settings(max_examples=60, deadline=None)
@given(trace=traces())
def test_any_trace_can_be_inspected(trace: lp.Trace) -> None:
    found = inspect(trace)
    assert [check.name for check in found.checks] == NAMES
    json.dumps(found.to_dict(), allow_nan=False)


def test_union_events_have_no_router_order() -> None:
    outcomes = {check.name: check.outcome for check in inspect(lp.transforms.merge_prefill(sane())).checks}
    assert outcomes["sorted by id"] == outcomes["strided tokens"] == "cannot tell"


def test_diagnose_and_report_show_the_warnings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, page = str(tmp_path / "sorted.npz"), tmp_path / "page.html"
    for wrong in (True, False):
        lp.save_trace(sorted_ids(wrong), path)
        assert main(["diagnose", path, "--slots", "60", "--against", "lru"]) == 0
        assert ("Look at the trace (sorted by id): The experts" in capsys.readouterr().out) == wrong
        assert main(["report", path, "--slots", "60", "--against", "lru", "-o", str(page)]) == 0
        assert ("Look at the trace (sorted by id)" in page.read_text().partition("<script")[0]) == wrong
        capsys.readouterr()


@pytest.mark.parametrize("requests", ["none", "own count", "one count"])
def test_numbers_that_a_table_skips_are_missing_tokens(
    requests: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for skipped in ((), (3, 4, 9)):
        rows = []
        for token in range(40):
            here = {"none": {}, "own count": {"request": token // 20}, "one count": {"request": token % 2}}[requests]
            number = token % 20 if requests == "own count" else token
            for layer in range(2):
                if token not in skipped:
                    event = [(token + layer) % 6, (token + layer + 2) % 6]
                    rows.append(json.dumps({"token": number, "layer": layer, "experts": event, **here}))
        path = tmp_path / "log.jsonl"
        path.write_text("\n".join(rows) + "\n")
        assert main(["inspect", str(path), "--json"]) == 0
        said = capsys.readouterr()
        checks = {check["name"]: check for check in json.loads(said.out)["checks"]}
        assert checks["missing tokens"]["evidence"]["skipped"] == len(skipped)
        assert ("3 of their numbers have no row" in said.err) == bool(skipped)
        assert checks["missing tokens"]["outcome"] == ("warning" if skipped else "fine")
