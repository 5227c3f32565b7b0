"""Shortest worst cycles: they have the ratio, certificates with them are accepted, and nothing shorter has it."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import pytest

import layered_paging as lp
from layered_paging import certify
from layered_paging.certify.ratio import Player, schedule_cost
from layered_paging.errors import ParameterError
from layered_paging.policies.names import resolve
from layered_paging.ratio import shortest
from layered_paging.ratio.shortest import least_length


@pytest.mark.parametrize(
    ("policy", "size", "events"),
    [
        ("lru", (2, 2, 3), 4),
        ("fifo", (1, 3, 2), 3),
        ("lru", (3, 2, 3), 6),
        ("llru", (2, 2, 2), 4),
        ("fwf", (1, 4, 3), 4),
    ],
)
def test_the_shortest_is_short_and_proves_the_ratio(policy: str, size: tuple[int, int, int], events: int) -> None:
    layers, experts, slots = size
    ratio = lp.competitive_ratio(policy, layers=layers, experts=experts, slots=slots)
    found = shortest(ratio)
    assert (len(found.cycle), found.minimal, found.misses) == (events, True, ratio.value * found.optimum)
    certify.check(found.certificate)
    assert len(found.certificate.evidence["cycle"]) == events <= len(ratio.witness.cycle)


def long_run(
    policy: str, size: tuple[int, int, int], prefix: tuple[int, ...], word: tuple[int, ...]
) -> Fraction | None:
    """Return misses over the optimum's, by the class itself; None where the optimum pays nothing."""
    player = Player(resolve(policy), lp.Instance(*size), "shared")
    for page in prefix:
        player.play((page,))
    seen: dict[object, tuple[int, int]] = {}
    paid = turns = 0
    while player.labels() not in seen:
        seen[player.labels()] = (turns, paid)
        paid += sum(player.play((page,)) for page in word)
        turns += 1
    since, before = seen[player.labels()]
    optimum = schedule_cost([(page,) for page in prefix], [(page,) for page in word], size[2])
    return Fraction(paid - before, turns - since) / optimum if optimum else None


@pytest.mark.parametrize("policy", ["lru", "fifo"])
def test_no_shorter_word_has_the_ratio(policy: str) -> None:
    """Every shorter word, after every prefix of two rounds, played by the class."""
    size = (2, 3, 3)
    ratio = lp.competitive_ratio(policy, layers=2, experts=3, slots=3)
    found = shortest(ratio)
    assert found.minimal
    assert long_run(policy, size, found.prefix, found.cycle) == ratio.value
    rounds = list(product(range(3), range(3, 6)))
    for length in range(2, len(found.cycle), 2):
        for word in product(rounds, repeat=length // 2):
            for prefix in [(), *((*a, *b) for a, b in product(rounds[:2], rounds))]:
                value = long_run(policy, size, prefix, tuple(page for part in word for page in part))
                assert value is None or value < ratio.value


def test_without_time_it_says_so() -> None:
    ratio = lp.competitive_ratio("fifo", layers=2, experts=3, slots=4)
    found = shortest(ratio, seconds=0)
    assert not found.minimal
    assert found.at_least == least_length(2, 4) == 6
    certify.check(found.certificate)


def test_what_has_no_shortest_cycle_here() -> None:
    for policy, options in (("marking", {}), ("lru", {"top_k": 2}), ("lru", {"admission": "bypass"})):
        ratio = lp.competitive_ratio(policy, layers=1, experts=3, slots=2, **options)
        with pytest.raises(ParameterError, match="a shortest cycle needs"):
            shortest(ratio)


def test_an_unbounded_ratio_is_refused_by_its_name() -> None:
    ratio = lp.competitive_ratio("lifo", layers=1, experts=3, slots=2)
    assert ratio.unbounded
    with pytest.raises(ParameterError, match="found ratio unbounded, top-k 1, admission forced, no random numbers"):
        shortest(ratio)


def test_random_numbers_are_named() -> None:
    with pytest.raises(ParameterError, match="admission forced, random numbers"):
        shortest(lp.competitive_ratio("marking", layers=1, experts=3, slots=2))
