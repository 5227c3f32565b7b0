"""What the report of a trace says, as plain data: everything is counted here, nothing is drawn."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..analysis.diagnosis import USUAL, diagnosed
from ..core.layout import lay_out
from ..core.trace import Trace
from ..core.version import __version__
from ..engine.curves import has_one_pass, miss_curve, optimum_curve
from ..engine.run import Run, replay
from ..errors import ParameterError
from ..policies.names import resolve
from ..prefetch.guessing import guesses
from ..profiles.drift import asking
from ..profiles.profile import Profile, compare

__all__ = ["facts"]

POINTS = 16  # sizes at which policies without a one-pass curve are replayed
PREDICTORS = ("previous", "popularity", "markov")


def facts(
    trace: Trace,
    slots: int | None = None,
    *,
    budget_bytes: int | None = None,
    policy: str = "lru",
    policies: Sequence[str] = USUAL,
    reset: str = "never",
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
    reset : {"never", "session"}
    progress : callable
        Called with the number of parts done, of ``len(policies) + 4``.

    Returns
    -------
    dict
        diagnosis, curves, layers, sessions, chosen (a choice of policy judged on other sessions), transfer (of a
        profile; None with one session), prefetch, trace, version.  Counts are exact.

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
    found, runs = diagnosed(trace, slots, budget_bytes, policy, policies, reset, progress, record=True)
    done = len(policies) + 1
    names = list(dict.fromkeys([found.policy, "lru", "llru", "lfu", found.best]))
    curves = _curves(trace, names, found.top_k, reset)
    progress(done := done + 1)
    optimum, in_use = replay(trace, "belady", found.slots, reset=reset), runs[found.policy]
    progress(done := done + 1)
    told = {
        "diagnosis": found.to_dict(),
        "curves": curves,
        "layers": _layers(in_use, runs[found.best], optimum),
        "sessions": _paired(runs[found.policy], runs[found.best]),
        "chosen": _chosen(runs, found.policy),
        "transfer": _transfer(trace, found.slots),
        "prefetch": _prefetch(trace, in_use),
        "reset": reset,
        "trace": {
            "rounds": trace.rounds,
            "layers": trace.layers,
            "experts": trace.n_experts[0] if len(set(trace.n_experts)) == 1 else list(trace.n_experts),
            "top_k": trace.top_k,
            "sessions": len(trace.sessions),
            "requests": trace.requests,
            "pages": trace.pages,
            "bytes": None if trace.page_bytes is None else int(trace.page_bytes.sum()),
            "digest": trace.digest(),
            "meta": {k: v for k, v in trace.meta.items() if isinstance(v, (str, int, float))},
        },
        "version": __version__,
    }
    progress(done + 1)
    return told


def _curves(trace: Trace, names: Sequence[str], least: int, reset: str) -> dict[str, list[int]]:
    """Return misses by slots, -1 where they were not counted."""
    sizes = sorted({int(s) for s in np.linspace(least, trace.pages, POINTS)})
    found = {
        name: miss_curve(trace, name, reset=reset, sizes=None if has_one_pass(name) else sizes).tolist()
        for name in names
    }
    for admission in ("forced", "bypass"):
        found[f"optimum ({admission})"] = optimum_curve(trace, admission=admission, reset=reset).tolist()
    return found


def _layers(in_use: Run, best: Run, optimum: Run) -> list[dict[str, int]]:
    columns = {
        "requests": in_use.requests_by_layer,
        "misses": in_use.misses_by_layer,
        "best": best.misses_by_layer,
        "optimum": optimum.misses_by_layer,
    }
    return [{name: int(values[j]) for name, values in columns.items()} for j in range(len(in_use.requests_by_layer))]


def _shares(run: Run) -> Any:
    """Return misses by session as shares of its requests; sessions without a request are left out."""
    requests = run.requests_by_session.sum(axis=1)
    return run.misses_by_session.sum(axis=1)[requests > 0] / requests[requests > 0]


def _paired(in_use: Run, best: Run) -> dict[str, Any]:
    """Return how many fewer of its requests a session misses with ``best``: mean and 95 % interval over sessions."""
    from scipy.stats import t

    less = (_shares(in_use) - _shares(best)).tolist()
    half = None
    if len(less) > 1:
        half = float(t.ppf(0.975, len(less) - 1)) * statistics.stdev(less) / len(less) ** 0.5
    return {"sessions": len(less), "mean": statistics.fmean(less), "half": half, "better": sum(x > 0 for x in less)}


def _chosen(runs: dict[str, Run], policy: str) -> dict[str, Any] | None:
    """Choose the policy on every other session and judge it on the rest."""
    by_session = {name: run.misses_by_session.sum(axis=1) for name, run in runs.items()}
    if len(by_session[policy]) < 2:
        return None
    chosen = min(by_session, key=lambda name: (int(by_session[name][0::2].sum()), name != policy))
    rest = {name: int(counts[1::2].sum()) for name, counts in by_session.items()}
    return {"policy": chosen, "misses": rest[chosen], "in_use": rest[policy], "least": min(rest.values())}


def _transfer(trace: Trace, slots: int) -> dict[str, Any] | None:
    """Keep the hottest pages by a profile of other sessions, and by one of the same ones (an oracle)."""
    sessions = asking(trace)
    if len(sessions) < 2:
        return None
    halves = [trace.select(sessions[begin::2]) for begin in (0, 1)]
    profiles = [Profile.of(half) for half in halves]
    uses = [np.concatenate(profile.counts) for profile in profiles]

    def hits(counts: Any, profile: Profile) -> float:
        hottest = np.argsort(-profile.page_rates, kind="stable")[:slots]
        return float(counts[hottest].sum() / counts.sum())

    distance = compare(*profiles).distance
    return {
        "other": [hits(uses[1], profiles[0]), hits(uses[0], profiles[1])],
        "same": [hits(uses[1], profiles[1]), hits(uses[0], profiles[0])],
        "distance": [None if np.isnan(x) else float(x) for x in distance],
    }


def _prefetch(trace: Trace, in_use: Run) -> list[dict[str, Any]]:
    """Return how often guesses of as many experts as an event has are right, and how many misses they name."""
    assert in_use.missed is not None
    laid, missed = lay_out(trace).experts, in_use.missed
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
