"""The plan: its table is the replay's, its answers follow from the table, and what it cannot know it says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

import layered_paging as lp
from layered_paging.cli import main
from layered_paging.cli.plan import measured, target
from layered_paging.errors import NotRegistered, ParameterError
from layered_paging.plan import Clock, plan
from layered_paging.plan.answers import _knee
from layered_paging.plan.budgets import OPTIMUM, Row, budget_grid, table_of
from layered_paging.plan.engines import shipped
from layered_paging.samples import SAMPLE
from layered_paging.transforms import batch

RESET = {"reset": "session"}


@pytest.fixture(scope="module")
def trace() -> lp.Trace:
    return lp.load_trace(SAMPLE).select(range(8))


def test_every_figure_is_a_replays(trace: lp.Trace) -> None:
    clock = Clock(0.02, 1e8)
    sizes = [1 << 20, 2 << 20, 4 << 20]
    found = plan(trace, size=2 << 20, policies=["llru"], sizes=sizes, clock=clock, **RESET)
    assert found.table.sized and found.table.sizes == sizes
    for row in found.table.rows:
        if row.policy == OPTIMUM:
            best = lp.optimum(trace, row.slots, admission="forced", **RESET)
            assert row.misses == best.misses
        else:
            run = lp.replay(trace, row.policy, budget_bytes=row.budget, **RESET)
            assert (row.misses, row.loaded) == (run.misses, run.bytes_read / trace.rounds)
        assert row.seconds == clock.token(row.loads, row.loaded) and row.rate == 1 / row.seconds


@pytest.mark.parametrize("sized", [False, True])
@pytest.mark.parametrize("pool", ["shared", "per-layer"])
@pytest.mark.parametrize("reset", ["never", "session", "cache"])
@pytest.mark.parametrize("widths", [(5, 5, 5), (3, 6, 5)])
def test_one_pass_for_all_budgets_gives_the_replays_table(
    monkeypatch: pytest.MonkeyPatch, sized: bool, pool: str, reset: str, widths: tuple[int, ...]
) -> None:
    random = np.random.default_rng(sum(widths) + sized)
    ids = np.array([[random.permutation(n)[:2] for n in widths] for _ in range(40)])
    trace = lp.Trace(ids, widths, sessions=[0, 17], expert_bytes=[100] * 3)
    options = {"pool": pool, "reset": reset, "prefill": "token"}
    sizes = [400, 650, 710, 999, 1450, 1600] if sized else [2, 6, 7, 10, 14, 15, 20]
    tables = []
    for sweep in (0, 1 << 62):
        monkeypatch.setattr("layered_paging.plan.budgets.SWEEP", sweep)
        names = ["lfu-decay", "fifo", "lru"]
        tables.append(table_of(trace, names, sizes, sized=sized, clock=None, options=options))
    assert tables[0] == tables[1]
    for row in tables[0].of(OPTIMUM):
        budget = {"budget_bytes": row.budget} if sized else {"slots": row.slots}
        assert row.misses == lp.replay(trace, "belady", pool=pool, reset=reset, **budget).misses


def test_a_clock_is_fitted_to_ones_own_runs(trace: lp.Trace) -> None:
    truth = Clock(0.015, 5e7)
    runs = []
    for size in (1 << 20, 2 << 20, 3 << 20):
        run = lp.replay(trace, "lru", budget_bytes=size, **RESET)
        runs.append((size, truth.rate(run.misses / trace.rounds, run.bytes_read / trace.rounds)))
    found = plan(trace, measured=runs, policies=["llru"], sizes=[1 << 20, 4 << 20], **RESET)
    assert found.clock is not None and found.fit is not None
    assert found.clock.compute == pytest.approx(0.015) and found.clock.bandwidth == pytest.approx(5e7)
    assert "The clock was given and not measured." not in found.unknown
    assert "The clock fitted to 3 measured runs: 15.00 ms per token and 50 MB/s (95 %: 15.00 to 15.00 ms" in " ".join(
        found.sentences
    )
    two = plan(trace, measured=runs[:2], policies=["llru"], sizes=[1 << 20], **RESET)
    assert "(two runs leave no interval)" in " ".join(two.sentences)
    flat = plan(trace, measured=[(size, 40 - n) for n, (size, _) in enumerate(runs)], sizes=[1 << 20], **RESET)
    assert "and loads of no time (no intervals where" in " ".join(flat.sentences)


def test_a_target_is_the_smallest_budget_that_reaches_it(trace: lp.Trace) -> None:
    found = plan(trace, sized=False, policies=["llru"], target=("hits", 0.6), **RESET)
    smallest = found.target["smallest"]
    for name in ("lru", "llru"):
        rates = {row.slots: row.hit_rate for row in found.table.of(name)}
        assert smallest[name] == min(slots for slots, rate in rates.items() if rate >= 0.6)
    assert smallest[OPTIMUM] <= smallest["llru"]
    never = plan(trace, sized=False, policies=["llru"], sizes=[12, 24], target=("hits", 0.999), **RESET)
    assert never.target["smallest"]["lru"] is None and "never" in " ".join(never.sentences)


def test_what_is_in_use_is_not_said_to_be_shipped(trace: lp.Trace) -> None:
    found = plan(trace, size=24, sized=False, using="similar-rounds", engine="moe-infinity", sizes=[24, 48], **RESET)
    said = "moe-infinity ships nothing that misses less than similar-rounds, which is in use."
    assert said in found.sentences
    with pytest.raises(NotRegistered, match="unknown engine ''"):
        plan(trace, size=24, sized=False, engine="", **RESET)


def test_a_policy_is_judged_on_sessions_that_did_not_choose_it(trace: lp.Trace) -> None:
    found = plan(trace, size=24, sized=False, policies=["llru", "similar-rounds"], sizes=[24, 48], **RESET)
    best, other = found.chosen
    halves = [trace.select(range(n, 8, 2)) for n in (0, 1)]
    first = {name: lp.replay(halves[0], name, 24, **RESET).misses for name in ("lru", "llru", "similar-rounds")}
    assert best.policy == min(first, key=first.__getitem__) and best.sessions == 4
    mine, theirs = (lp.replay(halves[1], name, 24, **RESET).misses for name in (best.policy, "lru"))
    assert best.saved == 1 - mine / theirs
    assert best.policy == "similar-rounds"
    code = "it is code to write; our header for C has it (layered-paging export header)"
    assert f"No engine that is listed ships similar-rounds: {code}. Give --engine" in " ".join(found.sentences)
    ships = [lp.replay(halves[1], name, 24, **RESET).misses for name in ("classlru", "lru")]
    assert (other.policy, other.shipped, other.saved) == ("classlru", True, 1 - ships[0] / ships[1])
    assert any(
        line.startswith("Of what engines ship, switch on classlru: ") and "llama.cpp: --moe-cache-mib N" in line
        for line in found.sentences
    )
    single = plan(trace.select([0]), size=24, sized=False, policies=["similar-rounds"], sizes=[24, 48], **RESET)
    assert single.chosen[0].saved is None
    assert "one session's worth of evidence" in " ".join(single.sentences)
    assert "There is one session" in " ".join(single.unknown)


def test_the_same_with_the_policy_in_use(trace: lp.Trace) -> None:
    found = plan(trace, size=24, sized=False, policies=["similar-rounds"], sizes=range(12, 97, 4), **RESET)
    same = found.same_as["similar-rounds"]
    loads = {row.slots: row.loads for row in found.table.of("lru")}
    wanted = found.table.at("similar-rounds", 24).loads
    assert same > 24 and loads[same] <= wanted < loads[same - 4]


def test_a_log_that_does_not_fill_the_budget_is_said_to_be_short() -> None:
    ids = np.argsort(np.random.default_rng(0).random((5, 4, 8)), axis=2)[:, :, :2]
    trace = lp.Trace(ids, 16)  # of 64 pages at most 32 are asked for
    said = {size: plan(trace, size=size, sized=False, policies=["fifo"]) for size in (8, 40, 64)}
    short = {
        size: [line for line in found.unknown if "In this log of 5 tokens" in line] for size, found in said.items()
    }
    assert (short[8], len(short[40]), short[64]) == ([], 1, [])
    enough = {
        size: "All experts together are 64 slots: the budget is enough." in said[size].sentences[0] for size in said
    }
    assert enough == {8: False, 40: False, 64: True}


def test_uniform_routing_asks_for_memory() -> None:
    ids = np.argsort(np.random.default_rng(0).random((400, 4, 16)), axis=2)[:, :, :2]
    found = plan(lp.Trace(ids, 16), size=32, sized=False, policies=["fifo"], sizes=[16, 32, 64])
    assert found.sentences[0].startswith("The memory: no policy tried")


@pytest.mark.parametrize(
    ("costs", "knee"), [([10, 4, 3.9, 3.8], 20), ([10, 9, 8, 7], 40), ([4, 4, 4, 4], None), ([10, 10, 1, 1], 30)]
)
def test_the_knee(costs: list[float], knee: int | None) -> None:
    rows = [Row("lru", s, None, 0, 0.0, cost, 0.0, None, None) for s, cost in zip((10, 20, 30, 40), costs, strict=True)]
    assert _knee(rows, False) == knee


def test_a_log_without_sizes_has_no_clock(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lp.save_trace(lp.Trace([[0], [1], [0], [2]], 3), tmp_path / "t.npz")
    words = ["plan", str(tmp_path / "t.npz"), "--slots", "2", "--compute", "20ms", "--bandwidth", "1GB"]
    assert main(words) == 2
    assert "--expert-bytes" in capsys.readouterr().err
    for command, rest in (("plan", []), ("diagnose", []), ("evidence", ["8MB", "--policy", "llru"])):
        assert main([command, words[1], "--bytes", "2MB", *rest]) == 2
        assert "(use --slots, or --expert-bytes)" in capsys.readouterr().err
    assert main([*words, "--expert-bytes", "6MB", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert {row["loaded"] / row["loads"] for row in rows if row["loads"]} == {6e6}
    assert main([*words[:1], str(SAMPLE), *words[2:], "--expert-bytes", "6MB"]) == 2


def test_an_engine_restricts_what_is_advised(trace: lp.Trace) -> None:
    found = plan(trace, size=24, sized=False, policies=["similar-rounds"], engine="llama.cpp", sizes=[24, 48], **RESET)
    assert len(found.chosen) == 1 and found.chosen[0].policy in {"lru", *shipped("llama.cpp")}
    text = " ".join(found.sentences)
    assert "similar-rounds" not in text and "--moe-cache-mib N" in text
    assert not any("one pool" in line for line in found.unknown)
    likeness = [line for line in found.unknown if line.startswith(f"How near {found.chosen[0].policy} here is")]
    assert len(likeness) == (found.chosen[0].policy != "lru")
    other = plan(trace, size=24, sized=False, policies=[], engine="mixtral-offloading", sizes=[24, 48], **RESET)
    assert "mixtral-offloading has one pool per layer" in " ".join(other.unknown)
    with pytest.raises(NotRegistered, match=r"available: llama\.cpp"):
        plan(trace, size=24, sized=False, engine="abacus")


def test_bad_input_is_refused(trace: lp.Trace) -> None:
    plain = lp.Trace([[0], [1]], 2)
    with pytest.raises(ParameterError, match="knows the future"):
        plan(trace, size=24, sized=False, policies=["belady"])
    for words, options in [
        ("needs a clock", {"target": ("rate", 5.0)}),
        ("one of them", {"clock": Clock(1, 1), "measured": [(1 << 20, 1.0), (1 << 21, 2.0)]}),
        ("above 0", {"measured": [(1 << 20, 0.0), (1 << 21, 2.0)]}),
    ]:
        with pytest.raises(ParameterError, match=words):
            plan(trace, sizes=[1 << 20], **options)
    with pytest.raises(ParameterError, match="expert_bytes"):
        plan(plain, size=1 << 20, sized=True)
    for text, sized in (("6GiB", True), ("6:9", True), ("6GiB:9", False), ("xGiB:9", True), ("6GiB:-1", True)):
        with pytest.raises(ParameterError, match="--measured"):
            measured(text, sized)
    assert measured("6GiB:9.8, 8GiB:12", True) == [(6 << 30, 9.8), (8 << 30, 12.0)]
    assert target("15tok/s") == ("rate", 15.0) and target("80%hits") == ("hits", 0.8)
    with pytest.raises(ParameterError, match="--target"):
        target("fast")
    assert target("100%hits") == ("hits", 1.0)
    for text in ("0tok/s", "0%hits", "100.5%hits", "150%hits"):
        with pytest.raises(ParameterError, match="--target must be above 0"):
            target(text)
    with pytest.raises(ParameterError, match="at most 1"):
        plan(trace, size=24, sized=False, target=("hits", 1.5), policies=[], sizes=[24, 48])


def test_the_grid_begins_below_one_token_and_ends_with_everything(trace: lp.Trace) -> None:
    grid = budget_grid(trace)
    assert grid[0] <= 12 and grid[-1] == trace.pages and grid == sorted(set(grid))


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["plan", str(SAMPLE), "--slots", "24", "--reset", "session", "--against", "llru"]
    assert main([*words, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert not any("in the clock" in line or "No budget" in line for line in answer["unknown"])
    assert answer["unit"] == "slots" and answer["sentences"] and answer["unknown"]
    assert main(words) == 0
    assert "loads per token by budget" in capsys.readouterr().out
    assert main([*words, "--compute", "20ms"]) == 2
    assert "--compute and --bandwidth go together" in capsys.readouterr().err


def test_a_table_for_programs_rounds_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    from layered_paging.cli import main

    given = ["plan", str(SAMPLE), "--bytes", "2MiB", "--against", "llru"]
    assert main([*given, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert main([*given, "--format", "csv"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.startswith('"budget, bytes",lru,llru')
    table = {int(line.split(",")[0]): float(line.split(",")[1]) for line in lines}
    assert table == {row["budget"]: row["loads"] for row in answer["rows"] if row["policy"] == "lru"}


def test_it_says_what_a_batch_and_what_loading_ahead_can_do(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["plan", str(SAMPLE), "--slots", "48", "--against", "llru", "--compute", "1ms", "--bandwidth", "1GB"]
    assert main([*words, "--reset", "session", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    trace = lp.load_trace(SAMPLE)
    together = batch(trace, 4)
    said = answer["several"]
    assert said["loads"] == lp.replay(together, "lru", 48).misses / trace.rounds
    assert said["tokens"] == trace.rounds / together.rounds and said["requests"] == 4
    assert (
        f"A batch of 4 requests: lru loads {said['loads']:.2f} experts per token at 48 slots instead of"
        in answer["sentences"][-1]
    )
    row = next(r for r in answer["rows"] if (r["policy"], r["slots"]) == ("lru", 48))
    most = 1 / max(0.001, row["loaded"] / 1e9)
    [line] = [line for line in answer["sentences"] if line.startswith("Loading ahead")]
    assert f"can make it {most:.2f} instead of {row['rate']:.2f} tokens per second" in line
    for more in (["--batch", "4"], ["--prefill", "merged"]):
        assert main([*words, *more, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["several"] is None
    assert main(["plan", str(SAMPLE), "--slots", "12", "--against", "llru"]) == 0
    assert "A batch of 4 requests does not fit into 12 slots" in capsys.readouterr().out


def test_a_target_beyond_computing_alone_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    given = ["plan", str(SAMPLE), "--bytes", "2MiB", "--against", "llru", "--compute", "20ms", "--bandwidth", "1GB"]
    assert main([*given, "--target", "51tok/s"]) == 0
    said = capsys.readouterr().out
    assert "No memory gives 51 tokens per second: computing alone takes 20 ms per token" in said
    assert "at most 50 tokens per second" in said and "never" not in said
    assert main([*given, "--target", "40tok/s"]) == 0
    said = capsys.readouterr().out
    assert "The smallest memory for 40 tokens per second" in said and "computing alone" not in said
    assert main([*given, "--overlap", "--target", "51tok/s"]) == 0
    assert "at most 50 tokens per second" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("budget", "found"),
    [
        (
            ["--bytes", "2"],
            r"--bytes must hold the largest event \(147456 bytes\); got 2 \(use at least 147456 in all\)",
        ),
        (["--slots", "1", "--engine", "llama.cpp"], r"--slots must hold the largest event \(2 slots\); got 1 "),
        (
            ["--slots", "7", "--pool", "per-layer"],
            r"--slots must hold the largest event of layer 1 \(2 slots\); got 1 ",
        ),
    ],
)
def test_nothing_is_planned_below_one_event(budget: list[str], found: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", str(SAMPLE), "--against", "llru", *budget]) == 2
    out, said = capsys.readouterr()
    assert out == "" and said.count("\n") == 1
    assert re.search(found, said)


def test_runs_that_all_load_the_same_are_refused_with_their_bytes(capsys: pytest.CaptureFixture[str]) -> None:
    trace = lp.load_trace(SAMPLE)
    same = lp.replay(trace, "lru", budget_bytes=1 << 20)
    assert main(["plan", str(SAMPLE), "--bytes", "1MiB", "--measured", "1MiB:10 1MiB:11"]) == 2
    loaded = (same.bytes_read or 0) / trace.rounds
    assert f"; all load {loaded:,.0f} bytes per token\n" in capsys.readouterr().err


def test_plan_and_diagnosis_ask_for_the_same_saving_where_there_is_no_clock() -> None:
    trace = lp.load_trace(SAMPLE)
    lru, llru = (lp.replay(trace, name, 48, **RESET).misses for name in ("lru", "llru"))
    assert 0.95 * lru < llru < 0.98 * lru  # between what a token's time and what loads must save
    said = " ".join(plan(trace, size=48, sized=False, policies=["lru", "llru"], sizes=[48, 96], **RESET).sentences)
    assert "llru misses less on" in said and "saves no 5 % here: stay with lru" in said
    told = lp.diagnose(trace, slots=48, policies=["lru", "llru"], **RESET)
    assert told.recommendation.startswith("Recommendation: stay with lru")
