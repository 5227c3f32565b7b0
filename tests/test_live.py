"""The live cache decides what the replay decides, and its gauge is the optimum after every event."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import layered_paging as lp
from layered_paging.core import registry
from layered_paging.core.layout import Time
from layered_paging.engine.run import history
from layered_paging.errors import BudgetError, FormatError, ParameterError, PolicyError
from layered_paging.live import Cache, PrefixOptimum
from layered_paging.policies.names import resolve

lp.catalog.collect()
ONLINE = [
    entry.name
    for entry in registry.entries("policy")
    if not entry.properties.get("offline") and not entry.properties.get("predictions")
]


@st.composite
def traces(draw: st.DrawFn, most: int = 3) -> lp.Trace:
    layers, experts = draw(st.integers(1, 3)), draw(st.integers(1, 5))
    width = draw(st.integers(1, min(most, experts)))
    event = st.lists(st.integers(0, experts - 1), min_size=1, max_size=width, unique=True)
    rounds = draw(st.lists(st.lists(event, min_size=layers, max_size=layers), min_size=1, max_size=14))
    rows = np.full((len(rounds), layers, width), -1, np.int16)
    for r, events in enumerate(rounds):
        for j, members in enumerate(events):
            rows[r, j, : len(members)] = members
    starts = sorted({0, *draw(st.lists(st.integers(0, len(rounds) - 1), max_size=2))})
    return lp.Trace(rows, experts, starts)


def events_of(trace: lp.Trace) -> list[tuple[bool, int, list[int]]]:
    """Return (a session begins, layer, experts) of each event."""
    found = []
    for r in range(trace.rounds):
        for j in range(trace.layers):
            members = [int(e) for e in trace.experts[r, j] if e >= 0]
            found.append((j == 0 and r > 0 and r in trace.sessions, j, members))
    return found


def prefix(trace: lp.Trace, events: int) -> lp.Trace:
    """Return the trace of the first events."""
    rounds = -(-events // trace.layers)
    experts = trace.experts[:rounds].copy()
    experts.reshape(rounds * trace.layers, -1)[events:] = -1
    return lp.Trace(experts, trace.n_experts, trace.sessions[trace.sessions < rounds])


def slots_for(trace: lp.Trace, extra: int, pool: str) -> int:
    return trace.layers * trace.top_k + extra if pool == "per-layer" else trace.top_k + extra


@pytest.mark.parametrize("policy", ONLINE)
@pytest.mark.parametrize("pool", ["shared", "per-layer"])
@settings(max_examples=8)
@given(trace=traces(), extra=st.integers(0, 4), bypass=st.booleans(), resets=st.booleans())
def test_decides_as_the_replay(policy: str, pool: str, trace: lp.Trace, extra: int, bypass: bool, resets: bool) -> None:
    how: dict[str, Any] = {"pool": pool, "admission": "bypass" if bypass else "forced", "seed": 5}
    slots = slots_for(trace, extra, pool)
    cache = Cache(layers=trace.layers, experts=trace.n_experts, slots=slots, policy=policy, **how)
    want = history(trace, policy, slots, reset="session" if resets else "never", **how)
    for (begins, layer, members), step in zip(events_of(trace), want, strict=True):
        if begins and resets:
            cache.reset()
        got = cache.serve(layer, members[::-1])
        first = trace.first_page[layer]
        assert tuple(first + e for e in got.loads) == step.misses
        assert tuple(trace.first_page[j] + e for j, e in got.evictions) == step.evicted
        here = cache.held if pool == "shared" else [place for place in cache.held if place[0] == layer]
        assert {int(trace.first_page[j] + e) for j, e in here} == step.resident
    whole = lp.replay(trace, policy, slots, reset="session" if resets else "never", **how)
    assert (cache.requests, cache.misses) == (whole.requests, whole.misses)


@settings(max_examples=150, deadline=None)
@given(
    trace=traces(),
    extra=st.integers(0, 4),
    pool=st.sampled_from(["shared", "per-layer"]),
    admission=st.sampled_from(["forced", "bypass"]),
    reset=st.sampled_from(["never", "session"]),
)
def test_the_gauge_is_the_optimum_after_every_event(
    trace: lp.Trace, extra: int, pool: str, admission: str, reset: str
) -> None:
    slots = slots_for(trace, extra, pool) if admission == "forced" else 1 + extra
    cache = Cache(
        layers=trace.layers, experts=trace.n_experts, slots=slots, policy="lru", pool=pool, admission=admission
    )
    for n, (begins, layer, members) in enumerate(events_of(trace), 1):
        if begins and reset == "session":
            cache.reset()
        cache.serve(layer, members)
        best = lp.optimum(prefix(trace, n), slots, admission=admission, pool=pool, reset=reset).misses
        assert cache.optimum == best
        assert cache.regret() == cache.misses - best


@settings(max_examples=60, deadline=None)
@given(
    trace=traces(), extra=st.integers(0, 4), window=st.integers(2, 9), admission=st.sampled_from(["forced", "bypass"])
)
def test_a_window_begins_with_what_the_cache_held(trace: lp.Trace, extra: int, window: int, admission: str) -> None:
    slots = trace.top_k + extra
    cache = Cache(
        layers=trace.layers, experts=trace.n_experts, slots=slots, policy="llru", admission=admission, window=window
    )
    half, served = window // 2, events_of(trace)
    before, missed = [], []
    for n, (_, layer, members) in enumerate(served, 1):
        before.append([trace.first_page[j] + e for j, e in cache.held])
        missed.append(len(cache.serve(layer, members).loads))
        start = max(0, (-(-n // half) - 2) * half)
        assert n - start <= window
        # the events of the window, as events of one layer with all pages
        rows = np.full((n - start, 1, trace.top_k), -1, np.int16)
        for row, (_, j, pages) in zip(rows, served[start:n], strict=True):
            row[0, : len(pages)] = trace.first_page[j] + np.array(pages)
        best = lp.optimum(lp.Trace(rows, trace.pages), slots, admission=admission, warm=before[start]).misses
        assert cache.regret() == sum(missed[start:]) - best


def test_the_gauge_over_a_long_time_is_the_optimum_and_stays_small() -> None:
    trace = lp.workloads.zipf(4, 16, 1500, top_k=3, seed=2)
    for admission, slots in (("forced", 12), ("bypass", 12), ("bypass", 2), ("forced", 3), ("forced", 64)):
        best = PrefixOptimum(slots, bypass=admission == "bypass")
        for _, layer, members in events_of(trace):
            best.serve([16 * layer + e for e in members])
            assert len(best._parent) <= 2 * (slots + trace.pages) + 65
        assert best.misses == lp.optimum(trace, slots, admission=admission).misses


def test_slots_may_be_given_to_layers() -> None:
    one = lp.workloads.zipf(1, 8, 60, top_k=2, seed=1).experts
    trace = lp.Trace(np.concatenate([np.full_like(one, -1), one, one[::-1]], axis=1), 8)  # the first layer is dense
    cache = Cache(layers=3, experts=8, slots=9, policy="llru", pool=[0, 5, 4], journal=True)
    for _, layer, members in events_of(trace):
        cache.serve(layer, members)
    assert cache.misses == lp.replay(trace, "llru", 9, pool="per-layer").misses
    assert cache.optimum == lp.optimum(trace, 9, admission="forced", pool="per-layer").misses
    assert Cache.restore(json.loads(json.dumps(cache.snapshot()))).held == cache.held
    cache.snapshot()["pool"][0] = 9
    assert cache.snapshot()["pool"] == [0, 5, 4]
    with pytest.raises(BudgetError):
        cache.serve(0, [1])
    for wrong in ([5, 4], [1, 5, 4], [-1, 6, 4], "each", 9):
        with pytest.raises(ParameterError):
            Cache(layers=3, experts=8, slots=9, policy="llru", pool=wrong)  # type: ignore[arg-type]


def test_a_policy_with_predictions() -> None:
    class Known:
        """Predicts that every page is next used in its layer's next round."""

        def __init__(self) -> None:
            self._due: dict[int, float] = {}

        def begin(self) -> Known:
            return Known()

        def told(self, page: int, time: Time) -> None:
            self._due[page] = (time.round + 1) * 3 + time.layer

        def next_use(self, page: int) -> float:
            return self._due[page]

    trace = lp.workloads.zipf(3, 8, 40, top_k=2, seed=3)
    spec = replace(resolve("blind-oracle"), predictions=Known())
    cache = Cache(layers=3, experts=8, slots=7, policy=spec)
    for _, layer, members in events_of(trace):
        cache.serve(layer, members)
    assert cache.misses == lp.replay(trace, "blind-oracle", 7, predictions=Known()).misses
    with pytest.raises(ParameterError, match="predictions"):
        Cache(layers=3, experts=8, slots=7, policy="blind-oracle")


