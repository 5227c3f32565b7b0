"""Predicted next uses: perfect, spoilt on purpose, given as an array, or learnt from the stream."""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError
from ..grid import Grid
from ..instance import integer
from ..policy import Forecast, Stream
from ..registry import nearest
from ..trace import Trace
from .predictors import PREDICTORS, predictor

__all__ = ["Given", "Learnt", "Noisy", "Perfect", "Source", "bind", "error_of", "source"]

LARGEST = 1 << 32  # bytes of one array of predictions
NOISES = ("noisy", "uniform", "inverted")


class Source(Protocol):
    """Where predictions come from."""

    def forecast(self, trace: Trace, grid: Grid, reset: str) -> Forecast:
        """Return the predictions for a trace laid out as ``grid``."""


class Perfect:
    """The true next use, read from the trace: an oracle.  Never again (before the next reset): infinity."""

    label = "perfect"

    def forecast(self, trace: Trace, grid: Grid, reset: str) -> Forecast:
        """Return the true next uses."""
        members, due, _ = actual(grid, reset)
        return _at_requests(grid, trace, members, due, self.label)


class Noisy:
    """The true next use, spoilt: an oracle with errors.

    Parameters
    ----------
    level : float
        ``noisy``: the sigma of a lognormal factor on the rounds until the next use; ``uniform``: the largest
        error in rounds, drawn uniformly from -level..level; 0 or more.  ``inverted`` has no level.
    kind : {"noisy", "uniform", "inverted"}
        ``inverted``: what comes first is predicted last.
    seed : int
        At least 0.

    Notes
    -----
    A page that does not come again counts as coming just after the last round before the reset (or the trace's end).
    """

    def __init__(self, level: float = 0.0, *, kind: str = "noisy", seed: int = 0) -> None:
        if isinstance(level, bool) or not isinstance(level, (int, float)) or not 0 <= level < 1e9:
            raise ParameterError(f"{kind}: the level must be a number of at least 0; got {level!r}")
        if kind not in NOISES:
            raise ParameterError(f"kind must be one of {', '.join(NOISES)}; got {kind!r}")
        self.level, self.kind, self.seed = float(level), kind, integer("seed", seed, 0)
        self.label = kind if kind == "inverted" else f"{kind}:{level:g}" + (f":{seed}" if seed else "")

    def forecast(self, trace: Trace, grid: Grid, reset: str) -> Forecast:
        """Return the spoilt next uses."""
        members, due, end = actual(grid, reset)
        if not self.level and self.kind != "inverted":
            return _at_requests(grid, trace, members, due, self.label)
        now = _now(grid)
        rng = np.random.default_rng(Stream(self.seed, 1).next())
        true = np.minimum(due, end)
        if self.kind == "noisy":
            spoilt = now + (true - now) * np.exp(self.level * rng.standard_normal(true.shape))
        elif self.kind == "uniform":
            spoilt = true + grid.n_layers * rng.uniform(-self.level, self.level, true.shape)
        else:
            spoilt = 2 * end - true
        return _at_requests(grid, trace, members, np.where(members >= 0, spoilt, np.inf), self.label)


class Given:
    """Predictions given as an array: rounds until the next use of each requested expert.

    Parameters
    ----------
    rounds : float array, shape (rounds, layers, top_k)
        1 for the next round, inf for never; entries of missing experts are ignored.
    """

    label = "given"

    def __init__(self, rounds: Any) -> None:
        try:
            self._rounds = np.asarray(rounds, np.float64)
        except (TypeError, ValueError):
            raise ParameterError(f"predictions must be numbers; got {type(rounds).__name__}") from None

    def forecast(self, trace: Trace, grid: Grid, reset: str) -> Forecast:
        """Return the predictions in the order of presentation."""
        if self._rounds.shape != trace.experts.shape:
            raise ParameterError(
                f"predictions must have the trace's shape {trace.experts.shape}; got {self._rounds.shape}"
            )
        if grid.shape != trace.experts.shape:
            raise ParameterError("an array of predictions goes with events 'atomic' and prefill 'token'")
        if np.isnan(np.where(trace.experts >= 0, self._rounds, 0.0)).any():
            raise ParameterError("predictions must be rounds until the next use or inf; got nan")
        ahead = self._rounds
        if not grid.ranked and trace.top_k > 1:  # as the members were sorted
            ahead = np.take_along_axis(ahead, np.argsort(trace.experts, axis=2, kind="stable"), 2)
        members, order = _members(grid)
        ahead = np.take_along_axis(ahead.reshape(members.shape), order, 1)
        return _at_requests(grid, trace, members, _now(grid) + grid.n_layers * ahead, self.label)


