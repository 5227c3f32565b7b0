"""What every registered policy must satisfy, third parties' included; declared properties are tested by execution."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import layered_paging as lp
from layered_paging import catalog
from layered_paging.core import registry
from layered_paging.core.layout import lay_out
from layered_paging.engine.step import steps
from layered_paging.policies.follow import Follow
from layered_paging.policies.names import resolve
from layered_paging.policies.spec import PolicySpec, Time

catalog.collect()
ROOT = Path(__file__).resolve().parent.parent
ONLINE = [entry for entry in registry.entries("policy") if not entry.properties.get("offline")]
KEYS = set(re.findall(r"^@\w+\{([^,\s]+),", (ROOT / "papers" / "references.bib").read_text(), re.MULTILINE))
PROPERTIES = ("lazy", "stack", "marking", "conservative")


def declared(name: str, value: bool) -> list[str]:
    return [entry.name for entry in ONLINE if entry.properties.get(name) is value]


class Scatter:
    """Predictions without the future: any mixture of page and time of the last request will do."""

    def begin(self) -> Scatter:
        made = Scatter()
        made.due = {}
        return made

    due: dict[int, float]

    def told(self, page: int, time: Time) -> None:
        self.due[page] = float((page * 7919 + time.round * 104_729 + time.layer * 31) % 101)

    def next_use(self, page: int) -> float:
        return self.due[page]


def spec_of(name: str) -> PolicySpec:
    spec = resolve(name)
    return replace(spec, predictions=Scatter()) if spec.predicted else spec


def single(pages: Sequence[int]) -> lp.Trace:
    return lp.Trace([[page] for page in pages])


def run(trace: lp.Trace, name: str, slots: int, seed: int = 0) -> list:
    spec = spec_of(name)
    instance = trace.instance(slots)
    return list(steps(lay_out(trace), lambda session: spec.make(instance, seed, session, 0), slots))


def evicted(name: str, pages: Sequence[int], slots: int) -> list[int]:
    return [page for step in run(single(pages), name, slots) for page in step.evicted]


def random_trace(rng: np.random.Generator, widest: int = 3) -> lp.Trace:
    layers, experts = int(rng.integers(1, 4)), int(rng.integers(widest, 6))
    top_k = int(rng.integers(1, widest + 1))
    rounds = int(rng.integers(5, 40)) // layers + 1
    ids = [[rng.permutation(experts)[:top_k] for _ in range(layers)] for _ in range(rounds)]
    return lp.Trace(ids, experts)


traces = st.integers(0, 2**32 - 1).map(lambda seed: random_trace(np.random.default_rng(seed)))
sequences = st.lists(st.integers(0, 5), min_size=1, max_size=40)


def furthest(trace: lp.Trace, slots: int) -> int:
    """Misses when the page outside the event whose next use is furthest is evicted: the forced optimum."""
    events = [event.pages for event in lay_out(trace).events()]
    cache: set[int] = set()
    misses = 0
    for n, members in enumerate(events):
        misses += len(set(members) - cache)
        cache |= set(members)
        while len(cache) > slots:
            later = {page: next((m for m, e in enumerate(events[n + 1 :]) if page in e), len(events)) for page in cache}
            cache.remove(max(cache - set(members), key=lambda page: later[page]))
    return misses


@pytest.mark.parametrize("name", [entry.name for entry in ONLINE])
@settings(max_examples=25)
@given(trace=traces, more=st.integers(0, 6))
def test_never_beats_the_optimum(name: str, trace: lp.Trace, more: int) -> None:
    slots = trace.top_k + more
    assert furthest(trace, slots) <= lp.replay(trace, spec_of(name), slots, engine="reference").misses <= trace.requests


@pytest.mark.parametrize("name", [entry.name for entry in ONLINE])
@settings(max_examples=20)
@given(trace=traces, more=st.integers(0, 6), share=st.floats(0, 1))
def test_decides_without_the_future(name: str, trace: lp.Trace, more: int, share: float) -> None:
    slots = trace.top_k + more
    rounds = 1 + int(share * (trace.rounds - 1))
    start = lp.Trace(trace.experts[:rounds], trace.n_experts)
    whole, part = run(trace, name, slots), run(start, name, slots)
    assert [step.evicted for step in whole[: len(part)]] == [step.evicted for step in part]


# properties: each function returns a violation in words, or None


def not_lazy(name: str, trace: lp.Trace, slots: int) -> str | None:
    held = 0
    for step in run(trace, name, slots):
        held += len(step.misses)
        if len(step.evicted) > max(0, held - slots):
            return f"{step.event}: evicts {step.evicted} with {held} pages in {slots} slots"
        held -= len(step.evicted)
    return None


def not_stack(name: str, trace: lp.Trace, slots: int) -> str | None:
    for small, large in zip(run(trace, name, slots), run(trace, name, slots + 1), strict=True):
        if not small.resident <= large.resident:
            return f"{small.event}: {set(small.resident)} at {slots}, {set(large.resident)} at {slots + 1}"
    return None


def not_marking(name: str, trace: lp.Trace, slots: int) -> str | None:
    phase: set[int] = set()
    for step in run(trace, name, slots):
        (page,) = step.event.pages
        if step.misses and page in phase:
            return f"{step.event}: misses {page}, which was requested in this phase"
        if page not in phase and len(phase) == slots:
            phase = set()
        phase.add(page)
    return None


def not_conservative(name: str, trace: lp.Trace, slots: int) -> str | None:
    ran = run(trace, name, slots)
    for start in range(len(ran)):
        pages: set[int] = set()
        misses = 0
        for step in ran[start:]:
            pages.update(step.event.pages)
            misses += len(step.misses)
            if len(pages) > slots:
                break
            if misses > slots:
                return f"from {ran[start].event} to {step.event}: {misses} misses on {pages}"
    return None


VIOLATION = dict(zip(PROPERTIES, (not_lazy, not_stack, not_marking, not_conservative), strict=True))


def cases(of: str) -> Iterator[tuple[lp.Trace, int]]:
    rng = np.random.default_rng(0)
    while True:
        if of in ("marking", "conservative"):
            layers = int(rng.integers(1, 4))
            ids = rng.integers(0, rng.integers(2, 7), (rng.integers(8, 40) // layers, layers))
            yield lp.Trace(ids), int(rng.integers(2, 6))
        else:
            trace = random_trace(rng)
            yield trace, trace.top_k + int(rng.integers(0, 6))


@pytest.mark.parametrize(("of", "name"), [(of, name) for of in PROPERTIES for name in declared(of, True)])
def test_a_declared_property_holds(of: str, name: str) -> None:
    for trace, slots in islice(cases(of), 120):
        assert VIOLATION[of](name, trace, slots) is None, (trace.experts.tolist(), slots)


@pytest.mark.parametrize(("of", "name"), [(of, name) for of in PROPERTIES for name in declared(of, False)])
def test_a_property_denied_has_a_witness(of: str, name: str) -> None:
    number = 3000
    assert any(VIOLATION[of](name, trace, slots) for trace, slots in islice(cases(of), number)), (
        f"{name}: no violation of {of!r} in {number} cases: declare True, or leave it out if you do not know"
    )


# ``dominating`` draws only where no page dominates: tests/test_next_use.py
@pytest.mark.parametrize("entry", [e for e in ONLINE if e.name != "dominating"], ids=lambda entry: entry.name)
def test_only_randomized_policies_depend_on_the_seed(entry: registry.Entry) -> None:
    differs = False
    long = lp.Trace(np.random.default_rng(3).integers(0, 9, (400, 1)), 9)  # some draw only after many mistakes
    for trace in [*(random_trace(np.random.default_rng(number)) for number in range(5, 10)), long]:
        ran = [[step.evicted for step in run(trace, entry.name, trace.top_k + 4, seed)] for seed in (0, 0, 1, 2, 3)]
        assert ran[0] == ran[1]
        differs |= len({tuple(steps) for steps in ran}) > 1
    assert differs is bool(entry.properties.get("randomized", False))


@pytest.mark.parametrize("entry", ONLINE, ids=lambda entry: entry.name)
def test_every_policy_cites_its_source_and_explains_itself(entry: registry.Entry) -> None:
    assert entry.summary
    cites = entry.properties.get("cites")
    assert cites, f"{entry.name}: cite at least one source, cites=('key-of-the-source',)"
    unknown = [key for key in cites if key not in KEYS]
    assert not unknown, f"{entry.name}: cites must be keys of papers/references.bib; it has none named {unknown}"


@pytest.mark.parametrize(
    ("name", "slots", "pages", "expected"),
    [
        ("fifo", 3, [0, 1, 2, 0, 3], [0]),
        ("lifo", 3, [0, 1, 2, 0, 3], [2]),
        ("lru", 3, [0, 1, 2, 0, 3], [1]),
        ("mark-lru", 3, [0, 1, 2, 0, 3], [1]),
        ("fwf", 2, [0, 1, 2, 0], [0, 1]),
        ("clock", 3, [0, 1, 2, 3, 1, 4], [0, 2]),
        ("clock(fresh=False)", 3, [0, 1, 2, 0, 3, 4, 5], [1, 2, 0]),
        ("lfu", 3, [0, 0, 1, 2, 3, 1], [1, 2]),
        ("lfu", 2, [0, 0, 1, 2, 1, 2], [1, 2, 0]),
        ("lfu(history='cache')", 2, [0, 0, 1, 2, 1, 2], [1, 2, 1]),
        ("lfu", 2, [0, 0, 0, 1, 1, 2], [1]),
        ("lfu-decay(half_life=1)", 2, [0, 0, 0, 1, 1, 2], [0]),
        ("lfu-decay(half_life=1, profile=[9, 0, 0])", 2, [0, 0, 0, 1, 1, 2], [1]),
        ("lfu-window(window=2)", 2, [0, 0, 0, 1, 1, 2], [0]),
        ("lfru", 2, [0, 0, 0, 1, 1, 2], [0]),
        ("slru(protected=0.5)", 4, [0, 1, 2, 3, 0, 1, 4, 3, 5], [2, 4]),
        ("static(profile=[0, 5, 1, 0])", 2, [1, 2, 3], [2]),
        ("static", 2, [1, 2, 1, 3], [2]),
        ("lru-2", 3, [0, 1, 0, 2, 3, 1], [1, 2]),
        ("sieve", 3, [0, 1, 2, 0, 3, 4, 5, 6, 7], [1, 2, 3, 4, 5]),
        ("s3-fifo(small=0.5)", 4, [0, 1, 2, 3, 0, 0, 4, 1, 5, 6, 2, 7], [1, 2, 3, 4, 5, 0]),
        ("arc", 2, [0, 1, 0, 2, 1, 0], [1, 0, 2]),
        ("online-min", 1, [0, 1, 0], [0, 1]),
    ],
)
def test_evicts_what_a_hand_computes(name: str, slots: int, pages: list[int], expected: list[int]) -> None:
    assert evicted(name, pages, slots) == expected


@pytest.mark.parametrize(
    ("name", "slots", "rounds", "expected"),
    [
        ("mark-far", 3, [[0, 0], [1, 1], [0, 0]], [2, 1]),
        ("lru", 3, [[0, 0], [1, 1], [0, 0]], [0, 2, 1]),
        ("least-stale", 4, [[0, 0, 0], [0, 0, 1], [1, 0, 0]], [0]),
        ("lru", 4, [[0, 0, 0], [0, 0, 1], [1, 0, 0]], [4, 0]),
    ],
)
def test_evicts_what_a_hand_computes_in_layers(name: str, slots: int, rounds: list, expected: list[int]) -> None:
    assert [page for step in run(lp.Trace(rounds, 2), name, slots) for page in step.evicted] == expected


@pytest.mark.parametrize("first", ["clock", "sieve", "arc", "s3-fifo"])
def test_follow_simulates_what_a_replay_of_the_policy_does(first: str) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        ids = np.argsort(rng.random((30, 2, 6)), axis=2)[:, :, :3]
        trace, follow = lp.Trace(ids, 6), Follow(lp.Instance(2, 6, 6), first=first, second="lifo")
        for event, members in enumerate(ids.reshape(-1, 3) + [[0], [6]] * 30):
            time = Time(event, *divmod(event, 2))
            for page in rng.permutation(members).tolist():
                follow.hit(page, time)
        follow._settle()
        assert [s.misses for s in follow._shadows] == [lp.replay(trace, n, 6).misses for n in (first, "lifo")]


def test_fifo_shows_the_anomaly_of_belady() -> None:
    trace = single([0, 1, 2, 3, 0, 1, 4, 0, 1, 2, 3, 4])
    assert [lp.replay(trace, "fifo", slots).misses for slots in (3, 4)] == [9, 10]


def test_marking_draws_among_unmarked_pages_only() -> None:
    gone = {tuple(step.evicted for step in run(single([0, 1, 2, 3, 1]), "marking", 3, seed)) for seed in range(40)}
    assert {steps[3] for steps in gone} == {(0,), (1,), (2,)}
    assert {steps[4] for steps in gone} == {(), (0,), (2,)}


def levels_after(pages: Sequence[int], slots: int) -> list[set[int]]:
    """The levels of the work function, by their definition; an empty slot is a page without a number."""
    levels: list[set[int]] = [set() for _ in range(slots)]
    for page in pages:
        at = next((i for i, level in enumerate(levels) if page in level), None)
        if at is None:
            last = levels.pop()
            if levels:
                levels[-1] = levels[-1] | last
        else:
            rest = levels.pop(at) - {page}
            if at:
                levels[at - 1] = levels[at - 1] | rest
        levels.append({page})
    return levels


@settings(max_examples=60)
@given(pages=sequences, slots=st.integers(1, 4), seed=st.integers(0, 2**32))
def test_online_min_holds_the_pages_of_highest_priority(pages: list[int], slots: int, seed: int) -> None:
    spec = resolve("online-min")
    policy = spec.make(lp.Instance(1, 6, slots), seed)
    trace = lp.Trace([[page] for page in pages], 6)
    ran = list(steps(lay_out(trace), lambda _: policy, slots))
    priority: dict[int, int] = policy._priority  # type: ignore[attr-defined]
    chosen: set[int] = set()
    for bound, level in enumerate(levels_after(pages, slots), start=1):
        chosen = set(sorted(chosen | level, key=lambda page: -priority[page])[:bound])
    assert ran[-1].resident == chosen


@pytest.mark.parametrize(
    "name",
    [
        "lfu(history='x')",
        "lfu-decay(half_life=0)",
        "lfu(history=['all'])",
        "lfu(history=None)",
        "lfu-decay(half_life='x')",
        "lfu-decay(half_life=None)",
        "lfu-decay(half_life=1e999)",
        "lfu-decay(half_life=True)",
        "lfu-decay(profile='x')",
        "lfu-decay(profile=[1])",
        "lfu-decay(profile=[float])",
        "lfu-window(window=0)",
        "lfu-window(window=2.0)",
        "lfu-window(window=True)",
        "follow(first=1)",
        "follow(second='random')",
        "follow(second='belady')",
        "follow(first='fwf')",
        "follow(patience=0)",
        "follow(patience=1001)",
        "similar-rounds(similar=-1)",
        "similar-rounds(similar=65)",
        "similar-rounds(similar=0, frequent=0, recent=0)",
        "similar-rounds(recent=65)",
        "similar-rounds(distance=1)",
        "similar-rounds(memory=24)",
        "similar-rounds(memory=8192)",
        "llru(rounds=1)",
        "llru(same_layer=None)",
        "clock(fresh='no')",
        "clock(fresh=0)",
        "clock(fresh=None)",
        "slru(protected=2)",
        "slru(protected='x')",
        "slru(protected=None)",
        "slru(protected=1j)",
        "s3-fifo(small=-1)",
        "s3-fifo(ghost=[0.5])",
        "s3-fifo(filling='x')",
        "s3-fifo(filling={})",
        "static(profile=[1])",
        "static(profile=['a', 'b'])",
        "static(profile='ab')",
        "static(profile=b'ab')",
        "static(profile=5)",
        "static(profile=None)",
        "static(profile={0: 1, 1: 2})",
        "static(profile=[1, 1e999])",
        "static(profile=[1, True])",
        "static(profile=[1, [2]])",
    ],
)
def test_parameters_out_of_range_are_refused_in_one_line(name: str) -> None:
    with pytest.raises(lp.LayeredPagingError) as caught:
        lp.replay(single([0, 1]), name, 1)
    assert "\n" not in str(caught.value)
    assert "got" in str(caught.value)


@pytest.mark.parametrize("engine", ["kernel", "reference"])
def test_scores_of_a_profile_may_be_integers_of_any_size(engine: str) -> None:
    huge = 10**400
    profile = [huge + 1, 1.5, huge, 2]
    ran = lp.replay(single([0, 1, 2, 3, 0, 2]), f"static(profile={profile})", 2, engine=engine, record=True)
    assert ran.missed is not None
    assert ran.missed.ravel().tolist() == [True, True, True, True, False, True]


TWINS_ELSEWHERE = {
    "lru": "LRU",
    "fifo": "FIFO",
    "clock(fresh=False)": "Clock",
    "lfu(history='cache')": "LFU",
    "sieve": "Sieve",
    "s3-fifo(filling='main')": "S3FIFO",
    "arc": "ARC",
}


@pytest.mark.parametrize("name", TWINS_ELSEWHERE)
def test_counts_as_libcachesim_does(name: str, tmp_path) -> None:
    lcs = pytest.importorskip("libcachesim")
    rng = np.random.default_rng(7)
    for slots, pages in (
        (20, rng.zipf(1.2, 4000) % 200),
        (37, (np.arange(4000) // 7 * 3 + rng.integers(0, 60, 4000)) % 150),
    ):
        record = np.zeros(len(pages), [("time", "<u4"), ("id", "<u8"), ("size", "<u4"), ("next", "<i8")])
        record["id"], record["size"], record["next"] = pages + 1, 1, -1
        record.tofile(tmp_path / "t.oracleGeneral.bin")
        reader = lcs.TraceReader(
            str(tmp_path / "t.oracleGeneral.bin"),
            lcs.TraceType.ORACLE_GENERAL_TRACE,
            lcs.ReaderInitParam(ignore_obj_size=True),
        )
        ratio, _ = getattr(lcs, TWINS_ELSEWHERE[name])(slots).process_trace(reader)
        assert lp.replay(lp.Trace(pages[:, None]), name, slots).misses == round(ratio * len(pages))


def arc_by_cases(pages: Sequence[int], slots: int) -> list[bool]:
    """Return which requests ARC misses, by the four cases of the paper (megiddo-modha-2003); least recent first."""
    t1: list[int] = []
    t2: list[int] = []
    b1: list[int] = []
    b2: list[int] = []
    target, missed = 0.0, []

    def replace(in_b2: bool) -> None:
        if t1 and (len(t1) > target or (in_b2 and len(t1) == target)):
            b1.append(t1.pop(0))
        else:
            b2.append(t2.pop(0))

    for page in pages:
        missed.append(page not in t1 and page not in t2)
        if not missed[-1]:  # I
            (t1 if page in t1 else t2).remove(page)
        elif page in b1:  # II
            target = min(target + max(1.0, len(b2) / len(b1)), slots)
            replace(False)
            b1.remove(page)
        elif page in b2:  # III
            target = max(target - max(1.0, len(b1) / len(b2)), 0.0)
            replace(True)
            b2.remove(page)
        else:  # IV
            if len(t1) + len(b1) == slots:
                if len(t1) < slots:
                    del b1[0]
                    replace(False)
                else:
                    del t1[0]
            elif len(t1) + len(t2) + len(b1) + len(b2) >= slots:
                if len(t1) + len(t2) + len(b1) + len(b2) == 2 * slots:
                    del b2[0]
                replace(False)
            t1.append(page)
            continue
        t2.append(page)
    return missed


def small_caches(count: int, length: int) -> Iterator[tuple[list[int], int]]:
    rng = np.random.default_rng(11)
    for _ in range(count):
        pages, slots = int(rng.choice([6, 8, 20])), int(rng.integers(2, 7))
        skewed = np.minimum(rng.zipf(1.7, length) - 1, pages - 1)
        yield np.where(rng.random(length) < rng.random(), skewed, rng.integers(0, pages, length)).tolist(), slots


@pytest.mark.parametrize("engine", ["kernel", "reference"])
def test_arc_follows_the_cases_of_the_paper(engine: str) -> None:
    full_of_pages_used_once = [0, 1, 1, 1, 2, 0, 5, 4, 1, 5, 4]  # case IV(A) with |T1| = slots
    assert lp.replay(single(full_of_pages_used_once), "arc", 2, engine=engine).misses == 8
    for pages, slots in small_caches(300, 200):
        ran = lp.replay(single(pages), "arc", slots, engine=engine, record=True)
        assert ran.missed is not None
        assert ran.missed.ravel().tolist() == arc_by_cases(pages, slots), (pages, slots)


def test_arc_misses_what_libcachesim_misses_in_small_caches() -> None:
    lcs = pytest.importorskip("libcachesim")
    for pages, slots in small_caches(300, 200):
        cache = lcs.ARC(cache_size=slots, hashpower=8)
        missed, request = [], lcs.Request()
        for at, page in enumerate(pages):
            request.obj_id, request.obj_size, request.clock_time = page + 1, 1, at
            missed.append(not cache.get(request))
        ran = lp.replay(single(pages), "arc", slots, record=True)
        assert ran.missed is not None
        assert ran.missed.ravel().tolist() == missed, (pages, slots)
