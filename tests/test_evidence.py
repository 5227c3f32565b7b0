"""The sheet for maintainers: its counts are the replays', its gate is kept, one session gives no verdict."""

from __future__ import annotations

import contextlib
import io
import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import layered_paging as lp
from layered_paging.analysis.sheet import APART, budgets_of, evidence_sheet, loaded_by_round, state_size
from layered_paging.cli import main
from layered_paging.errors import BudgetError, ParameterError
from layered_paging.plan import Clock
from layered_paging.samples import SAMPLE


def workload(sessions: int = 6, seed: int = 3, **more: Any) -> lp.Trace:
    made = lp.workloads.markov(4, 8, 240, top_k=2, stickiness=0.5, exponent=1.0, seed=seed, sessions=sessions)
    return lp.Trace(made.experts, made.n_experts, made.sessions, **more)


def said(*words: object) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main([str(word) for word in words]) == 0
    return out.getvalue()


@pytest.mark.parametrize("reset", ["never", "session"])
def test_its_counts_are_replays(reset: str) -> None:
    trace = workload()
    found = evidence_sheet(trace, "llru", sizes=[8, 20], reset=reset)
    assert [one.size for one in found.compared] == [8, 20]
    for one in [*found.compared, *found.hot]:
        assert one.misses == lp.replay(trace, "llru", one.size, reset=reset).misses
        assert one.against == lp.replay(trace, "lru", one.size, reset=reset).misses
        assert one.optimum == lp.optimum(trace, one.size, admission="forced", reset=reset).misses
        assert one.saved.mean == pytest.approx((one.against - one.misses) / one.against)
    assert [one.size for one in found.hot] == [28, 32]
    assert found.hot[-1].misses == found.hot[-1].against == found.hot[-1].optimum


