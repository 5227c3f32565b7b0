"""Predictors: what they say, their compiled twins, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import layered_paging as lp
from layered_paging.errors import ParameterError
from layered_paging.prediction import predictor
from layered_paging.prefetch import guesses

LEARNING = [
    "popularity",
    "popularity(half_life=None)",
    "popularity(window=3)",
    "previous",
    "markov",
    "markov(distance=2, half_life=3)",
    "markov(distance=3, prior=0.5)",
]


def random_trace(seed: int, rounds: int, widths: tuple[int, ...], top_k: int) -> lp.Trace:
    """A trace with missing members and two sessions."""
    rng = np.random.default_rng(seed)
    experts = np.full((rounds, len(widths), top_k), -1)
    for r in range(rounds):
        for j, n in enumerate(widths):
            size = rng.integers(0, min(n, top_k) + 1)
            experts[r, j, :size] = rng.permutation(n)[:size]
    experts[0, 0, 0] = max(experts[0, 0, 0], 0)
    return lp.Trace(experts, n_experts=widths, sessions=[0, rounds // 2])


@pytest.mark.parametrize("name", LEARNING)
@settings(max_examples=15)
@given(
    seed=st.integers(0, 10**6),
    train=st.booleans(),
    reset=st.sampled_from(["never", "session"]),
    least=st.sampled_from([0.0, 0.3]),
)
def test_the_kernels_say_what_the_predictors_say(name: str, seed: int, train: bool, reset: str, least: float) -> None:
    trace = random_trace(seed, 12, (5, 3, 4), 3)
    before = random_trace(seed + 1, 9, (5, 3, 4), 2) if train else None
    fast, slow = (
        guesses(trace, name, 3, train=before, reset=reset, least=least, engine=engine)
        for engine in ("kernel", "reference")
    )
    assert np.array_equal(fast, slow)


@pytest.mark.parametrize("name", LEARNING)
def test_guesses_know_nothing_of_the_future(name: str) -> None:
    trace = random_trace(3, 14, (5, 3, 4), 3)
    other = trace.experts.copy()
    other[9:] = np.array([1, 0, -1])
    changed = lp.Trace(other, n_experts=trace.n_experts, sessions=trace.sessions)
    same = guesses(trace, name, 3)[:9], guesses(changed, name, 3)[:9]
    assert np.array_equal(*same)
    # also the first layer of the changed round: nothing of that round is known yet
    assert np.array_equal(guesses(trace, name, 3)[9, 0], guesses(changed, name, 3)[9, 0])


@pytest.mark.parametrize("name", LEARNING)
def test_scores_are_probabilities(name: str) -> None:
    trace = random_trace(5, 30, (5, 3, 4), 3)
    model = predictor(name, trace)
    for row in trace.experts:
        for layer, members in enumerate(row):
            scores = model.scores(layer)
            assert scores.dtype == np.float64 and scores.shape == (trace.n_experts[layer],)
            assert ((scores >= 0) & (scores <= 1 + 1e-12)).all()
            model.observe(layer, sorted(e for e in members.tolist() if e >= 0))


def test_markov_learns_a_chain() -> None:
    ring = np.array([[[r % 4], [(r + 1) % 4]] for r in range(40)])
    trace = lp.Trace(ring, n_experts=4)
    assert np.array_equal(guesses(trace, "markov", 1)[5:, 1], trace.experts[5:, 1])
    # the layer's own last event says it too
    assert np.array_equal(guesses(trace, "markov(distance=2)", 1)[9:], trace.experts[9:])


def test_the_oracle_keeps_its_word() -> None:
    rng = np.random.default_rng(0)
    trace = lp.Trace(np.argsort(rng.random((3000, 2, 16)), axis=2)[:, :, :4])
    for precision, recall in ((1.0, 1.0), (0.5, 0.8), (0.25, 1.0), (1.0, 0.3), (0.0, 0.0)):
        got = guesses(trace, f"oracle(precision={precision}, recall={recall}, seed=4)", 16)
        right = ((got[..., :, None] == trace.experts[..., None, :]) & (got[..., :, None] >= 0)).sum()
        assert right / max(1, (got >= 0).sum()) == pytest.approx(precision, abs=0.02 if precision < 1 else 0)
        assert right / trace.requests == pytest.approx(recall, abs=0.02 if recall < 1 else 0)
        ordered = np.sort(got, axis=2)
        assert not ((ordered[..., 1:] == ordered[..., :-1]) & (ordered[..., 1:] >= 0)).any()


def test_imported_guesses_are_used_in_their_order() -> None:
    trace = lp.Trace([[[0, 1]], [[2, 3]]], n_experts=4)
    said = lp.Trace([[[3, 1, 0]], [[2, -1, -1]]], n_experts=4)
    assert guesses(trace, "imported", 2, imported=said)[:, 0].tolist() == [[3, 1], [2, -1]]
    with pytest.raises(ParameterError, match="one set an event"):
        guesses(trace, "imported", 2, imported=lp.Trace([[[0]]]))
    with pytest.raises(ParameterError, match=r"layer 0 must be in 0\.\.3; got 9"):
        guesses(trace, "imported", 2, imported=lp.Trace([[[9]], [[0]]]))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("popularty", "did you mean 'popularity'"),
        ("popularity(half_life=0)", "half_life"),
        ("popularity(window=0)", "window"),
        ("markov(distance=9)", "at most the 3 layers"),
        ("markov(prior=0)", "prior"),
        ("markov(nonsense=0)", "no parameter 'nonsense'"),
        ("oracle(precision=2)", "precision"),
        ("profile", "takes a profile"),
        ("imported", "needs the guesses"),
        ("previous(", "written name"),
    ],
)
def test_mistakes_are_named(name: str, words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        guesses(random_trace(0, 4, (5, 3, 4), 2), name, 2)
