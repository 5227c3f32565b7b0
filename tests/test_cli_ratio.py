"""``layered-paging ratio`` and ``atlas`` from the command line."""

from __future__ import annotations

import json
import signal
import threading
import time
from fractions import Fraction

import numpy as np
import pytest

from layered_paging import certify, problems
from layered_paging.certificate import Certificate
from layered_paging.cli import common, main, progress
from layered_paging.cli import ratio as command
from layered_paging.errors import LayeredPagingError
from layered_paging.policies.names import resolve


def run(capsys, *words):
    status = main(list(words))
    captured = capsys.readouterr()
    return status, captured.out, captured.err


SIZE = ("--layers", "2", "--experts", "2", "--slots", "3")


def test_a_policy(capsys, tmp_path):
    path = tmp_path / "lru.json"
    status, out, _ = run(capsys, "ratio", "lru", *SIZE, "--json", "-o", str(path))
    answer = json.loads(out)
    assert (status, answer["value"], answer["unbounded"], answer["additive"]) == (0, "3", False, "0")
    certify.check(Certificate.load(path))
    status, out, _ = run(capsys, "ratio", "lru", *SIZE, "--witness", "--pool", "per-layer")
    assert status == 0
    assert "unbounded" in out
    assert "cycle: " in out


def test_the_best_policies(capsys, tmp_path):
    for words, value in (((), "2"), (("--randomized",), "7/4")):
        path = tmp_path / "best.json.gz"
        status, out, _ = run(capsys, "ratio", "--optimal", *words, *SIZE, "--json", "-o", str(path))
        answer = json.loads(out)
        assert (status, answer["lower"], answer["upper"], answer["solved"]) == (0, value, value, True)
        certify.check(Certificate.load(path))
    _, out, _ = run(capsys, "ratio", "--optimal", *SIZE)
    assert "exactly 2" in out


def test_mistakes(capsys):
    for words, message in (
        (("ratio", *SIZE), "give either a policy or --optimal"),
        (("ratio", "lru", "--randomized", *SIZE), "--randomized goes with --optimal"),
        (("ratio", "--optimal", "--general", *SIZE), "--optimal goes with"),
        (("ratio", "lfu", *SIZE), "needs a policy with a method state"),
        (("ratio", "lru", "--layers", "2", "--experts", "2", "--slots", "9"), "below the number of pages"),
        (("ratio", "lru", *SIZE, "--memory", "100B"), "does not fit into 100 bytes"),
    ):
        status, _, err = run(capsys, *words)
        assert status == 2
        assert message in err


def test_an_interruption_keeps_what_is_known(capsys, monkeypatch, tmp_path):
    real = command.Progress.__call__

    def interrupted(self, what, value):
        real(self, what, value)
        if what == "ratio":
            raise KeyboardInterrupt

    monkeypatch.setattr(command.Progress, "__call__", interrupted)
    status, out, _ = run(capsys, "ratio", "lru", *SIZE, "--json")
    answer = json.loads(out)
    assert status == 0
    assert answer["complete"] is False
    assert answer["searched"]["upper"] is None
    assert answer["searched"]["lower"] in ("1", "3/2", "2", "5/2", "3")
    assert (answer["lower"], answer["upper"], answer["upper_from"]) == ("3", "3", "theorem lru_exact")
    # the lower side can be checked, and holds for a randomized policy too
    for policy in ("fifo", "marking"):
        file = str(tmp_path / f"{policy}.json")
        status, out, _ = run(capsys, "ratio", policy, *SIZE, "-o", file)
        assert status == 0
        assert "(stopped early)" in out
        assert "cycle: " in out
        assert run(capsys, "check", file)[0] == 0


