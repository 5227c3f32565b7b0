"""A trace laid out for replay: what an event is, in which order its members come, when a cache starts anew.

Everything that replays, optimises or counts works on a ``Grid``, so the variants (serial
events, merged prefill, tie rules, per-layer pools, resets) are decided here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import BudgetError, ParameterError
from .parts import LongTrace
from .rules import PLAIN, Budget, Rules, Traffic, without_sizes
from .trace import PREFILL, Trace, transformed

__all__ = [
    "Arrays",
    "Event",
    "Grid",
    "Time",
    "capacities",
    "check_fits",
    "grids_of",
    "lay_out",
    "lay_rows",
    "locked",
    "merged_prefill",
    "needs_of",
    "pools_of",
    "quotas",
]


def locked(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a read-only view, so that one compiled kernel serves writable and read-only arrays."""
    view = array.view()
    view.flags.writeable = False
    return view


class Time(NamedTuple):
    """When something happens.

    ``clock`` orders events: each layer's event in each round has its place, whether it has members
    or not, and under ``ties="rank"`` (or ``events="serial"``) each member has.  ``round`` and ``layer``
    say where in the model we are.
    """

    clock: int
    round: int
    layer: int


class Event(NamedTuple):
    """One event: ``pages`` in the order in which they are presented; ``tokens`` is the number of tokens that ask for them."""

    session: int
    stage: int
    time: Time
    pages: tuple[int, ...]
    tokens: int = 1


class Arrays(NamedTuple):
    """The events of a grid as compiled code takes them; see ``Grid``."""

    experts: npt.NDArray[np.signedinteger[Any]]
    first: npt.NDArray[np.int64]
    layer: npt.NDArray[np.int64]
    offset: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    stage: npt.NDArray[np.int8]
    stride: int
    ranked: bool
    origin: int
    number: int


@dataclass(frozen=True)
class Grid:
    """Events as a dense array, one column per event of a round; all arrays are read-only.

    Attributes
    ----------
    experts : int16 or int32 array, shape (rounds, columns, width), C-contiguous
        Members of each event in the order of presentation; negative entries are skipped.
    first, layer, offset : int64 arrays, shape (columns,)
        Page number of expert 0, layer, and place in the clock of each column.
    stride : int
        Events of a round over all layers; the event in round r and column c has the
        number ``(origin + r) * stride + offset[c]``.
    starts : int64 array
        First round of each session.
    stage : int8 array, shape (rounds,)
    n_layers, pages : int
    ranked : bool
        Under ``ties="rank"`` the clock ticks once per member, otherwise once per event.
    origin, number : int
        For a part of a longer trace: the numbers of its first round and first session.
    goes_on : bool
        The first round belongs to the session of the part before.
    tokens : int64 array, shape (rounds,), or None
        Of each round, where a round has several; None: one each.
    """

    experts: npt.NDArray[np.signedinteger[Any]]
    first: npt.NDArray[np.int64]
    layer: npt.NDArray[np.int64]
    offset: npt.NDArray[np.int64]
    stride: int
    starts: npt.NDArray[np.int64]
    stage: npt.NDArray[np.int8]
    n_layers: int
    pages: int
    ranked: bool
    origin: int = 0
    number: int = 0
    goes_on: bool = False
    tokens: npt.NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        for name in ("experts", "first", "layer", "offset", "starts", "stage"):
            object.__setattr__(self, name, locked(getattr(self, name)))

    @property
    def shape(self) -> tuple[int, int, int]:
        """(rounds, columns, width)."""
        rounds, columns, width = self.experts.shape
        return int(rounds), int(columns), int(width)

    @cached_property
    def requests(self) -> int:
        """Members of all events."""
        return sum(int((self.experts[at : at + 65536] >= 0).sum()) for at in range(0, len(self.experts), 65536))

    def largest_event(self) -> int:
        """Return the number of members of the largest event."""
        most, width = 0, self.shape[2]
        for at in range(0, self.shape[0], 65536):
            present = self.experts[at : at + 65536] >= 0
            most = max(most, width if present.all() else int(present.sum(axis=2).max()))
            if most == width:
                break
        return most

    def largest_events(self) -> npt.NDArray[np.int64]:
        """Return the number of members of the largest event of each layer."""
        by_column = np.zeros(self.shape[1], np.int64)
        for at in range(0, self.shape[0], 65536):
            by_column = np.maximum(by_column, (self.experts[at : at + 65536] >= 0).sum(axis=2).max(axis=0))
        by_layer = np.zeros(self.n_layers, np.int64)
        np.maximum.at(by_layer, self.layer, by_column)
        return by_layer

    def of_layer(self, layer: int) -> Grid:
        """Return the events of one layer, for a pool of its own; clock and page numbers stay."""
        columns = np.flatnonzero(self.layer == layer)
        return replace(
            self,
            experts=np.ascontiguousarray(self.experts[:, columns]),
            first=self.first[columns],
            layer=self.layer[columns],
            offset=self.offset[columns],
        )

    def arrays(self) -> Arrays:
        """Return what compiled code takes."""
        arrays = self.experts, self.first, self.layer, self.offset, self.starts, self.stage
        return Arrays(*arrays, self.stride, self.ranked, self.origin, self.number)

    def events(self) -> Iterator[Event]:
        """Yield the events in order; the plain meaning of the arrays above."""
        rounds, _, width = self.shape
        ticks = width if self.ranked else 1
        places = list(zip(self.first.tolist(), self.layer.tolist(), self.offset.tolist(), strict=True))
        for at in range(0, rounds, 4096):
            rows = np.arange(at, min(rounds, at + 4096))
            sessions = (self.number - 1 + np.searchsorted(self.starts, rows, side="right")).tolist()
            tokens = [1] * len(rows) if self.tokens is None else self.tokens[at : at + 4096].tolist()
            blocks = self.experts[at : at + 4096].tolist(), sessions, self.stage[at : at + 4096].tolist(), tokens
            for r, (row, session, stage, many) in enumerate(zip(*blocks, strict=True), start=self.origin + at):
                for (first, layer, offset), members in zip(places, row, strict=True):
                    time = Time((r * self.stride + offset) * ticks, r, layer)
                    yield Event(session, stage, time, tuple([first + e for e in members if e >= 0]), many)


