"""A published table of cache misses, rerun with its own semantics."""

from __future__ import annotations

import csv
from fractions import Fraction
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

import layered_paging as lp
from layered_paging.reproduction import Study, of_paper

PAPER = "cacheable-by-design-2026"
RESULTS = {entry.name.split("/")[1]: entry for entry in of_paper(PAPER)}
FILE: dict[str, Any] = RESULTS["table"].obj.__globals__
STUDY = "qwen3_30b_a3b_top8_{}"


def one_layer(tokens: list[list[int]]) -> lp.Trace:
    return lp.Trace([[token] for token in tokens], n_experts=128)


def test_the_published_figures_are_those_of_the_authors_files(traces: Path) -> None:
    stated = FILE["published"]()
    assert len(stated) == 48
    for domain in ("code", "general"):
        with (traces / f"{STUDY.format(domain)}.cache.csv").open() as file:
            for row in csv.DictReader(file):
                found = stated.pop((domain, row["policy"], int(row["capacity"])))
                assert found == Fraction(row["demand_miss_per_tok"])
    assert not stated


def test_all_figures_come_out_and_atomic_events_close_the_gap(traces: Path) -> None:
    names = [STUDY.format(domain) for domain in ("code", "general")]
    study = Study("full", 0, [(name, lp.load_trace(traces / f"{name}.npz")) for name in names])
    found = RESULTS["table"].obj(study)
    assert found.agrees == "yes"
    assert [row["published"] for row in found.rows] == [row["ours"] for row in found.rows]
    gaps = RESULTS["events"].obj(study)
    assert gaps.agrees == "no"
    for row in gaps.rows:
        least = row["slots"] == 8
        assert (row["lru, atomic, forced"] == row["optimum, atomic, forced"]) == least
        assert row["optimum, one by one"] <= row["optimum, as published"]


def test_a_token_may_evict_what_it_asked_for() -> None:
    trace = one_layer([[0, 1], [2, 0], [1, 2]])
    # 0 and 1; 2 for 0, the first of a tie, and 0 again for 1; then 1 for 0, the first of a tie
    assert FILE["theirs"](trace, "lru", 2) == 5
    assert lp.replay(trace, "lru", 2).misses == 4  # as a whole: 2 for 1, then 1 for 0


def test_static_counts_all_tokens_and_loads_nothing() -> None:
    trace = one_layer([[3], [0], [0], [0], [0]])  # a fifth of five tokens pins 3
    assert FILE["theirs"](trace, "static", 1) == 4


def test_belady_does_not_see_the_rest_of_its_token() -> None:
    trace = one_layer([[0, 1], [2, 0], [1, 2]])
    assert FILE["theirs"](trace, "belady", 2) > lp.replay(trace, "belady", 2, events="serial").misses


@settings(max_examples=50)
@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=40), st.integers(1, 6), st.sampled_from(["lru", "lfu", "belady"])
)
def test_with_one_expert_a_token_the_policies_are_the_usual_ones(asked: list[int], slots: int, policy: str) -> None:
    trace = one_layer([[expert] for expert in asked])
    found = FILE["theirs"](trace, policy, slots, lowest=True)
    if policy == "lfu":
        assert lp.replay(trace, "belady", slots).misses <= found <= len(asked)
    else:
        assert found == lp.replay(trace, policy, slots).misses
