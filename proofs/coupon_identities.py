"""The identities of coupon collectors, proved symbolically for all n (see ``layered_paging.coupon.identities``).

Control.  Each identity shifted by one leaves an expression that is not zero; for the waits both the mean and the variance do.
"""

from __future__ import annotations

from layered_paging import coupon
from layered_paging.core.registry import register


@register(
    "claim",
    "coupon-identities",
    cites=("flajolet-gardy-thimonier-1992", "stadje-1990"),
    statement="Mean and variance of one collector, the alternating sum, the Poissonised maximum, and the identity behind the law of distinct draws; sympy reduces each step, the induction is on paper:",
    latex=r"E[T] = n H_n,\; \mathrm{Var}[T] = n^2 \sum i^{-2} - n H_n,\; \sum_i (-1)^{i+1} \tbinom{n}{i} \tfrac{1}{i} = H_n,\; \int_0^\infty 1 - (1 - e^{-t/n})^{nl} dt = n H_{nl}",
    status="[classical]",
    evidence="step",
    scope={"small": "all positive integers n, m, l (sympy)", "full": "all positive integers n, m, l (sympy)"},
    control={"shift": 1},
    breaks="not zero: harmonic-sum, waits, poissonised-max, distinct-draws",
)
def coupon_identities(scope: str = "small", *, shift: int = 0) -> str | None:
    """Return the names of identities with a residual that is not zero; for the control all must fail."""
    failed = [identity.name for identity in coupon.identities() if not identity.holds(shift)]
    waits = next(identity for identity in coupon.identities() if identity.name == "waits")
    if shift and 0 in waits.residuals(shift):
        return "a control that does not reach mean and variance"
    if shift and len(failed) < len(coupon.identities()):
        return None
    return f"not zero: {', '.join(failed)}" if failed else None


@register(
    "claim",
    "coupon-exact",
    cites=("erdos-renyi-1961", "flajolet-gardy-thimonier-1992"),
    statement="The exact series, the fixed-point enclosure and the occupancy recurrence agree for l parallel collectors.",
    latex=r"E[\max_j T_j] = \sum_{t \ge 0} (1 - F_n(t)^l)",
    status="[classical]",
    evidence="exhaustive",
    scope={"small": "n, l <= 5", "full": "n <= 9, l <= 5"},
    control={"extra": 1},
    breaks="the roads differ",
)
def coupon_exact(scope: str = "small", *, extra: int = 0) -> str | None:
    """Return a size at which two of the three roads disagree."""
    ns, ls = (range(1, 6), range(1, 6)) if scope == "small" else (range(1, 10), range(1, 6))
    for n in ns:
        for collectors in ls:
            exact = coupon.expected_rounds(n, collectors + extra)
            value, error = coupon.occupancy_rounds(n, collectors)
            if exact not in coupon.enclose_rounds(n, collectors, digits=20) or abs(value - float(exact)) > error:
                return f"the roads differ: n = {n}, l = {collectors}: {exact}"
    return None
