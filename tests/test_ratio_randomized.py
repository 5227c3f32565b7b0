"""The best randomized policy: known values, exact certificates, forgeries."""

from __future__ import annotations

import copy
import random
from fractions import Fraction
from statistics import fmean, stdev

import pytest

import layered_paging as lp
from layered_paging import certify
from layered_paging.certificate import Certificate
from layered_paging.errors import CertificateRejected, ParameterError, PolicyError
from layered_paging.policies import from_certificate as strategy
from layered_paging.policies.names import resolve
from layered_paging.policies.spec import Time
from layered_paging.policies.stream import Stream


def bracket(layers, experts, slots, **options):
    return lp.optimal_ratio(layers=layers, experts=experts, slots=slots, randomized=True, **options)


def harmonic(k):
    return sum(Fraction(1, i) for i in range(1, k + 1))


@pytest.mark.parametrize(("pages", "slots"), [(3, 1), (3, 2), (4, 2), (4, 3), (5, 4)])
def test_classical_paging_closes_on_the_harmonic_number(pages, slots):
    found = bracket(1, pages, slots)
    assert found.lower == found.upper == harmonic(slots)
    certify.check(found.certificate)


@pytest.mark.parametrize(
    ("size", "value"), [((2, 2, 1), "1"), ((2, 2, 3), "7/4"), ((4, 1, 2), "1"), ((2, 3, 3), "7/4")]
)
def test_sizes_where_both_sides_meet(size, value):
    found = bracket(*size)
    assert found.lower == found.upper == Fraction(value)
    assert found.upper <= lp.optimal_ratio(layers=size[0], experts=size[1], slots=size[2]).lower
    certify.check(found.certificate)


def test_a_search_cut_short_keeps_true_bounds():
    found = bracket(3, 2, 3, seconds=1e-9)
    assert not found.complete and found.lower > 0 and found.upper is None
    certify.check(found.certificate)

    sources = []

    def stopped(what, value):
        if what == "phase" and value.startswith("sources"):
            sources.append(value)
        if len(sources) > 1:  # the first one is kept, and the search from above has ended
            raise KeyboardInterrupt

    found = bracket(3, 2, 3, tick=stopped)
    assert not found.complete
    assert 0 < found.lower < found.upper
    certify.check(found.certificate)


def rejected(certificate, change, match=None):
    statement, evidence = copy.deepcopy((dict(certificate.statement), dict(certificate.evidence)))
    change(statement, evidence)
    with pytest.raises(CertificateRejected, match=match):
        certify.check(Certificate(certificate.kind, statement, evidence))


def test_forgeries():
    certificate = bracket(2, 2, 3).certificate
    rejected(certificate, lambda s, e: s.update(upper="17/10"), "potential fails")
    rejected(certificate, lambda s, e: s.update(lower="9/5"), "values fail")
    rejected(certificate, lambda s, e: e.update(source=None), "no source")

    def nodes_without_start(side):
        def change(s, e):
            at = next(i for i, row in enumerate(e[side]["nodes"]) if not any(row))
            for column in e[side].values():
                if isinstance(column, list) and len(column) > 4:
                    del column[at]

        return change

    for side in ("policy", "source"):
        rejected(certificate, nodes_without_start(side), "start|entry for each node")
    rejected(certificate, lambda s, e: e["policy"]["transports"][2].popitem(), "has no transport")

    def other_mass(s, e):
        row = next(row for row in e["policy"]["distributions"] if len(row) > 1)
        row[0][1], row[1][1] = str(Fraction(row[0][1]) / 2), str(Fraction(row[1][1]) + Fraction(row[0][1]) / 2)

    def too_much(s, e):
        e["policy"]["distributions"][1][0][1] = "2"

    def certain(s, e):
        row = next(row for row in e["source"]["chances"] if len(row) > 1)
        del row[1:]

    def no_cache(s, e):
        del e["source"]["values"][3][0]

    rejected(certificate, other_mass, "does not fit")
    rejected(certificate, too_much, "add up to 1")
    rejected(certificate, certain, "add up to 1")
    rejected(certificate, no_cache, "no value for cache")


def test_a_program_is_not_written_down_after_its_time(monkeypatch):
    from layered_paging.core.deadline import OutOfTime
    from layered_paging.core.program import Program
    from layered_paging.ratio.spread import spread
    from layered_paging.ratio.work import explore

    monkeypatch.setattr(Program, "solve", lambda *_, **__: pytest.fail("it is not solved"))
    with pytest.raises(OutOfTime, match="did not end within the limit"):
        spread(explore(lp.Instance(2, 2, 3), 0), 0.0)


def test_a_source_on_which_the_optimum_never_pays_proves_nothing():
    """Ask for page 0 and page 2 for ever: cost and optimum stand still, so any ratio would 'hold'."""
    from layered_paging.ratio.work import explore

    graph = explore(lp.Instance(2, 2, 3), 0)
    order, at = [0], 0
    chances = []
    while at < len(order):
        arcs = graph.arcs[order[at]]
        arc = max(arcs, key=lambda a: graph.nodes[order[at]].items[a.page])  # what was asked for last
        chances.append([[arc.page, "1"]])
        if arc.target not in order:
            order.append(arc.target)
        at += 1
    # low values while the first requests are still to come, 0 afterwards
    values = [[[cache, str(-1000 * max(0, 2 - n))] for cache in graph.caches] for n, _ in enumerate(order)]
    nodes = [[0, *(x for item in graph.nodes[i].items for x in item)] for i in order]
    source = {"experts": [2, 2], "memory": 0, "nodes": nodes, "chances": chances, "values": values}
    statement = {"layers": 2, "experts": 2, "slots": 3, "lower": "100", "upper": None}
    with pytest.raises(CertificateRejected, match="never pays"):
        certify.check(Certificate("ratio-random", statement, {"policy": None, "source": source}))


