"""What one replay of one pool needs, and what a replay returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.counts import Counts
from ..core.instance import Instance
from ..core.layout import Grid
from ..core.parts import LongTrace
from ..core.tables import Tabular
from ..core.trace import Trace
from ..errors import ParameterError
from ..policies.spec import Policy, PolicySpec
from . import step as reference

__all__ = ["Run", "Totals", "instance_of", "maker_of", "player_of", "totals_of"]


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
        pool, reset, events, admission, prefill, ties, oversize as given.
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
    options: dict[str, str]

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


def totals_of(trace: Trace, grid: Grid, reset: str) -> Totals:
    """Count what the trace asks for; kept on the trace, so that many replays count once."""
    from .kernels.totals import count

    kept = trace.__dict__.setdefault("_totals", {})
    key = (grid.shape, grid.ranked, reset != "never")
    if key not in kept:
        kept[key] = Totals(*count(grid, reset != "never", trace.page_bytes))
    found: Totals = kept[key]
    return found


def instance_of(trace: Trace | LongTrace, spec: PolicySpec, total: int, in_bytes: bool) -> tuple[int, Instance]:
    """Return the capacity of a pool and the instance that its policy sees; refuse what the policy refuses."""
    sizes = trace.page_bytes if in_bytes else None
    # more than everything is as good as everything, and no kernel sees a number that it cannot hold
    capacity = min(total, trace.pages if sizes is None else int(sizes.sum()))
    nominal = capacity if sizes is None else capacity * len(sizes) // int(sizes.sum())
    instance = Instance(trace.layers, trace.n_experts, max(1, nominal))
    spec.make(instance, future={})  # refuses bad parameters, also where a kernel does the work
    return capacity, instance


def player_of(spec: PolicySpec, engine: str) -> Any:
    """Return what replays one pool: the compiled twin, or the reference loop."""
    from .kernels import twin

    fast = None if engine == "reference" else twin(spec)
    if fast is None and engine == "kernel":
        raise ParameterError(f"policy {spec.name!r} has no compiled kernel; use engine 'auto' or 'reference'")
    return fast or _slow


def _slow(
    grid: Grid,
    spec: PolicySpec,
    instance: Instance,
    capacity: int,
    *,
    sizes: npt.NDArray[np.int64] | None,
    in_bytes: bool,
    reset: str,
    bypass: bool,
    oversize: bool,
    seed: int,
    key: int,
    record: bool,
    carry: dict[str, Any] | None = None,
) -> Counts:
    make, reset = maker_of(grid, spec, instance, reset, seed, key)
    return reference.play(
        grid,
        make,
        capacity,
        sizes=sizes,
        in_bytes=in_bytes,
        record=record,
        reset=reset,
        bypass=bypass,
        oversize=oversize,
        carry=carry,
    )


def maker_of(
    grid: Grid, spec: PolicySpec, instance: Instance, reset: str, seed: int, key: int
) -> tuple[Callable[[int], Policy], str]:
    """Return what builds the policy of a session, and the reset to replay with."""
    if spec.offline and reset == "cache":
        reset = "session"  # nothing is learnt, and requests beyond a reset do not matter
    futures = _futures(grid, reset != "never") if spec.offline else {}

    def make(session: int) -> Policy:
        return spec.make(instance, seed, session, key, future=futures.get(session))

    return make, reset


def _futures(grid: Grid, resets: bool) -> dict[int, dict[int, list[int]]]:
    """Return, for each session (or for all of them as session 0), the clocks of the requests of every page."""
    futures: dict[int, dict[int, list[int]]] = {}
    for event in grid.events():
        future = futures.setdefault(event.session if resets else 0, {})
        for q, page in enumerate(event.pages):
            future.setdefault(page, []).append(event.time.clock + (q if grid.ranked else 0))
    return futures
