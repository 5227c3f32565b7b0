"""Solve one flow by OR-tools, in a process of its own: ``python ortools_worker.py FOLDER``.

OR-tools ships a HiGHS of its own and cannot be loaded into the same process as scipy's.  The
folder holds ``begin.npy``, ``end.npy``, ``worth.npy`` and ``capacity.npy``; the answer is ``kept.npy``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

__all__ = ["main"]


def main(folder: Path) -> int:
    """Read the arrays, solve, and write which arcs carry flow; return OR-tools' status if it is no optimum."""
    from ortools.graph.python import min_cost_flow

    begin, end, worth, capacity = (np.load(folder / f"{name}.npy") for name in ("begin", "end", "worth", "capacity"))
    points = len(capacity)
    solver = min_cost_flow.SimpleMinCostFlow()
    arcs = solver.add_arcs_with_capacity_and_unit_cost(begin, end, np.ones(len(begin), np.int64), -worth)
    nodes = np.arange(points, dtype=np.int64)
    room = np.full(points, max(1, int(capacity.max(initial=1))), np.int64)
    solver.add_arcs_with_capacity_and_unit_cost(nodes, nodes + 1, room, np.zeros(points, np.int64))
    supplies = np.diff(np.concatenate(([0], capacity, [0])))
    solver.set_nodes_supplies(np.arange(points + 1, dtype=np.int64), supplies)
    status = solver.solve()
    if status != solver.OPTIMAL:
        print(f"status {status}", file=sys.stderr)
        return 1
    np.save(folder / "kept.npy", solver.flows(arcs) == 1)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
