"""Strategies from certificates that nobody checked: an error of ours, whatever is wrong in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import layered_paging as lp
from layered_paging.errors import PolicyError

TRACE = lp.Trace([[0], [1], [2], [0], [1], [0]], 3)


@pytest.fixture(scope="module")
def sound() -> dict[str, Any]:
    made = lp.optimal_ratio(layers=1, experts=3, slots=2)
    rolled = lp.optimal_ratio(layers=1, experts=3, slots=2, randomized=True)
    return {"game": made.certificate, "random": rolled.certificate}


def played(certificate: Any, policy: dict[str, Any], folder: Path) -> int:
    changed = lp.Certificate(certificate.kind, certificate.statement, {**certificate.evidence, "policy": policy})
    (folder / "s.json").write_text(changed.to_json())
    return lp.replay(TRACE, f"strategy:{folder / 's.json'}", 2).misses


def test_sound_strategies_play(sound: dict[str, Any], tmp_path: Path) -> None:
    for certificate in sound.values():
        assert played(certificate, certificate.evidence["policy"], tmp_path) >= 3


@pytest.mark.parametrize(
    "wrong",
    [
        {"victims": [[0, 5, 1, 5, 2, 5]] * 4},  # a place beyond the pages: what the fuzzer found
        {"victims": [[0, -1]]},
        {"victims": 3},
        {"victims": [["a", "b"]] * 4},
        {"positions": None},
        {"positions": [{}] * 4},
    ],
)
def test_broken_tables(sound: dict[str, Any], wrong: dict[str, Any], tmp_path: Path) -> None:
    policy = {**sound["game"].evidence["policy"], **wrong}
    with pytest.raises(PolicyError, match=r"^strategy: "):
        played(sound["game"], policy, tmp_path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"distributions": []},
        {"distributions": [[[3, "1e999999999"]]] * 200},
        {"distributions": [[[3, "1/0"]]] * 200},
        {"distributions": [[[3, -1]]] * 200},
        {"nodes": [[0]]},
        {"memory": "x"},
        {"transports": {}},
    ],
)
def test_broken_distributions(sound: dict[str, Any], wrong: dict[str, Any], tmp_path: Path) -> None:
    policy = {**sound["random"].evidence["policy"], **wrong}
    with pytest.raises(PolicyError, match=r"^strategy: "):
        played(sound["random"], policy, tmp_path)
