"""The sheet that maintainers ask for before they take a policy: two budgets far apart, a gate, intervals, cost."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.cutting import first_rounds
from ..core.instance import Instance
from ..core.interpreted import compiles
from ..core.layout import lay_out, merged_prefill
from ..core.rules import PREFILLS, RESETS, Rules, choice, without_sizes
from ..core.tables import Tabular
from ..core.trace import Trace
from ..engine.run import Run, informed, replay
from ..engine.twins import twin_of
from ..errors import ParameterError
from ..policies.names import resolve
from ..policies.step import Pool
from .evidence import Evidence, distinct_sessions, weigh_rounds
from .losses import Room, bounds, event_weights, missed_by_round
from .shape import demand

__all__ = ["APART", "GATE", "Compared", "Sheet", "budgets_of", "evidence_sheet", "state_size"]

GATE = 0.03  # of what the other policy loads
APART = 2  # times the smallest budget the largest must be
STATE_ROUNDS = 100  # rounds after which what a policy keeps is counted
TIMED = 2  # replays that are timed; the faster one counts


@dataclass(frozen=True)
class Compared:
    """Two policies at one budget.

    Attributes
    ----------
    size : int
        The budget, in bytes or slots.
    misses, against : int
        Loads of the policy, and of the other one.
    bytes, against_bytes : int or None
        Bytes that they load; None where sizes are unknown.
    optimum, optimum_found, optimum_how : int, int, str
        No forced schedule loads fewer than ``optimum`` experts, and one loads ``optimum_found``; see ``losses.Bounds``.
    closed : float or None
        Share of the gap in loads from the other policy to ``optimum`` that is closed; None where there is none.
    saved : Evidence
        Bytes saved (loads where sizes are unknown) over distinct sessions.
    outcome : str
        ``met``: the interval of ``saved`` lies at the gate or above, and the policy is better in most distinct sessions;
        ``missed``: it lies below; ``open``: it holds the gate, or a few sessions carry all that is saved; ``none``: one session's worth of evidence.
    """

    size: int
    misses: int
    against: int
    bytes: int | None
    against_bytes: int | None
    optimum: int
    optimum_found: int
    optimum_how: str
    closed: float | None
    saved: Evidence
    outcome: str


@dataclass(frozen=True)
class Sheet(Tabular):
    """What ``evidence_sheet`` found.

    Attributes
    ----------
    policy, against : str
    sized : bool
        Whether budgets are bytes.
    gate : float
        Share that must be saved at every budget, fixed before the first replay.
    verdict : str
        ``met``; ``missed``, at a budget or by an inversion; ``open``: more sessions are needed; ``none``: one session's
        worth of evidence.
    compared : list of Compared
        By budget, the smallest first.
    hot : list of Compared
        Where nearly everything and where everything fits: nothing to be gained there, and nothing must be lost.
    inverted : bool
        Whether the policy is worse there: it loses the gate or more where nearly everything fits, and the interval lies
        below 0; or it loads anything more where everything fits.
    tokens, requests, sessions, distinct : int
        Rounds of the trace; requests, sessions with a request, and those that differ.
    state, against_state, state_rounds : int
        Words of 64 bits that the reference classes keep after ``state_rounds`` rounds at the smallest budget.
    nanoseconds, against_nanoseconds : float
        CPU time of a replay per event at the smallest budget, on this machine.
    timed : {"kernel", "reference"}
        What was timed, the same for both: compiled kernels, or the reference loop where one of them has no kernel.
    digest : str
        Of the trace's contents.
    """

    policy: str
    against: str
    sized: bool
    gate: float
    verdict: str
    compared: list[Compared]
    hot: list[Compared]
    inverted: bool
    tokens: int
    requests: int
    sessions: int
    distinct: int
    state: int
    against_state: int
    state_rounds: int
    nanoseconds: float
    against_nanoseconds: float
    timed: str
    digest: str

    def to_rows(self) -> list[dict[str, Any]]:
        """Return one row per budget."""
        rows = []
        for one in [*self.compared, *self.hot]:
            plain = {key: value for key, value in asdict(one).items() if key != "saved"}
            rows.append({**plain, "saved": one.saved.mean, "half": one.saved.half})
        return rows

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON holds them."""
        return asdict(self)


