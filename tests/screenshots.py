"""Pictures of every page at every width: ``python tests/screenshots.py FOLDER [--docs FOLDER]``, or ``make screenshots``.

Each page is opened in a headless Chromium at six widths, light and dark, and as printed on A4.  The same audit as in
``test_pages.py`` looks at each of them, and what it finds is printed; exit code 1 where it finds something.
``--docs`` adds the pages of a built documentation.
"""

from __future__ import annotations

import argparse
import re
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

# What is wrong with a page as it stands: content beyond the window or its container, text cut off, too little contrast.
AUDIT = """() => {
  const found = [], wide = document.documentElement.clientWidth;
  const name = e => e.tagName.toLowerCase() + (e.id ? "#" + e.id : "") + (typeof e.className === "string" && e.className ? "." + e.className.trim().split(/\\s+/).join(".") : "") + " " + JSON.stringify((e.textContent || "").trim().slice(0, 30));
  if (document.documentElement.scrollWidth > wide) found.push(`the page is ${document.documentElement.scrollWidth} wide in a window of ${wide}`);
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const known = new Map(), paint = text => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = text; canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const rgba = text => { if (!known.has(text)) known.set(text, paint(text)); return known.get(text); };
  const light = ([r, g, b]) => { const [x, y, z] = [r, g, b].map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * x + .7152 * y + .0722 * z; };
  const behind = e => { for (let at = e; at; at = at.parentElement) { const colour = rgba(getComputedStyle(at).backgroundColor); if (colour[3] === 255) return colour; if (colour[3]) return null; } return rgba(getComputedStyle(document.documentElement).colorScheme.includes("dark") ? "#000" : "#fff"); };
  const scrolls = e => { for (let at = e; at && at !== document.body; at = at.parentElement) if (/auto|scroll/.test(getComputedStyle(at).overflowX)) return true; return false; };
  for (const e of document.body.querySelectorAll("*")) {
    if (!e.checkVisibility({ checkVisibilityCSS: true, checkOpacity: true }) || e.closest(".unseen, .visually-hidden, script, noscript, option")) continue;
    const style = getComputedStyle(e), box = e.getBoundingClientRect();
    if (!box.width || !box.height || box.right <= 0 || box.left >= wide) continue; // drawers wait beside the window; what widens the page is found above
    if (box.right > wide + 1 && !scrolls(e.parentElement)) found.push(`${name(e)} ends at ${Math.round(box.right)} of ${wide}`);
    if (box.left < -1 && !scrolls(e.parentElement)) found.push(`${name(e)} begins at ${Math.round(box.left)}`);
    const svg = e instanceof SVGElement, text = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) || (e.matches("input:not([type=range], [type=checkbox], [type=radio]), textarea") && e.value);
    if (!svg && style.display !== "inline" && e.clientWidth && e.scrollWidth > e.clientWidth + 1 && !/auto|scroll/.test(style.overflowX) && parseFloat(style.fontSize) && !e.matches("input, select, textarea") && !scrolls(e.parentElement)) found.push(`${name(e)}: ${e.scrollWidth} wide in ${e.clientWidth}`);
    if (!text || !parseFloat(style.fontSize)) continue;
    if (!svg && !e.matches("input, textarea") && /hidden|clip/.test(style.overflowX) && e.scrollWidth > e.clientWidth + 1) found.push(`${name(e)} is cut`);
    if (svg && e.ownerSVGElement && getComputedStyle(e.ownerSVGElement).overflow !== "visible") { const o = e.ownerSVGElement.getBoundingClientRect(); if (box.left < o.left - 1 || box.right > o.right + 1 || box.top < o.top - 1 || box.bottom > o.bottom + 1) found.push(`${name(e)} is cut by its picture`); }
    const front = rgba(svg ? style.fill : style.color), shape = svg && [...e.ownerSVGElement.querySelectorAll("rect, polygon")].reverse().find(s => { const b = s.getBoundingClientRect(), x = (box.left + box.right) / 2, y = (box.top + box.bottom) / 2; return b.left <= x && x <= b.right && b.top <= y && y <= b.bottom && getComputedStyle(s).fill !== "none"; });
    const back = shape ? rgba(getComputedStyle(shape).fill) : behind(svg ? e.ownerSVGElement : e);
    if (!back || front[3] < 255) continue;
    const [a, b] = [light(front), light(back)], ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 4.5) found.push(`${name(e)}: contrast ${ratio.toFixed(2)}`);
  }
  const panels = [...document.querySelectorAll(".panel")].filter(e => e.checkVisibility()).map(e => [e, e.getBoundingClientRect()]);
  for (const [i, [one, a]] of panels.entries()) for (const [other, b] of panels.slice(i + 1))
    if (!one.contains(other) && a.right > b.left + 1 && b.right > a.left + 1 && a.bottom > b.top + 1 && b.bottom > a.top + 1) found.push(`${name(one)} lies on ${name(other)}`);
  return found;
}"""


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


def faults(page: Any) -> list[str]:
    """Return what is wrong with a page as it stands, and what it asked a network for."""
    return [*page.evaluate(AUDIT), *(f"asks for {url}" for url in page.asked)]


def shots(browser: Any, path: Path, place: str, widths: tuple[int, ...] = WIDTHS) -> Iterator[tuple[str, Any]]:
    """Yield the page at every width and theme, and as printed, each with its name."""
    page = browser.new_page(reduced_motion="reduce")
    page.asked = []  # what a page wants of a network: nothing
    page.on("request", lambda request: page.asked.append(request.url) if not request.url.startswith(OFFLINE) else None)
    page.goto(path.as_uri() + place)
    page.evaluate("document.querySelectorAll('.headerlink').forEach(link => link.remove())")  # unseen but for the mouse
    for theme in (*THEMES, "print"):
        page.emulate_media(
            media="print" if theme == "print" else "screen", color_scheme="dark" if theme == "dark" else "light"
        )
        for width in widths if theme != "print" else (A4,):
            page.set_viewport_size({"width": width, "height": 900})
            page.wait_for_timeout(50)  # one more frame: sizes are observed after the first
            yield theme if theme == "print" else f"{width}-{theme}", page
    page.close()


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
            todo |= {
                "docs-" + "-".join(p.relative_to(args.docs).with_suffix("").parts): (p, "")
                for p in sorted(args.docs.rglob("*.html"))
                if "_" not in p.relative_to(args.docs).parts[0][:1] and args.only in str(p)
            }
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for name, (path, place) in todo.items():
            for kind, page in shots(browser, path, place, tuple(args.widths)):
                page.screenshot(path=args.folder / f"{name}-{kind}.png", full_page=True)
                count += 1
                for line in faults(page):
                    beyond = re.search(r": (\d+) wide in (\d+)$", line)
                    if name.startswith("docs-") and beyond and int(beyond[1]) - int(beyond[2]) <= 16:
                        continue  # the theme's own boxes overlap by a margin
                    print(f"{name} {kind}: {line}")
                    wrong += 1
        browser.close()
    print(f"{count} pictures in {args.folder}, {wrong} faults")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
