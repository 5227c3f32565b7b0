"""A compiled search ends when it is interrupted: by a signal, or by the end of its time."""

from __future__ import annotations

import signal
import threading

import numpy as np
import pytest

from layered_paging.cli.progress import stoppable
from layered_paging.errors import ParameterError
from layered_paging.ratio import competitive_ratio
from layered_paging.ratio.game import solve
from layered_paging.ratio.game_kernels import play
from layered_paging.ratio.halting import halting


def test_a_search_is_told_to_end_and_has_ended_before_the_interruption_goes_on() -> None:
    told = threading.Event()
    ended = []

    def search() -> None:
        told.wait()
        ended.append(True)

    with pytest.raises(KeyboardInterrupt, match=r"the time limit of 0\.05 s is over"), stoppable(0.05):
        halting(search, told.set)
    assert ended == [True]


def test_an_answer_and_an_error_come_back() -> None:
    assert halting(lambda: (1, 2), lambda: None) == (1, 2)

    def fails() -> None:
        raise ParameterError("slots must be odd")

    with pytest.raises(ParameterError, match="slots must be odd"):
        halting(fails, lambda: None)


def test_without_threads_the_search_runs_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    assert halting(threading.get_ident, lambda: None) == threading.get_ident()


def test_positions_end_where_the_array_says_so() -> None:
    first = np.array([0, 2, 4], np.int64)
    seen = np.zeros(3, np.int64)
    whole = play(first, 3, True, 1 << 20, seen)
    assert seen.tolist() == [len(whole[0]), len(whole[0]), 0]
    seen[2] = 1
    assert len(play(first, 3, True, 1 << 20, seen)[0]) == 0


@pytest.mark.parametrize("phase", ["positions of the game", "nodes of the graph"])
def test_an_interruption_while_a_kernel_runs(phase: str) -> None:
    """The signal comes when the kernel has begun: twelve pages, which take minutes or all the memory otherwise."""

    def tick(what: str, value: object) -> None:
        if what == "growing":
            threading.Timer(0.1, signal.raise_signal, [signal.SIGTERM]).start()

    with pytest.raises(KeyboardInterrupt, match="terminated"), stoppable(None):
        if phase.startswith("positions"):
            solve(3, 4, 7, tick=tick)
        else:
            competitive_ratio("mark-lru", layers=3, experts=4, slots=7, tick=tick)
    assert "layered-paging search" not in {thread.name for thread in threading.enumerate()}
