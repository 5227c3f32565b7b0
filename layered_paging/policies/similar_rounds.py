"""Similar-rounds: evict the page that the rounds most like the present one say is needed last."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp

from ..errors import ParameterError
from ..instance import Instance, integer
from ..policy import Time
from ..registry import register

LANES, NEIGHBOURS, ONE = 16, 8, 1 << 16
# e^(-12 i / 256) for how far a round falls short of the best one, 0 <= i <= 256
CLOSE = tuple(round(256 * exp(-12 * i / 256)) for i in range(257))
# bit a of the index: used a rounds ago; half-life 2 rounds, all bits set: ONE
RECENT = tuple(
    round(ONE * sum(0.5 ** (a / 2) for a in range(8) if bits >> a & 1) / sum(0.5 ** (a / 2) for a in range(8)))
    for bits in range(256)
)
UP = tuple(round(ONE * 2 ** (n / 32)) for n in range(256))  # half-life 32 rounds
DOWN = tuple(round(ONE * 0.5 ** (n / 32)) for n in range(256))
RATE = tuple(round(ONE * (1 - 0.5 ** (1 / 32)) / (1 - 0.5 ** ((n + 1) / 32))) for n in range(1024))


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

    * ``similar``: in the rounds most like the present one, was it used one round later, two rounds later, ...
      (weights 1, 1/2, ..., 1/128)?  Likeness counts the members that events have in common, layer by layer up
      to the present one; it is fixed every eighth of a round, and what it was before then counts 3/4.
      The eight best rounds (among the best of each of 16 classes of ages) have weights e^(-12 x), where x is
      how far a round falls short of the best one, as a share of full likeness.
    * ``recent``: uses in the last 8 rounds, half-life 2 rounds.
    * ``frequent``: uses since the reset, half-life 32 rounds.

    The value is the sum of the three, as probabilities, with these weights.  "Distance gone" is 0 for the
    layer that is served, 1 for the one before it, and so on: of two pages of equal value the one whose layer
    comes round later goes, as LLRU has it.  A turn of the layers without an event in the page's own halves the
    value.  Ties: the lowest layer, the smaller value, the lowest page number.

    Parameters
    ----------
    instance : Instance
    similar, recent, frequent : int
        Weights, 0 to 256, not all 0.
    distance : bool
        Whether layers count; otherwise the smallest value goes.
    memory : int
        Rounds that are compared with the present one: a multiple of 16, 16 to 4096.

    Notes
    -----
    All in integers; logarithms are linear between powers of 2.  Per request O(memory) operations on bytes, a
    constant; per event O(pages held of its layer); per eviction O(layers).
    """

    def __init__(
        self,
        instance: Instance,
        *,
        similar: int = 128,
        recent: int = 56,
        frequent: int = 72,
        distance: bool = True,
        memory: int = 256,
    ) -> None:
        named = {"similar": similar, "recent": recent, "frequent": frequent}
        self.weights = tuple(integer(f"similar-rounds: {name}", weight, 0) for name, weight in named.items())
        if max(self.weights) > 256 or sum(self.weights) == 0:
            raise ParameterError(f"similar-rounds: weights must be 0..256, not all 0; got {self.weights}")
        if not isinstance(distance, bool):
            raise ParameterError(f"similar-rounds: distance must be True or False; got {distance!r}")
        self.memory, self.distance = integer("similar-rounds: memory", memory, 16), distance
        if self.memory > 4096 or self.memory % LANES:
            raise ParameterError(f"similar-rounds: memory must be a multiple of {LANES} in 16..4096; got {memory}")
        self._layers, self._layer_of = instance.layers, instance.layer_of
        self._past: list[dict[int, int]] = [{} for _ in range(instance.layers)]  # bit a: used a rounds before `_last`
        self._last: dict[int, int] = {}
        self._count: dict[int, int] = {}  # of uses, each worth twice as much as one 32 rounds before
        self._value: dict[int, int] = {}
        self._tick = [0] * instance.layers  # when the layer was last served
        self._like = [0] * self.memory  # by age: how like the present is the round so long ago
        self._full = 0  # what a round quite like the present would have
        self._ages: list[int] = []  # of what this part of the round has in common with earlier ones
        self._members = 0
        self._near: list[tuple[int, int]] = []  # the best rounds: ages and weights
        self._now = (-1, -1)
        self._start = self._wait = self._events = self._before = 0  # events of this round, of the one before
        self._settled = True

    def hit(self, page: int, time: Time) -> None:
        """Compare the present event with the past, and note the use."""
        if (time.round, time.layer) != self._now or self._settled:
            self._begin(time)
        past = self._seen(page, time.layer, time.round)
        self._ages += [age for age in range(1, self.memory) if past >> age & 1]
        self._members += 1
        self._past[time.layer][page] = past | 1
        since = time.round - self._start
        self._count[page] = self._counted(page, since) + UP[since & 255]
        self._last[page] = time.round

    miss = hit

    def victim(self, candidates: Sequence[int], time: Time) -> int:
        """Return the candidate of smallest value, the distance gone counted in."""
        self._settle()
        return min(candidates, key=lambda page: self._order(page, time))

    def _order(self, page: int, time: Time) -> tuple[int, int, int, int]:
        layer, value = self._layer_of(page), self._value[page]
        power = value.bit_length() - 1
        order = ((power << 8) + (value << 8 >> power & 255)) * self._layers  # 256 times the logarithm to base 2
        if self.distance:
            turns, gone = divmod(time.round * self._layers + time.layer - self._tick[layer], self._layers)
            order += 256 * (gone - turns * self._layers)
        return order, layer, value, page

    def _seen(self, page: int, layer: int, now: int) -> int:
        """Return the rounds in which the page was used: bit a, a rounds before ``now``."""
        past = self._past[layer].get(page, 0) << now - self._last.get(page, now)
        return past & (1 << self.memory) - 1

    def _counted(self, page: int, since: int) -> int:
        """Return the count in units of the present 256 rounds."""
        if page not in self._last:
            return 0
        return self._count[page] >> 8 * ((since >> 8) - (self._last[page] - self._start >> 8))

    def _begin(self, time: Time) -> None:
        self._settle()
        if self._now == (-1, -1):
            self._start = time.round
        if time.round != self._now[0]:
            self._before, self._events = self._events, 0
        self._now, self._settled = (time.round, time.layer), False
        self._events += 1

    def _settle(self) -> None:
        """Value the pages of the layer whose event is over."""
        if self._settled:
            return
        self._settled = True
        round_, layer = self._now
        self._wait -= 1
        if self._wait <= 0:
            self._compare()
            self._wait = max(1, self._before >> 3)
        self._tick[layer] = round_ * self._layers + layer
        since = round_ - self._start
        scale = DOWN[since & 255] * RATE[min(since, 1023)] >> 16
        for page in self._past[layer]:
            seen = self._seen(page, layer, round_)
            similar = sum(weight * (seen << 8 >> age & 255) for age, weight in self._near) << 1
            parts = (similar, RECENT[seen & 255], self._counted(page, since) * scale >> 16)
            self._value[page] = sum(weight * part for weight, part in zip(self.weights, parts, strict=True)) | 1

    def _compare(self) -> None:
        """Find the rounds most like the present one."""
        known = min(self.memory, self._now[0] - self._start + 1)
        for age in range(known):
            self._like[age] -= self._like[age] >> 2
        for age in self._ages:
            self._like[age] += 16
        self._full += 16 * self._members - (self._full >> 2)
        self._ages, self._members = [], 0
        best = [
            max(((self._like[age], -age) for age in range(lane, known, LANES)), default=(0, -lane))
            for lane in range(LANES)
        ]
        best = sorted(best, reverse=True)[:NEIGHBOURS]
        share = (1 << 24) // max(1, self._full)
        weights = [CLOSE[min(256, (best[0][0] - like) * share >> 16)] for like, _ in best]
        share = (1 << 24) // sum(weights)
        self._near = [(-age, weight * share >> 16) for (_, age), weight in zip(best, weights, strict=True)]
