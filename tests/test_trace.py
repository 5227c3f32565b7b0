"""Traces and instances: what is refused, and where the message points."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import layered_paging as lp
from layered_paging.errors import ParameterError, TraceError

EVENT = [[[0, 1], [2, 0]], [[1, -1], [0, 2]]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"experts": []}, "shape (rounds, layers, top_k)"),
        ({"experts": [[[]]]}, "each at least 1; got (1, 1, 0)"),
        ({"experts": np.zeros((1, 1, 1, 1), int)}, "shape (rounds, layers, top_k)"),
        ({"experts": [[[0.5]]]}, "array of integers; got dtype float64"),
        ({"experts": [[[float("nan")]]]}, "NaN or infinity"),
        ({"experts": [[["a"]]]}, "array of integers"),
        ({"experts": np.array([[[object()]]])}, "array of integers; got dtype object"),
        ({"experts": [[[0, 1]], [[0]]]}, "rectangular"),
        ({"experts": [[[-1, -1]]]}, "at least one request"),
        ({"experts": [[[0, 4]]], "n_experts": 4}, "experts[0, 0, 1] must be in 0..3, or -1 for none; got 4"),
        ({"experts": [[[0, -2]]]}, "experts[0, 0, 1] must be in 0..0, or -1 for none; got -2"),
        ({"experts": [[[0, 1], [2, 2]]]}, "experts[0, 1] must be distinct within an event; got [2, 2]"),
        ({"experts": EVENT, "n_experts": [3]}, "one for each of the 2 layers; got 1"),
        ({"experts": EVENT, "n_experts": 0}, "n_experts must be an integer of at least 1"),
        ({"experts": EVENT, "sessions": []}, "first round of each session"),
        ({"experts": EVENT, "sessions": [1]}, "must start with 0"),
        ({"experts": EVENT, "sessions": [0, 0]}, "ascend strictly"),
        ({"experts": EVENT, "sessions": [0, 2]}, "stay below 2 rounds"),
        ({"experts": EVENT, "stage": [0]}, "one integer for each of the 2 rounds"),
        ({"experts": EVENT, "stage": [0, 2]}, "stage[1] must be 0 (prefill) or 1 (decode); got 2"),
        ({"experts": EVENT, "expert_bytes": 0}, "expert_bytes[0] must be at least 1"),
        ({"experts": EVENT, "expert_bytes": [1, 2, 3, 4]}, "for each of 2 layers or of 6 pages; got 4"),
        ({"experts": EVENT, "expert_bytes": 2**62}, "sum to less than 2^63"),
        ({"experts": EVENT, "expert_bytes": [1.5, 2]}, "must be integers"),
        ({"experts": EVENT, "stage": np.array([True, False])}, "got true and false, of which either may mean prefill"),
        ({"experts": np.array([[[0, 65535]]], np.uint16)}, "experts holds 65535, which is expert 65535, or -1 (none)"),
        ({"experts": np.array([[[0, 255]]], np.uint8)}, "experts holds 255, which is expert 255, or -1 (none)"),
        ({"experts": EVENT, "weights": [[[1.0]]]}, "weights must be floats of shape (2, 2, 2)"),
        ({"experts": EVENT, "weights": np.full((2, 2, 2), np.nan)}, "weights[0, 0, 0] must be finite"),
        ({"experts": EVENT, "meta": {"x": object()}}, "a mapping that JSON can hold"),
        ({"experts": EVENT, "meta": {"x": float("nan")}}, "a mapping that JSON can hold"),
        ({"experts": EVENT, "meta": [1]}, "must be a mapping; got list"),
    ],
)
def test_bad_traces(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises((TraceError, ParameterError)) as caught:
        lp.Trace(**arguments)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_trace_cannot_be_changed() -> None:
    trace = lp.Trace(EVENT)
    with pytest.raises(ValueError, match="read-only"):
        trace.experts[0, 0, 0] = 1


def test_unequal_widths_and_sizes() -> None:
    trace = lp.Trace([[0, 4], [1, 0]], n_experts=[2, 5], expert_bytes=[10, 20])
    assert trace.pages == 7
    assert trace.first_page.tolist() == [0, 2]
    assert trace.page_bytes is not None
    assert trace.page_bytes.tolist() == [10, 10, 20, 20, 20, 20, 20]


def test_the_digest_depends_on_what_paging_depends_on() -> None:
    base = lp.Trace(EVENT, 3)
    others = [
        lp.Trace(EVENT, 4),
        lp.Trace(EVENT, 3, sessions=[0, 1]),
        lp.Trace(EVENT, 3, stage=[0, 1]),
        lp.Trace(EVENT, 3, expert_bytes=5),
        lp.Trace(EVENT[::-1], 3),
    ]
    assert len({t.digest() for t in [base, *others]}) == 6
    assert lp.Trace(EVENT, 3, meta={"a": 1}).digest() == base.digest()
    assert lp.Trace(np.array(EVENT, np.int64), [3, 3]) == base


def test_select_sessions() -> None:
    trace = lp.Trace([[0], [1], [2], [3]], 4, sessions=[0, 1, 3], meta={"items": ["a", "b", "c"]})
    part = trace.select([2, 0])
    assert part.experts.ravel().tolist() == [3, 0]
    assert part.sessions.tolist() == [0, 1]
    assert part.meta["items"] == ["c", "a"]
    with pytest.raises(ParameterError, match=r"0\.\.2"):
        trace.select([3])


@pytest.mark.parametrize(
    ("layers", "experts", "slots", "message"),
    [
        (0, 2, 1, "layers must be an integer of at least 1; got 0"),
        (2, [2], 1, "one for each of the 2 layers"),
        (2, [2, 0], 1, "experts of layer 1"),
        (2, "22", 1, "experts must be an integer"),
        (2, 2, 0, "slots must be an integer of at least 1; got 0"),
        (2, 2, None, "slots must be an integer"),
    ],
)
def test_bad_instances(layers: Any, experts: Any, slots: Any, message: str) -> None:
    with pytest.raises(ParameterError) as caught:
        lp.Instance(layers=layers, experts=experts, slots=slots)
    assert message in str(caught.value)


def test_page_numbers() -> None:
    problem = lp.Instance(layers=3, experts=[2, 3, 1], slots=4)
    assert [problem.layer_of(p) for p in range(6)] == [0, 0, 1, 1, 1, 2]
    assert problem.page(1, 2) == 4
    assert list(problem.pages_of(1)) == [2, 3, 4]
    for call in (lambda: problem.page(3, 0), lambda: problem.page(0, 2), lambda: problem.layer_of(6)):
        with pytest.raises(ParameterError):
            call()


@pytest.mark.parametrize("shape", [(30, 2, 2), (30, 2)])
def test_a_trace_does_not_change(shape: tuple[int, ...]) -> None:
    ids = np.zeros(shape, np.int16)
    if len(shape) == 3:
        ids[:, :, 1] = 1
    trace = lp.Trace(ids, 3)
    before = lp.replay(trace, "lru", 4).misses
    with pytest.raises(ValueError, match="read-only"):
        ids[4:, 0] = 2
    with pytest.raises(TraceError, match=r"does not change.*'experts'"):
        trace.experts = np.ones(shape, np.int16)
    assert lp.replay(trace, "lru", 4).misses == before
    other = np.zeros((30, 2), np.int64)  # is copied, and stays the caller's
    lp.Trace(other, 3)
    other[0] = 1
