"""Compiled twins of the predictors: guesses for every event of a trace in one pass.

Each first guesses an event from what came before, then learns from it.  What was learnt (``value``, ``events``, ``pair``, ``uses``,
``seen``, ``ring``) is modified in place, so that a further part of the trace goes on with it.  ``out``, shape (rounds, layers,
guesses), takes the guesses; with no room for guesses the pass only learns.  Operations on floats keep the reference's order: the
twin is equal to the last bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.compiled import kernel

__all__ = ["markov", "popularity", "previous"]


@kernel
def _pick(score: Any, n: int, least: float, out: Any) -> None:
    """Write the experts of largest positive score, at least ``least``; ties to the lower number."""
    width = out.shape[0]
    held = 0
    for e in range(n):
        # insertion into the ranks found so far; the last one falls out where all are taken
        s = score[e]
        if s <= 0.0 or s < least:
            continue
        if held == width:
            if s <= score[out[width - 1]]:
                continue
            at = width - 1
        else:
            at = held
            held += 1
        while at > 0 and score[out[at - 1]] < s:
            out[at] = out[at - 1]
            at -= 1
        out[at] = e
    for q in range(held, width):
        out[q] = -1


@kernel
def popularity(
    experts: Any,
    n_experts: Any,
    factor: float,
    window: int,
    value: Any,
    events: Any,
    ring: Any,
    at: Any,
    least: float,
    out: Any,
) -> None:
    """Twin of ``Popularity``; ``window`` 0 means none."""
    rounds, layers, width = experts.shape
    score = np.zeros(value.shape[1])
    # value[j, e]: faded count of uses; events[j]: faded count of events of the layer
    for r in range(rounds):
        for j in range(layers):
            n = n_experts[j]
            if out.shape[2] > 0:
                # guess: the share of the layer's events with this expert
                for e in range(n):
                    score[e] = value[j, e] / events[j] if events[j] > 0.0 else 0.0
                _pick(score, n, least, out[r, j])
            # learn: what was before fades, the event counts 1
            if factor != 1.0:
                for e in range(n):
                    value[j, e] *= factor
            events[j] = events[j] * factor + 1.0
            for q in range(width):
                if experts[r, j, q] >= 0:
                    value[j, experts[r, j, q]] += 1.0
            # with a window, the event that leaves the ring is taken back
            if window > 0:
                slot = at[j] % window
                if at[j] >= window:
                    for q in range(width):
                        if ring[j, slot, q] >= 0:
                            value[j, ring[j, slot, q]] -= 1.0
                    events[j] -= 1.0
                for q in range(width):
                    ring[j, slot, q] = experts[r, j, q]
                at[j] += 1


@kernel
def previous(experts: Any, n_experts: Any, begins: Any, seen: Any, least: float, out: Any) -> None:
    """Twin of ``Previous``."""
    rounds, layers, width = experts.shape
    most = 0
    for j in range(layers):
        most = max(most, n_experts[j])
    # before: the layer's last event as a set; size: its members, -1 at the start of a session
    before = np.zeros((layers, most), np.bool_)
    size = np.full(layers, -1, np.int64)
    score = np.zeros(most)
    for r in range(rounds):
        if begins[r]:
            size[:] = -1
            before[:, :] = False
        for j in range(layers):
            n = n_experts[j]
            if out.shape[2] > 0:
                # guess: the share of members that stayed, and of others that came, each with one more case of both kinds
                stays = (seen[j, 0] + 1.0) / (seen[j, 1] + 2.0)
                comes = (seen[j, 2] + 1.0) / (seen[j, 3] + 2.0)
                for e in range(n):
                    score[e] = 0.0 if size[j] < 0 else (stays if before[j, e] else comes)
                _pick(score, n, least, out[r, j])
            # learn: seen[j] counts members that stayed of those that could, and others that came of those that could
            again = 0
            members = 0
            for q in range(width):
                e = experts[r, j, q]
                if e >= 0:
                    members += 1
                    if before[j, e]:
                        again += 1
            if size[j] >= 0:
                seen[j, 0] += again
                seen[j, 1] += size[j]
                seen[j, 2] += members - again
                seen[j, 3] += n - size[j]
            before[j, :] = False
            for q in range(width):
                e = experts[r, j, q]
                if e >= 0:
                    before[j, e] = True
            size[j] = members


@kernel
def markov(
    experts: Any,
    n_experts: Any,
    begins: Any,
    distance: int,
    prior: float,
    factor: float,
    value: Any,
    events: Any,
    pair: Any,
    uses: Any,
    least: float,
    out: Any,
) -> None:
    """Twin of ``Markov``."""
    rounds, layers, width = experts.shape
    # pair[j, p, e]: faded count of e in layer j after p in the source; uses[j, p]: of p itself; plain: the share without a source
    score = np.zeros(value.shape[1])
    plain = np.zeros(value.shape[1])
    since = 0
    for r in range(rounds):
        if begins[r]:
            since = r
        for j in range(layers):
            n = n_experts[j]
            # the source is the event ``distance`` layers before; its round, and how many members it had in this session
            source = (j - distance) % layers
            row = r if j >= distance else r - 1
            known = 0
            if row >= since:
                for q in range(width):
                    if experts[row, source, q] >= 0:
                        known += 1
            if out.shape[2] > 0:
                # guess: the mean over the source's members; ``prior`` pulls rows with few uses to the plain share
                for e in range(n):
                    plain[e] = value[j, e] / events[j] if events[j] > 0.0 else 0.0
                    score[e] = plain[e]
                if known > 0 and events[j] > 0.0:
                    for e in range(n):
                        score[e] = 0.0
                    for q in range(width):
                        p = experts[row, source, q]
                        if p >= 0:
                            for e in range(n):
                                score[e] += (pair[j, p, e] + prior * plain[e]) / (uses[j, p] + prior)
                    for e in range(n):
                        score[e] /= known
                _pick(score, n, least, out[r, j])
            # learn: the rows of the source's members fade and take this event; plain counts never fade
            if known > 0:
                for q in range(width):
                    p = experts[row, source, q]
                    if p >= 0:
                        if factor != 1.0:
                            for e in range(n):
                                pair[j, p, e] *= factor
                        for i in range(width):
                            if experts[r, j, i] >= 0:
                                pair[j, p, experts[r, j, i]] += 1.0
                        uses[j, p] = uses[j, p] * factor + 1.0
            for q in range(width):
                if experts[r, j, q] >= 0:
                    value[j, experts[r, j, q]] += 1.0
            events[j] += 1.0
