"""Models whose experts stay on the disk: the same answers, and the loads of the replay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import layered_paging as lp
from layered_paging.errors import BudgetError, ParameterError
from layered_paging.recording import experts_on_disk
from tests.tiny_models import CONFIGS, make

torch = pytest.importorskip("torch", reason="torch is not installed (extra record)")
transformers = pytest.importorskip("transformers", reason="transformers is not installed (extra record)")


def eager(kind: str) -> Any:
    model = make(kind)
    model.set_experts_implementation("eager")
    return model


def asked(model: Any, seed: int) -> Any:
    """Return the tokens that a model adds to a prompt, and what it thought of each."""
    prompt = torch.randint(1, 256, (1, 6), generator=torch.Generator().manual_seed(seed))
    made = model.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        max_new_tokens=12,
        do_sample=False,
        output_logits=True,
        return_dict_in_generate=True,
    )
    return made.sequences, torch.stack(made.logits)


@pytest.mark.parametrize("kind", CONFIGS)
@pytest.mark.parametrize(("policy", "pool"), [("lru", "per-layer"), ("llru", "shared"), ("random", "shared")])
@pytest.mark.usefixtures("one_thread")
def test_experts_on_the_disk_give_the_same_answers_and_the_loads_of_the_replay(
    kind: str, policy: str, pool: str, tmp_path: Path
) -> None:
    model = eager(kind)
    want = [asked(model, seed) for seed in (1, 2)]
    before = {name: value.clone() for name, value in model.state_dict().items()}
    slots = 24 if pool == "per-layer" else 9
    with (
        lp.record(model) as recorder,
        experts_on_disk(model, tmp_path / "experts", slots, policy, pool=pool, cold=True) as disk,
    ):
        assert not any("experts" in name and value.dim() > 2 for name, value in model.named_parameters())
        got = [asked(model, seed) for seed in (1, 2)]
    for (tokens, logits), (also, thought) in zip(want, got, strict=True):
        assert torch.equal(tokens, also) and torch.equal(logits, thought)
    trace = recorder.trace()
    run = lp.replay(trace, policy, slots, pool=pool, prefill="merged")
    assert (disk.loads, disk.cache.requests) == (run.misses, run.requests)
    assert disk.bytes_read == disk.loads * disk.expert_bytes and disk.seconds > 0
    if pool == "shared":
        assert run.hits > 0 and disk.cache.regret() >= 0
    after = model.state_dict()
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    assert not any(module._forward_pre_hooks for module in model.modules())


@pytest.mark.usefixtures("one_thread")
def test_sessions_on_the_disk_may_start_from_nothing(tmp_path: Path) -> None:
    model = eager("mixtral")
    with lp.record(model) as recorder, experts_on_disk(model, tmp_path / "experts", 10, "lru") as disk:
        asked(model, 1)
        disk.reset()
        asked(model, 2)
    run = lp.replay(recorder.trace(), "lru", 10, prefill="merged", reset="session")
    assert disk.loads == run.misses


@pytest.mark.usefixtures("one_thread")
def test_other_ways_to_run_experts_come_back(tmp_path: Path) -> None:
    model = eager("mixtral")
    model.set_experts_implementation("batched_mm")
    with experts_on_disk(model, tmp_path / "experts", 10, "lru"):
        inside = asked(model, 3)[1]
    assert model.config._experts_implementation == "batched_mm"
    model.set_experts_implementation("eager")
    assert torch.equal(asked(model, 3)[1], inside)


@pytest.mark.usefixtures("one_thread")
def test_what_cannot_stay_on_the_disk_is_refused(tmp_path: Path) -> None:
    model = eager("mixtral")
    (tmp_path / "there").write_text("mine")
    with pytest.raises(ParameterError, match="already"), experts_on_disk(model, tmp_path / "there", 8):
        pass
    assert (tmp_path / "there").read_text() == "mine"
    with pytest.raises(ParameterError, match="future"), experts_on_disk(model, tmp_path / "a", 8, "belady"):
        pass
    assert not (tmp_path / "a").exists()
    with pytest.raises(BudgetError, match="more slots"), experts_on_disk(model, tmp_path / "b", 2):
        asked(model, 1)
    asked(model, 1)  # the experts are back
    model.model.layers[1].mlp.experts.down_proj = torch.nn.Parameter(torch.zeros(8, 32, 25))
    with pytest.raises(lp.LayeredPagingError, match="same shapes"), experts_on_disk(model, tmp_path / "c", 8):
        pass
