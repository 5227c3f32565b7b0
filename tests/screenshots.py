"""Pictures of every page at every width: ``python tests/screenshots.py FOLDER [--docs FOLDER]``, or ``make screenshots``.

Each page is opened in a headless Chromium at six widths, light and dark, and as printed on A4.  The same audit as in
``test_pages.py`` looks at each of them, and what it finds is printed; exit code 1 where it finds something.
``--docs`` adds the pages of a built documentation.
"""

from __future__ import annotations

import argparse
import base64
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import layered_paging as lp
from layered_paging.core.cutting import window
from layered_paging.plan import Clock
from layered_paging.report.facts import facts
from layered_paging.report.replaying import parse_sequence
from layered_paging.report.summary import report_page
from layered_paging.samples import SAMPLE

WIDTHS = (320, 390, 768, 1024, 1280, 1920)
THEMES = ("light", "dark")
PLAYED = {
    "watch": "#layers=2&experts=3&slots=3&policies=lru,llru,opt&sequence=0,0_1,1_0,2_2,1_0,0_2,1&step=8",
    "events": "#layers=3&experts=4,2,3&slots=5&policies=lru,llru,lfu,fifo,mark-far,opt&sequence="
    + "_".join(["0+1,0,0+2_1+3,1,0+1_0+2,0+1,1+2"] * 5)
    + "&step=40",
    "predict": "#mode=predict&policy=llru&sequence=0,0_1,1_0,2_2,1&answers=1,1,1,0",
    "cache": "#mode=cache&slots=3&policies=lru,llru,opt&sequence=0,0_1,1_0,2_2,1_0,0_2,1&victims=1",
    "adversary": "#mode=adversary&experts=2&policy=lru&hints=1&cycle=8&sequence=" + "_".join(["0,0_1,1"] * 8),
    "wrong": "#slots=1&sequence=0+1,0",
}
NAMES = (
    "replay",
    "replay-last",
    "replay-slide",
    "replay-wide",
    *(f"play-{part}" for part in PLAYED),
    "embedded",
    "report",
    "report-all",
    "report-clock",
)
OFFLINE = ("file:", "data:", "blob:")
A4 = 794  # pixels, at 96 to the inch

HERE = Path(__file__).parent
AUDIT = (HERE / "audit.js").read_text(encoding="utf-8")  # what is wrong with a page as it stands
SETTLED = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


def pages(folder: Path) -> dict[str, tuple[Path, str]]:
    """Write the pages into a folder; return name -> (file, what follows the address)."""
    made: dict[str, tuple[Path, str]] = {}

    def add(name: str, text: str, places: dict[str, str]) -> None:
        path = folder / f"{name}.html"
        path.write_text(text, encoding="utf-8")
        for part, place in places.items():
            made[f"{name}-{part}" if part else name] = (path, place)

    sample = lp.load_trace(SAMPLE)
    policies = ["lru", "llru", "mark-far", "opt"]
    add("replay", lp.report.replay_page(window(sample, 0, 100), policies, 24), {"": "#step=87", "last": "#step=599"})
    slide = parse_sequence("0,0 1,1 2,0 0,1 1,0 2,2", 3)
    add("replay-slide", lp.report.replay_page(slide, policies, 3), {"": ""})
    wide = lp.workloads.zipf(layers=28, experts=64, rounds=20, top_k=8, seed=1)
    add("replay-wide", lp.report.replay_page(wide, ["lru", "opt"], 300, admission="bypass"), {"": "#step=400"})
    add("play", lp.report.play_page(), PLAYED)
    told = facts(window(sample, 0, 200), 24, policies=("lru", "llru"))
    add("report", report_page(told, title="A trace at a budget"), {"": "", "all": "#all"})
    clock = Clock(0.02, 10**8)
    told = facts(sample, budget_bytes=1 << 21, policy="fifo", policies=("lru", "similar-rounds"), clock=clock)
    add("report-clock", report_page(told, title="A trace at a budget, and a clock"), {"": "#all"})
    made["embedded"] = (folder / "play.html", "?embed" + PLAYED["watch"])
    return made


