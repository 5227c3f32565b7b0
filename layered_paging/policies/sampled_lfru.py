"""Sampled LFRU: of a few slots drawn, the one whose page was used least since it was loaded."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.instance import Instance, integer
from ..core.registry import register
from ..errors import ParameterError
from .spec import Time

MULTIPLIER, INCREMENT, MODULUS = 1664525, 1013904223, 1 << 32


@register(
    "policy",
    "sampled-lfru",
    cites=("warp-ecache",),
    aka=("sampled LFU", "warp LFRU"),
    origin="warp, from its source",
    stack=False,
    lazy=True,
    marking=False,
    conservative=False,
)
class SampledLFRU:
    """Draw ``sample`` slots, and evict the page of fewest uses since it was loaded among those that may go; ties to the oldest last use.

    If none of the slots drawn may go, the first slot that may goes.  Uses count from 1 at every load.  Ties of uses and
    last use: the lowest page number.

    Parameters
    ----------
    instance : Instance
    sample : int
        Slots drawn for an eviction, with replacement; at least 1.
    first : {"uses", "last"}
        ``"last"``: only the last use counts, which is sampled LRU.
    seed : int
        Of the generator, 0 to 2^32 - 1; the engine's by default.

    Notes
    -----
    Read in the source of sqliteai/warp, commit 7f1fbba3.  Draws are those of the engine: ``seed`` times 1664525 plus
    1013904223 modulo 2^32, then modulo the number of slots.  So decisions are deterministic.  Loads take the lowest empty
    slot, then the slots of the evicted pages, in the order of the loads.  Not taken over: reads ahead on hints, whose slots
    may not go either.  With bytes of unequal pages the pages beyond the mean number of slots wait for a slot; they are
    not drawn before.
    """

    def __init__(self, instance: Instance, *, sample: int = 16, first: str = "uses", seed: int = 0x9E3779B9) -> None:
        self.sample = integer("sampled-lfru: sample", sample, 1)
        self.seed = integer("sampled-lfru: seed", seed, 0)
        if self.seed >= MODULUS:
            raise ParameterError(f"sampled-lfru: seed must be in 0..{MODULUS - 1}; got {seed!r}")
        if first not in ("uses", "last"):
            raise ParameterError(f"sampled-lfru: first must be 'uses' or 'last'; got {first!r}")
        self.counts = first == "uses"
        self._slots: list[int] = [-1] * min(instance.slots, instance.pages)
        self._waiting: list[int] = []
        self._uses: dict[int, int] = {}
        self._last: dict[int, int] = {}
        self._state = self.seed

    def hit(self, page: int, time: Time) -> None:
        """Count the use."""
        self._uses[page] += 1
        self._last[page] = time.clock

    def miss(self, page: int, time: Time) -> None:
        """Give the page the lowest empty slot, or let it wait for one."""
        self._uses[page], self._last[page] = 1, time.clock
        if -1 in self._slots:
            self._slots[self._slots.index(-1)] = page
        else:
            self._waiting.append(page)

    def victim(self, candidates: Sequence[int], time: Time) -> int:
        """Return the best of the pages drawn, and give its slot to the page that waits longest."""
        free = set(candidates)
        drawn = []
        for _ in range(self.sample):
            self._state = (self._state * MULTIPLIER + INCREMENT) % MODULUS
            drawn.append(self._slots[self._state % len(self._slots)])
        drawn = [page for page in drawn if page in free]
        if drawn:
            page = min(drawn, key=lambda p: (self._uses[p] if self.counts else 0, self._last[p], p))
        else:
            page = next(p for p in (*self._slots, *self._waiting) if p in free)
        if page in self._waiting:
            self._waiting.remove(page)
        else:
            self._slots[self._slots.index(page)] = self._waiting.pop(0) if self._waiting else -1
        return page

    def clear(self, time: Time) -> None:
        """Empty all slots; the generator goes on."""
        self._slots, self._waiting = [-1] * len(self._slots), []
