"""The playground in a real browser: its misses, evictions and pictures are ours, and every mode can be played."""

from __future__ import annotations

import json
import random
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

import layered_paging as lp
from layered_paging.cli import main
from layered_paging.engine.run import history
from layered_paging.report.figures import figure
from layered_paging.report.playing import EXAMPLES
from layered_paging.report.replaying import parse_sequence

SHORT = "0,0 1,1 0,2 2,1 0,0 2,1"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("play") / "play.html"
    assert main(["show", "--play", "-o", str(target)]) == 0
    return target


@pytest.fixture
def open_page(path: Path, browser: Any) -> Any:
    """Return a function that opens the playground; nothing may be said on the console or asked of a network."""
    said: list[str] = []
    pages = []

    def opened(fragment: str = "", query: str = "") -> Any:
        page = browser.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: None if request.url.startswith("file:") else said.append(request.url))
        page.goto(path.as_uri() + query + fragment)
        pages.append(page)
        return page

    yield opened
    for page in pages:
        page.close()
    assert not said


PLAY = """games => games.map(({ experts, slots, steps }) => {
  const timeline = new Timeline(new Layout(experts), steps);
  return Object.fromEntries(Object.keys(PLAYERS).map(name =>
    [name, playerPlays(timeline, slots, name).frames.map(f => [f.absent, f.evicted, f.slots.filter(p => p >= 0).sort((a, b) => a - b)])]));
})"""


def drawn(seed: int) -> dict[str, Any]:
    """Return a random game: unequal layers, events of several experts, some of none."""
    rng = random.Random(seed)
    experts = [rng.randint(1, 5) for _ in range(rng.randint(1, 4))]
    first = [sum(experts[:j]) for j in range(len(experts))]
    most = 1 if seed % 2 else 3
    steps = []
    for t in range(len(experts) * rng.randint(2, 9)):
        layer = t % len(experts)
        size = 0 if rng.random() < 0.04 else min(rng.randint(1, most), experts[layer])
        steps.append(sorted(first[layer] + e for e in rng.sample(range(experts[layer]), size)))
    least = max(1, *map(len, steps))
    return {"experts": experts, "slots": rng.randint(least, max(least, sum(experts))), "steps": steps}


def as_trace(game: dict[str, Any]) -> lp.Trace:
    experts, layers = game["experts"], len(game["experts"])
    rounds = []
    for at in range(0, len(game["steps"]), layers):
        row = [[p - sum(experts[:j]) for p in event] for j, event in enumerate(game["steps"][at : at + layers])]
        rounds.append([event + [-1] * (3 - len(event)) for event in row])
    return lp.Trace(rounds, experts)


def test_every_policy_and_the_optimum_are_ours(open_page: Any) -> None:
    games = [drawn(seed) for seed in range(200)]
    page = open_page()
    names = page.evaluate("Object.fromEntries(Object.entries(PLAYERS).map(([name, p]) => [name, p.python]))")
    assert {"lru", "llru", "fifo", "lfu", "mark-far", "clock", "opt"} <= set(names)
    evictions = 0
    for game, plays in zip(games, page.evaluate(PLAY, games), strict=True):
        trace = as_trace(game)
        for name, ours in names.items():
            for step, (absent, evicted, held) in zip(
                history(trace, "belady" if ours == "opt" else ours, game["slots"]), plays[name], strict=True
            ):
                assert (sorted(step.misses), list(step.evicted)) == (absent, evicted), (name, game)
                assert sorted(step.resident) == held
                evictions += len(evicted)
        best = lp.optimum(trace, game["slots"], admission="forced").misses
        assert sum(len(absent) for absent, _, _ in plays["opt"]) == best
    assert evictions > 10_000


