"""What a profile buys: sessions replayed with profiles of other sessions, paired with what needs no profile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.arguments import kinds
from ..core.cutting import sessions_where
from ..core.instance import integer
from ..core.layout import quotas
from ..core.rules import POOLS, choice
from ..core.stats import half_width
from ..core.trace import DECODE, PREFILL, Trace
from ..engine.run import replay
from ..errors import ParameterError
from ..policies.names import resolve
from ..policies.spec import PolicySpec
from .drift import asking
from .profile import Profile, compare, merge

__all__ = ["METHODS", "WINDOWS", "Outcome", "Transfer", "Worth", "hot_pages", "seeded", "transfer", "warmed", "worth"]

Floats = npt.NDArray[np.float64]
WINDOWS = {"cold": (0, 32), "settled": (128, None), "all": (0, None)}
STRENGTH = 1.44  # half-lives: the weight of an unfading count

# method -> (policy, parameters, what the profile does); 'seed' adds its rates to the counts, 'rank' is the order of
# eviction, 'pin' keeps the hottest half of the slots, 'warm' loads the hottest pages before the session
METHODS: dict[str, tuple[str, frozenset[str]]] = {
    "lru": ("lru", frozenset()),
    "lfu": ("lfu", frozenset()),
    "lfu-decay": ("lfu-decay", frozenset()),
    "lru, warm": ("lru", frozenset({"warm"})),
    "lfu-decay, warm": ("lfu-decay", frozenset({"warm"})),
    "lfu-decay, seeded": ("lfu-decay", frozenset({"seed"})),
    "lfu-decay, seeded and warm": ("lfu-decay", frozenset({"seed", "warm"})),
    "lru, half pinned": ("static", frozenset({"pin", "warm"})),
    "static": ("static", frozenset({"rank", "warm"})),
}


@kinds()
def hot_pages(profile: Profile, slots: int, pool: str = "shared") -> list[int]:
    """Return the pages that a cache would hold at the start by a profile, the coldest first.

    Parameters
    ----------
    profile : Profile
    slots : int
        Total slots.
    pool : {"shared", "per-layer"}
        The hottest pages of all, or of each layer by its quota.  Ties to the lower page number; pages without a
        use are left out.
    """
    rates = profile.page_rates
    if choice("pool", pool, POOLS) == "shared":
        chosen = np.argsort(-rates, kind="stable")[: integer("slots", slots, 1)].tolist()
    else:
        first = np.concatenate(([0], np.cumsum(profile.n_experts)))
        asked = [bool(np.any(counts)) for counts in profile.counts]
        each = quotas(integer("slots", slots, 1), len(profile.counts), asked)
        chosen = [int(first[j]) + e for j, q in enumerate(each) for e in profile.hottest(j, q)]
    return sorted((p for p in chosen if rates[p] > 0), key=lambda p: (rates[p], -p))


def warmed(trace: Trace, pages: Sequence[int]) -> Trace:
    """Return the trace with rounds before each session that ask for these pages, marked as prefill.

    Parameters
    ----------
    trace : Trace
        Of decoding rounds; a replay then counts the warm-up as stage 0, and the session as stage 1.
    pages : sequence of int
        In the order in which they shall be loaded, within each layer; as ``hot_pages`` gives them.

    Notes
    -----
    Every replay, policy and kernel can so begin warm: the policy sees each page used once, the hottest last.
    """
    first, width = trace.first_page.tolist(), trace.top_k
    by_layer: list[list[int]] = [[] for _ in range(trace.layers)]
    for page in pages:
        layer = int(np.searchsorted(trace.first_page, page, side="right")) - 1
        by_layer[layer].append(page - first[layer])
    rounds = max((-(-len(row) // width) for row in by_layer), default=0)
    if rounds == 0:
        return trace
    before = np.full((rounds, trace.layers, width), -1, trace.experts.dtype)
    for layer, row in enumerate(by_layer):
        for back, start in enumerate(range(len(row), 0, -width)):  # the hottest in the last round
            part = row[max(0, start - width) : start]
            before[rounds - 1 - back, layer, : len(part)] = part
    ends = np.append(trace.sessions[1:], trace.rounds).tolist()
    parts, stages, starts, at = [], [], [], 0
    for a, b in zip(trace.sessions.tolist(), ends, strict=True):
        parts += [before, trace.experts[a:b]]
        stages += [np.full(rounds, PREFILL), np.full(b - a, DECODE)]
        starts.append(at)
        at += rounds + b - a
    return Trace(
        np.concatenate(parts), trace.n_experts, starts, np.concatenate(stages), trace.expert_bytes, dict(trace.meta)
    )


def seeded(policy: str, scores: Sequence[float] | Floats, name: str | None = None) -> PolicySpec:
    """Return a policy whose parameter ``profile`` holds scores by page, under a short name."""
    spec = resolve(policy)
    params = {**spec.params, "profile": [float(x) for x in scores]}
    return PolicySpec(name or f"{spec.name} with a profile", spec.base, spec.cls, params, spec.properties)


@dataclass(frozen=True)
class Outcome:
    """Hit rates of one method with one kind of profile.

    Attributes
    ----------
    method, trained_on : str
    sessions : list of int
    hit_rate : dict from a window to a float array, one per session
        Windows: cold (first 32 tokens), settled (from token 128), all; nan where a session has no such tokens.
    """

    method: str
    trained_on: str
    sessions: list[int]
    hit_rate: dict[str, Floats]

    def gain(self, over: Outcome, window: str) -> tuple[float, float, float]:
        """Return the mean paired gain in hit rate over another outcome, and its 95 % interval (Student's t).

        Of the sessions that both have, and that have tokens in the window.
        """
        at = dict(zip(over.sessions, over.hit_rate[window].tolist(), strict=True))
        pairs = [
            x - at[s] for s, x in zip(self.sessions, self.hit_rate[window].tolist(), strict=True) if s in at and x == x
        ]
        values = np.array([p for p in pairs if p == p])
        if len(values) == 0:
            raise ParameterError(f"{self.method}: no session of both has tokens in window {window!r}")
        mean = float(values.mean())
        if len(values) < 2:
            return mean, mean, mean
        half = half_width(values.tolist())
        return mean, mean - half, mean + half


@dataclass(frozen=True)
class Worth:
    """All outcomes of a study, and what was studied."""

    outcomes: list[Outcome]
    slots: int
    pool: str
    key: str
    changed: bool

    def of(self, method: str, trained_on: str) -> Outcome:
        """Return one outcome."""
        for one in self.outcomes:
            if (one.method, one.trained_on) == (method, trained_on):
                return one
        raise ParameterError(f"no outcome of {method!r} trained on {trained_on!r}")


@kinds()
def worth(
    trace: Trace,
    slots: int,
    *,
    pool: str = "per-layer",
    key: str = "dataset",
    changed: bool = False,
    half_life: float = 32,
    methods: Sequence[str] = tuple(METHODS),
    progress: Callable[[int, int], object] | None = None,
) -> Worth:
    """Replay each session with profiles of other sessions.

    Parameters
    ----------
    trace : Trace
        Of several sessions, with ``meta["items"]`` that have the key.
    slots : int
        Total slots.
    pool : {"shared", "per-layer"}
    key : str
        What makes sessions alike, such as ``dataset`` or ``category``.
    changed : bool
        False: each session starts anew.  True: each follows, without a reset, a session of another kind (the next in
        order whose key differs), and the profile is of that kind: the workload before the change.
    half_life : float
        Of ``lfu-decay``.
    methods : sequence of str
        Some of ``METHODS``.
    progress : callable, optional
        ``progress(done, total)``.

    Returns
    -------
    Worth
        Trained on: ``all others``, ``same KEY`` (other sessions of it; sessions alone of their kind are left out),
        ``other KEY``, and ``the session itself (oracle)``; with ``changed``, ``the KEY before``.

    Raises
    ------
    ParameterError
        A value out of range, or fewer than two kinds of session.
    """
    for name in methods:
        if name not in METHODS:
            raise ParameterError(f"unknown method {name!r}; available: {', '.join(METHODS)}")
    count = len(trace.sessions)
    items = trace.meta.get("items")
    sessions_where(trace, [])
    if not isinstance(items, list) or len(items) != count or not all(isinstance(i, dict) and key in i for i in items):
        raise ParameterError(f"each session needs an item with {key!r} in the trace's meta")
    kinds = [str(item[key]) for item in items]
    if len(set(kinds)) < 2:
        raise ParameterError(f"sessions of at least two kinds of {key} are needed; got {len(set(kinds))}")
    alone = {s: Profile.of(trace.select([s])) for s in asking(trace)}
    found: dict[tuple[str, str], Outcome] = {}

    def add(method: str, trained_on: str, session: int, rates: dict[str, float]) -> None:
        one = found.setdefault(
            (method, trained_on), Outcome(method, trained_on, [], {w: np.array([]) for w in WINDOWS})
        )
        one.sessions.append(session)
        for window, x in rates.items():
            one.hit_rate[window] = np.append(one.hit_rate[window], x)

    for session in alone:
        before = _before(session, kinds) if changed else None
        part = trace.select([session] if before is None else [before, session])
        for trained_on, every in _splits(session, before, kinds, key):
            chosen = [s for s in every if s in alone]
            if not chosen and trained_on != "nothing":
                continue
            profile = merge([alone[s] for s in chosen]) if chosen else None
            for name in methods:
                if bool(METHODS[name][1]) == (profile is not None):
                    add(name, trained_on, session, _play(part, profile, slots, pool, name, half_life))
        if progress is not None:
            progress(session + 1, count)
    return Worth(list(found.values()), slots, pool, key, changed)


def _before(session: int, kinds: Sequence[str]) -> int:
    """Return the next session in order, from the end back to the start, of another kind."""
    for step in range(1, len(kinds)):
        other = (session + step) % len(kinds)
        if kinds[other] != kinds[session]:
            return other
    raise AssertionError("two kinds exist")


def _splits(session: int, before: int | None, kinds: Sequence[str], key: str) -> list[tuple[str, list[int]]]:
    others = [s for s in range(len(kinds)) if s != session]
    if before is not None:
        return [("nothing", []), (f"the {key} before", [s for s in others if kinds[s] == kinds[before]])]
    return [
        ("nothing", []),
        ("all others", others),
        (f"same {key}", [s for s in others if kinds[s] == kinds[session]]),
        (f"other {key}", [s for s in others if kinds[s] != kinds[session]]),
        ("the session itself (oracle)", [session]),
    ]


def _play(
    part: Trace, profile: Profile | None, slots: int, pool: str, method: str, half_life: float
) -> dict[str, float]:
    """Return the hit rates of the last session of ``part``, never reset, by window."""
    base, uses = METHODS[method]
    text = f"{base}(half_life={half_life})" if base == "lfu-decay" else base
    spec: Any = text
    trace = part
    tokens = part.rounds - int(part.sessions[-1])
    if profile is not None:
        hot = hot_pages(profile, slots, pool)
        if "seed" in uses:
            spec = seeded(text, profile.page_rates * (STRENGTH * half_life))
        elif "rank" in uses:
            spec = seeded(text, profile.page_rates)
        elif "pin" in uses:
            pinned = set(hot_pages(profile, max(1, slots // 2), pool))
            spec = seeded(text, [float(p in pinned) for p in range(part.pages)])
        if "warm" in uses:
            one = Trace(part.experts, part.n_experts)
            trace = warmed(one, hot)
    run = replay(trace, spec, slots, pool=pool, record=True)
    assert run.missed is not None
    asked = (trace.experts[-tokens:] >= 0).sum(axis=(1, 2))
    missed = run.missed[-tokens:].sum(axis=(1, 2))
    rates = {}
    for window, (a, b) in WINDOWS.items():
        total = int(asked[a:b].sum())
        rates[window] = 1 - int(missed[a:b].sum()) / total if total else float("nan")
    return rates


@dataclass(frozen=True)
class Transfer:
    """How well profiles of one kind of session describe another kind.

    Attributes
    ----------
    kinds : list of str
    covered : float array, shape (kinds, kinds)
        Of the requests of the sessions of kind ``column``, the share for the ``top`` hottest experts of each layer.  These are
        the hottest by the profile of kind ``row``.
        On the diagonal the profile is of the kind's other sessions (nan where it has but one).
    distance : float array, shape (kinds, kinds)
        Jensen-Shannon distance, mean over layers and sessions; the same splits.
    own : float array, shape (kinds,)
        Covered by the profile of the very session (an oracle).
    """

    kinds: list[str]
    covered: Floats
    distance: Floats
    own: Floats


@kinds()
def transfer(trace: Trace, *, key: str = "dataset", top: int = 8) -> Transfer:
    """Compare profiles of kinds of session with the sessions of other kinds.

    Parameters
    ----------
    trace : Trace
        With ``meta["items"]`` that have the key.
    key : str
    top : int
        Size of a layer's hot set, at least 1.
    """
    items, number = trace.meta.get("items"), len(trace.sessions)
    if not isinstance(items, list) or len(items) != number or not all(isinstance(i, dict) and key in i for i in items):
        raise ParameterError(f"each session needs an item with {key!r} in the trace's meta")
    top = integer("top", top, 1)
    of = [str(item[key]) for item in items]
    alone = {s: Profile.of(trace.select([s])) for s in asking(trace)}
    kinds = sorted({of[s] for s in alone})
    covered, distance = np.full((2, len(kinds), len(kinds)), np.nan)

    def share(profile: Profile, session: Profile) -> float:
        pairs = [(session.counts[j], profile.hottest(j, top)) for j in range(trace.layers)]
        return float(sum(c[hot].sum() for c, hot in pairs) / sum(c.sum() for c, _ in pairs))

    for i, source in enumerate(kinds):
        for j, target in enumerate(kinds):
            shares, far = [], []
            for s in [s for s in alone if of[s] == target]:
                chosen = [alone[o] for o in alone if of[o] == source and o != s]
                if chosen:
                    profile = merge(chosen)
                    shares.append(share(profile, alone[s]))
                    far.append(float(np.nanmean(compare(profile, alone[s], top=top).distance)))
            if shares:
                covered[i, j], distance[i, j] = np.mean(shares), np.mean(far)
    own = np.array([np.mean([share(alone[s], alone[s]) for s in alone if of[s] == kind]) for kind in kinds])
    return Transfer(kinds, covered, distance, own)
