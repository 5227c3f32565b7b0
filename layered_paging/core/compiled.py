"""How this package compiles: one decorator, a cache that notices changed sources, and two bit tricks.

numba's on-disk cache looks only at the file of the function itself.  Kernels here call
each other across files, so their cache folder is keyed by a hash of all sources that hold kernels.

The logger ``layered_paging.core.compiled`` is told (level info) of each kernel that is compiled because the cache does not
hold it, when that begins; a face may listen, to say what the user waits for.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba.core import event, types
from numba.extending import intrinsic

__all__ = ["bare_kernel", "kernel", "leading_zeros", "trailing_zeros"]

F = TypeVar("F", bound=Callable[..., Any])
_PACKAGE = __name__.partition(".")[0]


class _Begun(event.Listener):  # type: ignore[misc]
    """Logs that a kernel of this package is being compiled; what the cache holds is not."""

    def on_start(self, what: Any) -> None:
        function = what.data["dispatcher"].py_func
        if function.__module__.partition(".")[0] == _PACKAGE:
            logging.getLogger(__name__).info("compiling %s.%s", function.__module__, function.__qualname__)

    def on_end(self, what: Any) -> None:
        pass


event.register("numba:compile", _Begun())


@functools.cache
def _cache_folder() -> str:
    package = Path(__file__).parent.parent
    text = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        source = path.read_bytes()
        # every file that compiles something, and the policies, from which kernels take constants
        if b"compiled import" in source or path.parent.name == "policies":
            text.update(source)
    text.update(Path(__file__).read_bytes())
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(home, "layered-paging", f"numba-{numba.__version__}-{text.hexdigest()[:16]}")


def kernel(function: F) -> F:
    """Compile a module-level function: no GIL, cached on disk (``NUMBA_CACHE_DIR`` wins if it is set)."""
    return _compile(function)


def bare_kernel(function: F) -> F:
    """Compile a module-level function without reference counting: it must not create arrays."""
    return _compile(function, _nrt=False)


def _compile(function: F, **options: Any) -> F:
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = before or _cache_folder()
    try:
        options |= {"cache": True, "nogil": True, "no_cfunc_wrapper": True, "error_model": "numpy"}
        compiled: F = numba.njit(**options)(function)
    finally:
        numba.config.CACHE_DIR = before
    return compiled


@intrinsic  # type: ignore[untyped-decorator]
def trailing_zeros(typing_context: Any, word: Any) -> Any:
    """Return the number of trailing zeros of a uint64 (64 for 0)."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        from llvmlite import ir

        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), build


@intrinsic  # type: ignore[untyped-decorator]
def leading_zeros(typing_context: Any, word: Any) -> Any:
    """Return the number of leading zeros of a uint64 (64 for 0)."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        from llvmlite import ir

        return builder.ctlz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), build
