"""The best randomized policy: a bracket from distributions above and request sources below."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import product
from typing import Any

from ..certificate import Certificate
from ..core.instance import Instance
from ..errors import ParameterError, SolverError
from .bracket import Bracket
from .given import problem
from .source import Source, improve
from .spread import Spread, spread
from .work import WorkGraph, explore

__all__ = ["randomized_bracket"]

ROWS = 40_000  # of the linear programs of a source; larger ones are left out
FLOWS = 400_000  # of the linear program of distributions
ROW_BYTES = 4_000
FIRST = 10  # seconds that the first linear program from above has, however short the limit is


def randomized_bracket(
    layers: int,
    experts: int | Sequence[int],
    slots: int,
    *,
    memory: int,
    seconds: float | None,
    tick: Callable[[str, Any], None],
) -> Bracket:
    """Return the bracket of ``optimal_ratio(..., randomized=True)``; an interruption keeps what is known."""
    instance = problem(layers, experts, slots)
    found: dict[str, Any] = {"nodes": 0, "policy": None, "source": None, "cut": False}
    complete = True
    begun = time.monotonic()
    until = begun + (float("inf") if seconds is None else seconds)
    try:
        half = begun + (float("inf") if seconds is None else seconds / 2)
        _above(instance, min(FLOWS, memory // ROW_BYTES), found, half, tick)
        _below(instance, min(ROWS, memory // ROW_BYTES), found, until, tick)
        complete = time.monotonic() <= until and not found["cut"]
    except KeyboardInterrupt:
        complete = False
    lower = found["source"][1].ratio if found["source"] else Fraction(0)
    upper = found["policy"][2].ratio if found["policy"] else None
    statement = {
        "layers": layers,
        "experts": experts if isinstance(experts, int) else [int(n) for n in experts],
        "slots": slots,
        "lower": str(lower),
        "upper": None if upper is None else str(upper),
    }
    return Bracket(lower, upper, found["nodes"], complete, statement, lambda: _certificate(statement, found))


def _above(
    instance: Instance, limit: int, found: dict[str, Any], until: float, tick: Callable[[str, Any], None]
) -> None:
    """Memories of 0, layers + 1, ... requests while the ratio falls (shorter ones tell nothing new)."""
    for steps in (0, *range(instance.layers + 1, 4 * instance.layers + 3)):
        try:
            graph = explore(instance, steps)
        except ParameterError:
            return
        if sum(map(len, graph.arcs)) * len(graph.caches) * instance.slots > limit:
            return
        tick("phase", f"linear program from above, {len(graph.nodes):,} nodes")
        end = until if found["policy"] else max(until, time.monotonic() + FIRST)
        if time.monotonic() > end:
            found["cut"] = True
            return
        try:
            answer = spread(graph, end)
        except SolverError:
            if found["policy"] is None and time.monotonic() <= end:
                raise
            found["cut"] = True
            return
        if answer is None:
            return
        if found["policy"] is not None and answer.ratio >= found["policy"][2].ratio:
            return
        found["policy"], found["nodes"] = (graph, steps, answer), len(graph.nodes)
        tick("upper", answer.ratio)


def _below(
    instance: Instance, limit: int, found: dict[str, Any], until: float, tick: Callable[[str, Any], None]
) -> None:
    """All ways to use fewer pages of the layers, and longer and longer memories, until the upper side is met."""
    upper = found["policy"][2].ratio if found["policy"] else None
    equal = len(set(instance.experts)) == 1
    widths = [w for w in product(*(range(1, n + 1) for n in instance.experts)) if sum(w) > instance.slots]
    if equal:  # turned round, they are the same problem but for the start
        widths = [w for w in widths if w == max(w[j:] + w[:j] for j in range(len(w)))]
    widths.sort(key=lambda w: (sum(w), w))
    for steps in (0, *range(2, 4 * instance.layers + 1)):
        grew = False
        for width in widths:
            part = Instance(instance.layers, width, instance.slots)
            try:
                graph = explore(part, steps)
            except ParameterError:
                continue
            if sum(len(row) * len(graph.held(i)) for i, row in enumerate(graph.arcs)) * instance.slots > limit:
                continue
            grew = True
            tick("phase", f"sources from below, experts {width}, memory {steps}")
            if found["source"] and time.monotonic() > until:
                return
            try:
                answer = improve(
                    graph,
                    rounds=25,
                    enough=float(upper or 1e9),
                    until=until,
                    tick=lambda r: tick("source", round(r, 6)),
                )
            except SolverError:
                continue
            if found["source"] is None or answer.ratio > found["source"][1].ratio:
                found["source"] = (graph, answer, width, steps)
                tick("lower", answer.ratio)
            if upper is not None and answer.ratio >= upper:
                return
        if not grew:
            return


def _nodes(graph: WorkGraph, chosen: Sequence[int]) -> list[list[int]]:
    return [[graph.nodes[i].layer, *(x for item in graph.nodes[i].items for x in item)] for i in chosen]


def _certificate(statement: dict[str, Any], found: dict[str, Any]) -> Certificate:
    evidence: dict[str, Any] = {"policy": None, "source": None}
    if found["policy"]:
        graph, steps, answer = found["policy"]
        evidence["policy"] = _policy(graph, steps, answer)
    if found["source"]:
        graph, source, width, steps = found["source"]
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
