"""Placement on edge servers: the model by hand, the vectorised twin, every algorithm against trying everything."""

from __future__ import annotations

import os
from collections.abc import Sequence
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import layered_paging as lp
from layered_paging import edge
from layered_paging.edge import FAR, Network, NetworkError, place
from layered_paging.edge.generate import trace_activations
from layered_paging.edge.latency import cost, empty, feasible, hits, reference
from layered_paging.edge.state import State
from layered_paging.errors import ParameterError
from layered_paging.profiles.profile import Profile

FULL = bool(os.environ.get("LAYERED_PAGING_FULL"))
Row = tuple[int, int, Sequence[int], int]


def network(
    rows: Sequence[Row],
    near: Any,
    *,
    experts: Sequence[int] = (4,),
    sizes: Any = 1,
    storage: Any = 1,
    total: Any = 1,
    cloud: Any = 100,
    **more: Any,
) -> Network:
    """Make a network of rows (user, layer, experts, count); None is out of reach."""
    return edge.network_of(
        rows, near, experts=experts, storage=storage, expert_bytes=sizes, cloud_ns=cloud, totals=total, **more
    )


@st.composite
def networks(
    draw: Any,
    top_k: int = 2,
    servers: int = 2,
    one_size: bool = False,
    users: int = 3,
    experts: int = 4,
    layers: int = 2,
) -> Network:
    """Draw a small network of small numbers."""
    m, n = draw(st.integers(1, users)), draw(st.integers(1, servers))
    widths = draw(st.lists(st.integers(1, experts), min_size=1, max_size=layers))
    total = 4
    rows: list[Row] = []
    for user in range(m):
        for layer, width in enumerate(widths):
            left = total
            while left:
                count = draw(st.integers(1, left))
                left -= count
                size = draw(st.integers(1, min(top_k, width)))
                rows.append((user, layer, draw(st.permutations(range(width)))[:size], count))
    near = [
        [draw(st.one_of(st.none(), st.integers(1, 9))) if k else draw(st.integers(1, 9)) for k in range(n)]
        for _ in range(m)
    ]
    pages = sum(widths)
    sizes = 1 if one_size else draw(st.lists(st.integers(1, 3), min_size=pages, max_size=pages))
    storage = draw(st.integers(0, 3)) if one_size else draw(st.lists(st.integers(0, 5), min_size=n, max_size=n))
    return network(
        rows,
        near,
        experts=widths,
        sizes=sizes if pages != len(widths) or one_size else np.array(sizes)[:pages],
        storage=storage,
        total=total,
        cloud=draw(st.integers(5, 12)),
        local_ns=draw(st.integers(0, 3)),
        local=np.array(draw(st.lists(st.lists(st.booleans(), min_size=pages, max_size=pages), min_size=m, max_size=m))),
    )


# the model


# a pair of experts 0 and 1, one user: local 3 ns, server a 10 ns, server b 20 ns, cloud 100 ns
CASES = [
    ("both local", [0, 1], [], [], 3, "local"),
    ("one local, one in the cloud", [0], [], [], 100, "neither"),
    ("one local, one at server a", [0], [1], [], 10, "edge"),
    ("one local, one at server b", [0], [], [1], 20, "edge"),
    ("one local, one at both servers", [0], [1], [1], 10, "edge"),
    ("both at server a", [], [0, 1], [], 10, "edge"),
    ("both at server b", [], [], [0, 1], 20, "edge"),
    ("at two servers", [], [0], [1], 20, "edge"),
    ("both at both servers", [], [0, 1], [0, 1], 10, "edge"),
    ("one at server a, one in the cloud", [], [0], [], 100, "neither"),
    ("one at server b, one in the cloud", [], [], [1], 100, "neither"),
    ("both in the cloud", [], [], [], 100, "neither"),
    ("both local and at server a", [0, 1], [0, 1], [], 3, "local"),
    ("one local and at a, one at b", [0], [0], [1], 20, "edge"),
]


