"""Archives of arrays that are cut, damaged, forged, or bombs."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layered_paging as lp
from layered_paging.errors import FormatError, LayeredPagingError, TraceError
from layered_paging.formats import FORMATS, common
from tests.hostile import EVENTS, GOOD, ROUTE, bomb, forged, refused, saved

# npz


def test_names_in_an_archive_do_not_break_the_message(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "t.npz", "w") as made:
        made.writestr("a\nb\u2028c.npy", b"x")
    refused(tmp_path / "t.npz", "found a\\nb\\nc")


def archive(path: Path, **arrays: Any) -> Path:
    with path.open("wb") as stream:
        np.savez_compressed(stream, **arrays)
    return path


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
