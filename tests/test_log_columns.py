"""Tables by their columns: rows in any order, requests, names, holes; bulk and plain parsers give the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import layered_paging as lp
from layered_paging.errors import FormatError, LayeredPagingError
from layered_paging.formats import table as tables
from layered_paging.formats.cells import NotPlain, PlainBlock, integers_in
from tests.logs import assumed, documents, jsonl, routings, rows_of, saved, table


@settings(max_examples=40, deadline=None)
@given(routings(), st.integers(0, 2**32), st.booleans())
def test_every_way_to_write_rows_gives_one_trace(
    tmp_path_factory: pytest.TempPathFactory, made: tuple[lp.Trace, str], seed: int, shuffled: bool
) -> None:
    trace, kind = made
    rows = rows_of(trace, kind)
    if shuffled and kind == "number":
        rows = [rows[n] for n in np.random.default_rng(seed).permutation(len(rows))]
    folder = tmp_path_factory.mktemp("rows")
    layers = np.flatnonzero((trace.experts >= 0).any(axis=(0, 2)))
    for name, content in documents(rows):
        found = lp.load_trace(saved(folder / "t", content), n_experts=trace.n_experts[0])
        want = np.where(trace.experts < 0, -1, trace.experts)[:, layers]
        assert np.array_equal(found.experts, want), name
        assert found.sessions.tolist() == trace.sessions.tolist(), name
        assert found.stage.tolist() == trace.stage.tolist(), name
        assert found.meta["layer_names"] == [3 + 2 * int(j) for j in layers]


@pytest.mark.parametrize("style", ["quoted", "ranked", "spaces", "tsv", "weighed"])
def test_parsers_agree(style: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiled parser, pyarrow and the plain one read the same; each is seen to have been used."""
    trace = lp.workloads.zipf(layers=3, experts=9, rounds=400, top_k=3, sessions=4)
    rows = [
        {**row, "phase": row["phase"] == "decode", "gate": 0.25}
        for row in rows_of(lp.Trace(trace.experts, 9, trace.sessions), "number")
    ]
    for row in rows:
        row["phase"] = int(row["phase"])
    if style == "weighed":
        flat = [
            (row["token"], row["layer"], q, e, 0.5 + 0.01 * q) for row in rows for q, e in enumerate(row["experts"])
        ]
        content = (
            "token,layer,rank,expert,gate\n" + "".join(f"{t},{j},{q},{e},{g}\n" for t, j, q, e, g in flat)
        ).encode()
    else:
        content = table(rows, style)
    path = saved(tmp_path / "t.csv", content)
    used: list[str] = []
    real = tables.Sheet._compiled

    def compiled(self: Any, *rest: Any) -> Any:
        made = real(self, *rest)
        used.append("compiled")
        return made

    monkeypatch.setattr(tables.Sheet, "_compiled", compiled)
    found = [lp.load_trace(path)]  # small files are worth neither compiling nor pyarrow
    assert not used
    monkeypatch.setattr(tables, "BULK", 0)
    found.append(lp.load_trace(path))
    assert not used
    monkeypatch.setattr(tables, "COMPILED", 0)
    found.append(lp.load_trace(path))
    assert used
    monkeypatch.setattr(tables.Sheet, "_compiled", lambda *_: (_ for _ in ()).throw(NotPlain))
    found.append(lp.load_trace(path))
    monkeypatch.setattr(tables, "arrow", lambda name: None)
    found.append(lp.load_trace(path))
    assert all(one == found[0] for one in found)
    assert (found[0].weights is not None) == (style == "weighed")
    if style != "weighed":
        assert np.array_equal(found[0].experts, trace.experts) and len(found[0].sessions) == 4


def test_json_lines_without_pyarrow_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from layered_paging.formats import records

    trace = lp.workloads.zipf(layers=3, experts=9, rounds=100, top_k=3)
    path = jsonl(tmp_path / "t.jsonl", rows_of(lp.Trace(trace.experts, 9), "word"))
    monkeypatch.setattr(tables, "BULK", 0)
    one = lp.load_trace(path)
    for module in (records, tables):
        monkeypatch.setattr(module, "arrow", lambda name: None)
    assert lp.load_trace(path) == one


