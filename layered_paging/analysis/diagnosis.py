"""Say what a policy loses: to policies that were tried, to reference policies, to the future, to the capacity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from ..core.arguments import kinds
from ..core.layout import lay_out, merged_prefill
from ..core.rules import choice
from ..core.tables import Tabular
from ..core.trace import Trace, layer_names
from ..engine.choice import foreseen
from ..engine.curves import miss_curve
from ..engine.run import Run, replay, totals_of
from ..errors import BudgetError
from ..policies.names import resolve
from . import shape
from .costs import about
from .evidence import distinct_sessions, weigh
from .losses import Bounds, Room, bounds, references, uses_of
from .sanity import warned
from .sentences import recommendation, sentences

__all__ = ["HELPS", "OF_THE_LOSS", "USUAL", "Diagnosis", "diagnose", "diagnosed"]

USUAL = ("lru", "llru", "similar-rounds", "lfu", "lfu-decay", "slru", "sieve", "s3-fifo", "arc", "least-stale", "fifo")
HELPS = 0.05  # of the misses: what another policy must save for a verdict
OF_THE_LOSS = 0.15  # and of what is lost to the optimum
AGAIN = 3  # replays of the best policy after the race: with prompts merged, a pool for each layer, twice the budget


@dataclass(frozen=True)
class Diagnosis(Tabular):
    """What ``diagnose`` found; counts are of expert requests.

    Attributes
    ----------
    verdict : str
        ``policy``: a policy that was tried saves at least 5 % of the misses and 15 % of the loss to the optimum;
        ``prefill``: it does token by token, but not where prompts are served layer by layer at once, as engines do;
        ``reference``: a reference policy does.  Otherwise the largest part of the misses: ``cold``, ``working set`` or
        ``future``.
    slots, budget_bytes : int or None
        The budget.  ``slots`` is also there for bytes where all experts have one size.
    pages, layers, absent, constant : int, int, list of int, list of int
        Pages and layers with requests; the layers that have none, and those that look like dense ones logged as zeros.
    requests, rounds : int
        Rounds that have a request.
    demand, demand_most : int
        Experts that a decode round asks for over all layers: the median, and the most.
    holds : float
        The budget over what the median round takes, in the budget's unit.
    top_k : int
        Size of the largest event.
    policy : str
        The policy under suspicion.
    misses, compulsory : int
        Of that policy; of any policy whatever.
    optimum, optimum_found, optimum_how : int, int, str
        No forced schedule misses less than ``optimum``, and one misses ``optimum_found``.  They are equal where
        ``optimum_how`` is ``exact``; see ``losses.Bounds``.
    touched : int
        Pages that are asked for at all: what ``compulsory`` would be if the cache were never emptied.
    by_policy, bytes_by_policy : dict
        Misses and bytes loaded of each policy tried; ``None`` where the budget is not legal for it, or sizes unknown.
    best : str
        The one with the fewest misses.
    lru : int
        Misses of LRU.
    references : list of dict
        What reference policies miss: model, policy, misses, and least, which no policy without the future is below on
        average if the model is true.
    parts : dict
        The misses of ``policy``: ``cold`` (first requests), ``working set`` (unavoidable at this capacity), ``future``
        (avoided by the optimum alone), ``reference`` (avoided by a reference policy), ``tried`` (avoided by ``best``).
    evidence : dict
        What ``best`` saves over distinct sessions; see ``evidence.Evidence``.
    prefill : str
        ``token`` or ``merged``, as given.
    prompts : dict or None
        Where prefill is replayed token by token: the rounds of which an engine serves several at once.  Then the misses with
        merged prefill, of ``policy``, of ``best`` and of the optimum (None where the budget is not legal).
    bypass, per_layer_optimum, per_layer_best, doubled, doubled_optimum : int or None
        Misses: least with bypass; least, and of the policy ``best``, with a per-layer pool; of ``best``, and least, with
        twice the budget.
    bytes_read, optimum_bytes, optimum_bytes_found : int or None
        Where the trace knows its sizes: bytes that ``policy`` loads, and between which the least of any forced schedule
        lies (a bracket for unequal sizes in slots beyond ``losses.WEIGHTED`` requests).
    coverage, coverage_by_chance : dict, float or None
        Share of all requests that the hottest 10, 25 and 50 % of the pages receive, and the hottest ``slots`` pages.  The
        second is what the last share would be by chance if all experts of a layer were alike.
    repeated, repeated_by_chance : float
        Share of the requests that the same layer also made one round before; and what popularity alone gives.
    reuse : dict
        10, 25, 50, 75 and 90 % points of the reuse distance: the slots that LRU needs to hit a repeated
        request.  Empty where nothing is repeated.
    layer_names : list of str
        As the trace says, else their numbers.
    recommendation : str
    sentences : list of str
        The findings in words; the first is the verdict.
    warnings : list of str
        What ``lp.inspect`` warns of, one line each; constant layers are among the sentences.
    """

    verdict: str
    slots: int | None
    budget_bytes: int | None
    pages: int
    layers: int
    absent: list[int]
    constant: list[int]
    requests: int
    rounds: int
    demand: int
    demand_most: int
    holds: float
    top_k: int
    policy: str
    misses: int
    compulsory: int
    optimum: int
    optimum_found: int
    optimum_how: str
    touched: int
    by_policy: dict[str, int | None]
    bytes_by_policy: dict[str, int | None]
    best: str
    lru: int
    references: list[dict[str, Any]]
    parts: dict[str, int]
    evidence: dict[str, Any]
    prefill: str
    prompts: dict[str, int | None] | None
    bypass: int | None
    per_layer_optimum: int | None
    per_layer_best: int | None
    doubled: int | None
    doubled_optimum: int | None
    bytes_read: int | None
    optimum_bytes: int | None
    optimum_bytes_found: int | None
    coverage: dict[str, float]
    coverage_by_chance: float | None
    repeated: float
    repeated_by_chance: float
    reuse: dict[str, int]
    layer_names: list[str] = field(default_factory=list)
    recommendation: str = ""
    sentences: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def to_rows(self) -> list[dict[str, Any]]:
        """Return one row per policy tried: misses and bytes loaded (None where the budget is not legal for it)."""
        return [
            {"policy": name, "misses": misses, "bytes": self.bytes_by_policy.get(name)}
            for name, misses in self.by_policy.items()
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON holds them."""
        return asdict(self)


