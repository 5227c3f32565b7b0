"""Follow: run two policies on caches of their own, and keep what the better one keeps."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.instance import Instance, integer
from ..core.registry import register
from ..errors import ParameterError
from .names import resolve
from .spec import Policy, Time


@register(
    "policy",
    "follow",
    cites=("fiat-karp-luby-mcgeoch-sleator-young-1991", "blum-burch-2000"),
    aka=("combiner", "robust combination"),
    lazy=True,
)
class Follow:
    """Evict the least recently used page that the policy followed does not hold; ties to the lowest page number.

    Both policies play the same events on simulated caches of the same size, events forced.  ``second`` is followed
    at first.  When the policy followed has missed ``patience`` * slots more often than the other (looked
    at after each event), the other one is followed.

    Parameters
    ----------
    instance : Instance
    first, second : str
        Deterministic online policies.
    patience : int
        At least 1, at most 1000.

    Notes
    -----
    On atomic events of at most m members, m <= k slots, for the fewer misses M of the two and patience g:
    misses <= (2 + 1/g) M + (1 + 1/g)(g k + m) (claims ``follow-*``).  With bytes for slots it is a heuristic.
    The default pair has a compiled twin, with any patience; other pairs are played by the reference loop.
    """

    def __init__(
        self, instance: Instance, *, first: str = "llru", second: str = "similar-rounds", patience: int = 1
    ) -> None:
        self._shadows = [_Shadow(instance, "first", first), _Shadow(instance, "second", second)]
        self._lead, self._last = 1, dict[int, int]()
        if integer("follow: patience", patience, 1) > 1000:
            raise ParameterError(f"follow: patience must be at most 1000; got {patience}")
        self._patience = patience * instance.slots
        self._event: list[tuple[int, Time]] = []
        self._settled = True

    def hit(self, page: int, time: Time) -> None:
        """Note a member of the event."""
        if self._settled or (time.round, time.layer) != self._event[0][1][1:]:
            self._settle()
            self._event, self._settled = [], False
        self._event.append((page, time))
        self._last[page] = time.clock

    miss = hit

    def victim(self, candidates: Sequence[int], time: Time) -> int:
        """Return the oldest candidate outside the cache that is followed."""
        self._settle()
        held = self._shadows[self._lead].cache
        return min(candidates, key=lambda page: (page in held, self._last[page], page))

    def clear(self, time: Time) -> None:
        """Empty the simulated caches."""
        self._settle()
        for shadow in self._shadows:
            shadow.cache.clear()
            getattr(shadow.policy, "clear", lambda _: None)(time)

    def _settle(self) -> None:
        if self._settled:
            return
        self._settled = True
        for shadow in self._shadows:
            shadow.play(self._event)
        lead, other = self._shadows[self._lead], self._shadows[1 - self._lead]
        if lead.misses - other.misses >= self._patience:
            self._lead = 1 - self._lead


class _Shadow:
    """A policy that plays on a cache of its own."""

    def __init__(self, instance: Instance, role: str, name: str) -> None:
        if not isinstance(name, str):
            raise ParameterError(f"follow: {role} must be the name of a policy; got {name!r}")
        spec = resolve(name)
        if spec.randomized or spec.offline or hasattr(spec.cls, "flush"):
            raise ParameterError(
                f"follow: {role} must be deterministic, online and evict one page at a time; got {name!r}"
            )
        if "predictions" in spec.params or spec.properties.get("predictions"):
            raise ParameterError(f"follow: {role} must need no predictions; got {name!r}")
        self.policy: Policy = spec.make(instance)
        self.slots, self.cache, self.misses = instance.slots, set[int](), 0

    def play(self, event: Sequence[tuple[int, Time]]) -> None:
        """Serve an event: its members in the order of a replay, whatever the caller's cache held."""
        event = sorted(event, key=lambda member: (member[1].clock, member[0]))
        absent = [(page, time) for page, time in event if page not in self.cache]
        for page, time in event:
            if page in self.cache:
                self.policy.hit(page, time)
        for page, time in absent:
            self.policy.miss(page, time)
            self.cache.add(page)
        self.misses += len(absent)
        members = {page for page, _ in event}
        while len(self.cache) > max(self.slots, len(members)):
            self.cache.remove(self.policy.victim(sorted(self.cache - members), event[0][1]))
