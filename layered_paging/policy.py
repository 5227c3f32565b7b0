"""What a policy is, how one is named, and the random numbers it may draw.

A policy only chooses victims.  The replay owns the cache and tells the policy, event by
event, which members were present (``hit``) and which were loaded (``miss``); then it asks
for a ``victim`` until the cache fits.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from .errors import ParameterError, PolicyError
from .instance import Instance
from .registry import find

__all__ = [
    "Forecast",
    "Policy",
    "PolicySpec",
    "Predictions",
    "Stream",
    "Time",
    "check_parameters",
    "parsed",
    "ranks",
    "resolve",
]


class Time(NamedTuple):
    """When something happens.

    ``clock`` orders events: each layer's event in each round has its place, whether it has members
    or not, and under ``ties="rank"`` (or ``events="serial"``) each member has.  ``round`` and ``layer``
    say where in the model we are.
    """

    clock: int
    round: int
    layer: int


class Policy(Protocol):
    """The methods of a policy, built as ``cls(instance, **parameters)``.

    With a per-layer pool each layer has a policy of its own, whose ``instance.slots`` is the
    layer's quota; page numbers stay those of the whole model.  A policy registered with
    ``randomized=True`` is also given ``rng``, a ``Stream``; one with ``predictions=True`` is given ``predictions``.

    Optional methods: ``flush(time)``: called instead of ``victim`` the first time an event does
    not fit, and the cache then drops every candidate.  ``clear(time)``: the cache was emptied from
    outside (``reset="cache"``): drop queues, keep statistics.  ``state(resident, time)``: all that
    the policy's future depends on, up to a shift of time, as a dict from pages to ints of at least 0
    (pages left out count as 0; what is resident need not be said), finitely many dicts in all;
    ``resident`` holds the cached pages, ascending,
    ``time`` is that of the last event.  Exact ratios need it.  The class attribute ``symmetric = True``
    says that with one expert per event no decision ever depends on page numbers, so that
    renaming the experts of a layer renames the victims alike.
    """

    def hit(self, page: int, time: Time) -> None:
        """Note that a member of the event was in the cache when the event began."""

    def miss(self, page: int, time: Time) -> None:
        """Note that a member of the event was loaded."""

    def victim(self, candidates: Sequence[int], time: Time) -> int:
        """Return the page of ``candidates`` (ascending, not empty) to evict; it is gone then."""


class Predictions(Protocol):
    """What a policy registered with ``predictions=True`` is given at construction: predicted next uses.

    Each policy object has one of its own.  Times are steps: ``round * layers + layer``, with fractions where the
    order inside one step is known; ``inf`` is never.
    """

    def told(self, page: int, time: Time) -> None:
        """Note that a page was requested; a policy says so in ``hit`` and in ``miss``."""

    def next_use(self, page: int) -> float:
        """Return the step at which a page that was requested before is predicted to be used next."""


@dataclass(frozen=True, eq=False)
class Forecast:
    """Predicted next uses for a trace as laid out, as arrays; rows are events, in order.

    Attributes
    ----------
    members : int32 array, shape (events, width)
        Pages of each event in the order of presentation, then -1.
    due : float64 array, shape (events, width), or (0, 0)
        For each member the step of its predicted next use: predictions come with the requests.
    ahead : float32 array, shape (events, experts), or (0, 0)
        For each expert of the event's layer, after the event: rounds until its predicted next use, 1 for the next
        round, rounds without the layer not counted.  A page is then judged by the last event of its layer.
    ahead_next : float32 array, shape (events, experts), or (0, 0)
        The same for the layer served next, whose coming event counts as 1.
    layers : int
    first : int64 array, shape (layers + 1,)
        First page of each layer, and the number of pages.
    ticks : int
        Clock ticks of an event.
    label : str
        Where the predictions come from.

    Notes
    -----
    Exactly one of ``due`` and ``ahead`` has rows.  ``begin()`` gives the ``Predictions`` of one policy object; the
    compiled twins read the arrays.
    """

    members: npt.NDArray[np.int32]
    due: npt.NDArray[np.float64]
    ahead: npt.NDArray[np.float32]
    ahead_next: npt.NDArray[np.float32]
    layers: int
    first: npt.NDArray[np.int64]
    ticks: int
    label: str

    def begin(self) -> Predictions:
        """Return the predictions of one policy object."""
        return _Told(self)

    def check(self, events: int, width: int, n_experts: Sequence[int]) -> None:
        """Raise unless the arrays are for so many events of so many members, and for this model.

        Raises
        ------
        ParameterError
            They are for another trace, or for another layout of it.
        """
        shapes = [len(self.members), len(self.due) + len(self.ahead), len(self.ahead_next) or events]
        wide = self.members.shape[1] >= width and (not len(self.due) or self.due.shape == self.members.shape)
        wide = wide and all(a.shape[1] >= max(n_experts) for a in (self.ahead, self.ahead_next) if len(a))
        if shapes != [events] * 3 or not wide or np.diff(self.first).tolist() != list(n_experts):
            raise ParameterError(
                f"predictions must be for the trace as it is replayed, {events} events of {width} members; "
                f"got {len(self.members)} of {self.members.shape[1]}"
            )


class _Told:
    """The predictions of a ``Forecast``, as told so far."""

    def __init__(self, forecast: Forecast) -> None:
        self._all = forecast
        self._due: dict[int, float] = {}
        self._row = -1

    def told(self, page: int, time: Time) -> None:
        """Read the page's prediction, or at the first member of an event those of its layer."""
        all_, row = self._all, time.clock // self._all.ticks
        if len(all_.due):
            self._due[page] = float(all_.due[row][list(all_.members[row]).index(page)])
        elif row != self._row:
            self._row = row
            self._read(all_.ahead[row], time.layer, time.round)
            if len(all_.ahead_next):
                layer = (time.layer + 1) % all_.layers
                self._read(all_.ahead_next[row], layer, time.round - (layer > time.layer))

    def _read(self, ahead: npt.NDArray[np.float32], layer: int, round_: int) -> None:
        first, layers = self._all.first, self._all.layers
        for page in range(int(first[layer]), int(first[layer + 1])):
            self._due[page] = round_ * layers + layer + layers * float(ahead[page - int(first[layer])])

    def next_use(self, page: int) -> float:
        """Return the step that was predicted last."""
        return self._due[page]


