"""Certificates of ratios: what is true passes, forgeries do not."""

from __future__ import annotations

import copy
import json
import random
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import layered_paging as lp
from layered_paging import certify
from layered_paging.certificate import Certificate
from layered_paging.errors import CertificateRejected, FormatError
from layered_paging.ratio import optimal_ratio
from layered_paging.ratio.game_search import simplest

GIVEN = [
    ("lru", {"layers": 2, "experts": 3, "slots": 4}),
    ("lru", {"layers": 1, "experts": 4, "slots": 3, "offline_slots": 2}),
    ("lru", {"layers": 2, "experts": 2, "slots": 3, "pool": "per-layer"}),
    ("lru", {"layers": 2, "experts": 2, "slots": 3, "general": True}),
    ("lru", {"layers": 2, "experts": 3, "slots": 4, "top_k": 2}),
    ("llru", {"layers": 3, "experts": 2, "slots": 4}),
    ("llru(rounds='absolute')", {"layers": 2, "experts": 3, "slots": 4}),
    ("mark-far", {"layers": 2, "experts": 3, "slots": 4}),
    ("clock", {"layers": 2, "experts": [1, 3], "slots": 3}),
    ("fwf", {"layers": 3, "experts": 2, "slots": 4}),
    ("static", {"layers": 2, "experts": 2, "slots": 3}),
    ("marking", {"layers": 2, "experts": 2, "slots": 3}),
    ("marking", {"layers": 1, "experts": 4, "slots": 2}),
    ("online-min", {"layers": 1, "experts": 3, "slots": 2}),
]
GAMES = [(2, 2, 2), (2, 2, 3), (2, 3, 4), (3, 2, 3), (3, 2, 2), (1, 4, 3), (2, [1, 3], 3)]


def given(policy, size):
    return lp.competitive_ratio(policy, **size).certificate


def game(layers, experts, slots):
    return lp.optimal_ratio(layers=layers, experts=experts, slots=slots).certificate


def altered(certificate, change):
    """The certificate with its parts changed in place; its digest is that of the new contents."""
    statement, evidence = copy.deepcopy((dict(certificate.statement), dict(certificate.evidence)))
    change(statement, evidence)
    return Certificate.from_json(Certificate(certificate.kind, statement, evidence).to_json())


def rejected(certificate, change, match=None):
    with pytest.raises(CertificateRejected, match=match):
        certify.check(altered(certificate, change))


@pytest.mark.parametrize(("policy", "size"), GIVEN)
def test_certificates_of_policies_pass(policy, size, tmp_path):
    certificate = given(policy, size)
    certify.check(certificate)
    certificate.save(tmp_path / "ratio.json.gz")
    certify.check(Certificate.load(tmp_path / "ratio.json.gz"))


@pytest.mark.parametrize("size", GAMES)
def test_certificates_of_games_pass(size):
    certify.check(game(*size))


def leaves(value, path=()):
    """Paths to all numbers, strings and nulls, and to all lists."""
    if isinstance(value, dict):
        for key in value:
            yield from leaves(value[key], (*path, key))
    elif isinstance(value, list):
        yield path
        for at, part in enumerate(value):
            yield from leaves(part, (*path, at))
    else:
        yield path


def mutate(root, path, dice):
    *front, last = path
    for key in front:
        root = root[key]
    value = root[last]
    if isinstance(value, list):
        root[last] = dice.choice([value[:-1], value[1:], value + value[:1], None])
    elif isinstance(value, bool):
        root[last] = not value
    elif isinstance(value, int):
        root[last] = value + dice.choice([-2, -1, 1, 2])
    elif value is None:
        root[last] = dice.choice([0, "1", "0"])
    else:
        root[last] = dice.choice([value + "1", "7/2", "1", None, "lru", "fifo", "llru", "mark-far"])


@pytest.mark.parametrize("source", [*GIVEN[:9:2], GIVEN[-2], *GAMES[:4]])
def test_a_mutation_that_passes_still_states_the_truth(source):
    """Any one change, digest recomputed: rejected, unless the statement that is left is true anyway."""
    is_game = isinstance(source[0], int)
    certificate = game(*source) if is_game else given(*source)
    dice = random.Random(5)
    parts = {"statement": dict(certificate.statement), "evidence": dict(certificate.evidence)}
    paths = list(leaves(parts))
    passed = 0
    for path in dice.sample(paths, min(len(paths), 60)) + [p for p in paths if p[0] == "statement"] * 3:
        changed = copy.deepcopy(parts)
        mutate(changed, path, dice)
        try:
            certify.check(Certificate(certificate.kind, changed["statement"], changed["evidence"]))
        except CertificateRejected:
            continue
        passed += 1
        stated = changed["statement"]
        if is_game:
            size = {key: stated[key] for key in ("layers", "experts", "slots")}
            value = lp.optimal_ratio(**size).lower
            assert Fraction(stated["lower"]) <= value
            assert stated["upper"] is None or value <= Fraction(stated["upper"])
        else:
            options = {key: stated[key] for key in stated if key not in ("policy", "value", "additive")}
            truth = lp.competitive_ratio(stated["policy"], **options)
            assert (stated["value"], stated["additive"]) == (truth.statement["value"], truth.statement["additive"])
    assert passed < len(paths)