@kinds()
def diagnose(
    trace: Trace,
    slots: int | None = None,
    *,
    budget_bytes: int | None = None,
    policy: str = "lru",
    policies: Sequence[str] = USUAL,
    reset: str = "never",
    prefill: str = "token",
    progress: Callable[[int], object] | None = None,
) -> Diagnosis:
    """Diagnose a trace at a budget: is it the policy, is it the working set, or would it take the future?

    Parameters
    ----------
    trace : Trace
    slots : int, optional
    budget_bytes : int, optional
        One of the two.  Bytes need a trace with sizes; they are replayed and bounded in bytes.
    policy : str
        The policy in use, whose misses are split.
    policies : sequence of str
        The policies to compare it with.
    reset : {"never", "session", "cache"}
    prefill : {"token", "merged"}
        Replay prompts token by token, or layer by layer at once, as engines serve them.
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
    Forced admission, atomic events.  All counts are of replays.  Optima are exact in slots, and in bytes where all
    experts have one size; otherwise they are proved lower bounds.  Costs one replay per policy and pool, about six for
    the references, and one pass over all capacities.
    """
    return diagnosed(trace, slots, budget_bytes, policy, policies, reset, prefill, progress)[0]


def diagnosed(
    trace: Trace,
    slots: int | None,
    budget_bytes: int | None,
    policy: str,
    policies: Sequence[str],
    reset: str,
    prefill: str,
    progress: Callable[[int], object] | None,
    later: int = 0,
) -> tuple[Diagnosis, dict[str, Run]]:
    """Return what ``diagnose`` returns, and the runs by policy that fit; those of the policy in use and the best recorded.

    ``later`` replays of the best policy will follow.
    """
    given = trace
    if choice("prefill", prefill, ("token", "merged")) == "merged":
        trace = merged_prefill(trace)
    room = Room.of(trace, slots, budget_bytes)
    grid = lay_out(trace)
    totals = totals_of(trace, grid, reset != "never")
    names = [resolve(name).name for name in dict.fromkeys((policy, *policies))]
    runs: dict[str, Run] = {}
    best = ""
    for done, name in enumerate(names, start=1):
        with foreseen(1 + AGAIN):  # nobody knows yet which one is the best
            run = _run(trace, name, room, "shared", reset, record=True)
        if run is not None:
            runs[name] = run
            before, best = best, best if best and runs[best].misses <= run.misses else name
            for other in {before, name} - {best, names[0], ""}:
                runs[other] = replace(runs[other], missed=None)
        if progress is not None:
            progress(done)
    mine, least = runs[names[0]], bounds(trace, room, reset)
    assert least is not None
    optimum = max(least.least, totals.compulsory)
    known = [asdict(reference) for reference in references(trace, room, reset)]
    reached = min([runs[best].misses, *(reference["misses"] for reference in known)])
    lru = runs["lru"] if "lru" in runs else replay(trace, "lru", **room.given, reset=reset)
    with foreseen(AGAIN + later, best):
        prompts = _prompts(trace, room, reset, names[0], best) if prefill == "token" else None
        changes = _changes(trace, room, reset, best)
    asked = shape.demand(trace, room)
    pages = int(np.asarray(trace.n_experts)[trace.asked].sum())
    again, by_popularity = shape.repeated(trace)
    found: dict[str, Any] = {
        "slots": room.held,
        "budget_bytes": room.budget_bytes,
        "pages": pages,
        "layers": int(trace.asked.sum()),
        "absent": np.flatnonzero(~trace.asked).tolist(),
        "constant": shape.constant_layers(trace),
        "layer_names": layer_names(trace),
        "requests": int(totals.requests.sum()),
        "rounds": asked["rounds"],
        "demand": asked["typical"],
        "demand_most": asked["most"],
        "holds": round(
            room.capacity / asked["typical_taken"] if room.held is None else room.held / asked["typical"], 6
        ),
        "top_k": grid.largest_event(),
        "policy": names[0],
        "misses": mine.misses,
        "compulsory": totals.compulsory,
        "optimum": optimum,
        "optimum_found": least.found,
        "optimum_how": least.how,
        "touched": int((uses_of(trace) > 0).sum()),
        "by_policy": {name: runs[name].misses if name in runs else None for name in names},
        "bytes_by_policy": {name: runs[name].bytes_read if name in runs else None for name in names},
        "best": best,
        "lru": lru.misses,
        "references": known,
        "parts": {
            "cold": totals.compulsory,
            "working set": optimum - totals.compulsory,
            "future": reached - optimum,
            "reference": runs[best].misses - reached,
            "tried": mine.misses - runs[best].misses,
        },
        "evidence": asdict(weigh(trace, mine, runs[best], distinct_sessions(trace))),
        "prefill": prefill,
        "prompts": prompts,
        "coverage": shape.coverage(trace, room, pages),
        "coverage_by_chance": None if room.held is None else round(shape.by_chance(trace, min(room.held, pages)), 6),
        "repeated": again,
        "repeated_by_chance": by_popularity,
        "reuse": shape.quantiles(miss_curve(trace, "lru", reset=reset), trace.requests, grid.largest_event()),
        **changes,
        **_bytes(trace, room, reset, mine),
    }
    found["verdict"] = _verdict(found)
    found["recommendation"] = recommendation(found, HELPS, about(best))
    return Diagnosis(**found, sentences=sentences(found), warnings=warned(given, "constant layers")), runs


