"""Successive greedy for events of several experts: exact where users reach one server, no constant otherwise.

Claims.   If no user reaches two servers, successive greedy with exact tables is optimal for any K.
          In general it saves no constant share of the optimum from K = 2 on: on the instance below it saves nothing.
          All ways to convolve tables give the same value.
Evidence. Every instance in the scope against all placements; the instance itself; every pair of tables in the scope.
Controls. Users that reach two servers; K = 1 on the instance; SMAWK on tables that are not concave.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from layered_paging.core.registry import register
from layered_paging.edge import Network, network_of, place
from layered_paging.edge.kernels import concave
from layered_paging.edge.knapsack import Table, brute_force, share

GROUPS = [(0,), (1,), (0, 1), (0, 2), (1, 2), (0, 1, 2)]


def separate(both: bool, storages: tuple[int, ...]) -> Iterator[Network]:
    """Yield networks of two users and three experts; each user reaches a server of its own, or both servers."""
    near: list[list[int | None]] = [[1, 2], [2, 1]] if both else [[1, None], [None, 2]]
    for wanted in product(GROUPS, repeat=2):
        for storage in product(storages, repeat=2):
            for local in product((False, True), repeat=3):
                yield network_of(
                    [(m, 0, ids, 1) for m, ids in enumerate(wanted)],
                    near,
                    experts=[3],
                    storage=storage,
                    cloud_ns=10,
                    local=[local, [False] * 3],
                )


@register(
    "claim",
    "placement-separate-exact",
    cites=(),
    statement="If no user reaches two servers, successive greedy with exact tables is optimal for any number of experts an event,",
    latex=r"\mathrm{SUCCESSIVE} = \mathrm{OPT}",
    status="[derived]",
    evidence="exhaustive",
    scope={
        "small": "2 users with one event each of up to 3 of 3 experts, a server of 1 or 2 slots each, every local cache of the first user",
        "full": "the same with up to 3 slots",
    },
    control={"both": True},
    breaks="not the best",
)
def separate_exact(scope: str = "small", *, both: bool = False) -> str | None:
    """Return an instance on which successive greedy is not optimal."""
    for network in separate(both, (1, 2) if scope == "small" else (1, 2, 3)):
        best, found = place(network, "exhaustive").saved, place(network, "successive").saved
        if found != best:
            groups = [network.ids(g) for g in range(network.activations.groups)]
            return f"not the best: events {groups}, storage {network.storage.tolist()}: {found} of {best}"
    return None


@register(
    "claim",
    "placement-no-constant",
    cites=("chen-chen-huang-2025",),
    statement="From two experts an event on, successive greedy (one pass, exact tables, room left over filled by popularity) saves no constant share of the optimum: on the instance it saves nothing,",
    latex=r"\mathrm{SUCCESSIVE} = 0 < \mathrm{OPT}",
    status="[derived]",
    evidence="exhaustive",
    scope={"small": "the instance of the file", "full": "the instance of the file"},
    control={"members": 1},
    breaks=" of ",
)
def no_constant(scope: str = "small", *, members: int = 2) -> str | None:
    """Return what successive greedy saves on the instance, if anything, or that nothing can be saved.

    Two servers of one slot.  User 0 reaches both and asks for experts 2 and 3 at once; user 1 reaches the
    first only and asks for experts 0 and 1 at once, which one slot cannot serve.  No server alone saves
    anything, so the first is filled by popularity, with expert 0, and user 0's pair is never complete.
    """
    network = network_of(
        [(0, 0, tuple(range(2, 2 + members)), 1), (1, 0, (0, 1), 1)],
        [[1, 1], [1, None]],
        experts=[4],
        storage=1,
        cloud_ns=10,
    )
    found, best = place(network, "successive").saved, place(network, "exhaustive").saved
    if best == 0:
        return "nothing can be saved"
    return None if found == 0 else f"{found} of {best}"


def rising(steps: int, largest: int) -> list[tuple[int, ...]]:
    """Return every table of ``steps`` steps whose increments are 0 .. largest."""
    return [tuple(np.cumsum((0, *moves)).tolist()) for moves in product(range(largest + 1), repeat=steps)]


@register(
    "claim",
    "placement-convolution",
    cites=("aggarwal-klawe-moran-shor-wilber-1987",),
    statement="The dynamic program over layers and storage, its plain (max,+) convolution and that by SMAWK on concave runs equal the best over all choices,",
    latex=r"\max_{q} \sum_j h_j(q_j) \ \text{ s.t. } \sum_j s_j q_j \le B",
    status="[classical]",
    evidence="exhaustive",
    scope={
        "small": "every two tables of 3 steps with increments 0..2, strides 1 and 2 or 1 and 1, some budgets",
        "full": "every two tables of 4 steps with increments 0..2, strides 1 to 3, every budget",
    },
    control={"runs": 1},
    breaks="], not ",
)
def convolution(scope: str = "small", *, runs: int = 0) -> str | None:
    """Return tables on which the methods differ; the control treats every table as one concave run."""
    steps, strides = (3, (1, 2)) if scope == "small" else (4, (1, 2, 3))
    for one, two in product(rising(steps, 2), repeat=2):
        for stride in strides:
            tables = [Table(np.array(one), 1), Table(np.array(two), stride)]
            for budget in range(1, steps * (1 + stride) + 1, 3 if scope == "small" else 1):
                right = brute_force(tables, budget)
                if runs:
                    best = np.zeros(budget + 1, np.int64)
                    for table in tables:
                        new, choice = best + table.values[0], np.zeros(budget + 1, np.int64)
                        concave(best, table.values, 0, steps, table.stride, new, choice)
                        best = new
                    values = [int(best[budget])]
                else:
                    values = [share(tables, budget, method)[0] for method in ("plain", "smawk", "auto")]
                if any(value != right for value in values):
                    return f"{one} and {two} by {stride}, budget {budget}: {values}, not {right}"
    return None
