"""Kernel or reference loop: what is cheaper for a replay, when both count the same.

Kernels are bought or done without as ``core.renting`` says.  The costs are those that ``tests/benchmarks/prices.py`` measured
for each policy; ``prices.json`` keeps them.  Another machine is faster or slower in both, so that the choice is nearly the same.
"""

from __future__ import annotations

import functools
import json
import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import NamedTuple

from ..core.counts import Counts
from ..core.renting import lease
from ..policies.names import resolve
from ..policies.spec import PolicySpec
from . import step as reference
from .task import Task

__all__ = ["Price", "chosen", "foreseen", "price_of"]

_LOG = logging.getLogger("layered_paging.engine")


_to_come: ContextVar[tuple[int, str | None]] = ContextVar(
    "replays that are still to come, this one included, and of which policy (None: of each)", default=(1, None)
)


@contextmanager
def foreseen(replays: int, policy: str | None = None) -> Iterator[None]:
    """Say how many replays alike are still to come, this one included: a kernel that pays over twice as many is compiled at once.

    Parameters
    ----------
    replays : int
    policy : str, optional
        The only policy of which this is said.
    """
    before = _to_come.set((max(1, replays), None if policy is None else resolve(policy).base))
    try:
        yield
    finally:
        _to_come.reset(before)


class Price(NamedTuple):
    """Seconds: of compiling a kernel, and of the reference loop per request."""

    compile: float
    request: float


@functools.cache
def _prices() -> tuple[float, Price, dict[str, Price]]:
    """Return the seconds of loading the compiler, the usual price, and those of shipped policies."""
    known = json.loads(Path(__file__).with_name("prices.json").read_bytes())
    return known["load"], Price(**known["usual"]), {name: Price(**row) for name, row in known["policies"].items()}


def price_of(policy: str) -> Price:
    """Return what a policy's kernel and its reference loop cost; the usual for policies that were not measured.

    Loading the compiler counts while it is not loaded.
    """
    load, usual, known = _prices()
    price = known.get(policy, usual)
    return price if "numba" in sys.modules else price._replace(compile=price.compile + load)


def chosen(
    spec: PolicySpec, twin: Callable[[], Callable[[Task], Counts] | None], home: str, form: str = ""
) -> Callable[[Task], Counts]:
    """Return what replays pools of a policy: for each the cheaper of both.

    Parameters
    ----------
    spec : PolicySpec
    twin : callable
        Returns the compiled twin, or None; only called when it is used.
    home : str
        The module of the twin; empty where there is none.
    form : str
        Names what is compiled apart from the usual.
    """

    def play(task: Task) -> Counts:
        kernel, price = lease(home, form), price_of(spec.base)
        expected = task.grid.requests * price.request
        replays, only = _to_come.get()
        # several that are foreseen are a command, and who calls it once will call it again
        replays = 2 * replays if replays > 1 and only in (None, spec.base) else 1
        if task.carry is not None or kernel.wanted(expected * replays, price.compile):
            fast = twin()
            if fast is not None:
                now = "" if kernel.bought else f", compiled now (about {price.compile:.1f} s)"
                _LOG.debug("%s: compiled kernel%s", spec.name, now)
                counts = fast(task)
                if now:
                    kernel.buy()
                return counts
        else:
            _LOG.debug(
                "%s: reference loop, about %.1f s; compiling its kernel takes %.1f s",
                spec.name,
                expected,
                price.compile,
            )
        begun = time.process_time()
        counts = reference.play(task)
        kernel.pay(time.process_time() - begun)
        return counts

    return play