def _verdict(found: dict[str, Any]) -> str:
    parts, misses = found["parts"], found["misses"]
    loss = misses - found["optimum"]

    def helps(saved: int) -> bool:
        return saved > 0 and saved >= HELPS * misses and saved >= OF_THE_LOSS * loss

    if helps(parts["tried"]):
        prompts = found["prompts"]
        merged = None if prompts is None or None in (prompts["policy"], prompts["best"]) else prompts
        if merged and merged["policy"] - merged["best"] < HELPS * merged["policy"]:
            return "prefill"
        return "policy"
    if helps(parts["tried"] + parts["reference"]):
        return "reference"
    return max(("working set", "cold", "future"), key=lambda name: int(parts[name]))


def _run(trace: Trace, policy: str, room: Room, pool: str, reset: str, record: bool = False) -> Run | None:
    try:
        return replay(trace, policy, **room.given, pool=pool, reset=reset, record=record)
    except BudgetError:
        return None


def _misses(trace: Trace, policy: str, room: Room, pool: str, reset: str) -> int | None:
    run = _run(trace, policy, room, pool, reset)
    return None if run is None else run.misses


def _least(found: Bounds | None) -> int | None:
    return None if found is None else found.least


def _changes(trace: Trace, room: Room, reset: str, best: str) -> dict[str, int | None]:
    """Return what other admission, pools or twice the budget would change."""
    return {
        "bypass": _least(bounds(trace, room, reset, admission="bypass")),
        "per_layer_optimum": _least(bounds(trace, room, reset, pool="per-layer")),
        "per_layer_best": _misses(trace, best, room, "per-layer", reset),
        "doubled": _misses(trace, best, room.times(2), "shared", reset),
        "doubled_optimum": _least(bounds(trace, room.times(2), reset)),
    }


def _bytes(trace: Trace, room: Room, reset: str, mine: Run) -> dict[str, int | None]:
    names = ("bytes_read", "optimum_bytes", "optimum_bytes_found")
    if trace.expert_bytes is None:
        return dict.fromkeys(names)
    least = bounds(trace, room, reset, costs="bytes")
    values = (mine.bytes_read, None, None) if least is None else (mine.bytes_read, least.least, least.found)
    return dict(zip(names, values, strict=True))


def _prompts(trace: Trace, room: Room, reset: str, policy: str, best: str) -> dict[str, int | None] | None:
    """Return what merged prefill would change; None where no two rounds of a prompt are next to each other."""
    rounds = shape.prefill_rounds(trace)
    if not rounds:
        return None
    merged = merged_prefill(trace)
    least = bounds(merged, room, reset)
    return {
        "rounds": rounds,
        "of": trace.rounds,
        "policy": _misses(merged, policy, room, "shared", reset),
        "best": _misses(merged, best, room, "shared", reset),
        "optimum": _least(least),
    }
