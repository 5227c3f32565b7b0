"""Arrays of ids: which axis is what is decided by evidence, or refused; it is never guessed."""

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
from layered_paging.formats import Reading
from layered_paging.formats.loading import load

TOKENS, LAYERS, TOP, EXPERTS = 9, 4, 2, 6
IDS = np.stack([np.random.default_rng(r).permuted(np.tile(np.arange(EXPERTS), (LAYERS, 1)), axis=1)[:, :TOP] for r in range(TOKENS)])  # fmt: skip
BOTH = "it can be 4 tokens x 9 layers, top 2 (--layout tlk) or 9 tokens x 4 layers, top 2 (--layout ltk)"


def archive(path: Path, ids: Any, meta: Any = None, **arrays: Any) -> Path:
    if meta is not None:
        arrays["meta"] = json.dumps(meta)
    np.savez(path, **{"experts" if "routed_experts" not in arrays else "x": ids, **arrays})
    return path


LAYER_MAJOR = np.swapaxes(IDS, 0, 1)


@pytest.mark.parametrize(
    "beside",
    [
        {"meta": {"n_moe_layers": LAYERS, "num_experts": EXPERTS}},
        {"meta": {"num_hidden_layers": LAYERS, "n_expert": EXPERTS}},
        {"meta": {"layout": "layers x tokens x top_k", "num_experts": EXPERTS}},
        {"meta": {"layout": "ltk", "num_experts": EXPERTS}},
        {"meta": {"layout": "[L, T, k]", "num_experts": EXPERTS}},
        {"meta": {"config": {"num_hidden_layers": LAYERS, "num_local_experts": EXPERTS}}},
        {"layout": "layer-major", "num_experts": EXPERTS},
        {"num_layers": LAYERS, "num_experts": EXPERTS},
        {"phase": np.ones(TOKENS, int), "num_experts": EXPERTS},
        {"offsets": [0, TOKENS], "num_experts": EXPERTS},
        {"expert_bytes": np.full(LAYERS, 7), "num_experts": EXPERTS},
    ],
)
def test_layer_major_arrays_are_read_rightly(beside: dict[str, Any], tmp_path: Path) -> None:
    trace = lp.load_trace(archive(tmp_path / "t.npz", LAYER_MAJOR, **beside))
    assert np.array_equal(trace.experts, IDS) and trace.n_experts == (EXPERTS,) * LAYERS
    assert trace.meta["read_as"]["layout"] == "ltk"


@pytest.mark.parametrize(
    ("beside", "said"),
    [
        ({}, BOTH),
        ({"meta": {"n_expert": EXPERTS}}, BOTH),
        (
            {"meta": {"n_moe_layers": 7}},
            "'n_moe_layers' is 7, but no axis of layers in shape (4, 9, 2) has that length",
        ),
        ({"meta": {"num_layers": 7}}, "'num_layers' is 7, but no axis"),
        ({"meta": {"n_moe_layers": LAYERS, "layout": "tlk"}}, "these must agree"),
        ({"meta": {"n_moe_layers": LAYERS, "n_layer": TOKENS}}, "these must agree"),
        ({"meta": {"n_moe_layers": LAYERS}, "n_experts": EXPERTS}, "these must agree"),
        ({"meta": {"n_moe_layers": LAYERS}, "phase": np.ones(LAYERS, int)}, "these must agree"),
        ({"meta": {"layout": "tlk", "num_experts": 4, "n_expert": 5}}, "'n_expert' is 5, but 'num_experts' is 4"),
        ({"meta": {"layout": "klt"}}, "'layout' must name one of tlk, ltk, btlk; got 'klt'"),
        ({"meta": {"n_moe_layers": LAYERS, "num_experts": 3}}, "must be in 0..2"),
        ({"meta": {"n_moe_layers": LAYERS, "top_k": TOKENS}}, "the last axis of shape (4, 9, 2) must be 9"),
    ],
)
def test_layer_major_arrays_are_refused(beside: dict[str, Any], said: str, tmp_path: Path) -> None:
    path = archive(tmp_path / "t.npz", LAYER_MAJOR, **beside)
    with pytest.raises(LayeredPagingError) as caught:
        lp.load_trace(path)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_a_square_array_needs_more_than_the_number_of_layers(tmp_path: Path) -> None:
    square = IDS[:LAYERS]
    with pytest.raises(FormatError, match="must say which axis"):
        lp.load_trace(archive(tmp_path / "a.npz", square, {"n_moe_layers": LAYERS}))
    assert np.array_equal(lp.load_trace(archive(tmp_path / "b.npz", square, {"n_moe_layers": LAYERS, "layout": "tlk"})).experts, square)  # fmt: skip
    assert np.array_equal(lp.load_trace(archive(tmp_path / "c.npz", square, {}, n_experts=EXPERTS)).experts, square)


