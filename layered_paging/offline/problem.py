"""What is to be optimised: a trace, the pools of a cache, and what a load costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.instance import integer
from ..core.layout import Grid, lay_out, pools_of
from ..core.rules import Budget, Rules, choice
from ..core.trace import Trace
from ..errors import BudgetError, ParameterError
from .model import Model, build

__all__ = ["Part", "Problem", "pose"]

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Part:
    """One pool: its grid, its columns in the whole grid, and its capacity in slots (or bytes)."""

    grid: Grid
    columns: npt.NDArray[np.int64]
    capacity: int
    warm: Ints


@dataclass(frozen=True, eq=False)
class Problem:
    """An offline problem in full.

    Attributes
    ----------
    trace : Trace
    grid : Grid
    parts : tuple of Part
        The pools; with free quotas their capacities are the uniform split, which the solution replaces.
    rules : Rules
    costs : int64 array, one per page, or None
        None: every load costs 1.
    sizes : int64 array, one per page, or None
        Given where the capacities are bytes.
    slots, budget_bytes : int or None
        The one that was given.
    rule : {"uniform", "free", "given"}
        Where the capacities of the pools come from.
    options : dict
        admission, pool, reset, events, prefill as strings, and the pages held at the start.
    """

    trace: Trace
    grid: Grid
    parts: tuple[Part, ...]
    rules: Rules
    costs: Ints | None
    sizes: Ints | None
    slots: int | None
    budget_bytes: int | None
    rule: str
    options: dict[str, Any]

    @property
    def bypass(self) -> bool:
        """Whether a just-loaded member may be dropped."""
        return self.rules.bypass

    @property
    def resets(self) -> bool:
        """Whether every session starts with an empty cache."""
        return self.rules.resets

    def model(self, part: Part, capacity: int | None = None) -> Model:
        """Return the intervals of one pool."""
        room = part.capacity if capacity is None else capacity
        return build(
            part.grid,
            room,
            resets=self.resets,
            bypass=self.bypass,
            costs=self.costs,
            sizes=self.sizes,
            warm=part.warm,
        )

    def one_cost(self, part: Part) -> int | None:
        """Return the cost of a load if it is the same for all pages of a pool, else None."""
        if self.costs is None:
            return 1
        mine = self.costs[_pages(part.grid, self.trace)]
        return int(mine[0]) if (mine == mine[0]).all() else None


def pose(
    trace: Trace,
    slots: int | None,
    rules: Rules,
    *,
    costs: Any = None,
    budget_bytes: int | None = None,
    warm: Sequence[int] | None = None,
    as_slots: bool = True,
) -> Problem:
    """Check the arguments of ``optimum`` and lay out its pools; bytes of one size are slots, if ``as_slots``."""
    if not isinstance(trace, Trace):
        raise ParameterError(f"must be a Trace; got {type(trace).__name__}", parameter="trace")
    grid = lay_out(trace, rules)
    bypass, rule = rules.bypass, "given" if isinstance(rules.quotas, tuple) else rules.quotas
    if rule == "free" and budget_bytes is not None:
        raise ParameterError("are in slots; got a budget in bytes", parameter="quotas", ways=[("slots", None)])
    if isinstance(rules.quotas, tuple):
        if sum(rules.quotas) < 1:
            raise BudgetError("must sum to at least 1", parameter="quotas")
        slots = sum(rules.quotas) if slots is None and budget_bytes is None else slots
    pools = pools_of(grid, trace, Budget(slots, budget_bytes), rules)
    held = _warm(warm, trace.pages)
    parts = []
    for number, (part, capacity) in enumerate(pools):
        columns = np.flatnonzero(grid.layer == number) if rules.per_layer else np.arange(grid.shape[1])
        if rules.per_layer and rule != "given" and not trace.asked[number]:
            held = held[~np.isin(held, _pages(part, trace))]  # a layer without requests has no slots to hold pages in
        mine = held[np.isin(held, _pages(part, trace))]
        parts.append(Part(part, columns.astype(np.int64), capacity, mine))
    sizes = trace.page_bytes if budget_bytes is not None else None
    if as_slots and sizes is not None and all(len(np.unique(sizes[_pages(p.grid, trace)])) == 1 for p in parts):
        # one size in each pool: bytes are slots
        parts = [Part(p.grid, p.columns, p.capacity // int(sizes[_pages(p.grid, trace)[0]]), p.warm) for p in parts]
        sizes, rule, slots = None, "given", sum(p.capacity for p in parts)
        if slots == 0:
            raise BudgetError("holds not even one expert", parameter="budget_bytes")
    if sizes is not None and isinstance(rules.quotas, tuple):
        raise ParameterError(
            "in bytes need one size of all experts of a layer here; they differ",
            parameter="quotas",
            ways=[("slots", None)],
        )
    for number, p in enumerate(parts):
        taken = len(p.warm) if sizes is None else int(sizes[p.warm].sum())
        if taken > p.capacity and rule != "free":
            raise ParameterError(f"the pages of warm take {taken} in pool {number}; it holds {p.capacity}")
        if rule == "given" and not bypass and p.grid.largest_event() > p.capacity:
            raise BudgetError(
                f"the quota of layer {number} must hold its largest event ({p.grid.largest_event()}); got {p.capacity}"
            )
    options = {
        "admission": rules.admission,
        "pool": rules.pool,
        "reset": "session" if rules.resets else "never",
        "events": rules.events,
        "prefill": rules.prefill,
        "warm": held.tolist(),
    }
    return Problem(
        trace=trace,
        grid=grid,
        parts=tuple(parts),
        rules=rules,
        costs=_costs(costs, trace),
        sizes=sizes,
        slots=slots,
        budget_bytes=budget_bytes,
        rule=rule,
        options=options,
    )


def _pages(grid: Grid, trace: Trace) -> Ints:
    layers = np.unique(grid.layer)
    first = trace.first_page
    return np.concatenate([np.arange(first[j], first[j] + trace.n_experts[j]) for j in layers])


def _warm(warm: Sequence[int] | None, pages: int) -> Ints:
    if warm is not None and not isinstance(warm, (Sequence, np.ndarray)):
        raise ParameterError(f"must be a list of pages; got {warm!r}", parameter="warm")
    held = sorted(integer("warm", p, 0) for p in (() if warm is None else warm))
    if len(set(held)) != len(held) or (held and held[-1] >= pages):
        raise ParameterError(f"must hold distinct pages below {pages}; got {held[:8]}", parameter="warm")
    return np.array(held, np.int64)


def _costs(costs: Any, trace: Trace) -> Ints | None:
    """Return costs by page: from "bytes", one int, one per layer, or one per page."""
    if costs is None:
        return None
    if isinstance(costs, str):
        choice("costs", costs, ("bytes",))
        if trace.page_bytes is None:
            raise ParameterError("needs a trace with expert_bytes; this one has none", parameter="costs", value="bytes")
        return trace.page_bytes
    try:
        given = np.asarray(costs)
    except ValueError:
        given = np.asarray(None)
    if given.dtype.kind not in "iu" or given.ndim > 1:
        raise ParameterError(
            f"must be integers: one, one per layer, or one per page; got {given.dtype}", parameter="costs"
        )
    if given.ndim == 0:
        given = np.full(trace.pages, given)
    elif len(given) == trace.layers and trace.layers != trace.pages:
        given = np.repeat(given, trace.n_experts)
    if len(given) != trace.pages:
        raise ParameterError(
            f"must be one int, one for each of {trace.layers} layers or of {trace.pages} pages; got {len(given)}",
            parameter="costs",
        )
    low, high = int(given.min()), int(given.max())
    if low < 0 or high * trace.experts.size >= 1 << 61:
        at = int(np.argmin(given)) if low < 0 else int(np.argmax(given))
        raise ParameterError(f"costs[{at}] must be at least 0, and all loads together below 2^61; got {int(given[at])}")
    return given.astype(np.int64)
