"""What a budget is, the least that any schedule misses in it, and what reference policies reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.instance import integer
from ..core.rules import without_sizes
from ..core.trace import Trace
from ..engine.run import Run, replay
from ..errors import BudgetError

__all__ = [
    "FOLDS",
    "Bounds",
    "Reference",
    "Room",
    "bounds",
    "event_weights",
    "missed_by_round",
    "references",
    "uses_of",
]

WEIGHTED = 100_000  # requests up to which loads of unequal bytes are minimised in slots; beyond, they are bounded
MARKOV = 2_000_000  # requests times slots up to which the Markov reference is replayed
FOLDS = 4
LARGEST = (1 << 63) - 1  # slots or bytes


@dataclass(frozen=True)
class Room:
    """A budget: slots or bytes, one of them, as it was given.

    Attributes
    ----------
    slots, budget_bytes : int or None
    size : int or None
        Bytes of an expert where all that are asked for have one size; bytes are then slots of that size.
    """

    slots: int | None
    budget_bytes: int | None
    size: int | None

    @classmethod
    def of(cls, trace: Trace, slots: int | None, budget_bytes: int | None) -> Room:
        """Check a budget: it must hold the largest event."""
        if (slots is None) == (budget_bytes is None):
            raise BudgetError("give slots or budget_bytes, one of them")
        size = one_size(trace)
        if slots is not None:
            room = cls(integer("slots", slots, 1, LARGEST), None, size)
        elif trace.page_bytes is None:
            raise without_sizes()
        else:
            room = cls(None, integer("budget_bytes", budget_bytes, 1, LARGEST), size)
        need, unit = (
            int(event_weights(trace, room.weight(trace)).max()),
            "slots" if slots is not None else "budget_bytes",
        )
        if need > room.capacity:
            said = "" if slots is not None else " bytes"
            raise BudgetError(f"must hold the largest event ({need}{said}); got {room.capacity}", parameter=unit)
        return room

    @property
    def capacity(self) -> int:
        """Slots, or bytes."""
        return (self.slots if self.budget_bytes is None else self.budget_bytes) or 0

    @property
    def held(self) -> int | None:
        """Slots, also of a budget in bytes where all experts have one size; else None."""
        if self.budget_bytes is None:
            return self.slots
        return None if self.size is None else self.budget_bytes // self.size

    @property
    def given(self) -> dict[str, Any]:
        """The keyword that ``replay`` and ``optimum`` take."""
        return {"slots": self.capacity} if self.budget_bytes is None else {"budget_bytes": self.capacity}

    def times(self, factor: int) -> Room:
        """Return a budget ``factor`` times as large."""
        if self.budget_bytes is None:
            return Room(self.capacity * factor, None, self.size)
        return Room(None, self.capacity * factor, self.size)

    def weight(self, trace: Trace) -> npt.NDArray[np.int64]:
        """Return what each page takes of the budget, shape (pages,)."""
        sizes = None if self.budget_bytes is None else trace.page_bytes
        return np.ones(trace.pages, np.int64) if sizes is None else sizes


def uses_of(trace: Trace, rows: npt.NDArray[np.bool_] | None = None) -> npt.NDArray[np.int64]:
    """Return the requests of each page, in all rounds or in those that ``rows`` marks, shape (pages,)."""
    uses = np.zeros(trace.pages, np.int64)
    first = trace.first_page[:, None]
    for at in range(0, trace.rounds, 65536):
        part = trace.experts[at : at + 65536]
        if rows is not None:
            part = part[rows[at : at + 65536]]
        uses += np.bincount((part + first)[part >= 0], minlength=trace.pages)
    return uses


def event_weights(trace: Trace, weight: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return what each event takes, shape (rounds, layers)."""
    first = trace.first_page[:, None]
    found = np.zeros((trace.rounds, trace.layers), np.int64)
    for at in range(0, trace.rounds, 65536):
        part = trace.experts[at : at + 65536]
        found[at : at + 65536] = np.where(part >= 0, weight[np.where(part >= 0, part + first, 0)], 0).sum(axis=2)
    return found


def one_size(trace: Trace) -> int | None:
    """Return the bytes of an expert where all pages of the layers that ask have the same, else None."""
    if trace.page_bytes is None:
        return None
    mine = trace.page_bytes[np.repeat(trace.asked, trace.n_experts)]
    return int(mine[0]) if (mine == mine[0]).all() else None


@dataclass(frozen=True)
class Bounds:
    """The least misses of any schedule: no schedule has fewer than ``least``, and one has ``found``.

    ``how`` says what proves it: ``exact``, or ``relaxation`` (prices of the linear relaxation).
    """

    least: int
    found: int
    how: str


