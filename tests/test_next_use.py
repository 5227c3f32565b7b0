"""Predicted next uses, and the policies that are given them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import layered_paging as lp
from layered_paging.cli import main
from layered_paging.core.layout import lay_out
from layered_paging.core.rules import Rules
from layered_paging.engine.run import history
from layered_paging.errors import ParameterError
from layered_paging.policies.dominating import MOST, Dominating, earlier, solve
from layered_paging.policies.names import resolve
from layered_paging.policies.spec import Time
from layered_paging.policies.stream import Stream
from layered_paging.prediction import Learnt, source
from layered_paging.prediction.next_use import Noisy
from layered_paging.prediction.steps import actual, error_of

POLICIES = ("blind-oracle", "lmarker", "predictive-marker", "guard", "dominating", "hedge")
LEARNT = (
    "popularity(half_life=2)",
    "popularity(window=3)",
    "previous",
    "markov",
    "markov(distance=3)",
    "markov@request",
)


def trace_of(seed: int, rounds: int = 40, top_k: int = 2) -> lp.Trace:
    rng = np.random.default_rng(seed)
    ids = np.full((rounds, 3, top_k), -1)
    for r in range(rounds):
        for j in range(3):
            some = rng.permutation(5)[: rng.integers(0, top_k + 1)]
            ids[r, j, rng.permutation(top_k)[: len(some)]] = some
    starts = np.unique(np.append(np.flatnonzero(rng.random(rounds) < 0.1), 0))
    return lp.Trace(ids, [5, 6, 5], starts)


MODES = st.fixed_dictionaries(
    {
        "pool": st.sampled_from(["shared", "per-layer"]),
        "reset": st.sampled_from(["never", "session", "cache"]),
        "events": st.sampled_from(["atomic", "serial"]),
        "admission": st.sampled_from(["forced", "bypass"]),
        "ties": st.sampled_from(["page", "rank"]),
    }
)


@pytest.mark.parametrize("policy", ["blind-oracle", "guard", "hedge"])
@settings(max_examples=30)
@given(seed=st.integers(0, 10**6), more=st.integers(0, 9), mode=MODES)
def test_perfect_predictions_give_the_optimum(policy: str, seed: int, more: int, mode: dict) -> None:
    trace = trace_of(seed)
    slots = 6 + more
    best = lp.replay(trace, "belady", slots, **mode).misses
    atomic = mode["events"] == "atomic"  # hedge takes what one layer asks for in a row as one event
    if policy == "blind-oracle" or (mode["admission"] == "forced" and (policy == "guard" or atomic)):
        assert lp.replay(trace, policy, slots, predictions="perfect", **mode).misses == best


def test_markers_are_not_optimal_with_perfect_predictions() -> None:
    trace = lp.Trace(np.minimum(np.random.default_rng(0).zipf(1.3, (300, 3)) - 1, 11), 12)
    best = lp.optimum(trace, 8, admission="forced").misses
    for policy in ("lmarker", "predictive-marker"):
        assert best < lp.replay(trace, policy, 8, predictions="perfect").misses <= 2 * best + 8


@pytest.mark.parametrize("name", LEARNT)
@settings(max_examples=8)
@given(seed=st.integers(0, 10**6), more=st.integers(0, 6), mode=MODES, policy=st.sampled_from(POLICIES))
def test_twins_equal_the_reference_with_learnt_predictions(
    name: str, seed: int, more: int, mode: dict, policy: str
) -> None:
    trace = trace_of(seed, 25)
    fast, slow = (
        lp.replay(trace, policy, 6 + more, predictions=name, record=True, engine=engine, **mode)
        for engine in ("kernel", "reference")
    )
    assert np.array_equal(fast.missed, slow.missed)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name", [*LEARNT, "popularity(half_life=None)@request", "markov(half_life=2, prior=0.5, distance=2)"]
)
@settings(max_examples=20)
@given(seed=st.integers(0, 10**6), mode=MODES, trained=st.booleans(), floor=st.sampled_from([0.0, 0.1]))
def test_compiled_waits_equal_the_predictors(name: str, seed: int, mode: dict, trained: bool, floor: float) -> None:
    trace = trace_of(seed)
    grid = lay_out(trace, Rules(events=mode["events"], ties=mode["ties"]))
    train = trace_of(seed + 1, 10, top_k=3) if trained else None
    fast, slow = (
        Learnt(name, train=train, floor=floor, engine=engine).forecast(trace, grid, mode["reset"])
        for engine in ("kernel", "reference")
    )
    for a, b in ((fast.due, slow.due), (fast.ahead, slow.ahead), (fast.ahead_next, slow.ahead_next)):
        assert np.array_equal(a, b)


@pytest.mark.parametrize("name", LEARNT)
@pytest.mark.parametrize("reset", ["never", "session"])
def test_learnt_predictions_know_no_future(name: str, reset: str) -> None:
    trace = trace_of(3)
    part = lp.Trace(trace.experts[:17], trace.n_experts, trace.sessions[trace.sessions < 17])
    whole, cut = (source(name).forecast(t, lay_out(t), reset) for t in (trace, part))
    for a, b in ((whole.due, cut.due), (whole.ahead, cut.ahead), (whole.ahead_next, cut.ahead_next)):
        assert np.array_equal(a[: len(b)], b)


def test_a_reset_forgets_what_the_stream_taught_and_training_stays() -> None:
    trace = lp.Trace([[0], [0], [1], [1]], 2, [0, 2])
    name = "popularity(half_life=None)"
    forgets = source(name).forecast(trace, lay_out(trace), "session").ahead
    assert forgets.tolist() == [[1, np.inf], [1, np.inf], [np.inf, 1], [np.inf, 1]]
    keeps = source(name).forecast(trace, lay_out(trace), "cache").ahead
    assert keeps[2].tolist() == pytest.approx([1.5, 3])
    trained = Learnt(name, train=lp.Trace([[1], [1], [1]], 2)).forecast(trace, lay_out(trace), "session").ahead
    assert trained[0].tolist() == pytest.approx([4, 4 / 3])
    assert trained[2].tolist() == [np.inf, 1]
    assert Learnt(name, floor=0.25).forecast(trace, lay_out(trace), "session").ahead[0].tolist() == [1, 4]


def test_the_next_layer_is_judged_when_the_layer_before_was_served() -> None:
    trace = lp.Trace([[0, 0], [1, 1]] * 6, 2)
    made = source("markov(prior=0.001)").forecast(trace, lay_out(trace), "never")
    assert made.ahead_next[16].argmin() == 0  # round 8: expert 0 of layer 0 is followed by expert 0 of layer 1
    assert made.ahead_next[18].argmin() == 1
    told = made.begin()
    for event, (row, page) in enumerate([(r, p) for r in range(8) for p in (r % 2, 2 + r % 2)]):
        told.told(page, Time(event, row, event % 2))
    told.told(0, Time(16, 8, 0))
    assert told.next_use(2) == pytest.approx(17, abs=0.1)
    assert told.next_use(3) > 100


def test_an_array_of_the_true_next_uses_is_perfect() -> None:
    trace = trace_of(5)
    grid = lay_out(trace, Rules(ties="rank"))
    rounds = np.full(trace.experts.shape, np.inf)
    for r, j, q in np.argwhere(trace.experts >= 0):
        later = np.flatnonzero((trace.experts[r + 1 :, j] == trace.experts[r, j, q]).any(axis=1))
        rounds[r, j, q] = later[0] + 1 if len(later) else np.inf
    for ties in ("page", "rank"):
        ran = [
            lp.replay(trace, "blind-oracle", 8, ties=ties, predictions=p, record=True).missed
            for p in (rounds, "perfect")
        ]
        if ties == "page":
            assert np.array_equal(*ran)
    with pytest.raises(ParameterError, match="shape"):
        lp.replay(trace, "blind-oracle", 8, predictions=rounds[1:])
    with pytest.raises(ParameterError, match="atomic"):
        lp.replay(trace, "blind-oracle", 8, predictions=rounds, events="serial")
    with pytest.raises(ParameterError, match="nan"):
        lp.replay(trace, "blind-oracle", 8, predictions=np.where(np.isinf(rounds), np.nan, rounds))
    assert grid.ranked


def test_errors_are_measured_in_steps() -> None:
    trace = lp.Trace([[0, 0], [1, 0], [0, 1]], 2)
    grid = lay_out(trace)
    members, due, end = actual(grid, "never")
    assert members.ravel().tolist() == [0, 2, 1, 2, 0, 3]
    assert due.ravel().tolist() == [4, 3, np.inf, np.inf, np.inf, np.inf]
    assert set(end.ravel()) == {6}
    assert error_of(source("perfect").forecast(trace, grid, "never"), grid) == 0
    late = lp.Trace([[0]] * 3, 1)
    made = source("inverted").forecast(late, lay_out(late), "never")
    assert error_of(made, lay_out(late)) == (3 - 1) + (3 - 2) + 0  # cut at the end
    errors = [
        error_of(Noisy(level).forecast(trace_of(1), lay_out(trace_of(1)), "never"), lay_out(trace_of(1)))
        for level in (0, 0.1, 0.5, 2)
    ]
    assert errors[0] == 0
    assert errors == sorted(errors)
    learnt = source("popularity(half_life=None)").forecast(late, lay_out(late), "never")
    assert error_of(learnt, lay_out(late)) == 0


def test_noise_repeats_with_its_seed() -> None:
    trace = trace_of(2)
    made = [source(text).forecast(trace, lay_out(trace), "never").due for text in ("noisy:1", "noisy:1", "noisy:1:7")]
    assert np.array_equal(made[0], made[1])
    assert not np.array_equal(made[0], made[2])


def test_a_predictor_of_ones_own_is_told_and_asked() -> None:
    class Mine:
        def begin(self) -> Mine:
            self.heard: list[tuple[int, int]] = []
            return self

        def told(self, page: int, time: Time) -> None:
            self.heard.append((time.clock, page))

        def next_use(self, page: int) -> float:
            return -max(clock for clock, p in self.heard if p == page)

    trace = trace_of(4)
    for pool in ("shared", "per-layer"):
        ran = lp.replay(trace, "blind-oracle", 9, predictions=Mine(), pool=pool, record=True)
        assert np.array_equal(ran.missed, lp.replay(trace, "lru", 9, pool=pool, record=True).missed)  # type: ignore[arg-type]


def test_a_policy_class_may_take_predictions() -> None:
    from layered_paging.policies.blind_oracle import BlindOracle

    class Mine(BlindOracle):
        pass

    trace = trace_of(6)
    assert lp.replay(trace, Mine, 8, predictions="perfect").misses == lp.optimum(trace, 8, admission="forced").misses
    steps = list(history(trace, "guard", 8, predictions="perfect"))
    assert sum(len(step.misses) for step in steps) == lp.replay(trace, "guard", 8, predictions="perfect").misses
    curve = lp.miss_curve(trace, "blind-oracle", predictions="perfect")
    assert np.array_equal(curve, lp.optimum_curve(trace, admission="forced"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "perfekt",
        "noisy",
        "noisy:x",
        "noisy:-1",
        "noisy:nan",
        "noisy:inf",
        "noisy:1:x",
        "noisy:1:-1",
        "noisy:1:2:3",
        "noisy:1e10",
        "uniform:",
        "perfect:1",
        "inverted:1",
        "markov:1",
        "markov@never",
        "markov(distance=0)",
        "markov(distance=4)",
        "markov(x=1)",
        "popularity(half_life=0)",
        "markov(",
        "oracle",
        "profile",
    ],
)
def test_mistakes_in_names_are_refused_in_one_line(text: str) -> None:
    with pytest.raises(ParameterError) as caught:
        lp.replay(trace_of(0), "blind-oracle", 8, predictions=text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("given_", [5, object(), {"a": 1}, ["x"], [1.0]])
def test_what_is_no_prediction_is_refused(given_: object) -> None:
    with pytest.raises(ParameterError, match="predictions must"):
        lp.replay(trace_of(0), "blind-oracle", 8, predictions=given_)


def test_missing_superfluous_and_foreign_predictions_are_refused() -> None:
    trace = trace_of(0)
    with pytest.raises(ParameterError, match=r"'guard' needs predictions.*got none"):
        lp.replay(trace, "guard", 8)
    with pytest.raises(ParameterError, match="'lru' takes no predictions"):
        lp.replay(trace, "lru", 8, predictions="perfect")
    other = trace_of(1, 20)
    made = source("markov").forecast(other, lay_out(other), "never")
    for engine in ("kernel", "reference"):
        with pytest.raises(ParameterError, match="as it is replayed"):
            lp.replay(trace, "guard", 8, predictions=made, engine=engine)
    whole = source("markov").forecast(trace, lay_out(trace), "never")
    for broken in (
        replace(whole, ahead=whole.ahead[:, :2]),
        replace(whole, ahead_next=whole.ahead_next[:3]),
        replace(whole, first=whole.first + 1, members=whole.members[:, :1]),
    ):
        with pytest.raises(ParameterError, match="as it is replayed"):
            lp.replay(trace, "guard", 8, predictions=broken)
    with pytest.raises(ParameterError, match="train must have"):
        lp.replay(trace, "guard", 8, predictions=Learnt("markov", train=lp.Trace([[0]])))
    with pytest.raises(ParameterError, match="floor"):
        Learnt("markov", floor=2.0)


def test_a_name_may_carry_its_predictions() -> None:
    trace = trace_of(7)
    best = lp.optimum(trace, 8, admission="forced").misses
    run = lp.replay(trace, "guard(predictions='perfect')", 8)
    assert (run.policy, run.misses) == ("guard(predictions='perfect')", best)
    assert lp.replay(trace, "guard(predictions='markov')", 8, predictions="perfect").misses == best
    curve = lp.miss_curve(trace, "blind-oracle(predictions='perfect')")
    assert np.array_equal(curve, lp.optimum_curve(trace, admission="forced"))
    for wrong, said in (
        ("guard(predictions=3)", "must be a name"),
        ("guard(predictions='x')", "unknown predictions"),
        ("lru(predictions='perfect')", "no parameter 'predictions'"),
    ):
        with pytest.raises(ParameterError, match=said):
            lp.replay(trace, wrong, 8)
    with pytest.raises(ParameterError, match="needs a trace"):
        resolve("guard(predictions='markov')").make(trace.instance(8))


# the dominating distribution


def test_who_comes_first_is_what_the_series_says() -> None:
    for p, q in ((Fraction(1, 3), Fraction(1, 5)), (Fraction(9, 10), Fraction(1, 100))):
        first = sum(p * (1 - p) ** t * (1 - q) ** t for t in range(2000))  # p's layer comes first in each round
        assert earlier(float(p), 1, float(q), 2) == pytest.approx(float(first))
        assert earlier(float(q), 2, float(p), 1) == pytest.approx(1 - float(first))
        assert earlier(float(p), 2, float(q), 2) == pytest.approx(float(p / (p + q)))
    assert earlier(0.0, 1, 0.0, 2) == 0.5


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6), size=st.integers(1, MOST))
def test_a_symmetric_game_is_solved(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    game = rng.random((size, size))
    game = np.where(np.triu(np.ones((size, size)), 1) > 0, game, 1 - game.T)
    np.fill_diagonal(game, 0.5)
    weight = np.zeros(MOST)
    solve(size, game, np.zeros((MOST + 1, 2 * MOST + 1)), np.zeros(MOST, np.int64), weight)
    weight = weight[:size]
    assert weight.sum() == pytest.approx(1)
    assert (weight >= 0).all()
    assert (game @ weight <= 0.5 + 1e-9).all()


def dominating(rounds: list[float], seed: int = 0) -> Dominating:
    class Said:
        def told(self, page: int, time: Time) -> None: ...

        def next_use(self, page: int) -> float:
            return float(page + len(rounds) * rounds[page])  # seen from the last layer of round 0

    return Dominating(lp.Instance(len(rounds), 1, 2), predictions=Said(), rng=Stream(seed))


def test_one_page_dominates_or_three_are_mixed() -> None:
    now = Time(2, 0, 2)
    assert dominating([4.0, 9.0, 2.0]).distribution([0, 1, 2], now) == {1: 1.0}
    # nontransitive dice: each page comes before the next one with a chance below 1/2
    mixed = dominating([10.0, 9.5, 8.9]).distribution([0, 1, 2], now)
    assert set(mixed) == {0, 1, 2}
    assert sum(mixed.values()) == pytest.approx(1)
    rate = {page: 1 / r for page, r in enumerate([10.0, 9.5, 8.9])}
    for q in range(3):
        assert sum(w * earlier(rate[p], p + 1, rate[q], q + 1) for p, w in mixed.items()) <= 0.5 + 1e-9
    assert {dominating([10.0, 9.5, 8.9], seed).victim([0, 1, 2], now) for seed in range(40)} == {0, 1, 2}


def test_mixtures_are_the_same_in_the_twin() -> None:
    rng = np.random.default_rng(1)
    trace = lp.Trace(rng.integers(0, 3, (400, 4)), 3)
    mixes = 0
    inside = Dominating.distribution

    def counting(self: Dominating, candidates: object, time: Time) -> dict[int, float]:
        nonlocal mixes
        found = inside(self, candidates, time)  # type: ignore[arg-type]
        mixes += len(found) > 1
        return found

    near = Learnt("popularity(half_life=6)", floor=0.001)
    fast = lp.replay(trace, "dominating", 7, predictions=near, record=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Dominating, "distribution", counting)
        slow = lp.replay(trace, "dominating", 7, predictions=near, record=True, engine="reference")
    assert mixes > 10
    assert np.array_equal(fast.missed, slow.missed)  # type: ignore[arg-type]


# the command


@pytest.fixture
def file(tmp_path: Path) -> Callable[[lp.Trace], str]:
    def save(trace: lp.Trace) -> str:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.npz"
        lp.save_trace(trace, path)
        return str(path)

    return save


def test_the_command_replays_with_predictions(
    file: Callable[[lp.Trace], str], capsys: pytest.CaptureFixture[str]
) -> None:
    def command(*words: str) -> tuple[int, str, str]:
        code = main(list(words))
        return (code, *capsys.readouterr())

    path, other = file(trace_of(0)), file(trace_of(1))
    words = ["replay", path, "--slots", "8", "--policy", "llru", "blind-oracle", "--optimum", "forced"]
    got = json.loads(command(*words, "--predictions", "perfect", "--json")[1])
    assert got["predictions"] == {"source": "perfect", "error_steps": 0.0, "error_rounds_per_request": 0.0}
    assert got["runs"][1]["misses"] == got["optimum"][0]["misses"] < got["runs"][0]["misses"]
    shown = command(*words, "--predictions", "markov", "--train", other)[1]
    assert "predictions: markov trained, mean error" in shown
    for wrong, said in (
        (["--predictions", "nothing"], "unknown predictions"),
        (["--train", other], "--train goes with"),
        (["--predictions", "perfect", "--train", other], "training goes with"),
        ([], "needs predictions"),
    ):
        code, _, error = command(*words, *wrong)
        assert code != 0
        assert said in error
    _, _, error = command("replay", path, "--slots", "8", "--predictions", "perfect")
    assert "needs a policy that takes predictions and names none itself; got lru, llru" in error
