"""Coupon collectors step by step: laws against sums, enclosures against fractions, ends and bounds to the digit."""

from __future__ import annotations

import inspect
import itertools
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from layered_paging import coupon
from layered_paging.coupon import exact, law, limits, numeric, sampling
from layered_paging.errors import ParameterError

SOURCE = {"policy": "lru", "layers": 2, "experts": 2, "rounds": 60, "runs": 3}
# function, good arguments, and the least value of each whole number among them
LEAST: list[tuple[Any, dict[str, Any], dict[str, int]]] = [
    (coupon.harmonic, {"n": 4}, {"n": 0}),
    (coupon.expected_rounds, {"experts": 3, "collectors": 2, "draws": 1}, {"experts": 1, "collectors": 1, "draws": 1}),
    (coupon.variance, {"experts": 3, "collectors": 2, "draws": 1}, {"experts": 1, "collectors": 1, "draws": 1}),
    (coupon.cdf, {"t": 3, "experts": 2, "collectors": 2}, {"t": 0, "experts": 1, "collectors": 1}),
    (coupon.distribution, {"experts": 2, "collectors": 2, "rounds": 2}, {"experts": 1, "collectors": 1, "rounds": 0}),
    (coupon.yao_bound, {"layers": 2, "experts": 2}, {"layers": 1}),
    (coupon.yao_bound, {"layers": 1, "experts": 3, "slots": 2}, {"slots": 1}),
    (coupon.best_split, {"layers": 1, "experts": 3, "slots": 2}, {"layers": 1, "slots": 1}),
    (coupon.enclose_rounds, {"experts": 3, "collectors": 2, "draws": 1, "digits": 2},
     {"experts": 1, "collectors": 1, "draws": 1, "digits": 1}),
    (coupon.enclose_yao, {"layers": 2, "experts": 2, "digits": 2}, {"layers": 1, "digits": 1}),
    (coupon.occupancy_rounds, {"experts": 3, "collectors": 2}, {"experts": 1, "collectors": 1}),
    (coupon.gumbel_cdf, {"t": 3, "experts": 3, "collectors": 2}, {"experts": 1, "collectors": 1}),
    (coupon.gumbel_mean, {"experts": 3, "collectors": 2}, {"experts": 1, "collectors": 1}),
    (coupon.poissonised, {"experts": 3, "collectors": 2}, {"experts": 1, "collectors": 1}),
    (coupon.many_collectors, {"experts": 3, "collectors": 2}, {"experts": 2, "collectors": 1}),
    (coupon.simulate, {"experts": 3, "collectors": 2, "samples": 3, "seed": 1, "draws": 1, "workers": 2},
     {"experts": 1, "collectors": 1, "samples": 2, "seed": 0, "draws": 1, "workers": 1}),
    (coupon.phase_ratio, {**SOURCE, "slots": 2, "seed": 1}, {"runs": 2, "seed": 0}),
    (coupon.phase_ratio, {**SOURCE, "experts": 4, "layers": 1, "slots": 1}, {"layers": 1, "slots": 1}),
]  # fmt: skip


@pytest.mark.parametrize("row", LEAST, ids=[f"{row[0].__name__}-{i}" for i, row in enumerate(LEAST)])
def test_whole_numbers_have_a_least_value(row: tuple[Any, dict[str, Any], dict[str, int]]) -> None:
    function, good, least = row
    for name, low in least.items():
        function(**{**good, name: low})
        for wrong in (low - 1, True, low + 0.5):
            with pytest.raises(ParameterError, match=rf"{name} must be .*at least {low}.*; got {wrong}"):
                function(**{**good, name: wrong})


def test_sizes_of_a_source_are_at_least_one() -> None:
    for name in ("layers", "experts", "rounds", "slots"):
        with pytest.raises(ParameterError, match=f"{name} must be .*at least 1.*; got 0"):
            coupon.phase_ratio(**{**SOURCE, "slots": 1, name: 0})
    with pytest.raises(ParameterError, match=r"no whole phase of 1 distinct pages in 1 rounds; give more rounds"):
        coupon.phase_ratio(**{**SOURCE, "layers": 1, "slots": 1, "rounds": 1})
    with pytest.raises(ParameterError, match=r"widths\[1\] must be .*at least 1.*; got 0"):
        coupon.split_bound([3, 0])
    with pytest.raises(ParameterError, match=r"at least 2 pages; got widths \[\]"):
        coupon.split_bound([])


