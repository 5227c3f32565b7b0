"""What a replay counts, whoever replays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .layout import Grid

__all__ = ["Counts"]


@dataclass
class Counts:
    """What a replay counts.

    Attributes
    ----------
    misses : int64 array, shape (sessions, 2)
        Misses by session and stage (0 prefill, 1 decode).
    layer_misses : int64 array, shape (layers,)
    missed_bytes : int
        Sum of the sizes of what was loaded (the number of misses where all sizes are 1).
    flags : bool array of the grid's shape, or None
        Which requests missed, if recorded.
    dropped : int
        Loads that the rules of traffic did not keep; they are misses, too.
    """

    misses: npt.NDArray[np.int64]
    layer_misses: npt.NDArray[np.int64]
    missed_bytes: int = 0
    flags: npt.NDArray[np.bool_] | None = None
    dropped: int = 0

    @classmethod
    def zero(cls, grid: Grid, record: bool) -> Counts:
        """Return counts of nothing."""
        flags = np.zeros(grid.shape, bool) if record else None
        return cls(np.zeros((len(grid.starts), 2), np.int64), np.zeros(grid.n_layers, np.int64), 0, flags)

    def add(self, other: Counts) -> None:
        """Add the counts of another pool of the same trace (its flags are not merged)."""
        self.misses += other.misses
        self.layer_misses += other.layer_misses
        self.missed_bytes += other.missed_bytes
        self.dropped += other.dropped
