"""How bad it can get: exact competitive ratios of policies, and of the best possible policy."""

from .best import Bracket, optimal_ratio
from .comparison import RatioTable, lru_closed_form, table
from .given import Interrupted, Ratio, Witness, competitive_ratio

__all__ = [
    "Bracket",
    "Interrupted",
    "Ratio",
    "RatioTable",
    "Witness",
    "competitive_ratio",
    "lru_closed_form",
    "optimal_ratio",
    "table",
]
