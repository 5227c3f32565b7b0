"""Certificates of the best randomized ratio: distributions and sources."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

import layered_paging as lp
from layered_paging.certificate import Certificate
from layered_paging.certify import check, ratio_random
from layered_paging.certify.ratio_game import Positions
from layered_paging.errors import CertificateRejected
from tests.changed import atlas, passes, refused, setting, with_changes

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
