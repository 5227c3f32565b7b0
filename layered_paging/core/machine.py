"""How this package compiles with numba: one decorator, machine code kept on the disk, and two bit tricks.

Machine code is kept in a folder of its own for each file of kernels, named by a digest of all sources that the file
is made of (``sources``).  Where an argument is a NamedTuple, its methods may be part of the code, so the sources of its class
count, too.  Code of a changed source is never found again, also where the change is in another file.
Each file of machine code ends with its own digest: what is cut, damaged or foreign is compiled again.  Where nothing can be
written, everything works without, and one line says so.

The logger ``layered_paging.core.compiled`` is told (level info) of each kernel that is compiled because the cache does not
hold it, when that begins; a face may listen, to say what the user waits for.  Level debug tells what each took, which
``layered-paging COMMAND -v`` prints.
"""

from __future__ import annotations

import functools
import gc
import hashlib
import logging
import os
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import numba
from numba.core import caching, event, sigutils, types
from numba.core.compiler import CompileResult
from numba.core.runtime import rtsys
from numba.core.types import containers
from numba.extending import intrinsic

from .shipped import GENERIC, shipped
from .sources import digest_of

__all__ = ["bare_kernel", "kernel", "leading_zeros", "loop", "trailing_zeros"]

F = TypeVar("F", bound=Callable[..., Any])
_PACKAGE = __name__.partition(".")[0]
_LOG = logging.getLogger(__name__.replace(".machine", ".compiled"))
_END = 32  # bytes of the digest at the end of a file


class _Told(event.Listener):  # type: ignore[misc]
    """Logs that a kernel of this package is being compiled, and what that took; what the cache holds is not.

    A kernel that another calls is compiled within it: its seconds are its own, and not the other's.  Meanwhile nobody looks
    for garbage: nearly all that a compiler makes is in use until it ends, and looking takes a twelfth of its time.
    """

    def __init__(self) -> None:
        self._open: list[list[float]] = []  # of the kernels being compiled: when that began, and what was not its own
        self._collects = False  # whether garbage was looked for before

    def on_start(self, what: Any) -> None:
        function = what.data["dispatcher"].py_func
        if function.__module__.partition(".")[0] == _PACKAGE:
            _LOG.info("compiling %s.%s", function.__module__, function.__qualname__)
            if not self._open and gc.isenabled():
                self._collects = True
                gc.disable()
            self._open.append([time.process_time(), 0.0])

    def on_end(self, what: Any) -> None:
        function = what.data["dispatcher"].py_func
        if function.__module__.partition(".")[0] == _PACKAGE and self._open:
            began, inner = self._open.pop()
            spent = time.process_time() - began
            if self._open:
                self._open[-1][1] += spent
            elif self._collects:
                self._collects = False
                gc.enable()
            _LOG.debug("compiled %s.%s: %.2f s", function.__module__, function.__qualname__, spent - inner)


event.register("numba:compile", _Told())


def _home() -> str:
    """Return the folder under which machine code is kept."""
    if numba.config.CACHE_DIR:
        return str(numba.config.CACHE_DIR)
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(home, "layered-paging", f"numba-{numba.__version__}")


@functools.cache
def _folder(*modules: str) -> str:
    """Return the folder for the kernels of a module, and of those that its kernels are compiled for."""
    files = [(name, str(sys.modules[name].__file__)) for name in (*modules, __name__)]
    return f"{modules[-1]}-{digest_of(*files)[:16]}"


class _Files(caching.IndexDataCacheFile):  # type: ignore[misc]
    """One file for each specialisation: no index that several processes could write over each other."""

    def __init__(self, folder: str, base: str) -> None:
        super().__init__(folder, base, None)
        self._base = base

    def flush(self) -> None:
        """Forget nothing: a changed source has another folder."""

    def load(self, key: Any) -> Any:
        """Return what was kept under a key; None if nothing, or nothing whole, was."""
        try:
            known, data = self._load_data(self._name_of(key))
            return data if known == key else None
        except Exception:  # cut, damaged, foreign, not ours to read: whatever it is, it is compiled again
            return None

    def save(self, key: Any, data: Any) -> None:
        """Keep the data, whole or not at all."""
        os.makedirs(self._cache_path, mode=0o700, exist_ok=True)
        self._save_data(self._name_of(key), (key, data))

    def _name_of(self, key: Any) -> str:
        return f"{self._base}-{hashlib.sha256(repr(key).encode()).hexdigest()[:24]}.code"

    def _save_data(self, name: str, data: Any) -> None:
        content = self._dump(data)
        with self._open_for_write(self._data_path(name)) as file:
            file.write(content + hashlib.sha256(content).digest())

    def _load_data(self, name: str) -> Any:
        with open(self._data_path(name), "rb") as file:
            content = file.read()
        if hashlib.sha256(content[:-_END]).digest() != content[-_END:]:
            raise ValueError("cut or damaged")
        return super()._load_data(name)  # what follows the content does not matter to it


