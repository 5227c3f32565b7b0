"""Roads that cannot be stopped, run in a process that can: ``python -m layered_paging.offline.limited FOLDER ROAD TOTAL``."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..core.deadline import Deadline, OutOfTime
from ..errors import SolverError
from . import flow
from .model import Model

__all__ = ["main", "within"]

FIELDS = ("capacity", "begin", "end", "worth", "size", "request")


def within(model: Model, road: str, clock: Deadline) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64] | None]:
    """Solve by ``paths`` or ``networkx``; where there is a limit, in a process that is ended when it is over.

    Raises
    ------
    OutOfTime
        Time ran out.
    SolverError
        The process failed.
    """
    left = clock.left("optimum")
    if left is None:
        return _solve(model, road)
    with tempfile.TemporaryDirectory() as folder:
        for name in FIELDS:
            np.save(Path(folder) / f"{name}.npy", getattr(model, name))
        command = [sys.executable, "-m", __name__, folder, road, str(model.total)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=left, check=False)
        except subprocess.TimeoutExpired:
            raise OutOfTime(f"the search for the optimum by {road} did not end within the time limit") from None
        if done.returncode != 0:
            raise SolverError(f"{road} found no optimum: {' '.join(done.stderr.split())[-160:]}")
        prices = Path(folder) / "prices.npy"
        return np.load(Path(folder) / "kept.npy"), np.load(prices) if prices.exists() else None


def _solve(model: Model, road: str) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64] | None]:
    return flow.by_paths(model) if road == "paths" else (flow.by_networkx(model), None)


def main(folder: Path, road: str, total: int) -> int:
    """Read a model's arrays, solve, and write what is kept and the prices."""
    kept, prices = _solve(Model(**{name: np.load(folder / f"{name}.npy") for name in FIELDS}, total=total), road)
    np.save(folder / "kept.npy", kept)
    if prices is not None:
        np.save(folder / "prices.npy", prices)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
