"""Ratios of events: the game against other roads to the same numbers, and certificates that cannot be forged."""

from __future__ import annotations

import copy
import random
from fractions import Fraction

import numpy as np
import pytest

import layered_paging as lp
from layered_paging import certify
from layered_paging.certificate import Certificate
from layered_paging.core.instance import Instance
from layered_paging.errors import CertificateRejected, ParameterError
from layered_paging.ratio import game
from layered_paging.ratio.event_game import Rules


def best(layers, experts, slots, top_k, admission="forced"):
    return lp.optimal_ratio(layers=layers, experts=experts, slots=slots, top_k=top_k, admission=admission)


@pytest.mark.parametrize("size", [(1, 4, 2), (2, 2, 3), (2, 3, 4), (3, 2, 3), (2, [1, 3], 3)])
def test_single_requests_are_events_of_one(size):
    layers, experts, slots = size
    solved = game.solve_events(layers, experts, slots, top_k=1, bypass=False)
    assert (
        solved.adversary.ratio
        == solved.policy.ratio
        == lp.optimal_ratio(layers=layers, experts=experts, slots=slots).lower
    )


@pytest.mark.parametrize("admission", ["forced", "bypass"])
@pytest.mark.parametrize(
    ("policy", "size"), [("lru", (1, 4, 3, 2)), ("llru", (2, 3, 4, 2)), ("lru", (2, 3, 5, 2)), ("fifo", (2, 2, 3, 1))]
)
def test_no_policy_is_better_than_the_best(policy, size, admission):
    layers, experts, slots, top_k = size
    given = lp.competitive_ratio(policy, layers=layers, experts=experts, slots=slots, top_k=top_k, admission=admission)
    assert given.value >= best(*size, admission).lower


@pytest.mark.parametrize("admission", ["forced", "bypass"])
@pytest.mark.parametrize(("policy", "size"), [("llru", (2, 4, 5, 2)), ("lru", (1, 4, 3, 2)), ("lru", (2, 3, 2, 2))])
def test_a_witness_replays_to_its_ratio(policy, size, admission):
    layers, experts, slots, top_k = size
    found = lp.competitive_ratio(policy, layers=layers, experts=experts, slots=slots, top_k=top_k, admission=admission)
    certify.check(found.certificate)
    paid = []
    for turns in (100, 200):
        events = [*found.witness.prefix, *found.witness.cycle * turns]
        ids = [[page % experts for page in event] for event in events]
        rounds = [ids[at : at + layers] for at in range(0, len(ids) // layers * layers, layers)]
        trace = lp.Trace(rounds, n_experts=experts)
        misses = lp.replay(trace, policy, slots, admission=admission).misses
        optimum = lp.optimum(trace, slots, admission=admission).misses
        assert misses <= found.value * optimum + found.additive
        paid.append((misses, optimum))
    (misses, optimum), (later, later_optimum) = paid
    assert later - misses == found.value * (later_optimum - optimum)


@pytest.mark.parametrize(("admission", "slots"), [("forced", 4), ("bypass", 2), ("bypass", 1)])
def test_work_functions_give_the_optimum(admission, slots):
    rules = Rules(Instance(2, 3, slots), 2, admission == "bypass")
    events = np.array([dice.sample(range(3), 2) for dice in [random.Random(5)] for _ in range(40)]).reshape(-1, 2, 2)
    work = np.full(len(rules.caches), slots)  # the cache is empty at first
    for rounds in range(1, len(events) + 1):
        for layer, event in enumerate(events[rounds - 1]):
            work = (work[:, None] + rules.price(sum(1 << 3 * layer + int(e) for e in event))).min(axis=0)
        optimum = lp.optimum(lp.Trace(events[:rounds], n_experts=3), slots, admission=admission).misses
        # ending with every slot full costs the pages that nothing asked for: none, once so many were asked for
        assert optimum <= work.min() <= optimum + slots
    assert work.min() == optimum


CERTIFIED = [(2, 3, 5, 2, "forced"), (2, 3, 3, 2, "bypass"), (1, 4, 3, 2, "bypass")]


def altered(certificate, change):
    statement, evidence = copy.deepcopy((dict(certificate.statement), dict(certificate.evidence)))
    change(statement, evidence)
    return Certificate.from_json(Certificate(certificate.kind, statement, evidence).to_json())


@pytest.mark.parametrize("size", CERTIFIED)
def test_certificates_pass_and_forgeries_do_not(size):
    certificate = best(*size).certificate
    certify.check(certificate)
    value = Fraction(certificate.statement["lower"])
    forgeries = {
        "larger lower": lambda s, e: s.update(lower=str(value + Fraction(1, 9)), upper=None),
        "smaller upper": lambda s, e: s.update(upper=str(value - Fraction(1, 9)), lower="0"),
        "other slots": lambda s, e: s.update(slots=s["slots"] - 1),
        "other admission": lambda s, e: s.update(admission="bypass" if s["admission"] == "forced" else "forced"),
        "unknown admission": lambda s, e: s.update(admission="free"),
        "more in the statement": lambda s, e: s.update(proved="all"),
        "no start": lambda s, e: [column.pop(0) for column in e["adversary"].values()],
        "no start above": lambda s, e: [column.pop(0) for column in e["policy"].values()],
        "an event left out": lambda s, e: e["policy"]["answers"][0].__delitem__(slice(0, 2)),
        "negative potential": lambda s, e: e["policy"]["potential"].__setitem__(0, -1),
        "another work function": lambda s, e: e["works"][0].__setitem__(0, 1),
    }
    for name, change in forgeries.items():
        with pytest.raises(CertificateRejected):
            certify.check(altered(certificate, change))
            pytest.fail(name)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top_k": 3, "slots": 2}, "top_k must be at most the experts of each layer and the slots, 2; got 3"),
        ({"top_k": 4, "slots": 2, "admission": "bypass"}, "top_k must be at most the experts of each layer, 3; got 4"),
        ({"top_k": 2, "slots": 3, "randomized": True}, "single requests with forced admission"),
        ({"top_k": 2, "slots": 3, "admission": "free"}, "admission must be one of 'forced', 'bypass'; got 'free'"),
        ({"top_k": 2, "slots": 3, "layers": 4}, "at most 9 pages"),
    ],
)
def test_what_cannot_be_solved_is_refused(options, message):
    with pytest.raises(ParameterError, match=message):
        lp.optimal_ratio(**{"layers": 2, "experts": 3, **options})


def test_a_randomized_policy_with_bypass_is_refused():
    with pytest.raises(ParameterError, match="draw no random numbers"):
        lp.competitive_ratio("marking", layers=2, experts=2, slots=2, admission="bypass")
