"""LRU-2: evict the page whose last use but one is oldest."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.instance import Instance
from ..core.registry import register
from .spec import Time, ranks


@register(
    "policy",
    "lru-2",
    cites=("oneil-oneil-weikum-1993",),
    aka=("LRU-K", "LRU/2"),
    stack=True,
    lazy=True,
    marking=False,
    conservative=False,
)
class LRU2:
    """Evict the page whose last use but one is oldest; pages used once go first; ties to the oldest last use, then the lowest page.

    Conventions chosen: no correlated reference period. The times of a page's last two uses are kept
    for ever, also while it is not in the cache, and end with the reset.
    """

    symmetric = True

    def __init__(self, instance: Instance) -> None:
        self._uses: dict[int, tuple[int, int]] = {}

    def hit(self, page: int, time: Time) -> None:
        """Note the use."""
        self._uses[page] = (self._uses[page][1] if page in self._uses else -1, time.clock)

    miss = hit

    def victim(self, candidates: Sequence[int], time: Time) -> int:
        """Return the candidate whose last use but one is oldest."""
        return min(candidates, key=lambda page: (*self._uses[page], page))

    def state(self, resident: Sequence[int], time: Time) -> dict[int, int]:
        """Return the order of the last two uses of every page ever used."""
        both = {2 * page + at: use for page, uses in self._uses.items() for at, use in enumerate(uses) if use >= 0}
        place, base = ranks(both), 2 * len(self._uses) + 1
        return {page: place.get(2 * page, 0) * base + place[2 * page + 1] for page in self._uses}
