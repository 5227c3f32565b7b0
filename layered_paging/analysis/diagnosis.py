"""Say whether the policy or the working set is at fault, and what would help."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.instance import integer
from ..core.layout import lay_out
from ..core.trace import DECODE, Trace
from ..core.words import counted
from ..engine.curves import miss_curve, optimum_curve
from ..engine.run import Run, replay, totals_of
from ..errors import BudgetError
from ..policies.names import resolve

__all__ = ["Diagnosis", "diagnose"]

WEIGHTED = 100_000  # requests up to which the weighted optimum is computed along
USUAL = ("lru", "llru", "similar-rounds", "lfu", "lfu-decay", "slru", "sieve", "s3-fifo", "arc", "least-stale", "fifo")


@dataclass(frozen=True)
class Diagnosis:
    """What ``diagnose`` found; counts are of expert requests.

    Attributes
    ----------
    verdict : str
        The largest part of the misses: ``policy`` (lost by the policy), ``working set`` (unavoidable
        at this capacity) or ``cold`` (first requests).
    slots, pages, requests : int
    budget_bytes : int or None
        As given; ``slots`` is then what it holds at the mean size of an expert.
    demand : int
        Experts that one token asks for over all layers, at the most.
    even : bool
        Whether every token asks for so many, and every event for ``top_k``.
    top_k : int
        Size of the largest event.
    policy : str
        The policy under suspicion.
    misses, optimum, compulsory : int
        Of that policy, of the forced optimum, and of any policy whatever.
    touched : int
        Pages that are asked for at all: what ``compulsory`` would be if the cache were never emptied.
    by_policy : dict
        Misses of each policy tried; ``None`` where the budget is not legal for it.
    best : str
        The one with the fewest misses.
    bypass, per_layer_optimum, per_layer_best, doubled, doubled_optimum : int or None
        Misses: of the bypass optimum; of the optimum and of the policy ``best`` with a per-layer pool; of
        ``best`` and of the optimum with twice the slots.
    bytes_read, optimum_bytes : int or None
        Where the trace knows its sizes: bytes that ``policy`` loads, and the least that any forced schedule
        with so many slots loads (the weighted optimum; not computed for unequal sizes beyond
        ``WEIGHTED`` requests).
    coverage : dict
        Share of all requests that the hottest 10, 25 and 50 % of the pages receive, and the
        hottest ``slots`` pages.
    repeated : float
        Share of the requests that the same layer also made one round before.
    reuse : dict
        10, 25, 50, 75 and 90 % points of the reuse distance: the slots that LRU needs to hit a repeated
        request.  Empty where nothing is repeated.
    sentences : list of str
        The findings in words.
    """

    verdict: str
    slots: int
    pages: int
    requests: int
    budget_bytes: int | None
    demand: int
    even: bool
    top_k: int
    policy: str
    misses: int
    optimum: int
    compulsory: int
    touched: int
    by_policy: dict[str, int | None]
    best: str
    bypass: int
    per_layer_optimum: int | None
    per_layer_best: int | None
    doubled: int
    doubled_optimum: int
    bytes_read: int | None
    optimum_bytes: int | None
    coverage: dict[str, float]
    repeated: float
    reuse: dict[str, int]
    sentences: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON holds them."""
        return asdict(self)


def diagnose(
    trace: Trace,
    slots: int | None = None,
    *,
    budget_bytes: int | None = None,
    policy: str = "lru",
    policies: Sequence[str] = USUAL,
    reset: str = "never",
    progress: Callable[[int], object] | None = None,
) -> Diagnosis:
    """Diagnose a trace at a budget: is it the policy, or is it the working set?

    Parameters
    ----------
    trace : Trace
    slots : int, optional
    budget_bytes : int, optional
        One of the two.  Bytes need a trace with sizes; they are turned into slots at the mean size.
    policy : str
        The policy in use, whose misses are split.
    policies : sequence of str
        The policies to compare it with.
    reset : {"never", "session", "cache"}
    progress : callable, optional
        Called with the number of policies replayed so far.

    Returns
    -------
    Diagnosis

    Raises
    ------
    BudgetError
        No budget or two, or one below the largest event.

    Notes
    -----
    Forced admission, atomic events.  All counts are exact; costs one replay per policy and pool,
    and three passes over all capacities.
    """
    return diagnosed(trace, slots, budget_bytes, policy, policies, reset, progress)[0]


