"""The share of the gap that policies close: by its definition, with its intervals, and what is refused."""

from __future__ import annotations

import csv
import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import layered_paging as lp
from layered_paging.analysis.race import Length, definition
from layered_paging.cli import main
from layered_paging.cli.race import racers
from layered_paging.errors import NotRegistered, ParameterError
from layered_paging.samples import SAMPLE


def trace(seed: int = 1, sessions: int = 6) -> lp.Trace:
    return lp.workloads.zipf(4, 16, 300, top_k=2, exponent=0.9, seed=seed, sessions=sessions)


@pytest.mark.parametrize("admission", ["forced", "bypass"])
@pytest.mark.parametrize("pool", ["shared", "per-layer"])
def test_cells_by_their_definition(admission: str, pool: str) -> None:
    found = lp.gap_table({"zipf": trace()}, ["lfu", "lru"], admission=admission, pool=pool)
    assert [c.slots for c in found.cells if c.policy == "lfu" and c.reset == "never"] == [10, 12, 16, 24, 32]
    for cell in found.cells:
        options = {"reset": cell.reset, "pool": pool, "admission": admission}
        best = lp.optimum(trace(), cell.slots, **options).misses
        llru, own = (lp.replay(trace(), name, cell.slots, **options).misses for name in ("llru", cell.policy))
        assert (cell.misses, cell.base, cell.optimum) == (own, llru, best)
        assert cell.share == float(Fraction(llru - own, llru - best))


def test_the_base_closes_nothing_and_the_optimum_everything() -> None:
    found = lp.gap_table({"zipf": trace()}, ["llru", "belady"])
    assert {(c.share, c.margin) for c in found.cells if c.policy == "llru"} == {(0.0, 0.0)}
    assert all(
        c.share == 1.0 and c.margin is not None and c.margin < 1e-12 for c in found.cells if c.policy == "belady"
    )


def test_means_and_worst_cells() -> None:
    found = lp.gap_table({"a": trace(1), "b": trace(2, 1)}, ["lfu"], resets=["session"])
    a, b, both = found.gaps
    cells = [c.share for c in found.cells if c.trace == "a"]
    assert a.share == pytest.approx(np.mean(cells)) and a.worst == min(cells) and a.cells == 5
    assert a.margin is not None and b.margin is None and both.margin is None
    assert both.trace == "all" and both.share == pytest.approx((a.share + b.share) / 2)


def test_margins_agree_with_leaving_one_session_out() -> None:
    data = trace(3, 12)
    [cell] = lp.gap_table({"t": data}, ["lfu"], resets=["session"], tokens=[2]).cells
    one, own = (lp.replay(data, name, 16, reset="session").misses_by_session.sum(axis=1) for name in ("llru", "lfu"))
    best = lp.optimum(data, 16, admission="forced", reset="session").misses_by_session.sum(axis=1)
    kept = [np.delete(np.arange(12), n) for n in range(12)]
    shares = np.array([(one - own)[k].sum() / (one - best)[k].sum() for k in kept])
    jackknife = (11 / 12 * ((shares - shares.mean()) ** 2).sum()) ** 0.5
    assert cell.margin == pytest.approx(2.201 * jackknife, rel=0.05)


def test_cells_without_a_gap_are_left_out_and_counted() -> None:
    still = lp.Trace(np.zeros((20, 3, 1), int), 9)
    [gap] = lp.gap_table({"still": still}, ["lfu"], resets=["never"]).gaps
    assert (gap.share, gap.worst, gap.cells, gap.left_out) == (None, None, 0, 5)


