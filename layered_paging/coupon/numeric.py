"""Enclosures: large coupon collectors between two fractions, in fixed-point integers.

``F(t)`` is an alternating sum whose partial sums enclose it (Bonferroni). The terms are kept as
integers over ``2^bits``, multiplied step by step and rounded down.  So the error of each is bounded for
all times at once.  The times before and after the window that is summed are bounded by monotonicity.
A second road, ``occupancy_rounds``, runs the recurrence of the number of distinct coupons in floats.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from ..core.arguments import is_real, kinds
from ..core.instance import integer, shown
from ..errors import ParameterError
from .exact import slots_of
from .law import affordable, checked

__all__ = ["Comparison", "Enclosure", "compare", "enclose_rounds", "enclose_yao", "occupancy_rounds"]

MOST_DIGITS = 2000
MOST_EXPERTS, MOST_COLLECTORS = 1 << 17, 10**300
WHY = "the steps grow with it, and each holds as many numbers"


@dataclass(frozen=True)
class Enclosure:
    """A number known to lie between two fractions, both included."""

    lower: Fraction
    upper: Fraction

    @property
    def width(self) -> Fraction:
        """Upper minus lower."""
        return self.upper - self.lower

    def __float__(self) -> float:
        return float((self.lower + self.upper) / 2)

    def __contains__(self, value: Fraction | int) -> bool:
        return self.lower <= value <= self.upper

    def digits(self) -> str:
        """Return the decimal digits on which both ends agree."""
        places = 0
        while places < 200 and math.floor(self.lower * 10**places) == math.floor(self.upper * 10**places):
            places += 1
        places = max(places - 1, 0)
        whole, part = divmod(math.floor(self.lower * 10**places), 10**places)
        return f"{whole}.{part:0{places}d}..." if places else f"{whole}"


class _Window(NamedTuple):
    """F at ascending times: values over ``2^bits``, each off by at most ``error`` units."""

    start: int
    bits: int
    error: int
    values: Iterator[tuple[int, int]]  # (F(t), first Bonferroni term, rounded up)
    decay: Fraction  # by which the first term shrinks at each step


@kinds()
def enclose_rounds(
    experts: int, collectors: int = 1, *, draws: int = 1, replacement: bool = False, digits: int = 30
) -> Enclosure:
    """Enclose the expected rounds until all parallel collectors are complete.

    Parameters
    ----------
    experts, collectors, draws, replacement
        As for ``expected_rounds``; meant for sizes up to 10^4 experts and 10^3 collectors.
    digits : int
        Decimal places asked for, 1 to 2000; the width of the answer is below ``10^-digits``.

    Notes
    -----
    About ``experts * (ln collectors + 2.3 digits + 2 ln experts)`` steps, a few integer operations each.

    Examples
    --------
    >>> found = enclose_rounds(2, 2, digits=20)
    >>> found.digits()
    '3.6666666666666666666...'
    """
    n, size = integer("experts", experts, 1, MOST_EXPERTS, WHY), integer("collectors", collectors, 1, MOST_COLLECTORS)
    steps = _multipliers(n, integer("draws", draws, 1), replacement)
    window = _window(n, steps, size, integer("digits", digits, 1), per_step=1)
    one = 1 << window.bits
    slack = size * (window.error + 2)
    head = window.start
    low, high, last, t = 0, 0, 0, head
    for value, last in window.values:  # noqa: B007
        done = _power(value, size, window.bits)
        if t == head:
            # before the window 1 - F^l is at most 1, and at least what it is at its start
            high += head * one
            low += head * (one - done - slack)
        low += one - done - slack
        high += one - done + slack
        t += 1
    tail = Fraction(size * last, one) / (1 - window.decay)
    return Enclosure(Fraction(low, one), Fraction(high, one) + tail)


@kinds()
def enclose_yao(layers: int, experts: int, *, digits: int = 30) -> Enclosure:
    """Enclose ``yao_bound(layers, experts)``, slots being all pages but one.

    Examples
    --------
    >>> Fraction(3, 2) in enclose_yao(2, 2, digits=12)
    True
    """
    count, n = integer("layers", layers, 1, MOST_COLLECTORS), integer("experts", experts, 1, MOST_EXPERTS, WHY)
    slots_of(count, n, None)
    window = _window(n, _multipliers(n, 1, False), count, integer("digits", digits, 1), per_step=count)
    one = 1 << window.bits
    slack = 2 * count * count * (window.error + 2)
    head = window.start
    low, high, first = 0, 0, 0
    here: int | None = None
    for after, upper in window.values:
        if here is None:
            done = _power(after, count, window.bits)
            high += head * count * one
            low += head * count * (one - done - slack)
        else:
            done = (here * _geometric(after, here, count, window.bits)) >> window.bits
            low += count * one - done - slack
            high += count * one - done + slack
            first = upper
        here = after
    tail = Fraction(count * count * first, one) / (1 - window.decay) / window.decay
    scale = Fraction(1, count * n)
    return Enclosure((Fraction(low, one) - 1) * scale, (Fraction(high, one) + tail - 1) * scale)


class Comparison(NamedTuple):
    """The exact Yao bound of a shape beside what it is compared with (slots = all pages but one)."""

    layers: int
    experts: int
    yao: Enclosure
    harmonic_experts: float
    reported: float
    harmonic_slots: float


def compare(layers: int, experts: int, *, digits: int = 15) -> Comparison:
    """Return the Yao bound beside H_n, log(l) / (6 n) and H_k.

    Examples
    --------
    >>> found = compare(4, 4)
    >>> round(float(found.yao), 6), round(found.harmonic_slots, 6)
    (2.964685, 3.318229)
    """
    import mpmath

    layers, experts = integer("layers", layers, 1, MOST_COLLECTORS), integer("experts", experts, 1, MOST_EXPERTS, WHY)
    yao = enclose_yao(layers, experts, digits=digits)
    reported = math.log(layers) / (6 * experts)
    of_experts, of_slots = (float(mpmath.harmonic(m)) for m in (experts, layers * experts - 1))
    return Comparison(layers, experts, yao, of_experts, reported, of_slots)


def occupancy_rounds(experts: int, collectors: int = 1, *, tolerance: float = 1e-13) -> tuple[float, float]:
    """Return (expected rounds, bound on its error) by the occupancy recurrence in double precision.

    Notes
    -----
    ``P_{t+1}(j) = P_t(j) j / n + P_t(j-1) (n-j+1) / n``: sums of positive terms, so after t steps the relative
    error of each entry is at most about ``4 t`` units in the last place.  Entries below 1e-280 are cut off
    and counted in the error.

    Examples
    --------
    >>> value, error = occupancy_rounds(2, 2)
    >>> abs(value - 11 / 3) < error < 1e-10
    True
    """
    n, size = integer("experts", experts, 1, MOST_EXPERTS, WHY), integer("collectors", collectors, 1, MOST_COLLECTORS)
    if not is_real(tolerance) or not 1e-15 <= tolerance < 1:
        raise ParameterError(
            f"must be in 1e-15..1, what doubles can reach; got {shown(tolerance)}", parameter="tolerance"
        )
    stay = np.arange(n + 1) / n
    come = np.arange(n + 1, 0, -1) / n
    law = np.zeros(n + 1)
    law[0] = 1.0
    low, high, t, value, weighted = 0, 0, 0, 0.0, 0.0
    while True:
        missing = float(law[low : min(high, n - 1) + 1].sum()) if low < n else 0.0
        rest = 1.0 if missing >= 1.0 else -math.expm1(size * math.log1p(-missing))
        value += rest
        weighted += rest * t
        if rest < tolerance / n and t > n:
            break
        top = min(high + 1, n)
        part = law[low : top + 1]
        moved = part * stay[low : top + 1]
        moved[1:] += part[:-1] * come[low + 1 : top + 1]
        law[low : top + 1] = moved
        high = top
        while low < high and law[low] < 1e-280:
            low += 1
        t += 1
    unit = float(np.finfo(float).eps)
    error = unit * (5 * weighted + (n + t) * value) + (tolerance + 1e-279 * t * size) * 2
    return value, error


def _multipliers(n: int, draws: int, replacement: bool) -> list[tuple[int, int]]:
    """Return by what the i-th Bonferroni term is multiplied at each round, as (numerator, denominator)."""
    affordable("draws", draws, n * draws * n.bit_length() if replacement else 0)
    if replacement or draws == 1:
        return [((n - i) ** draws, n**draws) for i in range(n + 1)]
    checked(n, 1, draws=draws, replacement=False, probabilities=None)
    whole = math.comb(n, draws)
    row = [(math.comb(n - i, draws) if n - i >= draws else 0, whole) for i in range(n + 1)]
    return [(a // math.gcd(a, b), b // math.gcd(a, b)) for a, b in row]


def _window(n: int, steps: list[tuple[int, int]], size: int, digits: int, *, per_step: int) -> _Window:
    import mpmath

    if digits > MOST_DIGITS:
        raise ParameterError(
            f"must be 1..{MOST_DIGITS}: the time grows with their square; got {digits}", parameter="digits"
        )
    decay = Fraction(*steps[1])
    rate = -math.log(decay) if decay else math.inf
    span = math.log(10) * (digits + 2) + 3 * math.log(n * size * per_step + 2)
    # before the window the last collector is done with probability below about e^-span
    start = max(0, math.floor((math.log(n) - math.log(span / size)) / rate) - 1) if rate < math.inf else 0
    bits = math.ceil(span / math.log(2)) + 2 * (n * size * per_step * 4 + 8).bit_length() + 16
    with mpmath.workprec(bits + 400):
        terms: list[int] = []
        for i, (a, b) in enumerate(steps):
            term = mpmath.binomial(n, i) * mpmath.power(mpmath.mpf(a) / b, start)
            terms.append(int(mpmath.floor(mpmath.ldexp(term, bits))))
            if terms[-1] == 0:
                break
    # a term is off by at most 2 units at first, and by 1 / (1 - multiplier) units ever after
    error = 4 + sum(max(2, -(-b // (b - a))) for a, b in steps[1 : len(terms)])
    stop = max(1, (1 << bits) // (10 ** (digits + 1) * size * size * n * 4))
    return _Window(start, bits, error, _values(terms, steps, stop, 1 << bits), decay)


def _values(terms: list[int], steps: list[tuple[int, int]], stop: int, one: int) -> Iterator[tuple[int, int]]:
    """Yield F at each time of the window; the last value comes where the first term is below ``stop``."""
    pairs = list(steps[: len(terms)])
    slack = -(-pairs[1][1] // (pairs[1][1] - pairs[1][0])) + 2 if len(pairs) > 1 else 2
    while True:
        value = min(one, max(0, sum(terms[::2]) - sum(terms[1::2])))
        upper = (terms[1] if len(terms) > 1 else 0) + slack
        yield value, upper
        if upper - slack <= stop:
            return
        terms = [x * a // b for x, (a, b) in zip(terms, pairs, strict=False)]
        while len(terms) > 2 and terms[-1] == 0:
            terms.pop()


def _power(x: int, exponent: int, bits: int) -> int:
    """Return x^exponent in fixed point, rounded down at each step."""
    result = 1 << bits
    for bit in bin(exponent)[2:]:
        result = (result * result) >> bits
        if bit == "1":
            result = (result * x) >> bits
    return result


def _geometric(x: int, y: int, count: int, bits: int) -> int:
    """Return ``sum over r < count of x^r y^(count-1-r)`` in fixed point."""
    one = 1 << bits
    result, xs, ys = 0, one, one
    for bit in bin(count)[2:]:
        result = (result * (xs + ys)) >> bits
        xs, ys = (xs * xs) >> bits, (ys * ys) >> bits
        if bit == "1":
            result = ((result * y) >> bits) + xs
            xs, ys = (xs * x) >> bits, (ys * y) >> bits
    return result
