"""Twin of llru: round and layer of the last use of each page."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..fast import recency, stacks
from ..hooks import Now
from ..task import Task
from . import twin


@twin(play=recency.play, depths=stacks.llru_depths)
class Llru(NamedTuple):
    """Round of the last use, and the layer of each page; a replay takes the faster bitmap."""

    layers: int
    far: bool
    visit: bool
    layer_of: Any
    round: Any

    @classmethod
    def begin(cls, task: Task) -> Llru:
        """Return a state for a pool."""
        instance, params = task.instance, task.spec.params
        far = params.get("same_layer", "far") == "far"
        visit = params.get("rounds", "visit") == "visit"
        layer_of = np.repeat(np.arange(instance.layers), instance.experts)
        return cls(instance.layers, far, visit, layer_of, np.zeros(task.grid.pages, np.int64))

    def reset(self, session: int) -> None:
        """Forget nothing that matters: the round of a page is written before it is read."""

    def hit(self, page: int, now: Now) -> None:
        """Note the round."""
        self.round[page] = now.round

    def miss(self, page: int, now: Now) -> None:
        """Note the round."""
        self.round[page] = now.round

    def victim(self, resident: Any, guard: Any, now: Now) -> int:
        """Return the page of most rounds since its last use, then of the farthest layer, then the lowest page."""
        best = -1
        most = -1
        distance = 0
        for page in range(resident.shape[0]):
            if resident[page] and guard[page] != now.stamp:
                layer = self.layer_of[page]
                rounds = now.round - self.round[page] - (1 if self.visit and layer > now.layer else 0)
                far = layer - now.layer if layer > now.layer else layer - now.layer + self.layers
                if layer == now.layer and not self.far:
                    far = 0
                if rounds > most or (rounds == most and far > distance):
                    best = page
                    most = rounds
                    distance = far
        return best
