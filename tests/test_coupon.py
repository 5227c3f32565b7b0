"""Coupon collectors: exact values against brute force, enclosures, recurrence, simulation and limits."""

from __future__ import annotations

import itertools
import json
import math
from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import layered_paging as lp
from layered_paging import coupon
from layered_paging.cli import main
from layered_paging.coupon.empirical import phase_starts
from layered_paging.coupon.exact import splits
from layered_paging.errors import ParameterError
from layered_paging.policies.spec import Time


def states_until_complete(n: int, collectors: int, rows: list[list[Fraction]]) -> Fraction:
    """Expected rounds by first-step analysis over the sets that are missing; nothing shared with the package."""
    full = (1 << n) - 1
    known: dict[tuple[int, ...], Fraction] = {(full,) * collectors: Fraction(0)}

    def value(state: tuple[int, ...]) -> Fraction:
        if state not in known:
            rest, stay = Fraction(1), Fraction(0)
            for drawn in itertools.product(range(n), repeat=collectors):
                chance = math.prod((rows[j][e] for j, e in enumerate(drawn)), start=Fraction(1))
                after = tuple(s | 1 << e for s, e in zip(state, drawn, strict=True))
                if after == state:
                    stay += chance
                else:
                    rest += chance * value(after)
            known[state] = rest / (1 - stay)
        return known[state]

    return value((0,) * collectors)


@pytest.mark.parametrize(("n", "collectors"), [(1, 1), (1, 3), (2, 1), (2, 2), (2, 3), (3, 1), (3, 2), (4, 1)])
def test_expectation_by_first_steps(n: int, collectors: int) -> None:
    rows = [[Fraction(1, n)] * n] * collectors
    assert lp.coupon.expected_rounds(n, collectors) == states_until_complete(n, collectors, rows)


def test_unequal_probabilities_by_first_steps() -> None:
    rows = [[Fraction(1, 2), Fraction(1, 3), Fraction(1, 6)], [Fraction(1, 5), Fraction(2, 5), Fraction(2, 5)]]
    assert coupon.expected_rounds(3, probabilities=rows[0]) == states_until_complete(3, 1, rows[:1])
    assert coupon.expected_rounds(3, 2, probabilities=rows) == states_until_complete(3, 2, rows)
    assert coupon.expected_rounds(3, 2, probabilities=rows[0]) == states_until_complete(3, 2, [rows[0]] * 2)
    assert coupon.expected_rounds(4, 2, probabilities=["1/4"] * 4) == coupon.expected_rounds(4, 2)


def test_known_values() -> None:
    for n in range(1, 30):
        assert coupon.expected_rounds(n) == n * coupon.harmonic(n)
        assert coupon.variance(n) == n**2 * coupon.harmonic(n, 2) - n * coupon.harmonic(n)
    assert coupon.expected_rounds(2, 2) == Fraction(11, 3)
    assert coupon.poissonised(2, 2) == pytest.approx(25 / 6)
    assert isinstance(coupon.expected_rounds(1), Fraction)
    assert coupon.harmonic(0) == 0 and coupon.harmonic(3, 2) == Fraction(49, 36)
    with pytest.raises(ParameterError, match="at least 0"):
        coupon.harmonic(-1)
    assert coupon.cdf(3, 3, draws=2, replacement=True) > coupon.cdf(3, 3) == Fraction(2, 9)
    assert coupon.gumbel_cdf(50, 10) == coupon.gumbel_cdf(50, 10, 1) != coupon.gumbel_cdf(50, 10, 2)
    assert coupon.enclose_rounds(7) == coupon.enclose_rounds(7, 1, digits=30)


@pytest.mark.parametrize(
    ("draws", "replacement"), [(1, False), (2, False), (3, False), (5, False), (2, True), (3, True)]
)
def test_several_draws_by_enumeration(draws: int, replacement: bool) -> None:
    n, rounds = 5, 3
    sets = list(itertools.product(range(n), repeat=draws) if replacement else itertools.combinations(range(n), draws))
    law = Counter({frozenset[int](): 1})
    for t in range(rounds + 1):
        chance = Fraction(law[frozenset(range(n))], len(sets) ** t)
        assert coupon.cdf(t, n, draws=draws, replacement=replacement) == chance
        assert coupon.cdf(t, n, 3, draws=draws, replacement=replacement) == chance**3
        after: Counter[frozenset[int]] = Counter()
        for have, ways in law.items():
            for drawn in sets:
                after[have | frozenset(drawn)] += ways
        law = after


