"""Broken and hostile trace files: always one line that says where, never a traceback, never gigabytes."""

from __future__ import annotations

import gzip
import io
import json
import os
import resource
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import layered_paging as lp
from layered_paging.errors import FormatError, LayeredPagingError, TraceError
from layered_paging.formats import FORMATS, common

HEADER = {"format": "layered-paging trace", "version": 1, "layers": 1, "n_experts": 4, "top_k": 2}
ROUTE = (
    "# route_trace v1\n# model=m arch=a n_layer=2 n_expert=4 n_expert_used=2\n"
    "# layer=0 expert_bytes=10 dense_bytes=1\n# layer=1 expert_bytes=10 dense_bytes=1\n"
    "turn,phase,step,layer,slot,expert,weight,residency,expert_bytes\n"
)
EVENTS = "event_index,scheduler_step,layer,requested_experts,misses,hits\n"


def refused(path: Path, *said: str) -> str:
    """Load the file; its error must be ours, on one line, and name the file."""
    with pytest.raises(TraceError) as caught:
        lp.load_trace(path)
    message = str(caught.value)
    assert "\n" not in message and len(message) < 600
    for part in (path.name, *said):
        assert part in message, message
    return message


def saved(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


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


# npz


def test_names_in_an_archive_do_not_break_the_message(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "t.npz", "w") as made:
        made.writestr("a\nb\u2028c.npy", b"x")
    refused(tmp_path / "t.npz", "found a\\nb\\nc")


def archive(path: Path, **arrays: Any) -> Path:
    with path.open("wb") as stream:
        np.savez_compressed(stream, **arrays)
    return path


def forged(path: Path, header: bytes, body: bytes = b"", name: str = "experts", packed: bool = True) -> Path:
    magic = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as made:
        made.writestr(f"{name}.npy", magic + body)
    return path


GOOD = np.array([[[0, 1]], [[1, 2]]], np.int16)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"other": GOOD}, "must hold an array 'experts'"),
        ({"experts": np.array([[0, None]], object)}, "array 'experts' holds Python objects (a pickle)"),
        ({"experts": GOOD, "meta": np.array({"a": 1}, object)}, "array 'meta' holds Python objects"),
        ({"experts": GOOD.astype(float)}, "array of integers; got dtype float64"),
        ({"experts": np.full((2, 1, 2), np.nan)}, "got NaN"),
        ({"experts": GOOD.astype(complex)}, "array 'experts' must hold numbers"),
        ({"experts": np.array([[["a"]]])}, "array of integers"),
        ({"experts": np.zeros((0, 2, 2), int)}, "must have shape"),
        ({"experts": np.zeros(5, int)}, "must have shape"),
        ({"experts": np.array(3)}, "must have shape"),
        ({"experts": GOOD - 3}, "experts[0, 0, 0] must be in 0..0, or -1 for none; got -3"),
        ({"experts": GOOD, "n_experts": 2}, "experts[1, 0, 1] must be in 0..1"),
        ({"experts": GOOD, "n_experts": 0}, "n_experts must be an integer of at least 1"),
        ({"experts": GOOD, "n_experts": [2.5]}, "must be an integer"),
        ({"experts": GOOD, "n_experts": [3, 3]}, "'n_experts' has one entry for each 2 of layers"),
        ({"experts": GOOD, "n_experts": [3, 3, 3]}, "one for each of the 1 layers"),
        ({"experts": GOOD, "n_experts": 2**40}, "at most 2147483647"),
        ({"experts": GOOD.astype(np.uint64) + 2**63}, "experts must be below"),
        ({"experts": GOOD * 0}, "must be distinct within an event; got [0, 0]"),
        ({"experts": GOOD * 0 - 1}, "at least one request"),
        ({"experts": GOOD, "sessions": [1]}, "sessions must start with 0"),
        ({"experts": GOOD, "sessions": [0.5]}, "sessions must be a list"),
        (
            {"experts": GOOD, "offsets": [0, 5], "n_experts": 3},
            "'offsets' must end with the number of rounds, 2; got ...[0, 5]",
        ),
        ({"experts": GOOD, "offsets": [[0, 2]], "n_experts": 3}, "'offsets' must end"),
        ({"experts": GOOD, "offsets": [0, 2], "sessions": [0]}, "holds both 'sessions' and 'offsets'"),
        ({"experts": GOOD, "stage": [0, 2]}, "stage[1] must be 0 (prefill) or 1"),
        ({"experts": GOOD, "phase": [0, 1, 0], "n_experts": 3}, "stage must hold one integer for each of the 2 rounds"),
        ({"experts": GOOD, "expert_bytes": [-5]}, "must be at least 1"),
        ({"experts": GOOD, "expert_bytes": [np.nan]}, "expert_bytes must be integers"),
        ({"experts": GOOD, "expert_bytes": np.array([2**63], np.uint64)}, "must be at least 1 and sum"),
        ({"experts": GOOD, "weights": GOOD * np.nan}, "weights[0, 0, 0] must be finite"),
        ({"experts": GOOD, "weight": np.ones(3)}, "weights must be floats of shape (2, 1, 2)"),
        ({"experts": GOOD, "meta": "{"}, "array 'meta': not JSON"),
        ({"experts": GOOD, "meta": "[1]"}, "array 'meta' must be a JSON object; got list"),
        ({"experts": GOOD, "meta": 5}, "array 'meta' must be one JSON text"),
        ({"experts": GOOD, "meta": '{"a": NaN}'}, "NaN is not JSON"),
        ({"experts": GOOD, "meta": '{"a": ' + "[" * 100_000}, "nested too deeply"),
        ({"experts": GOOD, "meta": '{"a": ' + "9" * 5000 + "}"}, "Exceeds the limit"),
        ({"experts": GOOD, "meta": '{"n_expert": "x"}'}, "n_experts must be an integer"),
    ],
)
def test_npz_arrays(arrays: dict[str, Any], said: str, tmp_path: Path) -> None:
    if not {"n_experts", "stage", "phase", "offsets"} & set(arrays):
        arrays = {**arrays, "stage": [1, 1]}  # says that rounds come first
    refused(archive(tmp_path / "t.npz", **arrays), said)


