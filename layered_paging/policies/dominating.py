"""Dominating distribution: draw the victim so that no cached page is likelier than not to come after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.instance import Instance
from ..core.registry import register
from .spec import Predictions, Time
from .stream import Stream

MOST = 24  # pages between which one eviction may mix
SLACK = 1e-9


def earlier(rate: float, distance: int, other_rate: float, other_distance: int) -> float:
    """Return the probability that a page is used before another, ties counted half.

    A page is used with probability ``rate`` at each visit of its layer, independently; ``distance`` is the number of
    steps to the first visit.  Pages of one layer exclude each other at a visit.
    """
    both = rate * other_rate
    if distance == other_distance:
        both = 0.0
    total = rate + other_rate - both
    if total <= 0.0:
        return 0.5
    return (rate if distance <= other_distance else rate - both) / total


def solve(size: int, game: Any, table: Any, basis: Any, weight: Any) -> None:
    """Solve a symmetric game of ``size`` pages: weights with sum_p weight[p] game[q, p] <= 1/2 for every q.

    ``game[q, p] + game[p, q] = 1``, so such weights exist (the game's value is 1/2).  Simplex method by Bland's rule on
    ``max sum y, (game + 1) y <= 1``; ``table`` and ``basis`` are work arrays.
    """
    columns = 2 * size + 1
    for i in range(size):
        for j in range(size):
            table[i, j] = game[i, j] + 1.0
            table[i, size + j] = 1.0 if i == j else 0.0
        table[i, columns - 1] = 1.0
        basis[i] = size + i
    for j in range(columns):
        table[size, j] = 1.0 if j < size else 0.0
    for _ in range(50 * size):
        enter = -1
        for j in range(columns - 1):
            if table[size, j] > 1e-12:
                enter = j
                break
        if enter < 0:
            break
        leave = -1
        best = 0.0
        for i in range(size):
            if table[i, enter] > 1e-12:
                ratio = table[i, columns - 1] / table[i, enter]
                if leave < 0 or ratio < best or (ratio == best and basis[i] < basis[leave]):
                    leave = i
                    best = ratio
        if leave < 0:
            break
        pivot = table[leave, enter]
        for j in range(columns):
            table[leave, j] = table[leave, j] / pivot
        for i in range(size + 1):
            if i != leave and table[i, enter] != 0.0:
                factor = table[i, enter]
                for j in range(columns):
                    table[i, j] = table[i, j] - factor * table[leave, j]
        basis[leave] = enter
    total = 0.0
    for i in range(size):
        weight[i] = 0.0
    for i in range(size):
        if basis[i] < size and table[i, columns - 1] > 0.0:
            weight[basis[i]] = table[i, columns - 1]
            total += table[i, columns - 1]
    for i in range(size):
        weight[i] = weight[i] / total


@register(
    "policy",
    "dominating",
    cites=("pabbaraju-vakilian-2025", "lund-phillips-reingold-1994"),
    aka=("dominating distribution", "Markov paging"),
    predictions=True,
    randomized=True,
    lazy=True,
    marking=False,
    conservative=False,
)
class Dominating:
    """Draw the victim from a dominating distribution: whatever cached page q, the victim is used before q with chance <= 1/2.

    The chances are those of a router that uses each page with a rate of its own at every visit of its layer,
    independently: a predicted next use a rounds ahead (1: the next visit) is read as the rate 1/a.  For two
    pages of rates p and q at different layers, the first of which comes first, ``P(p before q) = p / (p + q - p q)``;
    in one layer ``p / (p + q)``.  Almost always one page dominates all others. A mixture is needed where the relation is
    cyclic, as it can be from three layers on (claim ``dominating-cycles``).

    Published for single requests (pabbaraju-vakilian-2025, improving lund-phillips-reingold-1994): at most 2
    times the expected misses of the best *online* policy, if the requests come from a Markov chain and the chances are its own.
    The claim ``dominating-two`` checks it exactly on small layered sources.  With events of several experts, or rates
    that are estimated, a heuristic.

    Draws one number where several pages have weight.  Ties: of equal pages of one layer the lowest page number.
    Mixes between at most 24 pages; floats, weights within 1e-9.  Time O(slots) an eviction where one page dominates.
    """

    def __init__(self, instance: Instance, *, predictions: Predictions, rng: Stream) -> None:
        self._predictions, self._rng, self._instance = predictions, rng, instance
        self._layer_of = [instance.layer_of(page) for page in range(instance.pages)]
        self._work = (
            np.zeros((MOST, MOST)),
            np.zeros((MOST + 1, 2 * MOST + 1)),
            np.zeros(MOST, np.int64),
            np.zeros(MOST),
        )

    def hit(self, page: int, time: Time) -> None:
        """Tell the source of the predictions."""
        self._predictions.told(page, time)

    miss = hit

    def victim(self, candidates: Sequence[int], time: Time) -> int:
        """Return the dominating page, or one drawn from the dominating distribution."""
        chances = self.distribution(candidates, time)
        if len(chances) == 1:
            return next(iter(chances))
        left, drawn = self._rng.random(), -1
        for page, weight in chances.items():
            left, drawn = left - weight, page
            if left < 0.0:
                break
        return drawn

    def distribution(self, candidates: Sequence[int], time: Time) -> dict[int, float]:
        """Return the weights of the candidates that may be drawn, in the order in which they joined."""
        layers = self._instance.layers
        now = time.round * layers + time.layer
        view: dict[int, tuple[float, int]] = {}
        next_use, layer_of = self._predictions.next_use, self._layer_of
        for page in candidates:
            distance = (layer_of[page] - time.layer - 1) % layers + 1
            rounds = (next_use(page) - now - distance) / layers
            view[page] = (1.0 / (1.0 + rounds) if rounds > 0.0 else 1.0, distance)
        best, mine = candidates[0], view[candidates[0]]
        for page, other in view.items():
            if earlier(*other, *mine) < 0.5:
                best, mine = page, other
        game, table, basis, weight = self._work
        chosen, weight[0] = [best], 1.0
        while True:
            worst, most = -1, 0.5 + SLACK
            mixed = [(float(weight[i]), view[p]) for i, p in enumerate(chosen)]
            for page, other in view.items():
                chance = 0.0
                for share, one in mixed:
                    chance += share * earlier(*one, *other)
                if chance > most:
                    worst, most = page, chance
            if worst < 0 or worst in chosen or len(chosen) == MOST:
                break
            chosen.append(worst)
            for i, p in enumerate(chosen):
                for j, q in enumerate(chosen):
                    game[j, i] = 0.5 if i == j else earlier(*view[p], *view[q])
            solve(len(chosen), game, table, basis, weight)
        return {page: float(weight[i]) for i, page in enumerate(chosen) if weight[i] > 0.0}
