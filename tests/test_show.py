"""The replay page: its data equal the replay's, and it works in a real browser."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import layered_paging as lp
from layered_paging.certificate import Certificate
from layered_paging.cli import main
from layered_paging.core.cutting import window
from layered_paging.engine.run import history
from layered_paging.errors import ParameterError
from layered_paging.policies.names import resolve
from layered_paging.report.opponents import attack
from layered_paging.report.replaying import parse_sequence, replay_page
from layered_paging.report.witness import _trace
from layered_paging.samples import SAMPLE

SLIDE = "0,0 1,1 2,0 0,1 1,0 2,2 0,0 1,2"


def embedded(page: str) -> Any:
    match = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert match is not None
    return json.loads(match[1])


def test_a_sequence_is_read() -> None:
    trace = parse_sequence("0,1 2+0,-")
    assert trace.experts.tolist() == [[[0, -1], [1, -1]], [[2, 0], [-1, -1]]]
    assert tuple(trace.n_experts) == (3, 2)
    for text, word in [
        ("", "at least one round"),
        ("0,x", "round 0, layer 1"),
        ("0,1 2", "round 1: every round must have 2 layers; got 1"),
        ("0," + "9" * 7, "round 0, layer 1"),
    ]:
        with pytest.raises(ParameterError, match=re.escape(word)):
            parse_sequence(text)


@pytest.mark.parametrize("pool", ["shared", "per-layer"])
@pytest.mark.parametrize("admission", ["forced", "bypass"])
@pytest.mark.parametrize("reset", ["never", "session", "cache"])
def test_the_page_counts_what_the_replay_counts(pool: str, admission: str, reset: str) -> None:
    trace = window(lp.load_trace(SAMPLE), 40, 60)
    options = {"pool": pool, "admission": admission, "reset": reset}
    names = ["lru", "llru", "opt", "marking", "s3-fifo"]
    data = embedded(replay_page(trace, names, 48, **options, seed=3))
    for name, policy in zip(names, data["policies"], strict=True):
        run = lp.replay(trace, "belady" if name == "opt" else name, 48, **options, seed=3)
        assert sum(m.bit_count() for m in policy["missed"]) == run.misses
        assert sum(len(step) for step in data["steps"]) == run.requests


def test_nothing_breaks_out_of_the_page() -> None:
    evil = "</script><script>alert(1)</script><img src=x onerror=alert(1)>{{data}}{{policy}}"
    page = replay_page(parse_sequence(SLIDE), ["lru"], 3, title=evil, note=evil)
    assert "<script>alert" not in page and "<img" not in page
    assert embedded(page)["note"] == evil
    assert page.count("<script") == 4 and "default-src &" not in page
    assert re.search(r"default-src 'none'; script-src( 'sha256-[^']+'){3}; style-src 'sha256-[^']+'", page)
    assert "http://www.w3.org" in page and not re.search(r"""(src|href)=["']?http""", page)  # no request to anywhere


def test_limits() -> None:
    trace = parse_sequence(SLIDE)
    for call, word in [
        (lambda: replay_page(trace, [], 3), "1 to 8 policies"),
        (lambda: replay_page(lp.Trace([[[0]]] * 20_001), ["lru"], 1), "1 to 20,000 steps; got 20,001"),
        (lambda: replay_page(lp.Trace([[0]], n_experts=200_000), ["lru"], 1), "at most 100,000 pages"),
        (lambda: window(trace, 8, None), "start must be below 8"),
    ]:
        with pytest.raises(ParameterError, match=re.escape(word)):
            call()


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "replay.html"
    words = ["show", str(SAMPLE), "--slots", "48", "--from", "10", "--rounds", "400", "-o", str(out), "--json"]
    assert main(words) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["rounds"] == 400 and answer["bytes"] == out.stat().st_size < 2_000_000
    cut = window(lp.load_trace(SAMPLE), 10, 400)
    assert [row["misses"] for row in answer["runs"]] == [
        lp.replay(cut, name, 48).misses for name in ("lru", "llru", "belady")
    ]
    for wrong, word in [
        (["show", "--slots", "3", "-o", str(out)], "a trace file or --sequence"),
        (["show", "--sequence", SLIDE, "--slots", "3", "-o", "x.txt"], "must end in .html"),
        (["show", "--sequence", SLIDE, "--slots", "3", "--policy", "llruu", "-o", str(out)], "did you mean 'llru'"),
    ]:
        assert main(wrong) == 2
        assert word in capsys.readouterr().err


