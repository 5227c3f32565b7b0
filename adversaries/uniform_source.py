"""The uniform layered source: an independent uniform page of each layer, over k + 1 pages in all.

A phase of the optimum lasts until every page was requested: the time of parallel coupon collectors.  A
policy that knows the source still misses once in max width rounds.  By Yao's principle every randomized policy
has at least this ratio; ``coupon.yao_bound`` computes it exactly.
"""

from __future__ import annotations

from layered_paging import coupon
from layered_paging.adversary import require, spread
from layered_paging.adversary.table import Adversary
from layered_paging.core.registry import register
from layered_paging.policies.stream import Stream


@register(
    "adversary",
    "uniform-source",
    cites=("angelopoulos-marchal-obrecht-simon-2025", "yao-1977"),
    kind="random",
    against="any",
    forces="coupon.yao_bound(l, n, k), in expectation",
    bound=lambda layers, experts, slots: coupon.yao_bound(layers, experts, slots),
    sizes=((1, 4, 3), (2, 3, 5), (3, 3, 6)),
)
def uniform_source(*, layers: int, experts: int, slots: int, rng: Stream) -> Adversary:
    """Request a uniform page of each layer's share of the k + 1 pages."""
    where = {"layers": layers, "experts": experts, "slots": slots}
    require("uniform-source", experts >= 2, "n >= 2", **where)
    require("uniform-source", slots >= layers, "k >= l", **where)
    require("uniform-source", slots + 1 <= layers * experts, "k + 1 <= l * n", **where)
    pages = spread(layers, experts, slots + 1)
    while True:
        for row in pages:
            yield row[rng.below(len(row))]
