"""One server: share its storage among layers by dynamic programming, that is by (max,+) convolution.

A *table* says what the best q steps of a layer save, q = 0, 1, ...; one step takes ``stride`` units of
storage.  Tables of different layers add up, so the best use of b units of the layers so far is the
(max,+) convolution of their tables.  All methods give the same value:

``plain``   every q for every b: O(budget x steps) a layer.
``smawk``   the table is cut into concave runs, each convolved in O(budget) by SMAWK
            (aggarwal-klawe-moran-shor-wilber-1987); what is added to may be arbitrary.
``merge``   all tables concave and of one stride: the largest increments, O(n log n) in all.
``auto``    ``merge`` where it applies, else the cheaper of the others for each layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
import numpy.typing as npt

from ..core.rented import Rented
from ..errors import ParameterError

__all__ = ["METHODS", "Table", "brute_force", "concave_runs", "convolve", "share"]

Ints = npt.NDArray[np.int64]
METHODS = ("auto", "plain", "smawk", "merge")
UNITS = 1 << 24  # units of storage that tables are kept for
CELLS = 1 << 28  # entries of all choices together
STEP, ENTRY = 5e-7, 1e-5  # seconds of plain Python: of a step of the plain loop, and of SMAWK for each entry
_PLAIN, _CONCAVE = (Rented(f"{__package__}.kernels", name, price) for name, price in (("plain", 0.1), ("concave", 0.4)))


@dataclass(frozen=True)
class Table:
    """What a layer (or a part of it) saves with q steps, and which pages these are.

    Attributes
    ----------
    values : int array
        ``values[0]`` is 0; not falling.
    stride : int
        Units of storage of one step, at least 1.
    order : int array, optional
        Then q steps are ``order[:q]``.
    sets : sequence of sequences of int, optional
        Else q steps are ``sets[q]``.
    """

    values: Ints
    stride: int
    order: Ints | None = None
    sets: Sequence[Sequence[int]] | None = None

    def pages(self, steps: int) -> list[int]:
        """Return the pages that ``steps`` steps of a table stand for."""
        if self.order is not None:
            return [int(p) for p in self.order[:steps]]
        return list(self.sets[steps]) if self.sets is not None else []


def concave_runs(values: Ints) -> list[tuple[int, int]]:
    """Return (first, last) of maximal runs on which increments do not grow; neighbours share an end.

    Examples
    --------
    >>> concave_runs(np.array([0, 5, 8, 9])), concave_runs(np.array([0, 0, 4, 5, 9]))
    ([(0, 3)], [(0, 1), (1, 3), (3, 4)])
    """
    steps = np.diff(values)
    cuts = (np.flatnonzero(steps[1:] > steps[:-1]) + 1).tolist()
    ends = [0, *cuts, len(values) - 1]
    return [(low, high) for low, high in pairwise(ends) if low < high] or [(0, 0)]


def convolve(old: Ints, table: Ints, stride: int = 1, method: str = "auto") -> tuple[Ints, Ints]:
    """Return (new, choice): ``new[b]`` is the largest ``old[b - q * stride] + table[q]``, at ``q = choice[b]``.

    Parameters
    ----------
    old, table : int arrays
        Any integers below 2^61.
    stride : int
    method : {"auto", "plain", "smawk"}

    Examples
    --------
    >>> convolve(np.array([0, 4, 4, 6]), np.array([0, 3, 5]))[0]
    array([0, 4, 7, 9])
    """
    runs = concave_runs(table)
    # a step of SMAWK costs about thirty of the plain loop
    if method == "smawk" or (method == "auto" and 32 * len(runs) < min(len(table), len(old) // stride)):
        new, choice = old + table[0], np.zeros(len(old), np.int64)
        for low, high in runs:
            _CONCAVE(len(old) * ENTRY, old, table, low, high, stride, new, choice)
    else:
        new, choice = np.empty_like(old), np.empty(len(old), np.int64)
        _PLAIN(len(old) * min(len(table), len(old) // stride + 1) * STEP, old, table, stride, new, choice)
    return new, choice


def share(tables: Sequence[Table], budget: int, method: str = "auto") -> tuple[int, list[int]]:
    """Return (value, steps of each table): the most that the tables save together within the budget.

    Parameters
    ----------
    tables : sequence of Table
    budget : int
        Units of storage, at least 0.
    method : {"auto", "plain", "smawk", "merge"}

    Raises
    ------
    ParameterError
        Unknown method; ``merge`` where a table is not concave or strides differ; too many units.
    """
    if method not in METHODS:
        raise ParameterError(f"must be one of {', '.join(METHODS)}; got {method!r}", parameter="method")
    budget = min(budget, sum((len(t.values) - 1) * t.stride for t in tables))
    strides = {t.stride for t in tables}
    fits = len(strides) <= 1 and all(len(concave_runs(t.values)) == 1 for t in tables)
    if method == "merge" and not fits:
        raise ParameterError("method merge needs concave tables of one stride; use auto, smawk or plain")
    if fits and method in ("auto", "merge"):
        return _merge(tables, budget // min(strides, default=1))
    if budget >= UNITS or (budget + 1) * len(tables) > CELLS:
        raise ParameterError(
            f"{budget} units of storage for {len(tables)} tables are too many for a table; give sizes and storage with a larger common divisor"
        )
    best = np.zeros(budget + 1, np.int64)
    choices = np.zeros((len(tables), budget + 1), np.int32)
    for j, table in enumerate(tables):
        best, choices[j] = convolve(best, table.values, table.stride, "auto" if method == "merge" else method)
    steps, left = [0] * len(tables), budget
    for j in range(len(tables) - 1, -1, -1):
        steps[j] = int(choices[j, left])
        left -= steps[j] * tables[j].stride
    return int(best[budget]), steps


def _merge(tables: Sequence[Table], budget: int) -> tuple[int, list[int]]:
    """Take the largest increments; ties to the lower table.  Within a table they come in order, as they do not grow."""
    if not tables:
        return 0, []
    gains = np.concatenate([np.diff(t.values) for t in tables])
    where = np.repeat(np.arange(len(tables)), [len(t.values) - 1 for t in tables])
    taken = np.argsort(-gains, kind="stable")[:budget]
    taken = taken[gains[taken] > 0]
    return int(gains[taken].sum()), np.bincount(where[taken], minlength=len(tables)).tolist()


def brute_force(tables: Sequence[Table], budget: int) -> int:
    """Return the same value by trying every combination of steps."""
    best = 0
    for steps in product(*(range(len(t.values)) for t in tables)):
        if sum(q * t.stride for q, t in zip(steps, tables, strict=True)) <= budget:
            best = max(best, sum(int(t.values[q]) for q, t in zip(steps, tables, strict=True)))
    return best
