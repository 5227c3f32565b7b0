"""Replay a trace with a policy and count.  A whole trace is a trace of one part."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.counts import Counts
from ..core.instance import Instance, flag, integer
from ..core.interpreted import compiles
from ..core.layout import Grid, capacities, check_fits, grids_of, lay_out, lay_rows, needs_of, pools_of
from ..core.parts import LongTrace, Part
from ..core.rules import ENGINES, PLAIN, Budget, Rules, Traffic, choice
from ..core.trace import Trace
from ..errors import ParameterError, TraceError
from ..policies.forecast import Forecast
from ..policies.names import resolve
from ..policies.spec import PolicySpec
from . import step as reference
from .choice import chosen
from .lending import loans
from .result import Run, Totals, joined, totals_of
from .step import Step
from .task import Task

__all__ = [
    "Run",
    "Totals",
    "Wanted",
    "history",
    "informed",
    "instance_of",
    "joined",
    "player_of",
    "replay",
    "replay_all",
    "totals_of",
]

Ints = npt.NDArray[np.int64]


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
    quotas: str | Sequence[int] = "uniform",
    traffic: Traffic | Mapping[str, Any] | None = None,
    lend: str = "none",
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
        Total slots, at least 1, also for a per-layer pool: floor(slots / layers) each, the
        remainder to the lowest layers.  Layers without any request get none.
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
        are listed at ``layered_paging.prediction.source``).  Or a float array of the shape of ``trace.experts``: the rounds
        until each requested expert's next use (1: the next round, inf: never).  Or an object with ``begin()``, which
        returns ``policy.Predictions`` that are told the requests and asked.
    record : bool
        Keep which requests missed.
    engine : {"auto", "kernel", "reference"}
        Compiled kernel where the policy has one, or the reference loop; they count the same.
    quotas : "uniform" or sequence of int
        Slots of each layer, instead of a uniform split. The pools are then per layer, and ``slots`` may be left out.  With
        ``budget_bytes`` they are bytes, of which it is the sum.
        ``layered_paging.engine.quotas`` finds a policy's best ones.
    traffic : Traffic or mapping, optional
        Which loads stay in the cache, for example ``{"bypass_above": 32}``; see ``layered_paging.Traffic``.
    lend : {"none", "waiting", "all"}
        With per-layer pools, prompts pass layer by layer, and other layers lend their slots to the layer in flight; see
        ``layered_paging.engine.lending``.

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

    A ``LongTrace`` gives the same counts in memory that does not grow with its length but for 32 bytes per session.
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
    rules = Rules.with_quotas(
        quotas, pool=pool, reset=reset, events=events, admission=admission, prefill=prefill, ties=ties,
        oversize=oversize, traffic=Traffic.of(traffic), lend=lend,
    )  # fmt: skip
    if slots is None and budget_bytes is None and isinstance(rules.quotas, tuple):
        slots = sum(rules.quotas)
    wanted = Wanted(spec, slots, budget_bytes, integer("seed", seed, 0), predictions)
    return replay_all(trace, [wanted], rules, engine=engine, record=record)[0]


@dataclass(frozen=True)
class Wanted:
    """One replay that is wanted: a policy, slots or bytes, a seed, and predictions for a policy that takes them."""

    spec: PolicySpec
    slots: int | None
    budget_bytes: int | None = None
    seed: int = 0
    predictions: Any = None


def replay_all(
    trace: Trace | LongTrace,
    wanted: Sequence[Wanted],
    rules: Rules,
    *,
    engine: str = "auto",
    record: bool = False,
    begin: int = 0,
    end: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> list[Run]:
    """Replay with several policies or sizes in one pass over the parts of a trace.

    Parameters
    ----------
    trace : Trace or LongTrace
    wanted : sequence of Wanted
    rules : Rules
    engine : {"auto", "kernel", "reference"}
    record : bool
        Keep which requests missed; needs a whole trace.
    begin, end : int
        Of a trace in parts: the rounds to replay; ``begin`` must be the first round of a session.
    progress : callable, optional
        Called with the number of rounds done after each part.

    Raises
    ------
    ParameterError
        A policy needs the future and is not ``belady``, or an option needs a whole trace; or quotas are to be found.
    BudgetError
        As ``replay`` raises it, at the first part that does not fit; what is needed is told of the rounds read so far.
    FormatError
        What is read is not what its format says.

    Notes
    -----
    Time as ``replay``, reading shared by all; memory of one part, O(pages) per replay, 32 bytes per session.
    """
    choice("engine", engine, ENGINES)
    if rules.quotas == "free":
        raise ParameterError("quotas of a replay must be 'uniform' or a list of slots; got 'free'")
    _refuse(trace, wanted, rules, record)
    lanes = [_Lane(trace, one, rules, engine, record) for one in wanted]
    budgets = {lane.budget.unit: lane.budget for lane in lanes}.values()
    asked, compulsory = _Sums(trace.layers), 0
    seen = np.full(trace.pages, -1, np.int64)
    start, whole = begin, begin == 0 and end is None
    for grid in _parts(trace, rules, begin, end):
        begin += grid.shape[0]
        read = ""
        if isinstance(trace, LongTrace) and not (whole and begin == trace.rounds):
            read = f"; read so far: rounds {start} to {begin - 1}, and others may need more"
        if rules.must_fit:
            needs = {one.in_bytes: needs_of(grid, trace, one, rules) for one in budgets}
            for lane in lanes:
                check_fits(needs[lane.budget.in_bytes], trace, lane.rooms, lane.budget, rules, read)
        totals = _asked(trace, grid, rules, seen)
        asked.add(grid.number, totals.requests, totals.layer_requests)
        compulsory += totals.compulsory
        grids = grids_of(grid, rules)
        for lane in lanes:
            lane.play(grid, grids)
        if progress is not None:
            progress(begin)
    if asked.first is None or (whole and not asked.by_layer.any()):
        source = trace.source if isinstance(trace, LongTrace) else "trace"
        raise TraceError(f"{source}: a trace must hold at least one request; got none")
    return [lane.run(asked, compulsory) for lane in lanes]


def _parts(trace: Trace | LongTrace, rules: Rules, begin: int, end: int | None) -> Iterator[Grid]:
    """Yield the parts of a trace as laid out; a whole trace is one."""
    if not isinstance(trace, LongTrace):
        yield lay_out(trace, rules)
        return
    before = -1
    for part in trace.parts(begin, end):
        yield _laid(trace, part, rules, begin, before)
        begin += len(part.session)
        before = int(part.session[-1])


def _laid(trace: LongTrace, part: Part, rules: Rules, origin: int, before: int) -> Grid:
    number = int(part.session[0])
    starts = np.flatnonzero(np.diff(part.session, prepend=number - 1)).astype(np.int64)
    grid = lay_rows(part.experts, starts, part.stage, trace.first_page, trace.pages, rules)
    return replace(grid, origin=origin, number=number, goes_on=number == before)


def _asked(trace: Trace | LongTrace, grid: Grid, rules: Rules, seen: Ints) -> Totals:
    """Count what a part asks for; ``seen`` is modified in place."""
    if not isinstance(trace, LongTrace):
        return totals_of(trace, grid, rules.resets)
    from .totals import count

    return Totals(*count(grid, rules.resets, trace.page_bytes, seen))


@dataclass
class _Sums:
    """Counts by session and stage that grow with the sessions, and counts by layer."""

    layers: int
    first: int | None = None
    size: int = 0
    rows: Ints = field(default_factory=lambda: np.zeros((64, 2), np.int64))

    def __post_init__(self) -> None:
        self.by_layer: Ints = np.zeros(self.layers, np.int64)

    def add(self, number: int, by_session: Ints, by_layer: Ints) -> None:
        self.first = number if self.first is None else self.first
        at = number - self.first
        self.size = at + len(by_session)
        if self.size > len(self.rows):
            self.rows = np.concatenate((self.rows, np.zeros((self.size, 2), np.int64)))
        self.rows[at : self.size] += by_session
        self.by_layer += by_layer

    @property
    def by_session(self) -> Ints:
        return self.rows[: self.size].copy()


class _Lane:
    """One replay on its way through the parts of a trace."""

    def __init__(self, trace: Trace | LongTrace, wanted: Wanted, rules: Rules, engine: str, record: bool) -> None:
        self.wanted, self.rules, self.record = wanted, rules, flag("record", record)
        self.budget = Budget(wanted.slots, wanted.budget_bytes)
        self.rooms = capacities(trace, self.budget, rules)
        self.sizes = trace.page_bytes
        self.sums, self.missed_bytes, self.dropped = _Sums(trace.layers), 0, 0
        self.flags: npt.NDArray[np.bool_] | None = None
        spec, whole = wanted.spec, not isinstance(trace, LongTrace)
        if isinstance(trace, Trace):
            spec = informed(spec, wanted.predictions, trace, lay_out(trace, rules), rules)
        # pools of layers without any request stay empty
        self._used = trace.asked.tolist() if rules.per_layer else [True]
        self._tasks: list[tuple[int, Instance, dict[str, Any] | None]] = [
            (capacity, instance, {} if not whole else None)
            for capacity, instance in (instance_of(trace, spec, total, self.budget) for total in self.rooms)
        ]
        self._spec, self._play = spec, player_of(spec, engine, rules)
        self._loans = loans(self.rooms, self._used, rules.lend)

    def play(self, grid: Grid, grids: Sequence[Grid]) -> None:
        """Replay a part: its events as a whole, and those of each pool."""
        if self.record:
            self.flags = np.zeros(grid.shape, bool)
        for key, (part, (capacity, instance, carry)) in enumerate(zip(grids, self._tasks, strict=True)):
            if not self._used[key]:
                continue
            given: dict[str, Any] = {
                "sizes": self.sizes,
                "in_bytes": self.budget.in_bytes,
                "record": self.record,
                "carry": carry,
                "loan": self._loans[key],
            }
            task = Task(part, self._spec, instance, capacity, self.rules, seed=self.wanted.seed, key=key, **given)
            counts = self._play(task)
            self.sums.add(grid.number, counts.misses, counts.layer_misses)
            self.missed_bytes += counts.missed_bytes
            self.dropped += counts.dropped
            if self.flags is not None:
                columns = np.flatnonzero(grid.layer == key) if self.rules.per_layer else slice(None)
                self.flags[:, columns] = counts.flags

    def run(self, asked: _Sums, compulsory: int) -> Run:
        """Return the outcome."""
        return Run(
            policy=self.wanted.spec.name,
            slots=self.budget.slots,
            budget_bytes=self.budget.budget_bytes,
            misses_by_session=self.sums.by_session,
            requests_by_session=asked.by_session,
            misses_by_layer=self.sums.by_layer,
            requests_by_layer=asked.by_layer.copy(),
            compulsory=compulsory,
            bytes_read=None if self.sizes is None else self.missed_bytes,
            missed=self.flags,
            seed=self.wanted.seed,
            options=self.rules.options(),
            dropped=self.dropped,
        )


def _refuse(trace: Trace | LongTrace, wanted: Sequence[Wanted], rules: Rules, record: bool) -> None:
    """Refuse what the trace cannot be replayed with."""
    if not isinstance(trace, (Trace, LongTrace)):
        lay_out(trace)  # says what is needed
    sizes = trace.page_bytes
    if isinstance(trace, Trace):
        grid = lay_out(trace, rules)
        if sizes is not None and grid.experts.size * int(sizes.max()) >= 1 << 63:
            raise ParameterError(f"requests times bytes must stay below 2^63; got experts of up to {sizes.max()} bytes")
        return
    if record:
        raise ParameterError("record=True keeps one flag a request: it needs a whole trace, not one in parts")
    if any(one.predictions is not None for one in wanted):
        raise ParameterError("predictions are of a whole trace; a trace in parts goes without")
    if rules.traffic.bypass_tokens is not None:
        raise ParameterError("needs a whole trace, whose tokens are known; not one in parts", parameter="bypass_tokens")
    if rules.prefill != "token":
        raise ParameterError(
            "needs whole prompts, and a trace in parts may cut them",
            parameter="prefill",
            value="merged",
            ways=[("prefill", "token")],
        )
    for one in wanted:
        name = one.spec.base
        if one.spec.offline and name != "belady":
            raise ParameterError(f"policy {name!r} is given the future, which a trace in parts does not have")
        if one.spec.predicted:
            raise ParameterError(f"policy {name!r} takes predictions, which are of a whole trace, not of one in parts")
        if name == "belady" and not rules.traffic.plain:
            raise ParameterError("traffic: belady over a trace in parts goes without rules of traffic")
        if name == "belady" and (one.budget_bytes is not None or rules.ranked):
            raise ParameterError(
                "belady over a trace in parts needs a budget in slots, and members in the order of their numbers",
                ways=[("ties", "page")],
            )


def instance_of(trace: Trace | LongTrace, spec: PolicySpec, total: int, budget: Budget) -> tuple[int, Instance]:
    """Return the capacity of a pool and the instance that its policy sees; refuse what the policy refuses."""
    sizes = trace.page_bytes if budget.in_bytes else None
    # more than everything is as good as everything, and no kernel sees a number that it cannot hold
    capacity = min(total, trace.pages if sizes is None else int(sizes.sum()))
    if sizes is not None and (sizes != sizes[0]).any():  # what a layer without requests would weigh is no matter
        sizes = sizes[np.repeat(trace.asked, trace.n_experts)]
    nominal = capacity if sizes is None else min(capacity, int(sizes.sum())) * len(sizes) // int(sizes.sum())
    instance = Instance(trace.layers, trace.n_experts, max(1, nominal))
    spec.make(instance, future={})  # refuses bad parameters, also where a kernel does the work
    return capacity, instance


def player_of(spec: PolicySpec, engine: str, rules: Rules = PLAIN) -> Callable[[Task], Counts]:
    """Return what replays one pool: the compiled twin, the reference loop, or for ``auto`` the cheaper (``choice``).

    Raises
    ------
    ParameterError
        ``engine="kernel"``, and the policy has no twin, or none under these rules.
    """
    if engine == "reference" or (engine == "auto" and not compiles()):
        return reference.play
    if rules.lend != "none":
        if engine == "kernel":
            raise ParameterError("lend has no compiled kernel; use engine 'auto' or 'reference'")
        logging.getLogger("layered_paging.engine").debug("%s: reference loop, as slots are lent", spec.name)
        return reference.play
    if not compiles():
        raise ParameterError("engine 'kernel' needs numba, which is not installed; use engine 'auto' or 'reference'")
    from .twins import home_of, player, twin_of

    if engine == "auto":
        form = "" if rules.traffic.plain else "gated"
        return chosen(spec, lambda: player(spec, rules), home_of(spec), form)
    fast = player(spec, rules)
    if fast is None:
        under = "" if twin_of(spec) is None else " under rules of traffic"
        raise ParameterError(f"policy {spec.name!r} has no compiled kernel{under}; use engine 'auto' or 'reference'")
    return fast


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
    rules = Rules(pool, reset, events, admission, ties=ties)
    seed = integer("seed", seed, 0)
    grid = lay_out(trace, rules)
    spec = informed(resolve(policy), predictions, trace, grid, rules)
    running = []
    for key, (part, total) in enumerate(pools_of(grid, trace, Budget(slots), rules)):
        instance = trace.instance(max(1, min(total, trace.pages)))
        make, ruled = reference.maker_of(Task(part, spec, instance, total, rules, seed=seed, key=key))
        running.append(reference.steps(part, make, total, ruled))
    for event in grid.events():
        yield next(running[event.time.layer if rules.per_layer else 0])


def informed(spec: PolicySpec, predictions: Any, trace: Trace, grid: Grid, rules: Rules) -> PolicySpec:
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

        spec = replace(spec, predictions=bind(predictions, trace, grid, rules.reset, "/".join(rules.layout)))
    if isinstance(spec.predictions, Forecast):
        spec.predictions.check(grid.shape[0] * grid.stride, grid.shape[2], trace.n_experts)
    return spec