def lay_out(trace: Trace, rules: Rules = PLAIN) -> Grid:
    """Lay a trace out for replay.

    Parameters
    ----------
    trace : Trace
    rules : Rules
        Of these ``events``, ``prefill`` and ``ties`` matter.  Serial events: each member on its own, in router order.
        Merged prefill: the prefill of a prompt (a maximal run of prefill rounds inside a session) is one round. Each layer
        then asks once for each distinct expert, ordered by last occurrence.  Ties by page: members are presented in
        ascending page number; by rank: in router order, with a clock that ticks once per member.

    Notes
    -----
    Costs one copy of the ids where members must be sorted, none for top-1 traces.  The last
    few layouts are kept on the trace, so that many replays of it sort once.
    """
    if not isinstance(trace, Trace):
        raise ParameterError(f"a Trace is needed (load_trace reads one from a file); got {type(trace).__name__}")
    kept: dict[tuple[str, str, str], Grid] = trace.__dict__.setdefault("_grids", {})
    if rules.layout not in kept:
        while len(kept) >= 2:
            kept.pop(next(iter(kept)))
        experts, starts, stage, tokens = trace.experts, trace.sessions, trace.stage, trace.tokens
        if rules.prefill == "merged":
            experts, starts, stage, tokens = _merge(trace)
        grid = lay_rows(experts, starts, stage, trace.first_page, trace.pages, rules)
        kept[rules.layout] = replace(grid, tokens=tokens)
    if rules.traffic.bypass_tokens is not None and kept[rules.layout].tokens is None:
        raise ParameterError(
            "needs events whose tokens are known; got a trace in which each event is of one token, or does not say",
            parameter="bypass_tokens",
            ways=[("prefill", "merged"), ("batch", None)],
        )
    return kept[rules.layout]


def lay_rows(
    experts: npt.NDArray[np.signedinteger[Any]],
    starts: npt.NDArray[np.int64],
    stage: npt.NDArray[np.int8],
    first_page: npt.NDArray[np.int64],
    pages: int,
    rules: Rules = PLAIN,
) -> Grid:
    """Lay rounds out, given as arrays of the kinds that a ``Trace`` holds; ``prefill`` does not matter here."""
    rounds, layers, width = experts.shape
    layer = np.arange(layers, dtype=np.int64)
    if rules.events == "serial":
        experts = experts.reshape(rounds, layers * width, 1)
        layer = np.repeat(layer, width)
    elif rules.ties == "page" and width > 1:
        experts = _ascending(experts)
    return Grid(
        experts=np.ascontiguousarray(experts),
        first=first_page[layer],
        layer=layer,
        offset=np.arange(len(layer), dtype=np.int64),
        stride=len(layer),
        starts=starts,
        stage=stage,
        n_layers=layers,
        pages=pages,
        ranked=rules.ranked,
    )


