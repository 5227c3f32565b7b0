"""How far the steps of the runs move a fitted clock: intervals by drawing blocks of steps anew."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..core.instance import integer
from .steps import MeasuredRun, StepClock, fit_steps

__all__ = ["DRAWS", "Spread", "clock_spread"]

DRAWS = 1000
LEVEL = 0.95


@dataclass(frozen=True)
class Spread:
    """Clocks fitted to steps that were drawn anew.

    Attributes
    ----------
    clocks : tuple of StepClock
    blocks : tuple of int
        Steps that were drawn together, of each run.
    seed : int
    """

    clocks: tuple[StepClock, ...]
    blocks: tuple[int, ...]
    seed: int

    def interval(self, of: Callable[[StepClock], float]) -> tuple[float, float]:
        """Return the middle 95 % of a figure of the clocks."""
        low, high = np.quantile([of(clock) for clock in self.clocks], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return float(low), float(high)


def clock_spread(runs: Sequence[MeasuredRun], *, draws: int = DRAWS, seed: int = 0) -> Spread:
    """Fit clocks to steps that are drawn anew from the runs, in blocks.

    Parameters
    ----------
    runs : sequence of MeasuredRun
        As for ``fit_steps``.
    draws : int
        Clocks, at least 2.
    seed : int
        Of the draws, at least 0.

    Raises
    ------
    ParameterError
        As ``fit_steps`` raises it, or a number out of range.

    Notes
    -----
    The moving-block bootstrap (kunsch-1989): each run is put together from blocks of consecutive steps, with replacement,
    the square root of its steps long, since neighbouring steps are alike.  The intervals say how far the steps of these runs
    leave the clock open.  They do not say how far another run may be off: a prompt, a temperature or a file that differs.
    O(draws * steps).

    Examples
    --------
    >>> loaded = np.array([1e8, 2e8, 4e8, 3e8])
    >>> run = MeasuredRun("a", None, 0.1 + loaded / 1e9, loaded / 1e9, np.full(4, 0.1), loaded, cached=False)
    >>> low, high = clock_spread([run], draws=20).interval(lambda clock: 1 / clock.loading(None) / 1e9)
    >>> round(low, 6), round(high, 6)
    (1.0, 1.0)
    """
    draws, seed = integer("draws", draws, 2), integer("seed", seed, 0)
    fit_steps(runs)  # refuses what cannot be fitted
    overlapped = runs[0].overlapped
    random = np.random.default_rng(seed)
    blocks = tuple(math.isqrt(len(run.wall) - 1) + 1 for run in runs)
    clocks: list[StepClock] = []
    while len(clocks) < draws:
        drawn = [_drawn(run, block, random) for run, block in zip(runs, blocks, strict=True)]
        if np.ptp(np.concatenate([run.loaded for run in drawn])) > 0:
            clocks.append(fit_steps(drawn, overlapped=overlapped))
    return Spread(tuple(clocks), blocks, seed)


def _drawn(run: MeasuredRun, block: int, random: np.random.Generator) -> MeasuredRun:
    """Return a run of as many steps, put together from blocks of it."""
    steps = len(run.wall)
    begins = random.integers(0, steps - block + 1, -(-steps // block))
    at = (begins[:, None] + np.arange(block)).ravel()[:steps]
    return replace(run, wall=run.wall[at], waited=run.waited[at], computed=run.computed[at], loaded=run.loaded[at])