class Window:
    """A page of a browser whose width, theme and medium change without a reload, through the browser's DevTools.

    Parameters
    ----------
    browser : playwright.sync_api.Browser

    Attributes
    ----------
    page : playwright.sync_api.Page
    asked : list of str
        Addresses that the open page wanted of a network: none, if all is well.
    """

    def __init__(self, browser: Any) -> None:
        self.page = browser.new_page(reduced_motion="reduce")
        self.asked: list[str] = []
        self._tools = self.page.context.new_cdp_session(self.page)
        self._width = 0
        self.page.on("request", self._ask)

    def _ask(self, request: Any) -> None:
        if not request.url.startswith(OFFLINE):
            self.asked.append(request.url)

    def open(self, path: Path, place: str = "", *, unfold: bool = False) -> None:
        """Open a page; ``unfold`` opens what is folded in it, too."""
        self.asked.clear()
        self.page.goto(path.as_uri() + place)
        self.page.evaluate("document.querySelectorAll('.headerlink').forEach(link => link.remove())")  # for a mouse
        if unfold:
            self.page.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true; })")

    def show(self, width: int, theme: str) -> None:
        """Set the width in pixels, and ``light``, ``dark`` or ``print``."""
        if width != self._width:
            size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
            self._tools.send("Emulation.setDeviceMetricsOverride", size)
            self._width = width
        features = {"prefers-color-scheme": "dark" if theme == "dark" else "light", "prefers-reduced-motion": "reduce"}
        told = [{"name": name, "value": value} for name, value in features.items()]
        medium = "print" if theme == "print" else "screen"
        self._tools.send("Emulation.setEmulatedMedia", {"media": medium, "features": told})

    def picture(self) -> bytes:
        """Return the whole page as PNG."""
        size = self._tools.send("Page.getLayoutMetrics")["cssContentSize"]
        how = {"format": "png", "captureBeyondViewport": True, "clip": {**size, "scale": 1}}
        return base64.b64decode(self._tools.send("Page.captureScreenshot", how)["data"])

    def faults(self) -> list[str]:
        """Return what is wrong with the page and its frames as they stand, and what they asked a network for."""
        found = [line for frame in self.page.frames for line in frame.evaluate(AUDIT)]
        return [*found, *(f"asks for {url}" for url in self.asked)]


def shots(window: Window, widths: tuple[int, ...] = WIDTHS, *, moves: bool = True) -> Iterator[str]:
    """Show the open page at every width and theme, and as printed; yield the name of each.

    ``moves`` waits until what a page does at a new width is done.
    """
    for width, theme in [*((width, theme) for width in widths for theme in THEMES), (A4, "print")]:
        window.show(width, theme)
        if moves:
            window.page.evaluate(SETTLED)
        yield theme if theme == "print" else f"{width}-{theme}"


def documentation(built: Path) -> dict[str, Path]:
    """Return the pages of a built documentation by name."""
    found = [path for path in sorted(built.rglob("*.html")) if not path.relative_to(built).parts[0].startswith("_")]
    return {"docs-" + "-".join(path.relative_to(built).with_suffix("").parts): path for path in found}


def main(argv: list[str] | None = None) -> int:
    """Write the pictures and print what is wrong with the pages."""
    from conftest import CHROMIUM, FLAGS
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--docs", type=Path, help="a built documentation, such as docs/_build/html")
    parser.add_argument("--only", default="", metavar="TEXT", help="pages whose name holds this")
    parser.add_argument("--widths", nargs="+", type=int, default=WIDTHS, metavar="PX", help="default: all six")
    args = parser.parse_args(argv)
    args.folder.mkdir(parents=True, exist_ok=True)
    wrong = count = 0
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        todo = {name: made for name, made in pages(Path(temporary)).items() if args.only in name}
        if args.docs is not None:
            todo |= {name: (path, "") for name, path in documentation(args.docs.resolve()).items() if args.only in name}
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        window = Window(browser)
        for name, (path, place) in todo.items():
            window.open(path, place, unfold=name.startswith("docs-"))
            for kind in shots(window, tuple(args.widths)):
                (args.folder / f"{name}-{kind}.png").write_bytes(window.picture())
                count += 1
                for line in window.faults():
                    print(f"{name} {kind}: {line}")
                    wrong += 1
        browser.close()
    print(f"{count} pictures in {args.folder}, {wrong} faults")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