@pytest.mark.parametrize(("mine", "a", "b", "ns", "kind"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_every_route_of_a_pair(mine: list[int], a: list[int], b: list[int], ns: int, kind: str) -> None:
    local = np.zeros((1, 4), bool)
    local[0, mine] = True
    net = network([(0, 0, (0, 1), 1)], [[10, 20]], storage=2, local=local, local_ns=3)
    held = empty(net)
    held[0, a] = held[1, b] = True
    feasible(net, held)
    assert reference(net, held) == net.mean(cost(net, held)) == ns
    assert hits(net, held)._asdict() == {name: int(name == kind) for name in ("local", "edge", "neither")}


def test_unreachable_server_does_not_count() -> None:
    net = network([(0, 0, (0, 1), 1), (1, 0, (0, 1), 1)], [[10, None], [30, 20]], storage=2)
    held = empty(net)
    held[1, [0, 1]] = True
    assert reference(net, held) == Fraction(100 + 20, 2) == net.mean(cost(net, held))


def test_mean_over_users_and_layers_by_hand() -> None:
    """User 0: 1/4 of tokens 10 else 100, layer 1 always 7 at the user; user 1: half 20, half 100; fixed 5 and 9."""
    rows: list[Row] = [
        (0, 0, (0,), 1),
        (0, 0, (1,), 3),
        (0, 1, (0,), 4),
        (1, 0, (0,), 1),
        (1, 0, (2,), 1),
        (1, 1, (1,), 2),
    ]
    local = np.zeros((2, 6), bool)
    local[0, 4] = True
    net = network(
        rows, [[10], [20]], experts=(4, 2), total=[4, 2], local=local, local_ns=[7, 0], nonexpert_ns=[5, 9]
    )  # fmt: skip
    held = empty(net)
    held[0, 0] = True
    by_hand = Fraction(
        (Fraction(1, 4) * 10 + Fraction(3, 4) * 100 + 7 + 5) + (Fraction(1, 2) * 20 + Fraction(1, 2) * 100 + 100 + 9), 2
    )
    assert reference(net, held) == net.mean(cost(net, held)) == by_hand
    assert net.scale == 4
    assert hits(net, held) == (Fraction(1, 4), Fraction(3, 16), Fraction(9, 16))


@given(networks(top_k=3, servers=3), st.randoms(use_true_random=False))
def test_twin_equals_the_definition(net: Network, random: Any) -> None:
    held = np.array([[random.random() < 0.5 for _ in range(net.pages)] for _ in net.servers], bool)
    assert net.mean(cost(net, held)) == reference(net, held)
    assert sum(hits(net, held)) == 1
    state = State(net)
    for n, p in np.argwhere(held).tolist():
        before = state.cost
        gain = state.gain(n, p)
        state.add(n, [p])
        assert before - state.cost == gain
    assert state.cost == cost(net, held)
    for n in range(len(net.servers)):
        state.clear(n)
        held[n] = False
        assert state.cost == cost(net, held)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sizes": [1, 1, 0, 1]}, "layer 0, expert 2: bytes must be at least 1"),
        ({"sizes": [1, 1]}, "expert_bytes must be one int"),
        ({"storage": [-1]}, "server 'server0': storage must be in 0"),
        ({"cloud": 0}, "user 'user0': cloud_ns must be in 1"),
        ({"near": [[0]]}, "user 'user0', server 'server0': the latency must be 1"),
        ({"near": [[None]]}, "user 'user0': out of reach of every server"),
        ({"total": 2}, "user 'user0', layer 0: the activations must sum to one; the counts sum to 1 of 2"),
        ({"rows": [(0, 0, (0, 0), 1)]}, "user 'user0', layer 0: the experts of a group must be distinct; got [0, 0]"),
        ({"rows": [(0, 0, (4,), 1)]}, "user 'user0', layer 0: experts must be in 0..3; got 4"),
        ({"rows": [(0, 0, (), 1)]}, "user 'user0', layer 0: a group must name at least one expert"),
        ({"rows": [(0, 0, (0,), 0)]}, "user 'user0', layer 0: a count must be at least 1"),
        ({"rows": [(0, 1, (0,), 1)]}, "activations must list users and layers"),
        ({"rows": []}, "user 'user0', layer 0: must have activations"),
        ({"top_k": 1, "rows": [(0, 0, (0, 1), 1)]}, "at most top_k = 1 experts; got [0, 1]"),
        ({"user_storage": 3, "nonexpert_bytes": 5}, "user 'user0': storage must hold the non-expert part of 5 bytes"),
        ({"user_storage": 1, "local": [[True, True, False, False]]}, "user 'user0': non-expert part and experts take 2"),
        ({"local": [[True]]}, "local must have shape (1, 4)"),
        ({"experts": ()}, "at least one layer"),
        ({"experts": (1 << 40,)}, "at most 1048576 experts"),
        ({"users": ["a", "b"]}, "users must have 1 names"),
        ({"total": 1 << 60, "rows": [(0, 0, (0,), 1 << 60)]}, "too large for exact sums"),
        ({"cloud": 1.5}, "must be integers"),
    ],
)  # fmt: skip
def test_what_breaks_the_model_is_said(change: dict[str, Any], said: str) -> None:
    given_: dict[str, Any] = {"rows": [(0, 0, (0,), 1)], "near": [[10]], **change}
    with pytest.raises(NetworkError) as caught:
        network(given_.pop("rows"), given_.pop("near"), **given_)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_users_keep_their_most_frequent_experts() -> None:
    rows: list[Row] = [(0, 0, (0, 2), 3), (0, 0, (1, 2), 1), (0, 0, (1, 3), 1)]
    net = network(rows, [[10]], total=5, user_storage=7, nonexpert_bytes=5)
    assert np.flatnonzero(net.local[0]).tolist() == [0, 2]
    sized = network(rows, [[10]], total=5, sizes=[4, 1, 1, 1], user_storage=7, nonexpert_bytes=5)
    assert np.flatnonzero(sized.local[0]).tolist() == [1, 2]