def _homes(arguments: Iterable[Any]) -> set[str]:
    """Return the modules of all classes of NamedTuples among the types of arguments, and inside them."""
    found = set()
    for kind in arguments:
        if isinstance(kind, containers.BaseTuple):
            if hasattr(kind, "instance_class"):
                found.add(kind.instance_class.__module__)
            found |= _homes(kind)
    return found


@functools.cache
def _digest(module: str) -> str | None:
    """Return the digest of a module's sources; None for what was typed at a prompt."""
    file = getattr(sys.modules.get(module), "__file__", None)
    return digest_of((module, file)) if file and os.path.isfile(file) else None


class _Kept:
    """What numba asks for machine code, and gives it to."""

    def __init__(self, function: Any, *modules: str) -> None:
        self._function, self._modules = function, modules
        self._files: _Files | None = None

    @property
    def cache_path(self) -> str:
        """The folder of this function."""
        return os.path.join(_home(), _folder(*self._modules))

    def _at(self) -> _Files:
        # a face may set the folder after this package was loaded
        if self._files is None or self._files._cache_path != self.cache_path:
            self._files = _Files(self.cache_path, self._function.__qualname__)
        return self._files

    def _key(self, signature: Any, target: tuple[str, ...]) -> Any:
        """Return what the machine code depends on beside the sources of its file; None if that cannot be known."""
        kinds = [_digest(module) for module in sorted(_homes(sigutils.normalize_signature(signature)[0]))]
        if None in kinds:
            return None
        code = hashlib.sha256(self._function.__code__.co_code).hexdigest()
        return signature, target, code, sys.version_info[:2], tuple(kinds)

    def flush(self) -> None:
        """Forget nothing."""

    def load_overload(self, signature: Any, context: Any) -> Any:
        """Return what was compiled for these types, if it was kept."""
        if self._function.__module__.partition(".")[0] == _PACKAGE:
            rtsys.initialize(context)  # what compiles is loaded when something is compiled
        else:
            context.refresh()  # code of others may need any of them
        target = context.codegen().magic_tuple()
        key = self._key(signature, target)
        data = None if key is None else self._at().load(key)
        where = shipped() if data is None and key is not None else None
        if where is not None:  # compiled ahead, for any processor
            files = _Files(str(where / _folder(*self._modules)), self._function.__qualname__)
            data = files.load(self._key(signature, (target[0], *GENERIC)))
        if data is None:
            return None
        try:
            return CompileResult._rebuild(context, *data)
        except Exception:  # of another build of numba under the same version
            return None

    def save_overload(self, signature: Any, result: Any) -> None:
        """Keep what was compiled."""
        key = self._key(signature, result.codegen.magic_tuple())
        if key is None or result.lifted or result.library.has_dynamic_globals:
            return  # not known what it depends on, or it holds addresses of this process
        try:
            self._at().save(key, result._reduce())
        except OSError as error:
            _say_once(_home(), error.strerror or type(error).__name__)


@functools.cache
def _say_once(folder: str, reason: str) -> None:
    _LOG.warning(
        "layered-paging: compiled code cannot be kept in %s (%s); each start compiles it again "
        "(XDG_CACHE_HOME or NUMBA_CACHE_DIR names another folder)",
        folder,
        reason,
    )


def kernel(function: F) -> F:
    """Compile a module-level function: no GIL, kept on disk (``NUMBA_CACHE_DIR`` wins if it is set)."""
    return _compile(function)


def bare_kernel(function: F) -> F:
    """Compile a module-level function without reference counting: it must not create arrays."""
    return _compile(function, _nrt=False)


def loop(function: F, module: str) -> F:
    """Compile ``function`` for the types of ``module``, whose methods it calls: a bare kernel with a key that covers both."""
    return _compile(function, module, _nrt=False)


def _compile(function: F, *modules: str, **options: Any) -> F:
    options |= {"nogil": True, "no_cfunc_wrapper": True, "error_model": "numpy"}
    compiled: Any = numba.njit(**options)(function)
    files = [getattr(sys.modules.get(name), "__file__", None) for name in (function.__module__, *modules)]
    # nothing is kept where numba is switched off, and of what was typed at a prompt
    if hasattr(compiled, "_cache") and all(file and os.path.isfile(file) for file in files):
        compiled._cache = _Kept(function, function.__module__, *modules)
    result: F = compiled
    return result


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
