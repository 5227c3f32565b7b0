"""Megatron's router traces: JSON Lines, one record a step and layer, with the ids of all tokens of the step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeGuard

from ..core.registry import register
from ..core.trace import Trace
from ..errors import FormatError
from .base import Format, Reading
from .common import WIDEST, guarded
from .lines import parsed_blocks
from .opening import Start, text
from .passes import Passes
from .records import objects_of

__all__ = ["Megatron", "is_grid"]


def is_grid(value: Any) -> TypeGuard[list[list[int]]]:
    """Say whether a value is a list of lists of ids."""
    return isinstance(value, list) and all(
        isinstance(row, list) and all(type(one) is int and -1 <= one <= WIDEST for one in row) for row in value
    )


@register("format", "megatron")
class Megatron(Format):
    """Router traces of Megatron: JSON Lines, one record a step and layer."""

    takes = ("n_experts",)
    rank = 20

    def sniff(self, start: Start) -> bool:
        """Look for a step, a layer and the ids of its tokens."""
        return start.is_lines and isinstance(start.first("top_indices"), list) and start.first("layer") is not None

    def read(self, path: Path, how: Reading) -> Trace:
        """Read all records; tokens of a step are consecutive rounds, and a layer again is another pass."""
        passes = Passes(path, how)
        meta: dict[str, Any] = {}
        places: dict[Any, int] = {}
        with guarded(path), text(path) as stream:
            for at, row in _records(path, stream, how):
                ids: Any = row.get("top_indices")
                layer, step = row.get("layer"), row.get("step")
                if not is_grid(ids) or type(layer) is not int or type(step) is not int:
                    raise FormatError(
                        f"{path} line {at}: must hold 'step' and 'layer', integers, and 'top_indices', lists of ids"
                    )
                if type(row.get("num_tokens")) is int and row["num_tokens"] != len(ids):
                    raise FormatError(
                        f"{path} line {at}: 'top_indices' must be of num_tokens = {row['num_tokens']} tokens; got {len(ids)}"
                    )
                block = row.get("block", "decoder")
                name = (
                    layer
                    if block == "decoder" and "mtp_idx" not in row
                    else f"{block}.{row.get('mtp_idx', '')}.{layer}"
                )
                place = layer if isinstance(name, int) else places.setdefault(name, (1 << 40) + len(places))
                passes.add(name, ids, mark=step, order=place)
        return passes.trace(meta)


def _records(path: Path, stream: Any, how: Reading) -> Iterator[tuple[int, dict[str, Any]]]:
    for made, lines in parsed_blocks(stream, path, 1, how, lambda number, data: objects_of(path, number, data)):
        yield from zip(lines, made, strict=True)