def test_defaults_are_part_of_the_interface() -> None:
    def defaults(function: Any) -> dict[str, Any]:
        found = inspect.signature(function).parameters.values()
        return {p.name: p.default for p in found if p.default is not p.empty}

    draws = {"draws": 1, "replacement": False}
    options = {"collectors": 1, **draws, "probabilities": None}
    for function in (coupon.expected_rounds, coupon.variance, coupon.cdf, law.laws):
        assert defaults(function) == options
    assert defaults(coupon.enclose_rounds) == {"collectors": 1, **draws, "digits": 30}
    assert defaults(coupon.enclose_yao) == {"digits": 30} and defaults(coupon.compare) == {"digits": 15}
    assert defaults(coupon.occupancy_rounds) == {"collectors": 1, "tolerance": 1e-13}
    assert defaults(coupon.harmonic) == {"power": 1} and defaults(law.Law.series) == {"moment": 0}
    for function in (coupon.distribution, coupon.gumbel_cdf, coupon.gumbel_mean):
        assert defaults(function) == {"collectors": 1}
    assert defaults(coupon.poissonised) == {"collectors": 1, "probabilities": None}
    assert defaults(coupon.simulate) == {**options, "method": "draws", "workers": 1}
    assert defaults(sampling.Sample.interval) == {"confidence": 0.95}
    assert defaults(coupon.phase_ratio) == {
        "slots": None, "source": "uniform-source", "rounds": 1000, "runs": 40, "seed": 0, "confidence": 0.95,
        "engine": "reference",
    }  # fmt: skip
    for identity in coupon.identities():
        assert defaults(identity.residuals) == defaults(identity.holds) == {"shift": 0}
    assert (law.TERMS, sampling.CELLS) == (6000, 2097152)
    assert math.isclose(limits.EULER, -1.0 * float(np.euler_gamma) * -1.0, rel_tol=1e-15)


# laws


ONE, TWO = law.Law(6, {6: 1, 3: -2, 0: 5}), law.Law(4, {4: 1, 2: 3})


def test_laws_are_what_they_say_at_every_time() -> None:
    for t in range(5):
        assert ONE.at(t) == 1 - 2 * Fraction(1, 2) ** t + 5 * (t == 0)
        assert ONE.times(TWO).at(t) == ONE.at(t) * TWO.at(t)
        assert ONE.later().at(t) == 6 * ONE.at(t + 1)
        assert ONE.scaled(7).at(t) == 7 * ONE.at(t)
        assert ONE.plus(law.Law(6, {3: 2, 1: 4})).at(t) == ONE.at(t) + 2 * Fraction(1, 2) ** t + 4 * Fraction(1, 6) ** t
        assert law._power(ONE, 3).at(t) == ONE.at(3 * t) and law._power(ONE, 1) is ONE
    assert ONE.plus(law.Law(6, {3: 2})).terms == {6: 1, 0: 5}  # what cancels is dropped
    assert law.Law(2, {2: 1, 1: 1}).times(law.Law(2, {2: 1, 1: -1})).terms == {4: 1, 1: -1}
    assert ONE.series() == -2 * 2 + 5 and ONE.series(moment=1) == -2 * 6 + 5
    assert law.Law(3, {3: 1}).series() == 0 and law.Law(3, {1: 2}).series() == 3
    assert law.product([(TWO, 2), (ONE, 1)]).at(2) == TWO.at(2) ** 2 * ONE.at(2)
    assert law.product([]) == law.Law(1, {1: 1})


def test_sums_of_fractions() -> None:
    for count in range(8):
        parts = [(i + 1, 2 * i + 3) for i in range(count)]
        assert law.total(parts) == sum(Fraction(a, b) for a, b in parts)


