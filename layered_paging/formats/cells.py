"""Cells of tables as arrays: from Python values one by one, or from pyarrow's columns in bulk; both give the same."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..errors import FormatError
from .common import WIDEST, numbers

__all__ = [
    "ArrowBlock",
    "Block",
    "NotPlain",
    "NumberBlock",
    "PlainBlock",
    "beside",
    "integers_in",
    "is_number",
    "is_whole",
    "word_codes",
]

Ints = npt.NDArray[np.int64]
_ID = r"-?\d{1,18}(?:\.0*)?"
_IDS = rf"\s*((?:{_ID}(?:(?:\s*[,;|]\s*|\s+){_ID})*\s*,?)?)\s*"
_LIST = re.compile(
    rf"\s*(?:{_IDS}|\[{_IDS}\]|\({_IDS}\)|\{{{_IDS}\}}|(?:tensor|array)\(\s*\[{_IDS}\](?:,[^()\[\]]*)?\))\s*", re.ASCII
)
_WHOLE = re.compile(r"\s*[+-]?\d{1,18}(?:\.0*)?\s*", re.ASCII)
_ALLOWED = np.zeros(256, bool)
_ALLOWED[[ord(c) for c in "0123456789-,;| \t[](){}"]] = True
_EMPTY = ("", "none", "null", "nan", "na")


class NotPlain(Exception):
    """What is there cannot be read in bulk."""


class Block(Protocol):
    """Some rows of a table."""

    rows: int

    def ints(self, name: str) -> Ints:
        """Return a column of integers."""

    def words(self, name: str) -> tuple[Ints, list[Any]]:
        """Return a column of integers or words as indices into a list of different values, as they first come."""

    def lists(self, *names: str) -> tuple[Ints, Ints]:
        """Return all ids of a column, or of columns side by side, and how many each row has."""

    def floats(self, *names: str) -> tuple[npt.NDArray[np.float64], Ints]:
        """Return all numbers of a column, or of columns side by side, and how many each row has."""


def beside(pairs: Sequence[tuple[npt.NDArray[Any], Ints]]) -> tuple[npt.NDArray[Any], Ints]:
    """Put columns side by side: in each row the values of the first column come first."""
    if len(pairs) == 1:
        return pairs[0]
    row = np.concatenate([np.repeat(np.arange(len(counts)), counts) for _, counts in pairs])
    values = np.concatenate([values for values, _ in pairs])[np.argsort(row, kind="stable")]
    total: Ints = np.sum([counts for _, counts in pairs], axis=0)
    return values, total


def integers_in(raw: npt.NDArray[np.uint8], offsets: Ints) -> tuple[Ints, Ints]:
    """Read lists of integers from text, in bulk.

    Parameters
    ----------
    raw : uint8 array
        The cells, one after the other.
    offsets : int64 array, shape (cells + 1,)
        Where each cell begins.

    Returns
    -------
    values, counts
        All integers, and how many each cell has.

    Raises
    ------
    NotPlain
        Something else than digits, minus signs, brackets and separators.
    """
    if not _ALLOWED[raw].all():
        raise NotPlain
    digit = (raw >= 48) & (raw <= 57)
    before = np.concatenate(([False], digit[:-1]))
    cut = np.zeros(len(raw) + 1, bool)
    cut[offsets] = True
    starts = np.flatnonzero(digit & (~before | cut[:-1]))
    after = np.concatenate((digit[1:], [False]))
    ends = np.flatnonzero(digit & (~after | cut[1:])) + 1
    lengths = ends - starts
    if lengths.size and lengths.max() > 9:
        raise NotPlain
    values = np.zeros(len(starts), np.int64)
    for at in range(int(lengths.max(initial=0))):
        more = np.flatnonzero(lengths > at)
        values[more] = values[more] * 10 + raw[starts[more] + at] - 48
    signed = np.zeros(len(starts), bool)
    inner = starts > 0
    signed[inner] = (raw[starts[inner] - 1] == 45) & ~cut[starts[inner]]
    if int(signed.sum()) != int((raw == 45).sum()):
        raise NotPlain
    values[signed] *= -1
    counts = np.diff(np.searchsorted(starts, offsets)).astype(np.int64)
    _check_marks(raw, offsets, counts)
    return values, counts


def _check_marks(raw: npt.NDArray[np.uint8], offsets: Ints, counts: Ints) -> None:
    """Refuse cells with brackets inside, or with other than one separator between two numbers (or none: blanks)."""
    between = np.isin(raw, [44, 59, 124])
    marks = np.concatenate(([0], np.cumsum(between)))[offsets]
    each = np.diff(marks)
    if ((each != 0) & (each != counts - 1)).any():
        raise NotPlain
    filled = np.flatnonzero(np.diff(offsets) > 0)
    first, last = raw[offsets[filled]], raw[offsets[filled + 1] - 1]
    for opening, closing in ((91, 93), (40, 41), (123, 125)):
        begun, ended = first == opening, last == closing
        if (begun != ended).any():
            raise NotPlain
        if int((raw == opening).sum()) != int(begun.sum()) or int((raw == closing).sum()) != int(ended.sum()):
            raise NotPlain


def word_codes(values: Iterable[Any]) -> tuple[Ints, list[Any]]:
    """Return indices into the list of different values, in the order in which they first come."""
    known: dict[Any, int] = {}
    codes = [known.setdefault(value, len(known)) for value in values]
    return np.array(codes, np.int64), list(known)


def _integer(value: Any) -> int | None:
    """Return a whole number, or None where the value is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value.strip().partition(".")[0])
    return None


