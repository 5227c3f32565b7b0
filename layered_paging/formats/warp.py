"""JSON Lines of tokens: one object a token, with a list of experts for each layer, as warp writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..core.registry import register
from ..core.trace import Trace
from ..errors import FormatError
from .base import Format, Reading
from .common import afford, build, guarded
from .layout import Facts, from_one, widths_of
from .lines import parsed_blocks
from .megatron import is_grid
from .names import ROLES, normal
from .opening import Start, text
from .records import objects_of
from .rows import phase_of

__all__ = ["TokenLines"]

_LISTS = ("layers", *ROLES["experts"])


def _grid(row: Any) -> str | None:
    """Return the entry of an object that holds a list of experts for each layer."""
    if not isinstance(row, dict):
        return None
    return next((name for name, v in row.items() if normal(name) in _LISTS and is_grid(v) and v and any(v)), None)


@register("format", "tokens")
class TokenLines(Format):
    """JSON Lines of tokens (warp): one object a token, with a list of experts for each layer."""

    takes = ("n_experts",)
    rank = 30

    def sniff(self, start: Start) -> bool:
        """Look for an object with a list of lists and no layer of its own."""
        if not start.is_lines or _grid(start.value) is None:
            return False
        names = {normal(name) for name in start.value}
        return not names & set(ROLES["layer"]) and bool(names & set(ROLES["token"]))

    def read(self, path: Path, how: Reading) -> Trace:
        """Read one round a line; a count of tokens that goes back to a number that was there begins a session."""
        grids: list[list[list[int]]] = []
        starts, stages, held = [0], [], 0
        numbers: list[int] = []
        back = 0  # the first line whose number goes back
        key = token = phase = ""
        with guarded(path), text(path) as stream:
            for made, lines in parsed_blocks(stream, path, 1, how, lambda n, data: objects_of(path, n, data)):
                for at, row in zip(lines, made, strict=True):
                    if not key:
                        key = _grid(row) or "layers"
                        token = next((n for n in row if normal(n) in ROLES["token"]), "")
                        phase = next((n for n in row if normal(n) in ROLES["phase"]), "")
                    grid, number = row.get(key), row.get(token)
                    if not is_grid(grid) or (grids and len(grid) != len(grids[0])):
                        need = f"lists of ids for {len(grids[0])} layers" if grids else "a list of ids for each layer"
                        raise FormatError(f"{path} line {at}: '{key}' must hold {need}; got {str(grid)[:60]!r}")
                    if type(number) is not int:
                        raise FormatError(f"{path} line {at}: '{token}' must be an integer; got {str(number)[:40]!r}")
                    if numbers and number <= numbers[-1]:
                        starts.append(len(grids))
                        back = back or at
                    numbers.append(number)
                    grids.append(grid)
                    stages.append(row.get(phase, "decode"))
                    held += 80 * (2 + len(grid))
                afford(path, "the rounds", 2 * held)
        if not grids:
            raise FormatError(f"{path}: must hold at least one token")
        known = {word: phase_of(word) for word in set(map(str, stages))}
        if None in known.values():
            raise FormatError(f"{path}: '{phase}' must say prefill or decode; got {sorted(known)[:4]}")
        if not phase:
            how.assume("stage", "decode", "no entry says which tokens are prefill")
        if back and len(set(numbers)) == len(numbers):
            raise FormatError(
                f"{path} line {back}: '{token}' goes back and no number stands twice: lines of one session out of order, or a "
                "session that begins here; sort the lines by token, or give each session a file of its own"
            )
        if len(starts) > 1:
            how.assume("sessions", len(starts), "the count of tokens starts again")
        top = max(len(row) for grid in grids for row in grid)
        afford(
            path, f"{len(grids)} rounds of {len(grids[0])} layers x top_k {top}", 6 * len(grids) * len(grids[0]) * top
        )
        ids = np.array([[row + [-1] * (top - len(row)) for row in grid] for grid in grids], np.int32)
        widths = widths_of(path, Facts(), how)
        ids = from_one(path, ids, widths, how)
        if widths is None:
            widths = max(1, int(ids.max()) + 1)
            how.assume("n_experts", widths, "the largest id + 1")
        if top > 1 and bool(((ids[:, :, 1:] > ids[:, :, :-1]) | (ids[:, :, 1:] < 0)).all()):
            how.assume("order", "by id", "every list is sorted by id, so that the router's order is lost")
        return build(path, ids, widths, starts, [known[str(word)] for word in stages])
