"""Trace files: one module a format, each a registered class with a reader, and perhaps a writer.

A file is recognised by its content; its suffix only decides where that leaves it open.  Writing goes by suffix.  A
log is read rightly, or with an assumption that is stated, or refused with the reason.  A writer refuses a trace that
its format cannot express, so that nothing is lost silently.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..core.arguments import kinds
from ..core.files import replacing
from ..core.instance import integer, shown
from ..core.parts import LongTrace
from ..core.rules import choice
from ..core.trace import Trace
from ..errors import FormatError, ParameterError
from . import loading, parquet
from .base import Format, Reading
from .common import guarded
from .known import FORMATS, by_suffix, detect, formats, listed
from .layout import LAYOUTS

__all__ = ["FORMATS", "Format", "Reading", "detect", "formats", "load_trace", "open_trace", "read_trace", "save_trace"]

AnyPath = str | os.PathLike[str]


def load_trace(
    path: AnyPath | Sequence[AnyPath],
    *,
    layout: str | None = None,
    columns: Mapping[str, str] | None = None,
    tokens: str | None = None,
    top_k: int | None = None,
    n_experts: int | None = None,
) -> Trace:
    """Read a trace file or a routing log of any known format.

    Parameters
    ----------
    path : path or sequence of paths
        A file, whose format is found from its content; ``-`` for standard input. A folder or several files are one
        trace, one session each.  Files may be packed by gz, zst, bz2 or xz.
    layout : {"tlk", "ltk", "btlk"}, optional
        Which axis of an array is what: tokens, layers, top_k; layers first; batch first.
    columns : mapping, optional
        Columns of a table by what they mean: token, layer, experts, rank, weight, phase, request.
    tokens : {"guess"}, optional
        Guess where tokens begin in a log that does not say.
    top_k, n_experts : int, optional
        Experts of a token, and of a layer, where the file does not state them.

    Returns
    -------
    Trace
        What was assumed is in ``trace.meta["assumed"]``: a list of objects with ``about``, ``taken`` and ``why``.

    Raises
    ------
    FormatError
        The file is missing, unreadable, truncated, corrupt, too large for the memory, ambiguous, or of no known
        format. The message names the file and the line or array.
    TraceError
        The file is well formed, but what it holds is no trace.

    Notes
    -----
    Nothing in a file is ever executed.  O(size of the trace); text formats are read in blocks.

    Examples
    --------
    >>> import tempfile, layered_paging as lp
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     lp.save_trace(lp.Trace([[[0, 1]], [[2, -1]]], n_experts=4), f"{folder}/t.jsonl")
    ...     lp.load_trace(f"{folder}/t.jsonl")
    <Trace: 2 rounds in 1 session(s), 1 layers x 4 experts, top_k 2>
    """
    for name, value, known in (("layout", layout, LAYOUTS), ("tokens", tokens, ("guess",))):
        if value is not None:
            choice(name, value, known)
    for name, number in (("top_k", top_k), ("n_experts", n_experts)):
        if number is not None:
            integer(name, number, 1)
    if columns is not None and not isinstance(columns, Mapping):
        raise ParameterError(f"must be a mapping of meanings to columns; got {columns!r}", parameter="columns")
    return read_trace(path, Reading(layout, dict(columns or {}), tokens, top_k, n_experts))


def read_trace(path: AnyPath | Sequence[AnyPath], how: Reading) -> Trace:
    """Read a trace as ``load_trace`` does; what was assumed is in ``how.assumed`` afterwards."""
    return loading.load(path, how)


def open_trace(path: AnyPath, how: Reading | None = None) -> LongTrace:
    """Open a trace file to be read in parts, each time it is replayed.

    Parameters
    ----------
    path : path
        A file of any length: Parquet, JSON Lines or a table whose rows come in order.
    how : Reading, optional
        Options for logs of others, as for ``load_trace``; what was assumed is added to it.

    Returns
    -------
    LongTrace
        For ``lp.replay``; of our own formats only the head of the file has been looked at.

    Raises
    ------
    FormatError
        As for ``load_trace``, or the format cannot be read in parts.  What is wrong further down in
        the file is told when it is reached.

    Examples
    --------
    >>> import tempfile, layered_paging as lp
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     lp.save_trace(lp.workloads.zipf(2, 8, 1000), f"{folder}/t.jsonl")
    ...     long = lp.open_trace(f"{folder}/t.jsonl")
    ...     lp.replay(long, "lru", 6)
    <Run: lru, 6 slots: 883 misses of 2000 requests, 55.850 % hits>
    """
    return loading.open_long(path, how or Reading())


@kinds()
def save_trace(trace: Trace | LongTrace, path: AnyPath) -> None:
    """Write a trace in the format that the suffix names, all of it or nothing.

    Parameters
    ----------
    trace : Trace or LongTrace
        A trace in parts is written in parts, as Parquet only, without weights and meta.
    path : path
        Ends in .npz, .jsonl, .jsonl.gz, .events.csv, .route.csv or .parquet; a file that is
        there is replaced.

    Raises
    ------
    FormatError
        The suffix is unknown, or the format cannot express the trace; the message says why.
    LayeredPagingError
        The file cannot be written; what was there is untouched.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise ParameterError(f"must be a path; got {shown(path)}", parameter="path")
    file = Path(path)
    known = by_suffix(file)
    if "\0" in str(file):
        raise FormatError(f"{str(file)!r}: not a path; it holds a null character")
    if known is None:
        raise FormatError(f"{file}: the suffix names no trace format; known are {listed()}")
    if isinstance(trace, LongTrace):
        if known.name != "parquet":
            raise FormatError(f"{file}: a trace in parts is written as Parquet only (*.parquet)")
        with replacing(file) as stream:
            parquet.write_long(trace, stream)
        return
    with guarded(file):
        reason = known.refuse(trace, file)
    if reason is not None:
        raise FormatError(f"{file}: {known.name} cannot express this trace: {reason}")
    with replacing(file) as stream:
        known.write(trace, stream)
