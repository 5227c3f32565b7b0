"""Guesses for every event of a trace: what a predictor would have said just before it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.arguments import kinds
from ..core.instance import integer
from ..core.renting import lease
from ..core.rules import ENGINES, choice
from ..core.trace import Trace
from ..errors import ParameterError
from ..prediction.predictors import Imported, Markov, Popularity, Previous, Ranked, predictor

__all__ = ["guesses"]

Guesses = npt.NDArray[np.signedinteger[Any]]
PRICE, EVENT = 0.8, 1.5e-5  # seconds of loading a compiler and compiling, and of a predictor itself per event


@kinds()
def guesses(
    trace: Trace,
    predictor_name: str,
    width: int,
    *,
    least: float = 0.0,
    train: Trace | None = None,
    rates: Sequence[Any] | None = None,
    imported: Trace | None = None,
    reset: str = "never",
    engine: str = "auto",
) -> Guesses:
    """Return what a predictor guesses about each event, from the events before it.

    Parameters
    ----------
    trace : Trace
    predictor_name : str
        As for ``predictor``; or ``imported``, with the guesses given as ``imported``.
    width : int
        Guesses an event, at least 1; fewer where fewer experts have a positive score.
    least : float
        Guess only what scores at least this, 0 to 1.
    train : Trace, optional
        Observed first, from its start; of the same layers and experts.
    rates : sequence of sequences of float, optional
        For ``profile``: the score of each expert of each layer.
    imported : Trace, optional
        For ``imported``: guesses as a trace of the same rounds and layers, the surest first.
    reset : {"never", "session"}
        Whether what was learnt from the trace is forgotten at every session (what ``train`` taught stays).
    engine : {"auto", "kernel", "reference"}
        Compiled kernels, or the predictors themselves; the same guesses.  ``auto`` takes the cheaper.

    Returns
    -------
    int array, shape (rounds, layers, width)
        The surest first, -1 for none.  Ties to the lowest expert number.  Nothing is guessed about a layer that never asks.

    Raises
    ------
    ParameterError
        A value out of range, or traces of different shapes.

    Notes
    -----
    A guess of ``markov(distance=d)`` about a layer is known once the layer d steps earlier was routed.  Those of
    the others are known once the layer's event of the round before was.  Time O(rounds * layers * experts * top_k) at most.

    Examples
    --------
    >>> trace = Trace([[[0, 1]], [[0, 2]], [[0, 3]]], n_experts=4)
    >>> guesses(trace, "popularity", 2)[:, 0].tolist()
    [[-1, -1], [0, 1], [0, 2]]
    """
    width = integer("width", width, 1)
    if isinstance(least, bool) or not isinstance(least, (int, float)) or not 0 <= least <= 1:
        raise ParameterError(f"must be in 0..1; got {least!r}", parameter="least")
    choice("reset", reset, ("never", "session"))
    choice("engine", engine, ENGINES)
    if train is not None and train.n_experts != trace.n_experts:
        raise ParameterError(
            f"must have the trace's layers and experts, {trace.n_experts}; got {train.n_experts}", parameter="train"
        )
    width = min(width, max(trace.n_experts))

    def make() -> Any:
        if predictor_name == "imported":
            if imported is None:
                raise ParameterError("predictor 'imported' needs the guesses")
            return Imported(trace, imported)
        return predictor(predictor_name, trace, rates=rates)

    one = make()
    if isinstance(one, Imported):  # also the oracle
        return _cut(one, width, least)
    out = np.full((trace.rounds, trace.layers, width), -1, trace.experts.dtype)
    ends = np.append(trace.sessions[1:], trace.rounds).tolist()
    parts = list(zip(trace.sessions.tolist(), ends, strict=True)) if reset == "session" else [(0, trace.rounds)]

    def run(step: Callable[..., None]) -> None:
        for a, b in parts:
            begins = np.zeros(b - a, bool)
            begins[[s - a for s in trace.sessions.tolist() if a <= s < b]] = True
            step(trace.experts[a:b], begins, out[a:b])

    def plainly(experts: Any, begins: Any, part: Guesses) -> None:
        model = make()
        if train is not None:
            _watch(model, train.experts, _begins(train), least, None)
        _watch(model, experts, begins, least, part)

    def compiled(experts: Any, begins: Any, part: Guesses) -> None:
        step = _compiled(one, trace, train)
        if train is not None:
            step(train.experts, _begins(train), least, np.empty((0, 0, 0), out.dtype))
        step(experts, begins, least, part)

    if engine != "auto" or isinstance(one, Ranked):
        run(plainly if engine == "reference" else compiled)
    else:
        events = (trace.rounds + (0 if train is None else len(parts) * train.rounds)) * trace.layers
        kernel = lease("layered_paging.prediction.guess_kernels", type(one).__name__.lower())
        what = f"guesses by {predictor_name}"
        kernel.cheaper(what, events * EVENT, PRICE, lambda: run(plainly), lambda: run(compiled))
    out[:, ~trace.asked] = -1
    return out


def _begins(trace: Trace) -> npt.NDArray[np.bool_]:
    begins = np.zeros(trace.rounds, bool)
    begins[trace.sessions] = True
    return begins


def _cut(model: Imported, width: int, least: float) -> Guesses:
    full = model.table.shape[2]
    keep = sum(1 - q / full >= least for q in range(full))
    table = model.table[:, :, : min(width, keep)]
    if table.shape[2] < width:
        table = np.pad(table, ((0, 0), (0, 0), (0, width - table.shape[2])), constant_values=-1)
    return np.ascontiguousarray(table)


def _watch(model: Any, experts: Any, begins: Any, least: float, out: Guesses | None) -> None:
    """Run a predictor over events in order, writing its guesses before each; what the kernels must equal."""
    for r, row in enumerate(experts.tolist()):
        if begins[r]:
            model.restart()
        for layer, members in enumerate(row):
            if out is not None:
                sure = _surest(model.scores(layer), out.shape[2], least)
                out[r, layer, : len(sure)] = sure
            model.observe(layer, sorted([e for e in members if e >= 0]))


def _surest(scores: Any, width: int, least: float) -> Any:
    """Return the experts of largest positive score, at least ``least``; ties to the lower number."""
    order = (-scores).argsort(kind="stable")[:width]
    found = scores[order]
    return order[(found > 0) & (found >= least)]


def _compiled(model: Any, trace: Trace, train: Trace | None) -> Callable[..., None]:
    """Return a function that runs the predictor's kernel over events, keeping its state between calls."""
    if isinstance(model, Ranked):
        return functools.partial(_fixed, model)
    from ..prediction import guess_kernels

    layers, most = trace.layers, max(trace.n_experts)
    n_experts = np.array(trace.n_experts, np.int64)
    value, events = np.zeros((layers, most)), np.zeros(layers)

    def ordered(experts: Any) -> Any:
        return np.sort(experts, axis=2)

    if isinstance(model, Popularity):
        longest = max(trace.rounds + (train.rounds if train is not None else 0), 1)
        window = min(model.window or 0, longest + 1)
        wide = max(trace.top_k, train.top_k if train is not None else 0)
        ring = np.full((layers, max(window, 1), wide), -1, trace.experts.dtype)
        at = np.zeros(layers, np.int64)

        def popular(experts: Any, begins: Any, least: float, out: Any) -> None:
            ring_part = ring
            padded = experts
            if experts.shape[2] < wide:
                padded = np.pad(experts, ((0, 0), (0, 0), (0, wide - experts.shape[2])), constant_values=-1)
            guess_kernels.popularity(padded, n_experts, model.factor, window, value, events, ring_part, at, least, out)

        return popular
    if isinstance(model, Previous):
        seen = np.zeros((layers, 4))
        return lambda experts, begins, least, out: guess_kernels.previous(experts, n_experts, begins, seen, least, out)
    assert isinstance(model, Markov)
    pair, uses = np.zeros((layers, most, most)), np.zeros((layers, most))
    return lambda experts, begins, least, out: guess_kernels.markov(
        ordered(experts),
        n_experts,
        begins,
        model.distance,
        model.prior,
        model.factor,
        value,
        events,
        pair,
        uses,
        least,
        out,
    )


def _fixed(model: Ranked, experts: Any, begins: Any, least: float, out: Any) -> None:
    """Write the same guesses before every event."""
    for layer in range(out.shape[1] if out.size else 0):
        sure = _surest(model.scores(layer), out.shape[2], least)
        out[:, layer, : len(sure)] = sure