@pytest.mark.parametrize(
    ("words", "lower", "upper", "below", "above"),
    [
        (("lru", *SIZE), "3", "3", "theorem lru_exact", "theorem lru_exact"),
        (("llru(rounds='absolute')", *SIZE), "2", "4", "theorem deterministic_lower", "theorem llru_absolute"),
        (("fifo", *SIZE), "2", "3", "theorem deterministic_lower", "classical k (sleator-tarjan-1985)"),
        (("mark-lru", *SIZE), "2", "3", "theorem deterministic_lower", "theorem marking_upper"),
        (("marking", *SIZE), "7/4", "8/3", "theorem randomized_exact", "classical 2 H_k - 1 (achlioptas-chrobak-noga-2000)"),
        (("--optimal", *SIZE), "2", "2", "theorem deterministic_lower", "theorem mark_far_exact"),
        (("--optimal", "--layers", "3", "--experts", "3", "--slots", "5"), "3", "5", "theorem deterministic_lower", "theorem lru_exact"),
        (("--optimal", *SIZE, "--admission", "bypass"), "3", None, "theorem events_bypass", None),
        (("fifo", "--layers", "3", "--experts", "2", "--slots", "2"), None, "2", None, "theorem any_few_slots"),
    ],
)  # fmt: skip
def test_an_interruption_before_anything_is_found_tells_what_is_proved(
    capsys, monkeypatch, words, lower, upper, below, above
):
    def interrupted(self, what, value):
        raise KeyboardInterrupt

    monkeypatch.setattr(command.Progress, "__call__", interrupted)
    status, out, err = run(capsys, "ratio", *words, "--json")
    answer = json.loads(out)
    assert (status, answer["complete"]) == (0, False)
    assert (answer["lower"], answer["upper"]) == (lower, upper)
    assert (answer["lower_from"], answer["upper_from"]) == (below, above)
    assert "before any bound was found" in err
    status, out, _ = run(capsys, "ratio", *words)
    assert (
        f"{'lower' if below else 'upper'} side: theorem" in out
        and "the search itself: no lower side to no upper side yet" in out
    )
    if "--optimal" in words:
        assert ("what is proved settles it" in out, "not the best that can be had" in out) == (
            lower == upper,
            lower != upper,
        )


@pytest.mark.parametrize("words", [("--pool", "per-layer"), ("--general",), ("--offline-slots", "2")])
def test_an_interruption_where_nothing_is_known_says_so(capsys, monkeypatch, words):
    def interrupted(self, what, value):
        raise KeyboardInterrupt

    monkeypatch.setattr(command.Progress, "__call__", interrupted)
    status, out, err = run(capsys, "ratio", "lru", *SIZE, *words)
    assert (status, out) == (130, "")
    assert "before any bound was found" in err and "no theorem gives a bound here" in err


def test_a_class_that_is_called_as_a_policy_has_not_its_theorems():
    class lru:
        def hit(self, page, time): ...

        miss = victim = state = hit

    found = problems.joined(resolve(lru), problems.Size(2, 2, 3))
    assert (found.lower, found.upper) == (2, None)


def test_a_search_that_contradicts_a_theorem_is_told():
    with pytest.raises(LayeredPagingError, match="one is wrong"):
        problems.joined("best randomized", problems.Size(3, 4, 8), upper=Fraction(5, 2))


def test_the_atlas(capsys, tmp_path):
    status, out, _ = run(capsys, "atlas", "--pages", "3", "--policy", "lru", "fifo", "--json", "-o", str(tmp_path))
    assert status == 0
    assert {(row["policy"], row["slots"], row["upper"]) for row in json.loads(out)["rows"] if row["experts"] == 3} == {
        ("lru", 1, "1"), ("lru", 2, "2"), ("fifo", 1, "1"), ("fifo", 2, "2")
    }  # fmt: skip


def test_a_table_has_the_columns_of_a_paper(capsys):
    status, out, _ = run(capsys, "ratio", "lru", *SIZE, "--format", "md")
    assert status == 0
    assert out.splitlines()[0] == "| policy | layers | experts | slots | ratio | k - l + 1 | k | H_k |"
    assert out.splitlines()[2] == "| lru | 2 | 2 | 3 | 3 | 2 | 3 | 11/6 |"
    status, out, _ = run(capsys, "ratio", "lru", *SIZE, "--format", "csv", "--table-columns", "ratio", "cycle", "pool")
    assert out.splitlines()[0] == "ratio,cycle,pool"
    assert out.splitlines()[1].endswith(",shared")
    status, out, _ = run(capsys, "ratio", "--optimal", *SIZE, "--format", "tex")
    assert "best deterministic & 2 & 2 & 3 & 2 &" in out
    status, out, _ = run(capsys, "ratio", "lru", *SIZE, "--pool", "per-layer", "--format", "csv")
    assert out.splitlines()[1].startswith("lru,2,2,3,unbounded")


