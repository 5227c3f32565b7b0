"""Count what a trace asks for, in one pass."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.compiled import kernel
from ..core.layout import Arrays, Grid, locked

__all__ = ["count"]


def count(
    grid: Grid, resets: bool, sizes: npt.NDArray[np.int64] | None, seen: npt.NDArray[np.int64] | None = None
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], int | None, int]:
    """Return the fields of ``Totals``.

    ``seen`` is kept between the parts of a trace: the session in which each page was requested last, -1 at first.
    """
    by_session = np.zeros((len(grid.starts), 2), np.int64)
    by_layer = np.zeros(grid.n_layers, np.int64)
    known = np.ones(grid.pages, np.int64) if sizes is None else sizes
    seen = np.full(grid.pages, -1, np.int64) if seen is None else seen
    requested, compulsory = _count(grid.arrays(), resets, locked(known), by_session, by_layer, seen)
    return by_session, by_layer, None if sizes is None else int(requested), int(compulsory)


@kernel
def _count(grid: Arrays, resets: bool, sizes: Any, by_session: Any, by_layer: Any, seen: Any) -> tuple[int, int]:
    """Return bytes requested and compulsory misses; the three last arrays are modified in place."""
    experts, first, layer, starts, stage = grid.experts, grid.first, grid.layer, grid.starts, grid.stage
    rounds, columns, width = experts.shape
    session = 0
    requested = 0
    compulsory = 0
    for r in range(rounds):
        while session + 1 < starts.shape[0] and starts[session + 1] <= r:
            session += 1
        mark = grid.number + session if resets else 0
        members = 0
        for c in range(columns):
            for q in range(width):
                e = experts[r, c, q]
                if e >= 0:
                    page = first[c] + e
                    members += 1
                    requested += sizes[page]
                    by_layer[layer[c]] += 1
                    if seen[page] != mark:
                        seen[page] = mark
                        compulsory += 1
        by_session[session, stage[r]] += members
    return requested, compulsory