def evidence_sheet(
    trace: Trace,
    policy: str,
    *,
    against: str = "lru",
    sizes: Sequence[int] | None = None,
    sized: bool = False,
    gate: float = GATE,
    reset: str = "never",
    prefill: str = "token",
    progress: Callable[[int], object] = lambda done: None,
) -> Sheet:
    """Gather what a maintainer asks before taking a policy.

    Parameters
    ----------
    trace : Trace
    policy, against : str
        The policy proposed, and the one that is there.
    sizes : sequence of int, optional
        Two budgets or more, the largest at least twice the smallest; default: see ``budgets_of``.
    sized : bool
        Whether budgets are bytes; the trace must know its sizes.
    gate : float
        Share of the bytes (of the loads where sizes are unknown) that must be saved at each budget; 0 to 1.
    reset : {"never", "session", "cache"}
    prefill : {"token", "merged"}
    progress : callable
        Called with the number of budgets done.

    Returns
    -------
    Sheet

    Raises
    ------
    ParameterError
        A gate out of range, budgets too few or too near, a policy that knows the future, or the same policy twice.
    BudgetError
        A budget below the largest event.

    Notes
    -----
    Forced admission, atomic events, one shared pool.  Loads and bytes are exact; intervals are Student's over distinct
    sessions.  The gate stands before the first replay.  If the policy was chosen on this trace, its figures are
    optimistic: give other sessions.
    """
    first, second = resolve(against), resolve(policy)
    for spec in (first, second):
        if spec.offline:
            raise ParameterError(f"policy {spec.name!r} knows the future: no engine can take it")
    if first.name == second.name:
        raise ParameterError(f"must differ; got {first.name!r} twice", parameter=("policy", "against"))
    if not 0 <= gate < 1:
        raise ParameterError(f"must be a share from 0 to below 1; got {gate!r}", parameter="gate")
    choice("reset", reset, RESETS)
    played = merged_prefill(trace) if choice("prefill", prefill, PREFILLS) == "merged" else trace
    wanted = _checked(budgets_of(played, sized) if sizes is None else sizes)
    groups = distinct_sessions(played)
    hot = _hot(played, sized)
    found = []
    for done, size in enumerate([*wanted, *hot], start=1):
        found.append(_compared(played, first.name, second.name, size, sized, gate, reset, groups))
        progress(done)
    compared, warm = found[: len(wanted)], found[len(wanted) :]
    inverted = any(_worse(one, gate) for one in warm) or warm[-1].misses > warm[-1].against
    smallest = Room.of(played, *((None, wanted[0]) if sized else (wanted[0], None)))
    state = [_state(played, spec.name, smallest) for spec in (second, first)]
    timed = "kernel" if compiles() and twin_of(second) and twin_of(first) else "reference"
    spent = [_nanoseconds(played, spec.name, smallest, reset, timed) for spec in (second, first)]
    return Sheet(
        policy=second.name,
        against=first.name,
        sized=sized,
        gate=gate,
        verdict=_verdict(compared, inverted, len(groups)),
        compared=compared,
        hot=warm,
        inverted=inverted,
        tokens=trace.rounds,
        requests=played.requests,
        sessions=sum(map(len, groups)),
        distinct=len(groups),
        state=state[0],
        against_state=state[1],
        state_rounds=min(STATE_ROUNDS, played.rounds),
        nanoseconds=spent[0],
        against_nanoseconds=spent[1],
        timed=timed,
        digest=trace.digest(),
    )


