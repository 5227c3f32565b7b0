"""Transformations of traces keep what they say they keep, and nothing else depends on luck."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import layered_paging as lp
from layered_paging import transforms
from layered_paging.errors import ParameterError


@st.composite
def some_traces(draw: Any) -> lp.Trace:
    layers, top_k = draw(st.integers(1, 4)), draw(st.integers(1, 2))
    rounds, seed = draw(st.integers(1, 12)), draw(st.integers(0, 9))
    sessions = draw(st.integers(1, rounds))
    trace = lp.workloads.uniform(layers, 4, rounds, top_k=top_k, seed=seed, sessions=sessions)
    random = np.random.default_rng(seed)
    experts = np.where(random.random(trace.experts.shape) < draw(st.sampled_from([0, 0.3])), -1, trace.experts)
    experts[0, 0, 0] = max(experts[0, 0, 0], 0) if top_k == 1 else experts[0, 0, 0]
    if (experts < 0).all():
        experts[0, 0, 0] = 0
    weights = random.random(experts.shape) if draw(st.booleans()) else None
    return lp.Trace(experts, 4, trace.sessions, random.integers(0, 2, rounds), 3, {"items": ["x"] * sessions}, weights)


def events(trace: lp.Trace, *, empty: bool = True) -> list[tuple[int, tuple[int, ...]]]:
    """Return (layer, members) in the order served."""
    found = [
        (layer, tuple(e for e in event if e >= 0)) for row in trace.experts.tolist() for layer, event in enumerate(row)
    ]
    return found if empty else [event for event in found if event[1]]


def tokens(trace: lp.Trace) -> list[str]:
    return [str(row) for row in trace.experts.tolist()]


ALL: list[Callable[[lp.Trace], lp.Trace]] = [
    transforms.top_one,
    lambda t: transforms.skip_layers(t, 0.0, seed=1),
    lambda t: transforms.leave_early(t, 0.5, seed=1),
    lambda t: transforms.interleave(t, 1),
    lambda t: transforms.permute_layers(t, seed=1),
    lambda t: transforms.shuffle_tokens(t, seed=1),
    lambda t: transforms.redraw(t, seed=1),
    lambda t: transforms.redraw(t, "trace", seed=1),
]


@pytest.mark.parametrize("change", ALL, ids=[f"change-{n}" for n in range(len(ALL))])
@given(some_traces())
def test_all_are_deterministic_and_keep_the_pages(change: Callable[[lp.Trace], lp.Trace], trace: lp.Trace) -> None:
    try:
        changed = change(trace)
    except lp.LayeredPagingError as error:
        assert "at least one request" in str(error)
        return
    assert changed == change(trace)
    assert changed.n_experts == trace.n_experts
    assert np.array_equal(changed.expert_bytes, trace.expert_bytes)  # type: ignore[arg-type]
    assert changed.meta["transforms"]
    assert (changed.weights is None) == (trace.weights is None)


@given(some_traces())
def test_top_one(trace: lp.Trace) -> None:
    assert events(transforms.top_one(trace)) == [(j, e[:1]) for j, e in events(trace)]


@given(some_traces(), st.floats(0, 1))
def test_skip_layers(trace: lp.Trace, probability: float) -> None:
    try:
        after = events(transforms.skip_layers(trace, probability, seed=3))
    except lp.LayeredPagingError:
        assert probability > 0
        return
    assert all(new in (old, (old[0], ())) for old, new in zip(events(trace), after, strict=True))
    if probability == 0:
        assert after == events(trace)


@given(some_traces(), st.floats(0, 1))
def test_leave_early(trace: lp.Trace, probability: float) -> None:
    trace = lp.Trace(np.where(trace.experts < 0, 0, trace.experts)[:, :, :1], 4)  # nothing missing
    after = transforms.leave_early(trace, probability, seed=3).experts[:, :, 0]
    left = (after >= 0).sum(axis=1)
    for row, old, count in zip(after, trace.experts[:, :, 0], left, strict=True):
        assert row[:count].tolist() == old[:count].tolist()
        assert count >= 1
        assert (row[count:] == -1).all()


@given(some_traces(), st.integers(1, 5))
def test_interleave(trace: lp.Trace, streams: int) -> None:
    if streams > trace.rounds:
        with pytest.raises(ParameterError, match="streams must be at most"):
            transforms.interleave(trace, streams)
        return
    after = transforms.interleave(trace, streams)
    assert Counter(tokens(after)) == Counter(tokens(trace))
    if streams == 1:
        assert tokens(after) == tokens(trace)


def test_interleave_deals_sessions() -> None:
    trace = lp.Trace([[0], [1], [2], [3], [4], [5]], sessions=[0, 3, 4])
    assert transforms.interleave(trace, 2).experts.ravel().tolist() == [0, 3, 1, 4, 2, 5]


@given(some_traces(), st.floats(0, 1))
def test_permute_layers(trace: lp.Trace, probability: float) -> None:
    after = transforms.permute_layers(trace, probability, seed=5)
    for layer in range(trace.layers):
        assert [e for e in events(after, empty=False) if e[0] == layer] == [
            e for e in events(trace, empty=False) if e[0] == layer
        ]
    assert len(after.sessions) == len(trace.sessions)
    if probability == 0:
        assert np.array_equal(after.experts, trace.experts)
    if probability == 0 and trace.weights is not None:
        assert np.array_equal(after.weights, trace.weights)  # type: ignore[arg-type]


@given(some_traces())
def test_shuffle_tokens(trace: lp.Trace) -> None:
    after = transforms.shuffle_tokens(trace, seed=2)
    assert np.array_equal(after.stage, trace.stage)
    ends = np.append(trace.sessions[1:], trace.rounds)
    for start, end in zip(trace.sessions, ends, strict=True):
        for stage in (0, 1):
            rows = np.flatnonzero(trace.stage[start:end] == stage) + start
            assert Counter(str(x) for x in after.experts[rows].tolist()) == Counter(
                str(x) for x in trace.experts[rows].tolist()
            )


@given(some_traces(), st.sampled_from(["session", "trace"]))
def test_redraw(trace: lp.Trace, within: str) -> None:
    try:
        after = transforms.redraw(trace, within, seed=2)
    except lp.LayeredPagingError:
        return
    ends = np.append(trace.sessions[1:], trace.rounds)
    for start, end in zip(trace.sessions, ends, strict=True):
        low, high = (start, end) if within == "session" else (0, trace.rounds)
        for layer in range(trace.layers):
            known = {str(e) for e in trace.experts[low:high, layer].tolist()}
            assert {str(e) for e in after.experts[start:end, layer].tolist()} <= known


def test_redraw_keeps_marginals_and_drops_correlation() -> None:
    trace = lp.workloads.markov(2, 6, 20_000, stickiness=0.9, exponent=1.0)
    after = transforms.redraw(trace)
    for layer in range(2):
        before, now = (np.bincount(t.experts[:, layer, 0], minlength=6) / t.rounds for t in (trace, after))
        assert np.abs(before - now).max() < 0.02
    again = [(t.experts[1:] == t.experts[:-1]).mean() for t in (trace, after)]
    assert again[0] > 0.85
    assert again[1] < 0.4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: transforms.skip_layers(t, 1.5), "probability must be a number in 0..1; got 1.5"),
        (lambda t: transforms.leave_early(t, float("nan")), "probability must be a number"),
        (lambda t: transforms.permute_layers(t, True), "probability must be a number"),
        (lambda t: transforms.redraw(t, "layer"), "within must be session or trace"),
        (lambda t: transforms.interleave(t, 0), "streams must be an integer of at least 1"),
        (lambda t: transforms.shuffle_tokens(t, seed=-1), "seed must be an integer of at least 0"),
        (lambda t: transforms.skip_layers(t, 1), "at least one request"),
    ],
    ids=["above", "nan", "bool", "layer", "none", "seed", "nothing"],
)
def test_mistakes(change: Callable[[lp.Trace], lp.Trace], message: str) -> None:
    with pytest.raises(lp.LayeredPagingError, match=message):
        change(lp.workloads.uniform(2, 3, 4))
