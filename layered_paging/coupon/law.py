"""The law of a collector as a sum of exponentials with integer coefficients.

``P(complete within t rounds) = sum over (a, c) of c (a / base)^t``: sums, products and
series of such laws stay of this kind, so every expectation below is an exact fraction.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ..core.instance import integer, shown
from ..errors import ParameterError

__all__ = ["BITS", "TERMS", "Law", "affordable", "checked", "laws", "product", "total"]

TERMS = 6000  # distinct terms of a law at the most: beyond this use the enclosures
BITS = 1 << 33  # bits of all integers of an exact answer at the most: 1 GiB


def affordable(parameter: str, value: int, bits: int, most: int = BITS) -> None:
    """Raise ``ParameterError`` where the integers of an exact answer would take more than ``most`` bits."""
    if bits > most:
        raise ParameterError(
            f"is too large for an exact answer: its integers would take about 2^{bits.bit_length() - 1} bits, "
            f"and at most 2^{most.bit_length() - 1} are tried; got {shown(value)}",
            parameter=parameter,
        )


@dataclass(frozen=True)
class Law:
    """``F(t) = sum over (a, c) of c (a / base)^t`` for t = 0, 1, ..., with ``0^0 = 1``.

    Attributes
    ----------
    base : int
    terms : mapping of int to int
        Coefficient of each power; ``a = base`` has coefficient 1 in a distribution function.
    """

    base: int
    terms: Mapping[int, int]

    def at(self, t: int) -> Fraction:
        """Return F(t)."""
        affordable("t", t, len(self.terms) * t * (self.base - 1).bit_length())
        return Fraction(sum(c * a**t for a, c in self.terms.items()), self.base**t)

    def later(self) -> Law:
        """Return base times F(t + 1), as a law in t."""
        return Law(self.base, {a: c * a for a, c in self.terms.items() if a})

    def times(self, other: Law) -> Law:
        """Return the product of two laws."""
        terms: dict[int, int] = {}
        for a, c in self.terms.items():
            for b, d in other.terms.items():
                terms[a * b] = terms.get(a * b, 0) + c * d
        if len(terms) > TERMS:
            raise ParameterError(
                f"the exact value needs more than {TERMS} terms here; use coupon.enclose_rounds or coupon.enclose_yao"
            )
        return Law(self.base * other.base, {a: c for a, c in terms.items() if c})

    def scaled(self, factor: int) -> Law:
        """Return factor times the law."""
        return Law(self.base, {a: c * factor for a, c in self.terms.items()})

    def plus(self, other: Law) -> Law:
        """Return the sum of two laws of one base."""
        terms = dict(self.terms)
        for a, c in other.terms.items():
            terms[a] = terms.get(a, 0) + c
        return Law(self.base, {a: c for a, c in terms.items() if c})

    def series(self, *, moment: int = 0) -> Fraction:
        """Return ``sum over t >= 0`` of all terms but the constant one, times (2 t + 1) if ``moment`` is 1."""
        parts = []
        for a, c in self.terms.items():
            if a != self.base:
                gap = self.base - a
                parts.append((c * self.base, gap) if not moment else (c * self.base * (self.base + a), gap * gap))
        return total(parts)


def total(parts: Sequence[tuple[int, int]]) -> Fraction:
    """Add fractions given as (numerator, denominator) in a balanced tree, reducing once."""
    rest = list(parts) or [(0, 1)]
    while len(rest) > 1:
        pairs = zip(rest[::2], rest[1::2], strict=False)
        joined = [(a * d + c * b, b * d) for (a, b), (c, d) in pairs]
        rest = joined + rest[len(rest) & ~1 :]
    return Fraction(*rest[0])


def laws(
    experts: int,
    collectors: int = 1,
    *,
    draws: int = 1,
    replacement: bool = False,
    probabilities: Sequence[Any] | None = None,
) -> list[tuple[Law, int]]:
    """Return the distinct laws of the collectors, each with the number of collectors that have it.

    Raises
    ------
    ParameterError
        A size is out of range. More draws than experts without replacement. Probabilities that
        are not one per expert, not positive, or do not sum to 1.
    """
    rows = checked(experts, collectors, draws=draws, replacement=replacement, probabilities=probabilities)
    n, m, size = int(experts), int(draws), int(collectors)
    if rows is not None:
        found: dict[tuple[Fraction, ...], int] = {}
        for row in rows:
            affordable("draws", m, n * m * n.bit_length())
            key = tuple(sorted(row))
            found[key] = found.get(key, 0) + (size if len(rows) == 1 else 1)
        return [(_power(_unequal(key), m), count) for key, count in found.items()]
    affordable("experts", n, n * n)
    affordable("draws", m, n * m * n.bit_length() if replacement else 0)
    if replacement or m == 1:
        return [(_power(Law(n, {n - i: (-1) ** i * math.comb(n, i) for i in range(n + 1)}), m), size)]
    terms: dict[int, int] = {}
    for i in range(n + 1):
        a = math.comb(n - i, m)
        terms[a] = terms.get(a, 0) + (-1) ** i * math.comb(n, i)
    return [(Law(math.comb(n, m), {a: c for a, c in terms.items() if c}), size)]


def checked(
    experts: int, collectors: int, *, draws: int, replacement: bool, probabilities: Sequence[Any] | None
) -> list[list[Fraction]] | None:
    """Check the parameters of a collector; return the probabilities (one row for all, or one each), or None."""
    n = integer("experts", experts, 1)
    m, size = integer("draws", draws, 1), integer("collectors", collectors, 1)
    if probabilities is None:
        if m > n and not replacement:
            raise ParameterError(
                f"without replacement must be at most the {n} experts; got {shown(m)}", parameter="draws"
            )
        return None
    if m > 1 and not replacement:
        raise ParameterError(
            "must be None for draws without replacement, which are uniform; unequal ones need replacement=True",
            parameter="probabilities",
        )
    nested = bool(len(probabilities)) and isinstance(probabilities[0], (list, tuple))
    if nested and len(probabilities) != size:
        raise ParameterError(
            f"must be one list for each of {size} collectors; got {len(probabilities)}", parameter="probabilities"
        )
    return [_probabilities(items, n) for items in (probabilities if nested else [probabilities])]


def product(parts: Iterable[tuple[Law, int]]) -> Law:
    """Return the law of the last of independent collectors."""
    law = Law(1, {1: 1})
    for part, count in parts:
        for name, size in (("experts", len(part.terms) - 1), ("collectors", count)):
            if size > TERMS:
                raise ParameterError(
                    f"must be at most {TERMS}: the exact value has as many terms; got {shown(size)} (use coupon.enclose_rounds)",
                    parameter=name,
                )
        for _ in range(count):
            law = law.times(part)
    return law


def _power(law: Law, draws: int) -> Law:
    """Return the law in rounds of ``draws`` draws each, with replacement."""
    return law if draws == 1 else Law(law.base**draws, {a**draws: c for a, c in law.terms.items()})


def _probabilities(items: Sequence[Any], n: int) -> list[Fraction]:
    try:
        values = [Fraction(item) for item in items]
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        raise ParameterError(
            f"must be fractions such as '1/3'; got {shown(items)}", parameter="probabilities"
        ) from None
    if len(values) != n or min(values) <= 0:
        raise ParameterError(
            f"must be {n} positive numbers, one an expert; got {list(map(str, values))}", parameter="probabilities"
        )
    if sum(values) != 1:
        raise ParameterError(
            f"must sum to exactly 1 (use fractions, not floats); got a sum of {sum(values)}", parameter="probabilities"
        )
    return values


def _unequal(values: Sequence[Fraction]) -> Law:
    base = math.lcm(*(p.denominator for p in values))
    terms = {base: 1}
    for p in values:
        step = int(p * base)
        for a, c in list(terms.items()):
            terms[a - step] = terms.get(a - step, 0) - c
        if len(terms) > TERMS:
            raise ParameterError(
                f"these probabilities have more than {TERMS} distinct subset sums; use coupon.simulate"
            )
    return Law(base, {a: c for a, c in terms.items() if c})