def test_an_invented_policy_under_a_known_name():
    certificate = given("mark-far", {"layers": 2, "experts": 3, "slots": 5})
    rejected(certificate, lambda s, e: s.update(policy="lru"))
    rejected(certificate, lambda s, e: s.update(policy="no-such-policy"), "no-such-policy")
    rejected(given("lru", {"layers": 2, "experts": 2, "slots": 3}), lambda s, e: s.update(policy="marking"))


def test_a_missing_request_or_offline_answer():
    certificate = given("lru", {"layers": 2, "experts": 3, "slots": 4})

    def without_caches(s, e):
        e["potential"] = [row[:2] for row in e["potential"]]

    def without_states(s, e):
        del e["states"][-1], e["potential"][-1]

    rejected(certificate, without_caches, "offline answer")
    rejected(certificate, without_states, "missing from 'states'")
    certificate = game(2, 3, 4)

    def without_request(s, e):
        e["policy"]["victims"][3] = e["policy"]["victims"][3][2:]

    def without_answer(s, e):
        for column in e["adversary"].values():
            del column[-1]

    rejected(certificate, without_request, "has no answer")
    rejected(certificate, without_answer, "leads out of the adversary's graph")


def test_a_start_other_than_the_empty_cache():
    def not_empty(s, e):
        at = e["states"].index([0] * 7)
        del e["states"][at], e["potential"][at]

    rejected(given("lru", {"layers": 2, "experts": 3, "slots": 4}), not_empty, "empty caches")
    for side in ("policy", "adversary"):

        def later(s, e, side=side):
            at = e[side]["positions"].index(0)
            for column in e[side].values():
                del column[at]

        rejected(game(2, 3, 4), later, "empty caches")


def test_the_adversary_that_repeats_one_page_proves_nothing():
    """Every ratio is 'proved' by the adversary that asks for one page of each layer for ever."""
    rules = certify.ratio_game.Positions(lp.Instance(2, 3, 4))
    positions, requests, arcs, at = [0], [], {}, 0
    potential = {0: 0}
    while at < len(positions):
        layer, items = rules.read(positions[at])
        page = max(rules.instance.pages_of(layer), key=lambda p: items[p])  # the page asked for last
        cost, rise, moved = rules.request(items, page)
        ((_, after),) = rules.answers(moved, page)
        target = rules.write((layer + 1) % 2, after)
        requests.append(page)
        arcs[positions[at]] = (cost, rise, target)
        if target not in potential:
            positions.append(target)
            potential[target] = potential[positions[at]] + cost - 100 * rise
        at += 1
    evidence = {
        "policy": None,
        "adversary": {"positions": positions, "requests": requests, "potential": [potential[p] for p in positions]},
    }
    statement = {"layers": 2, "experts": 3, "slots": 4, "lower": "100", "upper": None}
    with pytest.raises(CertificateRejected, match="neither side pays"):
        certify.check(Certificate("ratio-game", statement, evidence))


def test_a_cycle_that_costs_the_optimum_nothing_is_no_witness():
    certificate = given("lru", {"layers": 2, "experts": 3, "slots": 4})
    rejected(certificate, lambda s, e: e.update(prefix=[[0], [3]], cycle=[[0], [3]]), "costs the optimum nothing")
    rejected(certificate, lambda s, e: s.update(value=None, additive=None), "not unbounded")


def test_a_larger_or_smaller_value_is_rejected():
    for policy, size in GIVEN:
        certificate = given(policy, size)
        for value in ("1/2", "1", "99", "0", "-3"):
            if certificate.statement["value"] != value:
                rejected(certificate, lambda s, e, value=value: s.update(value=value))
    certificate = game(2, 3, 4)
    rejected(certificate, lambda s, e: s.update(upper="5/2"))
    rejected(certificate, lambda s, e: s.update(lower="7/2"))
    rejected(certificate, lambda s, e: e.update(adversary=None), "no adversary")


