"""What all benchmarks share: the best of several runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

__all__ = ["best"]


def best(
    repeat: int, call: Callable[[], Any], clock: Callable[[], float] = time.perf_counter, warm: bool = True
) -> tuple[float, Any]:
    """Return the least seconds of several calls, and the last result; ``warm``: after one more, which compiles."""
    result = call() if warm else None
    times = []
    for _ in range(repeat):
        began = clock()
        result = call()
        times.append(clock() - began)
    return min(times), result
