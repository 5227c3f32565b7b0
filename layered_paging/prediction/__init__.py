"""What will be asked for next: predictors of events, and predicted next uses for policies."""

from .learnt import Learnt
from .next_use import source
from .predictors import Predictor, predictor

__all__ = ["Learnt", "Predictor", "predictor", "source"]
