"""Predictors: how likely is each expert of a layer to be in that layer's next event?

A predictor watches the events as they are served and answers at any time.  It never sees the future,
except the one that says so by its name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..core.arguments import is_real
from ..core.instance import integer, shown
from ..core.registry import nearest
from ..core.trace import Trace
from ..errors import ParameterError
from ..policies.names import check_parameters, parsed
from ..policies.stream import Stream

__all__ = ["PREDICTORS", "Imported", "Markov", "Oracle", "Popularity", "Predictor", "Previous", "Ranked", "predictor"]

Scores = npt.NDArray[np.float64]


class Predictor(Protocol):
    """What every predictor can do."""

    def observe(self, layer: int, experts: Sequence[int]) -> None:
        """Note that an event of this layer was served; the experts ascend."""

    def scores(self, layer: int) -> Scores:
        """Return, for each expert of the layer, an estimate of the probability that it is in the layer's next event."""

    def restart(self) -> None:
        """Note that a session begins: what went before is no context any more; what was learnt stays."""


def factor_of(name: str, half_life: float | None) -> float:
    """Return the factor by which counts fade in one event; 1 for no half-life."""
    if half_life is None:
        return 1.0
    if isinstance(half_life, bool) or not isinstance(half_life, (int, float)) or not 0 < half_life < 1e9:
        raise ParameterError(
            f"must be a number of events above 0, or None; got {half_life!r}", parameter=f"{name}: half_life"
        )
    return float(0.5 ** (1 / half_life))


class Popularity:
    """How often each expert was used lately: decayed frequency, or the share of the last ``window`` events.

    Parameters
    ----------
    n_experts : sequence of int
        Experts of each layer.
    half_life : float, optional
        In events of the layer (tokens); above 0.  None: all events count alike.
    window : int, optional
        Number of the layer's last events that count; excludes a half-life.

    Notes
    -----
    score = (faded count of the expert's uses) / (faded count of the layer's events); 0 before the first event.

    Attributes
    ----------
    counts : list of float64 arrays
        Faded uses of each expert of each layer.
    events : list of float
        Faded events of each layer.
    """

    def __init__(self, n_experts: Sequence[int], *, half_life: float | None = 64, window: int | None = None) -> None:
        self.factor = 1.0 if window is not None else factor_of("popularity", half_life)
        self.window = None if window is None else integer("popularity: window", window, 1)
        self.learnt = {"half_life": None if window is not None else half_life, "window": window}
        self.counts = [np.zeros(n) for n in n_experts]
        self.events = [0.0 for _ in n_experts]
        self._kept: list[list[Sequence[int]]] = [[] for _ in n_experts]

    def observe(self, layer: int, experts: Sequence[int]) -> None:
        """Fade the layer's counts and add the event."""
        value = self.counts[layer]
        value *= self.factor
        value[list(experts)] += 1.0
        self.events[layer] = self.events[layer] * self.factor + 1.0
        if self.window is not None:
            kept = self._kept[layer]
            kept.append(list(experts))
            if len(kept) > self.window:
                value[kept.pop(0)] -= 1.0
                self.events[layer] -= 1.0

    def scores(self, layer: int) -> Scores:
        """Return the share of the (faded) events that used each expert."""
        events = self.events[layer]
        return self.counts[layer] / events if events > 0.0 else np.zeros_like(self.counts[layer])

    def restart(self) -> None:
        """Nothing: frequencies have no context."""


class Previous:
    """What the layer's previous event used comes again at the rate at which it did so far.

    Parameters
    ----------
    n_experts : sequence of int

    Notes
    -----
    Experts of the previous event score (repeats + 1) / (chances + 2), all others alike with theirs, both
    counted by layer. Before a session's first event every score is 0.
    """

    def __init__(self, n_experts: Sequence[int]) -> None:
        self._n = list(n_experts)
        self._last: list[list[int] | None] = [None for _ in n_experts]
        # used before: came again, chances; not used before: came, chances
        self._seen = np.zeros((len(self._n), 4))

    def observe(self, layer: int, experts: Sequence[int]) -> None:
        """Count how many of the experts were used by the event before."""
        last = self._last[layer]
        if last is not None:
            again = len(set(last) & set(experts))
            self._seen[layer] += (again, len(last), len(experts) - again, self._n[layer] - len(last))
        self._last[layer] = list(experts)

    def scores(self, layer: int) -> Scores:
        """Return one rate for what was just used and one for the rest."""
        last, n = self._last[layer], self._n[layer]
        if last is None:
            return np.zeros(n)
        again, chances, new, others = self._seen[layer]
        answer = np.full(n, (new + 1.0) / (others + 2.0))
        answer[last] = (again + 1.0) / (chances + 2.0)
        return answer

    def restart(self) -> None:
        """Forget the previous events, keep the rates."""
        self._last = [None for _ in self._n]


