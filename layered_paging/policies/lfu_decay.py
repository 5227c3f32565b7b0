"""LFU with decay: evict the page with the smallest exponentially decayed use count."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.instance import Instance
from ..core.registry import register
from ..errors import ParameterError
from .spec import Time
from .static import profile_scores


@register(
    "policy",
    "lfu-decay",
    cites=("lee-et-al-2001",),
    aka=("LRFU", "decayed LFU"),
    stack=True,
    lazy=True,
    marking=False,
    conservative=False,
)
class LFUDecay:
    """Evict the page with the smallest sum over its uses of 2^(-age / half_life), plus its score in a profile if one is given.

    Ties to the oldest last use, then the lowest page.

    Parameters
    ----------
    instance : Instance
    half_life : float
        In rounds, above 0.  Ages count whole rounds.
    profile : sequence of numbers
        What is added to the sum of each page, by page number, for ever: as many uses as the page is thought to have
        within 1.44 half-lives.  Empty: nothing.

    Notes
    -----
    Counts survive evictions and end with the reset.  The sum is carried in double precision:
    ``value = value * factor(rounds since the last use) + 1``; comparisons are between
    ``value * factor(age)``.  The factors are those of ``factor``, also in the compiled twin, so
    both compare the same doubles.
    """

    def __init__(self, instance: Instance, *, half_life: float = 32, profile: Sequence[float] = ()) -> None:
        if isinstance(half_life, bool) or not isinstance(half_life, (int, float)) or not 0 < half_life < 1e9:
            raise ParameterError(
                f"must be a number of rounds above 0; got {half_life!r}", parameter="lfu-decay: half_life"
            )
        self.half_life = half_life
        self.prior = [float(score) for score in profile_scores("lfu-decay", profile, instance)] or [
            0.0
        ] * instance.pages
        self._value: dict[int, float] = {}
        self._last: dict[int, Time] = {}

    def factor(self, rounds: int) -> float:
        """Return 2^(-rounds / half_life), zero beyond 1022 half-lives, so that no product needs subnormal numbers."""
        return float(0.5 ** (rounds / self.half_life)) if rounds <= 1022 * self.half_life else 0.0

    def hit(self, page: int, time: Time) -> None:
        """Count the use."""
        value = self._now(page, time) if page in self._last else 0.0
        self._value[page] = value + 1.0
        self._last[page] = time

    miss = hit

    def victim(self, candidates: Sequence[int], time: Time) -> int:
        """Return the candidate of the smallest decayed count."""
        return min(
            candidates, key=lambda page: (self._now(page, time) + self.prior[page], self._last[page].clock, page)
        )

    def _now(self, page: int, time: Time) -> float:
        return self._value[page] * self.factor(time.round - self._last[page].round)