@given(st.lists(st.lists(st.integers(-1, 10**9 - 1), max_size=5), min_size=1, max_size=8), st.sampled_from(["[1, 2]", "1 2", "(1;2)", "1|2"]))  # fmt: skip
def test_lists_in_text(cells: list[list[int]], style: str) -> None:
    mark = {"[1, 2]": ", ", "1 2": " ", "(1;2)": ";", "1|2": "|"}[style]
    ends = (style[0], style[-1]) if not style[0].isdigit() else ("", "")
    texts = [ends[0] + mark.join(map(str, cell)) + ends[1] for cell in cells]
    raw = "".join(texts).encode()
    offsets = np.cumsum([0, *map(len, texts)])
    values, counts = integers_in(np.frombuffer(raw, np.uint8), offsets)
    assert values.tolist() == [one for cell in cells for one in cell] and counts.tolist() == [len(c) for c in cells]
    block = PlainBlock(Path("t"), {"e": texts}, range(len(texts)))
    flat, each = block.lists("e")
    assert flat.tolist() == values.tolist() and each.tolist() == counts.tolist()


@given(st.text("0123456789-,; |[](){}x.e\"'", max_size=12))
def test_odd_lists_never_differ(text: str) -> None:
    """Whatever the text, the parser in bulk gives what the plain one gives, or leaves it to that one."""
    try:
        values, _ = integers_in(np.frombuffer(text.encode(), np.uint8), np.array([0, len(text)]))
    except NotPlain:
        return
    try:
        flat, _ = PlainBlock(Path("t"), {"e": [text]}, [1]).lists("e")
    except FormatError:
        assert not set(text) <= set("0123456789,; |[]") or values.size == 0 or "[" in text[1:] or "]" in text[:-1] or "{" in text or ";;" in text or ",," in text  # fmt: skip
        return
    assert flat.tolist() == values.tolist()


def test_names_that_are_given(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "t.jsonl", [{"when": 0, "blk": 0, "who": [1, 0]}, {"when": 0, "blk": 1, "who": [0, 2]}])
    with pytest.raises(FormatError, match=r"must have a column of (layer and one of experts|experts)"):
        lp.load_trace(path)
    trace = lp.load_trace(path, columns={"token": "when", "layer": "blk", "experts": "who"})
    assert trace.experts.tolist() == [[[1, 0], [0, 2]]]
    assert assumed(trace)["columns"] == "token=when, layer=blk, experts=who"
    with pytest.raises(LayeredPagingError, match="columns must be named for some of token, layer"):
        lp.load_trace(path, columns={"tokens": "when"})
    with pytest.raises(FormatError, match="--columns token=x must name a column; there are when, blk, who"):
        lp.load_trace(path, columns={"token": "x"})


def test_layers_by_name(tmp_path: Path) -> None:
    names = [f"model.layers.{n}.mlp.gate" for n in (10, 2, 1)]
    path = jsonl(tmp_path / "t.jsonl", [{"token": 0, "module": name, "experts": [n]} for n, name in enumerate(names)])
    trace = lp.load_trace(path)
    assert trace.meta["layer_names"] == names[::-1] and trace.experts.ravel().tolist() == [2, 1, 0]


def test_ids_from_one(tmp_path: Path) -> None:
    rows = [{"token": t, "layer": 0, "experts": [1 + t % 8, 1 + (t + 3) % 8]} for t in range(300)]
    path = jsonl(tmp_path / "t.jsonl", rows)
    trace = lp.load_trace(path)
    assert assumed(trace)["ids"] == "from 1" and trace.n_experts == (8,) and trace.experts.min() == 0
    assert lp.load_trace(path, n_experts=8) == lp.Trace(trace.experts, 8, meta=lp.load_trace(path, n_experts=8).meta)
    assert "ids" not in assumed(lp.load_trace(path, n_experts=9))
    few = lp.load_trace(jsonl(tmp_path / "u.jsonl", rows[:20]))
    assert assumed(few)["ids"] == "from 0" and few.n_experts == (9,)
    with pytest.raises(LayeredPagingError, match=r"must be in 0\.\.6"):
        lp.load_trace(path, n_experts=7)


