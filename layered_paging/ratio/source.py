"""Lower side for randomized policies: Yao's principle with an optimised request source.

A source draws the next page by the node of the work-function graph.  Against it no policy does better
than the best deterministic one, which is a decision process on (node, cache) and solved exactly.
Sources are improved by linear programs in which source and values may both move a little.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from ..errors import SolverError
from .sparse import Rows, in_time
from .work import WorkGraph, moved

__all__ = ["Source", "improve"]

SMALL = 1e-6  # smaller probabilities become 0


@dataclass
class Source:
    """A request source and the values that bound every policy from below.

    ``chances[i]`` maps pages to probabilities at node i; ``values[i]`` maps caches to values.
    Nodes that the source never reaches have empty rows.
    """

    ratio: Fraction
    chances: list[dict[int, Fraction]]
    values: list[dict[int, Fraction]]


class _Program:
    """The linear program of a source: columns r, the slack, node values, request values and steps of the source."""

    def __init__(self, graph: WorkGraph) -> None:
        self.graph = graph
        self.until = float("inf")  # when a linear program is given up
        self.held = [graph.held(node) for node in range(len(graph.nodes))]
        at = 2
        self.h: list[dict[int, int]] = []
        for caches in self.held:
            self.h.append({cache: at + n for n, cache in enumerate(caches)})
            at += len(caches)
        self.g: list[list[dict[int, int]]] = []
        for node, row in enumerate(graph.arcs):
            self.g.append([])
            for _ in row:
                self.g[-1].append({cache: at + n for n, cache in enumerate(self.held[node])})
                at += len(self.held[node])
        self.step: list[list[int]] = []
        self.classes: list[list[list[int]]] = []
        for node, row in enumerate(graph.arcs):
            groups: dict[Any, list[int]] = {}
            for n, arc in enumerate(row):
                groups.setdefault(graph.nodes[node].items[arc.page], []).append(n)
            self.classes.append(list(groups.values()))
            self.step.append(list(range(at, at + len(groups))))
            at += len(groups)
        self.columns = at
        self.answers = Rows()
        for node, row in enumerate(graph.arcs):
            for n, arc in enumerate(row):
                for cache in self.held[node]:
                    for cost, after in _answers(cache, arc.page):
                        next_value = self.h[arc.target][moved(after, arc.places)]
                        self.answers.new(float(cost), ((self.g[node][n][cache], 1.0), (next_value, -1.0)))

    def solve(
        self, q: list[list[float]], free: set[int], radius: float, base: Any, ratio: float | None, floor: float = 0.0
    ) -> Any:
        """Return (r, q, x): with ``radius`` 0 the exact value of a source, otherwise the best linear step.

        With ``ratio`` given, that ratio is kept and the slack of all values is made as large as can be.
        """
        from scipy.optimize import linprog

        rows, fixed = self.answers.copy(), Rows()
        bounds: list[tuple[float | None, float | None]] = [(None, None)] * self.columns
        bounds[0] = (0.0, 1e4) if ratio is None else (ratio, ratio)
        bounds[1] = (0.0, 0.0) if ratio is None else (0.0, 1.0)
        for node, arcs in enumerate(self.graph.arcs):
            for column, old in zip(self.step[node], q[node], strict=True):
                move = radius if node in free and base is not None else 0.0
                bounds[column] = (max(-move, min(0.0, floor - old)), min(move, 1.0 - old))
            fixed.new(0.0, ((column, 1.0) for column in self.step[node]))
            for cache in self.held[node] if node in free else ():
                line = rows.new(0.0, ((self.h[node][cache], 1.0), (1, 1.0)))
                paid = 0.0
                for c, members in enumerate(self.classes[node]):
                    slope = 0.0
                    for n in members:
                        rows.put(line, self.g[node][n][cache], -q[node][c] / len(members))
                        if base is not None:
                            slope += (base[self.g[node][n][cache]] - base[0] * arcs[n].opt) / len(members)
                    paid += q[node][c] * arcs[members[0]].opt
                    if base is not None:
                        rows.put(line, self.step[node][c], -slope)
                rows.put(line, 0, paid)
        objective = np.zeros(self.columns)
        objective[0 if ratio is None else 1] = -1.0
        # values are only defined up to a constant
        bounds[self.h[0][self.held[0][0]]] = (0.0, 0.0)
        answer = linprog(
            objective,
            A_ub=rows.matrix(self.columns),
            b_ub=np.array(rows.right),
            A_eq=fixed.matrix(self.columns),
            b_eq=np.array(fixed.right),
            bounds=bounds,
            method="highs",
            options=in_time(self.until),
        )
        if answer.status != 0:
            return None
        new = [
            [max(0.0, v + answer.x[col]) for v, col in zip(row, self.step[i], strict=True)] for i, row in enumerate(q)
        ]
        new = [[v if v > SMALL else 0.0 for v in row] for row in new]
        new = [[v / sum(row) for v in row] for row in new]
        return (float(answer.x[0]) if ratio is None else float(answer.x[1])), new, answer.x

    def reached(self, q: list[list[float]]) -> set[int]:
        """Return the nodes that a source reaches."""
        found, queue = {0}, [0]
        for node in queue:
            for c, members in enumerate(self.classes[node]):
                for n in members if q[node][c] > 0 else ():
                    if self.graph.arcs[node][n].target not in found:
                        found.add(self.graph.arcs[node][n].target)
                        queue.append(self.graph.arcs[node][n].target)
        return found

    def sound(self, q: list[list[float]]) -> bool:
        """Return whether the optimum pays in every recurrent class that a source reaches."""
        import networkx as nx

        net = nx.DiGraph()
        pays = set()
        for node in self.reached(q):
            for c, members in enumerate(self.classes[node]):
                for n in members if q[node][c] > 0 else ():
                    arc = self.graph.arcs[node][n]
                    net.add_edge(node, arc.target)
                    if arc.opt:
                        pays.add((node, arc.target))
        classes = list(nx.strongly_connected_components(net))
        home = {node: n for n, members in enumerate(classes) for node in members}
        left = {home[a] for a, b in net.edges if home[a] != home[b]}
        paid = {home[a] for a, b in pays if home[a] == home[b]}
        return all(n in left or n in paid for n in range(len(classes)))


def improve(
    graph: WorkGraph,
    *,
    rounds: int = 60,
    enough: float = float("inf"),
    until: float = float("inf"),
    tick: Callable[[float], None] = lambda r: None,
) -> Source:
    """Return a good source, found from the uniform one, with its exact lower bound.

    The search ends at a ratio of ``enough``, or when ``time.monotonic()`` passes ``until``.

    Raises
    ------
    SolverError
        Not even the uniform source could be solved.
    """
    program = _Program(graph)
    everywhere = set(range(len(graph.nodes)))
    q = [
        [len(members) / len(row) for members in classes]
        for row, classes in zip(graph.arcs, program.classes, strict=True)
    ]
    solved = program.solve(q, everywhere, 0.0, None, None)
    if solved is None:
        raise SolverError("the uniform source was not solved")
    ratio, _, x = solved
    program.until = until
    for floor in (0.1, 0.03, 0.01, 1e-3, 0.0):
        radius = 0.25
        for _ in range(rounds):
            tick(ratio)
            if ratio >= enough - 1e-9 or radius < 1e-5 or time.monotonic() > until:
                break
            step = program.solve(q, everywhere, radius, x, None, floor)
            good = step is not None and program.sound(step[1])
            trial = program.solve(step[1], everywhere, 0.0, None, None) if good else None
            if trial is not None and trial[0] > ratio + 1e-10:
                q, ratio, x = step[1], trial[0], trial[2]
                radius = min(0.5, 2 * radius)
            else:
                radius /= 4
    program.until = float("inf")  # what was found is proved, however late it is
    return _exact(program, q, ratio)


def _exact(program: _Program, q: list[list[float]], ratio: float) -> Source:
    """Round a source to fractions and find values that prove as much as they can, exactly."""
    best: Source | None = None
    for limit in (24, 120, 1000, 100_000):
        chances = [_round(row, limit) for row in q]
        floats = [[float(v) for v in row] for row in chances]
        if not program.sound(floats):
            continue
        free = program.reached(floats)
        solved = program.solve(floats, free, 0.0, None, None)
        if solved is None:
            continue
        guess = Fraction(solved[0]).limit_denominator(10_000)
        tries: list[tuple[Any, int]] = [(solved[2], 1000), (solved[2], 1_000_000)]
        for value, denominator in tries:
            found = _verified(program, chances, free, guess, value, denominator)
            if found is not None:
                break
        else:
            lower = Fraction(int(solved[0] * 10**6) - 1, 10**6)
            slack = program.solve(floats, free, 0.0, None, float(lower))
            found = None if slack is None else _verified(program, chances, free, lower, slack[2], 10**10)
        if found is not None and (best is None or found.ratio > best.ratio):
            best = found
        if best is not None and best.ratio >= Fraction(ratio) - Fraction(1, 10**9):
            break
    if best is None:
        raise SolverError("no source could be certified")
    return best


def _round(row: list[float], limit: int) -> list[Fraction]:
    exact = [Fraction(v).limit_denominator(limit) if v > 1e-9 else Fraction(0) for v in row]
    at = max(range(len(row)), key=lambda n: exact[n])
    exact[at] += 1 - sum(exact)
    return exact if exact[at] >= 0 else [Fraction(int(n == at)) for n in range(len(row))]


def _verified(
    program: _Program, chances: list[list[Fraction]], free: set[int], ratio: Fraction, x: Any, denominator: int
) -> Source | None:
    """Return the source with rounded values if they prove the ratio, else None."""
    graph = program.graph
    values = [
        {cache: Fraction(x[col]).limit_denominator(denominator) for cache, col in row.items()} if node in free else {}
        for node, row in enumerate(program.h)
    ]
    pages: list[dict[int, Fraction]] = [{} for _ in graph.nodes]
    for node in free:
        for c, members in enumerate(program.classes[node]):
            for n in members if chances[node][c] > 0 else ():
                pages[node][graph.arcs[node][n].page] = chances[node][c] / len(members)
        for cache in program.held[node]:
            total = Fraction(0)
            for arc in graph.arcs[node]:
                if arc.page in pages[node]:
                    least = min(
                        cost + values[arc.target][moved(after, arc.places)] for cost, after in _answers(cache, arc.page)
                    )
                    total += pages[node][arc.page] * (least - ratio * arc.opt)
            if values[node][cache] > total:
                return None
    return Source(ratio, pages, values)


def _answers(cache: int, page: int) -> list[tuple[int, int]]:
    """Return the cost and the cache of every lazy answer."""
    if cache >> page & 1:
        return [(0, cache)]
    return [(1, cache & ~(1 << v) | 1 << page) for v in range(cache.bit_length()) if cache >> v & 1]
