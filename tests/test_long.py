"""Traces in parts: exactly what the whole trace gives, whatever the cuts, in bounded memory."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import layered_paging as lp
from layered_paging import catalog
from layered_paging.core import registry
from layered_paging.core.parts import LongTrace, Part
from layered_paging.errors import BudgetError, FormatError, ParameterError, TraceError
from layered_paging.policies.names import resolve

catalog.collect()
VARIANTS = ("llru(rounds='absolute')", "llru(same_layer='near')", "lfu(history='cache')", "lfu-window(window=3)")
SHIPPED = [
    e.name
    for e in registry.entries("policy")
    if e.obj.__module__.startswith("layered_paging.policies.")
    and (e.name == "belady" or not (resolve(e.name).offline or resolve(e.name).predicted))
]
NAMES = [*SHIPPED, *VARIANTS]


def same(a: lp.Run, b: lp.Run) -> bool:
    """Compare all counts."""
    fields = [f.name for f in dataclasses.fields(a) if f.name != "missed"]
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in fields)


def cut(trace: lp.Trace, places: list[int]) -> LongTrace:
    """Return the trace in parts that end at these rounds."""
    number = np.searchsorted(trace.sessions, np.arange(trace.rounds), side="right") - 1
    ends = sorted({p for p in places if 0 < p < trace.rounds} | {0, trace.rounds})

    def read(begin: int, end: int | None) -> Any:
        for a, b in itertools.pairwise(ends):
            rows = slice(max(a, begin), b if end is None else min(b, end))
            if rows.start < rows.stop:
                yield Part(trace.experts[rows], trace.stage[rows], number[rows])

    head = ("cut", trace.layers, trace.top_k, trace.n_experts, trace.expert_bytes, None)
    return LongTrace(*head, read, lambda: trace.sessions)


@st.composite
def traces(draw: st.DrawFn) -> lp.Trace:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    layers = draw(st.integers(1, 3))
    widths = [draw(st.integers(1, 6)) for _ in range(layers)]
    rounds = draw(st.integers(1, 40))
    top_k = draw(st.integers(1, 3))
    ids = np.full((rounds, layers, top_k), -1)
    for r in range(rounds):
        for j, n in enumerate(widths):
            some = rng.permutation(n)[: rng.integers(0, top_k + 1)]
            ids[r, j, rng.permutation(top_k)[: len(some)]] = some
    ids[0, 0, 0] = 0
    ids[0, 0, 1:] = -1
    starts = np.unique(np.append(np.flatnonzero(rng.random(rounds) < 0.15), 0))
    sizes = rng.integers(1, 5, sum(widths)) if draw(st.booleans()) else None
    return lp.Trace(ids, widths, starts, (rng.random(rounds) < 0.6).astype(int), sizes)


MODES = st.fixed_dictionaries(
    {
        "pool": st.sampled_from(["shared", "per-layer"]),
        "reset": st.sampled_from(["never", "session", "cache"]),
        "events": st.sampled_from(["atomic", "serial"]),
        "admission": st.sampled_from(["forced", "bypass"]),
        "ties": st.sampled_from(["page", "rank"]),
        "oversize": st.sampled_from(["allow", "allow", "error"]),
        "seed": st.integers(0, 2**64 + 3),
    }
)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25 if not os.environ.get("LAYERED_PAGING_FULL") else 300, deadline=None)
@given(
    trace=traces(),
    mode=MODES,
    share=st.floats(0, 1),
    in_bytes=st.booleans(),
    places=st.lists(st.integers(1, 39), max_size=8),
)
def test_parts_equal_the_whole(
    name: str, trace: lp.Trace, mode: dict[str, Any], share: float, in_bytes: bool, places: list[int]
) -> None:
    in_bytes = in_bytes and trace.page_bytes is not None
    total = int(trace.page_bytes.sum()) if in_bytes and trace.page_bytes is not None else trace.pages
    size = max(1, round(share * total))
    budget = {"budget_bytes": size} if in_bytes else {"slots": size}
    long = cut(trace, places)
    try:
        run = lp.replay(trace, name, **budget, **mode)
    except BudgetError:
        with pytest.raises(BudgetError):
            lp.replay(long, name, **budget, **mode)
        return
    ranked = mode["ties"] == "rank" and mode["events"] == "atomic"
    small = mode["pool"] == "per-layer" and size < trace.layers
    if name == "belady" and (in_bytes or ranked or small):
        with pytest.raises(ParameterError, match="in parts needs a budget in slots"):
            lp.replay(long, name, **budget, **mode)
    else:
        assert same(lp.replay(long, name, **budget, **mode), run)


@settings(max_examples=30, deadline=None)
@given(trace=traces(), mode=MODES, share=st.floats(0.3, 1), places=st.lists(st.integers(1, 39), max_size=8))
def test_the_reference_loop_goes_on(trace: lp.Trace, mode: dict[str, Any], share: float, places: list[int]) -> None:
    given_ = {"slots": max(1, round(share * trace.pages)), "engine": "reference", **mode, "oversize": "allow"}
    for name in ("lfu", "marking"):
        assert same(lp.replay(cut(trace, places), name, **given_), lp.replay(trace, name, **given_))


def test_long_histories_are_cut_short() -> None:
    """A page that lies unused for thousands of rounds, and cuts everywhere."""
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 3, (4000, 3))
    ids[[0, 1500, 3900], [0, 1, 2]] = [9, 8, 7]
    ids[rng.random(ids.shape) < 0.1] = -1
    trace = lp.Trace(ids, 10)
    for name in ("lru", "llru", "llru(rounds='absolute')", "belady"):
        for slots in (4, 11, 12, 30):
            whole = lp.replay(trace, name, slots, admission="bypass")
            assert same(lp.replay(LongTrace.of(trace, 37), name, slots, admission="bypass"), whole)
            assert same(lp.replay(LongTrace.of(trace, 400), name, slots), lp.replay(trace, name, slots))


@pytest.mark.parametrize("suffix", ["parquet", "jsonl", "jsonl.gz"])
def test_files_in_parts(suffix: str, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow") if suffix == "parquet" else None
    trace = lp.workloads.zipf(3, 8, 700, top_k=2, sessions=6)
    trace = lp.Trace(trace.experts, 8, trace.sessions, (np.arange(700) % 3 > 0).astype(int), [3, 4, 5])
    path = tmp_path / f"t.{suffix}"
    lp.save_trace(trace, path)
    long = lp.open_trace(path)
    assert long.rounds == 700 and long.n_experts == (8, 8, 8) and np.array_equal(long.starts, trace.sessions)
    assert "parquet" in repr(long) or "jsonl" in repr(long)
    for begin, end in ((0, None), (0, 1), (123, 456), (699, 700), (350, None)):
        got = np.concatenate([part.experts for part in long.parts(begin, end)])
        assert np.array_equal(got, trace.experts[begin:end])
    for options in ({"slots": 9, "reset": "session"}, {"budget_bytes": 40, "pool": "per-layer"}):
        assert same(lp.replay(long, "llru", **options), lp.replay(trace, "llru", **options))


@pytest.mark.parametrize(("pool", "in_bytes"), [*itertools.product(("shared", "per-layer"), (False, True))])
def test_what_is_needed_is_told_of_the_rounds_that_were_read(pool: str, in_bytes: bool) -> None:
    """Rounds 0 to 3 ask for one expert a layer, rounds 4 and 5 for two, rounds 6 to 8 for three."""
    widths = [1] * 4 + [2] * 2 + [3] * 3
    trace = lp.Trace([[[*range(w), -1, -1][:3]] * 2 for w in widths], 4, expert_bytes=1)
    long = cut(trace, [2, 5, 7])
    budget = "budget_bytes" if in_bytes else "slots"
    unit = "bytes" if in_bytes else "slots"
    ways = 1 if pool == "shared" else 2
    total = ways  # one slot a pool

    def told(whole: LongTrace | lp.Trace, size: int) -> tuple[int, str]:
        with pytest.raises(BudgetError) as caught:
            lp.replay(whole, "lru", pool=pool, **{budget: size})
        found = re.fullmatch(
            rf"{budget} must hold the largest event(?: of layer 0)? \((\d) {unit}\); got 1(.*) \(use at least (\d) in all, "
            r"or admission='bypass', or oversize='allow'\)",
            str(caught.value),
        )
        assert found is not None, caught.value
        assert int(found[3]) == ways * int(found[1])
        return int(found[1]), found[2]

    assert told(trace, total) == (3, "")
    assert told(LongTrace.of(trace), total) == (3, "")  # one part, which is known to be all
    assert told(long, total) == (2, "; read so far: rounds 0 to 4, and others may need more")
    # following the advice until it is true
    with pytest.raises(BudgetError, match="read so far: rounds 0 to 6, and others may need more"):
        lp.replay(long, "lru", pool=pool, **{budget: 2 * ways})
    assert lp.replay(long, "lru", pool=pool, **{budget: 3 * ways}).requests == trace.requests
    # the part that ends a trace of known length has been read to the end
    late = cut(trace, [6])
    late.rounds = trace.rounds
    with pytest.raises(BudgetError, match=r"got \d \(use at least"):
        lp.replay(late, "lru", pool=pool, **{budget: 2 * ways})


def test_what_does_not_go_in_parts(tmp_path: Path) -> None:
    trace = lp.workloads.zipf(2, 6, 50)
    long = LongTrace.of(trace, 7)
    with pytest.raises(ParameterError, match="needs whole prompts"):
        lp.replay(long, "lru", 4, prefill="merged")
    with pytest.raises(ParameterError, match="takes predictions"):
        lp.replay(long, "blind-oracle", 4)
    with pytest.raises(ParameterError, match="predictions are of a whole trace"):
        lp.replay(long, "blind-oracle", 4, predictions="perfect")
    with pytest.raises(ParameterError, match="one flag a request"):
        lp.replay(long, "lru", 4, record=True)
    with pytest.raises(ParameterError, match="half_life of at most"):
        lp.replay(long, "lfu-decay(half_life=100000)", 4)
    with pytest.raises(BudgetError, match="give slots or budget_bytes"):
        lp.replay(long, "lru")
    with pytest.raises(ParameterError, match="pool must be one of"):
        lp.replay(long, "lru", 4, pool="x")
    none = cut(trace, [])
    none._read = lambda begin, end: iter([Part(trace.experts[:2] * 0 - 1, trace.stage[:2], np.zeros(2, np.int64))])
    with pytest.raises(TraceError, match="at least one request"):
        lp.replay(none, "lru", 4)
    lp.save_trace(trace, tmp_path / "t.npz")
    with pytest.raises(FormatError, match="is not read in parts"):
        lp.open_trace(tmp_path / "t.npz")


def test_memory_does_not_grow(tmp_path: Path) -> None:
    """Five times the requests, which held at once would take 4 bytes each, in the same memory."""
    pytest.importorskip("pyarrow")
    folder = str(Path(__file__).parent / "benchmarks")
    code = f"import sys; sys.path.insert(0, {folder!r}); import json, long as b; a = json.loads(sys.argv[1]); "
    run = code + "print(json.dumps(b.one(*a)))"
    write = code + "b.generate(b.Path(a[0]), a[1])"
    path = str(tmp_path / "t.parquet")

    def call(what: str, *words: object) -> str:
        return subprocess.run(
            [sys.executable, "-c", what, json.dumps(words)], capture_output=True, text=True, check=True
        ).stdout

    call(write, path, 40_000_000)
    for policy in ("llru", "belady") if os.environ.get("LAYERED_PAGING_FULL") else ("llru",):
        short, full = (json.loads(call(run, path, policy, 192, n, 1_000_000)) for n in (8_000_000, None))
        assert short["equal"] and full["equal"]
        assert full["requests"] > 39_000_000
        assert full["peak_gib"] - short["peak_gib"] < 0.06
