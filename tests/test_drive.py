"""The drive reads a real file by a policy's own decisions, counts as the replay does, and its clock is a real fit."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import layered_paging as lp
from layered_paging.cli import main
from layered_paging.errors import ParameterError
from layered_paging.plan import Clock, disk, drive, fit
from layered_paging.plan.weights import ALIGNED, layout, make, opened
from layered_paging.samples import SAMPLE


@pytest.fixture(scope="module")
def small() -> lp.Trace:
    ids = np.random.default_rng(1).integers(0, 4, (24, 2, 1))
    return lp.Trace(ids, 4, expert_bytes=[5_000, 9_000])


@pytest.mark.parametrize("io", ["direct", "buffered", "mmap"])
def test_counts_equal_the_replay_and_the_pool_holds_what_it_says(io: str, small: lp.Trace, tmp_path: Path) -> None:
    found = drive(
        small, tmp_path / "w", policies=["lru", "llru"], slots=[2, 3, 6], io=io, turns=2, tokens=24, check=True
    )
    assert (tmp_path / "w").stat().st_size == 4 * 8192 + 4 * 12288
    for run in found.runs:
        assert run.loads == lp.replay(small, run.policy, run.slots).misses
        assert len(run.seconds) == 2 and run.measured > 0
        assert run.fitted == (run.slots in (2, 6))
    assert found.error is not None and found.null_error is not None


def test_the_check_of_the_pool_can_fail(small: lp.Trace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk._Reader, "load", lambda self, page, place: None)
    with pytest.raises(AssertionError, match="does not hold"):
        drive(small, tmp_path / "w", policies=["lru"], slots=[2, 3], turns=1, tokens=10, check=True)


@pytest.mark.parametrize("io", ["buffered", "mmap"])
def test_a_file_that_is_cut_meanwhile_is_refused(io: str, small: lp.Trace, tmp_path: Path) -> None:
    def cut(what: str) -> None:
        if what.startswith("turn 2"):
            os.truncate(tmp_path / "w", 4096)

    with pytest.raises(ParameterError, match=r"must have 81,920 bytes; it was cut to 4,096 while it was read"):
        drive(small, tmp_path / "w", policies=["lru"], slots=[2, 3], io=io, turns=2, tokens=24, tick=cut)


@pytest.mark.parametrize("at", [0, 3])
def test_a_mapped_file_is_asked_for_its_size_before_each_event_that_loads(
    at: int, small: lp.Trace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load, done = disk._Reader.load, tmp_path / "done"  # a file: a map is read in another process

    def cutting(self: disk._Reader, page: int, place: int) -> None:
        number = done.stat().st_size if done.exists() else 0
        with done.open("ab") as file:
            file.write(b".")
        if number == at:
            os.truncate(tmp_path / "w", 0)
        else:
            load(self, page, place)

    monkeypatch.setattr(disk._Reader, "load", cutting)
    with pytest.raises(ParameterError, match="it was cut to 0 while it was read"):
        drive(small, tmp_path / "w", policies=["lru"], slots=[2, 3], io="mmap", turns=1, tokens=24)
    assert done.stat().st_size == at + 1


def test_a_mapped_file_that_is_cut_within_an_event_is_one_line(
    small: lp.Trace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    load, kept = disk._Reader.load, tmp_path / "t.npz"

    def cutting(self: disk._Reader, page: int, place: int) -> None:
        os.truncate(tmp_path / "w", 0)
        load(self, page, place)

    monkeypatch.setattr(disk._Reader, "load", cutting)
    lp.save_trace(small, kept)
    words = ["drive", str(kept), "--file", str(tmp_path / "w"), "--slots", "2", "3", "--first", "24"]
    assert main([*words, "--io", "mmap"]) == 2
    assert capfd.readouterr().err == "layered-paging drive: the mapped file was cut while it was read\n"


def test_a_file_that_cannot_be_used_is_refused(small: lp.Trace, tmp_path: Path) -> None:
    holes = tmp_path / "holes"
    with holes.open("wb") as file:
        file.truncate(1 << 20)
    with pytest.raises(ParameterError, match="has holes"):
        opened(holes, 1 << 20, "buffered")
    with (tmp_path / "promised").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, 1 << 20)
    with pytest.raises(ParameterError, match="are zeros"):
        opened(tmp_path / "promised", 1 << 20, "buffered")
    with pytest.raises(ParameterError, match="no such folder"):
        make(tmp_path / "nowhere" / "w", 4096)
    (tmp_path / "short").write_bytes(b"x" * 100)
    with pytest.raises(ParameterError, match="must hold all experts"):
        opened(tmp_path / "short", 200, "buffered")
    with pytest.raises(ParameterError, match="regular file"):
        opened(tmp_path, 1, "direct")
    with pytest.raises(ParameterError, match="would leave less than"):
        make(tmp_path / "huge", 1 << 60)
    assert not (tmp_path / "huge").exists()
    with pytest.raises(ParameterError, match="expert_bytes"):
        layout(lp.Trace([[0]], 2), 1.0)
    for wrong in ({"slots": [3]}, {"compute": -1.0}, {"io": "tape"}, {"scale": 0.0}, {"tokens": 1}):
        options = {"slots": [2, 3], **wrong}
        with pytest.raises(ParameterError):
            drive(small, tmp_path / "w", policies=["lru"], **options)


def test_a_layout_is_aligned_and_keeps_the_order(small: lp.Trace) -> None:
    offsets, sizes = layout(small, 0.5)
    assert (sizes % ALIGNED == 0).all() and (offsets % ALIGNED == 0).all()
    assert (np.diff(offsets) == sizes[:-1]).all() and sizes.min() >= ALIGNED
    assert (sizes >= np.asarray(small.page_bytes) * 0.5).all()


@given(st.floats(0.001, 1), st.floats(1e8, 1e10), st.lists(st.integers(1, 10**9), min_size=2, max_size=8, unique=True))
def test_a_line_is_found_again(compute: float, bandwidth: float, loaded: list[int]) -> None:
    clock = Clock(compute, bandwidth)
    if max(loaded) / bandwidth < compute * 1e-3 or max(loaded) - min(loaded) < 1000:
        return
    found = fit(loaded, [clock.token(1, x) for x in loaded])
    assert found.clock.compute == pytest.approx(compute, rel=1e-3, abs=1e-6)
    assert found.clock.bandwidth == pytest.approx(bandwidth, rel=1e-3)
    assert max(map(abs, found.residuals)) < 1e-6


def test_an_overlapped_clock_has_a_flat_part() -> None:
    clock = Clock(0.02, 1e9, overlap=True)
    loaded = [1e6, 5e6, 1e7, 4e7, 8e7]
    found = fit(loaded, [clock.token(1, x) for x in loaded], overlap=True)
    assert found.clock.compute == pytest.approx(0.02) and found.clock.bandwidth == pytest.approx(1e9)
    assert not found.note


def test_where_the_model_does_not_fit_it_is_said() -> None:
    assert "do not explain" in fit([1e6, 2e6, 3e6], [0.03, 0.03, 0.02]).note
    assert "off a run" in fit([1e6, 2e6, 3e6, 4e6], [0.01, 0.04, 0.03, 0.06]).note
    assert "below zero" in fit([1e6, 2e6], [0.001, 0.01]).note
    for loaded, seconds in (
        ([1.0], [1.0]),
        ([1.0, 1.0], [1.0, 2.0]),
        ([1.0, 2.0], [0.0, 1.0]),
        ([1.0, 2.0], [1.0, float("nan")]),
    ):
        with pytest.raises(ParameterError):
            fit(loaded, seconds)


def test_a_share_on_the_cpu_and_values_out_of_range() -> None:
    clock = Clock(0.01, 1e9, latency=1e-4, on_cpu=0.5, cpu=2e-3)
    assert clock.token(10, 1e7) == pytest.approx(0.01 + 0.5 * 10 * 2e-3 + 0.5 * (0.01 + 1e-3))
    for wrong in ({"compute": -1}, {"bandwidth": 0}, {"on_cpu": 2}, {"latency": float("nan")}):
        with pytest.raises(ParameterError):
            Clock(**{"compute": 0.01, "bandwidth": 1e9, **wrong})


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "drive",
        str(SAMPLE),
        "--file",
        str(tmp_path / "w"),
        "--slots",
        "12",
        "24",
        "48",
        "--first",
        "20",
        "--turns",
        "1",
    ]
    assert main([*words, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [run["slots"] for run in answer["runs"]] == [12, 12, 24, 24, 48, 48]
    assert main(words) == 0
    assert "Mean absolute error" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main([*words, "--layer-compute", "5"])
    assert "must be a time" in capsys.readouterr().err
    assert os.path.getsize(tmp_path / "w") >= 96 * 73_000


def test_the_size_of_an_expert_is_the_option_of_all_commands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lp.save_trace(lp.Trace([[0], [1], [0], [1]], 2), tmp_path / "t.npz")
    given = ["drive", str(tmp_path / "t.npz"), "--file", str(tmp_path / "w"), "--slots", "1", "2", "--turns", "1"]
    assert main([*given, "--io", "buffered", "--policy", "lru", "--expert-bytes", "8KiB", "--json"]) == 0
    assert {run["loaded"] for run in json.loads(capsys.readouterr().out)["runs"]} == {4 * 8192, 2 * 8192}
    assert main(["drive", str(SAMPLE), *given[2:], "--expert-bytes", "8KiB"]) == 2
    assert "--expert-bytes is for a log that does not say the sizes of experts" in capsys.readouterr().err
