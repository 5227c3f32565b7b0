"""The rules of a replay: what an event is, what a cache does with it, and when it starts anew.

Whatever a user may choose about a replay stands here, is checked here, and is handed on as one object.
A new choice is a field of ``Rules``, with its vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from ..errors import BudgetError, ParameterError
from .instance import integer, shown

__all__ = [
    "ADMISSIONS",
    "ENGINES",
    "EVENTS",
    "LENDS",
    "OVERSIZES",
    "PLAIN",
    "POOLS",
    "PREFILLS",
    "PREFILL_CACHES",
    "QUOTAS",
    "RESETS",
    "TIES",
    "Budget",
    "Rules",
    "Traffic",
    "choice",
    "without_sizes",
]

POOLS = ("shared", "per-layer")
RESETS = ("never", "session", "cache")
EVENTS = ("atomic", "serial")
ADMISSIONS = ("forced", "bypass")
PREFILLS = ("token", "merged")
TIES = ("page", "rank")
OVERSIZES = ("error", "allow")
QUOTAS = ("uniform", "free", "given")
ENGINES = ("auto", "kernel", "reference")
PREFILL_CACHES = ("warm", "leave")
LENDS = ("none", "waiting", "all")


def choice(name: str, value: str, known: tuple[str, ...]) -> str:
    """Return ``value`` if it is one of ``known``, or raise ``ParameterError``, which names the nearest one."""
    if not isinstance(value, str) or value not in known:
        from .registry import close_to

        near = close_to(value, known) if isinstance(value, str) else None
        meant = "" if near is None else f"; did you mean {near!r}?"
        raise ParameterError(f"must be one of {', '.join(map(repr, known))}; got {shown(value)}{meant}", parameter=name)
    return value


def without_sizes() -> BudgetError:
    """Return the error about a budget in bytes for a trace that does not know its sizes."""
    return BudgetError(
        "needs a trace with expert_bytes; this one has none",
        parameter="budget_bytes",
        ways=[("slots", None), ("expert_bytes", None)],
    )


_VOCABULARY = {
    "pool": POOLS,
    "reset": RESETS,
    "events": EVENTS,
    "admission": ADMISSIONS,
    "prefill": PREFILLS,
    "ties": TIES,
    "oversize": OVERSIZES,
}


@dataclass(frozen=True)
class Traffic:
    """Which loads stay in the cache: rules between a cache and its policy, the same for every policy.

    An absent member is a miss and is loaded, whatever the rules say.  A load that they do not *keep* takes no slot and evicts
    nothing: it is used beside the cache and dropped.  The policy is not told of it.  So every schedule under these rules
    is one of admission "bypass" without them, and the optimum of that admission is a lower bound.

    Attributes
    ----------
    bypass_above : int or None
        Events of more members than this, at least 0, leave the cache alone.  Members that are there are hits, the others are
        loaded and dropped, and the policy is told of none.
    bypass_tokens : int or None
        The same for events of more tokens than this; the trace must say them (``Trace.tokens``).
    keep_event : int or None
        At most this many loads of an event are kept, at least 0: the first ones in the order of presentation.
    keep_round : int or None
        The same for all events of a round together; with per-layer pools, of each pool.
    admit_after : int
        A load is kept at the page's miss of this number since it was last kept, at least 1.
    evict_after : int
        As ``admit_after``, where keeping the load needs an eviction; the larger of both holds.  This is the hysteresis.
    prefill_cache : {"warm", "leave"}
        Leave: events of prefill rounds leave the cache alone, as events above ``bypass_above`` do.

    Raises
    ------
    ParameterError
        A value is out of range.

    Notes
    -----
    The definitions are those of the expert cache proposed for llama.cpp (https://github.com/ggml-org/llama.cpp/pull/24524 and
    the branches that carry it on): ``GGML_CUDA_MOE_CACHE_MAX_BATCH`` (``bypass_tokens``), ``_INSERTS``
    (``keep_event``), ``_ADMIT_AFTER``, and ``_THROTTLE`` (``evict_after``); its defaults are 8, 8, 1 or 2, and 8.

    Examples
    --------
    >>> Traffic(bypass_above=32, evict_after=8)
    Traffic(bypass_above=32, evict_after=8)
    >>> Traffic.of({"keep_event": 2}).plain, Traffic().plain
    (False, True)
    """

    bypass_above: int | None = None
    bypass_tokens: int | None = None
    keep_event: int | None = None
    keep_round: int | None = None
    admit_after: int = 1
    evict_after: int = 1
    prefill_cache: str = "warm"

    def __post_init__(self) -> None:
        for name in ("bypass_above", "bypass_tokens", "keep_event", "keep_round"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, integer(name, getattr(self, name), 0))
        for name in ("admit_after", "evict_after"):
            object.__setattr__(self, name, integer(name, getattr(self, name), 1))
        choice("prefill_cache", self.prefill_cache, PREFILL_CACHES)

    @classmethod
    def of(cls, given: Traffic | Mapping[str, Any] | None) -> Traffic:
        """Return the rules from themselves, from a mapping of their names, or the plain ones from None.

        Raises
        ------
        ParameterError
            A name or a value is none.
        """
        if isinstance(given, cls):
            return given
        known = [field.name for field in fields(cls)]
        if given is not None and not isinstance(given, Mapping):
            raise ParameterError(f"must be a Traffic or a mapping; got {given!r}", parameter="traffic")
        for name in given or ():
            choice("a rule of traffic", name, tuple(known))
        return cls(**(given or {}))

    @property
    def plain(self) -> bool:
        """Whether every load is kept."""
        return not self.changed()

    def changed(self) -> dict[str, Any]:
        """Return the rules that differ from the plain ones, by name."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}

    def passes(self, members: int, prefill: bool, tokens: int = 1) -> bool:
        """Return whether an event with these numbers of members and tokens leaves the cache alone."""
        over = self.bypass_above is not None and members > self.bypass_above
        over |= self.bypass_tokens is not None and tokens > self.bypass_tokens
        return over or (prefill and self.prefill_cache == "leave")

    def __repr__(self) -> str:
        return f"Traffic({', '.join(f'{name}={value!r}' for name, value in self.changed().items())})"


