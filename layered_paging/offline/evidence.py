"""Write certificates of optima; ``layered_paging.certify.optimum`` says what they mean and checks them."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..certificate import Certificate
from .problem import Problem

__all__ = ["certify_bound", "certify_free", "certify_optimum"]


def certify_optimum(
    problem: Problem,
    hits: npt.NDArray[np.bool_],
    split: Sequence[int],
    cost: int,
    prices: Sequence[npt.NDArray[np.int64]],
) -> Certificate:
    """Return the certificate of an optimum with a given split of slots."""
    says = _statement(problem, hits, split) | {"slots": problem.slots, "quotas": problem.rule, "cost": cost}
    return Certificate("optimum", says, {"hits": _hits(problem, hits), "prices": [_pack(y) for y in prices]})


def certify_free(
    problem: Problem,
    hits: npt.NDArray[np.bool_],
    split: Sequence[int],
    cost: int,
    supports: Sequence[Sequence[npt.NDArray[np.int64]]],
    slot_price: int,
) -> Certificate:
    """Return the certificate of a best split of slots."""
    says = _statement(problem, hits, split) | {"slots": problem.slots, "quotas": "free", "cost": cost}
    evidence = {
        "hits": _hits(problem, hits),
        "slot_price": slot_price,
        "supports": [[_pack(y) for y in vectors] for vectors in supports],
    }
    return Certificate("optimum", says, evidence)


def certify_bound(
    problem: Problem,
    hits: npt.NDArray[np.bool_],
    split: Sequence[int],
    bounds: tuple[int, int],
    prices: Sequence[npt.NDArray[np.int64]],
    denominator: int,
) -> Certificate:
    """Return the certificate of a lower bound beside a schedule, where sizes differ."""
    says = _statement(problem, hits, split)
    says |= {"budget_bytes": problem.budget_bytes, "lower": bounds[0], "upper": bounds[1]}
    evidence = {
        "hits": _hits(problem, hits),
        "prices": [_pack(y) for y in prices],
        "denominator": denominator,
    }
    return Certificate("optimum-bound", says, evidence)


def _statement(problem: Problem, hits: npt.NDArray[np.bool_], split: Sequence[int]) -> dict[str, Any]:
    requests = int(np.count_nonzero(problem.grid.experts >= 0))
    return {
        "trace": problem.trace.digest(),
        **problem.options,
        "split": [int(q) for q in split],
        "costs": None if problem.costs is None else problem.costs.tolist(),
        "requests": requests,
        "misses": requests - int(np.count_nonzero(hits)),
    }


def _hits(problem: Problem, hits: npt.NDArray[np.bool_]) -> dict[str, Any]:
    return _pack(hits[problem.grid.experts >= 0])


def _pack(values: npt.NDArray[Any]) -> dict[str, Any]:
    largest = int(values.max(initial=0))
    if largest <= 1:
        width, raw = 0, np.packbits(values.astype(np.uint8)).tobytes()
    else:
        width = next(b for b in (1, 2, 4, 8) if largest < 1 << (8 * b))
        raw = values.astype(f"<u{width}").tobytes()
    return {"length": len(values), "bytes": width, "data": base64.b64encode(raw).decode()}
