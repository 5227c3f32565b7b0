"""Exact placements: an integer program (HiGHS), and trying everything."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.program import Program
from ..errors import ParameterError, SolverError
from .bound import lay_rows
from .latency import cost, empty, feasible
from .network import Network

__all__ = ["exhaustive", "integer_program"]

Held = npt.NDArray[np.bool_]
NEEDS = 200_000
TRIES = 1 << 22
SAFE = 10**6  # largest sum of gains, in units of their common divisor, that is taken on HiGHS' word


def integer_program(network: Network, time_limit: float | None = None) -> tuple[Held, bool]:
    """Return (placement, whether HiGHS proved it optimal).

    Binary: which server holds which expert.  A row is won at most as far as each of its needs is at some
    server that is near enough. Rows with the same needs and servers are one.  HiGHS works in floats: the
    placement is rounded and verified, and its cost is recomputed exactly. "Proved" is HiGHS' word, given
    only where all gains together are small integers in units of their common divisor.

    Raises
    ------
    ParameterError
        More than 200,000 needs.
    SolverError
        Nothing was found, or the rounded answer does not fit.
    """
    table = lay_rows(network, NEEDS)
    merged: dict[tuple[Any, ...], int] = {}
    used: set[tuple[int, int]] = set()
    for r in range(len(table.gain)):
        near = tuple(np.flatnonzero(network.edge_ns[table.user[r]] <= table.limit[r]).tolist())
        pages = tuple(sorted(table.page[table.first[r] : table.first[r + 1]].tolist()))
        merged[near, pages] = merged.get((near, pages), 0) + int(table.gain[r])
        used |= {(n, p) for n in near for p in pages}
    held = empty(network)
    if not merged:
        return held, True
    unit = math.gcd(*merged.values())
    step = math.gcd(*network.sizes.tolist())
    program = Program()
    x = {pair: program.column(upper=1) for pair in sorted(used)}
    for (near, pages), worth in merged.items():
        won = program.column(cost=-(worth // unit), upper=1)
        for p in pages:
            program.at_most.new(0, [(won, 1), *((x[n, p], -1) for n in near)])
    for n, room in enumerate(network.storage.tolist()):
        program.at_most.new(room // step, [(v, int(network.sizes[p]) // step) for (m, p), v in x.items() if m == n])
    answer = program.solve("placement", whole=list(x.values()), time_limit=time_limit)
    for (n, p), column in x.items():
        held[n, p] = answer.x[column] > 0.5
    try:
        feasible(network, held)
    except ValueError as error:
        raise SolverError(f"HiGHS' answer, rounded to integers, does not fit: {error}") from None
    return held, answer.proved and sum(merged.values()) // unit <= SAFE


def exhaustive(network: Network, progress: Callable[[int], object] | None = None) -> Held:
    """Return an optimal placement by trying every one that leaves no room for another expert.

    Experts that nobody activates are left out.  Ties: the first in order of servers and pages.

    Raises
    ------
    ParameterError
        More than 4,194,304 placements.
    """
    pages = np.flatnonzero(network.frequency()).tolist()
    choices = [_maximal(pages, network.sizes.tolist(), int(room)) for room in network.storage]
    number = math.prod(len(c) for c in choices)
    if number > TRIES:
        raise ParameterError(f"there are {number} placements, more than {TRIES}; use ilp")
    best, least = empty(network), -1
    held = empty(network)
    done = 0

    def place(server: int) -> None:
        nonlocal best, least, done
        if server == len(choices):
            done += 1
            if progress is not None and done % 1024 == 0:
                progress(done)
            paid = cost(network, held)
            if least < 0 or paid < least:
                best, least = held.copy(), paid
            return
        for chosen in choices[server]:
            held[server, chosen] = True
            place(server + 1)
            held[server, chosen] = False

    place(0)
    return best


def _maximal(pages: list[int], sizes: list[int], room: int) -> list[list[int]]:
    """Return every set of pages that fits and to which no other page can be added."""
    if len(pages) > 16:
        raise ParameterError(f"trying everything needs at most 16 experts that are activated; got {len(pages)}")
    found = []
    for mask in range(1 << len(pages)):
        mine = [p for i, p in enumerate(pages) if mask >> i & 1]
        left = room - sum(sizes[p] for p in mine)
        if left >= 0 and all(mask >> i & 1 or sizes[p] > left for i, p in enumerate(pages)):
            found.append(mine)
    return found
