"""The formats that are registered: this folder's modules, and those of other distributions."""

from __future__ import annotations

import importlib
import os
import pkgutil
from importlib.metadata import entry_points
from pathlib import Path

from ..core.registry import entries
from ..core.wide_text import wide_text
from ..errors import FormatError
from .base import Format
from .common import guarded, parse_json
from .names import has_columns
from .opening import Start, document
from .records import is_answer
from .table import delimiter_of

__all__ = ["FORMATS", "by_suffix", "detect", "formats", "listed"]

_SHARED = {"examine", "kernels", "known", "loading"}  # modules that start the others
_MAGIC = 10  # formats up to this rank are sure of their files; others' formats come after them
_points_loaded = False


def _collect() -> None:
    package = importlib.import_module(__package__)
    for module in pkgutil.iter_modules(package.__path__):
        if module.name not in _SHARED:
            importlib.import_module(f"{__package__}.{module.name}")


def formats() -> list[Format]:
    """Return one instance of each registered format, in the order in which they are asked."""
    made = []
    for entry in entries("format"):
        one: Format = entry.obj()
        one.name = entry.name
        made.append(one)
    return sorted(made, key=lambda one: (one.rank, one.name))


_collect()
FORMATS: tuple[Format, ...] = tuple(one for one in formats() if one.suffixes)


def load_points() -> None:
    """Import what other distributions register, once; a distribution that fails to load is left out."""
    global _points_loaded
    if not _points_loaded:
        _points_loaded = True
        for point in entry_points(group="layered_paging.content"):
            try:
                point.load()
            except Exception:
                continue  # the catalog lists what failed, and why


def listed() -> str:
    """Return the formats that can be written, with their suffixes."""
    return ", ".join(f"{one.name} (*{one.suffixes[0]})" for one in formats() if one.suffixes)


def by_suffix(path: Path) -> Format | None:
    """Return the writable format that a name's suffix stands for."""
    name = path.name.lower()
    return next((one for one in formats() if one.suffixes and name.endswith(one.suffixes)), None)


def _header_only(start: Start) -> bool:
    """Say whether a file is one line that names the columns of a table, and nothing else."""
    rows = [row for row in start.data.splitlines() if row.strip() and not row.startswith(b"#")]
    mark = delimiter_of(rows[0].decode(errors="replace")) if len(rows) == 1 else None
    return mark is not None and has_columns([name.strip(' "') for name in rows[0].decode(errors="replace").split(mark)])


def _json_at_fault(start: Start) -> str:
    """Say what is wrong with JSON that no format takes."""
    if start.value is None:
        where = (
            "line 1: " if b"\n" in start.data.strip() and not start.data.lstrip().startswith((b"{\n", b"[\n")) else ""
        )
        try:
            parse_json("", start.line if where else document(start.path))
        except FormatError as error:
            said = str(error).removeprefix(f"{start.path}").removeprefix(": ")
            return f"{where}{said}"
    if is_answer(start.value):
        return (
            "an answer of a server without routed experts; vLLM adds them with --enable-return-routed-experts, "
            "SGLang with --enable-return-routed-experts and 'return_routed_experts'"
        )
    shown = list(start.value)[:10] if isinstance(start.value, dict) else type(start.value).__name__
    return f"JSON of no known kind; it holds {str(shown)[:200]}; 'layered-paging formats' lists what is read"


def detect(path: str | os.PathLike[str]) -> Format:
    """Return the format of a file, by its content first and by its suffix where the content is open.

    Raises
    ------
    FormatError
        The file is missing, empty or unreadable, or neither content nor suffix is known.
    """
    file = Path(path)
    with guarded(file):
        start = Start(file)
        sure = next((one for one in formats() if one.rank <= _MAGIC and one.sniff(start)), None)
        if sure is not None:
            return sure
        load_points()
        found = next((one for one in formats() if one.rank > _MAGIC and one.sniff(start)), None)
    if found is not None:
        return found
    if (wide := wide_text(start.data)) is not None:
        raise FormatError(f"{file}: {wide}")
    named = by_suffix(file)
    if start.data.lstrip()[:1] in (b"{", b"[") and (named is None or named.name.startswith("jsonl")):
        raise FormatError(f"{file}: {_json_at_fault(start)}")
    if _header_only(start):
        raise FormatError(f"{file}: must hold at least one row; there is only the header")
    if named is None:
        raise FormatError(
            f"{file}: not a known trace format; it begins with {start.data[:24]!r}; known are {listed()}, and the logs "
            'that \'layered-paging formats\' lists; lines such as {"token": 0, "layer": 3, "experts": [4, 1]} are read, too'
        )
    if named.name in ("npz", "parquet"):
        raise FormatError(f"{file}: not {named.name} as its name says; it begins with {start.data[:24]!r}")
    return named
