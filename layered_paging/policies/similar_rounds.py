"""Similar-rounds: evict the page that the rounds most like the present one say is needed last."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.instance import Instance, integer
from ..core.registry import register
from ..errors import ParameterError
from .spec import Time

NEIGHBOURS, MOST = 8, 65535
ALWAYS = 255  # ALWAYS times its weight is what a page gets that is used in every round
LOOKS = {0: (4, 2), 64: (12, 3)}  # from so many experts a layer on: looks a round, logarithm of what one of them counts
SHARPNESS = 13  # how often the weight of a round is halved that has nothing in common with the present one
SOON = tuple(round(255 * 0.6**i) for i in range(6))  # used again i + 1 rounds later, not before


@register(
    "policy",
    "similar-rounds",
    cites=("angelopoulos-marchal-obrecht-simon-2025", "cover-hart-1967", "lee-et-al-2001"),
    aka=("nearest rounds",),
    lazy=True,
)
class SimilarRounds:
    """Evict the page of smallest value * 2^(distance gone / layers).

    When the event of a layer is over, each page of the layer is valued by what is known about its next uses:

    * ``similar``: in the rounds most like the present one, how soon was it used again (one round later: 1, two: 0.6,
      ..., six: 0.6^5)?  Likeness is the number of members that events have in common, of the present round and
      the one so many rounds before.  It is renewed at every ``max(1, layers // 4)``-th layer, where what it was before
      counts 3/4 (where the widest layer has 64 experts or more: ``layers // 12``, 7/8), and it goes on from round
      to round.  Of each of eight classes of ages (mod 8) the best round counts, with weight 2^(-13 x), where x is
      how far it falls short of the best of all, as a share of full likeness.
    * ``recent``: uses in the last rounds of the layer (those with an event); each round what was before it loses 3/8: its
      half-life is 1.5 rounds.
    * ``frequent``: the share of the layer's rounds in which it was used; the n-th since the policy began has 1/n of
      the weight, 1/n rounded up to a power of 2 and at least 1/32.

    The value is the mean of the three with these weights.  "Distance gone" is 0 for the layer that is
    served, 1 for the one before it, and so on: of two pages of equal value the one whose layer comes round later
    goes, as LLRU has it.  Where layers count, a turn of them without an event in the page's own halves the value.
    Values are compared by their logarithms, to 1/128 of a power of 2.  Ties: the lowest layer, the smallest value, the
    lowest page number.

    Parameters
    ----------
    instance : Instance
    similar, recent, frequent : int
        Weights, 0 to 256, not all 0; only their proportions matter (to 1/256).
    distance : bool
        Whether layers count; otherwise the smallest value goes.
    memory : int
        Rounds that are looked at, the present one included: a multiple of 32, 32 to 2048.

    Notes
    -----
    All in integers; a value is at most 65,535, rounded down to a multiple of 4 from 512 on, of 64 from 2,688 on, and
    logarithms are linear between powers of 2.  Layers are counted in the order in which they first appear.
    Operations on small numbers, which a processor does 32 at a time: up to 7 (23) * 20 * memory a round, 20 *
    experts an event, 3 * experts an eviction; besides, O(members + log layers) per event and O(log layers) per
    eviction and layer that is passed without an event; layers * memory * experts bytes, emptied at a reset.
    The compiled twin refuses layers of more than 65,536 experts, and 2^32 bytes or more.
    """

    def __init__(
        self,
        instance: Instance,
        *,
        similar: int = 128,
        recent: int = 44,
        frequent: int = 88,
        distance: bool = True,
        memory: int = 512,
    ) -> None:
        named = {"similar": similar, "recent": recent, "frequent": frequent}
        given = tuple(integer(f"similar-rounds: {name}", weight, 0) for name, weight in named.items())
        if max(given) > 256 or sum(given) == 0:
            raise ParameterError(f"similar-rounds: weights must be 0..256, not all 0; got {given}")
        if not isinstance(distance, bool):
            raise ParameterError(f"similar-rounds: distance must be True or False; got {distance!r}")
        self.memory, self.distance = integer("similar-rounds: memory", memory, 32), distance
        if self.memory > 2048 or self.memory % 32:
            raise ParameterError(f"similar-rounds: memory must be a multiple of 32 in 32..2048; got {memory}")
        self.weights = tuple(256 * weight // sum(given) for weight in given)
        self._layers, self._layer_of = instance.layers, instance.layer_of
        looks, self.fade = LOOKS[max(least for least in LOOKS if least <= max(instance.experts))]
        self.apart = max(1, instance.layers // looks)
        self._compared: dict[int, bool] = {}  # of the layers that have appeared
        self._past: list[dict[int, int]] = [{} for _ in range(instance.layers)]  # bit a: used a rounds before `_used`
        self._used: dict[int, int] = {}
        self._recent: dict[int, int] = {}
        self._frequent: dict[int, int] = {}
        self._value: dict[int, int] = {}
        self._served = [-1] * instance.layers  # the round in which the layer was last served
        self._times = [0] * instance.layers  # rounds in which it was, at most 32
        self._tick = [0] * instance.layers
        self._like = [0] * self.memory  # by age: how like the present is the round so long ago
        self._full = 0  # what a round quite like the present would have
        self._near: list[tuple[int, int]] = []  # the best rounds: ages and weights
        self._members: list[int] = []  # of the present event
        self._now = (-1, -1)

    def hit(self, page: int, time: Time) -> None:
        """Note the use."""
        if (time.round, time.layer) != self._now:
            self._settle()
            self._now = (time.round, time.layer)
        self._members.append(page)

    miss = hit

    def victim(self, candidates: Sequence[int], time: Time) -> int:
        """Return the candidate of smallest value, the distance gone counted in."""
        self._settle()
        return min(candidates, key=lambda page: self._order(page, time))

    def _order(self, page: int, time: Time) -> tuple[int, int, int, int]:
        layer, value = self._layer_of(page), self._value[page]
        value &= -1 if value < 512 else -4 if value < 2688 else -64
        order = _logarithm(max(1, value)) * self._layers
        if self.distance:
            turns, gone = divmod(time.round * self._layers + time.layer - self._tick[layer], self._layers)
            order += 128 * (gone - turns * self._layers)
        return order, layer, value, page

    def _settle(self) -> None:
        """Value the pages of the layer whose event is over."""
        if not self._members:
            return
        (now, layer), members = self._now, self._members
        past = self._past[layer]
        _, recent, frequent = self.weights
        if layer not in self._compared:
            self._compared[layer] = len(self._compared) % self.apart == 0
        new = now != self._served[layer]
        self._served[layer] = now
        if new:
            self._times[layer] = min(32, self._times[layer] + 1)
        slow = self._times[layer].bit_length() - 1  # log2 of the rounds over which the mean goes, at most 32
        if new:
            for page in past:
                self._recent[page] -= (self._recent[page] >> 2) + (self._recent[page] >> 3)
                self._frequent[page] -= self._frequent[page] >> slow
        if self._compared[layer]:
            self._compare(members, new)
        for page in members:
            past[page] = self._seen(page, layer, now) | 1
            self._used[page] = now
            self._recent[page] = min(MOST, self._recent.get(page, 0) + (3 * ALWAYS * recent >> 3))
            self._frequent[page] = min(MOST, self._frequent.get(page, 0) + (ALWAYS * frequent >> slow))
        self._tick[layer] = now * self._layers + layer
        for page in past:
            seen = self._seen(page, layer, now)
            similar = sum(weight * _soon(seen, age) for age, weight in self._near)
            self._value[page] = min(MOST, similar + self._recent[page] + self._frequent[page])
        self._members = []

    def _seen(self, page: int, layer: int, now: int) -> int:
        """Return the rounds in which the page was used: bit a, a rounds before ``now``."""
        past = self._past[layer].get(page, 0) << now - self._used.get(page, now)
        return past & (1 << self.memory) - 1

    def _compare(self, members: list[int], new: bool) -> None:
        """Find the rounds most like the present one."""
        now, layer = self._now
        if new:
            self._like = [like - (like >> self.fade) for like in self._like]
            self._full -= self._full >> self.fade
        counts = 32 >> self.fade
        self._full += counts * len(members)
        pasts = [self._seen(page, layer, now) for page in members]
        for age in range(1, max(past.bit_length() for past in pasts)):
            self._like[age] = min(255, self._like[age] + counts * sum(past >> age & 1 for past in pasts))
        best = [max((self._like[age], -age) for age in range(c, self.memory, NEIGHBOURS)) for c in range(NEIGHBOURS)]
        top, share = max(best)[0], (SHARPNESS << 24) // self._full
        close = [_halved((top - like) * share >> 16) for like, _ in best]
        share = (self.weights[0] << 16) // sum(close)
        self._near = [(-age, one * share >> 16) for (_, age), one in zip(best, close, strict=True)]


def _logarithm(value: int) -> int:
    """Return 128 times the logarithm to base 2, linear between powers of 2."""
    power = value.bit_length() - 1
    return (power << 7) + (value << 7 >> power & 127)


def _halved(times: int) -> int:
    """Return 256 halved ``times / 256`` times, linearly between whole times."""
    return 512 - (times & 255) >> (times >> 8) + 1


def _soon(seen: int, age: int) -> int:
    """Return how soon the page was used again, seen from a round so long ago."""
    later = seen << len(SOON) >> age & (1 << len(SOON)) - 1
    return SOON[len(SOON) - later.bit_length()] if later else 0
