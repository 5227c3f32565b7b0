"""Which eviction policies an engine ships, and what they are called there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import NotRegistered
from ..policies.names import find_policy

__all__ = ["ENGINES", "Engine", "shipped"]


@dataclass(frozen=True)
class Engine:
    """An engine as far as its source or its documents were read.

    Attributes
    ----------
    policies : mapping
        Name of a policy here to how it is switched on there.
    source : str
        What was read.
    """

    policies: Mapping[str, str]
    source: str


ENGINES = {
    "llama.cpp": Engine(
        {
            "lru": "the expert cache's first policy; its size is given in MiB or slots",
            "classlru": "the expert cache's newer policy, by decayed use counts",
        },
        "ggml-org/llama.cpp, docs/moe-cache.md (b12191) and pull request 31233, as described there; code not read",
    ),
    "llama-cpp-turboquant": Engine(
        {
            "lru": "--moe-cache",
            "heat-protected": "--moe-cache, threshold GGML_CUDA_MOE_CACHE_HOT_USES (default 4)",
        },
        "TheTom/llama-cpp-turboquant, pull requests 284 and 300, as described there; code not read",
    ),
}


def shipped(engine: str) -> list[str]:
    """Return the policies that an engine ships and that are registered here.

    Raises
    ------
    NotRegistered
        An engine that is not listed.
    """
    if engine not in ENGINES:
        raise NotRegistered(f"unknown engine {engine!r}; available: {', '.join(ENGINES)}")
    return [name for name in ENGINES[engine].policies if _known(name)]


def _known(name: str) -> bool:
    try:
        find_policy(name)
    except NotRegistered:
        return False
    return True
