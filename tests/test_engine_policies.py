"""Policies of engines beside models of these engines, written from their descriptions and not from our classes."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import layered_paging as lp
from layered_paging.cli import main
from layered_paging.errors import ParameterError
from layered_paging.plan.engines import ENGINES, knob_of, shipped
from layered_paging.policies.classlru import LONGEST, TOP, fading
from layered_paging.policies.names import resolve
from layered_paging.policies.spec import Time
from layered_paging.samples import SAMPLE

REAL = Path(os.environ.get("LAYERED_PAGING_TRACES", Path(__file__).parent.parent.parent / "shared" / "traces"))
Model = Callable[[int, int, list[int]], int]  # layer, round, members in router order: loads


class Lists:
    """llama.cpp: one list of slots; hits go to its end in router order, misses are sorted and take slots at its head."""

    def __init__(self, slots: int) -> None:
        self.order: list[tuple[int, int] | None] = [None] * slots

    def __call__(self, layer: int, round_: int, members: list[int]) -> int:
        there = [(layer, e) for e in members if (layer, e) in self.order]
        for key in there:
            self.order.remove(key)
            self.order.append(key)
        absent = sorted((layer, e) for e in members if (layer, e) not in there)
        for key in absent:
            self.order.pop(0)
            self.order.append(key)
        return len(absent)


class Classes:
    """ClassLRU as described: floating counts, a list for each class, the head of largest age / 2^class goes."""

    def __init__(self, slots: int, half_life: int, layers: int) -> None:
        self.free, self.half_life, self.layers = slots, half_life, layers
        self.lists: dict[int, list[tuple[int, int]]] = {}
        self.count: dict[tuple[int, int], tuple[float, int]] = {}
        self.used: dict[tuple[int, int], int] = {}

    def touch(self, key: tuple[int, int], round_: int) -> None:
        count, before = self.count.get(key, (0.0, round_))
        self.count[key] = count * math.exp2((before - round_) / self.half_life) + 1.0, round_
        self.used[key] = round_ * self.layers + key[0]
        self.lists.setdefault(math.floor(math.log2(self.count[key][0])), []).append(key)

    def __call__(self, layer: int, round_: int, members: list[int]) -> int:
        there = [(layer, e) for e in members if any((layer, e) in row for row in self.lists.values())]
        for key in there:
            next(row for row in self.lists.values() if key in row).remove(key)
            self.touch(key, round_)
        absent = sorted((layer, e) for e in members if (layer, e) not in there)
        step = round_ * self.layers + layer
        for key in absent:
            if self.free:
                self.free -= 1
            else:
                heads = [(c, row[0]) for c, row in sorted(self.lists.items()) if row]
                of_class, _ = max(heads, key=lambda head: (step - self.used[head[1]]) / 2.0 ** head[0])
                self.lists[of_class].pop(0)
            self.touch(key, round_)
        return len(absent)


class Sampled:
    """warp: slots by number, 16 draws of its generator, fewest hits, then the oldest use; a filled slot begins at 1."""

    def __init__(self, slots: int) -> None:
        self.slots: list[list | None] = [None] * slots
        self.state, self.clock = 0x9E3779B9, 0

    def __call__(self, layer: int, round_: int, members: list[int]) -> int:
        keys, loads = [(layer, e) for e in sorted(members)], 0
        missing = [key for key in keys if not any(slot and slot[0] == key for slot in self.slots)]
        pinned = set(keys)
        for key in keys:  # the times of use are those of the members in ascending order
            self.clock += 1
            for slot in self.slots:
                if slot is not None and slot[0] == key:
                    slot[1:] = [slot[1] + 1, self.clock]
        times = {key: self.clock - len(keys) + 1 + n for n, key in enumerate(keys)}
        for key in missing:
            loads += 1
            place = next((i for i, slot in enumerate(self.slots) if slot is None), -1)
            if place < 0:
                for _ in range(16):
                    self.state = (self.state * 1664525 + 1013904223) & 0xFFFFFFFF
                    i = self.state % len(self.slots)
                    if self.slots[i][0] in pinned:
                        continue
                    if place < 0 or self.slots[i][1:] < self.slots[place][1:]:
                        place = i
                if place < 0:
                    place = next(i for i, slot in enumerate(self.slots) if slot[0] not in pinned)
            self.slots[place] = [key, 1, times[key]]
        return loads


class Heat:
    """turboquant: a list by last use; from its head the first slot hit at most so often since it was filled, else the head."""

    def __init__(self, slots: int, hot: int) -> None:
        self.free, self.hot = slots, hot
        self.order: list[list] = []

    def __call__(self, layer: int, round_: int, members: list[int]) -> int:
        keys = [(layer, e) for e in sorted(members)]
        there = {slot[0]: slot[1] + 1 for slot in self.order if slot[0] in keys}
        rest = [slot for slot in self.order if slot[0] not in there]
        loads = len(keys) - len(there)
        for _ in range(max(0, loads - self.free)):
            cold = [slot for slot in rest if slot[1] <= self.hot]
            rest.remove(cold[0] if cold else rest[0])
        self.free = max(0, self.free - loads)
        self.order = rest + [[key, there.get(key, 0)] for key in keys]
        return loads


def played(trace: lp.Trace, model: Model) -> Iterator[int]:
    for r in range(trace.rounds):
        for j in range(trace.layers):
            yield model(j, r, [int(e) for e in trace.experts[r, j] if e >= 0])


def replayed(trace: lp.Trace, policy: str, slots: int, engine: str, ties: str) -> Sequence[int]:
    run = lp.replay(trace, policy, slots, ties=ties, record=True, engine=engine)
    assert run.missed is not None
    return run.missed.sum(axis=2).reshape(-1).tolist()


@st.composite
def traces(draw: st.DrawFn) -> tuple[lp.Trace, int]:
    layers, experts, top_k = draw(st.integers(1, 3)), draw(st.integers(2, 9)), draw(st.integers(1, 2))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    ids = np.full((draw(st.integers(1, 60)), layers, top_k), -1)
    likely = 1 / np.arange(1, experts + 1) ** draw(st.sampled_from([0, 1, 2]))
    for row in ids.reshape(-1, top_k):
        n = rng.integers(0, top_k + 1)
        row[:n] = rng.choice(experts, n, replace=False, p=likely / likely.sum())
    ids[0, 0, 0] = 0
    ids[0, 0, 1:] = -1
    return lp.Trace(ids, experts), draw(st.integers(top_k, layers * experts))


@settings(max_examples=60, deadline=None)
@given(given_=traces(), above=st.integers(0, 2))
def test_batches_that_pass_by_leave_the_engines_lists_alone(given_: tuple[lp.Trace, int], above: int) -> None:
    trace, slots = given_
    lists = Lists(slots)

    def passing(layer: int, round_: int, members: list[int]) -> int:
        if len(members) > above:
            return sum((layer, e) not in lists.order for e in members)
        return lists(layer, round_, members)

    run = lp.replay(trace, "lru-hits-first", slots, ties="rank", traffic={"bypass_above": above}, record=True)
    assert run.missed is not None
    assert run.missed.sum(axis=2).reshape(-1).tolist() == list(played(trace, passing))


@pytest.mark.parametrize("engine", ["kernel", "reference"])
@settings(max_examples=60, deadline=None)
@given(given_=traces(), half_life=st.sampled_from([3, 7, 128]), hot=st.integers(0, 4))
def test_loads_are_the_engines(engine: str, given_: tuple[lp.Trace, int], half_life: int, hot: int) -> None:
    trace, slots = given_
    for policy, model, ties in (
        ("lru-hits-first", Lists(slots), "rank"),
        (f"classlru(half_life={half_life})", Classes(slots, half_life, trace.layers), "rank"),
        ("sampled-lfru", Sampled(slots), "page"),
        (f"heat-protected(hot_uses={hot})", Heat(slots, hot), "page"),
    ):
        assert replayed(trace, policy, slots, engine, ties) == list(played(trace, model)), policy


@pytest.mark.parametrize("name", ["sample", "gpt_oss_120b", "olmoe_1b7b_0924_decode299"])
def test_loads_are_the_engines_on_real_routing(name: str) -> None:
    path = SAMPLE if name == "sample" else REAL / f"{name}.npz"
    if not Path(path).exists():
        pytest.skip(f"there is no {path}")
    trace = lp.load_trace(path)
    trace = lp.Trace(trace.experts[:300], trace.n_experts)
    slots = 2 * trace.layers * trace.top_k
    for policy, model, ties in (
        ("lru-hits-first", Lists(slots), "rank"),
        ("classlru", Classes(slots, 128, trace.layers), "rank"),
        ("sampled-lfru", Sampled(slots), "page"),
        ("heat-protected", Heat(slots, 4), "page"),
    ):
        assert replayed(trace, policy, slots, "kernel", ties) == list(played(trace, model)), policy


def test_counts_that_halve_in_a_round_are_lru() -> None:
    """No count reaches 2 then, so there is one class."""
    trace = lp.workloads.zipf(3, 12, 200, top_k=3, seed=4)
    for slots in (3, 9, 20):
        one, other = (
            lp.replay(trace, name, slots, record=True) for name in ("classlru(half_life=1)", "lru-hits-first")
        )
        assert np.array_equal(one.missed, other.missed)


@pytest.mark.parametrize("half_life", [1, 2, 3, 128, 1000, LONGEST])
def test_factors_fade_by_half_and_counts_stay_below_the_last_class(half_life: int) -> None:
    factors = fading(half_life)
    assert len(factors) == half_life
    for age, factor in enumerate(factors):
        assert 0 <= 2.0 ** (32 - age / half_life) - factor <= 2 * age + 2
    most = 1 / (1 - 2 ** (-1 / half_life))
    assert most < 2 ** min(TOP, 29 - 16)


@pytest.mark.parametrize("weight", [0.5, 0.1, 0.02])
def test_an_exponential_moving_average_is_lfu_with_decay(weight: float) -> None:
    """score = (1 - weight) * score + weight * [used], once a round: the order of lfu-decay's counts."""

    class Ema:
        def __init__(self, instance: lp.Instance) -> None:
            self.score: dict[int, float] = {}
            self.last: dict[int, int] = {}
            self.at: dict[int, int] = {}

        def now(self, page: int, time: Time) -> float:
            return self.score.get(page, 0.0) * (1 - weight) ** (time.round - self.at.get(page, time.round))

        def hit(self, page: int, time: Time) -> None:
            self.score[page] = self.now(page, time) + weight
            self.at[page], self.last[page] = time.round, time.clock

        miss = hit

        def victim(self, candidates: Sequence[int], time: Time) -> int:
            return min(candidates, key=lambda page: (self.now(page, time), self.last[page], page))

    half_life = math.log(2) / -math.log(1 - weight)
    trace = lp.workloads.zipf(2, 10, 150, top_k=2, seed=9)
    for slots in (3, 8):
        mine = lp.replay(trace, Ema, slots, record=True)
        theirs = lp.replay(trace, f"lfu-decay(half_life={half_life})", slots, record=True)
        assert np.array_equal(mine.missed, theirs.missed)


