"""Results are the same to the last bit as those on file, with whatever Python and libraries this runs."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def module() -> Any:
    spec = importlib.util.spec_from_file_location("digests", HERE / "digests.py")
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_digests_are_those_on_file(module: Any) -> None:
    stored = json.loads((HERE / "digests.json").read_text())
    found = module.digests()
    assert {name: found.get(name) for name in stored} == stored  # a new policy has none yet


def test_a_digest_sees_a_difference(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "results", lambda: {"a": [1, 2]})
    one = module.digests()
    monkeypatch.setattr(module, "results", lambda: {"a": [1, 3]})
    assert module.digests() != one