# algorithms


def best_cost(net: Network) -> int:
    """Return the least cost by trying every feasible placement, in plain Python."""
    least = cost(net, empty(net))
    for bits in product((False, True), repeat=len(net.servers) * net.pages):
        held = np.array(bits).reshape(len(net.servers), net.pages)
        if (held @ net.sizes <= net.storage).all():
            least = min(least, int(reference(net, held) * net.scale * len(net.users)))
    return least


@settings(max_examples=200 if FULL else 25)
@given(networks(top_k=2, servers=2, experts=3, users=2))
def test_exact_solvers_agree(net: Network) -> None:
    tried = place(net, "exhaustive")
    assert tried.optimal == "exhaustive"
    solved = place(net, "ilp", bound="lp")
    assert solved.cost == tried.cost
    assert solved.optimal in ("HiGHS", "bound")
    assert solved.bound is not None and solved.bound <= solved.latency
    if len(net.servers) * net.pages <= 8:
        assert best_cost(net) == tried.cost


@settings(max_examples=200 if FULL else 30)
@given(networks(top_k=3, servers=2, experts=3, users=2), st.data())
def test_every_algorithm_is_feasible_and_bounded(net: Network, data: Any) -> None:
    best = place(net, "exhaustive")
    how = data.draw(st.sampled_from(["lp", "prices"]))
    for name in edge.ALGORITHMS:
        if name == "continuous" and (net.largest_k > 1 or len(set(net.sizes.tolist())) > 1):
            with pytest.raises(ParameterError, match="continuous greedy needs"):
                place(net, name)
            continue
        found = place(net, name, bound=how, seed=3)
        assert found.cost >= best.cost
        assert found.bound is not None and found.bound <= best.latency
        assert found.latency == reference(net, found.held)
        lp.certify.check(found.certificate)
        if found.optimal:
            assert found.cost == best.cost


@given(networks(top_k=1, servers=3, experts=4))
def test_lazy_greedy_is_greedy(net: Network) -> None:
    lazy, plain = place(net, "greedy"), place(net, "greedy", lazy=False)
    assert (lazy.held == plain.held).all()