class Learnt:
    """Predictions learnt online from the stream, and from a training trace before it.

    Parameters
    ----------
    name : str
        A predictor of ``layered_paging.prediction`` (popularity, previous, markov), with parameters if need be.
        With ``@request`` after it predictions come with the requests, as in the literature, and are not renewed;
        otherwise every page of a layer is judged anew at each of the layer's events (``markov(distance=1)``: when the
        layer before was served).
    train : Trace, optional
        Observed first; other sessions of the same model.
    floor : float
        Least probability of use at a visit that a page may be given, 0 to 1; 0 allows "never".

    Notes
    -----
    A page with the probability p of being in its layer's next event is predicted to be used (1/p - 1) rounds after
    that event.  The predictor sees each event after it was served and nothing else; with ``reset="session"`` it forgets
    at every session what the stream taught it.  Time O(events * experts), in Python.
    """

    def __init__(self, name: str, *, train: Trace | None = None, floor: float = 0.0) -> None:
        base, _, how = name.partition("@")
        if how not in ("", "request"):
            raise ParameterError(f"predictions are written NAME or NAME@request; got {name!r}")
        if isinstance(floor, bool) or not isinstance(floor, (int, float)) or not 0 <= floor <= 1:
            raise ParameterError(f"floor must be in 0..1; got {floor!r}")
        self.name, self.renewed, self.train, self.floor = base.strip(), not how, train, float(floor)
        self.label = name + (" trained" if train is not None else "")

    def forecast(self, trace: Trace, grid: Grid, reset: str) -> Forecast:
        """Run the predictor over the trace."""
        if self.train is not None and self.train.n_experts != trace.n_experts:
            raise ParameterError(
                f"train must have the trace's layers and experts, {trace.n_experts}; got {self.train.n_experts}"
            )
        rounds, columns, width = grid.shape
        n = max(trace.n_experts)
        atomic = columns == trace.layers
        model = self._trained(trace)
        crossing = self.renewed and atomic and getattr(model, "distance", trace.layers) < trace.layers
        size = 8 * rounds * columns * (n if self.renewed else width)
        if size > LARGEST:
            raise ParameterError(
                f"predictions for every expert would need {size / 2**30:.1f} GiB here; at most 4 GiB (use '@request')"
            )
        members, _ = _members(grid)
        ahead = np.full((rounds * columns, n), np.inf, np.float32) if self.renewed else np.zeros((0, 0), np.float32)
        later = np.full(ahead.shape, np.inf, np.float32) if crossing else np.zeros((0, 0), np.float32)
        due = np.zeros((0, 0)) if self.renewed else np.full(members.shape, np.inf)
        layers = grid.layer.tolist()
        begins = set(grid.starts.tolist())
        row = 0
        for r in range(rounds):
            if r in begins:
                if r and reset == "session":
                    model = self._trained(trace)
                model.restart()
            for c in range(columns):
                layer = layers[c]
                experts = (members[row][members[row] >= 0] - int(grid.first[c])).tolist()
                if experts:
                    model.observe(layer, sorted(experts))
                wait = self._wait(model, layer)
                if self.renewed:
                    ahead[row, : len(wait)] = wait
                    if crossing:
                        wait = self._wait(model, (layer + 1) % trace.layers)
                        later[row, : len(wait)] = wait
                else:
                    due[row, : len(experts)] = r * trace.layers + layer + trace.layers * wait[experts]
                row += 1
        return _made(grid, trace, members, due, ahead, later, self.label)

    def _trained(self, trace: Trace) -> Any:
        model = predictor(self.name, trace)
        if self.train is not None:
            starts = set(self.train.sessions.tolist())
            for r, events in enumerate(self.train.experts.tolist()):
                if r in starts:
                    model.restart()
                for layer, members in enumerate(events):
                    model.observe(layer, sorted(e for e in members if e >= 0))
        return model

    def _wait(self, model: Any, layer: int) -> npt.NDArray[np.float64]:
        """Return the expected rounds until the use of each expert, 1 for the layer's next event."""
        scores = np.minimum(model.scores(layer), 1.0)
        with np.errstate(divide="ignore"):
            wait: npt.NDArray[np.float64] = 1.0 / np.maximum(scores, self.floor)
        return wait


