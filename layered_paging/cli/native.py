"""What compiled libraries print: it must not stand in the answer of a command."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

__all__ = ["set_aside"]


@contextmanager
def set_aside(quiet: bool = False) -> Iterator[None]:
    """Send what compiled libraries print on standard output to standard error meanwhile, or nowhere.

    HiGHS prints a line now and then, whatever it is told; in front of an answer in JSON nobody could read that.
    What Python prints goes where it went.  Nothing is done where standard output is not that of the process.

    Parameters
    ----------
    quiet : bool
        Nowhere, instead of to standard error.
    """
    before: TextIO | None = sys.stdout
    if before is None or id(before) != id(sys.__stdout__):
        yield
        return
    before.flush()
    try:
        kept = os.dup(1)
    except OSError:  # closed
        yield
        return
    with open(kept, "w", encoding=before.encoding, errors=before.errors) as ours:
        with open(os.devnull, "w", encoding="utf-8") as nowhere:
            os.dup2(nowhere.fileno() if quiet or sys.stderr is None else 2, 1)
        sys.stdout = ours
        try:
            yield
        finally:
            sys.stdout = before
            import ctypes

            with contextlib.suppress(
                AttributeError, OSError, TypeError
            ):  # libraries keep lines back; not in every system
                ctypes.CDLL(None).fflush(None)
            with contextlib.suppress(OSError):
                ours.flush()
            os.dup2(kept, 1)
