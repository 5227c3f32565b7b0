"""Guard: follow the predictions, but guard a page whose eviction proved wrong, and let chance choose for it."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.instance import Instance
from ..core.registry import register
from .spec import Predictions, Time
from .stream import Stream


@register(
    "policy",
    "guard",
    cites=("chen-et-al-2025", "wei-2020"),
    aka=("Guard&BlindOracle",),
    predictions=True,
    randomized=True,
    stack=False,
    lazy=True,
    marking=False,
    conservative=False,
)
class Guard:
    """Evict the unguarded page predicted furthest; for a page evicted earlier in the phase, an old page drawn uniformly.

    When something must go and no old page is left, a phase begins: all cached pages become old, no page is guarded.
    A requested page is old no more.  A page that was evicted in this phase and is loaded again is guarded until the
    phase ends.  The old page that makes room for it is drawn.  Ties of predictions to the lowest page number.

    Reported for single requests (chen-et-al-2025; the bound from the abstract, the rules from the authors' code):
    1-consistent and ``(2 H_(k-1) + 2)``-robust in expectation.  For events (ours): 1-consistent (claim
    ``guard-consistent``); exact expected ratio at small sizes with predictions chosen by the adversary: claim
    ``guard-robust``.

    Draws one number for each eviction on behalf of a page evicted earlier in the phase: the index among the old
    candidates in ascending page number.  With events (ours): the n-th eviction of an event is on behalf of its n-th
    absent member; if there are more, of the last.  With bypass, when only members of the event are left, of them the
    one predicted furthest.
    """

    def __init__(self, instance: Instance, *, predictions: Predictions, rng: Stream) -> None:
        self._predictions, self._rng = predictions, rng
        self._last: dict[int, int] = {}
        self._old: set[int] = set()
        self._gone: set[int] = set()  # evicted in this phase
        self._guarded: set[int] = set()
        self._loaded: list[tuple[int, int]] = []  # clock, absent member

    def hit(self, page: int, time: Time) -> None:
        """Note the request: the page is not old."""
        self._predictions.told(page, time)
        self._last[page] = time.clock
        self._old.discard(page)

    def miss(self, page: int, time: Time) -> None:
        """Note the request, and who may have to make room."""
        self._loaded.append((time.clock, page))
        self.hit(page, time)

    def victim(self, candidates: Sequence[int], time: Time) -> int:
        """Return an unguarded candidate by prediction, or an old one by chance."""
        if not self._old:
            self._old = {page for page in candidates if self._last[page] < time.clock}
            self._gone, self._guarded = set(), set()
        self._loaded = [entry for entry in self._loaded if entry[0] >= time.clock]
        cause = -1  # all members were present, in a cache that was too full
        if self._loaded:
            _, cause = self._loaded.pop(0) if len(self._loaded) > 1 else self._loaded[0]
        old = [page for page in candidates if page in self._old]
        if cause in self._gone and old:
            self._guarded.add(cause)
            page = old[self._rng.below(len(old))]
        else:
            free = [page for page in candidates if page not in self._guarded] or candidates
            page = max(free, key=lambda p: (self._predictions.next_use(p), -p))
        self._old.discard(page)
        self._gone.add(page)
        return page

    def clear(self, time: Time) -> None:
        """Forget the phase: the cache is empty."""
        self._old, self._gone, self._guarded = set(), set(), set()
