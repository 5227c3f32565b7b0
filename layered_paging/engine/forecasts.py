"""Predicted next uses, compiled: the twin of ``policies.forecast``, as told so far."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .hooks import inlined
from .task import Task

__all__ = ["Told", "begin_told", "forget_told", "furthest", "tell"]


class Told(NamedTuple):
    """The arrays of a ``Forecast``; ``due[page]`` is the step told last, ``row[0]`` the event whose row was read last."""

    table: Any
    ahead: Any
    ahead_next: Any
    layers: int
    first: Any
    due: Any
    row: Any


def begin_told(task: Task) -> Told:
    """Return what the policy of a task is told; its predictions are a ``Forecast``."""
    forecast: Any = task.spec.predictions
    return Told(
        np.ascontiguousarray(forecast.due, np.float64),
        np.ascontiguousarray(forecast.ahead, np.float32),
        np.ascontiguousarray(forecast.ahead_next, np.float32),
        task.instance.layers,
        np.ascontiguousarray(forecast.first, np.int64),
        np.zeros(task.grid.pages),
        np.zeros(1, np.int64),
    )


@inlined
def forget_told(told: Any) -> None:
    """Begin from nothing."""
    told.row[0] = -1


@inlined
def tell(told: Any, page: Any, now: Any) -> None:
    """Read the page's prediction, or at the first member of an event those of its layer; ``due`` is modified in place."""
    if told.table.shape[0] > 0:
        told.due[page] = told.table[now.event, now.tick - now.start]
    elif told.row[0] != now.event:
        told.row[0] = now.event
        layer = now.layer
        begin = told.first[layer]
        base = now.round * told.layers + layer
        for other in range(begin, told.first[layer + 1]):
            told.due[other] = base + told.layers * np.float64(told.ahead[now.event, other - begin])
        if told.ahead_next.shape[0] > 0:
            layer = (now.layer + 1) % told.layers
            begin = told.first[layer]
            base = (now.round - (layer > now.layer)) * told.layers + layer
            for other in range(begin, told.first[layer + 1]):
                told.due[other] = base + told.layers * np.float64(told.ahead_next[now.event, other - begin])


@inlined
def furthest(told: Any, clock: Any, resident: Any, guard: Any, now: Any, limit: Any) -> Any:
    """Return the page that may go whose predicted use is furthest, of those last requested before ``limit``; -1 for none."""
    best = -1
    for page in range(resident.shape[0]):
        may_go = resident[page] and guard[page] != now.stamp and clock[page] < limit
        if may_go and (best < 0 or told.due[page] > told.due[best]):
            best = page
    return best