def test_interleaved_requests_and_restarts(tmp_path: Path) -> None:
    rows = [{"t": t, "l": j, "e": [p, 2 + j], "p": p} for t in range(3) for p in (0, 1) for j in (0, 1)]
    trace = lp.load_trace(jsonl(tmp_path / "t.jsonl", rows))
    assert trace.sessions.tolist() == [0, 3] and assumed(trace)["sessions"] == "one after the other"
    without = [{key: value for key, value in row.items() if key != "p"} for row in sorted(rows, key=lambda r: r["p"])]
    again = lp.load_trace(jsonl(tmp_path / "u.jsonl", without))
    assert np.array_equal(again.experts, trace.experts) and assumed(again)["sessions"] == "2"
    mixed = [{key: value for key, value in row.items() if key != "p"} for row in rows]
    with pytest.raises(FormatError, match="must differ from row to row"):
        lp.load_trace(jsonl(tmp_path / "v.jsonl", mixed))


@pytest.mark.parametrize(
    ("end", "rounds", "note"),
    [
        ('{"t": 2, "l": 0, "e": [1, 2', 2, "line 3 is the last one, has no line end and is cut off"),
        ('{"t": 2, "l": 0, "e": [1, 2]}', 3, None),
        ("\n\n  \n", 2, None),
    ],
)
def test_a_log_that_was_cut_off(end: str, rounds: int, note: str | None, tmp_path: Path) -> None:
    whole = "".join(json.dumps({"t": t, "l": 0, "e": [0, 1]}) + "\n" for t in range(2))
    trace = lp.load_trace(saved(tmp_path / "t.jsonl", whole + end))
    assert trace.rounds == rounds
    why = [one["why"] for one in trace.meta["assumed"] if one["about"] == "end"]
    assert (note in why[0]) if note else not why
    with pytest.raises(FormatError, match="line 3: "):
        lp.load_trace(saved(tmp_path / "u.jsonl", whole + end + "\n" + whole) if note else jsonl(tmp_path / "u.jsonl", [{"t": 0, "l": 0, "e": [1]}] * 2 + [{"t": "x", "l": 0, "e": [1]}]))  # fmt: skip


