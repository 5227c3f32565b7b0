"""Hedge: run BlindOracle and LLRU on caches of their own, and keep what the one with fewer misses keeps."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.instance import Instance, integer
from ..core.registry import register
from ..errors import ParameterError
from .blind_oracle import BlindOracle
from .llru import LLRU
from .spec import Policy, Predictions, Time


@register(
    "policy",
    "hedge",
    cites=("wei-2020", "angelopoulos-marchal-obrecht-simon-2025"),
    aka=("BlindOracle and LLRU combined",),
    predictions=True,
    lazy=True,
)
class Hedge:
    """Evict the oldest page that the followed policy does not hold (if it holds all: the oldest); ties to the lowest page.

    LLRU and BlindOracle play the same events on simulated caches of as many slots, events forced.  BlindOracle is
    followed at first; when the followed one has missed ``patience`` * slots times more than the other, looked at after
    each event, the other one is.

    Guarantee (derived; claim ``hedge-bound``): with M the fewer misses of the two, patience g, k slots and events of at
    most m members, at most ``(2 + 1/g) M + (1 + 1/g) (g k + m)`` misses, whatever the predictions:
    3 times LLRU and a constant with the default, nearer to 2 with more patience.  With perfect predictions the optimum
    (then LLRU is never ahead, after any event).  Combining BlindOracle with LRU deterministically is wei-2020's.

    Parameters
    ----------
    instance : Instance
    patience : int
        1 to 1000.
    """

    def __init__(self, instance: Instance, *, predictions: Predictions, patience: int = 1) -> None:
        if integer("hedge: patience", patience, 1) > 1000:
            raise ParameterError(f"hedge: patience must be at most 1000; got {patience}")
        self._patience = patience * instance.slots
        self._slots = instance.slots
        self._sides: tuple[Policy, Policy] = LLRU(instance), BlindOracle(instance, predictions=predictions)
        self._held: tuple[set[int], set[int]] = set(), set()
        self._misses = [0, 0]
        self._lead = 1
        self._last: dict[int, int] = {}
        self._event: list[tuple[int, Time]] = []  # played, but not settled

    def hit(self, page: int, time: Time) -> None:
        """Let both play it; a new round or layer ends the event before."""
        if self._event and self._event[0][1][1:] != time[1:]:
            self._settle()
        self._event.append((page, time))
        self._last[page] = time.clock
        for n, (side, held) in enumerate(zip(self._sides, self._held, strict=True)):
            if page in held:
                side.hit(page, time)
            else:
                side.miss(page, time)
                held.add(page)
                self._misses[n] += 1

    miss = hit

    def victim(self, candidates: Sequence[int], time: Time) -> int:
        """Return the oldest candidate outside the cache that is followed."""
        self._settle()
        held = self._held[self._lead]
        return min(candidates, key=lambda page: (page in held, self._last[page], page))

    def clear(self, time: Time) -> None:
        """Empty the simulated caches."""
        self._settle()
        self._held = set(), set()

    def _settle(self) -> None:
        """End the event: both evict what does not fit, and the lead may change."""
        if not self._event:
            return
        members = {page for page, _ in self._event}
        time = self._event[0][1]
        for side, held in zip(self._sides, self._held, strict=True):
            while len(held) > max(self._slots, len(members)):
                held.remove(side.victim(sorted(held - members), time))
        if self._misses[self._lead] - self._misses[1 - self._lead] >= self._patience:
            self._lead = 1 - self._lead
        self._event = []
