"""Replay a trace that comes in parts: the same counts, in memory that does not grow with its length."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.layout import EVENTS, TIES, Grid, choice, lay_rows, pools_of
from ..core.parts import LongTrace, Part
from ..errors import ParameterError, TraceError
from ..policies.spec import PolicySpec
from .pools import Run, instance_of, player_of

__all__ = ["Wanted", "joined", "replay_parts"]

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Wanted:
    """One replay that is wanted: a policy, slots or bytes, and a seed."""

    spec: PolicySpec
    slots: int | None
    budget_bytes: int | None = None
    seed: int = 0


@dataclass
class _Sums:
    """Counts by session and stage that grow with the sessions, and counts by layer."""

    layers: int
    first: int | None = None
    size: int = 0
    rows: Ints = field(default_factory=lambda: np.zeros((64, 2), np.int64))

    def __post_init__(self) -> None:
        self.by_layer: Ints = np.zeros(self.layers, np.int64)

    def add(self, number: int, by_session: Ints, by_layer: Ints) -> None:
        self.first = number if self.first is None else self.first
        at = number - self.first
        self.size = at + len(by_session)
        if self.size > len(self.rows):
            self.rows = np.concatenate((self.rows, np.zeros((self.size, 2), np.int64)))
        self.rows[at : self.size] += by_session
        self.by_layer += by_layer

    @property
    def by_session(self) -> Ints:
        return self.rows[: self.size].copy()


class _Lane:
    """One replay on its way through the parts."""

    def __init__(
        self, trace: LongTrace, wanted: Wanted, totals: list[int], options: Mapping[str, str], engine: str
    ) -> None:
        self.wanted = wanted
        self.sums = _Sums(trace.layers)
        self.missed_bytes = 0
        in_bytes = wanted.budget_bytes is not None
        self._player = player_of(wanted.spec, engine)
        self._pools = [instance_of(trace, wanted.spec, total, in_bytes) for total in totals]
        self._asked = [True] if len(totals) == 1 else trace.asked.tolist()  # the others' pools stay empty
        self._carries: list[dict[str, Any]] = [{} for _ in totals]
        self._given: dict[str, Any] = {
            "sizes": trace.page_bytes,
            "in_bytes": in_bytes,
            "reset": options["reset"],
            "bypass": options["admission"] == "bypass",
            "oversize": options["oversize"] == "allow",
            "seed": wanted.seed,
            "record": False,
        }

    def play(self, grids: Sequence[Grid]) -> None:
        for key, (grid, (capacity, instance)) in enumerate(zip(grids, self._pools, strict=True)):
            if not self._asked[key]:
                continue
            carry = self._carries[key]
            got = self._player(grid, self.wanted.spec, instance, capacity, **self._given, key=key, carry=carry)
            self.sums.add(grid.number, got.misses, got.layer_misses)
            self.missed_bytes += got.missed_bytes


def replay_parts(
    trace: LongTrace,
    wanted: Sequence[Wanted],
    options: Mapping[str, str],
    *,
    engine: str = "auto",
    begin: int = 0,
    end: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> list[Run]:
    """Replay with several policies or sizes in one pass over the parts.

    Parameters
    ----------
    trace : LongTrace
    wanted : sequence of Wanted
    options : mapping
        pool, reset, events, admission, prefill, ties and oversize, as for ``replay``.
    engine : {"auto", "kernel", "reference"}
    begin, end : int
        Rounds to replay; ``begin`` must be the first round of a session.
    progress : callable, optional
        Called with the number of rounds done after each part.

    Raises
    ------
    ParameterError
        A policy needs the future and is not ``belady``, or an option needs a whole trace.
    BudgetError
        As ``replay`` raises it, at the first part that does not fit; what is needed is told of the rounds read so far.
    FormatError
        What is read is not what its format says.

    Notes
    -----
    Time as ``replay``, reading shared by all; memory of one part, O(pages) a replay, 32 bytes a session.
    """
    from .kernels.totals import count

    choice("events", options["events"], EVENTS)
    choice("ties", options["ties"], TIES)
    _refuse(wanted, options)
    fits = options["admission"] == "bypass" or options["oversize"] == "allow"
    sizes, per_layer, resets = trace.page_bytes, options["pool"] == "per-layer", options["reset"] != "never"
    lanes: list[_Lane] = []
    asked = _Sums(trace.layers)
    seen, compulsory = np.full(trace.pages, -1, np.int64), 0
    largest: Ints | None = None
    before, everything, start = -1, begin == 0 and end is None, begin
    for part in trace.parts(begin, end):
        grid = _grid(trace, part, options, begin, before)
        need = np.array([grid.largest_event()]) if not per_layer else grid.largest_events()
        if largest is None or (need > largest).any() or sizes is not None:
            largest = need if largest is None else np.maximum(need, largest)
            stop = begin + len(part.session)
            read = f"; read so far: rounds {start} to {stop - 1}, and others may need more"
            read = "" if everything and stop == trace.rounds else read
            pools = [
                pools_of(grid, trace, w.slots, w.budget_bytes, pool=options["pool"], fits=fits, read=read)
                for w in wanted
            ]
            totals = [[total for _, total in pool] for pool in pools]
            if not lanes:
                lanes = [_Lane(trace, w, t, options, engine) for w, t in zip(wanted, totals, strict=True)]
        by_session, by_layer, _, new = count(grid, resets, sizes, seen)
        asked.add(grid.number, by_session, by_layer)
        compulsory += new
        grids = [grid.of_layer(j) for j in range(trace.layers)] if per_layer else [grid]
        for lane in lanes:
            lane.play(grids)
        begin += len(part.session)
        before = int(part.session[-1])
        if progress is not None:
            progress(begin)
    if not lanes or (everything and not asked.by_layer.any()):
        raise TraceError(f"{trace.source}: a trace must hold at least one request; got none")
    return [
        Run(
            policy=lane.wanted.spec.name,
            slots=lane.wanted.slots,
            budget_bytes=lane.wanted.budget_bytes,
            misses_by_session=lane.sums.by_session,
            requests_by_session=asked.by_session,
            misses_by_layer=lane.sums.by_layer,
            requests_by_layer=asked.by_layer,
            compulsory=compulsory,
            bytes_read=None if sizes is None else lane.missed_bytes,
            missed=None,
            seed=lane.wanted.seed,
            options=dict(options),
        )
        for lane in lanes
    ]


def _refuse(wanted: Sequence[Wanted], options: Mapping[str, str]) -> None:
    if options["prefill"] != "token":
        raise ParameterError("prefill 'merged' needs whole prompts, and a trace in parts may cut them; use 'token'")
    for one in wanted:
        name = one.spec.base
        if one.spec.offline and name != "belady":
            raise ParameterError(f"policy {name!r} is given the future, which a trace in parts does not have")
        if one.spec.predicted:
            raise ParameterError(f"policy {name!r} takes predictions, which are of a whole trace, not of one in parts")
        ranked = options["ties"] == "rank" and options["events"] == "atomic"
        if name == "belady" and (one.budget_bytes is not None or ranked):
            raise ParameterError("belady over a trace in parts needs a budget in slots and ties 'page'")


def _grid(trace: LongTrace, part: Part, options: Mapping[str, str], origin: int, before: int) -> Grid:
    number = int(part.session[0])
    starts = np.flatnonzero(np.diff(part.session, prepend=number - 1)).astype(np.int64)
    laid = {"events": options["events"], "ties": options["ties"]}
    grid = lay_rows(part.experts, starts, part.stage, trace.first_page, trace.pages, **laid)
    return replace(grid, origin=origin, number=number, goes_on=number == before)


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
        bytes_read=None if first.bytes_read is None else sum(run.bytes_read or 0 for run in shards),
    )
