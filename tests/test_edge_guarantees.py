"""Guarantees on drawn networks against the integer program, and what Hypothesis finds where none holds."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from layered_paging.edge import Network, load_network, network_of, place
from layered_paging.edge.greedy import at_least_share

FULL = bool(os.environ.get("LAYERED_PAGING_FULL"))
MANY = 400 if FULL else 100
ROOT = Path(__file__).resolve().parents[1]


@st.composite
def singles(draw: Any, servers: int, one_size: bool, users: int = 3, experts: int = 5) -> Network:
    """Draw a network of one expert an event."""
    m = draw(st.integers(1, users))
    n = draw(st.integers(1, servers)) if servers > 1 else 1
    near = [
        [1 + draw(st.integers(0, 4)), *(draw(st.sampled_from([None, 1, 2, 4])) for _ in range(n - 1))] for _ in range(m)
    ]
    rows = []
    total = 12
    for user in range(m):
        cuts = sorted({0, total, *draw(st.lists(st.integers(1, total - 1), max_size=experts - 1))})
        order = draw(st.permutations(range(experts)))
        rows += [(user, 0, (order[k],), b - a) for k, (a, b) in enumerate(pairwise(cuts))]
    sizes = 1 if one_size else draw(st.lists(st.integers(1, 5), min_size=experts, max_size=experts))
    storage = draw(st.lists(st.integers(1, 3 if one_size else 9), min_size=n, max_size=n))
    return network_of(
        rows,
        near,
        experts=[experts],
        expert_bytes=sizes,
        storage=storage,
        cloud_ns=draw(st.integers(5, 20)),
        totals=total,
    )


def solved(network: Network) -> int:
    """Return the optimum as the integer program has it; it must be proved."""
    best = place(network, "ilp")
    assert best.optimal == "HiGHS"
    return best.saved


@settings(max_examples=MANY)
@given(singles(servers=1, one_size=False))
def test_enumeration_at_one_server(network: Network) -> None:
    best, found = solved(network), place(network, "enumeration").saved
    assert at_least_share(found, best)
    assert 4 * found >= 3 * best  # sahni-1975
    assert place(network, "successive").saved == best  # savings add up: a knapsack


@settings(max_examples=MANY)
@given(singles(servers=3, one_size=True))
def test_greedy_at_several_servers_of_one_size(network: Network) -> None:
    best = solved(network)
    assert 2 * place(network, "greedy").saved >= best
    assert at_least_share(place(network, "continuous").saved, best)  # its O(1/steps) is not needed here


@settings(max_examples=MANY)
@given(singles(servers=3, one_size=False))
def test_successive_at_several_servers_of_any_size(network: Network) -> None:
    best = solved(network)
    for name in ("successive", "rounds", "best"):
        assert 2 * place(network, name).saved >= best


def test_hypothesis_finds_and_shrinks_an_instance_below_one_minus_one_over_e() -> None:
    def below(network: Network) -> bool:
        return not at_least_share(place(network, "greedy").saved, place(network, "exhaustive").saved)

    network = hypothesis.find(
        singles(servers=2, one_size=True, users=2, experts=2),
        below,
        settings=settings(
            max_examples=3000,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
    assert below(network)
    assert len(network.servers) == 2 and len(network.users) == 2


def test_the_shipped_instance() -> None:
    network = load_network(ROOT / "papers" / "chen_chen_huang_2025" / "two_servers.json")
    greedy, best = place(network, "greedy"), place(network, "exhaustive")
    assert not at_least_share(greedy.saved, best.saved)
    assert 2 * greedy.saved >= best.saved
    for name in ("continuous", "best"):
        assert at_least_share(place(network, name).saved, best.saved)


@pytest.mark.parametrize("far", [10, 100, 10_000])
def test_greedy_is_no_better_than_half(far: int) -> None:
    """The shipped instance with the cloud further and further away: the share tends to 1/2."""
    network = network_of([(0, 0, (0,), 1), (1, 0, (1,), 1)], [[1, 2], [1, None]], experts=[2], storage=1, cloud_ns=far)
    greedy, best = place(network, "greedy").saved, place(network, "exhaustive").saved
    assert (greedy, best) == (far - 1, (far - 1) + (far - 2))


def test_gap_of_groups_to_the_optimum() -> None:
    """Two servers, K = 2, 4, 8: all placements are at or above the optimum; the best one is near it."""
    from layered_paging.edge import generate

    for k in (2, 4, 8):
        network = generate(
            users=3,
            servers=2,
            layers=1,
            experts=9,
            top_k=k,
            tokens=6,
            topics=2,
            skew=1.5,
            storage=5 << 20,
            user_storage=1 << 20,
            seed=k,
        )
        best = place(network, "ilp")
        shares = [place(network, name).saved / max(1, best.saved) for name in ("greedy", "successive", "best")]
        assert all(s <= 1 for s in shares) and shares[2] >= shares[1]
        assert shares[2] >= 0.75
    assert np.isfinite(shares).all()
