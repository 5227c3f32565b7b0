"""Compiled twin of ``belady``: furthest next use, as the optimum computes it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..grid import Grid
from ..instance import Instance
from ..offline.furthest import furthest
from ..policy import PolicySpec
from ..reference import Counts

__all__ = ["play"]


def play(
    grid: Grid,
    spec: PolicySpec,
    instance: Instance,
    capacity: int,
    *,
    sizes: npt.NDArray[np.int64] | None,
    in_bytes: bool,
    reset: str,
    bypass: bool,
    oversize: bool,
    seed: int,
    key: int,
    record: bool,
) -> Counts:
    """Replay one pool; see ``kernels.twin``."""
    return furthest(
        grid,
        capacity,
        sizes=sizes,
        in_bytes=in_bytes,
        reset=reset,
        bypass=bypass,
        oversize=oversize,
        record=record,
    )
