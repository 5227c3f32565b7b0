"""Exact ratios of given policies: known values, a second road, and faithful states."""

from __future__ import annotations

import copy
import itertools
import random
from fractions import Fraction

import pytest

import layered_paging as lp
from layered_paging.core.registry import entries
from layered_paging.errors import BudgetError, ParameterError, PolicyError
from layered_paging.policies.lru import LRU
from layered_paging.policies.names import resolve
from layered_paging.ratio.automaton import Live, labels_of, start, step

STATED = [
    "lru", "fifo", "lifo", "fwf", "clock", "clock(fresh=False)", "sieve", "mark-lru", "mark-far", "slru", "least-stale",
    "lru-2", "static", "llru", "llru(same_layer='near')", "llru(rounds='absolute')",
    "llru(rounds='absolute', same_layer='near')",
    "lru-hits-first", "heat-protected",
]  # fmt: skip


def value(policy, layers, experts, slots, **options):
    return lp.competitive_ratio(policy, layers=layers, experts=experts, slots=slots, **options).value


def closure(events, width, offline):
    """All caches of at most ``offline`` pages with the work function after each event, by its definition."""
    caches = [frozenset(c) for size in range(offline + 1) for c in itertools.combinations(range(width), size)]
    work = {c: len(c) for c in caches}
    for event in events:
        work = {c: min(work[d] + len(c - d) for d in caches if event <= d) for c in caches}
    return work


def slow_ratio(policy, layers, experts, slots, offline=None, pool="shared"):
    """The ratio on concrete pages with whole work functions as nodes: no renaming, no offline caches."""
    instance, offline = lp.Instance(layers, experts, slots), offline or slots
    caches = [frozenset(c) for size in range(offline + 1) for c in itertools.combinations(range(instance.pages), size)]
    live = start(resolve(policy), instance, pool)
    first = (0, (0,) * instance.pages, tuple(len(c) for c in caches))
    nodes, lives, arcs = {first: 0}, [live], []
    for at, node in enumerate(queue := [first]):
        work = dict(zip(caches, node[2], strict=True))
        for page in instance.pages_of(node[0]):
            then, miss = step(lives[at], [page], instance)
            new = [min(work[d] + len(c - d) for d in caches if page in d) for c in caches]
            opt = min(new)
            target = ((node[0] + 1) % layers, labels_of(then, instance), tuple(w - opt for w in new))
            if target not in nodes:
                nodes[target] = len(nodes)
                queue.append(target)
                lives.append(then)
            arcs.append((at, nodes[target], miss, opt))
    p, q = 0, 1
    while True:  # larger and larger ratios until no cycle is better: Bellman-Ford, backwards over the predecessors
        far, before, cycle = [0] * len(nodes), {}, None
        while cycle is None:
            moved = None
            for source, target, cost, opt in arcs:
                if far[source] + q * cost - p * opt > far[target]:
                    far[target] = far[source] + q * cost - p * opt
                    before[target], moved = (source, cost, opt), target
            if moved is None:
                return Fraction(p, q)
            seen = {}
            while moved in before and moved not in seen:
                seen[moved] = len(seen)
                moved = before[moved][0]
            if moved in before:
                cycle = [before[v] for v, place in seen.items() if place >= seen[moved]]
        cost, opt = sum(c for _, c, _ in cycle), sum(o for _, _, o in cycle)
        if opt == 0:
            return None
        p, q = cost, opt


@pytest.mark.parametrize("slots", [1, 2, 3, 4, 5])
def test_classical_values(slots):
    for policy in ("lru", "fifo", "clock", "fwf", "mark-lru", "mark-far"):
        assert value(policy, 1, slots + 1, slots) == slots
    assert value("lru", 3, 2, slots, general=True) == slots
    for offline in range(1, slots + 1):
        assert value("lru", 1, slots + 1, slots, offline_slots=offline) == Fraction(slots, slots - offline + 1)


