"""Where recorded rounds go: into memory, or into a file that stays readable when the process is killed."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from ..core.files import replacing
from ..core.trace import Trace
from ..errors import FormatError, LayeredPagingError, ParameterError
from ..formats import load_trace, save_trace
from ..formats.jsonl import MAGIC

__all__ = ["Memory", "Sizes", "Spool", "recover"]


@dataclass(frozen=True)
class Sizes:
    """What is known before the first round: the layers, their experts, and what the trace says of itself."""

    n_experts: tuple[int, ...]
    expert_bytes: tuple[int, ...] | None
    weights: bool
    meta: Mapping[str, Any]


@dataclass
class Memory:
    """Rounds kept in memory, about two bytes an id."""

    sizes: Sizes
    parts: list[tuple[int, npt.NDArray[Any], npt.NDArray[Any] | None, int]] = field(default_factory=list)

    def append(self, session: int, ids: npt.NDArray[Any], gates: npt.NDArray[Any] | None, stage: int) -> None:
        """Add rounds of one session and stage; ids have shape (rounds, layers, top_k)."""
        self.parts.append((session, ids, gates, stage))

    def settle(self) -> None:
        """Do nothing: there is no file."""

    close = settle

    def trace(self) -> Trace:
        """Return what was added so far."""
        if not self.parts:
            raise LayeredPagingError("nothing was recorded; the model must be called inside the block")
        session = np.repeat([part[0] for part in self.parts], [len(part[1]) for part in self.parts])
        gates = [part[2] for part in self.parts if part[2] is not None]
        return Trace(
            np.concatenate([part[1] for part in self.parts]),
            self.sizes.n_experts,
            np.concatenate(([0], np.flatnonzero(np.diff(session)) + 1)),
            np.repeat([part[3] for part in self.parts], [len(part[1]) for part in self.parts]),
            self.sizes.expert_bytes,
            _fitting(self.sizes.meta, int(session[-1]) + 1),
            np.concatenate(gates) if self.sizes.weights else None,
        )


class Spool:
    """Rounds written to a JSON Lines trace as they come, each call by one write of whole lines.

    A process that is killed loses nothing that was appended; a line that the system cut is dropped by
    ``recover``.  After a loss of power, all sessions that had ended are there.
    """

    def __init__(self, path: str | os.PathLike[str], sizes: Sizes) -> None:
        self.path = Path(path)
        self.sizes = sizes
        if not self.path.name.lower().endswith(".jsonl"):
            raise ParameterError(f"{self.path}: a recording is written as it goes, which needs a name ending in .jsonl")
        try:
            self._file: IO[bytes] = open(self.path, "xb", buffering=0)  # noqa: SIM115
        except FileExistsError:
            raise ParameterError(f"{self.path}: is there already") from None
        except OSError as error:
            raise LayeredPagingError(f"{self.path}: cannot be written; {error.strerror or error}") from None
        self._begun = False

    def append(self, session: int, ids: npt.NDArray[Any], gates: npt.NDArray[Any] | None, stage: int) -> None:
        """Add rounds of one session and stage; ids have shape (rounds, layers, top_k)."""
        lines = []
        if not self._begun:
            lines.append(_header(self.sizes, ids.shape[2]))
            self._begun = True
        flat = ids.shape[2] == 1
        rows = (ids[:, :, 0] if flat else ids).tolist()
        shares = None if gates is None else (gates[:, :, 0] if flat else gates)
        for at, row in enumerate(rows):
            made = {"session": session, "stage": stage, "experts": row}
            if shares is not None:
                made["weights"] = _digits(shares[at])
            lines.append(json.dumps(made, separators=(",", ":")).encode())
        data = memoryview(b"\n".join(lines) + b"\n")
        try:
            while data:
                data = data[self._file.write(data) or 0 :]
        except OSError as error:
            raise LayeredPagingError(f"{self.path}: cannot be written; {error.strerror or error}") from None

    def settle(self) -> None:
        """Ask the system to bring what was written to the disk."""
        if not self._file.closed:
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file; nothing can be added any more."""
        if not self._file.closed:
            self.settle()
            self._file.close()

    def trace(self) -> Trace:
        """Return what was added so far."""
        if not self._begun:
            raise LayeredPagingError("nothing was recorded; the model must be called inside the block")
        trace = load_trace(self.path)
        meta = _fitting(trace.meta, len(trace.sessions))
        return Trace(
            trace.experts, trace.n_experts, trace.sessions, trace.stage, trace.expert_bytes, meta, trace.weights
        )


def recover(path: str | os.PathLike[str], target: str | os.PathLike[str]) -> int:
    """Make a complete trace of a recording, also of one whose process was killed.

    Parameters
    ----------
    path : path
        A ``.jsonl`` file that a recording wrote.
    target : path
        The trace to write, in the format that its suffix names; a file that is there is replaced.

    Returns
    -------
    int
        Sessions recovered; the last one may be incomplete.

    Raises
    ------
    FormatError
        The file is missing or no recording, holds no complete round, or is damaged before its last line.

    Notes
    -----
    To a ``.jsonl`` target, in bounded memory; otherwise the trace is held in memory once.
    """
    source = Path(path)
    try:
        with source.open("rb") as stream:
            first = stream.readline(1 << 24)
            header = json.loads(first) if first.endswith(b"\n") else None
            last, rounds = b"", 0
            for line in stream:
                if line.endswith(b"\n"):
                    last, rounds = line, rounds + 1
            if not isinstance(header, dict) or header.get("format") != MAGIC or not rounds:
                raise FormatError(f"{source}: holds no complete round of a recording")
            sessions = int(json.loads(last)["session"]) + 1
            header["rounds"], header["meta"] = rounds, _fitting(header["meta"], sessions)
            straight = Path(target).name.lower().endswith(".jsonl")
            with tempfile.TemporaryDirectory(dir=source.parent, prefix=".layered-paging-") as folder:
                whole = Path(target) if straight else Path(folder) / "whole.jsonl"
                with replacing(whole) as out:
                    stream.seek(len(first))
                    out.write(json.dumps(header).encode() + b"\n")
                    for _ in range(rounds):
                        out.write(stream.readline())
                if not straight:
                    save_trace(load_trace(whole), target)
    except OSError as error:
        raise FormatError(f"{source}: cannot be read; {error.strerror or error}") from None
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, LayeredPagingError):
            raise
        raise FormatError(f"{source}: is no recording, or damaged; {str(error)[:100]}") from None
    return sessions


def _header(sizes: Sizes, top_k: int) -> bytes:
    made = {
        "format": MAGIC,
        "version": 1,
        "layers": len(sizes.n_experts),
        "n_experts": list(sizes.n_experts),
        "top_k": top_k,
        "rounds": None,
        "expert_bytes": None if sizes.expert_bytes is None else list(sizes.expert_bytes),
        "weights": "float32" if sizes.weights else None,
        "meta": dict(sizes.meta),
    }
    return json.dumps(made, allow_nan=False).encode()


def _fitting(meta: Mapping[str, Any], sessions: int) -> dict[str, Any]:
    """Leave out what the meta says of sessions that were not recorded."""
    kept = dict(meta)
    if isinstance(kept.get("items"), list):
        kept["items"] = kept["items"][:sessions]
    return kept


def _digits(gates: npt.NDArray[Any]) -> Any:
    """Return float32 numbers as lists, with as many digits as they need."""
    flat = [float(str(value)) for value in gates.astype(np.float32).ravel()]
    return np.array(flat).reshape(gates.shape).tolist()
