"""Intervals by Student's t, against scipy's own test; and strict JSON, which everything that is read goes through."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layered_paging.core import strict_json
from layered_paging.core.stats import half_width, mean_interval, t_quantile
from layered_paging.errors import ParameterError

VALUES = st.lists(st.integers(-1000, 1000), min_size=2, max_size=20).filter(lambda v: len(set(v)) > 1)


@given(VALUES, st.sampled_from([0.5, 0.9, 0.95, 0.999]))
def test_the_interval_is_that_of_the_t_test(values: list[int], confidence: float) -> None:
    from scipy.stats import ttest_1samp

    mean, half = mean_interval(values, confidence)
    interval = ttest_1samp(values, 0).confidence_interval(confidence)
    assert mean - half == pytest.approx(interval.low, abs=1e-9) and mean + half == pytest.approx(
        interval.high, abs=1e-9
    )
    assert half == half_width(values, confidence)


def test_one_value_has_no_width_and_wrong_arguments_are_refused() -> None:
    assert mean_interval([7.0]) == (7.0, 0.0)
    for confidence in (0, 1, "0.95", math.nan):
        with pytest.raises(ParameterError, match="confidence must lie between 0 and 1"):
            t_quantile(confidence, 3)  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="two values or more; got 1"):
        half_width([1.0])


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(PLAIN)
def test_plain_values_come_back(value: Any) -> None:
    text = json.dumps(value)
    assert strict_json.parse(text) == strict_json.parse(text.encode()) == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("NaN", "NaN is not JSON"),
        ("[-Infinity]", "-Infinity is not JSON"),
        ('{"a": 1, "b": {"a": 1, "a": 1}}', "'a' stands twice in an object"),
        ("[" * 200_000, "nested too deeply"),
        (b"\xff", "utf-8"),
        ("[1", "delimiter"),
        ("1 2", "Extra data"),
    ],
)
def test_what_is_not_strict_json_is_refused(text: str | bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        strict_json.parse(text)
