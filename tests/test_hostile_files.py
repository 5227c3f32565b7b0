"""Broken and hostile trace files: always one line that says where, never a traceback, never gigabytes."""

from __future__ import annotations

import gzip
import io
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import layered_paging as lp
from layered_paging.errors import FormatError, LayeredPagingError, TraceError
from layered_paging.formats import FORMATS
from tests.hostile import EVENTS, ROUTE, bomb, refused, saved

HEADER = {"format": "layered-paging trace", "version": 1, "layers": 1, "n_experts": 4, "top_k": 2}


# any file


def test_missing_empty_directory_device(tmp_path: Path) -> None:
    refused(tmp_path / "t.npz", "no such file")
    refused(saved(tmp_path / "e.jsonl", b""), "the file is empty")
    (tmp_path / "d.npz").mkdir()
    refused(tmp_path / "d.npz", "this is a directory")
    os.mkfifo(tmp_path / "fifo.npz")
    refused(tmp_path / "fifo.npz", "not a regular file")
    with pytest.raises(FormatError, match="not a path"):
        lp.load_trace("a\0b.npz")
    (tmp_path / "loop.npz").symlink_to("loop.npz")
    refused(tmp_path / "loop.npz", "cannot be read")
    refused(saved(tmp_path / "f", b"x") / "t.npz", "cannot be read")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_no_permission(tmp_path: Path) -> None:
    path = saved(tmp_path / "t.npz", b"PK\x03\x04")
    path.chmod(0)
    refused(path, "Permission denied")


def test_no_permission_as_anybody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: Any, **__: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    path = saved(tmp_path / "t.npz", b"PK\x03\x04")
    monkeypatch.setattr(Path, "open", denied)
    refused(path, "cannot be read; Permission denied")


@pytest.mark.parametrize("content", [b"\x00" * 100, bytes(range(256)), b"hello\n", b"\x7fELF" + b"\0" * 60])
def test_junk_lists_the_formats(content: bytes, tmp_path: Path) -> None:
    refused(saved(tmp_path / "t.bin", content), "npz (*.npz), jsonl (*.jsonl)", "events_csv", "route_csv", "parquet")
    for known in FORMATS:
        refused(saved(tmp_path / f"t{known.suffixes[0]}", content))


def test_save_leaves_no_half_file(tmp_path: Path) -> None:
    with pytest.raises(LayeredPagingError, match="cannot be written"):
        lp.save_trace(lp.Trace([[0]]), tmp_path / "none" / "t.npz")
    assert list(tmp_path.iterdir()) == []


# JSON Lines


def rounds(path: Path, *objects: Any, **header: Any) -> Path:
    first = json.dumps({**HEADER, **header})
    return saved(
        path, "".join(f"{made if isinstance(made, str) else json.dumps(made)}\n" for made in [first, *objects])
    )


