"""Furthest next use over one pool: the optimum where all pages count alike, a heuristic where sizes differ."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..core.counts import Counts
from ..core.layout import Grid
from ..core.renting import lease
from ..core.rules import Rules
from ..errors import BudgetError, ParameterError
from . import plain

__all__ = ["Greedy", "furthest", "greedy", "see_ahead"]


class Greedy(NamedTuple):
    """Counts of one pool, and for each event the full point that its dropped intervals share (-1: none dropped)."""

    counts: Counts
    full: npt.NDArray[np.int64]


def greedy(
    grid: Grid,
    slots: int,
    *,
    resets: bool,
    bypass: bool,
    warm: npt.NDArray[np.int64] | None = None,
    record: bool = False,
    carry: dict[str, Any] | None = None,
) -> Greedy:
    """Play one pool by furthest next use, ties to the lowest page number.

    Parameters
    ----------
    grid : Grid
    slots : int
        At least 1.  An event larger than the cache stays over until the next one.
    resets : bool
        Whether every session starts with an empty cache.
    bypass : bool
    warm : int64 array, optional
        Distinct pages held at the start, at most ``slots``.
    record : bool
        Whether to fill ``counts.flags`` and ``full`` (otherwise empty).
    carry : dict, optional
        Empty before the first part of a trace that comes in parts; keeps what the next one needs, O(pages + slots).
        ``full`` then means nothing.

    Notes
    -----
    One pass, O(requests) in practice and O(requests * log) at worst; memory one bit a request and O(pages).
    """
    rounds, columns, width = grid.shape
    slots = min(slots, grid.pages + width)
    counts = Counts.zero(grid, record)
    by_column = np.zeros(columns, np.int64)
    flags = np.zeros(0, np.bool_) if counts.flags is None else counts.flags.reshape(-1)
    full = np.full(rounds * columns if record else 0, -1, np.int64)
    bits, start, ends = np.arange(slots), slots, np.zeros(grid.pages, np.int64)
    if carry and (grid.goes_on or not resets):
        bits, start, ends = carry["bits"], carry["start"], carry["ends"]
    held = np.zeros(0, np.int64) if warm is None else warm
    kernel = lease(f"{__package__}.kernels")
    if carry is None and not kernel.wanted(grid.experts.size * plain.REQUEST, plain.PRICE):
        begun = time.process_time()
        rules: dict[str, Any] = {"resets": resets, "bypass": bypass, "warm": held}
        by_column += plain.play(grid, slots, **rules, missed=flags, full=full, misses=counts.misses)
        kernel.pay(time.process_time() - begun)
        return _summed(grid, counts, by_column, full)
    from . import kernels

    small = start + 64 + (rounds * columns + 4) * width < 1 << 32
    last = ends.astype(np.uint32 if small else np.uint64)
    asked = kernels.Asked(grid.experts.reshape(-1), width, grid.first, grid.starts, grid.stage, resets)
    tally = kernels.Tally(flags, counts.misses, by_column)
    rest = slots, bypass, held, last, record, full, tally
    if width > 1 or carry is not None or not kernels.play_singles(asked, *rest):
        if width == 1 and carry is None:  # an event was empty: begin again
            for array in (counts.misses, by_column, last):
                array[:] = 0
            full[:] = -1
            flags[:] = False
        low, here, floor = kernels.play_sets(asked, *rest, bits, start)
        if carry is not None:
            _keep(carry, low, int(here), last.astype(np.int64), int(floor))
    if not kernel.bought:
        kernel.buy()
    return _summed(grid, counts, by_column, full)


def _summed(grid: Grid, counts: Counts, by_column: npt.NDArray[np.int64], full: npt.NDArray[np.int64]) -> Greedy:
    np.add.at(counts.layer_misses, grid.layer, by_column)
    counts.missed_bytes = int(counts.misses.sum())
    return Greedy(counts, full)


def _keep(
    carry: dict[str, Any], low: npt.NDArray[np.uint64], here: int, ends: npt.NDArray[np.int64], floor: int
) -> None:
    """Keep the bits and the ends of intervals that can still be kept.

    Only the order of bits and ends below ``here`` matters, so they get small numbers; ends from
    ``here`` on are told by their distance.
    """
    words = np.flatnonzero(low)
    row, bit = np.nonzero((low[words][:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1))
    bits = words[row] * 64 + bit
    ends[ends <= floor] = 0
    old = (ends > 0) & (ends < here)
    _, place = np.unique(np.concatenate((bits, ends[old])), return_inverse=True)
    start = (int(place.max(initial=0)) + 2 + 63) // 64 * 64
    ends[ends >= here] += start - here
    ends[old] = place[len(bits) :] + 1
    carry.update(bits=place[: len(bits)] + 1, start=start, ends=ends)


def furthest(
    grid: Grid,
    capacity: int,
    rules: Rules,
    *,
    sizes: npt.NDArray[np.int64] | None = None,
    in_bytes: bool = False,
    record: bool = False,
    carry: dict[str, Any] | None = None,
) -> Counts:
    """Play one pool by furthest next use and count, as a replay does.

    The victim is the page whose next use is furthest, pages never used again first. Ties go to
    the lowest page number, under ``ties="rank"`` to the last in router order.  Optimal for slots;
    for bytes a heuristic.

    Raises
    ------
    BudgetError
        A forced event does not fit and may not stay over.
    """
    resets, bypass, oversize = rules.resets, rules.bypass, rules.stays_over
    if not bypass and not oversize and not in_bytes and capacity < grid.largest_event():
        raise BudgetError(f"must hold the largest event ({grid.largest_event()}); got {capacity}", parameter="slots")
    if not in_bytes and capacity >= 1 and not grid.ranked:
        flagged = record or sizes is not None
        counts = greedy(grid, capacity, resets=resets, bypass=bypass, record=flagged, carry=carry).counts
        if sizes is not None and counts.flags is not None:
            counts.missed_bytes = _bytes_of(grid, counts.flags, sizes)
            counts.flags = counts.flags if record else None
        return counts
    if carry is not None:
        raise ParameterError(
            "furthest next use in parts needs a budget in slots, at least one per pool, and ties 'page'"
        )
    from . import kernels

    known = np.ones(grid.pages, np.int64) if sizes is None else sizes
    measure = known if in_bytes else np.ones(grid.pages, np.int64)
    if in_bytes and not bypass and not oversize:
        _check_fits(grid, capacity, known)
    asked = kernels.Asked(grid.experts.reshape(-1), grid.shape[2], grid.first, grid.starts, grid.stage, resets)
    counts = Counts.zero(grid, record or (sizes is not None and not in_bytes))
    by_column = np.zeros(grid.shape[1], np.int64)
    flags = np.zeros(0, np.bool_) if counts.flags is None else counts.flags.reshape(-1)
    reverse = not grid.ranked
    then = kernels.next_uses(asked, reverse, grid.pages)
    tally = kernels.Tally(flags, counts.misses, by_column)
    counts.missed_bytes = int(kernels.play_bytes(asked, capacity, bypass, reverse, measure, then, tally))
    np.add.at(counts.layer_misses, grid.layer, by_column)
    if not in_bytes:  # nothing is kept between events: every request misses but those of an event that stays over
        counts.missed_bytes = _bytes_of(grid, counts.flags, sizes) if sizes is not None else int(counts.misses.sum())
        counts.flags = counts.flags if record else None
    return counts


def see_ahead(grid: Grid, slots: int, rounds: int, *, resets: bool, bypass: bool) -> Counts:
    """Play one pool with knowledge of the present round and ``rounds`` further ones; O(slots) a miss.

    Pages not asked for in that window go first, the least recently used before all; then the
    furthest next use.  Ties: the lowest page number.
    """
    from . import kernels, lookahead_kernels

    asked = kernels.Asked(grid.experts.reshape(-1), grid.shape[2], grid.first, grid.starts, grid.stage, resets)
    counts = Counts.zero(grid, True)
    assert counts.flags is not None
    by_column = np.zeros(grid.shape[1], np.int64)
    then = kernels.next_uses(asked, False, grid.pages)
    tally = kernels.Tally(counts.flags.reshape(-1), counts.misses, by_column)
    lookahead_kernels.lookahead(asked, slots, bypass, min(rounds, grid.shape[0]), then, grid.pages, tally)
    np.add.at(counts.layer_misses, grid.layer, by_column)
    counts.missed_bytes = int(counts.misses.sum())
    return counts


def _bytes_of(grid: Grid, missed: npt.NDArray[np.bool_] | None, sizes: npt.NDArray[np.int64]) -> int:
    assert missed is not None
    total = 0
    for at in range(0, grid.shape[0], 65536):
        rows, columns, members = np.nonzero(missed[at : at + 65536])
        pages = grid.first[columns] + grid.experts[at : at + 65536][rows, columns, members]
        total += int(sizes[pages].sum())
    return total


def _check_fits(grid: Grid, capacity: int, sizes: npt.NDArray[np.int64]) -> None:
    for at in range(0, grid.shape[0], 65536):
        part = grid.experts[at : at + 65536]
        held = np.where(part >= 0, sizes[np.where(part >= 0, part + grid.first[:, None], 0)], 0).sum(axis=2)
        if int(held.max()) > capacity:
            r, c = (int(x) for x in np.argwhere(held > capacity)[0])
            raise BudgetError(
                f"round {at + r}, layer {int(grid.layer[c])}: an event of {int(held[r, c])} bytes does not fit into {capacity}"
            )
