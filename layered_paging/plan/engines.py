"""Which eviction policies an engine ships, what they are called there, and how near ours are to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..core.registry import nearest
from ..errors import NotRegistered
from ..live.header import POLICIES as IN_C
from ..policies.names import resolve

__all__ = ["ENGINES", "Engine", "Shipped", "engines_of", "knob_of", "not_there", "policies_of", "shipped", "to_write"]


@dataclass(frozen=True)
class Shipped:
    """A policy of an engine.

    Attributes
    ----------
    knob : str
        How it is switched on there, in the engine's words.
    faithful : str
        What was read of it, and in what the policy here differs.
    """

    knob: str
    faithful: str


@dataclass(frozen=True)
class Engine:
    """An engine as far as its source or its documents were read.

    Attributes
    ----------
    policies : mapping
        Policy here, with parameters, to what it is there.
    pool : {"shared", "per-layer"}
        Of its cache.
    source : str
        What was read.
    beside : str
        What the engine does beside its policy, which moves its counts.
    """

    policies: Mapping[str, Shipped]
    pool: str
    source: str
    beside: str


ENGINES = {
    "llama.cpp": Engine(
        {
            "lru-hits-first": Shipped(
                "--moe-cache-mib N, in builds before b12170",
                "decision by decision with ties='rank', from the source",
            ),
            "classlru": Shipped(
                "--moe-cache-mib N, in builds from b12170 on",
                "reconstructed from a description of pull request 31233; its code was not to be had",
            ),
        },
        "shared",
        "ggml-org/llama.cpp, src/llama-moe-cache.cpp at 4b060f27 (LRU)",
        "batches of more than 32 tokens, or with more members (experts asked for at once) than slots, read the cache and leave it as it is "
        "(replay --bypass-above 32tokens); layers of unlike tensors, and devices, have pools of their own",
    ),
    "llama-cpp-turboquant": Engine(
        {
            "heat-protected": Shipped(
                "--moe-cache on, GGML_CUDA_MOE_CACHE_HOT_USES=N (4)",
                "the victim's rule from the source; members of an event are served there one by one",
            ),
            "lru": Shipped(
                "--moe-cache on, GGML_CUDA_MOE_CACHE_HOT_USES=1073741824",
                "as above, with a threshold that is never reached",
            ),
        },
        "shared",
        "TheTom/llama-cpp-turboquant, pull request 300, and the victim's rule in a copy of its source",
        "GGML_CUDA_MOE_CACHE_INSERTS (8) bounds the fills of a plan, GGML_CUDA_MOE_CACHE_THROTTLE (8) what is taken back "
        "(replay --keep-event, --evict-after)",
    ),
    "warp": Engine(
        {
            "sampled-lfru": Shipped(
                "--cache lfru (the default)", "decision by decision without hints, from the source"
            ),
            "sampled-lfru(first='last')": Shipped("--cache lru", "the same with sampled LRU"),
        },
        "shared",
        "sqliteai/warp, src/ecache.c at 7f1fbba3",
        "reads ahead on hints take slots and may not be evicted while they are fresh",
    ),
    "mixtral-offloading": Engine(
        {
            "lru-hits-first": Shipped(
                "OffloadConfig(main_size=..., offload_per_layer=...)",
                "from the source; misses there are in router order, so the order within one event differs",
            ),
        },
        "per-layer",
        "dvmazur/mixtral-offloading, src/expert_cache.py at ce545188",
        "the cache begins full: the experts that are not offloaded are there before the first token",
    ),
    "tinyserve": Engine(
        {
            "lru": Shipped('cache_policy="lru"', "from the source; members are served there one by one"),
            "lfru(history='cache')": Shipped(
                'cache_policy="lfru" (the default)',
                "from the source; its clock ticks once per member (ties='rank'), ties go to the page loaded first",
            ),
            "lfu(history='cache')": Shipped('cache_policy="lfu"', "from the source; ties go to the lowest page"),
            "slru": Shipped('cache_policy="slru"', "from the source; the same segments"),
            "fifo": Shipped('cache_policy="fifo"', "from the source"),
            "least-stale": Shipped('cache_policy="ls"', "another reading of the same paper: first in, first out there"),
        },
        "shared",
        "e1n00r/tinyserve, tinyserve/cache_policy.py at 9277e683",
        'cache_policy="dali" is not here; experts are also prefetched',
    ),
    "moe-infinity": Engine(
        {
            "lfu": Shipped(
                "device_memory_ratio (there is one policy)",
                "from the source; ties go to the lowest expert, then the lowest layer; counts, not the cache, are cleared "
                "when a generation begins",
            ),
        },
        "shared",
        "EfficientMoE/MoE-Infinity, core/parallel/expert_dispatcher.cpp at d6178017",
        "experts are also prefetched, which counts as a visit",
    ),
}


def _engine(name: str) -> Engine:
    if name not in ENGINES:
        raise NotRegistered(
            f"unknown engine {name!r}; {nearest(name, list(ENGINES))}; others ship no policy to choose, or were not read: "
            "an engine need not be named, policies are then compared whoever ships them"
        )
    return ENGINES[name]


def shipped(engine: str) -> list[str]:
    """Return the policies that an engine ships, as they are written here.

    Raises
    ------
    NotRegistered
        An engine that is not listed.

    Examples
    --------
    >>> shipped("llama.cpp")
    ['lru-hits-first', 'classlru']
    """
    return [resolve(name).name for name in _engine(engine).policies]


def policies_of(engine: str | None, otherwise: list[str], using: str | None = None) -> list[str]:
    """Return the policies to try: those that the engine ships, and the one in use; without an engine ``otherwise``."""
    if engine is None:
        return otherwise
    return list(dict.fromkeys([*([] if using is None else [using]), *shipped(engine)]))


USUAL = ("classlru",)  # of the engine that is used most: looked at where nothing better is shipped


def knob_of(engine: str, policy: str) -> str:
    """Return how a policy is switched on in an engine, in its words; empty where it does not ship it."""
    found = _engine(engine).policies.get(policy)
    return "" if found is None else found.knob


def engines_of(policy: str) -> list[dict[str, str]]:
    """Return the engines that ship a policy, each with how it is switched on there, and how near ours is to it.

    Examples
    --------
    >>> [one["engine"] for one in engines_of("classlru")], engines_of("similar-rounds")
    (['llama.cpp'], [])
    """
    found = {name: there.policies[policy] for name, there in ENGINES.items() if policy in there.policies}
    return [{"engine": name, "knob": one.knob, "faithful": one.faithful} for name, one in found.items()]


def not_there(engine: str, policy: str) -> str:
    """Say so where the policy in use is none that the engine ships; empty where it is.

    Examples
    --------
    >>> not_there("llama.cpp", "lru")
    'llama.cpp does not ship lru, with which it is compared here (--policy names the one in use: lru-hits-first or classlru)'
    >>> not_there("tinyserve", "lru")
    ''
    """
    there = _engine(engine).policies
    if policy in there:
        return ""
    return f"{engine} does not ship {policy}, with which it is compared here (--policy names the one in use: {' or '.join(there)})"


def to_write(policy: str) -> str:
    """Say what a policy takes that no engine ships.

    Examples
    --------
    >>> to_write("similar-rounds(memory=64)")
    'it is code to write; our header for C has it (layered-paging export header)'
    >>> to_write("s3-fifo")
    'it is code to write'
    """
    there = "; our header for C has it (layered-paging export header)" if policy.partition("(")[0] in IN_C else ""
    return f"it is code to write{there}"
