"""Similar-rounds: evict the page that the rounds most like the present one say is needed last."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.instance import Instance, integer
from ..core.registry import register
from ..errors import ParameterError
from .spec import Time

GROUPS = 16  # of past rounds; the best of each has a say
FADE = 3  # likeness loses 1/8 each time
SLOW = 4  # frequency loses 1/16
SOON = (255, 159, 99, 61, 38, 23, 14, 8, 5, 3, 1)  # used again 1, 2, ... rounds later: each 5/8 of the one before
# by the uses of the rounds that followed, a bit each, the next round's highest: the first use counts
_FOLLOWING = (1 << len(SOON)) - 1
_SOON_OF = [0] + [SOON[len(SOON) - used.bit_length()] for used in range(1, _FOLLOWING + 1)]


@register(
    "policy",
    "similar-rounds",
    cites=("angelopoulos-marchal-obrecht-simon-2025", "cover-hart-1967", "lee-et-al-2001"),
    aka=("nearest rounds",),
    stack=True,
    lazy=True,
)
class SimilarRounds:
    """Evict the page of smallest value * (layers + distance gone).

    When the event of a layer is over, each page of the layer is valued by two guesses of its next use:

    * ``similar``: in the rounds most like the present one, how soon was it used again: 255 for one round later, and
      5/8 of that for each round more?  Likeness counts the members that events have in common, of the present round
      and the one ``a`` rounds before, over all events so far. At each event what it was before loses 1/8.  Of the ages with the same rest mod 16 the likest round has a say, the younger
      of equals.  Its say is halved for each sixteenth of full likeness by which it falls short of the best of all.
    * ``frequent``: the share of the layer's rounds in which it was used, where what was before loses 1/16 a round.

    The value is ``similar`` times the one and ``frequent`` times the other.  "Distance gone" is 0 for the layer that
    is served, 1 for the one before it, and so on: of two pages of equal value the one whose layer comes round
    later goes, as LLRU has it.  Ties: the lowest page number.

    Parameters
    ----------
    instance : Instance
    similar, frequent : int
        Weights, 0 to 64, not both 0.
    distance : bool
        Whether layers count; otherwise the smallest value goes.
    memory : int
        Rounds that are remembered, the present one included: a multiple of 16, 32 to 4096.

    Notes
    -----
    Exact arithmetic: integers that are never negative, shifts and divisions rounded down, all below 2^63.  An event
    is what is used in one round of one layer, in one call or several; fading is done once for it.
    Cost: memory * members + 16 * experts small sums per event, layers + experts per eviction.
    Space: 9/8 * memory * pages bytes.
    """

    def __init__(
        self, instance: Instance, *, similar: int = 2, frequent: int = 1, distance: bool = True, memory: int = 512
    ) -> None:
        self.similar = integer("similar-rounds: similar", similar, 0)
        self.frequent = integer("similar-rounds: frequent", frequent, 0)
        if max(self.similar, self.frequent) > 64 or self.similar + self.frequent == 0:
            raise ParameterError(f"similar-rounds: weights must be 0..64, not both 0; got {(similar, frequent)}")
        if not isinstance(distance, bool):
            raise ParameterError(f"similar-rounds: distance must be True or False; got {distance!r}")
        self.memory, self.distance = integer("similar-rounds: memory", memory, 32), distance
        if self.memory > 4096 or self.memory % GROUPS:
            raise ParameterError(f"similar-rounds: memory must be a multiple of 16 in 32..4096; got {memory}")
        self._layers, self._layer_of = instance.layers, instance.layer_of
        self._past: list[dict[int, int]] = [{} for _ in range(instance.layers)]  # bit a: used a rounds before _served
        self._served = [0] * instance.layers  # the round in which the layer was last served
        self._frequent: dict[int, int] = {}
        self._value: dict[int, int] = {}
        self._like = [0]  # by age, as far back as anything was used
        self._full = 0  # what a round quite like the present one would have
        self._says: list[tuple[int, int]] = []  # ages and weights, of 256 in all
        self._members: list[int] = []  # that are not settled
        self._now = (-1, -1)
        self._settled = (-1, -1)

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
        return min(candidates, key=lambda page: (self._order(page, time), page))

    def _order(self, page: int, time: Time) -> int:
        gone = (time.layer - self._layer_of(page)) % self._layers if self.distance else 0
        return self._value[page] * (self._layers + gone)

    def _settle(self) -> None:
        """Value the pages of the layer whose event is over."""
        if not self._members:
            return
        (now, layer), members, self._members = self._now, self._members, []
        past, new = self._past[layer], self._now != self._settled
        self._settled = self._now
        if new:
            for page in past:
                past[page] = past[page] << now - self._served[layer] & (1 << self.memory) - 1
                self._frequent[page] -= self._frequent[page] >> SLOW
            self._served[layer] = now
        for page in members:
            past[page] = past.get(page, 0) | 1
            self._frequent[page] = self._frequent.get(page, 0) + (65536 >> SLOW)
        self._compare([past[page] for page in members], new)
        for page, used in past.items():
            similar = 0
            for age, say in self._says:  # what followed: a bit for each round after the one ``age`` ago
                similar += say * _SOON_OF[used << len(SOON) >> age & _FOLLOWING]
            self._value[page] = self.similar * similar + self.frequent * self._frequent[page]

    def _compare(self, pasts: list[int], new: bool) -> None:
        """Find the rounds most like the present one."""
        if new:
            self._like = [like - (like >> FADE) for like in self._like]
            self._full -= self._full >> FADE
        self._full += 64 * len(pasts)
        like = self._like
        like += [0] * (max(past.bit_length() for past in pasts) - len(like))
        for past in pasts:
            digits = bin(past)[-2:1:-1]  # the first is that of age 1
            age = digits.find("1") + 1
            while age:
                like[age] += 64
                age = digits.find("1", age) + 1
        best = []
        for youngest in range(1, min(GROUPS + 1, len(like))):
            group = like[youngest::GROUPS]
            likest = max(group)
            if likest:
                best.append((likest, youngest + group.index(likest) * GROUPS))
        top, share = max(best, default=(0, 0))[0], (GROUPS << 16) // self._full
        says = [(age, 32768 >> ((top - likest) * share >> 16)) for likest, age in best]
        share = (1 << 24) // max(1, sum(say for _, say in says))
        self._says = [(age, say * share >> 16) for age, say in says]
