"""Limit laws of coupon collectors; ``numeric`` measures how far they are off."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..core.arguments import is_real, kinds
from ..core.instance import integer, shown
from ..errors import ParameterError

__all__ = ["gumbel_cdf", "gumbel_mean", "many_collectors", "poissonised"]

MOST = 10**300  # what a float still holds
EULER = 0.57721566490153286060651209008240243


@kinds()
def gumbel_cdf(t: float, experts: int, collectors: int = 1) -> float:
    """Return ``exp(-e^-c)`` with ``t = n ln n + n ln l + c n``: the limit of ``cdf`` for large n.

    The law of erdos-renyi-1961, to the power of the number of collectors.
    """
    n, size = integer("experts", experts, 1, MOST), integer("collectors", collectors, 1, MOST)
    c = t / n - math.log(n) - math.log(size)
    return math.exp(-math.exp(-c)) if c > -700 else 0.0


@kinds()
def gumbel_mean(experts: int, collectors: int = 1) -> float:
    """Return ``n ln n + n ln l + gamma n + 1/2``: the mean of the limit law, with the half round of l = 1.

    Examples
    --------
    >>> round(gumbel_mean(1000), 3), round(poissonised(1000), 3)
    (7485.471, 7485.471)
    """
    n, size = integer("experts", experts, 1, MOST), integer("collectors", collectors, 1, MOST)
    return n * (math.log(n) + math.log(size) + EULER) + 0.5


@kinds()
def poissonised(experts: int, collectors: int = 1, *, probabilities: Sequence[float] | None = None) -> float:
    """Return the expected time when each collector draws at the times of a Poisson process of rate 1.

    Equal probabilities: ``n H_{n l}`` exactly.  Unequal (the same for all collectors): the integral of
    ``1 - prod_i (1 - e^(-p_i t))^l`` (flajolet-gardy-thimonier-1992).  For one collector this is the expected
    number of rounds itself; for several it is larger (n = l = 2: 25/6 against 11/3).

    Examples
    --------
    >>> round(poissonised(2, 2), 12) == round(25 / 6, 12)
    True
    """
    n, size = integer("experts", experts, 1, MOST), integer("collectors", collectors, 1, MOST)
    import mpmath

    if probabilities is None:
        return float(n * mpmath.harmonic(n * size))
    values = [mpmath.mpf(float(p)) if is_real(p) else mpmath.mpf(0) for p in probabilities]
    if len(values) != n or min(values) <= 0 or abs(sum(values) - 1) > 1e-12:
        raise ParameterError(
            f"must be {n} positive numbers that sum to 1; got {shown(list(probabilities))}", parameter="probabilities"
        )

    def missing(t: mpmath.mpf) -> mpmath.mpf:
        return 1 - mpmath.fprod((1 - mpmath.exp(-p * t)) ** size for p in values)

    slow = 1 / min(values)
    knots = [0, *sorted({float(1 / p) for p in values}), float(slow * (3 + math.log(n * size))), mpmath.inf]
    return float(mpmath.quad(missing, knots))


@kinds()
def many_collectors(experts: int, collectors: int) -> float:
    """Return ``ln(n l) / (-ln(1 - 1/n))``: the leading term for fixed n >= 2 and many collectors.

    The difference to the expectation stays bounded but oscillates with ``ln l``: it has no limit.
    """
    n, size = integer("experts", experts, 2, MOST), integer("collectors", collectors, 1, MOST)
    return math.log(n * size) / -math.log1p(-1 / n)
