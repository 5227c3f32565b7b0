"""The command line as a user meets it: answers, JSON, exit codes, one-line errors."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import layered_paging as lp
from layered_paging.cli import COMMANDS, main
from layered_paging.profiles.profile import Profile
from layered_paging.samples import SAMPLE

TRACE = str(SAMPLE)
RATIO = ["ratio", "lru", "--layers", "2", "--experts", "3", "--slots", "4"]


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert main([*words, "--json"]) == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    found = json.loads(out)
    assert isinstance(found, dict)
    assert all(key == key.lower() for key in found)
    return found


def test_replay(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(
        capsys,
        "replay",
        TRACE,
        "--slots",
        "24",
        "48",
        "--policy",
        "lru",
        "llru",
        "--reset",
        "session",
        "--optimum",
        "forced",
    )
    trace = lp.load_trace(SAMPLE)
    assert [(r["policy"], r["slots"], r["misses"]) for r in found["runs"]] == [
        (p, s, lp.replay(trace, p, s, reset="session").misses) for s in (24, 48) for p in ("lru", "llru")
    ]
    curve = lp.optimum_curve(trace, admission="forced", reset="session")
    assert [row["misses"] for row in found["optimum"]] == [int(curve[24]), int(curve[48])]


def test_replay_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", TRACE, "--slots", "48", "--policy", "lru", "--by", "layer"]) == 0
    out = capsys.readouterr().out
    assert f"{lp.load_trace(SAMPLE).requests:,} requests" in out
    assert f"{100 * lp.replay(lp.load_trace(SAMPLE), 'lru', 48).hit_rate:.3f}" in out
    assert "by layer" in out


def test_replay_repeats_randomized_policies(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(
        capsys, "replay", TRACE, "--slots", "48", "--policy", "random", "lru", "--repeat", "5", "--seed", "3"
    )
    random, lru = found["runs"]
    trace = lp.load_trace(SAMPLE)
    assert random["all_misses"] == [lp.replay(trace, "random", 48, seed=3 + n).misses for n in range(5)]
    assert random["half_width_95"] > 0
    assert random["misses"] == sum(random["all_misses"]) / 5
    assert random["hit_rate"] == pytest.approx(1 - random["misses"] / trace.requests)
    assert "repeats" not in lru


def test_replay_in_bytes(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    base = lp.load_trace(SAMPLE)
    lp.save_trace(lp.Trace(base.experts, base.n_experts, expert_bytes=1 << 20), tmp_path / "sized.npz")
    found = answer(capsys, "replay", str(tmp_path / "sized.npz"), "--bytes", "48MiB", "0.03GiB", "--policy", "lru")
    assert found["runs"][0]["misses"] == lp.replay(base, "lru", 48).misses
    assert found["runs"][1]["budget_bytes"] == int(0.03 * 2**30)
    assert found["runs"][0]["bytes_read"] == found["runs"][0]["misses"] << 20


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "list", "policies")
    names = [row["name"] for row in found["policies"]]
    assert {"lru", "llru", "fifo", "belady"} <= set(names)
    assert set(found) == {"policies", "failed_to_load"}
    assert main(["list"]) == 0


def test_an_optimum_of_costs_says_what_is_least(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ("optimum", TRACE, "--slots", "24", "--admission", "forced")
    costs = tmp_path / "costs.json"
    costs.write_text(json.dumps([1 + page % 3 for page in range(lp.load_trace(TRACE).pages)]))
    assert main([*words]) == 0
    assert "misses (optimum)" in capsys.readouterr().out
    assert main([*words, "--costs", str(costs)]) == 0
    out = capsys.readouterr().out
    assert "cost (optimum)" in out and "misses at this cost" in out and "misses (optimum)" not in out


def test_curve(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    picture = tmp_path / "curve.svg"
    found = answer(capsys, "curve", TRACE, "--policy", "lru", "sieve", "--points", "4", "-o", str(picture))
    trace = lp.load_trace(SAMPLE)
    assert found["curves"]["lru"] == lp.miss_curve(trace, "lru").tolist()
    assert [s for s, m in enumerate(found["curves"]["sieve"]) if m >= 0] == [24, 48, 72, 96]
    text = picture.read_text()
    assert text.startswith("<?xml")
    assert "<svg" in text
    first = picture.read_bytes()
    main(["curve", TRACE, "--policy", "lru", "sieve", "--points", "4", "-o", str(picture)])
    assert main(["curve", TRACE, "-o", str(tmp_path / "x.svg")]) == 0
    assert len(first) > 1000


def test_curve_refuses_an_unknown_picture_before_it_works(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["curve", "absent.npz", "-o", str(tmp_path / "curve.txt")]) == 2
    assert "a picture's name must end in .svg, .png, .pdf" in capsys.readouterr().err


def test_diagnose(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "diagnose", TRACE, "--slots", "48", "--reset", "session")
    assert found["misses"] == found["by_policy"]["lru"]
    assert found["compulsory"] <= found["optimum"] <= min(found["by_policy"].values())
    assert main(["diagnose", TRACE, "--slots", "48"]) == 0
    out = capsys.readouterr().out
    assert "One round asks for 12 experts" in out


@pytest.mark.parametrize("slots", [95, 96, 1000])
def test_a_cache_that_holds_every_page_is_said_to(
    slots: int, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["diagnose", TRACE, "--slots", str(slots), "--against", "lru"]) == 0
    said = "95 of 96 pages, reset never" if slots < 96 else "the cache holds every page (96 in all), reset never"
    assert f"\n{said}, prefill token\n" in capsys.readouterr().out
    page = tmp_path / "page.html"
    short = tmp_path / "short.npz"
    trace = lp.load_trace(SAMPLE)
    lp.save_trace(lp.Trace(trace.experts[:40], trace.n_experts), short)
    assert main(["report", str(short), "--slots", str(slots), "--against", "lru", "-o", str(page)]) == 0
    said = "95 slots of 96 pages." if slots < 96 else f"{slots:,} slots, enough for every page (96 in all)."
    assert f"Budget: {said}" in page.read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["replay", "absent.npz", "--slots", "3"], "absent.npz"),
        (["replay", TRACE, "--slots", "1"], "slots must hold the largest event (2 slots); got 1"),
        (["replay", TRACE, "--slots", "9", "--policy", "llr"], "unknown policy 'llr'; did you mean"),
        (["replay", "PLAIN", "--bytes", "1GiB"], "needs a trace with expert_bytes"),
        (["diagnose", "PLAIN", "--bytes", "1GiB"], "needs a trace with expert_bytes"),
        (["replay", TRACE, "--slots", "9", "--seed", "-1"], "--seed must be an integer of at least 0"),
        (["curve", TRACE, "--policy", "lru", "-o", "/nonexistent/curve.svg"], "cannot be written"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    plain = tmp_path / "plain.npz"  # no sizes
    lp.save_trace(lp.workloads.uniform(2, 4, 10), plain)
    assert main([str(plain) if word == "PLAIN" else word for word in words]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert captured.err.startswith(f"layered-paging {words[0]}: ")


def test_more_slots_than_pages_are_as_good_as_all(capsys: pytest.CaptureFixture[str]) -> None:
    huge = answer(capsys, "replay", TRACE, "--slots", "96", "9" * 23, "--policy", "lru", "s3-fifo")
    misses = [row["misses"] for row in huge["runs"]]
    assert misses[:2] == misses[2:]
    assert answer(capsys, "diagnose", TRACE, "--slots", "5" + "0" * 18, "--against", "lru")["misses"] == misses[0]
    assert len(answer(capsys, "curve", TRACE, "--policy", "fifo", "--points", "9" * 14)["curves"]["fifo"]) == 97


def on_a_terminal(*words: str, **environment: str) -> str:
    """Run a command in a process of its own whose output and errors are a terminal; return what it shows."""
    import pty

    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "layered_paging", *words],
        stdout=child,
        stderr=child,
        env={**os.environ, "TERM": "xterm", **environment},
    )
    os.close(child)
    out = b""
    while True:
        try:
            part = os.read(parent, 65536)
        except OSError:
            break
        if not part:
            break
        out += part
    os.close(parent)
    assert process.wait() == 0, out
    return out.decode()


@pytest.mark.parametrize("words", [["list"], ["replay", TRACE, "--slots", "48", "--by", "layer"], ["curve", TRACE]])
def test_nothing_is_cut_in_a_narrow_terminal(words: list[str]) -> None:
    assert "…" not in on_a_terminal(*words, COLUMNS="60")


def test_compiling_is_told_on_a_terminal_when_there_is_something_to_compile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    line = "layered-paging ratio: compiling kernels, once per installation ..."
    first, second = (on_a_terminal(*RATIO, XDG_CACHE_HOME=str(tmp_path)) for _ in range(2))
    assert first.count(line) == 1
    assert f"\r{line}\r\n" in first
    assert "compiling" not in second
    assert "compiling" not in on_a_terminal("list", "policies", XDG_CACHE_HOME=str(tmp_path / "other"))


@pytest.mark.parametrize("terminal", [True, False])
def test_compiling_is_told_once_and_to_a_terminal_only(
    terminal: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    log = logging.getLogger("layered_paging.core.compiled")
    before = (log.level, list(log.handlers))

    def run(words: list[str], name: str) -> int:
        for _ in range(3):
            log.info("compiling a kernel")
        return 0

    monkeypatch.setattr("layered_paging.cli._run", run)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    assert main(["list"]) == 0
    line = "\rlayered-paging list: compiling kernels, once per installation ...\n"
    assert capsys.readouterr().err == (line if terminal else "")
    assert (log.level, log.handlers) == before


@pytest.mark.parametrize("target", [">&-", ">/dev/full"])
def test_no_traceback_where_output_cannot_be_written(target: str) -> None:
    command = f"{sys.executable} -m layered_paging list policies {target}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") <= 1


@pytest.mark.parametrize("name", ["absent.json", "."])
def test_check_of_a_file_that_is_not_there_is_a_mistake(
    name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    good = tmp_path / "good.json"
    assert main([*RATIO, "-o", str(good)]) == 0
    altered = tmp_path / "altered.json"
    altered.write_text(good.read_text().replace("lru", "fifo"))
    capsys.readouterr()
    assert main(["check", str(altered), str(tmp_path / name)]) == 2
    captured = capsys.readouterr()
    reason = "no such file" if name == "absent.json" else "cannot be read as a certificate; Is a directory"
    assert captured.out == ""
    assert captured.err == f"layered-paging check: {tmp_path / name}: {reason}\n"
    assert main(["check", str(good), str(altered)]) == 1  # there, but no certificate
    assert "altered or cut" in capsys.readouterr().out


def test_check_says_for_which_certificates_the_trace_was_not_used(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    ratio, optimum = str(tmp_path / "ratio.json"), str(tmp_path / "optimum.json")
    assert main([*RATIO, "-o", ratio]) == 0
    assert main(["optimum", TRACE, "--slots", "48", "--admission", "forced", "-o", optimum]) == 0
    capsys.readouterr()
    found = answer(capsys, "check", ratio, optimum, "--trace", TRACE)["checked"]
    assert [entry["trace_used"] for entry in found] == [False, True]
    assert main(["check", ratio, optimum, "--trace", TRACE]) == 0
    out = capsys.readouterr().out
    assert f"The trace was not used for {ratio}: kind ratio-policy is not about a trace.\n" in out
    assert out.count("The trace was not used") == 1
    assert not answer(capsys, "check", ratio)["checked"][0]["trace_used"]
    assert main(["check", ratio]) == 0
    assert "The trace was not used" not in capsys.readouterr().out


def test_check_reads_a_pipe_once(tmp_path: Path) -> None:
    good = tmp_path / "good.json"
    assert main([*RATIO, "-o", str(good)]) == 0
    command = f"{sys.executable} -m layered_paging check <(cat {good})"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done
    assert "accepted" in done.stdout


SPEED = ["--layer-compute", "1us", "--latency", "1us", "--bandwidth", "9MB", "--expert-bytes", "1MiB"]


ONE_EACH = ["--layers", "1", "--experts", "2", "--slots", "1"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["replay", "one.npz", "--slots", "1", "--policy", "lru"], "1 request, 1 compulsory miss ("),
        (["diagnose", "one.npz", "--slots", "1", "--against", "lru"], "the only miss is the first request since"),
        (["diagnose", "two.npz", "--slots", "1", "--against", "lru"], "the 1 hottest page receives 66.7 %"),
        (["curve", "one.npz"], "hits %"),
        (["optimum", "one.npz", "--slots", "1", "--admission", "forced"], "forced, 1 slot, shared"),
        (["optimum", "one.npz", "--bytes", "1", "--admission", "forced"], "forced, 1 byte, shared"),
        (["convert", "one.npz", "new.jsonl"], "1 request in 1 round and 1 session, from"),
        (["router", "one.npz"], "1 token, 1 session: skew"),
        (["profile", "make", "one.npz", "-o", "new.json"], "from 1 source"),
        (["profile", "drift", "two.npz", "one.json", "--window", "1"], "blocks of 1 token:"),
        (["place", "--generate", "--users", "1", "--servers", "1", "--layers", "1", "--experts", "1", "--top-k", "1"],
         "1 user, 1 server, 1 layer, 1 expert, top 1"),
        (["ratio", "lru", *ONE_EACH], "1 layer of 2 experts, 1 slot: "),
        (["attack", "lru", "--with", "cyclic", *ONE_EACH, "--rounds", "9"], "(1 x 2, 1 slot, shared)"),
        (["coupon", "--experts", "1", "--collectors", "1"], "1 collector, 1 coupon each"),
        (["gap", "two.npz", "--demand", "1", "--policy", "lru"], "1 token "),
        (["prefetch", "one.npz", "--slots", "1", "--predictor", "popularity", *SPEED, "--least-stall", "9"], "1 slot: any sch"),
        (["show", "one.npz", "--slots", "1", "-o", "new.html"], "1 round, "),
        (["show", "one.npz", "--slots", "1", "--policy", "lru", "-o", "new.html"], "lru: 1 miss of 1 request"),
        (["report", "one.npz", "--slots", "1", "--against", "lru", "-o", "new.html"], "new.html: "),
        (["sweep", "one.toml", "-o", "swept"], "1 job, 1 played now"),
    ],
)  # fmt: skip
def test_one_of_a_thing_is_not_several(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    one = lp.Trace([[[0]]], 1, expert_bytes=1)
    lp.save_trace(one, "one.npz")
    lp.save_trace(lp.Trace([[[0]], [[1]], [[0]]], 2), "two.npz")
    Profile.of(lp.Trace([[[0]]], 2)).save("one.json")
    Path("one.toml").write_text(
        "[traces]\none = 'one.npz'\n[[runs]]\nfunction = 'replay'\ntrace = 'one'\nset = {policy = 'lru', slots = 1}\n"
    )
    assert main(words) == 0
    out = capsys.readouterr().out
    assert said in out
    for page in tmp_path.glob("*.html"):
        out += re.sub(r"<[^>]*>", " ", page.read_text().partition("<script")[0])
    things = "session|request|round|layer|expert|page|slot|hit|token|step|event|job|byte|user|server|state|node|source"
    assert not re.findall(rf"(?<![\d.,])1 (?:(?:hottest|compulsory) )?(?:(?:{things})s|misses|policies)\b", out)
    assert "(s)" not in out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    out = capsys.readouterr().out
    assert "example" in out
    assert "--json" in out


def test_a_closed_pipe_is_no_error() -> None:
    command = f"{sys.executable} -m layered_paging list | head -n 1"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, check=False)
    assert done.stderr == ""


@pytest.mark.parametrize(("option", "said"), [("--verbose", "from C"), ("--quiet", "")])
def test_what_compiled_libraries_print_is_set_aside(option: str, said: str) -> None:
    code = (
        "import ctypes, os, sys\n"
        "from layered_paging.cli import listing, main\n"
        "run = listing.run\n"
        "def loud(args):\n"
        "    ctypes.CDLL(None).puts(b'from C')\n"
        "    print('from Python')\n"
        "    return run(args)\n"
        "listing.run = loud\n"
        f"sys.exit(main(['list', '--json', '{option}']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    ours, answer = done.stdout.splitlines()
    assert ours == "from Python" and "policies" in json.loads(answer)
    assert done.stderr.strip() == said


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from layered_paging.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print([m for m in ('numpy', 'numba', 'scipy', 'rich', 'matplotlib') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[-1] == "[]"


@pytest.mark.parametrize("given", [None, "3"])
def test_no_threads_are_started_for_matrices(given: str | None) -> None:
    code = "import os; from layered_paging.cli import main; main(['list']); print(os.environ['OPENBLAS_NUM_THREADS'])"
    known = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    known |= {} if given is None else {"OPENBLAS_NUM_THREADS": given}
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=known).stdout
    assert out.splitlines()[-1] == (given or "1")


def test_a_profile_is_replayed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    import numpy as np

    from layered_paging.profiles.profile import Profile

    trace, hot = str(tmp_path / "t.npz"), str(tmp_path / "hot.json")
    lp.save_trace(lp.workloads.zipf(3, 8, 80, top_k=2, seed=1), trace)
    assert main(["profile", "make", trace, "-o", hot]) == 0
    capsys.readouterr()
    found = answer(capsys, "replay", trace, "--slots", "10", "--policy", "lru", "--profile", hot, "--pin", "4", "24")
    runs = {run["policy"]: run["misses"] for run in found["runs"]}
    rates = Profile.load(hot).page_rates
    order = np.argsort(rates, kind="stable")
    ranks = np.argsort(order).tolist()
    four = [int(p in set(order[-4:].tolist())) for p in range(24)]
    loaded = lp.load_trace(trace)
    assert runs["hottest by hot.json"] == lp.replay(loaded, f"static(profile={ranks})", 10).misses
    assert runs["pin 4, lru for the rest"] == lp.replay(loaded, f"static(profile={four})", 10).misses
    assert runs["pin 24, lru for the rest"] == runs["lru"] == lp.replay(loaded, "lru", 10).misses  # all alike
    assert main(["replay", trace, "--slots", "10", "--pin", "4"]) == 2
    assert "--pin goes with --profile" in capsys.readouterr().err
    assert main(["replay", trace, "--slots", "10", "--profile", hot, "--pin", "25"]) == 2
    assert "--pin must be at most the pages, 24; got 25" in capsys.readouterr().err
    assert main(["replay", TRACE, "--slots", "10", "--profile", hot]) == 2
    assert "the profile is for" in capsys.readouterr().err


def test_layers_print_with_their_names(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = str(tmp_path / "t.npz")
    ids = lp.workloads.zipf(3, 8, 40, seed=1).experts.copy()
    ids[:, 1] = -1
    lp.save_trace(lp.Trace(ids, 8, meta={"layer_names": ["blk.3", "blk.4", "blk.9"]}), path)
    assert main(["replay", path, "--slots", "6", "--policy", "lru", "--by", "layer"]) == 0
    assert "blk.9" in capsys.readouterr().out
    assert main(["diagnose", path, "--slots", "6"]) == 0
    assert "Layer blk.4 has no request" in capsys.readouterr().out
