"""Work in a child process, for what may kill it: reading a mapped file that is cut meanwhile (SIGBUS)."""

from __future__ import annotations

import faulthandler
import json
import os
import resource
import signal
import warnings
from collections.abc import Callable
from typing import NoReturn

from ..errors import LayeredPagingError, ParameterError

__all__ = ["guarded"]


def guarded(work: Callable[[], float]) -> float:
    """Return what ``work`` returns in a child process, which shares the shared memory of this one.

    Raises
    ------
    ParameterError
        The child read a lost part of a file (SIGBUS), raised an error of ours, or ended without an answer.

    Examples
    --------
    >>> guarded(lambda: 0.5)
    0.5
    >>> guarded(lambda: os.kill(os.getpid(), signal.SIGBUS))
    Traceback (most recent call last):
    layered_paging.errors.ParameterError: the mapped file was cut while it was read
    """
    come, go = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads: the child only copies memory
        child = os.fork()
    if child == 0:
        _answer(work, go)
    os.close(go)
    try:
        with open(come, "rb") as answer:
            said = answer.read()
    except BaseException:
        os.kill(child, signal.SIGKILL)
        raise
    finally:
        _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        if os.WTERMSIG(status) == signal.SIGBUS:
            raise ParameterError("the mapped file was cut while it was read")
        raise ParameterError(f"the process that read the mapped file was ended by signal {os.WTERMSIG(status)}")
    if not said:
        raise ParameterError("the process that read the mapped file ended without an answer")
    found = json.loads(said)
    if isinstance(found, str):
        raise ParameterError(found)
    return float(found)


def _answer(work: Callable[[], float], go: int) -> NoReturn:
    """Work and write the answer, or the message of an error of ours; never return into the caller's code."""
    try:
        faulthandler.disable()
        signal.signal(signal.SIGBUS, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # no dump of the pool
        try:
            found: float | str = work()
        except LayeredPagingError as error:
            found = str(error)
        os.write(go, json.dumps(found).encode())
    finally:
        os._exit(0)
