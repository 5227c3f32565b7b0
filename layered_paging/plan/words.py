"""The answers of a plan in sentences: the policy or the memory, what to switch on, what memory buys, what stays unknown."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..core.trace import Trace
from ..core.words import counted
from ..core.words import size as in_units
from .budgets import AHEAD, BOUND, Row, asked_bytes
from .clock import Fit
from .engines import ENGINES, engines_of, knob_of, not_there, to_write
from .found import Chosen, Plan

__all__ = ["memory", "sentences", "size_words", "unknown"]

WORTH = {"time": 0.02, "loads": 0.05}  # a policy that saves less of it is not advised; of loads as in a diagnosis


def size_words(size: int, sized: bool) -> str:
    """Return a budget in words: "2.5 GiB", "48 slots"."""
    return in_units(size) if sized else counted(size, "slot")


def sentences(trace: Trace, found: Plan, engine: str | None) -> list[str]:
    """Return the answers, the most important first."""
    out = []
    if found.size is not None:
        out += [_policy_or_memory(trace, found, engine), *_switch_on(found, engine)]
    out += [*memory(found), *_ahead(found)]
    if found.target is not None:
        out.append(_target(found))
    if found.fit is not None:
        out.append(_fitted(found.fit))
    if found.fit is not None and found.fit.note:
        out.append(f"The measured runs do not fit a clock of loads well: {found.fit.note}.")
    return [line for line in out if line]


def _each(pool: str) -> str:
    return "per layer" if pool == "per-layer" else "for all layers"


def _cost(row: Row) -> tuple[float, str]:
    """Return what is compared, and its name: the time of a token, or without a clock its loads."""
    return (row.loads, "loads") if row.seconds is None else (row.seconds, "time")


def _everything(trace: Trace, sized: bool) -> int:
    """Return the budget that holds all experts of the layers that are asked for."""
    weighed = asked_bytes(trace) if sized else None
    return int(trace.asked_pages.sum() if weighed is None else weighed.sum())


def _policy_or_memory(trace: Trace, found: Plan, engine: str | None) -> str:
    assert found.size is not None
    table, here = found.table, found.table.at(found.using, found.size)
    if here is None:
        return f"{found.using} cannot run with {size_words(found.size, table.sized)}: an event does not fit."
    best, what = _cost(here)
    best_name, least = found.using, WORTH[what]
    for name in dict.fromkeys(row.policy for row in table.rows):
        other = table.at(name, found.size)
        if engine is not None and not knob_of(engine, name):
            continue
        if other is not None and name not in AHEAD and _cost(other)[0] < best:
            best, best_name = _cost(other)[0], name
    full = table.of(found.using)[-1]
    by_policy = 1 - best / _cost(here)[0] if _cost(here)[0] else 0.0
    by_memory = 1 - _cost(full)[0] / _cost(here)[0] if _cost(here)[0] else 0.0
    unit = "a token's time" if what == "time" else "the loads"
    if by_policy < least and by_memory < least:
        everything = _everything(trace, table.sized)
        enough = f" All experts together are {size_words(everything, table.sized)}: the budget is enough."
        said = enough if found.size >= everything and here.misses == full.misses else ""
        return f"Neither: no policy tried and no more memory saves {100 * least:.0f} % of {unit}.{said}"
    here_words = size_words(found.size, table.sized)
    text = f"another policy ({best_name}) saves {100 * by_policy:.1f} % of {unit} at {here_words}"
    largest = size_words(full.size(table.sized), table.sized)
    more = f"{largest}, the largest budget tried, would save {100 * by_memory:.1f} %"
    if by_policy < least:
        return f"The memory: no policy tried saves {100 * least:.0f} % of {unit} at {here_words}; {more}."
    same = found.same_as.get(best_name)
    worth = (
        ""
        if same is None
        else f" With {found.using}, {size_words(same, table.sized)} save as much as {best_name} does (of the budgets tried)."
    )
    lead = "The policy first" if 3 * by_policy >= by_memory else "The memory first"
    return f"{lead}: {text}; {more}.{worth}"


def _switch_on(found: Plan, engine: str | None) -> list[str]:
    lines = []
    for chosen in found.chosen:
        among = (
            "what engines ship"
            if chosen.shipped
            else "all policies tried"
            if engine is None
            else f"what {engine} ships"
        )
        knobs = [f"{engine}: {knob_of(engine, chosen.policy)}"] if engine is not None else []
        if chosen.shipped:
            knobs = [f"{one['engine']}: {one['knob']}" for one in engines_of(chosen.policy)[:2]]
        lines.append(_advice(found, chosen, engine, among, f" ({'; '.join(knobs)})" if knobs else ""))
    if found.chosen and engine is None:
        best = found.chosen[0].policy
        nobody = "" if engines_of(best) else f"No engine that is listed ships {best}: {to_write(best)}. "
        lines.append(f"{nobody}Give --engine to hear only of policies that your engine ships.")
    return lines


def _advice(found: Plan, chosen: Chosen, engine: str | None, among: str, knob: str) -> str:
    """Return what a choice comes to."""
    if chosen.policy == chosen.against:
        if engine is not None:
            return f"{engine} ships nothing that misses less than {chosen.policy}, which is in use."
        return f"Of {among}, {chosen.policy}, which is in use, misses least."
    if chosen.saved is None:
        return (
            f"Of {among}, {chosen.policy} misses least{knob}, on the one session that there is: one session's worth of "
            "evidence, nothing to judge on."
        )
    if chosen.saved <= 0:
        of = f"Of {among}: stay" if chosen.shipped else "Stay"
        return f"{of} with {chosen.against}: what misses less on half of the sessions does not on the others."
    sessions = f"{chosen.sessions} other session" + "s" * (chosen.sessions != 1)
    here, there = (found.table.at(n, found.size or 0) for n in (chosen.against, chosen.policy))
    least = WORTH["loads" if here is None else _cost(here)[1]]
    worth = chosen.saved >= least
    if not chosen.shipped or there is not None:  # what is not in the table is judged by its misses alone
        worth = here is not None and there is not None and _cost(there)[0] <= (1 - least) * _cost(here)[0]
    if not worth:
        return f"{chosen.policy} misses less on {sessions}, but saves no {100 * least:.0f} % here: stay with {chosen.against}."
    return (
        f"Of {among}, switch on {chosen.policy}: {100 * chosen.saved:.1f} % fewer misses than {chosen.against} "
        f"on {sessions}, which did not choose it{knob}."
    )


def memory(found: Plan) -> list[str]:
    """Return what more memory buys: the knee, and what another piece of it is worth."""
    rows, sized = found.table.of(found.using), found.table.sized
    if len(rows) < 2:
        return []
    lines = []
    if found.knee is not None:
        row = found.table.at(found.using, found.knee)
        rate = "" if row is None or row.rate is None else f" ({row.rate:.1f} tokens per second)"
        lines.append(
            f"The knee is at {size_words(found.knee, sized)}{rate}: {found.using} has 80 % there of what memory can save, "
            f"from {size_words(rows[0].size(sized), sized)} to all experts."
        )
    if sized and found.size is not None and rows[0].rate is not None:
        after = [row for row in rows if (row.budget or 0) > found.size]
        here = found.table.at(found.using, found.size)
        if after and here is not None and here.rate is not None and after[0].rate is not None:
            step = 1 << 30 if found.size >= 1 << 31 else found.size // 10
            gained = (after[0].rate - here.rate) / ((after[0].budget or 0) - found.size) * step
            lines.append(
                f"At {size_words(found.size, sized)} another {size_words(step, sized)} is worth {gained:+.2f} tokens per second."
            )
    return lines


def _ahead(found: Plan) -> list[str]:
    """Return the most that loading ahead can add, by the clock: every load beside the computing of its token."""
    here = None if found.size is None else found.table.at(found.using, found.size)
    if here is None or here.rate is None or found.clock is None or found.clock.overlap:
        return []
    hidden = replace(found.clock, overlap=True).rate(here.loads, here.loaded)
    return [
        f"Loading ahead can make it {hidden:.2f} instead of {here.rate:.2f} tokens per second with {found.using}, at most: "
        "every load named in time, none in vain ('prefetch' replays predictors)."
    ]


def _fitted(fit: Fit) -> str:
    """Return the clock that was fitted to the user's runs, with its intervals, or why it has none."""
    runs = counted(len(fit.residuals), "measured run")
    rate = f"{fit.clock.bandwidth / 1e6:,.0f} MB/s" if fit.clock.bandwidth < 1e14 else "loads of no time"
    said = f"The clock fitted to {runs}: {1e3 * fit.clock.compute:.2f} ms per token and {rate}"
    if fit.compute_low is None or fit.compute_high is None or fit.bandwidth_low is None:
        why = (
            "two runs leave no interval"
            if len(fit.residuals) < 3
            else "no intervals where it was bent to fit, or overlaps"
        )
        return f"{said} ({why})."
    fastest = "no bound" if fit.bandwidth_high is None else f"{fit.bandwidth_high / 1e6:,.0f}"
    return (
        f"{said} (95 %: {1e3 * fit.compute_low:.2f} to {1e3 * fit.compute_high:.2f} ms, "
        f"{fit.bandwidth_low / 1e6:,.0f} to {fastest} MB/s)."
    )


