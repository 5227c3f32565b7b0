"""The findings of a diagnosis in words: the verdict first, every figure with what it is a share of."""

from __future__ import annotations

from typing import Any

from ..core.words import counted, size

__all__ = ["recommendation", "sentences", "share"]


ADVICE = "Recommendation: use"
BUT = {  # what a recommendation owns up to where the verdict is not about policies
    "future": ", though the largest part of the misses needs the future",
    "working set": ", though the largest part of the misses is unavoidable at this capacity",
    "cold": ", though the largest part of the misses are first requests",
    "reference": ", though a reference policy would do better",
}


def share(count: float, whole: float) -> str:
    """Return count / whole in percent with one decimal."""
    return f"{100 * count / whole:.1f} %" if whole else "0.0 %"


def sentences(found: dict[str, Any]) -> list[str]:
    """Return the findings; the first sentence is the verdict."""
    if found["misses"] == found["compulsory"]:
        every = (
            "the only miss is the first request"
            if found["misses"] == 1
            else f"all {found['misses']:,} misses are first requests"
        )
        nothing = f"Nothing to be gained: {every} since the cache was empty, which no policy can avoid."
        return [nothing, *_emptied(found), *_layers(found)]
    said = [
        _headline(found),
        *_copied(found),
        _split(found),
        _cliff(found),
        *_layers(found),
        *_prompts(found),
        *_emptied(found),
    ]
    return [*said, *_references(found), *_in_bytes(found), *_changed(found), _skew(found)]


def _budget(found: dict[str, Any]) -> str:
    if found["budget_bytes"] is None:
        return counted(found["slots"], "slot")
    return size(found["budget_bytes"])


def _best(found: dict[str, Any]) -> str:
    return "the optimum" if found["optimum_how"] == "exact" else "what is proved of the optimum"


def _headline(found: dict[str, Any]) -> str:
    policy, best, misses = found["policy"], found["best"], found["misses"]
    loss = misses - found["optimum"]
    saved = found["parts"]["tried"]
    if found["verdict"] == "policy":
        return (
            f"Policy failure{_where(found)}: another policy helps. {best} has {share(saved, misses)} fewer misses than {policy}, "
            f"which is {'' if found['optimum_how'] == 'exact' else 'at least '}{share(saved, loss)} of what {policy} loses to the optimum."
        )
    if found["verdict"] == "prefill":
        prompts = found["prompts"]
        return (
            f"No verdict on policies: {best} has {share(saved, misses)} fewer misses than {policy} where prompts are replayed "
            f"token by token, but {share(prompts['policy'] - prompts['best'], prompts['policy'])} fewer where they are served "
            "layer by layer at once (prefill 'merged'), as engines do."
        )
    if found["verdict"] == "reference":
        least = min(found["references"], key=lambda reference: int(reference["misses"]))
        more = misses - least["misses"]
        little = f"{best} helps a little" if _advised(found) else "no policy tried helps much"
        return (
            f"Policy failure{_where(found)}, by a reference: {little}, but {least['policy']}, made for "
            f"{least['model']}, has {share(more, misses)} fewer misses than {policy}."
        )
    tried = f"the best policy tried, {best}, has {share(saved, misses)} fewer misses than {policy}"
    less = f"No policy tried has fewer misses than {policy}." if best == policy else f"{tried[0].upper()}{tried[1:]}."
    if _advised(found):
        less = f"{less[:-1]}: worth a change, but only {share(saved, loss)} of what {policy} loses to {_best(found)}."
    return {
        "future": f"Needs the future: the largest part of the misses is avoided by the optimum alone, which knows what comes. {less}",
        "working set": f"Working-set failure: the largest part of the misses is unavoidable at this capacity. {less}",
        "cold": f"Cold trace: the largest part of the misses are first requests since the cache was empty, which no policy can avoid. {less}",
    }[found["verdict"]]


def _advised(found: dict[str, Any]) -> bool:
    """Whether the recommendation is to change the policy."""
    return str(found["recommendation"]).startswith(ADVICE)


def _where(found: dict[str, Any]) -> str:
    """Say so where the verdict rests on one session, however often it is there, or is not settled by the sessions."""
    evidence = found["evidence"]
    if evidence["distinct"] < 2:
        return " on this one session"
    clear = evidence["mean"] > evidence["half"] and 2 * evidence["better"] > evidence["distinct"]
    return "" if clear else " on these sessions together, not session by session"


def _copied(found: dict[str, Any]) -> list[str]:
    """Say that copies of sessions are in the counts: to a policy that keeps a history they are a future that it knows."""
    again = found["evidence"]["sessions"] - found["evidence"]["distinct"]
    if not again:
        return []
    repeat = "session repeats" if again == 1 else "sessions repeat"
    return [
        f"{again:,} of {found['evidence']['sessions']:,} {repeat} an earlier one, at least nine of ten events at the same place. The counts hold all. "
        "A policy that keeps a history has seen a copy before, so its gain here is no sign of what it gains on new sessions."
    ]


