"""The partition breaker: cycle through one page more than some layer may keep.

A fixed split of the cache gives some layer at most floor(k / l) slots.  Cycle through q + 1 pages of a layer
with q slots and one page of every other layer: q + l <= k pages in all, so the optimum stops missing, and the
policy misses at least once in q + 1 rounds for ever.
"""

from __future__ import annotations

from collections.abc import Sequence

from layered_paging.adversary import require
from layered_paging.adversary.table import Adversary
from layered_paging.core.registry import register
from layered_paging.errors import ParameterError


@register(
    "adversary",
    "partition-breaker",
    cites=("angelopoulos-marchal-obrecht-simon-2025",),
    kind="adaptive",
    against="any",
    pool="per-layer",
    forces="unbounded",
    bound="unbounded",
    sizes=((2, 2, 3), (2, 3, 5), (3, 3, 8)),
)
def partition_breaker(*, layers: int, experts: int, slots: int, quotas: Sequence[int] | None = None) -> Adversary:
    """Break the split ``quotas``; without it, first watch how many pages of each layer stay."""
    where = {"layers": layers, "experts": experts, "slots": slots}
    require("partition-breaker", layers >= 2, "l >= 2", **where)
    require("partition-breaker", slots >= layers + 1, "k >= l + 1", **where)
    require("partition-breaker", experts >= slots // layers + 1, "n >= floor(k / l) + 1", **where)
    if quotas is not None and (len(quotas) != layers or sum(quotas) > slots or min(quotas) < 1):
        raise ParameterError(f"quotas must be {layers} numbers of at least 1 that sum to at most {slots}; got {quotas}")
    kept = [0] * layers if quotas is None else list(quotas)
    if quotas is None:
        for turn in range(2 * experts):
            for layer in range(layers):
                resident = yield layer * experts + turn % experts
                pages = range(layer * experts, (layer + 1) * experts)
                kept[layer] = max(kept[layer], sum(page in resident for page in pages))
    weak = min(range(layers), key=lambda layer: (kept[layer], layer))
    width = min(kept[weak] + 1, experts)
    turn = 0
    while True:
        for layer in range(layers):
            yield layer * experts + (turn % width if layer == weak else 0)
        turn += 1