def diagnosed(
    trace: Trace,
    slots: int | None,
    budget_bytes: int | None,
    policy: str,
    policies: Sequence[str],
    reset: str,
    progress: Callable[[int], object] | None,
    record: bool = False,
) -> tuple[Diagnosis, dict[str, Run]]:
    """Return what ``diagnose`` returns, and the runs by policy that fit; that of the policy in use with its hits, if ``record``."""
    slots = _slots(trace, slots, budget_bytes)
    grid = lay_out(trace)
    largest = grid.largest_event()
    if slots < largest:
        if budget_bytes is not None:
            raise BudgetError(
                f"budget_bytes must hold the largest event ({largest} experts); got {budget_bytes}, "
                f"which hold {slots} of average size"
            )
        raise BudgetError(f"slots must hold the largest event ({largest}); got {slots}")
    totals = totals_of(trace, grid, reset)
    requests = int(totals.requests.sum())
    forced = optimum_curve(trace, admission="forced", reset=reset)
    bypass = optimum_curve(trace, admission="bypass", reset=reset)
    at = min(slots, trace.pages)
    twice = min(2 * slots, trace.pages)
    names = [resolve(name).name for name in dict.fromkeys((policy, *policies))]
    runs: dict[str, Run] = {}
    for done, name in enumerate(names, start=1):
        run = _run(trace, name, slots, "shared", reset, record and name == names[0])
        if run is not None:
            runs[name] = run
        if progress is not None:
            progress(done)
    known = {name: run.misses for name, run in runs.items()}
    best = min(known, key=lambda name: (known[name], names.index(name)))
    reuse = miss_curve(trace, "lru", reset=reset)
    misses, optimum = known[names[0]], int(forced[at])
    demand, even = _demand(trace)
    found: dict[str, Any] = {
        "slots": slots,
        "pages": trace.pages,
        "requests": requests,
        "budget_bytes": budget_bytes,
        "demand": demand,
        "even": even,
        "top_k": largest,
        "policy": names[0],
        "misses": misses,
        "optimum": optimum,
        "compulsory": totals.compulsory,
        "touched": _touched(trace),
        "by_policy": {name: known.get(name) for name in names},
        "best": best,
        "bypass": int(bypass[at]),
        "per_layer_optimum": _misses(trace, "belady", slots, "per-layer", reset),
        "per_layer_best": _misses(trace, best, slots, "per-layer", reset),
        "doubled": _misses(trace, best, 2 * slots, "shared", reset),
        "doubled_optimum": int(forced[twice]),
        "bytes_read": None,
        "optimum_bytes": None,
        "coverage": _coverage(trace, slots),
        "repeated": _repeated(trace),
        "reuse": _quantiles(reuse, requests, largest),
    }
    if trace.expert_bytes is not None:
        found["bytes_read"] = runs[names[0]].bytes_read
        found["optimum_bytes"] = _least_bytes(trace, slots, reset, optimum)
    parts = {
        "cold": totals.compulsory,
        "working set": optimum - totals.compulsory,
        "policy": misses - optimum,
    }
    verdict = max(("policy", "working set", "cold"), key=lambda name: parts[name])
    return Diagnosis(verdict=verdict, sentences=_sentences(found, parts, verdict), **found), runs


def _slots(trace: Trace, slots: int | None, budget_bytes: int | None) -> int:
    if (slots is None) == (budget_bytes is None):
        raise BudgetError("give slots or budget_bytes, one of them")
    if slots is not None:
        return integer("slots", slots, 1)
    total = integer("budget_bytes", budget_bytes, 1)
    sizes = trace.page_bytes
    if sizes is None:
        raise BudgetError("budget_bytes needs a trace with expert_bytes; this one has none (give slots instead)")
    held = total * len(sizes) // int(sizes.sum())
    if held < 1:
        raise BudgetError(f"budget_bytes must hold an expert ({int(sizes.mean())} bytes on average); got {total}")
    return held