def _split(found: dict[str, Any]) -> str:
    misses, parts = found["misses"], found["parts"]
    cold, unavoidable, future, reference, tried = (
        share(parts[name], misses) for name in ("cold", "working set", "future", "reference", "tried")
    )
    between = ""
    if found["optimum_how"] != "exact":
        between = (
            f" The optimum is known to lie between {counted(found['optimum'], 'miss', 'misses')}, a proved bound, and {found['optimum_found']:,}; "
            "the split takes the bound."
        )
    return (
        f"{found['policy']} misses {misses:,} of {counted(found['requests'], 'request')} ({share(misses, found['requests'])}): "
        f"{cold} of these are first requests, {unavoidable} unavoidable at {_budget(found)}, {future} avoided by the optimum "
        f"alone, {reference} by a reference policy, {tried} by a policy that was tried.{between}"
    )


def _cliff(found: dict[str, Any]) -> str:
    """Say where the budget lies beside what a round asks for; a round is a token, or a step of a batch."""
    most = "" if found["demand_most"] == found["demand"] else f" (median; at most {found['demand_most']:,})"
    asks = f"one round asks for {counted(found['demand'], 'expert')}{most}"
    hits = found["requests"] - found["lru"]
    lru, optimum = share(hits, found["requests"]), share(found["requests"] - found["optimum"], found["requests"])
    best = "the optimum hits" if found["optimum_how"] == "exact" else "the optimum hits at most"
    edge = (found["demand"] - found["top_k"]) / found["demand"]
    if found["holds"] <= edge:
        return (
            f"The budget is below the cliff: {asks}, and the cache holds {found['holds']:.2f} of that. A shared LRU drops "
            f"almost every expert before its layer comes again: it hits {lru}, while {best} {optimum}."
        )
    if found["holds"] < 1:
        return (
            f"The budget is on the cliff: {asks}, and the cache holds {found['holds']:.2f} of that. A shared LRU starts to "
            f"hit only here: {lru}, while {best} {optimum}."
        )
    return f"{asks[0].upper()}{asks[1:]}; the budget holds {found['holds']:.2f} rounds."


def _layers(found: dict[str, Any]) -> list[str]:
    said = []
    if found["absent"]:
        names = ", ".join(found["layer_names"][j] for j in found["absent"][:12])
        names += ", ..." if len(found["absent"]) > 12 else ""
        one = len(found["absent"]) == 1
        said.append(
            f"Layer{'' if one else 's'} {names} {'has' if one else 'have'} no request: dense, or not logged. "
            f"{'It counts' if one else 'They count'} neither as pages nor for quotas."
        )
    if found["constant"]:
        names = ", ".join(found["layer_names"][j] for j in found["constant"][:12])
        said.append(
            f"Layer{'' if len(found['constant']) == 1 else 's'} {names}: always the same single expert. If this is a dense layer "
            "logged as zeros, its requests are none: write -1 (lp.transforms.without_layers)."
        )
    return said


def _prompts(found: dict[str, Any]) -> list[str]:
    prompts = found["prompts"]
    if prompts is None:
        return []
    said = (
        f"{prompts['rounds']:,} of {counted(prompts['of'], 'round')} are prefill, replayed token by token here; an engine "
        "serves a prompt layer by layer at once (prefill 'merged')."
    )
    if prompts["policy"] is None:
        return [f"{said} So merged, an event does not fit into the budget."]
    if prompts["policy"] == prompts["best"]:
        names = list(dict.fromkeys([found["policy"], found["best"]]))
        names += ["the optimum"] if prompts["optimum"] == prompts["policy"] else []
        who = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
        same = "has" if len(names) == 1 else "have the same"
        return [f"{said} So merged, {who} {same} {counted(prompts['policy'], 'miss', 'misses')}."]
    return [
        f"{said} So merged, {found['policy']} has {counted(prompts['policy'], 'miss', 'misses')}, {found['best']} {prompts['best']:,}, "
        f"and no schedule fewer than {prompts['optimum']:,}."
    ]


def _emptied(found: dict[str, Any]) -> list[str]:
    if found["compulsory"] <= found["touched"]:
        return []
    return [
        f"The cache is emptied at each session here, so {found['compulsory']:,} requests are first ones; an engine that keeps it "
        f"between sessions has {found['touched']:,} (diagnose with reset 'never')."
    ]


