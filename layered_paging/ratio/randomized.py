"""The best randomized policy: a bracket from distributions above and request sources below."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from ..certificate import Certificate
from ..core.instance import Instance
from ..errors import ParameterError, SolverError
from .bracket import Bracket
from .given import problem
from .journal import Journal
from .search import FLOWS, ROWS, Search, flows, rows
from .source import Climb, Source, improve
from .spread import Spread, spread
from .work import WorkGraph, explore

__all__ = ["randomized_bracket"]

ROW_BYTES = 4_000


class _Hunt(NamedTuple):
    """What both sides of the search share: the size, what was found, and who is told of it."""

    instance: Instance
    search: Search
    tick: Callable[[str, Any], None]
    journal: Journal

    def found(self, side: str, ratio: Fraction) -> None:
        """Tell a new bound, and keep it at once."""
        self.tick(side, ratio)
        self.journal.keep(self.search.state, now=True)


def randomized_bracket(
    layers: int,
    experts: int | Sequence[int],
    slots: int,
    *,
    memory: int,
    seconds: float | None,
    tick: Callable[[str, Any], None],
    resume: str | Path | None = None,
) -> Bracket:
    """Return the bracket of ``optimal_ratio(..., randomized=True)``; an interruption keeps what is known."""
    instance = problem(layers, experts, slots)
    size = {"layers": layers, "experts": list(instance.experts), "slots": slots}
    journal = Journal(resume, {"search": "best randomized policy", **size})
    search = Search.taken(instance, journal)
    if journal.kept:
        tick("taken up", search.taken_up())
    complete = True
    begun = time.monotonic()
    until = begun + (float("inf") if seconds is None else seconds)
    try:
        half = begun + (float("inf") if seconds is None else seconds / 2)
        hunt = _Hunt(instance, search, tick, journal)
        _above(hunt, min(FLOWS, memory // ROW_BYTES), half, until)
        _below(hunt, min(ROWS, memory // ROW_BYTES), until)
        complete = time.monotonic() <= until and not search.cut
    except KeyboardInterrupt:
        complete = False
    journal.keep(search.state, now=True)
    upper = search.upper
    statement = {
        "layers": layers,
        "experts": experts if isinstance(experts, int) else [int(n) for n in experts],
        "slots": slots,
        "lower": str(search.lower),
        "upper": None if upper is None else str(upper),
    }
    nodes = len(search.policy[0].nodes) if search.policy else 0
    return Bracket(search.lower, upper, nodes, complete, statement, lambda: _certificate(statement, search))


def _above(hunt: _Hunt, limit: int, half: float, until: float) -> None:
    """Memories of 0, layers + 1, ... requests while the ratio falls (shorter ones tell nothing new).

    All programs end at ``half`` but the first, which may have all the time there is.
    """
    instance, search = hunt.instance, hunt.search
    memories = (0, *range(instance.layers + 1, 4 * instance.layers + 3))
    while not search.ended and search.above < len(memories):
        steps = memories[search.above]
        try:
            graph = explore(instance, steps)
        except ParameterError:
            return
        if flows(graph) > limit:
            return
        hunt.tick("phase", f"linear program from above, {len(graph.nodes):,} nodes")
        end = half if search.policy else until
        if time.monotonic() > end:
            search.cut = True
            return
        try:
            answer = spread(graph, end)
        except SolverError:
            if search.policy is None and time.monotonic() <= end:
                raise
            search.cut = True
            return
        if answer is None or (search.policy is not None and answer.ratio >= search.policy[2].ratio):
            search.cut = time.monotonic() > end  # then better roundings may not have been tried
            search.ended = not search.cut
            return
        search.policy = (graph, steps, answer)
        search.above += 1
        hunt.found("upper", answer.ratio)


def _below(hunt: _Hunt, limit: int, until: float) -> None:
    """All ways to use fewer pages of the layers, and longer and longer memories, until the upper side is met."""
    instance, search = hunt.instance, hunt.search
    for steps in (0, *range(2, 4 * instance.layers + 1)):
        grew = False
        for width in _widths(instance):
            if search.lower == search.upper:
                return
            try:
                graph = explore(Instance(instance.layers, width, instance.slots), steps)
            except ParameterError:
                continue
            if rows(graph) > limit:
                continue
            grew = True
            if (steps, *width) in search.below:
                continue
            hunt.tick("phase", f"sources from below, experts {width}, memory {steps}")
            if search.source and time.monotonic() > until:
                return
            if search.running != (steps, *width):
                search.running, search.climb = (steps, *width), Climb([])
            _improve(hunt, graph, until)
        if not grew:
            return


def _widths(instance: Instance) -> list[tuple[int, ...]]:
    """Return the ways to use pages of the layers, more of them than slots."""
    widths = [w for w in product(*(range(1, n + 1) for n in instance.experts)) if sum(w) > instance.slots]
    if len(set(instance.experts)) == 1:  # turned round, they are the same problem but for the start
        widths = [w for w in widths if w == max(w[j:] + w[:j] for j in range(len(w)))]
    return sorted(widths, key=lambda w: (sum(w), w))


def _improve(hunt: _Hunt, graph: WorkGraph, until: float) -> None:
    """Go on with the source that is running, and keep it if it is better than the best."""
    search = hunt.search
    assert search.running is not None

    def told(ratio: float) -> None:
        hunt.journal.keep(search.state)
        hunt.tick("source", round(ratio, 6))

    upper = search.upper
    enough = float(upper or 1e9)
    try:
        answer = improve(graph, rounds=25, enough=enough, until=until, tick=told, climb=search.climb)
    except SolverError:
        if time.monotonic() <= until:
            search.below.add(search.running)
            search.running = None
        return
    steps, *width = search.running
    if search.climb.finished:
        search.below.add(search.running)
        search.running = None
    if search.source is None or answer.ratio > search.source[1].ratio:
        search.source = (graph, answer, tuple(width), steps)
        hunt.found("lower", answer.ratio)


def _nodes(graph: WorkGraph, chosen: Sequence[int]) -> list[list[int]]:
    return [[graph.nodes[i].layer, *(x for item in graph.nodes[i].items for x in item)] for i in chosen]


def _certificate(statement: dict[str, Any], search: Search) -> Certificate:
    evidence: dict[str, Any] = {"policy": None, "source": None}
    if search.policy:
        evidence["policy"] = _policy(*search.policy)
    if search.source:
        graph, source, width, steps = search.source
        evidence["source"] = _source(graph, steps, source, width)
    return Certificate("ratio-random", statement, evidence)


def _policy(graph: WorkGraph, steps: int, answer: Spread) -> dict[str, Any]:
    return {
        "memory": steps,
        "nodes": _nodes(graph, range(len(graph.nodes))),
        "distributions": [[[c, str(v)] for c, v in row.items()] for row in answer.distributions],
        "transports": [
            {str(page): [[a, b, str(mass)] for a, b, mass in moves] for page, moves in row.items()}
            for row in answer.transports
        ],
        "potential": [str(v) for v in answer.potential],
    }


def _source(graph: WorkGraph, steps: int, source: Source, width: Sequence[int]) -> dict[str, Any]:
    used = [i for i, row in enumerate(source.chances) if row]
    return {
        "experts": list(width),
        "memory": steps,
        "nodes": _nodes(graph, used),
        "chances": [[[page, str(v)] for page, v in source.chances[i].items()] for i in used],
        "values": [[[cache, str(v)] for cache, v in source.values[i].items()] for i in used],
    }
