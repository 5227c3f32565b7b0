"""Play a trace against a real file: every load is read from the disk into a pool, and the time of each token is taken.

The decisions are the policy's own, made beforehand by the reference loop, so that only reading and computing are timed.
"""

from __future__ import annotations

import mmap
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.instance import integer
from ..core.rules import choice
from ..core.trace import Trace
from ..engine.run import history, replay
from ..errors import ParameterError
from .clock import Fit, fit
from .guarded import guarded
from .weights import layout, make, opened

__all__ = ["IO", "Drive", "Timed", "drive"]

IO = ("direct", "buffered", "mmap")
POOL = 1 << 34  # bytes of memory that a pool may take


@dataclass(frozen=True)
class Timed:
    """One policy at one size: what it loaded, and how long its tokens took.

    Attributes
    ----------
    policy : str
    slots, tokens, loads, loaded : int
        ``loaded`` in bytes of the file; the counts of one turn, equal in all turns.
    seconds : tuple of float
        Mean seconds per token of each turn.
    fitted : bool
        Whether the clock was fitted to it; otherwise the clock predicts it.
    predicted, null : float
        Seconds per token by the clock, and by the null model: the mean of the runs that it was fitted to.
    """

    policy: str
    slots: int
    tokens: int
    loads: int
    loaded: int
    seconds: tuple[float, ...]
    fitted: bool = False
    predicted: float = 0.0
    null: float = 0.0

    @property
    def measured(self) -> float:
        """Median over the turns, in seconds per token."""
        return statistics.median(self.seconds)

    @property
    def error(self) -> float:
        """(predicted - measured) / measured."""
        return (self.predicted - self.measured) / self.measured


@dataclass(frozen=True)
class Drive:
    """All runs of a drive, the clock fitted to two budgets, and the errors on the others.

    Attributes
    ----------
    runs : tuple of Timed
    fit : Fit
    options : dict
        io, scale, compute in seconds, turns, file.
    """

    runs: tuple[Timed, ...]
    fit: Fit
    options: dict[str, Any]

    @property
    def error(self) -> float | None:
        """Mean of the absolute relative errors of what was predicted; None where nothing was."""
        found = [abs(run.error) for run in self.runs if not run.fitted]
        return statistics.fmean(found) if found else None

    @property
    def null_error(self) -> float | None:
        """The same of the null model."""
        found = [abs(run.null - run.measured) / run.measured for run in self.runs if not run.fitted]
        return statistics.fmean(found) if found else None


class _Load:
    """What one event loads: pages, and the places of the pool where they go."""

    __slots__ = ("pages", "places")

    def __init__(self, pages: tuple[int, ...], places: tuple[int, ...]) -> None:
        self.pages, self.places = pages, places


