"""SLRU: a trial segment and a protected segment, each ordered by recency."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from ..core.instance import Instance
from ..core.registry import register
from ..errors import ParameterError
from .spec import Time, ranks


@register(
    "policy",
    "slru",
    cites=("karedla-love-wherry-1994",),
    aka=("segmented LRU",),
    stack=False,
    lazy=True,
    marking=False,
    conservative=False,
)
class SLRU:
    """Evict the least recent page of the trial segment, and of the protected segment if nothing else may go.

    A loaded page enters the trial segment. A hit moves it to the recent end of the protected
    segment.  That segment holds at most floor(protected * slots) pages.  It returns its least recent page to
    the recent end of the trial segment.  Order within a segment: by the event of entry, then page number.

    Parameters
    ----------
    instance : Instance
    protected : float
        Share of the slots for the protected segment, from 0 to 1.
    """

    symmetric = True

    def __init__(self, instance: Instance, *, protected: float = 0.8) -> None:
        if isinstance(protected, bool) or not isinstance(protected, (int, float)) or not 0 <= protected <= 1:
            raise ParameterError(f"slru: protected must be a share from 0 to 1; got {protected!r}")
        self.room = int(Fraction(str(protected)) * instance.slots)
        self._trial: dict[int, int] = {}
        self._protected: dict[int, int] = {}

    def hit(self, page: int, time: Time) -> None:
        """Move the page to the protected segment."""
        self._trial.pop(page, None)
        self._protected[page] = time.clock
        if len(self._protected) > self.room:
            oldest = min(self._protected, key=lambda p: (self._protected[p], p))
            del self._protected[oldest]
            self._trial[oldest] = time.clock

    def miss(self, page: int, time: Time) -> None:
        """Let the page enter the trial segment."""
        self._trial[page] = time.clock

    def victim(self, candidates: Sequence[int], time: Time) -> int:
        """Return the least recent candidate of the trial segment, or else of the protected one."""
        segment = self._protected if self._trial.keys().isdisjoint(candidates) else self._trial
        page = min((p for p in candidates if p in segment), key=lambda p: (segment[p], p))
        del segment[page]
        return page

    def clear(self, time: Time) -> None:
        """Empty both segments."""
        self._trial, self._protected = {}, {}

    def state(self, resident: Sequence[int], time: Time) -> dict[int, int]:
        """Return the segments, and the order in each."""
        trial, protected = ranks(self._trial), ranks(self._protected)
        return {page: 2 * trial[page] if page in trial else 2 * protected[page] - 1 for page in resident}
