"""What the search for the best randomized policy has found and done, as it is kept in a journal and taken up again.

Both sides are kept by what proves them, and proved again before they are used: distributions by new transports and a
new potential, a source by its values.  Which programs are done, and where the last source stands, are hints: a wrong
one can make a search shorter or longer, never a bound false.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from ..core.instance import Instance
from ..core.words import counted
from ..errors import FormatError, LayeredPagingError
from .journal import Journal, fraction
from .source import FLOORS, Climb, Source, proved
from .spread import Spread, carried
from .work import WorkGraph, explore

__all__ = ["FLOWS", "ROWS", "Search", "flows", "rows"]

ROWS = 40_000  # of the linear programs of a source; larger ones are left out
FLOWS = 400_000  # of the linear program of distributions
Program = tuple[int, ...]  # of a source: its memory, then the pages of each layer


@dataclass
class Search:
    """The best of each side, and what is done.

    Attributes
    ----------
    policy : (graph, memory, Spread) or None
    source : (graph, Source, pages of each layer, memory) or None
    above, ended : int, bool
        Memories done from above, in their order, and whether longer ones are of no use.
    below : set of programs
        Sources that were searched to the end.
    running, climb : program or None, Climb
        The source that is searched now, and where its search stands.
    cut : bool
        Whether the side from above was given up for want of time.
    """

    policy: tuple[WorkGraph, int, Spread] | None = None
    source: tuple[WorkGraph, Source, tuple[int, ...], int] | None = None
    above: int = 0
    ended: bool = False
    below: set[Program] = field(default_factory=set)
    running: Program | None = None
    climb: Climb = field(default_factory=lambda: Climb([]))
    cut: bool = False

    @property
    def lower(self) -> Fraction:
        """The bound from below; 0 without a source."""
        return self.source[1].ratio if self.source else Fraction(0)

    @property
    def upper(self) -> Fraction | None:
        """The bound from above."""
        return self.policy[2].ratio if self.policy else None

    def taken_up(self) -> str:
        """Return in words what there is to go on from."""
        at = self.climb
        going = f", one more after {counted(at.round, 'step')} on floor {at.floor + 1}" if self.running else ""
        done = f"{counted(self.above, 'program')} from above and {counted(len(self.below), 'source')} done"
        return f"between {self.lower} and {self.upper}; {done}{going}"

    def state(self) -> dict[str, Any]:
        """Return what a journal keeps."""
        policy = source = running = None
        if self.policy:
            _, memory, answer = self.policy
            rows = [[[c, str(v)] for c, v in row.items()] for row in answer.distributions]
            policy = {"ratio": str(answer.ratio), "memory": memory, "distributions": rows}
        if self.source:
            _, best, width, memory = self.source
            chances, values = (
                [[[k, str(v)] for k, v in row.items()] for row in side] for side in (best.chances, best.values)
            )
            source = {"ratio": str(best.ratio), "experts": list(width), "memory": memory}
            source |= {"chances": chances, "values": values}
        if self.running:
            at = self.climb
            running = {"program": list(self.running), "chances": at.chances}
            running |= {"floor": at.floor, "round": at.round, "radius": at.radius}
        below = [list(program) for program in sorted(self.below)]
        done = {"above": self.above, "ended": self.ended, "below": below, "running": running}
        return {"policy": policy, "source": source, **done}

    @classmethod
    def taken(cls, instance: Instance, journal: Journal) -> Search:
        """Return what a journal keeps, each side proved again; a new search if it keeps nothing.

        Raises
        ------
        FormatError
            A side is not proved by what the journal has, or a field is no such thing.
        """
        search, kept = cls(), journal.kept
        if not kept:
            return search
        try:
            if kept["policy"] is not None:
                search.policy = _policy(instance, kept["policy"])
            if kept["source"] is not None:
                search.source = _source(instance, kept["source"])
            search.above, search.ended = _count(kept["above"]), kept["ended"] is True
            search.below = {_program(instance, row) for row in kept["below"]}
            if kept["running"] is not None:
                search.running, search.climb = _running(instance, kept["running"])
        except FormatError:
            raise
        except (LayeredPagingError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError) as error:
            raise journal.damaged(f"{type(error).__name__}: {ascii(str(error))[1:-1][:160]}") from None
        return search


def flows(graph: WorkGraph) -> int:
    """Return how many flows the linear program of distributions has at the most."""
    return sum(map(len, graph.arcs)) * len(graph.caches) * graph.instance.slots


def rows(graph: WorkGraph) -> int:
    """Return how many rows the linear programs of a source have, about."""
    return sum(len(row) * len(graph.held(i)) for i, row in enumerate(graph.arcs)) * graph.instance.slots


def _count(value: Any, least: int = 0) -> int:
    if type(value) is not int or value < least:
        raise ValueError(f"an integer of at least {least} is needed; got {ascii(value)[:60]}")
    return value


def _rows(lines: Any, nodes: int) -> list[dict[int, Fraction]]:
    """Return a list of pairs for each node as mappings."""
    if not isinstance(lines, list) or len(lines) != nodes:
        raise ValueError(f"a row for each of {nodes} nodes is needed")
    made = [{_count(key): fraction(text) for key, text in row} for row in lines]
    if [len(row) for row in made] != [len(row) for row in lines]:
        raise ValueError("a key stands twice in a row")
    return made


def _policy(instance: Instance, kept: dict[str, Any]) -> tuple[WorkGraph, int, Spread]:
    ratio, memory = fraction(kept["ratio"]), _count(kept["memory"])
    graph = explore(instance, memory)
    if flows(graph) > FLOWS:
        raise ValueError(f"no search keeps a policy with a memory of {memory} requests")
    answer = carried(graph, _rows(kept["distributions"], len(graph.nodes)), ratio)
    if answer is None or answer.ratio != ratio:
        raise ValueError(f"its policy does not have the ratio {ratio}")
    return graph, memory, answer


def _source(instance: Instance, kept: dict[str, Any]) -> tuple[WorkGraph, Source, tuple[int, ...], int]:
    memory, *width = _program(instance, [kept["memory"], *kept["experts"]])
    graph = explore(Instance(instance.layers, width, instance.slots), memory)
    if rows(graph) > ROWS:
        raise ValueError(f"no search keeps a source with a memory of {memory} requests")
    chances, values = (_rows(kept[name], len(graph.nodes)) for name in ("chances", "values"))
    source = Source(fraction(kept["ratio"]), chances, values)
    if not proved(graph, source):
        raise ValueError(f"its source does not prove the ratio {source.ratio}")
    return graph, source, tuple(width), memory


def _program(instance: Instance, row: Any) -> Program:
    memory, *width = (_count(value) for value in row)
    fits = len(width) == instance.layers and all(1 <= w <= n for w, n in zip(width, instance.experts, strict=True))
    if not fits or sum(width) <= instance.slots:
        raise ValueError(f"no pages of a source: {width}")
    return (memory, *width)


def _running(instance: Instance, kept: dict[str, Any]) -> tuple[Program, Climb]:
    chances = [[float(v) for v in row] for row in kept["chances"]]
    floor, radius = _count(kept["floor"]), float(kept["radius"])
    if floor > len(FLOORS) or not 0 < radius <= 1:
        raise ValueError(f"no place in a search: floor {floor}, radius {radius}")
    return _program(instance, kept["program"]), Climb(chances, floor, _count(kept["round"]), radius)
