"""MARK-FAR attains k - l + 1 where k + 1 = l n.

Evidence. ``mark-far``: the exact ratio at each size in the scope, with its certificate.
          ``mark-far-phase``: the counting for all sizes.  A phase opens with a miss in layer i; the other pages of layer i
          are in the cache and unmarked (k + 1 = l n: only one page is absent), one of them is evicted, so the next l - 1
          requests hit and mark l - 1 new pages; later each miss marks a new page.  With D marked pages, M misses and t steps
          of the phase, the invariant D >= M + min(t, l) - 1 is inductive, and a phase marks k pages.
Control.  k - l.
"""

from __future__ import annotations

from layered_paging.claims import certified_ratio, counter_model, solver
from layered_paging.core.registry import register


@register(
    "claim",
    "mark-far",
    cites=("irani-karlin-phillips-1996",),
    statement="If k + 1 = l n and n >= 2, MARK-FAR (farthest layer first, ties to the least recently used) has ratio",
    latex=r"r(\text{MARK-FAR}) = k - l + 1",
    status="[derived]",
    evidence="certificate",
    scope={"small": "l n <= 8", "full": "l n <= 9"},
    control={"less": 1},
    breaks="not k - l + 1",
    tight="deterministic-lower",
)
def mark_far(scope: str = "small", *, less: int = 0) -> str | None:
    """Return a size at which the exact ratio is another."""
    small = ((1, 2), (1, 3), (2, 2), (3, 2), (2, 3), (4, 2), (2, 4), (1, 5))
    for layers, experts in small if scope == "small" else (*small, (3, 3)):
        slots = layers * experts - 1
        value = certified_ratio("mark-far", layers=layers, experts=experts, slots=slots).value
        if value != slots - layers + 1 - less:
            return f"not k - l + 1: l = {layers}, n = {experts}, k = {slots}: {value}"
    return None


@register(
    "claim",
    "mark-far-phase",
    cites=("irani-karlin-phillips-1996",),
    statement="Counting in a phase of MARK-FAR at k + 1 = l n, for all sizes:",
    latex=r"D \ge M + \min(t, l) - 1,\; D \le k,\; t \ge l \Rightarrow M \le k - l + 1",
    status="[derived]",
    evidence="step",
    scope={"small": "all l, k (linear integer arithmetic)", "full": "all l, k (linear integer arithmetic)"},
    control={"less": 1},
    breaks="end: ",
)
def mark_far_phase(scope: str = "small", *, less: int = 0) -> str | None:
    """Return a model that breaks the induction, or None."""
    z3 = solver()
    d, m, t, d2, m2, t2, layers, slots = z3.Ints("D M t D2 M2 t2 l k")
    # k + 1 = l n with n >= 2 gives k >= 2 l - 1: a phase outlasts its first turn
    sizes = [layers >= 1, slots >= 2 * layers - 1]

    def invariant(d_: object, m_: object, t_: object) -> object:
        return z3.And(d_ >= m_ + z3.If(t_ < layers, t_, layers) - 1, m_ >= 1, t_ >= 1, d_ <= slots)  # type: ignore[operator]

    opening = z3.And(t < layers, m2 == m, d2 == d + 1)
    miss = z3.And(t >= layers, m2 == m + 1, d2 == d + 1)
    hit = z3.And(t >= layers, m2 == m, d2 >= d, d2 <= d + 1)
    start = z3.substitute(invariant(d, m, t), (d, z3.IntVal(1)), (m, z3.IntVal(1)), (t, z3.IntVal(1)))
    step = [*sizes, invariant(d, m, t), t2 == t + 1, d2 <= slots, z3.Or(opening, miss, hit)]
    end = [*sizes, invariant(d, m, t), t >= layers]
    return (
        counter_model("start", sizes, start)
        or counter_model("step", step, invariant(d2, m2, t2))
        or counter_model("end", end, m <= slots - layers + 1 - less)
    )
