"""What several requests at once do to a budget: one replay of a batch, beside the tokens one by one."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ..core.rules import Traffic
from ..core.trace import Trace, transformed
from ..engine.run import replay
from ..errors import BudgetError
from ..transforms.batching import batch
from .found import Plan
from .words import size_words

__all__ = ["TOGETHER", "Several", "sentence", "several"]

TOGETHER = 4  # requests at once


@dataclass(frozen=True)
class Several:
    """What the policy in use loads for a batch.

    Attributes
    ----------
    requests : int
        At once.
    tokens : float
        Per step, on average.
    union : float
        Experts that a step asks a layer for, on average.
    loads : float or None
        Per token; None: a step does not fit into the budget.
    alone : float
        Per token, one by one.
    """

    requests: int
    tokens: float
    union: float
    loads: float | None
    alone: float

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON holds it."""
        return asdict(self)


def several(trace: Trace, found: Plan, *, pool: str = "shared", traffic: Traffic | None = None) -> Several | None:
    """Return what a batch of ``TOGETHER`` requests loads at the budget in use; None where there is nothing to say.

    Parameters
    ----------
    trace : Trace
        A session is a request.
    found : Plan
        Of this trace, token by token.
    pool, traffic
        As for ``replay``.

    Notes
    -----
    Exact counts of one order of the requests; O(requests).
    """
    if found.size is None or len(trace.sessions) < 2 or transformed(trace, "batch") is not None:
        return None
    here = found.table.at(found.using, found.size)
    if here is None:
        return None
    together = batch(trace, min(TOGETHER, len(trace.sessions)))
    facts = together.meta["batch"]
    budget: dict[str, Any] = {"budget_bytes": found.size} if found.table.sized else {"slots": found.size}
    loads: float | None
    try:
        loads = replay(together, found.using, **budget, pool=pool, traffic=traffic).misses / trace.rounds
    except BudgetError:
        loads = None
    return Several(facts["size"], trace.rounds / together.rounds, facts["mean_union"], loads, here.loads)


def sentence(one: Several, found: Plan) -> str:
    """Return it in words."""
    size = size_words(found.size or 0, found.table.sized)
    step = f"a step of {one.tokens:.2f} tokens asks a layer for {one.union:.2f} experts on average"
    if one.loads is None:
        return f"A batch of {one.requests} requests does not fit into {size}: {step}."
    return (
        f"A batch of {one.requests} requests: {found.using} loads {one.loads:.2f} experts per token at {size} instead of "
        f"{one.alone:.2f}; {step}. '--batch {one.requests}' plans for it."
    )
