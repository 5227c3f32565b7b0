"""Recording live models, tiny and random: what is recorded equals each architecture's own rule, computed by hand."""

from __future__ import annotations

import inspect
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layered_paging as lp
from layered_paging.cli import main
from tests.tiny_models import CONFIGS, make

torch = pytest.importorskip("torch", reason="torch is not installed (extra record)")
transformers = pytest.importorskip("transformers", reason="transformers is not installed (extra record)")


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def largest(x: np.ndarray, k: int) -> np.ndarray:
    return np.argsort(-x, axis=-1, kind="stable")[..., :k]


def by_hand(kind: str, config: Any, router: Any, hidden: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return ids and weights, largest first, by the published rule of an architecture; shape (tokens, top_k)."""
    logits = hidden @ router.weight.detach().numpy().T.astype(np.float64)
    k = config.num_experts_per_tok
    if kind == "gpt_oss":  # the largest logits, with their bias; a softmax over these
        logits = logits + router.bias.detach().numpy()
        ids = largest(logits, k)
        return ids, softmax(np.take_along_axis(logits, ids, -1))
    if kind == "deepseek_v3":  # sigmoid; the best groups by their two best; the bias decides, but does not weigh
        share = 1 / (1 + np.exp(-logits))
        judged = share + router.e_score_correction_bias.detach().numpy()
        grouped = np.sort(judged.reshape(len(judged), config.n_group, -1), axis=-1)[:, :, -2:].sum(-1)
        out = np.ones_like(grouped, bool)
        np.put_along_axis(out, largest(grouped, config.topk_group), False, -1)
        judged = np.where(np.repeat(out, judged.shape[1] // config.n_group, axis=1), -np.inf, judged)
        ids = largest(judged, k)
        gates = np.take_along_axis(share, ids, -1)
        return ids, gates / gates.sum(-1, keepdims=True) * config.routed_scaling_factor
    share = softmax(logits)
    if kind == "deepseek_v2":  # softmax; only the groups whose best expert is best
        grouped = share.reshape(len(share), config.n_group, -1).max(-1)
        out = np.ones_like(grouped, bool)
        np.put_along_axis(out, largest(grouped, config.topk_group), False, -1)
        share = np.where(np.repeat(out, share.shape[1] // config.n_group, axis=1), 0, share)
        ids = largest(share, k)
        return ids, np.take_along_axis(share, ids, -1) * config.routed_scaling_factor
    ids = largest(share, k)
    gates = np.take_along_axis(share, ids, -1)
    if kind == "mixtral" or getattr(config, "norm_topk_prob", False):
        gates = gates / gates.sum(-1, keepdims=True)
    return ids, gates


def past_of(model: Any, answer: Any) -> tuple[str, Any]:
    """Return the cache of keys of an answer, and its name, which transformers 5.24 changed."""
    name = "cache" if "cache" in inspect.signature(model.forward).parameters else "past_key_values"
    return name, getattr(answer, name)


def routers(model: Any) -> list[Any]:
    return [module for name, module in model.named_modules() if name.endswith((".gate", ".router"))]


@pytest.mark.parametrize("kind", CONFIGS)
def test_what_is_recorded_is_what_the_router_chose(kind: str) -> None:
    model = make(kind)
    seen: dict[int, list[Any]] = {}
    layers = routers(model)
    handles = [
        router.register_forward_pre_hook(lambda m, args, at=at: seen.setdefault(at, []).append(args[0].detach()))
        for at, router in enumerate(layers)
    ]
    prompt = torch.randint(1, 256, (1, 7), generator=torch.Generator().manual_seed(1))
    with lp.record(model, weights=True) as recorder:
        model.generate(prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=6, do_sample=False)
    for handle in handles:
        handle.remove()
    trace = recorder.trace()
    assert trace.stage.tolist() == [0] * 7 + [1] * 5  # the last new token is never asked about
    dense = CONFIGS[kind].get("first_k_dense_replace", 0)
    assert trace.layers == len(layers) == 3 - dense
    assert trace.n_experts == (8,) * trace.layers
    assert trace.weights is not None
    for at, router in enumerate(layers):
        hidden = torch.cat([h.reshape(-1, h.shape[-1]) for h in seen[at]]).numpy().astype(np.float64)
        ids, gates = by_hand(kind, model.config, router, hidden)
        found, weights = trace.experts[:, at], trace.weights[:, at]
        if kind.startswith("deepseek"):  # its own order is not defined
            order = np.argsort(-weights, axis=1, kind="stable")
            found, weights = np.take_along_axis(found, order, 1), np.take_along_axis(weights, order, 1)
            order = np.argsort(-gates, axis=1, kind="stable")
            ids, gates = np.take_along_axis(ids, order, 1), np.take_along_axis(gates, order, 1)
        assert (found == ids).all()
        np.testing.assert_allclose(weights, gates, rtol=1e-4)


def test_the_comparison_by_hand_can_fail() -> None:
    """Each architecture's rule is told apart from another's on the same logits."""
    model = make("deepseek_v3")
    router = routers(model)[0]
    hidden = np.random.default_rng(0).normal(size=(50, 32))
    right, _ = by_hand("deepseek_v3", model.config, router, hidden)
    wrong, _ = by_hand("deepseek_v2", model.config, router, hidden)
    assert (np.sort(right) != np.sort(wrong)).any()


@pytest.mark.parametrize("kind", ["mixtral", "gpt_oss", "deepseek_v3"])
def test_bytes_of_an_expert(kind: str) -> None:
    with lp.record(make(kind)) as recorder:
        recorder._model(torch.ones((1, 2), dtype=torch.long))
    sizes = recorder.trace().expert_bytes
    assert sizes is not None
    biases = 2 * 24 + 32 if kind == "gpt_oss" else 0
    assert set(sizes.tolist()) == {4 * (3 * 32 * 24 + biases)}  # gate, up and down, float32; shared experts apart


def test_recording_changes_nothing_and_leaves_nothing() -> None:
    model = make("mixtral")
    prompt = torch.randint(1, 256, (1, 5))
    options = {"attention_mask": torch.ones_like(prompt), "max_new_tokens": 8, "do_sample": False}
    before = model.generate(prompt, **options)
    with lp.record(model) as recorder:
        during = model.generate(prompt, **options)
    rounds = recorder.rounds
    after = model.generate(prompt, **options)
    assert torch.equal(before, during) and torch.equal(before, after)
    assert recorder.rounds == rounds == 12 and recorder.sessions == 1
    assert recorder.trace().weights is None
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_a_batch_is_recorded_as_its_rows_alone() -> None:
    model = make("qwen3_moe")
    rows = [torch.randint(1, 256, (n,), generator=torch.Generator().manual_seed(n)) for n in (4, 7, 6)]
    padded = torch.stack([torch.nn.functional.pad(row, (7 - len(row), 0)) for row in rows])
    mask = (torch.arange(7)[None, :] >= torch.tensor([[7 - len(row)] for row in rows])).long()
    with lp.record(model) as together:
        model.generate(padded, attention_mask=mask, max_new_tokens=5, do_sample=False)
    with lp.record(model) as alone:
        for row in rows:
            model.generate(row[None], attention_mask=torch.ones(1, len(row)), max_new_tokens=5, do_sample=False)
    assert together.trace() == alone.trace()
    assert together.trace().sessions.tolist() == [0, 8, 19]


def test_a_row_that_ended_is_recorded_no_longer() -> None:
    model = make("mixtral")
    prompt = torch.randint(1, 256, (2, 5), generator=torch.Generator().manual_seed(5))
    options = {"attention_mask": torch.ones_like(prompt), "max_new_tokens": 6, "do_sample": False}
    made = model.generate(prompt, **options)[:, 5:]
    end = next(t for t in made[0, 1:4].tolist() if t not in made[1].tolist())
    with lp.record(model, end_tokens=[end]) as recorder:
        model.generate(prompt, **options)
    first = made[0].tolist().index(end)
    trace = recorder.trace()
    assert np.diff([*trace.sessions, trace.rounds]).tolist() == [5 + first, 10]


def test_text_is_read_in_one_go_and_a_second_turn_is_prefill_again() -> None:
    model = make("olmoe")
    tokens = torch.randint(1, 256, (1, 6))
    with lp.record(model, items=[{"category": "a"}, {"category": "b"}, {"category": "never"}]) as recorder:
        model(tokens, use_cache=False)
        answer = model(tokens, use_cache=True)
        name, past = past_of(model, answer)
        model(tokens[:, :3], **{name: past})
        model(tokens[:, :1], **{name: past})
    trace = recorder.trace()
    assert trace.sessions.tolist() == [0, 6] and trace.stage.tolist() == [0] * 15 + [1]
    assert trace.meta["items"] == [{"category": "a"}, {"category": "b"}]
    assert (trace.experts[:6] == trace.experts[6:12]).all()


def test_what_cannot_be_recorded_is_refused() -> None:
    model = make("mixtral")
    tokens = torch.randint(1, 256, (1, 4))
    with pytest.raises(lp.LayeredPagingError, match="use_cache"), lp.record(model):
        model.generate(tokens, attention_mask=torch.ones_like(tokens), max_new_tokens=4, use_cache=False)
    name, past = past_of(model, model(tokens, use_cache=True))
    with pytest.raises(lp.LayeredPagingError, match="had 0 sequences"), lp.record(model):
        model(tokens[:, :1], **{name: past})
    with pytest.raises(lp.LayeredPagingError, match="nothing but padding"), lp.record(model):
        model(tokens, attention_mask=torch.zeros_like(tokens))
    with pytest.raises(lp.LayeredPagingError, match="no layer with experts"):
        lp.record(torch.nn.Linear(2, 2))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    with pytest.raises(lp.LayeredPagingError, match="nothing was recorded"):
        lp.record(model).trace()


class Block(torch.nn.Module):  # type: ignore[misc]
    """A layer as older versions write it: a linear router beside a list of experts."""

    def __init__(self, router: Any) -> None:
        super().__init__()
        self.gate = router
        self.experts = torch.nn.ModuleList([torch.nn.Linear(4, 4, bias=False) for _ in range(6)])

    def forward(self, x: Any) -> Any:
        self.gate(x)
        return x


class Router(torch.nn.Module):  # type: ignore[misc]
    """A router that scatters its weights over all experts, and returns them with the ids."""

    def forward(self, x: Any) -> Any:
        logits = x.reshape(-1, 4) @ torch.arange(24.0).reshape(4, 6).sin()
        top, ids = logits.topk(2, dim=-1)
        return torch.zeros_like(logits).scatter_(1, ids, top.softmax(-1)), ids


class Old(torch.nn.Module):  # type: ignore[misc]
    def __init__(self, router: Any, kind: str) -> None:
        super().__init__()
        self.config = transformers.MixtralConfig(num_experts_per_tok=2)
        self.config.model_type = kind
        self.layer = Block(router)

    def forward(self, inputs_embeds: Any) -> Any:
        return self.layer(inputs_embeds)


def test_layers_with_lists_of_experts() -> None:
    x = torch.randn(1, 5, 4, generator=torch.Generator().manual_seed(0))
    linear = torch.nn.Linear(4, 6, bias=False)
    for router, logits in (
        (linear, linear(x)),
        (Router(), x @ torch.arange(24.0).reshape(4, 6).sin()),
    ):
        model = Old(router, "mixtral")
        with lp.record(model, weights=True) as recorder:
            model(x)
        trace = recorder.trace()
        ids = largest(logits[0].detach().numpy(), 2)
        assert (trace.experts[:, 0] == ids).all() and trace.n_experts == (6,)
        assert trace.expert_bytes is not None and trace.expert_bytes.tolist() == [64]
        gates = softmax(np.take_along_axis(logits[0].detach().numpy(), ids, -1))
        assert trace.weights is not None
        np.testing.assert_allclose(trace.weights[:, 0], gates, rtol=1e-5)
    with pytest.raises(lp.LayeredPagingError, match="rule is not known"):
        lp.record(Old(linear, "something_else"))


CHILD = """
import sys, torch, layered_paging as lp, transformers
model = transformers.AutoModelForCausalLM.from_pretrained(sys.argv[1]).eval()
prompt = torch.arange(1, 9)[None]
with lp.record(model, path=sys.argv[2], weights=True):
    model.generate(prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=int(sys.argv[3]), do_sample=False)
"""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    make("mixtral").save_pretrained(folder)
    return folder


def test_a_killed_process_leaves_what_it_recorded(tiny: Path, tmp_path: Path) -> None:
    part = tmp_path / "part.jsonl"
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tiny), str(part), "240"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        # a header and 20 rounds
        while child.poll() is None and (not part.exists() or part.read_bytes().count(b"\n") < 21):
            time.sleep(0.01)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    lp.recording.recover(part, tmp_path / "rescued.npz")
    rescued = lp.load_trace(tmp_path / "rescued.npz")
    model = transformers.AutoModelForCausalLM.from_pretrained(tiny).eval()
    prompt = torch.arange(1, 9)[None]
    with lp.record(model, weights=True) as recorder:
        model.generate(prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=240, do_sample=False)
    whole = recorder.trace()
    assert 20 <= rescued.rounds <= whole.rounds
    assert (rescued.experts == whole.experts[: rescued.rounds]).all()
    assert (rescued.stage == whole.stage[: rescued.rounds]).all()


def test_the_command(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prompts, out = tmp_path / "p.jsonl", tmp_path / "run.npz"
    lines = [{"prompt": "def f(x):", "category": "code"}, {"prompt": "Once upon", "category": "prose"}]
    prompts.write_text("\n".join(map(json.dumps, lines)))
    words = ["record", str(tiny), "--prompts", str(prompts), "-o", str(out), "--byte-tokens", "--new-tokens", "6"]
    assert main([*words, "--mode", "sample", "--seed", "3", "--router-weights", "--overhead", "1", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    trace = lp.load_trace(out)
    assert answer["digest"] == trace.digest() and answer["sessions"] == 2
    assert answer["rounds"] == 9 + 5 + 9 + 5 and answer["prefill_rounds"] == 18
    assert answer["overhead"]["repeats"] == 1 and answer["overhead"]["ratio"] > 0
    assert trace.meta["items"] == [{"category": "code"}, {"category": "prose"}]
    assert trace.weights is not None
    assert sorted(os.listdir(tmp_path)) == ["p.jsonl", "run.npz"]
    assert main([*words, "--mode", "sample", "--seed", "3", "--force", "--overhead", "0"]) == 0
    assert lp.load_trace(out).digest() == trace.digest()
    assert main([*words, "--mode", "text", "--batch", "2", "--force", "--overhead", "0"]) == 0
    assert lp.load_trace(out).rounds == 18


def test_mistakes_of_the_command(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prompts, out = tmp_path / "p.txt", tmp_path / "run.npz"
    prompts.write_text("x" * 250)
    words = ["record", str(tiny), "--prompts", str(prompts)]
    for extra, said in (
        (["-o", str(out)], "--byte-tokens"),
        (["-o", str(out), "--byte-tokens"], "room for 256"),
        (["-o", f"{out}.txt"], "no trace format"),
        (["-o", str(prompts)], "there already"),
        (["-o", str(tmp_path / "no" / "run.npz")], "no such folder"),
        (["-o", str(out), "--dtype", "nonsense"], "dtype"),
        (["-o", str(out), "--temperature", "0", "--byte-tokens"], "temperature"),
    ):
        assert main([*words, *extra]) == 2
        error = capsys.readouterr().err
        assert said in error and error.count("\n") == 1, error
    assert main(["record", str(tmp_path / "absent"), "--prompts", str(prompts), "-o", str(out)]) == 2
    assert "no such folder" in capsys.readouterr().err
    assert os.listdir(tmp_path) == ["p.txt"]


def test_a_model_with_a_tokenizer(tiny: Path, tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = Tokenizer(models.WordLevel({"[UNK]": 0, "one": 1, "two": 2}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    transformers.AutoModelForCausalLM.from_pretrained(tiny).save_pretrained(tmp_path / "model")
    transformers.PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]").save_pretrained(tmp_path / "model")
    (tmp_path / "p.txt").write_text("one two one\n")
    out = tmp_path / "run.jsonl"
    assert main(["record", str(tmp_path / "model"), "--prompts", str(tmp_path / "p.txt"), "-o", str(out)]) == 0
    assert lp.load_trace(out).rounds == 3 + 63


@pytest.mark.usefixtures("one_thread")
def test_the_demonstration(tiny: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from layered_paging.samples import serve

    words = [str(tiny), "--slots", "9", "12", "--policy", "lru", "llru", "--new-tokens", "8", "--cold"]
    assert serve.main(words) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows[0][:4] == ["policy", "slots", "loads", "replay"] and len(rows) == 6
    for row in rows[2:]:
        assert row[2] == row[3] and int(row[2]) > 0 and row[-1] == "equal"
    assert serve.main([str(tiny), "--slots", "1"]) == 2
    assert "more slots" in capsys.readouterr().err
    monkeypatch.setattr(serve, "compare", lambda *args, **options: iter([serve.Row("lru", 9, same=False)]))
    assert serve.main(words) == 1
    assert "DIFFERENT" in capsys.readouterr().out
