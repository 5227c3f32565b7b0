"""Arguments of a wrong kind: each public function refuses them in one line that names the parameter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layered_paging as lp
from layered_paging.errors import LayeredPagingError, ParameterError

TRACE = lp.Trace([[[0, 1], [2, 3]], [[0, 2], [1, 3]], [[1, 2], [0, 3]]], n_experts=4)
RATIO = {"layers": 2, "experts": 2, "slots": 2}
WRONG = ["nonsense", 0.5, float("nan"), b"x", [None], {"a": 1}, 1 + 2j, object(), np.array([]), np.array([1.5])]
CALLS: dict[str, tuple[Callable[..., Any], dict[str, Any], tuple[str, ...]]] = {
    "replay": (
        lp.replay,
        {"trace": TRACE, "policy": "lru", "slots": 4},
        ("pool", "reset", "events", "admission", "prefill", "ties", "oversize", "record", "engine", "seed", "traffic"),
    ),
    "optimum": (
        lp.optimum,
        {"trace": TRACE, "slots": 4, "admission": "forced"},
        ("admission", "pool", "reset", "events", "prefill", "solver", "lookahead"),
    ),
    "miss_curve": (
        lp.miss_curve,
        {"trace": TRACE, "policy": "lru"},
        ("pool", "reset", "traffic", "seed", "workers"),
    ),
    "optimum_curve": (lp.optimum_curve, {"trace": TRACE, "admission": "forced"}, ("admission", "pool", "reset")),
    "competitive_ratio": (
        lp.competitive_ratio,
        {"policy": "lru", **RATIO},
        ("layers", "slots", "pool", "general", "admission", "memory", "top_k"),
    ),
    "optimal_ratio": (
        lp.optimal_ratio,
        RATIO,
        ("layers", "slots", "randomized", "admission", "memory", "top_k"),
    ),
    "table": (lp.table, {"policies": ["lru"], "sizes": [(1, 2, 1)]}, ("sizes", "best")),
    "load_trace": (lp.load_trace, {"path": "-"}, ("layout", "columns", "tokens", "top_k", "n_experts")),
    "Cache": (
        lp.live.Cache,
        {"layers": 2, "experts": 3, "slots": 4, "policy": "lru"},
        ("layers", "slots", "pool", "admission", "journal", "seed", "window"),
    ),
}


@pytest.mark.parametrize(("name", "parameter"), [(name, one) for name, (_, _, few) in CALLS.items() for one in few])
def test_a_wrong_kind_is_refused_in_one_line(name: str, parameter: str) -> None:
    function, given, _ = CALLS[name]
    for wrong in WRONG:
        if isinstance(wrong, dict) and parameter == "columns":
            continue
        with pytest.raises(LayeredPagingError) as caught:
            function(**{**given, parameter: wrong})
        assert len(str(caught.value).splitlines()) == 1, wrong


@pytest.mark.parametrize("seconds", ["", "3", True, 0, -1.0, float("nan"), [1]])
def test_a_limit_of_time_is_a_number_of_seconds_above_zero(seconds: Any) -> None:
    with pytest.raises(ParameterError, match="must be above 0 seconds"):
        lp.optimum(TRACE, 4, admission="forced", time_limit=seconds)
    with pytest.raises(ParameterError, match="must be above 0 seconds"):
        lp.optimal_ratio(**RATIO, seconds=seconds)


@pytest.mark.parametrize("path", [None, 3, True, b"x", [1], {"a": 1}, object()])
def test_what_is_no_path_is_refused(path: Any) -> None:
    with pytest.raises(ParameterError, match="path"):
        lp.load_trace(path)


def test_huge_numbers_of_layers_are_refused() -> None:
    for layers in (1 << 21, 1 << 63, 10**30):
        with pytest.raises(ParameterError, match="at most 1048576"):
            lp.Instance(layers, 2, 2)


def test_numbers_of_numpy_are_numbers(tmp_path: Path) -> None:
    sizes = {name: np.int64(number) for name, number in RATIO.items()}
    ratio, plain = lp.competitive_ratio("lru", **sizes), lp.competitive_ratio("lru", **RATIO)
    assert ratio.value == plain.value
    for number, one in enumerate((ratio, lp.optimal_ratio(**sizes))):
        one.certificate.save(tmp_path / f"{number}.json")
        lp.certify.check(lp.certificate.Certificate.load(tmp_path / f"{number}.json"))
    assert lp.replay(TRACE, "lru", np.int64(4), record=np.True_).misses == lp.replay(TRACE, "lru", 4).misses
