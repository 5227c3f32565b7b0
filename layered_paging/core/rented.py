"""Single kernels by cost: plain Python while that is cheaper, compiled once the rent has reached the price (``renting``)."""

from __future__ import annotations

import functools
import importlib
import logging
import time
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np

from .interpreted import compiles
from .renting import lease

__all__ = ["Rented", "plainly"]

_LOG = logging.getLogger(__name__)


@functools.cache
def plainly(home: str) -> dict[str, Any]:
    """Return what a module of kernels holds, its kernels as the functions that they are compiled from.

    They call each other, and nothing compiled of their own module.
    """
    names = dict(vars(importlib.import_module(home)))
    for name, value in list(names.items()):
        source = getattr(value, "py_func", None)
        if source is not None and source.__module__ == home:
            names[name] = FunctionType(source.__code__, names, name, source.__defaults__)
    return names


class Rented:
    """One kernel of a module.

    Parameters
    ----------
    home : str
        The module.
    name : str
    price : float
        Seconds of compiling it, with the kernels that it calls.
    """

    def __init__(self, home: str, name: str, price: float) -> None:
        self.home, self.name, self.price = home, name, price
        self._chosen = self._bought = False  # compiled code is used from now on; it is there
        self._plain: Callable[..., Any] | None = None

    def __call__(self, seconds: float, *given: Any) -> Any:
        """Return what the kernel returns; plain Python takes about ``seconds`` at most."""
        if self.wanted(seconds):
            return self.compiled(*given)
        return self.plain(*given)

    def wanted(self, seconds: float) -> bool:
        """Whether so many more seconds of plain Python would pass the price, or it is compiled already."""
        if not self._chosen:
            rent = lease(self.home, self.name)
            self._bought = not compiles() or (self._plain is None and rent.bought)
            self._chosen = self._bought or rent.over(seconds, self.price)
        return self._chosen

    def left(self) -> float:
        """Return the seconds of plain Python that are left below the price; 0 where it is compiled already."""
        return 0.0 if self.wanted(0.0) else lease(self.home, self.name).left(self.price)

    def compiled(self, *given: Any) -> Any:
        """Return what the compiled kernel returns; it is bought."""
        kernel = getattr(importlib.import_module(self.home), self.name)
        if self._bought:
            return kernel(*given)
        _LOG.debug("%s.%s: compiled kernel, compiled now (about %.1f s)", self.home, self.name, self.price)
        found = kernel(*given)
        lease(self.home, self.name).buy()
        self._chosen = self._bought = True
        return found

    def plain(self, *given: Any, by: Callable[..., Any] | None = None) -> Any:
        """Return what plain Python returns, and pay for it; ``by`` is another function that does the same."""
        if self._plain is None:
            _LOG.debug("%s.%s: plain Python; compiling takes %.1f s", self.home, self.name, self.price)
            self._plain = by or plainly(self.home)[self.name]
        begun = time.process_time()
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            found = self._plain(*given)
        lease(self.home, self.name).pay(time.process_time() - begun)
        return found
