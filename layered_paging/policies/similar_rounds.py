"""Similar-rounds: evict the page that the rounds most like the present one say is needed last."""

from __future__ import annotations

from bisect import bisect
from collections import Counter, defaultdict
from collections.abc import Sequence
from operator import mul

from ..core.instance import Instance, integer
from ..core.registry import register
from ..errors import ParameterError
from .spec import Time

# groups of past rounds, of each the likest has a say; events from one choice of rounds to the next;
# likeness loses 1/4 from choice to choice, frequency 1/16 a round
GROUPS, EVENTS, FADE, SLOW = 16, 4, 2, 4
RECENT = 1 << 14  # what a use in the present round counts
SOON = (255, 159, 99, 61, 38, 23, 14, 8)  # used again 1, 2, ... rounds later: each 5/8 of the one before
_SOON_AFTER = dict(enumerate(SOON, 1))


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
    Cost: one sum for each member and each of its remembered uses, and for each remembered round, per event; 16 for each
    page of the layer that may be evicted.  The compiled twin values every page of the layer.
    Space: memory / 8 bytes per page; the compiled twin takes 4 * memory.
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
        self._past = defaultdict[int, list[int]](list)  # the rounds in which a page was used, ascending
        self._frequent = [Counter[int]() for _ in range(instance.layers)]
        # by layer: values of pages that were asked for, round of the last event, rounds and weights, of 256 in all
        self._seen: list[tuple[dict[int, int], int, list[tuple[int, int]]]] = [({}, 0, [])] * instance.layers
        self._like, self._since = list[int](), 0  # by age, 0 is full likeness; events for which rounds were not chosen
        self._says, self._members = list[tuple[int, int]](), list[int]()
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
        return min(candidates, key=lambda page: self._worth(page, time.layer))

    def _worth(self, page: int, served: int) -> int:
        """Return the value that a page has since the last event of its layer, the distance gone counted in."""
        layer = self._layer_of(page)
        known, now, says = self._seen[layer]
        if page not in known:
            uses = self._past.get(page, [-self.memory])
            similar = sum(
                say * _SOON_AFTER.get(uses[bisect(uses, then)] - then, 0) for then, say in says if then < uses[-1]
            )
            recent = RECENT // (2 * (now - uses[-1]) + 1) * (now - uses[-1] < self.memory)
            known[page] = sum(map(mul, self.weights, (similar, self._frequent[layer][page], recent)))
        return known[page] * (self._layers + (served - layer) % self._layers * self.distance)

    def _settle(self) -> None:
        """Learn from the event that is over."""
        if not self._members:
            return
        (now, layer), members, self._members = self._now, self._members, []
        frequent = self._frequent[layer]
        if self._now != self._settled:
            for page in frequent:
                frequent[page] -= frequent[page] >> SLOW
            if self._since == 0:
                self._like = [like - (like >> FADE) for like in self._like]
            self._since = (self._since + 1) % EVENTS if now == self._settled[0] else 0
            self._settled = self._now
        for page in members:
            frequent[page] += 65536 >> SLOW
            self._past[page] = uses = [round for round in self._past[page] if now - self.memory < round < now] + [now]
            self._like += [0] * (now - uses[0] + 1 - len(self._like))
            for round in uses:
                self._like[now - round] += 16
        if self._since == 0:
            groups = [self._like[first::GROUPS] for first in range(1, GROUPS + 1)]
            likest = sorted(
                (max(likes), first + GROUPS * likes.index(max(likes)))
                for first, likes in enumerate(groups, 1)
                if any(likes)
            )
            says = [32768 >> ((likest[-1][0] - like) * ((GROUPS << 16) // self._like[0]) >> 16) for like, _ in likest]
            share = (1 << 24) // max(1, sum(says))
            self._says = [(now - age, say * share >> 16) for (_, age), say in zip(likest, says, strict=True)]
        self._seen[layer] = {}, now, self._says