class Markov:
    """Transitions from the experts present ``distance`` layers earlier, averaged over those experts.

    Parameters
    ----------
    n_experts : sequence of int
    distance : int
        How many layers ahead, 1 to the number of layers.  1: from the layer before (for layer 0 the last
        layer of the token before); the number of layers: from the layer's own previous event.
    prior : float
        How many uses of an expert the layer's plain frequencies weigh, above 0.
    half_life : float, optional
        In uses of the earlier expert; None: nothing fades.

    Notes
    -----
    score(e) = mean over the earlier experts p of (count(p, e) + prior * frequency(e)) / (count(p) + prior).  Without a
    context (a session's start), the plain frequencies.
    """

    def __init__(
        self, n_experts: Sequence[int], *, distance: int = 1, prior: float = 4.0, half_life: float | None = None
    ) -> None:
        self._n = list(n_experts)
        self.distance = integer("markov: distance", distance, 1)
        if self.distance > len(self._n):
            raise ParameterError(f"markov: distance must be at most the {len(self._n)} layers; got {distance}")
        if isinstance(prior, bool) or not isinstance(prior, (int, float)) or not 0 < prior < 1e9:
            raise ParameterError(f"markov: prior must be a number above 0; got {prior!r}")
        self.prior = float(prior)
        self.factor = factor_of("markov", half_life)
        self._last: list[list[int] | None] = [None for _ in self._n]
        self._value = [np.zeros(n) for n in self._n]
        self._events = [0.0 for _ in self._n]
        self._pair = [np.zeros((self._n[self._before(j)], n)) for j, n in enumerate(self._n)]
        self._uses = [np.zeros(self._n[self._before(j)]) for j in range(len(self._n))]

    def _before(self, layer: int) -> int:
        return (layer - self.distance) % len(self._n)

    def observe(self, layer: int, experts: Sequence[int]) -> None:
        """Count the transitions from the context."""
        members = list(experts)
        pair, uses = self._pair[layer], self._uses[layer]
        for p in self._last[self._before(layer)] or ():
            pair[p] *= self.factor
            pair[p, members] += 1.0
            uses[p] = uses[p] * self.factor + 1.0
        self._value[layer][members] += 1.0
        self._events[layer] += 1.0
        self._last[layer] = members

    def scores(self, layer: int) -> Scores:
        """Return the mean of the earlier experts' rates."""
        if self._events[layer] == 0.0:
            return np.zeros(self._n[layer])
        plain = self._value[layer] / self._events[layer]
        context = self._last[self._before(layer)]
        if not context:
            return plain
        total, pair, uses, before = np.zeros(self._n[layer]), self._pair[layer], self._uses[layer], self.prior * plain
        for p in context:
            total += (pair[p] + before) / (uses[p] + self.prior)
        return total / float(len(context))

    def restart(self) -> None:
        """Forget the context, keep the counts."""
        self._last = [None for _ in self._n]


class Ranked:
    """The same scores for ever, such as the frequencies of a profile.

    Parameters
    ----------
    n_experts : sequence of int
    rates : sequence of sequences of float
        The score of each expert of each layer, 0 to 1.
    """

    def __init__(self, n_experts: Sequence[int], *, rates: Sequence[Any]) -> None:
        for layer, row in enumerate(rates):
            if not isinstance(row, (Sequence, np.ndarray)) or not all(is_real(rate) for rate in row):
                raise ParameterError(f"must be numbers in 0..1; got {shown(row)}", parameter=f"rates[{layer}]")
        self._rates = [np.array(row, np.float64) for row in rates]
        if [len(row) for row in self._rates] != list(n_experts):
            raise ParameterError(
                f"a rate is needed for each expert of each layer ({list(n_experts)}); got other counts"
            )
        for layer, row in enumerate(self._rates):
            if not ((row >= 0) & (row <= 1)).all():
                raise ParameterError(f"the rates of layer {layer} must be in 0..1; got {row.min()} to {row.max()}")

    def observe(self, layer: int, experts: Sequence[int]) -> None:
        """Nothing is learnt."""

    def scores(self, layer: int) -> Scores:
        """Return the layer's rates."""
        return self._rates[layer].copy()

    def restart(self) -> None:
        """Nothing."""


class Imported:
    """Guesses made elsewhere, one set for each event: what a live model's own predictor wrote.

    Parameters
    ----------
    trace : Trace
        Whose events the guesses are about; must be observed event by event from its start.
    guesses : Trace
        The guessed experts of each event, the surest first, as a trace of the same rounds and layers.

    Notes
    -----
    A guess of rank q scores 1 - q / width, what was not guessed 0: an order, not a probability.
    """

    def __init__(self, trace: Trace, guesses: Trace) -> None:
        if (guesses.rounds, guesses.layers) != (trace.rounds, trace.layers):
            raise ParameterError(
                f"must be for {trace.rounds} rounds and {trace.layers} layers, one set an event; "
                f"got {guesses.rounds} and {guesses.layers}",
                parameter="guesses",
            )
        top = np.where(guesses.experts >= 0, guesses.experts, -1).max(axis=(0, 2))
        for layer, (most, n) in enumerate(zip(top.tolist(), trace.n_experts, strict=True)):
            if most >= n:
                raise ParameterError(f"guesses of layer {layer} must be in 0..{n - 1}; got {most}")
        self._n, self.table = trace.n_experts, guesses.experts
        self._served = [0] * trace.layers

    def observe(self, layer: int, experts: Sequence[int]) -> None:
        """Step to the layer's next event."""
        self._served[layer] += 1

    def scores(self, layer: int) -> Scores:
        """Return the guesses about the layer's next event by rank; zeros past the end."""
        answer = np.zeros(self._n[layer])
        if self._served[layer] < len(self.table):
            row = self.table[self._served[layer], layer]
            for q, expert in enumerate(row.tolist()):
                if expert >= 0:
                    answer[expert] = 1.0 - q / len(row)
        return answer

    def restart(self) -> None:
        """Nothing."""


