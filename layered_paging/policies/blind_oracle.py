"""BlindOracle: evict the page whose next use is predicted furthest, and never doubt it."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.instance import Instance
from ..core.registry import register
from .spec import Predictions, Time


@register(
    "policy",
    "blind-oracle",
    cites=("wei-2020", "lykouris-vassilvitskii-2018"),
    aka=("follow the prediction",),
    predictions=True,
    stack=True,
    lazy=True,
    marking=False,
    conservative=False,
)
class BlindOracle:
    """Evict the page whose next use is predicted furthest; ties to the lowest page number.

    Published for single requests (wei-2020), k slots, eta the sum of the errors of the predicted times in requests:
    at most ``min(1 + 2 eta / OPT, 4 + 4 eta / ((k - 1) OPT))`` times OPT.  So 1-consistent; not robust: with wrong
    predictions the ratio is unbounded (claim ``blind-oracle-unbounded``).  For events (ours): 1-consistent too
    (claim ``blind-oracle-consistent``).

    A prediction that has expired, the page not having been used, stays as it is unless the source renews it.
    """

    def __init__(self, instance: Instance, *, predictions: Predictions) -> None:
        self._predictions = predictions

    def hit(self, page: int, time: Time) -> None:
        """Tell the source of the predictions."""
        self._predictions.told(page, time)

    miss = hit

    def victim(self, candidates: Sequence[int], time: Time) -> int:
        """Return the candidate predicted to be used last."""
        return max(candidates, key=lambda page: (self._predictions.next_use(page), -page))