def test_npz_cut_anywhere(tmp_path: Path) -> None:
    whole = archive(tmp_path / "whole.npz", experts=np.arange(4000).reshape(500, 1, 8)).read_bytes()
    for cut in [*range(1, 60), *range(60, len(whole), 97), len(whole) - 1]:
        refused(saved(tmp_path / "t.npz", whole[:cut]))


def test_npz_damaged_data_fails_its_checksum(tmp_path: Path) -> None:
    path = tmp_path / "t.npz"
    np.savez(path, experts=np.zeros((500, 1, 1), np.int16))
    data = bytearray(path.read_bytes())
    data[600] ^= 1
    refused(saved(path, bytes(data)), "damaged", "CRC")


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("shape", ["(1000000000, 1, 2)", f"({10**30}, {10**30}, 1)", "(-1, -1, 2)", "(0, 4, 2)"])
def test_npz_header_must_fit_its_member(shape: str, packed: bool, tmp_path: Path) -> None:
    header = f"{{'descr': '<i2', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    refused(forged(tmp_path / "t.npz", header, b"\0\0\1\0", packed=packed), "claims shape", "the file holds 4")


@pytest.mark.parametrize(
    "header",
    [b"", b"{", b"(" * 3000, b"__import__('os').getpid()", b"{'descr': '<i2'}", b"{'descr': '<q9', 'fortran_order': 0, 'shape': 1}",
     b"{'descr': '<i2', 'fortran_order': False, 'shape': ('a',)}", b" " * 65000, b"\xff\xfe\0",
     b"{'descr': [('a', '<i2')], 'fortran_order': False, 'shape': (1,)}", b"{'descr': '|O', 'fortran_order': False, 'shape': (1,)}",
     b"{'descr': '|V4', 'fortran_order': False, 'shape': (1,)}", b"{'descr': '<M8[s]', 'fortran_order': False, 'shape': (0,)}"],
)  # fmt: skip
def test_npz_header_junk(header: bytes, tmp_path: Path) -> None:
    refused(forged(tmp_path / "t.npz", header, b"\0\0\1\0"), "array 'experts'")


def test_npz_not_an_array_inside(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "t.npz", "w") as made:
        made.writestr("experts.npy", b"text")
    refused(tmp_path / "t.npz", "array 'experts' has no valid npy header")
    with zipfile.ZipFile(tmp_path / "u.npz", "w", zipfile.ZIP_BZIP2) as made:
        made.writestr("experts.npy", b"text")
    refused(tmp_path / "u.npz", "must be stored or deflated")
    with zipfile.ZipFile(tmp_path / "v.npz", "w"):
        pass
    refused(tmp_path / "v.npz", "found nothing")


