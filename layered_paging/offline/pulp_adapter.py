"""Integer programs through PuLP and HiGHS: sizes per page, and quotas as variables.

The only module that knows PuLP; versions 3 and 4 differ in what ``solve`` returns.
HiGHS answers in floats: they are rounded here and the schedule is verified in integers.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import math
import os
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import SolverError
from .deadline import Deadline
from .model import Model

__all__ = ["Answer", "run", "solve"]

SAFE = 250_000  # largest capacity, in units of the sizes' common divisor, that is taken on HiGHS' word


class Answer(NamedTuple):
    """Which intervals of each pool are kept, the quota of each pool, and whether HiGHS proved the optimum."""

    kept: list[npt.NDArray[np.bool_]]
    quotas: list[int]
    proved: bool


def solve(models: Sequence[Model], slots: int | None = None, time_limit: float | None = None) -> Answer:
    """Maximise what is kept.

    Parameters
    ----------
    models : sequence of Model
        One a pool.  Intervals are binary; so much of every point as is taken is a variable,
        which changes from point to point by what begins and ends there.
    slots : int, optional
        Then the capacities of ``models`` are those of a quota of 0, and the quotas, which sum to at
        most ``slots``, are variables too.
    time_limit : float, optional
        Seconds; what was found by then is returned with ``proved=False``.

    Raises
    ------
    SolverError
        Nothing was found, or the rounded answer breaks a constraint.
    """
    import pulp

    clock = Deadline(time_limit)
    program = pulp.LpProblem("keep", pulp.LpMaximize)
    chosen: list[dict[int, Any]] = []
    quotas: list[Any] = []
    gain = []
    for number, model in enumerate(models):
        sizes = model.size
        scale = _unit(model)
        points = len(model.capacity)
        least = max(0, -int(model.capacity.min()))
        quota = program.add_variable(f"q{number}", least, slots, pulp.LpInteger) if slots is not None else None
        quotas.append(quota)
        mine = {
            int(i): program.add_variable(f"x{number}_{i}", 0, 1, pulp.LpInteger)
            for i in np.flatnonzero(model.begin < model.end)
        }
        chosen.append(mine)
        change: list[list[Any]] = [[] for _ in range(points + 1)]
        for i, x in mine.items():
            size = int(sizes[i]) // scale
            change[int(model.begin[i])].append(size * x)
            change[int(model.end[i])].append(-size * x)
            gain.append(int(model.worth[i]) * x)
        taken: Any = 0
        for t in range(points):
            if t % 1024 == 0:
                clock.left("schedule")
            room = None if slots is not None else int(model.capacity[t]) // scale
            here = program.add_variable(f"u{number}_{t}", 0, room)
            program += here == taken + pulp.lpSum(change[t])
            if quota is not None:
                program += here <= quota + int(model.capacity[t])
            taken = here
    if slots is not None:
        program += pulp.lpSum(quotas) <= slots
    program.setObjective(pulp.lpSum(gain))
    # HiGHS works in doubles with tolerances of 1e-6: beyond this its word proves nothing
    small = all(int(m.capacity.max(initial=0)) // _unit(m) < SAFE for m in models)
    proved = run(program, clock.left("schedule"), "schedule") and small
    kept = []
    for model, mine in zip(models, chosen, strict=True):
        flags = model.begin >= model.end
        for i, x in mine.items():
            flags[i] = (x.varValue or 0) > 0.5
        kept.append(flags)
    found = [0 if q is None else round(q.varValue or 0) for q in quotas]
    _verify(models, kept, found, slots)
    return Answer(kept, found, proved)


def _unit(model: Model) -> int:
    """Return the greatest common divisor of the sizes."""
    return max(1, math.gcd(*np.unique(model.size).tolist())) if len(model.size) else 1


def run(program: Any, time_limit: float | None, what: str) -> bool:
    """Solve and return whether the optimum was proved; the same for PuLP 3 and 4.

    Raises
    ------
    SolverError
        Nothing was found; the message says ``what`` was looked for.
    """
    import pulp

    _spend_banner()
    options = {} if time_limit is None else {"timeLimit": time_limit}
    result = program.solve(pulp.HiGHS(msg=False, threads=1, mip_rel_gap=0.0, mip_abs_gap=0.5, **options))
    if isinstance(result, int):  # PuLP 3: a number, and the kind of solution on the problem
        some, proved = program.sol_status in (1, 2), result == 1 and program.sol_status == 1
    else:  # PuLP 4: an object
        some, proved = bool(result.has_solution), int(result.status) == 1
    if not some:
        limit = "" if time_limit is None else f" within {time_limit:g} s"
        raise SolverError(f"HiGHS found no {what}{limit}: status {getattr(result, 'status', result)!r}")
    return proved


@functools.cache
def _spend_banner() -> None:
    """Let HiGHS print its banner, which no option of it prevents, where nobody sees it: standard output is for answers."""
    import highspy

    if sys.stdout is not None:
        sys.stdout.flush()
    try:
        seen, unseen = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    except OSError:  # standard output is closed
        return
    os.dup2(unseen, 1)
    try:
        highspy.Highs()
        with contextlib.suppress(OSError, TypeError, AttributeError):
            ctypes.CDLL(None).fflush(None)
    finally:
        os.dup2(seen, 1)
        os.close(seen)
        os.close(unseen)


def _verify(models: Sequence[Model], kept: list[npt.NDArray[np.bool_]], quotas: list[int], slots: int | None) -> None:
    for model, flags, quota in zip(models, kept, quotas, strict=True):
        change = np.zeros(len(model.capacity) + 1, np.int64)
        np.add.at(change, model.begin[flags], model.size[flags])
        np.subtract.at(change, model.end[flags], model.size[flags])
        if (np.cumsum(change[:-1]) > model.capacity + quota).any():
            raise SolverError("HiGHS' answer, rounded to integers, does not fit into the cache")
    if slots is not None and sum(quotas) > slots:
        raise SolverError("HiGHS' quotas, rounded to integers, exceed the slots")
