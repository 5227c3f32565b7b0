"""Tables read in parts, in bounded memory, where rows come in order of tokens within a request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..core.parts import LongTrace, Part
from ..core.trace import DECODE, Trace
from ..errors import FormatError
from .base import Reading
from .common import afford, check_part, id_dtype
from .counting import counted_from, from_zero
from .layout import Facts, widths_of
from .rows import Rows, Table, layer_order, phase_of, place_ids

__all__ = ["RowSource", "in_parts"]

_TABLE = 1 << 20  # ids whose use is counted


class RowSource(Protocol):
    """Rows that can be read again."""

    path: Path

    def need(self) -> Table:
        """Return the table of which the rows are."""

    def blocks(self) -> Iterator[Rows]:
        """Yield all rows, block by block."""


class _Seen:
    """What a first pass over the rows finds out."""

    def __init__(self) -> None:
        self.ordered, self.single = True, True
        self.rounds, self.top, self.requests = 0, 0, 0
        self.low, self.high, self.least = 1 << 40, -1, 1 << 40
        self.starts: list[int] = []
        self.last: tuple[int, int] | None = None
        self.used = np.zeros(_TABLE, bool)
        self.phase = False

    def take(self, rows: Rows, lists: bool) -> None:
        """Look at a block."""
        if rows.token is None:
            self.ordered = False
            return
        request = np.zeros(len(rows.token), np.int64) if rows.request is None else rows.request.astype(np.int64)
        token = rows.token.astype(np.int64)
        if self.last is not None:
            request, token = np.append(self.last[0], request), np.append(self.last[1], token)
        same = np.diff(request) == 0
        self.ordered = self.ordered and bool((np.diff(request) >= 0).all() and (np.diff(token)[same] >= 0).all())
        new = np.flatnonzero(~same | (np.diff(token) != 0)) + 1
        if self.last is None:
            new = np.append(0, new)
        fresh = np.append(-1, request)[new] != request[new]
        self.starts += (self.rounds + np.flatnonzero(fresh)).tolist()
        self.rounds += len(new)
        self.last = (int(request[-1]), int(token[-1]))
        self.top = max(self.top, int(rows.counts.max(initial=0)))
        self.single = self.single and self.top <= 1 and not lists
        present = rows.ids[rows.ids >= 0]
        self.requests += len(present)
        if present.size:
            self.low, self.high = min(self.low, int(present.min())), max(self.high, int(present.max()))
            if self.high < _TABLE:
                self.used[present] = True
        if rows.rank is not None:
            self.least = min(self.least, int(rows.rank.min()))
        self.phase = self.phase or rows.phase is not None

    def dense(self) -> bool:
        """Say whether all ids from 1 to the largest occur, and often."""
        return self.low == 1 and self.high < _TABLE and bool(self.used[1 : self.high + 1].all()) and self.requests >= 32 * self.high  # fmt: skip


def _look(source: RowSource) -> tuple[_Seen, int]:
    """Go through all rows, as long as they are in order; return what was seen, and the largest rank + 1."""
    seen, top = _Seen(), 0
    for rows in source.blocks():
        seen.take(rows, source.need().lists)
        if rows.rank is not None:
            top = max(top, int(rows.rank.max()) + 1)
        numbers = source.need().requests.values
        if all(isinstance(n, int) for n in numbers) and numbers != sorted(numbers):
            seen.ordered = False  # sessions go by number
        if not seen.ordered:
            break
    return seen, top


def in_parts(source: RowSource, how: Reading, whole: Callable[[], Trace]) -> LongTrace:
    """Open a table to be read in parts.

    Parameters
    ----------
    source : RowSource
    how : Reading
    whole : callable
        Reads everything; called where rows do not come in order, or number no tokens.

    Returns
    -------
    LongTrace
        One pass over the file has been made to learn its layers, sizes and order; weights are left out.
    """
    seen, top_of_ranks = _look(source)
    table = source.need()
    if not seen.ordered or (seen.single and not top_of_ranks):
        how.assume("memory", "whole", "rows do not come in order of tokens within a request, so that they are all held")
        return LongTrace.of(whole())
    if seen.high < 0:
        raise FormatError(f"{source.path}: a trace must hold at least one request; got none but -1")
    how.assume("columns", ", ".join(f"{role}={name}" for role, name in table.columns.items()), "by their names")
    meta: dict[str, Any] = {}
    order = layer_order(table.layers.values, meta, how)
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    shift, widths = counted_from(seen.low, seen.high, seen.dense(), widths_of(source.path, Facts(getattr(source, "meta", {})), how), how)  # fmt: skip
    top = seen.top
    if seen.single:
        top = top_of_ranks - (1 if seen.least == 1 else 0)
    stages = _stages(source.path, table, seen.phase, how)
    afford(source.path, f"a round of {len(order)} layers x top_k {top}", 16 * len(order) * top)
    limits = np.full((len(order), 1), widths, np.int64)

    def part_of(rows: Rows, session: npt.NDArray[Any], first: int) -> Part:
        assert rows.token is not None
        token = rows.token.astype(np.int64)
        new = np.append(True, (np.diff(token) != 0) | (np.diff(session) != 0))
        round_of = np.cumsum(new) - 1
        count = int(round_of[-1]) + 1
        rank = None if not seen.single or rows.rank is None else from_zero(source.path, rows.rank, seen.least, how)
        here, where = place_ids(
            source.path, round_of, place[rows.layer], len(order), rows.counts, rank, seen.single, how
        )
        ids = np.where(rows.ids > 0, rows.ids - 1, -1) if shift else rows.ids
        experts = np.full((count, len(order), max(here, top)), -1, id_dtype(widths))
        flat = np.full((count, len(order), here), -1, np.int64)
        flat.reshape(-1)[slice(len(ids)) if where is None else where] = ids
        experts[:, :, :here] = flat
        stage = np.full(count, DECODE, np.int8)
        if stages is not None and rows.phase is not None:
            stage[round_of] = stages[rows.phase]
            if (stage[round_of] != stages[rows.phase]).any():
                raise FormatError(
                    f"{source.path}: '{table.columns['phase']}' must be one for each token of round {first}"
                )
        part = Part(experts, stage, session[new])
        check_part(source.path, part, limits, first)
        return part

    def read(begin: int, end: int | None) -> Iterator[Part]:
        at = 0
        for rows, session in _whole_rounds(source.blocks()):
            part = part_of(rows, session, at)
            here = slice(max(0, begin - at), None if end is None else max(0, end - at))
            at += len(part.session)
            if at > begin and len(part.session[here]):
                yield Part(part.experts[here], part.stage[here], part.session[here])
            if end is not None and at >= end:
                return

    starts = np.array(seen.starts, np.int64)
    return LongTrace(str(source.path), len(order), top, (int(widths),) * len(order), None, seen.rounds, read, lambda: starts)  # fmt: skip


def _stages(path: Path, table: Table, given: bool, how: Reading) -> npt.NDArray[np.int8] | None:
    """Return the stage of each phase that the table names, or None where it names none."""
    if not given:
        how.assume("stage", "decode", "no column says which tokens are prefill")
        return None
    known = [phase_of(word) for word in table.phases.values]
    if all(one is None for one in known):
        how.assume("stage", "decode", f"{table.columns['phase']!r} says neither prefill nor decode")
        return None
    if None in known:
        odd = str(table.phases.values[known.index(None)])[:40]
        raise FormatError(f"{path}: '{table.columns['phase']}' must say prefill or decode; got {odd!r}")
    return np.array(known, np.int8)


def _whole_rounds(blocks: Iterator[Rows]) -> Iterator[tuple[Rows, npt.NDArray[Any]]]:
    """Yield rows such that no round is cut, with the session of each row."""
    held: Rows | None = None
    for rows in blocks:
        held = rows if held is None else _joined(held, rows)
        session = _session(held)
        token = held.token
        assert token is not None
        last = np.flatnonzero((token != token[-1]) | (session != session[-1]))
        cut = int(last[-1]) + 1 if last.size else 0
        if cut:
            yield _cut(held, 0, cut), session[:cut]
            held = _cut(held, cut, len(token))
    if held is not None:
        yield held, _session(held)


def _session(rows: Rows) -> npt.NDArray[np.int64]:
    assert rows.token is not None
    return np.zeros(len(rows.token), np.int64) if rows.request is None else rows.request.astype(np.int64)


def _joined(one: Rows, other: Rows) -> Rows:
    pairs = zip(one, other, strict=True)
    return Rows(*(None if a is None or b is None else np.concatenate((a, b)) for a, b in pairs))  # type: ignore[arg-type]


def _cut(rows: Rows, begin: int, end: int) -> Rows:
    first, last = int(rows.counts[:begin].sum()), int(rows.counts[:end].sum())
    flat = {"ids", "weights"}
    return Rows(
        *(
            None if column is None else column[first:last] if name in flat else column[begin:end]
            for name, column in zip(Rows._fields, rows, strict=True)
        )  # type: ignore[arg-type]
    )
