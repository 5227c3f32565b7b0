"""Rules that no other test would miss if they were wrong: each of these faults was once put in on purpose and survived."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import layered_paging as lp
from layered_paging.certificate import Certificate
from layered_paging.core import trace as traces
from layered_paging.core.instance import Instance
from layered_paging.core.layout import lay_out
from layered_paging.errors import BudgetError, CertificateRejected, FormatError
from layered_paging.policies.lfu_decay import LFUDecay
from layered_paging.policies.spec import Time


def test_the_digest_covers_every_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = np.arange(300).reshape(100, 3, 1) % 7
    whole = lp.Trace(ids, 7).digest()
    monkeypatch.setattr(traces, "_CHUNK", 10)
    assert lp.Trace(ids, 7).digest() == whole  # however it is cut
    for at in (0, 3, 50, 99):
        other = ids.copy()
        other[at, 2, 0] = (other[at, 2, 0] + 1) % 7
        assert lp.Trace(other, 7).digest() != whole


@pytest.mark.parametrize("at", [0, 65_535, 65_536, 69_999])
def test_the_largest_event_is_found_anywhere(at: int) -> None:
    ids = np.full((70_000, 2, 3), -1, np.int16)
    ids[:, :, 0] = 0
    ids[at, 1] = [0, 1, 2]
    trace = lp.Trace(ids, 4)
    grid = lay_out(trace)
    assert grid.largest_event() == 3 and grid.largest_events().tolist() == [1, 3]
    with pytest.raises(BudgetError, match="must hold the largest event"):
        lp.replay(trace, "lru", 2)
    sized = lp.Trace(ids, 4, expert_bytes=10)
    with pytest.raises(BudgetError, match=r"must hold the largest event \(30 bytes\)"):
        lp.replay(sized, "lru", budget_bytes=29)


def test_no_key_stands_twice_in_a_certificate() -> None:
    text = Certificate("ratio-lower", {"lower": "1"}, {"cycle": []}).to_json()
    assert Certificate.from_json(text).statement == {"lower": "1"}
    for old, new in (
        ('"lower":"1"', '"lower":"1","lower":"1"'),
        ('"kind":', '"kind":"ratio-lower","kind":'),
        ('"cycle":[]', '"cycle":[],"cycle":[]'),
    ):
        assert old in text
        with pytest.raises(FormatError, match="stands twice in an object"):
            Certificate.from_json(text.replace(old, new, 1))


@pytest.mark.parametrize("half_life", [3, 32, 7.5])
def test_decay_is_a_power_of_two_at_every_age(half_life: float) -> None:
    policy = LFUDecay(Instance(1, 4, 2), half_life=half_life)
    for rounds in [*range(400), 1000, 3000]:
        wanted = 2.0 ** (-rounds / half_life) if rounds <= 1022 * half_life else 0.0
        assert policy.factor(rounds) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("engine", ["kernel", "reference"])
def test_decay_decides_after_long_pauses(engine: str) -> None:
    """Page 0 is used often, then not for 60 rounds; page 1 is used once later: with a half-life of 6 rounds it wins."""
    for pause, kept in ((60, 1), (10, 0)):
        uses = [0] * 8 + [2] * pause + [1, 3, kept]
        trace = lp.Trace(np.array(uses)[:, None], 4)
        run = lp.replay(trace, "lfu-decay(half_life=6)", 3, engine=engine, record=True)
        assert run.missed is not None
        assert not run.missed[-1].any(), f"after {pause} rounds page {kept} must be there"
        assert run.misses == 4


def test_nominal_slots_of_bytes_are_rounded_down() -> None:
    seen: list[int] = []

    class Told:
        """LRU that notes how many slots it was told."""

        def __init__(self, instance: Instance) -> None:
            seen.append(instance.slots)
            self.last: dict[int, int] = {}

        def hit(self, page: int, time: Time) -> None:
            self.last[page] = time.clock

        miss = hit

        def victim(self, candidates: Sequence[int], time: Time) -> int:
            return min(candidates, key=lambda page: self.last[page])

    trace = lp.Trace([[0], [1], [2], [3]], 4, expert_bytes=[10, 20, 30, 40])
    for budget, slots in ((74, 2), (75, 3), (99, 3), (100, 4), (49, 1), (40, 1)):
        seen.clear()
        lp.replay(trace, Told, budget_bytes=budget)
        assert set(seen) == {slots}, budget


def placed() -> Any:
    network = lp.edge.generate(servers=3, users=4, layers=2, experts=4, top_k=1, seed=1)
    return lp.edge.place(network, "greedy")


def test_a_server_holds_its_storage_and_not_a_byte_more() -> None:
    """A certificate whose servers hold more than their storage is refused, by one byte or by twice as much."""
    certificate = placed().certificate
    lp.certify.check(certificate)
    statement = json.loads(json.dumps(dict(certificate.statement)))
    network = statement["network"]
    size = network["expert_bytes"]
    name, pairs = max(statement["held"].items(), key=lambda item: len(item[1]))
    assert pairs
    used = len(pairs) * size if isinstance(size, int) else sum(size[layer * 4 + expert] for layer, expert in pairs)
    server = next(server for server in network["servers"] if server["name"] == name)
    for storage in (used - 1, (used + 1) // 2):
        server["storage"] = storage
        with pytest.raises(CertificateRejected, match=f"holds {used} bytes, more than its storage of {storage}"):
            lp.certify.check(Certificate("placement", statement, certificate.evidence))
