"""A class whose ``state`` promises too much gets no ratio, and no pass from the battery."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import pytest

import layered_paging as lp
from layered_paging.core.registry import entries
from layered_paging.errors import PolicyError
from layered_paging.policies.lru import LRU
from layered_paging.policies.names import resolve
from layered_paging.policies.spec import Time
from layered_paging.ratio import honest
from layered_paging.ratio.automaton import build
from layered_paging.testing import CheckFailed, check_policy

SIZE = {"layers": 2, "experts": 3, "slots": 4}


class Forgets(LRU):
    def state(self, resident: Sequence[int], time: Time) -> dict[int, int]:
        return {}


class Absolute(LRU):
    def state(self, resident: Sequence[int], time: Time) -> dict[int, int]:
        return {page: self._last[page] + 1 for page in resident}


class Fractional(LRU):
    def state(self, resident: Sequence[int], time: Time) -> dict[int, int]:
        return dict.fromkeys(resident, 0.5)  # type: ignore[misc]


class Turns(LRU):
    """LRU for 60 misses, and the opposite from then on: the count is not in its state."""

    def __init__(self, instance: lp.Instance) -> None:
        super().__init__(instance)
        self._paid = 0

    def miss(self, page: int, time: Time) -> None:
        super().miss(page, time)
        self._paid += 1

    def victim(self, candidates: Sequence[int], time: Time) -> int:
        if self._paid < 60:
            return super().victim(candidates, time)
        return max(candidates, key=lambda page: (self._last[page], page))


class Named(LRU):
    """Evicts the lowest page, but says that names do not matter."""

    def victim(self, candidates: Sequence[int], time: Time) -> int:
        return candidates[0]

    def state(self, resident: Sequence[int], time: Time) -> dict[int, int]:
        return {}


class AfterHits(LRU):
    """The opposite of LRU once ten hits came in a row."""

    symmetric = False

    def __init__(self, instance: lp.Instance) -> None:
        super().__init__(instance)
        self._run, self._turned = 0, False

    def hit(self, page: int, time: Time) -> None:
        super().hit(page, time)
        self._run += 1
        self._turned |= self._run >= 10

    def miss(self, page: int, time: Time) -> None:
        super().hit(page, time)
        self._run = 0

    def victim(self, candidates: Sequence[int], time: Time) -> int:
        pick = max if self._turned else min
        return pick(candidates, key=lambda page: self._last[page])


class LateTurn(LRU):
    """The opposite of LRU from round 600 on."""

    symmetric = False

    def victim(self, candidates: Sequence[int], time: Time) -> int:
        pick = max if time.round >= 600 else min
        return pick(candidates, key=lambda page: self._last[page])


BROKEN = {Forgets: "forgets", Absolute: "grows", Fractional: "ints of at least 0", Turns: "forgets", Named: "forgets"}
HIDDEN = (AfterHits, LateTurn)


@pytest.mark.parametrize("cls", BROKEN, ids=lambda cls: cls.__name__)
def test_a_broken_state_gets_no_ratio(cls: type) -> None:
    with pytest.raises(PolicyError, match=BROKEN[cls]) as told:
        lp.competitive_ratio(cls, **SIZE)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("cls", HIDDEN, ids=lambda cls: cls.__name__)
def test_long_runs_of_hits_and_late_rounds_are_tried(cls: type) -> None:
    with pytest.raises(PolicyError, match="forgets"):
        lp.competitive_ratio(cls, layers=2, experts=3, slots=3)


@pytest.mark.parametrize("cls", BROKEN, ids=lambda cls: cls.__name__)
def test_the_battery_has_a_check_of_states(cls: type) -> None:
    with pytest.raises(CheckFailed):
        check_policy(cls, examples=60, ratio=False)


def test_the_walks_of_a_class_are_played_once_and_again_where_its_code_was_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Mine(AfterHits):
        hit = miss = LRU.hit
        victim = LRU.victim

    size = {"layers": 2, "experts": 3, "slots": 3}
    played, parting = [], honest.parting
    monkeypatch.setattr(honest, "parting", lambda *rest: played.append(1) or parting(*rest))  # type: ignore[func-returns-value]
    value = lp.competitive_ratio(Mine, **size).value
    walks = len(played)
    assert walks == len(honest.KINDS) * sum(count for _, count in honest.WALKS)
    assert lp.competitive_ratio(Mine, **size).value == value and len(played) == walks
    assert lp.competitive_ratio(Mine, **{**size, "slots": 2}).value is not None and len(played) == 2 * walks
    for name in ("hit", "miss", "victim"):  # replaced in place, as a notebook does that loads a changed file again
        delattr(Mine, name)
    with pytest.raises(PolicyError, match="forgets"):
        lp.competitive_ratio(Mine, **size)


def test_the_worst_cycle_is_played_with_the_class(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last line of defence: without the walks, a ratio that the class does not have is still refused."""
    for name in ("check_walks", "check_bounded"):
        monkeypatch.setattr(f"layered_paging.ratio.given.{name}", lambda *_: None)
    with pytest.raises(PolicyError, match="per turn by its states"):
        lp.competitive_ratio(Forgets, **SIZE)