def drive(
    trace: Trace,
    file: str | Path,
    *,
    policies: Sequence[str],
    slots: Sequence[int],
    tokens: int = 200,
    io: str = "direct",
    scale: float = 1.0,
    compute: float = 0.0,
    turns: int = 3,
    check: bool = False,
    tick: Callable[[str], None] = lambda what: None,
) -> Drive:
    """Drive a real file by a trace, policies in turn (A B A B ...), and fit and test a clock.

    Parameters
    ----------
    trace : Trace
        Must know its sizes; its first ``tokens`` rounds are played, from an empty cache that is never emptied.
    file : path
        Weights; made with random bytes where there is none.  It must have no holes.
    policies : sequence of str
    slots : sequence of int
        Total slots of one shared pool.  The clock is fitted to the smallest and the largest, and predicts the others.
    io : {"direct", "buffered", "mmap"}
        Direct reads pass the page cache by (O_DIRECT); the others show its part.
    scale : float
        Of the experts' sizes, above 0 and at most 1, for small disks.
    compute : float
        Seconds that each layer computes, burnt on one core.
    turns : int
        How often each policy runs at each size.
    check : bool
        Compare the pool with the file after each run.

    Raises
    ------
    ParameterError
        A value out of range; no sizes; a file that cannot be used; too little disk or memory.

    Notes
    -----
    The loads equal those of ``replay`` by the compiled kernel, or the run is refused.  Times are medians over turns.
    """
    choice("io", io, IO)
    tokens, turns = integer("tokens", tokens, 2), integer("turns", turns, 1)
    if not 0 <= compute < 10:
        raise ParameterError(f"must be seconds per layer, from 0 to 10; got {compute!r}", parameter="compute")
    sizes = sorted({integer("slots", s, 1) for s in slots})
    if len(sizes) < 2:
        raise ParameterError(f"a clock is fitted to two numbers of slots and tested on others; got {sizes}")
    part = _first(trace, tokens)
    offsets, width = layout(part, scale)
    total, most = int(width.sum()), int(width.max())
    if sizes[-1] * most > POOL:
        raise ParameterError(
            f"{sizes[-1]} slots of {most:,} bytes are more than {POOL:,} bytes of memory; use a smaller scale"
        )
    path = Path(file)
    if not path.exists():
        tick(f"making {path}: {total:,} bytes")
        make(path, total)
    plans = {(p, s): _planned(part, p, s, tick) for s in sizes for p in policies}
    handle = opened(path, total, io)
    try:
        pool = mmap.mmap(-1, sizes[-1] * most)
        pool[:] = bytes(len(pool))  # every page of memory is there before the first read
        reader = _Reader(handle, pool, offsets.tolist(), width.tolist(), most, io, total)
        taken: dict[tuple[str, int], list[float]] = {key: [] for key in plans}
        for turn in range(turns):
            for key, loads in plans.items():
                tick(f"turn {turn + 1} of {turns}: {key[0]}, {key[1]} slots")
                reader.forget()
                taken[key].append(_timed(reader, loads, compute) / part.rounds)
                if check:
                    reader.check(loads)
        reader.close()
    finally:
        os.close(handle)
    runs = [
        Timed(p, s, part.rounds, sum(len(load.pages) for load in loads), _bytes(loads, width), tuple(taken[p, s]))
        for (p, s), loads in plans.items()
    ]
    options = {"io": io, "scale": scale, "compute": compute, "turns": turns, "file": str(path)}
    return _judged(runs, (sizes[0], sizes[-1]), options)


def _first(trace: Trace, rounds: int) -> Trace:
    """Return the first rounds of a trace as one session."""
    rounds = min(rounds, trace.rounds)
    return Trace(trace.experts[:rounds], trace.n_experts, expert_bytes=trace.expert_bytes)


def _planned(trace: Trace, policy: str, slots: int, tick: Callable[[str], None]) -> list[_Load]:
    """Return the loads of every event with their places in the pool, by the policy's own evictions."""
    tick(f"decisions of {policy} with {slots} slots")
    place: dict[int, int] = {}
    free = list(range(slots))[::-1]
    plan, counted = [], 0
    for step in history(trace, policy, slots):
        gone = [place.pop(page) for page in step.evicted]
        places = []
        for page in step.misses:
            place[page] = free.pop() if free else gone.pop()
            places.append(place[page])
        free += gone
        counted += len(step.misses)
        plan.append(_Load(step.misses, tuple(places)))
    expected = replay(trace, policy, slots).misses
    if counted != expected:  # two roads to one number
        raise AssertionError(f"{policy}, {slots} slots: {counted} loads here, {expected} misses by replay")
    return plan


def _bytes(plan: Sequence[_Load], width: Any) -> int:
    return int(sum(int(width[page]) for load in plan for page in load.pages))


