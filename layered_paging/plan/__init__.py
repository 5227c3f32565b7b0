"""From a trace to a decision: a clock that is given or fitted, runs on a real disk, budgets and tokens per second."""

from .answers import plan
from .clock import Clock, fit
from .disk import drive
from .found import Plan

__all__ = ["Clock", "Plan", "drive", "fit", "plan"]
