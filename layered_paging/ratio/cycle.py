"""The largest ratio of two sums over the cycles of a graph, exactly.

Lawler's parametric search with Howard's shortcut: at a ratio p/q all longest paths are sought in
integers. A positive cycle gives a larger ratio to go on with.  Where there is none,
the longest paths are the potential that proves the last ratio an upper bound.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from .components import strong_components

__all__ = ["Arcs", "Best", "closed_walk", "largest_ratio"]

LARGE = 1 << 22  # arcs; with more of them a sweep takes long enough to be interrupted after a few
Ints = npt.NDArray[np.int64]


@dataclass
class Arcs:
    """A graph by the arcs of each node: those of node i are ``first[i] : first[i + 1]``."""

    first: Ints
    targets: Ints
    cost: npt.NDArray[np.generic]
    opt: npt.NDArray[np.generic]

    @property
    def sources(self) -> Ints:
        """The node from which each arc starts."""
        return np.repeat(np.arange(len(self.first) - 1), np.diff(self.first))


@dataclass
class Best:
    """The largest ratio of a graph.

    Attributes
    ----------
    value : Fraction or None
        The ratio; None if it is unbounded.
    cycle : list of int
        Arcs of a cycle that has it, in order; empty if no cycle costs anything.
    potential : int64 array
        ``value.denominator`` times the largest sum ``cost - value * opt`` along a path from each node.
    choice : int64 array
        The first arc of such a path, -1 where it is empty.
    complete : bool
        False if the search was interrupted: then the cycle shows that the ratio is at least ``value``, and the potential says nothing.
    """

    value: Fraction | None
    cycle: list[int]
    potential: Ints
    choice: Ints
    complete: bool = True


def largest_ratio(
    arcs: Arcs, *, at_least: Fraction = Fraction(0), tick: Callable[[Fraction], None] = lambda r: None
) -> Best:
    """Return the largest ``sum(cost) / sum(opt)`` over the cycles of a graph.

    Parameters
    ----------
    arcs : Arcs
        With costs and opts of at least 0.
    at_least : Fraction
        The ratio to start with; it is the answer if no cycle has a larger one.
    tick : callable
        Called with every ratio that a cycle is found for.

    Notes
    -----
    An interruption (``KeyboardInterrupt``) after the first cycle was found returns that one with ``complete=False``.
    """
    from . import kernels

    nodes = len(arcs.first) - 1
    free = _free_cycle(arcs)
    if free:
        return Best(None, free, np.zeros(nodes, np.int64), np.full(nodes, -1, np.int64))
    if len(arcs.targets) < LARGE:  # numbers of one kind: what is compiled once serves every graph
        arcs = Arcs(*(np.asarray(numbers, np.int64) for numbers in (arcs.first, arcs.targets, arcs.cost, arcs.opt)))
    most = 64 if len(arcs.targets) < LARGE else 8
    value, cycle = at_least, list[int]()
    potential, choice = np.zeros(nodes, np.int64), np.full(nodes, -1, np.int64)
    try:
        while True:
            p, q = value.numerator, value.denominator
            potential[:], choice[:] = 0, -1
            sweeps, found = 2, -1
            while True:
                changed = kernels.relax(
                    arcs.first, arcs.targets, arcs.cost, arcs.opt, p, q, potential, choice, sweeps, True
                )
                found, c, o = kernels.best_cycle(arcs.targets, arcs.cost, arcs.opt, choice, p, q)
                if found >= 0 or changed == 0:
                    break
                sweeps = min(2 * sweeps, most)
            if found < 0:
                return Best(value, cycle, potential, choice)
            walk, at = list[int](), int(found)
            while not walk or at != found:
                walk.append(int(choice[at]))
                at = int(arcs.targets[choice[at]])
            value, cycle = Fraction(int(c), int(o)), walk
            tick(value)
    except KeyboardInterrupt:
        if not cycle:
            raise
        return Best(value, cycle, potential, choice, complete=False)


def closed_walk(arcs: Arcs, inside: npt.NDArray[np.bool_], wanted: npt.NDArray[np.bool_]) -> list[int]:
    """Return a closed walk of arcs that are all ``inside`` and one of them ``wanted``; empty if there is none."""
    sources = arcs.sources
    part = strong_components(sources[inside], arcs.targets[inside], len(arcs.first) - 1)
    hits = np.flatnonzero(inside & wanted & (part[sources] == part[arcs.targets]))
    if len(hits) == 0:
        return []
    arc = int(hits[0])
    goal, home = int(sources[arc]), int(part[sources[arc]])
    before: dict[int, int] = {int(arcs.targets[arc]): -1}
    queue = [int(arcs.targets[arc])]
    for node in queue:
        if node == goal:
            break
        for a in range(int(arcs.first[node]), int(arcs.first[node + 1])):
            target = int(arcs.targets[a])
            if inside[a] and part[target] == home and target not in before:
                before[target] = a
                queue.append(target)
    walk, node = [arc], goal
    back: list[int] = []
    while before[node] >= 0:
        back.append(before[node])
        node = int(sources[before[node]])
    return walk + back[::-1]


def _free_cycle(arcs: Arcs) -> list[int]:
    """Return a cycle with cost above 0 and opt 0, or nothing."""
    return closed_walk(arcs, np.asarray(arcs.opt) == 0, np.asarray(arcs.cost) > 0)
