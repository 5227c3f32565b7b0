"""What marking policies share, compiled: pages last requested before a limit are unmarked."""

from __future__ import annotations

from typing import Any

import numpy as np

from .dice import below
from .hooks import inlined

__all__ = ["EVER", "drawn", "unmarked"]

EVER = np.int64(0x7FFFFFFFFFFFFFFF)  # a limit that no clock reaches: all pages are below it


@inlined
def unmarked(state: Any, resident: Any, guard: Any, now: Any, limit: Any) -> Any:
    """Return how many pages that may go were last requested before ``limit``."""
    n = 0
    for page in range(resident.shape[0]):
        n += resident[page] and guard[page] != now.stamp and state.clock[page] < limit
    return n


@inlined
def drawn(state: Any, resident: Any, guard: Any, now: Any, limit: Any, n: Any) -> Any:
    """Draw one of the ``n`` pages that may go and were last requested before ``limit``."""
    left = below(state.rng, n)
    page = 0
    while True:
        if resident[page] and guard[page] != now.stamp and state.clock[page] < limit:
            if left == 0:
                return page
            left -= 1
        page += 1
