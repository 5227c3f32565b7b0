"""Seeded workloads: the same everywhere, and distributed as they say (fixed seeds, bounds at 1 in a million)."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

import layered_paging as lp
from layered_paging import workloads
from layered_paging.errors import ParameterError

GENERATORS: list[Callable[..., lp.Trace]] = [
    workloads.uniform,
    workloads.zipf,
    workloads.markov,
    workloads.drift,
    workloads.phases,
]
every = pytest.mark.parametrize("generator", GENERATORS, ids=lambda g: g.__name__)
SIZES: dict[str, Any] = {"layers": 3, "experts": [8, 5, 16], "rounds": 400, "top_k": 3}


def fits(observed: Any, expected: Any) -> bool:
    """Chi-squared: would counts as far off as these turn up more than once in a million times?"""
    observed, expected = np.ravel(observed), np.ravel(expected)
    statistic = ((observed - expected) ** 2 / expected).sum()
    return bool(statistic < stats.chi2.isf(1e-6, len(observed) - 1))


def power(n: int, exponent: float) -> Any:
    weights = np.arange(1, n + 1) ** -exponent
    return weights / weights.sum()


@every
def test_same_seed_same_trace(generator: Callable[..., lp.Trace]) -> None:
    one, two = generator(**SIZES, seed=5, sessions=7), generator(**SIZES, seed=5, sessions=7)
    assert one == two
    assert not np.array_equal(one.experts, generator(**SIZES, seed=6).experts)
    assert one.sessions.tolist() == [400 * s // 7 for s in range(7)]
    assert one.n_experts == (8, 5, 16)


@pytest.mark.parametrize(
    ("generator", "top_1", "top_3"),
    [
        (workloads.uniform, "sha256:30246fb3", "sha256:d81c93c0"),
        (workloads.zipf, "sha256:ef2ff798", "sha256:493fdd6b"),
        (workloads.markov, "sha256:7a36e63c", "sha256:0292fd5a"),
        (workloads.drift, "sha256:959802bf", "sha256:2794357d"),
        (workloads.phases, "sha256:4d59fadf", "sha256:6467d03f"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_same_trace_on_every_machine(generator: Callable[..., lp.Trace], top_1: str, top_3: str) -> None:
    """The digests were computed once; machines and NumPy versions must not change them."""
    assert generator(layers=3, experts=20, rounds=2000, seed=1).digest()[:15] == top_1
    assert generator(layers=3, experts=20, rounds=2000, seed=1, top_k=3).digest()[:15] == top_3


@every
def test_provenance_makes_the_trace_again(generator: Callable[..., lp.Trace]) -> None:
    trace = generator(**SIZES, seed=9, sessions=2)
    meta = json.loads(json.dumps(trace.meta))
    assert meta["generator"] == f"layered_paging.workloads.{generator.__name__}"
    assert generator(**meta["parameters"], seed=meta["seed"]) == trace


@every
@pytest.mark.parametrize("top_k", [1, 3])
def test_layers_do_not_influence_each_other(generator: Callable[..., lp.Trace], top_k: int) -> None:
    few = generator(layers=2, experts=[8, 5], rounds=300, top_k=top_k)
    more = generator(layers=4, experts=[8, 5, 9, 6], rounds=300, top_k=top_k)
    other = generator(layers=2, experts=[12, 5], rounds=300, top_k=top_k)
    assert np.array_equal(few.experts, more.experts[:, :2])
    assert np.array_equal(few.experts[:, 1], other.experts[:, 1])


@every
@pytest.mark.parametrize("top_k", [1, 3])
def test_more_rounds_continue_the_trace(generator: Callable[..., lp.Trace], top_k: int) -> None:
    short, long = (generator(layers=2, experts=8, rounds=rounds, top_k=top_k) for rounds in (150, 431))
    assert np.array_equal(short.experts, long.experts[:150])


@every
@pytest.mark.parametrize("top_k", [1, 3])
def test_chunks_do_not_show(generator: Callable[..., lp.Trace], top_k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = generator(layers=2, experts=8, rounds=300, top_k=top_k)
    monkeypatch.setattr(workloads, "_CHUNK", 37)
    assert generator(layers=2, experts=8, rounds=300, top_k=top_k) == whole


@every
def test_members_are_distinct_and_all_there(generator: Callable[..., lp.Trace]) -> None:
    for top_k in (2, 4):
        ids = generator(layers=2, experts=[4, 6], rounds=500, top_k=top_k).experts
        assert (ids >= 0).all()
        assert all(len(set(event)) == top_k for event in ids.reshape(-1, top_k).tolist())


@every
def test_layers_are_independent(generator: Callable[..., lp.Trace]) -> None:
    # events of a sticky or phased layer depend on each other, so look at rounds far apart
    gap = {"markov": 12, "phases": 100, "drift": 1}.get(generator.__name__, 1)
    ids = generator(layers=2, experts=4, rounds=4000 * gap, **({"working_set": 1} if gap == 100 else {})).experts
    table = np.zeros((4, 4))
    np.add.at(table, (ids[::gap, 0, 0], ids[::gap, 1, 0]), 1)
    expected = table.sum(1)[:, None] * table.sum(0) / table.sum()
    assert ((table - expected) ** 2 / expected).sum() < stats.chi2.isf(1e-6, 9)


def test_uniform_is_uniform() -> None:
    ids = workloads.uniform(layers=2, experts=5, rounds=20_000, top_k=2, seed=3).experts
    pairs = list(itertools.permutations(range(5), 2))
    for j in range(2):
        counts = [int(((ids[:, j] == pair).all(axis=1)).sum()) for pair in pairs]
        assert fits(counts, np.full(20, 1000.0))
        assert not fits(np.array(counts) + np.arange(20) * 20, np.full(20, 1000.0))  # the test can fail


@pytest.mark.parametrize("exponent", [0.5, 1.1, 2.0])
def test_zipf_popularity(exponent: float) -> None:
    rounds = 50_000
    ids = workloads.zipf(layers=3, experts=10, rounds=rounds, exponent=exponent, seed=2).experts
    orders = set()
    for j in range(3):
        counts = np.bincount(ids[:, j, 0], minlength=10)
        order = np.argsort(-counts, kind="stable")
        orders.add(tuple(order.tolist()))
        assert fits(counts[order], power(10, exponent) * rounds)
        assert not fits(counts[order], power(10, exponent + 0.1) * rounds)
    assert len(orders) == 3


def test_members_are_drawn_one_after_another_without_replacement() -> None:
    count, chance = 60_000, power(4, 1.0)
    random = np.random.Generator(np.random.PCG64(7))
    drawn = workloads._draw(random, workloads._weights(4, 1.0), count, 3)
    triples = list(itertools.permutations(range(4), 3))
    expected = np.array(
        [chance[a] * chance[b] / (1 - chance[a]) * chance[c] / (1 - chance[a] - chance[b]) for a, b, c in triples]
    )
    assert abs(expected.sum() - 1) < 1e-12
    observed = [int((drawn == triple).all(axis=1).sum()) for triple in triples]
    assert fits(observed, expected * count)
    assert not fits(observed, np.full(24, count / 24))


def test_exponent_of_each_layer() -> None:
    ids = workloads.zipf(layers=2, experts=8, rounds=2000, exponent=[0, 100]).experts
    assert len(set(ids[:, 0, 0].tolist())) == 8 and len(set(ids[:, 1, 0].tolist())) == 1


def test_weights_are_correctly_rounded() -> None:
    assert workloads._weights(5, 1.0).tolist() == [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5]
    assert workloads._weights(4, 0.5).tolist() == [1.0, 0.7071067811865476, 0.5773502691896257645, 0.5]
    assert workloads._weights(2000, 100.0).min() == 1e-300


def test_own_logarithm() -> None:
    x = np.concatenate((np.random.default_rng(0).random(10_000), [2.0**-53, 0.5, 0.7071067811865475, 1.0]))
    assert np.abs(workloads._log(x) - np.log(x)).max() < 1e-12


@pytest.mark.parametrize("stickiness", [0, 0.3, 0.9, 1])
def test_markov_repeats(stickiness: float) -> None:
    rounds = 20_000
    trace = workloads.markov(layers=1, experts=6, rounds=rounds, stickiness=stickiness, exponent=1.0, seed=4)
    ids = trace.experts[:, 0, 0]
    again = stickiness + (1 - stickiness) * (power(6, 1.0) ** 2).sum()
    same = int((ids[1:] == ids[:-1]).sum())
    assert abs(same - again * (rounds - 1)) <= 5 * np.sqrt(again * (1 - again) * rounds) + 1e-6
    if stickiness < 0.5:  # stationary popularity; rounds far apart are almost independent
        counts = np.sort(np.bincount(ids[::15], minlength=6))[::-1]
        assert fits(counts, power(6, 1.0) * counts.sum())


def test_markov_sessions_start_anew() -> None:
    trace = workloads.markov(layers=1, experts=50, rounds=100, stickiness=1, sessions=10)
    ids = trace.experts[:, 0, 0].reshape(10, 10)
    assert (ids == ids[:, :1]).all() and len(set(ids[:, 0].tolist())) > 5


def test_drift_changes_only_between_periods() -> None:
    # at exponent 100 only the most popular expert is ever asked for
    ids = workloads.drift(layers=2, experts=6, rounds=3000, exponent=100, period=10, seed=1).experts[:, :, 0]
    blocks = ids.reshape(300, 10, 2)
    assert (blocks == blocks[:, :1]).all()
    changes = (np.diff(blocks[:, 0], axis=0) != 0).sum(axis=0)
    chance = 10 / 36  # a transposition of two ranks, drawn independently, moves the first
    assert (np.abs(changes - 299 * chance) < 5 * np.sqrt(299 * chance * (1 - chance))).all()
    still = workloads.drift(layers=1, experts=6, rounds=500, exponent=100, period=10, swaps=0).experts
    assert len(set(still.ravel().tolist())) == 1


def test_phases_have_working_sets() -> None:
    ids = workloads.phases(layers=2, experts=20, rounds=2030, top_k=2, working_set=5, length=100).experts
    for j in range(2):
        sets = [frozenset(ids[at : at + 100, j].ravel().tolist()) for at in range(0, 2030, 100)]
        assert len(sets) == 21 and all(len(some) == 5 for some in sets[:-1])
        assert len(set(sets)) > 15
    counts = np.bincount(ids[:100, 0].ravel(), minlength=20)
    assert fits(counts[counts > 0], np.full(5, 40.0))


@pytest.mark.parametrize(
    ("generator", "change", "name"),
    [
        *[
            (generator, change, name)
            for generator in GENERATORS
            for change, name in [
                ({"layers": 0}, "layers"),
                ({"layers": 2.0}, "layers"),
                ({"experts": 0}, "experts"),
                ({"experts": [4]}, "experts"),
                ({"experts": 2**31}, "experts"),
                ({"rounds": 0}, "rounds"),
                ({"rounds": "9"}, "rounds"),
                ({"rounds": 10**15}, "rounds"),
                ({"top_k": 0}, "top_k"),
                ({"top_k": 9}, "top_k"),
                ({"seed": -1}, "seed"),
                ({"seed": None}, "seed"),
                ({"sessions": 0}, "sessions"),
                ({"sessions": 11}, "sessions"),
            ]
        ],
        *[(g, {"exponent": bad}, "exponent") for g in GENERATORS[1:4] for bad in (-1, 101, float("nan"), "1", [1.0], [1, None])],
        *[(workloads.markov, {"stickiness": bad}, "stickiness") for bad in (-0.1, 1.1, float("nan"), True)],
        (workloads.drift, {"period": 0}, "period"),
        (workloads.drift, {"swaps": -1}, "swaps"),
        (workloads.phases, {"working_set": 0}, "working_set"),
        (workloads.phases, {"working_set": 9}, "working_set"),
        (workloads.phases, {"working_set": 1, "top_k": 2}, "working_set"),
        (workloads.phases, {"length": 0}, "length"),
    ],
)  # fmt: skip
def test_parameters_are_checked(generator: Callable[..., lp.Trace], change: dict[str, Any], name: str) -> None:
    with pytest.raises(ParameterError, match=name):
        generator(**{"layers": 2, "experts": 8, "rounds": 10, **change})
