"""Drift: where a trace no longer behaves as a profile says, and sessions chosen by what they are about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.arguments import kinds
from ..core.instance import integer
from ..core.trace import Trace
from .profile import Profile, jensen_shannon

__all__ = ["Block", "drift"]


@dataclass(frozen=True)
class Block:
    """How one block of rounds compares with a profile.

    Attributes
    ----------
    session, first, rounds : int
        Where the block lies.
    distance : float
        Jensen-Shannon distance to the profile, mean over layers.
    before : float or None
        The same to the block before it in its session; None for a session's first block.
    covered, covered_before : float, float or None
        Share of the block's requests for the ``top`` hottest experts of each layer, by the profile and by the block before.
    drifted : bool
        The profile is further from the block than the block before is.
    """

    session: int
    first: int
    rounds: int
    distance: float
    before: float | None
    covered: float
    covered_before: float | None
    drifted: bool


@kinds()
def drift(trace: Trace, profile: Profile, *, window: int = 64, top: int = 8) -> list[Block]:
    """Compare blocks of a trace with a profile, and with what an adaptive counter would know instead.

    Parameters
    ----------
    trace : Trace
    profile : Profile
    window : int
        Rounds of a block, at least 1; what is left at a session's end (less than half a block) is left out.
    top : int
        Size of a layer's hot set.

    Returns
    -------
    list of Block

    Raises
    ------
    ParameterError
        Another model shape, or a value out of range.

    Notes
    -----
    No threshold is set by hand: a block and the block before it are both small samples, so their distance holds
    the noise of two. A profile of many events has less.  If it is *further* nevertheless, the workload has moved
    by more than the noise, and counting anew beats the profile.
    """
    profile.check(trace)
    window, top = integer("window", window, 1), integer("top", top, 1)
    ends = np.append(trace.sessions[1:], trace.rounds)
    blocks = []
    for session, (start, end) in enumerate(zip(trace.sessions.tolist(), ends.tolist(), strict=True)):
        last: list[Any] | None = None
        for first in range(start, end, window):
            part = trace.experts[first : min(first + window, end)]
            if len(part) < (window + 1) // 2:
                continue
            counts = [
                np.bincount(part[:, j][part[:, j] >= 0], minlength=n).astype(float)
                for j, n in enumerate(trace.n_experts)
            ]
            distance, covered = _against(counts, list(profile.counts), top)
            before, known = (None, None) if last is None else _against(counts, last, top)
            drifted = before is not None and distance > before
            blocks.append(Block(session, first, len(part), distance, before, covered, known, drifted))
            last = counts
    return blocks


def _against(counts: list[Any], other: list[Any], top: int) -> tuple[float, float]:
    far = [jensen_shannon(a, b) for a, b in zip(counts, other, strict=True)]
    far = [x for x in far if x == x]
    hot = sum(float(a[np.argsort(-b, kind="stable")[:top]].sum()) for a, b in zip(counts, other, strict=True))
    return (float(np.mean(far)) if far else 1.0), hot / max(1.0, sum(float(a.sum()) for a in counts))


def asking(trace: Trace) -> list[int]:
    """Return the sessions that have a request."""
    asked = (trace.experts >= 0).any(axis=(1, 2))
    return [int(n) for n in np.flatnonzero(np.logical_or.reduceat(asked, trace.sessions))]
