"""MARK-FAR: among the unmarked pages, evict the one whose layer comes round last."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.instance import Instance
from ..core.registry import register
from .spec import Time, ranks


@register(
    "policy",
    "mark-far",
    cites=("irani-karlin-phillips-1996",),
    aka=("layered FAR",),
    stack=False,
    lazy=True,
    marking=True,
    conservative=False,
)
class MarkFar:
    """Evict the unmarked page of largest relative layer distance D; ties to the oldest last request, then the lowest page.

    D counts the layers from the present one forward to the page's own; a page of the present layer
    has D = number of layers.  For layered graphs this is the rule of FAR: the unmarked page that
    cannot be asked for until latest.  A phase ends when an event cannot be placed without evicting
    a page marked outside it.

    Guarantee (derived, not from the cited paper): if k + 1 = layers * experts and experts >= 2, the
    ratio is k - layers + 1, which no deterministic policy can beat.
    """

    symmetric = True
    turning = True

    def __init__(self, instance: Instance) -> None:
        self._layers = instance.layers
        self._last: dict[int, tuple[int, int]] = {}
        self._phase = 0  # clock at which the phase began; pages requested since then are marked

    def hit(self, page: int, time: Time) -> None:
        """Mark the page."""
        self._last[page] = (time.clock, time.layer)

    miss = hit

    def victim(self, candidates: Sequence[int], time: Time) -> int:
        """Return the unmarked candidate of largest D."""
        if all(self._last[page][0] >= self._phase for page in candidates):
            self._phase = time.clock
        unmarked = [page for page in candidates if self._last[page][0] < self._phase]
        return min(unmarked or candidates, key=lambda page: (-self._distance(page, time), self._last[page][0], page))

    def clear(self, time: Time) -> None:
        """Begin a phase."""
        self._phase = time.clock

    def state(self, resident: Sequence[int], time: Time) -> dict[int, int]:
        """Return the order of last requests, and the marks."""
        place = ranks({page: self._last[page][0] for page in resident})
        return {page: 2 * place[page] - (self._last[page][0] >= self._phase) for page in resident}

    def _distance(self, page: int, time: Time) -> int:
        return (self._last[page][1] - time.layer) % self._layers or self._layers
