"""How much time a solver has left."""

from __future__ import annotations

import time

from ..errors import SolverError

__all__ = ["Deadline", "OutOfTime", "seconds_until"]


class OutOfTime(SolverError):
    """The limit is over: there is no other road."""


class Deadline:
    """A limit of seconds, from now on; None for no limit."""

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._until = None if seconds is None else time.monotonic() + seconds

    @property
    def over(self) -> bool:
        """Whether no time is left."""
        return self._until is not None and time.monotonic() >= self._until

    def left(self, what: str) -> float | None:
        """Return the seconds that are left, or None for no limit.

        Raises
        ------
        OutOfTime
            None are; the message says what was looked for.
        """
        if self._until is None:
            return None
        left = self._until - time.monotonic()
        if left <= 0:
            raise OutOfTime(f"the search for the {what} did not end within {self._seconds:g} s")
        return left


def seconds_until(moment: float) -> float | None:
    """Return the seconds until ``time.monotonic()`` reaches a moment, at least 0; None if it never does."""
    return None if moment == float("inf") else max(moment - time.monotonic(), 0.0)