@dataclass(frozen=True)
class Rules:
    """The rules of a replay, checked.

    Attributes
    ----------
    pool : {"shared", "per-layer"}
    reset : {"never", "session", "cache"}
        Empty cache and policy at every session; or only the cache; or neither.
    events : {"atomic", "serial"}
        Members of an event together, or one at a time in router order.
    admission : {"forced", "bypass"}
        Forced: all members stay until the event ends.  Bypass: a just-loaded member may be dropped.
    prefill : {"token", "merged"}
        Merged: one event per layer for the whole prefill of a prompt.
    ties : {"page", "rank"}
        Members are presented in ascending page number, or in router order with a clock tick each.
    oversize : {"error", "allow"}
        What to do about a forced event that does not fit.
    quotas : "uniform", "free", or tuple of int
        Slots of each layer: a uniform split, a split that is to be found, or given.  Unless uniform, the pools are per layer.
    traffic : Traffic
        Which loads stay in the cache.
    lend : {"none", "waiting", "all"}
        Per-layer pools and prompts that pass layer by layer: who lends slots to the layer in flight, see ``engine.lending``.

    Raises
    ------
    ParameterError
        A value is none of these, or slots are lent where there is one pool, or merged prompts.

    Examples
    --------
    >>> Rules(admission="bypass").bypass
    True
    """

    pool: str = "shared"
    reset: str = "never"
    events: str = "atomic"
    admission: str = "forced"
    prefill: str = "token"
    ties: str = "page"
    oversize: str = "error"
    quotas: str | tuple[int, ...] = "uniform"
    traffic: Traffic = Traffic()
    lend: str = "none"

    def __post_init__(self) -> None:
        for name, known in _VOCABULARY.items():
            choice(name, getattr(self, name), known)
        if isinstance(self.quotas, str):
            choice("quotas", self.quotas, QUOTAS[:2])
        choice("lend", self.lend, LENDS)
        if self.lend != "none" and (self.pool != "per-layer" or self.prefill != "token"):
            raise ParameterError(
                "needs pool per-layer and prefill token: a merged prompt is one event", parameter="lend"
            )

    @classmethod
    def with_quotas(cls, quotas: str | Sequence[int], **options: Any) -> Rules:
        """Return rules whose quotas may be a list of slots by layer.

        Raises
        ------
        ParameterError
            The quotas are neither a name nor a list of ints of at least 0.
        """
        if isinstance(quotas, str):
            chosen: str | tuple[int, ...] = choice("quotas", quotas, QUOTAS[:2])
        elif isinstance(quotas, (Sequence, np.ndarray)) and not isinstance(quotas, (bytes, bytearray)):
            chosen = tuple(integer(f"quotas of layer {j}", q, 0) for j, q in enumerate(quotas))
        else:
            raise ParameterError(f"must be 'uniform', 'free' or a list of slots; got {quotas!r}", parameter="quotas")
        if chosen != "uniform":
            options["pool"] = "per-layer"
        return cls(quotas=chosen, **options)

    def but(self, **changes: Any) -> Rules:
        """Return the same rules with some of them changed."""
        return replace(self, **changes)

    @property
    def bypass(self) -> bool:
        """Whether a just-loaded member may be dropped."""
        return self.admission == "bypass"

    @property
    def stays_over(self) -> bool:
        """Whether an event larger than its pool stays over until the next one."""
        return self.oversize == "allow"

    @property
    def must_fit(self) -> bool:
        """Whether an event larger than its pool is an error."""
        return not (self.bypass or self.stays_over or self.quotas == "free")

    @property
    def per_layer(self) -> bool:
        """Whether each layer has a pool of its own."""
        return self.pool == "per-layer"

    @property
    def resets(self) -> bool:
        """Whether a session starts with an empty cache."""
        return self.reset != "never"

    @property
    def ranked(self) -> bool:
        """Whether the clock ticks once per member of an atomic event."""
        return self.ties == "rank" and self.events == "atomic"

    @property
    def layout(self) -> tuple[str, str, str]:
        """What decides how a trace is laid out: events, prefill, ties."""
        return self.events, self.prefill, self.ties

    def options(self) -> dict[str, Any]:
        """Return the rules by name, as a result states them; given quotas and rules of traffic only where there are any."""
        said = {field.name: getattr(self, field.name) for field in fields(self) if field.name in _VOCABULARY}
        if not isinstance(self.quotas, str):
            said["quotas"] = list(self.quotas)
        if self.lend != "none":
            said["lend"] = self.lend
        return said if self.traffic.plain else said | {"traffic": self.traffic.changed()}


PLAIN = Rules()


@dataclass(frozen=True)
class Budget:
    """What a cache holds, in slots or in bytes.

    Attributes
    ----------
    slots, budget_bytes : int or None
        Exactly one of them, at least 1.

    Raises
    ------
    BudgetError
        Neither is given, or both.
    ParameterError
        Out of range.
    """

    slots: int | None = None
    budget_bytes: int | None = None

    def __post_init__(self) -> None:
        if (self.slots is None) == (self.budget_bytes is None):
            raise BudgetError("give slots or budget_bytes, one of them")
        name = "slots" if self.budget_bytes is None else "budget_bytes"
        object.__setattr__(self, name, integer(name, getattr(self, name), 1))

    @property
    def in_bytes(self) -> bool:
        """Whether it is in bytes."""
        return self.budget_bytes is not None

    @property
    def total(self) -> int:
        """The number, of slots or of bytes."""
        number = self.slots if self.budget_bytes is None else self.budget_bytes
        assert number is not None
        return number

    @property
    def unit(self) -> str:
        """The word for what it counts."""
        return "bytes" if self.in_bytes else "slots"