def _ascending(experts: npt.NDArray[np.signedinteger[Any]]) -> npt.NDArray[np.signedinteger[Any]]:
    """Return the members of each event in ascending order; short events by exchanges of whole columns."""
    width = experts.shape[2]
    if width > 8:
        return np.sort(experts, axis=2)
    out = np.empty_like(experts, order="C")
    for at in range(0, len(experts), 4096):
        members = [experts[at : at + 4096, :, q] for q in range(width)]
        for low in range(width - 1):
            for high in range(low + 1, width):
                a, b = members[low], members[high]
                members[low], members[high] = np.minimum(a, b), np.maximum(a, b)
        for q, column in enumerate(members):
            out[at : at + 4096, :, q] = column
    return out


def _merge(
    trace: Trace,
) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64], npt.NDArray[np.int8], npt.NDArray[np.int64] | None]:
    """Return (experts, starts, stage, tokens) with every prompt's prefill merged into one round."""
    if transformed(trace, "batch"):
        raise ParameterError(
            "must be 'token' for a batch, whose steps hold tokens of several prompts; got 'merged'", parameter="prefill"
        )
    begins = np.zeros(trace.rounds, bool)
    begins[trace.sessions] = True
    is_prefill = trace.stage == PREFILL
    joined = is_prefill[1:] & is_prefill[:-1] & ~begins[1:]
    head = np.concatenate(([True], ~joined))  # rounds that begin a round of the merged trace
    at = np.flatnonzero(head)
    ends = np.append(at[1:], trace.rounds)
    merged: dict[int, list[list[int]]] = {}
    width = trace.top_k
    for row, (a, b) in enumerate(zip(at.tolist(), ends.tolist(), strict=True)):
        if b - a > 1:
            merged[row] = [_by_last_use(trace.experts[a:b, j]) for j in range(trace.layers)]
            width = max(width, max(map(len, merged[row])))
    size = len(at) * trace.layers * width * trace.experts.itemsize
    if size > 1 << 33:
        raise ParameterError(
            f"would need {size / 2**30:.1f} GiB for this trace; at most 8 GiB", parameter="prefill", value="merged"
        )
    experts = np.full((len(at), trace.layers, width), -1, trace.experts.dtype)
    experts[:, :, : trace.top_k] = trace.experts[at]
    for row, events in merged.items():
        experts[row] = -1
        for j, members in enumerate(events):
            experts[row, j, : len(members)] = members
    tokens = ends - at if trace.tokens is None else np.add.reduceat(trace.tokens, at)
    return experts, np.searchsorted(at, trace.sessions).astype(np.int64), trace.stage[at], tokens


def merged_prefill(trace: Trace) -> Trace:
    """Return the trace whose plain replay is the replay with ``prefill="merged"`` (and ties by page).

    Every prompt's prefill is one round, in which each layer asks once for each expert; weights are left out.

    Examples
    --------
    >>> merged_prefill(Trace([[[0, 1]], [[1, 2]], [[0, 2]]], stage=[0, 0, 1])).experts.tolist()
    [[[0, 1, 2]], [[-1, 0, 2]]]
    """
    grid = lay_out(trace, Rules(prefill="merged"))
    merged = Trace(grid.experts, trace.n_experts, grid.starts, grid.stage, trace.expert_bytes, trace.meta)
    merged.__dict__["_tokens"] = grid.tokens
    return merged


def _by_last_use(run: npt.NDArray[Any]) -> list[int]:
    last: dict[int, None] = {}
    for expert in run.ravel().tolist():
        if expert >= 0:
            last.pop(expert, None)
            last[expert] = None
    return list(last)


def quotas(total: int, layers: int, asked: Sequence[bool] | npt.NDArray[np.bool_] | None = None) -> list[int]:
    """Split a total over the layers: floor(total / layers) each, the remainder to the lowest layers.

    Parameters
    ----------
    total, layers : int
    asked : sequence of bool, optional
        Only the layers that are true take part; the others, such as dense layers, get nothing.

    Examples
    --------
    >>> quotas(7, 3)
    [3, 2, 2]
    >>> quotas(7, 3, [False, True, True])
    [0, 4, 3]
    """
    if total < 0:
        raise BudgetError(f"the total must be at least 0; got {total}")
    flags = [True] * layers if asked is None else [bool(flag) for flag in asked]
    share, rest = divmod(total, max(1, sum(flags)))
    rank = 0
    split = []
    for flag in flags:
        split.append(share + (rank < rest) if flag else 0)
        rank += flag
    return split


