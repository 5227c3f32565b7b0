"""Twin of random: a random stream."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..dice import below, seed_of, seeded
from ..hooks import Now
from ..task import Task
from . import twin


@twin()
class Random(NamedTuple):
    """A random stream."""

    seed: Any
    key: int
    rng: Any

    @classmethod
    def begin(cls, task: Task) -> Random:
        """Return a state for a pool."""
        return cls(seed_of(task.seed), task.key, np.zeros(1, np.uint64))

    def reset(self, session: int) -> None:
        """Begin the stream of the session."""
        self.rng[0] = seeded(self.seed, session, self.key)

    def victim(self, resident: Any, guard: Any, now: Now) -> int:
        """Draw one of the pages that may go."""
        left = below(self.rng, now.free)
        page = 0
        while True:
            if resident[page] and guard[page] != now.stamp:
                if left == 0:
                    return page
                left -= 1
            page += 1
