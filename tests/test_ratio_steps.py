"""The steps of exact ratios: work functions, automata and products, each against a second road or by hand."""

from __future__ import annotations

import copy
import itertools
import random
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layered_paging as lp
from layered_paging.certify.ratio_random import Nodes
from layered_paging.errors import BudgetError, ParameterError, PolicyError
from layered_paging.policies.lru import LRU
from layered_paging.policies.names import resolve
from layered_paging.policies.spec import Time
from layered_paging.ratio import automaton, given, work


@pytest.mark.parametrize(
    ("size", "memory", "count"),
    [((2, 2, 3), 0, 9), ((2, 2, 2), 2, 5), ((1, 4, 2), 1, 5), ((2, [1, 3], 2), 1, 5), ((3, 2, 4), 1, 37), ((1, 3, 1), 3, 5)],
)  # fmt: skip
def test_work_functions_are_those_of_the_checker(size: tuple[int, Any, int], memory: int, count: int) -> None:
    instance = lp.Instance(*size)
    graph = work.explore(instance, memory)
    rows = [[node.layer, *(x for item in node.items for x in item)] for node in graph.nodes]
    nodes = Nodes(instance, memory, rows)
    assert len(graph.nodes) == len(graph.arcs) == count and not any(rows[0])
    for node, row in enumerate(graph.arcs):
        assert [arc.page for arc in row] == list(nodes.pages(node))
        for arc in row:
            assert nodes.follow(node, arc.page) == (arc.opt, arc.target, list(arc.places))
    wanted = {sum(1 << p for p in c) for c in itertools.combinations(range(instance.pages), instance.slots)}
    assert set(graph.caches) == wanted and len(graph.caches) == len(wanted)
    with pytest.raises(ParameterError, match=f"more than {count - 1} nodes"):
        work.explore(instance, memory, limit=count - 1)
    work.explore(instance, memory, limit=count)
    assert graph.held(0) == graph.caches
    for node in range(1, len(graph.nodes)):
        top = [p for p, item in enumerate(graph.nodes[node].items) if item[0] == instance.slots]
        assert graph.held(node) == [c for c in graph.caches if all(c & 1 << p for p in top)]


def test_caches_move_with_their_pages() -> None:
    assert work.moved(0b0110, (2, 0, 1, 3)) == 0b0101 and work.moved(0b1000, (3, 2, 1, 0)) == 0b0001
    assert work.moved(0, (0, 1)) == 0 and work.moved(0b11, (1, 0)) == 0b11


# automata


class Plain:
    """Evicts the lowest page; knows what it was told."""

    def __init__(self, instance: lp.Instance) -> None:
        self.told: list[tuple[str, int, int]] = []

    def hit(self, page: int, time: Time) -> None:
        self.told.append(("hit", page, time.clock))

    def miss(self, page: int, time: Time) -> None:
        self.told.append(("miss", page, time.clock))

    def victim(self, candidates: list[int], time: Time) -> int:
        self.told.append(("victim", candidates[0], time.layer))
        return candidates[0]


def test_a_step_by_hand() -> None:
    instance = lp.Instance(2, 3, 3)
    live = automaton.start(resolve(Plain), instance, "shared")
    assert (live.slots, live.caches, live.clock) == ((3,), [()], 0)
    for event, missed, cache in (
        ((0, 1), 2, (0, 1)),
        ((3, 4), 2, (1, 3, 4)),
        ((1, 2), 1, (1, 2, 4)),
        ((4, 5), 1, (2, 4, 5)),
    ):
        before = copy.deepcopy(live.caches)
        after, cost = automaton.step(live, event, instance)
        assert (cost, after.caches, live.caches) == (missed, [cache], before)
        live = after
    assert live.clock == 4 and live.policies[0].told == [
        ("miss", 0, 0), ("miss", 1, 0), ("miss", 3, 1), ("miss", 4, 1), ("victim", 0, 1), ("hit", 1, 2), ("miss", 2, 2),
        ("victim", 3, 0), ("hit", 4, 3), ("miss", 5, 3), ("victim", 1, 1),
    ]  # fmt: skip
    parted = automaton.start(resolve(Plain), instance, "per-layer")
    assert parted.slots == (2, 1) and len(parted.policies) == 2
    for event in ((0,), (3,), (1,), (4,), (2,)):
        parted, _ = automaton.step(parted, event, instance)
    assert parted.caches == [(1, 2), (4,)]
    assert [page for what, page, _ in parted.policies[1].told if what == "miss"] == [3, 4]


