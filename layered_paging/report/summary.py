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
            picture(curves(told), "Share of requests that miss against the budget: " + ", ".join(told["curves"])),
            "The optimum knows the future: no policy can be below it. "
            f"One round, a token or a step of a batch, asks for {counted(found['demand'], 'expert')}.",
        ),
        "<h2>Layer by layer</h2>",
        _figure(
            picture(layers(told), "Misses of each layer under the optimum and under the policies"),
            _waste(told),
        ),
        "<h2>Would a saved profile help?</h2>",
        _transfer(told),
        "<h2>Could the next experts be fetched ahead?</h2>",
        _prefetch(told),
        "<h2>How this was made</h2>",
        _made(told, trace),
        "</main>",
    ]
    data = {key: told[key] for key in ("diagnosis", "layers", "chosen", "transfer", "prefetch", "trace")}
    return fill("report.html", title=title, data=data, body="\n".join(sections))


def _percent(share: float | None, digits: int = 1) -> str:
    return "-" if share is None else f"{100 * share:.{digits}f} %"


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
    layers = counted(shape["layers"], "layer")
    if found["absent"]:
        layers += f" ({found['layers']} with requests)"
    return (
        f"<header><h1>{escape(title)}</h1><p class='soft'>{counted(shape['requests'], 'request')} in {counted(shape['rounds'], 'round')} of "
        f"{sessions}; {layers} of {experts}, {shape['top_k']} at a time{size}. "
        f"Budget: {escape(budget)}. Reset: {escape(told['reset'])}. Prefill: {escape(found['prefill'])}{merged}.</p></header>"
    )


def _verdict(told: dict[str, Any]) -> str:
    found, chosen = told["diagnosis"], told["chosen"]
    first, *more = found["sentences"]
    lines = [first, found["recommendation"], *more, *found["warnings"]]
    if chosen is not None and chosen["in_use"]:
        less = (chosen["in_use"] - chosen["misses"]) / chosen["in_use"]
        lines.insert(
            2,
            f"Cross-check: chosen on every other distinct session, the policy would be {chosen['policy']}, with "
            f"{_percent(less)} fewer misses than {found['policy']} on the rest.",
        )
    return "<section class='verdict'>" + "".join(f"<p>{escape(line)}</p>" for line in lines) + "</section>"


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
    found = told["diagnosis"]
    requests, optimum = found["requests"], found["optimum"]
    gap, sized = found["misses"] - optimum, found["bytes_read"] is not None
    bound = "" if found["optimum_how"] == "exact" else ", at least"
    head = ["policy", "misses", "hits", "gap closed", "to optimum", *(["MiB read"] if sized else [])]

    def row(name: str, misses: int, loaded: int | None = None) -> list[str]:
        closed = _percent((found["misses"] - misses) / gap) if gap else "-"
        cells = [name, f"{misses:,}", _percent(1 - misses / requests, 2), closed]
        cells.append(f"{misses / optimum:.3f}" if optimum else "-")
        return [*cells, "-" if loaded is None else f"{loaded / 2**20:,.1f}"] if sized else cells

    known = sorted((m, name) for name, m in found["by_policy"].items() if m is not None)
    policies = [row(name, misses, found["bytes_by_policy"][name]) for misses, name in known]
    rows = [row(f"optimum (forced){bound}", optimum)]
    if found["optimum_bytes"] is not None:
        proved = "" if found["optimum_bytes"] == found["optimum_bytes_found"] else ", at least"
        rows.append([f"least bytes (forced){proved}", "-", "-", "-", "-", f"{found['optimum_bytes'] / 2**20:,.1f}"])
    for name, key in (
        (f"optimum (bypass){bound}", "bypass"),
        (f"optimum, a quota a layer{bound}", "per_layer_optimum"),
        (f"{found['best']}, a quota a layer", "per_layer_best"),
        (f"{found['best']}, twice the budget", "doubled"),
    ):
        if found[key] is not None:
            rows.append(row(name, found[key]))
    rows += [
        row(f"{reference['policy']} ({reference['model']})", reference["misses"]) for reference in found["references"]
    ]
    missing = [name for name, m in found["by_policy"].items() if m is None]
    note = f" Not legal at this budget: {', '.join(missing)}." if missing else ""
    how = f"Forced admission, events atomic, one shared pool; gap: from {found['policy']} to the forced optimum{'' if not bound else ' (its proved bound)'}.{note}"
    what = "What no policy can beat, what other memory would do, and what reference policies reach"
    return _rows(head, policies, how, found["best"]) + _rows(["what could be", *head[1:]], rows, what)


def _waste(told: dict[str, Any]) -> str:
    rows, found = told["layers"], told["diagnosis"]
    lost = [row["misses"] - row["optimum"] for row in rows]
    total = sum(lost)
    worst = [j for j in sorted(range(len(rows)), key=lambda j: -lost[j])[:3] if lost[j] > 0]
    best = "the optimum" if found["optimum_how"] == "exact" else "furthest next use, which knows the future"
    if total <= 0:
        return f"{found['policy']} loses nothing to {best}."
    names = ", ".join(f"{told['layer_names'][j]} ({_percent(lost[j] / total)})" for j in worst)
    return (
        f"Of what {found['policy']} loses to {best}, most is lost in layer{'s' if len(worst) > 1 else ''} {names}. "
        f"An event asks for at most {counted(found['top_k'], 'expert')}."
    )


def _transfer(told: dict[str, Any]) -> str:
    moved, found = told["transfer"], told["diagnosis"]
    if moved is None:
        return "<p>The trace is one session's worth of evidence, so a profile cannot be judged on another session: record more.</p>"
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
            "Hits of a cache that holds the hottest pages that fit, by a profile, and never changes; distinct sessions taken in turn.",
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
    reset += "" if found["prefill"] == "token" else f" --prefill {found['prefill']}"
    exact = found["optimum_how"] == "exact"
    relaxed = "" if exact else " --solver lp"
    policies = " ".join(shlex.quote(p) for p, m in found["by_policy"].items() if m is not None)
    judged = f" --policy {shlex.quote(found['policy'])} --against {' '.join(map(shlex.quote, found['by_policy']))}"
    commands = [
        f"layered-paging report {name} {budget}{reset}{judged} -o report.html",
        f"layered-paging diagnose {name} {budget}{reset}{judged}",
        f"layered-paging replay {name} {budget}{reset} --policy {policies}{' --optimum forced' if exact else ''}",
        f"layered-paging optimum {name} {budget}{reset} --admission forced{relaxed} -o optimum.json",
        f"layered-paging check optimum.json --trace {name}",
    ]
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
