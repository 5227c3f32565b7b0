"""The report: what it says is what replay, optimum and guesses say, nothing breaks out of it, and a browser shows it."""

from __future__ import annotations

import argparse
import html
import json
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layered_paging as lp
from layered_paging.cli import main
from layered_paging.cli.report import configure
from layered_paging.prefetch.guessing import guesses
from layered_paging.report.facts import facts
from layered_paging.report.summary import report_page

POLICIES = ("lru", "llru", "lfu", "fifo")


def workload(sessions: int = 4, **more: Any) -> lp.Trace:
    made = lp.workloads.markov(4, 8, 120, top_k=2, stickiness=0.5, exponent=1.0, seed=3, sessions=sessions)
    return lp.Trace(made.experts, made.n_experts, made.sessions, **more)


@pytest.mark.parametrize("reset", ["never", "session"])
def test_it_says_what_the_other_commands_say(reset: str) -> None:
    trace = workload()
    told = facts(trace, 16, policies=POLICIES, reset=reset)
    runs = {name: lp.replay(trace, name, 16, reset=reset) for name in POLICIES}
    best = lp.optimum(trace, 16, admission="forced", reset=reset)
    assert told["diagnosis"]["by_policy"] == {name: run.misses for name, run in runs.items()}
    assert told["diagnosis"]["optimum"] == best.misses == sum(row["optimum"] for row in told["layers"])
    assert [row["misses"] for row in told["layers"]] == runs["lru"].misses_by_layer.tolist()
    assert told["curves"]["llru"] == lp.miss_curve(trace, "llru", reset=reset).tolist()
    assert told["curves"]["optimum (bypass)"][16] == lp.optimum(trace, 16, admission="bypass", reset=reset).misses
    before, after = (runs[name].misses_by_session.sum(axis=1) for name in ("lru", told["diagnosis"]["best"]))
    evidence = told["diagnosis"]["evidence"]
    assert evidence["mean"] == pytest.approx(float((before - after).sum() / before.sum()))
    assert evidence["better"] == int((after < before).sum())
    chosen = told["chosen"]
    halves = {name: run.misses_by_session.sum(axis=1) for name, run in runs.items()}
    assert chosen["misses"] == halves[chosen["policy"]][1::2].sum()
    assert halves[chosen["policy"]][0::2].sum() == min(h[0::2].sum() for h in halves.values())


def test_misses_that_a_guess_names_are_counted() -> None:
    trace = workload()
    told = facts(trace, 16, policies=POLICIES)
    run = lp.replay(trace, "lru", 16, record=True)
    guessed = guesses(trace, "previous", 2)
    order = np.sort(trace.experts, axis=2)  # members are replayed in the order of their numbers
    named = right = 0
    for r, j, q in np.ndindex(order.shape):
        inside = int(order[r, j, q]) in guessed[r, j].tolist()
        right += inside
        named += inside and bool(run.missed[r, j, q])
    row = next(row for row in told["prefetch"] if row["predictor"] == "previous")
    assert row["recall"] == right / trace.requests
    assert row["misses_named"] == named / run.misses


def test_a_profile_is_judged_on_the_other_half() -> None:
    # two halves that never use the same expert: a profile of the other half is worth nothing
    ids = np.array([[[s % 2 * 4 + r % 2]] for s in range(4) for r in range(10)])
    trace = lp.Trace(ids, 8, [0, 10, 20, 30])
    told = facts(trace, 2, policies=("lru",), reset="session")
    assert told["transfer"]["other"] == [0.0, 0.0]
    assert told["transfer"]["same"] == [1.0, 1.0]
    assert told["transfer"]["distance"] == [1.0]
    assert facts(workload(sessions=1), 16, policies=("lru",))["transfer"] is None


def test_the_command_that_is_shown_makes_the_same_report() -> None:
    told = facts(workload(), 16, policy="fifo", policies=("lru", "lfu-decay(half_life=3)"))
    shown = re.search(r"layered-paging report t\.npz .*", html.unescape(report_page(told, title="t", trace="t.npz")))
    assert shown is not None
    parser = argparse.ArgumentParser()
    configure(parser)
    args = parser.parse_args(shlex.split(shown[0])[2:])
    again = facts(workload(), args.slots, policy=args.policy, policies=args.against, reset=args.reset)
    assert again == told


def test_sessions_without_a_request_are_no_half() -> None:
    ids = np.concatenate([workload(1).experts[:20], np.full((20, 4, 2), -1), workload(1).experts[20:40]])
    for starts, judged in (([0, 20], False), ([0, 20, 40], True)):
        told = facts(lp.Trace(ids[: 20 * len(starts)], 8, starts), 16, policies=POLICIES)
        assert (told["transfer"] is not None) == judged
        report_page(told, title="t")


def test_a_policy_that_is_best_is_kept() -> None:
    told = facts(workload(), 16, policies=("fifo",))
    assert told["diagnosis"]["recommendation"].startswith("Recommendation: stay with lru")
    everything = facts(workload(), 32, policies=POLICIES)  # nothing is ever evicted
    assert everything["diagnosis"]["recommendation"].startswith("Recommendation: stay with lru")
    assert "Nothing to be gained" in report_page(everything, title="all fits")


EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(1)>'\"{{data}}"


def test_nothing_breaks_out_of_the_report() -> None:
    trace = workload(expert_bytes=1000, meta={"model": EVIL, EVIL: 7, "items": [{"category": EVIL}] * 4})
    page = report_page(facts(trace, budget_bytes=16_000, policies=POLICIES), title=EVIL, trace=EVIL)
    assert "<script>alert" not in page and "<img src=x" not in page
    assert page.count("<script") == 1
    block = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert block is not None
    assert json.loads(block[1])["trace"]["meta"] == {"model": EVIL, EVIL: 7}


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = tmp_path / "t.npz", tmp_path / "report.html"
    lp.save_trace(workload(expert_bytes=2**20), source)
    words = ["report", str(source), "--bytes", "16MiB", "--against", *POLICIES, "--reset", "session"]
    assert main([*words, "-o", str(target), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["diagnosis"]["slots"] == 16 and answer["bytes"] == target.stat().st_size
    first = target.read_bytes()
    assert main([*words, "-o", str(target)]) == 0
    assert target.read_bytes() == first  # the same trace gives the same page
    for wrong, message in [
        (["-o", str(tmp_path / "r.pdf"), "--slots", "16"], "must end in .html"),
        (["-o", str(target), "--slots", "1"], "slots must hold the largest event"),
        (["-o", str(target), "--slots", "16", "--policy", "lruu"], "did you mean 'lru'"),
        (["-o", str(tmp_path / "no" / "r.html"), "--slots", "16"], "cannot be written"),
    ]:
        capsys.readouterr()
        assert main(["report", str(source), "--against", "lru", *wrong]) == 2
        assert message in capsys.readouterr().err


def test_a_browser_shows_it(browser: Any, tmp_path: Path) -> None:
    trace = workload(expert_bytes=2**20, meta={"model": EVIL})
    path = tmp_path / "report.html"
    path.write_text(report_page(facts(trace, 16, policies=POLICIES), title=EVIL))
    page = browser.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda r: None if r.url.startswith(("file:", "data:")) else said.append(r.url))
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        page.goto(path.as_uri())
        assert page.title() == EVIL
        assert page.locator("h1").inner_text() == EVIL
        assert page.locator("tr.best td").first.inner_text() == "llru"
        sizes = page.evaluate("[...document.images].map(i => [i.complete, i.naturalWidth, i.alt.length])")
        assert len(sizes) == 2 and all(done and width > 100 and alt for done, width, alt in sizes)
    assert said == []