def test_a_table_that_was_cut_off(tmp_path: Path) -> None:
    whole = "token,layer,experts\n" + "".join(f'{t},0,"[0, 1]"\n' for t in range(3))
    trace = lp.load_trace(saved(tmp_path / "t.csv", whole[:-5]))
    assert trace.rounds == 2 and "end" in assumed(trace)
    single = lp.load_trace(saved(tmp_path / "u.csv", "token,layer,expert\n0,0,1\n1,0,12"))
    assert single.experts.ravel().tolist() == [1, 12] and assumed(single)["end"] == "line 3"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("token,layer,experts\n0,0,\"[0, x]\"\n", "line 2: 'experts' must"),
        ("token,layer,experts\n0,0,\"[0, -2]\"\n", "line 2: 'experts' must hold ids"),
        ("token,layer,experts\n0,0,\"[0, 99999999999]\"\n", "line 2: 'experts' must hold ids"),
        ("token,layer,experts\n0,0,\"[0, 0]\"\n", "must be distinct"),
        ("token,layer,experts\n0,0\n0,0,1\n", "line 2: must have the 3 fields"),
        ("token,layer,experts\n0,,1\n", "line 2: 'layer' must be a number or a name"),
        ("token,layer,experts\nx,0,1\n0.5,0,1\n", "line"),
        ("token,layer,experts,phase\n0,0,1,prefill\n1,0,1,odd\n", "must say prefill or decode; got 'odd'"),
        ("token,layer,experts,phase\n0,0,1,prefill\n0,1,1,decode\n", "'phase' must be one for each token"),
        ("token,layer,layer\n0,0,1\n", "columns must have different names"),
        ("token,layer,experts\n", "must hold at least one row; there is only the header"),
        ("# a comment\nStep;Layer;Expert_IDs\n\n\n", "must hold at least one row; there is only the header"),
        ("token\tlayer\te0\te1", "must hold at least one row; there is only the header"),
        ("token,color,size\n", "not a known trace format"),
        ("token,layer,rank,expert\n0,0,0,1\n0,0,0,2\n", "token, layer and rank must differ"),
        ("token,layer,rank,expert\n0,0,2000000000,1\n0,1,0,2\n", "would take"),
        ('{"token": 0, "layer": 0, "experts": [true]}\n', "line 1: 'experts' must"),
        ('{"token": 0, "layer": 0, "experts": [[1]]}\n', "line 1: 'experts' must"),
        ('{"token": 0, "layer": 0, "experts": [1]}\n[]\n', "line 2: must be an object"),
        ('{"token": 0, "layer": 0, "experts": [1], "experts": [2]}\n', "not usable JSON"),
        ('{"token": 0, "layer": null, "experts": [1]}\n', "line 1: 'layer' must"),
        ('{"token": 0, "layer": 0, "experts": []}\n', "at least one request"),
        (
            '{"token": 0, "layer": 0, "experts": [1]}\n{"step": 1, "block": 0, "ids": [0]}\n',
            "line 2: must say layer and experts as 'layer' and 'experts', as other rows do; it has step, block, ids",
        ),
        (
            '{"token": 0, "layer": 0, "experts": [1]}\n{"token": 1, "layer": 0, "ids": [0]}\n',
            "line 2: must say layer and experts as 'layer' and 'experts', as other rows do; it has token, layer, ids",
        ),
        (  # in bulk
            '{"token": 0, "layer": 0, "experts": [1]}\n'
            + "".join(f'{{"token": {n}, "layer": 0, "experts": [{n % 4}]}}\n' for n in range(1, 4000))
            + '{"token": 4000, "layer": 0, "ids": [0]}\n',
            "line 4001: must say layer and experts as 'layer' and 'experts'",
        ),
    ],
)  # fmt: skip
def test_bad_rows_say_the_line(content: str, said: str, tmp_path: Path) -> None:
    import re

    path = saved(tmp_path / "t.log", content)
    with pytest.raises(LayeredPagingError) as caught:
        lp.load_trace(path)
    message = str(caught.value)
    assert re.search(said, message) and "t.log" in message and "\n" not in message and len(message) < 600, message


def test_the_plain_parser_says_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "t.csv", "token,layer,experts\n" + "0,0,1\n" * 1 + "1,0,x\n")
    messages = []
    for _ in range(2):
        with pytest.raises(FormatError) as caught:
            lp.load_trace(path)
        messages.append(str(caught.value))
        monkeypatch.setattr(tables, "arrow", lambda name: None)
    assert messages[0] == messages[1] and "line 3" in messages[0]


