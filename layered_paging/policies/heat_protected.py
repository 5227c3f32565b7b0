"""Heat-protected LRU: pages that were hit often enough since they were loaded go only when no other may."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.instance import Instance, integer
from ..core.registry import register
from .spec import Time, ranks


@register(
    "policy",
    "heat-protected",
    cites=("llama-cpp-turboquant-heat",),
    aka=("hot-uses LRU",),
    origin="llama-cpp-turboquant, victim rule from its source",
    stack=False,
    lazy=True,
    marking=False,
    conservative=False,
)
class HeatProtected:
    """Evict the page whose last use is oldest among those hit at most ``hot_uses`` times since loading, else the oldest.

    Ties to the lowest page number.

    Parameters
    ----------
    instance : Instance
    hot_uses : int
        At least 0.

    Notes
    -----
    The rule of the victim was read in the source of llama-cpp-turboquant.  That engine serves the members of an event
    one by one. There a miss may evict a member that comes later in the same event. Here it may not.  Its asynchronous
    providers also load only what was asked for repeatedly, and a few experts per plan; both are rules of traffic.

    Examples
    --------
    >>> import layered_paging as lp
    >>> trace = lp.Trace([[p] for p in [0, 0, 0, 1, 2, 0]], n_experts=3)
    >>> [lp.replay(trace, f"heat-protected(hot_uses={n})", 2).misses for n in (4, 1)]
    [4, 3]
    """

    symmetric = True

    def __init__(self, instance: Instance, *, hot_uses: int = 4) -> None:
        self.hot_uses = integer("heat-protected: hot_uses", hot_uses, 0)
        self._hits: dict[int, int] = {}
        self._last: dict[int, int] = {}

    def hit(self, page: int, time: Time) -> None:
        """Count the hit."""
        self._hits[page] += 1
        self._last[page] = time.clock

    def miss(self, page: int, time: Time) -> None:
        """Count from zero."""
        self._hits[page] = 0
        self._last[page] = time.clock

    def victim(self, candidates: Sequence[int], time: Time) -> int:
        """Return the oldest candidate that is not hot, or else the oldest."""
        return min(candidates, key=lambda page: (self._hits[page] > self.hot_uses, self._last[page], page))

    def state(self, resident: Sequence[int], time: Time) -> dict[int, int]:
        """Return the hits, as far as they count, and the order of last uses."""
        order = ranks({page: self._last[page] for page in resident})
        return {
            page: min(self._hits[page], self.hot_uses + 1) * (len(order) + 1) + place for page, place in order.items()
        }
