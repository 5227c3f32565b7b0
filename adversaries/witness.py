"""A witness cycle, repeated: the bad sequence that an exact ratio comes with, played against any policy."""

from __future__ import annotations

from collections.abc import Sequence

from layered_paging.adversary.table import Adversary
from layered_paging.core.registry import register
from layered_paging.errors import ParameterError


@register(
    "adversary",
    "witness",
    cites=(),
    kind="oblivious",
    against=(),
    forces="the exact ratio of the policy that the witness was found for",
)
def witness(*, layers: int, experts: int, slots: int, cycle: Sequence[int], prefix: Sequence[int] = ()) -> Adversary:
    """Request the pages of ``prefix`` once and those of ``cycle`` for ever."""
    if len(cycle) % layers or not len(cycle):
        raise ParameterError(f"witness: cycle must be whole rounds of {layers} pages; got {len(cycle)} pages")
    for page in prefix:
        _ = yield page
    while True:
        for page in cycle:
            _ = yield page
