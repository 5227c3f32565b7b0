"""The exact ratios of two randomized policies on general sequences: Marking and OnlineMin.

Evidence. Marking has finitely many distributions: marked pages, stale pages (of the last phase, unmarked) and the number of
          clean requests c; a stale page is absent with probability c / (stale pages), so its expected cost is a fraction.
          The graph of (these, offline cache) is built, and Bellman-Ford in integers shows that no cycle has
          cost > r opt, while one with opt > 0 has cost = r opt exactly: it is made of arcs that are tight for the potential.  OnlineMin's distribution depends only on the levels of the
          work function: the i highest of random priorities in the first i levels; the graph of levels is explored
          in the same way, the optimum paying for requests outside all levels.
Control.  r - 1/1000.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import permutations
from math import factorial, lcm

from layered_paging.core.registry import register
from layered_paging.coupon import harmonic

Node = tuple[frozenset[int], frozenset[int], int, frozenset[int]]  # marked, stale, clean, offline cache
Arc = tuple[int, int, Fraction, int]  # from, to, expected cost, offline cost


@register(
    "claim",
    "marking-ratio",
    cites=("fiat-karp-luby-mcgeoch-sleator-young-1991", "achlioptas-chrobak-noga-2000"),
    statement="Marking's exact ratio on general sequences:",
    latex=r"r(\text{Marking}) = 2 H_k - 1 \;(n \ge k + 2),\quad H_k \;(n = k + 1)",
    status="[classical]; n = k + 1 [computed]",
    evidence="exhaustive",
    scope={"small": "l = 1, k = 2, n <= 4; k = 3, n = 4", "full": "l = 1, k <= 3, n <= 5; k = 4, n = 5"},
    control={"less": Fraction(1, 1000)},
    breaks="above",
)
def marking_ratio(scope: str = "small", *, less: Fraction = Fraction(0)) -> str | None:
    """Return a size at which Marking's exact ratio is another."""
    sizes = ((2, 3), (2, 4), (3, 4)) if scope == "small" else ((2, 3), (2, 4), (2, 5), (3, 4), (3, 5), (4, 5))
    for slots, pages in sizes:
        value = harmonic(slots) if pages == slots + 1 else 2 * harmonic(slots) - 1
        arcs = graph(slots, pages)
        if exceeds(arcs, value - less, lcm(*range(1, slots + 1))):
            return f"k = {slots}, n = {pages}: above {value - less}"
        if not attained(arcs, value - less, lcm(*range(1, slots + 1))):
            return f"k = {slots}, n = {pages}: below {value - less}"
    return None


@register(
    "claim",
    "randomized-upper",
    cites=("mcgeoch-sleator-1991", "achlioptas-chrobak-noga-2000", "brodal-moruz-negoescu-2015"),
    statement="H_k is attained on every sequence (Partition, Equitable, OnlineMin); checked for OnlineMin:",
    latex=r"r(\text{OnlineMin}) = H_k",
    status="[classical]",
    evidence="exhaustive",
    scope={"small": "l = 1, k = 2, n <= 4; k = 3, n = 4", "full": "l = 1, k <= 3, n <= 5; k = 4, n = 5"},
    control={"less": Fraction(1, 1000)},
    breaks="above",
)
def randomized_upper(scope: str = "small", *, less: Fraction = Fraction(0)) -> str | None:
    """Return a size at which OnlineMin's exact ratio is another."""
    sizes = ((2, 3), (2, 4), (3, 4)) if scope == "small" else ((2, 3), (2, 4), (2, 5), (3, 4), (3, 5), (4, 5))
    for slots, pages in sizes:
        value, arcs = harmonic(slots), levels_graph(slots, pages)
        if exceeds(arcs, value - less, factorial(pages)):
            return f"k = {slots}, n = {pages}: above {value - less}"
        if not attained(arcs, value - less, factorial(pages)):
            return f"k = {slots}, n = {pages}: below {value - less}"
    return None


def levels_graph(slots: int, pages: int) -> list[Arc]:
    """Return the arcs between levels of the work function, from k singletons."""
    start = tuple(frozenset({page}) for page in range(slots))
    number = {start: 0}
    todo = [start]
    arcs: list[Arc] = []
    while todo:
        levels = todo.pop()
        held = [cache_of(levels, order) for order in permutations(range(pages))]
        for page in range(pages):
            at = next((i for i, level in enumerate(levels) if page in level), None)
            cost = Fraction(sum(page not in cache for cache in held), len(held))
            if at is None:
                joined = [levels[-2] | levels[-1]] if slots > 1 else []
                then = (*levels[:-2], *joined, frozenset({page}))
            elif at == 0:
                then = (*levels[1:], frozenset({page}))
            else:
                joined = [levels[at - 1] | levels[at] - {page}]
                then = (*levels[: at - 1], *joined, *levels[at + 1 :], frozenset({page}))
            if then not in number:
                number[then] = len(number)
                todo.append(then)
            arcs.append((number[levels], number[then], cost, int(at is None)))
    return arcs


