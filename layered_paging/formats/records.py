"""Tables of routing in JSON: one object a row, on lines of their own or in a list; or one list a column."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..core.parts import LongTrace
from ..core.registry import register
from ..core.trace import Trace
from ..errors import FormatError
from . import table as tables
from .base import Format, Reading
from .cells import ArrowBlock, NotPlain, PlainBlock
from .common import guarded, parse_json
from .in_parts import in_parts
from .lines import parsed_blocks
from .names import Beside, each, flat, has_ranks, normal, others, resolve
from .opening import Start, document, text
from .rows import Rows, Table
from .table import SAMPLE, arrow, bulk_or_plain, noted

__all__ = ["Records", "objects_of", "table_in", "trace_of_records"]

_LINES = 10_000  # objects of a document that are looked at together


def objects_of(path: Path, number: int, data: bytes) -> tuple[list[dict[str, Any]], list[int]]:
    """Parse lines one by one; blank lines are skipped."""
    made, lines = [], []
    for at, row in enumerate(data.split(b"\n")[:-1], number):
        if row.strip():
            value = parse_json(f"{path} line {at}", row)
            if not isinstance(value, dict):
                raise FormatError(f"{path} line {at}: must be an object; got {str(value)[:60]!r}")
            made.append(value)
            lines.append(at)
    return made, lines


def _first(data: bytes, rows: int) -> bytes:
    """Return the first lines of a block, which may be long."""
    end = -1
    for _ in range(rows):
        found = data.find(b"\n", end + 1)
        if found < 0 or (end > 1 << 20):
            break
        end = found
    return data[: end + 1]


class Records:
    """How rows in JSON are read: their names and kinds by the first of them.

    Parameters
    ----------
    path : Path
    sample : list of dict
        The first rows.
    how : Reading
    """

    def __init__(self, path: Path, sample: list[dict[str, Any]], how: Reading) -> None:
        self.path, self.how = path, how
        self.names = list(dict.fromkeys(name for row in sample for name in row))
        kinds: dict[str, Any] = {}
        for row in sample:
            for name, value in row.items():
                if value is not None and value != []:
                    kinds.setdefault(name, value)
        self.kinds = kinds
        words = [name for name, value in kinds.items() if not isinstance(value, int) or isinstance(value, bool)]
        roles = resolve(
            path,
            self.names,
            how.columns,
            words,
            [name for name, value in kinds.items() if isinstance(value, (float, list))],
        )
        if roles.get("token") in words:
            how.assume("tokens", "not by name", f"entry {roles.pop('token')!r} holds words")
        listed = isinstance(roles["experts"], Beside) or isinstance(kinds.get(roles["experts"]), list)
        if listed:
            roles.pop("rank", None)  # of a process, since a list has its own order
        self.table = Table(
            path,
            roles,
            how,
            others=tuple(others(self.names, roles)),
            lists=listed,
        )
        self.left_out = 0

    def plain(self, rows: list[dict[str, Any]], lines: list[int]) -> PlainBlock:
        """Return rows as columns; rows with neither layer nor experts are left out."""
        roles = self.table.columns
        needed = (roles["layer"], *each(roles["experts"]))
        kept = [n for n, row in enumerate(rows) if any(name in row for name in needed)]
        self.left_out += len(rows) - len(kept)
        self._check_names(rows, lines, needed)
        columns = {name: [rows[n].get(name) for n in kept] for _, name in flat(roles)}
        return PlainBlock(self.path, columns, [lines[n] for n in kept])

    def _check_names(self, rows: list[dict[str, Any]], lines: list[int], needed: Sequence[str]) -> None:
        """Refuse rows that say layer or experts by other names than the first rows do."""
        seen = set()
        for row, line in zip(rows, lines, strict=True):
            if all(name in row for name in needed) or (names := tuple(row)) in seen:
                continue
            seen.add(names)
            if is_row(row):
                raise FormatError(
                    f"{self.path} line {line}: must say layer and experts as {' and '.join(map(repr, needed[:2]))}, as other "
                    f"rows do; it has {', '.join(names)[:100]}"
                )

    def parse(self, number: int, data: bytes) -> Rows:
        """Return a block's rows."""
        quick = [] if len(data) < tables.BULK or arrow("") is None else [lambda: self._quick(data)]
        return bulk_or_plain(self.table, quick, lambda: self.plain(*objects_of(self.path, number, data)))

    def _quick(self, data: bytes) -> ArrowBlock:
        module, pyarrow = arrow("json"), arrow("")
        fields = []
        for role, name in flat(self.table.columns):
            value = self.kinds.get(name)
            inner = pyarrow.float64() if role == "weight" else pyarrow.int64()
            kind = pyarrow.string() if isinstance(value, str) else inner
            fields.append((name, pyarrow.list_(inner) if isinstance(value, list) else kind))
        made = module.read_json(
            pyarrow.BufferReader(data),
            read_options=module.ReadOptions(block_size=1 << 22),
            parse_options=module.ParseOptions(
                explicit_schema=pyarrow.schema(fields), unexpected_field_behavior="ignore"
            ),
        )
        if any(made.column(name).null_count for name in each(self.table.columns["experts"])):
            raise NotPlain  # null, or another name: looked at row by row
        return ArrowBlock(made)

    def trace(self, meta: dict[str, Any]) -> Trace:
        """Make the trace."""
        meta = noted(self.table, self.names, meta)
        if self.left_out:
            meta.setdefault("not_read", []).append(f"{self.left_out} rows with neither layer nor experts")
        return self.table.trace(meta)


