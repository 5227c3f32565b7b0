"""Router logits as ``output_router_logits`` of transformers returns them: scores of all experts, of which top-k is taken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.trace import Trace
from ..errors import FormatError
from .base import Reading
from .common import afford
from .layout import TOP_KEYS, Facts, decide, trace_of

__all__ = ["trace_of_logits"]


def trace_of_logits(path: Path, logits: npt.NDArray[Any], facts: Facts, how: Reading) -> Trace:
    """Make a trace of logits (layers, tokens, experts): the top-k of each row, the largest first.

    Ties go to the lower id.  Top-k of logits is not what routers with groups or biases choose; this is noted.

    Raises
    ------
    FormatError
        Not three axes of floats, or nothing says how many experts a token takes.
    """
    if logits.ndim != 3 or logits.dtype.kind != "f" or 0 in logits.shape:
        raise FormatError(
            f"{path}: 'router_logits' must be floats of shape (layers, tokens, experts); got {logits.dtype} of {logits.shape}"
        )
    if not np.isfinite(logits).all():
        raise FormatError(f"{path}: 'router_logits' must be finite; found NaN or infinity")
    stated = [
        (name, facts.entries[name]) for name in TOP_KEYS if isinstance(facts.entries.get(name), (int, np.ndarray))
    ]
    tops = {int(value) for _, value in stated if not isinstance(value, np.ndarray) or value.ndim == 0}
    if how.top_k is not None:
        tops.add(how.top_k)
    experts = int(logits.shape[2])
    if len(tops) != 1:
        said = "nothing says how many" if not tops else f"these must agree: {sorted(tops)}"
        raise FormatError(
            f"{path}: logits of {experts} experts, of which each token takes top_k; {said} (give --top-k)"
        )
    top = tops.pop()
    if not 1 <= top <= experts:
        raise FormatError(f"{path}: top_k must be in 1..{experts}; got {top}")
    shape = (int(logits.shape[0]), int(logits.shape[1]), top)
    facts.producer = ("ltk", "router_logits")
    chosen = decide(path, shape, facts, how)
    afford(path, "the order of the experts", 8 * logits.size)
    ids = np.argsort(-logits.astype(np.float32), axis=2, kind="stable")[:, :, :top].astype(np.int32)
    how.assume("experts", f"top {top} of the logits", "right only for routers without groups and without a bias")
    facts.n_experts, facts.producer = None, None
    facts.entries = {**facts.entries, "num_experts": experts, "layout": chosen.layout}
    return trace_of(path, ids, facts, how)
