"""``layered-paging export WHAT -o FILE``: what an engine or a program in C takes."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from ..core.files import replacing
from ..errors import ParameterError
from ..live.header import POLICIES, example, header, text_of
from . import options as opt
from .options import Group, Option, add, log_options
from .reading import trace_of

EPILOG = f"""what:
  header    layered_cache.h, one file of C99, with the policies
            {", ".join(POLICIES)}
  example   misses.c: prints the misses of each of them on a trace as text
  events    a trace as text, one line per event: its layer and its experts;
            -1 where a session begins

examples:
  layered-paging export header -o layered_cache.h
  layered-paging export example -o misses.c
  layered-paging export events layered_paging/samples/sample.npz -o trace.txt
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add(
        parser,
        Option("what", group=Group.INPUT, choices=("header", "example", "events"), help="see below"),
        opt.TRACE(nargs="?", help="with events: a trace file, of any format that 'convert' reads"),
        opt.INTO(required=True, help="the file to write"),
        opt.FORCE,
        *log_options(),
    )
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Write the file."""
    if (args.trace is not None) != (args.what == "events"):
        raise ParameterError(f"export events needs a trace, and nothing else takes one; got {args.trace!r}")
    target = Path(args.output)
    if os.path.lexists(target) and not args.force:
        raise ParameterError(f"{target}: is there already; give --force to replace it")
    if args.trace is not None:
        lines = text_of(trace_of(args))
    else:
        lines = iter((header() if args.what == "header" else example(),))
    count = 0
    with replacing(target) as stream:
        for line in lines:
            stream.write(line.encode())
            count += line.count("\n")
    return {"what": args.what, "output": str(target), "lines": count}


def show(answer: dict[str, Any], args: argparse.Namespace) -> None:
    """Print what was written."""
    print(f"{answer['output']}: {answer['lines']:,} lines")
