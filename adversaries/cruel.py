"""The cruel adversary of classical paging: always request the page that is not there.

One layer, k + 1 pages.  A deterministic policy misses at every request; the optimum at most once in k
requests after its first k, so the ratio is at least k.
"""

from __future__ import annotations

from fractions import Fraction

from layered_paging.adversary import require
from layered_paging.adversary.table import Adversary
from layered_paging.core.registry import register


@register(
    "adversary",
    "cruel",
    cites=("sleator-tarjan-1985",),
    kind="adaptive",
    against="deterministic",
    forces="k",
    bound=lambda layers, experts, slots: Fraction(slots),
    sizes=((1, 3, 2), (1, 5, 4), (1, 9, 8)),
)
def cruel(*, layers: int, experts: int, slots: int) -> Adversary:
    """Request the lowest of the pages 0..k that the policy does not hold."""
    require("cruel", layers == 1, "l = 1 (for more layers: layered-cruel)", layers=layers, experts=experts, slots=slots)
    require("cruel", slots + 1 <= experts, "k + 1 <= l * n", layers=layers, experts=experts, slots=slots)
    resident: frozenset[int] = frozenset()
    while True:
        resident = yield min(page for page in range(slots + 1) if page not in resident)