def test_laws_of_collectors() -> None:
    [(one, size)] = law.laws(3, 4)
    assert (one, size) == (law.Law(3, {3: 1, 2: -3, 1: 3, 0: -1}), 4)
    [(pairs, size)] = law.laws(4, 2, draws=2)
    assert (pairs, size) == (law.Law(6, {6: 1, 3: -4, 1: 6, 0: -3}), 2)
    [(double, _)] = law.laws(2, draws=3, replacement=True)
    assert double == law.Law(8, {8: 1, 1: -2, 0: 1})
    rows = [["1/3", "2/3"], ["1/2", "1/2"], ["2/3", "1/3"]]
    found = law.laws(2, 3, probabilities=rows)
    assert found == [(law.Law(3, {3: 1, 2: -1, 1: -1, 0: 1}), 2), (law.Law(2, {2: 1, 1: -2, 0: 1}), 1)]
    assert law.laws(2, 5, probabilities=rows[0]) == [(found[0][0], 5)]
    assert law.laws(2, 1, probabilities=[rows[0]]) == [(found[0][0], 1)]
    assert law.laws(2, 1, draws=2, replacement=True, probabilities=rows[1])[0][0] == law.Law(4, {4: 1, 1: -2, 0: 1})
    for bad, words in (
        ([], "must be 2 positive numbers"),
        (["1/2", "1/2", "0"], "must be 2 positive numbers"),
        (["1", "0"], "must be 2 positive numbers"),
        (["1/2", "1/0"], "must be fractions such as"),
        ([None, 1], "must be fractions such as"),
        (["1/2", "1/3"], "sum to exactly 1 .* got a sum of 5/6"),
        ([0.1, 0.9], "sum to exactly 1"),
    ):
        with pytest.raises(ParameterError, match=words):
            law.laws(2, probabilities=bad)
    with pytest.raises(ParameterError, match=r"must be fractions such as '1/3'; got '1/2'$"):
        law.laws(2, 2, probabilities=[["1/2", "1/2"], "1/2"])
    with pytest.raises(ParameterError, match="one list for each of 2 collectors; got 3"):
        law.laws(2, 2, probabilities=rows)
    with pytest.raises(ParameterError, match="at most the 3 experts; got 4"):
        law.laws(3, draws=4)
    law.laws(3, draws=3)
    law.laws(3, draws=4, replacement=True)


def test_too_many_terms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(law, "TERMS", 3)
    with pytest.raises(ParameterError, match="more than 3 terms"):
        ONE.times(TWO)  # four terms: 24, 12, 6, 0
    monkeypatch.setattr(law, "TERMS", 4)
    ONE.times(TWO)
    law.laws(2, probabilities=["1/3", "2/3"])
    with pytest.raises(ParameterError, match="more than 4 distinct subset sums"):
        law.laws(3, probabilities=["1/7", "2/7", "4/7"])


# exact values


def test_distributions() -> None:
    assert coupon.distribution(2, 1, rounds=0) == [0]
    assert coupon.distribution(2, 1, rounds=3) == [0, 0, Fraction(1, 2), Fraction(1, 4)]
    assert coupon.distribution(1, 3, rounds=2) == [0, 1, 0]
    assert coupon.distribution(2, 2, rounds=2, draws=2) == [0, 1, 0]


def test_all_splits() -> None:
    for pages, layers, most in itertools.product(range(1, 9), range(1, 5), range(1, 6)):
        rows = itertools.product(range(most, 0, -1), repeat=layers)
        wanted = [list(row) for row in rows if sum(row) == pages and sorted(row, reverse=True) == list(row)]
        assert list(exact.splits(pages, layers, most)) == wanted


def test_the_best_split() -> None:
    even = 0
    for layers, n, k in itertools.product((1, 2, 3), (2, 3, 4), range(2, 8)):
        if not layers <= k < layers * n:
            continue
        found = {tuple(w): coupon.split_bound(w) for w in exact.splits(k + 1, layers, n)}
        value, widths = coupon.best_split(layers, n, k)
        assert value == max(found.values()) == found[tuple(widths)]
        assert widths == list(max(w for w in found if found[w] == value))  # of equal ones the least even
        even += widths != list(max(found))
    assert even > 3
    with pytest.raises(ParameterError, match="n >= 2"):
        coupon.best_split(2, 1, 2)


def test_the_hypotheses_of_the_bound() -> None:
    assert exact.slots_of(2, 3, None) == 5 and exact.slots_of(2, 3, 2) == 2 and exact.slots_of(2, 3, 5) == 5
    for slots, words in ((1, "k >= l .*; got k = 1, l = 2"), (6, r"k \+ 1 <= l \* n .*; got k = 6, l = 2, n = 3")):
        with pytest.raises(ParameterError, match=words):
            exact.slots_of(2, 3, slots)