def test_bare_arrays(tmp_path: Path) -> None:
    path = tmp_path / "t.npy"
    np.save(path, LAYER_MAJOR.astype(np.uint8))
    with pytest.raises(FormatError) as caught:
        lp.load_trace(path)
    assert BOTH in str(caught.value)
    right = lp.load_trace(path, layout="ltk", n_experts=EXPERTS)
    assert np.array_equal(right.experts, IDS) and "assumed" not in right.meta
    assert lp.load_trace(path, layout="tlk").rounds == LAYERS
    with pytest.raises(LayeredPagingError, match="layout must be tlk or ltk"):
        lp.load_trace(path, layout="btlk")
    np.save(path, np.stack([IDS, IDS[::-1]]))
    batch = lp.load_trace(path, layout="btlk")
    assert batch.sessions.tolist() == [0, TOKENS] and np.array_equal(batch.experts[TOKENS:], IDS[::-1])
    assert batch.meta["assumed"] == [{"about": "n_experts", "taken": "6", "why": "the largest id + 1"}]
    np.save(path, np.ones((2, 6), int))
    with pytest.raises(FormatError, match="or counts of layers x experts"):
        lp.load_trace(path)
    for array in (np.zeros((0, 2, 2), int), np.array([[[None]]], object), np.ones((2, 2, 2)), np.ones(3, int)):
        np.save(path, array, allow_pickle=True)
        with pytest.raises(LayeredPagingError):
            lp.load_trace(path, layout="tlk")


