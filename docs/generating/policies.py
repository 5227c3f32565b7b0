"""A page for each policy, and the gallery of them all, from the registry: nothing on these pages is written by hand."""

from __future__ import annotations

import html
import inspect
import json
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import layered_paging as lp
from layered_paging import catalog
from layered_paging.core.registry import Entry, find
from layered_paging.errors import LayeredPagingError
from layered_paging.report import figure
from layered_paging.samples import SAMPLE

from .drawing import curve_svg
from .worst import SIZE, Worst, worst_of

DOCS = Path(__file__).resolve().parent.parent
CAPACITIES = (12, 18, 24, 36, 48, 60, 72, 84, 96)
PLAYED = "a0 b1 a1 b0 a0 b1 a2 b2 a0 b1 a3 b1 a0 b0 a1 b1 a2 b3 a0 b1"  # what every policy is shown on
SHOWN_SLOTS = 4
WORDS = {
    "stack": ("stack policy", "more slots never miss more: what it holds grows with the cache"),
    "lazy": ("lazy", "it evicts only when something must go"),
    "marking": ("marking", "it never evicts a page that was requested in the present phase"),
    "conservative": ("conservative", "at most k misses while at most k distinct pages are requested"),
    "randomized": ("randomized", "it draws random numbers; pictures are of seed 0"),
    "offline": ("offline", "it is told the future"),
    "predictions": ("predictions", "it is told predictions of the next use; pictures are with `markov`"),
}


@dataclass(frozen=True)
class Facts:
    """What is drawn of a policy.

    Attributes
    ----------
    entry : Entry
    curve : dict
        Slots to misses on the sample; empty where it cannot be replayed (``why``).
    kept : str
        Picture as SVG on the common short sequence; empty where there is none.
    worst : Worst
        A bad sequence, proved or found.
    why : str
        Why it was not replayed; empty where it was.
    """

    entry: Entry
    curve: dict[int, int]
    kept: str
    worst: Worst
    why: str


def short_trace() -> lp.Trace:
    """Return the short sequence on which every policy is shown."""
    pairs = [(ord(word[0]) - ord("a"), int(word[1:])) for word in PLAYED.split()]
    rows = [[pairs[at][1], pairs[at + 1][1]] for at in range(0, len(pairs), 2)]
    return lp.Trace(rows, n_experts=4)


def written(entry: Entry) -> str:
    """Return how the policy is named in a replay."""
    return f"{entry.name}(predictions='markov')" if entry.properties.get("predictions") else entry.name


def facts_of(entry: Entry, trace: lp.Trace) -> Facts:
    """Replay the policy on the sample and on the short sequence, and find a bad sequence for it."""
    curve, why = {}, ""
    name = written(entry)
    try:
        curve = {slots: lp.replay(trace, name, slots).misses for slots in CAPACITIES}
    except LayeredPagingError as error:
        why = str(error)
    kept = "" if entry.properties.get("predictions") else figure(short_trace(), [entry.name, "opt"], SHOWN_SLOTS)
    return Facts(entry, curve, kept, worst_of(entry), why)


def facts_named(name: str) -> Facts:
    """Return the facts of a registered policy, in whichever process this is."""
    return facts_of(find("policy", name), lp.load_trace(SAMPLE))


def exact_rows() -> dict[str, list[dict[str, Any]]]:
    """Return the rows of the atlas of exact ratios by policy."""
    rows = json.loads((DOCS / "atlas" / "table.json").read_text())["rows"]
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["policy"], []).append(row)
    return found


