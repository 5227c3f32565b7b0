"""Compiled twins of the reference policies, found by the name of the policy.

A twin is a function with the signature of ``runs._slow``; it counts exactly what the
reference loop counts.  ``numba`` is imported only when a twin is asked for.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable

from ...core.counts import Counts
from ...policies.forecast import Forecast
from ...policies.spec import PolicySpec

__all__ = ["twin"]

# policy name -> module of this folder that holds its twin
_HOMES: dict[str, str] = {
    "lru": "recency",
    "llru": "recency",
    "belady": "belady",
    **dict.fromkeys(("fifo", "lifo", "fwf", "clock", "slru", "mark-lru"), "queues"),
    **dict.fromkeys(("lfu", "lfu-window", "lru-2", "static"), "heaps"),
    **dict.fromkeys(("lfu-decay", "lfru", "least-stale"), "scores"),
    **dict.fromkeys(("random", "marking", "mark-far", "online-min"), "marks"),
    **dict.fromkeys(("sieve", "s3-fifo"), "modern"),
    **dict.fromkeys(("blind-oracle", "lmarker", "predictive-marker", "guard", "dominating"), "predicted"),
    "hedge": "hedging",
    "follow": "following",
    "arc": "adaptive",
    "similar-rounds": "similar",
}

_FOLLOWED = {"first": "llru", "second": "similar-rounds"}  # the pair that has a twin


def twin(spec: PolicySpec) -> Callable[..., Counts] | None:
    """Return the compiled twin of a policy, or None where it has none."""
    home = _HOMES.get(spec.base)
    if home is None or not spec.cls.__module__.startswith("layered_paging.policies."):
        return None
    if spec.predicted and not isinstance(spec.predictions, Forecast):
        return None  # predictions that are asked one by one
    if spec.base == "follow" and any(spec.params.get(role, name) != name for role, name in _FOLLOWED.items()):
        return None
    play: Callable[..., Counts] = importlib.import_module(f".{home}", __name__).play
    return play