def opened(browser: Any, path: Path, words: list[str], place: str = "") -> tuple[Any, list[str]]:
    """Open a page written by the command; the list gathers whatever the console says."""
    assert main(["show", *words, "-o", str(path)]) == 0
    page = browser.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith("file:") else said.append(request.url))
    page.goto(path.as_uri() + place)
    return page, said


def until(page: Any, condition: str) -> None:
    """Wait for a condition (the page's policy forbids the eval that playwright's own wait needs)."""
    for _ in range(200):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(condition)


def counts(page: Any) -> list[int]:
    texts = page.locator(".counts").all_inner_texts()
    return [int(re.search(r"hits?, ([\d,]+) miss", text)[1].replace(",", "")) for text in texts]  # type: ignore[index]


def test_play_step_and_jump(browser: Any, tmp_path: Path) -> None:
    page, said = opened(
        browser, tmp_path / "a.html", [str(SAMPLE), "--slots", "24", "--rounds", "120", "--reset", "session"], "#step=0"
    )
    trace = window(lp.load_trace(SAMPLE), 0, 120)
    names = ["lru", "llru", "belady"]
    runs = [lp.replay(trace, name, 24, reset="session", record=True) for name in names]

    def expected(steps: int) -> list[int]:
        return [int(run.missed.reshape(-1, trace.top_k)[:steps].sum()) for run in runs if run.missed is not None]

    assert counts(page) == expected(1)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.click("#next")
    assert counts(page) == expected(4)
    page.keyboard.press("ArrowLeft")
    assert counts(page) == expected(3)
    page.keyboard.press("Shift+ArrowRight")
    assert counts(page) == expected(trace.layers + 1)  # the first step of the next round
    for step in (700, 5, 419):  # far on, back, on: contents are rebuilt from what is kept
        page.fill("#jump", str(step))
        page.press("#jump", "Enter")
        assert counts(page) == expected(step + 1)
        assert f"Step {step} of" in page.inner_text("#now")
    until(page, "location.hash === '#step=419'")
    page.select_option("#speed", "100")
    page.click("#play")
    until(page, "Number(document.getElementById('slider').value) > 425")
    page.keyboard.press("t")
    page.click("#play")
    stopped = int(page.input_value("#slider"))
    assert counts(page) == expected(stopped + 1)
    page.keyboard.press("End")
    assert counts(page) == [run.misses for run in runs]
    assert page.is_disabled("#next") and not said


def test_the_reasons_are_the_policys_own(browser: Any, tmp_path: Path) -> None:
    """R and D that the page computes are those by which the reference class orders its candidates."""
    for number, name in enumerate(["llru", "llru(rounds='absolute', same_layer='near')"]):
        words = ["--sequence", SLIDE, "--experts", "3", "--slots", "3", "--policy", name, "opt"]
        page, said = opened(browser, tmp_path / f"{number}.html", words, "#step=0")
        trace = parse_sequence(SLIDE, 3)
        reference: Any = resolve(name).make(trace.instance(3))
        from layered_paging.engine.run import history

        for step in history(trace, name, 3):
            for member in (*step.hits, *step.misses):
                reference.hit(member, step.event.time)
            shown = page.locator(".why").first.inner_text()
            for victim in step.evicted:
                r, d = (-x for x in reference._order(victim, step.event.time))
                assert f"evicted: R = {r}, D = {d}:" in shown
            # the table's first row is the victim
            if len(step.evicted) == 1:
                assert "✕" in page.locator(".why-table").first.locator("tbody tr").first.inner_text()
            best = page.locator(".why-table").nth(1).locator("tbody tr")
            assert best.count() == 0 or "✕" in best.first.inner_text()
            holds = page.locator(".unseen").first.text_content().split()[1:]
            assert holds == [f"{'ab'[p // 3]}{p % 3}" for p in sorted(step.resident)]
            page.keyboard.press("ArrowRight")
        assert not said


