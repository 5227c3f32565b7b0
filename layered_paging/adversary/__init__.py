"""Adversaries: what one is, how it plays a policy, and a search for bad sequences.

An adversary is a generator function ``adversary(*, layers, experts, slots, ...)`` that yields pages,
layer by layer, and is sent the resident set after each request.  ``table`` plays it against a
policy beside the exact optimum; ``search`` looks for bad cycles at sizes that no exact method reaches.
"""

from __future__ import annotations

from .search import Nemesis, nemesis
from .table import Play, Table, bound_of, play, require, spread, targets

__all__ = ["Nemesis", "Play", "Table", "bound_of", "nemesis", "play", "require", "spread", "targets"]
