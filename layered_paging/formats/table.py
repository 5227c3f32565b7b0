"""Tables of routing in text: CSV, TSV and the like, one row an event or one row an expert."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from ..core.parts import LongTrace
from ..core.registry import register
from ..core.trace import Trace
from ..errors import FormatError
from .base import Format, Reading
from .cells import ArrowBlock, Block, NotPlain, NumberBlock, PlainBlock, is_number, is_whole
from .common import guarded
from .in_parts import in_parts
from .lines import parsed_blocks
from .names import Beside, flat, others, resolve
from .opening import Start, text
from .rows import Rows, Table

__all__ = ["arrow", "bulk_or_plain"]

DELIMITERS = "\t,;|"
COMPILED = 1 << 21  # bytes of a block for which the compiled parser is worth its start
BULK = 1 << 16  # and for which pyarrow is
SAMPLE = 200  # rows that are looked at to find out what the columns hold


def arrow(name: str) -> Any:
    """Return a module of pyarrow, or None where pyarrow is not installed."""
    try:
        import pyarrow
        import pyarrow.csv
        import pyarrow.json
    except ImportError:
        return None
    return {"csv": pyarrow.csv, "json": pyarrow.json, "": pyarrow}[name]


def bulk_or_plain(table: Table, quick: Sequence[Callable[[], Block]], plain: Callable[[], Block]) -> Rows:
    """Return the rows of a block: in bulk where that can be, else value by value, which says what is wrong."""
    module = arrow("") if quick else None
    failures = (NotPlain,) if module is None else (NotPlain, module.ArrowException)
    known = (dict(table.layers.known), dict(table.requests.known), dict(table.phases.known))
    for way in quick:
        try:
            return table.rows_of(way())
        except failures:
            table.layers.known, table.requests.known, table.phases.known = (dict(names) for names in known)
    return table.rows_of(plain())


def delimiter_of(line: str) -> str | None:
    """Return the delimiter of a table by its first line, or None."""
    found = [(line.count(mark), mark) for mark in DELIMITERS if mark in line]
    return max(found, key=lambda pair: (pair[0], -DELIMITERS.index(pair[1])))[1] if found else None


def _fields(path: Path, number: int, data: bytes, names: list[str], mark: str) -> PlainBlock:
    """Parse rows one by one."""
    columns: dict[str, list[Any]] = {name: [] for name in names}
    lines: list[int] = []
    reader = csv.reader((row + "\n" for row in data.decode().split("\n")[:-1]), delimiter=mark, strict=True, skipinitialspace=True)  # fmt: skip
    try:
        for row in reader:
            at = number + reader.line_num - 1
            if not row or (len(row) == 1 and not row[0].strip()):
                continue
            if len(row) != len(names):
                raise FormatError(
                    f"{path} line {at}: must have the {len(names)} fields {mark.join(names)[:200]}; got {len(row)}"
                )
            if any("\n" in field for field in row):
                raise FormatError(f"{path} line {at}: a field must not hold a line break")
            for name, field in zip(names, row, strict=True):
                columns[name].append(field)
            lines.append(at)
    except csv.Error as error:
        raise FormatError(f"{path} line {number + reader.line_num - 1}: not a row of a table; {error}") from None
    return PlainBlock(path, columns, lines)


class Sheet:
    """How a text table is read: its names, delimiter, and what the columns hold by the first rows."""

    def __init__(self, path: Path, stream: IO[bytes], how: Reading) -> None:
        self.path = path
        self.line = 0
        row = ""
        while not row or row.startswith("#"):
            data = stream.readline(1 << 16)
            self.line += 1
            if not data or len(data) >= 1 << 16:
                raise FormatError(f"{path} line {self.line}: a table must begin with the names of its columns")
            row = data.removeprefix(b"\xef\xbb\xbf").decode().strip()
        mark = delimiter_of(row)
        if mark is None:
            raise FormatError(f"{path} line {self.line}: must name columns between commas, tabs, semicolons or bars")
        self.mark = mark
        try:
            self.names = [name.strip() for name in next(csv.reader([row], delimiter=mark, skipinitialspace=True))]
        except csv.Error as error:
            raise FormatError(f"{path} line {self.line}: must name its columns; {error}") from None
        if len(set(self.names)) != len(self.names):
            raise FormatError(f"{path} line {self.line}: columns must have different names; got {row[:200]!r}")
        self.how = how
        self.texts: list[str] = []
        self.buffers: dict[str, npt.NDArray[np.int32]] = {}

    def table(self, number: int, data: bytes) -> Table:
        """Return a table whose columns have their roles, by the names and the first rows."""
        rows = b"".join(data[: 1 << 15].splitlines(keepends=True)[:SAMPLE])
        rows = rows if rows.endswith(b"\n") else data.partition(b"\n")[0] + b"\n"
        sample = _fields(self.path, number, rows, self.names, self.mark)
        self.texts = [
            name for name, column in sample.columns.items() if any(not is_whole(value) for value in column if value)
        ]
        parts = [name for name in self.texts if any(is_number(value) for value in sample.columns[name] if value)]
        roles = resolve(self.path, self.names, self.how.columns, self.texts, parts)
        if roles.get("token") in self.texts:
            self.how.assume("tokens", "not by name", f"column {roles.pop('token')!r} holds words")
        lists = isinstance(roles["experts"], Beside)
        if not lists:
            lists = any(value.lstrip().startswith(("[", "(", "{")) for value in sample.columns[roles["experts"]])
        return Table(self.path, roles, self.how, others=tuple(others(self.names, roles)), lists=lists)

    def parse(self, table: Table, number: int, data: bytes) -> Rows:
        """Return a block's rows."""
        quick: list[Callable[[], Block]] = []
        if len(data) >= COMPILED:
            quick.append(lambda: self._compiled(table, data))
        if len(data) >= BULK and arrow("") is not None:
            quick.append(lambda: self._quick(table, data))
        return bulk_or_plain(table, quick, lambda: _fields(self.path, number, data, self.names, self.mark))

    def _quick(self, table: Table, data: bytes) -> ArrowBlock:
        module, pyarrow = arrow("csv"), arrow("")
        kinds = {}
        for role, name in flat(table.columns):
            words = role in ("layer", "request", "phase", "experts", "weight") and name in self.texts
            kinds[name] = pyarrow.string() if words else pyarrow.int64()
            if role == "weight":
                kinds[name] = pyarrow.string() if b"[" in data[:4096] and name in self.texts else pyarrow.float64()
        made = module.read_csv(
            pyarrow.BufferReader(data),
            read_options=module.ReadOptions(column_names=self.names, block_size=1 << 22),
            parse_options=module.ParseOptions(delimiter=self.mark),
            convert_options=module.ConvertOptions(include_columns=list(kinds), column_types=kinds),
        )
        return ArrowBlock(made)

    def _buffer(self, name: str, size: int, dtype: type[np.int32]) -> npt.NDArray[np.int32]:
        """Return memory that is used again for each block; what is kept of it must be copied."""
        if name not in self.buffers or len(self.buffers[name]) < size:
            self.buffers[name] = np.empty(size + size // 8, dtype)
        return self.buffers[name][:size]

    def _compiled(self, table: Table, data: bytes) -> NumberBlock:
        """Parse rows of numbers with the compiled parser."""
        from . import kernels

        kinds = np.full(len(self.names), kernels.SKIP)
        for role, name in flat(table.columns):
            if role in ("layer", "request", "phase", "token", "rank") and name in self.texts:
                raise NotPlain
            kind = kernels.LIST if role == "experts" else kernels.REAL if role == "weight" else kernels.INT
            kinds[self.names.index(name)] = kind
        raw = np.frombuffer(data, np.uint8)
        rows = int(np.count_nonzero(raw == 10))
        if not rows or rows * len(kinds) > len(raw):  # a field takes a byte at least, with its delimiter
            raise NotPlain
        whole = self._buffer("whole", rows * len(kinds), np.int32).reshape(rows, len(kinds))
        real = np.empty((rows, len(kinds) if kernels.REAL in kinds else 0), np.float64)
        counts = np.empty(rows, np.int32)
        middle = data.find(b"\n", len(data) // 2) + 1
        first = int(np.count_nonzero(raw[:middle] == 10))

        def parse(part: npt.NDArray[np.uint8], here: slice, name: str) -> npt.NDArray[np.int32]:
            ids = self._buffer(name, len(part) // 2 + 1, np.int32)
            found = kernels.parse_rows(part, kinds, ord(self.mark), whole[here], real[here], ids, counts[here])
            if found < 0:
                raise NotPlain
            return ids[:found]

        with ThreadPoolExecutor(1) as other:  # the kernel lets go of the interpreter
            later = other.submit(parse, raw[middle:], slice(first, rows), "later")
            ids = [parse(raw[:middle], slice(0, first), "ids"), later.result()]
        return NumberBlock(self.names, whole, real, np.concatenate(ids), counts)


def noted(table: Table, names: list[str], meta: dict[str, Any]) -> dict[str, Any]:
    """Note what the columns were taken for, and return meta with the columns that were left alone."""
    roles = table.columns
    table.how.assume("columns", ", ".join(f"{role}={name}" for role, name in roles.items()), "by their names")
    read = [name for _, name in flat(roles)]
    rest = [name for name in names if name not in read]
    return {**meta, "not_read": [f"column {name[:80]}" for name in rest[:100]]} if rest else meta


@register("format", "table")
class TextTable(Format):
    """Tables of routing in text (CSV, TSV): one row an event with a list of experts, or one row an expert."""

    takes = ("columns", "tokens", "n_experts")
    rank = 90

    def sniff(self, start: Start) -> bool:
        """Look for text whose first line has a delimiter."""
        if b"\0" in start.data or start.data.lstrip()[:1] in (b"{", b"["):
            return False
        rows = [row for row in start.data.splitlines() if row and not row.startswith(b"#")]
        return len(rows) > 1 and delimiter_of(rows[0].decode(errors="replace")) is not None

    def read(self, path: Path, how: Reading) -> Trace:
        """Read all rows."""
        source = TextRows(path, how)
        for rows in source.blocks():
            source.need().keep(rows)
        return source.need().trace(noted(source.need(), source.names, {}))

    def open(self, path: Path, how: Reading) -> LongTrace:
        """Read rows in parts where they come in order of tokens, else whole."""
        return in_parts(TextRows(path, how), how, lambda: self.read(path, how))


class TextRows:
    """The rows of a text table, block by block, as often as they are asked for."""

    def __init__(self, path: Path, how: Reading) -> None:
        self.path, self.how = path, how
        self.table: Table | None = None
        self.names: list[str] = []
        self.texts: list[str] = []

    def need(self) -> Table:
        """Return the table, once it is known."""
        if self.table is None:
            raise FormatError(f"{self.path}: must hold at least one row; there is only the header")
        return self.table

    def blocks(self) -> Iterator[Rows]:
        """Yield the rows of the file."""
        with guarded(self.path), text(self.path) as stream:
            sheet = Sheet(self.path, stream, self.how)
            self.names, sheet.texts = sheet.names, self.texts

            def parse(number: int, data: bytes) -> Rows:
                if self.table is None:
                    self.table = sheet.table(number, data)
                    self.texts = sheet.texts
                return sheet.parse(self.table, number, data)

            yield from parsed_blocks(stream, self.path, sheet.line + 1, self.how, parse)
