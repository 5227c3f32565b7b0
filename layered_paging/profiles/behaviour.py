"""How a router behaves: skew, locality, structure between layers, gate weights, experts that could go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.arguments import kinds
from ..core.instance import integer, shown
from ..core.trace import Trace
from ..errors import ParameterError
from .profile import Profile

__all__ = [
    "Behaviour",
    "Gates",
    "behaviour",
    "gate_shares",
    "gates",
    "gini",
    "pruned",
    "reuse_ages",
    "transition_counts",
]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Behaviour:
    """What a router does, by layer.

    Attributes
    ----------
    rates : tuple of float arrays
        Share of the layer's events that use each expert.
    gini : float array, shape (layers,)
        Of the uses: 0 all alike, near 1 all on one.
    coverage : float array, shape (layers, 3)
        Share of the requests for the hottest 10, 25 and 50 % of the experts (rounded up).
    overlap : float array, shape (layers,)
        Mean share of an event's experts that the layer's previous event of the session used; nan without such events.
    by_chance : float array, shape (layers,)
        The same for independent draws with the layer's rates: the sum of squared rates over their sum.
    median_reuse : float array, shape (layers,)
        Median of the tokens since an expert's previous use in the session, over all requests that have one; nan without.
    first_uses : float array, shape (layers,)
        Share of the requests that are the expert's first of the session.
    information : float array, shape (layers,)
        Mutual information, in bits, between a random expert of the layer before and a random one of this layer.  Before
        layer 0 comes the last layer of the token before.  Biased upwards by (experts - 1)^2 / (2 ln 2 events) or less.
    """

    rates: tuple[Floats, ...]
    gini: Floats
    coverage: Floats
    overlap: Floats
    by_chance: Floats
    median_reuse: Floats
    first_uses: Floats
    information: Floats


@kinds()
def behaviour(trace: Trace) -> Behaviour:
    """Describe the router of a trace; time and memory O(requests * top_k + layers * experts^2).

    Examples
    --------
    >>> seen = behaviour(Trace([[[0, 1]], [[0, 2]], [[0, 1]]], n_experts=4))
    >>> seen.overlap.tolist(), seen.median_reuse.tolist(), seen.gini.round(4).tolist()
    ([0.5], [1.0], [0.4167])
    """
    profile = Profile.of(trace)
    rates = tuple(profile.rates)
    coverage = np.array(
        [
            [np.sort(c)[::-1][: -(-len(c) * part // 100)].sum() / max(1.0, c.sum()) for part in (10, 25, 50)]
            for c in profile.counts
        ]
    )
    overlap, median, first = [], [], []
    begins = np.zeros(trace.rounds, bool)
    begins[trace.sessions] = True
    for layer in range(trace.layers):
        ids = trace.experts[:, layer]
        members = (ids >= 0).sum(axis=1)
        again = ((ids[1:, :, None] == ids[:-1, None, :]) & (ids[1:, :, None] >= 0)).any(axis=2).sum(axis=1)
        inside = ~begins[1:] & (members[1:] > 0)
        overlap.append(float((again[inside] / members[1:][inside]).mean()) if inside.any() else np.nan)
        ages, fresh = reuse_ages(trace, layer)
        median.append(float(np.median(ages)) if len(ages) else np.nan)
        first.append(fresh / max(1, int(members.sum())))
    squares = np.array([float((r**2).sum() / r.sum()) if r.sum() else np.nan for r in rates])
    shares = [transition_counts(trace, layer) for layer in range(trace.layers)]
    return Behaviour(
        rates,
        np.array([gini(c) for c in profile.counts]),
        coverage,
        np.array(overlap),
        squares,
        np.array(median),
        np.array(first),
        np.array([_information(s) for s in shares]),
    )


def gini(values: npt.ArrayLike) -> float:
    """Return the Gini coefficient of values of at least 0; 0 where all are 0.

    Examples
    --------
    >>> gini([1, 1, 1]), gini([0, 0, 0, 4])
    (0.0, 0.75)
    """
    x = np.sort(np.asarray(values, np.float64))
    total = float(x.sum())
    if total == 0:
        return 0.0
    n = len(x)
    return float((2 * np.arange(1, n + 1) - n - 1) @ x / (n * total))


def _of(trace: Trace, layer: int) -> int:
    if integer("layer", layer, 0) >= trace.layers:
        raise ParameterError(f"must be in 0..{trace.layers - 1}; got {shown(layer)}", parameter="layer")
    return int(layer)


@kinds(layer=0)
def reuse_ages(trace: Trace, layer: int) -> tuple[npt.NDArray[np.int64], int]:
    """Return the tokens since each request's previous use in its session, and the number of first uses."""
    layer = _of(trace, layer)
    ids = trace.experts[:, layer]
    row, q = np.nonzero(ids >= 0)
    session = np.searchsorted(trace.sessions, row, side="right") - 1
    key = session.astype(np.int64) * trace.n_experts[layer] + ids[row, q]
    order = np.lexsort((row, key))
    same = key[order][1:] == key[order][:-1]
    ages = (row[order][1:] - row[order][:-1])[same]
    return ages.astype(np.int64), int(len(row) - len(ages))


