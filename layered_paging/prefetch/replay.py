"""Replay with speculative prefetching, on a clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.arguments import kinds
from ..core.instance import integer
from ..core.layout import lay_out, pools_of
from ..core.rules import ENGINES, Budget, Rules, choice
from ..core.trace import Trace
from ..errors import ParameterError
from ..policies.names import resolve
from ..policies.spec import PolicySpec
from .account import COUNTS, LOADS, Work
from .timing import TimeModel

__all__ = ["LOADS", "Prefetched", "prefetch"]


@dataclass(frozen=True, eq=False)
class Prefetched:
    """The outcome of a replay with prefetching.

    Attributes
    ----------
    policy : str
    slots : int
    requests : int
    hits : int
        Members that were in the cache, complete, when their event began.
    staged : int
        Members that were in the staging buffer, complete, when their event began.
    misses : int
        All others: absent, or still being loaded.
    loads, bytes_loaded : dict
        By what became of them.  A load of ``demand`` was asked for by its event.  All others were prefetched:

        - ``in_time``: complete when the event that it was guessed for began and used it.
        - ``late``: used by that event, still on its way.
        - ``later``: first used by a later event.
        - ``evicted``: gone before any use.
        - ``unused``: unused at the session's end if it resets, else at the end.
    refused : int
        Guesses not loaded because no slot could be given to them.
    skipped : int
        Guesses not loaded because their event began before a channel was free.
    stall : int64 array, shape (rounds,)
        ns of waiting in each round.
    misses_by_round : int64 array, shape (rounds,)
    total_time : int
        ns from the first event's begin to the last one's end.
    guess_precision, guess_recall, cache_precision, cache_recall : float or None
        Let A be the set that an event asks for.  C is the set that is guessed, or what is complete in the cache when the
        event begins.  Precision is the mean over events of \\|C and A\\| / \\|C\\|, recall that of \\|C and A\\| / \\|A\\|.
        ``guess_precision`` counts events with a guess.  None without such events.
    options : dict
        distance, budget, staging, pool, reset, and the time model.
    """

    policy: str
    slots: int
    requests: int
    hits: int
    staged: int
    misses: int
    loads: dict[str, int]
    bytes_loaded: dict[str, int]
    refused: int
    skipped: int
    stall: npt.NDArray[np.int64]
    misses_by_round: npt.NDArray[np.int64]
    total_time: int
    guess_precision: float | None
    guess_recall: float | None
    cache_precision: float | None
    cache_recall: float | None
    options: dict[str, Any]

    @property
    def hit_rate(self) -> float:
        """Share of the requests that waited for nothing: (hits + staged) / requests."""
        return (self.hits + self.staged) / self.requests

    @property
    def stall_per_token(self) -> float:
        """Mean ns of waiting a round."""
        return float(self.stall.sum()) / len(self.stall)

    @property
    def tokens_per_second(self) -> float | None:
        """Rounds a second; None where nothing takes time."""
        return None if self.total_time == 0 else len(self.stall) * 1e9 / self.total_time

    def __repr__(self) -> str:
        return (
            f"<Prefetched: {self.policy}, {self.slots} slots: {100 * self.hit_rate:.3f} % ready, "
            f"{self.stall_per_token / 1e6:.3f} ms stall a token>"
        )


@kinds()
def prefetch(
    trace: Trace,
    guesses: npt.ArrayLike | None,
    slots: int,
    *,
    time: TimeModel,
    page_bytes: npt.ArrayLike | int | None = None,
    policy: str | type | PolicySpec = "lru",
    distance: int = 1,
    budget: int | None = None,
    staging: int = 0,
    pool: str = "shared",
    reset: str = "never",
    seed: int = 0,
    engine: str = "auto",
) -> Prefetched:
    """Replay a trace with a policy, loading guesses ahead (forced, event-atomic).

    Parameters
    ----------
    trace : Trace
    guesses : int array, shape (rounds, layers, width), or None
        The experts guessed for each event, the surest first, -1 for none (``prediction.guesses``).  None: no prefetching.
    slots : int
        Total slots, at least 1.
    time : TimeModel
    page_bytes : int or int array, optional
        Bytes of each page; default: the trace's.
    policy : str or class
        Not an offline one.
    distance : int
        How many events before an event, in the same session, its guess is known: 1 to layers.
    budget : int, optional
        Guesses loaded for an event at the most; default: all.
    staging : int
        0: guesses are loaded into the cache and displace what the policy gives up.  Otherwise they are held in a buffer of
        its own with this number of slots, which an event's guesses leave when the event is over: what it used enters the cache.
    pool : {"shared", "per-layer"}
    reset : {"never", "session"}
        Empty cache and policy at every session, which then begins with all channels at rest; or never.
    seed : int
    engine : {"auto", "kernel", "reference"}

    Returns
    -------
    Prefetched

    Raises
    ------
    BudgetError
        Slots below the largest event.
    ParameterError
        Another value out of range; sizes that nobody gave.

    Notes
    -----
    During an event its absent members are loaded first, in ascending order, each by the channel that is free first (ties: the
    first).  Then guesses for the events ahead start, the nearest event first, while a channel is free before the event
    ends. Guesses that did not start when their own event begins are dropped.  A load takes its slot when it starts.  In the
    cache a guess is presented to the policy as a miss of the present event, its use as a hit.  Neither members of the
    present event nor guesses for events ahead (loaded or already there) give way to a guess. Members that are absent
    displace such guesses only when nothing else is left.  A page evicted while on its way still keeps its channel busy.
    Times are exact integers.  O(requests + evictions * pages of a pool).

    Examples
    --------
    >>> trace = Trace([[[0], [1]], [[1], [0]]], n_experts=2)
    >>> disk = TimeModel(compute=10, bandwidth=10**9, latency=0, channels=1, overlap=True)
    >>> prefetch(trace, None, 2, time=disk, page_bytes=10).stall.tolist()
    [20, 20]
    >>> prefetch(trace, trace.experts, 2, time=disk, page_bytes=10).stall.tolist()
    [10, 0]
    """
    spec = resolve(policy)
    rules = Rules(pool, choice("reset", reset, ("never", "session")))
    choice("engine", engine, ENGINES)
    if spec.offline:
        raise ParameterError(f"prefetch: the policy must be online; got {spec.name!r}")
    distance = integer("distance", distance, 1)
    if distance > trace.layers:
        raise ParameterError(f"must be at most the {trace.layers} layers; got {distance}", parameter="distance")
    ahead = _guesses(trace, guesses)
    most = ahead.shape[2]
    limit = most if budget is None else min(most, integer("budget", budget, 0))
    staging, seed = integer("staging", staging, 0, 1 << 40), integer("seed", seed, 0)
    sizes = _sizes(trace, page_bytes)
    load, compute = time.load_times(sizes), time.compute_times(trace.layers)
    grid = lay_out(trace)
    longest = int(load.max()) * (trace.top_k + most) + int(compute.max()) + time.hit * trace.top_k
    if longest * trace.rounds * trace.layers >= 1 << 62 or int(sizes.max()) * (trace.top_k + most) >= 1 << 40:
        raise ParameterError("the whole replay must stay below 2^62 ns, and an event's bytes below 2^40")
    capacities = [min(c, trace.pages) for _, c in pools_of(grid, trace, Budget(slots), rules)]
    work = Work(
        trace=trace,
        experts=grid.experts,
        first=trace.first_page,
        guesses=ahead,
        spec=spec,
        capacities=capacities,
        load=load,
        compute=compute,
        sizes=sizes,
        time=time,
        distance=distance,
        budget=limit,
        staging=staging,
        shared=pool == "shared",
        resets=reset == "session",
        seed=seed,
    )
    from . import replay_kernels, replay_reference

    fast = engine != "reference" and replay_kernels.knows(spec)
    if engine == "kernel" and not fast:
        raise ParameterError(f"policy {spec.name!r} has no compiled prefetch; use engine 'auto' or 'reference'")
    tally = replay_kernels.play(work) if fast else replay_reference.play(work)
    counts = dict(zip(COUNTS, tally.counts.tolist(), strict=True))
    guessed, members = _set_scores(ahead, trace)
    return Prefetched(
        policy=spec.name,
        slots=int(slots),
        requests=trace.requests,
        hits=counts["hits"],
        staged=counts["staged"],
        misses=counts["misses"],
        loads=dict(zip(LOADS, tally.loads.tolist(), strict=True)),
        bytes_loaded=dict(zip(LOADS, tally.bytes.tolist(), strict=True)),
        refused=counts["refused"],
        skipped=counts["skipped"],
        stall=tally.stall,
        misses_by_round=tally.misses,
        total_time=int(tally.total[0]),
        guess_precision=guessed,
        guess_recall=members,
        cache_precision=_mean(tally.sums[0], tally.sums[1]),
        cache_recall=_mean(tally.sums[2], tally.sums[3]),
        options={
            "distance": distance,
            "budget": limit,
            "staging": staging,
            "pool": pool,
            "reset": reset,
            "time": time.to_json(),
        },
    )


def _guesses(trace: Trace, guesses: npt.ArrayLike | None) -> npt.NDArray[Any]:
    shape = (trace.rounds, trace.layers)
    if guesses is None:
        return np.full((*shape, 1), -1, trace.experts.dtype)
    table = np.asarray(guesses)
    if table.dtype.kind not in "iu" or table.ndim != 3 or table.shape[:2] != shape or table.shape[2] < 1:
        raise ParameterError(
            f"must be integers of shape {(*shape, 'width')}; got {table.dtype} {table.shape}", parameter="guesses"
        )
    wrong = (table < -1) | (table >= np.array(trace.n_experts)[:, None])
    if wrong.any():
        r, j, q = (int(x) for x in np.argwhere(wrong)[0])
        raise ParameterError(
            f"guesses[{r}, {j}, {q}] must be in 0..{trace.n_experts[j] - 1}, or -1 for none; got {table[r, j, q]}"
        )
    ordered = np.sort(table, axis=2)
    if ((ordered[..., 1:] == ordered[..., :-1]) & (ordered[..., 1:] >= 0)).any():
        raise ParameterError("the guesses of one event must be distinct")
    return np.ascontiguousarray(table, trace.experts.dtype)


def _sizes(trace: Trace, page_bytes: npt.ArrayLike | int | None) -> npt.NDArray[np.int64]:
    if page_bytes is None:
        if trace.page_bytes is None:
            raise ParameterError(
                "the time model needs the bytes of an expert; the trace has none", ways=[("page_bytes", None)]
            )
        return np.array(trace.page_bytes, np.int64)
    sizes = np.asarray(page_bytes)
    sizes = np.full(trace.pages, sizes) if sizes.ndim == 0 else sizes
    if sizes.dtype.kind not in "iu" or sizes.shape != (trace.pages,) or (sizes < 1).any() or (sizes > 1 << 40).any():
        raise ParameterError(
            f"must be one int of 1..2^40, or one for each of {trace.pages} pages", parameter="page_bytes"
        )
    return np.array(sizes, np.int64)


def _set_scores(guesses: npt.NDArray[Any], trace: Trace) -> tuple[float | None, float | None]:
    """Return precision and recall of the guesses, means over events."""
    right = np.zeros(guesses.shape[:2], np.int64)
    for q in range(guesses.shape[2]):
        one = guesses[:, :, q, None]
        right += ((one == trace.experts) & (one >= 0)).any(axis=2)
    guessed, asked = (guesses >= 0).sum(axis=2), (trace.experts >= 0).sum(axis=2)
    some = guessed > 0
    if not some.any():
        return None, None
    busy = asked > 0
    return float((right[some] / guessed[some]).mean()), float((right[busy] / asked[busy]).mean())


def _mean(total: float, events: float) -> float | None:
    return None if events == 0 else float(total / events)