def cache_of(levels: tuple[frozenset[int], ...], order: tuple[int, ...]) -> frozenset[int]:
    """Return OnlineMin's cache: level by level, the i pages of highest priority of what is kept and level i."""
    cache: frozenset[int] = frozenset()
    for size, level in enumerate(levels, start=1):
        cache = frozenset(sorted(cache | level, key=order.__getitem__)[:size])
    return cache


def graph(slots: int, pages: int) -> list[Arc]:
    """Return the arcs (from, to, expected cost, offline cost) that are reached from a full phase."""
    every = frozenset(range(pages))
    first = frozenset(range(slots))
    start: Node = (first, frozenset(), 0, first)
    number = {start: 0}
    todo = [start]
    arcs: list[Arc] = []
    while todo:
        node = todo.pop()
        marked, stale, clean, cache = node
        for page in every:
            if page in marked:
                cost, state = Fraction(0), (marked, stale, clean)
            elif len(marked) == slots:
                # a new phase: what was marked is stale, the page is clean
                cost, state = Fraction(1), (frozenset({page}), marked, 1)
            elif page in stale:
                cost, state = Fraction(clean, len(stale)), (marked | {page}, stale - {page}, clean)
            else:
                cost, state = Fraction(1), (marked | {page}, stale, clean + 1)
            if len(state[0]) == slots:
                state = (state[0], frozenset(), 0)
            answers = [(cache, 0)] if page in cache else [(cache - {p} | {page}, 1) for p in sorted(cache)]
            for offline, paid in answers:
                then = canonical((*state, offline))
                if then not in number:
                    number[then] = len(number)
                    todo.append(then)
                arcs.append((number[node], number[then], cost, paid))
    return arcs


def canonical(node: Node) -> Node:
    """Rename pages: only the kind (marked, stale, neither) and the place in the offline cache matter."""
    marked, stale, clean, cache = node
    pages = sorted(marked | stale | cache | frozenset(range(max(marked | stale | cache) + 1)))
    order = sorted(pages, key=lambda p: (p not in marked, p not in stale, p not in cache, p))
    name = {page: at for at, page in enumerate(order)}
    return (
        frozenset(map(name.__getitem__, marked)),
        frozenset(map(name.__getitem__, stale)),
        clean,
        frozenset(map(name.__getitem__, cache)),
    )


def exceeds(arcs: list[Arc], ratio: Fraction, denominator: int) -> bool:
    """Whether some cycle has cost > ratio * opt."""
    return longest(arcs, ratio, denominator) is None


def attained(arcs: list[Arc], ratio: Fraction, denominator: int) -> bool:
    """Whether some cycle has cost = ratio * opt > 0, where none has more: a cycle of tight arcs with opt > 0."""
    import networkx as nx

    found = longest(arcs, ratio, denominator)
    if found is None:
        return False
    length, weight = found
    tight = [(a, b, paid) for (a, b, _, paid), w in zip(arcs, weight, strict=True) if length[a] + w == length[b]]
    graph = nx.DiGraph((a, b) for a, b, _ in tight)
    part = {node: n for n, nodes in enumerate(nx.strongly_connected_components(graph)) for node in nodes}
    return any(paid and part[a] == part[b] for a, b, paid in tight)


def longest(arcs: list[Arc], ratio: Fraction, denominator: int) -> tuple[list[int], list[int]] | None:
    """Return the longest path to each node and the weight of each arc, cost - ratio * opt in integers.

    None if a cycle has a positive weight: Bellman-Ford.
    """
    import numpy as np

    scale = lcm(ratio.denominator, denominator)
    source = np.array([a for a, _, _, _ in arcs])
    target = np.array([b for _, b, _, _ in arcs])
    weight = np.array([int((cost - ratio * paid) * scale) for _, _, cost, paid in arcs], np.int64)
    length = np.zeros(int(target.max()) + 1, np.int64)
    for _ in range(len(length) + 1):
        longer = length.copy()
        np.maximum.at(longer, target, length[source] + weight)
        if (longer == length).all():
            return length.tolist(), weight.tolist()
        length = longer
    return None
