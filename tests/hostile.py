"""What tests of hostile files share: a file that must be refused in one line."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

import layered_paging as lp
from layered_paging.errors import TraceError

ROUTE = (
    "# route_trace v1\n# model=m arch=a n_layer=2 n_expert=4 n_expert_used=2\n"
    "# layer=0 expert_bytes=10 dense_bytes=1\n# layer=1 expert_bytes=10 dense_bytes=1\n"
    "turn,phase,step,layer,slot,expert,weight,residency,expert_bytes\n"
)


EVENTS = "event_index,scheduler_step,layer,requested_experts,misses,hits\n"


def refused(path: Path, *said: str) -> str:
    """Load the file; its error must be ours, on one line, and name the file."""
    with pytest.raises(TraceError) as caught:
        lp.load_trace(path)
    message = str(caught.value)
    assert "\n" not in message and len(message) < 600
    for part in (path.name, *said):
        assert part in message, message
    return message


def saved(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def forged(path: Path, header: bytes, body: bytes = b"", name: str = "experts", packed: bool = True) -> Path:
    magic = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as made:
        made.writestr(f"{name}.npy", magic + body)
    return path


GOOD = np.array([[[0, 1]], [[1, 2]]], np.int16)


def bomb(path: Path, size: int) -> Path:
    """A zip whose directory claims ``size`` bytes for an array of which almost nothing is there."""
    header = f"{{'descr': '<i2', 'fortran_order': False, 'shape': ({size // 2}, 1, 1), }}"
    header = header.ljust(128 - 10 - 1) + "\n"
    forged(path, header.encode(), b"\0" * 600)
    data = path.read_bytes()
    true = (128 + 600).to_bytes(4, "little")
    assert data.count(true) == 2
    path.write_bytes(data.replace(true, (128 + size).to_bytes(4, "little")))
    return path