def bomb(path: Path, size: int) -> Path:
    """A zip whose directory claims ``size`` bytes for an array of which almost nothing is there."""
    header = f"{{'descr': '<i2', 'fortran_order': False, 'shape': ({size // 2}, 1, 1), }}"
    header = header.ljust(128 - 10 - 1) + "\n"
    forged(path, header.encode(), b"\0" * 600)
    data = path.read_bytes()
    true = (128 + 600).to_bytes(4, "little")
    assert data.count(true) == 2
    path.write_bytes(data.replace(true, (128 + size).to_bytes(4, "little")))
    return path


def test_npz_bomb_is_refused_before_allocation(tmp_path: Path) -> None:
    small = bomb(tmp_path / "t.npz", 10_000_000)
    refused(small, "array 'experts' claims 10000128 bytes", "cannot hold")
    large = bomb(tmp_path / "u.npz", 3_000_000_000)
    assert large.stat().st_size < 1000
    refused(large, "the arrays would take 6000000256 bytes")


def test_more_than_the_memory_is_refused_with_the_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = lp.Trace(np.zeros((20_000, 30, 1), np.int16))
    monkeypatch.setattr(common, "available", lambda: 1_500_000)
    for known in FORMATS:
        path = tmp_path / f"t{known.suffixes[0]}"
        lp.save_trace(trace, path)
        refused(path, "would take", "more than half of the 1500000 bytes available")


def test_damage_found_by_chance(tmp_path: Path) -> None:
    """Changes to a zip directory and to a parquet footer that once got through to a traceback."""
    data = archive(tmp_path / "w.npz", experts=GOOD).read_bytes()
    at = data.rfind(b"PK\x01\x02") + 6  # version needed to extract
    refused(saved(tmp_path / "t.npz", data[:at] + b"\x6e\x00" + data[at + 2 :]), "zip file version 11.0")
    trace, caught = lp.workloads.zipf(layers=2, experts=4, rounds=12, top_k=2), 0
    lp.save_trace(trace, tmp_path / "w.parquet")
    data = (tmp_path / "w.parquet").read_bytes()
    for at in range(4, len(data)):
        try:
            assert lp.load_trace(saved(tmp_path / "t.parquet", data[:at] + b"\n" + data[at + 1 :])).rounds == 12
        except TraceError as error:
            caught += "CRC" in str(error)
    assert caught > 50


def test_gzip_bomb_of_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common, "BLOCK", 1 << 16)
    monkeypatch.setattr(common, "available", lambda: 1 << 22)
    for name, head, row in (
        ("t.route.csv.gz", ROUTE, "0,1,0,0,0,3,0.5,0,0\n"),
        ("t.events.csv.gz", EVENTS, "0,0,0,1,0,0\n"),
    ):
        refused(saved(tmp_path / name, gzip.compress((head + row * 200_000).encode())), "the rows would take")


def test_meta_has_a_limit(tmp_path: Path) -> None:
    trace = lp.Trace([[0]], meta={"a": "x" * (9 << 20)})
    for known in FORMATS:
        with pytest.raises(FormatError, match="meta"):
            lp.save_trace(trace, tmp_path / f"t{known.suffixes[0]}")
    refused(archive(tmp_path / "t.npz", experts=GOOD, meta=json.dumps(trace.meta)), "array 'meta' must be at most")


def test_not_a_path_to_write(tmp_path: Path) -> None:
    for name in ("a\0.npz", "x" * 300 + ".npz", "x" * 300 + ".events.csv"):
        with pytest.raises(LayeredPagingError):
            lp.save_trace(lp.Trace([[0]]), tmp_path / name)


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


