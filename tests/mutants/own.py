"""Policies of a user's own that break one promise each, and the certificates that a forger makes of them."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

from forgeries import Case
from handmade import changed

import layered_paging as lp
from layered_paging.certificate import Certificate
from layered_paging.core.registry import register
from layered_paging.policies.fwf import FWF
from layered_paging.policies.lru import LRU
from layered_paging.policies.marking import Marking

__all__ = ["cases"]

PLAIN = {"general": False, "pool": "shared", "offline_slots": 1, "top_k": 1, "slots": 1, "layers": 1, "experts": 2}


def cases() -> Iterator[Case]:
    """Yield them: what is forgotten shows in one page alone, numbers come from elsewhere, and a start is missing."""
    yield from _one_page()
    yield from _chance()
    yield from _flushes()
    yield from _start()


def _one_page() -> Iterator[Case]:
    """Policies that remember their first page unsaid: the next event leaves another label on its own page, and no other.

    With bypass and one slot LRU pays twice the optimum.  These do, if page 0 came first; otherwise they keep one page
    for ever, and no ratio holds.
    """
    good = lp.competitive_ratio("lru", layers=1, experts=2, slots=1, admission="bypass").certificate
    for name in ("hit", "miss"):

        class Keeps(LRU):
            """LRU for one slot, until the event that it waits for; then the cache stays as it is."""

            symmetric = True
            waits, first, label, stays = name, -1, 1, False

            def hit(self, page: int, time: Any) -> None:
                super().hit(page, time)
                if self.waits == "hit" and self.first == 1:
                    self.label = 2

            def miss(self, page: int, time: Any) -> None:
                super().miss(page, time)
                self.stays = self.label == 2
                if self.first < 0:
                    self.first = page
                elif self.waits == "miss" and self.first == 1:
                    self.label = 2

            def victim(self, candidates: Sequence[int], time: Any) -> int:
                return (max if self.stays else min)(candidates, key=lambda page: self._last[page])

            def state(self, resident: Sequence[int], time: Any) -> dict[int, int]:
                return dict.fromkeys(resident, self.label)

        register("policy", f"mutants-{name}", stack=False, lazy=True, marking=False, conservative=False)(Keeps)
        says = {"policy": f"mutants-{name}"}
        yield Case(f"forgets its first page until a {name}", changed(good, says))


def _chance() -> Iterator[Case]:
    """A randomized policy whose draws depend on what happened in another course of it, and one that calls itself symmetric."""

    @register("policy", "mutants-elsewhere", stack=False, lazy=True, marking=True, conservative=False, randomized=True)
    class Elsewhere(Marking):
        """MARKING that asks for a number once, whichever course asks."""

        asked = False

        def __init__(self, instance: Any, *, rng: Any) -> None:
            super().__init__(instance, rng=rng)
            type(self).asked = False

        def miss(self, page: int, time: Any) -> None:
            if not type(self).asked:
                type(self).asked = True
                self._rng.below(2)
            super().miss(page, time)

    @register("policy", "mutants-renamed", stack=False, lazy=True, marking=True, conservative=False, randomized=True)
    class Renamed(Marking):
        """MARKING that says that the numbers of its pages do not matter."""

        symmetric = True

    shows = {"prefix": [], "cycle": [[0], [1]]}
    yield Case(
        "a number that is drawn once",
        Certificate("ratio-lower", {**PLAIN, "policy": "mutants-elsewhere", "lower": "1"}, shows),
    )
    yield Case(
        "randomized and symmetric",
        lp.competitive_ratio("mutants-renamed", layers=1, experts=3, slots=2).certificate,
    )


def _flushes() -> Iterator[Case]:
    """A policy that remembers whether it gave everything up."""

    @register("policy", "mutants-flushes", stack=False, lazy=False, marking=False, conservative=False)
    class Flushes(FWF):
        """FWF whose pages tell whether it flushed."""

        flushed = 0

        def flush(self, time: Any) -> None:
            self.flushed = 1

        def state(self, resident: Sequence[int], time: Any) -> dict[int, int]:
            return dict.fromkeys(resident, 1 + self.flushed)

    yield Case("remembers a flush", lp.competitive_ratio("mutants-flushes", layers=1, experts=3, slots=2).certificate)


def _start() -> Iterator[Case]:
    """The optimum starts with a page of the layer behind, which it drops at once: nothing else is shown of empty caches."""
    for slots in (2, 3):
        good = lp.competitive_ratio("lru", layers=2, experts=2, slots=slots, offline_slots=1).certificate
        potential = copy.deepcopy(good.evidence["potential"])
        row = potential[good.evidence["states"].index([0, 0, 0, 0, 0])]
        assert row[0::2] == [0]
        row[0] = 1 << 2
        yield Case(f"starts with another cache than an empty one, {slots} slots", changed(good, potential=potential))
