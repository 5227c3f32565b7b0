"""Seeded request sequences: uniform, Zipf, sticky, drifting and with working-set phases.

Each layer has a random stream of its own, spawned from the seed. So adding a layer, or
more rounds, leaves the rest as it was.  Only ``Generator.random`` and correctly rounded
arithmetic are used: the same arguments give the same trace on every machine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Context, Decimal
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from .core.arguments import real
from .core.instance import Instance, integer
from .core.trace import Trace
from .errors import ParameterError

__all__ = ["drift", "markov", "phases", "uniform", "zipf"]

MOST = 1 << 40  # rounds, and what counts them
_CHUNK = 1 << 21  # random numbers held together
_Ids = npt.NDArray[np.int64]
_Floats = npt.NDArray[np.float64]


def uniform(
    layers: int, experts: int | Sequence[int], rounds: int, *, top_k: int = 1, seed: int = 0, sessions: int = 1
) -> Trace:
    """Every set of ``top_k`` experts is equally likely, independently in each event.

    Parameters
    ----------
    layers : int
        At least 1.
    experts : int or sequence of int
        Experts of every layer, or of each layer; at least ``top_k``.
    rounds : int
        At least 1.
    top_k : int
        Distinct experts of an event, at least 1.
    seed : int
        At least 0.
    sessions : int
        Sessions of (nearly) equal length, at most ``rounds``.

    Returns
    -------
    Trace
        ``meta`` holds generator, parameters and seed.

    Raises
    ------
    ParameterError
        A parameter is out of its range; the message names it.

    Examples
    --------
    >>> import layered_paging as lp
    >>> lp.workloads.uniform(layers=2, experts=4, rounds=100).requests
    200
    """
    shared = _Shared("uniform", layers, experts, rounds, top_k, seed, sessions, {})

    def layer(j: int, n: int, source: np.random.SeedSequence) -> _Ids:
        return _draw(_stream(source), _weights(n, 0.0), shared.rounds, shared.top_k)

    return shared.trace(layer)


def zipf(
    layers: int,
    experts: int | Sequence[int],
    rounds: int,
    *,
    top_k: int = 1,
    exponent: float | Sequence[float] = 1.1,
    seed: int = 0,
    sessions: int = 1,
) -> Trace:
    """Independent events; the i-th most popular expert of a layer has weight ``i ** -exponent``.

    Members are drawn one after another without replacement, in proportion to the weights of
    those that are left; they are listed in the order drawn.

    Parameters
    ----------
    layers, experts, rounds, top_k, seed, sessions
        As for `uniform`.
    exponent : float or sequence of float
        For all layers, or one per layer; 0 (uniform) to 100.

    Returns
    -------
    Trace
        Which expert is how popular is a random permutation of its own in each layer.

    Raises
    ------
    ParameterError
        A parameter is out of its range; the message names it.

    Examples
    --------
    >>> import layered_paging as lp
    >>> trace = lp.workloads.zipf(layers=2, experts=8, rounds=1000, top_k=2, seed=1)
    >>> trace == lp.workloads.zipf(layers=2, experts=8, rounds=1000, top_k=2, seed=1)
    True
    """
    powers = _exponents(exponent, integer("layers", layers, 1))
    shared = _Shared("zipf", layers, experts, rounds, top_k, seed, sessions, {"exponent": powers})

    def layer(j: int, n: int, source: np.random.SeedSequence) -> _Ids:
        random = _stream(source)
        order = _permutation(random, n)
        return order[_draw(random, _weights(n, _of(powers, j)), shared.rounds, shared.top_k)]

    return shared.trace(layer)


def markov(
    layers: int,
    experts: int | Sequence[int],
    rounds: int,
    *,
    top_k: int = 1,
    stickiness: float = 0.5,
    exponent: float | Sequence[float] = 0.0,
    seed: int = 0,
    sessions: int = 1,
) -> Trace:
    """A Markov chain in each layer: keep the previous round's experts, or draw anew.

    Parameters
    ----------
    layers, experts, rounds, top_k, seed, sessions
        As for `uniform`.  Every session starts with a new draw.
    stickiness : float
        Probability, 0 to 1, that an event repeats the one of the round before.
    exponent : float or sequence of float
        New draws are as in `zipf`; this is also the stationary popularity.

    Returns
    -------
    Trace

    Raises
    ------
    ParameterError
        A parameter is out of its range; the message names it.

    Examples
    --------
    >>> import layered_paging as lp
    >>> trace = lp.workloads.markov(layers=1, experts=8, rounds=5, stickiness=1)
    >>> len(set(trace.experts.ravel().tolist()))
    1
    """
    powers = _exponents(exponent, integer("layers", layers, 1))
    keep = real("stickiness", stickiness, 0, 1)
    shared = _Shared("markov", layers, experts, rounds, top_k, seed, sessions, {"stickiness": keep, "exponent": powers})

    def layer(j: int, n: int, source: np.random.SeedSequence) -> _Ids:
        chance, draws = (_stream(child) for child in source.spawn(2))
        order = _permutation(draws, n)
        anew = chance.random(shared.rounds) >= keep
        anew[shared.starts] = True
        fresh = _draw(draws, _weights(n, _of(powers, j)), int(np.count_nonzero(anew)), shared.top_k)
        ranks: _Ids = fresh[np.cumsum(anew) - 1]
        return order[ranks]

    return shared.trace(layer)


def drift(
    layers: int,
    experts: int | Sequence[int],
    rounds: int,
    *,
    top_k: int = 1,
    exponent: float | Sequence[float] = 1.1,
    period: int = 100,
    swaps: int = 1,
    seed: int = 0,
    sessions: int = 1,
) -> Trace:
    """Zipf popularity that drifts: now and then two experts of a layer trade their ranks.

    Parameters
    ----------
    layers, experts, rounds, top_k, exponent, seed, sessions
        As for `zipf`.
    period : int
        Rounds between changes, at least 1.
    swaps : int
        Random transpositions of the ranking at each change, at least 0.

    Returns
    -------
    Trace

    Raises
    ------
    ParameterError
        A parameter is out of its range; the message names it.

    Examples
    --------
    >>> import layered_paging as lp
    >>> lp.workloads.drift(layers=2, experts=8, rounds=1000, period=10).meta["generator"]
    'layered_paging.workloads.drift'
    """
    powers = _exponents(exponent, integer("layers", layers, 1))
    every, times = integer("period", period, 1, MOST), integer("swaps", swaps, 0, MOST)
    given = {"exponent": powers, "period": every, "swaps": times}
    shared = _Shared("drift", layers, experts, rounds, top_k, seed, sessions, given)

    def layer(j: int, n: int, source: np.random.SeedSequence) -> _Ids:
        change, draws = (_stream(child) for child in source.spawn(2))
        order = _permutation(draws, n)
        ranks = _draw(draws, _weights(n, _of(powers, j)), shared.rounds, shared.top_k)
        for at in range(0, shared.rounds, every):
            part = ranks[at : at + every]
            part[:] = order[part]
            for a, b in (change.random((times, 2)) * n).astype(np.int64).tolist():
                order[a], order[b] = order[b], order[a]
        return ranks

    return shared.trace(layer)


def phases(
    layers: int,
    experts: int | Sequence[int],
    rounds: int,
    *,
    top_k: int = 1,
    working_set: int = 4,
    length: int = 100,
    seed: int = 0,
    sessions: int = 1,
) -> Trace:
    """Working-set phases: for ``length`` rounds a layer asks only for ``working_set`` of its experts.

    Parameters
    ----------
    layers, experts, rounds, top_k, seed, sessions
        As for `uniform`.
    working_set : int
        Experts of a layer in use during a phase, drawn anew for each phase; at least ``top_k``,
        at most ``experts``.  Within a phase all its subsets are equally likely.
    length : int
        Rounds of a phase, at least 1.

    Returns
    -------
    Trace

    Raises
    ------
    ParameterError
        A parameter is out of its range; the message names it.

    Examples
    --------
    >>> import layered_paging as lp
    >>> trace = lp.workloads.phases(layers=1, experts=64, rounds=100, working_set=3, length=100)
    >>> len(set(trace.experts.ravel().tolist()))
    3
    """
    size, span = integer("working_set", working_set, 1), integer("length", length, 1, MOST)
    shared = _Shared("phases", layers, experts, rounds, top_k, seed, sessions, {"working_set": size, "length": span})
    if not shared.top_k <= size <= min(shared.widths):
        raise ParameterError(
            f"must be in top_k..experts = {shared.top_k}..{min(shared.widths)}; got {working_set}",
            parameter="working_set",
        )

    def layer(j: int, n: int, source: np.random.SeedSequence) -> _Ids:
        choose, draws = (_stream(child) for child in source.spawn(2))
        sets = _draw(choose, _weights(n, 0.0), -(-shared.rounds // span), size)
        members = _draw(draws, _weights(size, 0.0), shared.rounds, shared.top_k)
        return sets[(np.arange(shared.rounds) // span)[:, None], members]

    return shared.trace(layer)


class _Shared:
    """What all generators have in common: checked sizes, streams, provenance."""

    def __init__(
        self,
        name: str,
        layers: int,
        experts: int | Sequence[int],
        rounds: int,
        top_k: int,
        seed: int,
        sessions: int,
        given: dict[str, Any],
    ) -> None:
        if isinstance(experts, np.ndarray):
            experts = experts.tolist()
        self.widths = Instance(layers, experts, 1).experts
        self.layers = len(self.widths)
        self.rounds, self.top_k = integer("rounds", rounds, 1, MOST), integer("top_k", top_k, 1)
        self.seed, count = integer("seed", seed, 0), integer("sessions", sessions, 1)
        if self.top_k > min(self.widths):
            raise ParameterError(
                f"must be at most the {min(self.widths)} experts of the narrowest layer; got {top_k}", parameter="top_k"
            )
        if count > self.rounds:
            raise ParameterError(f"must be at most the {self.rounds} rounds; got {sessions}", parameter="sessions")
        if max(self.widths) >= 1 << 31:
            raise ParameterError(f"must be below 2^31; got {max(self.widths)}", parameter="experts")
        self.starts = np.arange(count, dtype=np.int64) * self.rounds // count
        same = len(set(self.widths)) == 1
        parameters = {
            "layers": self.layers,
            "experts": self.widths[0] if same else list(self.widths),
            "rounds": self.rounds,
            "top_k": self.top_k,
            "sessions": count,
            **given,
        }
        self.meta = {"generator": f"layered_paging.workloads.{name}", "parameters": parameters, "seed": self.seed}

    def trace(self, layer: Callable[[int, int, np.random.SeedSequence], _Ids]) -> Trace:
        dtype = np.int16 if max(self.widths) <= np.iinfo(np.int16).max else np.int32
        try:
            ids = np.empty((self.rounds, self.layers, self.top_k), dtype)
        except (MemoryError, ValueError):
            size = self.rounds * self.layers * self.top_k
            raise ParameterError(f"rounds x layers x top_k must fit into memory; got {size} requests") from None
        for j, source in enumerate(np.random.SeedSequence(self.seed).spawn(self.layers)):
            ids[:, j, :] = layer(j, self.widths[j], source)
        return Trace(ids, self.widths, self.starts, meta=self.meta)


def _exponents(exponent: float | Sequence[float], layers: int) -> float | list[float]:
    if isinstance(exponent, np.ndarray):
        exponent = exponent.tolist()
    if isinstance(exponent, Sequence) and not isinstance(exponent, (str, bytes)):
        each = [real(f"exponent of layer {j}", value, 0, 100) for j, value in enumerate(exponent)]
        if len(each) != layers:
            raise ParameterError(
                f"must be one number, or one for each of the {layers} layers; got {len(each)}", parameter="exponent"
            )
        return each
    return real("exponent", exponent, 0, 100)


def _of(exponent: float | list[float], layer: int) -> float:
    return exponent[layer] if isinstance(exponent, list) else exponent


def _stream(source: np.random.SeedSequence) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(source))


def _permutation(random: np.random.Generator, n: int) -> _Ids:
    return np.argsort(random.random(n), kind="stable")


@lru_cache(maxsize=64)
def _weights(n: int, exponent: float) -> _Floats:
    """Return ``i ** -exponent`` for i = 1..n, correctly rounded; no weight is below 1e-300."""
    if exponent == 0:
        return np.ones(n)
    context = Context(prec=25)
    power = -Decimal(exponent)
    return np.array([max(1e-300, float(context.power(Decimal(i), power))) for i in range(1, n + 1)])


def _draw(random: np.random.Generator, weights: _Floats, count: int, top_k: int) -> _Ids:
    """Draw ``top_k`` distinct ranks ``count`` times, in proportion to the weights of those left.

    One rank: by inverting the distribution.  Several: every rank gets an exponential time of
    rate its weight, and the earliest win (the Gumbel top-k trick without its last logarithm).
    """
    n = len(weights)
    drawn = np.empty((count, top_k), np.int64)
    if top_k == 1:
        share = np.cumsum(weights)
        share /= share[-1]
        for at in range(0, count, _CHUNK):
            part = random.random(min(_CHUNK, count - at))
            drawn[at : at + len(part), 0] = np.searchsorted(share, part, side="right")
        return np.minimum(drawn, n - 1, out=drawn)
    step = max(1, _CHUNK // n)
    for at in range(0, count, step):
        times = _log(1.0 - random.random((min(step, count - at), n)))
        np.negative(times, out=times)
        times /= weights
        if top_k < n:
            first = np.argpartition(times, top_k - 1, axis=1)[:, :top_k]
            order = np.argsort(np.take_along_axis(times, first, 1), axis=1, kind="stable")
            drawn[at : at + len(times)] = np.take_along_axis(first, order, 1)
        else:
            drawn[at : at + len(times)] = np.argsort(times, axis=1, kind="stable")
    return drawn


def _log(x: _Floats) -> _Floats:
    """Natural logarithm to about 1e-13 from additions, products and quotients only.

    Libraries' logarithms differ in the last place from machine to machine; these do not.
    """
    part, power = np.frexp(x)
    small = part < 0.7071067811865476
    part = np.where(small, 2 * part, part)
    ratio = (part - 1) / (part + 1)
    square = ratio * ratio
    series = np.full_like(ratio, 1 / 15)
    for odd in (13, 11, 9, 7, 5, 3, 1):
        series *= square
        series += 1 / odd
    result: _Floats = (power - small) * 0.6931471805599453 + 2 * ratio * series
    return result