def depth_of(value: Any) -> int:
    """Return how deep lists of integers are nested, or 0 where they are none."""
    depth = 0
    while isinstance(value, list) and value and depth < 6:
        value, depth = value[0], depth + 1
    return depth if type(value) is int else 0


def is_answer(value: Any) -> bool:
    """Say whether an object is the answer of a server: completions, or what stands beside one."""
    if not isinstance(value, dict):
        return False
    choices = value.get("choices")
    listed = isinstance(choices, list) and bool(choices) and all(isinstance(choice, dict) for choice in choices)
    return listed or isinstance(value.get("meta_info"), dict)


def is_row(value: Any) -> bool:
    """Say whether an object could be a row: it has entries that mean a layer and experts."""
    if not isinstance(value, dict):
        return False
    try:
        roles = resolve(Path(), list(value), {})
    except FormatError:
        return has_ranks(list(value))  # whether they hold experts is said by the reader, or by the user
    return isinstance(value.get(roles["experts"]), (int, str, list))


def table_in(value: Any, depth: int = 0) -> tuple[dict[str, Any], list[dict[str, Any]] | dict[str, list[Any]]] | None:
    """Find rows in a JSON document: return what stands beside them, and the objects or columns; or None."""
    if isinstance(value, list) and value and all(isinstance(row, dict) for row in value[:SAMPLE]):
        return ({}, value) if any(is_row(row) for row in value[:SAMPLE]) else None
    if not isinstance(value, dict):
        return None
    inner = [
        key
        for key, part in value.items()
        if isinstance(part, (dict, list)) and part and depth < 3 and table_in(part, depth + 1) is not None
    ]
    if len(inner) == 1:
        beside, rows = table_in(value[inner[0]], depth + 1) or ({}, [])
        return {**beside, **{key: part for key, part in value.items() if key != inner[0]}}, rows
    lists = {key: part for key, part in value.items() if isinstance(part, list)}
    try:
        roles = resolve(Path(), list(lists), {})
    except FormatError:
        return None
    lengths = {len(lists[name]) for name in roles.values()}
    if len(lengths) != 1 or not all(isinstance(x, (int, str)) for x in lists[roles["layer"]][:SAMPLE]):
        return None
    return {key: part for key, part in value.items() if key not in lists}, lists


def trace_of_records(path: Path, found: Any, how: Reading) -> Trace:
    """Make a trace of what ``table_in`` found in a document; messages give the number of the row as its line."""
    meta, rows = found
    records: Records | None = None
    for block, lines in _pieces(path, rows):
        if records is None:
            records = Records(path, block[:SAMPLE], how)
        records.table.keep(records.table.rows_of(records.plain(block, lines)))
    if records is None:
        raise FormatError(f"{path}: must hold at least one row")
    return records.trace(meta)


def _pieces(path: Path, rows: Any) -> Iterator[tuple[list[dict[str, Any]], list[int]]]:
    if isinstance(rows, dict):
        length = max(len(column) for column in rows.values())
        columns = {name: column for name, column in rows.items() if len(column) == length}
        rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    for at in range(0, len(rows), _LINES):
        block = rows[at : at + _LINES]
        odd = next((n for n, row in enumerate(block) if not isinstance(row, dict)), None)
        if odd is not None:
            raise FormatError(f"{path} row {at + odd + 1}: must be an object; got {str(block[odd])[:60]!r}")
        yield block, list(range(at + 1, at + len(block) + 1))