def test_marking_has_the_classical_expected_ratios():
    """H_k with one page more than slots, 2 H_k - 1 with more (achlioptas-chrobak-noga-2000)."""
    for slots in (1, 2, 3):
        harmonic = sum(Fraction(1, i) for i in range(1, slots + 1))
        assert value("marking", 1, slots + 1, slots) == harmonic
        if slots > 1:
            assert value("marking", 1, slots + 2, slots) == 2 * harmonic - 1


def test_values_of_the_layered_theory():
    for layers, experts in [(2, 2), (2, 3), (3, 2), (2, 4), (4, 2)]:
        pages = layers * experts
        assert value("lru", layers, experts, layers) == 2 - Fraction(1, layers)
        assert value("llru", layers, experts, layers) == 2 - Fraction(1, layers)
        assert value("lru", layers, experts, layers, pool="per-layer") == 2 - Fraction(1, layers)
        assert value("mark-far", layers, experts, pages - 1) == pages - layers
        for slots in range(layers, pages):
            assert value("lru", layers, experts, slots) <= slots
            if (slots + 1) % layers == 0:
                assert value("lru", layers, experts, slots) == slots
            if slots > layers and experts > slots // layers:
                assert lp.competitive_ratio(
                    "lru", layers=layers, experts=experts, slots=slots, pool="per-layer"
                ).unbounded


@pytest.mark.parametrize("policy", [name for name in STATED if name not in ("lru-2", "static")])
def test_two_roads_give_the_same_value(policy):
    for size in [(1, 3, 2), (2, 2, 1), (2, 2, 2), (2, 2, 3), (2, (1, 3), 3)]:
        assert value(policy, *size) == slow_ratio(policy, *size), size
    assert value(policy, 2, 2, 3, offline_slots=2) == slow_ratio(policy, 2, 2, 3, 2)
    assert value(policy, 2, 2, 3, pool="per-layer") == slow_ratio(policy, 2, 2, 3, pool="per-layer")


@pytest.mark.parametrize(
    "policy", ["lru", "llru", "mark-far", "clock(fresh=False)", "sieve", "llru(rounds='absolute')"]
)
def test_the_witness_replayed_has_the_ratio(policy):
    for layers, experts, slots, extra in [
        (2, 3, 4, {}),
        (3, 2, 4, {}),
        (1, 4, 3, {"offline_slots": 2}),
        (2, 3, 4, {"top_k": 2}),
    ]:
        try:
            ratio = lp.competitive_ratio(policy, layers=layers, experts=experts, slots=slots, **extra)
        except ParameterError:
            continue
        witness, turns = ratio.witness, 6
        events = [frozenset(e) for e in witness.prefix + witness.cycle * turns]
        live, misses = start(resolve(policy), ratio.instance, "shared"), 0
        for event in events:
            live, missed = step(live, sorted(event), ratio.instance)
            misses += missed
        offline = extra.get("offline_slots", slots)
        optimum = min(closure(events, layers * experts, offline).values())
        prefix = 2 * len(witness.prefix) + slots
        assert abs(misses - witness.misses * turns) <= prefix
        assert optimum <= witness.optimum * turns + prefix
        assert ratio.unbounded == (witness.optimum == 0)
        if ratio.value is not None:
            assert witness.misses == ratio.value * witness.optimum
            assert misses <= ratio.value * optimum + ratio.additive
            worst = [frozenset(e) for e in ratio.worst_start]
            live, misses = start(resolve(policy), ratio.instance, "shared"), 0
            for event in worst:
                live, missed = step(live, sorted(event), ratio.instance)
                misses += missed
            assert misses - ratio.value * min(closure(worst, layers * experts, offline).values()) == ratio.additive


