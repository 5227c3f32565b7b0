"""The diagnosis: its counts are those of replay and optimum, and its verdict is what another policy would change."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest

import layered_paging as lp
from layered_paging.analysis.evidence import distinct_sessions
from layered_paging.errors import BudgetError, CertificateRejected


def test_a_loop_is_a_failure_of_lru() -> None:
    # A loop over 3 tokens' experts: LRU with room for 2 tokens never hits, the optimum keeps a part.
    trace = lp.Trace(np.arange(300)[:, None].repeat(4, axis=1) % 3, 3)
    found = lp.diagnose(trace, 8, policies=["lru", "llru"])
    assert found.verdict == "reference"  # a fixed set of pages hits; no policy tried here does
    assert found.misses == trace.requests > found.references[0]["misses"]
    assert lp.diagnose(trace, 8, policies=["lru", "lifo"]).verdict == "policy"
    assert found.optimum == lp.optimum(trace, 8, admission="forced").misses
    assert found.sentences[0].startswith("Policy failure")


def test_working_set_failure() -> None:
    trace = lp.workloads.uniform(4, 32, 200, seed=1)
    found = lp.diagnose(trace, 8, policies=["lru"])
    assert found.verdict == "working set"
    assert found.bypass == lp.optimum(trace, 8, admission="bypass").misses


def test_cold() -> None:
    trace = lp.Trace(np.arange(8)[:, None], 8)
    found = lp.diagnose(trace, 4)
    assert (found.verdict, found.compulsory, found.optimum) == ("cold", 8, 8)
    assert "first requests" in found.sentences[0]


def test_the_cliff_is_named() -> None:
    trace = lp.workloads.zipf(6, 8, 100, top_k=2, seed=2)
    assert "below the cliff" in " ".join(lp.diagnose(trace, 10).sentences)
    assert lp.replay(trace, "lru", 10).hits == 0
    assert "on the cliff" in " ".join(lp.diagnose(trace, 11).sentences)
    assert "the budget holds 2.00 rounds" in " ".join(lp.diagnose(trace, 24).sentences)


@pytest.mark.parametrize("gone", [0, 1, 7])
def test_the_cliff_is_named_although_events_are_missing(gone: int) -> None:
    ids = lp.workloads.zipf(6, 8, 100, top_k=2, seed=2).experts.copy()
    ids[np.arange(gone) * 9, 5] = -1  # the last layer is left out now and then
    found = lp.diagnose(lp.Trace(ids, 8), 8)
    assert f"below the cliff: one round asks for 12 experts, and the cache holds {8 / 12:.2f}" in " ".join(
        found.sentences
    )
    assert found.requests - found.lru == lp.replay(lp.Trace(ids, 8), "lru", 8).hits


def test_parts_against_their_definitions() -> None:
    trace = lp.workloads.markov(4, 8, 150, top_k=2, stickiness=0.6, seed=3, sessions=3)
    found = lp.diagnose(trace, 12, reset="session", policy="fifo")
    for name, misses in found.by_policy.items():
        assert misses == lp.replay(trace, name, 12, reset="session").misses
    assert found.best == min(found.by_policy, key=lambda n: found.by_policy[n] or 0)
    assert (
        found.per_layer_optimum == lp.optimum(trace, 12, admission="forced", pool="per-layer", reset="session").misses
    )
    assert found.doubled == lp.replay(trace, found.best, 24, reset="session").misses
    # the share of repeats, counted plainly
    again = 0
    for r in range(1, trace.rounds):
        if r not in trace.sessions:
            again += sum(len(np.intersect1d(trace.experts[r, j], trace.experts[r - 1, j])) for j in range(4))
    assert found.repeated == round(again / trace.requests, 6)
    uses = np.sort(np.bincount((trace.experts + trace.first_page[:, None]).ravel(), minlength=32))[::-1]
    assert found.coverage["12 slots"] == round(uses[:12].sum() / uses.sum(), 6)
    assert found.to_dict()["slots"] == 12


def test_reuse_distances() -> None:
    # page 0 returns after 1 other page three times, after 3 others once
    trace = lp.Trace([[0], [1], [0], [1], [0], [2], [3], [1], [0]], 4)
    assert lp.diagnose(trace, 2).reuse == {"10 %": 2, "25 %": 2, "50 %": 2, "75 %": 4, "90 %": 4}


def sized() -> lp.Trace:
    """Return a trace whose popular experts are the large ones."""
    base = lp.workloads.zipf(2, 8, 60, seed=4)
    uses = np.bincount((base.experts + base.first_page[:, None]).ravel(), minlength=16)
    return lp.Trace(base.experts, 8, expert_bytes=np.where(uses > np.median(uses), 700, 100))


def test_bytes_are_replayed_and_bounded_in_bytes() -> None:
    trace, budget = sized(), 1999
    found = lp.diagnose(trace, budget_bytes=budget, policies=["lru", "lfu"])
    assert found.slots is None and found.budget_bytes == budget
    for name in ("lru", "lfu"):
        run = lp.replay(trace, name, budget_bytes=budget)
        assert (found.by_policy[name], found.bytes_by_policy[name]) == (run.misses, run.bytes_read)
    best = lp.optimum(trace, budget_bytes=budget, admission="forced", solver="ilp")
    assert found.optimum <= best.cost <= found.optimum_found
    loads = lp.optimum(trace, budget_bytes=budget, admission="forced", costs="bytes", solver="ilp")
    assert found.optimum_bytes is not None and found.optimum_bytes_found is not None
    assert found.optimum_bytes <= loads.cost <= found.optimum_bytes_found
    assert found.doubled == lp.replay(trace, found.best, budget_bytes=2 * budget).misses
    assert sum(found.parts.values()) == found.misses and min(found.parts.values()) >= 0
    with pytest.raises(BudgetError, match="budget_bytes must hold the largest event"):
        lp.diagnose(trace, budget_bytes=100)
    with pytest.raises(BudgetError, match="one of them"):
        lp.diagnose(trace)


def test_bytes_of_long_traces_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    from layered_paging.analysis import losses
    from layered_paging.offline import solve

    trace, budget = sized(), 1999
    monkeypatch.setattr(losses, "WEIGHTED", 10)
    room = losses.Room.of(trace, None, budget)
    program = losses.bounds(trace, room, "never")
    monkeypatch.setattr(solve, "PROGRAM", 10)
    for costs in (None, "bytes"):
        exact = lp.optimum(trace, budget_bytes=budget, admission="forced", costs=costs, solver="ilp").cost
        found = losses.bounds(trace, room, "never", costs=costs)
        assert found is not None and found.how == "relaxation" and found.least <= exact <= found.found
    least = losses.bounds(trace, room, "never")
    assert least is not None and program is not None and 0.95 * program.least < least.least <= program.least + 1
    for pool in ("shared", "per-layer"):
        for admission in ("forced", "bypass"):
            slots, rules = losses.Room.of(trace, 6, None), {"pool": pool, "admission": admission}
            exact = lp.optimum(trace, 6, costs="bytes", **rules).cost  # type: ignore[arg-type]
            loads = losses.bounds(trace, slots, "never", costs="bytes", **rules)
            assert loads is not None and 0.9 * exact <= loads.least <= exact <= loads.found


def test_the_bracket_in_slots_is_certified() -> None:
    from layered_paging.core.rules import Rules
    from layered_paging.offline.answer import bracket_in_slots

    trace = lp.Trace(lp.workloads.zipf(2, 8, 60, seed=4).experts, 8, expert_bytes=1)
    costs = [1, 9, 3, 2] * 4
    for reset in ("never", "session"):
        found = bracket_in_slots(trace, 5, Rules(reset=reset), costs)
        assert found.certificate.kind == "optimum-bound"
        lp.certify.check(found.certificate, trace)
        low, high = found.bounds
        assert low <= lp.optimum(trace, 5, admission="forced", reset=reset, costs=costs).cost <= high
        with pytest.raises(CertificateRejected):
            says = {**found.certificate.statement, "lower": low + 1}
            lp.certify.check(lp.certificate.Certificate("optimum-bound", says, found.certificate.evidence), trace)


def test_bytes_of_one_size_are_slots() -> None:
    base = lp.workloads.zipf(3, 8, 60, seed=4)
    ids = base.experts.copy()
    ids[:, 0] = -1  # what a layer without requests would weigh does not matter
    trace = lp.Trace(ids, 8, expert_bytes=[100, 300, 300])
    found = lp.diagnose(trace, budget_bytes=1999, policies=["lru", "llru"])
    assert (found.slots, found.optimum_how, found.layers, found.absent, found.pages) == (6, "exact", 2, [0], 16)
    assert found.optimum == lp.optimum(trace, 6, admission="forced").misses
    assert found.by_policy["lru"] == lp.replay(trace, "lru", 6).misses


def test_bytes_where_sizes_are_known() -> None:
    base = lp.workloads.zipf(2, 8, 60, seed=4)
    assert lp.diagnose(base, 6).optimum_bytes is None
    equal = lp.diagnose(lp.Trace(base.experts, 8, expert_bytes=100), 6)
    assert (equal.bytes_read, equal.optimum_bytes) == (100 * equal.misses, 100 * equal.optimum)
    trace = lp.Trace(base.experts, 8, expert_bytes=[100, 300])
    found = lp.diagnose(trace, 6)
    assert found.bytes_read == lp.replay(trace, "lru", 6).bytes_read
    assert found.optimum_bytes == lp.optimum(trace, 6, admission="forced", costs="bytes").cost
    assert any(sentence.startswith("In bytes: lru loads") for sentence in found.sentences)


# verdicts


def test_uniform_routing_is_no_failure_of_the_policy() -> None:
    for sessions, slots in ((1, 96), (8, 96), (1, 192)):
        trace = lp.workloads.uniform(8, 32, 400, top_k=4, seed=1, sessions=sessions)
        found = lp.diagnose(trace, slots)
        assert found.verdict in ("future", "working set")
        assert "Policy failure" not in " ".join(found.sentences)
        assert abs(found.repeated - found.repeated_by_chance) < 0.01
        held = f"{slots} slots"
        assert found.coverage_by_chance == pytest.approx(found.coverage[held], abs=0.01)


@pytest.mark.parametrize("slots", [100, 120, 200])
def test_verdict_and_recommendation_agree_on_uniform_routing(slots: int) -> None:
    """A change may be worth while although the verdict is not about policies; then both say so."""
    trace = lp.workloads.uniform(8, 32, 800, top_k=4, seed=1, sessions=8)
    found = lp.diagnose(trace, slots, policies=["lru", "llru"])
    assert found.verdict == "future" and found.best == "llru"
    advised = found.parts["tried"] >= 0.05 * found.misses
    assert advised == (slots < 200)
    assert ("worth a change, but only" in found.sentences[0]) == advised
    if advised:
        assert found.recommendation.startswith(
            "Recommendation: use llru instead of lru, though the largest part of the misses needs the future: "
        )
    else:
        assert found.recommendation.startswith("Recommendation: stay with lru; ")


def test_a_failure_that_sessions_do_not_bear_out_is_told() -> None:
    """One session in which LRU thrashes makes a failure of the whole, and no recommendation."""
    loop, rest = np.tile(np.arange(5), 60), [np.full(60, n) for n in range(5, 11)]
    trace = lp.Trace(np.concatenate([loop, *rest]).reshape(-1, 1, 1), 12, [0, *(300 + 60 * n for n in range(6))])
    found = lp.diagnose(trace, 4, policies=["lru", "lifo"])
    assert found.verdict == "policy" and found.recommendation.startswith("No recommendation yet")
    assert found.sentences[0].startswith("Policy failure on these sessions together, not session by session:")


def test_zipf_routing_is_a_failure_of_lru() -> None:
    trace = lp.workloads.zipf(8, 32, 400, top_k=4, seed=1, sessions=8)
    found = lp.diagnose(trace, 96)
    assert (found.verdict, found.best) == ("policy", "lfu")
    assert found.recommendation.startswith("Recommendation: use lfu instead of lru: ")
    assert found.evidence["distinct"] == 8 and found.evidence["half"] < found.evidence["mean"]
    fixed = found.references[0]
    assert fixed["least"] <= fixed["misses"] <= found.by_policy["lfu"]
    assert lp.diagnose(trace, 96, policies=["lru"]).verdict == "reference"


def test_the_bound_for_independent_requests_holds_on_average() -> None:
    """No online policy misses less on average, over seeds, than the best fixed set in hindsight leaves."""
    below = []
    for seed in range(12):
        trace = lp.workloads.zipf(3, 8, 80, top_k=2, seed=seed, exponent=0.6)
        found = lp.diagnose(trace, 9)
        below.append(min(c for c in found.by_policy.values() if c is not None) - found.references[0]["least"])
        uses = np.sort(np.bincount((trace.experts + trace.first_page[:, None]).ravel(), minlength=24))[::-1]
        assert found.references[0]["least"] == trace.requests - int(uses[:9].sum())
    assert np.mean(below) > 0


@pytest.mark.parametrize("reset", ["never", "session"])
def test_the_verdict_does_not_turn_round(reset: str) -> None:
    trace = lp.workloads.zipf(3, 16, 360, top_k=2, seed=5, sessions=12)
    assert lp.diagnose(trace, 12, reset=reset).verdict == "policy"


def copies(trace: lp.Trace, times: int) -> lp.Trace:
    return lp.Trace(np.tile(trace.experts, (times, 1, 1)), 32, np.arange(times) * trace.rounds)


@pytest.mark.parametrize("times", [1, 4])
def test_one_session_is_no_evidence_however_often(times: int) -> None:
    trace = copies(lp.workloads.zipf(8, 32, 60, top_k=4, seed=1), times)
    found = lp.diagnose(trace, 96, reset="session")
    assert found.evidence["distinct"] == 1 and found.evidence["half"] is None
    assert found.recommendation.startswith("No recommendation: this is one session's worth of evidence")
    assert ("4 sessions, all the same" in found.recommendation) == (times == 4)
    assert any(text.startswith("3 of 4 sessions repeat an earlier one") for text in found.sentences) == (times == 4)
    assert "±" not in found.recommendation + " ".join(found.sentences)


def test_copies_but_for_a_few_events_are_no_evidence() -> None:
    one = lp.workloads.zipf(6, 32, 20, top_k=4, seed=1)
    for changed in (1, 11):
        many = copies(one, 4)
        experts = np.array(many.experts)
        for at in range(changed):  # of 120 events of the second session
            experts[20 + at // 6, at % 6] = (experts[20 + at // 6, at % 6] + 1) % 32
        assert distinct_sessions(lp.Trace(experts, 32, many.sessions)) == [[0, 1, 2, 3]]
    experts = np.array(experts)
    experts[25:28] = (experts[25:28] + 1) % 32
    assert distinct_sessions(lp.Trace(experts, 32, many.sessions)) == [[0, 2, 3], [1]]


def test_constant_routing_makes_no_copies() -> None:
    """Sessions that are alike at every shift are alike because of the routing, not because one copies another."""
    rng = np.random.default_rng(1)
    experts = np.where(rng.random((80, 6, 1)) < 0.02, 1, 0)
    starts = [0, 20, 40, 60]
    assert len(distinct_sessions(lp.Trace(experts, 2, starts))) == 4


def test_copies_of_sessions_narrow_no_interval() -> None:
    one = lp.workloads.zipf(8, 32, 120, top_k=4, seed=1, sessions=4)
    starts = np.concatenate([one.sessions, one.sessions + 120, one.sessions + 240])
    many = lp.Trace(np.tile(one.experts, (3, 1, 1)), 32, starts)
    few = [lp.diagnose(t, 96, reset="session").evidence for t in (one, many)]
    assert few[1]["sessions"] == 12 and few[1]["distinct"] == 4
    assert few[0]["half"] == pytest.approx(few[1]["half"])


def test_prompts_are_said_to_be_served_at_once() -> None:
    base = lp.workloads.zipf(8, 32, 240, top_k=4, seed=1, sessions=12)
    prompts = lp.Trace(base.experts, 32, base.sessions, np.zeros(240, int))
    found = lp.diagnose(prompts, 200, reset="session", policies=["lru", "lfu", "fifo"])
    merged = lp.diagnose(prompts, 200, reset="session", policies=["lru", "lfu", "fifo"], prefill="merged")
    assert found.prompts is not None and found.prompts["rounds"] == 240
    for name in ("policy", "best"):
        wanted = lp.replay(prompts, getattr(found, name), 200, reset="session", prefill="merged").misses
        assert found.prompts[name] == wanted == merged.by_policy[getattr(found, name)]
    assert (
        found.prompts["optimum"]
        == merged.optimum
        == lp.optimum(prompts, 200, admission="forced", reset="session", prefill="merged").misses
    )
    assert merged.prompts is None
    small = lp.diagnose(prompts, 96, policies=["lru", "lfu"], reset="session")
    assert small.parts["tried"] > 0.05 * small.misses and small.verdict == "prefill"
    assert small.prompts is not None and small.prompts["policy"] == small.prompts["best"]
    assert small.recommendation.startswith("No recommendation: lfu has ")
    assert any("240 of 240 rounds are prefill" in sentence for sentence in small.sentences)


def test_a_dense_layer_logged_as_zeros_is_named() -> None:
    ids = np.concatenate([np.zeros((50, 1, 1), int), lp.workloads.zipf(2, 8, 50, seed=1).experts], axis=1)
    trace = lp.Trace(ids, 8)
    found = lp.diagnose(trace, 6)
    assert found.constant == [0] and any(s.startswith("Layer 0: always the same") for s in found.sentences)
    less = lp.transforms.without_layers(trace, [0])
    assert (lp.diagnose(less, 6).constant, lp.diagnose(less, 6).absent) == ([], [0])


def test_rounds_without_requests_are_not_counted_as_such() -> None:
    ids = lp.workloads.zipf(2, 8, 50, seed=1).experts.copy()
    ids[:9] = -1  # served from a prefix cache
    found = lp.diagnose(lp.Trace(ids, 8), 6)
    assert (found.rounds, found.demand, found.demand_most) == (41, 2, 2)


def test_the_table_of_verdicts_is_what_its_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path(__file__).parents[1] / "docs" / "explanation"
    names = runpy.run_path(str(folder / "verdicts.py"))
    names["main"]([])
    printed = capsys.readouterr().out.splitlines()
    page = (folder / "verdicts.md").read_text()
    assert len(printed) == 2 + 2 * len(names["MADE"])
    for line in printed:
        assert line in page
    for line in printed[2:]:
        assert ("**policy**" in line) == line.startswith(("| Zipf", "| drifting"))


def test_a_recommended_policy_stands_with_its_idea_and_cost() -> None:
    from layered_paging.analysis.costs import COSTS, about
    from layered_paging.analysis.diagnosis import USUAL

    assert set(USUAL) <= set(COSTS)
    found = lp.diagnose(lp.workloads.zipf(8, 32, 400, top_k=4, seed=1, sessions=8), 96)
    assert found.recommendation.endswith(about("lfu"))
    assert "Its idea: evict the page with the fewest uses" in about("lfu")
    assert "Its cost: a counter for every page" in about("lfu")
    assert about("fwf").startswith("Its idea: ") and "Its cost" not in about("fwf")
