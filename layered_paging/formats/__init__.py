"""Trace files: one module a format, each with a reader and a writer.

A file is recognised by its first bytes; its suffix only decides where they leave it open.
Writing goes by suffix.  A writer refuses a trace that its format cannot express, so that
nothing is lost silently.
"""

from __future__ import annotations

import os
from pathlib import Path

from ..core.files import replacing
from ..core.parts import LongTrace
from ..core.trace import Trace
from ..errors import FormatError
from . import events_csv, jsonl, npz, parquet, route_csv
from .common import Format, guarded, head

__all__ = ["FORMATS", "detect", "load_trace", "open_trace", "save_trace"]

FORMATS: tuple[Format, ...] = (
    npz.FORMAT,
    jsonl.FORMAT,
    jsonl.FORMAT_GZ,
    events_csv.FORMAT,
    route_csv.FORMAT,
    parquet.FORMAT,
)


def _available() -> str:
    return ", ".join(f"{known.name} (*{known.suffixes[0]})" for known in FORMATS)


def _by_suffix(path: Path) -> Format | None:
    name = path.name.lower()
    return next((known for known in FORMATS if name.endswith(known.suffixes)), None)


def detect(path: str | os.PathLike[str]) -> Format:
    """Return the format of a file, by its content first and by its suffix where the content is open.

    Raises
    ------
    FormatError
        The file is missing, empty or unreadable, or neither content nor suffix is known.
    """
    file = Path(path)
    with guarded(file):
        start = head(file)
    for known in FORMATS:
        if known.sniff(start):
            return known
    named = _by_suffix(file)
    if named is None:
        raise FormatError(f"{file}: not a known trace format; it begins with {start[:24]!r}; known are {_available()}")
    if named is npz.FORMAT or named is parquet.FORMAT:
        raise FormatError(f"{file}: not {named.name} as its name says; it begins with {start[:24]!r}")
    return named


def load_trace(path: str | os.PathLike[str]) -> Trace:
    """Read a trace file of any known format.

    Parameters
    ----------
    path : path
        The file; its format is found from its content.

    Returns
    -------
    Trace

    Raises
    ------
    FormatError
        The file is missing, unreadable, truncated, corrupt, too large for the memory, or of no
        known format; the message names the file and the line or array.
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
    file = Path(path)
    known = detect(file)
    with guarded(file):
        return known.read(file)


def open_trace(path: str | os.PathLike[str]) -> LongTrace:
    """Open a trace file to be read in parts, each time it is replayed.

    Parameters
    ----------
    path : path
        Parquet or JSON Lines (also gzipped), of any length.

    Returns
    -------
    LongTrace
        For ``lp.replay``; only the head of the file has been looked at.

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
    file = Path(path)
    known = detect(file)
    opens = {parquet.FORMAT: parquet.open_long, jsonl.FORMAT: jsonl.open_long, jsonl.FORMAT_GZ: jsonl.open_long}
    if known not in opens:
        raise FormatError(
            f"{file}: {known.name} is not read in parts; 'layered-paging convert' writes .parquet or .jsonl"
        )
    with guarded(file):
        return opens[known](file)


def save_trace(trace: Trace | LongTrace, path: str | os.PathLike[str]) -> None:
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
    file = Path(path)
    known = _by_suffix(file)
    if "\0" in str(file):
        raise FormatError(f"{str(file)!r}: not a path; it holds a null character")
    if known is None:
        raise FormatError(f"{file}: the suffix names no trace format; known are {_available()}")
    if isinstance(trace, LongTrace):
        if known is not parquet.FORMAT:
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
