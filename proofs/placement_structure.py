"""What a placement saves: submodular for one expert an event, not for more; additive at one server.

Claim.    With one expert an event the saving is a monotone submodular function of the set of (server, expert)
          pairs, and at a single server it is additive.
Evidence. The saving is a sum over events.  Every event in the scope: every set of reachable servers and
          latencies, every set of experts that the user holds, and for every chain A of B and every pair outside B.
Control.  Events of two experts: f({a}) = f({b}) = 0 < f({a, b}).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, product

import numpy as np

from layered_paging.core.registry import register
from layered_paging.edge import Network, network_of
from layered_paging.edge.latency import cost, empty


def events(servers: int, members: int) -> Iterator[Network]:
    """Yield every network of one user, two experts and one event, latencies 1, 2 or out of reach, cloud 3."""
    for near in product((1, 2, None), repeat=servers):
        if all(t is None for t in near):
            continue
        for size in range(1, members + 1):
            for ids in combinations(range(2), size):
                for local in product((False, True), repeat=2):
                    yield network_of(
                        [(0, 0, ids, 1)],
                        [near],
                        experts=[2],
                        storage=2,
                        cloud_ns=3,
                        local_ns=1,
                        local=[local],
                    )


def savings(network: Network) -> dict[frozenset[int], int]:
    """Return what every set of (server, expert) pairs saves."""
    number = len(network.servers) * network.pages
    found = {}
    for bits in product((False, True), repeat=number):
        held = np.array(bits).reshape(len(network.servers), network.pages)
        found[frozenset(i for i in range(number) if bits[i])] = cost(network, empty(network)) - cost(network, held)
    return found


@register(
    "claim",
    "placement-submodular",
    cites=("chen-chen-huang-2025",),
    statement="With one expert an event, what a placement saves is monotone and submodular in the pairs (server, expert):",
    latex=r"A \subseteq B,\ x \notin B:\ f(A + x) - f(A) \ge f(B + x) - f(B) \ge 0",
    status="[second hand], proof [derived]",
    evidence="exhaustive",
    scope={
        "small": "every event of one user: 2 experts, 2 servers, latencies 1, 2 or out of reach, cloud 3",
        "full": "the same with 3 servers",
    },
    control={"members": 2},
    breaks="more is gained later",
)
def submodular(scope: str = "small", *, members: int = 1) -> str | None:
    """Return an event, sets A and B and a pair that break it."""
    for network in events(2 if scope == "small" else 3, members):
        f = savings(network)
        whole = max(f, key=len)
        for b in f:
            for x in whole - b:
                for size in range(len(b) + 1):
                    for a in map(frozenset, combinations(sorted(b), size)):
                        if not f[a | {x}] - f[a] >= f[b | {x}] - f[b] >= 0:
                            near = network.edge_ns[0].tolist()
                            return f"more is gained later: members {network.ids(0)}, latencies {near}: A = {sorted(a)}, B = {sorted(b)}, x = {x}"
    return None


@register(
    "claim",
    "placement-additive",
    cites=(),
    statement="At one server, with one expert an event, savings add up, so the best placement is a knapsack:",
    latex=r"f(A) = \sum_{e \in A} f(\{e\})",
    status="[derived]",
    evidence="exhaustive",
    scope={
        "small": "every event of one user: 2 experts, latencies 1, 2, cloud 3",
        "full": "the same (a sum over events: nothing else can occur)",
    },
    control={"members": 2},
    breaks=" saves ",
)
def additive(scope: str = "small", *, members: int = 1) -> str | None:
    """Return an event and a set whose savings do not add up."""
    for network in events(1, members):
        f = savings(network)
        for a in f:
            if f[a] != sum(f[frozenset({e})] for e in a):
                return f"members {network.ids(0)}: {sorted(a)} saves {f[a]}"
    return None
