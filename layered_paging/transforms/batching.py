"""Several requests at once: continuous batching, in which a layer asks for the union over the running requests."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.arguments import kinds
from ..core.instance import integer
from ..core.layout import locked
from ..core.trace import DECODE, PREFILL, Trace
from ..errors import ParameterError
from .changes import noted

__all__ = ["batch"]

MOST = 1 << 33  # bytes of ids
_Ids = npt.NDArray[np.int64]


@kinds()
def batch(traces: Trace | Sequence[Trace], size: int, *, chunk: int | None = None) -> Trace:
    """Run several requests at once, as an engine with continuous batching does; a round becomes a step.

    Parameters
    ----------
    traces : Trace or sequence of Trace
        Of one model.  Every session is a request; they wait in the order given.
    size : int
        Requests that run at once: at least 1, at most the number of requests.
    chunk : int, optional
        Tokens of its prompt that a request runs through in one step, at least 1 (chunked prefill).  Default: the whole
        prompt in one step.

    Returns
    -------
    Trace
        One session, without weights.  In every step each running request runs one decode token, or a piece of its prompt.
        The event of a layer is the union of what they ask for, in the order of their places and then of their routers.
        A request that ends is replaced in the next step.  A step is a prefill step if any token in it is of a prompt.
        ``meta["batch"]`` says ``size``, ``chunk``, ``requests``, ``tokens`` (rounds of the given traces) and ``steps``.  It
        says ``mixed_steps`` (prefill and decode together), ``mean_running``, ``mean_union`` (experts of an event that has any)
        and ``largest_union``.

    Raises
    ------
    ParameterError
        Traces of different models; fewer requests than ``size``; a result beyond 8 GiB.

    Notes
    -----
    A prompt is a maximal run of prefill rounds inside a session.  Deterministic; O(requests log requests) for the
    expert requests, all held at once.  Places are taken first come, first served; the lowest free place first.

    Examples
    --------
    >>> two = Trace([[[0, 1]], [[2, 3]], [[0, 2]], [[4, 5]]], sessions=[0, 2])
    >>> batch(two, 2).experts.tolist()
    [[[0, 1, 2, -1]], [[2, 3, 4, 5]]]
    """
    given = [traces] if isinstance(traces, Trace) else list(traces)
    first = _of_one_model(given)
    count = sum(len(trace.sessions) for trace in given)
    places = integer("size", size, 1)
    if places > count:
        raise ParameterError(
            f"must be at most {count}, the number of requests (a session is one); got {places}", parameter="size"
        )
    most = None if chunk is None else integer("chunk", chunk, 1, 1 << 40)
    stage = np.concatenate([trace.stage for trace in given])
    offsets = np.cumsum([0, *(trace.rounds for trace in given[:-1])])
    starts = np.concatenate([trace.sessions + at for trace, at in zip(given, offsets, strict=True)])
    step, place, running = _schedule(starts, stage, places, most)
    steps = int(step.max()) + 1
    top = max(trace.top_k for trace in given)
    ids = np.concatenate([np.pad(t.experts, ((0, 0), (0, 0), (0, top - t.top_k)), constant_values=-1) for t in given])
    experts = _unions(ids, np.lexsort((np.arange(len(step)), place, step)), step, steps, max(first.n_experts))
    prefill, decode = (np.bincount(step[stage == kind], minlength=steps) > 0 for kind in (PREFILL, DECODE))
    sizes = (experts >= 0).sum(axis=2)
    meta = noted(first, "batch", {"size": places, "chunk": most})
    meta.pop("items", None)
    meta["batch"] = {
        "size": places,
        "chunk": most,
        "requests": count,
        "tokens": len(step),
        "steps": steps,
        "mixed_steps": int((prefill & decode).sum()),
        "mean_running": round(running / steps, 6),
        "mean_union": round(float(sizes.sum()) / int((sizes > 0).sum()), 6),
        "largest_union": int(sizes.max()),
    }
    made = Trace(experts, first.n_experts, [0], np.where(prefill, PREFILL, DECODE), first.expert_bytes, meta)
    made.__dict__["_tokens"] = locked(np.bincount(step, minlength=steps))
    return made


def _of_one_model(traces: Sequence[Trace]) -> Trace:
    if not traces:
        raise ParameterError("must hold at least one trace; got none", parameter="traces")
    first = traces[0]
    for number, trace in enumerate(traces[1:], start=1):
        if trace.n_experts != first.n_experts:
            raise ParameterError(
                f"must be of one model: trace {number} has other layers or experts than trace 0", parameter="traces"
            )
        if not np.array_equal(trace.page_bytes if trace.page_bytes is not None else 0,
                              first.page_bytes if first.page_bytes is not None else 0):  # fmt: skip
            raise ParameterError(
                f"must be of one model: trace {number} has other expert_bytes than trace 0", parameter="traces"
            )
    return first


def _schedule(starts: _Ids, stage: npt.NDArray[np.int8], places: int, chunk: int | None) -> tuple[_Ids, _Ids, int]:
    """Return the step and the place of every round, and the sum over the steps of the requests that run."""
    step, place = np.empty(len(stage), np.int64), np.empty(len(stage), np.int64)
    free = [(0, number) for number in range(places)]  # the step from which on a place is free
    running = 0
    for begin, end in zip(starts.tolist(), [*starts[1:].tolist(), len(stage)], strict=True):
        now, mine = heapq.heappop(free)
        prefill = stage[begin:end] == PREFILL
        at = np.arange(end - begin)
        head = np.maximum.accumulate(np.where(prefill & ~np.concatenate(([False], prefill[:-1])), at, 0))
        inside = at - head  # tokens of the prompt before this one
        opens = ~prefill | (inside == 0 if chunk is None else inside % chunk == 0)
        step[begin:end] = now + np.cumsum(opens) - 1
        place[begin:end] = mine
        running += int(opens.sum())
        heapq.heappush(free, (now + int(opens.sum()), mine))
    return step, place, running


def _unions(ids: npt.NDArray[Any], order: _Ids, step: _Ids, steps: int, width: int) -> npt.NDArray[Any]:
    """Return the union of each step and layer, in the order of first occurrence, shape (steps, layers, largest)."""
    layers = ids.shape[1]
    kept: list[tuple[_Ids, npt.NDArray[Any]]] = []
    largest, at = 1, 0
    sorted_steps = step[order]
    while at < len(order):  # whole steps, about 16,384 rounds at a time
        last = sorted_steps[min(at + 16384, len(order)) - 1]
        end = int(np.searchsorted(sorted_steps, last, side="right"))
        part = ids[order[at:end]]
        event = np.broadcast_to((sorted_steps[at:end, None] * layers + np.arange(layers))[:, :, None], part.shape)
        there = part >= 0
        key = event[there] * width + part[there]
        _, where = np.unique(key, return_index=True)
        where.sort()
        chosen = key[where]
        chosen = chosen[np.argsort(chosen // width, kind="stable")]
        kept.append((chosen // width, (chosen % width).astype(ids.dtype)))
        largest = max(largest, int(np.unique(chosen // width, return_counts=True)[1].max(initial=1)))
        at = end
    if steps * layers * largest * ids.itemsize > MOST:
        raise ParameterError(f"a batch of {steps} steps with unions of {largest} experts would need more than 8 GiB")
    experts = np.full((steps * layers, largest), -1, ids.dtype)
    for events, members in kept:
        heads = np.flatnonzero(np.diff(events, prepend=-1))
        rank = np.arange(len(events)) - np.repeat(heads, np.diff(np.append(heads, len(events))))
        experts[events, rank] = members
    return experts.reshape(steps, layers, largest)
