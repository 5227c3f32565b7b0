"""Strongly connected components of a graph, and shortest paths: by scipy, or in Python where scipy is absent."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["found_from", "strong_components"]

Ints = npt.NDArray[np.integer]


def strong_components(sources: Ints, targets: Ints, nodes: int) -> Ints:
    """Return the number of the component of each node; which number is which is left open.

    Parameters
    ----------
    sources, targets : int arrays, shape (arcs,)
    nodes : int

    Notes
    -----
    O(nodes + arcs); the Python that replaces scipy is Tarjan's algorithm.

    Examples
    --------
    >>> part = strong_components(np.array([0, 1, 1]), np.array([1, 0, 2]), 3)
    >>> bool(part[0] == part[1] != part[2])
    True
    """
    try:
        from scipy.sparse import coo_matrix
        from scipy.sparse.csgraph import connected_components
    except ImportError:
        return _tarjan(sources, targets, nodes)
    graph = coo_matrix((np.ones(len(targets), np.int8), (sources, targets)), (nodes, nodes)).tocsr()
    found: Ints = connected_components(graph, directed=True, connection="strong")[1]
    return found


def found_from(first: Ints, targets: Ints) -> Ints:
    """Return from which node each node is found first, breadth first from node 0; negative for 0 and what is never found.

    Parameters
    ----------
    first : int array, shape (nodes + 1,)
        Arcs ``first[v]`` to ``first[v + 1] - 1`` leave node v.
    targets : int array, shape (arcs,)

    Examples
    --------
    >>> found_from(np.array([0, 2, 3, 3]), np.array([1, 2, 2])).tolist()[1:]
    [0, 0]
    """
    nodes = len(first) - 1
    try:
        from scipy.sparse import csr_matrix
        from scipy.sparse.csgraph import breadth_first_order
    except ImportError:
        return _breadth_first(first.tolist(), targets.tolist())
    graph = csr_matrix((np.ones(len(targets), np.int8), targets, first), (nodes, nodes))
    before: Ints = breadth_first_order(graph, 0, directed=True, return_predecessors=True)[1]
    return before


def _breadth_first(first: list[int], targets: list[int]) -> Ints:
    before = [-1] * (len(first) - 1)
    queue, known = [0], {0}
    for node in queue:
        for target in targets[first[node] : first[node + 1]]:
            if target not in known:
                known.add(target)
                before[target] = node
                queue.append(target)
    return np.array(before, np.int64)


def _tarjan(sources: Ints, targets: Ints, nodes: int) -> Ints:
    after: list[list[int]] = [[] for _ in range(nodes)]
    for source, target in zip(sources.tolist(), targets.tolist(), strict=True):
        after[source].append(target)
    part, low, seen = [-1] * nodes, [0] * nodes, [0] * nodes  # seen: 0 for never, else the order of discovery
    path: list[int] = []  # nodes whose component is not known
    clock = count = 0
    for root in range(nodes):
        if seen[root]:
            continue
        work = [(root, 0)]
        while work:
            node, at = work.pop()
            if at == 0:
                clock += 1
                seen[node] = low[node] = clock
                path.append(node)
            else:
                low[node] = min(low[node], low[after[node][at - 1]])
            while at < len(after[node]):
                target = after[node][at]
                at += 1
                if not seen[target]:
                    work += [(node, at), (target, 0)]
                    break
                if part[target] < 0:
                    low[node] = min(low[node], seen[target])
            else:
                if low[node] == seen[node]:
                    while part[node] < 0:
                        part[path.pop()] = count
                    count += 1
    return np.array(part, np.int64)
