"""What a trace asks for: rounds, layers, skew and locality, beside what chance would give."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.trace import DECODE, PREFILL, Trace, transformed
from .losses import Room, event_weights, uses_of

__all__ = ["by_chance", "constant_layers", "coverage", "demand", "prefill_rounds", "quantiles", "repeated"]

MARKS = (10, 25, 50)  # percent of the pages


def demand(trace: Trace, room: Room) -> dict[str, int]:
    """Return what a decode round asks for (any round if none decodes): median and most, in experts and in the budget's unit.

    Rounds without a request, such as tokens from a prefix cache, are left out.
    """
    asked = event_weights(trace, np.ones(trace.pages, np.int64)).sum(axis=1)
    decode = (trace.stage == DECODE) & (asked > 0)
    if not decode.any():
        decode = asked > 0
    taken = asked if room.budget_bytes is None else event_weights(trace, room.weight(trace)).sum(axis=1)
    return {
        "rounds": int((asked > 0).sum()),
        "typical": int(np.median(asked[decode])),
        "most": int(asked[decode].max()),
        "typical_taken": int(np.median(taken[decode])),
        "most_taken": int(taken[decode].max()),
    }


def prefill_rounds(trace: Trace) -> int:
    """Return the prefill rounds that an engine would serve together with another of the same prompt; none in a batch."""
    if transformed(trace, "batch"):
        return 0
    begins = np.zeros(trace.rounds, bool)
    begins[trace.sessions] = True
    prefill = trace.stage == PREFILL
    joined = prefill[1:] & prefill[:-1] & ~begins[1:]
    together = np.zeros(trace.rounds, bool)
    together[1:] |= joined
    together[:-1] |= joined
    return int(together.sum())


def constant_layers(trace: Trace) -> list[int]:
    """Return the layers whose every event is the same single expert, in two rounds or more, though they have others.

    A dense layer that is logged as zeros looks like this.
    """
    found = []
    for layer in np.flatnonzero(trace.asked).tolist():
        ids = trace.experts[:, layer]
        asked = ids[ids >= 0]
        if trace.n_experts[layer] > 1 and len(asked) > 1 and (asked == asked[0]).all():
            found.append(int(layer))
    return found


def coverage(trace: Trace, room: Room, pages: int) -> dict[str, float]:
    """Return the share of the requests that the hottest pages receive: 10, 25, 50 % of ``pages``, and those that fit."""
    share = _shares(uses_of(trace))
    marks = {f"{p} %": max(1, pages * p // 100) for p in MARKS}
    if room.held is not None:
        held = min(room.held, pages)
        marks["1 slot" if held == 1 else f"{held} slots"] = held
    return {name: round(float(share[n - 1]), 6) for name, n in marks.items()}


def _shares(uses: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    shares: npt.NDArray[np.float64] = np.cumsum(np.sort(uses)[::-1]) / uses.sum()
    return shares


def by_chance(trace: Trace, pages: int) -> float:
    """Return the share of the requests that the hottest ``pages`` would receive if all experts of a layer were alike.

    Notes
    -----
    Uses of an expert are then binomial. The c-th term of the sum over c of min(pages, experts with c uses or more) is
    taken at its mean. That is a little above the expectation of the minimum.  Deterministic.
    """
    # the special function that scipy.stats calls for it; scipy.stats itself takes half a second to load
    from scipy.special import bdtrc

    kinds: dict[tuple[int, float], int] = {}
    total = 0
    for layer in np.flatnonzero(trace.asked).tolist():
        ids = trace.experts[:, layer]
        events, requests = int((ids >= 0).any(axis=1).sum()), int((ids >= 0).sum())
        key = (events, requests / events / trace.n_experts[layer])
        kinds[key] = kinds.get(key, 0) + trace.n_experts[layer]
        total += requests
    count = np.arange(0, max(events for events, _ in kinds))
    above = np.zeros(len(count))
    for (events, chance), experts in kinds.items():
        above += experts * bdtrc(count, events, chance)
    return min(1.0, float(np.minimum(pages, above).sum()) / total)


def repeated(trace: Trace) -> tuple[float, float]:
    """Return the share of the requests that the same layer also made one round before, and what popularity alone gives.

    Kept on the trace: both the diagnosis and the tests of a trace ask for it.
    """
    kept: dict[str, tuple[float, float]] = trace.__dict__.setdefault("_repeated", {})
    if "found" not in kept:
        kept["found"] = _repeated(trace)
    return kept["found"]


def _repeated(trace: Trace) -> tuple[float, float]:
    total = again = followers = 0
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
        followers += int((now[~fresh] >= 0).sum())
    uses = uses_of(trace).astype(np.float64)
    events = np.repeat((trace.experts >= 0).any(axis=2).sum(axis=0), trace.n_experts)
    alike = float((uses * uses / np.maximum(events, 1)).sum()) / total
    return round(again / total, 6), round(alike * followers / total, 6)


def quantiles(curve: npt.NDArray[np.int64], requests: int, least: int) -> dict[str, int]:
    """Return points of the distribution of LRU stack positions; those up to ``least`` read as ``least``."""
    hits = requests - curve[least:]
    most: Any = int(hits[-1])
    return {f"{p} %": least + int(np.argmax(100 * hits >= most * p)) for p in (10, 25, 50, 75, 90) if most}
