"""Count what a trace asks for, in one pass."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..core.layout import Grid, locked

__all__ = ["SMALL", "count"]

SMALL = 1 << 18  # ids up to which compiled code is not worth loading
Ints = npt.NDArray[np.int64]


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
    if grid.experts.size <= SMALL:
        requested, compulsory = _counted(grid, resets, known, by_session, by_layer, seen)
    else:
        from . import totals_kernels

        requested, compulsory = totals_kernels.count(grid.arrays(), resets, locked(known), by_session, by_layer, seen)
    return by_session, by_layer, None if sizes is None else int(requested), int(compulsory)


def _counted(
    grid: Grid, resets: bool, known: npt.NDArray[np.int64], by_session: Ints, by_layer: Ints, seen: Ints
) -> tuple[int, int]:
    """Return bytes requested and compulsory misses without compiled code; the three last arrays are modified in place."""
    present = grid.experts >= 0
    pages = (grid.experts + grid.first[:, None])[present]
    by_round = present.sum(axis=(1, 2))
    session = np.searchsorted(grid.starts, np.arange(len(by_round)), side="right") - 1
    np.add.at(by_session, (session, grid.stage), by_round)
    np.add.at(by_layer, grid.layer, present.sum(axis=(0, 2)))
    compulsory = 0
    if resets:
        rows = np.repeat(session, by_round)
        firsts = np.unique(rows * grid.pages + pages)
        again = seen[pages[rows == 0]] == grid.number  # a session that began in an earlier part
        compulsory = len(firsts) - len(np.unique(pages[rows == 0][again]))
        np.maximum.at(seen, pages, grid.number + rows)
    else:
        asked = np.unique(pages)
        compulsory = int((seen[asked] != 0).sum())
        seen[asked] = 0
    return int(known[pages].sum()), compulsory