class Script:
    """Random numbers written down beforehand; asks for the next one by an exception."""

    def __init__(self):
        self.rest = []


class Ask(Exception):
    pass


def scripted(rng, n):
    if n == 1:
        return 0
    if not rng.rest:
        raise Ask(n)
    return rng.rest.pop(0)


def every_way(live, act, *facts):
    """Yield (live afterwards, answer, chance) for every outcome of what is drawn in ``act``."""
    waiting = [([], Fraction(1))]
    while waiting:
        numbers, chance = waiting.pop()
        twin = copy.deepcopy(live)
        twin["rng"].rest = list(numbers)
        try:
            answer = act(twin, *facts)
        except Ask as ask:
            waiting += [([*numbers, x], chance / ask.args[0]) for x in range(ask.args[0])]
        else:
            yield twin, answer, chance


def law(certificate, instance, pages):
    """Yield after each request: node, distribution of the plan by place, expected misses and loads of the plan."""
    rng = Script()

    def begin(live):
        live["policy"] = strategy.RandomStrategy(instance, certificate=certificate, rng=live["rng"])

    def serve(live, t, page):
        policy, cache, before = live["policy"], live["cache"], live["policy"].plan
        missed = page not in cache
        (policy.miss if missed else policy.hit)(page, Time(t, *divmod(t, instance.layers)))
        cache.add(page)
        if len(cache) > instance.slots:
            cache.remove(policy.victim(sorted(cache - {page}), None))
        assert len(cache) <= instance.slots and page in cache
        return missed, len(policy.plan - before)

    lives = [(live, chance) for live, _, chance in every_way({"rng": rng, "cache": set()}, begin)]
    for t, page in enumerate(pages):
        merged, misses, loads = {}, Fraction(0), Fraction(0)
        for live, share in lives:
            for after, (missed, loaded), chance in every_way(live, serve, t, page):
                misses, loads = misses + share * chance * missed, loads + share * chance * loaded
                key = (after["policy"].plan, frozenset(after["cache"]))
                merged[key] = (after, share * chance + (merged[key][1] if key in merged else 0))
        lives = list(merged.values())
        masks = {}
        for live, share in lives:
            masks[live["policy"]._mask] = masks.get(live["policy"]._mask, 0) + share
        [node] = {live["policy"].node for live, _ in lives}
        yield node, masks, misses, loads


@pytest.mark.parametrize("size", [(2, 2, 3), (2, 3, 3), (2, [1, 3], 2), (1, 4, 3)])
def test_distributions_are_replayed_as_a_policy(size, tmp_path, monkeypatch):
    layers, experts, slots = size
    instance = lp.Instance(layers, experts, slots)
    found = bracket(layers, experts, slots)
    path = tmp_path / "r.json.gz"
    found.certificate.save(path)
    side = found.certificate.evidence["policy"]
    start = side["nodes"].index([0] * (1 + 2 * instance.pages))
    dice = random.Random(5)
    trace = lp.Trace([[dice.randrange(w) for w in instance.experts] for _ in range(12)], n_experts=experts)
    pages = [instance.page(j, int(e)) for row in trace.experts for j, e in enumerate(row.ravel())]
    with monkeypatch.context() as patch:
        patch.setattr(strategy, "_below", scripted)
        steps = list(law(found.certificate, instance, pages))
    node, paid = start, Fraction(0)
    for page_node, masks, _, loads in steps:
        # the plan has the distribution of the certificate, and loads what one of the transports here costs
        assert masks == {cache: Fraction(v) for cache, v in side["distributions"][page_node] if Fraction(v)}
        costs = [
            sum(Fraction(m) * (b & ~a).bit_count() for a, b, m in row) for row in side["transports"][node].values()
        ]
        assert loads in costs
        node, paid = page_node, paid + loads
    expected = sum(misses for _, _, misses, _ in steps)
    optimum = lp.optimum(trace, slots, admission="forced").misses
    assert optimum <= expected <= paid + slots
    assert paid <= found.upper * optimum + Fraction(side["potential"][start]) - min(map(Fraction, side["potential"]))
    spec = resolve(f"strategy:{path}")
    assert spec.randomized
    counts = [lp.replay(trace, spec, slots, seed=seed).misses for seed in range(400)]
    assert abs(fmean(counts) - float(expected)) <= 4 * stdev(counts) / 400**0.5 + 1e-9
    assert lp.replay(trace, f"strategy:{path}", slots, seed=7).misses == counts[7]


def test_strategies_refuse_what_they_were_not_solved_for(tmp_path):
    path = tmp_path / "r.json"
    bracket(2, 2, 3).certificate.save(path)
    with pytest.raises(ParameterError, match="is for layers, experts, slots"):
        lp.replay(lp.Trace([[0, 1]], n_experts=2), f"strategy:{path}", 2)
    policy = resolve(f"strategy:{path}").make(lp.Instance(2, 2, 3), 0)
    with pytest.raises(PolicyError, match="this trace leaves them"):
        policy.miss(2, Time(0, 0, 0))
    lp.competitive_ratio("lru", layers=2, experts=2, slots=2).certificate.save(path)
    with pytest.raises(ParameterError, match="must be a certificate of kind"):
        resolve(f"strategy:{path}")


@pytest.mark.parametrize("n", [1, 2, 3, 7, 2**31 + 1, 3**90])
def test_integers_are_drawn_exactly(n):
    rng = Stream(3)
    drawn = [strategy._below(rng, n) for _ in range(300)]
    assert all(0 <= x < n for x in drawn)
    assert abs(fmean(x / n for x in drawn) - (n - 1) / (2 * n)) < 0.08
    if n < 10:
        assert set(drawn) == set(range(n))
