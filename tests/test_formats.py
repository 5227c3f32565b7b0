"""Reading and writing trace files: round trips, detection, the real traces."""

from __future__ import annotations

import builtins
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import layered_paging as lp
from layered_paging.cli import main
from layered_paging.errors import FormatError, LayeredPagingError
from layered_paging.formats import FORMATS, detect
from layered_paging.formats.jsonl import Chunk, Header, chunks

SUFFIXES = [known.suffixes[0] for known in FORMATS]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


METAS = st.dictionaries(st.sampled_from(["model", "arch", "dense_bytes", "n_expert", "items", "x"]), JSON, max_size=3)


@st.composite
def traces_of(draw: Any, plain: str = "") -> lp.Trace:
    """Any trace; ``plain`` names the kinds of things left out, for formats that cannot hold them."""
    rounds, layers, top_k = draw(st.integers(1, 6)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    if "widths" in plain:
        widths = [draw(st.sampled_from([1, 3, 130, 255, 256, 40000]))] * layers
    else:
        widths = [draw(st.sampled_from([1, 2, 5, 255, 300, 40000])) for _ in range(layers)]
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    ids = np.full((rounds, layers, top_k), -1)
    for r in range(rounds):
        for j, n in enumerate(widths):
            some = random.choice(n, min(n, top_k, int(random.integers(0, top_k + 1))), replace=False)
            ids[r, j, : len(some)] = some
            if "order" not in plain:
                random.shuffle(ids[r, j])
    if "empty" in plain:
        for r in range(rounds):
            if (ids[r] < 0).all():
                ids[r, 0, 0] = 0
    if (ids < 0).all():
        ids[0, 0, 0] = 0
    if "derived" in plain:
        widths = [max(1, int(ids.max()) + 1)] * layers
        ids = ids[:, :, : max(1, int((ids >= 0).sum(axis=2).max()))]
        return lp.Trace(ids, widths)
    sessions = sorted({0, *draw(st.lists(st.integers(0, rounds - 1), max_size=3))})
    stage = draw(st.lists(st.integers(0, 1), min_size=rounds, max_size=rounds))
    sizes = draw(st.sampled_from([None, "layer", "page"] if "pages" not in plain else [None, "layer"]))
    count = {None: 0, "layer": layers, "page": sum(widths)}[sizes]
    weights = None
    kind = draw(st.sampled_from([None, "f2", "f4", "f8"] if "f4" not in plain else [None, "f4"]))
    if kind is not None:
        weights = (random.standard_normal(ids.shape) * 10.0 ** random.integers(-6, 5)).astype(kind)
        weights = np.where(np.isfinite(weights) & ((ids >= 0) | ("f4" not in plain)), weights, 0).astype(kind)
        if "nan" not in plain:
            weights[(ids < 0) & (random.random(ids.shape) < 0.3)] = np.nan
    return lp.Trace(
        ids, widths, sessions, stage, random.integers(1, 10**9, count) if count else None, draw(METAS), weights
    )


EXPRESSIBLE = {
    ".npz": "",
    ".jsonl": "",
    ".jsonl.gz": "",
    ".events.csv": "widths order derived",
    ".route.csv": "widths empty pages f4 nan",
    ".parquet": "",
}


def there_and_back(trace: lp.Trace, path: Path) -> None:
    lp.save_trace(trace, path)
    again = lp.load_trace(path)
    assert again == trace
    assert again.digest() == trace.digest()
    assert again.experts.dtype == trace.experts.dtype
    if trace.weights is not None:
        assert again.weights is not None and again.weights.dtype == trace.weights.dtype


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_round_trip(suffix: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("trip")

    @settings(max_examples=60)
    @given(traces_of(EXPRESSIBLE[suffix]))
    @example(lp.Trace([[[0, 1]], [[1, 0]]]))
    def check(trace: lp.Trace) -> None:
        there_and_back(trace, folder / f"t{suffix}")

    check()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_nothing_is_lost_silently(suffix: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("trip")
    refused = []

    @settings(max_examples=60)
    @given(traces_of())
    def check(trace: lp.Trace) -> None:
        path = folder / f"t{suffix}"
        try:
            there_and_back(trace, path)
        except FormatError as error:
            assert "cannot express this trace: " in str(error)
            refused.append(str(error))

    check()
    assert bool(refused) == (suffix in (".events.csv", ".route.csv"))


@pytest.mark.parametrize(
    ("suffix", "change", "reason"),
    [
        (".events.csv", {"sessions": [0, 1]}, "sessions have no place"),
        (".events.csv", {"stage": [0, 1]}, "stages have no place"),
        (".events.csv", {"expert_bytes": 5}, "expert_bytes has no place"),
        (".events.csv", {"meta": {"a": 1}}, "meta has no place"),
        (".events.csv", {"weights": np.ones((2, 1, 2))}, "weights has no place"),
        (".events.csv", {"n_experts": 7}, "1 layers of 2 experts would be read"),
        (".events.csv", {"experts": [[[-1, 1]], [[0, 1]]]}, "missing entries must come last"),
        (".events.csv", {"experts": [[[1, -1]], [[0, -1]]]}, "no event has all 2 members"),
        (".route.csv", {"experts": [[[1, 0]], [[-1, -1]]]}, "every round must hold a request"),
        (".route.csv", {"weights": np.ones((2, 1, 2))}, "weights must be float32"),
        (".route.csv", {"expert_bytes": [1, 2]}, "one per layer"),
    ],
)
def test_refusals_say_why(suffix: str, change: dict[str, Any], reason: str, tmp_path: Path) -> None:
    trace = lp.Trace(**{"experts": [[[0, 1]], [[1, 0]]], **change})
    with pytest.raises(FormatError, match=reason):
        lp.save_trace(trace, tmp_path / f"t{suffix}")
    assert list(tmp_path.iterdir()) == []


def test_route_refuses_uneven_widths_and_weights_of_missing(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="equally many experts"):
        lp.save_trace(lp.Trace([[0, 1]], [2, 3]), tmp_path / "t.route.csv")
    weights = np.ones((1, 1, 2), np.float32)
    with pytest.raises(FormatError, match="missing entries must be 0"):
        lp.save_trace(lp.Trace([[[0, -1]]], weights=weights), tmp_path / "t.route.csv")


def test_json_refuses_infinity(tmp_path: Path) -> None:
    trace = lp.Trace([[[0, -1]]], weights=np.array([[[1, np.inf]]]))
    with pytest.raises(FormatError, match="JSON has no infinity"):
        lp.save_trace(trace, tmp_path / "t.jsonl")


def test_equal_traces_give_equal_files(tmp_path: Path) -> None:
    trace = lp.Trace([[[0, 1]], [[1, 0]]], meta={"a": 1})
    for suffix in (".npz", ".jsonl.gz"):
        for name in ("a", "b"):
            lp.save_trace(trace, tmp_path / f"{name}{suffix}")
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_content_decides_the_format(suffix: str, tmp_path: Path) -> None:
    trace = lp.Trace([[[0, 1]], [[1, 0]]])
    lp.save_trace(trace, tmp_path / f"t{suffix}")
    for other in ("t.bin", "t.npz", "t.jsonl", "t.route.csv"):
        if other != f"t{suffix}":
            (tmp_path / other).write_bytes((tmp_path / f"t{suffix}").read_bytes())
            assert lp.load_trace(tmp_path / other) == trace


def test_writing_needs_a_known_suffix(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"suffix names no trace format; known are npz \(\*\.npz\), jsonl"):
        lp.save_trace(lp.Trace([[0]]), tmp_path / "t.csv")


def test_gzipped_tables_are_read(tmp_path: Path) -> None:
    trace = lp.Trace([[[0, 1]], [[1, 0]]])
    for suffix in (".events.csv", ".route.csv"):
        lp.save_trace(trace, tmp_path / f"t{suffix}")
        (tmp_path / f"t{suffix}.gz").write_bytes(gzip.compress((tmp_path / f"t{suffix}").read_bytes()))
        assert lp.load_trace(tmp_path / f"t{suffix}.gz") == trace


def test_parquet_without_pyarrow_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(
        FormatError, match=r"pip install pyarrow \(in a checkout of this project: pip install '\.\[parquet\]'\)"
    ):
        lp.save_trace(lp.Trace([[0]]), tmp_path / "t.parquet")
    (tmp_path / "t.parquet").write_bytes(b"PAR1....")
    with pytest.raises(FormatError, match=r"pip install pyarrow \(in a checkout"):
        lp.load_trace(tmp_path / "t.parquet")


# npz as published by others


def test_npz_unsigned_255_is_missing_below_256_experts(tmp_path: Path) -> None:
    ids = np.array([[[0, 255]], [[3, 1]]], np.uint8)
    np.savez(tmp_path / "a.npz", experts=ids, meta=json.dumps({"n_expert": 32}))
    np.savez(tmp_path / "b.npz", experts=ids, n_experts=256)
    np.savez(tmp_path / "c.npz", experts=ids)
    np.savez(tmp_path / "d.npz", experts=ids.astype(np.uint16), n_experts=255)
    a, b, c, d = (lp.load_trace(tmp_path / f"{name}.npz", layout="tlk") for name in "abcd")
    assert a.experts[0, 0].tolist() == [0, -1] and a.n_experts == (32,)
    assert b.experts[0, 0].tolist() == [0, 255]
    assert c.experts[0, 0].tolist() == [0, -1] and c.n_experts == (4,)
    assert d.experts[0, 0].tolist() == [0, -1]


@pytest.mark.parametrize("dtype", [">i4", "<i8", "i1", ">u2", "F"])
def test_npz_of_any_layout(dtype: str, tmp_path: Path) -> None:
    ids = np.array([[[0, 1], [2, 0]], [[3, 1], [1, 2]], [[0, 3], [3, 0]]])
    stored = np.asfortranarray(ids, np.int16) if dtype == "F" else ids.astype(dtype)
    np.savez_compressed(tmp_path / "t.npz", experts=stored, phase=[0, 1, 1], offsets=[0, 2, 3], residency=np.ones(3))
    trace = lp.load_trace(tmp_path / "t.npz")
    assert trace == lp.Trace(ids, sessions=[0, 2], stage=[0, 1, 1])
    assert "residency" not in trace.meta


# JSON Lines written by hand


def lines(path: Path, *objects: Any) -> Path:
    header = {"format": "layered-paging trace", "version": 1, "layers": 2, "n_experts": 4, "top_k": 2}
    given = objects if objects and "format" in objects[0] else (header, *objects)
    path.write_text("".join(json.dumps(made) + "\n" for made in given))
    return path


def test_jsonl_short_lists_are_padded(tmp_path: Path) -> None:
    path = lines(tmp_path / "t.jsonl", {"experts": [[0, 1], [2]]}, {"experts": [[], 3], "stage": 0, "session": 1})
    trace = lp.load_trace(path)
    assert trace == lp.Trace([[[0, 1], [2, -1]], [[-1, -1], [3, -1]]], 4, sessions=[0, 1], stage=[1, 0])


EVENTS = st.lists(st.integers(-1, 3), max_size=2, unique=True) | st.integers(-1, 3)


ODD = st.sampled_from([True, 1.5, "1", None, [0, 1, 2], [[0]], 9, -2, 10**30, {}])


@settings(max_examples=80)
@given(st.lists(st.lists(EVENTS, min_size=2, max_size=2), min_size=1, max_size=6), st.none() | ODD)
def test_jsonl_short_lists_at_once_are_those_one_by_one(rows: list[Any], odd: Any) -> None:
    """Reading in bulk gives what reading line by line gives, or the same error."""
    from layered_paging.formats import jsonl

    rows = [*rows, [0, odd]] if odd is not None else rows
    header = jsonl.Header(2, (4, 4), 2, None, None, None, {})
    lines = [json.dumps({"experts": row}).encode() for row in rows]
    found = []
    for bulk in (True, False):
        with pytest.MonkeyPatch.context() as patch:
            if not bulk:
                patch.setattr(jsonl, "_ragged", lambda *given: None)
            try:
                found.append(jsonl._chunk(Path("t"), header, lines, 2, jsonl._Sessions([])).experts.tolist())
            except FormatError as error:
                found.append(str(error))
    assert found[0] == found[1]


def test_jsonl_streams_in_chunks(tmp_path: Path) -> None:
    trace = lp.workloads.zipf(layers=3, experts=8, rounds=100, top_k=2, sessions=7)
    lp.save_trace(trace, tmp_path / "t.jsonl")
    header, *parts = chunks(tmp_path / "t.jsonl", rounds=9)
    assert isinstance(header, Header) and header.rounds == 100
    held = [part for part in parts if isinstance(part, Chunk)]
    assert [len(part.experts) for part in held] == [9] * 11 + [1]
    assert [part.line for part in held] == list(range(2, 102, 9))
    assert np.array_equal(np.concatenate([part.experts for part in held]), trace.experts)


def test_jsonl_sessions_by_name(tmp_path: Path) -> None:
    rows = [{"session": name, "experts": [[0], [1]]} for name in ("req-8", "req-8", "req-1")]
    trace = lp.load_trace(lines(tmp_path / "t.jsonl", *rows))
    assert trace.sessions.tolist() == [0, 2] and trace.meta["items"] == [{"name": "req-8"}, {"name": "req-1"}]
    assert [part.session.tolist() for part in lp.open_trace(tmp_path / "t.jsonl").parts()] == [[0, 0, 1]]
    with pytest.raises(FormatError, match=r"line 5: session 'req-8' comes back after 'req-1'.*are interleaved"):
        lp.load_trace(lines(tmp_path / "t.jsonl", *rows, rows[0]))
    numbered = [{"session": number, "experts": [[0], [1]]} for number in (0, 1, 0)]
    with pytest.raises(FormatError, match="line 4: session 0 comes back after 1"):
        lp.load_trace(lines(tmp_path / "t.jsonl", *numbered))


def test_jsonl_entries_of_others_are_read_past(tmp_path: Path) -> None:
    plain = [{"session": 0, "experts": [[0], [1]]}]
    trace = lp.load_trace(lines(tmp_path / "t.jsonl", {**plain[0], "token": "the", "t_ms": 12.5, "request_id": "x"}))
    assert trace.digest() == lp.load_trace(lines(tmp_path / "u.jsonl", *plain)).digest()
    assert trace.meta["not_read"] == ["token", "t_ms", "request_id"]


# the command


def test_convert(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace = lp.Trace([[[0, 1]], [[1, 0]]], sessions=[0, 1])
    source, target = str(tmp_path / "a.npz"), tmp_path / "b.jsonl"
    lp.save_trace(trace, source)
    assert main(["convert", source, str(target), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["requests"] == 4 and answer["output_format"] == "jsonl" and answer["digest"] == trace.digest()
    assert lp.load_trace(target) == trace
    assert main(["convert", source, str(target)]) == 2
    assert "give --force to replace it" in capsys.readouterr().err
    assert main(["convert", source, str(target), "--force"]) == 0
    assert "4 requests in 2 rounds" in capsys.readouterr().out
    assert main(["convert", source, str(tmp_path / "c.events.csv")]) == 2
    assert "sessions have no place" in capsys.readouterr().err
    assert main(["convert", source, str(tmp_path / "c.events.csv"), "--drop", "sessions"]) == 0
    assert main(["convert", str(tmp_path / "none.npz"), str(tmp_path / "d.npz")]) == 2
    assert "no such file" in capsys.readouterr().err


# the real traces


@pytest.mark.parametrize(("name", "requests"), [("qwen3_30b_a3b", 44766), ("gpt_oss_120b", 10560)])
def test_route_table_equals_the_arrays(name: str, requests: int, traces: Path) -> None:
    arrays, table = (lp.load_trace(traces / f"{name}{suffix}") for suffix in (".npz", ".route.csv"))
    assert table.requests == arrays.requests == requests
    assert np.array_equal(table.experts, arrays.experts)
    assert np.array_equal(table.stage, arrays.stage) and set(table.stage.tolist()) == {0, 1}
    assert table.expert_bytes is not None and np.array_equal(table.expert_bytes, arrays.expert_bytes)
    assert table.weights is not None and np.array_equal(table.weights, arrays.weights)
    assert table.n_experts == arrays.n_experts
    assert len(table.meta["dense_bytes"]) == table.layers


def test_sessions_of_the_large_trace(traces: Path) -> None:
    trace = lp.load_trace(traces / "gpt_oss_20b.npz")
    assert (trace.rounds, len(trace.sessions), trace.requests) == (37642, 74, 3613632)
    assert len(trace.meta["items"]) == 74


def test_toy_events(traces: Path) -> None:
    trace = lp.load_trace(traces / "toy.events.csv")
    assert (trace.layers, trace.n_experts, trace.rounds, trace.requests) == (3, (4, 4, 4), 5, 30)


@pytest.mark.parametrize("suffix", [".npz", ".jsonl", ".route.csv", ".parquet"])
def test_real_traces_survive(suffix: str, traces: Path, tmp_path: Path) -> None:
    for name in ("qwen3_30b_a3b", "gpt_oss_120b"):
        there_and_back(lp.load_trace(traces / f"{name}.npz"), tmp_path / f"t{suffix}")


def test_every_error_is_ours(tmp_path: Path) -> None:
    with pytest.raises(LayeredPagingError):
        detect(tmp_path / "none")


# the documentation's examples are files


@pytest.mark.parametrize(
    ("language", "at", "suffix", "expected"),
    [
        ("json", 0, ".jsonl", lp.Trace([[[0, 1], [2, -1]], [[3, 1], [2, 0]], [[0, -1], [-1, -1]]], 4, [0, 2], [0, 1, 1])),
        ("text", 1, ".events.csv", lp.Trace([[[0, 1]]])),
    ],
)  # fmt: skip
def test_documented_examples(language: str, at: int, suffix: str, expected: lp.Trace, tmp_path: Path) -> None:
    page = (Path(__file__).parents[1] / "docs" / "how-to" / "trace-formats.md").read_text()
    blocks = [part.split("```")[0] for part in page.split(f"```{language}\n")[1:]]
    path = tmp_path / f"t{suffix}"
    path.write_text(blocks[at])
    assert lp.load_trace(path) == expected