class _Reader:
    """Reads experts from the file into the pool."""

    def __init__(
        self, handle: int, pool: mmap.mmap, offsets: list[int], width: list[int], most: int, io: str, total: int
    ) -> None:
        self.handle, self.offsets, self.width, self.most = handle, offsets, width, most
        self.pool, self.total = memoryview(pool), total
        self.map = mmap.mmap(handle, total, prot=mmap.PROT_READ) if io == "mmap" else None
        self.seen = None if self.map is None else memoryview(self.map)

    def load(self, page: int, place: int) -> None:
        """Read one expert into one place."""
        at, size, begin = self.offsets[page], self.width[page], place * self.most
        target = self.pool[begin : begin + size]
        if self.seen is not None:
            target[:] = self.seen[at : at + size]
            return
        done = 0
        while done < size:
            got = os.preadv(self.handle, [target[done:]], at + done)
            if got <= 0:
                raise ParameterError(f"the file ended at byte {at + done}: it was cut while it was read")
            done += got

    def whole(self) -> None:
        """Raise if the file was cut.

        A mapped file that is cut kills the process (SIGBUS) when the lost part is read, and nothing in Python can catch that.
        So the size is asked before each event that loads from a map.  A map is read in a child process (``guarded``).
        The death of that process is an error like others: a cut within one event.
        """
        size = os.fstat(self.handle).st_size
        if size < self.total:
            raise ParameterError(f"the file must have {self.total:,} bytes; it was cut to {size:,} while it was read")

    def touch(self) -> None:
        """Let this process see all memory of the pool, so that no first access is timed; the pool is lost."""
        zeros = bytes(1 << 20)
        for at in range(0, len(self.pool), len(zeros)):
            part = self.pool[at : at + len(zeros)]
            part[:] = zeros[: len(part)]

    def forget(self) -> None:
        """Ask the system to drop the file from its page cache, so that each run begins alike."""
        if self.map is not None:
            self.map.madvise(mmap.MADV_DONTNEED)
        os.posix_fadvise(self.handle, 0, 0, os.POSIX_FADV_DONTNEED)

    def check(self, plan: Sequence[_Load]) -> None:
        """Raise unless the pool holds, at each place, the expert that was loaded there last."""
        last: dict[int, int] = {}
        for load in plan:
            last |= dict(zip(load.places, load.pages, strict=True))
        buffer = mmap.mmap(-1, self.most)
        for place, page in last.items():
            view = memoryview(buffer)[: self.width[page]]
            if os.preadv(self.handle, [view], self.offsets[page]) != self.width[page]:
                raise AssertionError("the file could not be read again")
            if view != self.pool[place * self.most : place * self.most + self.width[page]]:
                raise AssertionError(f"place {place} does not hold expert page {page}")

    def close(self) -> None:
        """Let go of the map."""
        if self.seen is not None and self.map is not None:
            self.seen.release()
            self.map.close()


def _timed(reader: _Reader, plan: Sequence[_Load], compute: float) -> float:
    """Play the loads once; return the seconds that all tokens took."""
    if reader.map is None:
        return _run(reader, plan, compute)

    def play() -> float:
        reader.touch()
        return _run(reader, plan, compute)

    return guarded(play)


def _run(reader: _Reader, plan: Sequence[_Load], compute: float) -> float:
    """Play the loads once, in this process; return the seconds that all tokens took."""
    clock = time.perf_counter
    reader.whole()
    mapped = reader.map is not None
    begun = clock()
    for load in plan:
        if mapped and load.pages:
            reader.whole()
        for page, place in zip(load.pages, load.places, strict=True):
            reader.load(page, place)
        if compute:
            until = clock() + compute
            while clock() < until:
                pass
    return clock() - begun


def _judged(runs: Sequence[Timed], ends: tuple[int, int], options: dict[str, Any]) -> Drive:
    """Fit the clock to the runs with the smallest and the largest pool, and predict all."""
    known = [run for run in runs if run.slots in ends]
    fitted = fit([run.loaded / run.tokens for run in known], [run.measured for run in known])
    null = statistics.fmean(run.measured for run in known)
    rows = tuple(_predicted(runs, fitted, null, ends))
    return Drive(rows, fitted, options)


def _predicted(runs: Sequence[Timed], fitted: Fit, null: float, ends: tuple[int, int]) -> Iterator[Timed]:
    for run in runs:
        predicted = fitted.clock.token(run.loads / run.tokens, run.loaded / run.tokens)
        yield Timed(
            run.policy, run.slots, run.tokens, run.loads, run.loaded, run.seconds, run.slots in ends, predicted, null
        )
