"""A fixed split of the cache over layers has unbounded ratio.

Claim.    If l >= 2, k >= l + 1 and n >= floor(k / l) + 1, every policy whose slots are split over the layers in a
          fixed way has an unbounded ratio.
Evidence. Some layer has q <= floor(k / l) slots.  The sequence cycles over q + 1 of its pages and one page of each other
          layer.  For every size in the scope and every possible answer of every policy, the graph of (place in
          the cycle, pages held of that layer) has no cycle without a miss; the pages used fit into k slots.  The exact
          ratios of four policies per layer are unbounded, with certificates.
Control.  With only q pages in the cycle a policy escapes.
"""

from __future__ import annotations

from itertools import combinations

from layered_paging.claims import certified_ratio
from layered_paging.core.registry import register


@register(
    "claim",
    "fixed-partition",
    cites=("angelopoulos-marchal-obrecht-simon-2025",),
    statement="A fixed split of the cache over layers has unbounded ratio if",
    latex=r"l \ge 2,\; k \ge l + 1,\; n \ge \lfloor k/l \rfloor + 1",
    status="[text], hypothesis [derived]",
    evidence="exhaustive",
    scope={"small": "l <= 4, k <= 10, every answer", "full": "l <= 7, k <= 24, every answer"},
    control={"fewer": 1},
    breaks="a quota of",
    tight="adversary partition-breaker",
)
def fixed_partition(scope: str = "small", *, fewer: int = 0) -> str | None:
    """Return a size at which a split policy can stop missing, or the optimum cannot."""
    most_layers, most_slots = (4, 10) if scope == "small" else (7, 24)
    for layers in range(2, most_layers + 1):
        for slots in range(layers + 1, most_slots + 1):
            quota = slots // layers
            used = quota + 1 - fewer
            if used + layers - 1 > slots:
                return f"l = {layers}, k = {slots}: the pages of the sequence do not fit"
            if _escapes(quota, used):
                return f"l = {layers}, k = {slots}: a quota of {quota} holds a cycle of {used} pages"
    for policy in ("lru", "fifo", "llru", "mark-far"):
        for layers, experts, slots in ((2, 2, 3), (2, 3, 4), (2, 3, 5), (3, 2, 4)):
            if not certified_ratio(policy, layers=layers, experts=experts, slots=slots, pool="per-layer").unbounded:
                return f"{policy}, l = {layers}, n = {experts}, k = {slots}: bounded"
    return None


def _escapes(quota: int, used: int) -> bool:
    """Whether some policy with ``quota`` slots can go round ``used`` pages for ever without a miss from some time on."""
    caches = [frozenset(c) for c in combinations(range(used), min(quota, used))]
    # a hit leaves the cache as it is (lazy), so a turn without a miss keeps one cache throughout
    return any(all(page in cache for page in range(used)) for cache in caches)
