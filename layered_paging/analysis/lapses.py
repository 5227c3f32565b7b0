"""Tests of rounds and sessions: dummies, copies, layers that never change, what is missing, stages that are mixed."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from ..core.trace import DECODE, PREFILL, Trace, layer_names
from ..core.words import counted
from . import shape
from .checks import BITS, PART, Check, bits_of, decided

__all__ = ["constant", "dummy_prefix", "missing", "mixed_stages", "repeated_sessions"]

ROUNDS = 4  # equal rounds at the start, and how many times longer than any later run of equal rounds they must be
TURNS, SHORT = 4, 16  # turns back to prefill in a session; rounds of a decode run


def dummy_prefix(trace: Trace, sizes: npt.NDArray[np.int64]) -> Check:
    """Test whether the first rounds are equal, or name the first experts of every layer.

    One token that is repeated, such as a blank, also makes equal rounds: then later runs of them are long too.
    """
    name = "dummy rounds"
    asked = np.flatnonzero((sizes > 0).any(axis=1))
    first = int(asked[0])
    whole = float(bits_of(trace, sizes[first]).sum())
    same, later = _equal_runs(trace, first)
    low = np.where(trace.experts[first] >= 0, np.arange(trace.top_k), -1)
    plain = whole > BITS and bool((np.sort(trace.experts[first], axis=1) == np.sort(low, axis=1)).all())
    warns = plain or (same >= ROUNDS * later and (same - 1) * whole > BITS)
    what = "name the first experts of every layer" if plain else "ask for the same experts in every layer"
    return decided(
        name,
        warns,
        f"The first {counted(same, 'round')} {what}: they look like the dummy batch of an engine that profiles itself.",
        "the first rounds differ" if same == 1 else "equal rounds at the start are no longer than later ones",
        **{"equal rounds": same, "from round": first, "longest later": later, "bits a round": round(whole, 1)},
    )


def _equal_runs(trace: Trace, first: int) -> tuple[int, int]:
    """Return the length of the run of equal rounds that begins at ``first``, and of the longest later one."""
    equal = np.zeros(trace.rounds, bool)
    for at in range(1, trace.rounds, PART):
        ids = np.sort(trace.experts[at - 1 : at + PART], axis=2)
        equal[at : at + PART] = (ids[1:] == ids[:-1]).all(axis=(1, 2)) & (ids[1:].max(axis=(1, 2)) >= 0)
    heads = np.append(np.flatnonzero(~equal[first:]), trace.rounds - first)
    if heads[0]:
        heads = np.insert(heads, 0, 0)
    runs = np.diff(heads)
    return int(runs[0]), int(runs[1:].max(initial=1))


def repeated_sessions(trace: Trace, sizes: npt.NDArray[np.int64]) -> Check:
    """Test whether sessions, or the prompts of sessions, are equal."""
    begins = np.zeros(trace.rounds, bool)
    begins[trace.sessions] = True
    bits = bits_of(trace, sizes).sum(axis=1)

    def copies(heads: npt.NDArray[np.bool_], only: int | None) -> tuple[int, int]:
        starts = np.flatnonzero(heads)
        seen: dict[bytes, int] = {}
        for a, b in zip(starts.tolist(), [*starts[1:].tolist(), trace.rounds], strict=True):
            if (only is None or trace.stage[a] == only) and float(bits[a:b].sum()) > BITS:
                key = hashlib.sha256(np.ascontiguousarray(trace.experts[a:b]).tobytes() + trace.stage[a:b].tobytes())
                seen[key.digest()] = seen.get(key.digest(), 0) + 1
        return sum(seen.values()), sum(n - 1 for n in seen.values())

    sessions, again = copies(begins, None)
    turned = begins.copy()
    turned[1:] |= trace.stage[1:] != trace.stage[:-1]
    prompts, prompts_again = copies(turned, PREFILL)
    parts = [f"{again} of {counted(sessions, 'session')}"] if again else []
    parts += [f"{prompts_again} of {counted(prompts, 'prompt')}"] if prompts_again > again else []
    if not sessions and not prompts:
        return Check("repeated sessions", "cannot tell", "sessions are too short to tell copies from chance")
    return decided(
        "repeated sessions",
        bool(parts),
        f"Repeated exactly: {' and '.join(parts)}. A cache that stays warm hits copies, and they are no further evidence.",
        "no session and no prompt is a copy of another",
        **{"sessions": sessions, "copies": again, "prompts": prompts, "copies of prompts": prompts_again},
    )


def constant(trace: Trace, sizes: npt.NDArray[np.int64]) -> Check:
    """Test whether a layer asks for the same experts in every round."""
    bits = bits_of(trace, sizes)
    single = set(shape.constant_layers(trace))
    for j in np.flatnonzero(trace.asked).tolist():
        rows = np.flatnonzero(sizes[:, j])
        first = np.sort(trace.experts[rows[0], j])
        if float(bits[rows[1:], j].sum()) > BITS and all(
            (np.sort(trace.experts[rows[at : at + PART], j], axis=1) == first).all() for at in range(0, len(rows), PART)
        ):
            single.add(j)
    names = layer_names(trace)
    always = [names[j] for j in sorted(single)]
    return decided(
        "constant layers",
        bool(always),
        f"Always the same experts in layer {', '.join(always[:12])}: a dense layer, or a buffer that was never filled.",
        "no layer asks for the same in every round",
        layers=always,
    )


def missing(trace: Trace, sizes: npt.NDArray[np.int64]) -> Check:
    """Test whether rounds, or events of rounds, are missing, other than tokens from a prefix cache."""
    empty: npt.NDArray[np.bool_] = ~np.any(sizes > 0, axis=1)
    prefix = 0
    for a, b in zip(trace.sessions.tolist(), [*trace.sessions[1:].tolist(), trace.rounds], strict=True):
        there = np.flatnonzero(~empty[a:b])
        prefix += int(there[0]) if len(there) else b - a
    rounds = int(empty.sum()) - prefix
    partial = (sizes == 0)[:, trace.asked] & ~empty[:, None]
    events = int(partial.sum())
    last = events and int(partial[trace.stage == PREFILL, -1].sum()) == events
    why = "; an engine that computes the last layer of a prompt for its last token only does that" if last else ""
    number = trace.meta.get("skipped_tokens")
    skipped = number if isinstance(number, int) and number > 0 else 0
    said = [f"{counted(skipped, 'token')} whose numbers the log skips" if skipped else "",
            f"{counted(rounds, 'round')} without any request after a session's first" if rounds else "",
            f"{counted(events, 'event')} of rounds that have others{why}" if events else ""]  # fmt: skip
    return decided(
        "missing tokens",
        bool(skipped or rounds or events),
        f"Missing: {', and '.join(filter(None, said))}.",
        "nothing is missing but tokens at the start of a session" if prefix else "nothing is missing",
        **{"skipped": skipped, "rounds": rounds, "events": events, "at the start": prefix},
    )


def mixed_stages(trace: Trace, sizes: npt.NDArray[np.int64]) -> Check:
    """Test whether the stage alternates in a session, as it does where several requests were logged as one."""
    most, short, where = 0, 0.0, 0
    for number, (a, b) in enumerate(
        zip(trace.sessions.tolist(), [*trace.sessions[1:].tolist(), trace.rounds], strict=True)
    ):
        stage = trace.stage[a:b]
        turns = np.flatnonzero(np.diff(stage)) + 1
        runs = np.diff(np.concatenate(([0], turns, [len(stage)])))
        kinds = stage[np.concatenate(([0], turns))]
        back = int((kinds[1:] == PREFILL).sum())
        decode = runs[kinds == DECODE]
        if back > most and len(decode) and float(np.median(decode)) < SHORT:
            most, short, where = back, float(np.median(decode)), number
    return decided(
        "mixed stages",
        most >= TURNS,
        f"In session {where} the stage turns back to prefill {counted(most, 'time')}, after decode runs of {short:g} rounds: "
        "several requests were logged as one.",
        "no session turns back to prefill again and again",
        **{"turns": most, "median decode run": short},
    )