def test_rounds_that_skip_layers_are_told() -> None:
    said = Cache(layers=3, experts=2, slots=3, policy="llru")
    unsaid = said.copy()
    for cache in (said, unsaid):
        for layer in (0, 1, 2):
            cache.serve(layer, [0])
            if cache is said:
                cache.begin_round()
    assert (said._round, unsaid._round) == (3, 0)
    trace = lp.Trace([[[0], [-1], [-1]], [[-1], [0], [-1]], [[-1], [-1], [0]]], 2)
    assert said.misses == lp.replay(trace, "llru", 3).misses == 3


def test_mistakes_change_nothing() -> None:
    cache = Cache(layers=2, experts=4, slots=3, policy="lru", journal=True)
    cache.serve(0, [0, 1])
    serve: Any = cache.serve  # also for what the type checker would refuse
    before = cache.snapshot()
    for error, layer, experts in (
        (ParameterError, 2, [0]),
        (ParameterError, 2, []),
        (ParameterError, -1, [0]),
        (ParameterError, 1, [4]),
        (ParameterError, 1, [1, 1]),
        (ParameterError, 1, ["1"]),
        (ParameterError, 1, None),
        (ParameterError, 1, 0),
        (BudgetError, 1, [0, 1, 2, 3]),
    ):
        with pytest.raises(error):
            serve(layer, experts)
        assert cache.snapshot() == before
    with pytest.raises(ParameterError, match=re.escape("got [3, 3]")):
        serve(1, iter([3, 3]))
    with pytest.raises(ParameterError, match="future"):
        Cache(layers=2, experts=4, slots=3, policy="belady")
    with pytest.raises(ParameterError, match="window"):
        Cache(layers=2, experts=4, slots=3, policy="lru", window=1)


