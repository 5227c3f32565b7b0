"""Writing JSON Lines: the header, then one round a line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from ..core.trace import Trace
from .common import BLOCK, meta_refused

__all__ = ["FLOATS", "MAGIC", "refuse", "write", "write_gz"]

MAGIC = "layered-paging trace"
FLOATS = ("float16", "float32", "float64")


def first_line(trace: Trace) -> bytes:
    """Return the header, with its line end."""
    same = len(set(trace.n_experts)) == 1
    header = {
        "format": MAGIC,
        "version": 1,
        "layers": trace.layers,
        "n_experts": trace.n_experts[0] if same else list(trace.n_experts),
        "top_k": trace.top_k,
        "rounds": trace.rounds,
        "expert_bytes": None if trace.expert_bytes is None else trace.expert_bytes.tolist(),
        "weights": None if trace.weights is None else trace.weights.dtype.name,
        "meta": trace.meta,
    }
    return json.dumps(header, allow_nan=False).encode() + b"\n"


def write(trace: Trace, stream: IO[bytes]) -> None:
    """Write a trace to an open binary file."""
    stream.write(first_line(trace))
    number = np.searchsorted(trace.sessions, np.arange(trace.rounds), side="right") - 1
    step = max(1, (1 << 18) // (trace.layers * trace.top_k))
    encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
    for at in range(0, trace.rounds, step):
        ids = trace.experts[at : at + step]
        table = (ids[:, :, 0] if trace.top_k == 1 else ids).tolist()
        lines: list[dict[str, Any]] = [
            {"session": s, "stage": g, "experts": e}
            for s, g, e in zip(
                number[at : at + step].tolist(), trace.stage[at : at + step].tolist(), table, strict=True
            )
        ]
        if trace.weights is not None:
            part = trace.weights[at : at + step]
            gates = (part[:, :, 0] if trace.top_k == 1 else part).astype(np.float64)
            values = gates.tolist() if not np.isnan(gates).any() else _nulls(gates)
            for made, row in zip(lines, values, strict=True):
                made["weights"] = row
        stream.write("".join(f"{encode(made)}\n" for made in lines).encode())


def _nulls(gates: npt.NDArray[np.float64]) -> Any:
    objects = gates.astype(object)
    objects[np.isnan(gates)] = None
    return objects.tolist()


def write_gz(trace: Trace, stream: IO[bytes]) -> None:
    """Write a trace, gzipped; equal traces give equal bytes."""
    with gzip.GzipFile(filename="", mode="wb", fileobj=stream, mtime=0, compresslevel=4) as packed:
        write(trace, packed)  # type: ignore[arg-type]


def refuse(trace: Trace, path: Path) -> str | None:
    """Say why JSON cannot hold a trace, or return None."""
    if trace.weights is not None:
        if trace.weights.dtype.name not in FLOATS:
            return f"weights must be {', '.join(FLOATS)}; they are {trace.weights.dtype}"
        if np.isinf(trace.weights).any():
            return "JSON has no infinity, and a weight of a missing entry is infinite"
    if len(first_line(trace)) >= BLOCK:
        return f"the header must be shorter than {BLOCK} bytes"
    return meta_refused(trace)
