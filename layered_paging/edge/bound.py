"""Bounds on what any placement can save, with prices that prove them.

An event *row* (see ``price_kernels``) is won when all its needs are met.  Let every need j have a price
y_j >= 0.  Take a row of gain g with needs J. Whatever is placed, it saves at most max(0, g - sum of y over J) beyond
the prices of its needs.  The needs met by an expert at a server pay that expert at most their prices.  So what is saved is at most

    sum over rows of max(0, g - sum y)  +  sum over servers of the best knapsack of what experts are paid.

The last term is bounded by taking experts by payment per byte, the last one in part.  The best prices are
the dual of the linear program; any prices give a bound, which ``certify`` recomputes in integers.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from ..core.program import Program
from ..core.rented import Rented
from ..errors import ParameterError
from .latency import cost, empty
from .network import FAR, Network

__all__ = ["BOUNDS", "Rows", "best_prices", "bound_of", "lay_rows", "most_paid"]

Ints = npt.NDArray[np.int64]
BOUNDS = ("auto", "lp", "prices", "none")
SMALL = 12_000  # needs up to which the linear program is solved
MEDIUM = 2_000_000  # needs up to which prices are searched unless asked for
LARGE = 40_000_000  # needs up to which they are searched at all
STEP = 1e-6  # seconds of a step of plain Python
_HOME = f"{__package__}.price_kernels"
_ROWS, _CHARGES = Rented(_HOME, "rows", 0.6), Rented(_HOME, "charges", 0.2)
_STEP, _SURPLUS = Rented(_HOME, "step", 0.4), Rented(_HOME, "surplus", 0.2)


@dataclass(frozen=True)
class Rows:
    """What events save by being done within a time: see ``price_kernels``."""

    user: Ints
    gain: Ints
    limit: Ints
    first: Ints
    page: Ints


def lay_rows(network: Network, most: int = LARGE) -> Rows:
    """Return the rows of a network.

    Raises
    ------
    ParameterError
        More than ``most`` needs.
    """
    from .price_kernels import Written

    a = network.activations
    levels, starts = [], [0]
    for m in range(len(network.users)):
        near = network.edge_ns[m]
        mine = {*near[near != FAR].tolist(), int(network.local_ns[m])}
        levels += sorted(t for t in mine if t < network.cloud_ns[m])
        starts.append(len(levels))
    none = np.empty(0, np.int64)
    given = (
        np.array(starts), np.array(levels, np.int64), np.array(network.edge_ns), np.ascontiguousarray(a.start),
        np.ascontiguousarray(a.members), np.ascontiguousarray(a.user), np.array(network.weight), network.base(),
    )  # fmt: skip
    most_levels = max(np.diff(starts), default=0)
    seconds = (len(a.members) + a.groups) * float(most_levels) * STEP
    number, needs = _ROWS(seconds, *given, False, Written(none, none, none, none, none))
    if needs > most:
        raise ParameterError(f"a bound by prices needs {needs} prices, more than {most}")
    made = [np.empty(size, np.int64) for size in (number, number, number, number + 1, needs)]
    _ROWS(seconds, *given, True, Written(*made))
    return Rows(*made)


def most_paid(charge: Ints, sizes: Ints, room: int) -> int:
    """Return the floor of the fractional knapsack: experts by payment per byte, the last in part; exact."""
    chosen = np.flatnonzero(charge > 0)
    paid, size = charge[chosen].tolist(), sizes[chosen].tolist()
    if len(set(size)) == 1:
        order = sorted(range(len(paid)), key=lambda i: -paid[i])
    else:
        order = sorted(range(len(paid)), key=lambda i: Fraction(paid[i], size[i]), reverse=True)
    total = 0
    for i in order:
        if size[i] > room:
            return int(total + paid[i] * room // size[i])
        total += paid[i]
        room -= size[i]
    return int(total)


def bound_of(network: Network, table: Rows, prices: Ints) -> int:
    """Return the most that any placement saves, by these prices: an exact integer."""
    charge = np.zeros((len(network.servers), network.pages), np.int64)
    seconds = (len(table.user) + len(table.page)) * len(network.servers) * STEP
    _CHARGES(seconds, prices, table.user, table.limit, table.first, table.page, np.array(network.edge_ns), charge)
    total = int(_SURPLUS(seconds, prices, table.gain, table.first))
    return total + sum(
        most_paid(charge[n], network.sizes, int(network.storage[n])) for n in range(len(network.servers))
    )


def best_prices(
    network: Network, how: str = "auto", *, target: int = 0, rounds: int | None = None
) -> tuple[Rows, Ints] | None:
    """Return (rows, prices in integers) of a good bound, or None for ``how="none"`` or a network too large.

    Parameters
    ----------
    network : Network
    how : {"auto", "lp", "prices", "none"}
        The dual of the linear program (HiGHS, rounded down to integers: still valid), or a search by
        subgradients, which is worse but linear in the activations.  ``auto``: by size.
    target : int
        What a known placement saves; guides the steps of the search.
    rounds : int, optional
        Steps of the search; default: 1,000, or 300 for more than 200,000 prices.

    Raises
    ------
    ParameterError
        Unknown ``how``; too large for what was asked for.
    """
    if how not in BOUNDS:
        raise ParameterError(f"must be one of {', '.join(BOUNDS)}; got {how!r}", parameter="bound")
    if how == "none":
        return None
    try:
        table = lay_rows(network, MEDIUM if how == "auto" else LARGE)
    except ParameterError:
        if how == "auto":
            return None
        raise
    if how == "lp" or (how == "auto" and len(table.page) <= SMALL):
        prices = _dual(network, table)
    else:
        prices = _search(network, table, target, rounds or (1000 if len(table.page) <= 200_000 else 300))
    # a price above the gain of its row only costs; sums then stay below those of all gains
    return table, np.minimum(prices, np.repeat(table.gain, np.diff(table.first)))


def _dual(network: Network, table: Rows) -> Ints:
    """Return the prices of the linear program, rounded down."""
    needs, rows, servers = len(table.page), len(table.gain), len(network.servers)
    if not needs:
        return np.zeros(0, np.int64)
    row_of = np.repeat(np.arange(rows), np.diff(table.first))
    near = network.edge_ns[table.user[row_of]] <= table.limit[row_of][:, None]
    j, n = np.nonzero(near)
    scale, unit = float(table.gain.max()), float(np.gcd.reduce(network.sizes))
    program = Program()
    won = program.columns(rows, cost=-table.gain / scale, upper=1)
    held = program.columns(servers * network.pages, upper=1)
    offered = held[n * network.pages + table.page[j]]
    program.at_most.block(np.zeros(needs), (np.arange(needs), won[row_of], 1), (j, offered, -1))
    server = np.repeat(np.arange(servers), network.pages)
    program.at_most.block(network.storage / unit, (server, held, np.tile(network.sizes / unit, servers)))
    found = program.solve("prices of needs")
    prices: Ints = np.maximum(0, np.floor(found.row_prices[:needs] * scale + 1e-3)).astype(np.int64)
    return prices


def _search(network: Network, table: Rows, target: int, rounds: int) -> Ints:
    """Return the best prices of a subgradient search with Polyak's steps."""
    near = np.array(network.edge_ns)
    row_of = np.repeat(np.arange(len(table.gain)), np.diff(table.first))
    prices = table.gain[row_of] / np.diff(table.first)[row_of]
    charge = np.zeros((len(network.servers), network.pages))
    best, chosen, slack, stuck = float("inf"), prices.copy(), 1.0, 0
    density = network.sizes.astype(float)
    seconds = (len(table.user) + len(table.page)) * len(network.servers) * STEP
    for _ in range(rounds):
        _CHARGES(seconds, prices, table.user, table.limit, table.first, table.page, near, charge)
        taken = np.zeros_like(charge)
        paid = np.add.reduceat(prices, table.first[:-1]) if len(prices) else np.zeros(0)
        value = float(np.maximum(0.0, table.gain - paid).sum())
        for n, room in enumerate(network.storage.astype(float)):
            order = np.argsort(-charge[n] / density, kind="stable")
            order = order[charge[n, order] > 0]
            part = np.clip((room - np.cumsum(density[order]) + density[order]) / density[order], 0.0, 1.0)
            taken[n, order] = part
            value += float((charge[n, order] * part).sum())
        if value < best * (1 - 1e-6):
            best, chosen, stuck = value, prices.copy(), 0
        else:
            stuck += 1
            if stuck == 8:
                slack, stuck = slack / 2, 0
        args = (taken, table.user, table.gain, table.limit, table.first, table.page, near)
        norm = _STEP(2 * seconds, prices, 0.0, *args)
        if norm == 0 or value <= target or slack < 1e-3:
            break
        _STEP(2 * seconds, prices, slack * (value - target) / norm, *args)
    return np.floor(chosen).astype(np.int64)


def base_cost(network: Network) -> int:
    """Return the cost without any server."""
    return cost(network, empty(network))
