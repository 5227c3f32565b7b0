"""Which policy loads how much at which budget: the table that every answer of a plan is read from."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.layout import merged_prefill, quotas
from ..core.rules import Rules, Traffic, without_sizes
from ..core.tables import Tabular
from ..core.trace import Trace
from ..engine.choice import foreseen
from ..engine.curves import has_one_pass, has_plain_pass, miss_curve, optimum_curve
from ..engine.run import replay
from ..errors import BudgetError
from ..offline.least import STEPS as DESCENT
from ..offline.least import least_cost
from .clock import Clock

__all__ = ["AHEAD", "BOUND", "OPTIMUM", "Row", "Table", "asked_bytes", "budget_grid", "table_of"]

OPTIMUM = "optimum"  # the name of the offline optimum in a table
BOUND = "bound"  # the name of what no schedule goes below, where the optimum is not known
AHEAD = (OPTIMUM, BOUND)
STEPS = 20
WORK = 10**8  # requests times steps that the bounds of all budgets may take together
SWEEP = 1 << 24  # requests times budgets from which one pass for all sizes is cheaper than compiling it


@dataclass(frozen=True)
class Row:
    """One policy at one budget; means are per token (round).

    Attributes
    ----------
    policy : str
    slots, budget : int or None
        Slots, and bytes where the trace knows its sizes.
    misses : int
    hit_rate : float
    loads, loaded : float
        Misses and bytes per token; bytes are 0 where sizes are unknown.
    seconds, rate : float or None
        Per token, and tokens per second, by the clock; None without one.
    """

    policy: str
    slots: int | None
    budget: int | None
    misses: int
    hit_rate: float
    loads: float
    loaded: float
    seconds: float | None
    rate: float | None

    def size(self, sized: bool) -> int:
        """Return the budget: bytes if ``sized``, else slots; 0 where it is not known in that unit."""
        return int((self.budget if sized else self.slots) or 0)


@dataclass(frozen=True)
class Table(Tabular):
    """All rows, by budget and policy; ``sized`` says that budgets are bytes that were replayed as bytes."""

    rows: tuple[Row, ...]
    sized: bool

    def to_rows(self) -> list[dict[str, Any]]:
        """Return the rows as mappings."""
        return [dict(vars(row)) for row in self.rows]

    def of(self, policy: str) -> list[Row]:
        """Return the rows of a policy, the smallest budget first."""
        return [row for row in self.rows if row.policy == policy]

    def at(self, policy: str, size: int) -> Row | None:
        """Return the row of a policy at one of the budgets; None where it is not legal."""
        found = [row for row in self.of(policy) if row.size(self.sized) == size]
        return found[0] if found else None

    @property
    def sizes(self) -> list[int]:
        """The budgets, ascending: bytes if ``sized``, else slots."""
        return sorted({row.size(self.sized) for row in self.rows})


def asked_bytes(trace: Trace) -> npt.NDArray[np.int64] | None:
    """Return the bytes of the pages of layers that are asked for; what a dense layer's experts would weigh is no matter."""
    return None if trace.page_bytes is None else trace.page_bytes[trace.asked_pages]