def source(text: str, *, train: Trace | None = None) -> Source:
    """Return the source that a name stands for.

    Parameters
    ----------
    text : str
        ``perfect``; ``noisy:SIGMA``, ``uniform:ROUNDS`` (each with ``:SEED`` after it if need be); ``inverted``; or a
        predictor such as ``popularity(half_life=16)``, ``markov`` or ``markov@request``.
    train : Trace, optional
        For a predictor: observed first.

    Raises
    ------
    ParameterError
        Unknown name, or a level or parameter out of range.

    Examples
    --------
    >>> source("noisy:0.5").label, source("markov@request").label
    ('noisy:0.5', 'markov@request')
    """
    base, *rest = text.strip().split(":") if "(" not in text else [text.strip()]
    name = base.partition("@")[0].partition("(")[0].strip()
    learnt = [key for key in PREDICTORS if key not in ("oracle", "profile")]
    if name in learnt and not rest:
        return Learnt(base, train=train)
    if train is not None:
        raise ParameterError(f"training goes with predictions that learn ({', '.join(learnt)}); got {text!r}")
    if base == "perfect" and not rest:
        return Perfect()
    if base == "inverted" and not rest:
        return Noisy(kind="inverted")
    if base in ("noisy", "uniform") and 1 <= len(rest) <= 2:
        try:
            level, seed = float(rest[0]), int(rest[1]) if len(rest) > 1 else 0
        except ValueError:
            level, seed = math.nan, 0
        if math.isnan(level):
            raise ParameterError(
                f"predictions are written {base}:LEVEL or {base}:LEVEL:SEED with numbers; got {text!r}"
            )
        return Noisy(level, kind=base, seed=seed)
    known = ["perfect", "noisy:LEVEL", "uniform:LEVEL", "inverted", *learnt]
    raise ParameterError(f"unknown predictions {text!r}; {nearest(base, known)}")


def bind(predictions: Any, trace: Trace, grid: Grid, reset: str, variant: str = "") -> Any:
    """Return what a policy's predictions begin from: a ``Forecast``, or the object itself if it has ``begin``.

    Parameters
    ----------
    predictions : str, array, Source, Forecast, or object with ``begin()``
        A name as for ``source``; an array as for ``Given``.
    trace : Trace
    grid : Grid
        The trace as laid out, all layers.
    reset : {"never", "session", "cache"}
    variant : str
        Names the layout; the last forecast made from a name is kept on the trace.

    Raises
    ------
    ParameterError
        What was given is none of these.
    """
    if callable(getattr(predictions, "begin", None)):
        return predictions
    if isinstance(predictions, str):
        made = source(predictions)
        kept: dict[Any, Forecast] = trace.__dict__.setdefault("_forecasts", {})
        key = (predictions, variant, reset)
        if key not in kept:
            kept.clear()
            kept[key] = made.forecast(trace, grid, reset)
        return kept[key]
    if callable(getattr(predictions, "forecast", None)):
        return predictions.forecast(trace, grid, reset)
    if isinstance(predictions, (np.ndarray, list, tuple)):
        return Given(predictions).forecast(trace, grid, reset)
    raise ParameterError(
        f"predictions must be a name, an array of rounds until the next use, or a source; got {type(predictions).__name__}"
    )