@pytest.mark.parametrize(
    "name",
    [
        "classlru(half_life=0)",
        "classlru(half_life=4097)",
        "classlru(half_life=1.5)",
        "heat-protected(hot_uses=-1)",
        "sampled-lfru(sample=0)",
        "sampled-lfru(seed=4294967296)",
        "sampled-lfru(first='hits')",
        "lfru(history='cached')",
    ],
)
def test_refuses_parameters(name: str) -> None:
    with pytest.raises(ParameterError):
        resolve(name).make(lp.Instance(1, 2, 1))


def test_the_page_of_engines_is_the_table() -> None:
    page = (Path(__file__).parent.parent / "docs" / "reference" / "engines.md").read_text()
    for name, engine in ENGINES.items():
        assert f"| {name} | {engine.source} | {engine.pool} | {engine.beside} |" in page
        for policy, there in engine.policies.items():
            assert f"| {name} | `{policy}` | {there.knob} | {there.faithful} |" in page
            assert resolve(policy).name == policy and not resolve(policy).offline


def test_engine_policies_are_labelled(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "policies", "--json"]) == 0
    origin = {row["name"]: row.get("origin", "") for row in json.loads(capsys.readouterr().out)["policies"]}
    assert "reconstructed" in origin["classlru"]
    assert all("source" in origin[name] for name in ("lru-hits-first", "heat-protected", "sampled-lfru"))


