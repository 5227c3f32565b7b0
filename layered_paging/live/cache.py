"""A cache that is asked event by event, as an engine serves: which experts to load, and which to evict."""

from __future__ import annotations

import copy
from array import array
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..core.instance import Instance, flag, integer
from ..core.layout import Time, quotas
from ..core.rules import ADMISSIONS, POOLS, choice
from ..errors import BudgetError, FormatError, ParameterError, PolicyError
from ..policies.names import resolve
from ..policies.spec import PolicySpec
from ..policies.step import Pool
from .gauge import PrefixOptimum

__all__ = ["Cache", "Served"]

ROUND = -1  # in a journal, instead of a layer
LARGEST = 1 << 24  # pages of a snapshot that is restored
_FIELDS = ("layers", "experts", "slots", "policy", "pool", "admission", "seed", "window")


class Served(NamedTuple):
    """What to do for one event.

    Attributes
    ----------
    loads : tuple of int
        Experts of the event's layer that were absent, ascending.
    evictions : tuple of (layer, expert)
        What leaves the cache, in the order of the decisions.  Under bypass it may be what the event loads: use it once.
    """

    loads: tuple[int, ...]
    evictions: tuple[tuple[int, int], ...]


class Cache:
    """A cache of experts that a policy rules, served event by event; what it decides is what ``lp.replay`` counts.

    Parameters
    ----------
    layers : int
    experts : int or sequence of int
        Of each layer.
    slots : int
        In all, also for a per-layer pool: floor(slots / layers) each, the remainder to the lowest layers.
    policy : str or class
        Any policy that needs no future: a registered name, with parameters if need be, or a class; or a ``PolicySpec``
        with its predictions.
    pool : {"shared", "per-layer"} or sequence of int
        Or the slots of each layer, ``slots`` in all; 0 for a layer without experts.
    admission : {"forced", "bypass"}
        Forced: all members stay until the event ends.  Bypass: a just-loaded member may be dropped.
    seed : int
        For randomized policies, at least 0.
    window : int, optional
        Events, at least 2, see ``regret``.  Default: all events.
    journal : bool
        Whether to keep what was served since the last reset, for ``snapshot``: 4 * (members + 2) bytes per event.

    Attributes
    ----------
    requests, misses : int
        Of all events so far.

    Raises
    ------
    ParameterError, NotRegistered
        A parameter is out of range; the policy is unknown, or needs the future.

    Notes
    -----
    Time per event: what the reference class takes, O(slots * log slots) for each eviction, and the gauge's O(log)
    for each request.  Memory: O(slots + pages) and what the policy keeps, but for the journal.  Exact and deterministic.
    Not safe to call from several threads at once.

    Examples
    --------
    >>> import layered_paging as lp
    >>> cache = lp.live.Cache(layers=2, experts=4, slots=4, policy="lru")
    >>> cache.serve(0, [0, 1])
    Served(loads=(0, 1), evictions=())
    >>> cache.serve(1, [0, 3])
    Served(loads=(0, 3), evictions=())
    >>> cache.serve(0, [1, 2])
    Served(loads=(2,), evictions=((0, 0),))
    >>> cache.misses, cache.optimum, cache.regret()
    (5, 5, 0)
    """

    def __init__(
        self,
        *,
        layers: int,
        experts: int | Sequence[int],
        slots: int,
        policy: str | type | PolicySpec,
        pool: str | Sequence[int] = "shared",
        admission: str = "forced",
        seed: int = 0,
        window: int | None = None,
        journal: bool = False,
    ) -> None:
        instance = Instance(layers, experts, slots)
        if instance.pages >= 1 << 31:
            raise ParameterError(f"layers * experts must be below 2^31; got {instance.pages}")
        self._spec = resolve(policy)
        if self._spec.offline:
            raise ParameterError(f"a live cache does not know the future; policy {self._spec.name!r} needs it")
        self._instance, self._shared = instance, pool == "shared"
        if not isinstance(pool, Sequence):
            raise ParameterError(
                f"must be 'shared', 'per-layer', or the slots of each layer; got {pool!r}", parameter="pool"
            )
        self._quotas = pool if isinstance(pool, str) else [integer("a quota", n, 0) for n in pool]
        self._bypass = choice("admission", admission, ADMISSIONS) == "bypass"
        self._seed = integer("seed", seed, 0)
        self._window = None if window is None else integer("window", window, 2)
        self._journal = array("i") if flag("journal", journal) else None
        self._slots = [min(n, instance.pages) for n in self._split()]
        self._session, self._round, self._layer = 0, -1, instance.layers
        self._pools = [Pool(self._policy(key), n, bypass=self._bypass) for key, n in enumerate(self._slots)]
        self.requests = self.misses = 0
        self._events = 0
        self._gauges = [self._gauge()]

    # serving

    def serve(self, layer: int, experts: Sequence[int]) -> Served:
        """Serve the experts that one layer asks for together.

        A layer that is not above the one served before begins a new round (a token, or a batch of them).

        Parameters
        ----------
        layer : int
            In 0..layers - 1.
        experts : sequence of int
            Distinct, in any order.

        Raises
        ------
        ParameterError
            A layer or an expert is out of range, or an expert is there twice.
        BudgetError
            Under forced admission, more experts than the pool has slots.
        PolicyError
            The policy evicts what it may not.  After the other errors nothing has changed.
        """
        layer = integer("layer", layer, 0)
        if layer >= self._instance.layers:
            raise ParameterError(f"must be in 0..{self._instance.layers - 1}; got {layer}", parameter="layer")
        try:
            asked = list(experts)
        except TypeError:
            raise ParameterError(f"must be a sequence of integers; got {experts!r}", parameter="experts") from None
        pages = sorted(self._instance.page(layer, integer(f"expert of layer {layer}", e, 0)) for e in asked)
        if len(set(pages)) < len(pages):
            raise ParameterError(f"experts of an event must be distinct; got {asked!r}"[:500])
        key = 0 if self._shared else layer
        pool = self._pools[key]
        if len(pages) > pool.capacity and not self._bypass:
            raise BudgetError(
                f"layer {layer}: an event of {len(pages)} experts needs as many slots; its pool has {pool.capacity}"
            )
        if layer <= self._layer:
            self._round += 1
        self._layer = layer
        first = self._instance.first[layer]
        if self._journal is not None:
            self._journal.extend([layer, len(pages), *(page - first for page in pages)])
        if not pages:
            return Served((), ())
        time = Time(self._round * self._instance.layers + layer, self._round, layer)
        self._turn()
        _, loads, gone = pool.serve(pages, time)
        self.requests += len(pages)
        self.misses += len(loads)
        for gauge in self._gauges:
            gauge.serve(key, pages, len(loads))
        return Served(tuple(page - first for page in loads), tuple(self._place(page) for page in gone))

    def begin_round(self) -> None:
        """Say that a round begins: needed only where rounds skip layers, so that ``serve`` cannot tell."""
        self._round += 1
        self._layer = -1
        if self._journal is not None:
            self._journal.append(ROUND)

    def reset(self) -> None:
        """Begin a session: cache and policy start from nothing, and so does the optimum; counts go on."""
        self._session += 1
        self._layer = self._instance.layers
        for key, pool in enumerate(self._pools):
            pool.restart(self._policy(key))
        for gauge in self._gauges:
            gauge.restart()
        if self._journal is not None:
            del self._journal[:]

    @property
    def held(self) -> tuple[tuple[int, int], ...]:
        """The experts in the cache as (layer, expert), ascending."""
        return tuple(self._place(page) for page in sorted(page for pool in self._pools for page in pool.cache))

    # the gauge

    @property
    def optimum(self) -> int:
        """The fewest misses with which the same events (those of the window) could have been served."""
        return self._gauges[0].optimum

    def regret(self) -> int:
        """Return misses so far less the optimum of what was requested so far: at least 0.

        Equal to what ``lp.optimum`` says of these events, at any moment.  With ``window=W`` it is of the last W / 2 to W
        events (fewer at the start).  The optimum then begins with what the cache held when the window began.

        Notes
        -----
        O(1); it is kept up to date in amortised O(log) per request, with memory that does not grow: see
        ``PrefixOptimum`` for the proof.
        """
        return self._gauges[0].misses - self._gauges[0].optimum

    def _gauge(self) -> _Gauge:
        return _Gauge([PrefixOptimum(pool.capacity, bypass=self._bypass, held=pool.cache) for pool in self._pools])

    def _turn(self) -> None:
        """Count the event that is about to be served; under a window, begin and drop gauges."""
        if self._window is not None and self._events and self._events % (self._window // 2) == 0:
            self._gauges = [self._gauges[-1], self._gauge()]
        self._events += 1

    # keeping and taking up again

    def snapshot(self) -> dict[str, Any]:
        """Return all that ``restore`` needs, as JSON holds it: the parameters, the counts, and the journal.

        Raises
        ------
        ParameterError
            The cache keeps no journal, or its policy is a class without a registered name.
        """
        if self._journal is None:
            raise ParameterError("a snapshot is made of the journal: create the cache with journal=True")
        if self._spec.properties.get("unregistered"):
            raise ParameterError(f"a snapshot names its policy; {self._spec.name!r} is not registered (lp.register)")
        instance = self._instance
        values: tuple[Any, ...] = (instance.layers, list(instance.experts), instance.slots, self._spec.name)
        pool = self._quotas if isinstance(self._quotas, str) else [*self._quotas]
        values += (pool, "bypass" if self._bypass else "forced", self._seed, self._window)
        return {
            **dict(zip(_FIELDS, values, strict=True)),
            "session": self._session,
            "journal": self._journal.tolist(),
            "held": [list(place) for place in self.held],
        }

    @classmethod
    def restore(cls, snapshot: Mapping[str, Any]) -> Cache:
        """Return a cache that goes on where the snapshot was taken: its journal is served again.

        Counts and regret are those since the last reset before the snapshot, as older events are not in it.

        Raises
        ------
        FormatError
            This is no snapshot.
        PolicyError
            The cache does not hold what it held then: the policy decides otherwise than it did.
        """
        try:
            found = {name: snapshot[name] for name in (*_FIELDS, "session", "journal", "held")}
            words = [integer("journal", word, ROUND) for word in found["journal"]]
            held = [tuple(place) for place in found["held"]]
            pages = sum(integer("experts", n, 1) for n in list(found["experts"]))
            if not isinstance(found["policy"], str) or pages > LARGEST:
                raise TypeError
        except (KeyError, TypeError, ValueError):
            raise FormatError("a snapshot must have the fields that Cache.snapshot() returns") from None
        made = cls(**{name: found[name] for name in _FIELDS}, journal=True)
        made._session = integer("session", found["session"], 0) - 1
        made.reset()
        at = 0
        while at < len(words):
            if words[at] == ROUND:
                made.begin_round()
                at += 1
                continue
            end = at + 2 + (words[at + 1] if at + 1 < len(words) else 0)
            if not at + 2 <= end <= len(words):
                raise FormatError(f"a snapshot's journal must hold whole events; there is none at {at}")
            made.serve(words[at], words[at + 2 : end])
            at = end
        if list(made.held) != held:
            raise PolicyError(
                f"{made._spec.name}: decides otherwise than when the snapshot was taken: it would hold other experts"
            )
        return made

    def copy(self) -> Cache:
        """Return an independent copy in this process, for any policy whose objects ``copy.deepcopy`` can copy."""
        return copy.deepcopy(self)

    def __repr__(self) -> str:
        return f"<Cache: {self._spec.name}, {self._instance.slots} slots: {self.misses} misses of {self.requests} requests>"

    def _split(self) -> list[int]:
        layers, slots = self._instance.layers, self._instance.slots
        if isinstance(self._quotas, str):
            return [slots] if choice("pool", self._quotas, POOLS) == "shared" else quotas(slots, layers)
        if len(self._quotas) != layers or sum(self._quotas) != slots:
            raise ParameterError(
                f"pool: {layers} quotas of {slots} slots in all are needed; got {len(self._quotas)} of {sum(self._quotas)}"
            )
        return self._quotas

    def _policy(self, key: int) -> Any:
        return self._spec.make(self._instance_of(key), self._seed, self._session, key)

    def _instance_of(self, key: int) -> Instance:
        return Instance(self._instance.layers, self._instance.experts, max(1, self._slots[key]))

    def _place(self, page: int) -> tuple[int, int]:
        layer = self._instance.layer_of(page)
        return layer, page - self._instance.first[layer]


class _Gauge:
    """Misses since some event, and the optimum of the events since then, over all pools."""

    def __init__(self, pools: list[PrefixOptimum]) -> None:
        self.misses = self.optimum = 0
        self._pools = pools

    def serve(self, key: int, pages: Sequence[int], misses: int) -> None:
        self.misses += misses
        self.optimum += self._pools[key].serve(pages)

    def restart(self) -> None:
        for pool in self._pools:
            pool.restart()
