"""A compiled search that can be stopped: it runs in a thread, and looks at an array that says when to end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

__all__ = ["LOOK", "halting"]

LOOK = 0.2  # seconds between two moments at which an interruption is noticed


def halting(search: Callable[[], Any], halt: Callable[[], None]) -> Any:
    """Return what a search returns; an interruption of this thread ends the search and is raised again.

    Parameters
    ----------
    search : callable
        Without arguments; it lets other threads run, as compiled kernels do.
    halt : callable
        Tells the search to end soon.

    Raises
    ------
    KeyboardInterrupt
        This thread was interrupted.  The search has ended by then.

    Examples
    --------
    >>> halting(lambda: 7, lambda: None)
    7
    """
    answers: list[Any] = []
    errors: list[BaseException] = []

    done = threading.Event()  # an interrupted join forgets that its thread still runs

    def work() -> None:
        try:
            answers.append(search())
        except BaseException as error:  # raised where the answer is wanted
            errors.append(error)
        finally:
            done.set()

    thread = threading.Thread(target=work, name="layered-paging search", daemon=True)
    try:
        thread.start()
    except (
        RuntimeError
    ):  # no threads, as in a browser's Python: nothing is compiled there, so that a signal gets through
        return search()
    try:
        while not done.wait(LOOK):
            pass
    except BaseException:
        halt()
        done.wait()
        raise
    finally:
        thread.join()
    if errors:
        raise errors[0]
    return answers[0]