CONSIDERED = """games => games.flatMap(({ experts, slots, steps }) => {
  const timeline = new Timeline(new Layout(experts), steps);
  return Object.entries(PLAYERS).filter(([, { rule }]) => RULES[rule].order && !RULES[rule].flush).flatMap(([name, { rule, params }]) =>
    playerPlays(timeline, slots, name).frames.map((frame, t) => {
      const first = considered(timeline, frame, t, RULES[rule], params).slice(0, frame.evicted.length).map(f => f.page);
      return first.join() === frame.evicted.join() ? frame.evicted.length : `${name}, step ${t}: ${first} but ${frame.evicted}`;
    }));
})"""


def test_what_could_go_is_listed_in_the_order_of_the_evictions(open_page: Any) -> None:
    found = open_page().evaluate(CONSIDERED, [drawn(seed) for seed in range(200)])
    assert not [line for line in found if isinstance(line, str)][:3]
    assert found.count(2) > 100 and found.count(1) > 5_000


def test_the_optimum_is_that_of_every_beginning(open_page: Any) -> None:
    games = [game for seed in range(40) if (game := drawn(seed))["steps"]]
    for game, plays in zip(games, open_page().evaluate(PLAY, games), strict=True):
        layers, misses = len(game["experts"]), 0
        for n, (absent, _, _) in enumerate(plays["opt"], start=1):
            misses += len(absent)
            if n % layers == 0 and any(game["steps"][:n]):
                part = as_trace({**game, "steps": game["steps"][:n]})
                assert lp.optimum(part, game["slots"], admission="forced").misses == misses


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("form", ["svg", "tikz"])
def test_the_exported_picture_is_the_commands(form: str, seed: int, open_page: Any, tmp_path: Path) -> None:
    game = [drawn(2 * seed + 1), drawn(2 * seed)][seed % 2]
    page = open_page()
    page.evaluate("g => change({ ...g, players: ['lru', 'llru', 'mark-far', 'opt'], step: g.steps.length })", game)
    page.click(f"#{form}")
    exported = page.input_value("#export-text")
    ours = figure(as_trace(game), ["lru", "llru", "mark-far", "opt"], game["slots"], form=form)
    assert exported == ours
    if form == "svg":
        assert ET.fromstring(ours).tag.endswith("svg")
    else:
        assert ours.count("{") == ours.count("}") and ours.count("\\begin") == ours.count("\\end")


def test_the_static_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["show", "--sequence", SHORT, "--slots", "3", "--static"]
    for name, form in [("board.svg", "svg"), ("board.tex", "tikz")]:
        assert main([*words, str(tmp_path / name)]) == 0
        assert (tmp_path / name).read_text() == figure(parse_sequence(SHORT), ["lru", "llru", "opt"], 3, form=form)
        assert "lru: 12 misses of 12 requests" in capsys.readouterr().out
    for wrong, message in [
        ([*words, str(tmp_path / "board.png")], "--static must end in .svg or .tex"),
        ([*words, "b.svg", "--pool", "per-layer"], "--static draws a shared pool"),
        (["show", "--play", "--sequence", SHORT, "-o", "p.html"], "--play takes no trace"),
        (["show", "--sequence", SHORT, "--slots", "3"], "-o"),
        (["show", "--sequence", SHORT, "-o", "p.html"], "--slots"),
        (["show", "--play"], "-o"),
    ]:
        assert main(wrong) == 2
        assert message in capsys.readouterr().err


def test_watch_draw_step_and_undo(open_page: Any) -> None:
    page = open_page("#layers=2&experts=2&slots=2&policies=lru,opt")
    assert "The board is empty" in page.inner_text("#now")
    for at in ("0:0", "1:1", "2:1"):
        page.click(f'[data-at="{at}"]')
    assert page.input_value("#sequence") == "0,1 1"
    assert (
        page.evaluate("location.hash")
        == "#mode=watch&layers=2&experts=2&slots=2&policies=lru,opt&sequence=0,1_1&step=3"
    )
    assert page.locator("#board .name").all_inner_texts() == ["LRU3 misses of 3 requests", "OPT3 misses of 3 requests"]
    page.click('[data-at="2:0"]', modifiers=["Shift"])
    assert page.input_value("#sequence") == "0,1 0+1"
    page.click("#undo")
    assert page.input_value("#sequence") == "0,1 1"
    page.keyboard.press("u")
    assert page.input_value("#sequence") == "0,1"
    page.click("#back")
    assert page.inner_text("#now").startswith("Step 0: layer a asks for a0. LRU: miss, OPT: miss.")
    assert "a0: a miss; there is a free slot" in page.locator("#reasons .panel").first.inner_text()
    # with the keyboard alone
    page.focus('[data-at="0:0"]')
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    assert page.input_value("#sequence") == "0,1 1"
    page.keyboard.press("ArrowUp")
    page.keyboard.press("+")
    assert page.input_value("#sequence") == "0,1 0+1"
    page.keyboard.press("Delete")
    assert page.input_value("#sequence") == "0,1"