def _least_bytes(trace: Trace, slots: int, reset: str, misses: int) -> int | None:
    sizes = trace.expert_bytes
    assert sizes is not None
    if int(sizes.min()) == int(sizes.max()):
        return misses * int(sizes[0])
    if trace.requests > WEIGHTED:
        return None
    from ..offline import optimum

    resets = "never" if reset == "never" else "session"
    return optimum(trace, slots, admission="forced", reset=resets, costs="bytes").cost


def _run(trace: Trace, policy: str, slots: int, pool: str, reset: str, record: bool = False) -> Run | None:
    try:
        return replay(trace, policy, slots, pool=pool, reset=reset, record=record)
    except BudgetError:
        return None


def _misses(trace: Trace, policy: str, slots: int, pool: str, reset: str) -> int | None:
    run = _run(trace, policy, slots, pool, reset)
    return None if run is None else run.misses


def _demand(trace: Trace) -> tuple[int, bool]:
    """Return the largest number of experts of a decode round (any round if none is), and whether all events are full."""
    decode = trace.stage == DECODE
    if not decode.any():
        decode = ~decode
    largest, even = 0, True
    for at in range(0, trace.rounds, 65536):
        present = trace.experts[at : at + 65536] >= 0
        even = even and bool(present.all())
        rounds = present.sum(axis=(1, 2))[decode[at : at + 65536]]
        largest = max([largest, *rounds.tolist()])
    return largest, even


