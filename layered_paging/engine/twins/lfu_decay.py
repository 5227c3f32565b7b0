"""Twin of lfu-decay: counts that fade, and a search through all pages."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...errors import ParameterError
from ..hooks import Now, inlined
from ..task import Task
from . import twin

LONGEST = 1 << 22  # factors kept where the length of the trace is not known


@twin()
class LfuDecay(NamedTuple):
    """Counts as of the round of the last use, the factors by age, and what a profile adds."""

    factor: Any
    prior: Any
    value: Any
    round: Any
    tick: Any

    @classmethod
    def begin(cls, task: Task) -> LfuDecay:
        """Return a state for a pool.

        Raises
        ------
        ParameterError
            The counts fade so slowly that a trace in parts would need too many factors.
        """
        policy: Any = task.spec.make(task.instance)
        pages = task.grid.pages
        length = int(1100 * policy.half_life) + 2
        if task.carry is None:
            length = min(task.grid.shape[0], length)
        elif length > LONGEST:
            raise ParameterError(
                f"{task.spec.name}: a trace in parts needs a half_life of at most {LONGEST // 1100} rounds"
            )
        factor = _factors(policy.factor, policy.half_life, length)
        prior, value = np.array(policy.prior), np.zeros(pages)
        return cls(factor, prior, value, np.zeros(pages, np.int64), np.zeros(pages, np.int64))

    def reset(self, session: int) -> None:
        """Forget all uses."""
        self.value[:] = 0.0

    def hit(self, page: int, now: Now) -> None:
        """Count a use."""
        _use(self, page, now)

    def miss(self, page: int, now: Now) -> None:
        """Count a use."""
        _use(self, page, now)

    def leaves_before(self, page: int, other: int, now: Now) -> bool:
        """Return whether one page has the smaller count, then the older use."""
        mine = self.value[page] * _faded(self.factor, now.round - self.round[page]) + self.prior[page]
        theirs = self.value[other] * _faded(self.factor, now.round - self.round[other]) + self.prior[other]
        if mine != theirs:
            return bool(mine < theirs)
        return bool(self.tick[page] < self.tick[other])

    def victim(self, resident: Any, guard: Any, now: Now) -> int:
        """Return the page of smallest count, then of the oldest use."""
        best = -1
        least = 0.0
        for page in range(resident.shape[0]):
            if resident[page] and guard[page] != now.stamp:
                value = self.value[page] * _faded(self.factor, now.round - self.round[page]) + self.prior[page]
                if best < 0 or value < least or (value == least and self.tick[page] < self.tick[best]):
                    best = page
                    least = value
        return best


_kept: dict[tuple[float, int], Any] = {}


def _factors(factor: Any, half_life: float, length: int) -> Any:
    """Return the factors by age; the last ones are kept, as many replays want the same."""
    key = (half_life, length)
    if key not in _kept:
        _kept.clear()
        _kept[key] = np.array([factor(age) for age in range(length)])
    return _kept[key]


@inlined
def _use(state: Any, page: Any, now: Any) -> None:
    """Fade the count of a page to the present round, and count a use."""
    value = 0.0
    if state.value[page] > 0.0:
        value = state.value[page] * _faded(state.factor, now.round - state.round[page])
    state.value[page] = value + 1.0
    state.round[page] = now.round
    state.tick[page] = now.tick


@inlined
def _faded(factor: Any, age: Any) -> Any:
    return factor[min(age, factor.shape[0] - 1)]
