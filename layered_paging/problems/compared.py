"""Exact ratios beside what the theorems say, slot by slot."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.arguments import kinds
from ..core.instance import integer
from .known import Bounds, bounds
from .stated import BEST, RANDOMIZED, Size

__all__ = ["SUBJECTS", "Compared", "compared"]

MOST_PAGES = 1000  # each number of slots below is compared
SUBJECTS = ("lru", "llru", BEST, RANDOMIZED)


@dataclass(frozen=True)
class Compared:
    """One subject at one number of slots: what theorems say, and what was computed there."""

    subject: str
    size: Size
    theorem: Bounds
    computed: Bounds

    @property
    def agrees(self) -> bool:
        """Whether the two can both be true; what is not known agrees with everything."""
        low = [x for x in (self.theorem.lower, self.computed.lower) if x is not None]
        high = [x for x in (self.theorem.upper, self.computed.upper) if x is not None]
        return not low or not high or max(low) <= min(high)


@kinds()
def compared(layers: int, experts: int) -> list[Compared]:
    """Return every subject at every number of slots of a model, by slots.

    Examples
    --------
    >>> [(str(c.theorem), str(c.computed)) for c in compared(2, 2) if c.subject == "lru"]
    [('1', '1'), ('3/2', '3/2'), ('3', '3')]
    """
    layers = integer("layers", layers, 1, MOST_PAGES)
    experts = integer("experts", experts, 1, MOST_PAGES // layers, f"{MOST_PAGES} pages")
    rows = []
    for slots in range(1, layers * experts):
        size = Size(layers, experts, slots)
        for subject in SUBJECTS:
            said, found = (bounds(subject, size, sources) for sources in ("theorems", "computed"))
            rows.append(Compared(subject, size, said, found))
    return rows
