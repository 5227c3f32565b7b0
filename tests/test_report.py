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
from layered_paging.analysis.over_time import over_time
from layered_paging.cli import main
from layered_paging.cli.report import configure
from layered_paging.plan import Clock
from layered_paging.prefetch.guessing import guesses
from layered_paging.report.facts import facts
from layered_paging.report.questions import even_share
from layered_paging.report.summary import report_page
from layered_paging.samples import SAMPLE

POLICIES = ("lru", "llru", "lfu", "fifo")


def workload(sessions: int = 4, **more: Any) -> lp.Trace:
    made = lp.workloads.markov(4, 8, 120, top_k=2, stickiness=0.5, exponent=1.0, seed=3, sessions=sessions)
    return lp.Trace(made.experts, made.n_experts, made.sessions, **more)


@pytest.mark.parametrize("reset", ["never", "session", "cache"])
def test_it_says_what_the_other_commands_say(reset: str) -> None:
    trace = workload()
    told = facts(trace, 16, policies=POLICIES, reset=reset)
    runs = {name: lp.replay(trace, name, 16, reset=reset) for name in POLICIES}
    best = lp.optimum(trace, 16, admission="forced", reset=reset)
    assert told["diagnosis"]["by_policy"] == {name: run.misses for name, run in runs.items()}
    assert told["diagnosis"]["optimum"] == best.misses == sum(row["optimum"] for row in told["layers"])
    assert [row["misses"] for row in told["layers"]] == runs["lru"].misses_by_layer.tolist()
    table, curve = told["budgets"], lp.miss_curve(trace, "llru", reset=reset)
    counted = {(row["policy"], row["slots"]): row["misses"] for row in table["rows"]}
    assert table["sizes"][table["here"]] == 16 and len(table["sizes"]) > 10
    for n, size in enumerate(table["sizes"]):
        assert counted["llru", size] == curve[size]
        assert counted["optimum", size] == lp.optimum(trace, size, admission="forced", reset=reset).misses
        assert table["hits"]["llru"][n] == pytest.approx(100 * (1 - curve[size] / trace.requests))
    over = {run["policy"]: run for run in told["over_time"]}
    assert set(over) == {"lru", told["diagnosis"]["best"]}
    recorded = lp.replay(trace, "lru", 16, reset=reset, record=True)
    assert over["lru"]["steady"] == over_time(trace, recorded).steady
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


def test_dense_layers_in_between_change_nothing_that_is_said_of_guesses() -> None:
    plain = workload()
    apart = np.full((plain.rounds, 2 * plain.layers, plain.top_k), -1, plain.experts.dtype)
    apart[:, 1::2] = plain.experts
    between = lp.Trace(apart, [n for n in plain.n_experts for _ in range(2)], plain.sessions, plain.stage)
    rows = [facts(trace, 16, policies=POLICIES)["prefetch"] for trace in (plain, between)]
    assert rows[0] == rows[1] and any(row["misses_named"] for row in rows[0])
    for engine in ("kernel", "reference"):  # nothing is fetched ahead for a layer that has no experts
        guessed = guesses(between, "previous", 2, engine=engine)
        assert (guessed[:, 0::2] == -1).all() and (guessed[:, 1::2] >= 0).any()


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
    page = report_page(everything, title="all fits")
    assert "Nothing to be gained" in page
    assert "Cross-check: chosen on every other distinct session, the policy would stay lru." in page


EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(1)>'\"{{data}}"


def test_nothing_breaks_out_of_the_report() -> None:
    trace = workload(expert_bytes=1000, meta={"model": EVIL, EVIL: 7, "items": [{"category": EVIL}] * 4})
    page = report_page(facts(trace, budget_bytes=16_000, policies=POLICIES), title=EVIL, trace=EVIL)
    assert "<script>alert" not in page and "<img src=x" not in page
    assert page.count("<script") == 2 and page.count("<script>") == 1
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
        assert page.locator("#counted tr.best td").first.inner_text() == "llru"
        assert page.locator("img").count() == 0 and page.locator("svg.chart text").count() > 20
    assert said == []


SIZES = "[...document.querySelectorAll('#counted tbody tr')].map(r => [...r.cells].map(c => c.textContent))"


