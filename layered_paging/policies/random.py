"""RANDOM: evict any page, all with the same probability."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.instance import Instance
from ..core.registry import register
from .spec import Time
from .stream import Stream


@register(
    "policy",
    "random",
    cites=("raghavan-snir-1994",),
    aka=("random replacement",),
    stack=False,
    lazy=True,
    marking=False,
    conservative=False,
    randomized=True,
)
class Random:
    """Evict a candidate drawn uniformly; no ties.

    Guarantee: k-competitive in expectation, as FIFO and LRU are, but without memory.
    Draws one number per eviction: the index of the victim among the candidates in ascending page number.
    """

    def __init__(self, instance: Instance, *, rng: Stream) -> None:
        self._rng = rng

    def hit(self, page: int, time: Time) -> None:
        """Nothing changes."""

    miss = hit

    def victim(self, candidates: Sequence[int], time: Time) -> int:
        """Return a candidate drawn uniformly."""
        return candidates[self._rng.below(len(candidates))]
