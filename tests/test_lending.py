"""Slots lent to the layer in flight: against a plain model of all layers together, in the order in which a prompt passes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

import layered_paging as lp
from layered_paging.cli import main
from layered_paging.core.layout import quotas
from layered_paging.core.parts import LongTrace
from layered_paging.core.rules import Rules
from layered_paging.engine.quotas import best_quotas
from layered_paging.engine.run import Wanted, replay_all
from layered_paging.errors import ParameterError
from layered_paging.policies.names import resolve
from layered_paging.samples import SAMPLE


@st.composite
def traces(draw: st.DrawFn) -> lp.Trace:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    layers, rounds, experts = draw(st.integers(1, 4)), draw(st.integers(1, 30)), draw(st.integers(1, 6))
    ids = rng.integers(0, experts, (rounds, layers, 1))
    if layers > 1 and rng.random() < 0.3:
        ids[:, rng.integers(layers)] = -1  # a layer without requests
    stage = (rng.random(rounds) < 0.3).astype(int)
    return lp.Trace(ids, experts, np.unique(np.append(np.flatnonzero(rng.random(rounds) < 0.1), 0)), stage)


def passes(trace: lp.Trace) -> Iterator[tuple[str, int, list[int]]]:
    """Yield ("prompt" or "token", session, rounds): what passes through all layers together."""
    session = np.searchsorted(trace.sessions, np.arange(trace.rounds), side="right") - 1
    r = 0
    while r < trace.rounds:
        end = r + 1
        if trace.stage[r] == 0:
            while end < trace.rounds and trace.stage[end] == 0 and session[end] == session[r]:
                end += 1
        yield "prompt" if trace.stage[r] == 0 else "token", int(session[r]), list(range(r, end))
        r = end


def model(trace: lp.Trace, slots: int, lend: str, resets: bool) -> list[int]:
    """Play LRU over all layers at once; return the misses of each."""
    quota = quotas(slots, trace.layers, trace.asked)
    held: list[OrderedDict[int, None]] = [OrderedDict() for _ in range(trace.layers)]
    missed, before = [0] * trace.layers, 0
    used = [j for j in range(trace.layers) if trace.asked[j]]
    for what, session, rounds in passes(trace):
        if session != before and resets:
            held = [OrderedDict() for _ in held]
        before = session
        for at, j in enumerate(used):
            room = quota[j]
            if what == "prompt" and lend != "none":
                lenders = used[at + 1 :] if lend == "waiting" else [i for i in used if i != j]
                for i in lenders:
                    held[i].clear()
                room += sum(quota[i] for i in lenders)
            for r in rounds:
                expert = int(trace.experts[r, j, 0])
                if expert not in held[j]:
                    missed[j] += 1
                held[j][expert] = None
                held[j].move_to_end(expert)
                while len(held[j]) > room:
                    held[j].popitem(last=False)
                assert sum(map(len, held)) <= slots
            while len(held[j]) > quota[j]:  # its turn ends
                held[j].popitem(last=False)
    return missed


@given(
    trace=traces(),
    extra=st.integers(0, 9),
    lend=st.sampled_from(["none", "waiting", "all"]),
    resets=st.booleans(),
)
@settings(deadline=None, max_examples=150)
def test_pools_alone_are_all_layers_together(trace: lp.Trace, extra: int, lend: str, resets: bool) -> None:
    if not trace.asked.any():
        return
    slots = int(trace.asked.sum()) + extra
    given = {"pool": "per-layer", "reset": "session" if resets else "never", "lend": lend}
    run = lp.replay(trace, "lru", slots, **given)
    assert run.misses_by_layer.tolist() == model(trace, slots, lend, resets)
    rules = Rules(**given)
    (parts,) = replay_all(LongTrace.of(trace, 3), [Wanted(resolve("lru"), slots)], rules)
    assert parts.misses_by_layer.tolist() == run.misses_by_layer.tolist()


def test_a_prompt_reads_each_expert_once_where_all_slots_hold_them() -> None:
    trace = lp.load_trace(SAMPLE)
    slots = max(trace.n_experts)
    for policy in ("lru", "sieve", "lfu-decay", "marking"):
        runs = {
            lend: lp.replay(trace, policy, 60, pool="per-layer", reset="session", lend=lend)
            for lend in ("none", "waiting", "all")
        }
        assert slots <= 60
        prompts = runs["all"].misses_by_session[:, 0].sum()
        once = lp.replay(trace, "lru", trace.pages, reset="session").misses_by_session[:, 0].sum()
        assert prompts == once < runs["waiting"].misses_by_session[:, 0].sum()
        assert runs["waiting"].misses < runs["none"].misses
        assert runs["all"].options["lend"] == "all"
        assert "lend" not in runs["none"].options


def test_bad_loans_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    trace = lp.Trace([[0], [1]], 2, stage=[0, 1])
    with pytest.raises(ParameterError, match="lend must be one of 'none', 'waiting', 'all'; got 'some'"):
        lp.replay(trace, "lru", 1, lend="some")
    with pytest.raises(ParameterError, match="lend needs pool per-layer and prefill token"):
        lp.replay(trace, "lru", 1, lend="all")
    with pytest.raises(ParameterError, match="lend has no compiled kernel"):
        lp.replay(trace, "lru", 1, pool="per-layer", lend="all", engine="kernel")
    with pytest.raises(ParameterError, match="quotas cannot be found layer by layer where layers lend"):
        best_quotas(trace, "lru", 1, rules=Rules(pool="per-layer", lend="all"))
    given = ["replay", str(SAMPLE), "--slots", "60", "--pool", "per-layer", "--lend", "waiting"]
    assert main([*given, "--optimum", "forced"]) == 2
    assert "--lend changes the order of requests: it goes without --optimum" in capsys.readouterr().err
    assert main(given) == 0
