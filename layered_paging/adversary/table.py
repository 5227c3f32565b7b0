"""The table at which an adversary plays a policy: one request at a time, layer by layer."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, cast

import numpy as np

from ..core.arguments import kinds
from ..core.instance import MOST_LAYERS, Instance, integer
from ..core.layout import Event, Grid, quotas
from ..core.registry import Entry, entries, find
from ..core.rules import POOLS, choice
from ..core.trace import Trace
from ..engine.step import Step, steps
from ..errors import BudgetError, ParameterError
from ..policies.belady import furthest
from ..policies.names import resolve
from ..policies.spec import PolicySpec, Time
from ..policies.stream import Stream

__all__ = ["Adversary", "Play", "Table", "bound_of", "play", "require", "spread", "targets"]

Adversary = Generator[int, frozenset[int], None]
_MOST_REQUESTS = 10**8  # of one game
_MOST_PAGES = 1 << 24  # that are chosen
_COINS = 0xAD  # key of the adversary's own random stream


def require(name: str, condition: bool, hypothesis: str, *, layers: int, experts: int, slots: int) -> None:
    """Raise ``ParameterError``, quoting the hypothesis, unless the condition holds.

    Examples
    --------
    >>> require("cruel", False, "k + 1 <= l * n", layers=1, experts=2, slots=2)
    Traceback (most recent call last):
    ...
    layered_paging.errors.ParameterError: cruel: the construction needs k + 1 <= l * n; got l = 1, n = 2, k = 2
    """
    if not condition:
        raise ParameterError(
            f"{name}: the construction needs {hypothesis}; got l = {layers}, n = {experts}, k = {slots}"
        )


@kinds()
def spread(layers: int, experts: int, pages: int) -> list[list[int]]:
    """Choose pages, the lowest of each layer, as evenly as possible; lower layers get one more.

    Examples
    --------
    >>> spread(2, 3, 5)
    [[0, 1, 2], [3, 4]]
    """
    count, experts = integer("layers", layers, 1, MOST_LAYERS), integer("experts", experts, 1)
    most = min(count * experts, _MOST_PAGES)
    widths = quotas(integer("pages", pages, 0, most, "pages of all layers"), count)
    return [list(range(j * experts, j * experts + width)) for j, width in enumerate(widths)]


class _Live:
    """A grid whose events are made while it is replayed."""

    ranked = False
    number = 0

    def __init__(self) -> None:
        self.next: Event | None = None

    def events(self) -> Iterator[Event]:
        while self.next is not None:
            event, self.next = self.next, None
            yield event


class Table:
    """A policy at the table: serves one page at a time by the reference replay.

    Parameters
    ----------
    policy : str, class or PolicySpec
    layers, experts, slots : int
        Requests come layer by layer, starting with layer 0.
    pool : {"shared", "per-layer"}
    seed : int
        Of a randomized policy.

    Examples
    --------
    >>> table = Table("lru", layers=1, experts=3, slots=2)
    >>> [table.serve(page) for page in (0, 1, 0, 2, 1)], sorted(table.resident)
    ([True, True, False, True, True], [1, 2])
    """

    def __init__(
        self,
        policy: str | type | PolicySpec,
        *,
        layers: int,
        experts: int,
        slots: int,
        pool: str = "shared",
        seed: int = 0,
    ) -> None:
        spec = resolve(policy)
        if spec.properties.get("offline", False):
            raise ParameterError(f"an adversary plays online policies; {spec.name!r} knows the future")
        self.instance = Instance(layers, experts, slots)
        shares = quotas(slots, layers) if choice("pool", pool, POOLS) == "per-layer" else [slots]
        if min(shares) < 1:
            raise BudgetError(f"a per-layer pool needs a slot for each of {layers} layers; got {slots}")
        seed = integer("seed", seed, 0)
        self._clock = 0
        self._feeds: list[_Live] = []
        self._replays: list[Iterator[Step]] = []
        self._held = [frozenset[int]() for _ in shares]
        for key, share in enumerate(shares):
            part = Instance(layers, experts, share)
            feed = _Live()
            self._feeds.append(feed)
            self._replays.append(steps(cast(Grid, feed), _maker(spec, part, seed, key), share))

    @property
    def resident(self) -> frozenset[int]:
        """The pages in the cache."""
        return frozenset().union(*self._held)

    def serve(self, page: int) -> bool:
        """Serve a request to a page of the layer whose turn it is; return whether it missed.

        Raises
        ------
        ParameterError
            The page is not of that layer.
        """
        round_, layer = divmod(self._clock, self.instance.layers)
        if page not in self.instance.pages_of(layer):
            pages = self.instance.pages_of(layer)
            raise ParameterError(
                f"request {self._clock} must be a page of layer {layer} ({pages.start}..{pages.stop - 1}); got {page!r}"
            )
        pool = layer if len(self._feeds) > 1 else 0
        self._feeds[pool].next = Event(0, 1, Time(self._clock, round_, layer), (page,))
        step = next(self._replays[pool])
        self._held[pool] = step.resident
        self._clock += 1
        return bool(step.misses)


def _maker(spec: PolicySpec, part: Instance, seed: int, key: int) -> Callable[[int], Any]:
    return lambda session: spec.make(part, seed, session, key)


@dataclass(frozen=True)
class Play:
    """A game that was played.

    Attributes
    ----------
    adversary, policy, pool : str
    layers, experts, slots : int
    pages : list of int
        The requests.
    missed, optimum_missed : list of bool
        Which requests the policy, and an optimal offline cache of the same slots, missed.  Every prefix of
        ``optimum_missed`` sums to the optimum of that prefix.
    bound : Fraction or None
        What the ratio is forced to (in the limit), where the adversary states it and is against this policy.
    unbounded : bool
        The ratio is forced beyond every number (again, where it is against this policy).
    seed : int
    """

    adversary: str
    policy: str
    pool: str
    layers: int
    experts: int
    slots: int
    pages: list[int]
    missed: list[bool]
    optimum_missed: list[bool]
    bound: Fraction | None
    unbounded: bool
    seed: int

    @property
    def cost(self) -> int:
        """Misses of the policy."""
        return sum(self.missed)

    @property
    def optimum(self) -> int:
        """Misses of the optimum: at least 1."""
        return sum(self.optimum_missed)

    @property
    def ratio(self) -> Fraction:
        """Cost / optimum of the whole sequence, the filling of the caches included."""
        return Fraction(self.cost, self.optimum)

    def late_ratio(self) -> Fraction | None:
        """Return cost / optimum of the second half; None if the optimum does not miss there."""
        half = len(self.pages) // 2
        optimum = sum(self.optimum_missed[half:])
        return Fraction(sum(self.missed[half:]), optimum) if optimum else None

    def over_time(self, points: int = 10) -> list[tuple[int, int, int]]:
        """Return (rounds, cost, optimum) at about ``points`` evenly spaced rounds."""
        rounds = len(self.pages) // self.layers
        cost = np.cumsum(self.missed)
        optimum = np.cumsum(self.optimum_missed)
        at = sorted({max(1, rounds * i // points) for i in range(1, points + 1)})
        return [(r, int(cost[r * self.layers - 1]), int(optimum[r * self.layers - 1])) for r in at]

    def trace(self) -> Trace:
        """Return the sequence as a trace."""
        ids = np.array(self.pages).reshape(-1, self.layers) - np.arange(self.layers) * self.experts
        return Trace(ids, self.experts, meta={"adversary": self.adversary, "policy": self.policy, "seed": self.seed})


@kinds()
def play(
    adversary: str | Callable[..., Adversary],
    policy: str | type | PolicySpec,
    *,
    layers: int,
    experts: int,
    slots: int,
    rounds: int,
    pool: str | None = None,
    seed: int = 0,
    **parameters: Any,
) -> Play:
    """Let an adversary play a policy and compute the exact optimum of the sequence.

    Parameters
    ----------
    adversary : str or generator function
    policy : str, class or PolicySpec
    layers, experts, slots, rounds : int
        At least 1 each; ``rounds * layers`` single requests are played.
    pool : {"shared", "per-layer"}, optional
        Default: what the adversary is made for.
    seed : int
        Of the adversary's and the policy's random streams.
    **parameters
        Further parameters of the adversary.

    Raises
    ------
    ParameterError
        A hypothesis of the construction fails, an unknown parameter, a request outside its layer, or a randomized
        policy against a construction for deterministic ones.

    Examples
    --------
    >>> game = play("layered-cruel", "lru", layers=2, experts=2, slots=3, rounds=400)
    >>> game.bound, game.late_ratio() >= 2
    (Fraction(2, 1), True)
    """
    entry = find("adversary", adversary) if isinstance(adversary, str) else None
    make: Callable[..., Adversary] = entry.obj if entry else cast(Any, adversary)
    spec = resolve(policy)
    if entry and entry.properties.get("against") == "deterministic" and spec.randomized:
        raise ParameterError(
            f"adversary {entry.name!r} is against deterministic policies (it watches the cache); {spec.name!r} is "
            "randomized: play a random source, such as uniform-source or markov-source"
        )
    count, n, k = integer("layers", layers, 1), integer("experts", experts, 1), integer("slots", slots, 1)
    Instance(count, n, k)
    turns = integer("rounds", rounds, 1, _MOST_REQUESTS // count, f"{_MOST_REQUESTS} requests") * count
    seed = integer("seed", seed, 0)
    where = pool or (entry.properties.get("pool", "shared") if entry else "shared")
    known = inspect.signature(make).parameters
    extra: dict[str, Any] = dict(parameters)
    for name in extra:
        if name not in known or name in ("layers", "experts", "slots", "rng", "policy"):
            own = [p for p in known if p not in ("layers", "experts", "slots", "rng", "policy")]
            raise ParameterError(
                f"adversary {_name(adversary)!r} has no parameter {name!r}; available: {', '.join(own) or 'none'}"
            )
    if "rng" in known:
        extra["rng"] = Stream(seed, _COINS)
    if "policy" in known:
        extra["policy"] = spec
    given = {"layers", "experts", "slots", *extra}
    wanting = [name for name, p in known.items() if name not in given and p.default is p.empty]
    if wanting:
        raise ParameterError(f"adversary {_name(adversary)!r} needs the parameter {wanting[0]!r}")
    generator = make(layers=count, experts=n, slots=k, **extra)
    table = Table(spec, layers=count, experts=n, slots=k, pool=where, seed=seed)
    pages, missed = [], []
    try:
        page = next(generator)
        for turn in range(turns):
            pages.append(page)
            missed.append(table.serve(page))
            if turn + 1 < turns:
                page = generator.send(table.resident)
    except StopIteration:
        raise ParameterError(f"adversary {_name(adversary)!r} ended after {len(pages)} requests") from None
    finally:
        generator.close()
    bound, unbounded = None, False
    if entry and where == entry.properties.get("pool", "shared") and _against(entry, spec):
        bound, unbounded = bound_of(entry, layers=count, experts=n, slots=k)
    return Play(
        _name(adversary), spec.name, where, count, n, k, pages, missed, furthest(pages, k), bound, unbounded, seed
    )


@kinds(layers=1, experts=1, slots=1)
def bound_of(entry: Entry, *, layers: int, experts: int, slots: int) -> tuple[Fraction | None, bool]:
    """Return (the ratio that an adversary forces, whether it is unbounded); (None, False) where it states none."""
    stated = entry.properties.get("bound")
    if stated == "unbounded":
        return None, True
    return (None, False) if stated is None else (Fraction(stated(layers, experts, slots)), False)


def _against(entry: Entry, spec: PolicySpec) -> bool:
    """Return whether an adversary claims to beat a policy, registered or not; parameters make no difference."""
    against = entry.properties.get("against", ())
    return spec.base in against if isinstance(against, tuple) else against == "any" or not spec.randomized


def targets(entry: Entry) -> list[str]:
    """Return the registered policies that an adversary claims to beat, by name.

    ``against`` is a tuple of policies, or "deterministic", or "any" (in expectation where a policy is randomized).
    """
    against = entry.properties.get("against", ())
    if not isinstance(against, str):
        return list(against)
    told = ("offline", "predictions")  # policies that know or hear of the future are not meant
    found = [policy for policy in entries("policy") if not any(policy.properties.get(key, False) for key in told)]
    if against == "deterministic":
        found = [policy for policy in found if not policy.properties.get("randomized", False)]
    elif against != "any":
        raise ParameterError(
            f"adversary {entry.name!r}: against must be a tuple of policies, 'deterministic' or 'any'; got {against!r}"
        )
    return [policy.name for policy in found]


def _name(adversary: str | Callable[..., Adversary]) -> str:
    return adversary if isinstance(adversary, str) else getattr(adversary, "__name__", repr(adversary))
