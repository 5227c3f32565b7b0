"""What is done, kept line by line while a sweep runs; and the files that it leaves.

A line is handed to the system as soon as its batch comes back.  So killing the process loses the batches in flight alone.
Lines are forced to the disk at most once a second and at the end.  So a power failure loses that second too.  A last line without its end is dropped.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..core import strict_json
from ..core.files import replacing
from ..errors import FormatError, LayeredPagingError
from .spec import Job, canonical

__all__ = ["Journal", "write_parquet", "write_results", "write_timings"]

SYNC = 1.0  # seconds between two writes to the disk itself


class Journal:
    """The journal of a sweep, locked while it is open.

    Parameters
    ----------
    path : Path
        Is made if it is not there.
    identity : str
        Of the spec; a journal of another is refused.
    jobs : int

    Raises
    ------
    LayeredPagingError
        It cannot be written, another process holds it, or it belongs to another spec.
    FormatError
        A line other than the last is damaged.
    """

    def __init__(self, path: Path, identity: str, jobs: int) -> None:
        self.path = path
        self.rows: dict[int, dict[str, Any]] = {}
        try:
            self._file = path.open("a+b", buffering=0)
        except OSError as error:
            raise LayeredPagingError(f"{path}: cannot be written; {error.strerror or error}") from None
        try:
            self._lock()
            self._read(identity, jobs)
        except BaseException:
            self._file.close()
            raise
        self._synced = time.monotonic()

    def _lock(self) -> None:
        try:
            import fcntl
        except ImportError:  # not a POSIX system: two drivers in one folder are then not noticed
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise LayeredPagingError(f"{self.path}: another sweep is writing here") from None

    def _read(self, identity: str, jobs: int) -> None:
        self._file.seek(0)
        end = 0
        reader = io.BufferedReader(self._file)
        for number, line in enumerate(reader, 1):
            if not line.endswith(b"\n"):
                break
            try:
                row = _checked(line)
                if number == 1:
                    found = row["journal"]
                else:
                    job = row["job"]
                    if (
                        type(job) is not int
                        or not 0 <= job < jobs
                        or ("result" in row) == ("error" in row)
                        or row["seconds"] < 0
                    ):
                        raise ValueError
                    self.rows[job] = row
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                reader.detach()
                raise FormatError(f"{self.path} line {number}: not a line of a journal; the file is damaged") from None
            if number == 1 and found != identity:
                reader.detach()
                raise LayeredPagingError(
                    f"{self.path}: belongs to another spec, other traces or another version; take another folder"
                )
            end += len(line)
        reader.detach()
        self._file.truncate(end)
        if end == 0:
            self._write([{"journal": identity}])

    def _write(self, rows: Iterable[Mapping[str, Any]]) -> None:
        # keys stay in their order, so that a row read back is written as it would have been at once
        data = memoryview("".join(map(_line, rows)).encode())
        try:
            while data:
                data = data[self._file.write(data) or 0 :]
        except OSError as error:
            raise LayeredPagingError(f"{self.path}: cannot be written; {error.strerror or error}") from None

    def append(self, rows: Sequence[dict[str, Any]]) -> None:
        """Keep rows."""
        self._write(rows)
        self.rows.update((row["job"], row) for row in rows)
        if time.monotonic() - self._synced >= SYNC:
            self.sync()

    def sync(self) -> None:
        """Force what is written to the disk."""
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise LayeredPagingError(f"{self.path}: cannot be written; {error.strerror or error}") from None
        self._synced = time.monotonic()

    def close(self) -> None:
        """Close the file, and give up the lock."""
        self._file.close()


def _row(job: Job, row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "job": job.number,
        "hash": job.hash,
        "function": job.function,
        "trace": job.trace,
        "arguments": job.arguments,
        "repeat": job.repeat,
        "seed": job.seed,
        "result": row.get("result"),
        "error": row.get("error"),
    }


def write_results(path: Path, jobs: Sequence[Job], rows: Mapping[int, Mapping[str, Any]]) -> None:
    """Write one JSON object a job, in the order of the spec."""
    with replacing(path) as stream:
        for job in jobs:
            stream.write((json.dumps(_row(job, rows[job.number]), allow_nan=False) + "\n").encode())


def write_timings(path: Path, rows: Mapping[int, Mapping[str, Any]]) -> None:
    """Write seconds and worker of each job."""
    with replacing(path) as stream:
        for number in sorted(rows):
            line = {key: rows[number].get(key) for key in ("job", "seconds", "worker")}
            stream.write((json.dumps(line) + "\n").encode())


def write_parquet(path: Path, jobs: Sequence[Job], rows: Mapping[int, Mapping[str, Any]]) -> None:
    """Write the results as one table: a column for each argument (``set.NAME``) and each figure (``result.NAME``).

    A column of integers (of 64 bits), numbers, or truth values keeps its kind; any other is text, JSON where it is not text.
    """
    import pyarrow
    import pyarrow.parquet

    flat = []
    for job in jobs:
        row = _row(job, rows[job.number])
        inner = {f"set.{k}": v for k, v in row.pop("arguments").items()}
        inner |= {f"result.{k}": v for k, v in (row.pop("result") or {}).items()}
        flat.append(row | inner)
    names = list(dict.fromkeys(name for row in flat for name in row))
    columns = {name: _column([row.get(name) for row in flat]) for name in sorted(names, key=lambda n: "." in n)}
    with replacing(path) as stream:
        pyarrow.parquet.write_table(pyarrow.table(columns), stream, compression="zstd")


def _column(values: list[Any]) -> Any:
    import pyarrow

    kinds = {type(value) for value in values if value is not None}
    if kinds <= {bool} and kinds:
        return pyarrow.array(values, pyarrow.bool_())
    if kinds == {int} and all(v is None or abs(v) < 1 << 63 for v in values):
        return pyarrow.array(values, pyarrow.int64())
    if kinds == {float}:
        return pyarrow.array(values, pyarrow.float64())
    return pyarrow.array([v if v is None or isinstance(v, str) else canonical(v) for v in values], pyarrow.string())


def _sum(row: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(row, allow_nan=False).encode()).hexdigest()[:16]


def _line(row: Mapping[str, Any]) -> str:
    """Return a row as a line that ends with a checksum of the rest."""
    return json.dumps({**row, "sum": _sum(row)}, allow_nan=False) + "\n"


def _checked(line: bytes) -> dict[str, Any]:
    """Return the row of a line.

    Raises
    ------
    ValueError, KeyError, TypeError
        It is no object in strict JSON, or its checksum does not fit.
    """
    row: dict[str, Any] = strict_json.parse(line)
    if row.pop("sum") != _sum(row):
        raise ValueError
    return row
