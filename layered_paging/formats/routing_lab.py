"""Binary records of moe-routing-lab's tracer: int32 layer, tokens, top_k, then the ids, for each layer of a pass."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..core.registry import register
from ..core.trace import Trace
from ..errors import FormatError
from .base import Format, Reading
from .common import afford, guarded
from .opening import Start, text
from .passes import Passes

__all__ = ["RoutingLab"]

_LAYERS, _TOP, _EXPERTS, _TOKENS = 1 << 12, 1 << 8, 1 << 16, 1 << 24


def _head(words: npt.NDArray[np.int32], at: int) -> tuple[int, int, int] | None:
    """Return layer, tokens and top_k of a record if they are plausible."""
    layer, tokens, top = (int(n) for n in words[at : at + 3])
    ok = 0 <= layer < _LAYERS and 1 <= tokens < _TOKENS and 1 <= top < _TOP
    return (layer, tokens, top) if ok else None


@register("format", "routing-lab")
class RoutingLab(Format):
    """Binary records of moe-routing-lab: layer, tokens, top_k and ids, for each layer of a pass."""

    takes = ("n_experts",)
    rank = 40

    def sniff(self, start: Start) -> bool:
        """Look for two records that fit, or one that is the whole file."""
        data = start.data
        words = np.frombuffer(data[: len(data) // 4 * 4], "<i4")
        if len(words) < 4 or b"\0" not in data[:16]:
            return False
        at = 0
        for _ in range(2):
            if at + 3 > len(words):
                return at == len(words) or len(data) == 1 << 16
            head = _head(words, at)
            if head is None:
                return False
            ids = words[at + 3 : at + 3 + head[1] * head[2]]
            if ids.size and (ids.min() < 0 or ids.max() >= _EXPERTS):
                return False
            at += 3 + head[1] * head[2]
        return True

    def read(self, path: Path, how: Reading) -> Trace:
        """Read all records; a pass ends where the layers do not rise."""
        passes = Passes(path, how)
        with guarded(path), text(path) as stream:
            data = b""
            while new := stream.read(1 << 24):
                data += new
                afford(path, "the records", 4 * len(data))
        words = np.frombuffer(data[: len(data) // 4 * 4], "<i4").astype(np.int32)
        at = 0
        while at < len(words):
            head = _head(words, at) if at + 3 <= len(words) else None
            if head is None and at + 3 <= len(words):
                got = words[at : at + 3].tolist()
                raise FormatError(
                    f"{path}: the record at byte {4 * at} must begin with layer, tokens and top_k; got {got}"
                )
            size = 0 if head is None else head[1] * head[2]
            if head is None or at + 3 + size > len(words):
                if not passes.layer:
                    raise FormatError(f"{path}: must hold at least one whole record")
                how.assume("end", f"byte {4 * at}", "the last record is cut off: it is left out")
                break
            ids = words[at + 3 : at + 3 + size]
            if ids.min() < -1 or ids.max() >= _EXPERTS:
                raise FormatError(
                    f"{path}: the record at byte {4 * at} must hold ids below {_EXPERTS}; got {int(ids.max())}"
                )
            passes.add(head[0], ids.reshape(head[1], head[2]))
            at += 3 + size
        if len(data) % 4 and at == len(words):
            how.assume("end", f"byte {4 * at}", f"{len(data) % 4} bytes at the end are no record")
        return passes.trace({})
