"""Memory of a replay: a few bytes a request."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).parent / "benchmarks" / "memory.py"


def test_memory_of_a_long_replay() -> None:
    requests = 100_000_000 if os.environ.get("LAYERED_PAGING_FULL") else 4_000_000
    words = [sys.executable, str(BENCHMARK), "--json", "--requests", str(requests)]
    found = json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    peak = max(row["peak_gib"] for row in found["rows"])
    # Python, numpy and numba take up to 0.4 GiB; the trace 2 bytes a request, its sorted copy 2, a bit each for places
    assert peak < 0.5 + requests * 8 / 2**30
    assert peak < 2
