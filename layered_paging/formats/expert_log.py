"""Lines such as ``EXPERT|L0|T3: [4, 1]`` that moe-l2 prints: layer, token and experts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ..core.registry import register
from ..core.trace import Trace
from ..errors import FormatError
from .base import Format, Reading
from .cells import PlainBlock
from .common import guarded
from .lines import parsed_blocks
from .opening import Start, text
from .rows import Table

__all__ = ["ExpertLog"]

_LINE = re.compile(r"\s*EXPERT\|L(\d{1,9})\|T(\d{1,15}):\s*\[([\d\s,]*)\]\s*")


@register("format", "expert-log")
class ExpertLog(Format):
    """Lines ``EXPERT|L0|T3: [4, 1]`` of moe-l2; other lines of a console between them are left out."""

    takes = ("n_experts",)
    rank = 20

    def sniff(self, start: Start) -> bool:
        """Look for such a line among the first."""
        return any(_LINE.fullmatch(row) for row in start.data[:8192].decode(errors="replace").splitlines())

    def read(self, path: Path, how: Reading) -> Trace:
        """Read all lines of the format."""
        table = Table(path, {"token": "T", "layer": "L", "experts": "ids"}, how, lists=True)
        left_out = 0

        def parse(number: int, data: bytes) -> PlainBlock:
            nonlocal left_out
            columns: dict[str, list[Any]] = {"T": [], "L": [], "ids": []}
            lines = []
            for at, row in enumerate(data.decode(errors="replace").split("\n")[:-1], number):
                match = _LINE.fullmatch(row)
                if match is None and "EXPERT|" in row:
                    raise FormatError(f"{path} line {at}: must be 'EXPERT|L0|T0: [ids]'; got {row[:60]!r}")
                if match is None:
                    left_out += bool(row.strip())
                    continue
                lines.append(at)
                for name, value in (("L", match[1]), ("T", match[2]), ("ids", match[3])):
                    columns[name].append(value)
            return PlainBlock(path, columns, lines)

        with guarded(path), text(path) as stream:
            for block in parsed_blocks(stream, path, 1, how, parse):
                if block.rows:
                    table.keep(table.rows_of(block))
        return table.trace({"not_read": [f"{left_out} other lines"]} if left_out else {})
