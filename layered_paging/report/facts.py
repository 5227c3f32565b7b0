"""What the report of a trace says, as plain data: everything is counted here, nothing is drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from ..analysis.diagnosis import USUAL, diagnosed
from ..analysis.evidence import distinct_sessions, held_out
from ..analysis.losses import Room
from ..analysis.over_time import over_time
from ..core.arguments import kinds
from ..core.layout import lay_out, merged_prefill
from ..core.trace import Trace, layer_names
from ..core.version import __version__
from ..engine.run import Run, replay
from ..errors import BudgetError, ParameterError
from ..plan import Clock
from ..plan.budgets import STEPS
from ..plan.engines import USUAL as USUAL_SHIPPED
from ..plan.engines import engines_of
from ..policies.names import resolve
from ..prefetch.guessing import guesses
from ..profiles.profile import Profile, compare
from .memory import budgets

__all__ = ["facts"]

PREDICTORS = ("previous", "popularity", "markov")


@kinds()
def facts(
    trace: Trace,
    slots: int | None = None,
    *,
    budget_bytes: int | None = None,
    policy: str = "lru",
    policies: Sequence[str] = USUAL,
    reset: str = "never",
    prefill: str = "token",
    clock: Clock | None = None,
    progress: Callable[[int], object] = lambda done: None,
) -> dict[str, Any]:
    """Return all that the report says about a trace at a budget.

    Parameters
    ----------
    trace : Trace
    slots, budget_bytes : int
        One of the two, as for ``diagnose``.
    policy : str
        The policy in use.
    policies : sequence of str
        Those to compare it with.
    reset : {"never", "session", "cache"}
    prefill : {"token", "merged"}
    clock : Clock, optional
        For tokens per second; the trace must know its sizes.
    progress : callable
        Called with the number of parts done, of ``len(policies) + 4``.

    Returns
    -------
    dict
        diagnosis, budgets, layers, prefetch, trace, version.  ``over_time`` is of the policy in use and of the best one.
        ``chosen`` is a choice of policy judged on other sessions, ``shipped`` the same among what engines ship, ``ships`` says
        by policy where.  ``transfer`` is of a profile (None with one distinct session).  Counts are of replays; ``budgets`` is as
        ``memory.budgets`` returns it.

    Raises
    ------
    BudgetError
        No budget or two, or one below the largest event.
    ParameterError
        A policy that knows the future.
    """
    for name in (policy, *policies):
        if resolve(name).offline:
            raise ParameterError(
                f"a report compares online policies; {name!r} knows the future (the optimum is always shown)"
            )
    found, runs = diagnosed(trace, slots, budget_bytes, policy, policies, reset, prefill, progress, later=STEPS)
    replayed = trace if prefill == "token" else merged_prefill(trace)
    room = Room.of(replayed, slots, budget_bytes)
    done = len(policies) + 1
    groups = distinct_sessions(replayed)
    in_use = runs[found.policy]
    ships = {name: where for name in runs if (where := engines_of(name))}
    extra = _extra(replayed, room, reset, runs)
    shipped = _chosen(
        {found.policy: in_use, **{n: r for n, r in runs.items() if n in ships}, **extra}, found.policy, groups
    )
    names = list(dict.fromkeys([found.policy, "lru", found.best, *([shipped["policy"]] if shipped else [])]))
    sized = room.budget_bytes is not None
    table = budgets(trace, room.capacity, sized, names, clock, reset, prefill)
    progress(done := done + 1)
    ahead = replay(replayed, "belady", **room.given, reset=reset)
    progress(done := done + 1)
    told = {
        "diagnosis": found.to_dict(),
        "budgets": table,
        "clock": None if clock is None else vars(clock),
        "over_time": _over_time(replayed, in_use, runs[found.best]),
        "layers": _layers(in_use, runs[found.best], ahead),
        "layer_names": layer_names(trace),
        "chosen": _chosen(runs, found.policy, groups),
        "shipped": shipped and {**shipped, "engines": engines_of(shipped["policy"])},
        "ships": ships,
        "transfer": _transfer(replayed, room, groups),
        "prefetch": _prefetch(replayed, in_use),
        "reset": reset,
        "trace": {
            "rounds": trace.rounds,
            "layers": trace.layers,
            "experts": trace.n_experts[0] if len(set(trace.n_experts)) == 1 else list(trace.n_experts),
            "top_k": trace.top_k,
            "sessions": len(trace.sessions),
            "distinct": len(groups),
            "requests": trace.requests,
            "pages": found.pages,
            "bytes": None if trace.page_bytes is None else int(_asked_bytes(trace).sum()),
            "digest": trace.digest(),
            "meta": {k: v for k, v in trace.meta.items() if isinstance(v, (str, int, float))},
        },
        "version": __version__,
    }
    progress(done + 1)
    return told


def _asked_bytes(trace: Trace) -> Any:
    assert trace.page_bytes is not None
    return trace.page_bytes[np.repeat(trace.asked, trace.n_experts)]


def _extra(trace: Trace, room: Room, reset: str, runs: dict[str, Run]) -> dict[str, Run]:
    """Return runs of what the most used engine ships and nobody asked for, where the budget is legal."""
    try:
        return {name: replay(trace, name, **room.given, reset=reset) for name in USUAL_SHIPPED if name not in runs}
    except BudgetError:
        return {}


def _over_time(trace: Trace, in_use: Run, best: Run) -> list[dict[str, Any]]:
    """Return the hits over time of one or two runs; nothing where sessions are too short."""
    different = [in_use] if best is in_use else [in_use, best]
    try:
        found = [over_time(trace, run) for run in different]
    except ParameterError:
        return []
    return [{**one.to_dict(), "sentence": one.sentence()} for one in found]


def _layers(in_use: Run, best: Run, optimum: Run) -> list[dict[str, int]]:
    columns = {
        "requests": in_use.requests_by_layer,
        "misses": in_use.misses_by_layer,
        "best": best.misses_by_layer,
        "optimum": optimum.misses_by_layer,
    }
    return [{name: int(values[j]) for name, values in columns.items()} for j in range(len(in_use.requests_by_layer))]


def _chosen(runs: dict[str, Run], policy: str, groups: list[list[int]]) -> dict[str, Any] | None:
    """Choose the policy on every other distinct session and judge it on the rest."""
    return asdict(held_out(runs, policy, groups)) if len(groups) > 1 else None


def _transfer(trace: Trace, room: Room, groups: list[list[int]]) -> dict[str, Any] | None:
    """Keep the hottest pages by a profile of other sessions, and by one of the same ones (an oracle)."""
    if len(groups) < 2:
        return None
    sessions = [group[0] for group in groups]
    halves = [trace.select(sessions[begin::2]) for begin in (0, 1)]
    profiles = [Profile.of(half) for half in halves]
    uses = [np.concatenate(profile.counts) for profile in profiles]
    weight = room.weight(trace)

    def hits(counts: Any, profile: Profile) -> float:
        hottest = np.argsort(-(profile.page_rates / weight), kind="stable")
        held = hottest[np.cumsum(weight[hottest]) <= room.capacity]
        return float(counts[held].sum() / counts.sum())

    distance = compare(*profiles).distance
    return {
        "other": [hits(uses[1], profiles[0]), hits(uses[0], profiles[1])],
        "same": [hits(uses[1], profiles[1]), hits(uses[0], profiles[0])],
        "distance": [None if np.isnan(x) else float(x) for x in distance],
    }


def _prefetch(trace: Trace, in_use: Run) -> list[dict[str, Any]]:
    """Return how often guesses of as many experts as an event has are right, and how many misses they name.

    Layers that never ask are left out: nothing is guessed there, and "the layer before" is the one before that asks.
    """
    assert in_use.missed is not None
    asks = trace.asked
    laid, missed = lay_out(trace).experts[:, asks], in_use.missed[:, asks]
    if not asks.all():
        counts = [n for n, flag in zip(trace.n_experts, asks, strict=True) if flag]
        trace = Trace(trace.experts[:, asks], counts, trace.sessions, trace.stage)
    rows = []
    for name in PREDICTORS:
        guessed = guesses(trace, name, trace.top_k)
        right = named = asked = said = 0
        for at in range(0, trace.rounds, 4096):
            experts, guess = laid[at : at + 4096], guessed[at : at + 4096]
            present = experts >= 0
            found = (experts[..., :, None] == guess[..., None, :]).any(axis=3) & present
            right += int(found.sum())
            named += int((found & missed[at : at + 4096]).sum())
            asked += int(present.sum())
            said += int((guess >= 0).sum())
        misses = in_use.misses
        rows.append(
            {
                "predictor": name,
                "precision": right / said if said else None,
                "recall": right / asked,
                "misses_named": named / misses if misses else None,
            }
        )
    return rows
