"""How much of the gap between a base policy and the optimum other policies close, cell by cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from numbers import Rational
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.arguments import is_real, kinds
from ..core.instance import shown
from ..core.layout import lay_out, merged_prefill, quotas
from ..core.rules import ADMISSIONS, POOLS, PREFILLS, RESETS, Traffic, choice
from ..core.stats import half_width
from ..core.tables import Tabular
from ..core.trace import Trace
from ..engine.choice import foreseen
from ..engine.run import replay
from ..errors import ParameterError
from ..offline import optimum
from ..policies.names import resolve
from ..policies.spec import PolicySpec
from .losses import one_size

__all__ = ["TOKENS", "Cell", "Gap", "Gaps", "gap_table"]

TOKENS = (Fraction(5, 4), Fraction(3, 2), Fraction(2), Fraction(3), Fraction(4))
MOST = Fraction(9, 10)  # of all pages: larger caches leave no gap worth the name


@dataclass(frozen=True)
class Cell:
    """One policy on one trace at one capacity.

    Attributes
    ----------
    policy, trace, reset : str
    tokens : str
        The capacity in tokens' demand, as a fraction such as "5/4".
    slots : int
    misses, base, optimum : int
        Of the policy, of the base policy, of the optimum.
    bytes, base_bytes, optimum_bytes : int or None
        Bytes that they load; None where sizes are unknown, of the optimum also where they differ.
    rounds : int
        Of the trace.
    share : float or None
        (base - misses) / (base - optimum); None where the optimum misses as often as the base policy.
    margin : float or None
        Half width of the 95 % interval of ``share`` over sessions; None with fewer than two.
    """

    policy: str
    trace: str
    reset: str
    tokens: str
    slots: int
    misses: int
    base: int
    optimum: int
    share: float | None
    margin: float | None
    bytes: int | None = None
    base_bytes: int | None = None
    optimum_bytes: int | None = None
    rounds: int = 0


@dataclass(frozen=True)
class Gap:
    """Mean share of one policy on one trace over its capacities.

    Attributes
    ----------
    policy, trace, reset : str
        ``trace`` is "all" for the mean over traces, equal weight each.
    share, margin : float or None
        As for a cell; a mean over traces has no margin where a trace has fewer than two sessions.
    worst : float or None
        The smallest share of a cell.
    cells, left_out : int
        Cells counted; cells without a gap.
    """

    policy: str
    trace: str
    reset: str
    share: float | None
    margin: float | None
    worst: float | None
    cells: int
    left_out: int


@dataclass(frozen=True)
class Gaps(Tabular):
    """What ``gap_table`` found.

    Attributes
    ----------
    base, admission, pool : str
    sessions : dict
        Sessions of each trace.
    cells : list of Cell
    gaps : list of Gap
        By policy, trace and reset, then over all traces.
    """

    base: str
    admission: str
    pool: str
    sessions: dict[str, int]
    cells: list[Cell]
    gaps: list[Gap]

    def to_rows(self) -> list[dict[str, Any]]:
        """Return one row per policy, trace and reset, then the means over all traces."""
        return [asdict(gap) for gap in self.gaps]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, as JSON holds it."""
        return asdict(self)


_Ints = npt.NDArray[np.int64]