def test_an_eviction_is_explained_by_its_rule(open_page: Any) -> None:
    page = open_page(f"#layers=2&experts=3&slots=3&policies=lru,llru,opt&sequence={SHORT.replace(' ', '_')}&step=4")
    for panel, step in zip(page.locator("#reasons .panel").all(), range(3), strict=True):
        name = ("lru", "llru", "belady")[step]
        gone = list(history(parse_sequence(SHORT, 3), name, 3))[3].evicted
        label = f"{'ab'[gone[0] // 3]}{gone[0] % 3}"
        assert f"{label} goes (" in panel.inner_text()
        assert panel.locator("tbody tr").first.inner_text().startswith(label)


def test_predict_is_scored(open_page: Any) -> None:
    page = open_page("#mode=predict&layers=2&experts=3&slots=3&policy=lru&sequence=0,0_1,1_0")
    for _ in range(3):
        page.click("text='miss'")
    page.click("text='hit'")  # b1 is absent, and the cache is full
    assert "No: LRU misses." in page.inner_text("#card")
    page.keyboard.press("1")  # a0, the oldest
    assert "right 4 of 5" in page.inner_text("#card")
    page.click("text='miss'")
    page.click("#card >> text='a1'")  # but b0 is older
    assert "The end: 5 of 7 right" in page.inner_text("#card")
    assert page.locator("#board .said").all_inner_texts() == ["✓", "✓", "✓", "✗", "✗"]
    assert page.evaluate("location.hash").endswith("&answers=1,1,1,0:0,1:1")
    page.click("#undo")
    assert "Who goes?" in page.inner_text("#card")
    style = "e => [getComputedStyle(e).display, getComputedStyle(e).columnGap]"
    assert page.locator("#card .row-of-buttons").evaluate(style) == ["flex", "6.4px"]
    # an answer by keyboard leaves the focus on the next question
    page.focus("#card button")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.closest('#card') !== null") or "The end" in page.inner_text("#card")


def test_be_the_cache_against_the_optimum(open_page: Any) -> None:
    page = open_page(f"#mode=cache&layers=2&experts=3&slots=3&policies=lru,llru,opt&sequence={SHORT.replace(' ', '_')}")
    assert page.input_value("#sequence") == "" and "?" in page.inner_text("#board .asks")  # what comes is hidden
    best = [p for step in history(parse_sequence(SHORT, 3), "belady", 3) for p in step.evicted]
    for victim in best:
        page.click(f"#card >> text='{'ab'[victim // 3]}{victim % 3}'")
    assert "you are as good as the optimum" in page.inner_text("#card")
    assert re.findall(r"\d+ miss", " ".join(page.locator("#board .name").all_inner_texts())) == [
        "7 miss", "12 miss", "9 miss", "7 miss",
    ]  # fmt: skip
    page.click("#again")
    page.check("#future")
    assert page.input_value("#sequence") == SHORT


