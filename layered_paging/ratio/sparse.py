"""The constraints of a linear program, entered one number at a time."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

__all__ = ["Rows", "in_time"]


def in_time(until: float) -> dict[str, float]:
    """Return the options of a solver that must end when ``time.monotonic()`` passes ``until``."""
    return {} if until == float("inf") else {"time_limit": max(until - time.monotonic(), 0.01)}


class Rows:
    """Rows of a sparse matrix and their right-hand sides."""

    def __init__(self) -> None:
        self.entries: tuple[list[int], list[int], list[float]] = ([], [], [])
        self.right: list[float] = []

    def new(self, right: float, terms: Iterable[tuple[int, float]] = ()) -> int:
        """Begin a row, put terms (column, factor) into it, and return its number."""
        self.right.append(right)
        for column, factor in terms:
            self.put(len(self.right) - 1, column, factor)
        return len(self.right) - 1

    def put(self, row: int, column: int, factor: float) -> None:
        """Add ``factor`` times a column to a row."""
        rows, columns, factors = self.entries
        rows.append(row)
        columns.append(column)
        factors.append(factor)

    def copy(self) -> Rows:
        """Return rows to go on from."""
        twin = Rows()
        rows, columns, factors = self.entries
        twin.entries = (list(rows), list(columns), list(factors))
        twin.right = list(self.right)
        return twin

    def matrix(self, columns: int) -> Any:
        """Return the matrix."""
        from scipy.sparse import coo_matrix

        rows, cols, vals = self.entries
        return coo_matrix((vals, (rows, cols)), (len(self.right), columns)).tocsr()
