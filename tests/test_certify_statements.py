"""What a statement may say: numbers, sizes, policies, potentials, states."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import pytest

import layered_paging as lp
from layered_paging.certificate import Certificate
from layered_paging.certify import check, ratio, reading
from layered_paging.errors import CertificateRejected
from layered_paging.policies.lru import LRU
from layered_paging.policies.names import resolve
from layered_paging.ratio import automaton
from tests.changed import lru, passes, refused, setting, with_changes

Mask = int


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

    def answers(player: ratio.Player, order: tuple[int, ...], free: bool) -> list[Any]:
        return ratio._answers(player, order, events, free)

    with pytest.raises(CertificateRejected, match="forgets something"):
        ratio._same(answers(one, (0, 1, 2), False), answers(other, (0, 1, 2), False))
    ratio._same(answers(one, (0, 1, 2), True), answers(other, (1, 0, 2), True))
    fresh = ratio.Player(resolve("lru"), instance, "shared")
    with pytest.raises(CertificateRejected, match="forgets something"):  # the misses differ
        ratio._same(answers(one, (0, 1, 2), True), answers(fresh, (0, 1, 2), True))


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
                ratio._same(*(ratio._answers(player, (0, 1, 2), events, True) for player in (one, other)))
        elif misses[0] == misses[1]:
            ratio._same(*(ratio._answers(player, (0, 1, 2), events, True) for player in (one, other)))
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
