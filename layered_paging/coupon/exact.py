"""Exact expectations, variances and distributions of coupon collectors, and the exact Yao bounds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

from ..core.arguments import kinds
from ..core.instance import integer, shown
from ..errors import ParameterError
from .law import Law, affordable, laws, product, total

__all__ = [
    "best_split",
    "cdf",
    "distribution",
    "expected_rounds",
    "harmonic",
    "split_bound",
    "splits",
    "variance",
    "yao_bound",
]

MOST_HARMONIC = 1 << 23  # bits of a harmonic number: about a minute


@kinds(power=0)
def harmonic(n: int, power: int = 1) -> Fraction:
    """Return ``1 + 1/2^power + ... + 1/n^power`` exactly; 0 for n = 0."""
    count = integer("n", n, 0)
    affordable("n", n, count * count.bit_length(), MOST_HARMONIC)
    affordable("power", power, count * count.bit_length() * power if count > 1 else 0, MOST_HARMONIC)
    return total([(1, i**power) for i in range(1, count + 1)])


@kinds()
def expected_rounds(
    experts: int,
    collectors: int = 1,
    *,
    draws: int = 1,
    replacement: bool = False,
    probabilities: Sequence[Any] | None = None,
) -> Fraction:
    """Return the expected rounds until all of ``collectors`` parallel collectors are complete.

    Parameters
    ----------
    experts : int
        Coupons of each collector, at least 1.
    collectors : int
        Collectors that draw in parallel, at least 1.
    draws : int
        Coupons that each collector draws in a round.
    replacement : bool
        Whether the draws of one round may repeat; without, a round is a uniform set of ``draws``
        distinct coupons (a router's top-k).
    probabilities : sequence of Fraction, or one such sequence per collector, optional
        Unequal probabilities of the coupons, summing to 1.

    Raises
    ------
    ParameterError
        A parameter is out of range, or the exact value has more than ``law.TERMS`` terms (use
        ``enclose_rounds``).

    Notes
    -----
    ``sum over t >= 0 of [1 - F(t)]`` with F the product of the collectors' distribution functions
    (flajolet-gardy-thimonier-1992; several distinct draws: stadje-1990).  Exact; the number of terms
    grows with the number of distinct products of ``collectors`` integers up to ``experts``.

    Examples
    --------
    >>> expected_rounds(4), expected_rounds(2, 2)
    (Fraction(25, 3), Fraction(11, 3))
    """
    law = product(laws(experts, collectors, draws=draws, replacement=replacement, probabilities=probabilities))
    return -law.series()


@kinds()
def variance(
    experts: int,
    collectors: int = 1,
    *,
    draws: int = 1,
    replacement: bool = False,
    probabilities: Sequence[Any] | None = None,
) -> Fraction:
    """Return the variance of the rounds that ``expected_rounds`` expects; the same parameters.

    Examples
    --------
    >>> variance(3), 9 * harmonic(3, 2) - 3 * harmonic(3)
    (Fraction(27, 4), Fraction(27, 4))
    """
    law = product(laws(experts, collectors, draws=draws, replacement=replacement, probabilities=probabilities))
    return -law.series(moment=1) - law.series() ** 2


@kinds()
def cdf(
    t: int,
    experts: int,
    collectors: int = 1,
    *,
    draws: int = 1,
    replacement: bool = False,
    probabilities: Sequence[Any] | None = None,
) -> Fraction:
    """Return the probability that all collectors are complete within ``t`` rounds.

    Examples
    --------
    >>> cdf(2, 2), cdf(2, 2, collectors=3)
    (Fraction(1, 2), Fraction(1, 8))
    """
    t = integer("t", t, 0)
    value = Fraction(1)
    for law, count in laws(experts, collectors, draws=draws, replacement=replacement, probabilities=probabilities):
        once = law.at(t)
        affordable("collectors", collectors, count * (once.denominator - 1).bit_length())
        value *= once**count
    return value


@kinds()
def distribution(experts: int, collectors: int = 1, *, rounds: int, **options: Any) -> list[Fraction]:
    """Return ``P(T = t)`` for t = 0 .. rounds; options as for ``cdf``."""
    last = integer("rounds", rounds, 0)
    affordable("rounds", rounds, last * last * 8)
    values = [cdf(t, experts, collectors, **options) for t in range(last + 1)]
    return [values[0], *(b - a for a, b in pairwise(values))]


@kinds()
def yao_bound(layers: int, experts: int, slots: int | None = None) -> Fraction:
    """Return a lower bound on the ratio of every randomized policy, by Yao's principle.

    Requests are uniform in their layer, over ``slots + 1`` pages that are spread evenly over the
    layers.  A deterministic policy misses at least 1 / (widest layer) per round; the optimum misses once
    per complete collection of all pages.

    Parameters
    ----------
    layers : int
        At least 1.
    experts : int
        Pages of each layer, at least 2.
    slots : int, optional
        Default ``layers * experts - 1``: all pages but one.

    Raises
    ------
    ParameterError
        A hypothesis fails (n >= 2, k >= l, k + 1 <= l n). The exact value is too large to write
        (use ``enclose_yao``).

    Notes
    -----
    With ``m = (k + 1) / l`` pages in each layer this is
    ``(1 / (l m)) sum over s >= 0 of [1 - F_m(q + 1)^r F_m(q)^(l - r)]``, ``s + 1 = q l + r``.
    Where l does not divide k + 1 the layers differ in width by one and the value is that of ``split_bound``.
    Derived here; for l = 1 it equals the harmonic number of k.

    Examples
    --------
    >>> yao_bound(1, 5) == harmonic(4)
    True
    >>> yao_bound(2, 2), yao_bound(2, 3)
    (Fraction(3, 2), Fraction(57, 28))
    """
    count, n = integer("layers", layers, 1), integer("experts", experts, 1)
    k = slots_of(count, n, slots)
    width, wider = divmod(k + 1, count)
    if wider:
        return split_bound([width + 1] * wider + [width] * (count - wider))
    [(once, _)] = laws(width)
    after = once.later()
    # part = sum over r < j of base^(j-1-r) after^r once^(j-r); power = after^j
    part, power = once, after
    for _ in range(count - 1):
        part = part.times(once).scaled(width).plus(power.times(once))
        power = power.times(after)
    steps: Fraction = -part.series() / width ** (count - 1) - 1
    return steps / (count * width)


def slots_of(layers: int, experts: int, slots: int | None) -> int:
    """Return the slots, default all pages but one, after checking the hypotheses of the bound."""
    if experts < 2:
        raise ParameterError(f"must hold n >= 2 for the bound; got n = {experts}", parameter="experts")
    if slots is None:
        return layers * experts - 1
    k = integer("slots", slots, 1)
    if k < layers:
        raise ParameterError(
            f"must hold k >= l (a slot for each layer); got k = {shown(k)}, l = {shown(layers)}", parameter="slots"
        )
    if k + 1 > layers * experts:
        raise ParameterError(
            f"must hold k + 1 <= l * n (more pages than slots); got k = {shown(k)}, l = {layers}, n = {experts}",
            parameter="slots",
        )
    return k


@kinds()
def split_bound(widths: Sequence[int]) -> Fraction:
    """Return the Yao bound of a source that is uniform over ``widths[j]`` pages of layer j, with one slot less.

    Parameters
    ----------
    widths : sequence of int
        Pages used of each layer, at least 1 each, not all 1.

    Notes
    -----
    A phase of the optimum is the time until every page was requested.  The layer in which phases
    begin is a Markov chain; the expected length is taken in its stationary law.  Derived here.

    Examples
    --------
    >>> split_bound([3, 1]) == harmonic(2)
    True
    """
    count = len(widths)
    sizes = [integer(f"widths[{j}]", n, 1) for j, n in enumerate(widths)]
    if max(sizes, default=1) < 2:
        raise ParameterError(f"some layer must use at least 2 pages; got widths {list(widths)}")
    first = [laws(n)[0][0] for n in sizes]
    moves, lengths = [], []
    for start in range(count):
        order = [(start + d) % count for d in range(count)]
        # after step q l + r the first r layers of this order have drawn q + 1 times, the others q times
        done = [_mixed([first[j] for j in order], r) for r in range(count + 1)]
        sums = [law.series() / scale for law, scale in done]
        lengths.append(-sum(sums[:count], Fraction(0)) - 1)
        row = [Fraction(0)] * count
        for r in range(1, count + 1):
            row[order[r - 1]] = sums[r] - sums[r - 1]
        moves.append(row)
    weights = _stationary(moves)
    steps = sum((w * length for w, length in zip(weights, lengths, strict=True)), Fraction(0))
    return steps / (count * max(sizes))


@kinds()
def best_split(layers: int, experts: int, slots: int) -> tuple[Fraction, list[int]]:
    """Return the largest ``split_bound`` over all splits of ``slots + 1`` pages, and its widths.

    Examples
    --------
    >>> best_split(3, 5, 6)
    (Fraction(25, 12), [5, 1, 1])
    """
    k = slots_of(integer("layers", layers, 1), integer("experts", experts, 1), integer("slots", slots, 1))
    found = [(split_bound(widths), widths) for widths in splits(k + 1, layers, experts)]
    return max(found, key=lambda item: (item[0], item[1]))


def splits(pages: int, layers: int, most: int) -> Iterator[list[int]]:
    """Yield the ways to split pages over layers, 1 to ``most`` in each, in descending order."""
    if layers == 1:
        if 1 <= pages <= most:
            yield [pages]
        return
    for head in range(min(most, pages - layers + 1), math.ceil(pages / layers) - 1, -1):
        for rest in splits(pages - head, layers - 1, head):
            yield [head, *rest]


def _mixed(order: list[Law], ahead: int) -> tuple[Law, int]:
    law, scale = Law(1, {1: 1}), 1
    for d, part in enumerate(order):
        law = law.times(part.later() if d < ahead else part)
        scale *= part.base if d < ahead else 1
    return law, scale


def _stationary(moves: list[list[Fraction]]) -> list[Fraction]:
    """Return a stationary law of a Markov chain (any, if there are several)."""
    n = len(moves)
    rows = [[moves[i][j] - (i == j) for i in range(n)] + [Fraction(0)] for j in range(n - 1)]
    rows.append([Fraction(1)] * n + [Fraction(1)])
    for at in range(n):
        pivot = next((i for i in range(at, n) if rows[i][at]), None)
        if pivot is None:
            raise ParameterError("the chain of phase starts has several recurrent classes")
        rows[at], rows[pivot] = rows[pivot], rows[at]
        lead = rows[at][at]
        rows[at] = [x / lead for x in rows[at]]
        for i in range(n):
            if i != at and rows[i][at]:
                factor = rows[i][at]
                rows[i] = [x - factor * y for x, y in zip(rows[i], rows[at], strict=True)]
    return [row[n] for row in rows]