def test_an_engine_is_all_that_is_compared(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["diagnose", str(SAMPLE), "--slots", "24", "--reset", "session", "--engine", "llama.cpp"]
    assert main([*words, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert set(answer["by_policy"]) == {"lru", *shipped("llama.cpp")}
    assert answer["engine"]["policy"] == answer["best"]
    assert answer["engine"]["knob"] == knob_of("llama.cpp", answer["best"]) != ""
    assert answer["engine"]["faithful"] == ENGINES["llama.cpp"].policies[answer["best"]].faithful
    assert "does not ship lru," in answer["engine"]["in_use"]
    assert main(words) == 0
    assert "--moe-cache-mib N" in capsys.readouterr().out
    assert main([*words, "--against", "lfu"]) == 2
    assert main([*words[:-1], "abacus"]) == 2
    assert "unknown engine" in capsys.readouterr().err


def test_heat_protection_is_not_competitive() -> None:
    """Two hot pages stay for ever; two others take turns in the slot that is left."""
    rounds = [0, 1] * 6 + [2, 3] * 200
    trace = lp.Trace([[p] for p in rounds], 4)
    assert lp.replay(trace, "heat-protected", 3).misses == 2 + 400
    assert lp.optimum(trace, 3, admission="forced").misses == 4


@pytest.mark.parametrize("engine", [None, "llama.cpp"])
def test_advice_says_how_near_the_policy_is(engine: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    given = [] if engine is None else ["--engine", engine]
    assert main(["plan", str(SAMPLE), "--bytes", "2MiB", "--reset", "session", *given]) == 0
    out = capsys.readouterr().out
    near = ENGINES["llama.cpp"].policies["classlru"].faithful
    assert "switch on classlru" in out and f"- How near classlru here is to that of llama.cpp: {near}." in out
    assert ("llama.cpp does not ship lru" in out) == (engine is not None)
