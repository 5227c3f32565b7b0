"""``lp.plan.plan``: is it the policy or the memory, what to switch on today, how much memory buys how many tokens per second."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from ..analysis.evidence import distinct_sessions, held_out
from ..core.arguments import is_real, kinds
from ..core.instance import integer, shown
from ..core.rules import Traffic, without_sizes
from ..core.trace import Trace
from ..engine.result import Run
from ..engine.run import replay
from ..errors import BudgetError, ParameterError
from ..policies.names import resolve
from .budgets import AHEAD, Row, asked_bytes, budget_grid, table_of
from .clock import Clock, Fit, fit
from .engines import USUAL, engines_of, shipped
from .found import Chosen, Plan
from .words import sentences, unknown

__all__ = ["plan"]

_SIZE = [("expert_bytes", None)]  # what gives a trace its sizes

POLICIES = ("lru", "llru", "lfu-decay", "slru", "similar-rounds")
KNEE = 0.8  # of what memory can save, from the smallest budget tried to all experts


@kinds()
def plan(
    trace: Trace,
    *,
    size: int | None = None,
    sized: bool | None = None,
    using: str = "lru",
    policies: Sequence[str] = POLICIES,
    engine: str | None = None,
    clock: Clock | None = None,
    measured: Sequence[tuple[int, float]] = (),
    overlap: bool = False,
    target: tuple[str, float] | None = None,
    sizes: Sequence[int] | None = None,
    pool: str = "shared",
    reset: str = "never",
    prefill: str = "token",
    traffic: Traffic | None = None,
    progress: Callable[[int], object] = lambda done: None,
) -> Plan:
    """Answer what a memory budget and a policy buy, in loads, bytes and (with a clock) tokens per second.

    Parameters
    ----------
    trace : Trace
        A round is a token.
    size : int, optional
        The budget in use.
    sized : bool, optional
        Whether budgets are bytes; default: where the trace knows its sizes.
    using : str
        The policy in use.
    policies : sequence of str
        What is tried beside it.
    engine : str, optional
        A name of ``plan.engines.ENGINES``: only what it ships is recommended.
    clock : Clock, optional
        Given by hand.
    measured : sequence of (budget, tokens per second)
        The user's own runs with ``using``; a clock is fitted to them (not together with ``clock``).
    overlap : bool
        Whether loads run while a token computes, for the fit.
    target : (str, float), optional
        ("rate", tokens per second) or ("hits", share of requests).
    sizes : sequence of int, optional
        Budgets to try; default: 20 from half a token's demand to all experts.
    pool, reset, prefill, traffic
        As for ``replay``.

    Raises
    ------
    ParameterError
        Bytes without sizes, a target of tokens per second without a clock, an unknown engine, two clocks.
    BudgetError
        No policy can run with the budget in use: an event does not fit.

    Notes
    -----
    Counts are exact; seconds are the clock's, an estimate.  A policy is chosen on every second session and judged on
    the others, so the figure is not of the sessions that chose it.
    """
    size = None if size is None else integer("size", size, 1)
    steps = None if sizes is None else [integer(f"sizes[{at}]", one, 1) for at, one in enumerate(sizes)]
    target = None if target is None else _wanted(target)
    sized = trace.page_bytes is not None if sized is None else sized
    if sized and trace.page_bytes is None:
        raise without_sizes()
    options: dict[str, Any] = {"pool": pool, "reset": reset, "prefill": prefill}
    if traffic is not None and not traffic.plain:
        options["traffic"] = traffic
    names = list(dict.fromkeys([using, *policies, *(shipped(engine) if engine is not None else ())]))
    for name in names:
        if resolve(name).offline:
            raise ParameterError(
                f"policy {name!r} knows the future: it cannot be switched on (the table has the optimum)"
            )
    if clock is not None and len(measured):
        raise ParameterError("give a clock or measured runs, one of them")
    fitted = _fitted(trace, using, measured, sized, overlap, options) if len(measured) else None
    clock = fitted.clock if fitted is not None else clock
    if target is not None and target[0] == "rate" and clock is None:
        raise ParameterError("a target of tokens per second needs a clock", ways=[("measured", None), ("clock", None)])
    if clock is not None and trace.page_bytes is None:
        raise ParameterError("a clock needs the bytes that are loaded; the trace has no sizes", ways=_SIZE)
    given = {*(_steps(trace, sized) if steps is None else steps), *([size] if size is not None else [])}
    table = table_of(trace, names, sorted(given), sized=sized, clock=clock, options=options, progress=progress)
    if size is not None and not any(
        table.at(name, size) for name in names
    ):  # the error of a replay tells what is needed
        _played(trace, using, size, sized, options)
    found = Plan(table, using, size, clock, fitted, [], {}, None, None, [], [])
    found = replace(
        found,
        chosen=_chosen(trace, found, names, engine, options),
        same_as={name: _same_as(found, name) for name in names if name != using},
        knee=_knee(table.of(using), sized),
        target=None if target is None else _reached(found, target, names),
    )
    return replace(found, sentences=sentences(trace, found, engine), unknown=unknown(trace, found, options, engine))


def _steps(trace: Trace, sized: bool) -> list[int]:
    slots = budget_grid(trace)
    if not sized:
        return slots
    width = asked_bytes(trace)
    assert width is not None
    return sorted({int(s * width.mean()) for s in slots[:-1]} | {int(width.sum())})


def _fitted(
    trace: Trace, using: str, measured: Sequence[tuple[int, float]], sized: bool, overlap: bool, options: dict[str, Any]
) -> Fit:
    if trace.page_bytes is None:
        raise ParameterError("a clock is fitted to bytes per token; the trace has no sizes", ways=_SIZE)
    loaded, seconds = [], []
    for at, pair in enumerate(measured):
        if len(pair) != 2 or not is_real(pair[1]) or not pair[1] > 0:
            found = f"must be a budget and tokens per second above 0; got {shown(pair)}"
            raise ParameterError(found, parameter=f"measured[{at}]")
        size, rate = integer(f"measured[{at}][0]", pair[0], 1), float(pair[1])
        run = _played(trace, using, size, sized, options)
        loaded.append((run.bytes_read or 0) / trace.rounds)
        seconds.append(1 / rate)
    return fit(loaded, seconds, overlap=overlap)


def _played(trace: Trace, policy: str, size: int, sized: bool, options: dict[str, Any]) -> Run:
    budget: dict[str, Any] = {"budget_bytes": size} if sized else {"slots": size}
    return replay(trace, policy, **budget, **options)


def _cost(row: Row) -> float:
    return row.loads if row.seconds is None else row.seconds


def _chosen(
    trace: Trace, found: Plan, names: Sequence[str], engine: str | None, options: dict[str, Any]
) -> list[Chosen]:
    """Choose on every second distinct session by misses, judge on the others; with one choose on it and judge nothing.

    Where no engine ships what is chosen, the best of what engines ship comes second.
    """
    if found.size is None:
        return []
    groups = distinct_sessions(trace)
    played = partial(_played, trace, size=found.size, sized=found.table.sized, options=options)
    runs = {}
    for name in [found.using, *shipped(engine)] if engine is not None else names:
        with contextlib.suppress(BudgetError):
            runs[name] = played(name)
    if found.using not in runs:
        return []
    best = held_out(runs, found.using, groups)
    chosen = [Chosen(best.policy, found.using, best.saved, best.judged)]
    if engine is not None or best.policy == found.using or engines_of(best.policy):
        return chosen
    for name in USUAL:
        with contextlib.suppress(BudgetError):
            runs[name] = runs.get(name) or played(name)
    other = held_out({n: run for n, run in runs.items() if n == found.using or engines_of(n)}, found.using, groups)
    return [*chosen, Chosen(other.policy, found.using, other.saved, other.judged, shipped=True)]


def _same_as(found: Plan, name: str) -> int | None:
    """Return the smallest budget tried at which the policy in use costs no more than ``name`` does at the budget in use."""
    if found.size is None:
        return None
    here = found.table.at(name, found.size)
    if here is None:
        return None
    rows = [row for row in found.table.of(found.using) if _cost(row) <= _cost(here)]
    return None if not rows else min(row.size(found.table.sized) for row in rows)


def _knee(rows: Sequence[Row], sized: bool) -> int | None:
    """Return the smallest budget tried that saves 80 % of what the largest one saves beside the smallest."""
    costs = [_cost(row) for row in rows]
    if len(rows) < 3 or costs[0] <= costs[-1]:
        return None
    wanted = costs[0] - KNEE * (costs[0] - costs[-1])
    return next(row.size(sized) for row in rows if _cost(row) <= wanted)


def _wanted(target: tuple[str, float]) -> tuple[str, float]:
    kind, value = target if len(target) == 2 else ("", 0.0)
    if kind not in ("rate", "hits") or not is_real(value) or not value > 0 or (kind == "hits" and value > 1):
        raise ParameterError(
            f"a target is ('rate', tokens per second above 0) or ('hits', share above 0, at most 1); got {shown(target)}"
        )
    return kind, value


def _reached(found: Plan, target: tuple[str, float], names: Sequence[str]) -> dict[str, Any]:
    kind, value = target
    reached: dict[str, int | None] = {}
    for name in [*names, *(name for name in AHEAD if found.table.of(name))]:
        good = [
            row.size(found.table.sized)
            for row in found.table.of(name)
            if (row.rate if kind == "rate" else row.hit_rate) is not None
            and float(row.rate if kind == "rate" else row.hit_rate) >= value  # type: ignore[arg-type]
        ]
        reached[name] = min(good) if good else None
    return {"kind": kind, "value": value, "smallest": reached}
