"""Tables: columns by name, weights, bytes; in bulk, in blocks and line by line."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layered_paging as lp
from layered_paging.errors import FormatError, LayeredPagingError
from layered_paging.formats.jsonl import Chunk


@pytest.mark.parametrize("end", ["\n", "\n\n", "  \n\t\n", "\r\n\r\n", " "])
@pytest.mark.parametrize("suffix", [".jsonl", ".route.csv"])
def test_blank_lines_at_the_end(suffix: str, end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from layered_paging.formats import common, jsonl, route_csv

    path = tmp_path / f"t{suffix}"
    trace = lp.workloads.uniform(layers=2, experts=3, rounds=6)
    lp.save_trace(trace, path)
    whole = path.read_bytes()
    path.write_bytes(whole + end.encode())
    assert lp.load_trace(path).digest() == trace.digest()
    path.write_bytes(whole + b"\n" * 99)
    monkeypatch.setattr(common, "BLOCK", 70)  # the blank lines fill blocks of their own
    assert route_csv.read(path).digest() == trace.digest() if suffix == ".route.csv" else True
    if suffix == ".jsonl":
        assert sum(len(part.experts) for part in jsonl.chunks(path, rounds=4) if isinstance(part, Chunk)) == 6
    path.write_bytes(whole + b"\n" * 99 + whole.splitlines()[-1])
    with pytest.raises(FormatError, match=r"line \d+: must not be blank; ro.* follow|must have the 9 fields"):
        route_csv.read(path) if suffix == ".route.csv" else list(jsonl.chunks(path, rounds=4))


ROUTED = """# route_trace v1
# model=m arch=a n_layer=2 n_expert=4 n_expert_used=2
# layer=0 expert_bytes=10
# layer=1 expert_bytes=20
"""


def test_route_columns_by_name(tmp_path: Path) -> None:
    path = tmp_path / "t.route.csv"
    names = "turn,phase,step,layer,slot,expert,weight,residency,expert_bytes"
    path.write_text(f"{ROUTED}{names}\n0,0,7,0,0,3,0.25,0,0\n0,0,7,1,0,2,0.5,0,0\n")
    plain = lp.load_trace(path)
    for text in (
        "layer,slot,expert,weight,turn,phase,step\n0,0,3,0.25,0,0,7\n1,0,2,0.5,0,0,7\n",
        f"{names},dropped\n0,0,7,0,0,3,0.25,0,0,0\n0,0,7,1,0,2,0.5,0,0,1\n",
        f"{names},note\n0,0,7,0,0,3,0.25,0,0,a b\n0,0,7,1,0,2,0.5,0,0,\n",
    ):
        path.write_text(ROUTED + text)
        again = lp.load_trace(path)
        assert again.digest() == plain.digest() and np.array_equal(again.weights, plain.weights)  # type: ignore[arg-type]
        assert ("not_read" in again.meta) == (names in text)
    path.write_text(f"{ROUTED}{','.join(names.split(',')[:6])}\n0,0,7,0,0,3\n0,0,7,1,0,2\n")
    assert lp.load_trace(path).weights is None and lp.load_trace(path).digest() == plain.digest()


@pytest.mark.parametrize(
    ("one", "two", "noted"), [("nan", "nan", False), ("nan", "0.5", True), ("NaN", "-nan(ind)", False)]
)
def test_route_weights_that_are_none(one: str, two: str, noted: bool, tmp_path: Path) -> None:
    path = tmp_path / "t.route.csv"
    path.write_text(
        f"{ROUTED}turn,phase,step,layer,slot,expert,weight\n0,0,7,0,0,3,{one}\n0,0,7,1,0,2,{two}\n",
    )
    trace = lp.load_trace(path)
    assert trace.weights is None and ("not_read" in trace.meta) is noted
    if noted:
        assert trace.meta["not_read"] == ["weight ('nan' in 1 of 2 rows)"]


def test_route_bytes_of_dense_layers(tmp_path: Path) -> None:
    path = tmp_path / "t.route.csv"
    rows = "turn,phase,step,layer,slot,expert\n0,0,7,1,0,2\n"
    path.write_text(ROUTED.replace("layer=0 expert_bytes=10", "layer=0 expert_bytes=0") + rows)
    assert lp.load_trace(path).expert_bytes.tolist() == [20, 20]  # type: ignore[union-attr]
    path.write_text(ROUTED.replace("=10", "=0").replace("=20", "=0") + rows)
    assert lp.load_trace(path).expert_bytes is None
    path.write_text(ROUTED.replace("layer=1 expert_bytes=20", "layer=1 expert_bytes=0") + rows)
    with pytest.raises(FormatError, match="'expert_bytes' of layer 1 must be at least 1, since it has requests; got 0"):
        lp.load_trace(path)


# the tables: reading in bulk and line by line agree


def test_tables_line_by_line_agree_with_bulk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from layered_paging.formats import events_csv, route_csv

    ids = lp.workloads.zipf(layers=3, experts=8, rounds=200, top_k=2, sessions=4)
    weights = np.random.default_rng(0).random(ids.experts.shape).astype(np.float32)
    routed = lp.Trace(ids.experts, 8, ids.sessions, expert_bytes=7, weights=weights)
    plain = lp.Trace(np.where(np.arange(200)[:, None, None] % 5 == 4, -1, ids.experts), 8)
    lp.save_trace(routed, tmp_path / "t.route.csv")
    lp.save_trace(plain, tmp_path / "t.events.csv")
    calls = []
    for module in (route_csv, events_csv):
        monkeypatch.setattr(module, "numbers", lambda *_: calls.append(1))
    assert lp.load_trace(tmp_path / "t.route.csv") == routed
    assert lp.load_trace(tmp_path / "t.events.csv") == plain
    assert len(calls) == 2


@pytest.mark.parametrize("size", [40, 64, 97, 1000])
def test_tables_in_blocks_of_any_size(size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from layered_paging.formats import common

    trace = lp.workloads.uniform(layers=2, experts=3, rounds=60)
    trace = lp.Trace(trace.experts, 3)
    for suffix in (".route.csv", ".events.csv"):
        lp.save_trace(trace, tmp_path / f"t{suffix}")
        with monkeypatch.context() as patch:
            patch.setattr(common, "BLOCK", size)
            assert lp.load_trace(tmp_path / f"t{suffix}") == trace


def test_events_with_quotes_and_other_columns(tmp_path: Path) -> None:
    path = tmp_path / "t.events.csv"
    path.write_bytes(b'\xef\xbb\xbfnote,layer,scheduler_step,requested_experts\r\nx,0,5,"0 1"\r\ny,0,9,2\r\n')
    assert lp.load_trace(path) == lp.Trace([[[0, 1]], [[2, -1]]], 3)


def test_events_manifest_gives_the_sizes(tmp_path: Path) -> None:
    path = tmp_path / "t.events.csv"
    path.write_text("event_index,scheduler_step,layer,requested_experts,misses,hits\n0,0,0,0 1,2,0\n")
    assert lp.load_trace(path).n_experts == (2,)
    manifest = tmp_path / "t.manifest.json"
    manifest.write_text(json.dumps({"model": {"num_layers": 2, "num_experts_per_layer": 9}}))
    assert lp.load_trace(path).n_experts == (9, 9)
    with pytest.raises(FormatError, match=r"2 layers of 9 experts would be read from t\.manifest"):
        lp.save_trace(lp.Trace([[0]]), path)
    manifest.write_text(json.dumps({"model": {"num_layers": 2, "num_experts_per_layer": 1}}))
    with pytest.raises(FormatError, match=r"line 2: 'requested_experts' must be in 0\.\.0; got 1"):
        lp.load_trace(path)


def test_documented_route(tmp_path: Path) -> None:
    page = (Path(__file__).parents[1] / "docs" / "how-to" / "trace-formats.md").read_text()
    path = tmp_path / "t.route.csv"
    path.write_text(page.split("```text\n")[1].split("```")[0])
    trace = lp.load_trace(path)
    assert trace.experts.tolist() == [[[3, -1], [-1, -1]]] and trace.stage.tolist() == [0]
    assert trace.expert_bytes is not None and trace.expert_bytes.tolist() == [4096, 4096]
    assert trace.meta == {"model": "NAME", "arch": "NAME", "dense_bytes": [8192, 8192]}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"extra": 1}, "unknown entry 'extra'"),
        ({"version": 2}, "'version' must be 1; got 2"),
        ({"version": True}, "'version' must be 1; got True"),
        ({"version": 1}, ""),
    ],
)
def test_parquet_refuses_what_json_lines_refuses(change: dict[str, Any], said: str, tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "t.parquet"
    trace = lp.workloads.uniform(2, 4, 10)
    lp.save_trace(trace, path)
    table = parquet.read_table(path)
    fields = json.loads(table.schema.metadata[b"layered_paging"]) | change
    parquet.write_table(table.replace_schema_metadata({b"layered_paging": json.dumps(fields).encode()}), path)
    assert isinstance(table, pyarrow.Table)
    if said:
        with pytest.raises(FormatError, match=said):
            lp.load_trace(path)
    else:
        assert lp.load_trace(path).digest() == trace.digest()


def test_a_manifest_that_is_no_file_is_not_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "t.events.csv"
    path.write_text("event_index,scheduler_step,layer,requested_experts\n0,0,0,0 1\n")
    (tmp_path / "t.manifest.json").mkdir()
    with pytest.raises(FormatError, match="is there, but not a regular file"):
        lp.load_trace(path)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("suffix", ["csv", "jsonl", "json", "log"])
def test_text_of_wide_characters_is_named(encoding: str, suffix: str, tmp_path: Path) -> None:
    lines = {"csv": "token,layer,expert\n0,0,1\n0,0,2\n", "json": '[{"token": 0, "layer": 0, "experts": [1, 2]}]'}
    file = tmp_path / f"log.{suffix}"
    file.write_bytes(lines.get(suffix, '{"token": 0, "layer": 0, "experts": [1, 2]}\n').encode(encoding))
    name = encoding.upper().replace("-LE", "LE").replace("-BE", "BE")
    with pytest.raises(
        FormatError, match=rf"must be UTF-8 text; it is {name}; convert it: 'iconv -f {name} -t UTF-8 "
    ) as got:
        lp.load_trace(file)
    assert ("PowerShell" in str(got.value)) == (len(name) == 6)
    file.write_bytes(file.read_bytes().decode(encoding).encode())
    if suffix != "log":
        assert lp.load_trace(file).rounds == 1


def test_every_other_document_in_wide_characters_is_named(tmp_path: Path) -> None:
    from layered_paging.certificate import Certificate
    from layered_paging.edge.documents import load_network
    from layered_paging.profiles.profile import Profile
    from layered_paging.recording.prompts import read_prompts
    from layered_paging.sweep import load_spec

    readers = (Certificate.load, Profile.load, load_network, load_spec, read_prompts)
    for read in readers:
        file = tmp_path / "document"
        file.write_bytes('{"format": "layered-paging"}'.encode("utf-16"))
        with pytest.raises(LayeredPagingError, match=r"document: must be UTF-8 text; it is UTF-16; convert it: 'iconv"):
            read(file)


def test_a_closed_standard_input_is_called_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    from layered_paging.formats.opening import spooled

    for stdin in (None, io.TextIOWrapper(io.BytesIO())):
        if stdin is not None:
            stdin.close()
        monkeypatch.setattr("sys.stdin", stdin)
        with pytest.raises(FormatError, match="must be a file or a pipe; it is closed"), spooled():
            pass
    terminal = io.TextIOWrapper(type("Terminal", (io.BytesIO,), {"isatty": lambda self: True})())
    monkeypatch.setattr("sys.stdin", terminal)
    with pytest.raises(FormatError, match="must be a file or a pipe; it is a terminal"), spooled():
        pass
