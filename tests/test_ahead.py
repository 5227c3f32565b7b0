"""Kernels compiled ahead: found on a fresh machine, for the sources they are of, and nowhere else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import layered_paging as lp
from layered_paging.core import renting, shipped
from layered_paging.core.renting import Lease, buying
from layered_paging.samples import SAMPLE

CODE = """
import layered_paging as lp, logging, sys
from layered_paging.samples import SAMPLE
logging.basicConfig(level=logging.DEBUG, stream=sys.stdout, format="%(message)s")
for engine in ("auto", "kernel"):
    run = lp.replay(lp.load_trace(SAMPLE).select([0]), "fifo", 24, engine=engine)
    print("misses", run.misses)
"""


def said(ahead: Path, home: Path) -> list[str]:
    """Return what a process with an empty cache of its own says when it replays."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(home), "LAYERED_PAGING_KERNELS": str(ahead)}
    environment.pop("NUMBA_CACHE_DIR", None)
    done = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if line.startswith(("misses", "compiling", "fifo"))]


@pytest.fixture(scope="module")
def ahead(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the kernel of one policy, compiled ahead."""
    folder = tmp_path_factory.mktemp("ahead")
    words = [sys.executable, "-m", "layered_paging.ahead", str(folder), "--policy", "fifo"]
    told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert " kernels, " in told
    return folder


def test_a_fresh_machine_compiles_nothing(ahead: Path, tmp_path: Path) -> None:
    reference = lp.replay(lp.load_trace(SAMPLE).select([0]), "fifo", 24, engine="reference").misses
    assert said(ahead, tmp_path) == ["fifo: compiled kernel", *[f"misses {reference}"] * 2]
    assert not list(tmp_path.rglob("*.code"))


def test_what_is_damaged_or_of_other_sources_is_compiled_as_ever(ahead: Path, tmp_path: Path) -> None:
    reference = lp.replay(lp.load_trace(SAMPLE).select([0]), "fifo", 24, engine="reference").misses
    (loop,) = list(ahead.rglob("_replay-*.code"))
    whole = loop.read_bytes()
    try:
        loop.write_bytes(whole[:-1])
        told = said(ahead, tmp_path / "damaged")
        assert "compiling layered_paging.engine.loop._replay" in told
        assert [line for line in told if line.startswith("misses")] == [f"misses {reference}"] * 2
    finally:
        loop.write_bytes(whole)
    folder = loop.parent
    moved = folder.rename(folder.with_name(folder.name[:-16] + "0" * 16))  # as if it were of other sources
    try:
        assert "compiling layered_paging.engine.loop._replay" in said(ahead, tmp_path / "other")
    finally:
        moved.rename(folder)


def test_nothing_is_looked_for_where_no_folder_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAYERED_PAGING_KERNELS", str(tmp_path / "none"))
    assert shipped.shipped() is None
    monkeypatch.setenv("LAYERED_PAGING_KERNELS", str(tmp_path))
    assert shipped.shipped() == shipped.ahead_of(tmp_path)


def test_without_numba_a_folder_has_a_name_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise shipped.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(shipped.metadata, "version", absent)
    monkeypatch.setattr(shipped, "_installed", shipped._installed.__wrapped__)  # it is asked once for each process
    assert shipped.ahead_of(tmp_path) == tmp_path / "numba-none"


def test_a_kernel_compiled_ahead_is_bought(tmp_path: Path) -> None:
    mark = tmp_path / "ahead"
    assert not Lease(tmp_path / "mine", mark).bought
    mark.write_text("")
    assert Lease(tmp_path / "mine", mark).bought


def test_whatever_is_used_is_bought_where_that_is_said(tmp_path: Path) -> None:
    kernel = Lease(tmp_path / "x")
    with buying():
        assert kernel.wanted(0.0, 60.0)
    assert not kernel.wanted(0.0, 60.0)
    found = kernel.cheaper("x", 0.0, 60.0, lambda: "plain", lambda: "compiled")
    assert found == "plain" and not kernel.bought
    with renting.buying():
        assert kernel.cheaper("x", 0.0, 60.0, lambda: "plain", lambda: "compiled") == "compiled"
    assert kernel.bought