def budget_grid(trace: Trace, steps: int = STEPS) -> list[int]:
    """Return numbers of slots from half of what a median round asks for up to all pages that are asked for.

    Parameters
    ----------
    trace : Trace
    steps : int
        How many, at least 2; fewer where there are fewer numbers between.
    """
    asked = (trace.experts >= 0).sum(axis=(1, 2))
    demand = int(np.median(asked[asked > 0]))
    least = max(int((trace.experts >= 0).sum(axis=2).max()), demand // 2, 1)
    return sorted({round(s) for s in np.linspace(least, trace.asked_pages.sum(), steps)})


def table_of(
    trace: Trace,
    policies: Sequence[str],
    sizes: Sequence[int],
    *,
    sized: bool,
    clock: Clock | None,
    options: dict[str, Any],
    progress: Callable[[int], object] = lambda done: None,
) -> Table:
    """Find what every policy loads at every budget, on all cores; add the optimum, or a bound where it is not known.

    Parameters
    ----------
    trace : Trace
    policies : sequence of str
    sizes : sequence of int
        Bytes if ``sized``, else slots.
    sized : bool
        Budgets are bytes; the trace must know its sizes.
    clock : Clock or None
    options : dict
        pool, reset, prefill, and perhaps traffic, as for ``replay``.
    progress : callable
        Called with the number of replays and curves done.

    Notes
    -----
    The optimum is exact where all experts have one size, or none.  Elsewhere the rows ``BOUND`` have proved lower bounds, of
    misses and of bytes apart: no schedule goes below, and whether one has both, or either, is open.
    So have they under rules of traffic, by the optimum of admission "bypass".
    With experts of one size, a policy whose caches are nested takes one pass for all budgets, which counts the same: LRU on a
    short trace, which needs no compiler for it, and others on a long one.
    Budgets at which a policy cannot run (an event does not fit) are left out.
    """
    width = asked_bytes(trace)
    if sized and width is None:
        raise without_sizes()
    even = width is None or len(set(width.tolist())) == 1
    merged = options.get("prefill", "token") == "merged"
    ruled = not Traffic.of(options.get("traffic")).plain
    even_runs = even and not merged and not ruled and not _goes_on(trace, options)
    long = trace.requests * len(sizes) >= SWEEP
    swept = [p for p in policies if even_runs and (has_plain_pass(trace, p) or (long and has_one_pass(p)))]

    def one(policy: str, size: int | None) -> list[Row]:
        if size is None:
            curve = miss_curve(trace, policy, pool=options["pool"], reset=options["reset"])
            return _from_curve(trace, policy, curve, sizes, sized, clock, options)
        budget: dict[str, Any] = {"budget_bytes": size} if sized else {"slots": size}
        try:
            run = replay(trace, policy, **budget, **options)
        except BudgetError:
            return []
        loads, loaded = run.misses / trace.rounds, (run.bytes_read or 0) / trace.rounds
        return [_row(policy, size, sized, width, run.misses, run.hit_rate, loads, loaded, clock)]

    jobs: list[tuple[str, int | None]] = [(policy, None) for policy in swept]
    jobs += [(policy, size) for size in sizes for policy in policies if policy not in swept]
    rows: list[Row] = []
    with foreseen(len(sizes)), ThreadPoolExecutor(os.cpu_count() or 1) as threads:
        contexts = [copy_context() for _ in jobs]  # threads do not know by themselves what is foreseen
        for done, found in enumerate(threads.map(lambda at, job: at.run(one, *job), contexts, jobs), start=1):
            progress(done)
            rows += found
    order = {policy: n for n, policy in enumerate(policies)}
    rows.sort(key=lambda row: (row.size(sized), order[row.policy]))
    seen = merged_prefill(trace) if merged else trace
    if even:
        name, admission = (BOUND, "bypass") if ruled else (OPTIMUM, "forced")
        curve = optimum_curve(seen, admission=admission, pool=options["pool"], reset=options["reset"])
        rows += _from_curve(trace, name, curve, sizes, sized, clock, options, seen.requests)
    else:
        rules = Rules(options["pool"], options["reset"], admission="bypass" if ruled else "forced")
        rows += _bounds(seen, trace.rounds, sizes, sized, clock, rules)
    return Table(tuple(rows), sized)


def _goes_on(trace: Trace, options: dict[str, Any]) -> bool:
    """Return whether slots beyond the number of pages still help: an even split leaves wide layers short."""
    return options["pool"] == "per-layer" and len(set(trace.n_experts)) > 1


def _from_curve(
    trace: Trace,
    policy: str,
    curve: npt.NDArray[np.int64],
    sizes: Sequence[int],
    sized: bool,
    clock: Clock | None,
    options: dict[str, Any],
    requests: int | None = None,
) -> list[Row]:
    """Return the rows of a policy from its misses by slots; all experts have one size.

    ``requests`` are those of merged prompts, where the curve is of these.
    """
    requests = trace.requests if requests is None else requests
    width = asked_bytes(trace)
    each = 0 if width is None else int(width[0])
    rows = []
    for size in sizes:
        # bytes are split over the layers first, and then hold whole experts
        shares = quotas(size, trace.layers, trace.asked) if sized and options["pool"] == "per-layer" else [size]
        slots = sum(share // each for share in shares) if sized else size
        if slots > trace.pages:
            if _goes_on(trace, options):
                continue
            slots = trace.pages
        if slots > 0 and curve[slots] >= 0:
            misses = int(curve[slots])
            loads = misses / trace.rounds
            hits = (requests - misses) / requests
            rows.append(_row(policy, size, sized, width, misses, hits, loads, misses * each / trace.rounds, clock))
    return rows


def _bounds(
    trace: Trace, tokens: int, sizes: Sequence[int], sized: bool, clock: Clock | None, rules: Rules
) -> list[Row]:
    """Return what no schedule goes below at each budget: in misses, and apart from these in bytes."""
    requests = trace.requests
    steps = min(DESCENT, WORK // (2 * requests * len(sizes)))
    rows = []
    for size in sizes:
        slots, budget = (None, size) if sized else (size, None)
        try:
            misses, loaded = (
                least_cost(trace, slots, rules, budget_bytes=budget, costs=costs, steps=steps).cost
                for costs in (None, "bytes")
            )
        except BudgetError:
            continue
        hits, loads = 1 - misses / requests, misses / tokens
        rows.append(_row(BOUND, size, sized, asked_bytes(trace), misses, hits, loads, loaded / tokens, clock))
    return rows


def _row(
    policy: str,
    size: int,
    sized: bool,
    width: Any,
    misses: int,
    hits: float,
    loads: float,
    loaded: float,
    clock: Clock | None,
) -> Row:
    one_size = width is not None and len(set(width.tolist())) == 1
    slots = None if sized and not one_size else size // int(width[0]) if sized else size
    budget = size if sized else size * int(width[0]) if one_size else None
    seconds = None if clock is None else clock.token(loads, loaded)
    return Row(
        policy,
        slots,
        budget,
        misses,
        hits,
        loads,
        loaded,
        seconds,
        None if clock is None else clock.rate(loads, loaded),
    )
