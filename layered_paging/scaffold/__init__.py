"""``layered-paging new``: a working package of one's own, with a test and a control that fails.

The files below ``files/`` are the smallest complete examples; the documentation shows the same ones.
"""

from __future__ import annotations

import keyword
import re
from pathlib import Path

from ..core.files import write_atomic
from ..errors import LayeredPagingError, ParameterError

__all__ = ["KINDS", "files_of", "new"]

_FILES = Path(__file__).parent / "files"
# kind -> the files that it needs, below the package
KINDS = {
    "policy": ("policy.py", "twins/my_thing.py"),
    "claim": ("claim.py",),
    "adversary": ("adversary.py",),
    "result": ("result.py",),
    "format": ("format.py",),
    "plugin": ("policy.py", "twins/my_thing.py", "claim.py", "adversary.py", "format.py"),
}
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def files_of(kind: str, name: str) -> dict[str, str]:
    """Return the files of a package as texts, by their paths.

    Parameters
    ----------
    kind : str
        One of ``KINDS``.
    name : str
        Lower case, words joined by hyphens.

    Raises
    ------
    ParameterError
        Another kind, or a name that cannot be one.

    Examples
    --------
    >>> sorted(files_of("claim", "my-bound"))
    ['README.md', 'my_bound/__init__.py', 'my_bound/claim.py', 'pyproject.toml', 'tests/test_claim.py']
    """
    if kind not in KINDS:
        raise ParameterError(f"must be one of {', '.join(KINDS)}; got {kind!r}", parameter="kind")
    module = name.replace("-", "_")
    if not _NAME.fullmatch(name) or keyword.iskeyword(module):
        raise ParameterError(f"a name is lower-case words joined by hyphens, such as my-policy; got {name!r}")
    modules = [path.removesuffix(".py") for path in KINDS[kind] if "/" not in path]
    texts = {
        "pyproject.toml": _text("pyproject.toml"),
        "README.md": _text("README.md"),
        f"{module}/__init__.py": f'"""{name}: what registers itself."""\n\nfrom . import {", ".join(sorted(modules))}  # noqa: F401\n',
    }
    for path in KINDS[kind]:
        source = "twin.py" if path.startswith("twins/") else path
        texts[f"{module}/{path.replace('my_thing', module)}"] = _text(source)
    if any(path.startswith("twins/") for path in KINDS[kind]):
        texts["README.md"] += _text("README-twin.md")
        texts[f"{module}/twins/__init__.py"] = '"""Compiled twins; a twin has the file name of its policy."""\n'
    texts |= {f"tests/test_{part}.py": _text(f"test_{part}.py") for part in modules}
    words = {"my-thing": name, "my_thing": module, "MyThing": "".join(w.capitalize() for w in name.split("-"))}
    return {path: _named(text, words) for path, text in texts.items()}


def new(kind: str, name: str, where: str | Path = ".") -> list[Path]:
    """Write a package into the folder ``where/name``, which must not exist; return its files.

    Raises
    ------
    ParameterError
        Another kind, or a name that cannot be one.
    LayeredPagingError
        The folder is there already, or cannot be written.
    """
    texts = files_of(kind, name)
    folder = Path(where) / name
    if folder.exists():
        raise LayeredPagingError(f"{folder} is there already; choose another name or folder")
    written = []
    for path, text in texts.items():
        target = folder / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LayeredPagingError(f"{target.parent} cannot be made; {error.strerror or error}") from None
        write_atomic(target, text.encode())
        written.append(target)
    return written


def _text(name: str) -> str:
    return (_FILES / f"{name}.txt").read_text()


def _named(text: str, words: dict[str, str]) -> str:
    for old, word in words.items():
        text = text.replace(old, word)
    return text
