"""Every compiled twin counts what the reference loop counts, in every mode."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import layered_paging as lp
from layered_paging import catalog
from layered_paging.core import registry
from layered_paging.core.layout import lay_out
from layered_paging.core.rules import Rules, Traffic
from layered_paging.engine.run import informed
from layered_paging.engine.task import Task
from layered_paging.engine.twins import twin_of
from layered_paging.errors import ParameterError
from layered_paging.policies.names import resolve
from layered_paging.prediction import source

catalog.collect()
VARIANTS = (
    "follow(patience=2)",
    "follow(patience=5)",
    "follow(first='lru', second='lfu')",
    "follow(first='mark-far', second=\"llru(same_layer='near')\")",
    "follow(first='lfu-decay', second='mark-lru')",
    "llru(rounds='absolute')",
    "llru(same_layer='near')",
    "classlru(half_life=1)",
    "classlru(half_life=3)",
    "clock(fresh=False)",
    "heat-protected(hot_uses=0)",
    "heat-protected(hot_uses=1)",
    "lfru(history='cache')",
    "lfu(history='cache')",
    "lfu-decay(half_life=0.7)",
    "lfu-decay(half_life=3)",
    "lfu-decay(half_life=2, profile=PROFILE)",
    "lfu-window(window=1)",
    "lfu-window(window=3)",
    "sampled-lfru(sample=1, seed=7)",
    "sampled-lfru(sample=3, first='last')",
    "slru(protected=0.34)",
    "slru(protected=0)",
    "s3-fifo(filling='main')",
    "s3-fifo(small=0.5, ghost=0.4)",
    "s3-fifo(ghost=0)",
    "similar-rounds(memory=32)",
    "similar-rounds(similar=0, frequent=64, recent=3, distance=False)",
    "similar-rounds(similar=64, frequent=0, recent=64, memory=4096)",
    "static(profile=PROFILE)",
)
ENGINES = ("kernel", "reference")
PREDICTIONS = "noisy:0.7"  # learnt ones: tests/test_next_use.py
SHIPPED = [
    e.name
    for e in registry.entries("policy")
    if e.obj.__module__.startswith("layered_paging.policies.") and e.name != "belady"
]
NAMES = [*SHIPPED, *VARIANTS]
EXAMPLES = 6 if settings.get_current_profile_name() == "mutants" else 100


@st.composite
def traces(draw: st.DrawFn) -> lp.Trace:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    layers = draw(st.integers(1, 3))
    widths = [draw(st.integers(1, 6)) for _ in range(layers)]
    rounds = draw(st.integers(1, 40))
    top_k = draw(st.integers(1, 3))
    ids = np.full((rounds, layers, top_k), -1)
    for r in range(rounds):
        for j, n in enumerate(widths):
            some = rng.permutation(n)[: rng.integers(0, top_k + 1)]
            ids[r, j, rng.permutation(top_k)[: len(some)]] = some
    ids[0, 0, 0] = 0
    ids[0, 0, 1:] = -1
    starts = np.flatnonzero(rng.random(rounds) < 0.15)
    starts = np.unique(np.append(starts, 0))
    sizes = rng.integers(1, 5, sum(widths))
    return lp.Trace(ids, widths, starts, (rng.random(rounds) < 0.6).astype(int), sizes)


def told(name: str) -> dict:
    return {"predictions": PREDICTIONS} if resolve(name).predicted else {}


MODES = st.fixed_dictionaries(
    {
        "pool": st.sampled_from(["shared", "per-layer"]),
        "reset": st.sampled_from(["never", "session", "cache"]),
        "events": st.sampled_from(["atomic", "serial"]),
        "admission": st.sampled_from(["forced", "bypass"]),
        "prefill": st.sampled_from(["token", "merged"]),
        "ties": st.sampled_from(["page", "rank"]),
        "oversize": st.just("allow"),
        "seed": st.integers(0, 2**64 + 3),
    }
)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=EXAMPLES, deadline=None)
@given(trace=traces(), mode=MODES, share=st.floats(0, 1), in_bytes=st.booleans())
def test_a_twin_equals_its_reference(name: str, trace: lp.Trace, mode: dict, share: float, in_bytes: bool) -> None:
    total = int(trace.page_bytes.sum()) if in_bytes else trace.pages
    budget = {"budget_bytes" if in_bytes else "slots": max(1, int(share * total))}
    name = name.replace("PROFILE", str([page * 7 % 5 for page in range(trace.pages)]))
    fast, slow = (
        lp.replay(trace, name, **budget, **mode, **told(name), record=True, engine=engine) for engine in ENGINES
    )
    assert fast.misses_by_session.tolist() == slow.misses_by_session.tolist()
    assert fast.misses_by_layer.tolist() == slow.misses_by_layer.tolist()
    assert fast.bytes_read == slow.bytes_read
    assert fast.missed is not None
    assert np.array_equal(fast.missed, slow.missed)


LIMITS = st.none() | st.integers(0, 5)
TRAFFIC = st.builds(
    Traffic,
    bypass_above=LIMITS,
    keep_event=LIMITS,
    keep_round=LIMITS,
    admit_after=st.integers(1, 3),
    evict_after=st.integers(1, 4),
    prefill_cache=st.sampled_from(["warm", "leave"]),
)


@pytest.mark.parametrize("name", [name for name in NAMES if "lfu-window" not in name])
@settings(max_examples=EXAMPLES // 4 + 1, deadline=None)
@given(trace=traces(), mode=MODES, share=st.floats(0, 1), in_bytes=st.booleans(), traffic=TRAFFIC)
def test_a_twin_equals_its_reference_under_rules_of_traffic(
    name: str, trace: lp.Trace, mode: dict, share: float, in_bytes: bool, traffic: Traffic
) -> None:
    total = int(trace.page_bytes.sum()) if in_bytes else trace.pages
    budget = {"budget_bytes" if in_bytes else "slots": max(1, int(share * total))}
    name = name.replace("PROFILE", str([page * 7 % 5 for page in range(trace.pages)]))
    given = {**budget, **mode, **told(name), "record": True, "traffic": traffic}
    fast, slow = (lp.replay(trace, name, engine=engine, **given) for engine in ENGINES)
    assert fast.misses_by_session.tolist() == slow.misses_by_session.tolist()
    assert fast.misses_by_layer.tolist() == slow.misses_by_layer.tolist()
    assert (fast.bytes_read, fast.dropped) == (slow.bytes_read, slow.dropped)
    assert fast.missed is not None
    assert np.array_equal(fast.missed, slow.missed)


@pytest.mark.parametrize("experts", [1, 31, 32, 33, 64, 65, 257, 300])
@pytest.mark.parametrize(("admission", "pool"), [("forced", "shared"), ("bypass", "shared"), ("forced", "per-layer")])
def test_similar_rounds_on_wide_layers_and_longer_than_its_memory(experts: int, admission: str, pool: str) -> None:
    rng = np.random.default_rng(experts)
    top_k = min(4, experts)
    some = rng.permutation(experts)[:20]  # used again and again, those of the last lanes among them
    some[0], some[-1] = 0, experts - 1
    ids = np.full((90, 5, top_k), -1)
    for r in range(90):
        for j in range(5):
            chosen = np.unique(np.concatenate([rng.choice(some, top_k), rng.integers(0, experts, 1)]))
            chosen = rng.permutation(chosen)[: rng.integers(0, top_k + 1)]
            ids[r, j, : len(chosen)] = chosen
    trace = lp.Trace(ids, experts, [0, 70])
    for reset in ("never", "session", "cache"):
        for slots in (5 * top_k, 8 * top_k):
            modes = {"admission": admission, "pool": pool, "reset": reset}
            for name in ("similar-rounds", "similar-rounds(memory=32)", "follow"):
                fast, slow = (lp.replay(trace, name, slots, engine=engine, **modes) for engine in ENGINES)
                assert fast.misses_by_session.tolist() == slow.misses_by_session.tolist()
                assert fast.misses_by_layer.tolist() == slow.misses_by_layer.tolist()


def test_similar_rounds_on_large_events_and_where_it_has_no_twin() -> None:
    rng = np.random.default_rng(0)
    ids = np.argsort(rng.random((120, 3, 300)), axis=2)[:, :, :8]
    trace = lp.Trace(ids, 300, stage=[0] * 90 + [1] * 30)
    fast, slow = (lp.replay(trace, "similar-rounds", 700, prefill="merged", engine=engine) for engine in ENGINES)
    assert fast.misses_by_layer.tolist() == slow.misses_by_layer.tolist()
    for members in (31, 32, 63, 64, 600):  # in common: where likeness is at its largest
        every = np.argsort(rng.random((6, 2, members + 40)), axis=2)[:, :, :members]
        for slots in (members, members + 30):
            fast, slow = (lp.replay(lp.Trace(every), "similar-rounds", slots, engine=e) for e in ENGINES)
            assert fast.misses_by_layer.tolist() == slow.misses_by_layer.tolist()
    for experts, members in ((63, 40), (140, 70)):  # alike in 32 or 64 and a few more, or in few
        sets = np.array([rng.permutation(experts)[:members] for _ in range(6)])
        often = lp.Trace(sets[rng.integers(0, 6, (40, 2))], experts)
        for slots in (members + 8, 2 * members - 9):
            fast, slow = (lp.replay(often, "similar-rounds", slots, engine=e) for e in ENGINES)
            assert fast.misses_by_layer.tolist() == slow.misses_by_layer.tolist()
    with pytest.raises(ParameterError, match="too large for the compiled kernel with a memory of 512 rounds; use"):
        lp.replay(lp.Trace([[0], [1]], 65537), "similar-rounds", 600, engine="kernel")
    fast, slow = (lp.replay(lp.Trace([[0], [65535], [0]], 65536), "similar-rounds", 1, engine=e) for e in ENGINES)
    assert fast.misses == slow.misses == 3


@pytest.mark.parametrize("name", NAMES)
def test_bytes_beyond_what_a_twin_counts_are_refused(name: str) -> None:
    instance = lp.Instance(1, 2, 1)

    def bytes_read(size: int, requests: int) -> int:
        trace = lp.Trace([[n % 2] for n in range(requests)], 2, expert_bytes=size)
        written = name.replace("PROFILE", "[1, 0]")
        spec = resolve(written)
        spec = informed(spec, told(written).get("predictions"), trace, lay_out(trace), Rules())
        found = twin_of(spec)
        assert found is not None
        return found.play(Task(lay_out(trace), spec, instance, 1, sizes=trace.page_bytes)).missed_bytes

    assert bytes_read((1 << 60) - 1, 8) == 8 * ((1 << 60) - 1)
    for size, requests in ((1 << 60, 8), (1 << 61, 6), ((1 << 62) - 1, 3)):
        with pytest.raises(ParameterError, match=r"below 2\^63 bytes; got"):
            bytes_read(size, requests)


def test_every_shipped_policy_has_a_twin() -> None:
    specs = [resolve(name) for name in SHIPPED]
    forecast = source(PREDICTIONS).forecast(lp.Trace([[0]]), lay_out(lp.Trace([[0]])), "never")
    specs = [replace(spec, predictions=forecast) if spec.predicted else spec for spec in specs]
    assert [spec.name for spec in specs if twin_of(spec) is None] == []


@pytest.mark.parametrize("pair", ["second='sieve'", "first='lfu-window', second='llru'"])
def test_follow_has_no_twin_where_a_policy_needs_more_than_its_pages(pair: str) -> None:
    trace, name = lp.Trace([[0], [1], [2], [0]], 3), f"follow({pair})"
    assert twin_of(resolve(name)) is None
    assert lp.replay(trace, name, 2).misses == lp.replay(trace, name, 2, engine="reference").misses
    with pytest.raises(ParameterError, match=r"policy .*follow.* has no compiled kernel; use engine"):
        lp.replay(trace, name, 2, engine="kernel")


def test_follow_changes_whom_it_follows_as_its_reference_does() -> None:
    changed = 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        ids = []
        for _ in range(5):  # working sets exchanged as a whole
            some = [rng.permutation(12)[:5] for _ in range(2)]
            ids += [[rng.permutation(some[j])[:2] for j in range(2)] for _ in range(25)]
        trace = lp.Trace(np.array(ids), 12, [0, 60])
        modes = {"reset": ("never", "session", "cache")[seed % 3], "events": ("atomic", "serial")[seed % 2]}
        for slots in (6, 10):
            fast, slow = (lp.replay(trace, "follow", slots, record=True, engine=engine, **modes) for engine in ENGINES)
            assert np.array_equal(fast.missed, slow.missed)  # type: ignore[arg-type]
            changed += fast.misses != lp.replay(trace, "similar-rounds", slots, **modes).misses
    assert changed > 0


@pytest.mark.parametrize("name", NAMES)
def test_a_twin_equals_its_reference_on_a_long_skewed_trace(name: str) -> None:
    rng = np.random.default_rng(3)
    trace = lp.Trace(np.minimum(rng.zipf(1.3, (600, 2, 1)) - 1, 24), 25)
    name = name.replace("PROFILE", str([page * 7 % 5 for page in range(trace.pages)]))
    fast, slow = (lp.replay(trace, name, 20, record=True, engine=engine, **told(name)) for engine in ENGINES)
    assert np.array_equal(fast.missed, slow.missed)  # type: ignore[arg-type]
