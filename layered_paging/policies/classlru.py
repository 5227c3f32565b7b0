"""ClassLRU: classes of pages by the magnitude of their decayed use counts, each in the order of use."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.instance import Instance, integer
from ..core.registry import register
from ..errors import ParameterError
from .spec import Time

USE = 1 << 16  # what a use counts
LONGEST = 4096  # half-life, so that all products fit into 62 bits
TOP = 13  # more classes than this half-life has


def fading(half_life: int) -> list[int]:
    """Return 2^32 * 2^(-age / half_life) for the ages of one half-life, each from the one before it, rounded down.

    Examples
    --------
    >>> fading(2)
    [4294967296, 3037000499]
    """
    low, high = 1 << 31, 1 << 32  # the largest r with r^half_life at most 2^(32 half_life - 1)
    while low < high:
        middle = (low + high + 1) // 2
        if middle**half_life <= 1 << (32 * half_life - 1):
            low = middle
        else:
            high = middle - 1
    factors = [1 << 32]
    while len(factors) < half_life:
        factors.append(factors[-1] * low >> 32)
    return factors


@register(
    "policy",
    "classlru",
    cites=("llama-cpp-classlru",),
    aka=("llama.cpp ClassLRU",),
    origin="llama.cpp, reconstructed from a description; source not read",
    lazy=True,
    marking=False,
    conservative=False,
)
class ClassLRU:
    """Evict the page of largest age / 2^class, where class is floor(log2) of its decayed uses as of its last use.

    A use adds 1 to what is left of the count; half of it is left after ``half_life`` rounds.  Counts outlive evictions and
    end with the reset.  The age is the number of events (steps of a layer) since the last use.  Only the oldest page of
    each class can be the victim, so lists of the classes are all that an engine needs.  Ties: the lower class.
    Pages of one class and event go as in ``lru-hits-first``: hits in the order presented, then misses by page number.

    Parameters
    ----------
    instance : Instance
    half_life : int
        In rounds (tokens), 1 to 4096.

    Notes
    -----
    Reconstructed: llama.cpp's pull request 31233 is described as counting uses over evictions, with a half-life of 128
    tokens, in classes by floor(log2).  It takes the head of largest age / 2^class.  Its code could not be read.  What is
    ours: age is counted in events, a class is computed at a use, and ties go to the lower class.  Within an event the order
    is that of the LRU which it replaced.  There are integers where the engine takes exp2 and log2.

    At a use ``count = (count * FADE[rounds mod half_life] >> (32 + rounds // half_life)) + 2^16`` with the factors of
    ``fading``; the class is the number of bits of ``count >> 16``, less 1.  Ages are compared as ``age << (13 - class)``.
    A count never reaches 2^29.  O(1) per use, O(classes) per eviction with lists.

    Examples
    --------
    >>> import layered_paging as lp
    >>> trace = lp.Trace([[p] for p in [0, 0, 0, 1, 2, 0]], n_experts=3)
    >>> lp.replay(trace, "classlru", 2).misses, lp.replay(trace, "lru", 2).misses
    (3, 4)
    """

    def __init__(self, instance: Instance, *, half_life: int = 128) -> None:
        self.half_life = integer("classlru: half_life", half_life, 1)
        if self.half_life > LONGEST:
            raise ParameterError(f"classlru: half_life must be a number of rounds in 1..{LONGEST}; got {half_life!r}")
        self.factors = fading(self.half_life)
        self._layers = instance.layers
        self._count: dict[int, int] = {}
        self._round: dict[int, int] = {}
        self._order: dict[int, tuple[int, bool, int]] = {}
        self._hits = 0

    def hit(self, page: int, time: Time) -> None:
        """Count the use, and put the page behind the earlier hits."""
        self._use(page, time)
        self._hits += 1
        self._order[page] = time.round * self._layers + time.layer, False, self._hits

    def miss(self, page: int, time: Time) -> None:
        """Count the use, and put the page behind all hits, among the misses by its number."""
        self._use(page, time)
        self._order[page] = time.round * self._layers + time.layer, True, page

    def victim(self, candidates: Sequence[int], time: Time) -> int:
        """Return the candidate of largest age / 2^class."""
        step = time.round * self._layers + time.layer

        def keeps(page: int) -> tuple[int, int, tuple[int, bool, int]]:
            of_class = (self._count[page] // USE).bit_length() - 1
            return -(step - self._order[page][0] << TOP - of_class), of_class, self._order[page]

        return min(candidates, key=keeps)

    def _use(self, page: int, time: Time) -> None:
        halvings, rest = divmod(time.round - self._round.get(page, time.round), self.half_life)
        left = self._count.get(page, 0) * self.factors[rest] >> 32 + halvings
        self._count[page], self._round[page] = left + USE, time.round
