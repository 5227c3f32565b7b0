"""Results of papers: every one runs at the small scope; files resume, go stale, and make the README's table."""

from __future__ import annotations

import json
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layered_paging as lp
from layered_paging.cli import main
from layered_paging.core import registry
from layered_paging.core.registry import Entry
from layered_paging.errors import LayeredPagingError, NotRegistered, ParameterError
from layered_paging.reproduction import Finding, Study, costs, of_paper, papers, problems, reproduce, table
from layered_paging.reproduction.readme import BEGIN, END, split
from layered_paging.reproduction.running import all_results, fingerprint
from layered_paging.reproduction.study import first_rounds, traces_from

RESULTS = all_results()
IDS = [entry.name for entry in RESULTS]
HOMES = sorted({Path(entry.source).parent for entry in RESULTS})


def small(entry: Entry, **options: Any) -> Any:
    paper, name = entry.name.split("/")
    (outcome,) = reproduce(paper, [name], **options)
    return outcome


@pytest.mark.parametrize("entry", RESULTS, ids=IDS)
def test_registered_well(entry: Entry) -> None:
    assert problems(entry) == []
    assert entry.summary


@pytest.mark.parametrize("entry", RESULTS, ids=IDS)
def test_runs_without_traces(entry: Entry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAYERED_PAGING_TRACES", raising=False)
    outcome = small(entry, output=tmp_path)
    if entry.properties.get("needs_traces"):
        assert outcome.state == "skipped"
        assert "--trace" in outcome.reason
        return
    assert outcome.state in ("run", "skipped"), outcome.reason
    if outcome.state == "run":
        assert outcome.agrees == entry.properties.get("small", outcome.agrees), outcome.ours
        assert all((tmp_path / file).stat().st_size for file in outcome.files)


@pytest.mark.parametrize("entry", [e for e in RESULTS if "traces" in Path(e.source).read_text()], ids=lambda e: e.name)
def test_runs_with_traces(entry: Entry, traces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAYERED_PAGING_TRACES", str(traces))
    assert small(entry).state in ("run", "skipped")


@pytest.mark.parametrize("home", HOMES, ids=lambda home: home.name)
def test_readme_is_what_the_committed_results_say(home: Path) -> None:
    parts = split((home / "README.md").read_text())
    assert parts is not None, "the README needs the two markers"
    assert parts[1].lstrip("\n") == table(home / "results")
    for path in (home / "results").glob("*.json"):
        assert path.stat().st_size < 160_000, path
        found = json.loads(path.read_text())
        (entry,) = of_paper(found["paper"], [found["name"]])
        assert {key: found[key] for key in ("reported", "status", "agrees_when")} == {
            key: entry.properties[key] for key in ("reported", "status", "agrees_when")
        }
        assert found["provenance"]["scope"] == "full", path
        assert made_by(entry, found), f"{path}: made by another version of {entry.source}; run it again at full scope"


def test_cells_of_the_default_half_life_that_are_behind_are_all_named() -> None:
    (home,) = (home for home in HOMES if home.name == "usage_aware_caching")
    found = json.loads((home / "results" / "one-half-life.json").read_text())
    (counted,) = (r["worse by more than a point"] for r in found["rows"] if r["half_life"] == 32 and "cells" in r)
    cells = [row for row in found["rows"] if row.get("points") is not None]
    assert len(cells) == counted
    assert all(row["points"] < -1 for row in cells)
    for row in cells:
        where = f"{row['workload']}, {row['slots']} slots, {row['pool']}, reset {row['reset']}, {row['split']}"
        assert f"{where}: {row['points']:+.2f}" in found["ours"]


def test_what_the_document_says_of_the_parameters_is_what_was_found() -> None:
    (home,) = (home for home in HOMES if home.name.startswith("angelopoulos"))
    first, *changed = json.loads((home / "results" / "beats-llru-sensitivity.json").read_text())["rows"]
    text = (Path(__file__).parent.parent / "docs" / "explanation" / "similar-rounds.md").read_text().replace("`", "")
    assert len(changed) == 5

    def span(column: str, named: bool = False) -> str:
        low, high = (choose(changed, key=lambda row: row[column]) for choose in (min, max))
        parts = [f" ({row['policy'][15:-1]})" if named else "" for row in (low, high)]
        return f"{100 * low[column]:.1f} %{parts[0]} to {100 * high[column]:.1f} %{parts[1]}"

    both = [f"gpt_oss_20b, {which} sessions" for which in ("even", "odd")]
    judged = "mean of those not made on"
    for said in (
        f"the defaults close {100 * first[judged]:.1f} % of the gap. The five policies with one parameter changed close {span(judged, True)}",
        *(
            f"| {which} | {100 * first[column]:.1f} % | {span(column).replace(' %', '', 1)} |"
            for which, column in zip(("even: made on them", "odd: not made on them"), both, strict=True)
        ),
    ):
        assert said in text, said


def made_by(entry: Entry, found: dict[str, Any]) -> bool:
    """Whether the file says that this result file made it, with the scope, seed and traces that it names."""
    facts = found["provenance"]
    digests = None if facts["traces"] is None else {name: trace["digest"] for name, trace in facts["traces"].items()}
    return bool(facts["key"] == fingerprint(entry, facts["scope"], facts["seed"], digests))


# the machinery, on results of our own


@pytest.fixture
def paper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A paper with three results: one counts its calls, one needs traces, one fails."""
    monkeypatch.setattr(registry, "_table", dict(registry._table))
    monkeypatch.delenv("LAYERED_PAGING_TRACES", raising=False)
    source = tmp_path / "paper" / "results.py"
    source.parent.mkdir()
    source.write_text(
        "import layered_paging as lp\n"
        "from layered_paging.reproduction import Finding\n"
        "facts = dict(cites=('a-paper-2025',), reported='x', status='[text]', agrees_when='y')\n"
        "calls = []\n"
        "@lp.register('result', 'a-paper-2025/counts', **facts)\n"
        "def counts(study):\n"
        "    'Count.'\n"
        "    calls.append(study.seed)\n"
        "    draw = lambda figure: figure.subplots().plot([1, 2])\n"
        "    return Finding('seen | twice', 'yes', [{'a': 1}, {'b': 0.5}], draw)\n"
        "@lp.register('result', 'a-paper-2025/needy', needs_traces=True, **facts)\n"
        "def needy(study):\n"
        "    'Use traces.'\n"
        "    return Finding(str([t.rounds for _, t in study.traces]), 'partly')\n"
        "@lp.register('result', 'a-paper-2025/wrong', **facts)\n"
        "def wrong(study):\n"
        "    'Fail.'\n"
        "    return 1 / 0\n"
    )
    exec(compile(source.read_text(), str(source), "exec"), {})
    return source


def calls() -> list[int]:
    """Return the seeds that the counting result was called with."""
    found: list[int] = registry._table["result", "a-paper-2025/counts"].obj.__globals__["calls"]
    return found


def test_states(paper: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    states = {o.name: o.state for o in reproduce("a-paper-2025", output=out)}
    assert states == {"counts": "run", "needy": "skipped", "wrong": "failed"}
    assert sorted(p.name for p in out.iterdir()) == ["counts.csv", "counts.json", "counts.svg"]
    assert (out / "counts.csv").read_text() == "a,b\n1,\n,0.5\n"
    found = json.loads((out / "counts.json").read_text())
    assert found["rows"] == [{"a": 1}, {"b": 0.5}]
    assert found["provenance"]["seed"] == 0
    assert found["provenance"]["traces"] is None


def test_what_is_there_is_kept_until_stale(paper: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for options in ({}, {}, {"seed": 1}, {"seed": 1, "scope": "full"}, {"seed": 1, "scope": "full", "again": True}):
        reproduce("a-paper-2025", ["counts"], output=out, **options)  # type: ignore[arg-type]
    assert calls() == [0, 1, 1, 1]
    (out / "counts.svg").unlink()
    assert reproduce("a-paper-2025", ["counts"], output=out, seed=1, scope="full")[0].state == "run"
    paper.write_text(paper.read_text() + "# changed\n")
    assert reproduce("a-paper-2025", ["counts"], output=out, seed=1, scope="full")[0].state == "run"
    assert reproduce("a-paper-2025", ["counts"], output=out, seed=1, scope="full")[0].state == "kept"
    (out / "counts.json").write_text('{"name": [[')
    assert reproduce("a-paper-2025", ["counts"], output=out, seed=1, scope="full")[0].state == "run"
    first = {p.name: p.read_bytes() for p in out.iterdir()}
    reproduce("a-paper-2025", ["counts"], output=out, seed=1, scope="full", again=True)
    assert {p.name: p.read_bytes() for p in out.iterdir()} == first


def test_traces_count_only_where_they_are_used(paper: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    one, two = tmp_path / "one.jsonl", tmp_path / "two.npz"
    lp.save_trace(lp.workloads.uniform(2, 4, 200), one)
    lp.save_trace(lp.workloads.uniform(2, 4, 30), two)
    states = [
        [o.state for o in reproduce("a-paper-2025", ["counts", "needy"], output=out, traces=files)]
        for files in ([], [one], [one], [one, two])
    ]
    assert states == [["run", "skipped"], ["kept", "run"], ["kept", "kept"], ["kept", "run"]]
    assert json.loads((out / "needy.json").read_text())["ours"] == "[160, 30]"


def test_an_interrupted_run_resumes(paper: Path, tmp_path: Path) -> None:
    def stop(name: str, done: int, total: int) -> None:
        if name == "wrong":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reproduce("a-paper-2025", output=tmp_path, tick=stop)
    assert [o.state for o in reproduce("a-paper-2025", output=tmp_path)] == ["kept", "skipped", "failed"]


def test_table_into_the_readme(paper: Path, capsys: pytest.CaptureFixture[str]) -> None:
    readme = paper.with_name("README.md")
    readme.write_text(f"# A paper\n\nbefore\n{BEGIN}\n{END}\nafter\n")
    assert main(["reproduce", "a_paper_2025", "--figure", "c*", "-o", str(paper.parent / "results"), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["paper"] == "a-paper-2025"
    assert answer["readme"] == str(readme)
    (result,) = answer["results"]
    assert (result["name"], result["reported"], result["ours"], result["agrees"]) == (
        "counts",
        "x",
        "seen | twice",
        "yes",
    )
    text = readme.read_text()
    assert text.startswith("# A paper\n\nbefore\n")
    assert text.endswith("\nafter\n")
    assert r"seen \| twice" in text
    (paper.parent / "results" / "other.json").write_text("{}")
    with pytest.raises(LayeredPagingError, match=r"other.json: must be a result file"):
        table(paper.parent / "results")


def test_a_failure_is_shown_and_decides_the_exit_code(
    paper: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["reproduce", "a-paper-2025"]) == 1
    out = capsys.readouterr().out
    assert "ZeroDivisionError" in out
    assert "1 run, 1 skipped, 1 failed; files in reproduced/a-paper-2025/small" in out


def test_the_command_tells_in_a_pipe_how_far_it_is(
    paper: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("layered_paging.cli.progress.LINES", 0.01)
    seen = []

    def slow(paper: str, figure: list[str], tick: Any, **options: Any) -> list[Any]:
        for name in ("counts", "wrong"):
            tick(name, 2, 7)
            for _ in range(1000):
                seen.append(capsys.readouterr().err)
                if f"{name} for 0 s, done 2 of 7" in "".join(seen):
                    break
                time.sleep(0.01)
        return reproduce(paper, figure, tick=tick, **options)

    monkeypatch.setattr("layered_paging.cli.reproduce.reproduce", slow)
    assert main(["reproduce", "a-paper-2025"]) == 1
    told = "".join(seen)
    assert "counts for 0 s, done 2 of 7\n" in told and "wrong for 0 s, done 2 of 7\n" in told
    capsys.readouterr()
    monkeypatch.setattr("layered_paging.cli.reproduce.reproduce", reproduce)
    assert main(["reproduce", "a-paper-2025", "--json", "--again"]) == 1
    assert "done" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["angelopoulos-marchal"], "did you mean 'angelopoulos-marchal-obrecht-simon-2025'"),
        (["a-paper-2025", "--figure", "count"], "did you mean 'counts'"),
        (["a-paper-2025", "--trace", "{}/bad.npz"], "bad.npz"),
        (["a-paper-2025", "--trace", "{}/none.npz"], "none.npz"),
        (["a-paper-2025", "--trace", "{}/bad.jsonl"], "bad.jsonl: a table must have a column of layer"),
        (["a-paper-2025", "--seed", "-1"], "seed must be an integer of at least 0"),
        (["a-paper-2025", "-o", "{}/bad.npz"], "bad.npz: cannot be made a folder"),
    ],
)
def test_mistakes(
    words: list[str], message: str, paper: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.npz").write_bytes(b"PK no")
    (tmp_path / "bad.jsonl").write_text("{}\n")
    assert main(["reproduce", *(word.format(tmp_path) for word in words)]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


def test_folder_of_traces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = lp.workloads.uniform(2, 4, 30)
    for name in ("b.npz", "b.jsonl", "a.events.csv"):
        lp.save_trace(trace if name[0] == "b" else lp.Trace(trace.experts, 4), tmp_path / name)
    (tmp_path / "README.md").write_text("not a trace")
    monkeypatch.setenv("LAYERED_PAGING_TRACES", str(tmp_path))
    assert [name for name, _ in traces_from([])] == ["a", "b"]
    assert [name for name, _ in traces_from([tmp_path / "b.jsonl"])] == ["b"]
    with pytest.raises(ParameterError, match="a name of its own"):
        traces_from([tmp_path / "b.jsonl", tmp_path / "b.npz"])
    monkeypatch.setenv("LAYERED_PAGING_TRACES", str(tmp_path / "nowhere"))
    with pytest.raises(ParameterError, match="must name a folder"):
        traces_from([])


def test_first_rounds_keep_sessions() -> None:
    trace = lp.workloads.uniform(2, 4, 100, sessions=4)
    cut = first_rounds(trace, 60)
    assert (cut.rounds, cut.sessions.tolist()) == (60, [0, 25, 50])
    assert np.array_equal(cut.experts, trace.experts[:60])
    assert first_rounds(trace, 100) is trace


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"ours": " "}, "ours must be a sentence"),
        ({"agrees": "maybe"}, "agrees must be one of yes, partly, no, not decidable"),
        ({"rows": [{"a": [1]}]}, r"rows\[0\]\['a'\] must be a plain value"),
        ({"rows": [{}, {"a": float("nan")}]}, r"rows\[1\]\['a'\] must be finite"),
        ({"rows": [3]}, r"rows\[0\] must be a mapping"),
    ],
)
def test_a_finding_is_checked(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        Finding(**{"ours": "x", "agrees": "yes", **fields})


def test_a_finding_holds_plain_values() -> None:
    finding = Finding("x", "yes", [{"a": np.int64(3), "b": Fraction(7, 4), "c": np.float64(0.5), "d": None}])
    assert finding.rows == [{"a": 3, "b": "7/4", "c": 0.5, "d": None}]


def test_bad_registrations_are_named() -> None:
    facts = {"cites": ("p",), "reported": "x", "status": "[text]", "agrees_when": "y"}

    def good(study: Study) -> Finding:
        """Do nothing."""
        return Finding("x", "yes")

    assert problems(Entry("result", "p/a", good, "", facts)) == []
    for name, change, word in [
        ("a", {}, "PAPER/NAME"),
        ("p/A", {}, "PAPER/NAME"),
        ("p/../x", {}, "PAPER/NAME"),
        ("q/a", {}, "cites"),
        ("p/a", {"reported": ""}, "reported"),
        ("p/a", {"status": "known"}, "status"),
        ("p/a", {"small": "maybe"}, "small"),
        ("p/a", {"needs_traces": 1}, "needs_traces"),
    ]:
        assert word in "; ".join(problems(Entry("result", name, good, "", {**facts, **change})))
    assert "one parameter" in problems(Entry("result", "p/a", lambda: None, "", facts))[0]


def test_scope_is_checked() -> None:
    with pytest.raises(ParameterError, match="scope must be one of small, full"):
        reproduce(papers()[0], scope="huge")
    with pytest.raises(NotRegistered, match="unknown paper"):
        of_paper("nothing-like-it")


@pytest.mark.parametrize(("policy", "lists"), [("lru", costs.RecencyList), ("llru", costs.LayerLists)])
@pytest.mark.parametrize("top_k", [1, 3])
@pytest.mark.parametrize("reset", ["never", "session"])
def test_lists_choose_as_the_policies_do(policy: str, lists: type, top_k: int, reset: str) -> None:
    trace = lp.workloads.zipf(5, 7, 300, top_k=top_k, exponent=0.8, seed=top_k, sessions=3)
    changed = lp.transforms.skip_layers(trace, 0.2, seed=1)
    for slots in (top_k, 6, 11, 20):
        here, there = (lp.replay(changed, p, slots, reset=reset, record=True).missed for p in (policy, lists))
        assert np.array_equal(here, there)  # type: ignore[arg-type]


def test_costs_are_positive() -> None:
    trace = lp.workloads.zipf(4, 8, 60, top_k=2)
    assert min(costs.hook_costs("lru", trace, 12)) > 0
    assert costs.kernel_bytes("lfu") >= 8
    assert costs.timed(lambda: None, 1) >= 0


def test_what_the_readme_says_of_the_layered_paging_rows() -> None:
    folder = Path(of_paper("angelopoulos-marchal-obrecht-simon-2025")[0].source).parent / "results"

    def rows(name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads((folder / f"{name}.json").read_text())["rows"]
        return found

    # LRU does not hit at all below one token's demand, and the largest saving is there
    assert all(row["lru never hits up to"] > 0.9 * row["demand"] - 4 for row in rows("collapse"))
    assert all(row["slots anywhere"] < row["demand"] for row in rows("llru-gain"))
    # the split is ahead at few slots; the shared pool at half of all pages, unless all layers are alike
    split = {row["workload"]: row for row in rows("lru-per-layer")}
    real = [name for name in split if f"{name}, layers alike" in split]
    assert len(real) >= 3
    for name in real:
        assert split[name]["least"] < 0.95 < 1 < split[name]["at half"]
        assert split[f"{name}, layers alike"]["least"] < 0.95
        assert split[f"{name}, layers alike"]["at half"] < 1
    # shuffling lowers LRU and LLRU and hardly moves LFU
    mixed = {(row["workload"], row["trace"], row["tokens"]): row for row in rows("correlation")}
    for (workload, trace, tokens), row in mixed.items():
        if trace == "shuffled" and tokens == 2:
            before = mixed[workload, "as it is", tokens]
            assert all(row[f"{policy} hits"] < before[f"{policy} hits"] - 0.05 for policy in ("lru", "llru"))
            assert abs(row["lfu hits"] - before["lfu hits"]) < 0.02
    # LLRU stays ahead in every variant but for random orders, which leave nothing
    for row in rows("execution"):
        saved = [value for key, value in row.items() if key.startswith("saved")]
        assert min(saved) > 0 or row["variant"] == "layers permuted, p = 1"
        assert max(saved) < 0.005 or row["variant"] != "layers permuted, p = 1"