class Oracle(Imported):
    """An oracle: the true next event, spoilt to a given precision and recall.  Not an online predictor.

    Parameters
    ----------
    trace : Trace
    precision, recall : float
        0 to 1, expected: each member is guessed with probability ``recall``. For t true guesses,
        t * (1 - precision) / precision false ones are drawn from the others.  The number is rounded at random, and at most
        that of the others.  ``precision=0`` guesses as many false ones as the event has members and no true one.
    seed : int
    """

    def __init__(self, trace: Trace, *, precision: float = 1.0, recall: float = 1.0, seed: int = 0) -> None:
        for name, value in (("precision", precision), ("recall", recall)):
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
                raise ParameterError(f"oracle: {name} must be in 0..1; got {value!r}")
        integer("oracle: seed", seed, 0)
        table = _spoilt(trace, float(precision), float(recall), seed)
        self._n, self.table = trace.n_experts, table
        self._served = [0] * trace.layers


def _spoilt(trace: Trace, precision: float, recall: float, seed: int) -> npt.NDArray[Any]:
    """Return guesses for every event, in random order."""
    ids = trace.experts
    rounds, layers, width = ids.shape
    rng = np.random.default_rng(Stream(seed).next())
    present = ids >= 0
    true = present & (rng.random(ids.shape) < (recall if precision > 0 else 0.0))
    count = true.sum(axis=2)
    wanted = present.sum(axis=2).astype(float) if precision == 0 else count * ((1 - precision) / precision)
    false = np.floor(wanted + rng.random((rounds, layers))).astype(np.int64)
    most = int(min(false.max(initial=0), max(trace.n_experts)))
    out = np.full((rounds, layers, width + most), -1, ids.dtype)
    out[:, :, :width] = np.where(true, ids, -1)
    for layer, n in enumerate(trace.n_experts):
        rest = min(most, n)
        for at in range(0, rounds, 4096):
            keys = rng.random((min(4096, rounds - at), n))
            row, q = np.nonzero(present[at : at + 4096, layer])
            keys[row, ids[at + row, layer, q]] = 2.0  # members are no false guesses
            order = np.argsort(keys, axis=1)[:, :rest]
            drawn = (np.arange(rest) < false[at : at + 4096, layer, None]) & (np.take_along_axis(keys, order, 1) < 2.0)
            out[at : at + 4096, layer, width : width + rest] = np.where(drawn, order, -1)
    # guesses stand at the front, true and false ones in random order
    shuffled = rng.random(out.shape) + (out < 0)
    packed = np.take_along_axis(out, np.argsort(shuffled, axis=2), 2)
    packed = packed[:, :, : max(1, int((packed >= 0).sum(axis=2).max(initial=1)))]
    return np.ascontiguousarray(packed)


PREDICTORS: dict[str, Any] = {
    "popularity": Popularity,
    "previous": Previous,
    "markov": Markov,
    "profile": Ranked,
    "oracle": Oracle,
}


def predictor(text: str, trace: Trace, *, rates: Sequence[Any] | None = None) -> Any:
    """Return the predictor that ``name`` or ``name(parameter=value, ...)`` stands for, for a trace's model.

    Parameters
    ----------
    text : str
        popularity, previous, markov, profile, or oracle (which is given the trace itself).
    trace : Trace
        Whose numbers of experts it is made for.
    rates : sequence of sequences of float
        What ``profile`` needs.

    Raises
    ------
    ParameterError
        Unknown name or parameter, or a value out of range.

    Examples
    --------
    >>> trace = Trace([[[0, 1]], [[0, 2]]], n_experts=4)
    >>> ahead = predictor("popularity(half_life=None)", trace)
    >>> ahead.observe(0, [0, 1]), ahead.observe(0, [0, 2])
    (None, None)
    >>> ahead.scores(0)
    array([1. , 0.5, 0.5, 0. ])
    """
    base, params = parsed("predictor", text)
    if base not in PREDICTORS:
        raise ParameterError(f"unknown predictor {base!r}; {nearest(base, list(PREDICTORS))}")
    cls = PREDICTORS[base]
    if base == "profile":
        if params or rates is None:
            raise ParameterError("predictor 'profile' takes a profile and no parameters")
        return Ranked(trace.n_experts, rates=rates)
    check_parameters("predictor", base, cls, params)
    return cls(trace if base == "oracle" else trace.n_experts, **params)
