"""How much time a solver has left, and roads that cannot be stopped, run in a process that can."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import SolverError
from .model import Model

__all__ = ["Deadline", "main", "within"]

FIELDS = ("capacity", "begin", "end", "worth", "size", "request")


class Deadline:
    """A limit of seconds, from now on; None for no limit."""

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._until = None if seconds is None else time.monotonic() + seconds

    def left(self, what: str) -> float | None:
        """Return the seconds that are left, or None for no limit.

        Raises
        ------
        SolverError
            None are; the message says what was looked for.
        """
        if self._until is None:
            return None
        left = self._until - time.monotonic()
        if left <= 0:
            raise SolverError(f"no {what} within the time limit of {self._seconds:g} s")
        return left


def within(model: Model, road: str, clock: Deadline) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64] | None]:
    """Solve by ``paths`` or ``networkx``; where there is a limit, in a process that is ended when it is over.

    Raises
    ------
    SolverError
        Time ran out.
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
            clock.left("optimum")
            raise SolverError(f"no optimum by {road} within the time limit") from None
        if done.returncode != 0:
            raise SolverError(f"{road} found no optimum: {' '.join(done.stderr.split())[-160:]}")
        prices = Path(folder) / "prices.npy"
        return np.load(Path(folder) / "kept.npy"), np.load(prices) if prices.exists() else None


def _solve(model: Model, road: str) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64] | None]:
    from . import flow

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
