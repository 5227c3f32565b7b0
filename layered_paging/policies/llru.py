"""LLRU: among the pages unused for the most visits of their layer, evict the one needed last."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.instance import Instance
from ..core.registry import register
from ..errors import ParameterError
from .spec import Time, ranks


@register(
    "policy", "llru", cites=("angelopoulos-marchal-obrecht-simon-2025",), aka=("layered LRU",), stack=True, lazy=True
)
class LLRU:
    """Evict the page unused for the most visits of its layer (R); of these, the one whose layer comes last (D).

    Parameters
    ----------
    instance : Instance
        Layers and slots.
    rounds : {"visit", "absolute"}
        R of a page: visits to its layer since its last request, the present one included;
        or rounds since its last request.
    same_layer : {"far", "near"}
        D of a page of the layer being served: the number of layers, or 0.  D of any other page is
        the number of layers from the present one forward to its own.  Ties of R and D go to the
        lowest page number.

    Notes
    -----
    The paper's exact index conventions are not visible to us, so both are parameters.
    Exact ratios: ``layered-paging ratio llru``.
    """

    symmetric = True

    def __init__(self, instance: Instance, *, rounds: str = "visit", same_layer: str = "far") -> None:
        if rounds not in ("visit", "absolute"):
            raise ParameterError(f"llru: rounds must be 'visit' or 'absolute'; got {rounds!r}")
        if same_layer not in ("far", "near"):
            raise ParameterError(f"llru: same_layer must be 'far' or 'near'; got {same_layer!r}")
        self._layers = instance.layers
        self._visit = rounds == "visit"
        self._same = instance.layers if same_layer == "far" else 0
        self._last: dict[int, tuple[int, int]] = {}

    def hit(self, page: int, time: Time) -> None:
        """Note the round and layer of the request."""
        self._last[page] = (time.round, time.layer)

    miss = hit

    def victim(self, candidates: Sequence[int], time: Time) -> int:
        """Return the candidate of largest (R, D)."""
        return min(candidates, key=lambda page: (*self._order(page, time), page))

    def state(self, resident: Sequence[int], time: Time) -> dict[int, int]:
        """Return the order of last rounds; differences above 1 count as 2, as R compares them only so far."""
        return ranks({page: self._last[page][0] for page in resident}, gap=2 if self._visit else 1)

    def _order(self, page: int, time: Time) -> tuple[int, int]:
        round_, layer = self._last[page]
        rounds = time.round - round_
        if self._visit and layer > time.layer:
            rounds -= 1
        distance = (layer - time.layer) % self._layers or self._same
        return -rounds, -distance
