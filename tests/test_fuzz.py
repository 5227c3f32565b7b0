"""A short run of the fuzzer, and that it can find something."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from layered_paging.errors import LayeredPagingError

FUZZ = Path(__file__).parent / "fuzz" / "run.py"
SHORT = ("jsonl", "npz", "parquet", "spec", "certificate", "network", "snapshot")


def harness() -> Any:
    spec = importlib.util.spec_from_file_location("fuzz_run", FUZZ)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_short_run_finds_nothing(tmp_path: Path) -> None:
    pytest.importorskip("atheris", reason="atheris is for Linux and Python before 3.14")
    pytest.importorskip("pyarrow")
    full = bool(os.environ.get("LAYERED_PAGING_FULL"))
    words = [sys.executable, str(FUZZ), "--json", "--keep", str(tmp_path), "--seconds", "60" if full else "2"]
    done = subprocess.run([*words, *([] if full else SHORT)], capture_output=True, text=True, check=False)
    found = json.loads(done.stdout)
    assert done.returncode == 0 and found["findings"] == 0, done.stdout.replace("\\n", "\n")
    assert all(row["executions"] > 0 for row in found["targets"])


def test_a_short_run_on_the_header_finds_what_is_wrong_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("clang") is None:
        pytest.skip("there is no clang")
    run = harness()
    row = run.run("header", 2, tmp_path)
    assert row["executions"] > 0 and row["findings"] == 0, row
    include = FUZZ.parents[2] / "layered_paging" / "live" / "layered_cache.h"
    (tmp_path / "layered_cache.h").write_text(include.read_text().replace("|| n > quota", ""))
    source = tmp_path / "wrong.c"  # its own header, beside it, comes first
    source.write_text((FUZZ.parents[1] / "header" / "fuzz.c").read_text())
    monkeypatch.setitem(run.NATIVE, "wrong", source)
    assert run.run("wrong", 20, tmp_path)["findings"] > 0


def test_the_fuzzer_can_find(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = harness()

    def crash(path: Path) -> None:
        raise ZeroDivisionError

    def two_lines(path: Path) -> None:
        class Wrong(LayeredPagingError):
            __str__ = Exception.__str__

        raise Wrong("a\nb")

    def refuse(path: Path) -> None:
        raise LayeredPagingError("a\nb")

    def slow(path: Path) -> None:
        monkeypatch.setattr(run, "SECONDS", -1)

    run.attempt(refuse, tmp_path)
    for wrong, kind in ((crash, ZeroDivisionError), (two_lines, AssertionError), (slow, AssertionError)):
        with pytest.raises(kind):
            run.attempt(wrong, tmp_path)
    monkeypatch.undo()
    code = f"import sys; sys.path.insert(0, {str(FUZZ.parent)!r}); import run; "
    code += "run.attempt(lambda p: bytearray(b'x' * (600 << 20)), None)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "MiB" in done.stderr


def test_every_kind_of_file_has_a_target_and_seeds_that_read(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    run = harness()
    for name, (seeds, read, suffix) in run.TARGETS.items():
        folder = tmp_path / name
        folder.mkdir()
        seeds(folder)
        made = sorted(folder.iterdir())
        assert made, name
        passed = 0
        for seed in made:
            path = tmp_path / f"{name}-{seed.name}{suffix}"
            path.write_bytes(seed.read_bytes())
            try:
                read(path)
                passed += 1
            except LayeredPagingError:
                pass
        assert passed, name
