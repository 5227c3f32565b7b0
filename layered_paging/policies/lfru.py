"""LFRU: evict the page with the smallest number of uses per event since its last use."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from ..core.instance import Instance
from ..core.registry import register
from ..errors import ParameterError
from .spec import Time


@register(
    "policy",
    "lfru",
    cites=("vllm-issue-38256", "tinyserve-cache-policy"),
    aka=("least frequently recently used",),
    stack=True,
    lazy=True,
    marking=False,
    conservative=False,
)
class LFRU:
    """Evict the page of smallest uses / (now - last + 1); ties to the oldest last use, then the lowest page.

    ``now`` and ``last`` are clocks, which count events (members of events under ``ties="rank"``);
    a page of the present event has the denominator 1.  Scores are compared exactly.

    Parameters
    ----------
    instance : Instance
    history : {"all", "cache"}
        Count uses since the reset, evictions notwithstanding; or only since the page was loaded, as tinyserve does.
    """

    def __init__(self, instance: Instance, *, history: str = "all") -> None:
        if history not in ("all", "cache"):
            raise ParameterError(f"lfru: history must be 'all' or 'cache'; got {history!r}")
        self.forgets = history == "cache"
        self._uses: dict[int, int] = {}
        self._last: dict[int, int] = {}

    def hit(self, page: int, time: Time) -> None:
        """Count the use."""
        self._uses[page] = self._uses.get(page, 0) + 1
        self._last[page] = time.clock

    def miss(self, page: int, time: Time) -> None:
        """Count the use, from zero if the count ends with the eviction."""
        if self.forgets:
            self._uses[page] = 0
        self.hit(page, time)

    def victim(self, candidates: Sequence[int], time: Time) -> int:
        """Return the candidate of the smallest score."""
        return min(candidates, key=lambda page: (self._score(page, time.clock), self._last[page], page))

    def _score(self, page: int, now: int) -> Fraction:
        return Fraction(self._uses[page], max(1, now - self._last[page] + 1))
