"""How much of the optimum greedy placements save, with one expert an event.

Claims.   One server: greedy from every start of at most r experts saves r / (r + 1) of the optimum, so more than
          1 - 1/e for r = 3 and already for r = 2.  Several servers, experts of one size: greedy saves half; so does
          successive greedy, whatever the sizes.
Evidence. Every instance in the scope, against the best of all placements, in integers; 1 - 1/e is decided by a
          rational enclosure of e.
Controls. Greedy without a start; asking greedy for 1 - 1/e; successive greedy for events of two experts.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations_with_replacement, product

from layered_paging.core.registry import register
from layered_paging.edge import Network, network_of, place
from layered_paging.edge.greedy import at_least_share


def knapsacks(experts: int, most: int, heavy: int) -> Iterator[Network]:
    """Yield networks of one user and one server: sizes up to ``most``, counts up to ``heavy``, every storage."""
    kinds = list(product(range(1, most + 1), range(1, heavy + 1)))
    for chosen in combinations_with_replacement(kinds, experts):
        sizes = [size for size, _ in chosen]
        rows = [(0, 0, (e,), count) for e, (_, count) in enumerate(chosen)]
        total = sum(count for _, count in chosen)
        for storage in range(1, sum(sizes)):
            yield network_of(
                rows, [[1]], experts=[experts], storage=storage, expert_bytes=sizes, cloud_ns=2, totals=total
            )


@register(
    "claim",
    "placement-enumeration",
    cites=("sviridenko-2004", "sahni-1975", "chen-chen-huang-2025"),
    statement="One server, one expert an event: greedy from every start of at most r experts saves r/(r+1) of the optimum, and 1 - 1/e from r = 2 on,",
    latex=r"\mathrm{ALG}_r \ge \tfrac{r}{r+1}\,\mathrm{OPT},\quad \tfrac23 > 1 - 1/e",
    status="[classical], applied [derived]",
    evidence="exhaustive",
    scope={
        "small": "3 experts, sizes 1..3, counts 1..3, every storage, r = 1, 2",
        "full": "5 experts, sizes 1..3, counts 1..3, every storage, r = 1, 2, 3",
    },
    control={"start": 0},
    breaks="less than the share",
)
def enumeration(scope: str = "small", *, start: int | None = None) -> str | None:
    """Return an instance on which the share is not reached; the control asks 1 - 1/e of greedy without a start."""
    experts, heavy, deepest = (3, 3, 2) if scope == "small" else (5, 3, 3)
    for network in knapsacks(experts, 3, heavy):
        best = place(network, "successive").saved  # exact here: a knapsack, claims placement-additive and -convolution
        for r in (start,) if start is not None else range(1, deepest + 1):
            found = place(network, "enumeration", triple=r).saved
            enough = (r + 1) * found >= r * best and (r == 1 or at_least_share(found, best))
            if not enough:
                return f"less than the share: sizes {network.sizes.tolist()}, storage {int(network.storage[0])}, r = {r}: {found} of {best}"
    return None


def pairs(sizes: tuple[int, int], storages: tuple[int, ...], members: int = 1) -> Iterator[Network]:
    """Yield networks of two users, two servers, two experts: latencies 1, 2 or out of reach, cloud 10."""
    reach = [near for near in product((1, 2, None), repeat=2) if near != (None, None)]
    groups = [(0,), (1,)] if members == 1 else [(0,), (1,), (0, 1)]
    for near in product(reach, repeat=2):
        for wanted in product(groups, repeat=2):
            for storage in product(storages, repeat=2):
                rows = [(m, 0, ids, 1) for m, ids in enumerate(wanted)]
                yield network_of(rows, near, experts=[2], storage=storage, expert_bytes=sizes, cloud_ns=10)


@register(
    "claim",
    "placement-greedy-half",
    cites=("fisher-nemhauser-wolsey-1978", "chen-chen-huang-2025"),
    statement="Several servers, experts of one size, one expert an event: greedy saves half of the optimum,",
    latex=r"\mathrm{GREEDY} \ge \tfrac12\,\mathrm{OPT}",
    status="[classical], applied [derived]",
    evidence="exhaustive",
    scope={
        "small": "2 users with one event each, 2 servers of one slot, latencies 1, 2 or out of reach, cloud 10",
        "full": "the same with up to 2 slots",
    },
    control={"ask": "1 - 1/e"},
    breaks="less than the share",
)
def greedy_half(scope: str = "small", *, ask: str = "1/2") -> str | None:
    """Return an instance on which greedy saves less than it is asked for."""
    for network in pairs((1, 1), (1,) if scope == "small" else (1, 2)):
        best, found = place(network, "exhaustive").saved, place(network, "greedy").saved
        if not (2 * found >= best if ask == "1/2" else at_least_share(found, best)):
            return f"less than the share: latencies {network.edge_ns.tolist()}, events {network.activations.members.tolist()}: {found} of {best}"
    return None


@register(
    "claim",
    "placement-successive-half",
    cites=("fisher-nemhauser-wolsey-1978",),
    statement="One expert an event, any sizes, any servers: successive greedy with its exact dynamic program saves half of the optimum,",
    latex=r"\mathrm{SUCCESSIVE} \ge \tfrac12\,\mathrm{OPT}",
    status="[classical], applied [derived]",
    evidence="exhaustive",
    scope={
        "small": "2 users with one event each, 2 servers of 1 or 2 units, sizes 1 and 2, latencies 1, 2 or out of reach, cloud 10",
        "full": "the same with up to 3 units",
    },
    control={"ask": "1 - 1/e"},
    breaks="less than the share",
)
def successive_half(scope: str = "small", *, ask: str = "1/2") -> str | None:
    """Return an instance on which successive greedy saves less than it is asked for."""
    for sizes in ((1, 1), (1, 2)):
        for network in pairs(sizes, (1, 2) if scope == "small" else (1, 2, 3)):
            best, found = place(network, "exhaustive").saved, place(network, "successive").saved
            if not (2 * found >= best if ask == "1/2" else at_least_share(found, best)):
                return f"less than the share: latencies {network.edge_ns.tolist()}, events {network.activations.members.tolist()}: {found} of {best}"
    return None
