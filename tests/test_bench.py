"""The table of benchmarks runs, and its rows say what they must; no test asserts a time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

TABLE = Path(__file__).parent / "benchmarks" / "table.py"


def test_the_table_runs() -> None:
    for name in ("libcachesim", "pandas", "pyarrow", "ortools"):
        pytest.importorskip(name)
    words = [sys.executable, str(TABLE), "reading", "flows", "--quick", "--json"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert "cores" in found["machine"]
    assert {row["peer"] for row in found["rows"]} == {"pyarrow", "pandas", "networkx", "highs", "ortools"}
    assert all(row["ours"] > 0 and row["peers"] > 0 and row["ratio"] > 0 for row in found["rows"])


def test_an_unknown_part_is_refused() -> None:
    done = subprocess.run([sys.executable, str(TABLE), "poems"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "unknown part 'poems'; available: replay" in done.stderr
