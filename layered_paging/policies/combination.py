"""Two policies on caches of their own, and a cache that keeps what the better one keeps: ``follow`` and ``hedge``."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.instance import Instance, integer
from ..errors import ParameterError
from .spec import Policy, Time
from .step import Outcome, Pool

__all__ = ["Combination", "Shadow"]


class Shadow(Pool):
    """A policy on a cache of its own, which counts its misses; events are forced."""

    def __init__(self, policy: Policy, slots: int) -> None:
        super().__init__(policy, slots, oversize=True)
        self.misses = 0

    def play(self, event: Sequence[tuple[int, Time]]) -> Outcome:
        """Serve an event: its members in the order of a replay, whatever order the other cache was told of them in."""
        event = sorted(event, key=lambda member: (member[1].clock, member[0]))
        outcome = self.serve([page for page, _ in event], event[0][1], times=dict(event))
        self.misses += len(outcome.misses)
        return outcome


class Combination:
    """Evict the least recently used page that the policy followed does not hold; if it holds all: the least recently used.

    Ties go to the lowest page number.  Both policies play the same events on simulated caches of the same size, events forced.
    The second one is followed at first.  When the policy followed has missed ``patience`` * slots more often than the
    other, looked at after each event, the other one is followed.

    Parameters
    ----------
    name : str
        What errors call it.
    instance : Instance
    first, second : Policy
    patience : int
        1 to 1000.
    """

    def __init__(self, name: str, instance: Instance, first: Policy, second: Policy, patience: int) -> None:
        if integer(f"{name}: patience", patience, 1) > 1000:
            raise ParameterError(f"{name}: patience must be at most 1000; got {patience}")
        self._patience = patience * instance.slots
        self._shadows = [Shadow(first, instance.slots), Shadow(second, instance.slots)]
        self._lead, self._last = 1, dict[int, int]()
        self._event: list[tuple[int, Time]] = []  # served, but not yet played by the two

    def hit(self, page: int, time: Time) -> None:
        """Note a member of the event; a new round or layer ends the event before."""
        if self._event and self._event[0][1][1:] != time[1:]:
            self._settle()
        self._event.append((page, time))
        self._last[page] = time.clock

    miss = hit

    def victim(self, candidates: Sequence[int], time: Time) -> int:
        """Return the oldest candidate outside the cache that is followed."""
        self._settle()
        held = self._shadows[self._lead].cache
        return min(candidates, key=lambda page: (page in held, self._last[page], page))

    def clear(self, time: Time) -> None:
        """Empty the simulated caches."""
        self._settle()
        for shadow in self._shadows:
            shadow.clear(time)

    def _settle(self) -> None:
        """End the event: both play it, and the lead may change."""
        if not self._event:
            return
        for shadow in self._shadows:
            shadow.play(self._event)
        lead, other = self._shadows[self._lead], self._shadows[1 - self._lead]
        if lead.misses - other.misses >= self._patience:
            self._lead = 1 - self._lead
        self._event = []
