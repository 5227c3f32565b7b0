"""What each rule of traffic costs a policy in misses, against the same policy without it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core.rules import Traffic
from ..core.trace import Trace
from ..errors import ParameterError
from ..policies.names import resolve
from ..policies.spec import PolicySpec
from .run import Run, replay

__all__ = ["traffic_prices"]


def traffic_prices(
    trace: Trace,
    policy: str | type | PolicySpec,
    slots: int | None = None,
    *,
    traffic: Traffic | Mapping[str, Any],
    **options: Any,
) -> list[dict[str, Any]]:
    """Return the price of each rule of traffic alone, and of all together.

    Parameters
    ----------
    trace, policy, slots
        As for ``replay``.
    traffic : Traffic or mapping
        At least one rule that is not plain.
    options
        Further ones of ``replay``.

    Returns
    -------
    list of dict
        ``rule`` ("none" first, "all" last where there are several), ``misses``, ``price`` (misses more than without rules) and
        ``kept`` (loads that stayed in the cache).  A price can be negative, as a rule may protect a policy from itself.

    Raises
    ------
    ParameterError
        No rule is given, and what ``replay`` raises.

    Examples
    --------
    >>> trace = Trace([[0], [1], [0], [2], [0]], n_experts=3)
    >>> [(row["rule"], row["misses"], row["price"]) for row in traffic_prices(trace, "lru", 1, traffic={"evict_after": 2})]
    [('none', 5, 0), ('evict_after', 3, -2)]
    """
    spec, rules = resolve(policy), Traffic.of(traffic).changed()
    if not rules:
        raise ParameterError("must have at least one rule to be priced; got none", parameter="traffic")
    tried: dict[str, dict[str, Any]] = {"none": {}, **{name: {name: value} for name, value in rules.items()}}
    if len(rules) > 1:
        tried["all"] = rules
    runs = {name: replay(trace, spec, slots, traffic=some, **options) for name, some in tried.items()}
    return [_row(name, run, runs["none"]) for name, run in runs.items()]


def _row(rule: str, run: Run, free: Run) -> dict[str, Any]:
    size = {"slots": run.slots, "budget_bytes": run.budget_bytes}
    counts = {"misses": run.misses, "price": run.misses - free.misses, "kept": run.misses - run.dropped}
    return {"policy": run.policy, **size, "rule": rule, **counts}