def test_steps_that_cannot_be() -> None:
    instance = lp.Instance(1, 4, 2)
    with pytest.raises(BudgetError, match="an event of 3 does not fit into 2 slots"):
        automaton.step(automaton.start(resolve("lru"), instance, "shared"), (0, 1, 2), instance)
    with pytest.raises(BudgetError, match="a slot for each of the 2 layers; got 1"):
        automaton.start(resolve("lru"), lp.Instance(2, 2, 1), "per-layer")
    assert automaton.start(resolve("lru"), lp.Instance(2, 2, 2), "per-layer").slots == (1, 1)

    class Stubborn(Plain):
        def victim(self, candidates: list[int], time: Time) -> int:
            return 3

    live, _ = automaton.step(automaton.start(resolve(Stubborn), instance, "shared"), (0, 1), instance)
    with pytest.raises(PolicyError, match="Stubborn must evict one of its candidates; got 3"):
        automaton.step(live, (2,), instance)


def test_labels_say_who_is_resident() -> None:
    instance = lp.Instance(2, 2, 2)
    live = automaton.start(resolve("lru"), instance, "shared")
    for page in (0, 2, 1):
        live, _ = automaton.step(live, (page,), instance)
    assert automaton.labels_of(live, instance) == (0, 3, 5, 0)


def test_dice() -> None:
    dice = automaton._Dice()
    assert copy.deepcopy(dice) is dice
    dice.script = [2]
    assert (dice.below(3), dice.below(4), dice.script, dice.sides) == (2, 0, [2, 0], [3, 4])
    for at, wanted in enumerate((Fraction(2), Fraction(7, 2), Fraction(9, 2), Fraction(6))):
        dice.script, dice.sides = [at], []
        assert dice.place([4, 3, 5, 4]) == wanted and dice.sides == [4]
    dice.script, dice.sides = [0], []
    assert dice.place([]) == 1 and dice.sides == [1]
    with pytest.raises(PolicyError, match=r"it asks for rng\.random"):
        dice.random()


@pytest.mark.parametrize(
    ("policy", "size", "pool", "top_k"),
    [
        ("lru", (2, 3, 4), "shared", 1), ("llru", (2, [1, 3], 3), "shared", 1), ("clock", (2, 2, 3), "per-layer", 1),
        ("lru", (2, 3, 4), "shared", 2), ("static", (2, 2, 3), "shared", 1), ("fwf", (1, 4, 2), "shared", 1),
        ("marking", (1, 3, 2), "shared", 1), ("online-min", (2, [1, 2], 2), "shared", 1),
    ],
)  # fmt: skip
def test_an_automaton_is_walked(policy: str, size: tuple[int, Any, int], pool: str, top_k: int) -> None:
    """Any path through the states has the misses and the labels of the policy itself."""
    instance, spec, dice = lp.Instance(*size), resolve(policy), random.Random(7)
    found = automaton.build(spec, instance, pool=pool, top_k=top_k)
    assert found.labels[0] == (((0,) * instance.pages, Fraction(1)),) if spec.randomized else not any(found.labels[0])
    assert found.events == [list(itertools.combinations(instance.pages_of(j), top_k)) for j in range(instance.layers)]
    assert len(found.next) == len(found.misses) == len(found.moved) == len(found.layer) == len(found.labels)
    begin: Any = automaton.start_cloud if spec.randomized else automaton.start
    go: Any = automaton.step_cloud if spec.randomized else automaton.step
    for _ in range(6):
        live, state, pages = begin(spec, instance, pool), 0, list(range(instance.pages))
        for t in range(14):
            assert found.layer[state] == (0 if found.turns else t % instance.layers)
            events = found.events[found.layer[state]]
            e = dice.randrange(len(events))
            live, missed = go(live, sorted(pages[i] for i in events[e]), instance)
            assert Fraction(int(found.misses[state, e]), found.scale) == missed
            pages = [pages[i] for i in found.moved[state, e]]
            assert list(found.next[state, len(events) :]) == [-1] * (found.next.shape[1] - len(events))
            assert not found.misses[state, len(events) :].any()
            state = int(found.next[state, e])
            if spec.randomized:
                assert found.labels[state] == automaton.labels_of_cloud(live, instance)
                assert sum(chance for _, chance in found.labels[state]) == 1
            else:
                raw = automaton.labels_of(live, instance)
                assert found.labels[state] == tuple(raw[p] for p in pages)
                if found.symmetric:
                    for j in range(instance.layers):
                        block = [found.labels[state][p] for p in instance.pages_of(j)]
                        assert block == sorted(block)
    assert found.symmetric == (top_k == 1 and policy not in ("static", "marking", "online-min"))