def test_moments_from_the_distribution() -> None:
    """The closed series equal the sums over a long piece of the distribution, up to its tail."""
    for options in (
        {},
        {"draws": 2},
        {"draws": 2, "replacement": True},
        {"probabilities": ["1/2", "1/4", "1/8", "1/8"]},
    ):
        law = coupon.distribution(4, 2, rounds=400, **options)
        assert 1 - sum(law) < Fraction(1, 10**12)
        mean = sum(t * p for t, p in enumerate(law))
        second = sum(t * t * p for t, p in enumerate(law))
        assert abs(mean - coupon.expected_rounds(4, 2, **options)) < Fraction(1, 10**9)
        assert abs(second - mean**2 - coupon.variance(4, 2, **options)) < Fraction(1, 10**6)


@given(n=st.integers(1, 12), collectors=st.integers(1, 6))
@settings(max_examples=25)
def test_three_roads(n: int, collectors: int) -> None:
    exact = coupon.expected_rounds(n, collectors)
    found = coupon.enclose_rounds(n, collectors, digits=25)
    assert exact in found and found.width < Fraction(1, 10**25)
    value, error = coupon.occupancy_rounds(n, collectors)
    assert abs(value - float(exact)) <= error < 1e-9
    assert 0 < float(exact) <= coupon.poissonised(n, collectors) * (1 + 1e-12)


@pytest.mark.parametrize(("draws", "replacement"), [(2, False), (4, False), (6, False), (3, True)])
def test_enclosures_with_several_draws(draws: int, replacement: bool) -> None:
    exact = coupon.expected_rounds(6, 3, draws=draws, replacement=replacement)
    assert exact in coupon.enclose_rounds(6, 3, draws=draws, replacement=replacement, digits=20)


def test_precision_at_ten_thousand() -> None:
    exact = 10**4 * coupon.harmonic(10**4)
    found = coupon.enclose_rounds(10**4, digits=20)
    assert exact in found and found.width < Fraction(1, 10**20)
    value, error = coupon.occupancy_rounds(10**4)
    assert abs(Fraction(value) - exact) <= Fraction(error) < Fraction(1, 10**4)


def test_asymptotics_and_their_error() -> None:
    for n, collectors, within in ((100, 1, 0.01), (1000, 1, 0.001), (1000, 100, 8.0)):
        assert abs(coupon.gumbel_mean(n, collectors) - float(coupon.enclose_rounds(n, collectors, digits=8))) < within
    found = coupon.enclose_rounds(200, 8, digits=8)
    # the Poissonised time is above the rounds, by an amount that does not grow with n
    assert 0 < coupon.poissonised(200, 8) - float(found) < 15
    gaps = [coupon.many_collectors(2, 2**e) - float(coupon.enclose_rounds(2, 2**e, digits=8)) for e in range(4, 11)]
    assert max(map(abs, gaps)) < 1.5
    n, collectors = 400, 5
    middle = float(coupon.enclose_rounds(n, collectors, digits=6))
    assert abs(coupon.gumbel_cdf(middle, n, collectors) - float(coupon.cdf(round(middle), n) ** collectors)) < 0.01
    third = coupon.poissonised(3, probabilities=[0.5, 0.25, 0.25])
    assert third == pytest.approx(float(coupon.expected_rounds(3, probabilities=["1/2", "1/4", "1/4"])))


def test_yao_bound() -> None:
    for n in range(2, 12):
        assert lp.coupon.yao_bound(1, n) == coupon.harmonic(n - 1)
    for layers, n in itertools.product(range(2, 6), range(2, 6)):
        bound = lp.coupon.yao_bound(layers, n)
        # at l = n = 2 it is exactly H_2; it exceeds H_n everywhere else
        assert (bound > coupon.harmonic(n)) == ((layers, n) != (2, 2)) and bound >= coupon.harmonic(n)
        assert bound <= coupon.harmonic(layers * n - 1)
        assert bound == lp.coupon.yao_bound(layers, n + 3, slots=layers * n - 1)
        assert bound in coupon.enclose_yao(layers, n, digits=18)
        assert isinstance(bound, Fraction)


