"""Twin of dominating: predictions, and a small game over the pages that may go."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...policies import dominating
from ..dice import next_bits, seed_of, seeded
from ..forecasts import Told, begin_told, forget_told, tell
from ..hooks import Now, inlined
from ..task import Task
from . import twin

MOST, SLACK = dominating.MOST, dominating.SLACK
_earlier = inlined(dominating.earlier)
_solve = inlined(dominating.solve)


@twin()
class Dominating(NamedTuple):
    """Rate and distance of each page as of the last eviction; the game, what solves it, and the chosen pages with their weights."""

    seed: Any
    key: int
    rng: Any
    told: Told
    layers: int
    layer_of: Any
    rate: Any
    distance: Any
    game: Any
    work: Any
    basis: Any
    weight: Any
    chosen: Any

    @classmethod
    def begin(cls, task: Task) -> Dominating:
        """Return a state for a pool."""
        instance, pages = task.instance, task.grid.pages
        dice = seed_of(task.seed), task.key, np.zeros(1, np.uint64)
        layer_of = np.repeat(np.arange(instance.layers), instance.experts)
        known = np.zeros(pages), np.zeros(pages, np.int64)
        game = np.zeros((MOST, MOST)), np.zeros((MOST + 1, 2 * MOST + 1)), np.zeros(MOST, np.int64)
        return cls(
            *dice, begin_told(task), instance.layers, layer_of, *known, *game, np.zeros(MOST), np.zeros(MOST, np.int64)
        )

    def reset(self, session: int) -> None:
        """Begin the stream of the session."""
        self.rng[0] = seeded(self.seed, session, self.key)
        forget_told(self.told)

    def hit(self, page: int, now: Now) -> None:
        """Read predictions."""
        tell(self.told, page, now)

    def miss(self, page: int, now: Now) -> None:
        """Read predictions."""
        tell(self.told, page, now)

    def victim(self, resident: Any, guard: Any, now: Now) -> int:
        """Draw from a distribution that beats every single page: pages are added until none is used later too often."""
        best = _rate(self, resident, guard, now)
        self.chosen[0] = best
        self.weight[0] = 1.0
        size = 1
        while True:
            # the page that the mixture so far does worst against joins it, until that is one of its own
            worst = _worst(self, resident, guard, now, size)
            known = False
            for i in range(size):
                known = known or self.chosen[i] == worst
            if worst < 0 or known or size == MOST:
                break
            self.chosen[size] = worst
            size += 1
            # solve the game among the pages of the mixture anew; ``weight`` is modified in place
            for i in range(size):
                for j in range(size):
                    self.game[j, i] = 0.5 if i == j else _before(self, self.chosen[i], self.chosen[j])
            _solve(size, self.game, self.work, self.basis, self.weight)
        page: int = _draw(self, size, best)
        return page


@inlined
def _before(state: Any, page: Any, other: Any) -> Any:
    return _earlier(state.rate[page], state.distance[page], state.rate[other], state.distance[other])


@inlined
def _rate(state: Any, resident: Any, guard: Any, now: Any) -> Any:
    """Rate the pages that may go, in place; return the one that is most likely used last."""
    best = -1
    step = now.round * state.layers + now.layer
    for page in range(resident.shape[0]):
        if resident[page] and guard[page] != now.stamp:
            distance = (state.layer_of[page] - now.layer - 1) % state.layers + 1
            rounds = (state.told.due[page] - step - distance) / state.layers
            state.rate[page] = 1.0 / (1.0 + max(rounds, 0.0))
            state.distance[page] = distance
            if best < 0 or _before(state, page, best) < 0.5:
                best = page
    return best


@inlined
def _worst(state: Any, resident: Any, guard: Any, now: Any, size: Any) -> Any:
    """Return the page that is most often used later than one drawn from the chosen; -1 if none is more than half of the time."""
    worst = -1
    most = 0.5 + SLACK
    for page in range(resident.shape[0]):
        if resident[page] and guard[page] != now.stamp:
            chance = 0.0
            for i in range(size):
                chance += state.weight[i] * _before(state, state.chosen[i], page)
            if chance > most:
                worst = page
                most = chance
    return worst


@inlined
def _draw(state: Any, size: Any, best: Any) -> Any:
    """Draw one of the chosen pages by weight; no random number is used up where there is only one."""
    several = 0
    for i in range(size):
        several += state.weight[i] > 0.0
    left = 0.0
    if several > 1:
        left = np.float64(next_bits(state.rng) >> np.uint64(11)) * (1.0 / (1 << 53))
    page = best
    for i in range(size):
        if state.weight[i] > 0.0:
            page = state.chosen[i]
            left -= state.weight[i]
            if left < 0.0:
                break
    return page
