"""The strategies draw what they say, and the battery finds what is wrong with a policy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import layered_paging as lp
from layered_paging import certify, testing
from layered_paging.errors import CertificateRejected, LayeredPagingError, ParameterError
from layered_paging.policies.lru import LRU
from layered_paging.policies.spec import Time
from layered_paging.policies.stream import Stream
from layered_paging.testing import CheckFailed, battery, check_policy


@given(testing.instances(), testing.instances(fits=True))
@settings(max_examples=40)
def test_instances(tight: lp.Instance, loose: lp.Instance) -> None:
    assert 1 <= tight.slots < tight.pages and 1 <= loose.slots <= loose.pages


@given(testing.traces(top_k=3), testing.sequences(layers=3, experts=2, rounds=5), st.data())
@settings(max_examples=40)
def test_traces(trace: lp.Trace, sequence: lp.Trace, data: st.DataObject) -> None:
    assert trace.requests >= 1 and trace.top_k <= 3
    assert (sequence.layers, sequence.top_k, sequence.n_experts) == (3, 1, (2, 2, 2)) and sequence.rounds <= 5
    orders = [data.draw(st.permutations(range(n))) for n in trace.n_experts]
    twin = testing.renamed(trace, orders)
    back = testing.renamed(twin, [np.argsort(order).tolist() for order in orders])
    assert back == trace and twin.requests == trace.requests


@given(testing.schedules(length=12))
@settings(max_examples=30)
def test_schedules_are_layered_and_adaptive(moves: list[int]) -> None:
    pages = testing.follow(moves, "lru", layers=2, experts=3, slots=4)
    assert len(pages) == len(moves) and all(page // 3 == t % 2 for t, page in enumerate(pages))
    # the move 0 asks for an absent page: with more pages than slots a policy never hits on it
    cruel = testing.follow([0] * 12, "lru", layers=1, experts=3, slots=2)
    assert cruel == [0, 1, 2] * 4


@given(testing.certificates(), st.data())
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
def test_certificates_and_their_mutations(genuine: Any, data: st.DataObject) -> None:
    certificate, trace = genuine
    certify.check(certificate, trace=trace)
    changed = data.draw(testing.mutations(certificate))
    assert changed != certificate and changed.kind == certificate.kind
    try:
        certify.check(changed, trace=trace)
    except CertificateRejected:
        return
    # accepted: then it must still state the truth
    for name in ("misses", "value", "slots", "policy", "admission"):
        assert changed.statement.get(name) == certificate.statement.get(name)


def test_mutations_cover_every_kind() -> None:
    certificate = lp.Certificate("x", {"a": 1, "b": "7/4"}, {"c": [True, 2], "d": {"e": [3]}})
    seen = set()

    @given(testing.mutations(certificate))
    @settings(max_examples=200)
    def collect(changed: lp.Certificate) -> None:
        seen.add((str(changed.statement), str(changed.evidence)))

    collect()
    assert len(seen) >= 12
    assert any("11/4" in a for a, _ in seen) and any("False" in b for _, b in seen)


def test_shortest() -> None:
    trace = testing.shortest(
        testing.sequences(layers=1), lambda t: lp.replay(t, "lru", 1, engine="reference").misses >= 2
    )
    assert trace is not None and trace.experts.ravel().tolist() == [0, 1]
    assert testing.shortest(st.integers(0, 3), lambda x: x > 3) is None


@pytest.mark.parametrize("name", ["lru", "fifo", "llru", "mark-far", "marking", "fwf"])
def test_battery_passes_what_is_right(name: str) -> None:
    checks = {check.name: check for check in check_policy(name, examples=15)}
    assert all(check.passed is not False for check in checks.values())
    assert checks["ratio"].passed and "k = 3" in checks["ratio"].detail


class Forgetful(LRU):
    """LRU that does not note hits: it is FIFO."""

    def hit(self, page: int, time: Time) -> None:
        pass


class Stranger(LRU):
    def victim(self, candidates: Sequence[int], time: Time) -> int:
        return 99


class Crash(LRU):
    def victim(self, candidates: Sequence[int], time: Time) -> int:
        return {0: 0}[candidates[0]]


class Dice(LRU):
    dice = Stream(1)

    def victim(self, candidates: Sequence[int], time: Time) -> int:
        return candidates[self.dice.below(len(candidates))]


class Numbered(LRU):
    def victim(self, candidates: Sequence[int], time: Time) -> int:
        return max(candidates)


class Hasty(LRU):
    def flush(self, time: Time) -> None:
        pass


@pytest.mark.parametrize(
    ("policy", "declares", "words"),
    [
        (Forgetful, {"stack": True}, "check 'stack': after round"),
        (Forgetful, {"marking": True}, "check 'marking': evicts the marked page"),
        (Stranger, {}, "check 'runs': .*must evict one of its candidates; got 99"),
        (Crash, {}, "check 'runs': raises KeyError"),
        (Dice, {}, "check 'runs': two runs with one seed differ"),
        (Numbered, {"symmetric": True}, "check 'symmetric': renaming"),
        (Numbered, {"conservative": True}, "check 'conservative': more than"),
        (Hasty, {"lazy": True}, "check 'lazy': evicts"),
    ],
)
def test_battery_finds_what_is_wrong(policy: type, declares: dict[str, bool], words: str) -> None:
    with pytest.raises(CheckFailed, match=words) as caught:
        check_policy(policy, ratio=False, **declares)
    assert "rounds [[" in str(caught.value) and "slots" in str(caught.value)
    assert isinstance(caught.value, LayeredPagingError) and isinstance(caught.value, AssertionError)


def test_the_found_sequence_is_short_and_shows_the_fault() -> None:
    with pytest.raises(CheckFailed) as caught:
        check_policy(Forgetful, stack=True)
    rounds = str(caught.value).split("rounds ")[1]
    assert sum(len(row) for row in eval(rounds)) <= 8  # a list of lists of ints, by construction


def test_online_check_sees_a_policy_that_knows_the_future() -> None:
    """The prefix test: a policy that reads the rest of the trace from outside decides by it."""
    from hypothesis import strategies

    trace = lp.Trace([[0], [1], [2], [0], [1]], 3)
    seen: list[lp.Trace] = []

    class Oracle(LRU):
        def victim(self, candidates: Sequence[int], time: Time) -> int:
            rest = seen[-1].experts.ravel().tolist()[time.round + 1 :]
            return max(candidates, key=lambda page: rest.index(page) if page in rest else 99)

    class Data:
        def draw(self, strategy: strategies.SearchStrategy[int]) -> int:
            return 3

    real = battery._steps

    def spying(spec: Any, other: lp.Trace, slots: int, seed: int = 0) -> Any:
        seen.append(other)
        return real(spec, other, slots, seed)

    from layered_paging.policies.names import resolve

    def fail(words: str) -> None:
        raise CheckFailed(words)

    battery._steps = spying
    try:
        battery._online(resolve(LRU), trace, 2, fail, Data())
        with pytest.raises(CheckFailed, match="depend on later requests"):
            battery._online(resolve(Oracle), trace, 2, fail, Data())
    finally:
        battery._steps = real


def test_optimum_check_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(battery, "optimum", lambda trace, slots, admission: type("O", (), {"misses": 99})())
    with pytest.raises(CheckFailed, match="the optimum being 99"):
        check_policy("lru", examples=3, ratio=False)


def test_ratio_check_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    low = type("Low", (), {"value": 0})()
    monkeypatch.setattr("layered_paging.ratio.competitive_ratio", lambda *a, **k: low)
    with pytest.raises(CheckFailed, match="below k - l \\+ 1"):
        check_policy("lru", examples=3)


def test_refusals() -> None:
    with pytest.raises(ParameterError, match="offline"):
        check_policy("belady")
    with pytest.raises(ParameterError, match="knows the properties"):
        check_policy("lru", clever=True)
