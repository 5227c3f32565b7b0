"""Profiles: how often each expert of each layer was used, learnt from traces or online, kept in small files.

A profile file is one JSON object::

    {"format": "layered-paging profile", "version": 1,
     "model": "openai/gpt-oss-20b" or null,
     "experts": [32, 32, ...],                       one number a layer
     "learnt": {"half_life": null, "window": null},  in events of a layer
     "events": [511.0, ...],                         (faded) events of each layer
     "counts": [[17.0, 0.0, ...], ...],              (faded) uses of each expert of each layer
     "sources": [{"trace": "sha256:...", "sessions": 3, "rounds": 511, "name": "..."}, ...],
     "digest": "sha256:..."}                         of all other fields; may be left out

The digest is the SHA-256 of ``json.dumps(fields, sort_keys=True, separators=(",", ":"))`` of the other fields.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core import strict_json
from ..core.arguments import kinds
from ..core.files import check_replaceable, read_whole, write_atomic
from ..core.instance import integer
from ..core.trace import Trace
from ..errors import FormatError, ParameterError
from ..prediction.predictors import Popularity

__all__ = ["Comparison", "Profile", "compare", "merge"]

FORMAT, VERSION = "layered-paging profile", 1
LIMIT = 64 << 20  # bytes of a file that is read at all
MOST = 2.0**53  # events and counts stay below
FIELDS = ("format", "version", "model", "experts", "learnt", "events", "counts", "sources")
SOURCES = 10_000

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Profile:
    """How often each expert was used.

    Attributes
    ----------
    counts : tuple of float64 arrays, one per layer
        Uses of each expert, whole numbers unless they fade.
    events : float64 array, shape (layers,)
        Events of each layer, counted alike; no count exceeds it.
    model : str or None
    learnt : mapping
        half_life and window, each a number of events or None.
    sources : tuple of mappings
        What it was made from: trace (digest), sessions, rounds, name.

    Raises
    ------
    ParameterError
        Counts that are negative, not finite, above the events, or not one for each expert.
    """

    counts: tuple[Floats, ...]
    events: Floats
    model: str | None = None
    learnt: dict[str, Any] = field(default_factory=lambda: {"half_life": None, "window": None})
    sources: tuple[dict[str, Any], ...] = ()

    def __post_init__(self) -> None:
        if len(self.counts) == 0 or len(self.events) != len(self.counts):
            raise ParameterError(f"a profile needs events for each of its layers; got {len(self.events)}")
        for layer, (row, events) in enumerate(zip(self.counts, self.events.tolist(), strict=True)):
            if row.ndim != 1 or row.size == 0:
                raise ParameterError(f"a profile needs a count for each expert; layer {layer} has none")
            if not (math.isfinite(events) and 0 <= events < MOST):
                raise ParameterError(f"events of layer {layer} must be in 0..2^53; got {events}")
            if not np.isfinite(row).all() or (row < 0).any() or (row > events * (1 + 1e-9) + 1e-9).any():
                raise ParameterError(
                    f"counts of layer {layer} must be in 0..{events} (its events); got {row.tolist()[:8]}"
                )

    @property
    def n_experts(self) -> tuple[int, ...]:
        """Experts of each layer."""
        return tuple(len(row) for row in self.counts)

    @property
    def rates(self) -> list[Floats]:
        """Share of the layer's events that used each expert; zeros where there were none."""
        return [row / max(events, row.max(initial=0.0)) if events > 0 else np.zeros_like(row)
                for row, events in zip(self.counts, self.events.tolist(), strict=True)]  # fmt: skip

    @property
    def page_rates(self) -> Floats:
        """``rates`` by page number, shape (pages,)."""
        return np.concatenate(self.rates)

    def hottest(self, layer: int, count: int) -> list[int]:
        """Return the layer's most used experts, the hottest first; ties to the lower number."""
        order = np.argsort(-self.rates[layer], kind="stable")
        return [int(e) for e in order[:count]]

    def check(self, trace: Trace) -> Profile:
        """Return self if it is for the trace's model shape.

        Raises
        ------
        ParameterError
            Another number of layers or experts.
        """
        if self.n_experts != trace.n_experts:
            raise ParameterError(
                f"the profile is for {_shape(self.n_experts)}, the trace for {_shape(trace.n_experts)}: "
                "they must be of the same model shape"
            )
        return self

    @classmethod
    def of(
        cls,
        trace: Trace,
        *,
        half_life: float | None = None,
        window: int | None = None,
        name: str | None = None,
        model: str | None = None,
    ) -> Profile:
        """Learn a profile from a trace.

        Parameters
        ----------
        trace : Trace
            ``trace.select(sessions)`` for some sessions only.
        half_life, window : optional
            In events of a layer, as for the predictor ``popularity``; default: all events count alike.
        name : str, optional
            Of the source, such as a file name.
        model : str, optional
            Default: the trace's ``meta["model"]``.

        Examples
        --------
        >>> profile = Profile.of(Trace([[[0, 1]], [[0, 2]]], n_experts=4))
        >>> profile.counts[0].tolist(), profile.events.tolist()
        ([2.0, 1.0, 1.0, 0.0], [2.0])
        """
        if half_life is not None and window is not None:
            raise ParameterError(f"exclude each other; got {half_life} and {window}", parameter=("half_life", "window"))
        tracker = Popularity(trace.n_experts, half_life=half_life, window=window)
        part = trace.experts if window is None else trace.experts[-tracker.window :]  # type: ignore[operator]
        value, events = np.zeros((trace.layers, max(trace.n_experts))), np.zeros(trace.layers)
        if tracker.factor == 1.0:  # nothing fades
            events += len(part)
            for layer, row in enumerate(value):
                ids = part[:, layer]
                row += np.bincount(ids[ids >= 0], minlength=len(row))
        else:
            _learn(tracker.factor, part, trace.n_experts, value, events)
        source = {"trace": trace.digest(), "sessions": len(trace.sessions), "rounds": trace.rounds, "name": name}
        told = trace.meta.get("model")
        return cls(
            tuple(value[j, :n].copy() for j, n in enumerate(trace.n_experts)),
            events,
            model if model is not None else (told if isinstance(told, str) else None),
            {"half_life": half_life, "window": window},
            (source,),
        )

    @classmethod
    def of_tracker(cls, tracker: Popularity, *, model: str | None = None, name: str | None = None) -> Profile:
        """Return what a ``popularity`` predictor has learnt so far, online."""
        source = {"trace": None, "sessions": None, "rounds": None, "name": name}
        counts = tuple(np.clip(row, 0.0, None) for row in tracker.counts)
        return cls(counts, np.array(tracker.events), model, dict(tracker.learnt), (source,))

    def to_json(self) -> str:
        """Return the profile as one JSON object."""
        fields: dict[str, Any] = {
            "format": FORMAT,
            "version": VERSION,
            "model": self.model,
            "experts": list(self.n_experts),
            "learnt": self.learnt,
            "events": self.events.tolist(),
            "counts": [row.tolist() for row in self.counts],
            "sources": list(self.sources),
        }
        return json.dumps(fields | {"digest": _digest(fields)}, allow_nan=False)

    def save(self, path: str | Path) -> None:
        """Write the profile, all of it or nothing.

        Raises
        ------
        FormatError
            A file that is no profile has this name.
        """
        check_replaceable(path, FORMAT)
        write_atomic(path, self.to_json().encode() + b"\n")

    @classmethod
    def load(cls, path: str | Path) -> Profile:
        """Read a profile; nothing in the file is executed, and nothing is allocated beyond its size.

        Raises
        ------
        FormatError
            Not a profile, of a later version, truncated, altered, or with values out of range.
        """
        data = read_whole(path, LIMIT, "profile")
        try:
            return _read(data)
        except (FormatError, ParameterError) as error:
            raise FormatError(f"{path}: {error}") from None


