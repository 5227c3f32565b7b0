"""Tables of routing and of events, and Parquet, with what does not belong there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import layered_paging as lp
from layered_paging.errors import FormatError
from tests.hostile import EVENTS, GOOD, ROUTE, refused, saved

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


@pytest.mark.parametrize("field", ['"0 2\n1"', '"0\n1"', "٣", "1_0"])
def test_event_tables_do_not_invent_ids(tmp_path: Path, field: str) -> None:
    path = tmp_path / "odd.events.csv"
    path.write_text(f"event_index,scheduler_step,layer,requested_experts,misses,hits\n0,0,0,{field},1,1\n")
    with pytest.raises(FormatError):
        lp.load_trace(path)