ORDERS = """() => data.policies.map((policy, p) => {
  const wrong = [];
  for (now = 0; now < N; now++) {
    panel(p);
    const gone = policy.evicted[now], first = choices(p).slice(0, gone.length).map(f => f.page);
    if (gone.join() !== first.join()) wrong.push([now, gone, first]);
  }
  return wrong;
})"""
RULED = ["lru", "llru(rounds='absolute')", "lfu", "lfu(history='cache')", "fifo", "lifo", "lru-2", "mark-far"]
MORE_RULED = ["llru", "llru(same_layer='near')", "mark-lru", "least-stale", "opt"]


@pytest.mark.parametrize("names", [RULED, MORE_RULED], ids=["these", "those"])
@pytest.mark.parametrize("admission", ["forced", "bypass"])
@pytest.mark.parametrize("pool", ["shared", "per-layer"])
@pytest.mark.parametrize("reset", ["never", "session", "cache"])
def test_the_order_shown_is_that_of_the_evictions(
    reset: str, pool: str, admission: str, names: list[str], browser: Any, tmp_path: Path
) -> None:
    made = lp.workloads.markov(3, 5, 40, top_k=2, stickiness=0.4, exponent=0.5, seed=9, sessions=3)
    path = tmp_path / "a.html"
    path.write_text(replay_page(made, names, 8, pool=pool, admission=admission, reset=reset))
    page = browser.new_page()
    page.goto(path.as_uri())
    assert page.evaluate("[data.sessions.length, N]") == [2, 120]
    assert min(page.evaluate("data.policies.map(p => p.evicted.filter(gone => gone.length > 1).length)")) > 2
    for name, wrong in zip(names, page.evaluate(ORDERS), strict=True):
        assert not wrong, (name, wrong[:3])
    page.close()


def test_a_link_opens_at_its_step_and_hostile_titles_are_text(browser: Any, tmp_path: Path) -> None:
    evil = "</title><script>document.title='owned'</script>"
    words = ["--sequence", SLIDE, "--slots", "3", "--title", evil]
    page, said = opened(browser, tmp_path / "a.html", words, "#step=9")
    assert "Step 9 of 15" in page.inner_text("#now")
    assert page.title() == evil and page.inner_text("h1") == evil
    page.evaluate("location.hash = '#step=2'")
    until(page, "document.getElementById('now').textContent.startsWith('Step 2 ')")
    assert not said