def test_a_digest_that_does_not_fit_is_noticed():
    fields = json.loads(given("lru", {"layers": 2, "experts": 2, "slots": 2}).to_json())
    fields["statement"]["value"] = "1"
    with pytest.raises(FormatError, match="digest"):
        Certificate.from_json(json.dumps(fields))


@pytest.mark.parametrize(
    ("size", "value"),
    [
        ((1, 5, 4), 4),
        ((2, 2, 2), "3/2"),
        ((3, 2, 3), "5/3"),
        ((4, 2, 4), "7/4"),
        ((2, 4, 5), 4),
        ((3, 2, 5), 3),
        ((6, 1, 4), 1),
    ],
)
def test_values_of_the_best_deterministic_policy(size, value):
    layers, experts, slots = size
    bracket = optimal_ratio(layers=layers, experts=experts, slots=slots)
    assert bracket.solved
    assert bracket.lower == Fraction(value)


def test_no_policy_beats_the_best():
    for layers, experts in [(2, 2), (3, 2)]:
        for slots in range(1, layers * experts):
            best = optimal_ratio(layers=layers, experts=experts, slots=slots)
            assert best.solved
            for policy in ("lru", "fifo", "mark-far", "llru"):
                ratio = lp.competitive_ratio(policy, layers=layers, experts=experts, slots=slots)
                assert ratio.unbounded or ratio.value >= best.upper
            if slots >= layers:
                assert best.lower >= slots - layers + 1


def test_simplest_fraction_between():
    dice = random.Random(1)
    for _ in range(500):
        low, high = sorted(Fraction(dice.randrange(40), dice.randrange(1, 13)) for _ in range(2))
        if low < high:
            found = simplest(low, high)
            assert low < found < high
            for d in range(1, found.denominator):
                assert (low * d).__floor__() + 1 >= high * d


def test_the_lower_side_alone():
    whole = given("lru", {"layers": 2, "experts": 2, "slots": 3})
    statement = {key: v for key, v in whole.statement.items() if key not in ("value", "additive")}
    cycle = {"prefix": whole.evidence["prefix"], "cycle": whole.evidence["cycle"]}
    for lower in ("3", "5/2"):
        certify.check(Certificate("ratio-lower", {**statement, "lower": lower}, cycle))
    for facts, evidence, words in [
        ({"lower": "31/10"}, cycle, "less than 31/10 times"),
        ({"lower": "3", "policy": "mark-far"}, cycle, "less than 3 times"),
        ({"lower": "3"}, {**cycle, "cycle": []}, "at least one event"),
        ({"lower": "3"}, {"prefix": [], "cycle": [[0], [2]]}, "costs the policy nothing"),
        ({}, cycle, "must have the keys"),
        ({"lower": "6/2"}, cycle, "'lower' must be a fraction"),
    ]:
        with pytest.raises(CertificateRejected, match=words):
            certify.check(Certificate("ratio-lower", {**statement, **facts}, evidence))


def test_the_shipped_witnesses():
    files = sorted((Path(__file__).resolve().parents[1] / "docs" / "witnesses").glob("*.json"))
    assert files
    for file in files:
        certify.check(Certificate.load(file))


@pytest.mark.parametrize("extra", [{"theorem": "all"}, {"offline_slots": 1, "general": True, "value": "1"}])
def test_a_statement_says_nothing_that_is_not_checked(extra: dict[str, Any]) -> None:
    made = [
        lp.competitive_ratio("lru", layers=2, experts=2, slots=3).certificate,
        lp.optimal_ratio(layers=2, experts=2, slots=3).certificate,
    ]
    for certificate in made:
        lp.certify.check(certificate)
        added = {key: value for key, value in extra.items() if key not in certificate.statement}
        if added:
            more = lp.Certificate(certificate.kind, {**certificate.statement, **added}, certificate.evidence)
            with pytest.raises(lp.CertificateRejected, match="must have the keys"):
                lp.certify.check(more)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("value", "1e999999999"),
        ("value", "1e-9999999999"),
        ("layers", 10**9),
        ("experts", 10**9),
        ("experts", [10**9]),
        ("policy", "strategy:/dev/zero"),
        ("policy", "lru()"),
        ("policy", "lru "),
    ],
)
def test_a_few_bytes_do_not_keep_the_checker_busy(key: str, value: Any) -> None:
    certificate = lp.competitive_ratio("lru", layers=2, experts=2, slots=3).certificate
    forged = lp.Certificate(certificate.kind, {**certificate.statement, key: value}, certificate.evidence)
    with pytest.raises(lp.CertificateRejected):
        lp.certify.check(forged)
