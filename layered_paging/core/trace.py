"""Routing traces: which experts each layer asked for, round by round."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError, TraceError
from .instance import Instance, integer

__all__ = ["DECODE", "PREFILL", "Trace", "layer_names", "transformed"]

PREFILL, DECODE = 0, 1
_CHUNK = 1 << 22  # entries looked at together while validating


class Trace:
    """A sequence of rounds; in each, every layer asks for a set of experts (an *event*).

    Parameters
    ----------
    experts : int array, shape (rounds, layers, top_k) or (rounds, layers)
        Expert ids in router order, -1 where an event has fewer members; distinct within an
        event.  A contiguous int16 (or int32, for wide layers) array is used as it is, without a copy,
        and is made read-only.  (255 means "none" only in files; see the trace formats.)
    n_experts : int or sequence of int, optional
        Experts of every layer, or of each layer; by default the largest id + 1.
    sessions : sequence of int, optional
        First round of each session: ascending, starting with 0.  Default: one session.
    stage : int array of length rounds, optional
        0 for prefill rounds, 1 for decode rounds.  Default: all decode.
    expert_bytes : int or sequence of int, optional
        Bytes of one expert: for all, one per layer, or one per page; each at least 1.
    weights : float array of the shape of ``experts``, optional
        Gate weights; finite where an expert is present.
    meta : mapping, optional
        Anything that JSON can hold: model, source, licence, per-session items.

    Raises
    ------
    TraceError
        The arrays break one of the rules above; the message says in which round and layer.

    Notes
    -----
    Page numbers count through the layers: ``layer * experts + expert`` for equal widths.

    Examples
    --------
    >>> trace = Trace([[[0, 1], [2, 0]], [[1, -1], [0, 2]]], n_experts=4)
    >>> trace.rounds, trace.layers, trace.top_k, trace.pages, trace.requests
    (2, 2, 2, 8, 7)
    """

    experts: npt.NDArray[np.signedinteger[Any]]
    n_experts: tuple[int, ...]
    sessions: npt.NDArray[np.int64]
    stage: npt.NDArray[np.int8]
    expert_bytes: npt.NDArray[np.int64] | None
    weights: npt.NDArray[np.floating[Any]] | None
    meta: dict[str, Any]

    def __init__(
        self,
        experts: npt.ArrayLike,
        n_experts: int | Sequence[int] | None = None,
        sessions: Sequence[int] | npt.NDArray[np.integer[Any]] | None = None,
        stage: Sequence[int] | npt.NDArray[np.integer[Any]] | None = None,
        expert_bytes: int | Sequence[int] | npt.NDArray[np.integer[Any]] | None = None,
        meta: Mapping[str, Any] | None = None,
        weights: npt.ArrayLike | None = None,
    ) -> None:
        ids = _id_array(experts)
        rounds, layers, _ = ids.shape
        self.n_experts = _widths(n_experts, ids)
        dtype = np.int16 if max(self.n_experts) <= np.iinfo(np.int16).max else np.int32
        _check_ids(ids, self.n_experts)
        self.experts = np.asarray(np.ascontiguousarray(ids, dtype=dtype).view())
        self.sessions = _sessions(sessions, rounds)
        self.stage = _stage(stage, rounds)
        self.expert_bytes = _bytes(expert_bytes, layers, sum(self.n_experts))
        self.weights = _weights(weights, self.experts)
        self.meta = _meta(meta)
        for array in (self.experts, self.sessions, self.stage, self.expert_bytes, self.weights):
            if array is not None:
                array.flags.writeable = False
        for given, used in ((experts, self.experts), (weights, self.weights)):
            # what was counted of a trace is kept on it: an array that is shared must not change under it
            if isinstance(given, np.ndarray) and used is not None and np.may_share_memory(given, used):
                given.flags.writeable = False

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__dict__:
            raise TraceError(
                f"a trace does not change, and what was counted of it is kept; got a new {name!r}: make a new Trace"
            )
        object.__setattr__(self, name, value)

    @property
    def tokens(self) -> npt.NDArray[np.int64] | None:
        """Tokens of each round, shape (rounds,), where a round has several: a step of a batch, a merged prompt; else None.

        They are known of what ``transforms.batch`` returns and of merged prompts; neither files nor other changes keep them.
        """
        found: npt.NDArray[np.int64] | None = self.__dict__.get("_tokens")
        return found

    @property
    def rounds(self) -> int:
        """Number of rounds (tokens)."""
        return int(self.experts.shape[0])

    @property
    def layers(self) -> int:
        """Number of layers."""
        return int(self.experts.shape[1])

    @property
    def top_k(self) -> int:
        """Largest number of experts that an event can name."""
        return int(self.experts.shape[2])

    @property
    def pages(self) -> int:
        """Number of pages over all layers."""
        return sum(self.n_experts)

    @property
    def requests(self) -> int:
        """Number of expert requests, missing entries left out; O(size)."""
        return int(np.count_nonzero(self.experts >= 0))

    @cached_property
    def asked(self) -> npt.NDArray[np.bool_]:
        """Whether each layer has a request at all, shape (layers,); a dense layer has none; O(size) once."""
        found: npt.NDArray[np.bool_] = np.any(self.experts >= 0, axis=(0, 2))
        found.flags.writeable = False
        return found

    @property
    def asked_pages(self) -> npt.NDArray[np.bool_]:
        """Whether each page is of a layer that has a request at all, shape (pages,)."""
        return np.repeat(self.asked, self.n_experts)

    @property
    def first_page(self) -> npt.NDArray[np.int64]:
        """Page number of expert 0 of each layer, shape (layers,)."""
        return np.concatenate(([0], np.cumsum(self.n_experts)[:-1])).astype(np.int64)

    @property
    def page_bytes(self) -> npt.NDArray[np.int64] | None:
        """Bytes of each page, shape (pages,), or None where sizes are unknown."""
        if self.expert_bytes is None or len(self.expert_bytes) == self.pages:
            return self.expert_bytes
        return np.repeat(self.expert_bytes, self.n_experts)

    def instance(self, slots: int) -> Instance:
        """Return the layered paging instance of this trace with ``slots`` slots."""
        return Instance(self.layers, self.n_experts, slots)

    def select(self, sessions: Sequence[int]) -> Trace:
        """Return a trace of the given sessions, in the given order."""
        ends = np.append(self.sessions[1:], self.rounds)
        chosen = [integer("session", s, 0) for s in sessions]
        if not chosen or max(chosen) >= len(self.sessions):
            raise ParameterError(
                f"must be some of 0..{len(self.sessions) - 1}; got {list(sessions)}", parameter="sessions"
            )
        rows = np.concatenate([np.arange(self.sessions[s], ends[s]) for s in chosen])
        starts = np.concatenate(([0], np.cumsum([ends[s] - self.sessions[s] for s in chosen])[:-1]))
        meta = dict(self.meta)
        if isinstance(meta.get("items"), list) and len(meta["items"]) == len(self.sessions):
            meta["items"] = [meta["items"][s] for s in chosen]
        weights = None if self.weights is None else self.weights[rows]
        return Trace(self.experts[rows], self.n_experts, starts, self.stage[rows], self.expert_bytes, meta, weights)

    def digest(self) -> str:
        """Return the SHA-256 of what paging depends on: ids, widths, sessions, stages and sizes."""
        sha = hashlib.sha256()
        sizes = None if self.expert_bytes is None else self.expert_bytes.tolist()
        sha.update(json.dumps([list(self.experts.shape), self.n_experts, sizes]).encode())
        sha.update(self.sessions.astype("<i8").tobytes())
        sha.update(self.stage.astype("<i1").tobytes())
        step = max(1, _CHUNK // (self.layers * self.top_k))
        for at in range(0, self.rounds, step):
            sha.update(self.experts[at : at + step].astype("<i4").tobytes())
        return "sha256:" + sha.hexdigest()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Trace):
            return NotImplemented

        def same(a: npt.NDArray[Any] | None, b: npt.NDArray[Any] | None) -> bool:
            return a is b or (a is not None and b is not None and np.array_equal(a, b, equal_nan=a.dtype.kind == "f"))

        return (
            self.n_experts == other.n_experts
            and same(self.experts, other.experts)
            and same(self.sessions, other.sessions)
            and same(self.stage, other.stage)
            and same(self.expert_bytes, other.expert_bytes)
            and same(self.weights, other.weights)
            and self.meta == other.meta
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        widths = self.n_experts[0] if len(set(self.n_experts)) == 1 else list(self.n_experts)
        return f"<Trace: {self.rounds} rounds in {len(self.sessions)} session(s), {self.layers} layers x {widths} experts, top_k {self.top_k}>"


def transformed(trace: Any, *names: str) -> str | None:
    """Return which of the named transformations a trace went through, by ``meta["transforms"]``: the first, or None."""
    done = trace.meta.get("transforms")
    known = [one.get("name") for one in done if isinstance(one, dict)] if isinstance(done, list) else []
    return next((name for name in names if name in known), None)


def layer_names(trace: Any) -> list[str]:
    """Return what the layers of a trace are called: as ``meta["layer_names"]`` says, else their numbers."""
    names = getattr(trace, "meta", {}).get("layer_names")
    if isinstance(names, list) and len(names) == trace.layers:
        return [str(name) for name in names]
    return [str(layer) for layer in range(trace.layers)]


def _id_array(experts: npt.ArrayLike) -> npt.NDArray[np.integer[Any]]:
    try:
        ids = np.asarray(experts)
    except ValueError as error:
        raise TraceError(
            f"experts must be a rectangular array (rounds, layers, top_k), -1 for none; got {error}"
        ) from None
    if ids.ndim == 2:
        ids = ids[:, :, None]
    if ids.ndim != 3 or 0 in ids.shape:
        raise TraceError(f"experts must have shape (rounds, layers, top_k), each at least 1; got {ids.shape}")
    if ids.dtype.kind == "f" and not np.isfinite(ids).all():
        raise TraceError("experts must be integers; got NaN or infinity")
    if ids.dtype.kind not in "iu":
        raise TraceError(f"experts must be an array of integers; got dtype {ids.dtype}")
    return ids


def _widths(n_experts: int | Sequence[int] | None, ids: npt.NDArray[np.integer[Any]]) -> tuple[int, ...]:
    layers = int(ids.shape[1])
    widths: tuple[int, ...]
    if n_experts is None:
        if ids.dtype.kind == "u" and int(ids.max()) == np.iinfo(ids.dtype).max:
            most = int(ids.max())
            raise TraceError(
                f"experts holds {most}, which is expert {most}, or -1 (none) in an unsigned array; "
                "give n_experts, or -1 in a signed array"
            )
        widths = (max(1, int(ids.max()) + 1),) * layers
    elif isinstance(n_experts, (Sequence, np.ndarray)) and not isinstance(n_experts, str):
        widths = tuple(integer(f"n_experts of layer {j}", n, 1) for j, n in enumerate(n_experts))
        if len(widths) != layers:
            raise TraceError(f"n_experts must be one int, or one for each of the {layers} layers; got {len(widths)}")
    else:
        widths = (integer("n_experts", n_experts, 1),) * layers
    if sum(widths) > np.iinfo(np.int32).max:
        raise TraceError(f"a trace has at most 2^31 - 1 pages over all layers; got {sum(widths)}")
    return widths


def _check_ids(ids: npt.NDArray[np.integer[Any]], widths: tuple[int, ...]) -> None:
    limit = np.asarray(widths)[:, None]
    seen = False
    step = max(1, _CHUNK // (ids.shape[1] * ids.shape[2]))
    for at in range(0, ids.shape[0], step):
        part = ids[at : at + step]
        wrong = (part >= limit) | (part < -1)
        if wrong.any():
            r, j, q = (int(x) for x in np.argwhere(wrong)[0])
            raise TraceError(
                f"experts[{at + r}, {j}, {q}] must be in 0..{widths[j] - 1}, or -1 for none; got {part[r, j, q]}"
            )
        seen = seen or bool((part >= 0).any())
        if part.shape[2] > 1 and _may_repeat(part):
            ordered = np.sort(part, axis=2)
            twice = (ordered[:, :, 1:] == ordered[:, :, :-1]) & (ordered[:, :, 1:] >= 0)
            if twice.any():
                r, j, _ = (int(x) for x in np.argwhere(twice)[0])
                dense = "" if part[r, j].any() else " (for a dense layer, which has no experts, write -1)"
                raise TraceError(
                    f"experts[{at + r}, {j}] must be distinct within an event; got {part[r, j].tolist()}{dense}"
                )
    if not seen:
        raise TraceError("a trace must hold at least one request; got none but -1")


def _may_repeat(ids: npt.NDArray[np.integer[Any]]) -> bool:
    """Return False if no event names an expert twice; wide events are left to sorting."""
    top = ids.shape[2]
    pairs = ((a, b) for b in range(1, top) for a in range(b))
    return top > 10 or any(((ids[:, :, a] == ids[:, :, b]) & (ids[:, :, a] >= 0)).any() for a, b in pairs)


def _sessions(sessions: Any, rounds: int) -> npt.NDArray[np.int64]:
    if sessions is None:
        return np.zeros(1, np.int64)
    starts = _array("sessions", sessions)
    if starts.ndim != 1 or starts.size == 0 or starts.dtype.kind not in "iu":
        raise TraceError(f"sessions must be a list of the first round of each session; got {sessions!r}")
    starts = starts.astype(np.int64)
    if starts[0] != 0 or (np.diff(starts) <= 0).any() or starts[-1] >= rounds:
        raise TraceError(
            f"sessions must start with 0, ascend strictly and stay below {rounds} rounds; got {starts[:8].tolist()}..."
        )
    return starts


def _stage(stage: Any, rounds: int) -> npt.NDArray[np.int8]:
    if stage is None:
        return np.full(rounds, DECODE, np.int8)
    stages = _array("stage", stage)
    if stages.dtype.kind == "b":
        raise TraceError(
            "stage must be 0 (prefill) or 1 (decode); got true and false, of which either may mean prefill"
        )
    if stages.shape != (rounds,) or stages.dtype.kind not in "iu":
        raise TraceError(
            f"stage must hold one integer for each of the {rounds} rounds; got shape {stages.shape}, dtype {stages.dtype}"
        )
    wrong = np.flatnonzero((stages != PREFILL) & (stages != DECODE))
    if wrong.size:
        raise TraceError(f"stage[{wrong[0]}] must be 0 (prefill) or 1 (decode); got {stages[wrong[0]]}")
    return stages.astype(np.int8)


def _bytes(sizes: Any, layers: int, pages: int) -> npt.NDArray[np.int64] | None:
    if sizes is None:
        return None
    array = _array("expert_bytes", sizes)
    if array.dtype.kind not in "iu":
        raise TraceError(f"expert_bytes must be integers; got dtype {array.dtype}")
    array = np.full(layers, array) if array.ndim == 0 else array.ravel()
    if len(array) not in (layers, pages):
        raise TraceError(
            f"expert_bytes must be one int, one for each of {layers} layers or of {pages} pages; got {len(array)}"
        )
    if (array < 1).any() or (array > np.iinfo(np.int64).max // pages).any():
        at = int(np.flatnonzero((array < 1) | (array > np.iinfo(np.int64).max // pages))[0])
        raise TraceError(f"expert_bytes[{at}] must be at least 1 and sum to less than 2^63; got {array[at]}")
    return array.astype(np.int64)


def _weights(weights: Any, ids: npt.NDArray[np.signedinteger[Any]]) -> npt.NDArray[np.floating[Any]] | None:
    if weights is None:
        return None
    array = _array("weights", weights)
    if array.ndim == 2 and ids.shape[2] == 1:
        array = array[:, :, None]
    if array.dtype.kind != "f" or array.shape != ids.shape:
        raise TraceError(f"weights must be floats of shape {ids.shape}; got {array.dtype} of shape {array.shape}")
    wrong = ~np.isfinite(array) & (ids >= 0)
    if wrong.any():
        r, j, q = (int(x) for x in np.argwhere(wrong)[0])
        raise TraceError(f"weights[{r}, {j}, {q}] must be finite where an expert is present; got {array[r, j, q]}")
    return np.ascontiguousarray(array).view()


def _array(name: str, values: Any) -> npt.NDArray[Any]:
    try:
        return np.asarray(values)
    except (OverflowError, ValueError) as error:
        raise TraceError(f"{name} must be a plain array of numbers; {error}") from None


def _meta(meta: Mapping[str, Any] | None) -> dict[str, Any]:
    if meta is None:
        return {}
    try:
        copy = json.loads(json.dumps(meta, allow_nan=False))
    except (RecursionError, TypeError, ValueError) as error:
        raise TraceError(f"meta must be a mapping that JSON can hold; {error}") from None
    if not isinstance(copy, dict):
        raise TraceError(f"meta must be a mapping; got {type(meta).__name__}")
    return copy
