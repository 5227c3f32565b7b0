"""A parser for plain tables of numbers, compiled: only what it knows for certain, everything else is refused."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.compiled import kernel

__all__ = ["INT", "LIST", "REAL", "SKIP", "parse_rows"]

INT, LIST, REAL, SKIP = 0, 1, 2, 3  # what a field holds: an integer, ids, a decimal number, or nothing of interest
DIGITS, MANTISSA = 9, 15  # digits that an integer, and a decimal number, can have: both are exact
_ZERO, _TEN = np.uint8(48), np.uint8(10)
_SPACE, _QUOTE, _COMMA, _MINUS, _DOT, _LINE, _OPEN, _CLOSE = 32, 34, 44, 45, 46, 10, 91, 93


@kernel
def _whole(kind: int, found: int, since: int, commas: int, quote: int, bracket: int) -> bool:
    """Say whether a field may end here: one number, or a list that is closed."""
    if kind == SKIP:
        return True
    if kind != LIST:
        return found == 1
    return (found > 0 or bracket == 2) and quote != 1 and bracket != 1 and (commas == 0 or since == 1)


@kernel
def _fits(c: int, found: int, since: int, quote: int, bracket: int) -> bool:
    """Say whether a mark may stand here in a list: a comma after a number, one quote and one bracket around all."""
    if c == _COMMA:  # inside, or it would be the delimiter
        return (quote == 1 or bracket == 1) and since == 1
    if c == _QUOTE:
        return quote != 2 and bracket != 1 and (quote == 1 or (found == 0 and bracket == 0))
    if c == _OPEN:
        return bracket == 0 and found == 0 and quote != 2
    return bool(c == _CLOSE and bracket == 1)


@kernel
def parse_rows(raw: Any, kinds: Any, mark: int, whole: Any, real: Any, ids: Any, counts: Any) -> int:
    """Parse rows that end in a line end.

    Parameters
    ----------
    raw : uint8 array
        Ends in a line end.
    kinds : int array, shape (fields,)
        INT, LIST, REAL or SKIP.
    mark : int
        The delimiter.
    whole, real : arrays, shape (rows, fields)
        Filled with integers and decimal numbers.
    ids, counts : arrays
        Filled with all ids, and how many each row has.

    Returns
    -------
    int
        The number of ids, or -1 if something is not plain.
    """
    fields, last = len(kinds), len(kinds) - 1
    row, f, kind = 0, 0, kinds[0]
    at, begin = 0, 0  # ids so far, and before this row
    value, digits, after = 0, 0, 0
    negative, dot = False, False
    found, since, commas = 0, 0, 0  # numbers of the field, since the last comma of a list, and its commas
    quote, bracket, closed = 0, 0, 0  # 0 not yet, 1 open, 2 done; and whether the list is over
    for p in range(len(raw)):
        c = raw[p]
        digit = c - _ZERO
        if digit < _TEN:
            value = value * 10 + np.int64(digit)  # type: ignore[assignment]
            digits += 1
            after += 1 if dot else 0
            continue
        if c == _DOT and kind == REAL and not dot:
            dot = True
            continue
        if digits:
            if kind == LIST:
                if digits > DIGITS or closed:
                    return -1
                ids[at] = -value if negative else value
                at += 1
                since += 1
            elif kind == INT:
                if digits > DIGITS:
                    return -1
                whole[row, f] = -value if negative else value
            elif kind == REAL:
                if digits > MANTISSA:
                    return -1
                number = value / 10.0**after
                real[row, f] = -number if negative else number
            found += 1
            value, digits, after = 0, 0, 0
            negative, dot = False, False
            if c == _MINUS and kind != SKIP:
                return -1
        elif (negative or dot) and kind != SKIP:
            return -1
        if c == _LINE or (c == mark and quote != 1 and bracket != 1):
            if not _whole(kind, found, since, commas, quote, bracket):
                return -1
            if kind == LIST:
                counts[row] = at - begin
            negative = False
            if c == _LINE:
                if f != last:
                    return -1
                row += 1
                f, begin = 0, at
            else:
                if f == last:
                    return -1
                f += 1
            kind = kinds[f]
            found, since, commas, quote, bracket, closed = 0, 0, 0, 0, 0, 0
        elif kind == SKIP:
            if c == _QUOTE:
                return -1
        elif c == _SPACE:
            pass
        elif c == _MINUS:
            negative = True
        elif kind != LIST or not _fits(c, found, since, quote, bracket):
            return -1
        elif c == _COMMA:
            since = 0
            commas += 1
        elif c == _QUOTE:
            quote += 1
            closed = 1 if quote == 2 else 0
        elif c == _OPEN:
            bracket = 1
        else:
            bracket, closed = 2, 1
    return at if row == len(counts) and f == 0 and fields > 0 else -1
