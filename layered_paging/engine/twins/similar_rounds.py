"""Twin of similar-rounds: a state and a loop of vectors."""

from __future__ import annotations

from typing import Any

from ...core.counts import Counts
from ..kernels import similar
from ..kernels.neighbours import Similar
from ..task import Task
from . import twin


def play(task: Task) -> Counts:
    """Replay one pool."""
    rules = task.rules
    return similar.play(
        task.grid,
        task.spec,
        task.instance,
        task.capacity,
        sizes=task.sizes,
        in_bytes=task.in_bytes,
        reset=rules.reset,
        bypass=rules.bypass,
        oversize=rules.stays_over,
        record=task.record,
        carry=task.carry,
    )


@twin(play=play)
class SimilarRounds(Similar):
    """What the policy knows."""

    @classmethod
    def begin(cls, task: Task) -> Any:
        """Return a state for a pool."""
        return cls(*similar.state_of(task.grid, task.spec, task.instance))