def _learn(factor: float, experts: Any, n_experts: Sequence[int], value: Any, events: Any) -> None:
    """Add the uses of experts and the events of their layers to what is there, which fades."""
    from ..prediction import guess_kernels

    nothing = (
        np.zeros((1, 1, 1), experts.dtype),
        np.zeros(len(events), np.int64),
        0.0,
        np.empty((0, 0, 0), experts.dtype),
    )
    guess_kernels.popularity(experts, np.array(n_experts, np.int64), factor, 0, value, events, *nothing)


def _read(data: bytes) -> Profile:
    try:
        fields = strict_json.parse(data)
    except ValueError as error:
        raise FormatError(f"must be a profile in JSON; {error}") from None
    if not isinstance(fields, dict) or fields.get("format") != FORMAT:
        raise FormatError(f"must be a JSON object with format {FORMAT!r}")
    version = fields.get("version")
    if type(version) is not int or version != VERSION:
        later = " (written by a later version?)" if type(version) is int and version > VERSION else ""
        raise FormatError(f"version must be {VERSION}{later}; got {_short(version)}")
    said = fields.pop("digest", None)
    if sorted(fields) != sorted(FIELDS):
        odd = sorted(set(fields) ^ set(FIELDS))
        raise FormatError(f"a profile has the fields {', '.join(FIELDS)}; missing or unknown: {_short(odd)}")
    if said is not None and said != _digest(fields):
        raise FormatError("the digest does not fit the contents: the file was altered or cut")
    experts, events, counts = fields["experts"], fields["events"], fields["counts"]
    if not isinstance(experts, list) or not experts or not all(type(n) is int and n >= 1 for n in experts):
        raise FormatError(f"experts must be a list of numbers of experts, one per layer; got {_short(experts)}")
    if not isinstance(events, list) or len(events) != len(experts) or not all(map(_number, events)):
        raise FormatError(f"events must hold a number for each of {len(experts)} layers; got {_short(events)}")
    if not isinstance(counts, list) or len(counts) != len(experts):
        raise FormatError(f"counts must hold a list for each of {len(experts)} layers; got {_short(counts)}")
    for layer, (row, n) in enumerate(zip(counts, experts, strict=True)):
        if not isinstance(row, list) or len(row) != n or not all(map(_number, row)):
            raise FormatError(f"counts of layer {layer} must be {n} numbers; got {_short(row)}")
    model, learnt, sources = fields["model"], fields["learnt"], fields["sources"]
    if not (model is None or isinstance(model, str)):
        raise FormatError(f"model must be a string or null; got {_short(model)}")
    if not isinstance(learnt, dict) or sorted(learnt) != ["half_life", "window"]:
        raise FormatError(f"learnt must hold half_life and window; got {_short(learnt)}")
    if not all(v is None or (_number(v) and v > 0) for v in learnt.values()):
        raise FormatError(f"half_life and window must be numbers above 0 or null; got {_short(learnt)}")
    if not isinstance(sources, list) or len(sources) > SOURCES or not all(isinstance(s, dict) for s in sources):
        raise FormatError(f"sources must be a list of at most {SOURCES} objects; got {_short(sources)}")
    return Profile(
        tuple(np.array(row, np.float64) for row in counts), np.array(events, np.float64), model, learnt, tuple(sources)
    )


