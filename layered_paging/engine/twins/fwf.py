"""Twin of fwf: nothing to remember."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..hooks import Now
from ..task import Task
from . import twin


@twin()
class Fwf(NamedTuple):
    """Nothing to remember."""

    pages: int

    @classmethod
    def begin(cls, task: Task) -> Fwf:
        """Return a state for a pool."""
        return cls(task.grid.pages)

    def reset(self, session: int) -> None:
        """Forget nothing."""

    def victim(self, resident: Any, guard: Any, now: Now) -> int:
        """Return nothing of use: see ``flush``."""
        return 0

    def flush(self, now: Now) -> None:
        """Let everything go that may; the loop does so where this method is."""