def test_bounds_of_layers_that_differ_in_width() -> None:
    assert coupon.yao_bound(2, 3, slots=4) == coupon.split_bound([3, 2])
    assert coupon.yao_bound(3, 4, slots=6) == coupon.split_bound([3, 2, 2])
    assert coupon.yao_bound(3, 4, slots=7) == coupon.split_bound([3, 3, 2])
    assert coupon.yao_bound(3, 4, slots=5) == coupon.yao_bound(3, 2) == coupon.split_bound([2, 2, 2])
    for call in (coupon.yao_bound, coupon.enclose_yao, lambda layers, experts: coupon.best_split(layers, experts, 2)):
        with pytest.raises(ParameterError, match=r"experts must be .*at least 1.*; got 0"):
            call(2, 0)
        with pytest.raises(ParameterError, match="n >= 2"):
            call(2, 1)


def test_stationary_laws() -> None:
    for moves in (
        [[Fraction(1)]],
        [[Fraction(0), Fraction(1)], [Fraction(1), Fraction(0)]],
        [[Fraction(1), Fraction(0)], [Fraction(1, 2), Fraction(1, 2)]],
        [[Fraction(1, 2), Fraction(1, 2), Fraction(0)], [Fraction(0), Fraction(1, 3), Fraction(2, 3)], [Fraction(1), Fraction(0), Fraction(0)]],
        [[Fraction(0), Fraction(1), Fraction(0)], [Fraction(0), Fraction(0), Fraction(1)], [Fraction(1), Fraction(0), Fraction(0)]],
    ):  # fmt: skip
        found, n = exact._stationary(moves), len(moves)
        assert sum(found) == 1
        assert [sum(found[i] * moves[i][j] for i in range(n)) for j in range(n)] == found
    with pytest.raises(ParameterError, match="several recurrent classes"):
        exact._stationary([[Fraction(1), Fraction(0)], [Fraction(0), Fraction(1)]])


# enclosures


def test_enclosures_speak() -> None:
    third = numeric.Enclosure(Fraction(33333, 100000), Fraction(33334, 100000))
    assert third.width == Fraction(1, 100000) and float(third) == 0.333335
    assert Fraction(33333, 100000) in third and Fraction(33334, 100000) in third
    assert Fraction(333329, 1000000) not in third and Fraction(333341, 1000000) not in third
    assert third.digits() == "0.3333..."
    assert numeric.Enclosure(Fraction(12), Fraction(13)).digits() == "12"
    assert numeric.Enclosure(Fraction(121, 10), Fraction(129, 10)).digits() == "12"
    assert numeric.Enclosure(Fraction(1234, 100), Fraction(1239, 100)).digits() == "12.3..."
    assert numeric.Enclosure(Fraction(12341, 1000), Fraction(12342, 1000)).digits() == "12.34..."
    assert numeric.Enclosure(Fraction(20051, 10000), Fraction(20052, 10000)).digits() == "2.005..."
    assert numeric.Enclosure(Fraction(1, 3), Fraction(1, 3)).digits() == "0." + "3" * 199 + "..."


def test_by_what_terms_are_multiplied() -> None:
    assert numeric._multipliers(3, 1, False) == [(3, 3), (2, 3), (1, 3), (0, 3)]
    assert numeric._multipliers(3, 2, True) == [(9, 9), (4, 9), (1, 9), (0, 9)]
    assert numeric._multipliers(4, 2, False) == [(1, 1), (1, 2), (1, 6), (0, 1), (0, 1)]
    with pytest.raises(ParameterError, match="at most the 3 experts"):
        numeric._multipliers(3, 4, False)


