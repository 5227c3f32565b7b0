"""The checker of ratios of events, step by step against the definitions; and what its refusals say."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import pytest

import layered_paging as lp
from layered_paging.certificate import Certificate
from layered_paging.certify import check
from layered_paging.certify.ratio_events import Rules
from layered_paging.errors import CertificateRejected
from layered_paging.policies.stream import Stream
from tests.changed import passes, refused, setting, with_changes

Set = frozenset[int]
# layers, experts, slots, members of an event, bypass
RULES: list[tuple[int, Any, int, int, bool]] = [
    (1, 4, 2, 2, False),
    (1, 4, 3, 2, False),
    (2, 3, 3, 2, False),
    (2, [1, 3], 2, 1, False),
    (2, 2, 1, 2, True),
    (1, 4, 2, 2, True),
    (2, 3, 3, 2, True),
    (2, [2, 3], 4, 2, True),
]


def rules_of(size: tuple[int, Any, int, int, bool]) -> Rules:
    layers, experts, slots, top_k, bypass = size
    return Rules(lp.Instance(layers, experts, slots), top_k, bypass)


def mask(pages: Set) -> int:
    return sum(1 << page for page in pages)


def pages_of(cache: int) -> Set:
    return frozenset(page for page in range(cache.bit_length()) if cache >> page & 1)


def subsets(pages: Set) -> Iterator[Set]:
    for size in range(len(pages) + 1):
        yield from map(frozenset, itertools.combinations(sorted(pages), size))


def left(start: Set, event: Set, slots: int, bypass: bool) -> list[Set]:
    """Every cache in which serving an event may end, by definition, when no page comes in that was not asked for."""
    return [s for s in subsets(start | event) if len(s) <= slots and (bypass or event <= s)]


def blocks_of(rules: Rules) -> list[range]:
    return [rules.instance.pages_of(layer) for layer in range(rules.instance.layers)]


def renamings(rules: Rules) -> list[dict[int, int]]:
    """Every way to rename the experts of each layer."""
    ways = [[dict(zip(block, p, strict=True)) for p in itertools.permutations(block)] for block in blocks_of(rules)]
    return [{old: new for names in choice for old, new in names.items()} for choice in itertools.product(*ways)]


def walk(rules: Rules, top_k: int, seed: int, length: int) -> Iterator[tuple[int, int, int, tuple[int, ...]]]:
    """Yield (layer, cache, event, work function) along random events and answers from empty caches."""
    rng, cache, work = Stream(seed, length), 0, (0,) * len(rules.caches)
    for t in range(length):
        layer = t % rules.instance.layers
        event = rules.events[layer][rng.below(len(rules.events[layer]))]
        yield layer, cache, event, work
        answers = list(rules.answers(cache, event))
        cache, work = answers[rng.below(len(answers))], rules.serve(work, event)[1]


@pytest.mark.parametrize("size", RULES)
def test_caches_and_events(size: tuple[int, Any, int, int, bool]) -> None:
    rules, (_, _, slots, top_k, _) = rules_of(size), size
    pages = range(rules.instance.pages)
    assert [sorted(pages_of(c)) for c in rules.caches] == [list(c) for c in itertools.combinations(pages, slots)]
    assert [{pages_of(e) for e in events} for events in rules.events] == [
        {s for s in subsets(frozenset(block)) if len(s) == top_k} for block in blocks_of(rules)
    ]


@pytest.mark.parametrize("size", RULES)
def test_serving_an_event(size: tuple[int, Any, int, int, bool]) -> None:
    """The optimum pays for the members that are absent, and for each page that its end still lacks after serving."""
    rules, (_, _, slots, top_k, bypass) = rules_of(size), size
    caches = [pages_of(cache) for cache in rules.caches]
    prices: dict[int, list[list[int]]] = {}
    for event in {e for events in rules.events for e in events}:
        asked = pages_of(event)
        ways = [left(start, asked, slots, bypass) for start in caches]
        prices[event] = [
            [len(asked - start) + min(len(end - kept) for kept in way) for start, way in zip(caches, ways, strict=True)]
            for end in caches
        ]
    for seed in range(3):
        for _, _, event, work in walk(rules, top_k, seed, 8):
            ends = [min(w + p for w, p in zip(work, row, strict=True)) for row in prices[event]]
            for _ in range(2):  # the second time from memory
                assert rules.serve(work, event) == (min(ends), tuple(w - min(ends) for w in ends))


@pytest.mark.parametrize("size", RULES)
def test_answers_to_an_event(size: tuple[int, Any, int, int, bool]) -> None:
    """A lazy policy keeps as much as it may."""
    rules, (_, _, slots, _, bypass) = rules_of(size), size
    for start in subsets(frozenset(range(rules.instance.pages))):
        for event in (pages_of(e) for events in rules.events for e in events):
            if len(start) <= slots:
                ends = left(start, event, slots, bypass)
                most = max(map(len, ends))
                found = list(rules.answers(mask(start), mask(event)))
                assert sorted(found) == sorted(mask(end) for end in ends if len(end) == most)


@pytest.mark.parametrize("size", RULES)
def test_positions_up_to_renaming(size: tuple[int, Any, int, int, bool]) -> None:
    """Of all renamings of a position the one whose work function is least, then its cache."""
    rules, top_k = rules_of(size), size[3]
    for layer, cache, _, work in walk(rules, top_k, 7, 9):
        values = dict(zip(map(pages_of, rules.caches), work, strict=True))
        forms = []
        for names in renamings(rules):
            moved = {frozenset(names[p] for p in held): w for held, w in values.items()}
            named = mask(frozenset(names[p] for p in pages_of(cache)))
            forms.append((tuple(moved[pages_of(c)] for c in rules.caches), named))
        for named in {named for _, named in forms}:
            # another cache with the same work function, which is remembered
            others = [
                (form, mask(frozenset(names[p] for p in pages_of(named))))
                for (form, _), names in zip(forms, renamings(rules), strict=True)
            ]
            assert rules.position(layer, named, work) == (layer, *reversed(min(others)))
        assert rules.position(layer, cache, work) == (layer, *reversed(min(forms)))


# certificates

CERTIFIED: list[tuple[int, Any, int, int, str]] = [
    (2, 3, 3, 2, "bypass"),
    (2, [2, 3], 3, 2, "forced"),
    (1, 4, 3, 2, "forced"),
    (1, 3, 1, 2, "bypass"),
    (2, 2, 2, 2, "bypass"),
    (3, 2, 3, 2, "bypass"),
]


def best(size: tuple[int, Any, int, int, str]) -> Certificate:
    layers, experts, slots, top_k, admission = size
    found = lp.optimal_ratio(layers=layers, experts=experts, slots=slots, top_k=top_k, admission=admission)
    assert found.certificate is not None
    return found.certificate


def game_holds(certificate: Certificate) -> bool:
    """Both sides of a certificate, evaluated from the rules alone."""
    says, shows = certificate.statement, certificate.evidence
    instance = lp.Instance(says["layers"], says["experts"], says["slots"])
    rules, works = Rules(instance, says["top_k"], says["admission"] == "bypass"), [tuple(w) for w in shows["works"]]

    def rows(side: str, name: str) -> dict[tuple[int, int, tuple[int, ...]], tuple[Any, int]]:
        columns = zip(*(shows[side][column] for column in ("positions", name, "potential")), strict=True)
        return {(layer, cache, works[w]): (move, value) for (layer, cache, w), move, value in columns}

    def goes(layer: int, kept: int, after: tuple[int, ...]) -> tuple[int, int, tuple[int, ...]]:
        return rules.position((layer + 1) % instance.layers, kept, after)

    answers, value = rows("policy", "answers"), Fraction(says["upper"])
    for (layer, cache, work), (moves, here) in answers.items():
        for event, kept in zip(moves[0::2], moves[1::2], strict=True):
            rise, after = rules.serve(work, event)
            cost = len(pages_of(event) - pages_of(cache))
            if (
                here < 0
                or cost - value * rise + Fraction(answers[goes(layer, kept, after)][1] - here, value.denominator) > 0
            ):
                return False
    graph, value = rows("adversary", "events"), Fraction(says["lower"])
    for (layer, cache, work), (event, here) in graph.items():
        rise, after = rules.serve(work, event)
        cost = len(pages_of(event) - pages_of(cache))
        for kept in rules.answers(cache, event):
            if cost - value * rise + Fraction(here - graph[goes(layer, kept, after)][1], value.denominator) < 0:
                return False
    return True


@pytest.mark.parametrize("size", CERTIFIED)
def test_every_potential_counts(size: tuple[int, Any, int, int, str]) -> None:
    good = best(size)
    check(good)
    assert game_holds(good)
    verdicts = []
    for side in ("policy", "adversary"):
        column = good.evidence[side]["potential"]
        for at in range(0, len(column), 1 + len(column) // 12):
            for step in (-1, 1):
                changed = with_changes(good, setting(side, "potential", at, to=column[at] + step))
                assert passes(changed) == game_holds(changed), (side, at, step)
                verdicts.append(passes(changed))
    assert {True, False} == set(verdicts)


def test_what_a_game_must_show() -> None:
    good = best((1, 4, 3, 2, "forced"))
    shows = good.evidence
    policy, adversary = shows["policy"], shows["adversary"]
    at = next(n for n, row in enumerate(policy["positions"]) if row[1])
    answers = policy["answers"][at]
    width = len(shows["works"][0])
    for words, change in (
        ("'works' must be a list", setting("works", to=None)),
        ("one integer of 0..slots", setting("works", 0, to=[0] * (width - 1))),
        ("one integer of 0..slots", setting("works", 0, to=[0] * (width + 1))),
        ("one integer of 0..slots", setting("works", 0, 0, to=-1)),
        ("one integer of 0..slots", setting("works", 0, 0, to=4)),
        ("one integer of 0..slots", setting("works", 0, 0, to=True)),
        ("empty caches at layer 0", setting("works", 0, 0, to=3)),
        ("columns must be lists of one length", setting("policy", "answers", to=policy["answers"][:-1])),
        ("columns must be lists of one length", setting("policy", "potential", to=policy["potential"][:-1])),
        ("columns must be lists of one length", setting("adversary", "positions", to=adversary["positions"][:-1])),
        ("columns must be lists of one length", setting("policy", "answers", to="x" * len(policy["answers"]))),
        ("three integers", setting("policy", "positions", 1, to=[0, 0])),
        ("three integers", setting("policy", "positions", 1, to=[0, 0, 0, 0])),
        ("three integers", setting("policy", "positions", 1, to=[0, -1, 0])),
        ("three integers", setting("policy", "positions", 1, to=[0, True, 0])),
        ("must be integers", setting("policy", "potential", 0, to=True)),
        ("must be integers", setting("adversary", "potential", 0, to=0.5)),
        ("names no layer", setting("policy", "positions", 1, 0, to=1)),
        ("no work function", setting("policy", "positions", 1, 2, to=len(shows["works"]))),
        ("cache names no page", setting("policy", "positions", 1, 1, to=1 << 4)),
        ("has no answer", setting("policy", "answers", at, to=answers[2:])),
        ("cannot be left", setting("policy", "answers", at, 1, to=0b1111)),
        ("cannot be left", setting("policy", "answers", at, 1, to=answers[0])),
        ("is missing", lambda s, e: [column.pop() for column in e["policy"].values()]),
        ("cannot be asked for", setting("adversary", "events", 0, to=0b111)),
        ("cannot be asked for", setting("adversary", "events", 0, to=0b1)),
        ("leads out of", lambda s, e: [column.pop() for column in e["adversary"].values()]),
        ("'lower' has no adversary", setting("adversary", to=None)),
        ("must not be negative", setting("policy", "potential", 1, to=-1)),
    ):
        refused(good, words, change)
    refused(good, "potential fails", lambda s, e: s.update(lower="3"))
    refused(good, "potential fails", lambda s, e: s.update(upper="1"))
    check(with_changes(good, lambda s, e: (s.update(lower="0"), e.update(adversary=None))))
    check(with_changes(good, lambda s, e: (s.update(lower="-1"), e.update(adversary=None))))
    refused(good, "has no adversary", lambda s, e: (s.update(lower="1/9"), e.update(adversary=None)))
    check(with_changes(good, lambda s, e: (s.update(upper=None), e.update(policy=None))))


def test_a_position_beside_the_others_must_hold_as_well() -> None:
    """A cache of all the pages there are is within the names; one of a page more is not."""
    good = best((1, 4, 3, 2, "bypass"))

    def beside(cache: int) -> Callable[[Any, Any], None]:
        def change(says: Any, shows: Any) -> None:
            says.update(lower="0")
            shows.update(adversary=None)
            side = shows["policy"]
            side["positions"].append([0, cache, 0])
            side["answers"].append(side["answers"][0])
            side["potential"].append(9)

        return change

    refused(good, "names no page", beside(1 << 4))
    refused(good, "cannot be left", beside(0b1111))


def test_statements() -> None:
    def bare(**fields: Any) -> Certificate:
        says = {"layers": 1, "experts": 4, "slots": 2, "top_k": 2, "admission": "forced", "lower": "0", "upper": None}
        return Certificate("ratio-events", {**says, **fields}, {"works": [], "adversary": None})

    for good in (
        {},
        {"top_k": 1},
        {"top_k": 3, "admission": "bypass"},
        {"top_k": 4, "admission": "bypass"},
        {"layers": 2, "experts": [2, 3]},
        {"experts": 7, "slots": 1, "top_k": 1},  # 5040 ways
        {"layers": 2, "experts": [7, 2], "slots": 1, "top_k": 1},  # 10080 ways, 9 pages
        {"layers": 9, "experts": 1, "slots": 8, "top_k": 1},
    ):
        check(bare(**good))
    for words, bad in (
        ("'top_k' must be an integer of at least 1", {"top_k": 0}),
        ("'top_k' must be at most 2; got 3", {"top_k": 3}),
        ("'top_k' must be at most 4; got 5", {"top_k": 5, "admission": "bypass"}),
        ("'top_k' must be at most 2; got 3", {"top_k": 3, "layers": 2, "experts": [2, 4], "slots": 4}),
        ("must be 'forced' or 'bypass'; got 'free'", {"admission": "free"}),
        ("must be 'forced' or 'bypass'; got None", {"admission": None}),
        ("at most 9 pages, and 7 in a layer", {"experts": 8}),
        ("at most 9 pages, and 7 in a layer", {"layers": 10, "experts": 1, "top_k": 1}),
        ("at most 9 pages, and 7 in a layer", {"layers": 5, "experts": 2, "top_k": 1}),
    ):
        with pytest.raises(CertificateRejected, match=words):
            check(bare(**bad))


def test_an_adversary_that_goes_round_for_free() -> None:
    """It asks for the same two experts for ever: after the first time no side pays, and every ratio fits."""
    works = [[0] * 4, [0, 0, 1, 1]]
    ask = {"positions": [[0, 0, 0], [0, 0b11, 1]], "events": [0b11, 0b11], "potential": [0, 0]}
    says = {"layers": 1, "experts": 4, "slots": 3, "top_k": 2, "admission": "forced", "upper": None}
    for lower in ("50", "1"):
        loop = Certificate("ratio-events", {**says, "lower": lower}, {"works": works, "policy": None, "adversary": ask})
        refused(loop, "neither side pays", lambda s, e: None)
