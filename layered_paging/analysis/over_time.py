"""Hits over time: from an empty cache, after a change of session, and in the steady state."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.arguments import kinds
from ..core.instance import integer
from ..core.tables import Tabular
from ..core.trace import Trace
from ..core.words import counted
from ..engine.run import Run
from ..errors import ParameterError
from .losses import missed_by_round

__all__ = ["REACHED", "OverTime", "over_time"]

REACHED = 0.95  # of the steady state
WINDOW = 8  # rounds
WINDOWS = 64  # that are shown at most

_Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class OverTime(Tabular):
    """Hits of one run over time.

    Attributes
    ----------
    policy : str
    window : int
        Rounds of a window; windows follow each other without a gap.
    horizon : int
        Rounds that are followed after the start of a session: the median length of the sessions.
    sessions, short : int
        Sessions that are that long, which count; those that are shorter, which do not.
    steady : float
        Share of hits in the second half of ``horizon``, over the sessions that count. The first one is left out where the
        cache is kept and others are there.
    third, last : float
        The same of the two quarters of that half.
    settled : bool
        Whether these differ by at most 5 % of ``steady``; if not there is no steady state, and times mean little.
    cold : list of float or None
        Share of hits by window from an empty cache: of the first rounds of the trace where the cache is kept, else of all
        sessions that count together.  None for a window without requests.
    change : list of float or None
        Where the cache is kept: share of hits by window after the start of a session that is not the first, over those
        that count.  Empty where there is none.
    cold_rounds, change_rounds : int or None
        Rounds until the end of the first window that hits 95 % of ``steady`` or more; None if none does.
    """

    policy: str
    window: int
    horizon: int
    sessions: int
    short: int
    steady: float
    third: float
    last: float
    settled: bool
    cold: list[float | None]
    change: list[float | None]
    cold_rounds: int | None
    change_rounds: int | None

    def to_rows(self) -> list[dict[str, Any]]:
        """Return one row per window: rounds at its end, and hits from an empty cache and after a change."""
        rows = []
        for n in range(max(len(self.cold), len(self.change))):
            row: dict[str, Any] = {"rounds": (n + 1) * self.window}
            row["cold"] = self.cold[n] if n < len(self.cold) else None
            row["change"] = self.change[n] if n < len(self.change) else None
            rows.append(row)
        return rows

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON holds them."""
        return asdict(self)

    def sentence(self) -> str:
        """Return the times in words."""

        def after(rounds: int | None, what: str) -> str:
            if rounds is None:
                return f"never within the rounds followed {what}"
            return f"{counted(rounds, 'round')} {what}"

        said = f"{self.policy} hits {100 * self.steady:.1f} % in the steady state and reaches {100 * REACHED:.0f} % of that "
        said += after(self.cold_rounds, "after an empty cache")
        if self.change:
            said += f", and {after(self.change_rounds, 'after a change of session')}"
        said += f" (windows of {counted(self.window, 'round')})."
        if not self.settled:
            said += f" But the state is not steady: {100 * self.third:.1f} % in its first half, {100 * self.last:.1f} % in its second."
        return said


@kinds()
def over_time(trace: Trace, run: Run, window: int | None = None) -> OverTime:
    """Return the hits of a run by window of rounds, and how long it takes to the steady state.

    Parameters
    ----------
    trace : Trace
        The one that was replayed; with merged prefill, ``merged_prefill`` of it.
    run : Run
        Recorded (``record=True``).
    window : int, optional
        Rounds of a window, 1 to half of the horizon; default: 8, or a sixteenth of the horizon where that is less.

    Raises
    ------
    ParameterError
        The run was not recorded or is of another trace. A window out of range. Sessions of one round, or without requests
        in the second half.

    Notes
    -----
    Exact counts; no smoothing.  The first window that reaches the mark may do so by chance where windows hold few
    requests: take longer ones then.  Sessions count by their rounds, whatever their stage.

    Examples
    --------
    >>> import layered_paging as lp
    >>> trace = lp.Trace([[[r % 4]] for r in range(64)], 4)
    >>> found = over_time(trace, lp.replay(trace, "lru", 4, record=True), window=4)
    >>> found.steady, found.cold[:3], found.cold_rounds
    (1.0, [0.0, 1.0, 1.0], 8)
    """
    if run.missed is None or run.missed.shape[0] != trace.rounds:
        raise ParameterError("over time needs the run of this trace, recorded (record=True)")
    asked = (trace.experts >= 0).sum(axis=(1, 2), dtype=np.int64)
    hits = asked - missed_by_round(run, trace)
    lengths = np.diff(np.append(trace.sessions, trace.rounds))
    horizon = int(np.sort(lengths)[len(lengths) // 2])
    if horizon < 2:
        raise ParameterError(f"over time needs sessions of two rounds or more; the median has {horizon}")
    step = max(1, min(WINDOW, horizon // 16)) if window is None else integer("window", window, 1)
    if 2 * step > horizon:
        raise ParameterError(
            f"must be at most {horizon // 2}, half of the median session; got {step}", parameter="window"
        )
    kept = run.options["reset"] == "never"
    count = lengths >= horizon
    starts = trace.sessions[count]
    later = starts[starts > 0] if kept else starts
    settling = later if len(later) else starts

    def share(begins: _Ints, first: int, end: int) -> float | None:
        rows = begins[:, None] + np.arange(first, end)
        total = int(asked[rows].sum())
        return int(hits[rows].sum()) / total if total else None

    half, quarter = horizon // 2, horizon - horizon // 4
    steady = share(settling, half, horizon)
    if steady is None:
        raise ParameterError(f"over time needs requests in rounds {half} to {horizon - 1} of a session; got none")
    third, last = share(settling, half, quarter), share(settling, quarter, horizon)
    third, last = steady if third is None else third, steady if last is None else last
    every = [(first, first + step) for first in range(0, horizon - step + 1, step)]
    whole = [(first, first + step) for first in range(0, trace.rounds - step + 1, step)]
    first_one = np.zeros(1, np.int64)
    cold = [share(first_one, *part) for part in whole] if kept else [share(starts, *part) for part in every]
    change = [share(later, *part) for part in every] if kept and len(later) else []
    return OverTime(
        policy=run.policy,
        window=step,
        horizon=horizon,
        sessions=int(count.sum()),
        short=int((~count).sum()),
        steady=steady,
        third=third,
        last=last,
        settled=abs(last - third) <= (1 - REACHED) * steady,
        cold=cold[:WINDOWS],
        change=change[:WINDOWS],
        cold_rounds=_reached(cold, steady, step),
        change_rounds=_reached(change, steady, step),
    )


def _reached(shares: list[float | None], steady: float, step: int) -> int | None:
    found = (n for n, share in enumerate(shares, start=1) if share is not None and share >= REACHED * steady)
    first = next(found, None)
    return None if first is None else first * step
