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
from math import inf
from typing import Any

from ..core.deadline import seconds_until
from ..core.program import Program
from ..errors import SolverError
from .work import WorkGraph, moved

__all__ = ["Climb", "Source", "improve", "proved"]

SMALL = 1e-6  # smaller probabilities become 0
FLOORS = (0.1, 0.03, 0.01, 1e-3, 0.0)  # least probabilities that the steps of a search may reach, one after another
RADIUS = 0.25  # of a first step


@dataclass
class Source:
    """A request source and the values that bound every policy from below.

    ``chances[i]`` maps pages to probabilities at node i; ``values[i]`` maps caches to values.
    Nodes that the source never reaches have empty rows.
    """

    ratio: Fraction
    chances: list[dict[int, Fraction]]
    values: list[dict[int, Fraction]]


@dataclass
class Climb:
    """Where the search for a source stands, so that it can go on from there.

    Attributes
    ----------
    chances : list of lists of float
        The source by node and class of pages; empty for the uniform one.
    floor, round, radius : int, int, float
        The floor of the next step by its place in ``FLOORS``, the steps tried on it, and how far the next one may go.
    """

    chances: list[list[float]]
    floor: int = 0
    round: int = 0
    radius: float = RADIUS

    @property
    def finished(self) -> bool:
        """Whether every floor was searched."""
        return self.floor >= len(FLOORS)


class _Program:
    """The linear program of a source, but for the rows and bounds that depend on the source.

    Column 0 is the ratio r and column 1 the slack. Then come the values ``h`` of nodes, the values ``g`` of requests
    and the ``step`` of each chance.
    """

    def __init__(self, graph: WorkGraph) -> None:
        self.graph = graph
        self.until = float("inf")  # when a linear program is given up
        self.held = [graph.held(node) for node in range(len(graph.nodes))]
        self.common = Program()
        self.common.columns(2)
        self.h: list[dict[int, int]] = [self._values(caches) for caches in self.held]
        self.g: list[list[dict[int, int]]] = []
        for node, row in enumerate(graph.arcs):
            self.g.append([self._values(self.held[node]) for _ in row])
        self.step: list[list[int]] = []
        self.classes: list[list[list[int]]] = []
        for node, row in enumerate(graph.arcs):
            groups: dict[Any, list[int]] = {}
            for n, arc in enumerate(row):
                groups.setdefault(graph.nodes[node].items[arc.page], []).append(n)
            self.classes.append(list(groups.values()))
            self.step.append(self.common.columns(len(groups)).tolist())
        for node, row in enumerate(graph.arcs):
            for n, arc in enumerate(row):
                for cache in self.held[node]:
                    for cost, after in _answers(cache, arc.page):
                        next_value = self.h[arc.target][moved(after, arc.places)]
                        self.common.at_most.new(float(cost), ((self.g[node][n][cache], 1.0), (next_value, -1.0)))

    def _values(self, caches: list[int]) -> dict[int, int]:
        """Append a free column per cache."""
        return dict(zip(caches, self.common.columns(len(caches), lower=-inf).tolist(), strict=True))

    def solve(
        self, q: list[list[float]], free: set[int], radius: float, base: Any, ratio: float | None, floor: float = 0.0
    ) -> Any:
        """Return (r, q, x): with ``radius`` 0 the exact value of a source, otherwise the best linear step.

        With ``ratio`` given, that ratio is kept and the slack of all values is made as large as can be.
        """
        program = self.common.copy()
        rows, fixed, bounds = program.at_most, program.equal, program.bounds
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
        program.cost[0 if ratio is None else 1] = -1.0
        # values are only defined up to a constant
        bounds[self.h[0][self.held[0][0]]] = (0.0, 0.0)
        try:
            x = program.solve("source", time_limit=seconds_until(self.until)).x
        except SolverError:
            return None
        new = [[max(0.0, v + x[col]) for v, col in zip(row, self.step[i], strict=True)] for i, row in enumerate(q)]
        new = [[v if v > SMALL else 0.0 for v in row] for row in new]
        new = [[v / sum(row) for v in row] for row in new]
        return float(x[0 if ratio is None else 1]), new, x

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
    climb: Climb | None = None,
) -> Source:
    """Return a good source, found from the uniform one, with its exact lower bound.

    The search ends at a ratio of ``enough``, or when ``time.monotonic()`` passes ``until``.  It starts where ``climb``
    stands, which moves with it. What a climb says is solved anew, and one that does not fit the graph is begun again.

    Raises
    ------
    SolverError
        Not even the uniform source could be solved.
    """
    program, climb = _Program(graph), climb or Climb([])
    everywhere = set(range(len(graph.nodes)))
    solved = None
    if _fits(program, climb.chances):
        solved = program.solve(climb.chances, everywhere, 0.0, None, None)
    if solved is None:
        climb.chances, climb.floor, climb.round, climb.radius = _uniform(program), 0, 0, RADIUS
        solved = program.solve(climb.chances, everywhere, 0.0, None, None)
    if solved is None:
        raise SolverError("the uniform source was not solved")
    ratio, _, x = solved
    program.until = until
    while not climb.finished:
        while climb.round < rounds:
            tick(ratio)
            if ratio >= enough - 1e-9 or climb.radius < 1e-5 or time.monotonic() > until:
                break
            step = program.solve(climb.chances, everywhere, climb.radius, x, None, FLOORS[climb.floor])
            good = step is not None and program.sound(step[1])
            trial = program.solve(step[1], everywhere, 0.0, None, None) if good else None
            if time.monotonic() > until and trial is None:
                break  # given up for want of time: the step says nothing
            if trial is not None and trial[0] > ratio + 1e-10:
                climb.chances, ratio, x = step[1], trial[0], trial[2]
                climb.radius = min(0.5, 2 * climb.radius)
            else:
                climb.radius /= 4
            climb.round += 1
        if time.monotonic() > until and ratio < enough - 1e-9:
            break
        climb.floor, climb.round, climb.radius = climb.floor + 1, 0, RADIUS
    program.until = float("inf")  # what was found is proved, however late it is
    return _exact(program, climb.chances, ratio)


