"""Hedge: run BlindOracle and LLRU on caches of their own, and keep what the one with fewer misses keeps."""

from __future__ import annotations

from ..core.instance import Instance
from ..core.registry import register
from .blind_oracle import BlindOracle
from .combination import Combination
from .llru import LLRU
from .spec import Predictions


@register(
    "policy",
    "hedge",
    cites=("wei-2020", "angelopoulos-marchal-obrecht-simon-2025"),
    aka=("BlindOracle and LLRU combined",),
    predictions=True,
    lazy=True,
)
class Hedge(Combination):
    """Evict the oldest page that the followed policy does not hold (if it holds all: the oldest); ties to the lowest page.

    LLRU and BlindOracle play the same events on simulated caches of as many slots, events forced.  BlindOracle is
    followed at first. When the followed one has missed ``patience`` * slots times more than the other, looked at after
    each event, the other one is.

    Guarantee (derived; claim ``hedge-bound``): with M the fewer misses of the two, patience g and k slots, at most
    ``2 M + g k - 1`` misses, whatever the predictions.  With perfect predictions the optimum
    (then LLRU is never ahead, after any event).  Combining BlindOracle with LRU deterministically is wei-2020's.

    Parameters
    ----------
    instance : Instance
    patience : int
        1 to 1000.
    """

    def __init__(self, instance: Instance, *, predictions: Predictions, patience: int = 1) -> None:
        sides = LLRU(instance), BlindOracle(instance, predictions=predictions)
        super().__init__("hedge", instance, *sides, patience)