@pytest.mark.parametrize(
    "policy",
    [
        "lru",
        "random",
        "slru(protected=0.5)",
        "similar-rounds",
        "lfu-decay(half_life=3)",
        "classlru(half_life=5)",
        "sampled-lfru",
    ],
)
def test_a_snapshot_goes_on_where_it_was_taken(policy: str) -> None:
    trace = lp.workloads.zipf(3, 8, 40, top_k=2, seed=1)
    cache = Cache(layers=3, experts=8, slots=7, policy=policy, seed=3, journal=True)
    other = cache.copy()
    for n, (_, layer, members) in enumerate(events_of(trace)):
        if n == 30:
            cache.reset()
            other.reset()
        if n in (29, 60):
            cache = Cache.restore(json.loads(json.dumps(cache.snapshot())))
        assert cache.serve(layer, members) == other.serve(layer, members)
    assert cache.held == other.held


def test_a_snapshot_that_is_none_is_refused() -> None:
    cache = Cache(layers=2, experts=4, slots=3, policy="lru", journal=True)
    cache.serve(0, [0, 1])
    cache.begin_round()
    good = cache.snapshot()
    assert Cache.restore(good).held == cache.held
    wrong: list[dict[str, Any]] = [
        {},
        {**good, "journal": [0, 3, 1]},
        {**good, "journal": [0]},
        {**good, "journal": 3},
        {**good, "policy": 3},
        {**good, "experts": [1 << 30, 1 << 30]},
        {**good, "experts": 4},
        {**good, "journal": [0.5]},
    ]
    for fields in wrong:
        with pytest.raises(FormatError):
            Cache.restore(fields)
    for fields in ({**good, "journal": [0, 1, 9]}, {**good, "slots": 0}):
        with pytest.raises(ParameterError):
            Cache.restore(fields)
    with pytest.raises(PolicyError, match="otherwise"):
        Cache.restore({**good, "held": [[0, 2]]})
    with pytest.raises(ParameterError, match="journal=True"):
        Cache(layers=2, experts=4, slots=3, policy="lru").snapshot()


def test_the_gauge_refuses_what_it_cannot_count() -> None:
    best = PrefixOptimum(2)
    best.serve([0, 1])
    for error, pages in ((ParameterError, [2, 2]), (BudgetError, [0, 1, 2])):
        with pytest.raises(error):
            best.serve(pages)
    assert [best.serve([page]) for page in (0, 1, 2, 0)] == [0, 0, 1, 0]
    assert PrefixOptimum(1, bypass=True).serve([0, 1, 2]) == 3
    with pytest.raises(BudgetError):
        PrefixOptimum(1, held=[0, 1])
    with pytest.raises(ParameterError):
        PrefixOptimum(-1)


def test_a_policy_of_someone_else() -> None:
    class Newest:
        """Evict the page requested last."""

        def __init__(self, instance: lp.Instance, *, loud: bool = False) -> None:
            self._last: dict[int, int] = {}

        def hit(self, page: int, time: Time) -> None:
            self._last[page] = time.clock

        miss = hit

        def victim(self, candidates: Sequence[int], time: Time) -> int:
            return max(candidates, key=lambda page: (self._last[page], page))

    trace = lp.workloads.zipf(2, 6, 30, top_k=2, seed=4)
    cache = Cache(layers=2, experts=6, slots=5, policy=Newest, journal=True)
    for _, layer, members in events_of(trace):
        cache.serve(layer, members)
    assert cache.misses == lp.replay(trace, Newest, 5).misses
    with pytest.raises(ParameterError, match="register"):
        cache.snapshot()
