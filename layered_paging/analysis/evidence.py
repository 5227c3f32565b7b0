"""How much a comparison of two policies on a trace is worth as evidence: distinct sessions, or nothing."""

from __future__ import annotations

import hashlib
import statistics
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..core.stats import half_width
from ..core.trace import Trace
from ..engine.run import Run
from .losses import missed_by_round

__all__ = ["BLOCKS", "Evidence", "distinct_sessions", "weigh"]

BLOCKS = 10  # of the rounds of a single session


@dataclass(frozen=True)
class Evidence:
    """What a second policy saves over a first one, and on how many distinct sessions that was seen.

    Attributes
    ----------
    sessions, distinct : int
        Sessions with a request; those among them that differ.
    mean : float
        (first - second) / first, of the misses summed over distinct sessions; 0 where the first has none.
    half : float or None
        Half width of its 95 % interval over distinct sessions; None with fewer than two.
    better : int
        Distinct sessions in which the second misses less.
    blocks, better_blocks : int or None
        With one distinct session: blocks of rounds it was cut into, and those in which the second misses less.
    """

    sessions: int
    distinct: int
    mean: float
    half: float | None
    better: int
    blocks: int | None = None
    better_blocks: int | None = None

    @property
    def settled(self) -> bool:
        """Whether the interval lies above 0."""
        return self.half is not None and self.mean > self.half


def distinct_sessions(trace: Trace) -> list[list[int]]:
    """Return the sessions that have a request, in groups of equal ones, by the order in which they first come.

    Sessions are equal if they ask for the same experts, round by round and stage by stage.

    Examples
    --------
    >>> distinct_sessions(Trace([[0], [1], [0], [1], [1]], sessions=[0, 2, 4]))
    [[0, 1], [2]]
    """
    ends = np.append(trace.sessions[1:], trace.rounds)
    groups: dict[bytes, list[int]] = {}
    for number, (begin, end) in enumerate(zip(trace.sessions.tolist(), ends.tolist(), strict=True)):
        experts = trace.experts[begin:end]
        if (experts >= 0).any():
            sha = hashlib.sha256(np.ascontiguousarray(experts).tobytes())
            sha.update(trace.stage[begin:end].tobytes())
            groups.setdefault(sha.digest(), []).append(number)
    return list(groups.values())


def weigh(trace: Trace, first: Run, second: Run, groups: list[list[int]]) -> Evidence:
    """Compare two runs of a trace over its distinct sessions.

    Notes
    -----
    Equal sessions count once, with the mean of their misses.  The interval is Student's of the ratio of sums by the
    delta method.  With one distinct session both runs must have been recorded.
    """
    before, after = (_by_group(run, groups) for run in (first, second))
    total = float(before.sum())
    mean = float((before - after).sum()) / total if total else 0.0
    better = int((after < before).sum())
    if len(groups) < 2:
        one, other = (_by_block(run, trace) for run in (first, second))
        return Evidence(sum(map(len, groups)), len(groups), mean, None, better, len(one), int((other < one).sum()))
    half = 0.0
    if total:
        off = ((before - after) - mean * before) / (total / len(groups))
        half = half_width(off.tolist())
    return Evidence(sum(map(len, groups)), len(groups), mean, half, better)


def _by_group(run: Run, groups: list[list[int]]) -> npt.NDArray[np.float64]:
    misses = run.misses_by_session.sum(axis=1)
    return np.array([statistics.fmean(misses[group].tolist()) for group in groups])


def _by_block(run: Run, trace: Trace) -> npt.NDArray[np.int64]:
    number = min(BLOCKS, trace.rounds)
    blocks = np.zeros(number, np.int64)
    np.add.at(blocks, np.arange(trace.rounds) * number // trace.rounds, missed_by_round(run, trace))
    return blocks
