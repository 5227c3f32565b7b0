"""Mistakes on the command line are one line, name the option that was typed, and exit with 2."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

import layered_paging as lp
from layered_paging.cli import main
from layered_paging.errors import ParameterError
from layered_paging.samples import SAMPLE

TRACE = str(SAMPLE)
RATIO = ["ratio", "lru", "--layers", "2", "--experts", "3", "--slots", "4"]
PREFETCH = [
    "prefetch",
    TRACE,
    "--predictor",
    "popularity",
    "--layer-compute",
    "1us",
    "--latency",
    "1us",
    "--bandwidth",
    "9MB",
]


EVENT = "the largest event (2 slots); got 1 (use at least"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["replay", TRACE, "--slots", "1"],
            f"--slots must hold {EVENT} 2 in all, or --admission bypass, or --oversize",
        ),
        (
            ["replay", TRACE, "--slots", "4", "--pool", "per-layer"],
            "--slots must hold the largest event of layer 0 (2 slots); got 1 (use at least 12 in",
        ),
        (
            ["replay", "SIZED", "--bytes", "1MiB"],
            "--bytes must hold the largest event (2097152 bytes); got 1048576 (use",
        ),
        (["replay", "SIZED", "--bytes", "0"], "--bytes must be an integer of at least 1; got 0"),
        (["replay", TRACE, "--bytes", "1MiB", "--repeat", "2", "--seed", "-1"], "--seed must be"),
        (
            ["replay", "PLAIN", "--bytes", "1MiB"],
            "--bytes needs a trace with expert_bytes; this one has none (use --slots, or --expert-bytes)",
        ),
        (
            ["replay", "PLAIN", "--quotas", "30B,30B"],
            "--quotas in bytes need a trace with expert_bytes; this one has none (use --quotas without a unit, in slots, or",
        ),
        (
            ["diagnose", TRACE, "--slots", "48", "--engine", "sglang"],
            "unknown engine 'sglang'; available: llama.cpp, llama-cpp-turboquant, warp, mixtral-offloading, tinyserve, "
            "moe-infinity; others ship no policy to choose, or were not read: an engine need not be named",
        ),
        (["replay", "LONG", "--stream", "--slots", "9", "--sample", "1", "--reset", "session"], "--sample must be an"),
        (["replay", "LONG", "--stream", "--slots", "9", "--prefill", "merged"], "--prefill merged needs whole prompts"),
        (
            ["replay", TRACE, "--slots", "9", "--policy", "llru(rounds='x')"],
            "llru: rounds must be 'visit' or 'absolute'",
        ),
        (
            ["diagnose", "SIZED", "--bytes", "1MiB"],
            "--bytes must hold the largest event (2097152 bytes); got 1048576",
        ),
        (["diagnose", "SIZED", "--bytes", "1"], "--bytes must hold the largest event (2097152 bytes); got 1"),
        (["report", TRACE, "--slots", "1", "-o", "x.html"], "--slots must hold the largest event (2); got 1"),
        (["optimum", TRACE, "--slots", "9", "--admission", "forced", "--lookahead", "-1"], "--lookahead must be an"),
        (
            ["optimum", TRACE, "--slots", "9", "--admission", "forced", "--time-limit", "0s"],
            "--time-limit must be above",
        ),
        (
            ["optimum", "SIZED", "--bytes", "8MiB", "--admission", "forced", "--quotas", "free"],
            "--quotas are in slots; got a budget in bytes (use --slots)",
        ),
        (["optimum", "SIZED", "--bytes", "1", "--admission", "bypass"], "--bytes holds not even one expert"),
        (["optimum", TRACE, "--slots", "1", "--admission", "forced"], f"--slots must hold {EVENT} 2 in all, or --adm"),
        (["router", TRACE, "--slots", "1", "--map", "x.svg"], f"--slots must hold {EVENT} 2 in all)"),
        (["gap", TRACE, "--policy", "lru", "lru"], "--policy must be one or more, each once"),
        (["gap", TRACE, "-o", "x.txt"], "--output must end with .csv"),
        (
            ["show", TRACE, "--slots", "9", "--from", "99999", "-o", "x.html"],
            "--from must be below 3048, the rounds of",
        ),
        (
            ["ratio", "lru", "--layers", "2", "--experts", "3", "4", "5", "--slots", "4"],
            "--experts must be one int, or",
        ),
        ([*RATIO, "--offline-slots", "9"], "--offline-slots must be at most slots, 4; got 9"),
        ([*RATIO[:-1], "1", "--pool", "per-layer"], "--pool per-layer needs a slot for each of the 2 layers; got 1"),
        ([*PREFETCH, "--slots", "1", "--expert-bytes", "1MiB"], f"--slots must hold {EVENT} 2 in all)"),
        ([*PREFETCH, "--slots", "9", "--expert-bytes", "0"], "--expert-bytes must be one int of 1..2^40, or one for"),
        (
            [*PREFETCH[:1], "PLAIN", *PREFETCH[2:], "--slots", "9"],
            "the time model needs the bytes of an expert; the trace has none (use --expert-bytes)",
        ),
        ([*PREFETCH, "--slots", "9", "--expert-bytes", "1MiB", "--budget", "-1"], "--budget must be an integer of at"),
        (["place", "--generate", "--top-k", "99"], "--top-k must be at most the experts of a layer, 16; got 99"),
        (["profile", "make", TRACE, "--half-life", "-1", "-o", "x"], "--half-life must be a number of events above 0"),
        (
            ["profile", "make", TRACE, "--half-life", "3", "--window", "3", "-o", "x"],
            "--half-life and --window exclude each other",
        ),
    ],
)
def test_a_mistake_names_the_option_that_was_typed(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    base = lp.load_trace(SAMPLE)
    lp.save_trace(lp.Trace(base.experts[:40], base.n_experts, expert_bytes=1 << 20), tmp_path / "sized.npz")
    lp.save_trace(lp.workloads.uniform(2, 4, 10), tmp_path / "plain.npz")
    lp.save_trace(lp.workloads.uniform(2, 4, 10, sessions=2), tmp_path / "long.jsonl")
    files = {"SIZED": "sized.npz", "PLAIN": "plain.npz", "LONG": "long.jsonl"}
    assert main([files.get(word, word) for word in words]) == 2
    assert capsys.readouterr().err.startswith(f"layered-paging {words[0]}: {message}")


def test_an_error_carries_the_parameter_it_speaks_of() -> None:
    trace = lp.workloads.uniform(2, 4, 10)
    with pytest.raises(ParameterError) as caught:
        lp.replay(trace, "lru", 0)
    assert (caught.value.parameter, caught.value.message) == ("slots", "must be an integer of at least 1; got 0")
    same = copy.copy(caught.value)  # as it comes back from another process
    assert (str(same), same.parameter, same.ways) == (str(caught.value), "slots", ())
    with pytest.raises(ParameterError) as caught:
        lp.competitive_ratio("lru", layers=2, experts=3, slots=1, pool="per-layer")
    assert (caught.value.parameter, caught.value.value) == ("pool", "per-layer")
    assert str(caught.value) == "pool='per-layer' needs a slot for each of the 2 layers; got 1"


def test_a_name_that_no_option_sets_stays_and_a_way_that_is_none_goes() -> None:
    error = ParameterError("must be 1", parameter=("slots", "other"), ways=[("oversize", "allow"), ("oversize", "x")])
    flags = {"slots": "--slots", "oversize": "--oversize"}

    def named(parameter: str, value: object) -> str | None:
        return None if value == "x" or parameter not in flags else f"{flags[parameter]} {value or ''}".strip()

    assert error.said(named) == "--slots and other must be 1 (use --oversize allow)"
    assert str(error) == "slots and other must be 1 (use oversize='allow', or oversize='x')"


def test_python_keeps_its_names() -> None:
    with pytest.raises(ParameterError, match=r"^budget_bytes needs a trace with expert_bytes"):
        lp.replay(lp.workloads.uniform(2, 4, 10), "lru", budget_bytes=5)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["replay", TRACE, "--slots", "-3"], "--slots must be an integer of at least 1; got '-3' ("),
        (["ratio", *RATIO[1:], "--time-limit", "60"], "--time-limit must be a time such as 200us, 1.5ms, 20s or 5min"),
        (["ratio", *RATIO[1:], "--time-limit", "60"], "got '60', without a unit (did you mean 60s?) ("),
        (["replay", TRACE, "--bytes", "3 apples"], "--bytes: a size is a number with B, KiB, MiB"),
    ],
)
def test_a_value_that_cannot_be_read_names_its_option(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(words)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["replay", TRACE],
        ["replay", TRACE, "--bytes", "3 apples"],
        ["replay", TRACE, "--bytes", "9" * 5000],
        ["replay", TRACE, "--slots", "1.5"],
        ["replay", TRACE, "--slots", "9", "--bytes", "1GiB"],
        ["replay", TRACE, "--slots", "9", "--pool", "x"],
        ["curve", TRACE, "--points", "0"],
        ["list", "foo"],
        ["frobnicate"],
    ],
)
def test_usage_errors_are_one_line_too(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert "--help)" in captured.err
    assert len(captured.err) < 2500


def test_no_words_print_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "COMMAND" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["replay", "a\nb", "--slots", "4"], "a\\nb"),
        (["replay", TRACE, "--slots", "9", "--policy", "x" * 100_000], " ... "),
        (["replay", TRACE, "--slots", "9", "--policy", "static(profile=5)"], "profile"),
        (["replay", TRACE, "--slots", "9", "--policy", "lfu(history={[]:1})"], "plain values"),
        (["replay", TRACE, "--slots", "9", "--policy", "lru(**{'x':1})"], "plain values"),
        (["replay", TRACE, "--slots", "9", "--policy", "lfu-decay(half_life=1, half_life=2)"], "plain values"),
        (["curve", TRACE, "-o", ""], "must end in .svg"),
        (["curve", TRACE, "--optimum", "none", "forced"], "--optimum none goes alone; got none forced"),
        (["curve", TRACE, "-o", "x.svg/"], "cannot end in"),
    ],
)
def test_odd_words_are_one_line(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert len(captured.err) < 2500


@pytest.mark.parametrize("words", [["--bytes", "-1GB"], ["--bytes=-1GB"], ["--bytes", "-.5GiB"]])
def test_a_negative_size_says_what_is_wrong(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["replay", TRACE], ["diagnose", TRACE], ["optimum", TRACE, "--admission", "forced"]):
        with pytest.raises(SystemExit):
            main([*command, *words])
        assert "a size must not be negative; got '-" in capsys.readouterr().err