@pytest.fixture(autouse=True, params=[0, 1 << 16], ids=["bulk", "plain"])
def bulk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is read in bulk where that can be, and value by value."""
    monkeypatch.setattr(tables, "BULK", request.param)


def test_blocks_of_any_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from layered_paging.formats import common

    trace = lp.workloads.zipf(layers=3, experts=9, rounds=50, top_k=3, sessions=3)
    rows = rows_of(lp.Trace(trace.experts, 9, trace.sessions), "word")
    for name, content in documents(rows):
        path = saved(tmp_path / "t", content)
        whole = lp.load_trace(path)
        with monkeypatch.context() as patch:
            patch.setattr(common, "BLOCK", 400)
            assert lp.load_trace(path) == whole, name


def test_third_parties_add_formats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from layered_paging.core import registry
    from layered_paging.formats import Format, formats

    class Point:
        name, value = "odd", "odd:Odd"

        def load(self) -> None:
            @registry.register("format", "odd")
            class Odd(Format):
                """Lines that begin with ODD."""

                def sniff(self, start: Any) -> bool:
                    return bool(start.data.startswith(b"ODD"))

                def read(self, path: Path, how: Any) -> lp.Trace:
                    how.assume("everything", "one expert", "an example")
                    return lp.Trace([[[0]]])

    from layered_paging.formats import known

    monkeypatch.setattr(known, "entry_points", lambda group: [Point()])
    monkeypatch.setattr(known, "_points_loaded", False)
    try:
        trace = lp.load_trace(saved(tmp_path / "t", "ODD,1\nODD,2\n"))
        assert assumed(trace) == {"everything": "one expert"} and "odd" in {one.name for one in formats()}
    finally:
        registry._table.pop(("format", "odd"), None)


def test_pandas_writes_floats_where_cells_are_missing(tmp_path: Path) -> None:
    path = saved(tmp_path / "t.csv", "token,layer,rank,expert\n0.0,0,0,1.0\n0.0,0,1,\n1.0,0,0,2\n1.0,0,1,0\n")
    assert lp.load_trace(path).experts.tolist() == [[[1, -1]], [[2, 0]]]


@settings(max_examples=30, deadline=None)
@given(routings(), st.integers(60, 600))
def test_tables_in_parts_are_the_whole(
    tmp_path_factory: pytest.TempPathFactory, made: tuple[lp.Trace, str], block: int
) -> None:
    from layered_paging.formats import common

    trace, kind = made
    folder = tmp_path_factory.mktemp("parts")
    before = common.BLOCK
    for name, content in documents(rows_of(trace, kind)):
        path = saved(folder / "t", content)
        whole = lp.load_trace(path)
        common.BLOCK = max(block, max(map(len, content.splitlines())) + 2)
        try:
            long = lp.open_trace(path)
            for begin, end in ((0, None), (trace.rounds // 2, None), (0, max(1, trace.rounds // 2))):
                parts = list(long.parts(begin, end))
                last = trace.rounds if end is None else end
                assert np.array_equal(np.concatenate([p.experts for p in parts]), whole.experts[begin:last]), name
                assert np.concatenate([p.stage for p in parts]).tolist() == whole.stage[begin:last].tolist()
                session = np.searchsorted(whole.sessions, np.arange(begin, last), side="right") - 1
                assert np.concatenate([p.session for p in parts]).tolist() == session.tolist(), name
            assert long.starts.tolist() == whole.sessions.tolist() and long.n_experts == whole.n_experts
            assert long.rounds in (None, whole.rounds)
        finally:
            common.BLOCK = before


def test_parquet_of_others_in_parts(tmp_path: Path) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    trace = lp.workloads.zipf(layers=3, experts=9, rounds=200, top_k=3, sessions=4)
    rows = rows_of(lp.Trace(trace.experts, 9, trace.sessions), "word")
    pq.write_table(
        pa.table({name: [row[name] for row in rows] for name in rows[0]}), tmp_path / "t.parquet", row_group_size=70
    )
    whole, long = lp.load_trace(tmp_path / "t.parquet"), lp.open_trace(tmp_path / "t.parquet")
    assert np.array_equal(whole.experts, trace.experts)
    assert np.array_equal(np.concatenate([part.experts for part in long.parts()]), trace.experts)


def test_rows_out_of_order_are_held_and_this_is_told(tmp_path: Path) -> None:
    from layered_paging.formats import Reading

    rows = [{"token": t, "layer": j, "experts": [t % 3]} for j in range(2) for t in range(4)]
    how = Reading()
    long = lp.open_trace(jsonl(tmp_path / "t.jsonl", rows), how)
    assert long.rounds == 4 and {note["about"] for note in how.assumed} >= {"memory", "stage"}
    how = Reading()
    assert lp.open_trace(jsonl(tmp_path / "u.jsonl", sorted(rows, key=lambda r: r["token"])), how).rounds == 4
    assert "memory" not in {note["about"] for note in how.assumed}


def test_what_must_not_be_guessed(tmp_path: Path) -> None:
    """Columns of single experts side by side, and passes whose tokens are counted anew."""
    for names in ("token,layer,expert,expert2", "token,layer,e0,e1", "token,layer,topk_0,topk_1"):
        with pytest.raises(FormatError, match="can hold one expert for each rank, or one value for each expert"):
            lp.load_trace(saved(tmp_path / "t.csv", names + "\n0,0,1,2\n1,0,2,3\n"))
    rows = [{"step": s, "token": t, "layer": j, "experts": [s]} for s in range(3) for j in (0, 1) for t in (0, 1)]
    path = jsonl(tmp_path / "t.jsonl", rows)
    with pytest.raises(FormatError, match="column 'step' may number passes"):
        lp.load_trace(path)
    assert len(lp.load_trace(path, columns={"request": "step"}).sessions) == 3


@pytest.mark.parametrize("big", [False, True])
def test_columns_side_by_side_are_one_event(big: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One column a rank, in the order in which they are named; the bulk parsers give what the plain one gives."""
    if big:
        monkeypatch.setattr(tables, "BULK", 1)
    rows = [(t, j, (3 * t + j) % 5, (3 * t + j + 1) % 5) for t in range(6) for j in range(2)]
    want = np.array([[[q, p] for _, _, p, q in rows[2 * t : 2 * t + 2]] for t in range(6)])
    columns = {"experts": "e1+e0", "weight": "g1 + g0"}
    text = "token,layer,e0,e1,g0,g1\n" + "".join(f"{t},{j},{p},{q},0.25,0.75\n" for t, j, p, q in rows)
    made = lp.load_trace(saved(tmp_path / "t.csv", text), columns=columns)
    assert np.array_equal(made.experts, want) and made.weights is not None
    assert (made.weights == np.array([0.75, 0.25], np.float32)).all() and "weight=g1+g0" in made.meta["assumed"][0][
        "taken"
    ]
    dicts = [{"token": t, "layer": j, "e0": p, "e1": q} for t, j, p, q in rows]
    for path in (jsonl(tmp_path / "t.jsonl", dicts), saved(tmp_path / "t.json", json.dumps(dicts))):
        assert np.array_equal(lp.load_trace(path, columns={"experts": "e1+e0"}).experts, want)
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.Table.from_pylist(dicts), tmp_path / "t.parquet")
    assert np.array_equal(lp.load_trace(tmp_path / "t.parquet", columns={"experts": "e1+e0"}).experts, want)
    for wrong, said in (("e0+e7", "must name a column"), ("e0+e0", "'e0' comes twice")):
        with pytest.raises(FormatError, match=said):
            lp.load_trace(tmp_path / "t.csv", columns={"experts": wrong})
    with pytest.raises(FormatError, match="must name one column"):
        lp.load_trace(tmp_path / "t.csv", columns={"layer": "layer+token", "experts": "e0"})


