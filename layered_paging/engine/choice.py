"""Kernel or reference loop: what is cheaper for a replay, when both count the same.

Compiling a kernel costs seconds, once per machine; the reference loop costs microseconds per request, each time.  It
is the choice between buying and renting: the reference plays while the time spent in it stays below the price of the
kernel, and then the kernel is compiled.  So no more than about twice the better choice is ever spent.
A kernel that was compiled before, which a small file beside the machine code says, is used at once.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import time
from collections.abc import Callable
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from ..core.counts import Counts
from ..core.sources import digest_of
from ..policies.spec import PolicySpec
from . import step as reference
from .task import Task

__all__ = ["PRICE", "chosen"]

PRICE = 2.0  # seconds of compiling a kernel; measured: 1 to 3 for most policies
REQUEST, SLOT = 5e-6, 6e-8  # seconds of the reference loop per request, and more for each slot
_LOG = logging.getLogger("layered_paging.engine")
_rent: dict[str, float] = {}  # seconds spent in the reference loop, by policy


def chosen(
    spec: PolicySpec, twin: Callable[[], Callable[[Task], Counts] | None], home: str
) -> Callable[[Task], Counts]:
    """Return what replays pools of a policy: for each the cheaper of both.

    Parameters
    ----------
    spec : PolicySpec
    twin : callable
        Returns the compiled twin, or None; only called when it is used.
    home : str
        The module of the twin; empty where there is none.
    """
    mark = _mark(home) if home else None

    def play(task: Task) -> Counts:
        slots = min(task.instance.slots, task.grid.pages)
        expected = task.grid.experts.size * (REQUEST + SLOT * slots)
        spent = _rent.get(spec.base, 0.0)
        bought = mark is None or mark.exists()
        if bought or task.carry is not None or spent + expected > PRICE:
            fast = twin()
            if fast is not None:
                _LOG.debug(
                    "%s: compiled kernel%s", spec.name, "" if bought else f", compiled now (about {PRICE:.0f} s)"
                )
                counts = fast(task)
                if mark is not None and not bought:
                    _put(mark)
                return counts
            _LOG.debug("%s: reference loop, as there is no compiled kernel for it under these rules", spec.name)
        else:
            _LOG.debug(
                "%s: reference loop, about %.1f s; compiling its kernel takes %.0f s", spec.name, expected, PRICE
            )
        begun = time.process_time()
        counts = reference.play(task)
        _rent[spec.base] = spent + time.process_time() - begun
        return counts

    return play


@functools.cache
def _mark(home: str) -> Path | None:
    """Return the file that says that a twin was compiled with the sources and the numba of today."""
    found = find_spec(home)
    if found is None or found.origin is None:
        return None
    digest = digest_of((home, found.origin))
    folder = os.environ.get("NUMBA_CACHE_DIR")
    if not folder:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        folder = str(Path(base) / "layered-paging" / f"numba-{metadata.version('numba')}")
    return Path(folder) / "compiled" / f"{home}-{digest[:16]}"


def _put(mark: Path) -> None:
    with contextlib.suppress(OSError):  # where nothing can be kept, kernels are compiled anew
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