@register("format", "records")
class JsonRecords(Format):
    """Tables of routing in JSON: an object a row on lines or in a list, or a list a column; a header may come first."""

    takes = ("columns", "tokens", "n_experts")
    rank = 80

    def sniff(self, start: Start) -> bool:
        """Look for JSON whose rows name a layer and experts."""
        if not start.data.lstrip().startswith((b"{", b"[")):
            return False
        if start.is_lines and is_answer(start.value) and not is_row(start.value):
            return False
        if start.is_lines and start.is_single and isinstance(start.value, dict):  # one line may be either
            inside = [
                depth_of(part) if isinstance(part, list) else 2 * isinstance(part, dict)
                for part in start.value.values()
            ]
            return is_row(start.value) or table_in(start.value) is not None or max(inside, default=0) < 2
        return start.is_lines or table_in(start.value) is not None

    def open(self, path: Path, how: Reading) -> LongTrace:
        """Read rows in parts where they come in order of tokens, else whole; a document is read whole."""
        start = Start(path)
        if start.is_lines and not (start.is_single and table_in(start.value) is not None):
            return in_parts(LineRows(path, how), how, lambda: self.read(path, how))
        how.assume("memory", "whole", "a document is not read in parts; JSON Lines are")
        return LongTrace.of(self.read(path, how))

    def read(self, path: Path, how: Reading) -> Trace:
        """Read all rows."""
        start = Start(path)
        if not start.is_lines or start.is_single:
            found = table_in(document(path))
            if found is None and start.is_lines:
                return read_lines(path, how)
            if found is None:
                raise FormatError(f"{path}: must hold rows that name a layer and experts")
            return trace_of_records(path, found, how)
        return read_lines(path, how)


class LineRows:
    """The rows of JSON Lines, block by block, as often as they are asked for."""

    def __init__(self, path: Path, how: Reading) -> None:
        self.path, self.how = path, how
        self.meta: dict[str, Any] = {}
        self.records: Records | None = None

    def need(self) -> Table:
        """Return the table, once it is known."""
        if self.records is None:
            raise FormatError(f"{self.path}: must hold at least one row")
        return self.records.table

    def blocks(self) -> Iterator[Rows]:
        """Yield the rows of the file; a header is no row."""
        begun = False

        def parse(number: int, data: bytes) -> Rows:
            nonlocal begun
            if not begun:
                begun = True
                self.meta = header_of(self.path, number, data, self.how)
                if self.meta:
                    cut = data.index(b"\n", len(data) - len(data.lstrip())) + 1
                    number, data = number + data.count(b"\n", 0, cut), data[cut:]
            if self.records is None:
                sample, _ = objects_of(self.path, number, _first(data, SAMPLE))
                self.records = Records(self.path, sample, self.how)
            return self.records.parse(number, data)

        with guarded(self.path), text(self.path) as stream:
            start = stream.read(3)
            first = [] if start == b"\xef\xbb\xbf" else [start]
            yield from parsed_blocks(_Joined(first, stream), self.path, 1, self.how, parse)  # type: ignore[arg-type]


def read_lines(path: Path, how: Reading) -> Trace:
    """Read JSON Lines: perhaps a header, then one object a row."""
    source = LineRows(path, how)
    for rows in source.blocks():
        source.need().keep(rows)
    if source.records is None:
        raise FormatError(f"{path}: must hold at least one row")
    return source.records.trace(source.meta)


class _Joined:
    """A stream with some bytes put back before it."""

    def __init__(self, first: list[bytes], stream: Any) -> None:
        self.first, self.stream = first, stream

    def read(self, size: int) -> bytes:
        """Read at most ``size`` bytes, those put back first."""
        return self.first.pop() + self.stream.read(size) if self.first else self.stream.read(size)  # type: ignore[no-any-return]


def header_of(path: Path, number: int, data: bytes, how: Reading) -> dict[str, Any]:
    """Return the first object if it is no row: one without entries for a layer and experts."""
    rows, _ = objects_of(path, number, _first(data.lstrip(), 1))
    if not rows or is_row(rows[0]):
        return {}
    given = [name for role, name in how.columns.items() if role in ("layer", "experts")]
    if given and all(name in rows[0] for name in given):
        return {}
    known = {normal(name) for name in rows[0]}
    return {} if known & {"layer", "layer_idx", "layer_id"} else rows[0]
