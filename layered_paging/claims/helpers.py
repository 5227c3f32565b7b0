"""What several claims need: all sequences of a size, costs by definition, certified ratios, z3."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import combinations, product
from typing import Any

from ..adversary import Table
from ..core.words import install
from ..errors import LayeredPagingError

__all__ = [
    "Unavailable",
    "certified_optimal",
    "certified_ratio",
    "cheapest",
    "counter_model",
    "layered_sequences",
    "misses",
    "solver",
    "within",
]


class Unavailable(LayeredPagingError, RuntimeError):
    """What a claim or a result needs is not at hand: an optional package, or a trace."""


def layered_sequences(layers: int, experts: int, rounds: int) -> Iterator[list[int]]:
    """Yield every layered sequence of single requests up to renaming inside layers, as pages.

    Experts of a layer appear for the first time in ascending order.

    Examples
    --------
    >>> list(layered_sequences(1, 2, 3))
    [[0, 0, 0], [0, 0, 1], [0, 1, 0], [0, 1, 1]]
    """
    for columns in product(list(_growing(experts, rounds)), repeat=layers):
        yield [j * experts + column[r] for r in range(rounds) for j, column in enumerate(columns)]


def _growing(experts: int, length: int) -> Iterator[tuple[int, ...]]:
    if length == 0:
        yield ()
        return
    for head in _growing(experts, length - 1):
        for expert in range(min(max(head, default=-1) + 2, experts)):
            yield (*head, expert)


def misses(
    policy: str | type, pages: Sequence[int], *, layers: int, experts: int, slots: int, pool: str = "shared"
) -> int:
    """Return the misses of a policy on single requests, by the reference replay."""
    table = Table(policy, layers=layers, experts=experts, slots=slots, pool=pool)
    return sum(table.serve(page) for page in pages)


def cheapest(events: Sequence[frozenset[int]], slots: int, *, bypass: bool = False) -> int:
    """Return the least misses over all offline schedules of these events, by trying every cache.

    Forced: the whole event is in the cache when it ends.  Bypass: any part of cache and event may stay.

    Examples
    --------
    >>> cheapest([frozenset({0, 1}), frozenset({2}), frozenset({0, 1})], 2)
    4
    """
    best: dict[frozenset[int], int] = {frozenset(): 0}
    for event in events:
        after: dict[frozenset[int], int] = {}
        for cache, paid in best.items():
            price = paid + len(event - cache)
            fixed = frozenset[int]() if bypass else event
            free = (cache | event) - fixed
            room = slots - len(fixed)
            for kept in combinations(sorted(free), min(room, len(free))):
                then = fixed | frozenset(kept)
                after[then] = min(price, after.get(then, price))
        best = after
    return min(best.values())


def certified_ratio(policy: str | type, **sizes: Any) -> Any:
    """Return the exact competitive ratio of a policy after the trusted checker accepted its certificate.

    Claims and controls that ask for the same one share it: each is found and checked once per process.
    """
    return _certified_ratio(policy, **sizes)


@functools.lru_cache(maxsize=512)
def _certified_ratio(policy: str | type, **sizes: Any) -> Any:
    from .. import certify
    from ..ratio import competitive_ratio

    found = competitive_ratio(policy, **sizes)
    certify.check(found.certificate)
    return found


def certified_optimal(**sizes: Any) -> Any:
    """Return the bracket of the best policies after the trusted checker accepted its certificate, as ``certified_ratio`` does."""
    return _certified_optimal(**sizes)


@functools.lru_cache(maxsize=512)
def _certified_optimal(**sizes: Any) -> Any:
    from .. import certify
    from ..ratio import optimal_ratio

    found = optimal_ratio(**sizes)
    certify.check(found.certificate)
    return found


def within(found: Any, ratio: Fraction, additive: int) -> bool:
    """Whether ``cost <= ratio opt + additive`` on every sequence, ``found`` being an exact ratio."""
    return found.value is not None and found.value <= ratio and bool(found.constant(ratio) <= additive)


def counter_model(name: str, hypotheses: Iterable[Any], goal: Any) -> str | None:
    """Return None if z3 proves that the hypotheses imply the goal, else what it found instead.

    Raises
    ------
    Unavailable
        z3 is not installed.
    """
    z3 = solver()
    task = z3.Solver()
    task.set("timeout", 60_000)
    task.add(*hypotheses, z3.Not(goal))
    answer = task.check()
    if answer == z3.unsat:
        return None
    return f"{name}: {task.model() if answer == z3.sat else 'undecided'}"


def solver() -> Any:
    """Return the module ``z3``.

    Raises
    ------
    Unavailable
        It is not installed.
    """
    try:
        return importlib.import_module("z3")
    except ImportError:
        raise Unavailable(f"not run: needs z3; {install('smt', 'z3-solver')}") from None
