"""How this package compiles: with numba (``machine``), or not at all where numba is absent (``interpreted``).

Without numba everything that has a kernel runs as plain Python over numpy, some hundred times slower: enough for small
instances, and for a browser's Python.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .interpreted import compiles

__all__ = ["bare_kernel", "kernel", "leading_zeros", "loop", "trailing_zeros"]

if TYPE_CHECKING or compiles():
    from .machine import bare_kernel, kernel, leading_zeros, loop, trailing_zeros
else:
    from .interpreted import bare_kernel, kernel, leading_zeros, loop, trailing_zeros
