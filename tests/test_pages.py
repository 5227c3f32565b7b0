"""Pages in a real browser: nothing overflows, nothing is cut, everything can be read, at every width and theme."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import layered_paging as lp
from layered_paging.core.cutting import window as cut
from layered_paging.report.facts import facts
from layered_paging.report.summary import report_page

HERE = Path(__file__).parent
DOCS = HERE.parent / "docs"


def loaded() -> Any:
    spec = importlib.util.spec_from_file_location("screenshots", HERE / "screenshots.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SHOTS = loaded()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, str]]:
    made: dict[str, tuple[Path, str]] = SHOTS.pages(tmp_path_factory.mktemp("pages"))
    return made


@pytest.fixture(scope="module")
def window(browser: Any) -> Iterator[Any]:
    opened = SHOTS.Window(browser)
    yield opened
    opened.page.close()


def faults(window: Any, path: Path, place: str = "", *, unfold: bool = False, moves: bool = True) -> list[str]:
    """Open a page and return what is wrong with it at each width and theme, and on paper."""
    window.open(path, place, unfold=unfold)
    return [f"{kind}: {line}" for kind in SHOTS.shots(window, moves=moves) for line in window.faults()]


@pytest.mark.parametrize("name", SHOTS.NAMES)
def test_nothing_overflows_is_cut_or_too_faint(name: str, pages: dict[str, tuple[Path, str]], window: Any) -> None:
    assert set(pages) == set(SHOTS.NAMES)
    found = []
    window.open(*pages[name])
    for kind in SHOTS.shots(window):
        if name.startswith("replay") and name != "replay-last" and kind != "print":
            assert window.page.locator(".cell.gone:not(.legend .cell)").count(), kind  # a step with evictions
        found += [f"{kind}: {line}" for line in window.faults()]
    assert not found


BUILT = HERE.parent / "docs" / "_build" / "html"
PARTS = 6  # so that several processes share the pages


@pytest.mark.parametrize("part", range(PARTS))
def test_every_page_of_the_documentation(part: int, window: Any) -> None:
    """All pages that ``make docs`` built, at all widths, in both themes and on paper, with everything unfolded."""
    if not (BUILT / "index.html").exists():
        pytest.skip(f"the documentation is not built: no {BUILT / 'index.html'}; run `make docs`")
    todo = SHOTS.documentation(BUILT)
    sources = {path.relative_to(DOCS).with_suffix(".html") for path in DOCS.rglob("*.md") if "_build" not in path.parts}
    assert {BUILT / path for path in sources} <= set(todo.values())
    found = []
    for name, path in list(todo.items())[part::PARTS]:
        found += [f"{name} {line}" for line in faults(window, path, unfold=True, moves=False)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("name", ["gpt_oss_20b", "qwen3_30b_a3b_top8_code"])
def test_reports_of_real_routing_fit_every_window(name: str, traces: Path, window: Any, tmp_path: Path) -> None:
    trace = cut(lp.load_trace(traces / f"{name}.npz"), 0, 400)
    told = facts(trace, trace.layers * trace.top_k * 2, policies=("lru", "llru", "lfu-decay"))
    path = tmp_path / "report.html"
    path.write_text(report_page(told, title=f"Expert cache report: {name}", trace=f"{name}.npz"))
    assert not [line for place in ("", "#all") for line in faults(window, path, place)]


FAULTS = {
    "is 900 wide in a window": "<p style='width:900px'>x</p>",
    "ends at 900 of 600": "<div style='overflow:hidden'><p style='width:900px;margin:0'>x</p></div>",
    "100 wide in 50": "<div style='width:50px'><p style='width:100px'>x</p></div>",
    "is cut": "<p style='width:30px;overflow:hidden;white-space:nowrap'>a long line of words</p>",
    "is cut by its picture": "<svg viewBox='0 0 90 20' width=90 height=20><text x=60 y=15>a long word</text></svg>",
    "contrast 1.1": "<p style='color:#eee'>faint</p>",
    "contrast 2.": "<p style='opacity:.4'>faint as a whole</p>",
    "lies on": "<div class=panel>one</div><div class=panel style='margin-top:-10px'>two</div>",
    "does not show it": "<div style='overflow:auto;scrollbar-width:none;width:50px'><p style='width:100px'>x</p></div>",
    "high in 20": "<div style='overflow:hidden;height:20px'><p style='height:60px'>x</p></div>",
}


@pytest.mark.parametrize("word", FAULTS)
def test_the_audit_finds(word: str, browser: Any) -> None:
    page = browser.new_page(viewport={"width": 600, "height": 400})
    page.set_content(f"<!doctype html><body style='margin:0;background:#fff'>{FAULTS[word]}</body>")
    assert any(word in line for line in page.evaluate(SHOTS.AUDIT)), page.evaluate(SHOTS.AUDIT)
    page.set_content("<!doctype html><body style='margin:0;background:#fff'><p>All is well</p></body>")
    assert page.evaluate(SHOTS.AUDIT) == []


# what is planted -> what is found, and at which settings only
PLANTED = {
    "at one width": ("@media (max-width: 350px) { .planted { width: 900px } }", "9", {"320-light", "320-dark"}),
    "in the dark": (
        "@media (prefers-color-scheme: dark) { .planted { background: #fff; color: #eee } }",
        "contrast 1.1",
        {f"{width}-dark" for width in SHOTS.WIDTHS},
    ),
    "a word on paper": (
        "@media print { .planted { background: #000; color: #fff; print-color-adjust: economy } }",
        "contrast 1.0",
        {"print"},
    ),
    "a fill on paper": (
        "@media print { .planted { background: #c00; height: 9px; font-size: 0; print-color-adjust: economy } }",
        "paper loses its fill",
        {"print"},
    ),
    "a scroll on paper": (
        "@media print { .planted { width: 50px; overflow-x: auto; letter-spacing: 1em } }",
        "paper does not scroll",
        {"print"},
    ),
}


@pytest.mark.parametrize("which", PLANTED)
def test_a_fault_is_found_where_it_is_planted(which: str, window: Any, tmp_path: Path) -> None:
    style, words, kinds = PLANTED[which]
    inside = "" if "fill" in which else "planted"
    plain = "<!doctype html><style>:root { color-scheme: light dark }</style><p>All is well</p>"
    path = tmp_path / "planted.html"
    path.write_text(f"{plain}<style>{style}</style><div class='planted'>{inside}</div>", encoding="utf-8")
    found = faults(window, path)
    assert {line.partition(":")[0] for line in found} == kinds, found
    assert all(words in line for line in found)
    path.write_text(plain, encoding="utf-8")
    assert faults(window, path) == []


def test_a_page_that_asks_for_something_is_found(window: Any, tmp_path: Path) -> None:
    path = tmp_path / "asking.html"
    path.write_text("<!doctype html><p>x</p><img alt='' src='http://localhost:9/x.png'>", encoding="utf-8")
    found = faults(window, path)
    assert len(found) == 2 * len(SHOTS.WIDTHS) + 1
    assert all(line.endswith(": asks for http://localhost:9/x.png") for line in found)
    path.write_text("<!doctype html><p>x</p>", encoding="utf-8")
    assert faults(window, path) == []  # and what one page asked for is not laid to the next


def test_print_keeps_fills_and_hides_controls(pages: dict[str, tuple[Path, str]], browser: Any) -> None:
    path, place = pages["replay"]
    page = browser.new_page()
    page.emulate_media(media="print", color_scheme="dark")
    page.goto(path.as_uri() + place)
    style = "e => [getComputedStyle(e).printColorAdjust, getComputedStyle(e).backgroundColor]"
    adjust, colour = page.locator(".cell.held").first.evaluate(style)
    assert adjust == "exact" and colour == "rgb(207, 216, 227)"  # the light one, also where the screen is dark
    assert not page.is_visible(".bar")