def test_progress_says_phase_counts_and_rates():
    said = progress.Progress(quiet=True)
    said("phase", "nodes of the graph")
    said("growing", np.array([10, 30]))
    assert said.line().startswith("nodes of the graph for 0 s, 10 of 30 nodes so far (")
    said("nodes", 30)
    said("bracket", (Fraction(1), Fraction(3, 2)))
    assert said.line() == "nodes of the graph for 0 s, nodes 30, between 1 and 3/2"
    assert said.facts["nodes"] == 30


def test_a_long_command_tells_in_a_pipe_how_far_it_is(capsys, monkeypatch):
    monkeypatch.setattr(progress, "LINES", 0.01)
    with common.progress("report", 9) as advance:
        advance(3)
        said, looks = "", 0
        while "done 3 of 9" not in said and looks < 2000:
            time.sleep(0.01)
            said, looks = said + capsys.readouterr().err, looks + 1
    assert said.splitlines()[-1].startswith("report for 0 s, done 3 of 9")
    with common.progress("report", 9, quiet=True) as advance:
        advance(3)
        time.sleep(0.05)
    assert capsys.readouterr() == ("", "")


def test_a_signal_and_a_clock_stop_a_search():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), progress.stoppable(None):
        signal.raise_signal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), progress.stoppable(0.01):
        signal.pause()
    assert signal.getsignal(signal.SIGTERM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_randomized_search_ends_in_time_with_true_bounds(capsys, tmp_path):
    path = tmp_path / "open.json.gz"
    words = ("--layers", "2", "--experts", "3", "--slots", "4", "--time-limit", "1s", "--json", "-o", str(path))
    status, out, _ = run(capsys, "ratio", "--optimal", "--randomized", *words)
    answer = json.loads(out)
    assert (status, answer["complete"], answer["solved"]) == (0, False, False)
    assert answer["searched"]["upper"] is not None and answer["lower_from"] in ("search", "theorem randomized_harmonic")
    assert Fraction(answer["lower"]) < Fraction(93, 46) + Fraction(1, 10**9)
    certify.check(Certificate.load(path))


def test_a_shortest_cycle_is_printed_and_certified(capsys, tmp_path):
    path = tmp_path / "short.json"
    status, out, _ = run(capsys, "ratio", "lru", *SIZE, "--shortest", "-o", str(path))
    assert status == 0
    assert "a cycle of 4 events costs 4, the optimum 4/3 on average over its turns" in out
    assert "no shorter one has the ratio; every one has at least 4 events" in out
    assert run(capsys, "check", str(path))[0] == 0
    assert run(capsys, "ratio", "--optimal", *SIZE, "--shortest")[0] == 2


def test_what_has_no_shortest_cycle_leaves_no_certificate_and_says_so(capsys, tmp_path):
    path = tmp_path / "none.json"
    size = ["--layers", "2", "--experts", "3", "--slots", "4"]
    for more, said in ((["-o", str(path)], True), ([], False)):
        status, out, err = run(capsys, "ratio", "lifo", *size, "--shortest", *more)
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert "found ratio unbounded" in err
        assert err.endswith(f"; {path} was not written (leave --shortest out)\n") == said
        assert "the ratio and its certificate can still be had" in err
    assert not path.exists()
    assert run(capsys, "ratio", "lifo", *size, "-o", str(path))[0] == 0 and path.exists()


def test_progress_ends_with_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    before = set(threading.enumerate())
    assert main(["ratio", "belady", "--layers", "2", "--experts", "2", "--slots", "3"]) == 2
    for thread in set(threading.enumerate()) - before:
        thread.join(2)
        assert not thread.is_alive()


@pytest.mark.parametrize(
    "words, bounds",
    [
        (("lru", "--layers", "3", "--experts", "3", "--slots", "5"), "; theorems say: exactly 5"),
        (("fifo", "--layers", "3", "--experts", "3", "--slots", "5"), "; theorems say: between 3 and 5"),
        (("--optimal", "--layers", "3", "--experts", "3", "--slots", "5"), "; theorems say: between 3 and 5"),
        (("lru", "--layers", "3", "--experts", "3", "--slots", "5", "--general"), "bytes of memory"),
    ],
)
def test_a_graph_too_large_for_the_memory_is_refused_with_what_theorems_say(capsys, words, bounds):
    status, out, err = run(capsys, "ratio", *words, "--memory", "200")
    assert (status, out) == (2, "")
    line = err.strip().splitlines()[-1]
    assert "not fit into 200 bytes of memory" in line and line.endswith(bounds)
