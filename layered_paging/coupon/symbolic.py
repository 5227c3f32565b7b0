"""Identities of coupon collectors, each reduced to expressions that sympy simplifies to zero.

Each identity is proved for all positive integers n by induction: a start, and a step whose ingredients
are identities between binomials, simplified symbolically.  Nothing here is checked at sample values.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Identity", "identities"]


@dataclass(frozen=True)
class Identity:
    """A statement for all positive integers, and the expressions that must vanish for it to hold.

    Attributes
    ----------
    name, latex : str
    argument : str
        How the vanishing expressions prove the statement.
    residuals : callable
        ``residuals(shift=0)`` returns the simplified expressions; a wrong statement (shift != 0)
        leaves one that is not zero.
    """

    name: str
    latex: str
    argument: str
    residuals: Callable[..., list[Any]]

    def holds(self, shift: int = 0) -> bool:
        """Return whether every residual is zero."""
        return all(residual == 0 for residual in self.residuals(shift))


def _harmonic_sum(shift: int = 0) -> list[Any]:
    import sympy as sp

    n, i = sp.symbols("n i", integer=True, positive=True)
    c = sp.binomial
    start = c(1, 1) - sp.harmonic(1) - shift
    pascal = c(n + 1, i) - c(n, i) - c(n, i - 1)
    absorb = c(n, i - 1) / i - c(n + 1, i) / (n + 1 + shift)
    # (-1)^i C(n+1, i) = (-1)^i C(n, i) - (-1)^(i-1) C(n, i-1) telescopes between C(n, 0) = 1 and C(n, n+1) = 0
    ends = [c(n, 0) - 1, c(n, n + 1)]
    return [sp.simplify(sp.gammasimp(x.rewrite(sp.gamma))) for x in (start, pascal, absorb, *ends)]


def _waits(shift: int = 0) -> list[Any]:
    import sympy as sp

    n, i = sp.symbols("n i", integer=True, positive=True)
    p = sp.Symbol("p", positive=True)
    x = sp.Symbol("x")
    # mean and variance of a geometric wait from its generating function, at p = (n-i+1)/n
    generating = p * x / (1 - (1 - p) * x)
    mean = sp.diff(generating, x).subs(x, 1)
    second = sp.diff(generating, x, 2).subs(x, 1)
    spread = second + mean - mean**2
    q = (n - i + 1) / n
    total_mean = sp.simplify(mean.subs(p, q) - n / (n - i + 1 + shift))
    total_variance = sp.simplify(spread.subs(p, q) - (n**2 / (n - i + 1) ** 2 - n / (n - i + 1 + shift)))
    return [total_mean, total_variance]


def _poissonised(shift: int = 0) -> list[Any]:
    import sympy as sp

    m = sp.Symbol("m", integer=True, positive=True)
    u = sp.Symbol("u", positive=True)
    # integral of 1 - (1 - e^-t)^m = integral over u in (0, 1) of (1 - u^m)/(1 - u) = H_m: step and start
    step = sp.simplify((1 - u ** (m + 1)) / (1 - u) - (1 - u**m) / (1 - u) - u**m)
    area = sp.integrate(u**m, (u, 0, 1)) - 1 / (m + 1 + shift)
    start = sp.integrate(sp.Integer(1), (u, 0, 1)) - 1
    return [step, sp.simplify(area), start]


def _without_replacement(shift: int = 0) -> list[Any]:
    import sympy as sp

    n, m, i = sp.symbols("n m i", integer=True, positive=True)
    c = sp.binomial
    # one draw: C(n-i, 1) / C(n, 1) = 1 - i/n; and symmetry of the chance to miss i given coupons
    one = sp.simplify((c(n - i, 1) / c(n, 1)).expand(func=True) - (1 - (i + shift) / n))
    swap = sp.gammasimp((c(n - i, m) * c(n, i) - c(n - m, i) * c(n, m)).rewrite(sp.gamma))
    return [one, swap]


def identities() -> list[Identity]:
    """Return the identities that are proved symbolically.

    Examples
    --------
    >>> all(identity.holds() and not identity.holds(shift=1) for identity in identities())
    True
    """
    return [
        Identity(
            "harmonic-sum",
            r"\sum_{i=1}^n (-1)^{i+1} \binom{n}{i} \frac1i = H_n",
            "Induction over n: by Pascal's rule the sum grows by sum (-1)^(i+1) C(n, i-1) / i, which by absorption is "
            "1/(n+1) times an alternating row sum of binomials, and that telescopes to 1.",
            _harmonic_sum,
        ),
        Identity(
            "waits",
            r"E[T] = n H_n,\quad \mathrm{Var}[T] = n^2 \sum_{i=1}^n i^{-2} - n H_n",
            "T is a sum of independent geometric waits with success (n-i+1)/n; their means and variances follow from "
            "the generating function.",
            _waits,
        ),
        Identity(
            "poissonised-max",
            r"\int_0^\infty 1 - (1 - e^{-t/n})^{n l} \, dt = n H_{n l}",
            "Substitute u = 1 - e^(-t/n): the integral is n times that of (1 - u^m)/(1 - u) over (0, 1) with m = n l; "
            "induction over m.",
            _poissonised,
        ),
        Identity(
            "distinct-draws",
            r"\binom{n-i}{m} \binom{n}{i} = \binom{n-m}{i} \binom{n}{m}",
            "Both sides count pairs of disjoint sets of sizes i and m; for m = 1 the chance to miss i given coupons is "
            "1 - i/n.",
            _without_replacement,
        ),
    ]
