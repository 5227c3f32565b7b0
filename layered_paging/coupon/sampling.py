"""Coupon collectors by simulation: seeded, vectorised, in parallel, the same for any number of workers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.arguments import is_real, kinds
from ..core.instance import integer, shown
from ..errors import ParameterError
from .law import checked

__all__ = ["Sample", "normal_quantile", "simulate"]

CELLS = 1 << 21  # coupons held at once by one block
MOST_CELLS, MOST_SAMPLES, MOST_WORKERS = 1 << 30, 1 << 30, 1 << 10


@dataclass(frozen=True, eq=False)
class Sample:
    """Simulated rounds until all collectors were complete.

    Attributes
    ----------
    rounds : int64 array
        One entry a sample.
    seed : int
    """

    rounds: npt.NDArray[np.int64]
    seed: int

    @property
    def mean(self) -> float:
        """Mean of the sample."""
        return float(self.rounds.mean())

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Return a confidence interval of the mean (normal approximation)."""
        half = normal_quantile(confidence) * float(self.rounds.std(ddof=1)) / math.sqrt(len(self.rounds))
        return self.mean - half, self.mean + half


def normal_quantile(confidence: float) -> float:
    """Return z with P(|Z| <= z) = confidence for a standard normal Z."""
    from statistics import NormalDist

    if not is_real(confidence) or not 0 < confidence < 1:
        raise ParameterError(f"must be between 0 and 1; got {shown(confidence)}", parameter="confidence")
    return NormalDist().inv_cdf((1 + confidence) / 2)


@kinds()
def simulate(
    experts: int,
    collectors: int = 1,
    *,
    samples: int,
    seed: int,
    draws: int = 1,
    replacement: bool = False,
    probabilities: Sequence[Any] | None = None,
    method: str = "draws",
    workers: int = 1,
) -> Sample:
    """Simulate the rounds until all parallel collectors are complete.

    Parameters
    ----------
    experts, collectors, draws, replacement, probabilities
        As for ``expected_rounds``.
    samples : int
        At least 2.
    seed : int
        Streams are spawned from it by block of samples, so the answer does not depend on ``workers``.
    method : {"draws", "waits"}
        Draw coupon by coupon, or sum the geometric waiting times for the next new coupon. The
        second is faster for large n, and needs equal probabilities and one draw per round.
    workers : int
        Threads.

    Examples
    --------
    >>> found = simulate(4, 3, samples=2000, seed=1)
    >>> low, high = found.interval(0.999)
    >>> from layered_paging.coupon import expected_rounds
    >>> low < expected_rounds(4, 3) < high
    True
    """
    n = integer("experts", experts, 1, MOST_CELLS, "every coupon is marked")
    size = integer("collectors", collectors, 1, MOST_CELLS // n, f"{n} coupons are marked for each")
    count, m = (
        integer("samples", samples, 2, MOST_SAMPLES, "one number is kept for each"),
        integer("draws", draws, 1, MOST_CELLS // (n * size), "all draws of a round are held"),
    )
    rows = checked(n, size, draws=m, replacement=replacement, probabilities=probabilities)
    weights = None if rows is None else np.array(rows, dtype=float)
    if method not in ("draws", "waits"):
        raise ParameterError(f"must be 'draws' or 'waits'; got {method!r}", parameter="method")
    if method == "waits" and (probabilities is not None or m > 1):
        raise ParameterError("'waits' needs equal probabilities and one draw a round")
    block = max(1, min(count, CELLS // (n * size)))
    starts = range(0, count, block)
    seeds = np.random.SeedSequence(integer("seed", seed, 0)).spawn(len(starts))

    def run(at: int) -> npt.NDArray[np.int64]:
        rng = np.random.default_rng(seeds[at])
        here = min(block, count - starts[at])
        if method == "waits":
            waits = rng.geometric((n - np.arange(n)) / n, size=(here, size, n))
            return np.asarray(waits.sum(axis=2).max(axis=1), np.int64)
        return _by_draws(rng, here, size, n, m, replacement, weights)

    if integer("workers", workers, 1, MOST_WORKERS, "each is a thread") == 1:
        parts = [run(at) for at in range(len(starts))]
    else:
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(workers) as pool:
            parts = list(pool.map(run, range(len(starts))))
    return Sample(np.concatenate(parts), seed)


def _by_draws(
    rng: np.random.Generator,
    samples: int,
    size: int,
    n: int,
    m: int,
    replacement: bool,
    weights: npt.NDArray[np.float64] | None,
) -> npt.NDArray[np.int64]:
    """Draw round by round for all samples that are still incomplete."""
    rounds = np.zeros(samples, np.int64)
    open_ = np.arange(samples)
    seen = np.zeros((samples, size, n), bool)
    ends = None if weights is None else np.cumsum(weights, axis=1)[:, :-1]
    t = 0
    while len(open_):
        t += 1
        if ends is not None:
            uniform = rng.random((len(open_), size, m))
            drawn = (uniform[..., None] >= ends[None, :, None, :]).sum(axis=3)
        elif m == 1 or replacement:
            drawn = rng.integers(0, n, size=(len(open_), size, m))
        else:
            drawn = np.argpartition(rng.random((len(open_), size, n)), m - 1, axis=2)[..., :m]
        np.put_along_axis(seen, drawn, True, axis=2)
        done = seen.all(axis=(1, 2))
        rounds[open_[done]] = t
        open_, seen = open_[~done], seen[~done]
    return rounds
