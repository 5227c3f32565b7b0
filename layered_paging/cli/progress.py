"""A long search on the command line: what it does is shown, and it can be stopped without losing what it knows."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["Progress", "stoppable"]

EVERY, LINES = 0.5, 10.0  # seconds between two looks on a terminal, and between two lines elsewhere


class Progress:
    """Tells on standard error what a search does: its phase, counts, rates, and the best bound so far.

    On a terminal one line is drawn again and again; elsewhere a line is printed every ten seconds.
    """

    def __init__(self, quiet: bool) -> None:
        self.facts: dict[str, Any] = {}
        self._phase, self._begun = "", time.monotonic()
        self._terminal = sys.stderr is not None and sys.stderr.isatty()
        self._end = threading.Event()
        self._shown = not quiet and sys.stderr is not None
        if self._shown:
            threading.Thread(target=self._look, daemon=True).start()

    def __call__(self, what: str, value: Any) -> None:
        """Note a fact; to be given to a search as its ``tick``."""
        if what == "phase":
            if value != self._phase:
                self._phase, self._begun = str(value), time.monotonic()
        else:
            self.facts[what] = value

    @property
    def phase(self) -> str:
        """What is done now, and for how long."""
        return f"{self._phase or 'beginning'} for {time.monotonic() - self._begun:.0f} s"

    def line(self) -> str:
        """Return what is known, in one line."""
        spent = max(time.monotonic() - self._begun, 1e-3)
        words = [self.phase]
        for what, value in list(self.facts.items()):
            if what == "growing":
                if "nodes" not in self.facts:
                    done, known = value.tolist()
                    words.append(f"{done:,} of {known:,} nodes so far ({done / spent:,.0f} a second)")
            elif what == "states" and self._phase.startswith("states"):
                words.append(f"{value:,} states ({value / spent:,.0f} a second)")
            elif what == "bracket":
                words.append(f"between {value[0]} and {value[1]}")
            else:
                words.append(f"{what} {value:,}" if isinstance(value, int) else f"{what} {value}")
        return ", ".join(words)

    def _look(self) -> None:
        while not self._end.wait(EVERY if self._terminal else LINES):
            text = self.line()
            print(
                f"\r\x1b[2K{text[:200]}" if self._terminal else text,
                end="" if self._terminal else "\n",
                file=sys.stderr,
            )
            sys.stderr.flush()

    def clear(self) -> None:
        """Stop telling, and remove the line."""
        if self._shown and not self._end.is_set():
            self._end.set()
            if self._terminal:
                print("\r\x1b[2K", end="", file=sys.stderr, flush=True)


@contextmanager
def stoppable(seconds: float | None) -> Iterator[None]:
    """Turn SIGTERM, and the end of ``seconds``, into the ``KeyboardInterrupt`` after which a search keeps its bounds.

    A linear program, or a compiled part that does not look for it, is finished first.  Outside the main thread nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: Any) -> None:
        raise KeyboardInterrupt(
            f"the time limit of {seconds:g} s is over" if seconds and number == clock else "terminated"
        )

    clock = getattr(signal, "SIGALRM", None)  # not on every system
    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, clock) if number is not None}
    if seconds is not None and clock is not None:
        signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        if clock is not None:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
