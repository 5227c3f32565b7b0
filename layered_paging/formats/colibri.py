"""Route traces of colibri (``ROUTE_TRACE``): ``call row layer expert:gate expert:gate ...``, one line a token of a layer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from ..core.registry import register
from ..core.trace import Trace
from ..errors import FormatError
from .base import Format, Reading
from .common import WIDEST, guarded
from .lines import parsed_blocks
from .opening import Start, text
from .passes import Passes

__all__ = ["Colibri"]

_LINE = re.compile(r"\s*(\d{1,18})\s+(\d{1,9})\s+(\d{1,9})((?:\s+\d{1,9}:[-+.\deE]{1,30})+)\s*")


def _rows(path: Path, number: int, data: bytes) -> list[tuple[int, int, int, list[int], list[float]]]:
    made = []
    for at, row in enumerate(data.decode().split("\n")[:-1], number):
        if not row.strip() or row.startswith("#"):
            continue
        match = _LINE.fullmatch(row)
        if match is None:
            raise FormatError(f"{path} line {at}: must be 'call row layer expert:gate ...'; got {row[:60]!r}")
        pairs = [pair.split(":") for pair in match[4].split()]
        ids = [int(one) for one, _ in pairs]
        try:
            gates = [float(gate) for _, gate in pairs]
        except ValueError:
            raise FormatError(f"{path} line {at}: gates must be numbers; got {row[:60]!r}") from None
        if max(ids) > WIDEST:
            raise FormatError(f"{path} line {at}: experts must be below {WIDEST}; got {max(ids)}")
        made.append((int(match[1]), int(match[3]), int(match[2]), ids, gates))
    return made


@register("format", "colibri")
class Colibri(Format):
    """Route traces of colibri: call, row, layer, expert:gate; one line a token of a layer."""

    takes = ("n_experts",)
    rank = 20

    def sniff(self, start: Start) -> bool:
        """Look for a line of the format."""
        return _LINE.fullmatch(start.line) is not None

    def read(self, path: Path, how: Reading) -> Trace:
        """Read all lines; a pass ends where the layers do not rise."""
        passes = Passes(path, how)
        with guarded(path), text(path) as stream:
            for (_, layer), rows in groupby(_all(path, stream, how), key=lambda row: row[:2]):
                kept = sorted(rows, key=lambda row: row[2])
                if [row[2] for row in kept] != list(range(len(kept))):
                    raise FormatError(
                        f"{path}: rows of call {kept[0][0]}, layer {layer} must be 0..{len(kept) - 1}; "
                        f"got {[row[2] for row in kept][:8]}"
                    )
                passes.add(layer, [row[3] for row in kept], [row[4] for row in kept])
        return passes.trace({})


def _all(path: Path, stream: Any, how: Reading) -> Iterator[tuple[int, int, int, list[int], list[float]]]:
    for block in parsed_blocks(stream, path, 1, how, lambda number, data: _rows(path, number, data)):
        yield from block
