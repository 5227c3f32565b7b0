"""Parts of a trace as traces of their own: some rounds, or the sessions that fulfil conditions."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import ParameterError
from .instance import integer
from .trace import Trace

__all__ = ["first_rounds", "sessions_where", "window"]


def first_rounds(trace: Trace, rounds: int) -> Trace:
    """Return the first rounds as a trace, without weights and metadata."""
    starts = trace.sessions[trace.sessions < rounds]
    return Trace(trace.experts[:rounds], trace.n_experts, starts, trace.stage[:rounds], trace.expert_bytes)


def window(trace: Trace, start: int, rounds: int | None) -> Trace:
    """Return ``rounds`` rounds from ``start``, or those to the end, as a trace of their own (sessions kept)."""
    integer("start", start, 0)
    if start >= trace.rounds:
        raise ParameterError(f"must be below {trace.rounds}, the rounds of the trace; got {start}", parameter="start")
    end = trace.rounds if rounds is None else min(trace.rounds, start + integer("rounds", rounds, 1))
    if (start, end) == (0, trace.rounds):
        return trace
    inside = [int(s) - start for s in trace.sessions if start < s < end]
    weights = None if trace.weights is None else trace.weights[start:end]
    return Trace(
        trace.experts[start:end],
        trace.n_experts,
        [0, *inside],
        trace.stage[start:end],
        trace.expert_bytes,
        {},
        weights,
    )


def sessions_where(trace: Trace, conditions: Sequence[str]) -> list[int]:
    """Return the sessions whose ``meta["items"]`` fulfil all conditions.

    Parameters
    ----------
    trace : Trace
    conditions : sequence of str
        ``key=value`` or ``key!=value`` about the items; or ``session=3-7`` about the number itself.

    Raises
    ------
    ParameterError
        A condition that cannot be read or that no session fulfils, or items that the trace does not have.

    Examples
    --------
    >>> trace = Trace([[0], [1], [0]], sessions=[0, 1, 2], meta={"items": [{"topic": t} for t in "aba"]})
    >>> sessions_where(trace, ["topic=a"]), sessions_where(trace, ["topic=a", "session=1-2"])
    ([0, 2], [2])
    """
    chosen = list(range(len(trace.sessions)))
    for condition in conditions:
        key, sign, value = condition.partition("=")
        negated = key.endswith("!")
        key = key.removesuffix("!").strip()
        if not sign or not key:
            raise ParameterError(f"a condition is written key=value or key!=value; got {condition!r}")
        if key == "session":
            low, _, high = value.partition("-")
            if not (low.isascii() and low.isdigit() and (not high or (high.isascii() and high.isdigit()))):
                raise ParameterError(f"sessions are written session=3 or session=3-7; got {condition!r}")
            fits = {s for s in chosen if int(low) <= s <= int(high or low)}
        else:
            items = trace.meta.get("items")
            if not isinstance(items, list) or len(items) != len(trace.sessions):
                raise ParameterError(f"{condition!r} needs one item for each session in the trace's meta; it has none")
            values = [str(item.get(key)) if isinstance(item, dict) and key in item else None for item in items]
            known = sorted({v for v in values if v is not None})
            if value not in known:
                raise ParameterError(f"no session has {key}={value!r}; available: {', '.join(known) or 'none'}")
            fits = {s for s in chosen if values[s] == value}
        chosen = [s for s in chosen if (s in fits) != negated]
    if not chosen:
        raise ParameterError(f"no session fulfils {', '.join(map(repr, conditions))}")
    return chosen
