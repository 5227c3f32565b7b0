"""Twin of belady: furthest next use, by the loop with which the optimum is computed."""

from __future__ import annotations

from typing import Any

from ...core.counts import Counts
from ...offline.furthest import furthest
from ..task import Task
from . import registered

__all__ = ["play"]


@registered
def play(task: Task) -> Counts:
    """Replay one pool."""
    given: dict[str, Any] = {"sizes": task.sizes, "in_bytes": task.in_bytes, "record": task.record, "carry": task.carry}
    return furthest(task.grid, task.capacity, task.rules, **given)