def exact_table(name: str, table: dict[str, list[dict[str, Any]]]) -> str:
    """Return the exact ratios of a policy at small sizes as a table, beside the best possible."""
    best = {(r["layers"], r["experts"], r["slots"]): r for r in table["best deterministic"]}
    lines = [
        "| layers x experts | slots | ratio | best deterministic | k | k - l + 1 |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for row in table.get(name, ()):
        size = (row["layers"], row["experts"], row["slots"])
        if row["layers"] == 1 and row["experts"] < 4:
            continue
        value = row["lower"] if row["lower"] == row["upper"] else f"{row['lower']} to {row['upper'] or 'unbounded'}"
        other = best.get(size)
        least = "" if other is None else other["upper"]
        bound = size[2] - size[0] + 1 if size[2] >= size[0] else "-"
        lines.append(f"| {size[0]} x {size[1]} | {size[2]} | {value} | {least} | {size[2]} | {bound} |")
    return "\n".join(lines) + "\n" if len(lines) > 2 else ""


def framed(svg: str, words: str) -> str:
    """Return an SVG in a frame that scrolls where it is wider than the page."""
    return (
        f'```{{raw}} html\n<figure class="board" tabindex="0" aria-label="{html.escape(words)}">{svg}</figure>\n```\n'
    )


def curves_of(facts: Facts, shared: dict[str, dict[int, int]], requests: int, small: bool = False) -> str:
    """Return the picture of the policy's misses beside those of LRU and of the optimum."""
    lines = {"optimum": shared["optimum"], "lru": shared["lru"]}
    if facts.entry.name not in ("lru", "belady", "mark-lru"):
        lines[facts.entry.name] = facts.curve
    return curve_svg({name: {s: m / requests for s, m in line.items()} for name, line in lines.items()}, small=small)


def plain(text: str) -> str:
    """Return text in which nothing is markup of MyST."""
    return "".join(f"\\{c}" if c in "*_$<>[]{}\\|" else c for c in text.replace("``", "`"))


def page(
    facts: Facts, shared: dict[str, dict[int, int]], trace: lp.Trace, table: dict[str, list[dict[str, Any]]]
) -> str:
    """Return the page of a policy, in MyST."""
    entry = facts.entry
    says = entry.properties
    parts = [f"# {entry.name}\n", f"{plain(entry.summary)}\n"]
    if facts.curve:
        words = f"Share of requests of the sample that miss under {entry.name}, beside LRU and the optimum"
        parts.append(framed(curves_of(facts, shared, trace.requests), words))
        some = (12, 24, 48, 72)
        parts.append("| slots | " + " | ".join(map(str, some)) + " |\n|---|" + "---:|" * len(some))
        for name, line in {entry.name: facts.curve, "lru": shared["lru"], "optimum": shared["optimum"]}.items():
            parts.append(f"| misses, {name} | " + " | ".join(f"{line[s]:,}" for s in some) + " |")
        parts.append(
            f"\nThe sample has {trace.requests:,} requests to {trace.layers} layers of {trace.n_experts[0]} experts. "
            "The cache is shared, events are atomic, nothing is reset.\n"
        )
    elif facts.why:
        parts.append(f"It was not replayed on the sample: {plain(facts.why)}\n")
    parts.append("## Properties\n\n| property | | what it says |\n|---|---|---|")
    for key, (name, words) in WORDS.items():
        if key in says:
            parts.append(f"| {name} | {'yes' if says[key] else 'no'} | {words} |")
    parts.append("")
    cites = says.get("cites", ())
    if cites:
        parts.append("Source: " + ", ".join(f"{{cite:t}}`{key}`" for key in cites) + ".\n")
    if says.get("origin"):
        parts.append(f"Its rules: {plain(says['origin'])}.\n")
    if says.get("aka"):
        parts.append(f"Other names: {', '.join(map(plain, says['aka']))}.\n")
    if facts.kept:
        parts.append("## What it keeps\n")
        parts.append(f"Two layers of four experts, {SHOWN_SLOTS} slots. A loaded page is a house, a hit is round.\n")
        parts.append(framed(facts.kept, f"A short sequence under {entry.name} and under the optimum"))
    parts.append("## Worst sequence and exact ratios\n")
    exact = exact_table(entry.name, table)
    parts.append(f"{facts.worst.words}\n")
    if facts.worst.svg:
        layers, experts, slots = facts.worst.size
        words = f"A bad sequence for {entry.name} at {layers} layers of {experts} experts, {slots} slots"
        parts.append(framed(facts.worst.svg, words))
    if exact:
        parts.append("From the [atlas](../../atlas/README.md), which has the certificates:\n")
        parts.append(exact)
    parts.append("## Definition\n")
    home = entry.obj.__module__
    parts.append(f"```{{eval-rst}}\n.. autoclass:: {home}.{entry.obj.__name__}\n```\n")
    file = Path(inspect.getfile(entry.obj)).resolve().relative_to(DOCS.parent)
    parts.append("```{raw} html\n<details><summary>The reference implementation, in full</summary>\n```\n")
    parts.append(f"```{{literalinclude}} ../../../{file}\n:language: python\n```\n")
    parts.append("```{raw} html\n</details>\n```\n")
    return "\n".join(parts)


def gallery(all_facts: list[Facts], shared: dict[str, dict[int, int]], trace: lp.Trace) -> str:
    """Return the page on which every policy has a card."""
    cards = []
    for facts in all_facts:
        entry = facts.entry
        drawn = curves_of(facts, shared, trace.requests, small=True) if facts.curve else ""
        at = SIZE[2]
        ratio = "" if facts.worst.ratio is None else f"ratio {facts.worst.ratio} at {SIZE[0]} x {SIZE[1]}, {at} slots"
        cards.append(
            f'<a class="card" href="{entry.name}.html"><strong>{entry.name}</strong>{drawn}'
            f"<span>{html.escape(entry.summary.replace('``', ''))}</span><em>{ratio}</em></a>"
        )
    names = "\n".join(facts.entry.name for facts in all_facts)
    return (
        "# Gallery of policies\n\n"
        f"Each picture is the share of the sample's requests that miss, against slots from {CAPACITIES[0]} to {CAPACITIES[-1]}: "
        "the policy in colour, LRU dashed, the optimum dotted. "
        "A card leads to the policy's page, with its source, its exact ratios, its worst cycle and what it keeps.\n\n"
        '```{raw} html\n<div class="cards">' + "\n".join(cards) + "</div>\n```\n\n"
        f"```{{toctree}}\n:hidden:\n:maxdepth: 1\n\n{names}\n```\n"
    )


def pages() -> dict[str, str]:
    """Return the pages by file name."""
    trace = lp.load_trace(SAMPLE)
    optimum = lp.optimum_curve(trace, admission="forced")
    entries = [entry for entry in catalog.collect() if entry.kind == "policy"]
    with ProcessPoolExecutor(min(2, os.cpu_count() or 1), get_context("spawn")) as pool:
        every = list(pool.map(facts_named, [entry.name for entry in entries]))
    lru = next(facts.curve for facts in every if facts.entry.name == "lru")
    shared = {"optimum": {slots: int(optimum[slots]) for slots in CAPACITIES}, "lru": lru}
    table = exact_rows()
    made = {f"{facts.entry.name}.md": page(facts, shared, trace, table) for facts in every}
    return {"index.md": gallery(every, shared, trace), **made}