# tables


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("0,1,0,0,0", "must have the 9 fields"),
        ("0,1,0,0,0,1,0.5,0,0,7", "must have the 9 fields"),
        ("\n0,1,0,0,1,1,0.5,0,0", "must have the 9 fields"),
        ("a,1,0,0,0,1,0.5,0,0", "'turn' must be an integer"),
        ("0,1,0,0,0,1.5,0.5,0,0", "'expert' must be an integer"),
        ("0,1,0,0,0,nan,0.5,0,0", "'expert' must be an integer"),
        ("0,1,0,0,0,,0.5,0,0", "'expert' must be an integer"),
        ("0,1,0,0,0,99999999999999999999,0.5,0,0", "'expert' must be an integer"),
        ("0,1,0,0,1,4,0.5,0,0", "'expert' must be in 0..3; got 4"),
        ("0,1,0,0,1,-1,0.5,0,0", "'expert' must be in 0..3; got -1"),
        ("0,1,0,2,1,1,0.5,0,0", "'layer' must be in 0..1; got 2"),
        ("0,1,0,0,2,1,0.5,0,0", "'slot' must be in 0..1; got 2"),
        ("0,2,0,0,1,1,0.5,0,0", "'phase' must be in 0..1; got 2"),
        ("-1,1,0,0,1,1,0.5,0,0", "'turn' must be in"),
        ("0,1,-5,0,1,1,0.5,0,0", "'step' must be in"),
        ("0,0,0,1,1,1,0.5,0,0", "'phase' must be one for each turn and step"),
        ("0,1,0,0,1,1,inf,0,0", "'weight' must be a finite number, or nan for none; got 'inf'"),
        ("0,1,0,0,1,1,nano,0,0", "'weight' must be a finite number"),
        ("0,1,0,0,1,1,1e999,0,0", "'weight' must be a finite number"),
        ("0,1,0,0,1,1,1e99,0,0", "'weight' must be a finite float32"),
        ("0,1,0,0,1,1,,0,0", "'weight' must be a number in every row or in none"),
        ("0,1,0,0,0,2,0.5,0,0", "turn, step, layer and slot must differ; line 6 has the same"),
        ("0,1,0,0,1,3,0.5,0,0", "the experts of an event must be distinct; got [3, 3]"),
    ],
)
def test_route_rows(row: str, said: str, tmp_path: Path) -> None:
    where = (
        "" if "weights[" in said else "line 6: " if "phase' must be one" in said or "or in none" in said else "line 7: "
    )
    path = saved(tmp_path / "t.route.csv", f"{ROUTE}0,1,0,0,0,3,0.5,0,0\n{row}\n")
    message = refused(path, said)
    assert where in message or "line 7: " in message


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("n_layer=2", "n_layer=x", "line 2: must be '# model="),
        ("n_layer=2", "n_layer=3", "'expert_bytes' must be given for each of 3 layers or none; got 2"),
        ("n_layer=2", "n_layer=0", "of at least 1"),
        ("n_expert_used=2", "n_expert_used=999999999", "would take"),
        ("# model", "# nomodel", "must say '# model=...'"),
        ("# layer=1", "# layer=0", "line 4: must be '# layer=J"),
        ("expert_bytes=10 ", "expert_bytes=-1 ", "line 3: must be '# layer=J"),
        ("expert_bytes=10 ", "expert_bytes=0 ", "must be at least 1"),
        ("turn,phase", "phase,phase", "line 5: must name the columns"),
        ("turn,phase", "phase", "line 5: must name the columns"),
        ("turn,phase", "turn,turn,phase", "line 5: must name the columns"),
        ("# layer=0", "# meta={\n# layer=0", "line 3: not JSON"),
        ("# layer=0", "# meta=[]\n# layer=0", "'meta' must be a JSON object"),
    ],
)
def test_route_headers(old: str, new: str, said: str, tmp_path: Path) -> None:
    refused(saved(tmp_path / "t.route.csv", ROUTE.replace(old, new, 1) + "0,1,0,0,0,3,0.5,0,0\n"), said)


def test_route_without_rows_or_lines(tmp_path: Path) -> None:
    refused(saved(tmp_path / "t.route.csv", ROUTE), "at least one request")
    refused(saved(tmp_path / "t.route.csv", "# route_trace v1"), "must name the columns")
    refused(saved(tmp_path / "t.route.csv", "# route_trace v1\n#" + "x" * (2 << 20)), "line 2: longer than")
    refused(saved(tmp_path / "t.route.csv", ROUTE + "1" * (17 << 20)), "line 6: longer than")
    refused(saved(tmp_path / "t.route.csv", ROUTE.encode() + b"\xff\xff,\n"), "line 6")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("1,1,0", "must have the 6 fields"),
        ("", "must have the 6 fields"),
        ("1,1,0,0 4294967296,2,0", "'requested_experts' must hold integers"),
        ("1,1,0,0 x,2,0", "'requested_experts' must hold integers"),
        ("1,1,0,0 -1,2,0", "'requested_experts' must hold integers"),
        ("1,1,0,-1,2,0", "'requested_experts' must"),
        ("1,1,0,nan,2,0", "'requested_experts' must hold integers"),
        ("1,-1,0,0,2,0", "'scheduler_step' must hold integers"),
        ("1,1,1.5,0,2,0", "'layer' must hold integers"),
        ("1,1,,0,2,0", "'layer' must hold integers"),
        ("1,1,0,2 2,2,0", "'requested_experts' must be distinct; got [2, 2]"),
        ("1,0,0,2,2,0", "scheduler_step and layer must differ from row to row; line 2 has the same"),
        ('1,1,0,"2,2,0', "not a CSV row"),
    ],
)
def test_event_rows(row: str, said: str, tmp_path: Path) -> None:
    refused(saved(tmp_path / "t.events.csv", f"{EVENTS}0,0,0,0 1,2,0\n{row}\n"), said)


