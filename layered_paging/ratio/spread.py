"""Upper side for randomized policies: one distribution on caches for each node of the work-function graph.

A linear program finds the distributions. They are rounded to fractions, the cheapest
transports between them are computed in integers, and the ratio that they have is then exact.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from fractions import Fraction
from math import inf, lcm
from typing import Any

from ..core.deadline import OutOfTime, seconds_until
from ..core.program import Program
from .work import WorkGraph, moved

__all__ = ["Spread", "carried", "spread"]

Counts = tuple[int, ...]
SHARED = 1 << 24  # denominator of all probabilities where those that suit them best have none in common
LARGEST = 1 << 500  # least common denominator of masses that flows are computed with


@dataclass
class Spread:
    """Distributions, transports and potential, all exact.

    ``transports[i][page]`` lists (cache, cache, mass): what moves when ``page`` is requested at node i.
    """

    ratio: Fraction
    distributions: list[dict[int, Fraction]]
    transports: list[dict[int, list[tuple[int, int, Fraction]]]]
    potential: list[Fraction]


def spread(graph: WorkGraph, until: float = float("inf")) -> Spread | None:
    """Return the best exact solution found; None if rounding the linear program's gave none.

    The search ends when ``time.monotonic()`` passes ``until``; what was found by then is returned.

    Raises
    ------
    SolverError
        The linear program was not solved, or not in time.
    """
    value, floats = _program(graph, until)
    best: Spread | None = None
    for limit in (64, 1000, 20_000, 400_000, 0):
        if time.monotonic() > until:
            break
        if limit == 0 and best is not None:
            break
        rows = [_rounded(row, limit) if limit else _shared(row) for row in floats]
        found = _exact(graph, rows, Fraction(value).limit_denominator(limit or SHARED))
        if found is not None and (best is None or found.ratio < best.ratio):
            best = found
        if best is not None and float(best.ratio) <= value + 1e-9:
            break
    return best


def _classes(graph: WorkGraph, node: int, page: int | None = None) -> list[int]:
    """Return the class of each page: pages of one class may be renamed into each other."""
    names: dict[Any, int] = {}
    out = []
    for p, item in enumerate(graph.nodes[node].items):
        key = (graph.instance.layer_of(p), item, p == page)
        out.append(names.setdefault(key, len(names)))
    return out


def _count(mask: int, classes: list[int]) -> Counts:
    counts = [0] * (max(classes) + 1)
    for p, c in enumerate(classes):
        counts[c] += mask >> p & 1
    return tuple(counts)


def _program(graph: WorkGraph, until: float) -> tuple[float, list[dict[int, float]]]:
    size = len(graph.nodes)
    program = Program()
    program.column(cost=1.0)  # the ratio
    program.columns(size, lower=-inf)  # the potentials
    orbits: list[dict[Counts, list[int]]] = []
    start: list[dict[Counts, int]] = []
    for node in range(size):
        classes, here = _classes(graph, node), dict[Counts, list[int]]()
        for cache in graph.held(node):
            here.setdefault(_count(cache, classes), []).append(cache)
        orbits.append(here)
        start.append(dict(zip(here, program.columns(len(here)).tolist(), strict=True)))
    equal, below = program.equal, program.at_most
    for node in range(size):
        if time.monotonic() > until:
            raise OutOfTime(f"writing down the linear program of {size:,} nodes did not end within the limit")
        equal.new(1.0, ((column, 1.0) for column in start[node].values()))
        done = set()
        for arc in graph.arcs[node]:
            item = graph.nodes[node].items[arc.page]
            if item in done:
                continue
            done.add(item)
            classes = _classes(graph, node, arc.page)
            masks: dict[Counts, list[int]] = {}
            for cache in graph.caches:
                masks.setdefault(_count(cache, classes), []).append(cache)
            line = {counts: equal.new(0.0) for counts in masks}
            paid = below.new(0.0, ((0, -float(arc.opt)), (1 + arc.target, 1.0), (1 + node, -1.0)))
            before, after = _classes(graph, node), _classes(graph, arc.target)
            for counts, members in masks.items():
                image = moved(members[0], arc.places)
                for at_node, cache, groups, sign in ((node, members[0], before, 1), (arc.target, image, after, -1)):
                    orbit = _count(cache, groups)
                    alike = orbits[at_node].get(orbit, [])
                    if cache in alike:
                        equal.put(line[counts], start[at_node][orbit], sign * len(members) / len(alike))
                for a in range(len(counts)):
                    for b in range(len(counts)):
                        to = tuple(c - (i == a) + (i == b) for i, c in enumerate(counts))
                        if a != b and to in masks:
                            mass = program.column()
                            equal.put(line[counts], mass, -1.0)
                            equal.put(line[to], mass, 1.0)
                            below.put(paid, mass, 1.0)
    answer = program.solve("distributions of caches", time_limit=seconds_until(until))
    out = []
    for node in range(size):
        out.append(
            {
                cache: max(float(answer.x[column]), 0.0) / len(orbits[node][counts])
                for counts, column in start[node].items()
                for cache in orbits[node][counts]
            }
        )
    return answer.value, out


def _rounded(row: dict[int, float], limit: int) -> dict[int, Fraction]:
    """Return a distribution in fractions with denominators of at most ``limit``, if those add up to 1."""
    exact = {cache: Fraction(value).limit_denominator(limit) for cache, value in row.items()}
    rest = 1 - sum(exact.values())
    if rest:
        largest = max(exact, key=lambda cache: exact[cache])
        exact[largest] += rest
    return {cache: value for cache, value in exact.items() if value > 0}


def _shared(row: dict[int, float]) -> dict[int, Fraction]:
    """Return a distribution in fractions of one denominator, ``SHARED``: what is cut off goes to the largest."""
    total = sum(row.values())
    parts = {cache: int(value / total * SHARED) for cache, value in row.items()}
    parts[max(parts, key=lambda cache: parts[cache])] += SHARED - sum(parts.values())
    return {cache: Fraction(part, SHARED) for cache, part in parts.items() if part}


def carried(graph: WorkGraph, distributions: list[dict[int, Fraction]], ratio: Fraction) -> Spread | None:
    """Return distributions with the transports between them and their ratio, at least ``ratio``.

    None if they are no distributions on the caches that hold the last page, or have no ratio.
    """
    for node, row in enumerate(distributions):
        if not row or min(row.values()) <= 0 or not row.keys() <= set(graph.held(node)):
            return None
    return _exact(graph, distributions, ratio)


def _exact(graph: WorkGraph, distributions: list[dict[int, Fraction]], guess: Fraction) -> Spread | None:
    if any(sum(row.values()) != 1 for row in distributions):
        return None
    scale = lcm(*(value.denominator for row in distributions for value in row.values()))
    if scale > LARGEST:
        return None  # flows in such units would take for ever
    arcs: list[tuple[int, int, Fraction, int]] = []
    transports: list[dict[int, list[tuple[int, int, Fraction]]]] = []
    for node, row in enumerate(graph.arcs):
        moves: dict[int, list[tuple[int, int, Fraction]]] = {}
        for arc in row:
            goal = _pulled(distributions[arc.target], arc.places)
            flow = _transport(distributions[node], goal, scale)
            moves[arc.page] = [(a, b, Fraction(mass, scale)) for a, b, mass in flow]
            cost = sum((mass * (b & ~a).bit_count() for a, b, mass in moves[arc.page]), Fraction(0))
            arcs.append((node, arc.target, cost, arc.opt))
        transports.append(moves)
    solved = _ratio(len(graph.nodes), arcs, guess)
    return None if solved is None else Spread(solved[0], distributions, transports, solved[1])


def _ratio(
    size: int, arcs: list[tuple[int, int, Fraction, int]], ratio: Fraction
) -> tuple[Fraction, list[Fraction]] | None:
    """Return the largest ratio over cycles, if it is at least the one given, and a potential; None if unbounded."""
    while True:
        scale = lcm(ratio.denominator, *(cost.denominator for _, _, cost, _ in arcs))
        weighted = [(u, v, int((cost - ratio * opt) * scale), n) for n, (u, v, cost, opt) in enumerate(arcs)]
        far, choice = [0] * size, [-1] * size
        cycle: list[int] = []
        changed = True
        while changed and not cycle:
            changed = False
            for u, v, weight, n in weighted:
                if weight + far[v] > far[u]:
                    far[u], choice[u], changed = weight + far[v], n, True
            cycle = _cycle(arcs, choice) if changed else []
        if not cycle:
            return ratio, [Fraction(value, scale) for value in far]
        paid = sum((arcs[n][2] for n in cycle), Fraction(0))
        opt = sum(arcs[n][3] for n in cycle)
        if opt == 0:
            return None
        ratio = paid / opt


def _cycle(arcs: list[tuple[int, int, Fraction, int]], choice: list[int]) -> list[int]:
    seen = [0] * len(choice)
    for begin in range(len(choice)):
        node = begin
        while seen[node] == 0 and choice[node] >= 0:
            seen[node] = begin + 1
            node = arcs[choice[node]][1]
        if choice[node] >= 0 and seen[node] == begin + 1:
            cycle = [choice[node]]
            while (at := arcs[cycle[-1]][1]) != node:
                cycle.append(choice[at])
            return cycle
        seen[node] = seen[node] or begin + 1
    return []


def _pulled(distribution: dict[int, Fraction], places: tuple[int, ...]) -> dict[int, Fraction]:
    """Return a distribution of the next node in the pages of this one."""
    return {sum((cache >> at & 1) << page for at, page in enumerate(places)): v for cache, v in distribution.items()}


def _transport(source: dict[int, Fraction], goal: dict[int, Fraction], scale: int) -> list[tuple[int, int, int]]:
    """Return a cheapest transport in units of 1/scale: (from, to, mass), in integers."""
    import networkx as nx

    flow: list[tuple[int, int, int]] = []
    supply: dict[int, int] = {}
    demand: dict[int, int] = {}
    for cache in sorted(source.keys() | goal.keys()):
        a, b = int(source.get(cache, Fraction(0)) * scale), int(goal.get(cache, Fraction(0)) * scale)
        if min(a, b):
            flow.append((cache, cache, min(a, b)))  # what can stay stays: distances obey the triangle inequality
        if a > b:
            supply[cache] = a - b
        elif b > a:
            demand[cache] = b - a
    if supply:
        net = nx.DiGraph()
        net.add_nodes_from((("from", c), {"demand": -m}) for c, m in supply.items())
        net.add_nodes_from((("to", c), {"demand": m}) for c, m in demand.items())
        for a in supply:
            for b in demand:
                net.add_edge(("from", a), ("to", b), weight=(b & ~a).bit_count())
        _, found = nx.network_simplex(net)
        flow += [(a[1], b[1], int(mass)) for a, row in found.items() for b, mass in row.items() if mass]
    return flow
