"""Replay a trace with a policy and count."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ..core.counts import Counts
from ..core.instance import integer
from ..core.layout import RESETS, Grid, choice, lay_out, pools_of
from ..core.parts import LongTrace
from ..core.trace import Trace
from ..errors import ParameterError
from ..policies.forecast import Forecast
from ..policies.names import resolve
from ..policies.spec import PolicySpec
from . import step as reference
from .pools import Run, Totals, instance_of, maker_of, player_of, totals_of
from .step import Step
from .streaming import Wanted, replay_parts

__all__ = [
    "ADMISSIONS",
    "Run",
    "Totals",
    "history",
    "informed",
    "instance_of",
    "player_of",
    "replay",
    "totals_of",
]

ADMISSIONS = ("forced", "bypass")
ENGINES = ("auto", "kernel", "reference")


def replay(
    trace: Trace | LongTrace,
    policy: str | type | PolicySpec,
    slots: int | None = None,
    *,
    pool: str = "shared",
    reset: str = "never",
    events: str = "atomic",
    admission: str = "forced",
    budget_bytes: int | None = None,
    prefill: str = "token",
    ties: str = "page",
    oversize: str = "error",
    seed: int = 0,
    predictions: Any = None,
    record: bool = False,
    engine: str = "auto",
) -> Run:
    """Replay a trace with a policy.

    Hits are judged against the cache at the start of an event; all absent members are loaded.

    Parameters
    ----------
    trace : Trace or LongTrace
        A ``LongTrace`` (``lp.open_trace(path)``) is read in parts; see Notes.
    policy : str or class
        A registered name, with parameters if need be (``"llru(rounds='absolute')"``), or a class.
    slots : int
        Total slots, at least 1, also for a per-layer pool (floor(slots / layers) each, the
        remainder to the lowest layers; layers without any request get none).
    pool : {"shared", "per-layer"}
    reset : {"never", "session", "cache"}
        Empty cache and policy at every session; or only the cache; or neither.
    events : {"atomic", "serial"}
        Members of an event together, or one at a time in router order: a different problem.
    admission : {"forced", "bypass"}
        Forced: all members stay until the event ends.  Bypass: a just-loaded member may be dropped.
    budget_bytes : int
        Bytes instead of slots; the trace must know its sizes.
    prefill : {"token", "merged"}
        Merged: one event per layer for the whole prefill of a prompt.
    ties : {"page", "rank"}
        Members of an event are presented in ascending page number, or in router order with a clock tick each.
    oversize : {"error", "allow"}
        What to do about a forced event that does not fit.
    seed : int
        For randomized policies, at least 0.
    predictions : str, array, or source
        Next uses for a policy that takes predictions: a name such as ``"perfect"``, ``"noisy:0.5"`` or ``"markov"`` (all
        are listed at ``layered_paging.prediction.source``); a float array of the shape of ``trace.experts`` with the rounds
        until each requested expert's next use (1: the next round, inf: never); or an object with ``begin()``, which
        returns ``policy.Predictions`` that are told the requests and asked.
    record : bool
        Keep which requests missed.
    engine : {"auto", "kernel", "reference"}
        Compiled kernel where the policy has one, or the reference loop; they count the same.

    Returns
    -------
    Run

    Raises
    ------
    BudgetError
        The budget is missing, given twice, out of range, or below the largest event.
    ParameterError, NotRegistered
        Another argument is out of range; predictions are missing, or given to a policy that takes none.

    Notes
    -----
    Time O(requests) for most policies, O(slots) more per miss for those that scan; memory O(pages)
    beside the trace.  Exact and deterministic.

    A ``LongTrace`` gives the same counts in memory that does not grow with its length but for 32 bytes a session.
    Every policy can do it that needs no future, and ``belady`` (the optimum) with slots and ties 'page': it decides
    each request when it comes.  ``prefill='merged'`` and ``record`` need a whole trace.

    Examples
    --------
    >>> import layered_paging as lp
    >>> trace = lp.Trace([[[0, 1], [0, 1]], [[0, 2], [0, 1]]], n_experts=3)
    >>> lp.replay(trace, "lru", 4)
    <Run: lru, 4 slots: 5 misses of 8 requests, 37.500 % hits>
    """
    spec = resolve(policy)
    choice("engine", engine, ENGINES)
    choice("admission", admission, ADMISSIONS)
    choice("oversize", oversize, ("error", "allow"))
    seed = integer("seed", seed, 0)
    choice("reset", reset, RESETS)
    options = {
        "pool": pool,
        "reset": reset,
        "events": events,
        "admission": admission,
        "prefill": prefill,
        "ties": ties,
        "oversize": oversize,
    }
    if isinstance(trace, LongTrace):
        if record:
            raise ParameterError("record=True keeps one flag a request: it needs a whole trace, not one in parts")
        if predictions is not None:
            raise ParameterError("predictions are of a whole trace; a trace in parts goes without")
        return replay_parts(trace, [Wanted(spec, slots, budget_bytes, seed)], options, engine=engine)[0]
    grid = lay_out(trace, events=events, prefill=prefill, ties=ties)
    spec = informed(spec, predictions, trace, grid, reset, (events, prefill, ties))
    sizes = trace.page_bytes
    if sizes is not None and grid.experts.size * int(sizes.max()) >= 1 << 63:
        raise ParameterError(f"requests times bytes must stay below 2^63; got experts of up to {sizes.max()} bytes")
    totals = totals_of(trace, grid, reset)
    bypass, allowed = admission == "bypass", oversize == "allow"
    counts = Counts.zero(grid, record and pool == "shared")
    in_bytes = budget_bytes is not None
    flags = np.zeros(grid.shape, bool) if record else None
    parts = pools_of(grid, trace, slots, budget_bytes, pool=pool, fits=bypass or allowed)
    player = player_of(spec, engine)
    for layer, (part, total) in enumerate(parts):
        capacity, instance = instance_of(trace, spec, total, in_bytes)
        got = player(
            part,
            spec,
            instance,
            capacity,
            sizes=sizes,
            in_bytes=in_bytes,
            reset=reset,
            bypass=bypass,
            oversize=allowed,
            seed=seed,
            key=layer,
            record=record,
        )
        counts.add(got)
        if flags is not None:
            columns = slice(None) if pool == "shared" else np.flatnonzero(grid.layer == layer)
            flags[:, columns] = got.flags
    return Run(
        policy=spec.name,
        slots=None if slots is None else int(slots),
        budget_bytes=None if budget_bytes is None else int(budget_bytes),
        misses_by_session=counts.misses,
        requests_by_session=totals.requests,
        misses_by_layer=counts.layer_misses,
        requests_by_layer=totals.layer_requests,
        compulsory=totals.compulsory,
        bytes_read=None if sizes is None else counts.missed_bytes,
        missed=flags,
        seed=seed,
        options=options,
    )


def history(
    trace: Trace,
    policy: str | type | PolicySpec,
    slots: int,
    *,
    pool: str = "shared",
    reset: str = "never",
    events: str = "atomic",
    admission: str = "forced",
    ties: str = "page",
    seed: int = 0,
    predictions: Any = None,
) -> Iterator[Step]:
    """Yield what ``replay`` does, event by event, by the reference loop.

    Parameters as for ``replay``.  With a per-layer pool, ``resident`` holds the pages of the event's
    layer alone.  Events without members are yielded too.

    Raises
    ------
    BudgetError, ParameterError, NotRegistered
        As ``replay`` does.

    Examples
    --------
    >>> import layered_paging as lp
    >>> trace = lp.Trace([[0], [1], [2], [0]], n_experts=3)
    >>> [(step.misses, step.evicted) for step in history(trace, "lru", 2)]
    [((0,), ()), ((1,), ()), ((2,), (0,)), ((0,), (1,))]
    """
    spec = resolve(policy)
    choice("admission", admission, ADMISSIONS)
    choice("reset", reset, RESETS)
    seed = integer("seed", seed, 0)
    grid = lay_out(trace, events=events, ties=ties)
    spec = informed(spec, predictions, trace, grid, reset, (events, "token", ties))
    bypass = admission == "bypass"
    running = []
    for key, (part, total) in enumerate(pools_of(grid, trace, slots, None, pool=pool, fits=bypass)):
        instance = trace.instance(max(1, min(total, trace.pages)))
        make, resets = maker_of(part, spec, instance, reset, seed, key)
        running.append(reference.steps(part, make, total, reset=resets, bypass=bypass))
    for event in grid.events():
        yield next(running[0 if pool == "shared" else event.time.layer])


def informed(
    spec: PolicySpec, predictions: Any, trace: Trace, grid: Grid, reset: str, layout: tuple[str, str, str]
) -> PolicySpec:
    """Return the policy with its predictions for this trace as laid out.

    Raises
    ------
    ParameterError
        The policy takes none, or they are for another trace or layout.
    """
    if predictions is not None and not spec.predicted:
        raise ParameterError(f"policy {spec.name!r} takes no predictions; got {repr(predictions)[:60]}")
    if predictions is None and isinstance(spec.predictions, str):
        predictions = spec.predictions
    if predictions is not None:
        from ..prediction.next_use import bind

        spec = replace(spec, predictions=bind(predictions, trace, grid, reset, "/".join(layout)))
    if isinstance(spec.predictions, Forecast):
        spec.predictions.check(grid.shape[0] * grid.stride, grid.shape[2], trace.n_experts)
    return spec
