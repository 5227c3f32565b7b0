"""How much a comparison of two policies on a trace is worth as evidence: distinct sessions, or nothing."""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.arguments import kinds
from ..core.stats import half_width
from ..core.trace import Trace
from ..engine.run import Run
from .losses import missed_by_round

__all__ = ["BLOCKS", "Evidence", "HeldOut", "distinct_sessions", "held_out", "weigh", "weigh_rounds"]

BLOCKS = 10  # of the rounds of a single session
ALIKE = 0.9  # share of the events of a session that makes it a copy of an earlier one
COMPARED = 1_000  # sessions, of which each is compared with those before it
HEAD = 16  # rounds at the start, where a copy has at least half of that share

Ids = npt.NDArray[np.integer[Any]]


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
    half_blocks : float or None
        With one distinct session: half width of the 95 % interval over its blocks, which says nothing of other sessions.
    """

    sessions: int
    distinct: int
    mean: float
    half: float | None
    better: int
    blocks: int | None = None
    better_blocks: int | None = None
    half_blocks: float | None = None

    @property
    def settled(self) -> bool:
        """Whether the interval lies above 0, and most distinct sessions agree."""
        return self.half is not None and self.mean > self.half and 2 * self.better > self.distinct


@dataclass(frozen=True)
class HeldOut:
    """A policy chosen on every other distinct session, and what was missed on the rest.

    Attributes
    ----------
    policy : str
        The one that misses least on the sessions that choose; the one in use if it is as good.
    misses, in_use, least : int
        On the sessions that judge: of that policy, of the one in use, and the least of any.
    judged : int
        Sessions that judge; 0 where there is one distinct session, and the others are then of that session.
    """

    policy: str
    misses: int
    in_use: int
    least: int
    judged: int

    @property
    def saved(self) -> float | None:
        """Share of the misses of the policy in use; None where nothing judges."""
        if not self.judged:
            return None
        return 1 - self.misses / self.in_use if self.in_use else 0.0


@kinds()
def held_out(runs: Mapping[str, Run], using: str, groups: list[list[int]]) -> HeldOut:
    """Choose a policy on every other distinct session and judge it on the rest; all sessions stand as they were replayed.

    Parameters
    ----------
    runs : mapping
        Name to run of the same trace; ``using`` is one of them.
    using : str
    groups : list of list of int
        As ``distinct_sessions`` returns them, at least one.
    """
    first = [group[0] for group in groups]
    misses = {name: run.misses_by_session.sum(axis=1)[first] for name, run in runs.items()}
    chosen = min(misses, key=lambda name: (int(misses[name][0::2].sum()), name != using))
    part = slice(1, None, 2) if len(first) > 1 else slice(None)
    rest = {name: int(counts[part].sum()) for name, counts in misses.items()}
    return HeldOut(chosen, rest[chosen], rest[using], min(rest.values()), len(first) // 2)


@kinds()
def distinct_sessions(trace: Trace) -> list[list[int]]:
    """Return the sessions that have a request, in groups of copies, by the order in which they first come.

    A session is a copy of an earlier one if it asks for the same experts, round by round and stage by stage.
    It is also one if two things hold.  At least ``ALIKE`` of its events are those of the earlier one at the same place.
    At most half of them are where the earlier one is shifted by a round.
    Beyond ``COMPARED`` sessions only the first kind is looked for.

    Examples
    --------
    >>> distinct_sessions(Trace([[0], [1], [0], [1], [1]], sessions=[0, 2, 4]))
    [[0, 1], [2]]
    """
    ends = np.append(trace.sessions[1:], trace.rounds)
    groups: dict[bytes, list[int]] = {}
    spans = list(zip(trace.sessions.tolist(), ends.tolist(), strict=True))
    for number, (begin, end) in enumerate(spans):
        experts = trace.experts[begin:end]
        if (experts >= 0).any():
            sha = hashlib.sha256(np.ascontiguousarray(experts).tobytes())
            sha.update(trace.stage[begin:end].tobytes())
            groups.setdefault(sha.digest(), []).append(number)
    if len(groups) > COMPARED:
        return list(groups.values())
    found: list[list[int]] = []
    heads = np.zeros((len(groups), HEAD * trace.layers), np.uint64)
    scale = np.uint64(0x9E3779B97F4A7C15) ** np.arange(1, trace.experts.shape[2] + 1, dtype=np.uint64)
    for group in groups.values():
        begin, end = spans[group[0]]
        asked = trace.experts[begin:end]
        # a number for each event of the first rounds, 0 where there is none: most pairs differ there
        head = ((asked[:HEAD].astype(np.int64) + 1).astype(np.uint64) * scale).sum(axis=2).ravel()
        some = np.flatnonzero(head)
        alike = (heads[: len(found), some] == head[some]).sum(axis=1)
        heads[len(found)] = 0
        heads[len(found), : len(head)] = head
        near = next(
            (
                found[at]
                for at in np.flatnonzero(2 * alike >= ALIKE * len(some)).tolist()
                if _copies(trace.experts[slice(*spans[found[at][0]])], asked)
            ),
            None,
        )
        if near is None:
            found.append(group)
        else:
            near.extend(group)
    return [sorted(group) for group in found]


def _copies(first: Ids, later: Ids) -> bool:
    """Return whether a session copies an earlier one but for a few events."""
    same = min(len(first), len(later))
    events = int((later >= 0).any(axis=2).sum())
    if same < 2:
        return False
    return (
        _equal(first[:same], later[:same]) >= ALIKE * events and 2 * _equal(first[: same - 1], later[1:same]) <= events
    )


def _equal(first: Ids, later: Ids) -> int:
    """Return how many events of two arrays of rounds are equal at the same place."""
    return int(((first == later).all(axis=2) & (later >= 0).any(axis=2)).sum())


@kinds()
def weigh(trace: Trace, first: Run, second: Run, groups: list[list[int]]) -> Evidence:
    """Compare two runs of a trace over its distinct sessions.

    Notes
    -----
    Copies count once, with the mean of their misses.  The interval is Student's of the ratio of sums by the
    delta method.  With one distinct session both runs must have been recorded.
    """
    if len(groups) < 2:
        return weigh_rounds(trace, groups, *(missed_by_round(run, trace) for run in (first, second)))
    return _over_sessions(groups, *(run.misses_by_session.sum(axis=1) for run in (first, second)))


def weigh_rounds(
    trace: Trace, groups: list[list[int]], first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]
) -> Evidence:
    """Compare two costs of a trace, each given by round, shape (rounds,), as ``weigh`` compares misses."""
    if len(groups) < 2:
        return _within(trace, groups, first, second)
    return _over_sessions(groups, *(np.add.reduceat(cost, trace.sessions) for cost in (first, second)))


def _over_sessions(groups: list[list[int]], first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]) -> Evidence:
    before, after = (np.array([statistics.fmean(cost[g].tolist()) for g in groups]) for cost in (first, second))
    mean, half = _saved(before, after)
    return Evidence(sum(map(len, groups)), len(groups), mean, half, int((after < before).sum()))


def _within(
    trace: Trace, groups: list[list[int]], first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]
) -> Evidence:
    number = min(BLOCKS, trace.rounds)
    blocks = np.zeros((2, number), np.int64)
    at = np.arange(trace.rounds) * number // trace.rounds
    for row, cost in zip(blocks, (first, second), strict=True):
        np.add.at(row, at, cost)
    mean, half = _saved(*blocks)
    better = int(blocks[1].sum() < blocks[0].sum())
    seen = int((blocks[1] < blocks[0]).sum())
    return Evidence(sum(map(len, groups)), len(groups), mean, None, better, number, seen, half if number > 1 else None)


def _saved(before: npt.NDArray[Any], after: npt.NDArray[Any]) -> tuple[float, float]:
    """Return the share that is saved, and the half width of its interval (0 for a single part)."""
    total = float(before.sum())
    if not total:
        return 0.0, 0.0
    mean = float((before - after).sum()) / total
    if len(before) < 2:
        return mean, 0.0
    off = ((before - after) - mean * before) / (total / len(before))
    return mean, half_width(off.tolist())
