"""Predicted next uses that are learnt online from the stream of events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.layout import Grid
from ..core.renting import lease
from ..core.rules import ENGINES, choice
from ..core.trace import Trace
from ..errors import ParameterError
from ..policies.forecast import Forecast
from .predictors import Markov, Popularity, predictor
from .steps import made, members_of, now_of

__all__ = ["Learnt"]

LARGEST = 1 << 32  # bytes of the arrays of predictions
PRICE, EVENT = 1.5, 2.5e-5  # seconds of loading a compiler and compiling, and of a predictor itself per event
Step = Callable[..., None]


class Learnt:
    """Predictions learnt online from the stream, and from a training trace before it.

    Parameters
    ----------
    name : str
        A predictor of ``layered_paging.prediction`` (popularity, previous, markov), with parameters if need be.
        With ``@request`` after it predictions come with the requests, as in the literature, and are not renewed.
        Otherwise every page of a layer is judged anew at each of the layer's events (``markov(distance=1)``: when the
        layer before was served).
    train : Trace, optional
        Observed first; other sessions of the same model.
    floor : float
        Least probability of use at a visit that a page may be given, 0 to 1; 0 allows "never".
    engine : {"auto", "kernel", "reference"}
        Compiled kernels where the predictor has one (popularity without a window, markov), or the predictor itself;
        the same predictions.  ``auto`` takes the cheaper.

    Raises
    ------
    ParameterError
        A value out of range; a training trace of another model.

    Notes
    -----
    A page with the probability p of being in its layer's next event is predicted to be used (1/p - 1) rounds after
    that event.  The predictor sees each event after it was served and nothing else (events without members teach it nothing). With ``reset="session"`` it forgets
    at every session what the stream taught it.  Time O(events * experts * top_k) at most; memory of two floats for every
    expert at every event, or one for every request.
    """

    def __init__(self, name: str, *, train: Trace | None = None, floor: float = 0.0, engine: str = "auto") -> None:
        base, _, how = name.partition("@")
        if how not in ("", "request"):
            raise ParameterError(f"predictions are written NAME or NAME@request; got {name!r}")
        if isinstance(floor, bool) or not isinstance(floor, (int, float)) or not 0 <= floor <= 1:
            raise ParameterError(f"must be in 0..1; got {floor!r}", parameter="floor")
        self.engine = choice("engine", engine, ENGINES)
        self.name, self.renewed, self.train, self.floor = base.strip(), not how, train, float(floor)
        self.label = name + (" trained" if train is not None else "")

    def forecast(self, trace: Trace, grid: Grid, reset: str) -> Forecast:
        """Run the predictor over the trace."""
        if self.train is not None and self.train.n_experts != trace.n_experts:
            raise ParameterError(
                f"must have the trace's layers and experts, {trace.n_experts}; got {self.train.n_experts}",
                parameter="train",
            )
        rounds, columns, width = grid.shape
        n = max(trace.n_experts)
        atomic = columns == trace.layers
        model = predictor(self.name, trace)
        crossing = self.renewed and atomic and getattr(model, "distance", trace.layers) < trace.layers
        size = 8 * rounds * columns * (n if self.renewed else width)
        if size > LARGEST:
            raise ParameterError(
                f"predictions for every expert would need {size / 2**30:.1f} GiB here; at most 4 GiB (use '@request')"
            )
        members, _ = members_of(grid)
        ahead = np.full((rounds * columns, n), np.inf, np.float32) if self.renewed else np.zeros((0, 0), np.float32)
        later = np.full(ahead.shape, np.inf, np.float32) if crossing else np.zeros((0, 0), np.float32)
        wait = np.zeros((0, 0)) if self.renewed else np.full(members.shape, np.inf)
        base = grid.first[np.arange(rounds * columns) % columns][:, None]
        experts = np.where(members >= 0, members - base, -1)
        order = np.argsort(experts, axis=1, kind="stable")
        ascending = np.take_along_axis(experts, order, 1)
        begins = np.zeros(rounds, bool)
        begins[grid.starts] = True
        ends = np.append(grid.starts[1:], rounds).tolist()
        parts = list(zip(grid.starts.tolist(), ends, strict=True)) if reset == "session" else [(0, rounds)]

        def run(step: Step) -> None:
            for a, b in parts:
                rows = slice(a * columns, b * columns)
                step(
                    ascending[rows].reshape(b - a, columns, width),
                    grid.layer,
                    begins[a:b],
                    ahead[rows] if self.renewed else ahead,
                    later[rows] if crossing else later,
                    wait if self.renewed else wait[rows],
                )

        self._choose(trace, model, rounds * columns, run)
        due = wait
        if not self.renewed:
            due = np.empty_like(wait)
            np.put_along_axis(due, order, wait, 1)
            due = now_of(grid) + grid.n_layers * due
        return made(grid, trace, members, due, ahead, later, self.label)

    def _choose(self, trace: Trace, model: Any, events: int, run: Callable[[Step], None]) -> None:
        """Let a function that runs over events, from what training taught, be run: the kernel, or the predictor itself."""

        def step(experts: Any, layer: Any, begins: Any, ahead: Any, later: Any, wait: Any) -> None:
            watch(self._trained(trace), experts, layer, begins, self.floor, ahead, later, wait)

        has_kernel = isinstance(model, Markov) or (isinstance(model, Popularity) and model.window is None)
        if not has_kernel or self.engine == "reference":
            run(step)
        elif self.engine == "kernel":
            run(self._compiled(trace, model))
        else:
            events += 0 if self.train is None else self.train.rounds * self.train.layers
            kernel = lease(f"{__package__}.next_use_kernels", type(model).__name__.lower())
            name = f"predictions by {self.name}"
            kernel.cheaper(name, events * EVENT, PRICE, lambda: run(step), lambda: run(self._compiled(trace, model)))

    def _compiled(self, trace: Trace, model: Any) -> Step:
        from . import next_use_kernels

        kernels: Any = next_use_kernels

        layers, most = trace.layers, max(trace.n_experts)
        n_experts = np.array(trace.n_experts, np.int64)
        taught = [np.zeros((layers, most)), np.zeros(layers)]
        if isinstance(model, Markov):
            taught += [np.zeros((layers, most, most)), np.zeros((layers, most))]

        def run(state: Any, experts: Any, layer: Any, begins: Any, ahead: Any, later: Any, wait: Any) -> None:
            experts = np.ascontiguousarray(experts, np.int64)
            if isinstance(model, Markov):
                how = model.distance, model.prior, model.factor
                kernels.markov(experts, layer, begins, n_experts, *how, *state, self.floor, ahead, later, wait)
            else:
                kernels.popularity(experts, layer, n_experts, model.factor, *state, self.floor, ahead, wait)

        if self.train is not None:
            begins = np.zeros(self.train.rounds, bool)
            begins[self.train.sessions] = True
            nothing = np.zeros((0, 0), np.float32)
            columns = np.arange(layers, dtype=np.int64)
            run(taught, np.sort(self.train.experts, axis=2), columns, begins, nothing, nothing, np.zeros((0, 0)))

        def step(*arrays: Any) -> None:
            run([part.copy() for part in taught], *arrays)

        return step

    def _trained(self, trace: Trace) -> Any:
        model = predictor(self.name, trace)
        if self.train is not None:
            starts = set(self.train.sessions.tolist())
            for r, events in enumerate(self.train.experts.tolist()):
                if r in starts:
                    model.restart()
                for layer, event in enumerate(events):
                    members = sorted(e for e in event if e >= 0)
                    if members:
                        model.observe(layer, members)
        return model


def watch(model: Any, experts: Any, layer: Any, begins: Any, floor: float, ahead: Any, later: Any, wait: Any) -> None:
    """Run a predictor over events in order, writing waits after each; what the kernels must equal."""
    rounds, columns, _ = experts.shape
    layers = len(set(layer.tolist()))
    places, members_of_all = layer.tolist(), experts.tolist()
    with np.errstate(divide="ignore"):
        for r in range(rounds):
            if begins[r]:
                model.restart()
            for c in range(columns):
                row, here = r * columns + c, places[c]
                members = [e for e in members_of_all[r][c] if e >= 0]
                if members:
                    model.observe(here, members)
                waits = waits_of(model, here, floor)
                if len(ahead):
                    ahead[row, : len(waits)] = waits
                if len(later):
                    waits = waits_of(model, (here + 1) % layers, floor)
                    later[row, : len(waits)] = waits
                if len(wait) and members:
                    wait[row, -len(members) :] = waits[members]


def waits_of(model: Any, layer: int, floor: float) -> npt.NDArray[np.float64]:
    """Return the expected rounds until the use of each expert, 1 for the layer's next event, inf for never."""
    waits: npt.NDArray[np.float64] = 1.0 / np.maximum(np.minimum(model.scores(layer), 1.0), floor)
    return waits
