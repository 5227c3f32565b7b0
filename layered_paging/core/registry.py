"""The table of what is registered: policies, adversaries, claims, results and file formats.

``register`` is a decorator.  Registration is idempotent by source file, so a file
that is loaded twice (as doctest does) stays one entry. Two files that claim the same
name are an error.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ..errors import NotRegistered, ParameterError
from .declarations import problems

__all__ = ["KINDS", "Entry", "close_to", "entries", "find", "nearest", "register"]

KINDS = ("policy", "adversary", "claim", "result", "format")

T = TypeVar("T")


@dataclass(frozen=True)
class Entry:
    """One registered object.

    Attributes
    ----------
    kind, name : str
        ``kind`` is one of ``KINDS``; names are lower case with hyphens.
    obj : object
        The class or function itself.
    source : str
        Path of the file that registered it.
    properties : mapping
        Everything else given to ``register``: citations, declared properties, scope.
    """

    kind: str
    name: str
    obj: Any
    source: str
    properties: Mapping[str, Any] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """First line of the object's docstring."""
        text = (self.obj.__doc__ or "").strip()
        return text.splitlines()[0] if text else ""


_table: dict[tuple[str, str], Entry] = {}


def register(kind: str, name: str, /, **properties: Any) -> Callable[[T], T]:
    """Return a decorator that enters an object under ``kind`` and ``name``.

    Parameters
    ----------
    kind : str
        One of ``KINDS``.
    name : str
        Lower-case name, unique within the kind; ``/`` may separate a paper from its result.
    **properties
        Kept as given, for example ``cites=("sleator-tarjan-1985",)``.

    Raises
    ------
    ParameterError
        Unknown kind, a declaration that lacks something (``core.declarations``), or the name is already taken by
        another file.
    """
    if kind not in KINDS:
        raise ParameterError(f"register: kind must be one of {', '.join(KINDS)}; got {kind!r}")

    def enter(obj: T) -> T:
        code = getattr(obj, "__code__", None) or getattr(getattr(obj, "__init__", None), "__code__", None)
        wrong = problems(kind, name, properties)
        if wrong:
            raise ParameterError(f"register: {kind} {name!r}: {'; '.join(wrong)}")
        source = getattr(code, "co_filename", "") or getattr(obj, "__module__", "")
        known = _table.get((kind, name))
        if known is not None and known.source != source:
            raise ParameterError(
                f"register: {kind} {name!r} is already registered by {known.source}; got it again from {source}"
            )
        _table[kind, name] = Entry(kind, name, obj, source, dict(properties))
        return obj

    return enter


def entries(kind: str | None = None) -> list[Entry]:
    """Return what is registered so far, sorted by kind and name."""
    return [_table[key] for key in sorted(_table) if kind is None or key[0] == kind]


def close_to(word: str, known: Sequence[str]) -> str | None:
    """Return the name that is most like a word, or None where none is like it; case does not count."""
    lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), list(lower), n=1, cutoff=0.5)
    return lower[close[0]] if close else None


def nearest(word: str, known: Sequence[str]) -> str:
    """Return "did you mean 'x'?", or the list of what is available."""
    close = close_to(word, known)
    return f"did you mean {close!r}?" if close is not None else "available: " + ", ".join(known)


def find(kind: str, name: str) -> Entry:
    """Return the entry of this kind and name, collecting the catalog if need be.

    Raises
    ------
    NotRegistered
        No such name; the message gives the nearest one.
    """
    if not isinstance(name, str):
        raise NotRegistered(f"a name of a {kind} must be a text; got {name!r}")
    if (kind, name) not in _table:
        importlib.import_module("layered_paging.catalog").collect()
    try:
        return _table[kind, name]
    except KeyError:
        known = [entry.name for entry in entries(kind)]
        raise NotRegistered(f"unknown {kind} {name!r}; {nearest(name, known)}") from None