def ranks(values: Mapping[int, int], gap: int = 1) -> dict[int, int]:
    """Return the places of values, the largest first: 1, then larger by each difference, cut at ``gap``.

    What a policy's ``state`` needs where only the order of times matters (``gap=1``), or only
    differences below ``gap`` do.

    Examples
    --------
    >>> ranks({3: 70, 5: 40, 8: 41, 9: 41})
    {3: 1, 5: 3, 8: 2, 9: 2}
    >>> ranks({3: 70, 5: 40, 8: 41}, gap=2)
    {3: 1, 5: 4, 8: 3}
    """
    place: dict[int, int] = {}
    at, before = 1, None
    for value in sorted(set(values.values()), reverse=True):
        at += 0 if before is None else min(before - value, gap)
        place[value] = at
        before = value
    return {key: place[value] for key, value in values.items()}


_MASK = (1 << 64) - 1


class Stream:
    """A stream of random numbers that Python and the compiled kernels draw alike (SplitMix64).

    Parameters
    ----------
    seed : int
        Any integer of at least 0.
    *key : int
        What the stream is for, such as (session, layer); different keys give independent streams.

    Notes
    -----
    SplitMix64 by Steele, Lea and Flood (steele-lea-flood-2014).

    Examples
    --------
    >>> dice = Stream(7, 0, 0)
    >>> [dice.below(6) for _ in range(8)]
    [0, 0, 5, 3, 2, 2, 5, 1]
    """

    __slots__ = ("state",)

    def __init__(self, seed: int, *key: int) -> None:
        self.state = _mix(seed & _MASK)
        for part in key:
            self.state = _mix((self.state ^ (part + 1)) & _MASK)

    def next(self) -> int:
        """Return the next 64 random bits."""
        self.state = (self.state + 0x9E3779B97F4A7C15) & _MASK
        return _mix(self.state)

    def place(self, among: Iterable[int]) -> int:
        """Return ``next()`` to a caller for whom only its order against the numbers of ``among``, drawn so too, matters.

        Exact ratios then count the places among them, each as likely as any other.
        """
        return self.next()

    def below(self, n: int) -> int:
        """Return an integer in 0..n-1 (n < 2^31); the bias is below n / 2^32."""
        return ((self.next() >> 32) * n) >> 32

    def random(self) -> float:
        """Return a float in [0, 1) with 53 random bits."""
        return (self.next() >> 11) * (1.0 / (1 << 53))


def _mix(z: int) -> int:
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


@dataclass(frozen=True)
class PolicySpec:
    """A policy and its parameters, ready to be built.

    Attributes
    ----------
    name : str
        As written, for example ``llru(rounds='absolute')``.
    base : str
        Registered name, or the class name for a class that is not registered.
    cls : type
        The reference class.
    params : mapping
        Keyword arguments of the class.
    properties : mapping
        What the policy declares.
    predictions : object, optional
        ``begin()`` returns the ``Predictions`` of one policy object; a ``Forecast`` is one.  Or a name, from which the
        replay of a trace makes them.
    """

    name: str
    base: str
    cls: Any
    params: Mapping[str, Any] = field(default_factory=dict)
    properties: Mapping[str, Any] = field(default_factory=dict)
    predictions: Any = None

    @property
    def randomized(self) -> bool:
        """Whether the policy draws random numbers."""
        return bool(self.properties.get("randomized", False))

    @property
    def offline(self) -> bool:
        """Whether the policy is given the future."""
        return bool(self.properties.get("offline", False))

    @property
    def predicted(self) -> bool:
        """Whether the policy is given predictions."""
        return bool(self.properties.get("predictions", False))

    def make(
        self, instance: Instance, seed: int = 0, *key: int, future: Mapping[int, Sequence[int]] | None = None
    ) -> Policy:
        """Build the policy; a randomized one draws from ``Stream(seed, *key)``, an offline one is given ``future``.

        Raises
        ------
        ParameterError
            The policy needs predictions, and there are none.
        """
        extra: dict[str, Any] = {"rng": Stream(seed, *key)} if self.randomized else {}
        if self.offline:
            extra["future"] = future
        if self.predicted:
            if self.predictions is None:
                raise ParameterError(
                    f"policy {self.base!r} needs predictions, as in \"{self.base}(predictions='markov')\"; got none"
                )
            if not callable(getattr(self.predictions, "begin", None)):
                raise ParameterError(
                    f"policy {self.name!r} needs a trace to make its predictions from; there is none here"
                )
            extra["predictions"] = self.predictions.begin()
        policy: Policy = self.cls(instance, **extra, **self.params)
        return policy


