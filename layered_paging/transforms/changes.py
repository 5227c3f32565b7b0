"""Changes of one trace: layers skipped, tokens shuffled, prompts merged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.arguments import kinds
from ..core.instance import integer
from ..core.layout import merged_prefill
from ..core.trace import Trace
from ..errors import ParameterError

__all__ = [
    "interleave",
    "leave_early",
    "merge_prefill",
    "noted",
    "permute_layers",
    "redraw",
    "shuffle_tokens",
    "skip_layers",
    "top_one",
    "without_layers",
]

_Ids = npt.NDArray[np.int64]


@kinds()
def top_one(trace: Trace) -> Trace:
    """Keep the first expert of each event: layered paging as the theory states it, one request a layer.

    Parameters
    ----------
    trace : Trace
        The first expert is the router's first choice, or the first that is not missing.

    Returns
    -------
    Trace
        With ``top_k`` 1; an empty event stays empty.

    Examples
    --------
    >>> top_one(Trace([[[2, 0], [-1, 1]]])).experts.tolist()
    [[[2], [1]]]
    """
    first = (trace.experts >= 0).argmax(axis=2)[:, :, None]
    weights = None if trace.weights is None else np.take_along_axis(trace.weights, first, 2)
    return _changed(trace, np.take_along_axis(trace.experts, first, 2), "top_one", weights=weights)


@kinds()
def skip_layers(trace: Trace, probability: float, *, seed: int = 0) -> Trace:
    """Drop each event independently: layers that a token does not run through.

    Parameters
    ----------
    trace : Trace
    probability : float
        Of dropping an event, 0 to 1.
    seed : int
        At least 0.

    Raises
    ------
    ParameterError
        A parameter is out of its range.
    TraceError
        Nothing is left.
    """
    chance = _probability(probability)
    gone = _random(seed).random(trace.experts.shape[:2]) < chance
    return _changed(
        trace, np.where(gone[:, :, None], -1, trace.experts), "skip_layers", probability=chance, seed=int(seed)
    )


@kinds()
def leave_early(trace: Trace, probability: float, *, seed: int = 0) -> Trace:
    """End some rounds early, after one of the layers but the last, each equally likely.

    Parameters
    ----------
    trace : Trace
    probability : float
        Of ending a round early, 0 to 1.
    seed : int
        At least 0.

    Raises
    ------
    ParameterError
        A parameter is out of its range.
    """
    chance = _probability(probability)
    random = _random(seed)
    early = random.random(trace.rounds) < chance
    last = (random.random(trace.rounds) * max(1, trace.layers - 1)).astype(np.int64)
    gone = early[:, None] & (np.arange(trace.layers) > last[:, None])
    return _changed(
        trace, np.where(gone[:, :, None], -1, trace.experts), "leave_early", probability=chance, seed=int(seed)
    )


@kinds()
def interleave(trace: Trace, streams: int) -> Trace:
    """Serve several streams in turn, a token of each at a time, from one cache.

    Parameters
    ----------
    trace : Trace
        Its sessions go, in order, to the stream that is shortest so far. A trace of fewer sessions than
        streams is cut into as many runs of (nearly) equal length.
    streams : int
        At least 1 and at most the number of rounds.

    Returns
    -------
    Trace
        One session of the same rounds; a stream that has ended is left out.

    Examples
    --------
    >>> interleave(Trace([[0], [1], [2], [3]]), 2).experts.ravel().tolist()
    [0, 2, 1, 3]
    """
    count = integer("streams", streams, 1)
    if count > trace.rounds:
        raise ParameterError(f"must be at most the {trace.rounds} rounds; got {streams}", parameter="streams")
    ends = np.append(trace.sessions[1:], trace.rounds)
    if len(ends) < count:
        ends = np.arange(1, count + 1) * trace.rounds // count
    length = [0] * count
    turn = np.empty(trace.rounds, np.int64)
    stream = np.empty(trace.rounds, np.int64)
    for start, end in zip(np.append(0, ends[:-1]).tolist(), ends.tolist(), strict=True):
        at = length.index(min(length))
        turn[start:end] = np.arange(length[at], length[at] + end - start)
        stream[start:end] = at
        length[at] += end - start
    return _changed(trace, trace.experts, "interleave", rows=np.lexsort((stream, turn)), sessions=[0], streams=count)


@kinds()
def permute_layers(trace: Trace, probability: float = 1.0, *, seed: int = 0) -> Trace:
    """Let some rounds visit their layers in a random order.

    Parameters
    ----------
    trace : Trace
    probability : float
        Of giving a round a random order, 0 to 1.
    seed : int
        At least 0.

    Returns
    -------
    Trace
        The events of such a round, in their new order, are cut into rounds wherever the order turns
        back, other layers being empty: what a cache sees that is told only the layers.

    Raises
    ------
    ParameterError
        A parameter is out of its range.
    """
    chance = _probability(probability)
    random = _random(seed)
    mixed = random.random(trace.rounds) < chance
    order = np.where(
        mixed[:, None], np.argsort(random.random((trace.rounds, trace.layers)), axis=1), np.arange(trace.layers)
    )
    back = np.zeros(order.shape, np.int64)
    back[:, 1:] = np.diff(order, axis=1) < 0
    back[1:, 0] = 1
    row = np.cumsum(back.ravel()).reshape(order.shape)
    rounds = np.arange(trace.rounds)[:, None]
    experts = np.full((int(row[-1, -1]) + 1, trace.layers, trace.top_k), -1, trace.experts.dtype)
    experts[row, order] = trace.experts[rounds, order]
    weights = None
    if trace.weights is not None:
        weights = np.zeros(experts.shape, trace.weights.dtype)
        weights[row, order] = trace.weights[rounds, order]
    stage = np.empty(len(experts), np.int8)
    stage[row] = trace.stage[:, None]
    meta = noted(trace, "permute_layers", {"probability": chance, "seed": seed})
    starts = row[trace.sessions, 0]
    return Trace(experts, trace.n_experts, starts, stage, trace.expert_bytes, meta, weights)


@kinds()
def shuffle_tokens(trace: Trace, *, seed: int = 0) -> Trace:
    """Put the rounds of each session into a random order, prefill and decode rounds each among themselves.

    What each token asks for stays together over the layers; only the order in time is gone.

    Parameters
    ----------
    trace : Trace
    seed : int
        At least 0.
    """
    key = _random(seed).random(trace.rounds)
    rows = np.arange(trace.rounds)
    for part in _parts(trace):
        for stage in (0, 1):
            members = part[trace.stage[part] == stage]
            rows[members] = members[np.argsort(key[members], kind="stable")]
    return _changed(trace, trace.experts, "shuffle_tokens", rows=rows, seed=int(seed))


@kinds()
def redraw(trace: Trace, within: str = "session", *, seed: int = 0) -> Trace:
    """Draw every event anew, with replacement, from the events of its layer.

    The distribution of each layer's events stays; every dependence between tokens and layers is gone.

    Parameters
    ----------
    trace : Trace
    within : {"session", "trace"}
        Where the events to draw from are taken.
    seed : int
        At least 0.

    Raises
    ------
    ParameterError
        A parameter is out of its range.
    """
    if within not in ("session", "trace"):
        raise ParameterError(f"must be session or trace; got {within!r}", parameter="within")
    share = _random(seed).random(trace.experts.shape[:2])
    source = np.empty(share.shape, np.int64)
    for part in _parts(trace) if within == "session" else [np.arange(trace.rounds)]:
        source[part] = part[0] + (share[part] * len(part)).astype(np.int64)
    columns = np.arange(trace.layers)
    weights = None if trace.weights is None else trace.weights[source, columns]
    return _changed(trace, trace.experts[source, columns], "redraw", weights=weights, within=within, seed=int(seed))


@kinds()
def merge_prefill(trace: Trace) -> Trace:
    """Serve every prompt layer by layer at once: its prefill rounds become one round of unions.

    Parameters
    ----------
    trace : Trace
        A prompt is a maximal run of prefill rounds inside a session.

    Returns
    -------
    Trace
        Without weights.  Its replay is that of the given trace with ``prefill="merged"``.

    Examples
    --------
    >>> merge_prefill(Trace([[0], [1], [0]], stage=[0, 0, 1])).experts.tolist()
    [[[0, 1]], [[-1, 0]]]
    """
    merged = merged_prefill(trace)
    meta = noted(trace, "merge_prefill", {})
    return Trace(merged.experts, merged.n_experts, merged.sessions, merged.stage, merged.expert_bytes, meta)


@kinds(layers=0)
def without_layers(trace: Trace, layers: Sequence[int]) -> Trace:
    """Take the requests of some layers away: dense layers that were logged as if they routed.

    Parameters
    ----------
    trace : Trace
    layers : sequence of int
        Numbers of layers; the others keep theirs, so that page numbers stay.

    Raises
    ------
    ParameterError
        Not a layer of the trace.

    Examples
    --------
    >>> without_layers(Trace([[0, 1], [0, 2]]), [0]).experts.tolist()
    [[[-1], [1]], [[-1], [2]]]
    """
    gone = sorted({integer("layers", layer, 0) for layer in layers})
    if not gone or gone[-1] >= trace.layers:
        raise ParameterError(f"must be some of 0..{trace.layers - 1}; got {list(layers)[:8]}", parameter="layers")
    ids = trace.experts.copy()
    ids[:, gone] = -1
    return _changed(trace, ids, "without_layers", weights=trace.weights, layers=gone)


def _parts(trace: Trace) -> list[_Ids]:
    return np.split(np.arange(trace.rounds), trace.sessions[1:])


def _probability(value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)) or not 0 <= value <= 1:
        raise ParameterError(f"must be a number in 0..1; got {value!r}", parameter="probability")
    return float(value)


def _random(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(integer("seed", seed, 0)))


def noted(trace: Trace, name: str, given: dict[str, Any]) -> dict[str, Any]:
    """Return the metadata of a trace with a transformation added to ``transforms``."""
    before = trace.meta.get("transforms")
    return {**trace.meta, "transforms": [*(before if isinstance(before, list) else []), {"name": name, **given}]}


def _changed(
    trace: Trace,
    experts: npt.NDArray[Any],
    name: str,
    *,
    rows: _Ids | None = None,
    sessions: list[int] | None = None,
    weights: npt.NDArray[Any] | None = None,
    **given: Any,
) -> Trace:
    weights = trace.weights if weights is None else weights
    stage = trace.stage
    if rows is not None:
        experts, stage = experts[rows], stage[rows]
        weights = None if weights is None else weights[rows]
    meta = noted(trace, name, given)
    if sessions is not None:
        meta.pop("items", None)
    starts = trace.sessions if sessions is None else sessions
    return Trace(experts, trace.n_experts, starts, stage, trace.expert_bytes, meta, weights)
