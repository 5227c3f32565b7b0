"""A trace's events in steps: who is requested when, and when again; what an error of predictions is."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.layout import Grid
from ..core.trace import Trace
from ..policies.forecast import Forecast

__all__ = ["actual", "at_requests", "error_of", "made", "members_of", "now_of"]


def error_of(forecast: Forecast, grid: Grid, reset: str = "never") -> float:
    """Return the total error of the predictions made at the requests: eta = sum |predicted - actual|, in steps.

    Both times are cut at the step just after the last round before the reset (or the trace's end). So "never"
    counts as coming then.  Divide by ``grid.n_layers`` for rounds.
    """
    members, due, end = actual(grid, reset)
    said = forecast.due
    if not len(said):
        base = np.repeat(grid.first, 1)[np.arange(len(members)) % len(grid.first)]
        place = np.maximum(members - base[:, None], 0)
        said = now_of(grid) + grid.n_layers * np.take_along_axis(forecast.ahead, place, 1).astype(np.float64)
    gap = np.abs(np.minimum(said, end) - np.minimum(due, end))
    return float(gap[members >= 0].sum())


def actual(grid: Grid, reset: str) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return (members, step of the true next use or inf, step that stands for never), one row an event."""
    members, _ = members_of(grid)
    events, width = members.shape
    step = _steps(grid)
    page = members.ravel().astype(np.int64)
    columns = grid.shape[1]
    session = np.searchsorted(grid.starts, np.arange(grid.shape[0]), side="right") - 1
    of_event = np.repeat(session, columns)
    if reset != "never":
        page = np.where(page >= 0, page + grid.pages * np.repeat(of_event, width), -1)
        ends = np.append(grid.starts[1:], grid.shape[0])[of_event]
    else:
        ends = np.full(events, grid.shape[0])
    order = np.argsort(page, kind="stable")
    due = np.full(len(page), np.inf)
    same = page[order][1:] == page[order][:-1]
    due[order[:-1][same]] = step[order[1:][same]]
    due[page < 0] = np.inf
    return members, due.reshape(events, width), (ends * grid.n_layers)[:, None].astype(np.float64)


def members_of(grid: Grid) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Return the pages of each event in the order of presentation, then -1; and the order that brings them there."""
    rounds, columns, width = grid.shape
    pages = np.where(grid.experts >= 0, grid.experts + grid.first[:, None], -1).reshape(rounds * columns, width)
    order = np.argsort(pages < 0, axis=1, kind="stable")
    return np.ascontiguousarray(np.take_along_axis(pages, order, 1), dtype=np.int32), order


def _steps(grid: Grid) -> npt.NDArray[np.float64]:
    """Return the step of every member of every event, flat: ``round * layers + layer`` where events are atomic."""
    rounds, _columns, width = grid.shape
    number = (np.arange(rounds)[:, None] * grid.stride + grid.offset).ravel()
    ticks = width if grid.ranked else 1
    clock = number[:, None] * ticks + (np.arange(width) if grid.ranked else np.zeros(width, np.int64))
    return (clock / (grid.stride * ticks) * grid.n_layers).ravel()


def now_of(grid: Grid) -> npt.NDArray[np.float64]:
    """Return the step of every event, as a column."""
    return _steps(grid).reshape(-1, grid.shape[2])[:, :1]


def at_requests(grid: Grid, trace: Trace, members: Any, due: Any, label: str) -> Forecast:
    """Return predictions that come with the requests."""
    none = np.zeros((0, 0), np.float32)
    return made(grid, trace, members, np.ascontiguousarray(due, np.float64), none, none, label)


def made(grid: Grid, trace: Trace, members: Any, due: Any, ahead: Any, later: Any, label: str) -> Forecast:
    """Return the arrays as a forecast."""
    first = np.append(trace.first_page, trace.pages).astype(np.int64)
    ticks = grid.shape[2] if grid.ranked else 1
    return Forecast(members, due, ahead, later, trace.layers, first, ticks, label)
