"""Ids and ranks of a table: whether they count from 0 or from 1, and up to where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.words import counted
from ..errors import FormatError
from .base import Reading
from .common import WIDEST

__all__ = ["counted_from", "from_zero"]

Ints = npt.NDArray[Any]


def _far(high: int, used: int | None) -> str:
    """Return what to say of a largest id far beyond the number of ids that are used: one may be damaged."""
    return f", though only {counted(used, 'id')} occur" if used is not None and high >= 8 * used else ""


def counted_from(
    low: int, high: int, dense: bool, widths: Any, how: Reading, used: int | None = None
) -> tuple[bool, Any]:
    """Say whether ids count from 1, and return the number of experts; what tells is noted.

    ``low`` and ``high`` are the least and the largest id, and ``dense`` says that all of 1..high occur, and often.
    ``used`` is the number of ids that occur, where it is known.
    """
    from_one, why = False, ""
    if isinstance(widths, int):
        from_one = low >= 1 and high == widths
        why = f"the largest is {high}, the number of experts, and none is 0"
    elif low >= 1:
        from_one = dense and high % 4 == 0
        why = f"all of 1..{high} are used, none is 0, and {high} is a common number of experts"
        if not from_one:
            how.assume("ids", "from 0", f"the least is {low}, and nothing says how many experts there are")
    if from_one:
        how.assume("ids", "from 1", why)
        high -= 1
    if widths is None:
        widths = high + 1
        how.assume("n_experts", widths, "the largest id + 1" + _far(high, used))
    return from_one, widths


def from_zero(path: Path, rank: Ints, least: int, how: Reading) -> Ints:
    """Return ranks counted from 0, where the least of all is known."""
    if least == 1:
        how.assume("rank", "from 1", "the least is 1")
    most = int(rank.max(initial=0))
    if least < 0 or most >= WIDEST:
        raise FormatError(f"{path}: ranks must be in 0..{WIDEST}; got {least}..{most}")
    return rank.astype(np.int64) - (1 if least == 1 else 0)
