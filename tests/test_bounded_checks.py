"""Checking is bounded: work and memory have a limit, files are regular, and what is printed is text."""

from __future__ import annotations

import contextlib
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest

import layered_paging as lp
from layered_paging.certificate import Certificate
from layered_paging.certify.meter import hold, metered, spend
from layered_paging.cli import cleaned, main
from layered_paging.errors import CertificateRejected, FormatError, LayeredPagingError

ATLAS = Path(__file__).parents[1] / "docs" / "atlas"
PLAYED: dict[str, Any] = {"pool": "shared", "general": False, "top_k": 1}


def costly(**changes: Any) -> Certificate:
    """Return a small certificate whose policy takes ever more courses."""
    says = {"policy": "online-min", "layers": 1, "experts": 10, "slots": 5, "offline_slots": 5, "lower": "1", **PLAYED}
    shows = {"prefix": [], "cycle": [[n] for n in range(10)]}
    return Certificate("ratio-lower", {**says, **changes}, shows)


def large() -> Certificate:
    """Return a small certificate about millions of events."""
    says = {**costly().statement, "policy": "lru", "experts": 24, "slots": 12, "offline_slots": 12, "top_k": 12}
    says |= {"value": "1", "additive": "0"}
    del says["lower"]
    cycle = [list(range(12)), list(range(12, 24))]
    shows = {"prefix": [], "cycle": cycle, "worst_start": [], "unit": 1, "states": [[0] * 25], "potential": [[0, 0]]}
    return Certificate("ratio-policy", says, shows)


def test_work_has_a_limit() -> None:
    with pytest.raises(
        CertificateRejected, match=r"every course of a randomized policy takes more than the limit of 200,000"
    ):
        lp.certify.check(costly(), limit=200_000)


def test_memory_is_computed_before_it_is_taken() -> None:
    """The 32 million members of all events are counted, not made: making them takes half a gigabyte."""
    import tracemalloc

    tracemalloc.start()
    try:
        with pytest.raises(
            CertificateRejected, match=r"the events of all layers would hold more than 6,000,000 numbers"
        ):
            lp.certify.check(large())
        assert tracemalloc.get_traced_memory()[1] < 10 << 20
    finally:
        tracemalloc.stop()


def test_the_atlas_is_far_below_the_limit_and_the_limit_is_obeyed() -> None:
    for name in ("llru-2x3-5", "best-randomized-2x3-4", "best-deterministic-2x3-5", "lru-3x2-5"):
        certificate = Certificate.load(ATLAS / f"{name}.json.gz")
        lp.certify.check(certificate, limit=3_000_000)
        with pytest.raises(CertificateRejected, match="not checked: "):
            lp.certify.check(certificate, limit=1_000)


def test_steps_are_counted_inside_only() -> None:
    spend(1 << 60, "nothing")
    hold(1 << 60, "nothing")
    with metered(100) as account:
        spend(40, "a")
        hold(2, "b")
        assert account == [100, 58, 0]
        with pytest.raises(CertificateRejected, match="c would hold more than 2 numbers; give a limit above 100 steps"):
            hold(1, "c")
        with pytest.raises(CertificateRejected, match="d takes more than the limit of 100 steps"):
            spend(58, "d")


DEEP = (
    '{"format":"layered-paging certificate","version":1,"kind":"x","statement":{"lower":%s},"evidence":{},"digest":""}'
)
BROKEN = {
    "overflow.json": DEEP % "1e999",
    "deep.json": DEEP % ("[" * 992 + "]" * 992),
    "deeper.json": DEEP % ("[" * 50_000 + "]" * 50_000),
}


def test_files_after_a_broken_one_are_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in BROKEN.items():
        (tmp_path / name).write_text(text)
    says = {"layers": 2, "experts": 2, "slots": 3, "lower": "1/0", "upper": "2"}
    Certificate("ratio-game", says, {}).save(tmp_path / "zero.json")
    Certificate("\x1b[31mRED\nX", {}, {}).save(tmp_path / "escape.json")
    good = ATLAS / "lru-2x2-1.json.gz"
    files = [*(str(tmp_path / name) for name in (*BROKEN, "zero.json", "escape.json")), str(good)]
    assert main(["check", *files, "--json"]) == 1
    entries = json.loads(capsys.readouterr().out)["checked"]
    assert [entry["accepted"] for entry in entries] == [False] * 5 + [True]
    assert [entry["verdict"] for entry in entries] == ["rejected"] * 5 + ["accepted"]
    assert main(["check", str(good), "--limit", "10", "--json"]) == 1
    (entry,) = json.loads(capsys.readouterr().out)["checked"]
    assert entry["verdict"] == "not checked" and not entry["accepted"]
    assert all("\n" not in entry["reason"] for entry in entries[:3])
    assert main(["check", *files]) == 1
    out = capsys.readouterr().out
    assert "\x1b" not in out and "\\x1b[31mRED\\nX" in out.replace(" ", "")


@pytest.mark.parametrize("depth", range(900, 1010, 6))
def test_any_depth_is_one_line(depth: int) -> None:
    with pytest.raises(FormatError) as caught:
        Certificate.from_json(DEEP % ("[" * depth + "]" * depth))
    assert "\n" not in str(caught.value)