def test_jsonl_says_the_line(tmp_path: Path) -> None:
    good = [{"experts": [[0, 1]]}] * 201
    path = rounds(tmp_path / "trace.jsonl", *good, {"experts": [[3, 3]]}, *good)
    with pytest.raises(FormatError) as caught:
        lp.load_trace(path)
    assert str(caught.value).endswith("trace.jsonl line 203: 'experts' must be distinct; got [3, 3]")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ('{"experts": [[0,1]', "not JSON"),
        ("[" * 500, "not JSON"),
        ("5", "must be an object with 'experts'; got 5"),
        ("{}", "must be an object with 'experts'"),
        ('{"experts": 5}', "must be a list of 1 layers; got 5"),
        ('{"experts": [[0], [1]]}', "must be a list of 1 layers; got 2"),
        ('{"experts": [[0, 1, 2]]}', "at most top_k = 2 entries; got 3"),
        ('{"experts": [[0, 4]]}', "'experts' of layer 0 must be integers in 0..3, or -1 for none; got 4"),
        ('{"experts": [[0, -2]]}', "got -2"),
        ('{"experts": [[0, 1.5]]}', "got 1.5"),
        ('{"experts": [[0, true]]}', "got true"),
        ('{"experts": [["0", "1"]]}', 'got "0"'),
        ('{"experts": [[0, null]]}', "got null"),
        ('{"experts": [[0, [1]]]}', "got [1]"),
        ('{"experts": [[0, NaN]]}', "NaN is not JSON"),
        ('{"experts": [[0, 99999999999999999999]]}', "got 99999999999999999999"),
        ('{"experts": [[0, ' + "9" * 999 + "]]}", "integers in 0..3"),
        ('{"experts": [[1, 1]]}', "'experts' must be distinct; got [1, 1]"),
        ('{"experts": [[0, 1]], "experts": [[0, 1]]}', "'experts' stands twice"),
        ('{"experts": [[0, 1]], "expert": 1}', "unknown entry 'expert'"),
        ('{"experts": [[0, 1]], "stage": 2}', "'stage' must be 0 (prefill) or 1 (decode); got 2"),
        ('{"experts": [[0, 1]], "stage": true}', "got true"),
        (
            '{"experts": [[0, 1]], "session": 2}',
            "'session' must start with 0 and stay or rise by 1, or be a name; got 2 after 0",
        ),
        ('{"experts": [[0, 1]], "session": -1}', "got -1 after 0"),
        ('{"experts": [[0, 1]], "session": []}', "got []"),
        ('{"experts": [[0, 1]], "session": true}', "got true"),
        ('{"experts": [[0, 1]], "session": "b"}', "must be a name in every line or a number in every line"),
        ('{"experts": [[0, 1]], "phase": 0}', "unknown entry 'phase', which may stand for 'stage'"),
        ('{"experts": [[0, 1]], "request_id": 7}', "unknown entry 'request_id', which may stand for 'session'"),
        ('{"experts": [[0, 1]], "Weight": [[1, 1]]}', "unknown entry 'Weight', which may stand for 'weights'"),
        ('{"experts": [[0, 1]], "weights": [[1, 1]]}', "must not have 'weights'"),
        ("x" * 5000, "longer than"),
        ('{"experts": [[0, 1]], "\ud800": 1}'.encode("utf-8", "surrogatepass"), "UTF-8"),
        (b'{"experts": [[\xff]]}', "UTF-8"),
    ],
)
def test_jsonl_rounds(line: str | bytes, said: str, tmp_path: Path) -> None:
    good = json.dumps({"experts": [[0, 1]]}).encode()
    data = line if isinstance(line, bytes) else line.encode()
    path = saved(tmp_path / "t.jsonl", b"\n".join([json.dumps(HEADER).encode(), good, data, good, b""]))
    refused(path, "t.jsonl line 3: ", said)


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ([[1]], "'weights' of layer 0 must be one for each entry of 'experts'; got 1 for 2"),
        ([[1, "a"]], 'must be numbers or null; got "a"'),
        ([[1, None]], "must be finite float32 where an expert is"),
        ([[1, 1e300]], "must be finite float32"),
        ([[1, 10**400]], "must be finite"),
        (5, "'weights' must be a list of 1 layers"),
    ],
)
def test_jsonl_weights(weights: Any, said: str, tmp_path: Path) -> None:
    short = rounds(tmp_path / "s.jsonl", {"experts": [[0]], "weights": [[0.5, 0.5]]}, weights="float32")
    refused(short, "line 2: ", "one for each entry of 'experts'; got 2 for 1")
    path = rounds(tmp_path / "t.jsonl", {"experts": [[0, 1]], "weights": weights}, weights="float32")
    refused(path, "line 2: ", said)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ({"format": "else"}, "a table must have a column of layer"),
        ({"version": 2}, "'version' must be 1; got 2"),
        ({"layers": 0}, "'layers' must be an integer of at least 1; got 0"),
        ({"layers": 10**30}, "layers would take"),
        ({"layers": 10**9}, "layers would take"),
        ({"layers": 10**6, "top_k": 10**6}, "would take"),
        ({"top_k": 10**12}, "would take"),
        ({"layers": None}, "'layers' must be"),
        ({"top_k": 1.5}, "'top_k' must be"),
        ({"n_experts": []}, "'n_experts' must be one int, or one for each of 1 layers; got 0"),
        ({"n_experts": [4, 4]}, "one for each of 1 layers; got 2"),
        ({"n_experts": 2**31}, "at most 2147483647"),
        ({"n_experts": "9" * 10_000}, "'n_experts' must be"),
        ({"rounds": 7}, "must hold the 7 rounds that line 1 states; the file ends after 1"),
        ({"rounds": -1}, "'rounds' must be"),
        ({"expert_bytes": -1}, "'expert_bytes' must be integers of at least 1; got -1"),
        ({"expert_bytes": [1, 2]}, "expert_bytes must be one int"),
        ({"expert_bytes": 2**70}, "'expert_bytes' must be integers"),
        ({"expert_bytes": {"a": 1}}, "'expert_bytes' must be integers"),
        ({"weights": "complex128"}, "'weights' must be null or one of float16"),
        ({"weights": ["float32"]}, "'weights' must be null"),
        ({"meta": 3}, "'meta' must be an object; got 3"),
        ({"extra": 3}, "unknown entry 'extra'"),
    ],
)
def test_jsonl_headers(header: dict[str, Any], said: str, tmp_path: Path) -> None:
    refused(rounds(tmp_path / "t.jsonl", {"experts": [[0, 1]]}, **header), said)


def test_jsonl_header_only_and_deep(tmp_path: Path) -> None:
    refused(rounds(tmp_path / "t.jsonl"), "must hold at least one round")
    refused(saved(tmp_path / "u.jsonl", '{"format": ' + "[" * 200_000), "nested too deeply")  # one document
    refused(saved(tmp_path / "v.jsonl", '{"a": "' + "x" * (17 << 20)), "not JSON")
    refused(rounds(tmp_path / "w.jsonl", {"experts": [[-1, -1]]}), "at least one request")