def _references(found: dict[str, Any]) -> list[str]:
    said = []
    for reference in found["references"]:
        more = share(abs(found["misses"] - reference["misses"]), found["misses"])
        word = "fewer" if reference["misses"] <= found["misses"] else "more"
        text = f"Reference for {reference['model']}: {reference['policy']} has {more} {word} misses than {found['policy']}."
        if reference["least"] is not None:
            least, best = reference["least"], found["by_policy"][found["best"]]
            text += f" If requests were like that, no policy without the future would have fewer than {counted(least, 'miss', 'misses')} on average"
            if best < least:
                text += f"; {found['best']} has {best:,}, so they are not."
            else:
                text += f" ({share(found['misses'] - least, found['misses'])} fewer than {found['policy']})."
        said.append(text)
    return said


def _in_bytes(found: dict[str, Any]) -> list[str]:
    read, least = found["bytes_read"], found["optimum_bytes"]
    if read is None or least is None:
        return []
    bound = "the least possible is" if least == found["optimum_bytes_found"] else "no schedule loads less than"
    return [
        f"In bytes: {found['policy']} loads {read / 2**20:,.1f} MiB; {bound} {least / 2**20:,.1f} MiB "
        f"({share(read - least, read)} less)."
    ]


def _changed(found: dict[str, Any]) -> list[str]:
    best = found["by_policy"][found["best"]]
    changes = {
        "bypassing the cache": (found["optimum"], found["bypass"], "the optimum"),
        "a quota for each layer": (best, found["per_layer_best"], found["best"]),
        "twice the memory": (best, found["doubled"], found["best"]),
    }
    said = []
    for what, (before, after, who) in changes.items():
        if after is None:
            said.append(
                f"With {what} the budget is not legal: {_budget(found)} cannot hold the largest event of every layer."
            )
        elif who != "the optimum" or found["optimum_how"] == "exact":
            word = "fewer" if after <= before else "more"
            said.append(f"With {what}, {who} would have {share(abs(before - after), max(1, before))} {word} misses.")
        else:
            said.append(f"With {what}, no schedule has fewer than {counted(after, 'miss', 'misses')}.")
    return said


def _skew(found: dict[str, Any]) -> str:
    locality = (
        f"Locality: {100 * found['repeated']:.1f} % of the requests repeat one of the round before; popularity alone "
        f"gives {100 * found['repeated_by_chance']:.1f} %."
    )
    if found["slots"] is None:
        return locality
    held = min(found["slots"], found["pages"])
    hottest = found["coverage"]["1 slot" if held == 1 else f"{held} slots"]
    return (
        f"Skew: the {counted(held, 'hottest page')} receive{'s' if held == 1 else ''} {100 * hottest:.1f} % of the requests; "
        f"were all experts of a layer alike, chance would give about {100 * found['coverage_by_chance']:.1f} % at this length. "
        f"{locality}"
    )


def recommendation(found: dict[str, Any], least: float, about: str) -> str:
    """Return the recommendation with its evidence; ``least`` is the share of the misses that makes one worth while.

    ``about`` says what the policy does and costs.
    """
    policy, best, evidence, prompts = found["policy"], found["best"], found["evidence"], found["prompts"]
    saved = found["parts"]["tried"]
    if best == policy or saved == 0 or found["misses"] == found["compulsory"]:
        return f"Recommendation: stay with {policy}; no policy that was tried has fewer misses here."
    fewer = f"{best} has {share(saved, found['misses'])} fewer misses than {policy}"
    if saved < least * found["misses"]:
        return f"Recommendation: stay with {policy}; {fewer}, less than the {share(least, 1)} that would be worth a change ('plan' weighs the time of a token)."
    if prompts is not None and prompts["policy"] is not None and prompts["best"] is not None:
        merged = prompts["policy"] - prompts["best"]
        if merged < least * prompts["policy"]:
            return (
                f"No recommendation: {fewer} token by token, but {share(merged, prompts['policy'])} fewer where a prompt is "
                "served layer by layer at once (prefill 'merged'), as engines do."
            )
    if evidence["distinct"] < 2:
        copies = "" if evidence["sessions"] == 1 else f" ({evidence['sessions']} sessions, all the same)"
        return (
            f"No recommendation: this is one session's worth of evidence{copies}. On it {fewer}, in {evidence['better_blocks']} "
            f"of {evidence['blocks']} blocks of its rounds. Record other sessions."
        )
    seen = (
        f"{100 * evidence['mean']:.1f} ± {100 * evidence['half']:.1f} % fewer misses (95 % interval over "
        f"{evidence['distinct']} distinct sessions), in {evidence['better']} of them"
    )
    if evidence["mean"] <= evidence["half"]:
        return (
            f"No recommendation yet: {fewer}, but session by session it is {seen}: the interval holds 0. Record more."
        )
    if 2 * evidence["better"] <= evidence["distinct"]:
        return f"No recommendation yet: {seen}, not in most of them: a few carry all of it. Record more."
    return f"{ADVICE} {best} instead of {policy}{BUT.get(found['verdict'], '')}: {seen}. {about}"
