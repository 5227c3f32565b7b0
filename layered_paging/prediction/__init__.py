"""What will be asked for next: predictors, profiles of use, next uses, and what they buy."""

from .guessing import guesses
from .learnt import Learnt
from .next_use import source
from .predictors import Predictor, predictor

__all__ = ["Learnt", "Predictor", "guesses", "predictor", "source"]