def _coverage(trace: Trace, slots: int) -> dict[str, float]:
    uses = np.zeros(trace.pages, np.int64)
    first = trace.first_page[:, None]
    for at in range(0, trace.rounds, 65536):
        part = trace.experts[at : at + 65536]
        uses += np.bincount((part + first)[part >= 0], minlength=trace.pages)
    share = np.cumsum(np.sort(uses)[::-1]) / uses.sum()
    marks = {f"{p} %": max(1, trace.pages * p // 100) for p in (10, 25, 50)}
    marks[f"{min(slots, trace.pages)} slots"] = min(slots, trace.pages)
    return {name: round(float(share[n - 1]), 6) for name, n in marks.items()}


def _touched(trace: Trace) -> int:
    seen = np.zeros(trace.pages, bool)
    first = trace.first_page[:, None]
    for at in range(0, trace.rounds, 65536):
        part = trace.experts[at : at + 65536]
        seen[(part + first)[part >= 0]] = True
    return int(seen.sum())


def _repeated(trace: Trace) -> float:
    total = again = 0
    begins = np.zeros(trace.rounds, bool)
    begins[trace.sessions] = True
    for at in range(0, trace.rounds, 8192):
        now = trace.experts[at : at + 8192]
        total += int((now >= 0).sum())
        before = trace.experts[max(0, at - 1) : at + len(now) - 1]
        now = now[len(now) - len(before) :]
        fresh = begins[at + (at == 0) : at + 8192][: len(before)]
        same = (now[:, :, :, None] == before[:, :, None, :]).any(axis=3) & (now >= 0)
        again += int(same[~fresh].sum())
    return round(again / total, 6)


def _quantiles(curve: npt.NDArray[np.int64], requests: int, least: int) -> dict[str, int]:
    """Return points of the distribution of LRU stack positions; those up to ``least`` read as ``least``."""
    hits = requests - curve[least:]
    repeated = int(hits[-1])
    return {f"{p} %": least + int(np.argmax(100 * hits >= repeated * p)) for p in (10, 25, 50, 75, 90) if repeated}


def _emptied(found: dict[str, Any]) -> list[str]:
    if found["compulsory"] <= found["touched"]:
        return []
    return [
        f"The cache is emptied at each session here, so {found['compulsory']:,} requests are first ones; an engine that keeps it "
        f"between sessions has {found['touched']:,} (diagnose with reset 'never')."
    ]


def _sentences(found: dict[str, Any], parts: dict[str, int], verdict: str) -> list[str]:
    requests, misses, optimum = found["requests"], found["misses"], found["optimum"]

    def share(count: int, whole: int = requests) -> str:
        return f"{100 * count / whole:.1f} %"

    said = [
        {
            "policy": "Policy failure: the largest part of the misses would not happen to the optimum in the same cache.",
            "working set": "Working-set failure: the largest part of the misses is unavoidable at this capacity.",
            "cold": "Cold trace: the largest part of the misses are first requests since the cache was empty, which no policy can avoid.",
        }[verdict],
        f"{found['policy']} misses {misses:,} of {counted(requests, 'request')} ({share(misses)}): "
        f"{share(parts['cold'], misses)} of these are first requests, {share(parts['working set'], misses)} unavoidable "
        f"at {counted(found['slots'], 'slot')}, {share(parts['policy'], misses)} lost by the policy.",
    ]
    cliff = found["demand"] - found["top_k"]
    if misses == parts["cold"]:
        every = "the only miss is the first request" if misses == 1 else f"all {misses:,} misses are first requests"
        nothing = f"Nothing to be gained: {every} since the cache was empty, which no policy can avoid."
        return [nothing, *_emptied(found)]
    if found["slots"] <= cliff and found["even"]:
        said.append(
            f"The budget is below the cliff: one token asks for {counted(found['demand'], 'expert')}; with at most {counted(cliff, 'slot')} a "
            f"shared LRU never hits a page of the token before, while the optimum still hits {share(requests - optimum)}."
        )
    elif found["slots"] < found["demand"] and found["even"]:
        said.append(
            f"The budget is on the cliff: one token asks for {counted(found['demand'], 'expert')}; a shared LRU starts to hit above "
            f"{counted(cliff, 'slot')} and holds a whole token from {found['demand']} on."
        )
    else:
        said.append(
            f"One token asks for {'' if found['even'] else 'up to '}{counted(found['demand'], 'expert')}; "
            f"the budget holds {found['slots'] / found['demand']:.2f} tokens."
        )
    said += _emptied(found)
    best = found["by_policy"][found["best"]]
    if found["best"] != found["policy"]:
        said.append(
            f"Best policy tried: {found['best']}, {share(misses - best, misses)} fewer misses than {found['policy']}; "
            f"the optimum would have {share(misses - optimum, misses)} fewer."
        )
    else:
        said.append(
            f"No policy tried does better than {found['policy']}; the optimum would have {share(misses - optimum, misses)} fewer misses."
        )
    if found["bytes_read"] is not None and found["optimum_bytes"] is not None:
        read, least = found["bytes_read"], found["optimum_bytes"]
        said.append(
            f"In bytes: {found['policy']} loads {read / 2**20:,.1f} MiB; the least possible with these slots is "
            f"{least / 2**20:,.1f} MiB ({share(read - least, read)} less)."
        )
    changes = {
        "bypassing the cache": (optimum, found["bypass"], "the optimum"),
        "a quota for each layer": (best, found["per_layer_best"], found["best"]),
        "twice the memory": (best, found["doubled"], found["best"]),
    }
    for what, (before, after, who) in changes.items():
        if after is None:
            said.append(
                f"With {what} the budget is not legal: {counted(found['slots'], 'slot')} cannot hold the largest event of every layer."
            )
        else:
            word = "fewer" if after <= before else "more"
            said.append(f"With {what}, {who} would have {share(abs(before - after), max(1, before))} {word} misses.")
    held = min(found["slots"], found["pages"])
    hottest = f"{held} slots"
    said.append(
        f"Skew: the {counted(held, 'hottest page')} receive{'s' if held == 1 else ''} {100 * found['coverage'][hottest]:.1f} % of the requests. "
        f"Locality: {100 * found['repeated']:.1f} % of the requests repeat one of the round before."
    )
    return said
