"""Coupon collectors by drawing: samples and their intervals, and measured ratios by hand."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

import layered_paging as lp
from layered_paging import coupon
from layered_paging.coupon import empirical, sampling
from layered_paging.errors import ParameterError
from layered_paging.policies.belady import furthest
from layered_paging.policies.stream import Stream

SOURCE = {"policy": "lru", "layers": 2, "experts": 2, "rounds": 60, "runs": 3}


# samples


class Loaded:
    """Random numbers that are given."""

    def __init__(self, *arrays: Any) -> None:
        self.arrays = [np.array(array) for array in arrays]

    def random(self, shape: tuple[int, ...]) -> Any:
        array = self.arrays.pop(0)
        assert array.shape == shape
        return array

    def integers(self, low: int, high: int, size: tuple[int, ...]) -> Any:
        array = self.arrays.pop(0)
        assert array.shape == size and (low, high) == (0, 3)
        return array


def test_draws_as_they_fall() -> None:
    # two samples of one collector, three coupons: the first needs 4 rounds, the second 3
    rng: Any = Loaded([[[0]], [[2]]], [[[0]], [[1]]], [[[1]], [[0]]], [[[2]]])
    assert sampling._by_draws(rng, 2, 1, 3, 1, False, None).tolist() == [4, 3] and not rng.arrays
    # two at once with replacement
    rng = Loaded([[[0, 0], [1, 2]]], [[[2, 1], [0, 0]]])
    assert sampling._by_draws(rng, 1, 2, 3, 2, True, None).tolist() == [2]
    # two distinct ones: the coupons with the least numbers
    rng = Loaded([[[0.9, 0.1, 0.5]]], [[[0.1, 0.2, 0.3]]])
    assert sampling._by_draws(rng, 1, 1, 3, 2, False, None).tolist() == [2]
    rng = Loaded([[[0.9, 0.8, 0.7, 0.1, 0.2]]], [[[0.1, 0.9, 0.8, 0.7, 0.2]]], [[[0.9, 0.1, 0.2, 0.8, 0.7]]])
    assert sampling._by_draws(rng, 1, 1, 5, 2, False, None).tolist() == [3]
    # among very many, exactly the two least: three hundred pairs complete six hundred coupons
    rows = np.random.default_rng(1).random((300, 1, 1, 600)) + 1
    rows[np.arange(300), 0, 0, 2 * np.arange(300)], rows[np.arange(300), 0, 0, 2 * np.arange(300) + 1] = 0.5, 0.25
    rng = Loaded(*rows)
    assert sampling._by_draws(rng, 1, 1, 600, 2, False, None).tolist() == [300]
    # unequal: a number on the border belongs to the upper coupon
    rng = Loaded([[[0.0]]], [[[0.25]]], [[[0.749]]], [[[0.75]]])
    weights = np.array([[0.25, 0.5, 0.25]])
    assert sampling._by_draws(rng, 1, 1, 3, 1, True, weights).tolist() == [4]


def test_waits_and_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of samples have streams of their own; waits are geometric, one for each new coupon."""
    monkeypatch.setattr(sampling, "CELLS", 40)
    found = coupon.simulate(5, 2, samples=9, seed=4, method="waits").rounds
    seeds, parts = np.random.SeedSequence(4).spawn(3), []
    for seed, here in zip(seeds, (4, 4, 1), strict=True):
        waits = np.random.default_rng(seed).geometric(np.array([1, 0.8, 0.6, 0.4, 0.2]), size=(here, 2, 5))
        parts += waits.sum(axis=2).max(axis=1).tolist()
    assert found.tolist() == parts
    again = coupon.simulate(5, 2, samples=9, seed=4).rounds
    by_hand = [
        sampling._by_draws(np.random.default_rng(seed), here, 2, 5, 1, False, None)
        for seed, here in zip(np.random.SeedSequence(4).spawn(3), (4, 4, 1), strict=True)
    ]
    assert (
        again.tolist()
        == np.concatenate(by_hand).tolist()
        == coupon.simulate(5, 2, samples=9, seed=4, workers=3).rounds.tolist()
    )
    monkeypatch.setattr(sampling, "CELLS", 3)
    assert len(coupon.simulate(5, 2, samples=3, seed=4).rounds) == 3
    for options in ({"draws": 2}, {"probabilities": ["1/5"] * 5}):
        with pytest.raises(ParameterError, match="'waits' needs equal probabilities"):
            coupon.simulate(5, samples=2, seed=0, method="waits", **options)  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="method must be 'draws' or 'waits'; got 'x'"):
        coupon.simulate(5, samples=2, seed=0, method="x")


