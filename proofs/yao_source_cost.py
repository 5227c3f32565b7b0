"""No policy misses less than once in max n_j rounds of the uniform source.

Claim.    On the uniform source over n_j pages of layer j, k + 1 in all, every deterministic (or randomized) policy misses
          at least 1 / N per round on average, N = max n_j.
Evidence. Let d be the steps until the layer of the absent page is served next.  The potential -d / (l N) satisfies
          cost + E[next] - here >= 1 / (l N) at each step for every choice of the victim (whose d' is at most l - 1):
          discharged by z3 for all l, n_j <= N and d.  Averaging over steps gives the claim.
Control.  1001/1000 of that rate: the step at which the layer of the absent page is served must refute it.
"""

from __future__ import annotations

from fractions import Fraction

from layered_paging.claims import counter_model, solver
from layered_paging.core.registry import register


@register(
    "claim",
    "yao-source-cost",
    cites=("yao-1977",),
    statement="On the uniform source every policy misses at least once in max n_j rounds:",
    latex=r"\liminf_T \frac{1}{T} E[\text{misses in } T \text{ rounds}] \ge \frac{1}{\max_j n_j}",
    status="[derived]",
    evidence="step",
    scope={"small": "all l, n_j (real arithmetic)", "full": "all l, n_j (real arithmetic)"},
    control={"factor": Fraction(1001, 1000)},
    breaks="served: ",
)
def yao_source_cost(scope: str = "small", *, factor: Fraction = Fraction(1)) -> str | None:
    """Return a model that breaks the potential inequality, or None."""
    z3 = solver()
    layers, width, widest, d, moved = z3.Reals("l n N d e")
    # everything is multiplied by l N: the potential is -d, the rate is 1, a miss costs l N
    sizes = [layers >= 1, width >= 1, widest >= width]
    rate = z3.Q(factor.numerator, factor.denominator)
    waiting = counter_model("waiting", [*sizes, d >= 1, d <= layers - 1], -(d - 1) + d >= 1)
    # at d = 0: with probability 1/n a miss, then any victim, 0 <= e <= l - 1; else the layer comes back after l - 1
    stay = -(layers - 1)
    served = layers * widest + (-moved) + (width - 1) * stay >= rate * width
    return waiting or counter_model("served", [*sizes, moved >= 0, moved <= layers - 1], served)
