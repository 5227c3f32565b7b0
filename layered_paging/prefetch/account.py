"""What a replay with prefetching is given, and what it counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.instance import Instance
from ..core.trace import Trace
from ..errors import BudgetError
from ..policies.spec import PolicySpec
from .timing import TimeModel

__all__ = ["COUNTS", "LOADS", "Tally", "Work", "budget_error"]

# every load is exactly one of these
LOADS = ("demand", "in_time", "late", "later", "evicted", "unused")
# what else is counted, in the order of the kernel's array
COUNTS = ("hits", "staged", "misses", "refused", "skipped")


@dataclass(frozen=True, eq=False)
class Work:
    """All that a replay needs, checked."""

    trace: Trace
    experts: npt.NDArray[Any]  # ascending in each event
    first: npt.NDArray[np.int64]
    guesses: npt.NDArray[Any]
    spec: PolicySpec
    capacities: list[int]  # one, or one per layer
    load: npt.NDArray[np.int64]
    compute: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]
    time: TimeModel
    distance: int
    budget: int
    staging: int
    shared: bool
    resets: bool
    seed: int

    def instance(self, at: int) -> Instance:
        """Return the instance of a pool's policy."""
        return self.trace.instance(max(1, self.capacities[at]))


class Tally:
    """What a replay counts; arrays that a kernel can fill."""

    def __init__(self, rounds: int) -> None:
        self.counts = np.zeros(len(COUNTS), np.int64)
        self.loads = np.zeros(len(LOADS), np.int64)
        self.bytes = np.zeros(len(LOADS), np.int64)
        self.stall = np.zeros(rounds, np.int64)
        self.misses = np.zeros(rounds, np.int64)
        self.total = np.zeros(1, np.int64)
        self.sums = np.zeros(4)  # precision of the cache and its events, recall and its events


def budget_error(round_: int) -> BudgetError:
    """Return the error of an event that does not fit."""
    return BudgetError(f"round {round_}: an event does not fit into its pool")
