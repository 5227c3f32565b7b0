"""Certificates of the best deterministic ratio: positions of the game, what either side must show."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import pytest

import layered_paging as lp
from layered_paging.certificate import Certificate
from layered_paging.certify import check
from layered_paging.certify.ratio_game import Positions, no_idle_cycle
from layered_paging.errors import CertificateRejected
from layered_paging.policies.stream import Stream
from tests.changed import atlas, passes, refused, setting, with_changes

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
