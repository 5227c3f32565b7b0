"""Sweeps: the spec is checked whole, results do not depend on how they were made, nothing done is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import layered_paging as lp
from layered_paging.cli import main
from layered_paging.samples import SAMPLE
from layered_paging.sweep import FUNCTIONS, Argument, Function, load_spec, read_spec, running
from layered_paging.sweep.spec import JOBS

BLOCK: dict[str, Any] = {
    "function": "coupon",
    "grid": {"experts": [2, 3, 4], "collectors": [1, 2]},
    "set": {"samples": 5},
}


def replays(**more: Any) -> dict[str, Any]:
    return {
        "seed": 5,
        "traces": {"sample": str(SAMPLE)},
        "runs": [
            {
                "function": "replay",
                "trace": "sample",
                "grid": {"policy": ["lru", "marking"], "slots": [24, 48]},
                "repeat": 2,
                **more,
            },
            BLOCK,
        ],
    }


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


def test_results_are_those_of_the_function(tmp_path: Path, threads: ThreadPoolExecutor) -> None:
    report = lp.sweep.run(replays(), tmp_path / "out", executor=threads)
    trace = lp.load_trace(SAMPLE)
    found = rows(report.folder)
    assert [row["job"] for row in found] == list(range(14))
    for row in found[:8]:
        run = lp.replay(trace, row["arguments"]["policy"], row["arguments"]["slots"], seed=row["seed"])
        assert row["result"]["misses"] == run.misses
    for row in found[8:]:
        assert row["result"]["mean"] == lp.coupon.simulate(**row["arguments"], seed=row["seed"]).mean


def test_seeds_depend_on_the_job_alone() -> None:
    everything = read_spec(replays()).jobs
    alone = read_spec({"seed": 5, "runs": [{**BLOCK, "grid": {"collectors": [2], "experts": [4]}}]}).jobs
    twin = next(job for job in everything if job.arguments == alone[0].arguments)
    assert (twin.seed, twin.hash) == (alone[0].seed, alone[0].hash)
    assert twin.number != alone[0].number
    assert len({job.seed for job in everything}) == len(everything)
    other = read_spec({"seed": 6, "runs": [BLOCK]}).jobs
    assert not {job.seed for job in other} & {job.seed for job in everything}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"runz": []}, "unknown key 'runz'; did you mean 'runs'?"),
        ({"runs": []}, "at least one block"),
        ({"runs": [{"function": "repaly"}]}, "did you mean 'replay'?"),
        ({"runs": [{"function": "replay", "set": {"policy": "lru"}}]}, "needs a trace"),
        ({"runs": [{**BLOCK, "trace": "x"}]}, "takes no trace"),
        ({"runs": [{**BLOCK, "set": {"sample": 5}}]}, "did you mean 'samples'?"),
        ({"runs": [{**BLOCK, "set": {}}]}, "needs 'samples'"),
        ({"runs": [{**BLOCK, "set": {"samples": True}}]}, "must be an integer"),
        ({"runs": [{**BLOCK, "set": {"samples": 1}}]}, "at least 2"),
        ({"runs": [{**BLOCK, "set": {"samples": 5, "experts": 2}}]}, "given twice"),
        ({"runs": [BLOCK, BLOCK]}, "job 6 repeats job 0"),
        ({"runs": [{**BLOCK, "repeat": 0}]}, "repeat must be an integer of at least 1"),
        ({"seed": -1, "runs": [BLOCK]}, "seed must be"),
        ({"traces": {"a": "b.npz"}, "runs": [BLOCK]}, "used by no block"),
        ({"runs": [{**BLOCK, "repeat": 10**12}]}, f"at most {JOBS} jobs; this one has {6 * 10**12}"),
        ({"runs": [{**BLOCK, "set": {"samples": 10**7}, "grid": {"experts": [10**6]}}]}, "at most 1000000000 requests"),
        (
            {"runs": [{"function": "optimal_ratio", "set": {"layers": 2, "experts": 2, "slots": 2}, "repeat": 2}]},
            "takes a seed",
        ),
        (
            {
                "traces": {"t": str(SAMPLE)},
                "runs": [{"function": "replay", "trace": "t", "set": {"policy": "strategy:x.json"}}],
            },
            "not a file",
        ),
        (
            {"traces": {"t": str(SAMPLE)}, "runs": [{"function": "replay", "trace": "t", "set": {"policy": "lruu"}}]},
            "did you mean",
        ),
    ],
)
def test_a_wrong_spec_is_refused_whole(change: dict[str, Any], message: str) -> None:
    with pytest.raises(lp.LayeredPagingError) as caught:
        read_spec(change)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_hostile_product_is_counted_not_made(tmp_path: Path) -> None:
    values = ",".join(map(str, range(1, 60)))
    axes = "\n".join(f"{name} = [{values}]" for name in ("experts", "collectors", "draws"))
    file = tmp_path / "hostile.toml"
    file.write_text(f'[[runs]]\nfunction = "coupon"\nrepeat = {10**15}\nset = {{samples = 2}}\n[runs.grid]\n{axes}\n')
    assert file.stat().st_size < 1024
    with pytest.raises(lp.LayeredPagingError, match=r"hostile\.toml: a spec stands for at most"):
        load_spec(file)
    file.write_text("a = " + "[" * 100_000)
    with pytest.raises(lp.LayeredPagingError, match=r"nested too deeply|not TOML"):
        load_spec(file)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["function", "trace", "set", "grid", "list", "repeat", "samples", "experts"]), inner, max_size=4), max_leaves=12))  # fmt: skip
def test_any_block_is_read_or_refused_in_one_line(block: Any) -> None:
    for data in ({"runs": [block]}, {"runs": block}, {"runs": [{**BLOCK, "set": block}]}, {"runs": [{**BLOCK, "grid": block}]}, {"runs": [{**BLOCK, "list": block}]}):  # fmt: skip
        try:
            read_spec(data)
        except lp.LayeredPagingError as error:
            assert len(str(error).splitlines()) == 1


def fail(trace: None, given: dict[str, Any]) -> dict[str, Any]:
    if given["n"] == 3:
        raise RuntimeError("three\nlines\nof it")
    return {"square": given["n"] ** 2}


def test_failures_are_listed_and_can_be_retried(
    tmp_path: Path, threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FUNCTIONS, "fail", Function(fail, {"n": Argument("int")}))
    spec = {"runs": [{"function": "fail", "grid": {"n": [1, 2, 3, 4]}}]}
    out = tmp_path / "out"
    report = lp.sweep.run(spec, out, executor=threads)
    assert report.failures == [(2, "RuntimeError: three lines of it")]
    assert [row["result"] and row["result"]["square"] for row in rows(out)] == [1, 4, None, 16]
    assert lp.sweep.run(spec, out, executor=threads, resume=True).played == 0
    monkeypatch.setitem(FUNCTIONS, "fail", Function(lambda trace, given: {"square": 9}, {"n": Argument("int")}))
    again = lp.sweep.run(spec, out, executor=threads, resume=True, retry=True)
    assert (again.played, again.failures) == (1, [])
    assert rows(out)[2]["result"] == {"square": 9}


def test_a_folder_is_never_overwritten(tmp_path: Path, threads: ThreadPoolExecutor) -> None:
    out = tmp_path / "out"
    lp.sweep.run({"runs": [BLOCK]}, out, executor=threads)
    before = (out / "results.jsonl").read_bytes()
    with pytest.raises(lp.LayeredPagingError, match="new or an empty folder"):
        lp.sweep.run({"runs": [BLOCK]}, out, executor=threads)
    with pytest.raises(lp.LayeredPagingError, match="belongs to another spec"):
        lp.sweep.run({"seed": 1, "runs": [BLOCK]}, out, executor=threads, resume=True)
    assert (out / "results.jsonl").read_bytes() == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").touch()
    with pytest.raises(lp.LayeredPagingError, match="no journal"):
        lp.sweep.run({"runs": [BLOCK]}, tmp_path / "mine", executor=threads, resume=True)


def test_resume_at_every_byte_of_the_journal(tmp_path: Path, threads: ThreadPoolExecutor) -> None:
    whole = tmp_path / "whole"
    lp.sweep.run({"runs": [BLOCK]}, whole, executor=threads)
    journal = (whole / "journal.jsonl").read_bytes()
    for cut in range(0, len(journal), 37):
        out = tmp_path / f"cut{cut}"
        out.mkdir()
        (out / "journal.jsonl").write_bytes(journal[:cut])
        report = lp.sweep.run({"runs": [BLOCK]}, out, executor=threads, resume=True)
        assert report.played == 6 - max(0, journal[:cut].count(b"\n") - 1)
        assert (out / "results.jsonl").read_bytes() == (whole / "results.jsonl").read_bytes()


def test_a_damaged_journal_is_refused(tmp_path: Path, threads: ThreadPoolExecutor) -> None:
    out = tmp_path / "out"
    lp.sweep.run({"runs": [BLOCK]}, out, executor=threads)
    lines = (out / "journal.jsonl").read_bytes().splitlines(keepends=True)
    (out / "journal.jsonl").write_bytes(b"".join([*lines[:2], b'{"job":99}\n', *lines[2:]]))
    with pytest.raises(lp.LayeredPagingError, match=r"journal.jsonl line 3: not a line of a journal"):
        lp.sweep.run({"runs": [BLOCK]}, out, executor=threads, resume=True)


def test_two_sweeps_do_not_share_a_folder(tmp_path: Path, threads: ThreadPoolExecutor) -> None:
    pytest.importorskip("fcntl", reason="no file locks on this system")
    spec = read_spec({"runs": [BLOCK]})
    held = running.Journal(tmp_path / "journal.jsonl", spec.identity, 6)
    with pytest.raises(lp.LayeredPagingError, match="another sweep"):
        lp.sweep.run(spec, tmp_path, executor=threads, resume=True)
    held.close()


def test_a_trace_that_is_given_goes_into_the_folder(tmp_path: Path, threads: ThreadPoolExecutor) -> None:
    trace = lp.Trace([[0], [1], [2], [0]])
    spec = {
        "traces": {"t": trace},
        "runs": [{"function": "optimum", "trace": "t", "set": {"slots": 2, "admission": "forced"}}],
    }
    report = lp.sweep.run(spec, tmp_path / "out", executor=threads)
    assert rows(report.folder)[0]["result"]["misses"] == 3
    assert len(list(report.folder.glob("trace-*.npz"))) == 1


def test_a_trace_that_changed_is_noticed(tmp_path: Path, threads: ThreadPoolExecutor) -> None:
    file = tmp_path / "t.npz"
    lp.save_trace(lp.Trace([[0], [1], [4], [3]]), file)
    spec = read_spec(
        {
            "traces": {"t": str(file)},
            "runs": [{"function": "replay", "trace": "t", "set": {"policy": "lru", "slots": 2}}],
        }
    )
    lp.save_trace(lp.Trace([[1], [1], [2], [3]]), file)
    report = lp.sweep.run(spec, tmp_path / "out", executor=threads)
    assert "has changed since the sweep began" in report.failures[0][1]


def test_parquet_holds_the_same(tmp_path: Path, threads: ThreadPoolExecutor) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="the extra parquet is absent")
    report = lp.sweep.run(replays(), tmp_path / "out", executor=threads, form="parquet")
    table = parquet.read_table(tmp_path / "out" / "results.parquet").to_pydict()
    found = rows(report.folder)
    assert table["result.misses"] == [row["result"].get("misses") for row in found]
    assert table["set.policy"] == [row["arguments"].get("policy") for row in found]
    assert table["hash"] == [row["hash"] for row in found]


# --- processes --------------------------------------------------------------------------------


def command(*words: str | Path, **options: Any) -> subprocess.Popen[str]:
    text = [sys.executable, "-m", "layered_paging", "sweep", *map(str, words)]
    return subprocess.Popen(text, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


SLOW = """
seed = 2
[traces]
sample = "SAMPLE"
[[runs]]
function = "replay"
trace = "sample"
set = {policy = "marking", slots = 48, engine = "reference"}
repeat = 16
[[runs]]
function = "replay"
trace = "sample"
set = {policy = "lru", slots = 1}
"""
JOBS = 17


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a spec, and the folder of its results from one worker; one job of it fails."""
    folder = tmp_path_factory.mktemp("slow")
    spec = folder / "spec.toml"
    spec.write_text(SLOW.replace("SAMPLE", str(SAMPLE)))
    one = command(spec, "-o", folder / "one", "--workers", "1", "--json")
    out, err = one.communicate()
    assert one.returncode == 1, err
    assert [failure["job"] for failure in json.loads(out)["failures"]] == [JOBS - 1]
    return spec, folder / "one"


