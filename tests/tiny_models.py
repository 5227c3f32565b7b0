"""Tiny models of every kind that is recorded."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra record)")
transformers = pytest.importorskip("transformers", reason="transformers is not installed (extra record)")


COMMON: dict[str, Any] = {
    "vocab_size": 256,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "bos_token_id": None,
    "eos_token_id": None,
    "pad_token_id": 0,
}


LATENT: dict[str, Any] = {
    "num_key_value_heads": 4,
    "kv_lora_rank": 8,
    "q_lora_rank": 8,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 8,
    "v_head_dim": 8,
}


DEEPSEEK: dict[str, Any] = dict(
    n_routed_experts=8,
    num_experts_per_tok=3,
    moe_intermediate_size=24,
    intermediate_size=40,
    n_shared_experts=1,
    first_k_dense_replace=1,
    n_group=4,
    topk_group=2,
    routed_scaling_factor=2.5,
    **LATENT,
)


CONFIGS: dict[str, dict[str, Any]] = {
    "mixtral": {"num_local_experts": 8, "num_experts_per_tok": 2, "intermediate_size": 24},
    "qwen2_moe": {
        "num_experts": 8,
        "num_experts_per_tok": 3,
        "moe_intermediate_size": 24,
        "shared_expert_intermediate_size": 16,
        "intermediate_size": 40,
    },
    "qwen3_moe": {
        "num_experts": 8,
        "num_experts_per_tok": 3,
        "moe_intermediate_size": 24,
        "intermediate_size": 40,
        "head_dim": 8,
        "norm_topk_prob": True,
    },
    "olmoe": {"num_experts": 8, "num_experts_per_tok": 2, "intermediate_size": 24},
    "gpt_oss": {"num_local_experts": 8, "num_experts_per_tok": 2, "intermediate_size": 24, "head_dim": 8},
    "deepseek_v2": {**DEEPSEEK, "topk_method": "group_limited_greedy"},
    "deepseek_v3": {**DEEPSEEK, "norm_topk_prob": True},
}


def make(kind: str, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    config = transformers.AutoConfig.for_model(kind, **{**COMMON, **CONFIGS[kind]})
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    for tensor in (*model.parameters(), *(b for n, b in model.named_buffers() if "correction_bias" in n)):
        if tensor.dim() > 1 or not tensor.any():
            torch.nn.init.normal_(tensor, std=0.3)
    return model
