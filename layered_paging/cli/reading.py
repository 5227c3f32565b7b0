"""How the commands read the trace that they are given, as its options say."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from ..core.words import counted
from ..errors import ParameterError

if TYPE_CHECKING:
    from ..core.parts import LongTrace
    from ..core.trace import Trace
    from ..formats import Reading

__all__ = [
    "open_or_load",
    "read_again",
    "read_of",
    "reading_of",
    "told",
    "trace_of",
]


def batched(trace: Trace, args: argparse.Namespace) -> Trace:
    """Return the trace in batches where the options say so, and tell of its unions."""
    size, chunk = getattr(args, "batch_size", None), getattr(args, "batch_chunk", None)
    if size is None:
        return trace
    if getattr(args, "prefill", "token") == "merged":
        raise ParameterError("--prefill merged does not go with --batch: a step runs whole prompts, or --chunk tokens")
    from ..transforms import batch

    together = batch(trace, size, chunk=chunk)
    args.batched = said = together.meta["batch"]
    if sys.stderr is not None:
        print(
            f"layered-paging {args.command}: batch of {size}: {counted(said['requests'], 'request')} in {counted(said['steps'], 'step')}; a "
            f"step asks a layer for {said['mean_union']:.2f} experts on average, {said['largest_union']} at most",
            file=sys.stderr,
        )
    return together


def reading_of(args: argparse.Namespace) -> Reading:
    """Return how a log is to be read, as the options say."""
    from ..formats import Reading

    return Reading(
        getattr(args, "log_layout", None),
        getattr(args, "log_columns", None) or {},
        getattr(args, "log_tokens", None),
        getattr(args, "log_top_k", None),
        getattr(args, "log_n_experts", None),
    )


def read_again(args: argparse.Namespace) -> list[str]:
    """Return the words that make another command read the trace in the same way."""
    columns = getattr(args, "log_columns", None)
    given = {
        "--batch": getattr(args, "batch_size", None),
        "--chunk": getattr(args, "batch_chunk", None),
        "--layout": getattr(args, "log_layout", None),
        "--columns": columns and ",".join("=".join(pair) for pair in columns.items()),
        "--top-k": getattr(args, "log_top_k", None),
        "--n-experts": getattr(args, "log_n_experts", None),
        "--expert-bytes": getattr(args, "log_expert_bytes", None),
    }
    words = [word for option, value in given.items() if value is not None for word in (option, str(value))]
    words += ["--guess-tokens"] if getattr(args, "log_tokens", None) else []
    also = getattr(args, "log_also", None) or []
    return [*words, "--also", *also] if also else words


def clean(text: str) -> str:
    """Return text from a file such that it cannot command a terminal."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def told(how: Reading, args: argparse.Namespace) -> None:
    """Print what was assumed, in one line on standard error."""
    if how.assumed and sys.stderr is not None:
        said = "; ".join(f"{note['about']}: {note['taken']} ({note['why']})" for note in how.assumed)
        print(f"layered-paging {args.command}: read with assumptions: {clean(said)}", file=sys.stderr)


def read_of(args: argparse.Namespace, path: str | None = None) -> tuple[Trace, Reading]:
    """Read the trace that a command names, and print what was assumed.

    Parameters
    ----------
    args : Namespace
        With ``trace`` and the options of ``log_options``.
    path : str, optional
        Another file than ``args.trace``.

    Returns
    -------
    trace, reading
        The trace, and how it was read.
    """
    how = reading_of(args)
    more = getattr(args, "log_also", []) if path is None else []
    first = args.trace if path is None else path
    from ..formats import read_trace

    trace = read_trace([first, *more] if more else first, how)
    told(how, args)
    size = getattr(args, "log_expert_bytes", None)
    return (trace if size is None else _sized(trace, size)), how


def _sized(trace: Trace, size: int) -> Trace:
    """Return the trace with one size of all experts; refuse where it has sizes."""
    from ..core.trace import Trace as Made

    if trace.expert_bytes is not None:
        raise ParameterError("--expert-bytes is for a log that does not say the sizes of experts; this one does")
    if size < 1:
        raise ParameterError(f"--expert-bytes must be at least 1; got {size}")
    sizes = [size] * trace.layers
    return Made(trace.experts, trace.n_experts, trace.sessions, trace.stage, sizes, trace.meta, trace.weights)


def trace_of(args: argparse.Namespace, path: str | None = None) -> Trace:
    """Read the trace that a command names, in batches if asked for, and print what was assumed."""
    return batched(read_of(args, path)[0], args)


def open_or_load(args: argparse.Namespace, stream: bool) -> Trace | LongTrace:
    """Read the trace, or open it to be read in parts."""
    if not stream:
        return trace_of(args)
    if getattr(args, "batch_size", None) is not None:
        raise ParameterError("--batch needs the whole trace; it does not go with --stream")
    how = reading_of(args)
    from ..formats import open_trace

    opened = open_trace(args.trace, how)
    told(how, args)
    return opened