def unfaithful(policy, instance, pool="shared", top_k=1, seed=0):
    """Return two runs that reach one state and then differ, or None: random co-simulation."""
    spec, dice = resolve(policy), random.Random(seed)
    symmetric = top_k == 1 and getattr(spec.cls, "symmetric", False)
    met: dict[tuple, list[tuple[Live, list[int]]]] = {}
    for _ in range(20):
        live = start(spec, instance, pool)
        for n in range(60):
            live, _ = step(live, sorted(dice.sample(instance.pages_of(n % instance.layers), top_k)), instance)
            raw = labels_of(live, instance)
            order = list(range(instance.pages))
            if symmetric:
                dice.shuffle(order)
                order.sort(key=lambda p: (instance.layer_of(p), raw[p]))
            met.setdefault((live.clock % instance.layers, tuple(raw[p] for p in order)), []).append((live, order))
    for key, runs in sorted(met.items(), key=lambda item: -len(item[1]))[:80]:
        (one, a), (two, b) = dice.choice(runs), dice.choice(runs)
        for _ in range(25):
            places = sorted(dice.sample(instance.pages_of(one.clock % instance.layers), top_k))
            one, c = step(one, sorted(a[i] for i in places), instance)
            two, d = step(two, sorted(b[i] for i in places), instance)
            x, y = labels_of(one, instance), labels_of(two, instance)
            if c != d or [x[p] for p in a] != [y[p] for p in b]:
                return key, places
    return None


def test_every_policy_with_a_state_is_covered():
    lp.catalog.collect()
    stated = {
        e.name for e in entries("policy") if callable(getattr(e.obj, "state", None)) and "layered_paging" in e.source
    }
    assert stated <= {resolve(name).base for name in STATED} | {"marking", "online-min"}


@pytest.mark.parametrize("policy", STATED)
def test_states_forget_nothing_that_matters(policy):
    for layers, experts, slots in [(1, 5, 3), (2, 3, 4), (3, 2, 2)]:
        instance = lp.Instance(layers, experts, slots)
        assert unfaithful(policy, instance) is None
        if slots == 4:
            assert unfaithful(policy, instance, "per-layer") is None
        if experts > 2:
            assert unfaithful(policy, instance, top_k=2) is None


def test_a_state_that_forgets_is_noticed():
    class Forgetful(LRU):
        def state(self, resident, time):
            return dict.fromkeys(resident, 1)

    class NotSymmetric(LRU):
        def victim(self, candidates, time):
            return candidates[0]

    assert unfaithful(Forgetful, lp.Instance(1, 5, 3)) is not None
    assert unfaithful(NotSymmetric, lp.Instance(1, 5, 3)) is not None


def test_renaming_is_only_a_reduction():
    class Plain(LRU):
        symmetric = False

    for layers, experts, slots in [(2, 3, 4), (3, 2, 5), (1, 4, 3)]:
        one = lp.competitive_ratio("lru", layers=layers, experts=experts, slots=slots)
        two = lp.competitive_ratio(Plain, layers=layers, experts=experts, slots=slots)
        assert (one.value, one.additive) == (two.value, two.additive)
        assert one.nodes < two.nodes


def test_a_policy_that_runs_on_a_copy_does_not_change_the_original():
    instance = lp.Instance(2, 3, 4)
    for policy in STATED:
        live = start(resolve(policy), instance, "shared")
        for n in range(12):
            live, _ = step(live, [3 * (n % 2) + n % 3], instance)
        before = copy.deepcopy(labels_of(live, instance))
        for page in range(3):
            step(live, [page], instance)
        assert labels_of(live, instance) == before


def test_mistakes_are_explained():
    size = {"layers": 2, "experts": 2, "slots": 2}
    with pytest.raises(PolicyError, match="method state"):
        lp.competitive_ratio("lfu", **size)
    with pytest.raises(ParameterError, match="below the number of pages, 4; got 4"):
        lp.competitive_ratio("lru", layers=2, experts=2, slots=4)
    with pytest.raises(ParameterError, match="offline_slots must be at most slots, 2; got 3"):
        lp.competitive_ratio("lru", offline_slots=3, **size)
    with pytest.raises(BudgetError, match="a slot for each of the 2 layers"):
        lp.competitive_ratio("lru", layers=2, experts=2, slots=1, pool="per-layer")
    with pytest.raises(ParameterError, match="single layer"):
        lp.competitive_ratio("lru", pool="per-layer", general=True, **size)
    with pytest.raises(ParameterError, match="does not fit into 100 bytes"):
        lp.competitive_ratio("lru", memory=100, **size)


