"""Text of several kinds, from the Python standard library and from what it can compute."""

from __future__ import annotations

import ast
import builtins
import inspect
import json
import sysconfig
import unicodedata
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import numpy as np

__all__ = ["KINDS", "corpus"]

KINDS = {
    "code": "sources of the standard library, without docstrings and comments",
    "prose": "docstrings of the standard library and the help topics of pydoc",
    "arithmetic": "random sums, differences and products",
    "json": "random records",
    "log": "random lines of a server's log",
    "unicode": "names of characters, as unicodedata has them",
}
_LEAVE = ("test", "tests", "site-packages", "dist-packages", "encodings", "idlelib", "lib2to3", "turtledemo")
_LONGEST = 1_000_000  # bytes of a kind


def corpus(seed: int = 0) -> dict[str, bytes]:
    """Return text of every kind, printable ASCII and newlines.

    Parameters
    ----------
    seed : int
        Of what is random, and of the order of files and characters.

    Returns
    -------
    dict of str to bytes
        At most 1,000,000 bytes a kind.  It depends on the version of Python, whose library is its source.
    """
    streams = np.random.SeedSequence(seed).spawn(len(KINDS))
    dice = dict(zip(KINDS, map(np.random.default_rng, streams), strict=True))
    code, prose = _library(dice["code"])
    made = {
        "code": code,
        "prose": prose,
        "arithmetic": _gather(_arithmetic(dice["arithmetic"])),
        "json": _gather(_records(dice["json"])),
        "log": _gather(_log(dice["log"])),
        "unicode": _gather(_characters(dice["unicode"])),
    }
    return {kind: _plain(text) for kind, text in made.items()}


def _plain(text: str) -> bytes:
    return "".join(c for c in text if c == "\n" or " " <= c <= "~").encode("ascii")[:_LONGEST]


def _gather(lines: Iterator[str]) -> str:
    parts, size = [], 0
    for line in lines:
        parts.append(line + "\n")
        size += len(line) + 1
        if size >= _LONGEST:
            break
    return "".join(parts)


def _library(dice: np.random.Generator) -> tuple[str, str]:
    """Return code and prose of the standard library's own files."""
    root = Path(sysconfig.get_paths()["stdlib"])
    files = [f for f in sorted(root.rglob("*.py")) if not set(f.relative_to(root).parts) & set(_LEAVE)]
    code: list[str] = []
    prose: list[str] = []
    sizes = [0, 0]
    for at in dice.permutation(len(files)):
        if min(sizes) >= _LONGEST:
            break
        try:
            tree = ast.parse(files[at].read_text(encoding="utf-8"))
        except (OSError, SyntaxError, UnicodeDecodeError, ValueError):
            continue
        if files[at].name == "topics.py":
            texts = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
            prose += [text for text in texts if len(text) > 400]
            continue
        said = list(_docstrings(tree))
        prose += [text + "\n\n" for text in said if len(text) > 80 and ">>>" not in text]
        sizes[1] += sum(map(len, said))
        if sizes[0] < _LONGEST:
            code.append(ast.unparse(tree) + "\n\n")
            sizes[0] += len(code[-1])
    return "".join(code), "".join(prose[i] for i in dice.permutation(len(prose)))


def _docstrings(tree: ast.Module) -> Iterator[str]:
    """Yield the docstrings of a module, and take them out of it."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            text = ast.get_docstring(node, clean=False)
            if text is not None:
                yield inspect.cleandoc(text)
                node.body = node.body[1:] or [ast.Pass()]


def _arithmetic(dice: np.random.Generator) -> Iterator[str]:
    while True:
        a, b = (int(x) for x in 10 ** dice.uniform(0, 4, 2))
        sign = "+-*"[dice.integers(3)]
        yield f"{a} {sign} {b} = {a + b if sign == '+' else a - b if sign == '-' else a * b}"


def _records(dice: np.random.Generator) -> Iterator[str]:
    words = sorted(name for name in dir(builtins) if name.isalpha())
    while True:
        yield json.dumps(
            {
                "id": int(dice.integers(100_000)),
                "name": words[dice.integers(len(words))],
                "tags": [words[i] for i in dice.integers(len(words), size=dice.integers(4))],
                "score": round(float(dice.uniform(0, 10)), 2),
                "ok": bool(dice.integers(2)),
                "parent": None if dice.integers(2) else int(dice.integers(100_000)),
            }
        )


def _log(dice: np.random.Generator) -> Iterator[str]:
    statuses, levels = list(HTTPStatus), ("DEBUG", "INFO", "INFO", "INFO", "WARNING", "ERROR")
    words = sorted(name.lower() for name in dir(builtins) if name.isalpha())
    minute = 0
    while True:
        minute += int(dice.integers(3))
        status = statuses[dice.integers(len(statuses))]
        path = "/".join(words[i] for i in dice.integers(len(words), size=dice.integers(1, 4)))
        yield (
            f"2025-{1 + minute // 40320 % 12:02}-{1 + minute // 1440 % 28:02} {minute // 60 % 24:02}:{minute % 60:02}:"
            f"{dice.integers(60):02} {levels[dice.integers(len(levels))]} GET /{path} {status.value} {status.phrase}"
        )


def _characters(dice: np.random.Generator) -> Iterator[str]:
    named = [c for c in range(0x3000) if unicodedata.name(chr(c), "")]
    while True:
        for at in dice.permutation(len(named)):
            character = chr(named[at])
            yield f"U+{named[at]:04X} {unicodedata.category(character)} {unicodedata.name(character)}"
