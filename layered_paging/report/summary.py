"""The report of a trace at a budget: three questions with their answers, and everything else folded."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..core.words import counted
from ..plan.budgets import AHEAD, BOUND, OPTIMUM
from .drawing import Axes, Series, bars, key, lines, ticks
from .html import escape, fill
from .memory import HEADS
from .questions import even_share, percent, questions

__all__ = ["report_page"]

_AHEAD = {
    OPTIMUM: "The optimum knows the future: no policy hits more. ",
    BOUND: "The bound is proved: no policy hits more, or loads fewer bytes. Experts differ in size, so whether one reaches both is open. ",
}
KEPT = ("diagnosis", "layers", "chosen", "shipped", "over_time", "transfer", "prefetch", "trace")


def report_page(
    told: dict[str, Any],
    *,
    title: str,
    trace: str = "TRACE",
    read: Sequence[str] = (),
    typed: Mapping[str, str] | None = None,
) -> str:
    """Return the page about what ``facts`` found.

    Parameters
    ----------
    told : dict
        As ``facts`` returns it.
    title : str
        Any text; it is escaped, as is all that the trace says of itself.
    trace : str
        Name of the trace's file, for the commands that are shown.
    read : sequence of str
        Words that these commands need to read it in the same way.
    typed : mapping, optional
        From the name of a policy to what names it in these commands, as ``mine.py:Mine``.
    """
    commands = _commands(told, trace, shlex.join(read), typed or {})
    found = told["diagnosis"]
    asked = questions(told)
    folded = [
        ("Everything that was found, in words", _words(told)),
        ("Every policy at this budget", _policies(told)),
        ("Every budget that was counted", _every_budget(told)),
        ("Layer by layer", _layers(told)),
        ("From an empty cache, and after a change of session", _over_time(told)),
        ("Would a saved profile help?", _transfer(told)),
        ("Could the next experts be fetched ahead?", _prefetch(told)),
        ("How this was made", _made(told, commands)),
    ]
    sections = [
        _header(told, title),
        "<main>",
        *(_question(*one, last=one is asked[-1]) for one in asked),
        _slider(told),
        "<p class='soft hint'><a href='#all'>Unfold everything below.</a></p>",
        *(f"<details><summary><h3>{escape(name)}</h3></summary>{inside}</details>" for name, inside in folded),
        "</main>",
        f"<footer><p>{escape(_foot(told, commands[0]))}</p></footer>",
    ]
    data = {key: told[key] for key in KEPT} | {"budgets": {**told["budgets"], "places": _places(told)}}
    assert found["policy"] in told["budgets"]["names"]
    return fill("report.html", title=title, data=data, body="\n".join(sections))


def _question(question: str, answer: str, more: list[str], last: bool) -> str:
    lines_ = "".join(f"<p>{escape(line)}</p>" for line in more)
    kind = "question second" if last else "question"
    return (
        f"<section class='{kind}'><h2>{escape(question)}</h2><p class='answer'>{escape(answer)}</p>{lines_}</section>"
    )


def _foot(told: dict[str, Any], command: str) -> str:
    return (
        f"Made by layered-paging {told['version']}: {command} (contents {told['trace']['digest']}). "
        "The rest is folded on the screen."
    )


def _axes(told: dict[str, Any]) -> Axes:
    """Return the axes of the picture of all budgets: hits in percent."""
    table = told["budgets"]
    sizes, here = table["sizes"], table["sizes"][table["here"]]
    unit, divisor = ("slots", 1.0) if table["unit"] == "slots" else ("MiB", float(2**20))
    marks = [(float(here), f"budget {table['labels'][table['here']]}")]
    return Axes(
        (float(min(sizes)), float(max(sizes))),
        (0.0, 100.0),
        unit,
        "hits %",
        [(t * divisor, f"{t:,g}") for t in ticks(min(sizes) / divisor, max(sizes) / divisor)],
        [(float(t), str(t)) for t in range(0, 101, 20)],
        marks,
    )


def _places(told: dict[str, Any]) -> list[float]:
    axes = _axes(told)
    return [axes.at(size, 0)[0] for size in told["budgets"]["sizes"]]


def _kind(names: Sequence[str], name: str) -> str:
    return "optimum" if name in AHEAD else f"s{[n for n in names if n not in AHEAD].index(name) % 4}"


def _slider(told: dict[str, Any]) -> str:
    table, found = told["budgets"], told["diagnosis"]
    names, sizes, here = table["names"], table["sizes"], table["here"]
    series = [
        Series(
            name,
            _kind(names, name),
            [(s, h) for s, h in zip(sizes, table["hits"][name], strict=True) if h is not None],
        )
        for name in names
    ]
    about = f"Hits in percent against the budget: {', '.join(names)}; {counted(len(sizes), 'budget')} counted"
    heads = "".join(
        f"<th scope='col'>{escape(text)}</th>" for text in ("policy", *(HEADS[c] for c in table["columns"]))
    )
    rows = "".join(
        f"<tr{' class=best' if name == found['best'] else ''}>"
        + "".join(f"<td>{escape(cell)}</td>" for cell in (name, *cells))
        + "</tr>"
        for name, cells in zip(names, table["cells"][here], strict=True)
    )
    ahead = "".join(text for name, text in _AHEAD.items() if name in names)
    return (
        f"<figure>{key([(_kind(names, name), name) for name in names])}{lines(series, _axes(told), about, name='curve')}"
        f"<figcaption>{ahead}Lines join the budgets that were counted.</figcaption></figure>"
        "<div class='slider'><label for='budget'>Budget</label>"
        f"<input id='budget' type='range' min='0' max='{len(sizes) - 1}' step='1' value='{here}'>"
        f"<output id='size' for='budget'>{escape(table['labels'][here])}</output></div>"
        f"<div class='scroll'><table id='counted'><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
        "<p class='soft hint'>Move the slider, or point at the picture.</p>"
    )


def _every_budget(told: dict[str, Any]) -> str:
    table = told["budgets"]
    rows = [
        [
            label,
            *("-" if table["hits"][name][n] is None else f"{table['hits'][name][n]:.2f}" for name in table["names"]),
        ]
        for n, label in enumerate(table["labels"])
    ]
    return _rows(["budget", *table["names"]], rows, "Hits in percent.", table["labels"][table["here"]])


def _words(told: dict[str, Any]) -> str:
    found = told["diagnosis"]
    return "".join(f"<p>{escape(line)}</p>" for line in found["sentences"][1:]) or "<p>Nothing more.</p>"


def _layers(told: dict[str, Any]) -> str:
    rows, found = told["layers"], told["diagnosis"]
    most = max(max(row["misses"], row["best"], row["optimum"]) for row in rows) or 1
    wide = len(rows) - 0.5
    step = max(1, -(-len(rows) // 12))
    axes = Axes(
        (-0.5, wide),
        (0.0, float(most)),
        "layer",
        "misses",
        [(float(n), str(n)) for n in range(0, len(rows), step)],
        [(t, f"{t:,.0f}") for t in ticks(0, most)],
    )
    series = [Series(found["policy"], "s0", [(n, row["misses"]) for n, row in enumerate(rows)])]
    if found["best"] != found["policy"]:
        series.append(Series(found["best"], "s1", [(n, row["best"]) for n, row in enumerate(rows)]))
    ahead = "optimum" if found["optimum_how"] == "exact" else "furthest next use"
    about = "Misses of each layer under " + ", ".join([ahead, *(one.name for one in series)])
    entries = [("bar bar", ahead), *((f"{one.kind} dot", one.name) for one in series)]
    picture = bars([row["optimum"] for row in rows], series, axes, about)
    top = f"An event asks for at most {counted(found['top_k'], 'expert')}."
    return f"<figure>{key(entries)}{picture}<figcaption>{escape(even_share(told))} {top}</figcaption></figure>"


def _over_time(told: dict[str, Any]) -> str:
    runs = told["over_time"]
    if not runs:
        return "<p>Sessions are too short to follow the hits over time.</p>"
    one = runs[0]
    short = f" ({counted(one['short'], 'shorter one')} left out)" if one["short"] else ""
    parts = [f"<p>{escape(run['sentence'])}</p>" for run in runs]
    parts.append(
        f"<p class='soft'>Steady state: the second half of the first {one['horizon']:,} rounds of a session, over "
        f"{counted(one['sessions'], 'session')}{short}.</p>"
    )
    for what, title in (("cold", "From an empty cache"), ("change", "After a change of session")):
        if runs[0][what]:
            parts.append(_followed(runs, what, title))
    return "".join(parts)


def _followed(runs: Sequence[dict[str, Any]], what: str, title: str) -> str:
    step, most = runs[0]["window"], max(len(run[what]) for run in runs) * runs[0]["window"]
    axes = Axes(
        (0.0, float(most)),
        (0.0, 100.0),
        "rounds",
        "hits %",
        [(t, f"{t:,g}") for t in ticks(0, most)],
        [(float(t), str(t)) for t in range(0, 101, 20)],
    )
    series = [
        Series(run["policy"], f"s{n}", [((k + 1) * step, 100 * h) for k, h in enumerate(run[what]) if h is not None])
        for n, run in enumerate(runs)
    ]
    picture = lines(series, axes, f"{title}: hits in percent by rounds")
    return f"<figure>{key([(s.kind, s.name) for s in series])}{picture}<figcaption>{title}.</figcaption></figure>"


def _mib(count: float) -> str:
    return f"{count / 2**20:,.1f} MiB"


def _header(told: dict[str, Any], title: str) -> str:
    shape, found = told["trace"], told["diagnosis"]
    budget = (
        f"{found['budget_bytes']:,} bytes ({_mib(found['budget_bytes'])})" if found["budget_bytes"] is not None else ""
    )
    if found["slots"] is not None:
        budget += f"{', which hold ' if budget else ''}{counted(found['slots'], 'slot')}"
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
    sessions = counted(shape["sessions"], "session")
    if 0 < shape["distinct"] < shape["sessions"]:
        sessions += f" ({shape['distinct']:,} distinct)"
    merged = "" if found["prefill"] == "token" else f" ({counted(found['requests'], 'request')} so)"
    prompts = "token by token" if found["prefill"] == "token" else "one event per layer"
    layers = counted(shape["layers"], "layer")
    if found["absent"]:
        layers += f" ({found['layers']} with requests)"
    return (
        f"<header><h1>{escape(title)}</h1><p class='soft'>{counted(shape['requests'], 'request')} in {counted(shape['rounds'], 'round')} of "
        f"{sessions}; {layers} of {experts}, {shape['top_k']} at a time{size}. "
        f"Budget: {escape(budget)}. Reset: {escape(told['reset'])}. Prompts: {prompts}{merged}.</p></header>"
    )


def _rows(head: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "", best: str = "") -> str:
    cells = "".join(f"<th scope='col'>{escape(name)}</th>" for name in head)
    lines = "".join(
        f"<tr{' class=best' if row[0] == best else ''}>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    told = f"<p class='soft'>{escape(caption)}</p>" if caption else ""
    return f"{told}<div class='scroll'><table><thead><tr>{cells}</tr></thead><tbody>{lines}</tbody></table></div>"


def _policies(told: dict[str, Any]) -> str:
    found = told["diagnosis"]
    requests, optimum = found["requests"], found["optimum"]
    gap, sized = found["misses"] - optimum, found["bytes_read"] is not None
    bound = "" if found["optimum_how"] == "exact" else ", at least"
    head = ["policy", "misses", "hits", "gap closed", "to optimum", *(["MiB read"] if sized else [])]

    def row(name: str, misses: int, loaded: int | None = None) -> list[str]:
        closed = percent((found["misses"] - misses) / gap) if gap else "-"
        cells = [name, f"{misses:,}", percent(1 - misses / requests, 2), closed]
        cells.append(f"{misses / optimum:.3f}" if optimum else "-")
        return [*cells, "-" if loaded is None else f"{loaded / 2**20:,.1f}"] if sized else cells

    known = sorted((m, name) for name, m in found["by_policy"].items() if m is not None)
    policies = [row(name, misses, found["bytes_by_policy"][name]) for misses, name in known]
    rows = [row(f"optimum (forced){bound}", optimum)]
    if found["optimum_bytes"] is not None:
        proved = "" if found["optimum_bytes"] == found["optimum_bytes_found"] else ", at least"
        rows.append([f"least bytes (forced){proved}", "-", "-", "-", "-", f"{found['optimum_bytes'] / 2**20:,.1f}"])
    for name, field in (
        (f"optimum (bypass){bound}", "bypass"),
        (f"optimum, a quota a layer{bound}", "per_layer_optimum"),
        (f"{found['best']}, a quota a layer", "per_layer_best"),
        (f"{found['best']}, twice the budget", "doubled"),
    ):
        if found[field] is not None:
            rows.append(row(name, found[field]))
    rows += [
        row(f"{reference['policy']} ({reference['model']})", reference["misses"]) for reference in found["references"]
    ]
    missing = [name for name, m in found["by_policy"].items() if m is None]
    note = f" Not legal at this budget: {', '.join(missing)}." if missing else ""
    how = f"Forced admission, events atomic, one shared pool; gap: from {found['policy']} to the forced optimum{'' if not bound else ' (its proved bound)'}.{note}"
    what = "What no policy can beat, what other memory would do, and what reference policies reach"
    return _rows(head, policies, how, found["best"]) + _rows(["what could be", *head[1:]], rows, what)


def _transfer(told: dict[str, Any]) -> str:
    moved, found = told["transfer"], told["diagnosis"]
    if moved is None:
        return "<p>The trace is one session's worth of evidence, so a profile cannot be judged on another session: record more.</p>"
    distances = [x for x in moved["distance"] if x is not None]
    rows = [
        ["made from the other half of the sessions", *(percent(x, 2) for x in reversed(moved["other"]))],
        ["made from the same half (an oracle)", *(percent(x, 2) for x in reversed(moved["same"]))],
    ]
    far = (
        f" Jensen-Shannon distance of the halves (0 the same, 1 disjoint): {min(distances):.3f} to {max(distances):.3f} over the layers."
        if distances
        else ""
    )
    best = 1 - found["by_policy"][found["best"]] / found["requests"]
    answer = "More than" if max(moved["other"]) > best else "Not by itself: it hits less than"
    said = f"{answer} {found['best']}, which hits {percent(best, 2)} here.{far}"
    return (
        _rows(
            ["the hottest pages by a profile", "first half", "second half"],
            rows,
            "Hits of a cache that holds the hottest pages that fit, by a profile, and never changes; distinct sessions taken in turn.",
        )
        + f"<p>{escape(said)}</p>"
    )


def _prefetch(told: dict[str, Any]) -> str:
    rows = [
        [row["predictor"], percent(row["precision"]), percent(row["recall"]), percent(row["misses_named"])]
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


def _commands(told: dict[str, Any], trace: str, read: str, typed: Mapping[str, str]) -> list[str]:
    """Return the commands that count everything again; the first one makes the page."""
    found, name, table = told["diagnosis"], shlex.quote(trace), told["budgets"]
    budget = f"--slots {found['slots']}" if found["budget_bytes"] is None else f"--bytes {found['budget_bytes']}"
    reset = "" if told["reset"] == "never" else f" --reset {told['reset']}"
    reset += "" if found["prefill"] == "token" else f" --prefill {found['prefill']}"
    exact = found["optimum_how"] == "exact"
    relaxed = "" if exact else " --solver lp"

    def words(names: Iterable[str]) -> str:
        return " ".join(shlex.quote(typed.get(name, name)) for name in names)

    policies = words(p for p, m in found["by_policy"].items() if m is not None)
    judged = f" --policy {words([found['policy']])} --against {words(found['by_policy'])}"
    clock = _clock(told["clock"])
    others = words(n for n in table["names"] if n not in (*AHEAD, table["using"])) or words([table["using"]])
    followed = words(run["policy"] for run in told["over_time"])
    read = f" {read}" if read else ""
    return [
        f"layered-paging report {name} {budget}{reset}{judged}{clock}{read} -o report.html",
        f"layered-paging diagnose {name} {budget}{reset}{judged}{read}",
        f"layered-paging plan {name} {budget}{reset} --policy {words([table['using']])} --against {others}{clock}{read}",
        f"layered-paging replay {name} {budget}{reset} --policy {policies}{' --optimum forced' if exact else ''}{read}",
        *([f"layered-paging replay {name} {budget}{reset} --policy {followed} --over-time{read}"] if followed else []),
        f"layered-paging optimum {name} {budget}{reset} --admission forced{relaxed}{read} -o optimum.json",
        f"layered-paging check optimum.json --trace {name}{read}",
    ]


def _clock(clock: dict[str, Any] | None) -> str:
    if clock is None:
        return ""
    words = f" --compute {clock['compute']:.9g}s --bandwidth {clock['bandwidth']:.0f}"
    words += f" --latency {clock['latency'] * 1e9:.9g}ns" if clock["latency"] else ""
    words += " --overlap" if clock["overlap"] else ""
    if clock["on_cpu"]:
        words += f" --on-cpu {clock['on_cpu']:g} --cpu {clock['cpu'] * 1e9:.9g}ns"
    return words


def _made(told: dict[str, Any], commands: Sequence[str]) -> str:
    found, shape = told["diagnosis"], told["trace"]
    facts = {"layered-paging": told["version"], "contents of the trace": shape["digest"], **shape["meta"]}
    listed = "".join(f"<dt>{escape(key)}</dt><dd>{escape(value)}</dd>" for key, value in facts.items())
    return f"<p>{escape(_proof(found))}</p><pre>{escape(chr(10).join(commands))}</pre><dl>{listed}</dl>"


def _proof(found: dict[str, Any]) -> str:
    if found["optimum_how"] == "exact":
        return (
            "Misses and bytes are those of replays. The optimum has a certificate that an independent checker verifies:"
        )
    return (
        "Misses and bytes are those of replays. Sizes differ, so that the optimum in bytes is not known: a certificate "
        f"proves that no schedule misses less than {found['optimum']:,} times, and that one misses {found['optimum_found']:,} times:"
    )
