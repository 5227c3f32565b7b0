"""One long trace on several workers, or a sample of its sessions: exact where sessions are independent, else an interval."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.instance import integer
from ..core.parts import LongTrace
from ..core.rules import Rules
from ..core.stats import t_quantile
from ..core.trace import Trace
from ..engine.run import Run, Wanted, joined, replay_all
from ..errors import ParameterError
from ..formats import open_trace
from ..policies.names import resolve

__all__ = ["Estimate", "estimate", "replay_sharded", "share_interval"]

DEFAULTS = {
    "pool": "shared",
    "reset": "session",
    "events": "atomic",
    "admission": "forced",
    "prefill": "token",
    "ties": "page",
    "oversize": "error",
}


def replay_sharded(
    path: str | os.PathLike[str],
    policies: Sequence[str],
    slots: Sequence[int],
    *,
    workers: int = 2,
    seed: int = 0,
    executor: Executor | None = None,
    **options: str,
) -> list[Run]:
    """Replay a trace file on several workers, each with sessions of its own; equal to one replay of it all.

    Parameters
    ----------
    path : path
        Parquet or JSON Lines.  Workers skip the row groups of others in Parquet; JSON Lines are read from the start.
    policies : sequence of str
    slots : sequence of int
        Every policy is replayed with every number of slots, policies first.
    workers : int
        Processes, at least 1.
    seed : int
    executor : Executor, optional
        Anything with ``submit``, such as a cluster's, instead of processes; its workers must see ``path``.
    options : str
        pool, events, admission, ties and oversize as for ``replay``; ``reset`` is "session", as nothing else
        makes sessions independent.

    Raises
    ------
    ParameterError, BudgetError, FormatError
        As ``replay`` of the trace in parts raises them; another ``reset``.

    Notes
    -----
    Exact: a reset builds the policy anew, with a random stream of (seed, session), and clocks go on as in one replay.
    One worker scans the column of sessions first.
    """
    chosen = _options(options)
    integer("workers", workers, 1)
    seed = integer("seed", seed, 0)
    wanted = [Wanted(resolve(name), size, None, seed) for size in slots for name in policies]
    if not wanted:
        raise ParameterError("give at least one policy and one number of slots")
    trace = open_trace(path)
    if workers == 1 and executor is None:
        return replay_all(trace, wanted, Rules(**chosen))
    starts = trace.starts
    count = min(len(starts), 4 * workers)
    first = np.unique(np.searchsorted(starts, np.linspace(0, int(starts[-1]) + 1, count, endpoint=False)))
    first = np.unique(np.minimum(first, len(starts) - 1))
    begins = [int(starts[s]) for s in first]
    jobs = [
        (os.fspath(path), list(policies), list(slots), seed, chosen, begin, end)
        for begin, end in zip(begins, [*begins[1:], None], strict=True)
    ]
    if executor is not None:
        shards = [future.result() for future in [executor.submit(_shard, *job) for job in jobs]]
    else:
        with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
            shards = list(pool.map(_shard, *zip(*jobs, strict=True)))
    return [joined([shard[n] for shard in shards]) for n in range(len(wanted))]


def _shard(
    path: str,
    policies: list[str],
    slots: list[int],
    seed: int,
    options: dict[str, Any],
    begin: int,
    end: int | None,
) -> list[Run]:
    wanted = [Wanted(resolve(name), size, None, seed) for size in slots for name in policies]
    return replay_all(open_trace(path), wanted, Rules(**options), begin=begin, end=end)


def _options(options: Mapping[str, str]) -> dict[str, Any]:
    for name in options:
        if name not in DEFAULTS:
            raise ParameterError(f"no such option: {name!r}; available: {', '.join(DEFAULTS)}")
    chosen = {**DEFAULTS, **options}
    if chosen["reset"] != "session":
        raise ParameterError(
            f"must be 'session', which makes sessions independent; got {chosen['reset']!r}", parameter="reset"
        )
    return chosen


@dataclass(frozen=True)
class Estimate:
    """Hits of a trace, estimated from some of its sessions.

    Attributes
    ----------
    policy : str
    slots : int
    hit_rate : float
        The estimate.
    low, high : float
        Its interval.
    confidence : float
        How often such an interval covers the hit rate of the whole trace, about.
    sessions, of : int
        Sessions replayed, and sessions of the trace.
    requests : int
        Of the sessions replayed.
    misses : int
        Of the sessions replayed.
    seed : int
    """

    policy: str
    slots: int
    hit_rate: float
    low: float
    high: float
    confidence: float
    sessions: int
    of: int
    requests: int
    misses: int
    seed: int


def estimate(
    trace: Trace | LongTrace,
    policy: str,
    slots: int,
    *,
    sessions: int = 100,
    confidence: float = 0.95,
    seed: int = 0,
    **options: Any,
) -> Estimate:
    """Estimate the hit rate with ``reset="session"`` from sessions drawn without replacement.

    Parameters
    ----------
    trace : Trace or LongTrace
        Of a Parquet file only the row groups of the sessions drawn are read; JSON Lines are read up to each.
    policy, slots
        As for ``replay``; ``options`` are pool, events, admission, ties and oversize.
    sessions : int
        How many are drawn, at least 2; all of them if there are fewer.
    confidence : float
        In (0, 1).
    seed : int
        Of the draw, and of a randomized policy.

    Raises
    ------
    ParameterError
        A value is out of range, or the trace has one session.

    Notes
    -----
    See ``share_interval`` for the method and when not to trust it.

    Examples
    --------
    >>> import layered_paging as lp
    >>> trace = lp.workloads.zipf(4, 16, 4000, sessions=200)
    >>> found = estimate(trace, "lru", 24, sessions=50, seed=1)
    >>> found.low <= lp.replay(trace, "lru", 24, reset="session").hit_rate <= found.high
    True
    """
    chosen = _options(options)
    long = LongTrace.of(trace) if isinstance(trace, Trace) else trace
    integer("sessions", sessions, 2)
    seed = integer("seed", seed, 0)
    starts = long.starts
    if len(starts) < 2:
        raise ParameterError("the trace has one session, so there is nothing to draw from; replay it")
    wanted = Wanted(resolve(policy), integer("slots", slots, 1), None, seed)
    drawn = np.random.default_rng(seed).permutation(len(starts))[:sessions]
    ends = [*starts[1:].tolist(), None]
    runs = [
        replay_all(long, [wanted], Rules(**chosen), begin=int(starts[s]), end=ends[s])[0]
        for s in np.sort(drawn).tolist()
    ]
    misses, requests = (np.array([getattr(run, name) for run in runs]) for name in ("misses", "requests"))
    share, half = share_interval(misses, requests, len(starts), confidence)
    low, high = max(0.0, 1 - share - half), min(1.0, 1 - share + half)
    sizes = (len(runs), len(starts), int(requests.sum()), int(misses.sum()))
    return Estimate(wanted.spec.name, slots, 1 - share, low, high, confidence, *sizes, seed)


def share_interval(
    part: npt.NDArray[np.int64], whole: npt.NDArray[np.int64], of: int, confidence: float = 0.95
) -> tuple[float, float]:
    """Return the ratio of the sums of ``part`` and ``whole``, and the half width of its interval.

    Parameters
    ----------
    part, whole : int arrays
        Of each unit drawn, without replacement and with equal chances.
    of : int
        Units that there are.
    confidence : float

    Notes
    -----
    The ratio estimator of cluster sampling: the variance of ``part - ratio * whole`` over the units, with the
    finite population's correction, and Student's t.  It is an approximation; with few units, or with a few
    units that hold most of the requests, intervals are too narrow.
    """
    n = len(whole)
    if not whole.any():
        raise ParameterError(f"the {n} units drawn hold nothing; draw more")
    quantile = t_quantile(confidence, n - 1)
    share = float(part.sum() / whole.sum())
    rest = part - share * whole
    variance = (1 - n / of) * float(rest @ rest) / (n - 1) / n
    return share, quantile * variance**0.5 / float(whole.mean())
