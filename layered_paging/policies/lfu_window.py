"""Windowed LFU: evict the page used least often in the last rounds."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from ..core.instance import Instance, integer
from ..core.registry import register
from .spec import Time


@register(
    "policy",
    "lfu-window",
    cites=("karakostas-serpanos-2002",),
    aka=("WLFU",),
    stack=True,
    lazy=True,
    marking=False,
    conservative=False,
)
class LFUWindow:
    """Evict the page with the fewest uses in the last ``window`` rounds; ties to the oldest last use, then the lowest page.

    Parameters
    ----------
    instance : Instance
    window : int
        In rounds, at least 1; the present round is one of them.

    Notes
    -----
    Uses survive evictions and end with the reset.
    """

    def __init__(self, instance: Instance, *, window: int = 64) -> None:
        self.window = integer("lfu-window: window", window, 1)
        self._uses: dict[int, deque[int]] = {}
        self._last: dict[int, int] = {}

    def hit(self, page: int, time: Time) -> None:
        """Note the use."""
        self._uses.setdefault(page, deque()).append(time.round)
        self._last[page] = time.clock

    miss = hit

    def victim(self, candidates: Sequence[int], time: Time) -> int:
        """Return the candidate used least often in the window."""
        return min(candidates, key=lambda page: (self._recent(page, time.round), self._last[page], page))

    def _recent(self, page: int, now: int) -> int:
        uses = self._uses[page]
        while uses and uses[0] <= now - self.window:
            uses.popleft()
        return len(uses)