@given(networks(top_k=3, servers=3, experts=4), st.sampled_from(["plain", "smawk"]))
def test_value_does_not_depend_on_the_convolution(net: Network, method: str) -> None:
    """One server: methods may break ties differently, and the next server would see that."""
    one = Network(
        experts=net.experts, expert_bytes=net.sizes, storage=net.storage[:1], edge_ns=net.edge_ns[:, :1],
        cloud_ns=net.cloud_ns, activations=net.activations, totals=net.totals, local=net.local, local_ns=net.local_ns,
    )  # fmt: skip
    for exact in (0, 10):
        assert place(one, "successive", method=method, exact=exact).cost == place(one, "successive", exact=exact).cost


@settings(max_examples=100 if FULL else 20)
@given(networks(top_k=3, servers=1, experts=3, users=2))
def test_one_server_is_solved_exactly_where_tables_are_exact(net: Network) -> None:
    assert place(net, "successive").cost == place(net, "exhaustive").cost


@given(networks(top_k=1, servers=1, experts=4))
def test_one_server_one_member_is_solved_exactly_by_peeling(net: Network) -> None:
    assert place(net, "successive", exact=0).cost == place(net, "exhaustive").cost


def test_peeling_finds_pairs_that_greedy_cannot_see() -> None:
    """Every single expert saves nothing; the pair 2, 3 is worth most."""
    net = network([(0, 0, (0, 1), 1), (0, 0, (2, 3), 2)], [[10]], storage=2, total=3)
    assert place(net, "greedy").saved == 0
    for exact in (0, 10):
        found = place(net, "successive", exact=exact)
        assert np.flatnonzero(found.held[0]).tolist() == [2, 3]
        assert found.latency == Fraction(100 + 2 * 10, 3)


def test_unknown_names_and_parameters() -> None:
    net = network([(0, 0, (0,), 1)], [[10]])
    with pytest.raises(ParameterError, match="did you mean 'greedy'"):
        place(net, "gredy")
    with pytest.raises(ParameterError, match="greedy has no parameter 'steps'; it has: lazy"):
        place(net, "greedy", steps=3)
    for name, wrong in [("rounds", -1), ("exact", 99), ("exact", "x"), ("rounds", 1.5)]:
        with pytest.raises(ParameterError, match=f"{name} must be"):
            place(net, "rounds", **{name: wrong})
    with pytest.raises(ParameterError, match="seed must be"):
        place(net, "random", seed=-1)
    for limit in (0, -1, float("nan")):
        with pytest.raises(ParameterError, match="time_limit must be"):
            place(net, "ilp", time_limit=limit)
    with pytest.raises(ParameterError, match="bandwidth_hz must be a number; got nan"):
        edge.Radio(bandwidth_hz=float("nan"))
    with pytest.raises(ParameterError, match="side_m must be"):
        edge.generate(side_m=float("nan"))
    with pytest.raises(ParameterError, match="method must be one of"):
        place(net, "successive", method="fft")
    with pytest.raises(NetworkError, match="server 'server0': storage must be in"):
        place(net, storage=-1)
    with pytest.raises(ParameterError, match="bound must be one of"):
        place(net, bound="tight")


def test_no_server_and_no_storage() -> None:
    net = network([(0, 0, (0,), 1)], [[10]], storage=0)
    for name in edge.ALGORITHMS:
        assert place(net, name, bound="auto").latency == 100
    alone = network([(0, 0, (0,), 1)], np.empty((1, 0)), storage=[])
    for name in ("best", "greedy", "ilp", "exhaustive", "popularity", "local"):
        assert place(alone, name, bound="lp").latency == 100


def test_split_inference_by_hand() -> None:
    rows: list[Row] = [(0, j, (0,), 1) for j in range(3)]
    free: dict[str, Any] = {"experts": (2, 2, 2), "local_ns": 1}
    latencies = []
    for mine, server in ((0, 0), (2, 2), (4, 2), (2, 4), (6, 0), (0, 6)):
        net = network(rows, [[10]], storage=server, user_storage=mine, **free)
        latencies.append(edge.split_inference(net).latency)
    # cloud; one layer local, one at the server, one in the cloud; two local; ...
    assert latencies == [100, 100 + 1, 10 + 2, 10 + 1, 3, 10]


