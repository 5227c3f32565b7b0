"""Shared by all tests: Hypothesis profiles and the optional real traces."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

settings.register_profile("ci", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("dev", deadline=None)
# for tests/mutants: the same examples, a few of them; a failure is all that counts, so nothing is shrunk
settings.register_profile(
    "mutants", settings.get_profile("ci"), max_examples=25, database=None, phases=(Phase.explicit, Phase.generate)
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(scope="session")
def traces() -> Path:
    """Folder of the optional real traces; the test is skipped where they are absent."""
    default = Path(__file__).resolve().parents[2] / "shared" / "traces"
    folder = Path(os.environ.get("LAYERED_PAGING_TRACES", default))
    if not folder.is_dir():
        pytest.skip(f"real traces are absent: no folder {folder}; set LAYERED_PAGING_TRACES")
    return folder
