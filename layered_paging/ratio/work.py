"""The graph of the optimum's work functions, with a memory of the last requests.

A node holds one item a page: (level, age).  Levels say which caches are best for the optimum
(see ``game_kernels``). The age counts requests since the page's last one, up to the memory, and 0 beyond it.
Nodes are taken up to renaming within layers and, with layers of equal width, up to turning the layers round.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

from ..core.instance import Instance
from ..errors import ParameterError

__all__ = ["Arc", "Node", "WorkGraph", "explore"]

Item = tuple[int, int]


@dataclass(frozen=True)
class Node:
    """Layer of the next request, and the items by page."""

    layer: int
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Arc:
    """A request: page, rise of the optimum, the next node, and which page stands at each of its places."""

    page: int
    opt: int
    target: int
    places: tuple[int, ...]


@dataclass
class WorkGraph:
    """Nodes (the first is the start), their arcs, and the caches of exactly ``slots`` pages as masks."""

    instance: Instance
    nodes: list[Node]
    arcs: list[list[Arc]]
    caches: list[int]

    def held(self, node: int) -> list[int]:
        """Return the caches that hold the page requested last (all of them at the start)."""
        last = [p for p, item in enumerate(self.nodes[node].items) if item[0] == self.instance.slots]
        # at k = 1, and before k pages were seen, more pages may share the top level: the youngest was the last
        if node == 0 or not last:
            return self.caches
        return [c for c in self.caches if all(c >> p & 1 for p in last)]


def moved(mask: int, places: tuple[int, ...]) -> int:
    """Return a cache in the places of the next node."""
    return sum((mask >> page & 1) << at for at, page in enumerate(places))


def explore(instance: Instance, memory: int, limit: int = 4000) -> WorkGraph:
    """Return all nodes that requests can reach from the start.

    Raises
    ------
    ParameterError
        More than ``limit`` nodes.
    """
    k, layers, pages = instance.slots, instance.layers, range(instance.pages)
    turns = len(set(instance.experts)) == 1
    nodes = [Node(0, ((0, 0),) * instance.pages)]
    known = {nodes[0]: 0}
    arcs: list[list[Arc]] = []
    for node in nodes:
        row: list[Arc] = []
        after_layer = (node.layer + 1) % layers
        for page in instance.pages_of(node.layer):
            level = node.items[page][0]
            items: list[Item] = []
            for x, age in node.items:
                if level == 0:
                    x = x if x < k else k - 1
                elif x >= level:
                    x -= 1
                items.append((x, age + 1 if 0 < age < memory else 0))
            items[page] = (k, 1 if memory else 0)
            order = [sorted(instance.pages_of(j), key=lambda p: (items[p], p)) for j in range(layers)]
            if turns:
                order = order[after_layer:] + order[:after_layer]
            places = tuple(p for block in order for p in block)
            target = Node(0 if turns else after_layer, tuple(items[p] for p in places))
            if target not in known:
                known[target] = len(nodes)
                nodes.append(target)
                if len(nodes) > limit:
                    raise ParameterError(f"more than {limit} nodes of work functions: too large")
            row.append(Arc(page, int(level == 0), known[target], places))
        arcs.append(row)
    return WorkGraph(instance, nodes, arcs, [sum(1 << p for p in c) for c in combinations(pages, k)])
