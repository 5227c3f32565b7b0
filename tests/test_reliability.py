"""What is left when a write ends early: nothing, and a line that says why."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import layered_paging as lp
from layered_paging.cli import main
from layered_paging.core import files
from layered_paging.errors import FormatError, LayeredPagingError
from layered_paging.profiles.profile import Profile

SAMPLE = str(Path(lp.__file__).parent / "samples" / "sample.npz")
SUFFIXES = ("npz", "jsonl", "jsonl.gz", "parquet")
WRITE = """
import os, signal, sys
from layered_paging.core.files import replacing
with replacing(sys.argv[1]) as stream:
    stream.write(b"half" * 100_000)
    stream.flush()
    {act}
"""


def small_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("before", [None, b"old"])
def test_a_full_disk(suffix: str, before: bytes | None, tmp_path: Path) -> None:
    if suffix == "parquet":
        pytest.importorskip("pyarrow")
    target = tmp_path / f"t.{suffix}"
    if before is not None:
        target.write_bytes(before)
    words = [sys.executable, "-m", "layered_paging", "convert", SAMPLE, str(target), "--force"]
    done = subprocess.run(words, capture_output=True, text=True, preexec_fn=small_files, check=False)
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1 and "cannot be written" in done.stderr
    assert list(tmp_path.iterdir()) == ([] if before is None else [target])
    assert before is None or target.read_bytes() == before


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="needs files without a name")
@pytest.mark.parametrize(
    ("act", "code"),
    [
        ("os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM),
        ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
        ("os.kill(os.getpid(), signal.SIGINT)", -signal.SIGINT),
        ("raise SystemExit(3)", 3),
        ("pass", 0),
    ],
)
def test_nothing_is_left_of_a_killed_write(act: str, code: int, tmp_path: Path) -> None:
    target = tmp_path / "t.bin"
    target.write_bytes(b"old")
    done = subprocess.run([sys.executable, "-c", WRITE.format(act=act), str(target)], capture_output=True, check=False)
    assert done.returncode == code
    assert list(tmp_path.iterdir()) == [target]
    assert target.read_bytes() == (b"half" * 100_000 if code == 0 else b"old")


def test_without_nameless_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    files.write_atomic(tmp_path / "t", b"whole")
    with pytest.raises(KeyboardInterrupt), files.replacing(tmp_path / "t") as stream:
        stream.write(b"half")
        raise KeyboardInterrupt
    assert [p.name for p in tmp_path.iterdir()] == ["t"] and (tmp_path / "t").read_bytes() == b"whole"


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="needs files without a name")
def test_where_the_system_refuses_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refused)
    files.write_atomic(tmp_path / "t", b"whole")
    assert [p.name for p in tmp_path.iterdir()] == ["t"] and (tmp_path / "t").read_bytes() == b"whole"


def test_pipes_and_devices_are_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for target in (tmp_path / "fifo", tmp_path, Path("/dev/full")):
        with pytest.raises(LayeredPagingError, match="cannot be written; what is there is not a regular file"):
            files.write_atomic(target, b"x")
    assert (tmp_path / "fifo").is_fifo() and Path("/dev/full").is_char_device()
    words = ["optimum", SAMPLE, "--slots", "48", "--admission", "forced", "-o", str(tmp_path / "fifo")]
    done = subprocess.run([sys.executable, "-m", "layered_paging", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "not a regular file" in done.stderr


def test_a_folder_that_may_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: Any, **__: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", denied)
    with pytest.raises(LayeredPagingError, match="cannot be written; Permission denied"):
        files.write_atomic(tmp_path / "t", b"x")
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == []


def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        files.write_atomic(tmp_path / "t", b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "t").stat().st_mode & 0o777 == 0o640


def test_a_file_is_read_whole_or_refused(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    assert files.read_whole(tmp_path / "f", 3, "note") == b"abc"
    with pytest.raises(FormatError, match="f: a note has at most 0 MiB"):
        files.read_whole(tmp_path / "f", 2, "note")
    with pytest.raises(FormatError, match="absent: cannot be read; No such file"):
        files.read_whole(tmp_path / "absent", 3, "note")
    with pytest.raises(LayeredPagingError, match="cannot be read"):
        files.read_whole(tmp_path, 3, "note", LayeredPagingError)


@pytest.mark.parametrize("name", ["t.jsonl", "t.jsonl.gz", "t.npz", "notes.txt"])
def test_a_certificate_or_a_profile_replaces_nothing_else(tmp_path: Path, name: str) -> None:
    path, trace = tmp_path / name, lp.Trace([[0], [1], [0]], 3)
    if name == "notes.txt":
        path.write_text("mine")
    else:
        lp.save_trace(trace, path)
    before = path.read_bytes()
    certificate = lp.optimum(trace, 1, admission="forced").certificate
    for made in (certificate, Profile.of(trace)):
        with pytest.raises(FormatError, match="is there already and is no layered-paging"):
            made.save(path)
    assert main(["ratio", "lru", "--layers", "1", "--experts", "3", "--slots", "2", "-o", str(path)]) == 2
    assert path.read_bytes() == before
    for name in ("c.json", "c.json.gz"):
        for _ in range(2):  # its own kind is replaced
            certificate.save(tmp_path / name)
    assert main(["gap", str(tmp_path / "t.events.csv"), "-o", str(tmp_path / "t.events.csv")]) == 2