def test_large_caches_are_no_cells() -> None:
    wide = lp.workloads.uniform(2, 4, 30, top_k=2, seed=1)
    assert [c.slots for c in lp.gap_table({"wide": wide}, ["lfu"], resets=["never"]).cells] == [5, 6]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"traces": {}}, "traces must be one or more"),
        ({"policies": []}, "policies must be one or more"),
        ({"policies": ["lfu", "lfu"]}, "each once"),
        ({"tokens": [0]}, "above 0"),
        ({"tokens": [float("nan")]}, "above 0"),
        ({"tokens": [float("inf")]}, "above 0"),
        ({"tokens": []}, "tokens must be one or more"),
        ({"resets": ["sometimes"]}, "reset must be one of"),
        ({"admission": "x"}, "admission must be one of"),
        ({"pool": "x"}, "pool must be one of"),
    ],
)
def test_refusals(given: dict, words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        lp.gap_table(**{"traces": {"t": trace()}, "policies": ["lfu"], **given})


def test_an_unknown_policy() -> None:
    with pytest.raises(NotRegistered):
        lp.gap_table({"t": trace()}, ["lfuu"])


def test_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "gap.csv"
    words = ["gap", str(SAMPLE), "--policy", "lfu", "similar-rounds", "--reset", "session", "-o", str(out)]
    assert main([*words, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert {row["policy"] for row in answer["gaps"]} == {"lfu", "similar-rounds"}
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert [int(row["misses"]) for row in rows] == [cell["misses"] for cell in answer["cells"]]
    assert main(words) == 0
    assert "share of the gap from llru" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["gap", "nowhere.npz"], "nowhere.npz"),
        (["gap", str(SAMPLE), "-o", "x.txt"], "must end with .csv"),
        (["gap", str(SAMPLE), "--demand", "-1"], "above 0"),
    ],
)
def test_mistakes_are_one_line(capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    assert main(words) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1


def test_tokens_are_the_decimals_that_are_written() -> None:
    trace = lp.workloads.zipf(5, 16, 20, top_k=2, seed=1)
    cell = lp.gap_table({"zipf": trace}, ["lru"], resets=["never"], tokens=[1.15]).cells[0]
    assert (cell.tokens, cell.slots) == ("23/20", 12)  # 11.5, rounded half up


def test_a_race_is_the_gaps_beside_what_policies_cost(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["gap", str(SAMPLE), "--reset", "session", "--demand", "2", "--policy", "lru", "lfu", "classlru", "--race"]
    assert main([*words, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    share = {gap["policy"]: gap["share"] for gap in answer["gaps"]}
    rows = answer["race"]
    assert [row["policy"] for row in rows] == sorted(share, key=share.__getitem__, reverse=True)
    for row in rows:
        assert row["shares"]["session"]["share"] == share[row["policy"]]
        assert row["ratio"] == row["nanoseconds"] / next(r["nanoseconds"] for r in rows if r["policy"] == "lru") > 0
        assert (row["lines"], row["constants"]) == (
            definition(row["policy"]).lines,
            definition(row["policy"]).constants,
        )
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "the race" in out and "95 % interval" in out


def test_all_who_can_race_do() -> None:
    names = racers("llru")
    assert {"lru", "classlru", "sampled-lfru(first='last')", "follow"} <= set(names)
    assert not {"llru", "belady", "hedge", "guard"} & set(names)
    assert len(set(names)) == len(names)


def test_lengths_count_what_a_definition_imports_from_its_folder() -> None:
    assert definition("follow").lines > definition("random").lines > definition("lru").lines
    assert definition("similar-rounds").lines <= 60


def test_lengths_leave_out_what_is_no_definition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (
        '"""Words."""\nimport math\n\n__all__ = ["P"]\nA = 7  # a number\n\n\nclass P:\n    """Words, 99 of them."""\n\n'
        "    def __init__(self, instance):\n        self.a = A + 7 + 0.5 + 1\n\n    def hit(self, page, time):\n"
        '        """Say."""\n\n    miss = hit\n\n    def victim(self, candidates, time):\n        return candidates[0]\n'
    )
    (tmp_path / "measured_policy.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    import measured_policy

    assert definition(measured_policy.P) == Length(lines=8, constants=2)
