"""What a worker does: play jobs one after another; whatever goes wrong in one is its answer."""

from __future__ import annotations

import json
import os
import socket
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from ..core.trace import Trace
from ..errors import LayeredPagingError, TraceError
from ..formats import load_trace
from .functions import FUNCTIONS

__all__ = ["Task", "perform", "watch"]

# number, function, arguments, digest of the trace, seed
Task = tuple[int, str, dict[str, Any], str | None, int | None]

KEPT = 2 << 30  # bytes of traces that a worker keeps
_traces: dict[str, Trace] = {}
_lock = threading.Lock()


def watch(pipe: Connection) -> None:
    """Prepare a worker process: Ctrl-C is the driver's affair, and the process ends when ``pipe`` does."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def wait() -> None:
        pipe.poll(None)  # nothing is ever sent: this is the end of the pipe, hence of the driver
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def perform(
    tasks: Sequence[Task], paths: Mapping[str, str], digests: Sequence[str] = (), *files: bytes
) -> list[dict[str, Any]]:
    """Play jobs.

    Parameters
    ----------
    tasks : list of (number, function, arguments, digest or None, seed or None)
    paths : mapping
        Where the trace of each digest is read; of the name alone the suffix counts if ``files`` holds it.
    digests : list of str
    *files : bytes
        Contents of the trace files of ``digests``.

    Returns
    -------
    list of dict
        ``job``, ``result`` or ``error`` (one line), ``seconds`` and ``worker``.
    """
    where = f"{socket.gethostname()}:{os.getpid()}"
    sent = dict(zip(digests, files, strict=True))
    rows = []
    for number, function, arguments, digest, seed in tasks:
        began = time.perf_counter()
        row: dict[str, Any] = {"job": number}
        try:
            trace = None if digest is None else _trace(digest, paths[digest], sent.get(digest))
            given = arguments if seed is None else {**arguments, "seed": seed}
            row["result"] = json.loads(json.dumps(FUNCTIONS[function].call(trace, given), allow_nan=False))
        except LayeredPagingError as error:
            row["error"] = _line(str(error))
        except Exception as error:
            row["error"] = _line(f"{type(error).__name__}: {error}")
        row["seconds"] = round(time.perf_counter() - began, 6)
        row["worker"] = where
        rows.append(row)
    return rows


def _line(text: str) -> str:
    return " ".join(text.split())[:1000]


def _trace(digest: str, path: str, content: bytes | None) -> Trace:
    with _lock:
        if digest not in _traces:
            found = load_trace(path) if content is None else _parsed(content, path)
            if found.digest() != digest:
                raise TraceError(f"{path}: has changed since the sweep began")
            while _traces and sum(t.experts.nbytes for t in _traces.values()) + found.experts.nbytes > KEPT:
                del _traces[next(iter(_traces))]
            _traces[digest] = found
        return _traces[digest]


def _parsed(content: bytes, path: str) -> Trace:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / Path(path).name
        file.write_bytes(content)
        return load_trace(file)
