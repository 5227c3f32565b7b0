"""Compiled twins of learnt predictions: waits until the next use, after every event.

Each first learns from an event, then predicts.  A wait is the inverse of the chance that an expert is in an event of its layer.
What was learnt (``value``, ``events``, ``pair``, ``uses``) and the arrays of waits are modified in place.  Operations on floats keep
the reference's order: the twin is equal to the last bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.compiled import kernel

__all__ = ["markov", "popularity"]


@kernel
def _wait(score: float, floor: float) -> float:
    """Return the events until a use of this chance, cut to ``floor``..1; infinite for no chance."""
    chance = max(min(score, 1.0), floor)
    return 1.0 / chance if chance > 0.0 else np.inf


@kernel
def popularity(
    experts: Any,
    layer: Any,
    n_experts: Any,
    factor: float,
    value: Any,
    events: Any,
    floor: float,
    ahead: Any,
    wait: Any,
) -> None:
    """Twin of ``Popularity`` without a window.

    ``experts``, shape (rounds, columns, width), ascending in each event, negative for none; ``ahead`` takes the waits of all
    experts of the event's layer, ``wait`` those of its members. Either may have no rows.
    """
    rounds, columns, width = experts.shape
    for r in range(rounds):
        for c in range(columns):
            j = layer[c]
            row = r * columns + c
            # learn, unless the event is empty (members stand at the end): what was before fades
            if experts[r, c, width - 1] >= 0:
                if factor != 1.0:
                    for e in range(n_experts[j]):
                        value[j, e] *= factor
                events[j] = events[j] * factor + 1.0
                for q in range(width):
                    if experts[r, c, q] >= 0:
                        value[j, experts[r, c, q]] += 1.0
            # predict: for all experts of the layer, and for the members
            seen = events[j] > 0.0
            if ahead.shape[0] > 0:
                for e in range(n_experts[j]):
                    ahead[row, e] = _wait(value[j, e] / events[j] if seen else 0.0, floor)
            if wait.shape[0] > 0:
                for q in range(width):
                    e = experts[r, c, q]
                    if e >= 0:
                        wait[row, q] = _wait(value[j, e] / events[j], floor)


@kernel
def _markov_scores(
    j: int,
    n: int,
    source: int,
    prior: float,
    value: Any,
    events: Any,
    pair: Any,
    uses: Any,
    last: Any,
    known: Any,
    score: Any,
) -> None:
    """Write into ``score`` the chance of each of ``n`` experts of layer ``j`` after the event of layer ``source``."""
    if events[j] == 0.0:  # nothing was learnt yet
        for e in range(n):
            score[e] = 0.0
        return
    if known[source] <= 0:  # no source in this session: the plain share
        for e in range(n):
            score[e] = value[j, e] / events[j]
        return
    for e in range(n):
        score[e] = 0.0
    # the mean over the source's members; ``prior`` pulls rows with few uses to the plain share
    for q in range(known[source]):
        p = last[source, q]
        for e in range(n):
            score[e] += (pair[j, p, e] + prior * (value[j, e] / events[j])) / (uses[j, p] + prior)
    for e in range(n):
        score[e] /= known[source]


@kernel
def markov(
    experts: Any,
    layer: Any,
    begins: Any,
    n_experts: Any,
    distance: int,
    prior: float,
    factor: float,
    value: Any,
    events: Any,
    pair: Any,
    uses: Any,
    floor: float,
    ahead: Any,
    later: Any,
    wait: Any,
) -> None:
    """Twin of ``Markov``; arrays as for ``popularity``, ``later`` for the layer served next.  A context never crosses calls."""
    rounds, columns, width = experts.shape
    layers = value.shape[0]
    # last[j, :known[j]]: the members of the layer's last event; -1 of them where the session has had none
    last = np.zeros((layers, width), np.int64)
    known = np.full(layers, -1, np.int64)
    score = np.zeros(value.shape[1])
    for r in range(rounds):
        if begins[r]:
            known[:] = -1
        for c in range(columns):
            j = layer[c]
            row = r * columns + c
            source = (j - distance) % layers
            # learn, unless the event is empty: the rows of the source's members fade and take this event
            if experts[r, c, width - 1] >= 0:
                for i in range(known[source]):
                    p = last[source, i]
                    if factor != 1.0:
                        for e in range(n_experts[j]):
                            pair[j, p, e] *= factor
                    for q in range(width):
                        if experts[r, c, q] >= 0:
                            pair[j, p, experts[r, c, q]] += 1.0
                    uses[j, p] = uses[j, p] * factor + 1.0
                # this event is the layer's last one from now on; plain counts never fade
                known[j] = 0
                for q in range(width):
                    e = experts[r, c, q]
                    if e >= 0:
                        value[j, e] += 1.0
                        last[j, known[j]] = e
                        known[j] += 1
                events[j] += 1.0
            # predict, for this layer and then for the next one, from their own sources
            if ahead.shape[0] > 0 or wait.shape[0] > 0:
                _markov_scores(j, n_experts[j], source, prior, value, events, pair, uses, last, known, score)
            if ahead.shape[0] > 0:
                for e in range(n_experts[j]):
                    ahead[row, e] = _wait(score[e], floor)
            if wait.shape[0] > 0:
                for q in range(width):
                    if experts[r, c, q] >= 0:
                        wait[row, q] = _wait(score[experts[r, c, q]], floor)
            if later.shape[0] > 0:
                k = (j + 1) % layers
                before = (k - distance) % layers
                _markov_scores(k, n_experts[k], before, prior, value, events, pair, uses, last, known, score)
                for e in range(n_experts[k]):
                    later[row, e] = _wait(score[e], floor)
