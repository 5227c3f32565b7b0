"""Twin of blind-oracle: predictions alone."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..forecasts import Told, begin_told, forget_told, tell
from ..hooks import Now
from ..task import Task
from . import twin


@twin()
class BlindOracle(NamedTuple):
    """The predictions."""

    told: Told

    @classmethod
    def begin(cls, task: Task) -> BlindOracle:
        """Return a state for a pool."""
        return cls(begin_told(task))

    def reset(self, session: int) -> None:
        """Begin from nothing."""
        forget_told(self.told)

    def hit(self, page: int, now: Now) -> None:
        """Read predictions."""
        tell(self.told, page, now)

    def miss(self, page: int, now: Now) -> None:
        """Read predictions."""
        tell(self.told, page, now)

    def victim(self, resident: Any, guard: Any, now: Now) -> int:
        """Return the page that may go whose predicted use is furthest."""
        best = -1
        due = self.told.due
        for page in range(resident.shape[0]):
            if resident[page] and guard[page] != now.stamp and (best < 0 or due[page] > due[best]):
                best = page
        return best