def _target(found: Plan) -> str:
    assert found.target is not None
    smallest: dict[str, int | None] = found.target["smallest"]
    what = (
        f"{found.target['value']:g} tokens per second"
        if found.target["kind"] == "rate"
        else f"{100 * found.target['value']:g} % hits"
    )
    most = None if found.clock is None or found.target["kind"] != "rate" else found.clock.rate(0, 0)
    if most is not None and most < found.target["value"]:
        return (
            f"No memory gives {what}: computing alone takes {1e3 / most:.4g} ms per token by the clock, which is at most "
            f"{most:.4g} tokens per second."
        )
    parts = [
        f"{name} {'never, with the budgets tried' if size is None else size_words(size, found.table.sized)}"
        for name, size in smallest.items()
    ]
    return f"The smallest memory for {what}: " + ", ".join(parts) + "."


def _short(trace: Trace, found: Plan) -> list[str]:
    """Return a word of caution where the log does not fill the budget: no policy can differ much on it."""
    here = None if found.size is None else found.table.at(found.using, found.size)
    if here is None or found.size is None or found.size >= _everything(trace, found.table.sized):
        return []
    if here.misses > found.table.of(found.using)[-1].misses:
        return []
    return [
        f"In this log of {counted(trace.rounds, 'token')} {found.using} misses no more often than at the largest budget tried: "
        "whether a longer log needs more memory is not known."
    ]