def lines(folder: Path) -> int:
    try:
        return (folder / "journal.jsonl").read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0


def until(folder: Path, count: int, running: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 60
    while lines(folder) < count and running.poll() is None and time.monotonic() < end:
        time.sleep(0.005)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_killed_and_resumed_gives_the_same_bytes(slow: tuple[Path, Path], tmp_path: Path, how: signal.Signals) -> None:
    spec, one = slow
    out = tmp_path / "two"
    running = command(spec, "-o", out, "--workers", "2")
    until(out, 4, running)
    running.send_signal(how)
    _, err = running.communicate(timeout=60)  # the workers end too: they hold these pipes
    assert running.returncode == (-9 if how == signal.SIGKILL else 130)
    assert "Traceback" not in err
    assert not (out / "results.jsonl").exists()
    kept = lines(out) - 1
    assert 3 <= kept < JOBS
    again = command(spec, "-o", out, "--workers", "2", "--resume", "--json")
    text, err = again.communicate(timeout=120)
    assert again.returncode == 1, err
    assert json.loads(text)["played"] in (JOBS - kept, JOBS - kept + 1)  # a torn last line counts above, and is dropped
    assert (out / "results.jsonl").read_bytes() == (one / "results.jsonl").read_bytes()
    assert (out / "sweep.json").read_bytes() == (one / "sweep.json").read_bytes()


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finding a worker's number needs /proc")
def test_a_worker_that_dies_loses_nothing(slow: tuple[Path, Path], tmp_path: Path) -> None:
    spec, one = slow
    out = tmp_path / "two"
    running = command(spec, "-o", out, "--workers", "2", "--json")
    until(out, 3, running)
    workers = {json.loads(line).get("worker") for line in (out / "journal.jsonl").read_text().splitlines()[1:]}
    os.kill(int(str(sorted(map(str, workers))[0]).rpartition(":")[2]), signal.SIGKILL)
    running.communicate(timeout=120)
    assert running.returncode == 1
    assert (out / "results.jsonl").read_bytes() == (one / "results.jsonl").read_bytes()


KILLER = """
import json, os, sys
from layered_paging import sweep
from layered_paging.sweep import Argument, FUNCTIONS, Function

def kill(trace, given):
    if given["n"] == 5:
        os._exit(9)
    return {"n": given["n"]}

FUNCTIONS["kill"] = Function(kill, {"n": Argument("int")})
if __name__ == "__main__":
    report = sweep.run({"runs": [{"function": "kill", "grid": {"n": list(range(12))}}]}, sys.argv[1], workers=2)
    print(json.dumps(report.failures))
"""


def test_a_job_that_kills_its_worker_is_found(tmp_path: Path) -> None:
    script = tmp_path / "killer.py"
    script.write_text(KILLER)
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "out")], capture_output=True, text=True, timeout=120, check=True
    )
    ((number, error),) = json.loads(done.stdout)
    assert number == 5
    assert "its worker died" in error
    assert [row["result"] and row["result"]["n"] for row in rows(tmp_path / "out")] == [*range(5), None, *range(6, 12)]


