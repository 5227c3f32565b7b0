"""Successive greedy: one server after the other, what was placed before is fixed, each by dynamic programming.

With one member per event the tables of a server are exact, so each step is optimal. The whole saves at
least half of the optimum (fisher-nemhauser-wolsey-1978). With more members no constant holds (claims
``placement-successive-*``).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError
from .knapsack import Table, share
from .network import FAR, Network, fill
from .state import State

__all__ = ["EXACT", "best_server", "improve", "successive", "tables"]

Ints = npt.NDArray[np.int64]

EXACT = 10  # experts of a layer up to which every subset is tried


def tables(state: State, server: int, unit: int, exact: int = EXACT) -> tuple[list[Table], bool]:
    """Return the tables of a server, given what the others hold, and whether they are exact.

    Parameters
    ----------
    state : State
        The server itself must hold nothing.
    unit : int
        Bytes of a unit of storage: divides every size.
    exact : int
        Layers of at most this number of experts are tabulated by trying every subset.  Larger ones by peeling:
        exact for one member per event, else the best nested choice that peeling finds.

    Notes
    -----
    Peeling takes time linear in the activations of the users that reach the server, times the members of an event.
    """
    network = state.network
    found: list[Table] = []
    sure = True
    scratch = np.zeros(network.activations.groups, np.int64)
    single = network.largest_k == 1
    near = state.reaching(server)
    for layer in range(network.layers):
        low, high = int(network.first[layer]), int(network.first[layer + 1])
        sizes = state.sizes[low:high] // unit
        if not single and high - low <= exact:
            found.append(
                _subsets(state.subset_values(server, low, high, near), sizes, low, int(state.room[server]) // unit)
            )
            continue
        order, values = state.peel(server, low, high, near, scratch)
        if len(set(sizes.tolist())) == 1:
            found.append(Table(values, int(sizes[0]), order=order))
        elif single:  # savings add up: each size is a concave table of its own
            worth = np.diff(values)
            for size in sorted(set(sizes.tolist())):
                mine = np.flatnonzero(sizes[order - low] == size)
                mine = mine[np.argsort(-worth[mine], kind="stable")]
                found.append(Table(np.concatenate(([0], np.cumsum(worth[mine]))), size, order=order[mine]))
        else:
            found.append(_steps(order, values, sizes[order - low], int(state.room[server]) // unit))
        sure = sure and single
    return found, sure


def _subsets(values: Ints, sizes: Ints, low: int, budget: int) -> Table:
    """Return the exact table of a layer from what its subsets save; one step is the common divisor of the sizes."""
    step = math.gcd(*sizes.tolist())
    bits = np.arange(len(values))[:, None] >> np.arange(len(sizes)) & 1
    taken = bits @ (sizes // step)
    most = min(int(taken[-1]), budget // step)
    if most > 1 << 22:
        raise ParameterError("the sizes of a layer have too small a common divisor for a table")
    best = np.zeros(most + 1, np.int64)
    mask = np.zeros(most + 1, np.int64)
    for subset in np.argsort(taken, kind="stable").tolist():
        if taken[subset] <= most and values[subset] > best[taken[subset]]:
            best[taken[subset]], mask[taken[subset]] = values[subset], subset
    for b in range(1, most + 1):
        if best[b - 1] >= best[b]:
            best[b], mask[b] = best[b - 1], mask[b - 1]
    sets = [[low + e for e in range(len(sizes)) if m >> e & 1] for m in mask.tolist()]
    return Table(best, step, sets=sets)


def _steps(order: Ints, values: Ints, sizes: Ints, budget: int) -> Table:
    """Return the table of nested choices whose members differ in size."""
    step = math.gcd(*sizes.tolist())
    ends = np.concatenate(([0], np.cumsum(sizes // step)))
    most = min(int(ends[-1]), budget // step)
    if most > 1 << 22:
        raise ParameterError("the sizes of a layer have too small a common divisor for a table")
    number = np.searchsorted(ends, np.arange(most + 1), side="right") - 1
    return Table(values[number], step, sets=[order[:q].tolist() for q in number])


def best_server(state: State, server: int, unit: int, method: str = "auto", exact: int = EXACT) -> bool:
    """Fill a server that holds nothing as well as its tables allow; return whether that is optimal for it.

    Room that the tables leave goes to experts by what they would save if each were alone.
    """
    found, sure = tables(state, server, unit, exact)
    _, steps = share(found, int(state.room[server]) // unit, method)
    state.add(server, [p for table, q in zip(found, steps, strict=True) for p in table.pages(q)])
    if state.network.largest_k > 1:
        _top_up(state, server)
    return sure


def _top_up(state: State, server: int) -> None:
    reach = state.near[:, server] < FAR
    rest = state.network.frequency(reach)
    rest[state.held[server]] = 0
    extra = fill(rest, state.sizes, int(state.room[server]), np.flatnonzero(rest))
    state.add(server, np.flatnonzero(extra).tolist())


def successive(
    network: Network,
    *,
    method: str = "auto",
    exact: int = EXACT,
    progress: Callable[[int], object] | None = None,
) -> npt.NDArray[np.bool_]:
    """Return the placement of one pass over the servers, in their order.

    Parameters
    ----------
    network : Network
    method : {"auto", "plain", "smawk", "merge"}
        How tables are convolved; the value does not depend on it.
    exact : int
        As for ``tables``.
    progress : callable, optional
        Called with the number of servers that are done.
    """
    state = State(network)
    unit = math.gcd(*network.sizes.tolist())
    for server in range(len(network.servers)):
        best_server(state, server, unit, method, exact)
        if progress is not None:
            progress(server + 1)
    return state.held


def improve(
    network: Network,
    held: npt.NDArray[np.bool_],
    *,
    rounds: int = 8,
    method: str = "auto",
    exact: int = EXACT,
    progress: Callable[[int], object] | None = None,
) -> npt.NDArray[np.bool_]:
    """Return a placement no worse: servers are emptied and filled anew in turn while that helps.

    Parameters
    ----------
    network : Network
    held : bool array, shape (servers, pages)
        A feasible placement.
    rounds : int
        Turns over all servers at the most.
    method, exact, progress
        As for ``successive``.
    """
    state = State(network, held)
    unit = math.gcd(*network.sizes.tolist())
    for _ in range(rounds):
        better = False
        for server in range(len(network.servers)):
            before = state.cost
            old = state.clear(server)
            best_server(state, server, unit, method, exact)
            if state.cost > before:
                state.clear(server)
                state.add(server, old)
            better = better or state.cost < before
            if progress is not None:
                progress(server + 1)
        if not better:
            break
    return state.held
