"""PredictiveMarker: marking that follows the predictions until a chain of wrong ones grows long, then draws."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.instance import Instance
from ..core.registry import register
from .lmarker import LMarker
from .spec import Predictions, Time
from .stream import Stream


@register(
    "policy",
    "predictive-marker",
    cites=("lykouris-vassilvitskii-2018",),
    predictions=True,
    randomized=True,
    stack=False,
    lazy=True,
    marking=True,
    conservative=False,
)
class PredictiveMarker(LMarker):
    """Marking: evict the unmarked page predicted furthest; in a chain of more than H_k evictions, one drawn uniformly.

    A clean page (see ``lmarker``) begins a chain; a page that a chain evicted in this phase and that is requested again
    continues it.  The first floor(H_k) evictions of a chain follow the predictions.  Ties to the lowest page number.

    Published for single requests (lykouris-vassilvitskii-2018): 2-consistent, and ``O(min(1 + sqrt(eta / OPT), log k))``
    times OPT in expectation.  Whatever the predictions, it is a marking policy: at most k misses in a phase, so at
    most k times OPT however the dice fall, for events too (ours: claim ``marking-events``); claim
    ``predictive-marker-robust`` has its exact expected ratio at small sizes.

    Draws one number for each eviction of a long chain, as ``lmarker`` does.  k is the number of slots (with a byte
    budget, of pages of mean size).  Events as in ``lmarker``.
    """

    def __init__(self, instance: Instance, *, predictions: Predictions, rng: Stream) -> None:
        super().__init__(instance, predictions=predictions, rng=rng)
        self._trust = int(sum(1 / i for i in range(1, instance.slots + 1)))
        self._chain: dict[int, int] = {}  # of pages evicted in this phase
        self._length: list[int] = []  # evictions of each chain

    def victim(self, candidates: Sequence[int], time: Time) -> int:
        """Return the unmarked candidate predicted furthest, or one drawn."""
        unmarked = self._unmarked(candidates, time)
        page, _ = self._cause(time)
        chain = self._chain.get(page, -1)
        if chain < 0:
            chain = len(self._length)
            self._length.append(0)
        self._length[chain] += 1
        if self._length[chain] > self._trust:
            gone = unmarked[self._rng.below(len(unmarked))]
        else:
            gone = self._furthest(unmarked)
        self._chain[gone] = chain
        return gone

    def _begin(self, time: Time) -> None:
        super()._begin(time)
        self._chain, self._length = {}, []

    def clear(self, time: Time) -> None:
        """Begin a phase without chains."""
        super().clear(time)
        self._chain, self._length = {}, []