@kinds(layer=0)
def transition_counts(trace: Trace, layer: int) -> Floats:
    """Return how often each expert of the layer before occurs with each of this one, shape (before, experts).

    The layer before is that of the same token; for layer 0 the last layer of the session's token before.
    """
    layer = _of(trace, layer)
    here, there = trace.experts[:, layer], trace.experts[:, layer - 1]
    if layer == 0:
        begins = np.zeros(trace.rounds, bool)
        begins[trace.sessions] = True
        here, there = here[1:][~begins[1:]], there[:-1][~begins[1:]]
    counts = np.zeros((trace.n_experts[layer - 1], trace.n_experts[layer]))
    for p in range(there.shape[1]):
        for q in range(here.shape[1]):
            fits = (there[:, p] >= 0) & (here[:, q] >= 0)
            np.add.at(counts, (there[fits, p], here[fits, q]), 1.0)
    return counts


def _information(counts: Floats) -> float:
    total = counts.sum()
    if total == 0:
        return 0.0
    p = counts / total
    outer = p.sum(axis=1, keepdims=True) * p.sum(axis=0, keepdims=True)
    some = p > 0
    return float((p[some] * np.log2(p[some] / outer[some])).sum())


@dataclass(frozen=True, eq=False)
class Gates:
    """Gate weights, normalised to sum 1 in each event; means over events of two or more members.

    Attributes
    ----------
    entropy : float array, shape (layers,)
        Bits; at most log2 of the members.
    top_share : float array, shape (layers,)
        Weight of the heaviest expert.
    """

    entropy: Floats
    top_share: Floats


def gate_shares(trace: Trace) -> Floats:
    """Return each member's share of its event's weight, 0 where there is none, in the shape of the trace.

    Raises
    ------
    ParameterError
        The trace has no weights, or negative ones, or an event without weight.
    """
    if trace.weights is None:
        raise ParameterError("the trace has no gate weights")
    present = trace.experts >= 0
    weights = np.where(present, trace.weights, 0.0).astype(np.float64)
    if (weights < 0).any():
        raise ParameterError("gate weights must be at least 0 to be shares")
    total = weights.sum(axis=2)
    if (present.any(axis=2) & (total <= 0)).any():
        raise ParameterError("every event must have some gate weight")
    shares: Floats = weights / np.where(total > 0, total, 1.0)[:, :, None]
    return shares


def gates(trace: Trace) -> Gates:
    """Describe the gate weights of a trace; raises as ``gate_shares`` does."""
    shares = gate_shares(trace)
    several = (trace.experts >= 0).sum(axis=2) >= 2
    logs = np.log2(shares, out=np.zeros_like(shares), where=shares > 0)
    entropy, top = -(shares * logs).sum(axis=2), shares.max(axis=2)
    found = [
        (float(entropy[several[:, j], j].mean()), float(top[several[:, j], j].mean()))
        if several[:, j].any()
        else (np.nan,) * 2
        for j in range(trace.layers)
    ]
    return Gates(np.array([a for a, _ in found]), np.array([b for _, b in found]))


@kinds()
def pruned(chosen_from: Trace, trace: Trace, removed: int) -> tuple[float, float | None]:
    """Return what is lost if each layer's least used experts are removed.

    Parameters
    ----------
    chosen_from : Trace
        Whose uses decide which experts go; ties to the higher expert number.
    trace : Trace
        Of the same model: what is lost is measured here.
    removed : int
        Experts removed from each layer, at least 0 and below each layer's number.

    Returns
    -------
    (float, float or None)
        Share of the requests, and of the gate weight, that were for removed experts; None without weights.
    """
    if chosen_from.n_experts != trace.n_experts:
        raise ParameterError("both traces must be of the same model shape")
    removed = integer("removed", removed, 0)
    if removed >= min(trace.n_experts):
        raise ParameterError(
            f"must be below {min(trace.n_experts)}, the experts of a layer; got {removed}", parameter="removed"
        )
    profile = Profile.of(chosen_from)
    gone = np.zeros((trace.layers, max(trace.n_experts)), bool)
    for j, n in enumerate(trace.n_experts):
        gone[j, profile.hottest(j, n)[n - removed :]] = True
    present = trace.experts >= 0
    lost = present & gone[np.arange(trace.layers)[:, None], np.where(present, trace.experts, 0)]
    mass: Any = None
    if trace.weights is not None:
        shares = gate_shares(trace)
        mass = float(shares[lost].sum() / shares.sum())
    return float(lost.sum() / present.sum()), mass
