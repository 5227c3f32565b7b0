"""Least-stale: evict what the present round has not used, first of all in the layers already passed."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.instance import Instance
from ..core.registry import register
from .spec import Time, ranks


@register(
    "policy", "least-stale", cites=("specmd-2026",), aka=(), stack=True, lazy=True, marking=False, conservative=False
)
class LeastStale:
    """Evict pages unused in the present round first, among them those of layers already passed, then the least recently used.

    Order of eviction: (1) not used in the present round, its layer passed (the layer being served
    counts as passed: its event is the present one); (2) not used in the present round, its layer
    still to come; (3) used in the present round.  Within a class the oldest last use, then the lowest page.

    Notes
    -----
    This is our reading of the Least-Stale policy of SpecMD, whose definition we have not seen in full;
    the class order above is ours.
    """

    symmetric = True

    def __init__(self, instance: Instance) -> None:
        self._last: dict[int, Time] = {}

    def hit(self, page: int, time: Time) -> None:
        """Note the use."""
        self._last[page] = time

    miss = hit

    def victim(self, candidates: Sequence[int], time: Time) -> int:
        """Return the stalest candidate."""

        def order(page: int) -> tuple[bool, int, int]:
            last = self._last[page]
            stale = last.round < time.round and last.layer <= time.layer
            return not stale, last.clock, page  # the present round is later than all before it

        return min(candidates, key=order)

    def state(self, resident: Sequence[int], time: Time) -> dict[int, int]:
        """Return the order of last uses, and which were in the present round."""
        place = ranks({page: self._last[page].clock for page in resident})
        return {page: 2 * place[page] - (self._last[page].round == time.round) for page in resident}
