"""Compiled twin of ``belady``: furthest next use, as the optimum computes it."""

from __future__ import annotations

from typing import Any

from ..grid import Grid
from ..instance import Instance
from ..offline.furthest import furthest
from ..policy import PolicySpec
from ..reference import Counts

__all__ = ["play"]


def play(
    grid: Grid, spec: PolicySpec, instance: Instance, capacity: int, *, seed: int, key: int, **options: Any
) -> Counts:
    """Replay one pool; see ``kernels.twin``."""
    return furthest(grid, capacity, **options)
