"""FWF: flush when full."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.instance import Instance
from ..core.registry import register
from .spec import Time


@register(
    "policy",
    "fwf",
    cites=("karlin-manasse-rudolph-sleator-1988",),
    aka=("flush when full",),
    stack=False,
    lazy=False,
    marking=True,
    conservative=False,
)
class FWF:
    """Drop every page that may go whenever an event does not fit; no ties.

    Guarantee: ``k / (k - h + 1)`` against an optimum with ``h <= k`` slots.  The one shipped policy
    that is not lazy.  With bypass, the members of the event are dropped as well.
    """

    symmetric = True

    def __init__(self, instance: Instance) -> None: ...

    def hit(self, page: int, time: Time) -> None:
        """Nothing changes."""

    miss = hit

    def flush(self, time: Time) -> None:
        """Give everything up."""

    def victim(self, candidates: Sequence[int], time: Time) -> int:
        """Return the lowest candidate (for callers that evict one page at a time)."""
        return candidates[0]

    def state(self, resident: Sequence[int], time: Time) -> dict[int, int]:
        """Return what is held."""
        return dict.fromkeys(resident, 1)
