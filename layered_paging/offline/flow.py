"""Costs per page: the model as a min-cost flow along the time line, and prices from any optimum.

Nodes are the times between points, 0 to T.  An arc from t to t + 1 stands for capacity of point
t that is not used. An interval is an arc from ``begin`` to ``end`` of capacity 1 that earns its
worth. The capacity of the points enters and leaves as supply.  Four roads to one optimum:

- networkx's network simplex on integers: readable, for small cases.
- Successive shortest paths in the order of time, compiled (``flow_kernels``).
- OR-tools' cost scaling, if it is installed: fastest above some 50,000 requests.
- HiGHS on floats, whose answer is rounded.

None of them is trusted: whatever schedule comes out, ``price`` finds prices for it or shows that it is no optimum.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..core.deadline import Deadline, OutOfTime
from ..core.program import Program
from ..errors import SolverError
from .model import Model

__all__ = ["by_highs", "by_networkx", "by_ortools", "by_paths", "has_ortools", "price"]

SWEEPS = 256  # between two looks at the clock
Kept = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


def _supplies(model: Model) -> Ints:
    supplies: Ints = np.diff(np.concatenate(([0], model.capacity, [0])))
    return supplies


def _real(model: Model) -> Ints:
    """Return the intervals that cover a point; the others are always kept."""
    return np.flatnonzero(model.begin < model.end)


def by_networkx(model: Model) -> Kept:
    """Solve by networkx's network simplex: integers throughout, some thousand intervals."""
    import networkx as nx

    points = len(model.capacity)
    graph = nx.MultiDiGraph()
    for node, supply in enumerate(_supplies(model).tolist()):
        graph.add_node(node, demand=-supply)
    for t in range(points):
        graph.add_edge(t, t + 1, key="spare", weight=0)
    real = _real(model)
    for i in real.tolist():
        graph.add_edge(int(model.begin[i]), int(model.end[i]), key=i, weight=-int(model.worth[i]), capacity=1)
    _, flow = nx.network_simplex(graph)
    kept = model.begin >= model.end
    for i in real.tolist():
        kept[i] = flow[int(model.begin[i])][int(model.end[i])][i] == 1
    return kept


def by_paths(model: Model) -> tuple[Kept, Ints]:
    """Solve by successive shortest paths in the order of time; return the intervals kept, and the prices."""
    from .flow_kernels import augment

    points = len(model.capacity)
    real = _real(model)
    begin, end, worth = model.begin[real], model.end[real], model.worth[real]
    by_end = np.argsort(end, kind="stable")
    by_begin = np.lexsort((end, begin))
    times = np.arange(points + 2)
    kept = np.zeros(len(real), bool)
    height = np.zeros(points + 1, np.int64)
    end_at, begin_at = np.searchsorted(end[by_end], times), np.searchsorted(begin[by_begin], times)
    augment(model.capacity, begin, end, worth, by_end, end_at, by_begin, begin_at, kept, height)
    flags = model.begin >= model.end
    flags[real] = kept
    prices: Ints = np.diff(height)
    return flags, prices


def has_ortools() -> bool:
    """Return whether OR-tools is installed."""
    return importlib.util.find_spec("ortools") is not None


def by_ortools(model: Model, time_limit: float | None = None) -> Kept:
    """Solve by OR-tools' cost scaling on integers, in a process of its own (``ortools_worker``)."""
    from . import ortools_worker

    if not has_ortools():
        raise SolverError("solver 'ortools' needs the package ortools; without it use 'flow' or 'highs'")
    points = len(model.capacity)
    largest = int(model.worth.max(initial=0))
    if largest * (points + 2) >= 1 << 61:
        raise SolverError(f"OR-tools cannot hold costs of {largest} over {points} events; use solver 'highs'")
    real = _real(model)
    kept = model.begin >= model.end
    with tempfile.TemporaryDirectory() as folder:
        arrays = {"begin": model.begin[real], "end": model.end[real], "worth": model.worth[real]}
        for name, array in (arrays | {"capacity": model.capacity}).items():
            np.save(Path(folder) / f"{name}.npy", array)
        command = [sys.executable, str(ortools_worker.__file__), folder]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=time_limit, check=False)
        except subprocess.TimeoutExpired:
            raise OutOfTime(f"OR-tools did not end within {time_limit:g} s") from None
        if done.returncode != 0:
            raise SolverError(f"OR-tools found no optimum: {done.stderr.strip().splitlines()[-1:]}")
        kept[real] = np.load(Path(folder) / "kept.npy")
    return kept


def by_highs(model: Model, time_limit: float | None = None) -> Kept:
    """Solve by scipy's HiGHS (interior point and crossover, in floats) and round."""
    points = len(model.capacity)
    real = _real(model)
    kept = model.begin >= model.end
    if not len(real):
        return kept
    n, scale = len(real), float(model.worth.max()) or 1.0
    program = Program()
    arc = program.columns(n, cost=-model.worth[real] / scale, upper=1)
    spare = program.columns(points)
    one, time = np.ones(n), np.arange(points)
    begins, ends = (model.begin[real], arc, one), (model.end[real], arc, -one)
    program.equal.block(_supplies(model), begins, ends, (time, spare, 1), (time + 1, spare, -1))
    method = "highs-ipm" if n > 50_000 else "highs-ds"
    answer = program.solve(f"optimum of {n} intervals", time_limit=time_limit, method=method)
    kept[real] = answer.x[:n] > 0.5
    return kept


def price(model: Model, kept: Kept, clock: Deadline | None = None) -> Ints:
    """Return integral prices, one per point, that prove a schedule optimal.

    With P(t) the sum of the prices before point t, complementary slackness is a system of
    differences.  P(t) <= P(t + 1), with equality where point t is not full.  P(end) - P(begin) is at
    most the worth of a kept interval, and at least that of a dropped one.  Its least solution is
    found by sweeping forwards and backwards until nothing changes; it exists, in integers, iff
    the schedule is an optimum.  A longest path has at most one edge for each point, so that many sweeps suffice: if
    something changes even then, there is a cycle, and no solution.

    Raises
    ------
    SolverError
        The schedule does not fit, it is not optimal, or time ran out.
    """
    from .flow_kernels import settle

    clock = clock or Deadline(None)

    points = len(model.capacity)
    change = np.zeros(points + 1, np.int64)
    np.add.at(change, model.begin[kept], 1)
    np.subtract.at(change, model.end[kept], 1)
    spare = model.capacity - np.cumsum(change[:-1])
    if spare.min(initial=0) < 0:
        raise SolverError(f"the solver's schedule does not fit at event {int(np.argmin(spare))}")
    forward = np.flatnonzero(~kept & (model.begin < model.end))
    forward = forward[np.argsort(model.end[forward], kind="stable")]
    backward = np.flatnonzero(kept & (model.begin < model.end))
    backward = backward[np.argsort(model.begin[backward], kind="stable")]
    height = np.zeros(points + 1, np.int64)
    state, sweeps = 2, 0
    while state == 2 and sweeps <= points + 1:
        clock.left("prices")
        state = settle(
            height,
            spare > 0,
            model.begin[forward],
            model.end[forward],
            model.worth[forward],
            model.begin[backward],
            model.end[backward],
            model.worth[backward],
            int(model.worth.max(initial=0)) * (points + 1),
            SWEEPS,
        )
        sweeps += SWEEPS
    if state != 0:
        raise SolverError("the solver's schedule is not optimal: no prices prove it")
    prices: Ints = np.diff(height)
    return prices
