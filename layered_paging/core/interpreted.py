"""Kernels where there is no compiler: the same functions, run by Python.

Integers of numpy that overflow wrap around, as machine words do, and say nothing.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, TypeVar

import numpy as np

__all__ = ["bare_kernel", "compiles", "kernel", "leading_zeros", "loop", "trailing_zeros"]

F = TypeVar("F", bound=Callable[..., Any])


@functools.cache
def compiles() -> bool:
    """Return whether there is numba to compile with; it is not imported."""
    try:
        return find_spec("numba") is not None
    except ModuleNotFoundError:  # an import hook that knows better
        return False


def kernel(function: F) -> F:
    """Return the function itself, with arithmetic that wraps around in silence."""

    @functools.wraps(function)
    def plain(*given: Any) -> Any:
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            return function(*given)

    result: Any = plain
    return result  # type: ignore[no-any-return]


bare_kernel = kernel


def loop(function: F, module: str) -> F:
    """Return the function itself; ``module`` only matters to a compiler."""
    return kernel(function)


def leading_zeros(word: Any) -> Any:
    """Return the number of leading zeros of a uint64 (64 for 0).

    Examples
    --------
    >>> int(leading_zeros(np.uint64(1))), int(leading_zeros(np.uint64(0)))
    (63, 64)
    """
    return np.uint64(64 - int(word).bit_length())


def trailing_zeros(word: Any) -> Any:
    """Return the number of trailing zeros of a uint64 (64 for 0).

    Examples
    --------
    >>> int(trailing_zeros(np.uint64(8))), int(trailing_zeros(np.uint64(0)))
    (3, 64)
    """
    bits = int(word)
    return np.uint64((bits & -bits).bit_length() - 1 if bits else 64)
