"""What a format is, and what a reader is told and hands back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from ..core.parts import LongTrace
from ..core.trace import Trace
from .opening import Start

__all__ = ["OPTIONS", "Format", "Reading", "flag_of"]

OPTIONS = ("layout", "columns", "tokens", "top_k", "n_experts")


def flag_of(name: str) -> str:
    """Return the option of the command line that gives an option of a reading."""
    return "--guess-tokens" if name == "tokens" else f"--{name.replace('_', '-')}"


@dataclass
class Reading:
    """How a file is to be read, and what was assumed while it was read.

    Attributes
    ----------
    layout : str or None
        Order of the axes of an array: tlk (tokens, layers, top_k), ltk or btlk.
    columns : mapping
        What a table means -> the name of its column, such as ``{"token": "pos"}``.
    tokens : str or None
        ``guess`` allows to guess where tokens begin in a log that does not say.
    top_k, n_experts : int or None
        Sizes that the file does not state.
    lenient : bool
        Leave options out that do not apply to a file, in place of refusing them.
    formats : list of str
        Filled by readers: the format of each file.
    assumed : list
        Filled by readers: objects with ``about``, ``taken`` and ``why``.
    """

    layout: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    tokens: str | None = None
    top_k: int | None = None
    n_experts: int | None = None
    lenient: bool = False
    formats: list[str] = field(default_factory=list)
    assumed: list[dict[str, str]] = field(default_factory=list)

    def assume(self, about: str, taken: object, why: str) -> None:
        """Note an assumption, once."""
        note = {"about": about, "taken": str(taken)[:200], "why": why[:400]}
        if note not in self.assumed:
            self.assumed.append(note)

    def given(self) -> list[str]:
        """Return the names of the options that were given."""
        return [name for name in OPTIONS if getattr(self, name)]


class Format:
    """One file format: how to recognise and read it, and perhaps to write it or to read it in parts.

    A format is a class registered by ``@register("format", name)``; its docstring's first line says what it is.

    Attributes
    ----------
    name : str
        Filled in from the registration.
    suffixes : tuple of str
        What its files end in; the first one is written.  Empty for a format that is never written.
    takes : tuple of str
        The options of ``Reading`` that mean something here; others are refused.
    rank : int
        Formats are asked in ascending order; 10 for a magic number, 20 for a known producer, 80 for general tables.
    """

    name: str = ""
    suffixes: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    rank: int = 40

    def sniff(self, start: Start) -> bool:
        """Say whether a file that begins so is of this format."""
        raise NotImplementedError

    def read(self, path: Path, how: Reading) -> Trace:
        """Read the whole file."""
        raise NotImplementedError

    def open(self, path: Path, how: Reading) -> LongTrace:
        """Open the file to be read in parts."""
        raise NotImplementedError

    def refuse(self, trace: Trace, path: Path) -> str | None:
        """Say why a trace cannot be expressed in a file at that path, or return None."""
        raise NotImplementedError

    def write(self, trace: Trace, stream: IO[bytes]) -> None:
        """Write a trace to an open binary file."""
        raise NotImplementedError

    @property
    def in_parts(self) -> bool:
        """Whether files can be read in parts."""
        return type(self).open is not Format.open

    @property
    def writes(self) -> bool:
        """Whether files can be written."""
        return type(self).write is not Format.write