@pytest.fixture(scope="module")
def shown(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The report of the sample in a browser, and what it was made from."""
    told = facts(lp.load_trace(SAMPLE), 48, policies=("lru", "llru", "slru", "similar-rounds"))
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(report_page(told, title="The sample"))
    page = browser.new_page(viewport={"width": 1000, "height": 900})
    page.goto(path.as_uri())
    return page, told


def test_the_slider_and_the_pointer_show_what_was_counted(shown: Any) -> None:
    page, told = shown
    table = told["budgets"]

    def agrees(at: int) -> None:
        cells = [[name, *row] for name, row in zip(table["names"], table["cells"][at], strict=True)]
        assert page.evaluate(SIZES) == cells
        assert page.locator("#size").inner_text() == table["labels"][at]

    agrees(table["here"])
    slider = page.locator("#budget")
    slider.focus()
    slider.press("Home")
    agrees(0)
    slider.press("ArrowRight")
    agrees(1)
    box = page.locator("#curve").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.999, box["y"] + box["height"] / 2)
    agrees(len(table["sizes"]) - 1)


def test_the_answers_come_first_and_the_rest_is_folded(shown: Any) -> None:
    page, told = shown
    found = told["diagnosis"]
    assert page.locator("h2").all_inner_texts() == [
        "Is it the policy or the memory?",
        "What can I switch on today?",
        "How much memory buys how much?",
    ]
    answers = page.locator(".answer").all_inner_texts()
    assert answers[0] == found["sentences"][0]
    assert found["recommendation"].startswith(answers[1])
    assert answers[2] == told["budgets"]["sentences"][0]
    large, small = (
        page.locator(what).first.evaluate("e => parseFloat(getComputedStyle(e).fontSize)") for what in ("h2", "p")
    )
    assert large > 1.5 * small
    assert page.locator("details").count() == 8 and page.locator("details[open]").count() == 0


def test_the_report_of_the_sample_prints_on_two_pages(shown: Any) -> None:
    page, _ = shown
    assert len(re.findall(rb"/Type */Page\b", page.pdf(prefer_css_page_size=True))) == 2
    page.emulate_media(media="print", color_scheme="dark")
    fill = "e => [getComputedStyle(e).printColorAdjust, getComputedStyle(e).backgroundColor, getComputedStyle(document.body).color]"
    assert page.locator(".answer").first.evaluate(fill) == ["exact", "rgb(246, 246, 244)", "rgb(27, 27, 27)"]
    assert not page.is_visible("#budget") and not page.is_visible("details")
    page.emulate_media(media="screen")


def test_what_no_engine_ships_is_never_the_only_advice(shown: Any) -> None:
    page, told = shown
    assert told["diagnosis"]["best"] == "similar-rounds" and "similar-rounds" not in told["ships"]
    text = page.locator(".question").nth(1).inner_text()
    assert "No engine that is listed ships similar-rounds" in text
    shipped = told["shipped"]
    assert shipped["policy"] in ("slru", "classlru") and shipped["engines"]
    assert f"Of what engines ship, chosen on every other distinct session: {shipped['policy']}, with " in text
    assert shipped["engines"][0]["engine"] in text
    assert "Memory instead: of the budgets counted, lru needs " in page.locator(".question").first.inner_text()
    one = facts(workload(sessions=1), 16, policies=POLICIES)
    assert one["chosen"] is None and one["shipped"] is None
    assert "one session's worth of evidence" in report_page(one, title="one")


def test_the_command_says_what_its_page_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.html"
    words = ["report", str(SAMPLE), "--slots", "48", "--against", "similar-rounds", "slru", "-o", str(page)]
    assert main(words) == 0
    lines = [line[2:] for line in capsys.readouterr().out.splitlines() if line.startswith("- ")]
    shown = html.unescape(page.read_text())
    said = [line for line in lines if "engine" in line]
    assert said and all(line in shown for line in said)


def test_the_commands_say_what_engines_ship_too(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["diagnose", str(SAMPLE), "--slots", "48", "--against", "similar-rounds", "slru"]
    assert main(words) == 0
    out = capsys.readouterr().out
    lru, slru = (lp.replay(lp.load_trace(SAMPLE), name, 48).misses for name in ("lru", "slru"))
    assert (
        "- No engine that is listed ships similar-rounds: it is code to write; of those tried, the best that one ships is slru"
        in out
    )
    assert f"with {100 * (lru - slru) / lru:.1f} % fewer misses (tinyserve: cache_policy=" in out
    assert main([*words[:-1], "fifo"]) == 0
    assert "of those tried, none that an engine ships misses less." in capsys.readouterr().out
    assert main([*words[:-2], "slru"]) == 0
    assert "code to write" not in capsys.readouterr().out


def test_a_share_is_compared_with_an_even_share() -> None:
    told = facts(workload(), 16, policies=("lru",))
    layers = [{"requests": 10, "misses": 9, "best": 9, "optimum": 1} for _ in range(12)]
    told = {**told, "layers": layers, "layer_names": [str(n) for n in range(12)]}
    assert "25.0 % together; an even share of 3 layers would be 25.0 %. So no layer stands out." in even_share(told)
    layers[4] = {"requests": 10, "misses": 99, "best": 9, "optimum": 1}
    said = even_share(told)
    assert (
        "layers 4 (52.7 %), 0 (4.3 %), 1 (4.3 %): 61.3 % together; an even share of 3 layers would be 25.0 %. They stand out."
        in said
    )


def test_tokens_per_second_stand_beside_loads_where_a_clock_is_given() -> None:
    clock = Clock(0.002, 10**9)
    trace = workload(expert_bytes=1 << 20)
    told = facts(trace, 16, policies=("lru", "llru"), clock=clock)
    row = next(r for r in told["budgets"]["rows"] if (r["policy"], r["slots"]) == ("llru", 16))
    run = lp.replay(trace, "llru", 16)
    assert row["rate"] == clock.rate(run.misses / 120, (run.bytes_read or 0) / 120)
    page = report_page(told, title="t", trace="t.npz")
    assert "How much memory buys how many tokens per second?" in page
    assert f"makes {row['rate']:.2f} tokens per second" in page and f"<td>{row['rate']:.2f}</td>" in page
    assert "--compute 0.002s --bandwidth 1000000000" in page
    assert "tokens per second" not in report_page(facts(trace, 16, policies=("lru",)), title="t")


def test_the_commands_of_the_page_name_the_file_of_a_policy_of_ones_own(tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text("from layered_paging.policies.lru import LRU\n\n\nclass Mine(LRU):\n    name = 'mine-of-page'\n")
    page = tmp_path / "page.html"
    words = ["report", str(SAMPLE), "--slots", "48", "--policy", f"{mine}:Mine", "--against", "lru", "-o", str(page)]
    assert main(words) == 0
    commands = [
        line for line in html.unescape(page.read_text()).splitlines() if "layered-paging" in line and "mine" in line
    ]
    assert commands and not any(re.search(r"--(policy|against) (\S+ )*mine-of-page", line) for line in commands)
    assert any(f"--policy {mine}:Mine" in line for line in commands)