def test_the_played_cycle_may_cost_what_was_claimed_and_nothing_else() -> None:
    found = lp.competitive_ratio("lru", **SIZE)
    spec, witness = resolve("lru"), found.witness
    play: Any = (spec, found.instance, "shared", False, witness.prefix, witness.cycle)
    honest.check_cycle(*play, witness.misses)
    with pytest.raises(PolicyError, match="per turn"):
        honest.check_cycle(*play, witness.misses + Fraction(1, 2))


STATED = sorted(
    {
        entry.name
        for entry in (lp.catalog.collect(), entries("policy"))[1]
        if callable(getattr(entry.obj, "state", None)) and honest.shipped(entry.obj)
    }
    | {"llru(same_layer='near')", "llru(rounds='absolute')", "clock(fresh=False)"}
)


@pytest.mark.parametrize("policy", STATED)
def test_long_walks_of_every_class_that_is_shipped(policy: str) -> None:
    """What a ratio of such a class does not play again."""
    spec = resolve(policy)
    instance = lp.Instance(1, 4, 2) if spec.randomized else lp.Instance(2, 3, 3)
    automaton = build(spec, instance)
    honest.play(spec, automaton, "shared", 1, False, honest.WALKS)
    if not spec.randomized:
        honest.play(spec, build(spec, instance, top_k=2), "shared", 2, False, honest.WALKS)


@pytest.mark.parametrize("policy", ["lru", "fifo", "llru", "marking", "mark-far", "fwf"])
def test_honest_states_pass(policy: str) -> None:
    assert lp.competitive_ratio(policy, layers=2, experts=2, slots=2).value is not None


def test_what_is_shipped_is_known_by_itself_and_not_by_a_name() -> None:
    assert honest.shipped(LRU)
    for own in (Forgets, type("LRU", (LRU,), {"__module__": LRU.__module__, "__qualname__": "LRU"})):
        assert not honest.shipped(own)


class Queue:
    """LRU, as a list of pages, the oldest first."""

    def __init__(self, instance: lp.Instance) -> None:
        self.order: list[int] = []

    def reset(self) -> None:
        self.order.clear()

    def hit(self, page: int, time: Time) -> None:
        if page in self.order:
            self.order.remove(page)
        self.order.append(page)

    def miss(self, page: int, time: Time) -> None:
        self.hit(page, time)

    def victim(self, candidates: Sequence[int], time: Time) -> int:
        oldest = next(page for page in self.order if page in candidates)
        self.order.remove(oldest)
        return oldest

    def state(self, resident: Sequence[int], time: Time) -> Any:
        return {page: 1 + self.order.index(page) for page in resident}


class TwoNames(Queue):
    """The same list under two names."""

    def __init__(self, instance: lp.Instance) -> None:
        super().__init__(instance)
        self.front = self.order

    def miss(self, page: int, time: Time) -> None:
        self.front.append(page)


class Holds(Queue):
    """A function made inside the policy reads its list."""

    def __init__(self, instance: lp.Instance) -> None:
        super().__init__(instance)
        self.oldest = lambda candidates: next(page for page in self.order if page in candidates)


class SaysNothing(Queue):
    def state(self, resident: Sequence[int], time: Time) -> Any:
        return None


@pytest.mark.parametrize("policy", [Queue, TwoNames])
def test_a_list_with_two_names_is_copied_as_one(policy: type) -> None:
    assert lp.competitive_ratio(policy, **SIZE).value == lp.competitive_ratio("lru", **SIZE).value


def test_a_function_that_copies_would_share_is_refused() -> None:
    with pytest.raises(
        PolicyError, match=r"Holds\.oldest is a function that holds on to one policy.*write it as a method"
    ):
        lp.competitive_ratio(Holds, **SIZE)


def test_a_state_that_is_no_mapping_is_refused() -> None:
    with pytest.raises(PolicyError, match=r"SaysNothing\.state must map pages to ints of at least 0; got NoneType"):
        lp.competitive_ratio(SaysNothing, **SIZE)
