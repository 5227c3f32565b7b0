"""What is replayed at once: one pool of a cache over a trace, or over one part of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.instance import Instance
from ..core.layout import Grid
from ..core.rules import PLAIN, Rules
from ..errors import ParameterError
from ..policies.spec import PolicySpec
from .lending import Loan

__all__ = ["Task"]


@dataclass(frozen=True, eq=False)
class Task:
    """One pool to be replayed; what the reference loop and every compiled twin are given.

    Attributes
    ----------
    grid : Grid
        The events of the pool.
    spec : PolicySpec
    instance : Instance
        What the policy sees; its slots are those of the pool.
    capacity : int
        Slots, or bytes if ``in_bytes``.
    rules : Rules
    sizes : int64 array, shape (pages,), or None
        Bytes of each page, where the trace knows them.
    in_bytes : bool
    seed, key : int
        Of the random stream; ``key`` is the number of the pool.
    record : bool
        Whether to keep which requests missed.
    carry : dict or None
        None for a whole trace.  In a trace of several parts it is empty before the first one and keeps what the next one needs.
    loan : Loan or None
        What the pool borrows and lends while prompts pass.
    """

    grid: Grid
    spec: PolicySpec
    instance: Instance
    capacity: int
    rules: Rules = PLAIN
    sizes: npt.NDArray[np.int64] | None = None
    in_bytes: bool = False
    seed: int = 0
    key: int = 0
    record: bool = False
    carry: dict[str, Any] | None = None
    loan: Loan | None = None

    def check_bytes(self) -> None:
        """Raise ``ParameterError`` if the bytes of all requests could be 2^63 or more, which no kernel counts."""
        largest = 1 if self.sizes is None else int(self.sizes.max())
        if self.grid.experts.size * largest >= 1 << 63:
            raise ParameterError(
                f"requests times the largest page must stay below 2^63 bytes; got {self.grid.experts.size} requests of up to {largest} bytes"
            )