def steps_until_all(widths: list[int], start: int) -> tuple[Fraction, list[Fraction]]:
    """Expected steps until all pages were requested, and the law of the layer of the last one, by first steps."""
    layers = len(widths)

    def solve(layer: int, missing: tuple[int, ...]) -> tuple[Fraction, list[Fraction]]:
        # unroll one round: the state (layer, missing) comes back with probability prod (1 - missing/width)
        if (layer, missing) in known:
            return known[layer, missing]
        stay, steps, law = Fraction(1), Fraction(0), [Fraction(0)] * layers
        for d in range(layers):
            j = (layer + d) % layers
            steps += stay
            chance = Fraction(missing[j], widths[j])
            if chance:
                after = tuple(m - (i == j) for i, m in enumerate(missing))
                if sum(after):
                    more, ends = solve((j + 1) % layers, after)
                else:
                    more, ends = Fraction(0), [Fraction(i == j) for i in range(layers)]
                steps += stay * chance * more
                law = [a + stay * chance * b for a, b in zip(law, ends, strict=True)]
            stay *= 1 - chance
        known[layer, missing] = steps / (1 - stay), [a / (1 - stay) for a in law]
        return known[layer, missing]

    known: dict[tuple[int, tuple[int, ...]], tuple[Fraction, list[Fraction]]] = {}
    return solve(start, tuple(widths))


@pytest.mark.parametrize("widths", [[2, 2], [3, 2], [2, 3, 1], [3, 1, 2], [4, 1, 1], [1, 2, 1, 2]])
def test_split_bound_by_first_steps(widths: list[int]) -> None:
    layers = len(widths)
    rows = [steps_until_all(widths, start) for start in range(layers)]
    # the stationary law of the layer in which phases begin, by many exact steps of the averaged chain
    import sympy

    moves = sympy.Matrix([[sympy.Rational(x.numerator, x.denominator) for x in law] for _, law in rows])
    law = (moves.T - sympy.eye(layers)).nullspace()[0]
    law = law / sum(law)
    mean = sum(Fraction(int(w.p), int(w.q)) * (steps - 1) for w, (steps, _) in zip(law, rows, strict=True))
    assert coupon.split_bound(widths) == mean / (layers * max(widths))


def test_splits_and_heavy_layer() -> None:
    assert sorted(map(tuple, splits(7, 3, 4))) == [(3, 2, 2), (3, 3, 1), (4, 2, 1)]
    for layers, slots in ((2, 3), (3, 4), (4, 6)):
        heavy = coupon.split_bound([slots - layers + 2] + [1] * (layers - 1))
        assert heavy == coupon.harmonic(slots - layers + 1)
        best, widths = coupon.best_split(layers, slots - layers + 2, slots)
        assert best >= max(heavy, lp.coupon.yao_bound(layers, slots - layers + 2, slots)) and sum(widths) == slots + 1


def test_real_shapes() -> None:
    for layers, n in ((32, 8), (24, 32), (48, 128), (61, 256)):
        found = coupon.compare(layers, n)
        assert found.yao.width < Fraction(1, 10**15)
        assert found.harmonic_experts < found.yao.lower and found.yao.upper < found.harmonic_slots
        assert found.reported < found.harmonic_experts
        row = f"| {layers} x {n} | {float(found.yao):.8f} | {found.harmonic_experts:.5f} | {found.reported:.5f} | {found.harmonic_slots:.5f} |"
        assert row in (Path(__file__).resolve().parents[1] / "docs" / "explanation" / "coupon.md").read_text()


def test_identities() -> None:
    for identity in coupon.identities():
        assert identity.holds(), identity.name
        assert not identity.holds(shift=1), identity.name


def test_simulation_is_the_same_for_any_number_of_workers() -> None:
    for method in ("draws", "waits"):
        runs = [coupon.simulate(64, 200, samples=400, seed=3, method=method, workers=w).rounds for w in (1, 2, 5)]
        assert (runs[0] == runs[1]).all() and (runs[0] == runs[2]).all()
    assert (coupon.simulate(5, 2, samples=50, seed=1).rounds != coupon.simulate(5, 2, samples=50, seed=2).rounds).any()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"method": "waits"},
        {"draws": 2},
        {"draws": 2, "replacement": True},
        {"probabilities": ["1/2", "1/4", "1/8", "1/8"]},
        {"draws": 2, "replacement": True, "probabilities": [["1/2", "1/4", "1/8", "1/8"], ["1/4"] * 4, ["1/4"] * 4]},
    ],
)
def test_intervals_cover(options: dict[str, object]) -> None:
    """Of 300 intervals at 90 %, the number that covers the exact value is within 4 standard deviations."""
    exact = float(coupon.expected_rounds(4, 3, **{k: v for k, v in options.items() if k != "method"}))  # type: ignore[arg-type]
    covered = 0
    for seed in range(300):
        low, high = coupon.simulate(4, 3, samples=200, seed=seed, **options).interval(0.9)  # type: ignore[arg-type]
        covered += low <= exact <= high
    assert abs(covered - 270) < 4 * math.sqrt(300 * 0.9 * 0.1)