def test_be_the_adversary(open_page: Any) -> None:
    page = open_page("#mode=adversary&layers=2&experts=2&slots=3&policy=lru")
    for at, page_name in enumerate(["a0", "b0", "a1", "b1"] * 2):
        page.click(f"#card >> text='{page_name}'")
        if at == 3:
            page.click("text=a cycle begins here")
    page.click("text=repeat steps 4 to 7 ten times")
    assert page.evaluate("game.steps.length") == 48
    trace = parse_sequence("0,0 1,1 " * 12)
    cost, best = (lp.replay(trace, name, 3).misses for name in ("lru", "belady"))
    assert cost == 48
    assert page.locator("#card .score span").all_inner_texts() == [
        f"LRU {cost}", f"optimum {best}", f"ratio {cost} / {best} = {cost / best:.2f}", "in the cycle 44 / 14 = 3.14",
    ]  # fmt: skip
    text = page.inner_text("#chart")
    assert "k\n" in text + "\n" and "k − l + 1" in text
    page.check("text=hints")
    assert "optimum +" in page.inner_text("#card")
    page.select_option("#target", "llru")
    assert "LLRU" in page.inner_text("#card")


PROOF = """games => games.map(({ experts, slots, target, rounds }) => {
  let game = { ...START, experts, slots, target, steps: [] };
  for (let r = 0; r < rounds; r++) game = { ...game, steps: proofRound(game) };
  const { cost, optimum, lower } = duel(game, new Timeline(new Layout(experts), game.steps));
  return [game.steps.length, cost[cost.length - 1], optimum[optimum.length - 1], lower];
})"""


def test_the_proofs_adversary_forces_its_bound(open_page: Any) -> None:
    page = open_page("#mode=adversary&layers=3&experts=2,3,2&slots=4&policy=fifo")
    games = [
        {"experts": experts, "slots": slots, "target": target, "rounds": 90}
        for experts, slots in [([2, 2], 3), ([2, 3, 2], 4), ([3, 3], 5), ([4], 3)]
        for target in ("lru", "llru", "fifo", "lfu", "mark-far")
    ]
    for game, (steps, cost, best, lower) in zip(games, page.evaluate(PROOF, games), strict=True):
        assert steps == 90 * len(game["experts"]) and lower == game["slots"] - len(game["experts"]) + 1
        k = game["slots"]  # both load k pages first, and the last phase may be unfinished
        assert best > 20 and cost - k >= lower * (best - k - 1), game
    page.click("text=a round of the proof")
    page.click("text=a round of the proof")
    assert page.evaluate("game.steps.map(s => s[0])") == [0, 2, 5, 1, 3, 5]  # five pages: two, two and one


def test_links_come_back_as_they_were(open_page: Any) -> None:
    page = open_page()
    fragments = [*(text for _, text in EXAMPLES)]
    for fragment in fragments:
        once = page.evaluate("f => writeFragment(readFragment(f))", fragment)
        assert page.evaluate("f => writeFragment(readFragment(f))", once) == once
    games = [drawn(seed) for seed in range(60)]
    back = page.evaluate("gs => gs.map(g => readSequence(writeSequence(g.steps, g.experts), g.experts))", games)
    assert back == [game["steps"] for game in games]
    texts = page.evaluate("gs => gs.map(g => writeSequence(g.steps, g.experts))", games)
    for text, game in zip(texts, games, strict=True):  # and the command reads the same
        got = parse_sequence(text, game["experts"])
        assert [sorted(e for e in row if e >= 0) for r in got.experts.tolist() for row in r] == [
            [p - sum(game["experts"][: t % len(game["experts"])]) for p in step] for t, step in enumerate(game["steps"])
        ]


