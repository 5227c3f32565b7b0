"""What a policy is: the time it is told, the methods it has, the description from which a replay builds it.

A policy only chooses victims.  The replay owns the cache and tells the policy, event by
event, which members were present (``hit``) and which were loaded (``miss``). Then it asks
for a ``victim`` until the cache fits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..core.instance import Instance
from ..core.layout import Time
from ..errors import ParameterError
from .stream import Stream

__all__ = ["Policy", "PolicySpec", "Predictions", "Time", "ranks"]


class Policy(Protocol):
    """The methods of a policy, built as ``cls(instance, **parameters)``.

    With a per-layer pool each layer has a policy of its own, whose ``instance.slots`` is the
    layer's quota. Page numbers stay those of the whole model.  A policy registered with
    ``randomized=True`` is also given ``rng``, a ``Stream``; one with ``predictions=True`` is given ``predictions``.

    Optional methods: ``flush(time)``: called instead of ``victim`` the first time an event does
    not fit, and the cache then drops every candidate.  ``clear(time)``: the cache was emptied from
    outside (``reset="cache"``): drop queues, keep statistics.  ``state(resident, time)``: all that
    the policy's future depends on, up to a shift of time.  It is a dict from pages to ints of at least 0, and there are
    finitely many such dicts.  Pages left out count as 0, and what is resident need not be said.
    ``resident`` holds the cached pages, ascending; ``time`` is that of the last event.  Exact ratios need it.  The class attribute ``symmetric = True``
    says that with one expert per event no decision ever depends on page numbers.  Then
    renaming the experts of a layer renames the victims alike.  ``turning = True``, in the class itself (it is not
    inherited), says that neither a decision nor ``state`` depends on which layer is the first of a round.
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
