"""The report of a trace at a budget: one page for a colleague, with what it says and how to say it again."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from ..core.words import counted
from .html import escape, fill
from .pictures import curves, layers, picture

__all__ = ["report_page"]


def report_page(told: dict[str, Any], *, title: str, trace: str = "TRACE") -> str:
    """Return the page about what ``facts`` found.

    Parameters
    ----------
    told : dict
        As ``facts`` returns it.
    title : str
        Any text; it is escaped, as is all that the trace says of itself.
    trace : str
        Name of the trace's file, for the commands that are shown.
    """
    found = told["diagnosis"]
    sections = [
        _header(told, title),
        "<main>",
        _verdict(told),
        "<h2>Every policy at this budget</h2>",
        _policies(told),
        "<h2>Every budget</h2>",
        _figure(
            picture(curves(told), "Share of requests that miss against slots: " + ", ".join(told["curves"])),
            "The optimum knows the future: no policy can be below it. "
            f"Below {counted(found['demand'], 'slot')} not even the experts of one token fit.",
        ),
        "<h2>Layer by layer</h2>",
        _figure(
            picture(layers(told), "Misses of each layer under the optimum and under the policies"),
            _waste(told["layers"], found),
        ),
        "<h2>Would a saved profile help?</h2>",
        _transfer(told),
        "<h2>Could the next experts be fetched ahead?</h2>",
        _prefetch(told),
        "<h2>How this was made</h2>",
        _made(told, trace),
        "</main>",
    ]
    data = {key: told[key] for key in ("diagnosis", "layers", "sessions", "chosen", "transfer", "prefetch", "trace")}
    return fill("report.html", title=title, data=data, body="\n".join(sections))


def _percent(share: float | None, digits: int = 1) -> str:
    return "-" if share is None else f"{100 * share:.{digits}f} %"


def _mib(count: float) -> str:
    return f"{count / 2**20:,.1f} MiB"


def _header(told: dict[str, Any], title: str) -> str:
    shape, found = told["trace"], told["diagnosis"]
    budget = counted(found["slots"], "slot")
    if found["budget_bytes"] is not None:
        budget = f"{_mib(found['budget_bytes'])}, which holds {budget}"
    if found["slots"] >= shape["pages"]:
        budget += f", enough for every page ({shape['pages']:,} in all)"
    else:
        budget += f" of {counted(shape['pages'], 'page')}"
    size = "" if shape["bytes"] is None else f", {_mib(shape['bytes'])} in all"
    experts = (
        counted(shape["experts"], "expert")
        if isinstance(shape["experts"], int)
        else f"{min(shape['experts'])} to {max(shape['experts'])} experts"
    )
    return (
        f"<header><h1>{escape(title)}</h1><p class='soft'>{counted(shape['requests'], 'request')} by {counted(shape['rounds'], 'token')} in "
        f"{counted(shape['sessions'], 'session')}; {counted(shape['layers'], 'layer')} of {experts}, {shape['top_k']} at a time{size}. "
        f"Budget: {escape(budget)}. Reset: {escape(told['reset'])}.</p></header>"
    )


def _verdict(told: dict[str, Any]) -> str:
    first, *more = told["diagnosis"]["sentences"]
    said = ("Best policy tried", "No policy tried")  # the recommendation says it with its evidence
    lines = [first, recommendation(told), *(line for line in more if not line.startswith(said))]
    return "<section class='verdict'>" + "".join(f"<p>{escape(line)}</p>" for line in lines) + "</section>"


def recommendation(told: dict[str, Any]) -> str:
    """Return the recommendation in words, with its evidence."""
    found, paired, chosen = told["diagnosis"], told["sessions"], told["chosen"]
    gap = found["misses"] - found["optimum"]
    if found["best"] == found["policy"] or gap == 0:
        return f"Recommendation: stay with {found['policy']}; no policy that was tried has fewer misses here."
    won = found["misses"] - found["by_policy"][found["best"]]
    text = (
        f"Recommendation: use {found['best']} instead of {found['policy']}: it closes {_percent(won / gap)} of the gap to the optimum "
        f"({_percent(won / found['requests'], 2)} of all requests)."
    )
    if paired["half"] is not None:
        text += (
            f" Session by session: {100 * paired['mean']:.2f} ± {100 * paired['half']:.2f} percentage points fewer misses "
            f"(95 % interval over {paired['sessions']} sessions), better in {paired['better']} of them."
        )
        if paired["mean"] <= paired["half"]:
            text += " That interval holds 0, so on these sessions alone it is not settled."
    if chosen is not None and chosen["in_use"]:
        word = "the same" if chosen["policy"] == found["best"] else chosen["policy"]
        less = (chosen["in_use"] - chosen["misses"]) / chosen["in_use"]
        text += f" Cross-check: chosen on every other session it would be {word}, with {_percent(less)} fewer misses than {found['policy']} on the rest."
    return text


def _rows(head: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "", best: str = "") -> str:
    cells = "".join(f"<th scope='col'>{escape(name)}</th>" for name in head)
    lines = "".join(
        f"<tr{' class=best' if row[0] == best else ''}>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    told = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f"<div class='scroll'><table>{told}<thead><tr>{cells}</tr></thead><tbody>{lines}</tbody></table></div>"


def _figure(image: str, caption: str) -> str:
    return f"<figure>{image}<figcaption>{escape(caption)}</figcaption></figure>"


def _policies(told: dict[str, Any]) -> str:
    found, shape = told["diagnosis"], told["trace"]
    requests, optimum = found["requests"], found["optimum"]
    gap = found["misses"] - optimum
    size = None if shape["bytes"] is None else shape["bytes"] / shape["pages"]
    head = ["policy", "misses", "hits", "gap closed", "x optimum"]
    if size is not None:
        head.append("MiB a token")

    def row(name: str, misses: int) -> list[str]:
        closed = _percent((found["misses"] - misses) / gap) if gap else "-"
        cells = [
            name,
            f"{misses:,}",
            _percent(1 - misses / requests, 2),
            closed,
            f"{misses / optimum:.3f}" if optimum else "-",
        ]
        return cells if size is None else [*cells, f"{misses * size / shape['rounds'] / 2**20:,.3g}"]

    known = sorted((m, name) for name, m in found["by_policy"].items() if m is not None)
    policies = [row(name, misses) for misses, name in known]
    rows = [row("optimum (forced)", optimum), row("optimum (bypass)", found["bypass"])]
    if found["per_layer_optimum"] is not None:
        rows.append(row("optimum, a quota a layer", found["per_layer_optimum"]))
    if found["per_layer_best"] is not None:
        rows.append(row(f"{found['best']}, a quota a layer", found["per_layer_best"]))
    if found["doubled"] is not None:
        rows.append(row(f"{found['best']}, twice the slots", found["doubled"]))
    missing = [name for name, m in found["by_policy"].items() if m is None]
    note = f" Not legal at this budget: {', '.join(missing)}." if missing else ""
    means = "" if size is None else " Bytes are misses at the mean size of an expert."
    how = f"Forced admission, events atomic, one shared pool; gap: from {found['policy']} to the forced optimum.{means}{note}"
    bounds = _rows(["what could be", *head[1:]], rows, "What no policy can beat, and what other memory would do")
    return _rows(head, policies, how, found["best"]) + bounds


def _waste(rows: Sequence[dict[str, int]], found: dict[str, Any]) -> str:
    lost = [row["misses"] - row["optimum"] for row in rows]
    total = sum(lost)
    worst = sorted(range(len(rows)), key=lambda j: -lost[j])[:3]
    if total <= 0:
        return f"{found['policy']} loses nothing to the optimum."
    names = ", ".join(f"{j} ({_percent(lost[j] / total)})" for j in worst)
    return f"Of what {found['policy']} loses to the optimum, most is lost in layer{'s' if len(worst) > 1 else ''} {names}. Every layer asks for {counted(found['top_k'], 'expert')} at a time."


def _transfer(told: dict[str, Any]) -> str:
    moved, found = told["transfer"], told["diagnosis"]
    if moved is None:
        return (
            "<p>Only one session of the trace has requests, so a profile cannot be judged on another: record more.</p>"
        )
    distances = [x for x in moved["distance"] if x is not None]
    rows = [
        ["made from the other half of the sessions", *(_percent(x, 2) for x in reversed(moved["other"]))],
        ["made from the same half (an oracle)", *(_percent(x, 2) for x in reversed(moved["same"]))],
    ]
    far = (
        f" Jensen-Shannon distance of the halves (0 the same, 1 disjoint): {min(distances):.3f} to {max(distances):.3f} over the layers."
        if distances
        else ""
    )
    best = 1 - found["by_policy"][found["best"]] / found["requests"]
    answer = "More than" if max(moved["other"]) > best else "Not by itself: it hits less than"
    said = f"{answer} {found['best']}, which hits {_percent(best, 2)} here.{far}"
    return (
        _rows(
            ["the hottest pages by a profile", "first half", "second half"],
            rows,
            f"Hits of a cache that holds the {counted(min(found['slots'], found['pages']), 'hottest page')} by a profile and never changes; sessions taken in turn.",
        )
        + f"<p>{escape(said)}</p>"
    )


def _prefetch(told: dict[str, Any]) -> str:
    rows = [
        [row["predictor"], _percent(row["precision"]), _percent(row["recall"]), _percent(row["misses_named"])]
        for row in told["prefetch"]
    ]
    in_use = told["diagnosis"]["policy"]
    return _rows(
        ["predictor", "precision", "recall", f"misses of {in_use} named"],
        rows,
        f"Guesses of {counted(told['trace']['top_k'], 'expert')} just before each event, learnt from the stream as it goes.",
    ) + (
        "<p>A miss that is named can be loaded ahead; whether in time depends on your device. "
        "<code>layered-paging prefetch</code> replays it on a clock that you set.</p>"
    )


def _made(told: dict[str, Any], trace: str) -> str:
    found, shape = told["diagnosis"], told["trace"]
    name = shlex.quote(trace)
    budget = f"--slots {found['slots']}" if found["budget_bytes"] is None else f"--bytes {found['budget_bytes']}"
    reset = "" if told["reset"] == "never" else f" --reset {told['reset']}"
    policies = " ".join(shlex.quote(p) for p, m in found["by_policy"].items() if m is not None)
    judged = f" --policy {shlex.quote(found['policy'])} --against {' '.join(map(shlex.quote, found['by_policy']))}"
    commands = [
        f"layered-paging report {name} {budget}{reset}{judged} -o report.html",
        f"layered-paging replay {name} --slots {found['slots']}{reset} --policy {policies} --optimum forced",
        f"layered-paging optimum {name} --slots {found['slots']}{reset} --admission forced -o optimum.json",
        f"layered-paging check optimum.json --trace {name}",
    ]
    facts = {"layered-paging": told["version"], "contents of the trace": shape["digest"], **shape["meta"]}
    listed = "".join(f"<dt>{escape(key)}</dt><dd>{escape(value)}</dd>" for key, value in facts.items())
    return (
        "<p>All counts are exact. The optimum has a certificate that an independent checker verifies:</p>"
        f"<pre>{escape(chr(10).join(commands))}</pre><dl>{listed}</dl>"
    )