def test_intervals() -> None:
    sample = sampling.Sample(np.array([1, 2, 4, 9]), 0)
    assert sample.mean == 4
    half = 1.959963984540054 * math.sqrt(38 / 3) / 2
    assert sample.interval() == pytest.approx((4 - half, 4 + half), rel=1e-12)
    assert sampling.normal_quantile(0.5) == pytest.approx(0.6744897501960817, rel=1e-12)
    for wrong in (0, 1, -0.5, math.nan):
        with pytest.raises(ParameterError, match="confidence must be between 0 and 1"):
            sampling.normal_quantile(wrong)


# measured ratios


def test_a_measured_ratio_by_hand() -> None:
    """Whole phases only: from the second phase of each run to its last, which is cut off."""
    lengths = []

    def source(stream: Stream) -> Any:
        lengths.append(0)
        if len(lengths) == 2:  # a run without a whole phase is left out
            yield from [0, 1] + [2] * 58
        while True:
            yield stream.below(4)

    found = coupon.phase_ratio(
        "lru", layers=1, experts=4, slots=2, source=source, rounds=60, runs=4, seed=7, confidence=0.9
    )
    costs, optima, phases = [], [], 0
    for run in (0, 2, 3):
        stream = Stream(7, run)
        pages = [stream.below(4) for _ in range(60)]
        starts = empirical.phase_starts(pages, 2)
        missed = lp.replay(lp.Trace([[p] for p in pages], 4), "lru", 2, record=True, engine="reference").missed.ravel()
        costs.append(sum(missed[starts[1] : starts[-1]].tolist()))
        optima.append(sum(furthest(pages, 2)[starts[1] : starts[-1]]))
        phases += len(starts) - 2
    ratio = sum(costs) / sum(optima)
    assert (found.ratio, found.cost, found.optimum, found.phases) == (ratio, sum(costs), sum(optima), phases)
    assert (found.runs, found.seed) == (3, 7)
    rest = [c - ratio * o for c, o in zip(costs, optima, strict=True)]
    spread = math.sqrt(sum((x - sum(rest) / 3) ** 2 for x in rest) / 2)
    half = 1.6448536269514722 * spread / math.sqrt(3) / (sum(optima) / 3)
    assert (found.lower, found.upper) == pytest.approx((ratio - half, ratio + half), rel=1e-12)


def test_one_run_is_not_enough() -> None:
    begun = []

    def source(stream: Stream) -> Any:
        begun.append(0)
        return itertools.cycle([0, 1, 2, 3] if len(begun) == 1 else [0])

    with pytest.raises(ParameterError, match="no whole phase of 2 distinct pages in 60 rounds"):
        coupon.phase_ratio("lru", layers=1, experts=4, slots=2, source=source, rounds=60, runs=2)


def test_a_randomized_policy_is_drawn_anew_in_each_run() -> None:
    def source(_: Stream) -> Any:
        return itertools.cycle([0, 1, 2, 3])

    seen = [
        coupon.phase_ratio("marking", layers=1, experts=4, slots=2, source=source, rounds=80, runs=2, seed=seed).cost
        for seed in range(4)
    ]
    runs = [
        [
            int(
                lp.replay(
                    lp.Trace([[t % 4] for t in range(80)], 4), "marking", 2, record=True, seed=s, engine="reference"
                )
                .missed.ravel()[2:78]
                .sum()
            )
        ]
        for s in range(5)
    ]
    assert seen == [runs[s][0] + runs[s + 1][0] for s in range(4)]


def test_phases_begin_with_a_new_page() -> None:
    assert empirical.phase_starts([], 2) == [] and empirical.phase_starts([0], 2) == [0]
    assert empirical.phase_starts([0, 1, 0, 1], 2) == [0] and empirical.phase_starts([0, 1, 2], 3) == [0]
    assert empirical.phase_starts([5, 5, 1, 5, 2, 2, 1, 5], 2) == [0, 4, 7]
