"""Measured ratios: a policy against the optimum on a random source, phase by phase, with an interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from ..core.arguments import kinds
from ..core.instance import integer
from ..core.registry import find
from ..core.trace import Trace
from ..engine.run import replay
from ..errors import ParameterError
from ..policies.belady import furthest
from ..policies.names import resolve
from ..policies.stream import Stream
from .sampling import normal_quantile

__all__ = ["RatioEstimate", "phase_ratio", "phase_starts"]

MOST, MOST_RUNS = 1 << 28, 1 << 20


@dataclass(frozen=True)
class RatioEstimate:
    """An estimate of E[cost of the policy] / E[optimum] per phase.

    Attributes
    ----------
    ratio, lower, upper : float
        Estimate and confidence interval.
    cost, optimum : int
        Misses counted in whole phases, over all runs.
    phases, runs, seed : int
    """

    ratio: float
    lower: float
    upper: float
    cost: int
    optimum: int
    phases: int
    runs: int
    seed: int


def phase_starts(requests: list[int], slots: int) -> list[int]:
    """Return where the k-phases begin: each is a longest run with at most ``slots`` distinct pages."""
    starts, seen = [], set(range(-slots, 0))
    for t, page in enumerate(requests):
        if page not in seen:
            if len(seen) == slots:
                starts.append(t)
                seen = set()
            seen.add(page)
    return starts


@kinds()
def phase_ratio(
    policy: str | type,
    *,
    layers: int,
    experts: int,
    slots: int | None = None,
    source: str | Callable[[Stream], Iterable[int]] = "uniform-source",
    rounds: int = 1000,
    runs: int = 40,
    seed: int = 0,
    confidence: float = 0.95,
    engine: str = "reference",
    **parameters: Any,
) -> RatioEstimate:
    """Estimate E[cost] / E[optimum] of a policy on a random source, to set beside ``yao_bound``.

    Parameters
    ----------
    policy : str or class
    layers, experts : int
    slots : int, optional
        Default: all pages but one.
    source : str or callable
        A registered random adversary, or ``source(stream)`` that yields pages, layer by layer.
    rounds, runs : int
        Length and number of independent sequences; at least 2 runs.
    seed : int
        Sequences and a randomized policy's coins are drawn from streams keyed by it.
    confidence : float
    engine : str
        As for ``replay``; the reference is enough for small sizes, ``"auto"`` is faster for long runs.
    **parameters
        Further parameters of a registered source.

    Raises
    ------
    ParameterError
        A parameter is out of range, or no run has a whole phase (ask for more rounds).

    Notes
    -----
    The first phase, in which the cache fills, and the last, which is cut off, are left out.  The interval
    is that of a ratio of means over independent runs (delta method).
    """
    count, n = integer("layers", layers, 1, MOST), integer("experts", experts, 1, MOST)
    k = layers * experts - 1 if slots is None else integer("slots", slots, 1)
    spec = resolve(policy)
    total = count * integer("rounds", rounds, 1, MOST // count, "its requests are held at once")
    first = np.arange(count) * n
    costs, optima, phases = [], [], 0
    for run in range(integer("runs", runs, 2, MOST_RUNS, "they are played one after another")):
        stream = Stream(integer("seed", seed, 0), run)
        if callable(source):
            pages = list(islice(source(stream), total))
        else:
            make = find("adversary", source).obj
            pages = list(islice(make(layers=count, experts=n, slots=k, rng=stream, **parameters), total))
        starts = phase_starts(pages, k)
        if len(starts) < 3:
            continue
        trace = Trace(np.array(pages).reshape(-1, count) - first, n)
        played = replay(trace, spec, k, record=True, seed=seed + run, engine=engine)
        assert played.missed is not None
        missed = played.missed.reshape(-1)
        window = slice(starts[1], starts[-1])
        costs.append(int(missed[window].sum()))
        optima.append(sum(furthest(pages, k)[window]))
        phases += len(starts) - 2
    if len(costs) < 2 or not sum(optima):
        raise ParameterError(f"no whole phase of {k} distinct pages in {rounds} rounds; give more rounds")
    ratio = sum(costs) / sum(optima)
    rest = np.array(costs) - ratio * np.array(optima)
    half = normal_quantile(confidence) * float(rest.std(ddof=1)) / math.sqrt(len(costs)) / float(np.mean(optima))
    return RatioEstimate(ratio, ratio - half, ratio + half, sum(costs), sum(optima), phases, len(costs), seed)
