"""Compiled twin of ``belady``: furthest next use, as the optimum computes it."""

from __future__ import annotations

from typing import Any

from ...core.counts import Counts
from ...core.instance import Instance
from ...core.layout import Grid
from ...offline.furthest import furthest
from ...policies.spec import PolicySpec

__all__ = ["play"]


def play(
    grid: Grid, spec: PolicySpec, instance: Instance, capacity: int, *, seed: int, key: int, **options: Any
) -> Counts:
    """Replay one pool; see ``kernels.twin``."""
    return furthest(grid, capacity, **options)
