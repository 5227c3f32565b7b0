"""How bad it can get: exact competitive ratios of policies, and of the best possible policy."""

from .best import Bracket, optimal_ratio
from .comparison import RatioTable, lru_closed_form, table
from .given import Interrupted, Ratio, Witness, competitive_ratio
from .shortest import Shortest, shortest

__all__ = [
    "Bracket",
    "Interrupted",
    "Ratio",
    "RatioTable",
    "Shortest",
    "Witness",
    "competitive_ratio",
    "lru_closed_form",
    "optimal_ratio",
    "shortest",
    "table",
]