@pytest.mark.parametrize("sizes", ["one", "unequal"])
def test_bytes_are_weighed_by_session(sizes: str) -> None:
    each = 1000 if sizes == "one" else [(np.arange(8) % 3 + 1) * 1000] * 4
    trace = workload(expert_bytes=each)
    total = int(np.asarray(trace.page_bytes).sum())
    found = evidence_sheet(trace, "llru", sizes=[total // 4, total // 2], sized=True)
    one = found.compared[0]
    runs = [lp.replay(trace, name, budget_bytes=one.size, record=True) for name in ("lru", "llru")]
    assert (one.against_bytes, one.bytes) == (runs[0].bytes_read, runs[1].bytes_read)
    by_round = [loaded_by_round(run, trace) for run in runs]
    assert [int(cost.sum()) for cost in by_round] == [run.bytes_read for run in runs]
    by_session = [np.add.reduceat(cost, trace.sessions) for cost in by_round]
    assert one.saved.better == int((by_session[1] < by_session[0]).sum())
    assert one.saved.mean == pytest.approx(float((by_session[0] - by_session[1]).sum() / by_session[0].sum()))


def test_the_gate_decides() -> None:
    made = lp.workloads.markov(4, 8, 1800, top_k=2, stickiness=0.5, exponent=1.0, seed=3, sessions=12)
    trace = lp.Trace(made.experts, made.n_experts, made.sessions)
    plain = evidence_sheet(trace, "llru", sizes=[10, 20], gate=0.0)
    saved = min((one.saved for one in plain.compared), key=lambda one: one.mean)
    assert saved.half is not None and 0 < saved.half < saved.mean
    assert plain.verdict == "met"
    assert evidence_sheet(trace, "llru", sizes=[10, 20], gate=saved.mean).verdict == "open"
    assert evidence_sheet(trace, "llru", sizes=[10, 20], gate=0.9).verdict == "missed"
    swapped = evidence_sheet(trace, "lru", against="llru", sizes=[10, 20], gate=0.0)
    assert swapped.verdict == "missed"


@pytest.mark.parametrize("copies", [1, 4])
def test_one_session_gives_no_verdict(copies: int, tmp_path: Path) -> None:
    one = workload(sessions=1)
    experts = np.concatenate([one.experts] * copies)
    trace = lp.Trace(experts, one.n_experts, [n * one.rounds for n in range(copies)])
    found = evidence_sheet(trace, "llru", sizes=[8, 16], gate=0.0, reset="session")
    assert found.verdict == "none" and (found.sessions, found.distinct) == (copies, 1)
    for row in found.compared:
        assert row.outcome == "none" and row.saved.half is None and row.saved.half_blocks is not None
    path = tmp_path / "t.npz"
    lp.save_trace(trace, path)
    text = said("evidence", path, "--policy", "llru", "--slots", 8, 16, "--reset", "session")
    assert "**No verdict: this is one session's worth of evidence" in text
    assert ("(4 sessions, all the same)" in text) == (copies == 4)
    assert "meets the gate" not in text


def test_an_inversion_is_found() -> None:
    # where nine tenths of a loop fit, LIFO keeps what LRU throws away, and the other way about
    loop = np.tile(np.arange(20), 60).reshape(-1, 1, 1)
    trace = lp.Trace(np.concatenate([loop, loop[::-1] % 19]), 20, [0, 300, 600, 1200, 1500, 1800])
    found = evidence_sheet(trace, "lru", against="lifo", sizes=[5, 10], gate=0.0)
    assert found.inverted and found.verdict == "missed"
    assert found.hot[0].misses > found.hot[0].against
    assert not evidence_sheet(trace, "lifo", against="lru", sizes=[5, 10], gate=0.0).inverted


@given(
    layers=st.integers(1, 4), experts=st.integers(2, 24), top_k=st.integers(1, 3), rounds=st.integers(1, 30), seed=st.integers(0, 99)
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_default_budgets_are_far_apart_or_refused(
    layers: int, experts: int, top_k: int, rounds: int, seed: int
) -> None:
    trace = lp.workloads.uniform(layers, experts, rounds, top_k=min(top_k, experts), seed=seed)
    try:
        small, large = budgets_of(trace)
    except ParameterError as error:
        assert "far apart" in str(error)
        return
    assert trace.top_k <= small and APART * small <= large <= trace.pages
    sized = lp.Trace(trace.experts, trace.n_experts, expert_bytes=7)
    assert budgets_of(sized, sized=True) == [7 * small, 7 * large]


def test_state_is_counted_in_words() -> None:
    class Kept:
        def __init__(self) -> None:
            self.counts = {1: 2, 3: 4}
            self.bits = 1 << 200
            self.again = self.counts
            self.array = np.zeros(10, np.int32)
            self.call = print

    assert state_size(Kept()) == 4 + 4 + 5


def test_the_command_that_is_shown_gives_the_same_table(tmp_path: Path) -> None:
    path, target = tmp_path / "t.npz", tmp_path / "sheet.md"
    lp.save_trace(workload(expert_bytes=1 << 20), path)
    text = said(
        "evidence", path, "--policy", "llru", "--bytes", "8MiB", "20MiB", "--gate", "1.4285714%", "--compute", "2ms",
        "--bandwidth", "1GB", "--latency", "12.3456789ns", "--on-cpu", "0.125", "--cpu", "2ns", "--overlap", "-o", target,
    )  # fmt: skip
    assert text.index("Gate, fixed") < text.index("**Gate") < text.index("| budget |")
    shown = next(line for line in text.splitlines() if line.startswith("$ layered-paging"))

    def counts(sheet: str) -> list[str]:
        return [line for line in sheet.splitlines() if not line.startswith("- Cost")]

    assert counts(said(*shlex.split(shown)[2:])) == counts(text) == counts(target.read_text())
    assert counts(said(*shlex.split(shown)[2:], "--format", "md")) == counts(text)
    answer = json.loads(said(*shlex.split(shown)[2:], "--json"))
    first = answer["compared"][0]
    assert first["policy_speed"]["bytes_per_token"] == first["bytes"] / 240
    clock = Clock(0.002, 10**9, 12.3456789 * 1e-9, True, 0.125, 2 * 1e-9)
    assert first["policy_speed"]["tokens_per_second"] == clock.rate(first["misses"] / 240, first["bytes"] / 240)
    table = said(*shlex.split(shown)[2:], "--format", "csv").splitlines()
    assert (
        table[0].startswith("budget in bytes,policy,loads per token,MiB per token,hits %") and len(table) == 1 + 4 * 3
    )
    assert table[1].startswith(f"{8 << 20},lru,") and "| 8.00 MiB | lru |" in text


def test_the_engines_counter_is_compared(tmp_path: Path) -> None:
    path = tmp_path / "t.npz"
    trace = workload()
    lp.save_trace(trace, path)
    mine = lp.replay(trace, "lru", 8).misses
    words = ("evidence", path, "--policy", "llru", "--slots", 8, 16, "--counter")
    assert f"this replay {mine:,}: equal." in said(*words, mine)
    assert f"this replay {mine:,}: -1 here" in said(*words, mine + 1)


@pytest.mark.parametrize(
    ("given_", "error", "message"),
    [
        ({"sizes": [8, 15]}, ParameterError, "at least 2 times the smallest; got 8, 15"),
        ({"sizes": [8]}, ParameterError, "two budgets or more"),
        ({"gate": 1.0}, ParameterError, "gate must be"),
        ({"against": "llru"}, ParameterError, "must differ"),
        ({"against": "belady"}, ParameterError, "knows the future"),
        ({"sizes": [1, 8]}, BudgetError, "largest event"),
        ({"sized": True}, BudgetError, "expert_bytes"),
    ],
)
def test_what_is_refused(given_: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        evidence_sheet(workload(), "llru", **given_)


def test_the_seed_of_a_random_policy_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    for policy, said in (("marking", True), ("fifo", False)):
        assert main(["evidence", str(SAMPLE), "--policy", policy, "--slots", "24", "60"]) == 0
        assert ("- Random: marking; every figure is of seed 0 alone." in capsys.readouterr().out) == said


@pytest.mark.parametrize(("policy", "timed"), [("llru", "compiled replays"), ("plain", "both in the reference loop")])
def test_the_cost_says_what_was_timed(
    policy: str, timed: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A policy without a kernel is no reason to set its plain Python beside compiled code."""
    own = tmp_path / "own.py"
    own.write_text("from layered_paging.policies.lru import LRU\n\n\nclass Plain(LRU):\n    pass\n")
    name = policy if policy == "llru" else f"{own}:Plain"
    assert main(["evidence", str(SAMPLE), "--policy", name, "--against", "lru", "--slots", "15", "48"]) == 0
    cost = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("- Cost: "))
    assert f"({timed}" in cost
