"""What tests of a trace share: their outcome, sizes of events, what chance makes of sets."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.trace import Trace, transformed

__all__ = ["BITS", "PART", "Check", "Numbers", "bits_of", "decided", "event_sizes", "unions"]

BITS = 40  # what is less likely than 2^-BITS by chance is no chance
PART = 8192  # rounds looked at together

Numbers = dict[str, Any]


@dataclass(frozen=True)
class Check:
    """What one test found.

    Attributes
    ----------
    name : str
    outcome : {"warning", "fine", "cannot tell"}
    sentence : str
        What was found, or why the test cannot tell.
    evidence : dict
        The numbers it rests on.
    """

    name: str
    outcome: str
    sentence: str
    evidence: Numbers = field(default_factory=dict)


def event_sizes(trace: Trace) -> npt.NDArray[np.int64]:
    """Return the number of experts of each event, shape (rounds, layers)."""
    found = np.empty((trace.rounds, trace.layers), np.int64)
    for at in range(0, trace.rounds, PART):
        found[at : at + PART] = (trace.experts[at : at + PART] >= 0).sum(axis=2)
    return found


def decided(name: str, warns: bool, sentence: str, otherwise: str, **evidence: Any) -> Check:
    """Return a test that warns with one sentence, or finds nothing with the other."""
    return Check(name, "warning" if warns else "fine", sentence if warns else otherwise, evidence)


def unions(trace: Trace) -> str | None:
    """Return the transformation that made events unions of several tokens, or None."""
    return transformed(trace, "batch", "merge_prefill")


def bits_of(trace: Trace, sizes: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return log2 of the number of sets that each layer's event could be, for sizes of shape (..., layers)."""
    most = int(sizes.max(initial=0))
    table = np.array(
        [[math.log2(math.comb(n, m)) if m <= n else 0.0 for m in range(most + 1)] for n in trace.n_experts]
    )
    found: npt.NDArray[np.float64] = table[np.arange(trace.layers), sizes]
    return found
