"""Answers of servers: sessions, prompt tokens, shapes that nothing states; passes of engines that log layer by layer."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layered_paging as lp
from layered_paging.errors import FormatError, LayeredPagingError

LAYERS, TOP, EXPERTS = 5, 4, 16
DICE = np.random.default_rng(3)


def routing(tokens: int) -> np.ndarray[Any, Any]:
    return np.array([[DICE.permutation(EXPERTS)[:TOP] for _ in range(LAYERS)] for _ in range(tokens)])


def packed(ids: Any, dtype: str = "uint8") -> str:
    out = io.BytesIO()
    np.save(out, np.asarray(ids).astype(dtype))
    return base64.b64encode(out.getvalue()).decode()


def raw(ids: Any) -> str:
    return base64.b64encode(np.asarray(ids).astype("<i4").tobytes()).decode()


def saved(path: Path, *values: Any, indent: int | None = None) -> Path:
    path.write_text("\n".join(json.dumps(value, indent=indent) for value in values) + "\n")
    return path


def told(trace: lp.Trace) -> set[str]:
    return {note["about"] for note in trace.meta.get("assumed", [])}


def test_vllm_of_one_of_a_list_and_of_lines(tmp_path: Path) -> None:
    prompt, made = [routing(n) for n in (3, 2)], [routing(n) for n in (4, 6)]
    answers = [
        {"id": f"r{n}", "model": "m", "prompt_routed_experts": p.tolist(), "choices": [{"routed_experts": g.tolist()}]}
        for n, (p, g) in enumerate(zip(prompt, made, strict=True))
    ]
    want = np.concatenate([prompt[0], made[0], prompt[1], made[1]])
    for path in (
        saved(tmp_path / "lines", *answers),
        saved(tmp_path / "list", answers),
        saved(tmp_path / "pretty", answers, indent=1),
    ):
        trace = lp.load_trace(path, n_experts=EXPERTS)
        assert np.array_equal(trace.experts, want) and trace.sessions.tolist() == [0, 7]
        assert trace.stage.tolist() == [0] * 3 + [1] * 4 + [0] * 2 + [1] * 6 and not told(trace)
        assert trace.meta["items"] == [{"name": "r0"}, {"name": "r1"}] and trace.meta["model"] == "m"
    one = lp.load_trace(saved(tmp_path / "one", answers[0], indent=2))
    assert np.array_equal(one.experts, want[:7])
    torn = tmp_path / "torn"
    torn.write_text((tmp_path / "lines").read_text()[:-40])
    assert "end" in told(lp.load_trace(torn)) and lp.load_trace(torn).rounds == 7


def test_vllm_with_several_choices_and_a_prefix_from_the_cache(tmp_path: Path) -> None:
    prompt, first, second = routing(3), routing(2), routing(4)
    cached = prompt.copy()
    cached[:2] = -1
    answer = {"prompt_routed_experts": cached.tolist(), "choices": [{"routed_experts": packed(first)}, {"routed_experts": packed(second, "int16")}]}  # fmt: skip
    trace = lp.load_trace(saved(tmp_path / "t", answer))
    assert trace.sessions.tolist() == [0, 5] and np.array_equal(trace.experts, np.concatenate([cached, first, second]))
    assert "sessions" in told(trace) and "stage" in told(trace)


@pytest.mark.parametrize(
    ("rows", "usage", "stage"),
    [
        (6, {"prompt_tokens": 3, "completion_tokens": 4}, [0, 0, 0, 1, 1, 1]),
        (7, {"prompt_tokens": 3, "completion_tokens": 4}, [0, 0, 0, 1, 1, 1, 1]),
        (4, {"prompt_tokens": 9, "completion_tokens": 4}, [1] * 4),
        (
            5,
            {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 6}},
            [0] * 3 + [1] * 2,
        ),
        (5, {}, None),
    ],
)
def test_vllm_prompt_tokens_by_the_numbers(
    rows: int, usage: dict[str, int], stage: list[int] | None, tmp_path: Path
) -> None:
    trace = lp.load_trace(
        saved(tmp_path / "t", {"choices": [{"routed_experts": packed(routing(rows))}], "usage": usage})
    )
    assert trace.stage.tolist() == (stage or [1] * rows) and ("stage" in told(trace)) == (stage is None)


def test_vllm_rows_that_contradict_the_usage(tmp_path: Path) -> None:
    """More rows than tokens, or fewer, are no longer or shorter answer but an error."""
    for rows, usage in ((5, (9, 40)), (8, (3, 4)), (5, (3, 4)), (1, (3, 0))):
        answer = {"choices": [{"routed_experts": packed(routing(rows))}], "usage": dict(zip(("prompt_tokens", "completion_tokens"), usage, strict=True))}  # fmt: skip
        with pytest.raises(
            FormatError, match=f"must have a row for each of {usage[0]} prompt_tokens.* got {rows} rows"
        ):
            lp.load_trace(saved(tmp_path / "t", answer))
    answer = {"prompt_routed_experts": packed(routing(4)), "choices": [{"routed_experts": packed(routing(3))}], "usage": {"prompt_tokens": 3, "completion_tokens": 4}}  # fmt: skip
    with pytest.raises(FormatError, match="got 4 rows of the prompt and 3 more"):
        lp.load_trace(saved(tmp_path / "t", answer))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"choices": [{"routed_experts": "!!!"}]}, "nested lists or base64"),
        ({"choices": [{"routed_experts": [[[1, 2]], [[1]]]}]}, "all of one length"),
        ({"choices": [{"routed_experts": [[[1.5]]]}]}, "nested lists of integers"),
        ({"choices": [{"routed_experts": [[1, 2]]}]}, "must have the axes tokens, layers, top_k"),
        ({"choices": [{"routed_experts": [[[1, 1]]]}]}, "must be distinct"),
        ({"num_hidden_layers": 7, "n_moe_layers": 7, "choices": [{"routed_experts": [[[1, 2]]]}]}, "no axis of layers"),
        ({"choices": [{"routed_experts": [[[1]]]}, {"routed_experts": [[[1], [2]]]}]}, "must have 1 layers x top 1"),
        ({"choices": [{"routed_experts": "k05VTVBZAQ=="}]}, "npy header"),
    ],
)
def test_bad_answers(answer: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(LayeredPagingError) as caught:
        lp.load_trace(saved(tmp_path / "t", answer))
    assert said in str(caught.value) and "\n" not in str(caught.value)


def sglang(ids: Any, prompt: int, **more: Any) -> dict[str, Any]:
    start = more.get("routed_experts_start_len", 0)
    info = {"id": "r", "prompt_tokens": prompt, "completion_tokens": len(ids) + 1 + start - prompt, "routed_experts": raw(ids), **more}  # fmt: skip
    return {"text": "x", "meta_info": info}


def test_sglang_shapes(tmp_path: Path) -> None:
    few, many = routing(4), routing(60)
    path = saved(tmp_path / "few", sglang(few, 2))
    with pytest.raises(FormatError, match=r"rows of 20 ids can be .*give --top-k"):
        lp.load_trace(path)
    trace = lp.load_trace(path, top_k=TOP, n_experts=EXPERTS)
    assert np.array_equal(trace.experts, few) and trace.stage.tolist() == [0, 0, 1, 1] and not told(trace)
    with pytest.raises(FormatError, match="does not fit"):
        lp.load_trace(path, top_k=3)
    stated = lp.load_trace(saved(tmp_path / "stated", sglang(few, 2, num_hidden_layers=LAYERS)))
    assert np.array_equal(stated.experts, few)
    long = lp.load_trace(saved(tmp_path / "many", sglang(many, 10)))
    assert np.array_equal(long.experts, many) and told(long) == {"top_k", "n_experts"}
    later = lp.load_trace(saved(tmp_path / "later", sglang(few, 5, routed_experts_start_len=3)), top_k=TOP)
    assert later.stage.tolist() == [0, 0, 1, 1]
    wrong = sglang(few, 2)
    wrong["meta_info"]["completion_tokens"] += 5
    with pytest.raises(FormatError, match=r"ids must divide into 9 rows|must divide into 8 rows"):
        lp.load_trace(saved(tmp_path / "wrong", wrong), top_k=TOP)


def test_sglang_on_the_endpoints_of_completions(tmp_path: Path) -> None:
    ids = routing(4)
    answer = {"id": "c", "choices": [{"sgl_ext": {"routed_experts": raw(ids)}}], "usage": {"prompt_tokens": 2, "completion_tokens": 3}}  # fmt: skip
    trace = lp.load_trace(saved(tmp_path / "t", answer), top_k=TOP)
    assert np.array_equal(trace.experts, ids) and trace.stage.tolist() == [0, 0, 1, 1]


def test_arrays_in_json(tmp_path: Path) -> None:
    ids = routing(7)
    bare = saved(tmp_path / "bare", ids.tolist())
    with pytest.raises(FormatError, match=r"7 tokens x 5 layers, top 4 .* or 5 tokens x 7 layers"):
        lp.load_trace(bare)
    assert np.array_equal(lp.load_trace(bare, layout="tlk").experts, ids)
    first = np.swapaxes(ids, 0, 1)
    for value in (
        {"experts": first.tolist(), "n_moe_layers": LAYERS, "num_experts": EXPERTS},
        {"experts": first.tolist(), "meta": {"layout": "layers, tokens, top_k", "num_experts": EXPERTS}},
        {"experts": raw(first), "shape": list(first.shape), "dtype": "int32", "stage": [1] * 7, "num_experts": EXPERTS},
        {"routed_experts": packed(ids), "num_experts": EXPERTS},
    ):
        trace = lp.load_trace(saved(tmp_path / "t", value, indent=1))
        assert np.array_equal(trace.experts, ids) and trace.n_experts == (EXPERTS,) * LAYERS
    with pytest.raises(FormatError, match="holds 140 numbers, but its shape is"):
        lp.load_trace(saved(tmp_path / "u", {"experts": raw(first), "shape": [5, 7, 3]}))
    with pytest.raises(FormatError, match="these must agree"):
        lp.load_trace(saved(tmp_path / "v", {"experts": first.tolist(), "n_moe_layers": LAYERS, "layout": "tlk"}))


def test_passes_of_megatron(tmp_path: Path) -> None:
    ids = routing(6)
    lines = [
        {"step": s, "block": "decoder", "layer": j + 1, "rank": 0, "num_tokens": len(rows), "topk": TOP, "top_indices": ids[rows, j].tolist()}
        for s, rows in enumerate(([0, 1, 2], [3], [4], [5]))
        for j in range(LAYERS)
    ]  # fmt: skip
    trace = lp.load_trace(saved(tmp_path / "t", *lines))
    assert np.array_equal(trace.experts, ids) and trace.stage.tolist() == [0, 0, 0, 1, 1, 1]
    again = lp.load_trace(saved(tmp_path / "u", *lines[:LAYERS], *lines[:LAYERS]))  # two micro-batches of one step
    assert again.rounds == 6 and np.array_equal(again.experts[3:], ids[:3])
    lines[0]["num_tokens"] = 7
    with pytest.raises(FormatError, match="line 1: 'top_indices' must be of num_tokens = 7"):
        lp.load_trace(saved(tmp_path / "v", *lines))


def test_passes_of_colibri_and_pairs(tmp_path: Path) -> None:
    ids = routing(5)
    passes = ([0, 1, 2], [3], [4])
    path = tmp_path / "t"
    path.write_text("".join(
        f"{n} {r} {j + 3} {' '.join(f'{e}:0.25' for e in ids[t, j])}\n" for n, rows in enumerate(passes) for j in range(LAYERS) for r, t in enumerate(rows)
    ))  # fmt: skip
    trace = lp.load_trace(path)
    assert (
        np.array_equal(trace.experts, ids)
        and trace.meta["layer_names"] == [3, 4, 5, 6, 7]
        and trace.weights is not None
    )
    pairs = tmp_path / "pairs"
    pairs.write_text("layer,expert\n" + "".join(f"{j},{e}\n" for rows in passes for j in range(LAYERS) for t in rows for e in ids[t, j]))  # fmt: skip
    assert np.array_equal(lp.load_trace(pairs, tokens="guess").experts, ids)
    assert np.array_equal(lp.load_trace(pairs, tokens="guess", top_k=TOP).experts, ids)
    with pytest.raises(FormatError, match="3 experts per token must divide"):
        lp.load_trace(pairs, tokens="guess", top_k=3)
    path.write_text("0 1 0 3:0.5\n")
    with pytest.raises(FormatError, match=r"rows of call 0, layer 0 must be 0\.\.0"):
        lp.load_trace(path)


def test_the_second_version_of_cache_lab(tmp_path: Path) -> None:
    head = {"record_type": "metadata", "format": "moe-cache-lab.routing-jsonl", "format_version": 2, "model_id": "m",
            "routing_stages": [{"routing_stage": "encoder", "num_experts": 4}, {"routing_stage": "decoder", "num_experts": 8}]}  # fmt: skip
    events = [
        {"record_type": "routing_selection", "routing_stage": s, "phase": p, "token_position": t, "layer": 1, "selected_experts": e}
        for s, p, t, e in (("encoder", "source", 0, [3]), ("encoder", "source", 1, []), ("decoder", "decoder_prompt", 0, [7]), ("decoder", "decoder_generated", 1, [5]))
    ]  # fmt: skip
    trace = lp.load_trace(saved(tmp_path / "t", head, *events))
    assert trace.experts.tolist() == [[[3], [-1]], [[-1], [-1]], [[-1], [7]], [[-1], [5]]]
    assert trace.n_experts == (4, 8) and trace.stage.tolist() == [0, 0, 0, 1]
    with pytest.raises(FormatError, match="must stand once"):
        lp.load_trace(saved(tmp_path / "u", head, *events, events[-1]))
    head["format_version"] = 3
    with pytest.raises(FormatError, match="'format_version' must be 1 or 2; got 3"):
        lp.load_trace(saved(tmp_path / "v", head, *events))
