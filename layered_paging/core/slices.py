"""Some layers of a trace, as a trace of their own."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import ParameterError
from .instance import integer
from .trace import Trace

__all__ = ["of_layers"]


def of_layers(trace: Trace, layers: Sequence[int]) -> Trace:
    """Return the trace of some layers alone: what a device that holds them sees.

    Parameters
    ----------
    trace : Trace
    layers : sequence of int
        Ascending and distinct, at least one.  Layer ``layers[j]`` becomes layer ``j``.

    Raises
    ------
    ParameterError
        They are not as stated, or not layers of the trace.

    Examples
    --------
    >>> of_layers(Trace([[[0], [1], [2]]], n_experts=[1, 2, 3]), [1, 2]).n_experts
    (2, 3)
    """
    chosen = [integer("a layer", j, 0) for j in layers]
    if not chosen or chosen != sorted(set(chosen)) or chosen[-1] >= trace.layers:
        raise ParameterError(
            f"must be ascending numbers below {trace.layers}, at least one; got {list(layers)}", parameter="layers"
        )
    widths = [trace.n_experts[j] for j in chosen]
    sizes = None
    if trace.page_bytes is not None:
        sizes = [
            size for j in chosen for size in trace.page_bytes[trace.first_page[j] :][: trace.n_experts[j]].tolist()
        ]
    part = Trace(trace.experts[:, chosen], widths, trace.sessions, trace.stage, sizes)
    part.__dict__["_tokens"] = trace.tokens
    return part
