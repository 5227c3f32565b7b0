"""What a plan found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .budgets import Table
from .clock import Clock, Fit

__all__ = ["Chosen", "Plan"]


@dataclass(frozen=True)
class Chosen:
    """A policy chosen on one half of the sessions and judged on the other.

    Attributes
    ----------
    policy, against : str
    saved : float or None
        Share of the misses of ``against`` that it saves on the sessions that it was not chosen on; None with one session.
    sessions : int
        Sessions that judged.
    shipped : bool
        Whether it was chosen among what engines ship, beside a policy that none ships.
    """

    policy: str
    against: str
    saved: float | None
    sessions: int
    shipped: bool = False


@dataclass(frozen=True)
class Plan:
    """What ``plan`` found: a table, and the answers that are read from it.

    Attributes
    ----------
    table : Table
    using : str
        The policy in use.
    size : int or None
        The budget in use; None: not given.
    clock : Clock or None
    fit : Fit or None
    chosen : list of Chosen
        The best of the policies tried, or of those that the engine ships.
    same_as : dict
        Policy to the budget at which ``using`` loads no more than that policy does at ``size``; None: none tried.
    knee : int or None
        The smallest budget tried that saves 80 % of what all experts in memory save beside the smallest budget tried.
    target : dict or None
        What was asked for, and per policy the smallest budget tried that reaches it.
    sentences : list of str
        The answers in words, the most important first.
    unknown : list of str
        What the figures do not say.
    """

    table: Table
    using: str
    size: int | None
    clock: Clock | None
    fit: Fit | None
    chosen: list[Chosen]
    same_as: dict[str, int | None]
    knee: int | None
    target: dict[str, Any] | None
    sentences: list[str]
    unknown: list[str]

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON holds it."""
        return {
            "using": self.using,
            "size": self.size,
            "unit": "bytes" if self.table.sized else "slots",
            "clock": None if self.clock is None else vars(self.clock),
            "fit": None if self.fit is None else self.fit.to_json(),
            "rows": [vars(row) for row in self.table.rows],
            "chosen": [vars(row) for row in self.chosen],
            "same_as": self.same_as,
            "knee": self.knee,
            "target": self.target,
            "sentences": self.sentences,
            "unknown": self.unknown,
        }
