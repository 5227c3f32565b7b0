"""LIFO: evict the page that was loaded last."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.instance import Instance
from ..core.registry import register
from .spec import Time, ranks


@register(
    "policy",
    "lifo",
    cites=("sleator-tarjan-1985",),
    aka=("last in, first out",),
    stack=False,
    lazy=True,
    marking=False,
    conservative=False,
)
class LIFO:
    """Evict the page that entered last: members of an event enter in ascending page number, so the highest goes first.

    Not competitive.  For single requests it has the inclusion property; for larger events it has not.
    """

    symmetric = True

    def __init__(self, instance: Instance) -> None:
        self._loaded: dict[int, int] = {}

    def hit(self, page: int, time: Time) -> None:
        """Nothing changes."""

    def miss(self, page: int, time: Time) -> None:
        """Note when the page was loaded."""
        self._loaded[page] = time.clock

    def victim(self, candidates: Sequence[int], time: Time) -> int:
        """Return the candidate loaded last."""
        return max(candidates, key=lambda page: (self._loaded[page], page))

    def state(self, resident: Sequence[int], time: Time) -> dict[int, int]:
        """Return the order of loading."""
        return ranks({page: self._loaded[page] for page in resident})