def test_phase_starts() -> None:
    assert phase_starts([0, 1, 0, 2, 1, 3, 3, 2], 2) == [0, 3, 5]
    assert phase_starts([0, 0, 1], 1) == [0, 2]


def test_measured_ratio_beside_the_bound() -> None:
    layers, n = 2, 3
    bound = float(lp.coupon.yao_bound(layers, n))

    def source(stream: object) -> object:
        while True:
            for layer in range(layers):
                yield layer * n + stream.below(n)  # type: ignore[attr-defined]

    class SameLayer:
        """Keeps the absent page where it is: misses once in n rounds, so its ratio is the bound itself."""

        def __init__(self, instance: object) -> None: ...
        def hit(self, page: int, time: object) -> None: ...
        def miss(self, page: int, time: object) -> None: ...
        def victim(self, candidates: list[int], time: Time) -> int:
            return next(p for p in candidates if p // n == time.layer)

    found = coupon.phase_ratio(SameLayer, layers=layers, experts=n, source=source, rounds=300, runs=30, seed=5)  # type: ignore[arg-type]
    assert found.lower < bound < found.upper and found.upper - found.lower < 0.2
    assert found.optimum == found.phases
    other = coupon.phase_ratio("lru", layers=layers, experts=n, source=source, rounds=300, runs=30, seed=5)  # type: ignore[arg-type]
    assert other.lower > bound and other.optimum == found.optimum
    with pytest.raises(ParameterError, match="no whole phase"):
        coupon.phase_ratio("lru", layers=layers, experts=n, source=source, rounds=1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: coupon.yao_bound(2, 1), "n >= 2"),
        (lambda: coupon.yao_bound(3, 2, slots=2), "k >= l"),
        (lambda: coupon.yao_bound(2, 2, slots=4), "k \\+ 1 <= l \\* n"),
        (lambda: coupon.expected_rounds(0), "experts must be"),
        (lambda: coupon.expected_rounds(3, 0), "collectors must be"),
        (lambda: coupon.expected_rounds(3, draws=4), "at most the 3 experts"),
        (lambda: coupon.expected_rounds(2, probabilities=["1/2", "1/3"]), "sum to exactly 1"),
        (lambda: coupon.expected_rounds(2, probabilities=["3/2", "-1/2"]), "positive"),
        (lambda: coupon.expected_rounds(2, probabilities=["1/2"]), "one an expert"),
        (lambda: coupon.expected_rounds(2, 2, probabilities=[["1/2", "1/2"]]), "each of 2 collectors"),
        (lambda: coupon.expected_rounds(2, draws=2, probabilities=["1/2", "1/2"]), "replacement=True"),
        (lambda: coupon.expected_rounds(2, probabilities=["x", "1"]), "must be fractions"),
        (lambda: coupon.expected_rounds(40, 40), "enclose_rounds"),
        (lambda: coupon.split_bound([1, 1]), "at least 2 pages"),
        (lambda: coupon.simulate(3, samples=1, seed=0), "samples"),
        (lambda: coupon.simulate(3, samples=9, seed=0, method="guess"), "method must be"),
        (lambda: coupon.simulate(3, samples=9, seed=0, draws=2, method="waits"), "one draw"),
        (lambda: coupon.simulate(3, samples=9, seed=0).interval(1.5), "confidence"),
        (lambda: coupon.enclose_rounds(3, draws=4), "at most the 3"),
        (lambda: coupon.poissonised(2, probabilities=[0.5, 0.4]), "sum to 1"),
    ],
)
def test_refusals_quote_the_condition(call: object, words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        call()  # type: ignore[operator]


def test_command(capsys: pytest.CaptureFixture[str], tmp_path: object) -> None:
    assert main(["coupon", "--experts", "2", "--collectors", "2", "--exact", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["expected_rounds"] == "11/3" and answer["yao_bound"] == "3/2"
    plot = str(tmp_path) + "/law.svg"
    assert main(["coupon", "--experts", "6", "--collectors", "3", "--simulate", "500", "-o", plot]) == 0
    text = capsys.readouterr().out
    assert "simulated mean" in text and Path(plot).read_text().startswith("<?xml")
    assert main(["coupon", "--experts", "6", "--collectors", "3", "-o", "law.doc"]) == 2
    assert "must end in" in capsys.readouterr().err


def test_digits_that_would_take_for_ever_are_refused() -> None:
    with pytest.raises(ParameterError, match=r"digits must be 1\.\.2000.*got 99999"):
        coupon.enclose_rounds(3, digits=99999)