def bounds(
    trace: Trace, room: Room, reset: str, *, admission: str = "forced", pool: str = "shared", costs: str | None = None
) -> Bounds | None:
    """Bound what the best schedule misses (or loads, ``costs="bytes"``); None where the budget is not legal.

    Notes
    -----
    Slots, and bytes where all experts have one size, are solved exactly; but loads of unequal bytes in slots only up to
    ``WEIGHTED`` requests.  Beyond, and for unequal experts in bytes (NP-hard), prices of the linear relaxation give the
    lower bound.  Slots are then bytes of pages of size 1.
    """
    from ..core.rules import Rules
    from ..offline import optimum
    from ..offline.answer import bracket_in_slots

    resets = "never" if reset == "never" else "session"
    options: dict[str, Any] = {"admission": admission, "pool": pool, "reset": resets}
    try:
        if room.size is not None or (room.budget_bytes is None and costs is None):
            best = optimum(trace, **room.given, **options)
            cost = best.misses * (1 if costs is None else int(room.size or 1))
            return Bounds(cost, cost, "exact")
        if room.budget_bytes is None and trace.requests > WEIGHTED:
            if trace.page_bytes is None:
                raise without_sizes()
            best = bracket_in_slots(trace, room.capacity, Rules(**options), trace.page_bytes.tolist())
        else:
            solver = "auto" if room.budget_bytes is None else "lp"
            best = optimum(trace, **room.given, **options, costs=costs, solver=solver)
        low, high = best.bounds
        return Bounds(low, high, "exact" if low == high else "relaxation")
    except BudgetError:
        return None


@dataclass(frozen=True)
class Reference:
    """What a policy made for a model of the requests misses here.

    Attributes
    ----------
    model, policy : str
    misses : int
    least : int or None
        If the model were true, no policy that does not know the future would have fewer misses than this on average.
    """

    model: str
    policy: str
    misses: int
    least: int | None


def references(trace: Trace, room: Room, reset: str) -> list[Reference]:
    """Return what the reference policies miss.

    Notes
    -----
    *Independent requests of fixed popularity*: the policy keeps the pages that were asked for most in the other three
    quarters of the rounds (A0 of aho-denning-ullman-1971). Each quarter is judged by the others.  The bound: to hit a
    page, a cache must have kept it since the last visit of its layer, for one whole round. So it makes at most S such
    tries a round, and each page is tried at most once. A try succeeds with the page's rate.  Hence at most the requests
    of the S hottest pages are hits, counted in hindsight, which is at least their expectation.

    *Markov routing*: evictions by the dominating distribution (pabbaraju-vakilian-2025), the next uses predicted by a
    first-order Markov model of each layer that learns as it goes.
    """
    found = [_independent(trace, room, reset)]
    if trace.requests * (room.held or trace.pages) <= MARKOV:
        run = replay(trace, "dominating", **room.given, reset=reset, predictions="markov")
        found.append(Reference("Markov routing", "dominating, next uses by markov", run.misses, None))
    return found


def _independent(trace: Trace, room: Room, reset: str) -> Reference:
    fold = np.arange(trace.rounds) * FOLDS // trace.rounds
    misses = 0
    for number in sorted(set(fold.tolist())):
        counts = uses_of(trace, fold != number)
        order = np.argsort(counts / room.weight(trace), kind="stable")  # by what a slot, or a byte, of it brings
        ranks = np.empty(trace.pages, np.int64)
        ranks[order] = np.arange(trace.pages)  # no ties: equal pages take turns in no cache
        run = replay(trace, f"static(profile={ranks.tolist()})", **room.given, reset=reset, record=True)
        assert run.missed is not None
        misses += int(run.missed[fold == number].sum())
    return Reference("independent requests of fixed popularity", "A0", misses, _in_hindsight(trace, room))


def _in_hindsight(trace: Trace, room: Room) -> int:
    """Return the requests that the best fixed set of pages does not hold; the last page may be held in part."""
    uses, weight = uses_of(trace), room.weight(trace)
    order = np.argsort(-(uses / weight), kind="stable")
    whole = int(np.searchsorted(np.cumsum(weight[order]), room.capacity, side="right"))
    hits = int(uses[order[:whole]].sum())
    if whole < len(order):
        left = room.capacity - int(weight[order[:whole]].sum())
        hits += -(-left * int(uses[order[whole]]) // int(weight[order[whole]]))
    return trace.requests - hits


def missed_by_round(run: Run, trace: Trace) -> npt.NDArray[np.int64]:
    """Return the misses of each round of a run that was recorded."""
    assert run.missed is not None
    rounds: npt.NDArray[np.int64] = run.missed.reshape(trace.rounds, -1).sum(axis=1)
    return rounds
