"""Torch files (``.pt``, ``.pth``) and other pickles: recognised, and never opened."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from ..core.registry import register
from ..core.trace import Trace
from ..errors import FormatError
from .base import Format, Reading
from .opening import Start

__all__ = ["PICKLED"]

PICKLED = (
    "is a pickle, which can execute code and is never opened; export the ids where you trust the file: "
    "ids = torch.load('FILE', weights_only=True); numpy.savez('ids.npz', experts=ids.numpy(), layout='tlk')  "
    "(tlk: tokens, layers, top_k; ltk: layers first)"
)


@register("format", "torch-pickle")
class TorchPickle(Format):
    """Torch files and pickles: refused, with the two lines that export the ids."""

    rank = 5

    def sniff(self, start: Start) -> bool:
        """Look for a pickle's first bytes, or for one inside a zip archive."""
        data = start.data
        return (data[:1] == b"\x80" and data[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")) or (
            data.startswith(b"PK\x03\x04") and b"data.pkl" in data[:512]
        )

    def read(self, path: Path, how: Reading) -> Trace:
        """Refuse the file."""
        return self._refuse(path)

    def _refuse(self, path: Path) -> NoReturn:
        raise FormatError(f"{path}: {PICKLED}")
