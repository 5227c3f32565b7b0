"""Options that commands share, each defined once: how a trace is read."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from ..core.words import counted
from ..errors import ParameterError
from .common import byte_size, positive

if TYPE_CHECKING:
    from ..core.parts import LongTrace
    from ..core.trace import Trace
    from ..formats import Reading

__all__ = [
    "add_batch_options",
    "add_trace_options",
    "open_or_load",
    "read_again",
    "read_of",
    "reading_of",
    "told",
    "trace_of",
]

LAYOUTS = ("tlk", "ltk", "btlk")


def _columns(text: str) -> dict[str, str]:
    """Read ``token=pos,layer=blk``; an argparse type."""
    pairs = [part.partition("=") for part in text.split(",")]
    if not all(key.strip() and mark and name.strip() for key, mark, name in pairs):
        raise argparse.ArgumentTypeError(f"columns are named such as token=pos,layer=blk,experts=ids; got {text!r}")
    return {key.strip(): name.strip() for key, _, name in pairs}


def add_trace_options(parser: argparse.ArgumentParser, also: bool = True) -> None:
    """Add the options that say how the log of another program is read.

    A command that has an option of the same name already gets it with ``log-`` before the name.
    """
    group = parser.add_argument_group("how a log is read ('-' is standard input; a folder is one trace of its files)")

    def add(name: str, **rest: object) -> None:
        taken = f"--{name}" in parser._option_string_actions
        group.add_argument(f"--log-{name}" if taken else f"--{name}", dest=f"log_{name.replace('-', '_')}", **rest)  # type: ignore[arg-type]

    if also:
        add("also", nargs="+", default=[], metavar="FILE", help="further files of the same trace, one session each")
    add("layout", choices=LAYOUTS, help="axes of an array: tokens, layers, top_k; layers first; batch first")
    add("columns", type=_columns, metavar="ROLE=NAME,...", help="columns of a table: token, layer, experts, rank, weight, phase, request")  # fmt: skip
    add("tokens", choices=("guess",), help="guess where tokens begin in a log that does not say")
    add("top-k", type=positive, metavar="N", help="experts of a token, where a log does not say")
    add("n-experts", type=positive, metavar="N", help="experts of a layer, where a log does not say")
    add("expert-bytes", type=byte_size, metavar="SIZE", help="bytes of each expert, where a log does not say")


def add_batch_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that run several requests at once; ``trace_of`` heeds them."""
    group = parser.add_argument_group("several requests at once (a session is a request, a round becomes a step)")
    group.add_argument("--batch", dest="batch_size", type=positive, metavar="N", help="requests that run at once")
    group.add_argument(
        "--chunk", dest="batch_chunk", type=positive, metavar="N",
        help="with --batch: prompt tokens of a request per step (default: the whole prompt)",
    )  # fmt: skip


def batched(trace: Trace, args: argparse.Namespace) -> Trace:
    """Return the trace in batches where the options say so, and tell of its unions."""
    size, chunk = getattr(args, "batch_size", None), getattr(args, "batch_chunk", None)
    if size is None:
        if chunk is not None:
            raise ParameterError("--chunk goes with --batch")
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
        "--tokens": getattr(args, "log_tokens", None),
        "--top-k": getattr(args, "log_top_k", None),
        "--n-experts": getattr(args, "log_n_experts", None),
        "--expert-bytes": getattr(args, "log_expert_bytes", None),
    }
    words = [word for option, value in given.items() if value is not None for word in (option, str(value))]
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
        With ``trace`` and the options that ``add_trace_options`` adds.
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