def test_five_thousand_steps_stay_small_and_are_painted(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    trace = lp.workloads.zipf(layers=24, experts=32, rounds=208, top_k=4, seed=1)
    lp.save_trace(trace, tmp_path / "t.npz")
    page, said = opened(browser, path, [str(tmp_path / "t.npz"), "--slots", "192"])
    assert path.stat().st_size < 2_000_000
    assert page.evaluate("data.steps.length") == 4992
    until(page, "performance.getEntriesByName('first-contentful-paint').length > 0")
    print("first paint, ms:", page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
    assert not said


def test_a_board_shows_what_the_replay_does() -> None:
    trace = parse_sequence(SLIDE, 3)
    for name in ("lru", "llru", "opt"):
        page = lp.report.board(trace, name, 3)
        misses = lp.replay(trace, "belady" if name == "opt" else name, 3).misses
        assert page.count("✕") == misses and f"{misses} missed" in page
        columns = re.findall(r"<td[^>]*>([a-z]\d|)</td>", page)
        steps = trace.rounds * trace.layers
        for at, step in enumerate(history(trace, "belady" if name == "opt" else name, 3)):
            held = {columns[slot * steps + at] for slot in range(3)} - {""}
            assert held == {f"{'ab'[p // 3]}{p % 3}" for p in step.resident}
    sheet = lp.report.board(trace, ["lru", "opt"], 3, blank=True)
    assert "✕" not in sheet and not re.findall(r"<td[^>]*>[^<]", sheet)
    with pytest.raises(ParameterError, match="at most 2000 cells"):
        lp.report.board(lp.load_trace(SAMPLE), "lru", 24)


CONTRAST = """ids => ids.map(id => {
  const light = text => {
    const parts = text.match(/[0-9.]+/g).slice(0, 3).map(x => x / 255).map(x => x <= .04045 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4);
    return .2126 * parts[0] + .7152 * parts[1] + .0722 * parts[2];
  };
  const [a, b] = [getComputedStyle(document.getElementById(id)).color, getComputedStyle(document.body).backgroundColor].map(light);
  return (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
})"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_axes_say_where_they_begin_and_end(theme: str, browser: Any, tmp_path: Path) -> None:
    page, said = opened(browser, tmp_path / "a.html", [str(SAMPLE), "--slots", "24", "--rounds", "400"])
    page.emulate_media(color_scheme=theme)
    trace = window(lp.load_trace(SAMPLE), 0, 400)
    most = max(lp.replay(trace, name, 24).misses for name in ("lru", "llru", "belady"))
    names = ["most", "least", "start", "end"]
    assert [page.inner_text(f"#{name}") for name in names] == [f"{most:,} misses", "0", "step 0", "step 2,399"]
    assert min(page.evaluate(CONTRAST, names)) > 4.5  # what WCAG asks of small text
    box = {name: page.locator(f"#{name}").bounding_box() for name in [*names, "lines"]}
    picture = box["lines"]
    for name in ("most", "least"):  # left of the picture, at its upper and its lower end
        assert box[name]["x"] + box[name]["width"] <= picture["x"]
    assert abs(box["most"]["y"] - picture["y"]) < 3
    assert abs(box["least"]["y"] + box["least"]["height"] - picture["y"] - picture["height"]) < 3
    assert min(box["start"]["y"], box["end"]["y"]) >= picture["y"] + picture["height"]
    assert abs(box["start"]["x"] - picture["x"]) < 3
    assert abs(box["end"]["x"] + box["end"]["width"] - picture["x"] - picture["width"]) < 3
    assert page.locator("#lines .tick").count() == 2 and not said


def test_a_page_of_one_step_counts_in_the_singular(browser: Any, tmp_path: Path) -> None:
    words = ["--sequence", "0", "--slots", "1", "--policy", "lru"]
    page, said = opened(browser, tmp_path / "a.html", words)
    assert page.inner_text("#about").startswith("1 step, 1 layer, 1 page, 1 slot ")
    assert page.inner_text(".counts") == "so far 0 hits, 1 miss (0.0 % hits); at the end 1 miss"
    assert page.inner_text("#most") == "1 miss" and page.inner_text("#end") == "step 0" and not said


def test_a_certificate_plays_its_worst_cycle(browser: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cases: list[tuple[str, dict[str, Any]]] = [
        ("lru", {"layers": 2, "experts": 2, "slots": 3}),
        ("llru", {"layers": 2, "experts": 2, "slots": 3}),
        ("lru", {"layers": 2, "experts": 2, "slots": 3, "offline_slots": 2}),
        ("lru", {"layers": 2, "experts": 2, "slots": 3, "general": True}),
        ("lru", {"layers": 2, "experts": 3, "slots": 3, "pool": "per-layer"}),
        ("fifo", {"layers": 2, "experts": 3, "slots": 5, "top_k": 2}),
    ]
    for number, (policy, sizes) in enumerate(cases):
        ratio = lp.competitive_ratio(policy, **sizes)
        ratio.certificate.save(tmp_path / "c.json.gz")
        assert main(["show", str(tmp_path / "c.json.gz"), "-o", str(tmp_path / "w.html"), "--json"]) == 0
        answer = json.loads(capsys.readouterr().out)
        cycle = answer["cycle"]
        if ratio.value is not None:  # what repeats costs as many times the optimum as the certificate states
            assert Fraction(cycle["misses"]) == ratio.value * Fraction(cycle["optimum"]) > 0
            mine, best = (row["misses"] for row in answer["runs"])
            steps = len(ratio.certificate.evidence["prefix"])
            assert mine >= cycle["turns"] * Fraction(cycle["misses"]) and mine >= ratio.value * (
                best - steps - answer["slots"]
            )
        else:
            assert cycle["optimum"] == "0" and cycle["misses"] is None
        page = browser.new_page()
        page.goto((tmp_path / "w.html").as_uri())
        assert page.locator(".panel h2").all_inner_texts()[1].startswith("OPT")
        times = "without bound" if ratio.value is None else f"{ratio.value} times the optimum"
        assert page.title().startswith(f"{policy.upper()} pays {times}"), page.title()
        page.keyboard.press("End")
        assert counts(page) == [row["misses"] for row in answer["runs"]], number
        assert ("with 2 slots" in page.locator(".panel h2").nth(1).inner_text()) == ("offline_slots" in sizes)
        page.close()


GAMES: list[dict[str, Any]] = [
    {"layers": 2, "experts": 3, "slots": 4},
    {"layers": 2, "experts": [2, 3], "slots": 3},
    {"layers": 1, "experts": 5, "slots": 3, "top_k": 2, "admission": "forced"},
    {"layers": 2, "experts": 3, "slots": 4, "top_k": 2, "admission": "bypass"},
]


@pytest.mark.parametrize("sizes", GAMES, ids=["equal", "unequal", "events", "bypass"])
def test_an_adversary_of_a_certificate_forces_what_it_states(sizes: dict[str, Any]) -> None:
    certificate = lp.optimal_ratio(**sizes).certificate
    lower, admission = Fraction(certificate.statement["lower"]), sizes.get("admission", "forced")
    for policy in ("lru", "llru", "mark-far"):
        events = attack(certificate, policy, 1200)
        trace = _trace(lp.Instance(sizes["layers"], sizes["experts"], sizes["slots"]), events)
        misses = lp.replay(trace, policy, sizes["slots"], admission=admission).misses
        best = lp.optimum(trace, sizes["slots"], admission=admission).misses
        assert best > 200 and misses >= lower * best - 2 * trace.pages


def test_a_random_source_of_a_certificate_is_played() -> None:
    certificate = lp.optimal_ratio(layers=2, experts=2, slots=3, randomized=True).certificate
    lower = Fraction(certificate.statement["lower"])
    trace = _trace(lp.Instance(2, 2, 3), attack(certificate, "lru", 20_000, seed=1))
    best = lp.optimum(trace, 3, admission="forced").misses
    for policy in ("lru", "llru", "marking"):  # expected at least 7/4; 3 % below is many standard deviations off
        assert lp.replay(trace, policy, 3).misses >= Fraction(97, 100) * lower * best
    assert attack(certificate, "lru", 300, seed=1) == attack(certificate, "marking", 300, seed=1)
    assert attack(certificate, "lru", 300, seed=1) != attack(certificate, "lru", 300, seed=2)


def test_the_command_plays_an_adversary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, page = str(tmp_path / "best.json"), tmp_path / "w.html"
    lp.optimal_ratio(layers=2, experts=2, slots=3).certificate.save(file)
    for more, name in [([], "strategy of best.json"), (["--policy", "llru"], "LLRU")]:
        assert main(["show", file, "-o", str(page), "--json", *more]) == 0
        answer = json.loads(capsys.readouterr().out)
        assert answer["cycle"] is None and answer["runs"][0]["misses"] > answer["runs"][1]["misses"]
        assert f"<title>{name} against the adversary that makes every" in page.read_text()
    for more, word in [
        (["--policy", "lru", "llru"], "--policy must be one policy"),
        (["--policy", "marking"], "--policy must be deterministic"),
        (["--policy", "fwf"], "not lazy"),
        (["--slots", "3"], "it says itself what is played"),
    ]:
        assert main(["show", file, "-o", str(page), *more]) == 2
        assert word in capsys.readouterr().err


def test_certificates_that_cannot_be_played(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = lp.competitive_ratio("lru", layers=2, experts=2, slots=3).certificate
    best = lp.optimum(parse_sequence(SLIDE), 3, admission="forced").certificate
    game = lp.optimal_ratio(layers=2, experts=2, slots=3).certificate
    made = {
        "bad": Certificate(good.kind, {**good.statement, "slots": "x"}, good.evidence),
        "optimum": best,
        "above": Certificate(game.kind, game.statement, {**game.evidence, "adversary": None}),
        "good": good,
    }
    for name, certificate in made.items():
        certificate.save(tmp_path / f"{name}.json")
    for name, more, word in [
        ("bad", [], "'slots' must be an integer of at least 1; got 'x'"),
        ("optimum", [], "got 'optimum'"),
        ("above", ["--policy", "lru"], "holds no adversary"),
        ("good", ["--policy", "fifo"], "the one that the certificate names"),
    ]:
        assert main(["show", str(tmp_path / f"{name}.json"), "-o", str(tmp_path / "w.html"), *more]) == 2
        assert word in capsys.readouterr().err
    assert not (tmp_path / "w.html").exists()
