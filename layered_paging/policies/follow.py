"""Follow: run two policies on caches of their own, and keep what the better one keeps."""

from __future__ import annotations

from ..core.instance import Instance
from ..core.registry import register
from ..errors import ParameterError
from .combination import Combination
from .names import resolve
from .spec import Policy


@register(
    "policy",
    "follow",
    cites=("fiat-karp-luby-mcgeoch-sleator-young-1991", "blum-burch-2000"),
    aka=("combiner", "robust combination"),
    lazy=True,
)
class Follow(Combination):
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
    On atomic events of at most k members, k slots, for the fewer misses M of the two and patience g:
    misses <= 2 M + g k - 1 (claims ``follow-*``).  With bytes for slots it is a heuristic.
    Pairs of policies whose twins decide page by page have a compiled twin; others are played by the reference loop.
    """

    def __init__(
        self, instance: Instance, *, first: str = "llru", second: str = "similar-rounds", patience: int = 1
    ) -> None:
        sides = _made(instance, "first", first), _made(instance, "second", second)
        super().__init__("follow", instance, *sides, patience)


def _made(instance: Instance, role: str, name: str) -> Policy:
    if not isinstance(name, str):
        raise ParameterError(f"follow: {role} must be the name of a policy; got {name!r}")
    spec = resolve(name)
    if spec.randomized or spec.offline or hasattr(spec.cls, "flush"):
        raise ParameterError(f"follow: {role} must be deterministic, online and evict one page at a time; got {name!r}")
    if "predictions" in spec.params or spec.properties.get("predictions"):
        raise ParameterError(f"follow: {role} must need no predictions; got {name!r}")
    return spec.make(instance)
