"""What a trace would be if the model ran differently, or if some of its structure were gone.

Every transformation returns a new trace and notes itself in ``meta["transforms"]``.  Those that draw
take a seed; the same arguments give the same trace on every machine.
"""

from .batching import batch
from .changes import (
    interleave,
    leave_early,
    merge_prefill,
    permute_layers,
    redraw,
    shuffle_tokens,
    skip_layers,
    top_one,
    without_layers,
)

__all__ = [
    "batch",
    "interleave",
    "leave_early",
    "merge_prefill",
    "permute_layers",
    "redraw",
    "shuffle_tokens",
    "skip_layers",
    "top_one",
    "without_layers",
]