def _uniform(program: _Program) -> list[list[float]]:
    rows = zip(program.graph.arcs, program.classes, strict=True)
    return [[len(members) / len(row) for members in classes] for row, classes in rows]


def _fits(program: _Program, chances: list[list[float]]) -> bool:
    """Return whether chances are those of a source on the graph, in which the optimum pays for ever."""
    if [len(row) for row in chances] != [len(row) for row in program.classes]:
        return False
    if not all(0 <= v <= 1 for row in chances for v in row) or any(abs(sum(row) - 1) > 1e-6 for row in chances):
        return False
    return program.sound(chances)


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
            found = _rounded(program, chances, free, guess, value, denominator)
            if found is not None:
                break
        else:
            lower = Fraction(int(solved[0] * 10**6) - 1, 10**6)
            slack = program.solve(floats, free, 0.0, None, float(lower))
            found = None if slack is None else _rounded(program, chances, free, lower, slack[2], 10**10)
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


def _rounded(
    program: _Program, chances: list[list[Fraction]], free: set[int], ratio: Fraction, x: Any, denominator: int
) -> Source | None:
    """Return the source with rounded values if they prove the ratio, else None."""
    values = [
        {cache: Fraction(x[col]).limit_denominator(denominator) for cache, col in row.items()} if node in free else {}
        for node, row in enumerate(program.h)
    ]
    source = Source(ratio, _by_page(program, chances, free), values)
    return source if _holds(program, source, free) else None


def _by_page(program: _Program, chances: list[list[Fraction]], free: set[int]) -> list[dict[int, Fraction]]:
    """Return the chances of pages: those of a class share alike."""
    pages: list[dict[int, Fraction]] = [{} for _ in program.graph.nodes]
    for node in free:
        for c, members in enumerate(program.classes[node]):
            for n in members if chances[node][c] > 0 else ():
                pages[node][program.graph.arcs[node][n].page] = chances[node][c] / len(members)
    return pages


def _holds(program: _Program, source: Source, free: set[int]) -> bool:
    """Return whether the values prove the ratio at every node that is reached, in fractions."""
    graph, values = program.graph, source.values
    for node in free:
        for cache in program.held[node]:
            total = Fraction(0)
            for arc in graph.arcs[node]:
                chance = source.chances[node].get(arc.page)
                if chance is not None:
                    least = min(
                        cost + values[arc.target][moved(after, arc.places)] for cost, after in _answers(cache, arc.page)
                    )
                    total += chance * (least - source.ratio * arc.opt)
            if values[node][cache] > total:
                return False
    return True


def proved(graph: WorkGraph, source: Source) -> bool:
    """Return whether a source proves its ratio: its chances are some, its values hold, and the optimum pays for ever."""
    program = _Program(graph)
    chances: list[list[Fraction]] = []
    for row, classes, asked in zip(graph.arcs, program.classes, source.chances, strict=True):
        if asked and (sum(asked.values()) != 1 or min(asked.values()) <= 0):
            return False
        chances.append(
            [sum((asked.get(row[n].page, Fraction(0)) for n in members), Fraction(0)) for members in classes]
        )
    floats = [[float(v) for v in row] for row in chances]
    free = program.reached(floats)
    if any(set(source.values[node]) != set(program.held[node]) or not source.chances[node] for node in free):
        return False
    alike = _by_page(program, chances, free) == source.chances
    return alike and program.sound(floats) and _holds(program, source, free)


def _answers(cache: int, page: int) -> list[tuple[int, int]]:
    """Return the cost and the cache of every lazy answer."""
    if cache >> page & 1:
        return [(0, cache)]
    return [(1, cache & ~(1 << v) | 1 << page) for v in range(cache.bit_length()) if cache >> v & 1]