def budgets_of(trace: Trace, sized: bool = False) -> list[int]:
    """Return two budgets far apart: 5/4 of what a median round asks for, and half of all pages that are asked for.

    Where they are nearer than a factor of ``APART``, the larger is that factor times the smaller. Where that is more
    than nine tenths of all pages, they are the largest event and nine tenths.

    Raises
    ------
    ParameterError
        Not even these are far apart: the trace has too few pages.
    """
    room = Room.of(trace, trace.pages, None)
    pages = int(np.asarray(trace.n_experts)[trace.asked].sum())
    least = lay_out(trace).largest_event()
    small = max(least, demand(trace, room)["typical"] * 5 // 4)
    large = max(APART * small, pages // 2)
    if large > pages * 9 // 10:
        small, large = least, pages * 9 // 10
    if large < APART * small:
        raise ParameterError(f"two budgets far apart need more pages than {pages}: events of {least} nearly fill them")
    if not sized:
        return [small, large]
    mine = _sizes(trace)
    widest = int(np.sort(mine)[-least:].sum())
    return [max(widest, int(slots * float(mine.mean()))) for slots in (small, large)]


def state_size(policy: object) -> int:
    """Return how many words of 64 bits a policy keeps: the numbers that can be reached from its attributes.

    A long integer counts as the words it takes, an array or a text of bytes as its size in memory.

    Examples
    --------
    >>> from layered_paging.policies.lru import LRU
    >>> from layered_paging.core.layout import Time
    >>> policy = LRU(Instance(1, 4, 2))
    >>> before = state_size(policy)
    >>> policy.miss(3, Time(0, 0, 0))
    >>> state_size(policy) > before
    True
    """
    seen: set[int] = set()

    def count(value: Any) -> int:
        if isinstance(value, int):
            return max(1, -(-value.bit_length() // 64))
        if isinstance(value, float | np.number):
            return 1
        if value is None or isinstance(value, str | Instance) or callable(value) or id(value) in seen:
            return 0
        seen.add(id(value))
        if isinstance(value, np.ndarray):
            return -(-int(value.nbytes) // 8)
        if isinstance(value, bytes | bytearray):
            return -(-len(value) // 8)
        if isinstance(value, dict):
            return sum(map(count, value)) + sum(map(count, value.values()))
        if hasattr(value, "__iter__"):
            return sum(map(count, value))
        kept = dict(getattr(value, "__dict__", {}))
        kept |= {name: getattr(value, name) for name in getattr(type(value), "__slots__", ()) if hasattr(value, name)}
        return sum(map(count, kept.values()))

    return count(policy)


def _checked(sizes: Sequence[int]) -> list[int]:
    wanted = sorted(set(sizes))
    if len(wanted) < 2 or wanted[-1] < APART * wanted[0]:
        shown = ", ".join(map(str, wanted))
        raise ParameterError(
            f"there must be two budgets or more, the largest at least {APART} times the smallest; got {shown}"
        )
    return wanted


def _sizes(trace: Trace) -> npt.NDArray[np.int64]:
    if trace.page_bytes is None:
        raise without_sizes()
    return trace.page_bytes[np.repeat(trace.asked, trace.n_experts)]


def _hot(trace: Trace, sized: bool) -> list[int]:
    """Return nine tenths of all pages, where the largest event fits, and all of them."""
    whole = int(_sizes(trace).sum()) if sized else int(np.asarray(trace.n_experts)[trace.asked].sum())
    nearly = whole * 9 // 10
    weight = Room(None, nearly, None).weight(trace) if sized else np.ones(trace.pages, np.int64)
    return [nearly, whole] if nearly >= int(event_weights(trace, weight).max()) else [whole]


def _compared(
    trace: Trace, against: str, policy: str, size: int, sized: bool, gate: float, reset: str, groups: list[list[int]]
) -> Compared:
    room = Room.of(trace, *((None, size) if sized else (size, None)))
    one, other = (replay(trace, name, **room.given, reset=reset, record=True) for name in (against, policy))
    saved = weigh_rounds(trace, groups, *(loaded_by_round(run, trace) for run in (one, other)))
    least = bounds(trace, room, reset)
    assert least is not None
    gap = one.misses - least.least
    return Compared(
        size=size,
        misses=other.misses,
        against=one.misses,
        bytes=other.bytes_read,
        against_bytes=one.bytes_read,
        optimum=least.least,
        optimum_found=least.found,
        optimum_how=least.how,
        closed=(one.misses - other.misses) / gap if gap else None,
        saved=saved,
        outcome=_outcome(saved, gate),
    )


def loaded_by_round(run: Run, trace: Trace) -> npt.NDArray[np.int64]:
    """Return the bytes that each round of a recorded run loads; its misses where the trace knows no sizes."""
    assert run.missed is not None
    if trace.page_bytes is None:
        return missed_by_round(run, trace)
    found = np.zeros(trace.rounds, np.int64)
    laid, first = lay_out(trace).experts, trace.first_page[:, None]
    for at in range(0, trace.rounds, 4096):
        missed = run.missed[at : at + 4096]
        loaded = np.where(missed, trace.page_bytes[np.where(missed, laid[at : at + 4096] + first, 0)], 0)
        found[at : at + 4096] = loaded.reshape(len(loaded), -1).sum(axis=1)
    return found


def _outcome(saved: Evidence, gate: float) -> str:
    if saved.half is None:
        return "none"
    if saved.mean - saved.half >= gate:  # a few sessions that carry all of it are not enough
        return "met" if 2 * saved.better > saved.distinct or saved.mean == 0 else "open"
    return "missed" if saved.mean + saved.half < gate else "open"


def _worse(one: Compared, gate: float) -> bool:
    """Whether the policy loses the gate or more, beyond its interval (which a single session has not)."""
    return one.saved.mean <= -gate and one.saved.mean + (one.saved.half or 0.0) < 0


def _verdict(compared: Sequence[Compared], inverted: bool, distinct: int) -> str:
    if distinct < 2:
        return "none"
    outcomes = {one.outcome for one in compared}
    if inverted or "missed" in outcomes:
        return "missed"
    return "open" if "open" in outcomes else "met"


def _state(trace: Trace, name: str, room: Room) -> int:
    """Return the numbers that the reference class keeps after the first rounds."""
    start = first_rounds(trace, STATE_ROUNDS)
    grid = lay_out(start)
    spec = informed(resolve(name), None, start, grid, Rules())
    policy = spec.make(Instance(trace.layers, trace.n_experts, room.held or trace.pages))
    pool = Pool(policy, room.capacity, sizes=None if room.budget_bytes is None else trace.page_bytes)
    for event in grid.events():
        pool.serve(event.pages, event.time)
    return state_size(policy)


def _nanoseconds(trace: Trace, name: str, room: Room, reset: str, engine: str) -> float:
    """Return the CPU time of a replay per event; what is compiled is compiled before."""
    events = int((trace.experts >= 0).any(axis=2).sum())
    spent = []
    replay(trace, name, **room.given, reset=reset, engine=engine)
    for _ in range(TIMED):
        begin = time.process_time_ns()
        replay(trace, name, **room.given, reset=reset, engine=engine)
        spent.append(time.process_time_ns() - begin)
    return min(spent) / events