def test_every_outcome_of_several_draws() -> None:
    """Three draws a miss, of 2, 3 and 2 sides: twelve courses, each with its chance and its own label."""

    class Gambler:
        def __init__(self, instance: lp.Instance, *, rng: Any) -> None:
            self.rng, self.drawn = rng, (0, 0, 0)

        def hit(self, page: int, time: Time) -> None: ...
        def miss(self, page: int, time: Time) -> None:
            self.drawn = (self.rng.below(2), self.rng.below(3), self.rng.below(2))

        def victim(self, candidates: list[int], time: Time) -> int:
            return candidates[0]

        def state(self, resident: list[int], time: Time) -> dict[int, int]:
            a, b, c = self.drawn
            return dict.fromkeys(resident, 6 * a + 2 * b + c)

    instance = lp.Instance(1, 2, 1)
    cloud = automaton.start_cloud(resolve(Gambler), instance, "shared")
    for page, expected in ((0, 1), (1, 1), (1, 0)):
        cloud, missed = automaton.step_cloud(cloud, (page,), instance)
        assert missed == expected
        wanted = tuple(((2 * code + 1) * (page == 0), (2 * code + 1) * (page == 1)) for code in range(12))
        assert automaton.labels_of_cloud(cloud, instance) == tuple((labels, Fraction(1, 12)) for labels in wanted)


