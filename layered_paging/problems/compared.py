"""Exact ratios beside what the theorems say, slot by slot."""

from __future__ import annotations

from dataclasses import dataclass

from .known import Bounds, bounds
from .stated import BEST, RANDOMIZED, Size

__all__ = ["SUBJECTS", "Compared", "compared"]

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


def compared(layers: int, experts: int) -> list[Compared]:
    """Return every subject at every number of slots of a model, by slots.

    Examples
    --------
    >>> [(str(c.theorem), str(c.computed)) for c in compared(2, 2) if c.subject == "lru"]
    [('1', '1'), ('3/2', '3/2'), ('3', '3')]
    """
    rows = []
    for slots in range(1, layers * experts):
        size = Size(layers, experts, slots)
        for subject in SUBJECTS:
            said, found = (bounds(subject, size, sources) for sources in ("theorems", "computed"))
            rows.append(Compared(subject, size, said, found))
    return rows
