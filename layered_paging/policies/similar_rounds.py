"""Similar-rounds: evict the page that the rounds most like the present one say is needed last."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from operator import mul

from ..core.instance import Instance, integer
from ..core.registry import register
from ..errors import ParameterError
from .spec import Time

GROUPS, EVENTS = 16, 4  # of past rounds, the best of each has a say; from one choice of rounds to the next
FADE, SLOW = 2, 4  # likeness loses 1/4 from choice to choice, frequency 1/16 a round
RECENT = 1 << 14  # what a use in the present round counts
SOON = (255, 159, 99, 61, 38, 23, 14, 8)  # used again 1, 2, ... rounds later: each 5/8 of the one before
# by the uses of the rounds that followed, a bit each, the next round's highest: the first use counts
_SOON_OF = [0] + [SOON[len(SOON) - used.bit_length()] for used in range(1, 1 << len(SOON))]


@register(
    "policy",
    "similar-rounds",
    cites=("angelopoulos-marchal-obrecht-simon-2025", "cover-hart-1967", "lee-et-al-2001", "vllm-issue-38256"),
    aka=("nearest rounds",),
    stack=True,
    lazy=True,
)
class SimilarRounds:
    """Evict the page that seems furthest from its next use, judged by the past rounds most like the present one.

    It is the page of smallest value * (layers + distance gone).  When the event of a layer is over, each page of the
    layer is valued by three guesses of its next use:

    * ``similar``: in the rounds most like the present one, how soon was it used again?  One round later counts 255,
      each round more 5/8 of that, up to eight.  Likeness counts the members that events have in common, of the
      present round and the one ``a`` rounds before.  The rounds are chosen after the first event of a round, and after
      every fourth one from there.  Then what was counted before loses 1/4.  Of the ages with the same rest mod 16 the
      likest round has a say, the younger of equals.  Its say is halved for each sixteenth of full likeness by which
      it falls short of the best of all.
    * ``frequent``: the share of the layer's rounds in which it was used, where what was before loses 1/16 a round.
    * ``recent``: 1 / (2 age + 1), where ``age`` is the number of rounds since its last use.

    The value is the sum of the three, each times its weight.  "Distance gone" is 0 for the layer that
    is served, 1 for the one before it, and so on: of two pages of equal value the one whose layer comes round
    later goes, as LLRU has it.  Ties: the lowest page number.

    Parameters
    ----------
    instance : Instance
    similar, frequent, recent : int
        Weights, 0 to 64, not all 0.
    distance : bool
        Whether layers count; otherwise the smallest value goes.
    memory : int
        Rounds that are remembered, the present one included: a multiple of 16, 32 to 4096.

    Notes
    -----
    Exact arithmetic: integers that are never negative, shifts and divisions rounded down, all below 2^63.  An event
    is what is used in one round of one layer, in one call or several; fading is done once for it.
    Cost: memory * (members + 2) + 16 * experts small sums per event, layers + experts per eviction.
    Space: 2 * (memory + 32) * pages bytes.
    """

    def __init__(
        self,
        instance: Instance,
        *,
        similar: int = 2,
        frequent: int = 1,
        recent: int = 1,
        distance: bool = True,
        memory: int = 512,
    ) -> None:
        self.weights = [
            integer(f"similar-rounds: {name}", weight, 0)
            for name, weight in (("similar", similar), ("frequent", frequent), ("recent", recent))
        ]
        self.memory, self.distance = integer("similar-rounds: memory", memory, 32), distance
        if (
            not 0 < max(self.weights) <= 64
            or self.memory not in range(32, 4097, GROUPS)
            or not isinstance(distance, bool)
        ):
            raise ParameterError(
                f"similar-rounds: weights must be 0..64, not all 0, memory a multiple of 16 in 32..4096, distance True or False; got {self.weights}, {memory}, {distance!r}"
            )
        self._layers, self._layer_of = instance.layers, instance.layer_of
        self._past = [Counter[int]() for _ in range(instance.layers)]  # bit a: used a rounds before ``_served``
        self._served = [0] * instance.layers  # the round in which the layer was last served
        self._frequent, self._value = Counter[int](), Counter[int]()
        self._like, self._full = [0] * self.memory, 0  # by age; what a round quite like the present one would have
        self._says, self._since = (
            [(0, 0)],
            0,
        )  # ages and weights, of 256 in all; events before that they were not chosen
        self._members: list[int] = []  # that are not settled
        self._now = self._settled = (-1, -1)

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
        gone = [(time.layer - layer) % self._layers * self.distance for layer in range(self._layers)]
        return min(candidates, key=lambda page: (self._value[page] * (self._layers + gone[self._layer_of(page)]), page))

    def _settle(self) -> None:
        """Value the pages of the layer whose event is over."""
        if not self._members:
            return
        (now, layer), members, self._members = self._now, self._members, []
        past = self._past[layer]
        if self._now != self._settled:
            for page in past:
                past[page] = past[page] << now - self._served[layer] & (1 << self.memory) - 1
                self._frequent[page] -= self._frequent[page] >> SLOW
            if self._since == 0:
                self._like, self._full = (
                    [like - (like >> FADE) for like in self._like],
                    self._full - (self._full >> FADE),
                )
            self._since = (self._since + 1) % EVENTS if now == self._settled[0] else 0
            self._served[layer], self._settled = now, self._now
        self._full += 16 * len(members)
        for page in members:
            past[page] |= 1
            self._frequent[page] += 65536 >> SLOW
            for age, used in enumerate(bin(past[page])[-2:1:-1], 1):
                self._like[age] += 16 * (used == "1")
        if self._since == 0:
            self._choose()
        for page, uses in past.items():
            similar = sum(say * _SOON_OF[uses << len(SOON) >> age & (1 << len(SOON)) - 1] for age, say in self._says)
            recent = RECENT // (2 * (uses & -uses).bit_length() - 1) if uses else 0
            self._value[page] = sum(map(mul, self.weights, (similar, self._frequent[page], recent)))

    def _choose(self) -> None:
        """Find the rounds most like the present one."""
        groups = [max((self._like[age], -age) for age in range(g, self.memory, GROUPS)) for g in range(GROUPS)]
        top, share = max(groups)[0], (GROUPS << 16) // self._full
        says = [(-age, 32768 >> ((top - likest) * share >> 16)) for likest, age in groups if likest]
        share = (1 << 24) // max(1, sum(say for _, say in says))
        self._says = [(age, say * share >> 16) for age, say in says]
