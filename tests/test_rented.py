"""Kernels that plain Python stands in for: both give the same to the last number, and the rent decides."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from layered_paging import edge
from layered_paging.core import rented
from layered_paging.core.rented import Rented, plainly
from layered_paging.core.renting import Lease, buying
from layered_paging.edge.knapsack import convolve
from layered_paging.errors import ParameterError
from layered_paging.policies.names import resolve
from layered_paging.ratio import exploring, game_kernels, game_search, given, kernels, optimal_ratio
from layered_paging.ratio.automaton import build
from layered_paging.ratio.game import solve
from layered_paging.ratio.journal import Journal


@pytest.fixture
def choose(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what has every kernel played by plain Python, or by compiled code."""

    def chosen(compiled: bool) -> None:
        monkeypatch.setattr(Rented, "wanted", lambda kernel, seconds: compiled)
        monkeypatch.setattr(Rented, "left", lambda kernel: 0.0 if compiled else 1e9)

    return chosen


def same(one: Any, other: Any) -> bool:
    return len(one) == len(other) and all(
        a.dtype == b.dtype and np.array_equal(a, b) for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize(
    ("policy", "size", "options"),
    [
        ("lru", (2, 3, 4), {}),
        ("fifo", (1, 4, 3), {}),
        ("llru", (2, [1, 3], 2), {}),
        ("mark-far", (2, 3, 5), {}),
        ("lru", (2, 3, 4), {"pool": "per-layer"}),
        ("lru", (1, 5, 3), {"top_k": 2}),
        ("lru", (2, 3, 3), {"top_k": 2, "bypass": True}),
        ("marking", (1, 4, 2), {}),
    ],
)
def test_graphs_are_explored_alike(
    policy: str, size: tuple[int, Any, int], options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With fewer slots for the optimum, too, where several pages go at once."""
    found: list[tuple[Any, Any]] = []

    def both(*tables: Any, slots: int, bypass: bool, limit: int, seen: Any) -> Any:
        told = np.zeros(3, np.int64), np.zeros(3, np.int64)
        plain = exploring.explore_plainly(*tables, slots, bypass, limit, told[0])
        fast = kernels.explore(*tables, slots, bypass, limit, told[1])
        assert same(plain, fast) and told[0].tolist() == told[1].tolist()
        few = len(plain[2]) - 1  # one arc too many
        for explore in (exploring.explore_plainly, kernels.explore):
            assert [len(part) for part in explore(*tables, slots, bypass, few, np.zeros(3, np.int64))] == [0] * 6
            assert [len(part) for part in explore(*tables, slots, bypass, limit, np.ones(3, np.int64))] == [0] * 6
        found.append(plain)
        return plain

    monkeypatch.setattr(given, "explore", both)
    instance = given.problem(*size)
    automaton = build(resolve(policy), instance, **options)
    top_k = options.get("top_k", 1)
    for slots in range(1 if options.get("bypass") else top_k, instance.slots + 1):
        given._product(automaton, slots, options.get("bypass", False), 1 << 30, lambda what, value: None)
    assert len(found) > 1 and all(len(graph[0]) > 3 for graph in found)


def test_a_plain_exploration_is_given_up_where_the_rent_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    played = []
    for name in ("plain", "compiled"):
        own = getattr(Rented, name)
        monkeypatch.setattr(
            Rented,
            name,
            lambda kernel, *rest, own=own, name=name, **by: played.append(name) or own(kernel, *rest, **by),
        )
    first = np.array([0, 2, 4], np.int64)
    whole = game_kernels.play(first, 3, True, 1 << 20, np.zeros(3, np.int64))
    for left, wanted in ((0.0, ["compiled"]), (3 * exploring.ANSWER, ["plain", "compiled"]), (9.0, ["plain"])):
        played.clear()
        monkeypatch.setattr(Rented, "left", lambda kernel, left=left: left)
        assert same(exploring.play(first, 3, turn=True, limit=1 << 20, seen=np.zeros(3, np.int64)), whole)
        assert played == wanted
    seen = np.ones(3, np.int64)  # told to end: nothing is begun again
    played.clear()
    assert len(exploring.play(first, 3, turn=True, limit=1 << 20, seen=seen)[0]) == 0 and played == ["plain"]
    with pytest.raises(ParameterError, match="does not fit"):
        solve(2, 2, 3, memory=400)


@pytest.mark.parametrize(
    "size", [(2, 2, 3, {}), (1, 4, 2, {}), (2, 3, 4, {"top_k": 2}), (1, 5, 3, {"top_k": 3, "admission": "bypass"})]
)
def test_games_are_solved_alike(size: Any, choose: Any) -> None:
    answers = []
    for compiled in (False, True):
        choose(compiled)
        found = optimal_ratio(layers=size[0], experts=size[1], slots=size[2], **size[3])
        answers.append((found.lower, found.upper, found.certificate.evidence))
    assert answers[0] == answers[1]


def test_short_integers_of_a_game_are_not_cut(choose: Any) -> None:
    """A trial ratio of large terms times the cost of an event exceeds 8 bits."""
    game = solve(2, 2, 3)
    values = []
    for compiled in (False, True):
        choose(compiled)
        hunt = game_search.Hunt(game, Fraction(3), lambda what, value: None, Journal(None, {}))
        hunt._begin(Fraction(1999, 1000))
        hunt._judge_policy(hunt.trial, hunt.value)
        game_search._SWEEP(0.0, *hunt.arcs, 1999, 1000, hunt.value, 40)
        values.append(hunt.value.tolist())
    assert values[0] == values[1] and max(values[0]) > 127


def test_placements_are_found_alike(choose: Any) -> None:
    """Every algorithm, with one member per event and with several, where pages weigh alike and where not."""
    networks = [
        edge.generate(users=3, servers=2, layers=2, experts=4, top_k=top_k, seed=seed, storage=3 << 20)
        for top_k, seed in ((1, 1), (2, 2), (3, 3))
    ]
    answers: list[Any] = []
    for compiled in (False, True):
        choose(compiled)
        found = []
        for network in networks:
            for algorithm in ("best", "successive", "rounds", "greedy", "enumeration", "alone"):
                placed = edge.place(network, algorithm, bound="prices")
                found.append((placed.held.tolist(), placed.cost, placed.bound))
        answers.append(found)
    assert answers[0] == answers[1]


def test_convolutions_are_alike(choose: Any) -> None:
    draw = np.random.default_rng(0)
    for _ in range(60):
        old, table = (np.cumsum(draw.integers(0, 9, size)) for size in draw.integers(1, 40, 2))
        stride, answers = int(draw.integers(1, 4)), []
        for compiled in (False, True):
            choose(compiled)
            answers += [convolve(old, table, stride, "plain"), convolve(old, table, stride, "smawk")]
        assert same(answers[0], answers[2]) and same(answers[1], answers[3])
        assert np.array_equal(answers[0][0], answers[1][0])


def test_plain_kernels_call_plain_kernels() -> None:
    names = plainly("layered_paging.ratio.game_kernels")
    assert names["play"] is not game_kernels.play and names["play"].__globals__["_slot"] is names["_slot"]
    assert not hasattr(names["_slot"], "py_func")


def test_the_rent_ends_at_the_price_and_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rent = Lease(tmp_path / "x")
    monkeypatch.setattr(rented, "lease", lambda home, name: rent)

    def fresh() -> Rented:
        return Rented("layered_paging.edge.kernels", "denser", 2.0)

    kernel = fresh()
    assert not kernel.wanted(1.9) and kernel.left() == 2.0
    assert kernel(1.9, 3, 2, 1, 1) and not rent.bought
    rent.pay(1.0)
    assert not kernel.wanted(0.9) and kernel.left() == pytest.approx(1.0, abs=0.1)
    assert kernel(1.2, 3, 2, 1, 1) and rent.bought
    assert kernel.wanted(0.0) and kernel.left() == 0.0
    assert fresh().wanted(0.0)  # another process finds that it was bought
    rent = Lease(tmp_path / "y")
    with buying():
        assert fresh()(0.0, 3, 2, 1, 1) and rent.bought