def test_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    spec = tmp_path / "s.toml"
    spec.write_text('[[runs]]\nfunction = "coupon"\nset = {samples = 3}\ngrid = {experts = [2, 3]}\n')
    assert main(["sweep", str(spec), "-o", str(tmp_path / "out"), "--workers", "1"]) == 0
    assert "2 jobs, 2 played now, 0 failed" in capsys.readouterr().out
    assert main(["sweep", str(spec), "-o", str(tmp_path / "out")]) == 2
    assert (
        main(["sweep", str(spec), "-o", str(tmp_path / "two"), "--cluster", "tcp://127.0.0.1:9", "--workers", "2"]) == 2
    )
    assert main(["sweep", str(tmp_path / "absent.toml"), "-o", str(tmp_path / "three")]) == 2
    assert capsys.readouterr().err.count("\n") == 3


def test_the_command_tells_in_a_pipe_how_far_it_is(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from layered_paging.cli import sweep as command

    monkeypatch.setattr("layered_paging.cli.progress.LINES", 0.01)
    spec = tmp_path / "s.toml"
    spec.write_text('[[runs]]\nfunction = "coupon"\nset = {samples = 3}\ngrid = {experts = [2, 3]}\n')
    seen: list[str] = []

    def slow(spec: Any, folder: str, progress: Any, **options: Any) -> Any:
        progress(1, 2, 1)
        for _ in range(1000):
            seen.append(capsys.readouterr().err)
            if "done 1 of 2, failed 1\n" in "".join(seen):
                break
            time.sleep(0.01)
        return running.run(spec, folder, progress=progress, **options)

    monkeypatch.setattr(command, "run_spec", slow)
    assert main(["sweep", str(spec), "-o", str(tmp_path / "out"), "--workers", "1"]) == 0
    assert "jobs for 0 s, done 1 of 2, failed 1\n" in "".join(seen)
    capsys.readouterr()
    monkeypatch.setattr(command, "run_spec", running.run)
    assert main(["sweep", str(spec), "-o", str(tmp_path / "two"), "--workers", "1", "--json"]) == 0
    assert capsys.readouterr().err == ""