# generated networks and traces


def test_generation_is_seeded_and_sums_to_one() -> None:
    same = {edge.generate(seed=5).digest() for _ in range(2)}
    assert len(same) == 1 and edge.generate(seed=6).digest() not in same
    net = edge.generate(seed=5, users=4, top_k=3, tokens=10, backhaul_ns=1_000_000)
    assert (net.edge_ns < FAR).all() and net.largest_k == 3
    near = edge.generate(seed=5, users=4, top_k=3, tokens=10)
    assert (near.edge_ns >= net.edge_ns).all() and (near.edge_ns < near.cloud_ns[:, None]).any()


@pytest.mark.parametrize(
    "wrong",
    [{"top_k": 20}, {"users": 0}, {"skew": -1.0}, {"tokens": 10**9, "users": 10**6}, {"experts": 10**9}, {"seed": -1}, {"storage": -1}],
)  # fmt: skip
def test_generation_refuses(wrong: dict[str, Any]) -> None:
    with pytest.raises(lp.LayeredPagingError):
        edge.generate(**wrong)


def test_activations_of_a_trace() -> None:
    trace = lp.Trace(
        [[[0, 1], [2, -1]], [[1, 0], [2, 0]], [[0, 2], [1, -1]]],
        n_experts=3,
        sessions=[0, 2],
        meta={"items": [{"category": "b"}, {"category": "a"}]},
    )
    names, a, totals = trace_activations(trace, "category")
    assert names == ["a", "b"] and totals.tolist() == [1, 2]
    rows = [
        (int(a.user[g]), int(a.layer[g]), a.members[a.start[g] : a.start[g + 1]].tolist(), int(a.count[g]))
        for g in range(a.groups)
    ]
    assert rows == [(0, 0, [0, 2], 1), (0, 1, [4], 1), (1, 0, [0, 1], 2), (1, 1, [5], 1), (1, 1, [3, 5], 1)]
    assert trace_activations(trace, "all", top_k=1)[1].members.tolist() == [0, 1, 4, 5]
    few = trace_activations(trace, "category", tokens=1)
    assert few[2].tolist() == [1, 1] and few[1].count.tolist() == [1, 1, 1, 1]
    with pytest.raises(ParameterError, match="user 'a' of the trace has 1 tokens, fewer than 2"):
        trace_activations(trace, "category", tokens=2)
    with pytest.raises(ParameterError, match="'items' with a 'dataset'"):
        trace_activations(trace, "dataset")
    with pytest.raises(ParameterError, match="no round in which every layer names an expert"):
        trace_activations(lp.Trace([[-1, 0], [0, -1]]), "all")


def test_top_k_keeps_members_wherever_a_row_holds_them() -> None:
    rows = ([[[0, 1, -1]], [[2, 3, -1]]], [[[0, -1, 1]], [[-1, 2, 3]]])
    for top_k, members in ((1, [0, 2]), (2, [0, 1, 2, 3])):
        assert [trace_activations(lp.Trace(r, 4), top_k=top_k)[1].members.tolist() for r in rows] == [members] * 2


