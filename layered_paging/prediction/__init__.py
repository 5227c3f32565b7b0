"""What will be asked for next: predictors, profiles of use, and what they buy."""

from .guessing import guesses
from .predictors import Predictor, predictor

__all__ = ["Predictor", "guesses", "predictor"]