def is_whole(value: Any) -> bool:
    """Say whether a value is a whole number, or text that is one."""
    return _integer(value) is not None


def is_number(text: str) -> bool:
    """Say whether text is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


class PlainBlock:
    """Rows of Python values: of JSON objects, or of CSV fields.

    Parameters
    ----------
    path : Path
        What messages name.
    columns : mapping
        Name -> list of values.
    lines : sequence of int
        Line of each row.
    """

    def __init__(self, path: Path, columns: dict[str, list[Any]], lines: Sequence[int]) -> None:
        self.path, self.columns, self.lines = path, columns, lines
        self.rows = len(lines)

    def _wrong(self, row: int, name: str, rule: str, value: Any) -> FormatError:
        said = repr(value)
        return FormatError(
            f"{self.path} line {self.lines[row]}: '{name}' must {rule}; got {said if len(said) <= 60 else said[:57] + '...'}"
        )

    def ints(self, name: str) -> Ints:
        """Return a column of integers."""
        found = [_integer(value) for value in self.columns[name]]
        for row, value in enumerate(found):
            if value is None or abs(value) > 1 << 62:
                raise self._wrong(row, name, "be an integer", self.columns[name][row])
        return np.array(found, np.int64)

    def words(self, name: str) -> tuple[Ints, list[Any]]:
        """Return a column of integers or words as indices."""
        made = []
        for row, value in enumerate(self.columns[name]):
            whole = _integer(value)
            word = whole if whole is not None else value
            if not isinstance(word, (int, str)) or isinstance(word, bool) or word == "":
                raise self._wrong(row, name, "be a number or a name", value)
            made.append(word)
        return word_codes(made)

    def lists(self, *names: str) -> tuple[Ints, Ints]:
        """Return all ids of a column, or of columns side by side, and how many each row has."""
        return beside([self._ids(name) for name in names])

    def _ids(self, name: str) -> tuple[Ints, Ints]:
        flat: list[int] = []
        counts = []
        for row, value in enumerate(self.columns[name]):
            cell = self._cell(row, name, value)
            ids = [-1 if one is None else _integer(one) for one in cell]
            for one, was in zip(ids, cell, strict=True):
                if one is None or not -1 <= one <= WIDEST:
                    raise self._wrong(row, name, "hold ids of experts, or -1 for none", was)
            flat += ids  # type: ignore[arg-type]
            counts.append(len(cell))
        return np.array(flat, np.int64), np.array(counts, np.int64)

    def _cell(self, row: int, name: str, value: Any) -> list[Any]:
        if value is None or (isinstance(value, float) and value != value):
            return []
        if isinstance(value, list):
            return value
        if isinstance(value, str):
            if value.strip().lower() in _EMPTY:
                return []
            match = _LIST.fullmatch(value)
            if match is None:
                raise self._wrong(row, name, "be an id or a list of ids", value)
            inner = next((group for group in match.groups() if group is not None), "").strip(" \t,")
            return re.split(r"[\s,;|]+", inner) if inner else []
        return [value]

    def floats(self, *names: str) -> tuple[npt.NDArray[np.float64], Ints]:
        """Return all numbers of a column, or of columns side by side, and how many each row has."""
        return beside([self._numbers(name) for name in names])

    def _numbers(self, name: str) -> tuple[npt.NDArray[np.float64], Ints]:
        flat: list[float] = []
        counts = []
        for row, value in enumerate(self.columns[name]):
            cell = value if isinstance(value, list) else [] if value is None else [value]
            if isinstance(value, str):
                cell = [] if value.strip().lower() in _EMPTY else re.split(r"[\s,;|]+", value.strip(" \t[](){}"))
            try:
                flat += [float("nan") if one is None else float(one) for one in cell]
            except (TypeError, ValueError, OverflowError):
                raise self._wrong(row, name, "hold numbers", value) from None
            counts.append(len(cell))
        return np.array(flat, np.float64), np.array(counts, np.int64)


class ArrowBlock:
    """Rows of a pyarrow table, read in bulk; what is not plain raises ``NotPlain``."""

    def __init__(self, table: Any) -> None:
        self.table = table
        self.rows = int(table.num_rows)

    def _column(self, name: str) -> Any:
        column = self.table.column(name)
        return column.combine_chunks() if hasattr(column, "combine_chunks") else column

    def ints(self, name: str) -> Ints:
        """Return a column of integers."""
        column = self._column(name)
        if column.null_count or not str(column.type).startswith(("int", "uint")):
            raise NotPlain
        return np.asarray(column.to_numpy(zero_copy_only=False)).astype(np.int64, copy=False)

    def words(self, name: str) -> tuple[Ints, list[Any]]:
        """Return a column of integers or words as indices."""
        column = self._column(name)
        if column.null_count:
            raise NotPlain
        if str(column.type).startswith(("int", "uint")):
            return _number_codes(np.asarray(column.to_numpy(zero_copy_only=False)).astype(np.int64, copy=False))
        if str(column.type) not in ("string", "large_string", "dictionary<values=string, indices=int32, ordered=0>"):
            raise NotPlain
        coded = column if hasattr(column, "dictionary") else column.dictionary_encode()
        words = [_integer(word) if _integer(word) is not None else word for word in coded.dictionary.to_pylist()]
        if "" in words or len(set(words)) != len(words):
            raise NotPlain
        return np.asarray(coded.indices.to_numpy(zero_copy_only=False)).astype(np.int64), words

    def lists(self, *names: str) -> tuple[Ints, Ints]:
        """Return all ids of a column, or of columns side by side, and how many each row has."""
        return beside([self._ids(name) for name in names])

    def _ids(self, name: str) -> tuple[Ints, Ints]:
        column = self._column(name)
        kind = str(column.type)
        if kind.startswith(("int", "uint")):
            if column.null_count:
                raise NotPlain
            values = np.asarray(column.to_numpy(zero_copy_only=False)).astype(np.int64)
            counts = np.ones(len(values), np.int64)
        elif kind == "string":
            values, counts = integers_in(*_text(column))
        elif hasattr(column, "flatten"):
            values, counts = self._flat(column, ("int", "uint"))
        else:
            raise NotPlain
        if values.size and (int(values.min()) < -1 or int(values.max()) > WIDEST):
            raise NotPlain
        return values.astype(np.int64), counts

    def _flat(self, column: Any, kinds: tuple[str, ...]) -> tuple[npt.NDArray[Any], Ints]:
        inner = column.flatten()
        if inner.null_count or not str(inner.type).startswith(kinds):
            raise NotPlain
        lengths = column.value_lengths().fill_null(0) if column.null_count else column.value_lengths()
        return np.asarray(inner.to_numpy(zero_copy_only=False)), np.asarray(lengths.to_numpy(zero_copy_only=False)).astype(np.int64)  # fmt: skip

    def floats(self, *names: str) -> tuple[npt.NDArray[np.float64], Ints]:
        """Return all numbers of a column, or of columns side by side, and how many each row has."""
        return beside([self._numbers(name) for name in names])

    def _numbers(self, name: str) -> tuple[npt.NDArray[np.float64], Ints]:
        column = self._column(name)
        kind = str(column.type)
        if kind.startswith(("int", "uint", "double", "float", "halffloat")):
            if column.null_count:
                raise NotPlain
            values = np.asarray(column.to_numpy(zero_copy_only=False))
            return values.astype(np.float64), np.ones(len(values), np.int64)
        if kind == "string":
            cells = [] if column.null_count else column.to_pylist()
            text = ",".join(cells).translate(_NO_BRACKETS).encode()
            flat = None if not cells else numbers(text.replace(b";", b","), b"x")
            counts = np.array([cell.count(",") + cell.count(";") + 1 for cell in cells], np.int64)
            if flat is None or len(flat) != counts.sum():
                raise NotPlain
            return flat, counts
        if hasattr(column, "flatten"):
            values, counts = self._flat(column, ("int", "uint", "double", "float", "halffloat"))
            return values.astype(np.float64), counts
        raise NotPlain


def _number_codes(values: Ints) -> tuple[Ints, list[Any]]:
    """Return integers as indices into the list of different ones."""
    if not values.size:
        return values, []
    low, high = int(values.min()), int(values.max())
    if high - low > 4 * len(values) + 1024:
        different, codes = np.unique(values, return_inverse=True)
        return codes.astype(np.int64), [int(v) for v in different]
    there = np.zeros(high - low + 1, bool)
    there[values - low] = True
    rank = np.cumsum(there, dtype=np.int64) - 1
    return rank[values - low], [int(v) + low for v in np.flatnonzero(there)]


class NumberBlock:
    """Rows of numbers as the compiled parser fills them in: integers, decimal numbers and one column of ids."""

    def __init__(self, names: list[str], whole: Any, real: Any, ids: Any, counts: Any) -> None:
        self.names, self.whole, self.real, self.ids, self.counts = names, whole, real, ids, counts
        self.rows = len(counts)

    def ints(self, name: str) -> Ints:
        """Return a column of integers."""
        column: Ints = self.whole[:, self.names.index(name)].copy()  # the parser uses its memory again
        return column

    def words(self, name: str) -> tuple[Ints, list[Any]]:
        """Return a column of integers as indices."""
        return _number_codes(self.ints(name))

    def lists(self, *names: str) -> tuple[Ints, Ints]:
        """Return all ids, and how many each row has; the parser has put columns side by side."""
        if self.ids.size and int(self.ids.min()) < -1:
            raise NotPlain
        return self.ids, self.counts

    def floats(self, *names: str) -> tuple[npt.NDArray[np.float64], Ints]:
        """Return columns of numbers, one of each in each row."""
        at = [self.names.index(name) for name in names]
        return np.ascontiguousarray(self.real[:, at]).reshape(-1), np.full(self.rows, len(at), np.int64)


_NO_BRACKETS = str.maketrans("", "", "[](){}")


def _text(column: Any) -> tuple[npt.NDArray[np.uint8], Ints]:
    """Return the bytes of a column of text and where each cell begins; nulls are empty."""
    _, places, data = column.buffers()
    offsets = np.frombuffer(places, np.int32, len(column) + 1, column.offset * 4).astype(np.int64)
    raw = np.frombuffer(data, np.uint8)[offsets[0] : offsets[-1]] if data is not None else np.empty(0, np.uint8)
    return raw, offsets - offsets[0]
