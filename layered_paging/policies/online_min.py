"""OnlineMin: the randomized policy of ratio H_k that follows the layers of the work function."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from ..core.instance import Instance
from ..core.registry import register
from .spec import Time
from .stream import Stream


@register(
    "policy",
    "online-min",
    cites=("brodal-moruz-negoescu-2015", "achlioptas-chrobak-noga-2000"),
    aka=("OnMin", "Equitable"),
    stack=False,
    lazy=True,
    marking=False,
    conservative=False,
    randomized=True,
)
class OnlineMin:
    """Keep the pages of highest random priority that an optimal cache may hold.

    The caches that an optimum may have now are those with at most i pages in the first i of k levels,
    for every i (koutsoupias-papadimitriou-2000).  A request to a page in none of the levels joins the last two.
    A request to a page of level i joins the rest of it to level i - 1 (the pages of level 0 are in no
    such cache). The page itself becomes the last level.  On a miss let i be the first level at which the
    cache holds too many pages: evict the page of lowest priority in the levels up to i.

    The cache has the distribution of Equitable.  Guarantee: H_k in expectation for single requests, which no
    policy can beat in general.  Ties between equal priorities (64 bits): the lowest page number.

    Notes
    -----
    Draws one number for every request to a page outside the levels. It is the page's priority. They come in the order of the
    calls (present members of an event, then absent ones).  An empty slot is a page of lowest priority.
    Members of an event are taken as single requests one after another (our extension). If none of the
    pages may go, the next level with too many pages is asked, at last all of them.
    """

    def __init__(self, instance: Instance, *, rng: Stream) -> None:
        self._slots = instance.slots
        self._rng = rng
        self._held: set[int] = set()
        self._level: dict[int, int] = {}
        self._priority: dict[int, int] = {}

    def hit(self, page: int, time: Time) -> None:
        """Update the levels."""
        level = self._level.get(page, 0)
        if level == 0:
            others = (p for p in chain(self._level, self._held) if p != page)
            self._priority[page] = self._rng.place(self._priority[p] for p in others)
            level = self._slots
        self._level = {p: at - (at >= level) for p, at in self._level.items() if (at, level) != (1, 1)}
        self._level[page] = self._slots

    def miss(self, page: int, time: Time) -> None:
        """Update the levels, and note that the page is in the cache."""
        self._held.add(page)
        self.hit(page, time)

    def victim(self, candidates: Sequence[int], time: Time) -> int:
        """Return the candidate of lowest priority up to the first level that holds too many pages."""
        levels = sorted(self._level.get(page, 0) for page in self._held)
        for count, level in enumerate(levels, start=1):
            inside = [page for page in candidates if self._level.get(page, 0) <= level]
            if count > level and inside:
                break
        else:
            inside = list(candidates)
        page = min(inside, key=lambda p: (self._priority[p], p))
        self._held.remove(page)
        return page

    def clear(self, time: Time) -> None:
        """Forget the levels: the cache is empty."""
        self._held, self._level = set(), {}

    def state(self, resident: Sequence[int], time: Time) -> dict[int, int]:
        """Return the levels, and the places of the priorities."""
        order = sorted({*self._level, *self._held}, key=lambda p: self._priority[p])
        return {page: self._level.get(page, 0) * (len(order) + 1) + at for at, page in enumerate(order, 1)}