def test_the_option_raises_the_limit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = str(ATLAS / "llru-2x3-5.json.gz")
    assert main(["check", good, "--limit", "1000"]) == 1
    assert "more than the limit of 1,000 steps" in " ".join(capsys.readouterr().out.split())
    assert main(["check", good, "--limit", "5000000"]) == 0


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_devices_and_pipes_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fifo, trace = tmp_path / "fifo", tmp_path / "t.npz"
    os.mkfifo(fifo)
    lp.save_trace(lp.workloads.uniform(2, 4, 10), trace)
    optimum = ["optimum", str(trace), "--slots", "3", "--admission", "forced", "--costs"]
    replay = ["replay", str(trace), "--slots", "3", "--policy"]
    for odd in ("/dev/zero", str(fifo)):
        for words in (
            [*optimum, odd],
            [*replay, f"strategy:{odd}"],
            ["place", "--network", odd],
            ["sweep", odd, "-o", str(tmp_path / "s")],
            ["profile", "show", odd],
        ):
            with contextlib.suppress(SystemExit):
                assert main(words) == 2, words
            err = capsys.readouterr().err
            assert err.count("\n") == 1 and ("not a regular file" in err or "unrecognized" in err or "choice" in err), (
                err
            )
    assert main(["check", str(fifo)]) == 2
    assert main(["check", "/dev/zero"]) == 1
    assert "not a regular file" in " ".join(capsys.readouterr().out.split())


def test_pipes_that_are_open_already_are_read() -> None:
    from layered_paging.core.files import read_limited

    read, write = os.pipe()
    os.write(write, b"abcdef")
    os.close(write)
    try:
        assert read_limited(f"/dev/fd/{read}", 3) == b"abcd"
    finally:
        os.close(read)


def test_answers_are_cleaned_of_what_terminals_obey() -> None:
    assert cleaned({"\x1b]0;x\x07": ["a\x9b31m", ("\u202e", 3, None)]}) == {
        "\\x1b]0;x\\x07": ["a\\x9b31m", ("\\u202e", 3, None)]
    }


def test_metadata_reaches_no_terminal(tmp_path: Path) -> None:
    base = lp.workloads.zipf(2, 8, 40, sessions=4, seed=1)
    items = [{"topic": f"\x1b[31mred{n % 2}"} for n in range(4)]
    path = tmp_path / "t.npz"
    lp.save_trace(
        lp.Trace(base.experts, 8, base.sessions, meta={"items": items, "layer_names": ["\x1b[1mA", "B"]}), path
    )
    for words in (
        ["router", str(path), "--by", "topic"],
        ["diagnose", str(path), "--slots", "6"],
        ["replay", str(path), "--slots", "6"],
    ):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main(words)
        assert "\x1b" not in out.getvalue() + err.getvalue()
        if words[0] == "router":
            assert "\\x1b[31mred0" in out.getvalue()


# journals


def journal(path: Path) -> Path:
    from layered_paging.sweep.journal import Journal

    book = Journal(path, "identity", 3)
    book.append([{"job": n, "result": {"misses": 10 + n}, "seconds": 0.5} for n in range(3)])
    book.close()
    return path


@pytest.mark.parametrize(
    "change",
    [
        (b'"misses": 11', b'"misses": 12'),
        (b'"misses": 11', b'"misses": NaN'),
        (b'"job": 1,', b'"job": true,'),
        (b'"result": {"misses": 11}', b'"result": null'),
        (b'"seconds": 0.5', b'"seconds": 0.25'),
        (b'"sum": "', b'"sum": "0'),
        (b', "sum"', b', "summ"'),
        (b'{"job": 1', b'[{"job": 1'),
    ],
)
def test_a_damaged_line_of_a_journal_is_one_line(change: tuple[bytes, bytes], tmp_path: Path) -> None:
    from layered_paging.sweep.journal import Journal

    def rows() -> list[int]:
        book = Journal(path, "identity", 3)
        book.close()
        return sorted(book.rows)

    path = journal(tmp_path / "journal.jsonl")
    assert rows() == [0, 1, 2]
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2].replace(*change)
    path.write_bytes(b"".join(lines))
    with pytest.raises(LayeredPagingError, match=r"line 3: not a line of a journal; the file is damaged"):
        Journal(path, "identity", 3)
    path.write_bytes(b"".join(lines[:2]) + lines[3][:-5])
    assert rows() == [0]
    assert path.read_bytes() == b"".join(lines[:2])  # the broken last line is cut off


def test_a_certificate_of_the_first_rounds_is_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, proof = str(tmp_path / "t.npz"), str(tmp_path / "s.json")
    base = lp.workloads.zipf(2, 4, 12, seed=1)
    lp.save_trace(lp.Trace(base.experts, 4, expert_bytes=1000), path)
    clock = ["--layer-compute", "1000us", "--bandwidth", "1MB", "--latency", "0us", "--slots", "3"]
    assert main(["prefetch", path, *clock, "--first", "4", "--least-stall", proof]) == 0
    shown = capsys.readouterr().out
    assert f"layered-paging check {proof} --trace {path} --first 4" in shown
    assert main(["check", proof, "--trace", path, "--first", "4"]) == 0
    assert main(["check", proof, "--trace", path]) == 1
    assert "about another trace" in " ".join(capsys.readouterr().out.split())
