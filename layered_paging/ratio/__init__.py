"""How bad it can get: exact competitive ratios of policies, and of the best possible policy."""

from .given import Ratio, Witness, competitive_ratio

__all__ = ["Ratio", "Witness", "competitive_ratio"]