def test_events_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "t.events.csv"
    refused(saved(path, EVENTS), "at least one event")
    refused(saved(path, EVENTS.replace("layer", "level") + "0,0,0,1,0,0\n"), "must name the columns")
    refused(saved(path, EVENTS + "0,0,2000000000,1,0,0\n0,1,0,1,0,0\n"), "would take")
    refused(saved(path, "scheduler_step,layer,requested_experts\n0,0,1 2"), "line 2: must end with a line end")
    refused(saved(path, EVENTS + "0,0,0,,0,0\n"), "at least one request")
    saved(path, EVENTS + "0,0,1,0 1,2,0\n")
    for manifest in ("{", "[]", '{"model": {}}', '{"model": {"num_layers": 0, "num_experts_per_layer": 1}}'):
        saved(tmp_path / "t.manifest.json", manifest)
        with pytest.raises(FormatError, match=r"t\.manifest\.json: "):
            lp.load_trace(path)
    saved(tmp_path / "t.manifest.json", '{"model": {"num_layers": 1, "num_experts_per_layer": 4}}')
    refused(path, "line 2: 'layer' must be in 0..0; got 1")


# parquet


def test_parquet(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "t.parquet"
    trace = lp.Trace(GOOD, 4)
    lp.save_trace(trace, path)
    good = pq.read_table(path)
    whole = path.read_bytes()
    for cut in (4, 8, 100, len(whole) - 1):
        refused(saved(path, whole[:cut]))

    def with_sizes(table: Any, **sizes: Any) -> Path:
        meta = {"layers": 1, "n_experts": [4], "top_k": 2, "meta": {}, **sizes}
        pq.write_table(table.replace_schema_metadata({"layered_paging": json.dumps(meta)}), path)
        return path

    def column(name: str, values: Any) -> Any:
        at = good.schema.names.index(name)
        return good.set_column(at, name, values)

    pq.write_table(pa.table({"x": [1]}), path)
    refused(path, "a table must have a column of layer and one of experts; there are x")
    refused(with_sizes(good.drop_columns(["stage"])), "must have one column 'stage'")
    refused(with_sizes(good, top_k=10**12), "would take")
    refused(with_sizes(good, top_k=1), "lists of layers x top_k = 1 numbers; got 2 in row 0")
    refused(with_sizes(good, layers=-1), "'layers' must be")
    refused(with_sizes(good, n_experts=[1]), "'experts' must be in -1..0; got 1 in row 0")
    refused(with_sizes(good, n_experts=[2**31]), "at most 2147483647")
    refused(with_sizes(good, n_experts=[]), "n_experts must be one int")
    refused(with_sizes(good, meta=[1]), "meta must be a mapping")
    refused(with_sizes(good.slice(0, 0)), "at least one round")
    refused(with_sizes(column("experts", pa.array([5, 6]))), "must hold lists of 2 numbers; it is int64")
    refused(with_sizes(column("experts", pa.array([[0, 1], None]))), "must hold no nulls")
    refused(with_sizes(column("experts", pa.array([[0, 1], [1, None]]))), "must hold no nulls")
    refused(with_sizes(column("experts", pa.array([["a", "b"], ["c", "d"]]))), "must hold integers")
    refused(with_sizes(column("experts", pa.array([[0, 1], [1, 1]]))), "must be distinct")
    refused(with_sizes(column("session", pa.array([0, 5]))), "'session' must start with 0")
    refused(with_sizes(column("session", pa.array(["a", "b"]))), "must hold integers")
    refused(with_sizes(column("stage", pa.array([0, 3]))), "stage[1] must be")


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


@pytest.mark.parametrize("field", ['"0 2\n1"', '"0\n1"', "٣", "1_0"])
def test_event_tables_do_not_invent_ids(tmp_path: Path, field: str) -> None:
    path = tmp_path / "odd.events.csv"
    path.write_text(f"event_index,scheduler_step,layer,requested_experts,misses,hits\n0,0,0,{field},1,1\n")
    with pytest.raises(FormatError):
        lp.load_trace(path)
