"""What a batch does to a cache: unions grow, and from some size on caching stops paying."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..core.arguments import kinds
from ..core.instance import integer
from ..core.tables import Tabular
from ..core.trace import Trace
from ..engine.run import replay
from ..errors import BudgetError, ParameterError
from ..offline import optimum
from ..policies.names import resolve
from ..transforms import batch

__all__ = ["PAYS", "Batched", "Batches", "batches"]

PAYS = 0.05  # share of the loads that a cache must save


@dataclass(frozen=True)
class Batched:
    """One batch size.

    Attributes
    ----------
    size, steps, tokens, largest_union : int
    mean_running, mean_union : float
        Requests that run in a step; experts of an event.
    requests : int
        Expert requests, a union counted once: what is loaded without a cache.
    misses : dict
        By policy; None where a union does not fit.
    least : int or None
        The least misses of any schedule that keeps all members of an event; None where a union does not fit.
    """

    size: int
    steps: int
    tokens: int
    largest_union: int
    mean_running: float
    mean_union: float
    requests: int
    misses: dict[str, int | None]
    least: int | None


@dataclass(frozen=True)
class Batches(Tabular):
    """What ``batches`` found: one entry per size, ascending, and where caching stops paying.

    ``stops`` has a size by policy and for ``optimum``.  From it on, at all larger sizes tried, the cache saves less than 5 %
    of the loads or does not hold a union.  None where it pays at the largest size.
    """

    slots: int
    chunk: int | None
    sizes: list[Batched]
    stops: dict[str, int | None]

    def to_rows(self) -> list[dict[str, Any]]:
        """Return one row per size and policy."""
        return [
            {"size": one.size, "policy": name, "mean_union": one.mean_union, "misses": misses, "requests": one.requests,
             "tokens": one.tokens, "least": one.least}
            for one in self.sizes
            for name, misses in one.misses.items()
        ]  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON holds them."""
        return asdict(self)


@kinds()
def batches(
    traces: Trace | Sequence[Trace],
    slots: int,
    sizes: Sequence[int],
    *,
    policies: Sequence[str] = ("lru",),
    chunk: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> Batches:
    """Replay a trace in batches of several sizes at one number of slots.

    Parameters
    ----------
    traces : Trace or sequence of Trace
        As ``transforms.batch`` takes them.
    slots : int
    sizes : sequence of int
        Requests that run at once; repeats count once.
    policies : sequence of str
    chunk : int, optional
        Prompt tokens of a request per step; see ``transforms.batch``.
    progress : callable, optional
        Called with the number of sizes done.

    Returns
    -------
    Batches

    Raises
    ------
    ParameterError
        No size or no policy, or a size beyond the number of requests.

    Notes
    -----
    Shared pool, forced admission, atomic events.  Misses are counted and the optimum is exact.

    Examples
    --------
    >>> four = Trace([[0], [0], [1], [1], [2], [2], [3], [3]], sessions=[0, 2, 4, 6])
    >>> [(one.size, one.misses["lru"], one.requests) for one in batches(four, 2, [1, 2, 4]).sizes]
    [(1, 4, 8), (2, 4, 8), (4, None, 8)]
    """
    room = integer("slots", slots, 1)
    chosen = sorted({integer("sizes", size, 1) for size in sizes})
    names = list(dict.fromkeys(resolve(name).name for name in policies))
    if not chosen or not names:
        raise ParameterError("give at least one size and one policy")
    found = []
    for done, size in enumerate(chosen, start=1):
        trace = batch(traces, size, chunk=chunk)
        said = trace.meta["batch"]
        misses: dict[str, int | None] = dict.fromkeys(names)
        least = None
        if said["largest_union"] <= room:
            for name in names:
                misses[name] = _misses(trace, name, room)
            least = optimum(trace, room, admission="forced").misses
        kept = {key: said[key] for key in ("size", "steps", "tokens", "largest_union", "mean_running", "mean_union")}
        found.append(Batched(**kept, requests=trace.requests, misses=misses, least=least))
        if progress is not None:
            progress(done)
    stops = {name: _stop(found, [one.misses[name] for one in found]) for name in names}
    return Batches(room, chunk, found, {**stops, "optimum": _stop(found, [one.least for one in found])})


def _misses(trace: Trace, policy: str, slots: int) -> int | None:
    try:
        return replay(trace, policy, slots).misses
    except BudgetError:  # a policy that needs more room than the largest event
        return None


def _stop(found: Sequence[Batched], misses: Sequence[int | None]) -> int | None:
    stop = None
    for one, count in zip(reversed(found), reversed(misses), strict=True):
        if count is not None and count <= (1 - PAYS) * one.requests:
            break
        stop = one.size
    return stop
