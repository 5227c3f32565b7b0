"""Slots that layers lend to the layer in flight, while a prompt passes layer by layer.

An engine that sends a whole prompt through one layer before the next one uses the slots of one layer at a time.  The slots
of the others lie idle meanwhile (https://github.com/JustVugg/colibri/pull/1157: 5.96 reads of each expert, where one would do).

A *prompt* is a maximal run of prefill rounds inside a session.  It passes layer by layer: all its events of a layer, in the
order of the rounds, then those of the next layer.  Decode rounds pass as ever.  While a layer is in flight:

* ``"waiting"``: the layers that the prompt has still to pass lend it all their slots, and drop what they hold.  Layers
  that it has passed keep their quotas.
* ``"all"``: every other layer lends it all its slots, and drops what it holds.

So a layer begins its turn empty, unless it is the first one of the trace with requests.  When its turn ends, its policy
evicts down to its quota.  With ``"all"`` the next layer in flight then takes that, too: only the last layer has something left.
Never more slots are in use than there are in all.

What layers hold never mixes, so each pool is replayed alone: its capacity changes with time, and the order of its events does not.
Without lending, the order of layers changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..core.layout import Event
from ..core.trace import PREFILL
from ..policies.step import Pool

__all__ = ["Lending", "Loan", "loans"]


@dataclass(frozen=True)
class Loan:
    """What a pool borrows and lends.

    Attributes
    ----------
    room : int
        What it may hold while it is in flight.
    before, after : bool
        Whether another layer takes its slots before its turn, and after it.
    """

    room: int
    before: bool
    after: bool


def loans(rooms: Sequence[int], used: Sequence[bool], lend: str) -> list[Loan | None]:
    """Return the loan of each pool; None for all where nothing is lent.

    Parameters
    ----------
    rooms : sequence of int
        Quota of each layer.
    used : sequence of bool
        Whether the layer has requests; a prompt does not pass the others.
    lend : {"none", "waiting", "all"}

    Examples
    --------
    >>> [(loan.room, loan.before, loan.after) for loan in loans([3, 2, 2], [True] * 3, "waiting") if loan]
    [(7, False, False), (4, True, False), (2, True, False)]
    >>> [(loan.room, loan.before, loan.after) for loan in loans([3, 2, 2], [True] * 3, "all") if loan]
    [(7, False, True), (7, True, True), (7, True, False)]
    """
    if lend == "none":
        return [None] * len(rooms)
    first, last = used.index(True), len(used) - 1 - list(used)[::-1].index(True)
    return [
        Loan(sum(rooms) if lend == "all" else sum(rooms[j:]), j > first, lend == "all" and j < last)
        for j in range(len(rooms))
    ]


class Lending:
    """A pool whose capacity follows the prompts."""

    def __init__(self, pool: Pool, loan: Loan) -> None:
        self._pool, self._loan, self._quota = pool, loan, pool.capacity
        self._last: Event | None = None  # of the prompt that passes

    def ends(self, event: Event) -> None:
        """End the turn of the layer, if this event is not of the same prompt any more."""
        last = self._last
        if last is None or (event.stage == PREFILL and event.session == last.session):
            return
        self._last, self._pool.capacity = None, self._quota
        self._pool.make_room(last.time)
        if self._loan.after:
            self._pool.clear(last.time)

    def begins(self, event: Event) -> None:
        """Begin the turn of the layer, if this event is the first one of a prompt."""
        if event.stage != PREFILL:
            return
        if self._last is None:
            self._pool.capacity = self._loan.room
            if self._loan.before:
                self._pool.clear(event.time)
        self._last = event
