"""LFU: evict the page used least often."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.instance import Instance
from ..core.registry import register
from ..errors import ParameterError
from .spec import Time


@register(
    "policy",
    "lfu",
    cites=("aho-denning-ullman-1971",),
    aka=("least frequently used",),
    stack=True,
    lazy=True,
    marking=False,
    conservative=False,
)
class LFU:
    """Evict the page with the fewest uses; ties to the oldest last use, then to the lowest page number.

    Parameters
    ----------
    instance : Instance
    history : {"all", "cache"}
        Count uses since the reset, evictions notwithstanding ("perfect" LFU); or only since the page
        was loaded ("in-cache" LFU, which is not a stack policy).

    Examples
    --------
    >>> import layered_paging as lp
    >>> trace = lp.Trace([[p] for p in [0, 0, 1, 2, 1, 0]])
    >>> lp.replay(trace, "lfu", 2).misses, lp.replay(trace, "lfu(history='cache')", 1).misses
    (4, 5)
    """

    def __init__(self, instance: Instance, *, history: str = "all") -> None:
        if history not in ("all", "cache"):
            raise ParameterError(f"lfu: history must be 'all' or 'cache'; got {history!r}")
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
        """Return the candidate used least often."""
        return min(candidates, key=lambda page: (self._uses[page], self._last[page], page))
