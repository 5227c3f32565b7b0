"""The steps of the checkers of ratios, each against a second road or by hand; and what their refusals say."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import layered_paging as lp
from layered_paging.certificate import Certificate
from layered_paging.certify import caches, check, ratio, ratio_random, reading
from layered_paging.certify.ratio_game import Positions, no_idle_cycle
from layered_paging.errors import CertificateRejected
from layered_paging.policies.lru import LRU
from layered_paging.policies.names import resolve
from layered_paging.policies.stream import Stream
from layered_paging.ratio import automaton

ATLAS = Path(__file__).resolve().parents[1] / "docs" / "atlas"
Mask = int


def atlas(name: str) -> Certificate:
    return Certificate.load(ATLAS / f"{name}.json.gz")


def with_changes(certificate: Certificate, change: Callable[[Any, Any], Any]) -> Certificate:
    says, shows = copy.deepcopy((dict(certificate.statement), dict(certificate.evidence)))
    change(says, shows)
    return Certificate(certificate.kind, says, shows)


def passes(certificate: Certificate) -> bool:
    try:
        check(certificate)
    except CertificateRejected:
        return False
    return True


def refused(certificate: Certificate, words: str, change: Callable[[Any, Any], Any] = lambda s, e: None) -> None:
    with pytest.raises(CertificateRejected, match=words):
        check(with_changes(certificate, change))


def setting(*path: Any, to: Any) -> Callable[[Any, Any], None]:
    """Return a change of one entry of the evidence."""

    def change(_: Any, shows: Any) -> None:
        for key in path[:-1]:
            shows = shows[key]
        shows[path[-1]] = to

    return change


# players


EVENTS = [(0, 1), (3, 5), (1, 2), (3, 4), (0, 2), (4, 5), (0, 1), (3, 4), (1, 2), (3, 5), (0, 1), (4, 5)]


@pytest.mark.parametrize("pool", ["shared", "per-layer"])
@pytest.mark.parametrize(
    "policy", ["lru", "fwf", "clock", "llru", "llru(rounds='absolute')", "least-stale", "mark-far", "sieve", "slru"]
)
def test_a_player_plays_by_the_rules(policy: str, pool: str) -> None:
    """Misses and labels are those of the replay and of the automaton, which share no code with the checker."""
    for slots in (4, 5):
        instance, spec = lp.Instance(2, 3, slots), resolve(policy)
        player, live, misses = ratio.Player(spec, instance, pool), automaton.start(spec, instance, pool), 0
        for event in EVENTS:
            live, missed = automaton.step(live, event, instance)
            twin, foreseen = player.after(event)
            before = player.labels()
            assert foreseen == missed and (player.clock == 0 or player.labels() == before)
            assert player.play(event) == missed
            assert player.labels() == twin.labels() == automaton.labels_of(live, instance)
            misses += missed
        ids = [[[p - 3 * j for p in EVENTS[2 * r + j]] for j in range(2)] for r in range(6)]
        run = lp.replay(lp.Trace(ids, 3), policy, slots, pool=pool, engine="reference")
        assert misses == run.misses


@pytest.mark.parametrize("policy", ["marking", "online-min"])
def test_a_crowd_takes_every_course(policy: str) -> None:
    spec, instance = resolve(policy), lp.Instance(2, 2, 3)
    crowd, cloud = ratio.Crowd(spec, instance, "shared"), automaton.start_cloud(spec, instance, "shared")
    for page in (0, 2, 1, 3, 0, 3, 1, 2, 0, 2, 0, 3):
        cloud, expected = automaton.step_cloud(cloud, (page,), instance)
        then, foreseen = crowd.after((page,))
        assert foreseen == crowd.play((page,)) == expected
        rows = [(*labels, str(chance)) for labels, chance in automaton.labels_of_cloud(cloud, instance)]
        assert list(crowd.labels()) == list(then.labels()) == rows
        assert sum(chance for *_, chance in crowd.courses) == 1


def test_places_of_a_script() -> None:
    script = ratio._Script()
    for at, between in enumerate((1, Fraction(5, 2), 4, 6)):
        script.rest = [at]
        assert script.place([5, 2, 3, 2]) == between and script.rest == []
    script.rest = [0]
    assert script.place([]) == 0
    script.rest = [2, 0, 1]
    assert [script.below(3), script.below(3), script.below(2)] == [2, 0, 1]
    with pytest.raises(ratio._Branch) as caught:
        script.place([5, 2, 3])
    assert caught.value.sides == 4


def test_a_policy_that_evicts_what_it_may_not() -> None:
    class Rogue:
        def __init__(self, instance: lp.Instance) -> None: ...
        def hit(self, page: int, time: Any) -> None: ...
        def miss(self, page: int, time: Any) -> None: ...
        def victim(self, candidates: list[int], time: Any) -> int:
            return wanted

    for wanted in (0, 1):
        player = ratio.Player(resolve(Rogue), lp.Instance(1, 4, 1), "shared")
        player.play((2,))
        with pytest.raises(CertificateRejected, match=f"the policy evicts {wanted}, which is not a candidate"):
            player.play((1,))


# the offline side


def optimum(events: list[tuple[int, ...]], slots: int, bypass: bool = False) -> int:
    """The least misses from an empty cache, over all caches."""
    states: dict[frozenset[int], int] = {frozenset(): 0}
    for event in events:
        after: dict[frozenset[int], int] = {}
        for cache, cost in states.items():
            joined = cache | set(event)
            fixed = set() if bypass else set(event)
            spare = sorted(joined - fixed)
            for keep in range(slots - len(fixed) + 1):
                for chosen in itertools.combinations(spare, keep):
                    new = frozenset(chosen) | fixed
                    paid = cost + len(set(event) - cache)
                    after[new] = min(paid, after.get(new, paid))
        states = after
    return min(states.values())


@pytest.mark.parametrize("top_k", [1, 2])
def test_the_cost_of_a_schedule_is_the_optimum(top_k: int) -> None:
    rng = Stream(17)
    sets = list(itertools.combinations(range(5), top_k))
    for turn in range(12):
        prefix = [sets[rng.below(len(sets))] for _ in range(turn % 4)]
        cycle = [sets[rng.below(len(sets))] for _ in range(2 + turn % 5)]
        for slots in (2, 3):
            assert ratio.schedule_cost(prefix, [], slots) == (optimum(prefix, slots) if prefix else 0)
            slope = ratio.schedule_cost(prefix, cycle, slots)
            times = 6 * slope.denominator
            far = optimum(prefix + cycle * 2 * times, slots) - optimum(prefix + cycle * times, slots)
            assert far == slope * times
            slope = ratio.schedule_cost(prefix, cycle, slots, True)
            times = 6 * slope.denominator
            far = optimum(prefix + cycle * 2 * times, slots, True) - optimum(prefix + cycle * times, slots, True)
            assert far == slope * times


def test_turns_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    cycle = [(0,), (1,), (2,)]
    for call, turns in ((lambda: ratio.schedule_cost([], cycle, 2), 3), (lambda: ratio._turn(player(), [], cycle), 2)):
        monkeypatch.setattr(ratio, "TURNS", turns)
        call()
        monkeypatch.setattr(ratio, "TURNS", turns - 1)
        with pytest.raises(CertificateRejected, match="does not come back"):
            call()
    monkeypatch.setattr(ratio, "TURNS", 9)
    assert ratio._turn(player(), [(1,)], cycle) == 3 and ratio._turn(player(), [], [(0,), (1,), (0,)]) == 0


def test_misses_of_a_turn_in_the_long_run() -> None:
    rng, longest = Stream(5), 0
    for policy, _ in itertools.product(("fifo", "clock", "sieve"), range(10)):
        cycle = [(rng.below(5),) for _ in range(4 + rng.below(4))]
        one, state, before = ratio.Player(resolve(policy), lp.Instance(1, 5, 3), "shared"), [], []
        for _ in range(40):
            state.append(one.labels())
            before.append(sum(map(one.play, cycle)))
        period = next(d for d in range(1, 20) if state[20] == state[20 + d])
        longest = max(longest, period)
        begin = ratio.Player(resolve(policy), lp.Instance(1, 5, 3), "shared")
        assert ratio._turn(begin, [], cycle) == Fraction(sum(before[20 : 20 + period]), period)
    assert longest > 1


def test_what_comes_before_a_cycle_counts() -> None:
    """LIFO keeps what came first, so the cycle misses for ever after a first page of another kind."""
    for prefix, misses in (([], 0), ([(0,)], 2), ([(1,)], 0)):
        lifo = ratio.Player(resolve("lifo"), lp.Instance(1, 3, 2), "shared")
        assert ratio._turn(lifo, prefix, [(1,), (2,)]) == misses


def player() -> ratio.Player:
    return ratio.Player(resolve("lru"), lp.Instance(1, 3, 2), "shared")


def moves_tried(cache: int, asked: int, slots: int, here: int, there: dict[int, int]) -> Any:
    row = [x for item in there.items() for x in item]
    singles = [[page] for page in range(5)]
    before = caches.rows([cache, here], 5)
    return caches.missing_or_failing(before, caches.rows(row, 5), asked, asked, slots, [0, 3, 6], singles)


def test_lazy_answers() -> None:
    """All moves at once are those of the definition: what stays is asked for or was there, as much of it as fits."""
    for cache, asked, slots in ((0b11101, 0b10010, 3), (0b110, 0b1, 3), (0b011, 0b100, 1), (0b0011, 0b1011, 3)):
        joined = cache | asked
        size = min(slots, joined.bit_count())
        kept = [c for c in range(32) if c & ~joined == 0 and c & asked == asked and c.bit_count() == size]
        gains = [3 * paid for paid in range(6)]
        need = gains[(asked & ~cache).bit_count()]
        tried = partial(moves_tried, cache, asked, slots)

        assert need in (0, 3, 6)
        whole = {c: 10 + n for n, c in enumerate(kept)}
        top = need + max(whole.values())
        assert tried(top, whole) is None
        assert tried(top - 1, whole) == ("failing", cache)
        for gone in kept:
            assert tried(top, {c: v for c, v in whole.items() if c != gone}) == ("missing", cache)
        assert tried(top, whole | {c: 1 << 50 for c in range(32) if c not in kept}) is None


def test_only_the_number_of_cached_pages_of_a_run_matters() -> None:
    here, there = caches.rows([0b101, 0], 3), caches.rows([0b011, 0, 0b110, 0], 3)
    assert caches.missing_or_failing(here, there, 0b001, 0b001, 2, [0, 0], [[0, 1, 2]]) is None
    assert caches.missing_or_failing(here, there, 0b001, 0b001, 2, [0, 0], [[0], [1], [2]]) == ("missing", 0b101)
    assert caches.missing_or_failing(here, there, 0b001, 0b001, 2, [0, 0], [[1], [0, 2]]) is None
    assert caches.runs_of((1, 1, 0, 2), lp.Instance(2, [3, 1], 2), True) == [[2], [0, 1], [3]]
    assert caches.runs_of((1, 1, 0, 2), lp.Instance(2, [3, 1], 2), False) == [[0], [1], [2], [3]]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([1], "masks and potentials in turn"), ([1, 0.5], "must hold integers"), ([True, 1], "must hold integers"),
        ([8, 1], "no set of the 3 pages"), ([-1, 1], "no set of the 3 pages"), ([1, -1], "must not be negative"),
        ([1, 1 << 60], "must be below"), ([1, 0, 1, 5], "names a cache twice"), ({}, "must hold integers"),
    ],
)  # fmt: skip
def test_rows_that_are_refused(row: Any, message: str) -> None:
    with pytest.raises(CertificateRejected, match=message):
        caches.rows(row, 3)


def test_renaming_to_the_least_order() -> None:
    instance = lp.Instance(2, [3, 2], 2)
    assert ratio._least((5, 3, 4, 9, 8), 0b01001, instance, False) == ((5, 3, 4, 9, 8), 0b01001)
    assert ratio._least((5, 3, 4, 9, 8), 0b01001, instance, True) == ((3, 4, 5, 8, 9), 0b10100)
    # of two pages alike the one that the mask holds comes first
    assert ratio._least((1, 1, 1, 2, 2), 0b10110, instance, True) == ((1, 1, 1, 2, 2), 0b01011)
    assert ratio._order((5, 3, 4, 9, 8), (10, 11, 12, 13, 14), instance, True) == (11, 12, 10, 14, 13)
    assert ratio._order((5, 3, 4, 9, 8), (10, 11, 12, 13, 14), instance, False) == (10, 11, 12, 13, 14)


# what a statement may say


def test_limits_are_what_they_are() -> None:
    assert (ratio.TURNS, ratio.PROBES, ratio.PAGES) == (100_000, 2_000, 24)


def test_numbers_and_fractions() -> None:
    assert reading.number({"n": 3}, "n", 3) == 3
    for wrong in (2, True, "3", 3.0, None):
        with pytest.raises(CertificateRejected, match=f"'n' must be an integer of at least 3; got {wrong!r}"):
            reading.number({"n": wrong}, "n", 3)
    assert reading.exact("-7/4", "x") == Fraction(-7, 4) and reading.exact("1" * 1999, "x") == int("1" * 1999)
    for text in ("14/8", "1.5", "1" * 2000, 2, "01", "1/1", "1/0", " 1", "+1", "1e3"):
        with pytest.raises(CertificateRejected, match="'x' must be a fraction in lowest terms"):
            reading.exact(text, "x")


def test_sizes() -> None:
    size = {"layers": 2, "experts": 12, "slots": 23}
    assert ratio.model(size) == lp.Instance(2, 12, 23)
    assert ratio.model({"layers": 24, "experts": 1, "slots": 1}).pages == 24
    assert ratio.model({"layers": 1, "experts": [24], "slots": 1}).pages == 24
    for change, words in (
        ({"slots": 24}, "'slots' must be below the number of pages, 24; got 24"),
        ({"experts": 13}, "at most 24 pages"),
        ({"experts": [12, 13]}, "at most 24 pages"),
        ({"experts": [1] * 25, "layers": 25}, "at most 24 pages"),
        ({"experts": 1, "layers": 25}, "at most 24 pages"),
        ({"experts": [24, 0]}, "at most 24 pages"),
        ({"experts": [True, 3]}, "at most 24 pages"),
        ({"layers": 0}, "'layers' must be an integer of at least 1"),
        ({"slots": 0}, "'slots' must be an integer of at least 1"),
        ({"experts": 0}, "'experts' must be an integer of at least 1"),
    ):
        with pytest.raises(CertificateRejected, match=words):
            ratio.model({**size, **change})


def lru() -> Certificate:
    return lp.competitive_ratio("lru", layers=2, experts=2, slots=3).certificate


def test_a_statement_about_a_policy() -> None:
    good = lru()
    for change, words in (
        ({"policy": 3}, "'policy' must be the name of a registered policy; got 3"),
        ({"policy": " lru"}, "'policy' must be written 'lru'"),
        ({"general": 1}, "'general' must be true or false; got 1"),
        ({"pool": "each"}, "'pool' must be 'shared' or 'per-layer'; got 'each'"),
        ({"general": True, "pool": "per-layer"}, "'pool' must be 'shared' where 'general' is true"),
        ({"pool": "per-layer", "slots": 1, "offline_slots": 1}, "'slots' must give each layer one"),
        ({"offline_slots": 4}, "'offline_slots' must be at most 3; got 4"),
        ({"offline_slots": 0}, "'offline_slots' must be an integer of at least 1"),
        ({"top_k": 0}, "'top_k' must be an integer of at least 1"),
        ({"top_k": 3}, "'top_k' must be at most 2; got 3"),
        ({"top_k": 2, "offline_slots": 1}, "'top_k' does not fit into a pool; got 2"),
        ({"top_k": 2, "pool": "per-layer"}, "'top_k' does not fit into a pool; got 2"),
        ({"policy": "random"}, "does not state what its future depends on"),
        ({"value": None}, "'additive' must be null where the ratio is unbounded"),
        ({"value": "5/2"}, "not 5/2 times as much"),
        ({"additive": "-1"}, "exceeds the additive constant"),
        ({"additive": "100"}, "'worst_start' does not need the additive constant"),
    ):
        refused(good, words, lambda s, e, change=change: s.update(change))
    for key, value, words in (
        ("cycle", [], "'cycle' must hold at least one event"),
        ("cycle", [[0]], "'cycle' must end at the layer where it starts"),
        ("cycle", [[2], [0]], "'cycle', event 0: must be 1 of range"),
        ("cycle", [[0], [4]], "'cycle', event 1: must be 1 of range"),
        ("cycle", [[0, 1], [2]], "'cycle', event 0: must be 1 of range"),
        ("cycle", [[True], [2]], "'cycle', event 0: must be 1 of range"),
        ("cycle", [[0], [2]], "costs the optimum nothing"),
        ("prefix", None, "'prefix' must be a list of events"),
        ("worst_start", [[0], [2]], "does not need the additive constant"),
        ("unit", 0, "'unit' must be an integer of at least 1"),
        ("states", [], "must be lists of one length"),
        ("potential", {}, "must be lists of one length"),
    ):
        refused(
            good,
            words,
            lambda s, e, key=key, value=value: e.update({**({"prefix": []} if key == "cycle" else {}), key: value}),
        )


class PlainLRU(LRU):
    """Its layers are not turned round, so that its states are those of a certificate."""


def test_every_potential_counts() -> None:
    """Any potential changed by one passes exactly where all inequalities still hold, evaluated here from the automaton."""
    sizes = {"layers": 2, "experts": 2, "slots": 2}
    good = lp.competitive_ratio("lru", **sizes).certificate
    value, unit = Fraction(good.statement["value"]), good.evidence["unit"]
    found = automaton.build(resolve(PlainLRU), lp.Instance(2, 2, 2))
    number = {(int(found.layer[s]), *found.labels[s]): s for s in range(len(found.labels))}
    rows = [dict(zip(row[0::2], row[1::2], strict=True)) for row in good.evidence["potential"]]
    tables = {number[tuple(state)]: row for state, row in zip(good.evidence["states"], rows, strict=True)}

    def holds() -> bool:
        if any(v < 0 for row in tables.values() for v in row.values()):
            return False
        if tables[0][0] > unit * Fraction(good.statement["additive"]):
            return False
        for s, row in tables.items():
            for e, event in enumerate(found.events[int(found.layer[s])]):
                asked, then = sum(1 << p for p in event), int(found.next[s, e])
                moved = found.moved[s, e].tolist()
                labels = [found.labels[then][i] for i in range(4)]
                for mask, here in row.items():
                    for kept in automaton_answers(mask | asked, asked):
                        there = [kept >> p & 1 for p in moved]
                        for block in (0, 2):  # of two pages alike the one that is held stands first
                            if labels[block] == labels[block + 1] and there[block] < there[block + 1]:
                                there[block : block + 2] = [1, 0]
                        goal = tables[then][sum(bit << i for i, bit in enumerate(there))]
                        paid = (asked & ~mask).bit_count()
                        if unit * int(found.misses[s, e]) - unit * value * paid + goal > here:
                            return False
        return True

    assert holds()
    verdicts = []
    for state, row in zip(good.evidence["states"], rows, strict=True):
        for mask in row:
            for step in (-1, 1):
                row[mask] += step
                evidence = [[x for pair in r.items() for x in pair] for r in rows]
                verdict = passes(with_changes(good, lambda s, e, new=evidence: e.update(potential=new)))
                assert verdict == holds(), (state, mask, step)
                verdicts.append(verdict)
                row[mask] -= step
    assert {True, False} == set(verdicts)


def automaton_answers(joined: Mask, asked: Mask) -> list[Mask]:
    """All caches of at most two pages that a lazy answer leaves."""
    size = min(2, joined.bit_count())
    return [c for c in range(16) if c & ~joined == 0 and c & asked == asked and c.bit_count() == size]


def test_states_that_forget_are_refused() -> None:
    """A policy whose state does not say what its future depends on: two courses of one state move apart."""
    instance = lp.Instance(1, 3, 2)
    one, other = (ratio.Player(resolve("lru"), instance, "shared") for _ in range(2))
    for first, second in (((0,), (1,)), ((1,), (0,))):
        one.play(first)
        other.play(second)
    events = [(0,), (1,), (2,)]
    with pytest.raises(CertificateRejected, match="forgets something"):
        ratio._same(one, (0, 1, 2), other, (0, 1, 2), events, False)
    ratio._same(one, (0, 1, 2), other, (1, 0, 2), events, True)
    fresh = ratio.Player(resolve("lru"), instance, "shared")
    with pytest.raises(CertificateRejected, match="forgets something"):  # the misses differ
        ratio._same(one, (0, 1, 2), fresh, (0, 1, 2), events, True)


def test_states_that_move_apart_without_a_miss() -> None:
    """Two courses with the same misses at every next event, but not the same states after them."""
    instance, events = lp.Instance(1, 3, 2), [(0,), (1,), (2,)]
    found = exchanged = 0
    for history in itertools.product(events, repeat=4):
        one, other = (ratio.Player(resolve("clock"), instance, "shared") for _ in range(2))
        for at, event in enumerate(history):
            one.play(event)
            if at:
                other.play(event)
        other.clock += 1  # the same time, a shorter past
        after = [[player.after(event) for event in events] for player in (one, other)]
        misses = [[m for _, m in row] for row in after]
        labels = [[then.labels() for then, _ in row] for row in after]
        if misses[0] == misses[1] and labels[0] != labels[1]:
            found += 1
            exchanged += [sorted(x) for x in labels[0]] == [sorted(x) for x in labels[1]]  # pages have changed places
            with pytest.raises(CertificateRejected, match="forgets something"):
                ratio._same(one, (0, 1, 2), other, (0, 1, 2), events, True)
        elif misses[0] == misses[1]:
            ratio._same(one, (0, 1, 2), other, (0, 1, 2), events, True)
    assert found > exchanged > 0


def test_states_are_probed_so_many_times(monkeypatch: pytest.MonkeyPatch) -> None:
    probes: list[int] = []
    monkeypatch.setattr(ratio, "_same", lambda *arguments: probes.append(1))
    for limit, count in ((3, 3), (0, 0)):
        probes.clear()
        monkeypatch.setattr(ratio, "PROBES", limit)
        check(lru())
        assert len(probes) == count


@pytest.mark.parametrize(
    ("policy", "more"),
    [
        ("lru", {"general": True}),
        ("lru", {"pool": "per-layer", "slots": 4}),
        ("lru", {"pool": "per-layer", "slots": 2}),
        ("lru", {"slots": 4, "top_k": 2}),
        ("fwf", {"offline_slots": 2}),
        ("llru", {"layers": 3, "experts": 2}),
        ("lru", {"experts": [1, 3]}),
        ("lru", {"layers": 1, "experts": 3, "slots": 2, "admission": "bypass"}),  # the optimum misses once in a cycle
        ("marking", {"layers": 1, "experts": 3, "slots": 2}),
        ("online-min", {"layers": 1, "experts": 3, "slots": 2}),
    ],
)
def test_genuine_certificates(policy: str, more: dict[str, Any]) -> None:
    sizes: dict[str, Any] = {"layers": 2, "experts": 3 if "top_k" in more or "slots" in more else 2, "slots": 3, **more}
    good = lp.competitive_ratio(policy, **sizes).certificate
    check(good)
    if good.statement["value"] is None:
        refused(good, "that is not unbounded", lambda s, e: s.update(slots=5, offline_slots=5))
        refused(good, "must be a fraction", lambda s, e: s.update(value=1))
        return
    for step in (-1, 1):
        value = str(Fraction(good.statement["value"]) + Fraction(step, 9))
        refused(good, f"not {value} times as much", lambda s, e, value=value: s.update(value=value))
    least = {key: v for key, v in good.statement.items() if key not in ("value", "additive")}
    evidence = {key: good.evidence[key] for key in ("prefix", "cycle")}
    check(Certificate("ratio-lower", {**least, "lower": good.statement["value"]}, evidence))
    more_than = str(Fraction(good.statement["value"]) + Fraction(1, 9))
    refused(Certificate("ratio-lower", {**least, "lower": more_than}, evidence), f"less than {more_than} times")
    if policy in ("lru", "llru", "fwf"):
        for at, row in enumerate(good.evidence["potential"]):
            for place in range(1, len(row), 2):
                if row[place] == 0 and at == 0:
                    refused(good, "negative", setting("potential", at, place, to=-1))
        last = [len(good.evidence["potential"]) - 1, -2]
        refused(good, "no set of the", setting("potential", last[0], last[1], to=1 << 30))
        refused(good, "missing from 'potential'", setting("potential", last[0], to=good.evidence["potential"][-1][:-2]))


# positions of the game


def work_function(instance: lp.Instance, pages: list[int]) -> dict[frozenset[int], int]:
    """The least cost of serving the pages and ending with exactly this cache, by its definition."""
    caches = [frozenset(c) for n in range(instance.slots + 1) for c in itertools.combinations(range(instance.pages), n)]
    work = {c: len(c) for c in caches}
    for page in pages:
        work = {c: min(work[d] + len(c - d) for d in caches if page in d) for c in caches}
    return work


@pytest.mark.parametrize("size", [(2, 2, 1), (2, 2, 3), (1, 4, 2), (2, [1, 3], 3), (2, 3, 2)])
def test_positions_follow_the_work_function(size: tuple[int, Any, int]) -> None:
    instance = lp.Instance(*size)
    rules, rng = Positions(instance), Stream(size[0], size[2])
    for _ in range(4):
        items, pages = [0] * instance.pages, list[int]()
        for t in range(9):
            block = instance.pages_of(t % instance.layers)
            page = block.start + rng.below(len(block))
            before = min(work_function(instance, pages).values())
            pages.append(page)
            work = work_function(instance, pages)
            held = items[page] & 1
            miss, rise, moved = rules.request(items, page)
            assert (miss, rise) == (1 - held, min(work.values()) - before)
            levels = tuple(item >> 1 for item in moved)
            assert all(rules._work(levels)[sum(1 << p for p in c)] == w - min(work.values()) for c, w in work.items())
            answers = list(rules.answers(moved, page))
            cache = {p for p in range(instance.pages) if moved[p] & 1}
            if len(cache) <= instance.slots:
                assert answers == [(-1, moved)]
            else:
                assert [victim for victim, _ in answers] == sorted(cache - {page})
                for victim, after in answers:
                    assert after == [item - (p == victim) for p, item in enumerate(moved)]
            items = answers[rng.below(len(answers))][1]
            code = rules.write((t + 1) % instance.layers, items)
            layer, back = rules.read(code)
            assert rules.write(layer, back) == code
            blocks = [sorted(items[p] for p in instance.pages_of(j)) for j in range(instance.layers)]
            turned = (t + 1) % instance.layers if rules.turns else 0
            assert back == [x for block in blocks[turned:] + blocks[:turned] for x in block]
            assert layer == (0 if rules.turns else (t + 1) % instance.layers)


def test_positions_that_cannot_be() -> None:
    equal, unequal = Positions(lp.Instance(2, 2, 2)), Positions(lp.Instance(2, [1, 3], 2))
    assert unequal.read(1 << 60 | 5) == (1, [5, 0, 0, 0]) and equal.read(5 << 15) == (0, [0, 0, 0, 5])
    for code, words in ((2 << 60, "names layer 2"), (-1 << 60, "names layer -1"), (6, "a level above 2")):
        with pytest.raises(CertificateRejected, match=words):
            unequal.read(code)
    with pytest.raises(CertificateRejected, match="are not followed by"):
        equal._verify((0, 0, 0, 0), 0, 0, (2, 0, 0, 0))
    with pytest.raises(CertificateRejected, match="are not followed by"):
        equal._verify((0, 0, 0, 0), 0, 1, (0, 1, 0, 0))


def game_holds(certificate: Certificate) -> bool:
    """Both sides of a game's certificate, evaluated from the rules alone."""
    says, shows = certificate.statement, certificate.evidence
    instance = lp.Instance(says["layers"], says["experts"], says["slots"])
    rules, after = Positions(instance), lambda layer: (layer + 1) % instance.layers
    side, value = shows["policy"], Fraction(says["upper"])
    table = dict(zip(side["positions"], zip(side["victims"], side["potential"], strict=True), strict=True))
    for code, (moves, here) in table.items():
        layer, items = rules.read(code)
        victims = dict(zip(moves[0::2], moves[1::2], strict=True))
        for page in instance.pages_of(layer):
            if page not in victims:  # it is just like the page before it
                page = max(p for p in victims if p < page)
            cost, rise, moved = rules.request(items, page)
            goal = table[rules.write(after(layer), dict(rules.answers(moved, page))[victims[page]])][1]
            if here < 0 or value.denominator * cost - value.numerator * rise + goal > here:
                return False
    side, value = shows["adversary"], Fraction(says["lower"])
    graph = dict(zip(side["positions"], zip(side["requests"], side["potential"], strict=True), strict=True))
    for code, (page, here) in graph.items():
        layer, items = rules.read(code)
        cost, rise, moved = rules.request(items, page)
        for _, then in rules.answers(moved, page):
            goal = graph[rules.write(after(layer), then)][1]
            if value.denominator * cost - value.numerator * rise + here - goal < 0:
                return False
    return True