def _near(name: str, engine: str) -> str:
    """Return how near a policy here is to that of an engine."""
    return f"How near {name} here is to that of {engine}: {ENGINES[engine].policies[name].faithful}."


def unknown(trace: Trace, found: Plan, options: dict[str, Any], engine: str | None = None) -> list[str]:
    """Return what the figures do not say."""
    out = []
    if found.size is None:
        out.append("No budget in use was given (--bytes or --slots): whether policy or memory is at fault is not said.")
    if engine is not None:
        there = ENGINES[engine]
        if told := not_there(engine, found.using):
            out.append(f"{told}.")
        if there.pool != options["pool"]:
            out.append(
                f"{engine} has one pool {_each(there.pool)}, the figures are of one {_each(options['pool'])} (--pool)."
            )
        for name in dict.fromkeys(chosen.policy for chosen in found.chosen):
            if name in there.policies:
                out.append(_near(name, engine))
        out.append(f"What {engine} does beside its policy is not in the counts: {there.beside}.")
    for chosen in found.chosen if engine is None else ():
        if chosen.shipped and chosen.policy != chosen.against:
            out += [_near(chosen.policy, one["engine"]) for one in engines_of(chosen.policy)[:2]]
    out += _short(trace, found)
    if len(trace.sessions) == 1:
        out.append("There is one session: whether another prompt behaves alike is not known.")
    if found.clock is None:
        out.append("There is no clock: loads are not time. Give --measured, or --compute and --bandwidth.")
    elif found.fit is None:
        out.append("The clock was given and not measured.")
    if options["prefill"] == "token" and (trace.stage == 0).any():
        out.append("Prompts are replayed token by token; engines serve them layer by layer at once (--prefill merged).")
    if "traffic" in options:
        out.append(
            "Rules of traffic drop loads: no schedule goes below 'bound', even one that may drop any load; whether one under "
            "the rules reaches it is open."
        )
    elif found.table.of(BOUND):
        out.append(
            "Experts differ in size: the rows of 'bound' are proved lower bounds of loads and of bytes, and whether one schedule "
            "reaches both is open ('optimum' says more)."
        )
    if found.clock is not None:
        out.append("Writes, other users of the disk and the page cache are not in the clock.")
    return out