def test_columns_side_by_side_in_the_compiled_parser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "token,layer,e0,x,e1\n" + "".join(
        f"{t},{j},{t % 7},9,{(t + j + 1) % 7}\n" for t in range(99) for j in (0, 1)
    )
    plain = lp.load_trace(saved(tmp_path / "t.csv", text), columns={"experts": "e0+e1"})
    monkeypatch.setattr(tables, "COMPILED", 1)
    quick = lp.load_trace(tmp_path / "t.csv", columns={"experts": "e0+e1"})
    assert np.array_equal(plain.experts, quick.experts) and plain.n_experts == quick.n_experts == (7, 7)


def test_a_lost_row_of_a_rank_is_told(tmp_path: Path) -> None:
    rows = [(t, j, r, (t + j + r) % 6) for t in range(4) for j in range(2) for r in range(3)]

    def told(rows: list[tuple[int, ...]]) -> str | None:
        text = "token,layer,rank,expert\n" + "".join("{},{},{},{}\n".format(*row) for row in rows)
        return assumed(lp.load_trace(saved(tmp_path / "t.csv", text))).get("rank")

    assert told(rows) is None and told(rows[:7] + rows[8:]) == "none where a row is missing"


def test_a_folder_passes_over_what_is_written_for_people(tmp_path: Path) -> None:
    rows = [{"token": t, "layer": 0, "experts": [t % 3]} for t in range(4)]
    (tmp_path / "logs").mkdir()
    jsonl(tmp_path / "logs" / "a.jsonl", rows)
    saved(tmp_path / "logs" / "README.md", "one, two\n1,2\n")
    made = lp.load_trace(tmp_path / "logs")
    assert made.rounds == 4 and assumed(made)["files"] == "all but README.md"
    (tmp_path / "logs" / "a.jsonl").unlink()
    with pytest.raises(FormatError, match=r"it holds only README\.md"):
        lp.load_trace(tmp_path / "logs")


