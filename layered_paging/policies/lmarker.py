"""LMarker: marking that trusts the prediction once for each new page, and chance after that."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.instance import Instance
from ..core.registry import register
from .spec import Predictions, Time
from .stream import Stream


@register(
    "policy",
    "lmarker",
    cites=("rohatgi-2020",),
    predictions=True,
    randomized=True,
    stack=False,
    lazy=True,
    marking=True,
    conservative=False,
)
class LMarker:
    """Marking: a clean page evicts the unmarked page predicted furthest, a stale one an unmarked page drawn uniformly.

    Clean: not requested in the phase before; stale: requested in it, and evicted since.  Phases as in ``marking``.
    Ties of predictions to the lowest page number.

    Published for single requests (rohatgi-2020): ``O(1 + min(log(eta / OPT), log k))`` times OPT in expectation.
    Whatever the predictions, it is a marking policy: at most k misses in a phase, so at most k times OPT however
    the dice fall, for events too (ours: claim ``marking-events``); its exact expected ratio with predictions chosen
    by the adversary is claim ``lmarker-robust``.

    Draws one number for each eviction on behalf of a stale page: the index among the unmarked candidates in
    ascending page number (with bypass, when only marked members of the event are left: among them).  With
    events (ours): the n-th eviction of an event is on behalf of its n-th absent member; if there are more, of the last.
    """

    def __init__(self, instance: Instance, *, predictions: Predictions, rng: Stream) -> None:
        self._predictions, self._rng = predictions, rng
        self._last: dict[int, int] = {}
        self._phase = 0  # clock at which the phase began; pages requested since then are marked
        self._before = 0  # and the phase before
        self._loaded: list[tuple[int, int, int]] = []  # clock, absent member, clock of its last request before

    def hit(self, page: int, time: Time) -> None:
        """Mark the page."""
        self._predictions.told(page, time)
        self._last[page] = time.clock

    def miss(self, page: int, time: Time) -> None:
        """Mark the page, and remember whether it is stale."""
        self._loaded.append((time.clock, page, self._last.get(page, -1)))
        self.hit(page, time)

    def victim(self, candidates: Sequence[int], time: Time) -> int:
        """Return the unmarked candidate predicted furthest, or one drawn."""
        unmarked = self._unmarked(candidates, time)
        _, last = self._cause(time)
        if self._before <= last < self._phase:
            return unmarked[self._rng.below(len(unmarked))]
        return self._furthest(unmarked)

    def _unmarked(self, candidates: Sequence[int], time: Time) -> Sequence[int]:
        """Return the unmarked candidates; where there are none, begin a phase."""
        for _ in range(2):
            unmarked = [page for page in candidates if self._last[page] < self._phase]
            if unmarked:
                return unmarked
            self._begin(time)
        return candidates

    def _begin(self, time: Time) -> None:
        if self._phase < time.clock:
            self._before, self._phase = self._phase, time.clock

    def _cause(self, time: Time) -> tuple[int, int]:
        """Return the member on whose behalf something is evicted now, and when it was requested before."""
        self._loaded = [entry for entry in self._loaded if entry[0] >= time.clock]
        if not self._loaded:  # all members were present, in a cache that was too full
            return -1, -1
        _, page, last = self._loaded.pop(0) if len(self._loaded) > 1 else self._loaded[0]
        return page, last

    def _furthest(self, pages: Sequence[int]) -> int:
        return max(pages, key=lambda page: (self._predictions.next_use(page), -page))

    def clear(self, time: Time) -> None:
        """Begin a phase; nothing is stale."""
        self._before = self._phase = time.clock
