"""Slots of each layer: what every number of slots is worth to a layer, and the best split of a total.

Pools of layers do not see each other.  So the misses of a split are the sum of one entry of each layer's own curve.  A
dynamic program over the layers finds the best split exactly, for any policy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.instance import integer
from ..core.layout import lay_out, needs_of
from ..core.layout import quotas as uniform
from ..core.rules import Budget, Rules
from ..core.slices import of_layers
from ..core.trace import Trace
from ..errors import BudgetError, ParameterError
from ..policies.names import resolve
from ..policies.spec import PolicySpec
from .curves import has_one_pass, miss_curve
from .run import Wanted, replay_all

__all__ = ["Split", "best_quotas", "best_split", "layer_curves"]

Ints = npt.NDArray[np.int64]
NEVER = np.iinfo(np.int64).max >> 8


@dataclass(frozen=True)
class Split:
    """The best split of slots over layers.

    Attributes
    ----------
    quotas : tuple of int
        Slots of each layer.
    misses : int
        With these quotas.
    uniform : int or None
        Misses with the uniform split; None where that does not hold every event, or is outside the limits.
    """

    quotas: tuple[int, ...]
    misses: int
    uniform: int | None


def layer_curves(
    trace: Trace,
    policy: str | type | PolicySpec,
    rules: Rules,
    *,
    seed: int = 0,
    predictions: Any = None,
    progress: Callable[[int], object] | None = None,
) -> Ints:
    """Return the misses of every layer at every number of slots of its own.

    Parameters
    ----------
    trace : Trace
    policy : str or class
    rules : Rules
        Of the replay; pool and quotas do not matter.
    seed : int
        For randomized policies.
    predictions : str, array, or source
        For a policy that takes them.
    progress : callable, optional
        Called with the number of replays done.

    Returns
    -------
    int64 array, shape (layers, most experts of a layer + 1)
        Entry [j, q]: misses of layer j with q slots; -1 where q does not hold the largest event of the layer, or is more than
        its experts.  A layer without requests has 0 at q = 0 alone.  Where an event need not fit, a layer may do without slots.

    Notes
    -----
    Exact.  One pass per layer for policies whose caches are nested, under plain rules. Otherwise one replay of the
    trace for each number of slots of the widest layer.

    Examples
    --------
    >>> layer_curves(Trace([[0, 0], [1, 0], [0, 0]], n_experts=2), "lru", Rules()).tolist()
    [[-1, 3, 2], [-1, 1, 1]]
    """
    if rules.lend != "none":
        raise ParameterError("quotas cannot be found layer by layer where layers lend each other slots")
    spec = resolve(policy)
    rules = rules.but(pool="per-layer", quotas="uniform")
    needs = needs_of(lay_out(trace, rules), trace, Budget(1), rules) if rules.must_fit else [0] * trace.layers
    curves = np.full((trace.layers, max(trace.n_experts) + 1), -1, np.int64)
    asked = np.asarray(trace.asked, bool)
    curves[~asked, 0] = 0
    plain = rules == Rules(pool="per-layer", reset=rules.reset)
    if plain and predictions is None and has_one_pass(spec):
        for j in np.flatnonzero(asked).tolist():
            curve = miss_curve(of_layers(trace, [j]), spec, reset=rules.reset)
            curves[j, : len(curve)] = curve
        return curves

    def fill(given: list[int]) -> None:
        wanted = Wanted(spec, sum(given), None, seed, predictions)
        run = replay_all(trace, [wanted], rules.but(quotas=tuple(given)))[0]
        for j in np.flatnonzero(asked).tolist():
            curves[j, given[j]] = run.misses_by_layer[j]

    if (
        asked.sum() > 1
    ):  # layers that may do without slots: one half of all, then the other, as slots are at least 1 in sum
        rank = np.cumsum(asked) % 2
        for half in (0, 1) if min(np.array(needs)[asked]) == 0 else ():
            fill([int(max(need, r == half)) if used else 0 for need, r, used in zip(needs, rank, asked, strict=True)])
    for q in range(max(1, min(needs)), curves.shape[1]):
        fill([min(max(q, need), n) if used else 0 for need, n, used in zip(needs, trace.n_experts, asked, strict=True)])
        if progress is not None:
            progress(q)
    return curves


def best_split(
    curves: Ints, slots: int, floor: int | Sequence[int] = 0, ceiling: int | Sequence[int] | None = None
) -> Split:
    """Return the split of ``slots`` with the fewest misses.

    Parameters
    ----------
    curves : int64 array, shape (layers, sizes)
        As ``layer_curves`` returns it; -1 is no legal number of slots.
    slots : int
        In all, at least 1.  What no layer can use goes to the lowest layers, up to their ceilings.
    floor, ceiling : int or sequence of int
        At least and at most this many slots for every layer with requests, or for each layer.

    Raises
    ------
    BudgetError
        No split of ``slots`` is legal.
    ParameterError
        A limit is out of range.

    Notes
    -----
    Exact, by a dynamic program: O(layers * n * sizes) steps, memory O(layers * n), n the smaller of the slots and all experts.
    Of several best splits, the one with the fewest slots in the highest layer, then in the one below, and so on.

    Examples
    --------
    >>> best_split(np.array([[-1, 3, 2], [-1, 1, 1]]), 3)
    Split(quotas=(2, 1), misses=3, uniform=3)
    """
    layers, slots = len(curves), integer("slots", slots, 1)
    idle = curves[:, 0] == 0
    floors = [0 if out else n for n, out in zip(_limits("floor", floor, layers), idle, strict=True)]
    tops = _limits("ceiling", slots if ceiling is None else ceiling, layers)
    tops = [0 if out else min(n, slots) for n, out in zip(tops, idle, strict=True)]
    if sum(tops) < slots:
        raise BudgetError(f"the ceilings must hold all slots, {slots}; they hold {sum(tops)}")
    # slots beyond the floors: more than a layer has experts are worth nothing more
    spans = [max(0, min(b, _last(curve)) - a) for curve, a, b in zip(curves, floors, tops, strict=True)]
    fits = all(a <= b for a, b in zip(floors, tops, strict=True)) and sum(floors) <= slots
    size = min(slots - sum(floors), sum(spans)) + 1 if fits else 1
    best = np.full(size, NEVER)
    best[0] = 0 if fits else NEVER
    chosen = np.zeros((layers, size), np.int64)
    for j, curve in enumerate(curves):
        better = np.full(size, NEVER)
        for more in range(min(spans[j], size - 1) + 1):
            if (cost := _at(curve, floors[j] + more)) is not None:
                found = best[: size - more] + cost
                at = found < better[more:]
                better[more:][at] = found[at]
                chosen[j, more:][at] = more
        best = better
    left = int(np.argmin(best))
    if best[left] >= NEVER:
        raise BudgetError(
            f"must hold the largest event of every layer within its floor and ceiling; {slots} do not",
            parameter="slots",
        )
    misses, split = int(best[left]), list(floors)
    for j in reversed(range(layers)):
        split[j] += (more := int(chosen[j, left]))
        left -= more
    rest = slots - sum(split)
    for j in range(layers):
        split[j] += (more := min(rest, tops[j] - split[j]))
        rest -= more
    even = uniform(slots, layers, ~idle)
    costs = [_at(curve, q) if a <= q <= b else None for curve, q, a, b in zip(curves, even, floors, tops, strict=True)]
    known = [cost for cost in costs if cost is not None]
    return Split(tuple(split), misses, sum(known) if len(known) == layers else None)


def best_quotas(
    trace: Trace,
    policy: str | type | PolicySpec,
    slots: int,
    *,
    rules: Rules | None = None,
    floor: int | Sequence[int] = 0,
    ceiling: int | Sequence[int] | None = None,
    seed: int = 0,
    predictions: Any = None,
) -> Split:
    """Return the quotas with which a policy has the fewest misses; exact, see ``layer_curves`` and ``best_split``.

    The split is chosen on the trace on which it is judged: on another trace it may be worse than a uniform one.

    Parameters
    ----------
    trace, policy, rules, seed, predictions
        As for ``layer_curves``.
    slots, floor, ceiling
        As for ``best_split``.

    Examples
    --------
    >>> trace = Trace([[0, 0], [1, 0], [0, 0]], n_experts=2)
    >>> best_quotas(trace, "lru", 3)
    Split(quotas=(2, 1), misses=3, uniform=3)
    """
    curves = layer_curves(trace, policy, rules or Rules(), seed=seed, predictions=predictions)
    return best_split(curves, slots, floor, ceiling)


def _limits(name: str, value: int | Sequence[int], layers: int) -> list[int]:
    if isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, str):
        limits = [integer(f"{name} of layer {j}", n, 0) for j, n in enumerate(value)]
        if len(limits) != layers:
            raise ParameterError(
                f"must be one int, or one for each of {layers} layers; got {len(limits)}", parameter=name
            )
        return limits
    return [integer(name, value, 0)] * layers


def _last(curve: Ints) -> int:
    """Return the largest legal number of slots."""
    return int(np.flatnonzero(curve >= 0)[-1])


def _at(curve: Ints, q: int) -> int | None:
    """Return the misses with ``q`` slots, None where that is not legal."""
    cost = int(curve[min(q, _last(curve))])
    return None if cost < 0 else cost
