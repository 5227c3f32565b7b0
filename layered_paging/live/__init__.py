"""Policies outside the laboratory: a cache that is asked event by event, in Python and as a C header."""

from .cache import Cache, Served
from .gauge import PrefixOptimum

__all__ = ["Cache", "PrefixOptimum", "Served"]
