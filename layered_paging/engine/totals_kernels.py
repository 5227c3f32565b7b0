"""Count what a trace asks for, compiled."""

from __future__ import annotations

from typing import Any

from ..core.compiled import kernel
from ..core.layout import Arrays

__all__ = ["count"]


@kernel
def count(grid: Arrays, resets: bool, sizes: Any, by_session: Any, by_layer: Any, seen: Any) -> tuple[int, int]:
    """Return bytes requested and compulsory misses; the three last arrays are modified in place."""
    experts, first, layer, starts, stage = grid.experts, grid.first, grid.layer, grid.starts, grid.stage
    rounds, columns, width = experts.shape
    session = 0
    requested = 0
    compulsory = 0
    for r in range(rounds):
        while session + 1 < starts.shape[0] and starts[session + 1] <= r:
            session += 1
        # seen[page] is the mark under which its first request was counted: one per session, or one for all
        mark = grid.number + session if resets else 0
        members = 0
        for c in range(columns):
            for q in range(width):
                e = experts[r, c, q]
                if e >= 0:
                    page = first[c] + e
                    members += 1
                    requested += sizes[page]
                    by_layer[layer[c]] += 1
                    if seen[page] != mark:
                        seen[page] = mark
                        compulsory += 1
        by_session[session, stage[r]] += members
    return requested, compulsory
