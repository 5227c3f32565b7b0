"""How bad it can get: exact competitive ratios of policies, and of the best possible policy."""

from .best import Bracket, optimal_ratio
from .given import Interrupted, Ratio, Witness, competitive_ratio

__all__ = ["Bracket", "Interrupted", "Ratio", "Witness", "competitive_ratio", "optimal_ratio"]