def test_building_has_limits() -> None:
    instance = lp.Instance(2, 2, 3)
    size = len(automaton.build(resolve("lru"), instance).labels)
    assert len(automaton.build(resolve("lru"), instance, limit=size).labels) == size
    with pytest.raises(ParameterError, match=f"more than {size - 1} states here"):
        automaton.build(resolve("lru"), instance, limit=size - 1)
    ticks: list[int] = []
    big = automaton.build(resolve("lru"), lp.Instance(1, 6, 5), tick=ticks.append)
    assert ticks == [1000 * n for n in range(1, len(big.labels) // 1000 + 1)]

    class Plain(LRU):
        symmetric = False

    ticks.clear()
    many = automaton.build(resolve(Plain), lp.Instance(1, 6, 5), tick=ticks.append)
    assert len(many.labels) == 1237 and ticks == [1000]
    with pytest.raises(ParameterError, match=r"do not fit into -1 bytes of memory: 1,\d\d\d so far"):
        automaton.build(resolve(Plain), lp.Instance(1, 6, 5), memory=-1)
    with pytest.raises(PolicyError, match="'lfu' has none"):
        automaton.build(resolve("lfu"), instance)


def test_memory_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    import gc
    import resource

    now = automaton._resident()
    assert now > 10_000_000 and gc.isenabled()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    assert abs(now - pages * resource.getpagesize()) < 50_000_000

    def nothing(self: Path) -> str:
        raise OSError

    monkeypatch.setattr(automaton.Path, "read_text", nothing)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = automaton._resident()
    assert before * 1024 <= found <= resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    gc.disable()
    try:
        automaton._resident()
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_copies_are_independent() -> None:
    class Holder:
        pass

    one: Any = Holder()
    one.n, one.d, one.s, one.l, one.t, one.none = 3, {1: 2}, {1}, [4], (1, (2, "x")), None
    twin: Any = automaton._clone(one)
    twin.d[1], twin.n = 5, 9
    twin.s.add(7)
    twin.l.append(8)
    assert (one.n, one.d, one.s, one.l) == (3, {1: 2}, {1}, [4])
    one.deep = {1: [2]}
    twin = automaton._clone(one)
    twin.deep[1].append(3)
    twin.d[1] = 6
    assert one.deep == {1: [2]} and one.d == {1: 2}
    one.deep, one.rows = None, [[1]]
    twin = automaton._clone(one)
    twin.rows[0].append(2)
    assert one.rows == [[1]]
    one.rows, one.pair = None, ([1], 2)
    twin = automaton._clone(one)
    twin.pair[0].append(2)
    assert one.pair == ([1], 2)
    assert automaton._clone([1, [2]]) == [1, [2]]
    slots: Any = type("Slots", (), {"__slots__": ("x",)})()
    slots.x = [1]
    other = automaton._clone(slots)
    other.x.append(2)
    assert slots.x == [1]


# ratios


def test_lazy_offline_answers() -> None:
    for joined, event, slots in (
        (0b11111, 0b10010, 3),
        (0b111, 0b1, 3),
        (0b111, 0b100, 1),
        (0b1011, 0b1, 2),
        (0b1, 0b1, 1),
    ):
        size = min(slots, joined.bit_count())
        kept = given._kept(joined, event, slots)
        assert sorted(kept) == [
            c for c in range(32) if c & ~joined == 0 and c & event == event and c.bit_count() == size
        ]


def test_problems() -> None:
    assert given.problem(2, 3, 5) == lp.Instance(2, 3, 5)
    assert given.problem(2, 3, 5, general=True) == lp.Instance(1, 6, 5)
    assert given.problem(2, 12, 1).pages == 24
    with pytest.raises(ParameterError, match="slots must be below the number of pages, 6; got 6"):
        given.problem(2, 3, 6)
    with pytest.raises(ParameterError, match="at most 24 pages; got 25"):
        given.problem(1, 25, 1)


@pytest.mark.parametrize(
    ("policy", "options"),
    [
        ("lru", {"layers": 2, "experts": 2, "slots": 3}),
        ("lru", {"layers": 2, "experts": [1, 3], "slots": 3, "offline_slots": 2}),
        ("llru", {"layers": 3, "experts": 2, "slots": 4}),
        ("fwf", {"layers": 1, "experts": 4, "slots": 3}),
        ("lru", {"layers": 2, "experts": 2, "slots": 2, "general": True}),
        ("clock", {"layers": 2, "experts": 2, "slots": 3, "pool": "per-layer"}),
        ("lru", {"layers": 2, "experts": 3, "slots": 4, "top_k": 2}),
        ("marking", {"layers": 2, "experts": 2, "slots": 3}),
        ("lru", {"layers": 2, "experts": 2, "slots": 2, "admission": "bypass"}),
        ("clock", {"layers": 1, "experts": 3, "slots": 2, "admission": "bypass", "top_k": 2}),
        ("mark-far", {"layers": 2, "experts": 2, "slots": 3, "offline_slots": 1}),
    ],
)
def test_what_a_ratio_tells(policy: str, options: dict[str, Any]) -> None:
    told: list[tuple[str, Any]] = []
    found = lp.competitive_ratio(policy, **options, tick=lambda what, value: told.append((what, value)))
    lp.certify.check(found.certificate)
    instance, offline = found.instance, options.get("offline_slots", options["slots"])
    facts = {"pool": "shared", "general": False, "top_k": 1, **options, "offline_slots": offline, "policy": policy}
    assert {key: found.statement[key] for key in facts} == facts
    assert found.statement["value"] == (None if found.value is None else str(found.value))
    assert found.unbounded == (found.value is None) == (found.additive is None)
    counts = dict(told)
    assert counts["states"] == found.states == len(found._product.automaton.labels)
    assert counts["nodes"] == found.nodes and counts["arcs"] == len(found._product.arcs.targets)
    subsets = sum(1 for c in range(1 << instance.pages) if c.bit_count() <= offline)
    assert counts["nodes at most"] == found.states * subsets
    if found.value is not None:
        assert counts["ratio"] == found.value * found._product.automaton.scale
        assert found.constant(found.value) == found.additive
        with pytest.raises(ParameterError, match=f"at least {found.value}; got"):
            found.constant(found.value - Fraction(1, 99))
        assert repr(found) == f"<Ratio: {policy}, {options['slots']} slots: {found.value} (additive {found.additive})>"
    else:
        assert repr(found) == f"<Ratio: {policy}, {options['slots']} slots: unbounded>" and found.worst_start == ()
    witness = found.witness
    assert {len(event) for event in witness.cycle} == {facts["top_k"]}
    assert all(
        page in instance.pages_of((len(witness.prefix) + t) % instance.layers)
        for t, e in enumerate(witness.cycle)
        for page in e
    )
    if found.value is not None:
        assert witness.misses == found.value * witness.optimum and witness.optimum > 0


def test_a_witness_speaks() -> None:
    assert str(given.Witness(((0,), (2, 3)), ((1,), (4,)), Fraction(1), 1)) == "0 2+3, then for ever 1 4"
    assert str(given.Witness((), ((1,),), Fraction(1), 1)) == "nothing, then for ever 1"


def test_what_ratios_refuse() -> None:
    size: dict[str, Any] = {"layers": 2, "experts": 2, "slots": 3}
    for change, words in (
        ({"pool": "each"}, "pool must be"),
        ({"top_k": 0}, r"top_k must be .*at least 1.*; got 0"),
        ({"top_k": 3}, "top_k must be at most the experts of each layer and the slots, 2; got 3"),
        ({"top_k": 2, "offline_slots": 1}, "and the slots, 1; got 2"),
        ({"offline_slots": 0}, r"offline_slots must be .*at least 1.*; got 0"),
        ({"offline_slots": 4}, "offline_slots must be at most slots, 3; got 4"),
        ({"general": True, "pool": "per-layer"}, "single layer"),
        ({"memory": 36}, "does not fit into 36 bytes of memory"),
    ):
        with pytest.raises(ParameterError, match=words):
            lp.competitive_ratio("lru", **{**size, **change})


def test_defaults() -> None:
    import inspect

    def defaults(function: Any) -> dict[str, Any]:
        found = inspect.signature(function).parameters.values()
        return {p.name: p.default for p in found if p.default is not p.empty and p.name != "tick"}

    eight = 8 * 1024**3
    assert defaults(lp.competitive_ratio) == {
        "pool": "shared", "admission": "forced", "offline_slots": None, "general": False, "top_k": 1, "memory": eight,
    }  # fmt: skip
    facts = {"pool": "shared", "top_k": 1, "limit": 2_000_000, "memory": eight}
    assert {key: defaults(automaton.build)[key] for key in facts} == facts
    assert defaults(work.explore) == {"limit": 4000} and given.ARC_BYTES == 30


def quiet(what: str, value: Any) -> None:
    """Tell nothing."""


def test_arrays_of_a_product() -> None:
    """Groups: up to which place pages are alike, so that the offline caches are taken up to renaming."""
    found = automaton.build(resolve("lru"), lp.Instance(2, 2, 2))
    product = given._product(found, 2, False, 1 << 30, quiet)
    for s, labels in enumerate(found.labels):
        ends = [
            block.stop if labels[block.start] == labels[block.start + 1] else block.start + 1
            for block in (range(2), range(2, 4))
        ]
        assert product.groups[s].tolist() == [ends[0], 2, ends[1], 4]
    other = automaton.build(resolve("static"), lp.Instance(2, 2, 2))
    assert np.all(given._product(other, 2, False, 1 << 30, quiet).groups == [1, 2, 3, 4])
    node = len(product.nodes) - 1
    path = product.path_to(node)
    at = 0
    for arc in path:
        assert product.arcs.first[at] <= arc < product.arcs.first[at + 1]
        at = int(product.arcs.targets[arc])
    assert at == node and product.path_to(0) == []
