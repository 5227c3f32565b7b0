"""The offline optimum: every solver agrees, and the order relations of the problem hold."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import example, given, settings

import layered_paging as lp
from layered_paging.core.layout import lay_out
from layered_paging.core.program import has_cbc
from layered_paging.core.rules import Rules
from layered_paging.engine import step as reference
from layered_paging.engine.task import Task
from layered_paging.offline import furthest, recount
from layered_paging.policies.spec import PolicySpec


@st.composite
def traces(draw: Any, rounds: int = 14, layers: int = 4, width: int = 4, sessions: bool = True) -> lp.Trace:
    """Small random traces: top_k 1-4, 1-4 layers, missing entries, sessions."""
    n_layers = draw(st.integers(1, layers))
    n_rounds = draw(st.integers(1, rounds))
    top_k = draw(st.integers(1, width))
    n_experts = draw(st.integers(top_k, top_k + 4))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    experts = np.argsort(rng.random((n_rounds, n_layers, n_experts)), axis=2)[:, :, :top_k]
    if draw(st.booleans()):
        experts = np.where(rng.random(experts.shape) < 0.25, -1, experts)
        experts[0, 0, 0] = 0
        experts[0, 0, 1:] = -1
    starts = [0, *sorted(draw(st.sets(st.integers(1, n_rounds), max_size=2)) - {n_rounds})] if sessions else [0]
    stage = rng.integers(0, 2, n_rounds)
    return lp.Trace(experts, n_experts, starts, stage, expert_bytes=rng.integers(1, 9, n_layers * n_experts))


MODELS = st.fixed_dictionaries(
    {
        "admission": st.sampled_from(["forced", "bypass"]),
        "pool": st.sampled_from(["shared", "per-layer"]),
        "reset": st.sampled_from(["never", "session"]),
        "events": st.sampled_from(["atomic", "serial"]),
        "prefill": st.sampled_from(["token", "merged"]),
    }
)


def least(trace: lp.Trace, model: dict[str, str]) -> int:
    """Return the least legal number of slots."""
    if model["admission"] == "bypass":
        return 1
    grid = lay_out(trace, Rules(events=model["events"], prefill=model["prefill"]))
    return grid.largest_event() * (trace.layers if model["pool"] == "per-layer" else 1)


@given(traces(), MODELS, st.integers(0, 9), st.booleans())
@settings(max_examples=100)
def test_solvers_agree(trace: lp.Trace, model: dict[str, str], extra: int, warmed: bool) -> None:
    slots = least(trace, model) + extra
    warm = list(range(0, trace.pages, 3))[: slots // trace.layers] if warmed else []
    if model["pool"] == "per-layer":
        warm = warm[: slots // trace.layers]
    best = lp.optimum(trace, slots, warm=warm, **model)
    assert best.solver == "belady" and best.exact
    assert recount(best.schedule) == (best.misses, best.misses)
    assert (
        best.misses
        == int(best.misses_by_layer.sum())
        == int((~best.schedule.hits & (best.schedule.grid.experts >= 0)).sum())
    )
    lp.certify.check(best.certificate, trace)
    for solver in ("paths", "highs", "networkx"):
        other = lp.optimum(trace, slots, warm=warm, solver=solver, **model)
        assert other.misses == best.misses, solver
        lp.certify.check(other.certificate, trace)
        assert recount(other.schedule).misses == best.misses


@given(traces(), MODELS, st.integers(0, 9), st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_weighted_solvers_agree(trace: lp.Trace, model: dict[str, str], extra: int, seed: int) -> None:
    slots = least(trace, model) + extra
    costs = np.random.default_rng(seed).integers(0, 6, trace.pages)
    found = {}
    for solver in ("paths", "highs", "networkx", "ilp", *(["cbc"] if has_cbc() else [])):
        best = lp.optimum(trace, slots, costs=costs, solver=solver, **model)
        found[solver] = best.cost
        lp.certify.check(best.certificate, trace)
        assert recount(best.schedule, costs=costs) == (best.misses, best.cost)
    assert len(set(found.values())) == 1, found
    scaled = lp.optimum(trace, slots, costs=costs * 7, solver="networkx", **model)
    assert scaled.cost == 7 * found["networkx"]


@given(traces(rounds=3, layers=3, width=2), MODELS, st.integers(0, 3), st.booleans())
@settings(max_examples=40)
def test_brute_force_agrees(trace: lp.Trace, model: dict[str, str], extra: int, weighted: bool) -> None:
    slots = least(trace, model) + extra
    costs = np.arange(trace.pages) % 4 if weighted else None
    warm = [0] if slots >= trace.layers else []
    try:
        brute = lp.optimum(trace, slots, costs=costs, warm=warm, solver="brute", **model)
    except lp.LayeredPagingError as error:
        assert "brute force" in str(error)
        return
    best = lp.optimum(trace, slots, costs=costs, warm=warm, **model)
    assert best.cost == brute.cost
    lp.certify.check(brute.certificate, trace)


@given(traces(rounds=5, layers=2, width=2), MODELS, st.integers(0, 12))
@settings(max_examples=40)
def test_bytes(trace: lp.Trace, model: dict[str, str], extra: int) -> None:
    """In bytes: brute force and the integer program agree, and the bracket of every solver holds the optimum."""
    sizes = trace.page_bytes
    assert sizes is not None
    try:
        exact = lp.optimum(trace, budget_bytes=18 * trace.layers + extra, solver="ilp", **model)
    except lp.LayeredPagingError as error:
        assert "must hold the largest event" in str(error) or "not even one" in str(error)
        return
    lp.certify.check(exact.certificate, trace)
    if exact.slots is not None:
        assert exact.certificate.kind == "optimum"
        return
    assert exact.exact and recount(exact.schedule, sizes=sizes).misses == exact.misses
    if has_cbc():
        again = lp.optimum(trace, budget_bytes=18 * trace.layers + extra, solver="cbc", **model)
        assert again.exact and again.cost == exact.cost
    assert exact.bounds[0] <= exact.misses == exact.bounds[1]
    for solver in ("lp", "belady", "brute"):
        try:
            other = lp.optimum(trace, budget_bytes=18 * trace.layers + extra, solver=solver, **model)
        except lp.LayeredPagingError as error:
            assert "brute force" in str(error)
            continue
        low, high = other.bounds
        assert low <= exact.misses <= high
        lp.certify.check(other.certificate, trace)
        if solver == "brute":
            assert other.misses == exact.misses
        elif low < high:
            assert not other.exact and "No optimum" in repr(other)
            with pytest.raises(lp.LayeredPagingError, match="is not known"):
                _ = other.misses
            with pytest.raises(lp.LayeredPagingError, match="is not known"):
                _ = other.cost


@given(traces(), MODELS, st.integers(0, 6))
@settings(max_examples=40)
def test_order_relations(trace: lp.Trace, model: dict[str, str], extra: int) -> None:
    slots = least(trace, model) + extra

    def misses(slots: int, **changes: str) -> int:
        return lp.optimum(trace, slots, **(model | changes)).misses

    here = misses(slots)
    assert misses(slots + 1) <= here
    assert misses(slots, pool="shared") <= misses(slots, pool="per-layer") if model["pool"] == "per-layer" else True
    if model["admission"] == "forced":
        largest = lay_out(trace, Rules(events=model["events"], prefill=model["prefill"])).largest_event()
        assert misses(slots, admission="bypass") <= here
        if model["pool"] == "shared":
            assert misses(slots + largest) <= misses(slots, admission="bypass")
        if model["events"] == "atomic" and model["prefill"] == "token":
            assert misses(slots, events="serial") <= here
    assert misses(slots, reset="never") <= misses(slots, reset="session")
    lru = lp.replay(trace, "lru", slots, **model)
    assert here <= lru.misses and lru.compulsory <= here


@given(traces(), st.sampled_from(["forced", "bypass"]), st.integers(0, 6), st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_renaming_changes_nothing(trace: lp.Trace, admission: str, extra: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = np.stack([rng.permutation(trace.n_experts[0]) for _ in range(trace.layers)])
    experts = np.asarray(trace.experts)
    renamed = np.where(experts >= 0, names[np.arange(trace.layers)[:, None], experts], -1)
    other = lp.Trace(renamed, trace.n_experts, trace.sessions, trace.stage)
    slots = trace.top_k + extra
    assert lp.optimum(trace, slots, admission=admission).misses == lp.optimum(other, slots, admission=admission).misses


@given(traces(), st.sampled_from(["forced", "bypass"]), st.sampled_from(["uniform", "weighted"]), st.integers(0, 8))
@settings(max_examples=40)
@example(lp.Trace([[0], [1], [0]], n_experts=2), "forced", "uniform", 0)
def test_free_quotas(trace: lp.Trace, admission: str, kind: str, extra: int) -> None:
    """The dynamic program over layers equals the integer program with quotas as variables, and is certified."""
    from layered_paging.offline import integral
    from layered_paging.offline.problem import pose

    slots = trace.top_k * trace.layers + extra
    costs = None if kind == "uniform" else np.arange(trace.pages) % 3
    best = lp.optimum(trace, slots, admission=admission, quotas="free", costs=costs)
    lp.certify.check(best.certificate, trace)
    assert sum(best.split) <= slots
    assert recount(best.schedule, costs=costs).cost == best.cost
    assert best.cost <= lp.optimum(trace, slots, admission=admission, pool="per-layer", costs=costs).cost
    assert best.cost >= lp.optimum(trace, slots, admission=admission, costs=costs).cost
    assert best.cost == lp.optimum(trace, admission=admission, quotas=best.split, costs=costs).cost
    problem = pose(trace, slots, Rules.with_quotas("free", admission=admission), costs=costs)
    models = [problem.model(part, 0) for part in problem.parts]
    answer = integral.solve(models, slots)
    assert answer.proved
    assert sum(m.value(k) for m, k in zip(models, answer.kept, strict=True)) == best.cost


class Furthest:
    """Furthest next use as a policy that was told the future, for the reference loop."""

    def __init__(self, grid: Any, resets: bool) -> None:
        self.future: dict[int, list[tuple[int, int, int]]] = {}
        self.now = (0, -1)
        for n, event in enumerate(grid.events()):
            for q, page in enumerate(event.pages):
                key = n * grid.shape[2] + q if grid.ranked else n
                self.future.setdefault(page, []).append((event.session if resets else 0, n, key))
        self.resets = resets

    def hit(self, page: int, time: Any) -> None:
        pass

    miss = hit

    def due(self, page: int, now: int, session: int) -> float:
        later = [key for s, n, key in self.future[page] if n > now and s == session]
        return later[0] if later else float("inf")


@given(traces(), MODELS, st.integers(0, 6), st.booleans(), st.booleans(), st.sampled_from(["page", "rank"]))
@settings(max_examples=100)
def test_furthest_equals_the_reference(
    trace: lp.Trace, model: dict[str, str], extra: int, in_bytes: bool, allow: bool, ties: str
) -> None:
    """The compiled counts, flags and bytes equal a literal reading of the rule."""
    grid = lay_out(trace, Rules(events=model["events"], prefill=model["prefill"], ties=ties))
    sizes = trace.page_bytes
    assert sizes is not None
    bypass, resets = model["admission"] == "bypass", model["reset"] == "session"
    largest = max(sum(int(sizes[p]) if in_bytes else 1 for p in e.pages) for e in grid.events())
    capacity = max(1, (1 if bypass or allow else largest) + extra * (4 if in_bytes else 1))
    policy = Furthest(grid, resets)

    def victim(candidates: list[int], time: Any) -> int:
        now = time.round * grid.stride + int(np.flatnonzero(grid.layer == time.layer)[0])
        if model["events"] == "serial":
            now = time.clock
        session = int(np.searchsorted(grid.starts, time.round, side="right")) - 1 if resets else 0
        return max(candidates, key=lambda p: (policy.due(p, now, session), -p))

    policy.victim = victim  # type: ignore[attr-defined]
    admission, oversize = "bypass" if bypass else "forced", "allow" if allow else "error"
    rules = Rules(reset=model["reset"], admission=admission, oversize=oversize)
    options: dict[str, Any] = {"sizes": sizes, "in_bytes": in_bytes, "record": True}
    spec = PolicySpec("given", "given", lambda instance: policy)
    want = reference.play(Task(grid, spec, trace.instance(1), capacity, rules, **options))
    got = furthest(grid, capacity, rules, **options)
    assert got.misses.tolist() == want.misses.tolist()
    assert got.layer_misses.tolist() == want.layer_misses.tolist()
    if model["events"] == "serial" or ties == "page" or in_bytes:
        assert got.missed_bytes == want.missed_bytes
        assert np.array_equal(got.flags, want.flags)


@given(
    traces(rounds=8), st.sampled_from(["forced", "bypass"]), st.sampled_from(["never", "session"]), st.integers(0, 6)
)
@settings(max_examples=60)
def test_lookahead(trace: lp.Trace, admission: str, reset: str, extra: int) -> None:
    slots = trace.top_k + extra
    options = {"admission": admission, "reset": reset}
    best = lp.optimum(trace, slots, **options)
    far = lp.optimum(trace, slots, lookahead=trace.rounds, **options)
    assert far.misses == best.misses and not far.exact
    for rounds in (0, 2):
        seen = lp.optimum(trace, slots, lookahead=rounds, **options)
        assert best.misses <= seen.misses == slow_oracle(trace, slots, rounds, admission, reset)
        assert recount(seen.schedule).misses == seen.misses
        with pytest.raises(lp.LayeredPagingError, match="no certificate"):
            _ = seen.certificate


def slow_oracle(trace: lp.Trace, slots: int, rounds: int, admission: str, reset: str) -> int:
    grid = lay_out(trace)
    events = list(grid.events())
    cache: set[int] = set()
    last: dict[int, int] = {}
    misses = 0
    for n, event in enumerate(events):
        if reset == "session" and n and events[n - 1].session != event.session:
            cache = set()
        misses += len(set(event.pages) - cache)
        cache |= set(event.pages)
        last |= dict.fromkeys(event.pages, n)
        window = [
            (m, e)
            for m, e in enumerate(events)
            if m > n and e.time.round <= event.time.round + rounds and (reset == "never" or e.session == event.session)
        ]
        while len(cache) > slots:
            free = cache if admission == "bypass" else cache - set(event.pages)
            due = {p: next((m for m, e in window if p in e.pages), None) for p in free}
            dark = [p for p in free if due[p] is None]
            victim = min(dark, key=lambda p: (last[p], p)) if dark else max(free, key=lambda p: (due[p] or 0, -p))
            cache.remove(victim)
    return misses


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"slots": 1}, "must hold the largest event"),
        ({"slots": 0}, "slots must be an integer of at least 1"),
        ({"slots": -3}, "slots must be an integer of at least 1"),
        ({}, "give slots or budget_bytes"),
        ({"slots": 3, "budget_bytes": 10}, "give slots or budget_bytes"),
        ({"slots": 3, "admission": "both"}, "admission must be one of"),
        ({"slots": 3, "costs": [-1] * 8}, r"costs\[0\] must be at least 0"),
        ({"slots": 3, "costs": [0.5] * 8}, "costs must be integers"),
        ({"slots": 3, "costs": [1, 2, 3]}, "one for each of 2 layers or of 8 pages; got 3"),
        ({"slots": 3, "costs": "bytes"}, "needs a trace with expert_bytes"),
        ({"slots": 3, "costs": [2**60] * 8}, "below 2\\^61"),
        ({"slots": 3, "solver": "magic"}, "solver must be one of"),
        ({"slots": 3, "solver": "belady", "costs": [1, 2]}, "exact for equal costs only"),
        ({"slots": 3, "warm": [0, 0]}, "warm must hold distinct pages"),
        ({"slots": 3, "warm": [0, 1, 2, 3]}, "it holds 3"),
        ({"slots": 3, "warm": [99]}, "warm must hold distinct pages below 8"),
        ({"slots": 3, "quotas": "free"}, "must hold the largest event of every layer"),
        ({"quotas": [1, 4]}, "quota of layer 0 must hold its largest event"),
        ({"slots": 9, "quotas": [4, 4]}, "quotas must sum to slots"),
        ({"budget_bytes": 10}, "needs a trace with expert_bytes"),
        ({"slots": 3, "lookahead": -1}, "lookahead must be an integer"),
        ({"slots": 3, "lookahead": 1, "costs": "bytes"}, "needs a trace|takes neither"),
        ({"slots": 3, "time_limit": 0}, "time_limit must be above 0"),
    ],
)  # fmt: skip
def test_refusals(arguments: dict[str, Any], message: str) -> None:
    trace = lp.Trace([[[0, 1], [2, 3]], [[1, 2], [0, 3]]], n_experts=4)
    with pytest.raises(lp.LayeredPagingError, match=message) as caught:
        lp.optimum(trace, **({"admission": "forced"} | arguments))
    assert "\n" not in str(caught.value)


FIELD = {
    ("forced", "shared"): ("62.957", "82.710", "91.696"),
    ("forced", "per-layer"): ("44.628", "77.662", "89.137"),
    ("bypass", "shared"): ("63.534", "82.849", "91.742"),
    ("bypass", "per-layer"): ("61.530", "81.192", "90.323"),
}


def test_published_hit_rates(traces: Any) -> None:
    """The optimum rows of the table of check values, to every digit, each with its certificate."""
    data = np.load(traces / "gpt_oss_20b.npz")
    trace = lp.Trace(data["experts"], n_experts=32, sessions=data["offsets"][:-1])
    for (admission, pool), rates in FIELD.items():
        for per_layer, rate in zip((4, 8, 12), rates, strict=True):
            best = lp.optimum(trace, 24 * per_layer, admission=admission, pool=pool, reset="session")
            assert f"{100 * best.hit_rate:.3f}" == rate
    lp.certify.check(best.certificate, trace)


@pytest.mark.parametrize("name", ["qwen3_30b_a3b", "gpt_oss_120b"])
def test_published_curves(traces: Any, name: str) -> None:
    """The rows ``belady`` of the published curves, every column to the printed digit."""
    data = np.load(traces / f"{name}.npz")
    sizes = data["expert_bytes"]
    trace = lp.Trace(data["experts"], n_experts=128, stage=data["phase"], expert_bytes=sizes)
    grid = lay_out(trace, Rules(prefill="merged", ties="rank"))
    requests = np.zeros(2)
    for event in grid.events():
        requests[event.stage] += len(event.pages)
    rows = [line.split(",") for line in (traces / f"{name}.curve.csv").read_text().split() if ",belady," in line]
    assert len(rows) == 11
    for budget, _, all_rate, decode_rate, read in rows:
        counts = furthest(grid, int(budget) << 20, Rules(oversize="allow"), sizes=trace.page_bytes, in_bytes=True)
        misses = counts.misses.sum(axis=0)
        assert f"{100 - 100 * misses.sum() / requests.sum():.3f}" == all_rate
        assert f"{100 - 100 * misses[1] / requests[1]:.3f}" == decode_rate
        assert f"{counts.missed_bytes / 2**20:.1f}" == read


def test_weighted_optimum_of_a_real_trace(traces: Any) -> None:
    """Costs in bytes, capacity in slots: exact and certified."""
    data = np.load(traces / "qwen3_30b_a3b.npz")
    trace = lp.Trace(data["experts"], n_experts=128, stage=data["phase"], expert_bytes=data["expert_bytes"])
    best = lp.optimum(trace, 600, admission="forced", costs="bytes")
    lp.certify.check(best.certificate, trace)
    assert best.cost <= lp.replay(trace, "lru", 600).bytes_read