def capacities(trace: Trace | LongTrace, budget: Budget, rules: Rules) -> list[int]:
    """Return what each pool holds: one number, or one per layer.

    Raises
    ------
    BudgetError
        In bytes, where the trace does not know its sizes.
    ParameterError
        Given quotas that are not one per layer, or do not sum to the slots or bytes.
    """
    if budget.in_bytes and trace.page_bytes is None:
        raise without_sizes()
    if not rules.per_layer:
        return [budget.total]
    if isinstance(rules.quotas, str):
        return quotas(budget.total, trace.layers, trace.asked)
    if len(rules.quotas) != trace.layers:
        raise ParameterError(
            f"must be one int for each of {trace.layers} layers; got {len(rules.quotas)}", parameter="quotas"
        )
    if sum(rules.quotas) != budget.total:
        raise ParameterError(f"must sum to {budget.unit}, {budget.total}; got {sum(rules.quotas)}", parameter="quotas")
    return list(rules.quotas)


def grids_of(grid: Grid, rules: Rules) -> list[Grid]:
    """Return the events of each pool."""
    return [grid.of_layer(j) for j in range(grid.n_layers)] if rules.per_layer else [grid]


def check_fits(
    needs: Sequence[int], trace: Trace | LongTrace, rooms: Sequence[int], budget: Budget, rules: Rules, read: str = ""
) -> None:
    """Raise ``BudgetError`` where an event is larger than its pool and may not be.

    Parameters
    ----------
    needs, rooms : sequence of int
        By pool, as ``needs_of`` and ``capacities`` return them.
    read : str
        Ends the message where there are events that the grid does not hold, which may need more.
    """
    for layer, (capacity, need) in enumerate(zip(rooms, needs, strict=True)):
        if need > capacity and isinstance(rules.quotas, tuple):
            raise BudgetError(f"the quota of layer {layer} must hold its largest event ({need}); got {capacity}{read}")
        if need > capacity:
            where = f" of layer {layer}" if rules.per_layer else ""
            # the least total whose share reaches the need of every pool
            sharing = [n for n, flag in zip(needs, trace.asked, strict=True) if flag] if rules.per_layer else needs
            least = max((n - 1) * len(sharing) + j + 1 for j, n in enumerate(sharing) if n > 0)
            ways = (f"at least {least} in all", ("admission", "bypass"), ("oversize", "allow"))
            raise BudgetError(
                f"must hold the largest event{where} ({need} {budget.unit}); got {capacity}{read}",
                parameter="budget_bytes" if budget.in_bytes else "slots",
                ways=ways,
            )


def pools_of(grid: Grid, trace: Trace | LongTrace, budget: Budget, rules: Rules) -> list[tuple[Grid, int]]:
    """Return the events and the capacity of each pool.

    Raises
    ------
    BudgetError, ParameterError
        As ``capacities`` and ``check_fits`` raise them.
    """
    rooms = capacities(trace, budget, rules)
    if rules.must_fit:
        check_fits(needs_of(grid, trace, budget, rules), trace, rooms, budget, rules)
    return list(zip(grids_of(grid, rules), rooms, strict=True))


def needs_of(grid: Grid, trace: Trace | LongTrace, budget: Budget, rules: Rules) -> list[int]:
    """Return what the largest event of each pool takes, in slots or in bytes; those that leave the cache alone take nothing."""
    grid = _reaching(grid, rules.traffic)
    if budget.in_bytes:
        sizes = trace.page_bytes
        assert sizes is not None
        return [_largest_bytes(part, sizes) for part in grids_of(grid, rules)]
    return grid.largest_events().tolist() if rules.per_layer else [grid.largest_event()]


def _reaching(grid: Grid, traffic: Traffic) -> Grid:
    """Return the grid without the members of events that leave the cache alone; see ``Traffic.passes``."""
    if traffic.bypass_above is None and traffic.bypass_tokens is None and traffic.prefill_cache == "warm":
        return grid
    past = (grid.experts >= 0).sum(axis=2) > (grid.shape[2] if traffic.bypass_above is None else traffic.bypass_above)
    if traffic.prefill_cache == "leave":
        past |= grid.stage[:, None] == PREFILL
    if traffic.bypass_tokens is not None and grid.tokens is not None:
        past |= grid.tokens[:, None] > traffic.bypass_tokens
    return replace(grid, experts=np.where(past[:, :, None], np.array(-1, grid.experts.dtype), grid.experts))


def _largest_bytes(grid: Grid, sizes: npt.NDArray[np.int64]) -> int:
    largest = 0
    for at in range(0, grid.shape[0], 65536):
        part = grid.experts[at : at + 65536]
        pages = np.where(part >= 0, part + grid.first[:, None], 0)
        largest = max(largest, int(np.where(part >= 0, sizes[pages], 0).sum(axis=2).max()))
    return largest
