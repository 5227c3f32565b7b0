"""Stamp: two numbers a page and one short formula of them, the page's layer and the time."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.instance import Instance
from ..core.registry import register
from .spec import Time

USE = 1 << 10  # what a use counts
FADE = [1 << 16]  # by age in rounds, times 2^16: each round takes 1/24, which halves a count in 16.3 rounds
while len(FADE) < 256:
    FADE.append(FADE[-1] - FADE[-1] // 24)


@register(
    "policy",
    "stamp",
    cites=("lee-et-al-2001", "angelopoulos-marchal-obrecht-simon-2025", "vllm-issue-38256"),
    aka=("two stamps", "layered LRFU"),
    stack=True,
    lazy=True,
)
class Stamp:
    """Evict the page of smallest (count + 3 / (age + 1/2)) * (layers + distance gone).

    Of each page two numbers are kept: the round of its last use, and the count of its uses then, decayed with a
    half-life of 16.3 rounds.  ``age`` is how many turns of the layers are over since the last use, and
    ``distance gone`` how many layers have been served since the last of these turns.  The count decays up to now.
    Ties: the lowest page number.

    Notes
    -----
    LRFU's decayed count (lee-et-al-2001), LFRU's uses over age (vllm-issue-38256) and LLRU's distance in one formula.
    Exact arithmetic, all integers of at most 2^31 times the layers, divisions of numbers that are not negative, rounded
    down: at a use ``count = (count * FADE[age] >> 16) + 1024``; the value is
    ``((count * FADE[age] >> 16) + 6144 // (2 * age + 1)) * (layers + gone)``, where
    ``age, gone = divmod(steps since the last use, layers)`` and FADE is 0 from 256 rounds on.  The
    two numbers of a page outlive its eviction and end with the reset.  O(1) a use; an eviction looks at each page once.
    """

    def __init__(self, instance: Instance) -> None:
        self._layers = instance.layers
        self._last: dict[int, int] = {}  # step of the last use
        self._count: dict[int, int] = {}

    def hit(self, page: int, time: Time) -> None:
        """Count the use."""
        step = time.round * self._layers + time.layer
        before = _faded(self._count[page], (step - self._last[page]) // self._layers) if page in self._last else 0
        self._count[page], self._last[page] = before + USE, step

    miss = hit

    def victim(self, candidates: Sequence[int], time: Time) -> int:
        """Return the candidate of smallest value."""
        return min(candidates, key=lambda page: (self._value(page, time), page))

    def _value(self, page: int, time: Time) -> int:
        age, gone = divmod(time.round * self._layers + time.layer - self._last[page], self._layers)
        return (_faded(self._count[page], age) + 6 * USE // (2 * age + 1)) * (self._layers + gone)


def _faded(count: int, age: int) -> int:
    return count * FADE[age] >> 16 if age < len(FADE) else 0