def test_gzip_cut_or_damaged(tmp_path: Path) -> None:
    whole = gzip.compress(
        rounds(tmp_path / "r.jsonl", *[{"experts": [[0, i % 3 + 1]]} for i in range(500)]).read_bytes()
    )
    for cut in (3, 10, 12, 30, len(whole) // 2, len(whole) - 1):
        refused(saved(tmp_path / "t.jsonl.gz", whole[:cut]))
    for at in (2, 3, 20, len(whole) // 2, len(whole) - 6, len(whole) - 2):
        data = bytearray(whole)
        data[at] ^= 0x55
        refused(saved(tmp_path / "t.jsonl.gz", bytes(data)))
    refused(saved(tmp_path / "t.jsonl.gz", whole + b"junk"))


def test_gzip_bomb_is_one_long_line(tmp_path: Path) -> None:
    raw = io.BytesIO()
    with gzip.GzipFile(fileobj=raw, mode="wb") as stream:
        stream.write(b'{"a": "')
        for _ in range(64):
            stream.write(b" " * (1 << 20))
    refused(saved(tmp_path / "t.jsonl.gz", raw.getvalue()), "may ask for")  # one document, refused before it is held


# anything at all


@pytest.mark.parametrize("suffix", [known.suffixes[0] for known in FORMATS])
def test_damage_never_escapes(suffix: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("damage")
    trace = lp.workloads.zipf(layers=2, experts=4, rounds=12, top_k=2)
    lp.save_trace(lp.Trace(trace.experts, 4), folder / f"whole{suffix}")
    whole = (folder / f"whole{suffix}").read_bytes()
    places = st.integers(0, len(whole) - 1)
    pieces = st.sampled_from(
        [b"", b"\0", b"\n", b",", b" ", b"-", b"9", b"9" * 30, b"[", b'"', b"\xff", b"e9", b"nan", b"\r"]
    )
    harmless = 0

    @settings(max_examples=150)
    @given(st.lists(st.tuples(places, st.integers(0, 4), pieces), min_size=1, max_size=3))
    def check(changes: list[tuple[int, int, bytes]]) -> None:
        nonlocal harmless
        data = whole
        for at, length, piece in changes:
            data = data[:at] + piece + data[at + length :]
        path = saved(folder / f"t{suffix}", data)
        try:
            lp.load_trace(path)
            harmless += 1
        except TraceError as error:
            assert "\n" not in str(error) and path.name in str(error)

    check()
    assert harmless < 150


@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space the way Linux does")
def test_small_files_need_no_large_memory(tmp_path: Path) -> None:
    """Under a limit on the address space every bomb is refused, not survived by luck."""
    paths = [
        bomb(tmp_path / "a.npz", 4_000_000_000),
        rounds(tmp_path / "b.jsonl", {"experts": [[0]]}, layers=1, top_k=4_000_000_000),
        rounds(tmp_path / "c.jsonl", {"experts": [[0]]}, layers=2_000_000_000),
        saved(tmp_path / "d.events.csv", EVENTS + "0,0,0,1,0,0\n0,1,2000000000,1,0,0\n"),
        saved(tmp_path / "e.route.csv", ROUTE.replace("used=2", "used=900000000") + "0,1,0,0,0,3,0.5,0,0\n"),
    ]
    code = "import sys, layered_paging as lp\nfor p in sys.argv[1:]:\n  try: lp.load_trace(p)\n  except lp.LayeredPagingError as e: print(e)"

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))

    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, paths)],
        capture_output=True,
        text=True,
        preexec_fn=limit,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("would take") == len(paths), done.stdout


@pytest.mark.parametrize("packed", [True, False])
def test_a_full_temporary_folder_is_named(packed: bool, tmp_path: Path) -> None:
    trace = lp.workloads.uniform(layers=2, experts=50, rounds=20_000, top_k=2)
    lp.save_trace(trace, tmp_path / "t.npz")
    whole = (tmp_path / "t.npz").read_bytes()
    (tmp_path / "t.npz.gz").write_bytes(gzip.compress(whole))
    (tmp_path / "tmp").mkdir()
    words = ["inspect", str(tmp_path / "t.npz.gz") if packed else "-"]
    done = subprocess.run(
        [sys.executable, "-m", "layered_paging", *words],
        input=None if packed else whole,
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp")},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 12, 1 << 12)),
        capture_output=True,
        check=False,
    )
    said = done.stderr.decode()
    what = "t.npz.gz: cannot be unpacked into" if packed else "standard input: cannot be kept in"
    assert (done.returncode, done.stdout, said.count("\n")) == (2, b"", 1)
    assert f"{what} {tmp_path}/tmp/" in said and said.endswith("; File too large (TMPDIR names another folder)\n")
    assert list((tmp_path / "tmp").iterdir()) == []