@pytest.mark.parametrize("size", [(2, 2, 3), (2, 3, 4), (3, 2, 3), (2, [1, 3], 3)])
def test_a_solved_strategy_is_replayed_as_a_policy(size, tmp_path):
    layers, experts, slots = size
    best = lp.optimal_ratio(layers=layers, experts=experts, slots=slots)
    path = tmp_path / "best.json.gz"
    best.certificate.save(path)
    table = best.certificate.evidence["policy"]
    dice = random.Random(3)
    bound = Fraction(table["potential"][table["positions"].index(0)], best.upper.denominator)
    widths = experts if isinstance(experts, list) else [experts] * layers
    for _ in range(5):
        experts_of = [[dice.randrange(w) for w in widths] for _ in range(60)]
        trace = lp.Trace(experts_of, n_experts=experts)
        run = lp.replay(trace, f"strategy:{path}", slots)
        instance = lp.Instance(layers, experts, slots)
        events = [frozenset([instance.page(j, e)]) for row in experts_of for j, e in enumerate(row)]
        optimum = min(closure(events, instance.pages, slots).values())
        assert optimum <= run.misses <= best.upper * optimum + bound
    with pytest.raises(ParameterError, match="is for layers, experts, slots"):
        lp.replay(lp.Trace([[0, 1]], n_experts=2), f"strategy:{path}", 2)


@pytest.mark.parametrize(("pages", "slots"), [(2, 1), (3, 2), (4, 2), (4, 3)])
def test_online_min_has_the_harmonic_number(pages, slots):
    assert value("online-min", 1, pages, slots) == sum(Fraction(1, i) for i in range(1, slots + 1))


@pytest.mark.parametrize("policy", ["llru", "mark-far"])
@pytest.mark.parametrize("more", [Fraction(0), Fraction(1, 20), Fraction(1, 2)])
def test_the_constant_of_a_larger_ratio(policy, more):
    """Against an optimum with one slot, by all sequences of up to 6 requests: there it is reached."""
    found = lp.competitive_ratio(policy, layers=2, experts=2, slots=3, offline_slots=1)
    assert found.constant(found.value) == found.additive == Fraction(4, 3)
    instance, ratio, most = lp.Instance(2, 2, 3), found.value + more, Fraction(0)
    for bits in range(1 << 6):
        rows = [[bits >> 2 * t & 1, bits >> 2 * t + 1 & 1] for t in range(3)]
        for end in (1, 2, 3):
            trace = lp.Trace(rows[:end], n_experts=2)
            events = [frozenset([instance.page(j, int(e))]) for row in trace.experts for j, e in enumerate(row.ravel())]
            optimum = min(closure(events, instance.pages, 1).values())
            most = max(most, lp.replay(trace, policy, 3).misses - ratio * optimum)
    assert found.constant(ratio) == most
    with pytest.raises(ParameterError, match="ratio must be at least 2/3"):
        found.constant(found.value - Fraction(1, 10))


def test_the_constant_of_expected_misses():
    found = lp.competitive_ratio("marking", layers=2, experts=2, slots=3, offline_slots=2)
    assert found.constant(found.value) == found.additive == Fraction(2, 3)
    assert found.constant(1) == Fraction(1, 3)
    with pytest.raises(ParameterError, match="it is unbounded"):
        lp.competitive_ratio("lifo", layers=1, experts=3, slots=2).constant(9)


def test_memory_limits_the_states_of_the_policy() -> None:
    with pytest.raises(ParameterError, match="do not fit into 1,000,000 bytes of memory"):
        lp.competitive_ratio("clock", layers=3, experts=4, slots=9, memory=1_000_000)