@pytest.mark.parametrize("name", ["2x2-2", "2x2-3", "1x3-2", "3x2-2", "unequal"])
def test_every_potential_of_a_game_counts(name: str) -> None:
    if name == "unequal":
        good = lp.optimal_ratio(layers=2, experts=[1, 3], slots=2).certificate
    else:
        good = atlas(f"best-deterministic-{name}")
    check(good)
    assert game_holds(good)
    verdicts = []
    for side in ("policy", "adversary"):
        column = good.evidence[side]["potential"]
        for at in range(0, len(column), 1 + len(column) // 40):
            for step in (-1, 1):
                changed = with_changes(good, setting(side, "potential", at, to=column[at] + step))
                assert passes(changed) == game_holds(changed), (side, at, step)
                verdicts.append(passes(changed))
    assert {True, False} == set(verdicts)


def test_what_a_game_must_show() -> None:
    good = atlas("best-deterministic-2x2-3")
    shows = good.evidence
    first = shows["policy"]["positions"].index(0)
    for words, change in (
        ("columns must be lists of one length", setting("policy", "victims", to=shows["policy"]["victims"][:-1])),
        ("must be integers", setting("policy", "potential", 0, to=True)),
        ("must be integers", setting("adversary", "positions", 1, to=-1)),
        ("has no answer", setting("policy", "victims", first, to=[])),
        ("cannot be the victim", setting("policy", "victims", first, to=[0, 3, 1, 3])),
        ("cannot be requested", setting("adversary", "requests", 0, to=3)),
        ("cannot be requested", setting("adversary", "requests", 0, to=True)),
        ("'lower' has no adversary", setting("adversary", to=None)),
        ("must not be negative", setting("policy", "potential", 1, to=-1)),
    ):
        refused(good, words, change)
    check(with_changes(good, lambda s, e: (s.update(lower="0"), e.update(adversary=None))))
    refused(good, "has no adversary", lambda s, e: (s.update(lower="1/9"), e.update(adversary=None)))
    check(with_changes(good, lambda s, e: (s.update(upper=None), e.update(policy=None))))
    big = {"layers": 1, "experts": 13, "slots": 2, "lower": "0", "upper": None}
    for change in ({}, {"layers": 2, "experts": 6}, {"experts": 12}):
        certificate = Certificate("ratio-game", {**big, **change}, {"adversary": None})
        assert passes(certificate) is bool(change)


def test_idle_cycles() -> None:
    no_idle_cycle({1: [2, 3], 2: [3], 3: [4]})
    no_idle_cycle({})
    no_idle_cycle({1: [2, 2], 2: [5]})
    for arcs in ({1: [1]}, {1: [2], 2: [1]}, {0: [1], 1: [2], 2: [3, 1]}, {1: [2], 2: [3], 3: [2], 5: [6]}):
        with pytest.raises(CertificateRejected, match="neither side pays"):
            no_idle_cycle(arcs)


# distributions and sources


@pytest.mark.parametrize(
    ("size", "memory"),
    [((2, 2, 3), 0), ((2, 2, 2), 2), ((1, 3, 2), 1), ((2, [1, 3], 2), 1), ((3, 2, 2), 1), ((3, [1, 2, 1], 2), 1)],
)
def test_nodes_follow_requests(size: tuple[int, Any, int], memory: int) -> None:
    """Levels, ages and places after a request, against ages counted here, on every path of three rounds."""
    instance = lp.Instance(*size)
    pages, turns = instance.pages, len(set(instance.experts)) == 1
    rules = Positions(instance)
    start = (0,) * (1 + 2 * pages)
    rows, queue = [start], [start]
    steps: list[tuple[tuple[int, ...], int, int, tuple[int, ...], list[int]]] = []
    for row in queue:
        for page in instance.pages_of(row[0]):
            rise, levels = rules.update(row[1::2], page)
            ages = [0 if age == 0 or age + 1 > memory else age + 1 for age in row[2::2]]
            ages[page] = 1 if memory else 0
            blocks = []
            for j in range(instance.layers):
                blocks.append(sorted(instance.pages_of(j), key=lambda p: (levels[p], ages[p])))
            layer = (row[0] + 1) % instance.layers
            if turns:
                blocks = [blocks[(layer + j) % instance.layers] for j in range(instance.layers)]
            places = [p for block in blocks for p in block]
            goal = (0 if turns else layer, *(x for p in places for x in (levels[p], ages[p])))
            steps.append((row, page, rise, goal, places))
            if goal not in rows:
                rows.append(goal)
                queue.append(goal)
    nodes = ratio_random.Nodes(instance, memory, [list(row) for row in rows])
    for row, page, rise, goal, places in steps:
        at = rows.index(row)
        assert nodes.follow(at, page) == (rise, rows.index(goal), places)
        assert nodes.pages(at) == instance.pages_of(row[0])
    short = ratio_random.Nodes(instance, memory, [list(rows[0])])
    with pytest.raises(CertificateRejected, match="what follows a request to page 0"):
        short.follow(0, 0)
    assert ratio_random._answers(0b1010, 1) == [(0, 0b1010)]
    assert ratio_random._answers(0b1010, 2) == [(1, 0b1100), (1, 0b0110)]


def test_what_nodes_must_be() -> None:
    instance = lp.Instance(2, [1, 2], 2)
    start = [0] * 7
    for rows, words in (
        ([], "'nodes' must be a list"),
        (None, "'nodes' must be a list"),
        ([start[:-1]], "a node must be a layer"),
        ([[2, *start[1:]]], "a node must be a layer"),
        ([[True, *start[1:]]], "a node must be a layer"),
        ([[0, -1, *start[2:]]], "a node must be a layer"),
        ([[0, 3, *start[2:]]], "a level exceeds the slots"),
        ([start, start], "must be distinct"),
        ([[1, *start[1:]]], "the start, empty caches at layer 0"),
    ):
        with pytest.raises(CertificateRejected, match=words):
            ratio_random.Nodes(instance, 1, rows)
    assert len(ratio_random.Nodes(instance, 1, [start, [1, 2, 5, 0, 0, 0, 0]]).rows) == 2


def source_holds(certificate: Certificate) -> bool:
    """The lower side, evaluated here from the rules of the nodes: every value is at most what follows."""
    side, says = certificate.evidence["source"], certificate.statement
    part = lp.Instance(says["layers"], side["experts"], says["slots"])
    nodes, least = ratio_random.Nodes(part, side["memory"], side["nodes"]), Fraction(says["lower"])
    values = [{cache: Fraction(v) for cache, v in row} for row in side["values"]]
    for node, row in enumerate(side["chances"]):
        for cache, value in values[node].items():
            expected = Fraction(0)
            for page, chance in row:
                rise, target, places = nodes.follow(node, page)
                options = []
                for victim in [None] if cache >> page & 1 else [v for v in range(part.pages) if cache >> v & 1]:
                    after = cache if victim is None else (cache & ~(1 << victim)) | 1 << page
                    image = sum(1 << at for at, p in enumerate(places) if after >> p & 1)
                    options.append((victim is not None) + values[target][image])
                expected += Fraction(chance) * (min(options) - least * rise)
            if value > expected:
                return False
    return True


@pytest.mark.parametrize("name", ["2x2-3", "1x3-2", "2x2-2"])
def test_every_value_of_a_source_counts(name: str) -> None:
    good = atlas(f"best-randomized-{name}")
    check(good)
    assert source_holds(good)
    verdicts = []
    for node, row in enumerate(good.evidence["source"]["values"]):
        for at, (_, value) in enumerate(row[:3]):
            for step in (Fraction(-1, 7), Fraction(1, 1000)):
                new = str(Fraction(value) + step)
                changed = with_changes(good, setting("source", "values", node, at, 1, to=new))
                assert passes(changed) == source_holds(changed), (node, at, step)
                verdicts.append(passes(changed))
    assert False in verdicts
    refused(good, "fail", lambda s, e: s.update(lower=str(Fraction(s["lower"]) + Fraction(1, 1000))))
    refused(good, "fails at page", lambda s, e: s.update(upper=str(Fraction(s["upper"]) - Fraction(1, 1000))))


def test_every_potential_of_the_distributions_counts() -> None:
    good = atlas("best-randomized-2x2-3")
    side = good.evidence["policy"]
    instance = lp.Instance(2, 2, 3)
    nodes = ratio_random.Nodes(instance, side["memory"], side["nodes"])
    best = Fraction(good.statement["upper"])

    def holds(potential: list[Fraction]) -> bool:
        for node in range(len(nodes.rows)):
            for page in nodes.pages(node):
                rise, target, _ = nodes.follow(node, page)
                moved = side["transports"][node][str(page)]
                cost = sum(Fraction(mass) * bin(end & ~source).count("1") for source, end, mass in moved)
                if cost - best * rise + potential[target] > potential[node]:
                    return False
        return True

    potential = [Fraction(v) for v in side["potential"]]
    assert holds(potential)
    for node in range(len(potential)):
        for step in (Fraction(-1, 3), Fraction(1, 3)):
            new = [v + step * (at == node) for at, v in enumerate(potential)]
            changed = with_changes(good, setting("policy", "potential", node, to=str(new[node])))
            assert passes(changed) == holds(new)


def test_what_distributions_and_sources_must_be() -> None:
    good = atlas("best-randomized-2x2-3")
    side, source = good.evidence["policy"], good.evidence["source"]
    spread = side["distributions"][0]
    page, moved = next(iter(side["transports"][0].items()))
    for words, change in (
        ("must have an entry for each node", setting("policy", "potential", to=side["potential"][:-1])),
        ("must have an entry for each node", setting("source", "chances", to=None)),
        ("is no cache of 3 pages", setting("policy", "distributions", 0, 0, 0, to=3)),
        ("is no cache of 3 pages", setting("policy", "distributions", 0, 0, 0, to=16 + 3)),
        ("is no cache of 3 pages", setting("policy", "distributions", 0, 0, 0, to=-1)),
        ("appears twice", setting("policy", "distributions", 0, to=[*spread, spread[0]])),
        ("must add up to 1", setting("policy", "distributions", 0, to=[[spread[0][0], "1/2"]])),
        ("has no transport", setting("policy", "transports", 0, to={})),
        ("must not carry less than 0", setting("policy", "transports", 0, page, 0, 2, to="-1")),
        ("must not carry less than 0", setting("policy", "transports", 0, page, 0, 0, to="7")),
        ("does not fit the distributions", setting("policy", "transports", 0, page, to=moved[:-1])),
        ("'memory' must be an integer of at least 0", setting("policy", "memory", to=-1)),
        ("'lower' has no source", setting("source", to=None)),
        ("'experts' must be pages of each layer", setting("source", "experts", to=[2])),
        ("'experts' must be pages of each layer", setting("source", "experts", to=[2, 3])),
        ("'experts' must be pages of each layer", setting("source", "experts", to=[2, 0])),
        ("'experts' must be pages of each layer", setting("source", "experts", to=[2, True])),
        ("must use more pages than there are slots", setting("source", "experts", to=[2, 1])),
        ("the start must have a value for every cache", setting("source", "values", 0, to=source["values"][0][1:])),
        ("cannot be requested", setting("source", "chances", 0, 0, 0, to=2)),
        ("chances must be above 0", setting("source", "chances", 0, 0, 1, to="0")),
        ("chances must add up to 1", setting("source", "chances", 0, 0, 1, to="2")),
        ("'a chance' must be a fraction", setting("source", "chances", 0, 0, 1, to=1)),
    ):
        refused(good, words, change)
    nodes = ratio_random.Nodes(lp.Instance(2, 2, 3), side["memory"], side["nodes"])
    _, target, places = nodes.follow(0, 0)
    without = 0b1111 & ~(1 << places.index(0))
    refused(good, "without the page just requested", setting("policy", "distributions", target, to=[[without, "1"]]))
    assert without not in [cache for cache, _ in side["distributions"][target]]
    nothing = [*side["distributions"][target], [without, "0"]]
    check(with_changes(good, setting("policy", "distributions", target, to=nothing)))
    away = next(cache for cache in (7, 11, 13, 14) if cache not in [c for c, _ in spread] or len(spread) == 4)
    check(with_changes(good, setting("policy", "transports", 0, page, to=[*moved, [away, 0b0111, "0"], [0, 1, "0"]])))
    single = atlas("best-randomized-1x2-1")
    check(single)
    for wrong in (-1, 4, True):
        refused(single, f"{wrong} is no cache of 1 pages", setting("policy", "distributions", 0, 0, 0, to=wrong))
    negative = [[0b0111, "3/2"], [0b1011, "-1/2"]]
    refused(good, "does not fit the distributions", setting("policy", "distributions", 0, to=negative))
    check(with_changes(good, lambda s, e: (s.update(upper=None), e.pop("policy"))))
    check(with_changes(good, lambda s, e: (s.update(lower="0"), e.update(source=None))))
    big = {"layers": 1, "experts": 13, "slots": 2, "lower": "0", "upper": None}
    refused(Certificate("ratio-random", big, {}), "at most 12 pages")
    check(Certificate("ratio-random", {**big, "experts": 12}, {}))


def test_equal_distributions() -> None:
    half, none = Fraction(1, 2), Fraction(0)
    assert ratio_random._same({1: half, 2: none}, {1: half}) and ratio_random._same({}, {3: none})
    for one, other in (({1: half}, {}), ({}, {1: half}), ({1: half}, {1: none}), ({1: half, 2: half}, {1: half})):
        assert not ratio_random._same(one, other)


def test_a_source_whose_optimum_never_pays() -> None:
    ratio_random._paying([[(1, 0)], [(0, 1)]])
    ratio_random._paying([[(1, 0), (2, 0)], [(0, 1)], [(1, 0)]])
    for arcs in ([[(0, 0)]], [[(1, 1)], [(1, 0)]], [[(1, 1), (2, 0)], [(0, 0)], [(2, 0)]]):
        with pytest.raises(CertificateRejected, match="the optimum never pays"):
            ratio_random._paying(arcs)


# the door


def test_the_door() -> None:
    with pytest.raises(CertificateRejected, match="not a Certificate: dict"):
        check({})  # type: ignore[arg-type]
    with pytest.raises(CertificateRejected, match="unknown kind 'x'; available: optimum, optimum-bound, ratio-policy"):
        check(Certificate("x", {}, {}))
    with pytest.raises(CertificateRejected, match="not a Certificate: Certificate"):
        check(Certificate(3, {}, {}))  # type: ignore[arg-type]
    for evidence, words in (
        ({"cycle": [[0], [2]], "prefix": 3}, "'prefix' must be a list"),
        ({"cycle": [[[]], [2]], "prefix": []}, "malformed: TypeError"),
    ):
        refused(Certificate("ratio-policy", lru().statement, evidence), words)