def error_of(forecast: Forecast, grid: Grid, reset: str = "never") -> float:
    """Return the total error of the predictions made at the requests: eta = sum |predicted - actual|, in steps.

    Both times are cut at the step just after the last round before the reset (or the trace's end), so that "never"
    counts as coming then.  Divide by ``grid.n_layers`` for rounds.
    """
    members, due, end = actual(grid, reset)
    said = forecast.due
    if not len(said):
        base = np.repeat(grid.first, 1)[np.arange(len(members)) % len(grid.first)]
        place = np.maximum(members - base[:, None], 0)
        said = _now(grid) + grid.n_layers * np.take_along_axis(forecast.ahead, place, 1).astype(np.float64)
    gap = np.abs(np.minimum(said, end) - np.minimum(due, end))
    return float(gap[members >= 0].sum())


# the arrays


def actual(grid: Grid, reset: str) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return (members, step of the true next use or inf, step that stands for never), one row an event."""
    members, _ = _members(grid)
    events, width = members.shape
    step = _steps(grid)
    page = members.ravel().astype(np.int64)
    columns = grid.shape[1]
    session = np.searchsorted(grid.starts, np.arange(grid.shape[0]), side="right") - 1
    of_event = np.repeat(session, columns)
    if reset != "never":
        page = np.where(page >= 0, page + grid.pages * np.repeat(of_event, width), -1)
        ends = np.append(grid.starts[1:], grid.shape[0])[of_event]
    else:
        ends = np.full(events, grid.shape[0])
    order = np.argsort(page, kind="stable")
    due = np.full(len(page), np.inf)
    same = page[order][1:] == page[order][:-1]
    due[order[:-1][same]] = step[order[1:][same]]
    due[page < 0] = np.inf
    return members, due.reshape(events, width), (ends * grid.n_layers)[:, None].astype(np.float64)


def _members(grid: Grid) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Return the pages of each event in the order of presentation, then -1; and the order that brings them there."""
    rounds, columns, width = grid.shape
    pages = np.where(grid.experts >= 0, grid.experts + grid.first[:, None], -1).reshape(rounds * columns, width)
    order = np.argsort(pages < 0, axis=1, kind="stable")
    return np.ascontiguousarray(np.take_along_axis(pages, order, 1), dtype=np.int32), order


def _steps(grid: Grid) -> npt.NDArray[np.float64]:
    """Return the step of every member of every event, flat: ``round * layers + layer`` where events are atomic."""
    rounds, _columns, width = grid.shape
    number = (np.arange(rounds)[:, None] * grid.stride + grid.offset).ravel()
    ticks = width if grid.ranked else 1
    clock = number[:, None] * ticks + (np.arange(width) if grid.ranked else np.zeros(width, np.int64))
    return (clock / (grid.stride * ticks) * grid.n_layers).ravel()


def _now(grid: Grid) -> npt.NDArray[np.float64]:
    return _steps(grid).reshape(-1, grid.shape[2])[:, :1]


def _at_requests(grid: Grid, trace: Trace, members: Any, due: Any, label: str) -> Forecast:
    none = np.zeros((0, 0), np.float32)
    return _made(grid, trace, members, np.ascontiguousarray(due, np.float64), none, none, label)


def _made(grid: Grid, trace: Trace, members: Any, due: Any, ahead: Any, later: Any, label: str) -> Forecast:
    first = np.append(trace.first_page, trace.pages).astype(np.int64)
    ticks = grid.shape[2] if grid.ranked else 1
    return Forecast(members, due, ahead, later, trace.layers, first, ticks, label)
