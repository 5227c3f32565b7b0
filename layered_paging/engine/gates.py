"""The gate between a cache and its policy, compiled: the twin of ``policies.gate``."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..core.layout import Grid, locked
from ..core.rules import Traffic
from ..core.trace import PREFILL
from .hooks import shared
from .task import Task

__all__ = ["DROPPED", "Gate", "begin_gate", "passes", "reset_gate", "show", "sift"]

ROUND, OF_ROUND, DROPPED = 0, 1, 2  # places in ``numbers``: the round, the loads kept in it, the loads not kept so far
_ANY = 1 << 62  # where there is no limit


class Gate(NamedTuple):
    """The rules of traffic, and what they count; arrays are modified in place.

    ``leaves[row]`` says which rounds leave the cache alone, whatever their events hold.
    ``demand[page]`` counts the misses since the page was last kept.  ``shown`` (read-only) and ``draft`` are the same memory: the
    event as the policy sees it.
    """

    bypass_above: int
    keep_event: int
    keep_round: int
    admit_after: int
    evict_after: int
    leaves: Any
    demand: Any
    numbers: Any
    draft: Any
    shown: Any


def begin_gate(task: Task, before: Gate | None = None) -> Gate:
    """Return the gate of a pool; of a further part, it goes on counting."""
    rules, grid = task.rules.traffic, task.grid

    def limit(number: int | None) -> int:
        return _ANY if number is None else min(number, _ANY)

    admit = limit(rules.admit_after)
    draft = np.full((1, 1, grid.shape[2]), -1, grid.experts.dtype)
    return Gate(
        limit(rules.bypass_above),
        limit(rules.keep_event),
        limit(rules.keep_round),
        admit,
        max(admit, limit(rules.evict_after)),
        _leaving(grid, rules),
        np.zeros(grid.pages, np.int64) if before is None else before.demand,
        np.array([-1, 0, 0]) if before is None else before.numbers,
        draft,
        locked(draft),
    )


def _leaving(grid: Grid, rules: Traffic) -> Any:
    """Return which rounds leave the cache alone, by their stage and their tokens."""
    past = np.zeros(grid.shape[0], np.bool_)
    if rules.prefill_cache == "leave":
        past |= grid.stage == PREFILL
    if rules.bypass_tokens is not None and grid.tokens is not None:
        past |= grid.tokens > rules.bypass_tokens
    return locked(past)


@shared
def reset_gate(gate: Gate) -> None:
    """Forget the misses."""
    gate.demand[:] = 0


@shared
def passes(gate: Gate, experts: Any, row: int, column: int) -> bool:
    """Return whether an event leaves the cache alone."""
    if gate.leaves[row]:
        return True
    members = 0
    for q in range(experts.shape[2]):
        if experts[row, column, q] >= 0:
            members += 1
    return members > gate.bypass_above


@shared
def sift(gate: Gate, absent: Any, place: Any, missing: int, r: int, room: int, weight: Any) -> int:
    """Move the absent members whose loads are kept to the front, in order; return their number."""
    if gate.numbers[ROUND] != r:
        gate.numbers[ROUND] = r
        gate.numbers[OF_ROUND] = 0
    kept = 0
    for i in range(missing):
        page = absent[i]
        gate.demand[page] += 1
        bar = gate.evict_after if weight[page] > room else gate.admit_after
        if gate.demand[page] >= bar and kept < gate.keep_event and gate.numbers[OF_ROUND] < gate.keep_round:
            gate.demand[page] = 0
            gate.numbers[OF_ROUND] += 1
            room -= weight[page]
            absent[kept] = page
            place[kept] = place[i]
            kept += 1
    return kept


@shared
def show(gate: Gate, experts: Any, row: int, column: int, first: int, resident: Any) -> None:
    """Write the members that are there to ``draft``, the others as -1."""
    for q in range(experts.shape[2]):
        e = experts[row, column, q]
        gate.draft[0, 0, q] = e if e >= 0 and resident[first + e] else -1
