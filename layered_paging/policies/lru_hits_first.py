"""LRU of llama.cpp's expert cache: within an event hits are older than misses."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.instance import Instance
from ..core.registry import register
from .spec import Time, ranks


@register(
    "policy",
    "lru-hits-first",
    cites=("llama-cpp-moe-cache", "sleator-tarjan-1985"),
    aka=("llama.cpp LRU",),
    origin="llama.cpp, from its source",
    lazy=True,
)
class LRUHitsFirst:
    """Evict the page whose last use is oldest; of the pages of one event hits go first, then misses by page number.

    Hits are ordered as they were presented: in router order with ``ties="rank"``, else by page number.  Misses are
    ordered by page number in any case.  So there are no ties.  It is LRU where events have one member.  An event is known
    by its round and layer, so ``events="serial"`` orders the members of a step alike.

    Notes
    -----
    llama.cpp keeps one list of slots.  An event moves its hits to the new end, in the order of the router.  Then it
    fills the slots at the old end with its misses, ascending, and moves them to the new end.  Read in its source, commit
    4b060f27. Batches of more than 32 tokens pass by the cache there, which is a rule of the replay and not of a policy.

    Examples
    --------
    >>> import layered_paging as lp
    >>> trace = lp.Trace([[[1, -1]], [[0, 1]], [[2, -1]], [[0, -1]]], n_experts=3)
    >>> [lp.replay(trace, name, 2).misses for name in ("lru", "lru-hits-first")]
    [4, 3]
    """

    symmetric = True

    def __init__(self, instance: Instance) -> None:
        self._layers = instance.layers
        self._order: dict[int, tuple[int, bool, int]] = {}
        self._hits = 0

    def hit(self, page: int, time: Time) -> None:
        """Put the page behind the earlier hits."""
        self._hits += 1
        self._order[page] = time.round * self._layers + time.layer, False, self._hits

    def miss(self, page: int, time: Time) -> None:
        """Put the page behind all hits, among the misses by its number."""
        self._order[page] = time.round * self._layers + time.layer, True, page

    def victim(self, candidates: Sequence[int], time: Time) -> int:
        """Return the candidate used longest ago."""
        return min(candidates, key=self._order.__getitem__)

    def state(self, resident: Sequence[int], time: Time) -> dict[int, int]:
        """Return the order of use."""
        order = sorted(resident, key=self._order.__getitem__)
        return ranks({page: place for place, page in enumerate(order)})