def _digest(fields: dict[str, Any]) -> str:
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < MOST


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _shape(n_experts: Sequence[int]) -> str:
    widths = sorted(set(n_experts))
    return f"{len(n_experts)} layers x {widths[0] if len(widths) == 1 else list(n_experts)} experts"


@kinds()
def merge(profiles: Sequence[Profile], weights: Sequence[float] | None = None) -> Profile:
    """Return the sum of profiles of one model shape.

    Parameters
    ----------
    profiles : sequence of Profile
        At least one.
    weights : sequence of float, optional
        By which each profile's counts and events are multiplied, above 0; default: 1.

    Raises
    ------
    ParameterError
        Different shapes, or weights out of range.
    """
    if len(profiles) == 0:
        raise ParameterError("merge needs at least one profile: profiles are empty")
    factors = [1.0] * len(profiles) if weights is None else [float(w) for w in weights]
    if len(factors) != len(profiles) or not all(0 < w < 1e9 for w in factors):
        raise ParameterError(f"a weight above 0 is needed for each of {len(profiles)} profiles; got {weights}")
    first = profiles[0]
    for other in profiles[1:]:
        if other.n_experts != first.n_experts:
            raise ParameterError(
                f"profiles of one model shape are needed; got {_shape(first.n_experts)} and {_shape(other.n_experts)}"
            )
    counts = tuple(
        np.sum([w * p.counts[j] for p, w in zip(profiles, factors, strict=True)], axis=0)
        for j in range(len(first.counts))
    )
    events = np.sum([w * p.events for p, w in zip(profiles, factors, strict=True)], axis=0)
    names = {p.model for p in profiles}
    same = all(p.learnt == first.learnt for p in profiles)
    return Profile(
        counts,
        events,
        names.pop() if len(names) == 1 else None,
        dict(first.learnt) if same else {"half_life": None, "window": None},
        tuple(s for p in profiles for s in p.sources)[:SOURCES],
    )


@dataclass(frozen=True)
class Comparison:
    """How far two profiles are apart, by layer.

    Attributes
    ----------
    overlap : float64 array, shape (layers,)
        Share of the ``top`` hottest experts that both have.
    distance : float64 array, shape (layers,)
        Jensen-Shannon distance of the shares of uses (square root of the divergence in bits): 0 equal, 1 disjoint;
        nan for a layer without uses in one of them.
    top : int
    """

    overlap: Floats
    distance: Floats
    top: int


@kinds()
def compare(one: Profile, other: Profile, *, top: int = 8) -> Comparison:
    """Compare two profiles of one model shape.

    Parameters
    ----------
    one, other : Profile
    top : int
        Size of the hot sets compared, at least 1 (at most the experts of a layer are used).

    Raises
    ------
    ParameterError
        Different shapes.

    Examples
    --------
    >>> a, b = (Profile.of(Trace([[[e]]], n_experts=4)) for e in (0, 1))
    >>> compare(a, b, top=1).distance.tolist(), compare(a, a, top=1).overlap.tolist()
    ([1.0], [1.0])
    """
    top = integer("top", top, 1)
    if one.n_experts != other.n_experts:
        raise ParameterError(f"the profiles are for {_shape(one.n_experts)} and for {_shape(other.n_experts)}")
    overlap, distance = [], []
    for j, n in enumerate(one.n_experts):
        size = min(top, n)
        overlap.append(len(set(one.hottest(j, size)) & set(other.hottest(j, size))) / size)
        distance.append(jensen_shannon(one.counts[j], other.counts[j]))
    return Comparison(np.array(overlap), np.array(distance), top)


def jensen_shannon(p: Floats, q: Floats) -> float:
    """Return the Jensen-Shannon distance of two vectors of counts; nan if one is zero (lin-1991)."""
    from scipy.spatial.distance import jensenshannon

    return float(jensenshannon(p, q, base=2)) if p.sum() > 0 and q.sum() > 0 else math.nan
