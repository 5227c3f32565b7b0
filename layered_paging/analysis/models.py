"""What a trace's metadata says of its model, and what published configurations say of models by name."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["KNOWN", "stated_experts", "stated_top_k"]

# the family in a model's name -> (experts a token takes in a layer, experts of a layer), of num_experts_per_tok and
# num_experts (num_local_experts, n_routed_experts) in the config.json of that model on huggingface.co
KNOWN: tuple[tuple[str, int, int], ...] = (
    ("qwen3-next-80b-a3b", 10, 512),
    ("qwen3-235b-a22b", 8, 128),
    ("qwen3-30b-a3b", 8, 128),
    ("qwen1.5-moe-a2.7b", 4, 60),
    ("gpt-oss-120b", 4, 128),
    ("gpt-oss-20b", 4, 32),
    ("olmoe-1b-7b", 8, 64),
    ("mixtral-8x7b", 2, 8),
    ("deepseek-v2-lite", 6, 64),
    ("deepseek-v3", 8, 256),
    ("deepseek-r1", 8, 256),
    ("kimi-k2", 8, 384),
    ("kimi-linear-48b-a3b", 8, 256),
)
_TOP = ("top_k", "topk", "num_experts_per_tok", "experts_per_token", "n_expert_used", "moe_top_k")
_WIDE = ("n_expert", "n_experts", "num_experts", "num_local_experts", "n_routed_experts")


def stated_top_k(meta: dict[str, Any]) -> tuple[int | None, str]:
    """Return how many experts a token takes in a layer, and what says so: the larger of what meta and name say.

    Examples
    --------
    >>> stated_top_k({"top_k": 8, "model": "org/Qwen3-Next-80B-A3B-Instruct"})
    (10, 'the configuration of qwen3-next-80b-a3b')
    """
    return _stated(meta, _TOP, 1)


def stated_experts(meta: dict[str, Any]) -> tuple[int | None, str]:
    """Return how many experts a layer has, and what says so: the smaller of what meta and name say."""
    return _stated(meta, _WIDE, 2)


def _stated(meta: dict[str, Any], keys: tuple[str, ...], column: int) -> tuple[int | None, str]:
    found: list[tuple[int, str]] = []
    inner = [meta[key] for key in ("model", "config") if isinstance(meta.get(key), dict)]
    for said in (meta, *inner):
        for key in keys:
            value = said.get(key)
            if isinstance(value, int) and not isinstance(value, bool) and value > 0:
                found.append((value, f"'{key}' of its metadata"))
    words = " ".join(str(one) for said in (meta, *inner) for one in (said.get("model"), said.get("name")) if isinstance(one, str))  # fmt: skip
    plain = re.sub(r"[\s_]+", "-", words.lower())
    for row in KNOWN:
        if row[0] in plain:
            found.append((int(row[column]), f"the configuration of {row[0]}"))
            break
    if not found:
        return None, ""
    return max(found) if column == 1 else min(found)
