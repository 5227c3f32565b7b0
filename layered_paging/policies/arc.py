"""ARC: recency and frequency lists whose balance adapts by what their ghosts would have hit."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.instance import Instance
from ..core.registry import register
from .spec import Time


@register(
    "policy",
    "arc",
    cites=("megiddo-modha-2003",),
    aka=("adaptive replacement cache",),
    stack=False,
    lazy=True,
    marking=False,
    conservative=False,
)
class ARC:
    """Evict the least recent page of T1 (used once) if T1 exceeds its target, otherwise of T2 (used again).

    The case analysis is the paper's: a hit goes to T2.  A miss known to ghost list B1 raises the target by
    max(1, size of B2 / size of B1).  One known to B2 lowers it by max(1, size of B1 / size of B2).  Both go to T2, any other
    miss to T1.  T1 and B1 together keep at most ``slots`` pages, all four lists 2 ``slots``: the least recent ghosts leave.
    A T1 that has all the slots itself drops its least recent page for good and leaves B2 alone.

    Notes
    -----
    Conventions chosen: the target is kept in double precision.  A list is ordered by the event of entry, then page number.
    Pages loaded by the present event do not count in the size of T1 and are not evicted until its older pages are.
    Whether the request was in B2 (which decides when the size of T1 is the target) is asked of the page loaded last.
    If no page of the list may go, the other list gives one.  ``reset="cache"`` keeps ghosts and target.
    """

    def __init__(self, instance: Instance) -> None:
        self._slots = instance.slots
        self._target = 0.0
        self._t1: dict[int, int] = {}
        self._t2: dict[int, int] = {}
        self._b1: list[int] = []  # least recent first
        self._b2: list[int] = []
        self._loaded: dict[int, int] = {}
        self._was_in_b2 = False

    def hit(self, page: int, time: Time) -> None:
        """Move the page to the recent end of T2."""
        self._t1.pop(page, None)
        self._t2[page] = time.clock

    def miss(self, page: int, time: Time) -> None:
        """Adapt the target if a ghost list knows the page; let it enter."""
        b1, b2 = len(self._b1), len(self._b2)
        self._was_in_b2 = page in self._b2
        self._loaded[page] = time.clock
        if page in self._b1:
            self._target = min(self._target + max(1.0, b2 / b1), self._slots)
            self._b1.remove(page)
            self._t2[page] = time.clock
        elif page in self._b2:
            self._target = max(self._target - max(1.0, b1 / b2), 0)
            self._b2.remove(page)
            self._t2[page] = time.clock
        else:
            self._t1[page] = time.clock
        self._trim()

    def victim(self, candidates: Sequence[int], time: Time) -> int:
        """Return the least recent candidate of the list that must give."""
        older = [page for page in candidates if self._loaded[page] < time.clock] or candidates
        size = sum(self._loaded[page] < time.clock for page in self._t1)
        first = size > self._target or (size == self._target and size > 0 and self._was_in_b2)
        inside = [page for page in older if page in self._t1]
        outside = [page for page in older if page in self._t2]
        pages, ghosts = (self._t1, self._b1) if (first and inside) or not outside else (self._t2, self._b2)
        page = min((p for p in older if p in pages), key=lambda p: (pages[p], p))
        del pages[page]
        ghosts.append(page)
        self._trim()
        return page

    def clear(self, time: Time) -> None:
        """Empty T1 and T2."""
        self._t1, self._t2 = {}, {}

    def _trim(self) -> None:
        while self._b1 and len(self._t1) + len(self._b1) > self._slots:
            del self._b1[0]
        once = min(len(self._t1) + len(self._b1), self._slots)  # what T1 has beyond is about to leave
        while self._b2 and once + len(self._t2) + len(self._b2) > 2 * self._slots:
            del self._b2[0]