@pytest.mark.parametrize(
    ("fragment", "words"),
    [
        ("#layers=9", "layers must be a number from 1 to 8"),
        ("#sequence=0,0_5,0", "experts are 0 to 2; got 5"),
        ("#sequence=0,0,0", "names 3 layers; there are 2"),
        ("#layers=1&sequence=<img/src=x_onerror=alert(1)>", "write experts as numbers"),
        ("#policies=lru,nothing", "policies are lru"),
        ("#mode=sleep", "mode must be watch"),
        ("#slots=1&sequence=0+1,0", "slots must hold the largest event, 2"),
        ("#mode=cache&slots=2&sequence=0,0_1,1&victims=9", "a victim must be a number from 0 to 5"),
        ("#mode=cache&slots=2&sequence=0,0_1,1&victims=5", "b2 cannot be given up there"),
        ("#mode=predict&sequence=0,0&answers=1,1,1", "more answers than questions"),
        ("#odd=1", 'got "odd"'),
        ("#sequence=%E0%A4%A", "cannot be played"),
    ],
)
def test_what_cannot_be_played_is_said(fragment: str, words: str, open_page: Any) -> None:
    page = open_page(fragment)
    assert words in page.inner_text("#wrong")
    assert page.locator("#board .name").count() >= 1 and page.locator("img").count() == 0


FUZZ = """fragments => fragments.map(text => {
  try {
    const game = readFragment(text), timeline = timelineOf(game);
    VIEWS[game.mode](game, timeline);
    return writeFragment(readFragment(writeFragment(game))) === writeFragment(game) ? "played" : "another game came back";
  } catch (error) { return error instanceof Wrong || error instanceof URIError ? "refused" : String(error.stack); }
})"""


def test_any_address_is_played_or_refused(open_page: Any) -> None:
    rng = random.Random(11)
    seeds = [text for _, text in EXAMPLES] + [
        "mode=predict&policy=lru&sequence=0,0_1,1_0,2&answers=1,1,1,1:0",
        "mode=cache&slots=3&policies=fwf,opt&sequence=0,0_1,1_0,2&victims=0",
    ]
    bits = [
        *"0123456789,_+-:&=%#",
        "mode=",
        "adversary",
        "cache",
        "predict",
        "opt",
        "llru-near",
        "&cycle=3",
        "&step=9",
        "é",
    ]
    texts = []
    for _ in range(3000):
        text = rng.choice(seeds)
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(text) + 1)
            text = text[:at] + rng.choice(["", rng.choice(bits)]) + text[at + rng.randint(0, 2) :]
        texts.append(text)
    found = open_page().evaluate(FUZZ, texts)
    assert set(found) == {"played", "refused"}, set(found) - {"played", "refused"}
    assert min(found.count("played"), found.count("refused")) > 200


def test_a_wrong_setting_changes_nothing(open_page: Any) -> None:
    page = open_page("#layers=2&experts=3&slots=3&policies=lru&sequence=0,0_1,1")
    before = page.evaluate("location.hash")
    page.fill("#sequence", "0,0 7,1")
    page.press("#sequence", "Enter")
    assert "experts are 0 to 2; got 7" in page.inner_text("#wrong")
    assert page.evaluate("location.hash") == before and page.input_value("#sequence") == "0,0 7,1"
    page.fill("#sequence", "0,0 2,1")
    page.press("#sequence", "Enter")
    assert not page.is_visible("#wrong") and "sequence=0,0_2,1&step=4" in page.evaluate("location.hash")
    page.fill("#layers", "3")
    page.press("#layers", "Enter")
    assert page.evaluate("game.experts") == [3, 3, 3] and page.evaluate("game.steps") == []


def test_embedded_and_read_out(open_page: Any) -> None:
    page = open_page("#mode=watch&sequence=0,0_1,1&step=2", "?embed")
    assert not page.is_visible("h1") and not page.is_visible("#layers") and page.is_visible("#board")
    assert page.get_attribute("#full a", "href").endswith("play.html#mode=watch&sequence=0,0_1,1&step=2")
    assert page.get_attribute("#now", "aria-live") == "polite"
    assert page.locator("#board th[scope=row]").count() and page.locator("#board tbody[aria-label=LRU]").count() == 1


def test_the_page_is_one_file(path: Path) -> None:
    text = path.read_text()
    assert "default-src 'none'; script-src 'sha256-" in text and len(text) < 120_000
    assert not re.search(r"""(src|href)=["']?http""", text) and "{{" not in text
    assert json.loads(re.search(r'id="data">(.*?)</script>', text)[1])["examples"]  # type: ignore[index]
