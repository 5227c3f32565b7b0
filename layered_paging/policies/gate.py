"""The gate between a cache and its policy: which loads of an event are kept, by the rules of traffic."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ..core.rules import Traffic
from .spec import Time

__all__ = ["Gate"]


@dataclass
class Gate:
    """The gate of one pool, and what it counts.

    Attributes
    ----------
    traffic : Traffic
    demand : dict from page to int
        Misses of each page since it was last kept.

    Examples
    --------
    >>> gate = Gate(Traffic(evict_after=2))
    >>> gate.kept([4, 5], Time(0, 0, 0), 1, lambda page: 1), gate.kept([5], Time(1, 1, 0), 0, lambda page: 1)
    ([4], [5])
    """

    traffic: Traffic
    demand: dict[int, int] = field(default_factory=dict)
    _round: int = -1
    _of_round: int = 0

    def restart(self) -> None:
        """Forget the misses."""
        self.demand.clear()

    def kept(self, absent: Sequence[int], time: Time, room: int, weight: Callable[[int], int]) -> list[int]:
        """Return the absent members whose loads are kept, in the order of presentation.

        Parameters
        ----------
        absent : sequence of int
        time : Time
        room : int
            What the cache can take before it must evict, in slots or bytes.
        weight : callable
            Returns what a page takes.
        """
        rules = self.traffic
        if time.round != self._round:
            self._round, self._of_round = time.round, 0
        kept: list[int] = []
        for page in absent:
            demand = self.demand[page] = self.demand.get(page, 0) + 1
            evicts = weight(page) > room
            if demand < (max(rules.admit_after, rules.evict_after) if evicts else rules.admit_after):
                continue
            if rules.keep_event is not None and len(kept) >= rules.keep_event:
                continue
            if rules.keep_round is not None and self._of_round >= rules.keep_round:
                continue
            self.demand[page] = 0
            self._of_round += 1
            room -= weight(page)
            kept.append(page)
        return kept