@pytest.mark.parametrize(
    ("sizes", "plan"),
    [
        ((2, 1, 3, 1), (0, 49, 8, 19)),
        ((5, 3, 2, 1), (0, 56, 18, 63)),
        ((40, 7, 6, 1), (80, 89, 169, 1058)),
        ((40, 7, 6, 7), (74, 102, 173, 1064)),
        ((3, 2, 1, 2), (0, 50, 11, 25)),
    ],
)
def test_windows_hold_the_law(sizes: tuple[int, int, int, int], plan: tuple[int, int, int, int]) -> None:
    """The plan to the unit; and every value is as near to the exact one as the window says, after it the tail is small."""
    n, size, digits, per_step = sizes
    steps = numeric._multipliers(n, 1, False)
    window = numeric._window(n, steps, size, digits, per_step=per_step)
    values = list(window.values)
    assert (window.start, window.bits, window.error, len(values)) == plan
    assert window.decay == Fraction(n - 1, n)
    one = 1 << window.bits
    for t, (value, first) in list(enumerate(values, window.start))[:: 1 + len(values) // 60]:
        assert abs(value - one * coupon.cdf(t, n)) <= window.error
        assert n * Fraction(n - 1, n) ** t * one <= first <= n * Fraction(n - 1, n) ** t * one + window.error
    last = values[-1][1]
    assert Fraction(last, one) * size * n < Fraction(1, 10**digits)
    assert window.start == 0 or coupon.cdf(window.start, n) ** size < Fraction(1, 10 ** (digits + 2))


def test_windows_of_one_step() -> None:
    for n, steps in ((1, numeric._multipliers(1, 1, False)), (4, numeric._multipliers(4, 4, False))):
        window = numeric._window(n, steps, 3, 2, per_step=1)
        assert (window.start, window.decay, [value >> window.bits for value, _ in window.values]) == (0, 0, [0, 1])
    for stop, count in ((4, 1), (3, 2), (2, 2), (1, 3)):
        assert list(numeric._values([8, 4], [(1, 1), (1, 2)], stop, 8)) == [(4, 8), (6, 6), (7, 5)][:count]
    assert list(numeric._values([8, 9, 1, 0, 0], [(1, 1), (1, 2), (1, 3), (0, 1), (0, 1)], 4, 8)) == [(0, 13), (4, 8)]
    assert list(numeric._values([8], [(1, 1)], 0, 8)) == [(8, 2)]
    assert list(numeric._values([8, 12], [(1, 1), (1, 2)], 12, 8)) == [(0, 16)]  # rounding never leaves 0..1
    assert list(numeric._values([9, 0, 1], [(1, 1), (1, 2), (1, 3)], 0, 8)) == [(8, 4)]


@pytest.mark.parametrize(
    ("call", "low", "high", "unit"),
    [
        (lambda: coupon.enclose_rounds(2, 2, digits=2), 258014433705899, 258023023640665, 1 << 46),
        (lambda: coupon.enclose_rounds(3, 1, draws=2, digits=1), 2 * 21988221560203, 43988509092071, 1 << 44),
        (
            lambda: coupon.enclose_rounds(40, 7, digits=2),
            18608586778341771708444049,
            18608589457915009407757381,
            75557863725914323419136,
        ),
        (
            lambda: coupon.enclose_yao(7, 40, digits=2),
            3460028085724510635849091359496,
            3460028597915998968920478958275,
            563262717874848025079101521920,
        ),
        (lambda: coupon.enclose_yao(2, 2, digits=2), 8 * 105549358202875, 844463585099818, 1 << 49),
        (lambda: coupon.enclose_yao(3, 3, digits=1), 2 * 253956693834118453, 507990435788014031, 3 * (1 << 54) * 4),
    ],
)
def test_ends_to_the_last_unit(call: Any, low: int, high: int, unit: int) -> None:
    found = call()
    assert (found.lower, found.upper) == (Fraction(low, unit), Fraction(high, unit))


@pytest.mark.parametrize("digits", [1, 5, 12])
def test_enclosures_are_as_narrow_as_asked(digits: int) -> None:
    for n, size in ((1, 1), (2, 5), (6, 4), (30, 3)):
        found = coupon.enclose_rounds(n, size, digits=digits)
        assert found.width < Fraction(1, 10**digits) and coupon.expected_rounds(n, size) in found
        if n > 1:
            found = coupon.enclose_yao(size, n, digits=digits)
            assert found.width < Fraction(1, 10**digits) and coupon.yao_bound(size, n) in found


def test_powers_in_fixed_point() -> None:
    bits = 40
    one = 1 << bits
    for x, y, exponent in itertools.product((0, one // 3, one - 1, one), (0, one // 7, one), (1, 2, 5, 8, 13)):
        power = numeric._power(x, exponent, bits)
        assert 0 <= Fraction(x, one) ** exponent * one - power <= 2 * exponent
        wanted = sum(Fraction(x, one) ** r * Fraction(y, one) ** (exponent - 1 - r) for r in range(exponent)) * one
        assert 0 <= wanted - numeric._geometric(x, y, exponent, bits) <= 2 * exponent**2
    assert numeric._power(3, 3, 1) == 6 and numeric._power(5, 2, 2) == 6
    assert numeric._geometric(3, 2, 3, 1) == ((3 * 3 >> 1) + (3 * 2 >> 1) + (2 * 2 >> 1))


def test_the_recurrence_and_its_error() -> None:
    for (n, size), wanted in {
        (1, 1): 1.0,
        (3, 1): 5.5,
        (2, 2): 11 / 3,
        (12, 3): float(coupon.expected_rounds(12, 3)),
    }.items():
        value, error = coupon.occupancy_rounds(n, size)
        assert value == pytest.approx(wanted, rel=1e-13) and abs(value - wanted) <= error
    for n, size, tolerance, error in (
        (1, 1, 1e-3, 0.002000000000000666),
        (3, 1, 1e-13, 3.1884937478611756e-13),
        (12, 3, 1e-9, 2.0048949445985156e-9),
        (2, 50, 0.01, 0.02000000000006303),
    ):
        assert coupon.occupancy_rounds(n, size, tolerance=tolerance)[1] == pytest.approx(error, rel=1e-9, abs=0)
    coupon.occupancy_rounds(2, tolerance=1e-15)
    for tolerance in (9e-16, 1.0, math.nan):
        with pytest.raises(ParameterError, match=r"tolerance must be in 1e-15\.\.1"):
            coupon.occupancy_rounds(2, tolerance=tolerance)


def test_limit_laws() -> None:
    assert coupon.gumbel_cdf(7, 5, 2) == pytest.approx(math.exp(-10 * math.exp(-7 / 5)), rel=1e-14)
    assert coupon.gumbel_cdf(-1e6, 2) == 0 and coupon.gumbel_cdf(1e6, 2) == 1
    assert coupon.gumbel_mean(7, 3) == pytest.approx(7 * (math.log(21) + 0.5772156649015329) + 0.5, rel=1e-15)
    assert coupon.poissonised(4, 2) == pytest.approx(4 * float(coupon.harmonic(8)), rel=1e-15)
    assert coupon.many_collectors(3, 5) == pytest.approx(math.log(15) / math.log(1.5), rel=1e-15)
    # two exponential waits of rates p and q: 1/p + 1/q - 1; the squares of both by expansion
    assert coupon.poissonised(2, probabilities=[0.25, 0.75]) == pytest.approx(4 + 4 / 3 - 1, rel=1e-12)
    both = 2 * 4 + 2 * 4 / 3 - 4 - 2 - 2 / 3 + 2 / 1.25 + 2 / 1.75 - 0.5
    assert coupon.poissonised(2, 2, probabilities=[0.25, 0.75]) == pytest.approx(both, rel=1e-12)
    for bad in ([0.5, 0.25], [0.5, 0.5, 0.0], [1.0, 0.0], [1.25, -0.25], [0.5, 0.5 + 1e-11]):
        with pytest.raises(ParameterError, match="must be 2 positive numbers that sum to 1"):
            coupon.poissonised(2, probabilities=bad)
    coupon.poissonised(2, probabilities=[0.5, 0.5 + 1e-13])


def test_comparisons() -> None:
    found = coupon.compare(3, 4)
    assert (found.layers, found.experts) == (3, 4)
    assert found.yao == coupon.enclose_yao(3, 4, digits=15)
    assert found.reported == pytest.approx(math.log(3) / 24, rel=1e-15)
    assert found.harmonic_experts == pytest.approx(float(coupon.harmonic(4)), rel=1e-15)
    assert found.harmonic_slots == pytest.approx(float(coupon.harmonic(11)), rel=1e-15)


def test_residuals_of_a_wrong_statement() -> None:
    """At shift 1 the expressions that should vanish have these values at n = 4, m = 2, i = 2, p = 1/3, u = 1/2."""
    import sympy

    values = {"n": 4, "m": 2, "i": 2, "p": sympy.Rational(1, 3), "u": sympy.Rational(1, 2)}
    found = {
        identity.name: [
            str(r.subs({s: values[s.name] for s in sympy.sympify(r).free_symbols}))
            for r in map(sympy.sympify, identity.residuals(1))
        ]
        for identity in coupon.identities()
    }
    assert found == {
        "harmonic-sum": ["-1", "0", "1/3", "0", "0"],
        "waits": ["1/3", "-1/3"],
        "poissonised-max": ["0", "1/12", "0"],
        "distinct-draws": ["1/4", "0"],
    }