def test_fields_of_servers_have_tokens_first(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", routed_experts=IDS)
    assert np.array_equal(lp.load_trace(tmp_path / "t.npz").experts, IDS)
    np.savez(tmp_path / "u.npz", routed_experts=IDS, n_moe_layers=TOKENS)
    with pytest.raises(FormatError, match="these must agree"):
        lp.load_trace(tmp_path / "u.npz")


def test_ids_from_one_and_missing_tokens(tmp_path: Path) -> None:
    later = lp.load_trace(archive(tmp_path / "a.npz", IDS + 1, {"layout": "tlk", "num_experts": EXPERTS}))
    assert np.array_equal(later.experts, IDS) and later.meta["assumed"][0]["about"] == "ids"
    cached = IDS.copy()
    cached[:3] = -1
    np.savez(tmp_path / "b.npz", routed_experts=cached, num_experts=EXPERTS)
    assert np.array_equal(lp.load_trace(tmp_path / "b.npz").experts, cached)
    wide = np.where(cached < 0, 65535, cached).astype(np.uint16)
    np.savez(tmp_path / "c.npz", routed_experts=wide)
    found = lp.load_trace(tmp_path / "c.npz")
    assert np.array_equal(found.experts, cached) and found.n_experts[0] == EXPERTS
    assert {note["about"] for note in found.meta["assumed"]} == {"missing", "n_experts"}


def test_logits(tmp_path: Path) -> None:
    logits = np.random.default_rng(1).standard_normal((LAYERS, TOKENS, EXPERTS)).astype(np.float32)
    np.savez(tmp_path / "t.npz", router_logits=logits)
    with pytest.raises(FormatError, match="give --top-k"):
        lp.load_trace(tmp_path / "t.npz")
    trace = lp.load_trace(tmp_path / "t.npz", top_k=2)
    assert trace.experts[5, 3].tolist() == np.argsort(-logits[3, 5])[:2].tolist()
    assert trace.n_experts == (EXPERTS,) * LAYERS and "groups" in trace.meta["assumed"][0]["why"]


def test_pickles_are_never_opened(tmp_path: Path) -> None:
    path = tmp_path / "t.pt"
    path.write_bytes(b"\x80\x02cposix\nsystem\n")
    with pytest.raises(FormatError, match=r"torch.load\('FILE', weights_only=True\)"):
        lp.load_trace(path)


def test_options_that_mean_nothing_are_refused(tmp_path: Path) -> None:
    lp.save_trace(lp.Trace(IDS), tmp_path / "t.jsonl")
    with pytest.raises(LayeredPagingError, match=r"--layout does not apply to .*: it is jsonl, which takes none"):
        lp.load_trace(tmp_path / "t.jsonl", layout="tlk")


META = st.dictionaries(
    st.sampled_from(["layout", "n_layer", "num_hidden_layers", "n_moe_layers", "num_experts", "n_expert", "top_k"]),
    st.integers(0, 12) | st.sampled_from(["tlk", "ltk"]),
    max_size=4,
)


@settings(max_examples=150, deadline=None)
@given(META, st.booleans())
def test_whatever_the_metadata_says_the_reading_agrees_with_it(meta: dict[str, Any], swapped: bool) -> None:
    """A reading that is accepted has the number of layers, of experts and the layout that the metadata states."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = archive(Path(folder) / "t.npz", LAYER_MAJOR if swapped else IDS, meta)
        try:
            trace = lp.load_trace(path)
        except LayeredPagingError as error:
            assert "\n" not in str(error)
            return
        if "n_moe_layers" in meta and isinstance(meta["n_moe_layers"], int):
            assert trace.layers == meta["n_moe_layers"]
        if isinstance(meta.get("num_experts"), int):
            assert set(trace.n_experts) == {meta["num_experts"]}
        if meta.get("layout") in ("tlk", "ltk"):
            assert (trace.layers == LAYERS) == (swapped == (meta["layout"] == "ltk"))
        assert {"layout", "n_layer", "num_hidden_layers", "n_moe_layers"} & set(meta)


@given(
    st.dictionaries(st.sampled_from(["layout", "n_moe_layers", "n_expert", "num_experts", "top_k"]), st.integers(0, 9))
)
def test_our_own_archives_keep_any_meta(meta: dict[str, Any]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        trace = lp.Trace(IDS, EXPERTS, meta=meta)
        lp.save_trace(trace, f"{folder}/t.npz")
        assert lp.load_trace(f"{folder}/t.npz") == trace


def test_other_names_of_arrays(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", topk_ids=IDS, n_moe_layers=LAYERS, num_experts=EXPERTS)
    trace = lp.load_trace(tmp_path / "t.npz")
    assert np.array_equal(trace.experts, IDS) and trace.meta["assumed"][0]["taken"] == "topk_ids"
    np.savez(tmp_path / "u.npz", topk_ids=IDS, indices=IDS)
    with pytest.raises(FormatError, match="must hold an array 'experts'"):
        lp.load_trace(tmp_path / "u.npz")
    np.savez(tmp_path / "v.npz", topk_ids=IDS)
    with pytest.raises(FormatError, match="must say which axis"):
        lp.load_trace(tmp_path / "v.npz")


def labelled(labels: list[Any], kind: str, tmp_path: Path, **more: Any) -> Path:
    """Write ids of 60 tokens in 5 layers with the request of each token beside them."""
    draw = np.random.default_rng(1)
    ids = np.array([[draw.choice(8, 2, replace=False) for _ in range(5)] for _ in range(60)])
    path = tmp_path / f"log.{kind}"
    if kind == "npz":
        np.savez(path, experts=ids, **{name: np.array(value) for name, value in {"request_id": labels, **more}.items()})
    else:
        path.write_text(json.dumps({"experts": ids.tolist(), "request_id": labels, **more}))
    return path


@pytest.mark.parametrize("kind", ["npz", "json"])
@pytest.mark.parametrize("labels", [[7] * 20 + [3] * 40, ["a"] * 20 + ["b"] * 40])
def test_the_request_of_each_token_begins_sessions(labels: list[Any], kind: str, tmp_path: Path) -> None:
    trace = lp.load_trace(labelled(labels, kind, tmp_path))
    assert trace.experts.shape == (60, 5, 2) and trace.sessions.tolist() == [0, 20]


@pytest.mark.parametrize("kind", ["npz", "json"])
def test_requests_that_come_again_are_refused(kind: str, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="'request_id' must give the tokens of a request one after another; 0 comes"):
        lp.load_trace(labelled([0] * 20 + [1] * 20 + [0] * 20, kind, tmp_path))


@pytest.mark.parametrize("kind", ["npz", "json"])
@pytest.mark.parametrize("labels", [[1] + [0] * 59, [1] + [0] * 19 + [1] + [0] * 39, [1] * 20 + [0] * 40])
def test_marks_that_may_be_requests_are_refused(labels: list[int], kind: str, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="a mark at each first token of a request, or request 1 before request 0"):
        lp.load_trace(labelled(labels, kind, tmp_path))


def test_starts_that_contradict_the_requests_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="'request_id' begins 2 sessions"):
        lp.load_trace(labelled([0] * 20 + [1] * 40, "npz", tmp_path, sessions=[0, 30]))
    agreed = lp.load_trace(labelled([0] * 20 + [1] * 40, "npz", tmp_path, sessions=[0, 20]))
    assert agreed.sessions.tolist() == [0, 20]


def test_sessions_that_repeat_are_requests_of_tokens(tmp_path: Path) -> None:
    path = labelled([0] * 60, "npz", tmp_path, sessions=[0] * 20 + [1] * 40)
    with pytest.raises(FormatError, match="'request_id' begins 1"):
        lp.load_trace(path)
    with np.load(path) as arrays:
        np.savez(path, experts=arrays["experts"], sessions=arrays["sessions"])
    assert lp.load_trace(path).sessions.tolist() == [0, 20]


def test_arrays_that_are_left_out_are_said(tmp_path: Path) -> None:
    path = labelled([0] * 60, "npz", tmp_path, entropy=np.zeros(60), tags=["x"] * 3)
    how = Reading()
    load(path, how)
    assert {"about": "left out", "taken": "entropy, tags"}.items() <= how.assumed[0].items()
