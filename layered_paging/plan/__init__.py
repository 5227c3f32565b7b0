"""From a trace to a decision: a clock that is given or fitted, runs on a real disk, budgets and tokens per second."""

from .answers import plan
from .clock import Clock, fit
from .disk import drive
from .found import Plan
from .steps import fit_steps, predict_steps, read_steps

__all__ = ["Clock", "Plan", "drive", "fit", "fit_steps", "plan", "predict_steps", "read_steps"]