@kinds("tokens")
def gap_table(
    traces: Mapping[str, Trace],
    policies: Sequence[str | type | PolicySpec] = ("similar-rounds",),
    *,
    base: str | type | PolicySpec = "llru",
    tokens: Sequence[float | Fraction] = TOKENS,
    admission: str = "forced",
    pool: str = "shared",
    resets: Sequence[str] = ("never", "session"),
    prefill: str = "token",
    traffic: Traffic | None = None,
    progress: Callable[[int], object] | None = None,
) -> Gaps:
    """Return the share of the gap between a base policy and the optimum that policies close.

    Parameters
    ----------
    traces : mapping
        Name to trace, at least one.
    policies : sequence of str, class or PolicySpec
    base : str, class or PolicySpec
        The policy that closes nothing; with ``"lru"`` the table is of the gap LRU-to-optimum.
    tokens : sequence of numbers
        Capacities in units of one token's demand (layers with requests times ``top_k``), rounded half up. Those of
        nine tenths of all pages or more are left out, and so are those that hold no event of their pool.
    admission : {"forced", "bypass"}
        Of the policies and of the optimum.
    pool : {"shared", "per-layer"}
        Of the policies and of the optimum.
    resets : sequence of {"never", "session", "cache"}
    prefill : {"token", "merged"}
        Merged: prompts are replayed layer by layer at once, as engines serve them; cells that cannot hold such an event
        are left out.
    traffic : Traffic, optional
        Of the policies, with admission "bypass", whose optimum no policy under such rules beats.
    progress : callable, optional
        Called with the number of cells done.

    Returns
    -------
    Gaps

    Raises
    ------
    ParameterError
        No trace, policy, reset or capacity; a capacity that is not above 0; a name given twice.
    NotRegistered
        A policy of an unknown name.

    Notes
    -----
    Margins are paired over sessions.  A share is a ratio of sums, so its variance comes from the delta method: that of the
    session means of (base - misses) - share * (base - optimum), divided by the mean gap.  The interval is Student's with
    sessions - 1 degrees of freedom.  Sessions are taken as independent, which
    with ``reset="never"`` they are only nearly.  Sessions' misses of the optimum are those of one optimal
    schedule.  Exact but for the margins and the final divisions.

    Examples
    --------
    >>> import layered_paging as lp
    >>> trace = lp.workloads.zipf(4, 16, 200, top_k=2, seed=1, sessions=4)
    >>> found = gap_table({"zipf": trace}, ["lfu"], resets=["never"], tokens=[2])
    >>> cell = found.cells[0]
    >>> cell.slots, round(cell.share, 2) == round((cell.base - cell.misses) / (cell.base - cell.optimum), 2)
    (16, True)
    """
    choice("admission", admission, ADMISSIONS)
    choice("pool", pool, POOLS)
    choice("prefill", prefill, PREFILLS)
    for reset in resets:
        choice("reset", reset, RESETS)
    kept_loads = traffic or Traffic()
    if not kept_loads.plain and admission == "forced":
        raise ParameterError(
            "rules of traffic drop loads, so the forced optimum is no bound under them", ways=[("admission", "bypass")]
        )
    first = resolve(base)
    specs = [resolve(policy) for policy in policies]
    if (
        isinstance(tokens, (str, bytes))
        or not isinstance(tokens, (Sequence, np.ndarray))
        or getattr(tokens, "ndim", 1) == 0
    ):
        raise ParameterError(f"must be a sequence of numbers above 0; got {shown(tokens)}", parameter="tokens")
    sizes = [_number(number) for number in tokens]
    for what, names in (
        ("traces", list(traces)),
        ("policies", [spec.name for spec in specs]),
        ("resets", list(resets)),
        ("tokens", sizes),
    ):
        if not names or len(set(names)) < len(names):
            raise ParameterError(f"must be one or more, each once; got {[str(name) for name in names]}", parameter=what)
    cells: list[Cell] = []
    gaps: list[Gap] = []
    kept: dict[tuple[str, str], list[tuple[float | None, _Ints | None]]] = {}
    done, whole = 0, len(resets) * len(traces) * len(sizes)
    for reset in resets:
        for name, plain in traces.items():
            trace = plain if prefill == "token" else merged_prefill(plain)
            largest, each = lay_out(trace).largest_events(), one_size(trace)
            for size in sizes:
                slots = int(size * int(trace.asked.sum()) * plain.top_k + Fraction(1, 2))
                least = int(largest.max())
                if pool == "per-layer":
                    shares = quotas(slots, trace.layers, trace.asked)
                    least = 0 if all(q >= n for q, n in zip(shares, largest.tolist(), strict=True)) else slots + 1
                done += 1
                pages = int(np.asarray(trace.n_experts)[trace.asked].sum())
                if slots >= MOST * pages or (admission == "forced" and slots < least):
                    continue
                options: dict[str, Any] = {"pool": pool, "reset": reset, "admission": admission}
                with foreseen(whole - done + 1):
                    basis, *runs = (replay(trace, one, slots, **options, traffic=kept_loads) for one in (first, *specs))
                one = basis.misses_by_session.sum(axis=1)
                best = optimum(trace, slots, **options).misses_by_session.sum(axis=1)
                for spec, run in zip(specs, runs, strict=True):
                    got = run.misses_by_session.sum(axis=1)
                    share, off = _share(one - got, one - best)
                    kept.setdefault((spec.name, reset + "/" + name), []).append((share, off))
                    margin = None if off is None else _margin(off)
                    counts = (int(got.sum()), int(one.sum()), int(best.sum()))
                    loads = (run.bytes_read, basis.bytes_read, None if each is None else each * counts[2])
                    row = (spec.name, name, reset, str(size), slots, *counts, share, margin, *loads, plain.rounds)
                    cells.append(Cell(*row))
                if progress is not None:
                    progress(done)
    for spec in specs:
        for reset in resets:
            rows = [_mean(spec.name, name, reset, kept.get((spec.name, reset + "/" + name), [])) for name in traces]
            gaps += rows + ([_over(rows, spec.name, reset)] if len(rows) > 1 else [])
    sessions = {name: len(trace.sessions) for name, trace in traces.items()}
    return Gaps(first.name, admission, pool, sessions, cells, gaps)


def _number(value: float | Fraction) -> Fraction:
    plain = value if isinstance(value, Rational) else str(value)  # 1.1 is 11/10
    number = Fraction(plain) if is_real(value) else Fraction(0)
    if not 0 < number <= 10**6:
        raise ParameterError(f"must be numbers above 0, at most a million; got {shown(value)}", parameter="tokens")
    return number


def _share(closed: _Ints, gap: _Ints) -> tuple[float | None, Any]:
    """Return the share, and by session how far it is off, as a share of the mean gap."""
    whole = int(gap.sum())
    if whole == 0:
        return None, None
    share = int(closed.sum()) / whole
    return share, None if len(gap) < 2 else (closed - share * gap) / (whole / len(gap))


def _margin(off: Any) -> float:
    return half_width(off.tolist())


def _mean(policy: str, trace: str, reset: str, cells: Sequence[tuple[float | None, Any]]) -> Gap:
    known = [(share, off) for share, off in cells if share is not None]
    shares = [share for share, _ in known]
    if not shares:
        return Gap(policy, trace, reset, None, None, None, 0, len(cells))
    paired = all(off is not None for _, off in known)
    margin = _margin(np.mean([off for _, off in known], axis=0)) if paired else None
    return Gap(policy, trace, reset, float(np.mean(shares)), margin, min(shares), len(shares), len(cells) - len(shares))


def _over(rows: Sequence[Gap], policy: str, reset: str) -> Gap:
    known = [row for row in rows if row.share is not None]
    shares = [row.share for row in known if row.share is not None]
    margins = [row.margin for row in known if row.margin is not None]
    margin = None
    if margins and len(margins) == len(known):
        margin = sum(m * m for m in margins) ** 0.5 / len(margins)
    return Gap(
        policy,
        "all",
        reset,
        float(np.mean(shares)) if shares else None,
        margin,
        min((row.worst for row in known if row.worst is not None), default=None),
        sum(row.cells for row in rows),
        sum(row.left_out for row in rows),
    )
