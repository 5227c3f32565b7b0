"""Layers turned round: fewer states, the same ratio, and certificates that know nothing of it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

import layered_paging as lp
from layered_paging import certify
from layered_paging.errors import PolicyError
from layered_paging.policies.fifo import FIFO
from layered_paging.policies.lru import LRU
from layered_paging.policies.mark_far import MarkFar
from layered_paging.policies.spec import Time
from layered_paging.ratio import lru_closed_form


class PlainLRU(LRU):
    """Not turned: the promise is not inherited."""


class PlainFIFO(FIFO):
    """Not turned."""


class PlainMarkFar(MarkFar):
    """Not turned."""


class Begins(LRU):
    """Gives up pages of the first layer before others; and promises that no layer is the first."""

    turning = True

    def victim(self, candidates: Sequence[int], time: Time) -> int:
        return min(candidates, key=lambda page: (page >= 3, self._last[page]))


@pytest.mark.parametrize(("turned", "plain"), [("lru", PlainLRU), ("fifo", PlainFIFO), ("mark-far", PlainMarkFar)])
@pytest.mark.parametrize("size", [(2, 3, 4), (3, 2, 2), (3, 2, 4)])
def test_turning_changes_no_number(turned: str, plain: type, size: tuple[int, int, int]) -> None:
    layers, experts, slots = size
    less = lp.competitive_ratio(turned, layers=layers, experts=experts, slots=slots)
    more = lp.competitive_ratio(plain, layers=layers, experts=experts, slots=slots)
    assert (less.value, less.additive) == (more.value, more.additive)
    assert less.nodes < more.nodes
    certify.check(less.certificate)
    assert less.witness.misses == less.value * less.witness.optimum


def test_a_false_promise_is_noticed() -> None:
    with pytest.raises(PolicyError, match="forgets something"):
        lp.competitive_ratio(Begins, layers=2, experts=3, slots=4)


def test_layers_of_unequal_width_are_not_turned() -> None:
    found = lp.competitive_ratio("lru", layers=2, experts=[1, 3], slots=3)
    certify.check(found.certificate)


@pytest.mark.parametrize("size", [(6, 2, 9), (4, 3, 7), (3, 4, 3), (12, 1, 7), (2, 6, 3), (1, 12, 8)])
def test_sizes_of_twelve_pages_against_the_closed_form(size: tuple[int, int, int]) -> None:
    layers, experts, slots = size
    found = lp.competitive_ratio("lru", layers=layers, experts=experts, slots=slots)
    assert found.value == lru_closed_form(layers, slots)