_NAME = re.compile(r"\s*([A-Za-z0-9][\w./-]*)\s*(?:\((.*)\))?\s*", re.DOTALL)


def resolve(policy: str | type | PolicySpec) -> PolicySpec:
    """Return the policy that a name, a name with parameters, ``strategy:FILE``, or a class stands for.

    A policy that takes predictions may name them as if they were a parameter: ``guard(predictions='markov')``.

    Raises
    ------
    NotRegistered
        Unknown name; the message gives the nearest one.
    ParameterError
        The parameters cannot be read, or the policy has no such parameter; a file without a strategy.
    PolicyError
        A class without the methods of a policy.

    Examples
    --------
    >>> resolve("llru(rounds='absolute')").params
    {'rounds': 'absolute'}
    """
    if isinstance(policy, PolicySpec):
        return policy
    if not isinstance(policy, str):
        return _of_class(policy)
    if policy.startswith("strategy:"):
        from .strategy import strategy

        return strategy(policy)
    base, params = parsed("policy", policy)
    entry = find("policy", base)
    shown = ", ".join(f"{key}={value!r}" for key, value in params.items())
    predictions = params.pop("predictions", None) if entry.properties.get("predictions", False) else None
    if predictions is not None and not isinstance(predictions, str):
        raise ParameterError(f"{base}: predictions must be a name such as 'perfect' or 'markov'; got {predictions!r}")
    check_parameters("policy", base, entry.obj, params)
    return PolicySpec(f"{base}({shown})" if shown else base, base, entry.obj, params, entry.properties, predictions)


def parsed(kind: str, text: str) -> tuple[str, dict[str, Any]]:
    """Read ``name`` or ``name(parameter=value, ...)`` with plain values.

    Raises
    ------
    ParameterError
        The text is not written so.

    Examples
    --------
    >>> parsed("policy", "lfu-decay(half_life=8)")
    ('lfu-decay', {'half_life': 8})
    """
    match = _NAME.fullmatch(text)
    if match is None:
        raise ParameterError(f"a {kind} is written name or name(parameter=value, ...); got {text!r}")
    return match[1], _arguments(text, match[2] or "")


def _of_class(cls: Any) -> PolicySpec:
    missing = [name for name in ("hit", "miss", "victim") if not callable(getattr(cls, name, None))]
    if missing:
        raise PolicyError(
            f"a policy needs the methods hit, miss and victim; {getattr(cls, '__name__', cls)!r} lacks {', '.join(missing)}"
        )
    from .registry import entries

    for entry in entries("policy"):
        if entry.obj is cls:
            return PolicySpec(entry.name, entry.name, cls, {}, entry.properties)
    takes = inspect.signature(cls).parameters
    properties = {"randomized": "rng" in takes, "predictions": "predictions" in takes, "unregistered": True}
    return PolicySpec(cls.__name__, cls.__name__, cls, {}, properties)


def _arguments(policy: str, text: str) -> dict[str, Any]:
    try:
        call = ast.parse(f"f({text})", mode="eval").body
        if not isinstance(call, ast.Call) or call.args or not isinstance(call.func, ast.Name):
            raise ValueError
        names = [keyword.arg for keyword in call.keywords]
        if None in names or len(set(names)) < len(names):
            raise ValueError
        return {str(k.arg): ast.literal_eval(k.value) for k in call.keywords if k.arg is not None}
    except (SyntaxError, TypeError, ValueError, MemoryError, RecursionError):
        raise ParameterError(
            f"parameters are written name(parameter=value, ...) with plain values; got {policy!r}"
        ) from None


def check_parameters(kind: str, base: str, cls: Any, params: Mapping[str, Any]) -> None:
    """Raise ``ParameterError`` unless the class takes these parameters, keyword-only."""
    known = [
        name
        for name, p in inspect.signature(cls).parameters.items()
        if p.kind is p.KEYWORD_ONLY and name not in ("future", "predictions", "rng")
    ]
    for name in params:
        if name not in known:
            raise ParameterError(f"{kind} {base!r} has no parameter {name!r}; available: {', '.join(known) or 'none'}")
