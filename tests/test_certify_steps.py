"""The steps of the checkers of ratios, each against a second road or by hand; and what their refusals say."""

from __future__ import annotations

import itertools
from fractions import Fraction
from functools import partial
from typing import Any

import pytest

import layered_paging as lp
from layered_paging.certificate import Certificate
from layered_paging.certify import caches, check, ratio
from layered_paging.errors import CertificateRejected
from layered_paging.policies.names import resolve
from layered_paging.policies.stream import Stream
from layered_paging.ratio import automaton
from tests.changed import lru, player, refused

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
    assert ratio._least((5, 3, 4, 9, 8), instance, False) == (5, 3, 4, 9, 8)
    assert ratio._least((5, 3, 4, 9, 8), instance, True) == (3, 4, 5, 8, 9)
    assert ratio._order((5, 3, 4, 9, 8), (10, 11, 12, 13, 14), instance, True) == (11, 12, 10, 14, 13)
    assert ratio._order((5, 3, 4, 9, 8), (10, 11, 12, 13, 14), instance, False) == (10, 11, 12, 13, 14)


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
