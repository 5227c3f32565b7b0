"""Programs of intervals: sizes per page, and quotas as variables.

Solvers answer in floats: these are rounded here and the schedule is verified in integers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..core.program import Program
from ..errors import SolverError
from .model import Model

__all__ = ["Answer", "lay", "solve"]

Ints = npt.NDArray[np.int64]
SAFE = 250_000  # largest capacity, in units of the sizes' common divisor, that is taken on a solver's word


class Answer(NamedTuple):
    """Which intervals of each pool are kept, the quota of each pool, and whether the solver proved the optimum."""

    kept: list[npt.NDArray[np.bool_]]
    quotas: list[int]
    proved: bool


def lay(program: Program, model: Model, unit: float, room: Any, scale: float = 1.0) -> tuple[Ints, Ints]:
    """Lay the intervals of a model into a program, which then minimises the worth that is lost.

    Parameters
    ----------
    program : Program
        Columns and rows are appended to it.
    model : Model
    unit, scale : float
        What sizes and worths are divided by.
    room : float or array, one per point
        The most that may be taken, in units.

    Returns
    -------
    int arrays
        The column of every interval that covers a point, and the column of what is taken at each point.
    """
    real = np.flatnonzero(model.begin < model.end)
    time = np.arange(len(model.capacity))
    chosen = program.columns(len(real), cost=-model.worth[real] / scale, upper=1)
    taken = program.columns(len(time), upper=room)
    size, end = model.size[real] / unit, model.end[real]
    inside = end < len(time)  # what ends behind the last point matters to nobody
    # taken[t] - taken[t - 1] - (begins at t) + (ends at t) = 0
    change = (model.begin[real], chosen, -size), (end[inside], chosen[inside], size[inside])
    program.equal.block(np.zeros(len(time)), *change, (time, taken, 1), (time[1:], taken[:-1], -1))
    return chosen, taken


def solve(
    models: Sequence[Model], slots: int | None = None, time_limit: float | None = None, method: str = "highs"
) -> Answer:
    """Maximise what is kept.

    Parameters
    ----------
    models : sequence of Model
        One per pool.  Intervals are binary. So much of every point as is taken is a variable,
        which changes from point to point by what begins and ends there.
    slots : int, optional
        Then the capacities of ``models`` are those of a quota of 0, and the quotas, which sum to at
        most ``slots``, are variables too.
    time_limit : float, optional
        Seconds; what was found by then is returned with ``proved=False``.
    method : {"highs", "cbc"}
        The solver.

    Raises
    ------
    SolverError
        Nothing was found, or the rounded answer breaks a constraint.
    """
    program = Program()
    intervals: list[Ints] = []
    quotas: list[int] = []
    for model in models:
        unit = _unit(model)
        room = np.inf if slots is not None else model.capacity // unit
        chosen, taken = lay(program, model, unit, room)
        intervals.append(chosen)
        if slots is not None:
            quotas.append(program.column(lower=max(0, -int(model.capacity.min())), upper=slots))
            rows = np.arange(len(taken))
            program.at_most.block(model.capacity, (rows, taken, 1), (rows, np.full(len(rows), quotas[-1]), -1))
    if slots is not None:
        program.at_most.new(slots, ((quota, 1) for quota in quotas))
    # solvers work in doubles with tolerances of 1e-6: beyond this their word proves nothing
    small = all(int(m.capacity.max(initial=0)) // _unit(m) < SAFE for m in models)
    whole = np.concatenate((*intervals, quotas)).astype(np.int64)
    answer = program.solve("schedule", whole=whole, time_limit=time_limit, method=method)
    kept = []
    for model, chosen in zip(models, intervals, strict=True):
        flags = model.begin >= model.end
        flags[~flags] = answer.x[chosen] > 0.5
        kept.append(flags)
    found = np.rint(answer.x[quotas]).astype(int).tolist() if quotas else [0] * len(models)
    _verify(models, kept, found, slots)
    return Answer(kept, found, answer.proved and small)


def _unit(model: Model) -> int:
    """Return the greatest common divisor of the sizes."""
    return max(1, math.gcd(*np.unique(model.size).tolist())) if len(model.size) else 1


def _verify(models: Sequence[Model], kept: list[npt.NDArray[np.bool_]], quotas: list[int], slots: int | None) -> None:
    for model, flags, quota in zip(models, kept, quotas, strict=True):
        change = np.zeros(len(model.capacity) + 1, np.int64)
        np.add.at(change, model.begin[flags], model.size[flags])
        np.subtract.at(change, model.end[flags], model.size[flags])
        if (np.cumsum(change[:-1]) > model.capacity + quota).any():
            raise SolverError("the solver's answer, rounded to integers, does not fit into the cache")
    if slots is not None and sum(quotas) > slots:
        raise SolverError("the solver's quotas, rounded to integers, exceed the slots")
