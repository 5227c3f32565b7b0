"""What a replay returns, and what a trace asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.layout import Grid
from ..core.tables import Tabular
from ..core.trace import Trace

__all__ = ["Run", "Totals", "joined", "totals_of"]


@dataclass(frozen=True)
class Totals:
    """What a trace asks for, whatever the policy.

    Attributes
    ----------
    requests : int64 array, shape (sessions, 2)
        By session and stage (0 prefill, 1 decode).
    layer_requests : int64 array, shape (layers,)
    requested_bytes : int or None
    compulsory : int
        Misses that no policy can avoid: pages requested since the cache was last empty, counted once.
    """

    requests: npt.NDArray[np.int64]
    layer_requests: npt.NDArray[np.int64]
    requested_bytes: int | None
    compulsory: int


@dataclass(frozen=True, eq=False)
class Run(Tabular):
    """The outcome of one replay.

    Attributes
    ----------
    policy : str
        The policy with its parameters.
    slots, budget_bytes : int or None
        The one that was given.
    misses_by_session, requests_by_session : int64 array, shape (sessions, 2)
        By session and stage (0 prefill, 1 decode).
    misses_by_layer, requests_by_layer : int64 array, shape (layers,)
    compulsory : int
        Misses that no policy can avoid.
    bytes_read : int or None
        Bytes loaded, where the trace knows its sizes.
    missed : bool array or None
        With ``record=True``: which requests missed, in the shape of the laid-out trace.
    seed : int
        The seed of a randomized policy.
    options : dict
        pool, reset, events, admission, prefill, ties, oversize as given; quotas and traffic where there are any.
    dropped : int
        Loads that the rules of traffic did not keep; they are misses, too.
    """

    policy: str
    slots: int | None
    budget_bytes: int | None
    misses_by_session: npt.NDArray[np.int64]
    requests_by_session: npt.NDArray[np.int64]
    misses_by_layer: npt.NDArray[np.int64]
    requests_by_layer: npt.NDArray[np.int64]
    compulsory: int
    bytes_read: int | None
    missed: npt.NDArray[np.bool_] | None
    seed: int
    options: dict[str, Any]
    dropped: int = 0

    @property
    def requests(self) -> int:
        """Number of expert requests."""
        return int(self.requests_by_session.sum())

    @property
    def misses(self) -> int:
        """Number of requests that were not in the cache when their event began."""
        return int(self.misses_by_session.sum())

    @property
    def hits(self) -> int:
        """Number of requests that were in the cache when their event began."""
        return self.requests - self.misses

    @property
    def hit_rate(self) -> float:
        """Hits / requests."""
        return self.hits / self.requests

    def stage_hit_rate(self, stage: int) -> float | None:
        """Hits / requests of one stage (0 prefill, 1 decode); None without such requests."""
        requests = int(self.requests_by_session[:, stage].sum())
        return None if requests == 0 else 1 - int(self.misses_by_session[:, stage].sum()) / requests

    def to_rows(self) -> list[dict[str, Any]]:
        """Return one row per layer: requests, misses, share of hits."""
        return [
            {"layer": j, "requests": asked, "misses": missed, "hit_rate": None if not asked else 1 - missed / asked}
            for j, (asked, missed) in enumerate(
                zip(self.requests_by_layer.tolist(), self.misses_by_layer.tolist(), strict=True)
            )
        ]

    def __repr__(self) -> str:
        size = f"{self.slots} slots" if self.budget_bytes is None else f"{self.budget_bytes} bytes"
        return f"<Run: {self.policy}, {size}: {self.misses} misses of {self.requests} requests, {100 * self.hit_rate:.3f} % hits>"


def totals_of(trace: Trace, grid: Grid, resets: bool) -> Totals:
    """Count what the trace asks for; kept on the trace, so that many replays count once."""
    from .totals import count

    kept = trace.__dict__.setdefault("_totals", {})
    key = (grid.shape, grid.ranked, resets)
    if key not in kept:
        kept[key] = Totals(*count(grid, resets, trace.page_bytes))
    found: Totals = kept[key]
    return found


def joined(shards: Sequence[Run]) -> Run:
    """Return the run whose sessions, in order, were replayed by these; exact where sessions are independent."""
    first = shards[0]
    return replace(
        first,
        misses_by_session=np.concatenate([run.misses_by_session for run in shards]),
        requests_by_session=np.concatenate([run.requests_by_session for run in shards]),
        misses_by_layer=np.sum([run.misses_by_layer for run in shards], axis=0),
        requests_by_layer=np.sum([run.requests_by_layer for run in shards], axis=0),
        compulsory=sum(run.compulsory for run in shards),
        dropped=sum(run.dropped for run in shards),
        bytes_read=None if first.bytes_read is None else sum(run.bytes_read or 0 for run in shards),
    )
