"""Which source files a compiled function is made of: its own, and all that this one imports.

A kernel takes constants and helpers from other files, and those from others.  So the key of its machine code
covers every file that is reached by imports that run when a module is loaded.  Imports inside functions are left
out: no kernel can use what they bring.  Only files of the kernel's own package and of this one count; libraries
are covered by numba's version and by what the machine is.
"""

from __future__ import annotations

import functools
import hashlib
import re
import sys
from bisect import bisect
from collections.abc import Iterator
from pathlib import Path

__all__ = ["digest_of", "reached"]

_OWN = __name__.partition(".")[0]
_IMPORT = re.compile(
    r"^([ \t]*)(?:from[ \t]+([\w.]+)[ \t]+import[ \t]*(\([^)]*\)|[^\n]*)|import[ \t]+([^\n]*))", re.MULTILINE
)
_HEAD = re.compile(r"^(@|\w+)", re.MULTILINE)  # the first word of each line that is not indented
_NAME = re.compile(r"\w+")
_BODIES = {"def", "class", "async", "@"}


def reached(module: str, file: str) -> list[Path]:
    """Return the file of a module and all files that it imports, directly or not, sorted.

    Parameters
    ----------
    module : str
        Its dotted name; relative imports start from there.
    file : str
    """
    own = Path(file).resolve()
    packages = {module.partition(".")[0], _OWN}
    found: dict[Path, str] = {own: module}
    waiting = [own]
    while waiting:
        path = waiting.pop()
        for name in _imports(path, found[path]):
            home = _file_of(name) if name.partition(".")[0] in packages else None
            if home is not None and home not in found:
                found[home] = name
                waiting.append(home)
    return sorted(found)


def digest_of(*modules: tuple[str, str]) -> str:
    """Return a digest of all sources that the modules, each given as (name, file), are made of."""
    text = hashlib.sha256()
    for path in sorted({path for module, file in modules for path in reached(module, file)}):
        text.update(hashlib.sha256(_read(path)).digest())
    return text.hexdigest()


@functools.cache
def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # in an archive, or typed at a prompt
        return b""


@functools.cache
def _imports(path: Path, module: str) -> tuple[str, ...]:
    """Return the dotted names that a file imports when it is loaded; a name may be no module but something in one."""
    return tuple(dict.fromkeys(_named(path, module)))


def _named(path: Path, module: str) -> Iterator[str]:
    text = _read(path).decode("utf-8", "replace")
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    heads = [(found.start(), found[1]) for found in _HEAD.finditer(text)]
    for found in _IMPORT.finditer(text):
        indent, base, names, plain = found.groups()
        if indent:  # in a body it is not run when the module is loaded
            at = bisect(heads, (found.start(), "")) - 1
            if at < 0 or heads[at][1] in _BODIES:
                continue
        if plain is not None:
            for part in plain.split(","):
                yield part.split()[0] if part.split() else ""
            continue
        level = len(base) - len(base.lstrip("."))
        start = package[: len(package) - level + 1] if level else []
        whole = ".".join([*start, *filter(None, base[level:].split("."))])
        yield whole
        for name in _NAME.findall(names):
            yield f"{whole}.{name}"


@functools.cache
def _file_of(name: str) -> Path | None:
    """Return the file of a module by its name, without importing it; None for what is no module of a loaded package."""
    top, _, rest = name.partition(".")
    package = sys.modules.get(top)
    for folder in getattr(package, "__path__", ()):
        home = Path(folder).resolve().joinpath(*rest.split(".")) if rest else Path(folder).resolve()
        for path in (home.with_suffix(".py"), home / "__init__.py"):
            if (rest or path.name == "__init__.py") and path.is_file():
                return path
    file = getattr(package, "__file__", None)
    return Path(file).resolve() if not rest and file and file.endswith(".py") else None
