"""Greedy placements: by saving per byte, from every small start, and the continuous one with its rounding."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import combinations
from math import comb
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError
from .latency import empty
from .network import FAR, Network
from .state import State

__all__ = ["continuous", "enumeration", "greedy"]

Held = npt.NDArray[np.bool_]
STARTS = 200_000


def greedy(network: Network, *, lazy: bool = True) -> Held:
    """Return the greedy placement: the (server, expert) of the most saving per byte that fits, until none saves.

    Ties go to the lower server, then the lower page.  With one member per event, savings only fall as more
    is placed, so ``lazy`` evaluation (minoux-1978) gives the same placement as evaluating all. With more
    members this is false and all are evaluated in every step.  Then greedy may also never start: the
    savings of single experts can all be 0.

    Guarantee for one member per event: equal sizes, half of the optimum (fisher-nemhauser-wolsey-1978).
    """
    state = State(network)
    state.greedy(lazy and network.largest_k == 1)
    return state.held


def enumeration(network: Network, *, triple: int = 3, progress: Callable[[int], object] | None = None) -> Held:
    """Return the best greedy completion of every start of at most ``triple`` experts.

    With one server and one member per event it saves at least 1 - 1/e of the optimum.  So does any
    monotone submodular function under one knapsack (sviridenko-2004). There savings even add up, so it saves at
    least ``triple / (triple + 1)`` (sahni-1975).  With several servers nothing better than greedy is claimed.

    Raises
    ------
    ParameterError
        More than 200,000 starts.
    """
    items = [
        (n, p)
        for n in range(len(network.servers))
        for p in range(network.pages)
        if network.sizes[p] <= network.storage[n]
    ]
    number = sum(comb(len(items), r) for r in range(triple + 1))
    if number > STARTS:
        raise ParameterError(
            f"enumeration of {triple} tries {number} starts for {len(items)} pairs of server and expert, more than {STARTS}; use greedy or successive"
        )
    blank = State(network)
    best, least = blank.held, blank.cost
    done = 0
    for size in range(triple + 1):
        for start in combinations(items, size):
            done += 1
            if progress is not None and done % 256 == 0:
                progress(done)
            state = blank.copy()
            for n, p in start:
                state.add(n, [p])
            if (state.room < 0).any():
                continue
            state.greedy(network.largest_k == 1)
            if state.cost < least:
                best, least = state.held, state.cost
    return best


def continuous(network: Network, *, steps: int = 50, progress: Callable[[int], object] | None = None) -> Held:
    """Return the continuous greedy placement, rounded server by server; one member per event, one size.

    In each of ``steps`` steps every server gains 1/steps of its best experts.  They are best by the
    gradient of the multilinear extension (calinescu-chekuri-pal-vondrak-2011), known here in closed form.  The extension is
    linear in what one server holds, so replacing a server's fractions by its best experts by gradient never
    lowers it: a deterministic pipage rounding (ageev-sviridenko-2004).  Saves at least 1 - 1/e - O(1/steps)
    of the optimum.  The gradient is computed in floats; the placement is evaluated exactly.

    Raises
    ------
    ParameterError
        Events with several members, or experts of different sizes.
    """
    if network.largest_k > 1 or len(set(network.sizes.tolist())) > 1:
        raise ParameterError("continuous greedy needs one member per event and experts of one size")
    if not network.servers:
        return empty(network)
    quota = np.minimum(network.storage // int(network.sizes[0]), network.pages)
    x = np.zeros((len(network.servers), network.pages))
    rows = _Rows(network)
    for step in range(steps):
        gradient = np.stack([rows.gradient(x, n) for n in range(len(network.servers))])
        for n, q in enumerate(quota.tolist()):
            top = np.argsort(-gradient[n], kind="stable")[:q]
            x[n, top[gradient[n, top] > 0]] += 1 / steps
        np.minimum(x, 1, out=x)
        if progress is not None:
            progress(step + 1)
    for n, q in enumerate(quota.tolist()):
        slope = rows.gradient(x, n)
        top = np.argsort(-slope, kind="stable")[:q]
        x[n] = 0
        x[n, top[slope[top] > 0]] = 1
    return x > 0.5


class _Rows:
    """Events of one member: (page, weight, base latency, latency of each server), for the multilinear extension."""

    def __init__(self, network: Network) -> None:
        a = network.activations
        self.page = a.members
        self.pages = network.pages
        self.weight = network.weight.astype(float)
        self.base = network.base().astype(float)
        near = network.edge_ns[a.user].astype(float)
        self.saved = np.maximum(self.base[:, None] - np.where(near >= FAR, np.inf, near), 0.0)
        self.order = np.argsort(-self.saved, axis=1, kind="stable")

    def gradient(self, x: npt.NDArray[np.float64], server: int) -> npt.NDArray[np.float64]:
        """Return the derivative by ``x[server]``: expected saving with the server less that without it."""
        gain = np.zeros(len(self.page))
        none: Any = np.ones(len(self.page))
        mine = self.saved[:, server]
        rows = np.arange(len(self.page))
        for rank in range(self.order.shape[1]):
            n = self.order[:, rank]
            others = n != server
            saved = self.saved[rows, n]
            chance = np.where(others, x[n, self.page], 0.0) * none
            gain += chance * np.maximum(mine - saved, 0.0)
            none -= chance
        gain += none * mine
        found: Any = np.bincount(self.page, weights=gain * self.weight, minlength=self.pages)
        return np.asarray(found, float)


def at_least_share(value: int, optimum: int, terms: int = 30) -> bool:
    """Whether ``value >= (1 - 1/e) * optimum``, exactly: e is enclosed between partial sums of its series.

    Examples
    --------
    >>> at_least_share(632121, 1000000), at_least_share(632120, 1000000)
    (True, False)
    """
    if optimum <= value:
        return True
    ratio = Fraction(optimum, optimum - value)  # value >= (1 - 1/e) optimum  iff  e <= optimum / (optimum - value)
    while True:
        low, factorial = Fraction(0), 1
        for n in range(terms):
            low += Fraction(1, factorial)
            factorial *= n + 1
        if ratio < low:
            return False
        if ratio >= low + Fraction(2, factorial):
            return True
        terms *= 2
