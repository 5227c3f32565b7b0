"""The nemesis: search for a bad cycle of a policy that is known, then repeat it."""

from __future__ import annotations

from layered_paging.adversary import nemesis as search
from layered_paging.adversary.table import Adversary
from layered_paging.core.registry import register
from layered_paging.policies.spec import PolicySpec


@register(
    "adversary",
    "nemesis",
    cites=(),
    kind="offline",
    against=(),
    forces="whatever the search finds; no guarantee",
)
def nemesis(
    *, layers: int, experts: int, slots: int, policy: PolicySpec, budget: int = 600, search_seed: int = 0
) -> Adversary:
    """Run a local search over cycles of rounds against this policy and repeat the worst."""
    found = search(policy, layers=layers, experts=experts, slots=slots, budget=budget, seed=search_seed)
    while True:
        for page in found.pages:
            _ = yield page