def test_activations_of_profiles() -> None:
    """Each expert has its share of the profile's uses; one used in every event is in every event drawn."""
    trace = lp.Trace([[[0, 1]], [[0, 2]], [[0, 1]], [[0, 1]]], n_experts=4)
    profiles = [Profile.of(trace), Profile.of(lp.Trace([[[3, 2]]], n_experts=4))]
    net = edge.generate(profiles=profiles, tokens=400, top_k=2, servers=1, user_storage=0, seed=1)
    assert len(net.users) == 2 and net.totals.tolist() == [400, 400] and (net.top_k == 2).all()
    counts = net.frequency([True, False]) // (net.scale // 400)
    assert counts[0] == 400 and counts[3] == 0 and abs(int(counts[1]) - 300) < 60 and counts.sum() == 800
    assert (net.frequency([False, True]) // (net.scale // 400)).tolist() == [0, 0, 400, 400]
    for wrong, said in (([], "at least one"), ([profiles[0], Profile.of(lp.Trace([[[0]]]))], "profile 1: must have")):
        with pytest.raises(ParameterError, match=said):
            edge.generate(profiles=wrong)
    with pytest.raises(ParameterError, match="profile 0, layer 0: fewer than 4 experts"):
        edge.generate(profiles=profiles, top_k=4)
    with pytest.raises(ParameterError, match="got both"):
        edge.generate(profiles=profiles, trace=trace)


def test_online_and_static_on_a_small_trace() -> None:
    """Sessions 0 and 2 learn experts 0, 1; session 1 asks for them, then for others: static keeps them, LRU follows."""
    learn = [[0], [1]] * 4
    trace = lp.Trace([*learn, *learn, [2], [3], [2], [3], *learn], n_experts=4, sessions=[0, 8, 20])
    rows = {
        r.name: r
        for r in edge.online_against_static(
            trace, 2, policies=["lru"], algorithms=["popularity"], by="all", edge_ns=1, cloud_ns=10
        )
    }
    assert rows["lru"].loads == 4 and rows["lru"].hit_rate == Fraction(8, 12)
    static = rows["static (popularity, learnt)"]
    assert static.hit_rate == static.events == Fraction(8, 12) and static.loads == 0
    assert static.latency == Fraction(8 * 1 + 4 * 10, 12)
    with pytest.raises(ParameterError, match="at least two sessions"):
        edge.online_against_static(lp.Trace([[0]]), 1)


def test_online_against_static_on_a_real_trace(traces: Path) -> None:
    trace = lp.load_trace(traces / "gpt_oss_20b.npz").select(range(12))
    rows = edge.online_against_static(trace, 192, policies=["lru"], algorithms=["popularity"], by="category")
    assert len(rows) == 3
    by_name = {r.name: r for r in rows}
    assert by_name["static (popularity, in hindsight)"].hit_rate >= by_name["static (popularity, learnt)"].hit_rate
    assert by_name["lru"].loads == round(
        (1 - by_name["lru"].hit_rate) * sum(trace.select(range(1, 12, 2)).experts.ravel() >= 0)
    )


def test_a_sweep_may_place() -> None:
    from layered_paging.sweep.functions import FUNCTIONS

    shape = {"users": 3, "servers": 2, "layers": 2, "experts": 6, "top_k": 2, "tokens": 8, "storage": 2 << 20}
    row = FUNCTIONS["place"].call(None, {**shape, "algorithm": "successive", "bound": "lp", "seed": 3})
    direct = place(edge.generate(**shape, seed=3), "successive", bound="lp")
    assert row["latency_ns"] == str(direct.latency) and row["bound_ns"] == str(direct.bound)


@settings(max_examples=100 if FULL else 30)
@given(networks(top_k=3, servers=2, experts=4), st.data())
def test_tables_hold_what_their_pages_save(net: Network, data: Any) -> None:
    """Peeling and subsets state savings incrementally; here they are recomputed from the placement."""
    state = State(net)
    other = data.draw(st.lists(st.integers(0, net.pages - 1), unique=True)) if len(net.servers) > 1 else []
    for page in other:
        state.add(1, [page])
    scratch, near = np.zeros(net.activations.groups, np.int64), state.reaching(0)
    before = cost(net, state.held)

    def saved(pages: Any) -> int:
        held = state.held.copy()
        held[0, list(pages)] = True
        return before - cost(net, held)

    for layer in range(net.layers):
        low, high = int(net.first[layer]), int(net.first[layer + 1])
        order, values = state.peel(0, low, high, near, scratch)
        assert sorted(order.tolist()) == list(range(low, high))
        assert values.tolist() == [saved(order[:q]) for q in range(high - low + 1)]
        for mask, value in enumerate(state.subset_values(0, low, high, near).tolist()):
            assert value == saved(low + e for e in range(high - low) if mask >> e & 1)
