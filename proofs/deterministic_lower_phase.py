"""The counting behind k - l + 1, for all l and k.

Claim.    In a k-phase of the layered cruel adversary every deterministic policy misses at least k - l + 1 times.
Evidence. Let D be the distinct pages of the phase so far, M the misses, W the layers visited, F the layers whose
          first visit in the phase was a hit.  A miss adds at most one page; a hit in a layer visited before repeats a
          page of the phase; a hit at a first visit adds at most one page and one to F.  The phase starts with a miss.
          The invariant D <= M + F, F <= W - 1, W <= l is inductive, and at D = k it gives M >= k - l + 1: discharged
          by z3 for all integers.  That the adversary's steps are of these three kinds is what
          ``deterministic-lower`` explores state by state.
Control.  k - l + 2.
"""

from __future__ import annotations

from layered_paging.claims import counter_model, solver
from layered_paging.core.registry import register


@register(
    "claim",
    "deterministic-lower-phase",
    cites=("angelopoulos-marchal-obrecht-simon-2025",),
    statement="Counting in a phase, from the second phase on, where k + 1 <= l n: at most one page of a phase in each other layer comes without a miss (the theorem itself is claim `theorem-deterministic-lower`), so",
    latex=r"D \le M + F,\; F \le l - 1 \Rightarrow M \ge k - l + 1 \text{ when } D = k",
    status="[derived]",
    evidence="step",
    scope={"small": "all l, k (linear integer arithmetic)", "full": "all l, k (linear integer arithmetic)"},
    control={"extra": 1},
    breaks="end: ",
)
def deterministic_lower_phase(scope: str = "small", *, extra: int = 0) -> str | None:
    """Return a model that breaks the induction, or None."""
    z3 = solver()
    d, m, f, w, layers, slots = z3.Ints("D M F W l k")
    d2, m2, f2, w2 = z3.Ints("D2 M2 F2 W2")

    def invariant(d_: object, m_: object, f_: object, w_: object) -> object:
        return z3.And(d_ <= m_ + f_, f_ <= w_ - 1, w_ <= layers, f_ >= 0, m_ >= 1)  # type: ignore[operator]

    sizes = [layers >= 1, slots >= layers]
    first_visit = z3.And(w < layers, w2 == w + 1)
    again = w2 == w
    miss = z3.And(m2 == m + 1, f2 == f, d2 <= d + 1, z3.Or(first_visit, again))
    hit_first = z3.And(m2 == m, f2 == f + 1, d2 <= d + 1, first_visit)
    hit_again = z3.And(m2 == m, f2 == f, d2 == d, again)
    return (
        counter_model(
            "start",
            sizes,
            z3.substitute(
                invariant(d, m, f, w), (d, z3.IntVal(1)), (m, z3.IntVal(1)), (f, z3.IntVal(0)), (w, z3.IntVal(1))
            ),
        )
        or counter_model(
            "step", [*sizes, invariant(d, m, f, w), z3.Or(miss, hit_first, hit_again)], invariant(d2, m2, f2, w2)
        )
        or counter_model("end", [*sizes, invariant(d, m, f, w), d == slots], m >= slots - layers + 1 + extra)
    )
