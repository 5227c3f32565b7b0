"""Compile a kernel, or do without: rent until the rent reaches the price, then buy.

Compiling costs seconds, once per machine; plain Python costs microseconds per request, each time.  Plain Python plays while
the time that was spent in it stays below the price of the kernel, and then the kernel is compiled.  So one process never spends
more than about twice the better choice.  Small files beside the machine code keep what was bought and what was paid, for
the processes that follow.  What earlier processes paid counts half: nobody waits for a compiler at a second or third call
that needs none.  So all processes together spend at most about three times the better choice.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

from .shipped import ahead_of, shipped
from .sources import digest_of

__all__ = ["Lease", "buying", "lease"]

T = TypeVar("T")
_LOG = logging.getLogger(__name__)
_WORTH = 0.05  # seconds of rent that are worth writing down


_buying: ContextVar[bool] = ContextVar("whether every kernel is wanted at once", default=False)


@contextlib.contextmanager
def buying() -> Iterator[None]:
    """Compile whatever is used, at once."""
    before = _buying.set(True)
    try:
        yield
    finally:
        _buying.reset(before)


class Lease:
    """What is known of one kernel on this machine.

    Parameters
    ----------
    mark : Path or None
        The file that says that it was compiled; None where nothing has to be compiled.
    ahead : Path, optional
        The file that says so where code was compiled ahead.
    """

    def __init__(self, mark: Path | None, ahead: Path | None = None) -> None:
        self._ahead = ahead
        self._mark, self._paid, self._unsaid = mark, 0.0, 0.0
        self._before = 0.0  # paid by earlier processes
        if mark is not None:
            with contextlib.suppress(OSError, ValueError):
                self._paid = self._before = float(self._bill().read_text())

    @property
    def bought(self) -> bool:
        """Whether it was compiled with the sources and the numba of today."""
        if self._mark is None or self._mark.exists():
            return True
        return self._ahead is not None and self._ahead.exists()

    def wanted(self, expected: float, price: float) -> bool:
        """Whether ``expected`` more seconds of rent would pass the price; or it was bought."""
        return self.over(expected, price) or self.bought

    def over(self, expected: float, price: float) -> bool:
        """Whether ``expected`` more seconds of rent would pass the price, or every kernel is wanted at once."""
        return _buying.get() or self.left(price) < expected

    def left(self, price: float) -> float:
        """Return the seconds of rent that are left below the price; what earlier processes paid counts half."""
        return price - self._paid + self._before / 2

    def pay(self, seconds: float) -> None:
        """Note that plain Python took ``seconds``."""
        self._paid += seconds
        self._unsaid += seconds
        if self._mark is not None and self._unsaid > _WORTH:
            self._unsaid = 0.0
            self._put(self._bill(), f"{self._paid:.3f}")

    def buy(self) -> None:
        """Note that it was compiled."""
        if self._mark is not None:
            self._put(self._mark, "")

    def cheaper(self, what: str, expected: float, price: float, plain: Callable[[], T], compiled: Callable[[], T]) -> T:
        """Return what one of two callables returns that do the same: the cheaper one; rent is paid, or the kernel is bought."""
        if self.wanted(expected, price):
            _LOG.debug("%s: compiled kernel%s", what, "" if self.bought else f", compiled now (about {price:.1f} s)")
            found = compiled()
            if not self.bought:
                self.buy()
            return found
        _LOG.debug("%s: plain Python, about %.1f s; compiling takes %.1f s", what, expected, price)
        begun = time.process_time()
        found = plain()
        self.pay(time.process_time() - begun)
        return found

    def _bill(self) -> Path:
        assert self._mark is not None
        return self._mark.with_name(self._mark.name + ".rent")

    @staticmethod
    def _put(path: Path, text: str) -> None:
        with contextlib.suppress(OSError):  # where nothing can be kept, kernels are compiled anew
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


@functools.cache
def lease(home: str, kernel: str = "") -> Lease:
    """Return what is known of the kernels of a module, or of one of them.

    Of the empty name, and of an absent module, nothing has to be compiled.
    """
    found = find_spec(home) if home else None
    if found is None or found.origin is None:
        return Lease(None)
    digest = digest_of((home, found.origin))
    folder = os.environ.get("NUMBA_CACHE_DIR")
    if not folder:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        folder = str(ahead_of(Path(base) / "layered-paging"))
    name, where = f"{home}-{digest[:16]}" + (kernel and f".{kernel}"), shipped()
    return Lease(Path(folder) / "compiled" / name, None if where is None else where / "compiled" / name)