def test_nested_lists_are_not_flattened(tmp_path: Path) -> None:
    for cell in ("[[4, 3]]", "[4, 3], [1, 2]", "[4,, 3]", "[4 - 3]", "[4.5]", "4-3", "[1e3]", "tensor([4, x])"):
        with pytest.raises(LayeredPagingError, match="line 2: 'experts' must"):
            lp.load_trace(saved(tmp_path / "t.csv", f'token,layer,experts\n0,0,"{cell}"\n'))
    for cell in (
        "[4, 3]",
        "[4 3]",
        "(4, 3)",
        "{4; 3}",
        "4 3",
        "4|3",
        "tensor([4, 3], device='cuda:0')",
        "array([4, 3])",
        "[4.0, 3.0]",
    ):
        trace = lp.load_trace(saved(tmp_path / "t.csv", f'token,layer,experts\n0,0,"{cell}"\n'))
        assert trace.experts.tolist() == [[[4, 3]]], cell


def test_rows_that_no_column_numbers(tmp_path: Path) -> None:
    rows = [{"layer": j, "experts": [t, 7]} for t in range(3) for j in (0, 1)]
    trace = lp.load_trace(jsonl(tmp_path / "t.jsonl", rows))
    assert trace.rounds == 3 and assumed(trace)["tokens"] == "rows in file order"
    with pytest.raises(FormatError, match=r"layers have different numbers of rows \(2 to 3\)"):
        lp.load_trace(jsonl(tmp_path / "u.jsonl", rows[:-1]))
    assert lp.load_trace(tmp_path / "u.jsonl", tokens="guess").rounds == 3


@pytest.mark.parametrize("content", ['{"0": [[4, 3], [1, 4]], "1": [[4, 3], [1, 5]]}', '{"top_k": 2, "records": [[0, 1, 2]]}', '{"a": {"b": 1}}\n'])  # fmt: skip
def test_json_of_no_known_kind_says_what_it_holds(content: str, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="JSON of no known kind; it holds"):
        lp.load_trace(saved(tmp_path / "t.json", content))


@pytest.mark.parametrize("answer", [{"choices": [{"text": "x", "routed_experts": None}]}, {"meta_info": {"id": "a"}}])
def test_an_answer_without_routed_experts_says_what_adds_them(answer: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(
        FormatError, match=r"without routed experts; vLLM adds them with --enable-return-routed-experts"
    ):
        lp.load_trace(saved(tmp_path / "t.jsonl", json.dumps(answer)))


def test_lines_of_lists_without_a_token_are_told_the_remedy(tmp_path: Path) -> None:
    rows = [{"experts": [[4, 1], [2, t]]} for t in range(2)]
    with pytest.raises(FormatError, match=r"must number the tokens"):
        lp.load_trace(jsonl(tmp_path / "t.jsonl", rows))
    numbered = [{"token": t, **row} for t, row in enumerate(rows)]
    assert lp.load_trace(jsonl(tmp_path / "u.jsonl", numbered)).rounds == 2
    assert (
        lp.load_trace(
            jsonl(tmp_path / "v.json", [{"experts": [[[4, 1], [2, 0]], [[4, 1], [2, 1]]]}]), layout="tlk"
        ).rounds
        == 2
    )
