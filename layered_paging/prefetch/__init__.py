"""Prefetching on a clock: guesses of what comes next, the time that loads take, the replay, the least stall."""

from .guessing import guesses

__all__ = ["guesses"]
