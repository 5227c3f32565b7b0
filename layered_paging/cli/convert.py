"""``layered-paging convert IN OUT``: read a trace and write it in another format."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from ..core.trace import Trace
from ..core.words import counted
from ..errors import ParameterError
from ..formats import FORMATS, detect, save_trace
from . import options as opt
from .options import Group, Option, add, log_options
from .reading import read_of

_DROPS = ("sessions", "stage", "expert_bytes", "weights", "meta")

EXAMPLES = """examples:
  layered-paging convert layered_paging/samples/sample.npz run.jsonl
  layered-paging convert layered_paging/samples/sample.npz run.parquet \\
      --drop weights
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add(
        parser,
        opt.TRACE(metavar="IN", help="the trace to read; its format is found from its content"),
        Option("output", group=Group.OUTPUT, metavar="OUT", help="the file to write; its suffix names the format"),
        opt.FORCE(help="replace OUT if it is there"),
        Option(
            "--drop", group=Group.OUTPUT, nargs="+", choices=_DROPS, default=[], metavar="PART",
            help=f"leave out some of {', '.join(_DROPS)}",
        ),
        *log_options(),
    )  # fmt: skip
    suffixes = "\n".join(f"  {known.name:<11} *{known.suffixes[0]}" for known in FORMATS)
    parser.epilog = f"formats:\n{suffixes}\n\n{EXAMPLES}"


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Convert the file."""
    target = Path(args.output)
    if os.path.lexists(target) and not args.force:
        raise ParameterError(f"{target}: is there already; give --force to replace it")
    trace, how = read_of(args)
    if args.drop:
        kept = {name: None if name in args.drop else getattr(trace, name) for name in _DROPS}
        trace = Trace(trace.experts, trace.n_experts, **kept)
    save_trace(trace, target)
    return {
        "input": str(args.trace),
        "input_format": ", ".join(dict.fromkeys(how.formats)),
        "output": str(target),
        "output_format": detect(target).name,
        "rounds": trace.rounds,
        "sessions": len(trace.sessions),
        "layers": trace.layers,
        "top_k": trace.top_k,
        "requests": trace.requests,
        "dropped": list(args.drop),
        "digest": trace.digest(),
    }


def show(answer: dict[str, Any], args: argparse.Namespace) -> None:
    """Print what was written."""
    print(
        f"{answer['output']}: {counted(answer['requests'], 'request')} in {counted(answer['rounds'], 'round')} and "
        f"{counted(answer['sessions'], 'session')}, from {answer['input_format']} to {answer['output_format']}"
    )
