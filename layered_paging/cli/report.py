"""``layered-paging report``: one page about a trace at a budget."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..analysis.diagnosis import USUAL
from ..core.files import write_atomic
from ..errors import ParameterError
from . import options as opt
from .clocks import clock_of, clock_options
from .common import progress
from .engine import engine_note, print_engine, tried
from .options import add, log_options
from .reading import read_again, trace_of
from .traffic import REFUSES

__all__ = ["REFUSES", "configure", "run", "show"]

EXAMPLES = """examples:
  layered-paging report layered_paging/samples/sample.npz \\
      --slots 48 --reset session -o report.html

with a file of your own:
  layered-paging report trace.npz --bytes 2GiB --compute 20ms \\
      --bandwidth 2GB -o report.html
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add(parser, opt.TRACE)
    add(parser, opt.SLOTS, opt.BYTES(help="a budget such as 2GiB; the trace knows its sizes"), one=True, required=True)
    add(
        parser,
        opt.POLICY(default="lru", help="the policy in use (default: lru)"),
        opt.AGAINST(nargs="+", help=f"policies to compare it with (default: {' '.join(USUAL)})"),
        opt.ENGINE,
        opt.RESET,
        opt.PREFILL,
        *clock_options(),
        opt.TITLE,
        opt.INTO(required=True, help="the page, a .html file"),
        *log_options(),
    )
    parser.epilog = EXAMPLES


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Write the page; return what it says."""
    from ..report.facts import facts
    from ..report.questions import today
    from ..report.summary import KEPT, report_page

    if not str(args.output).lower().endswith((".html", ".htm")):
        raise ParameterError(f"--output must end in .html; got {args.output!r}")
    trace = trace_of(args)
    clock = clock_of(args, trace.expert_bytes is not None)
    against = tried(args, USUAL)
    name = Path(args.trace).name
    with progress("report", len(against) + 4, args.json) as advance:
        told = facts(
            trace,
            args.slots,
            budget_bytes=args.bytes,
            policy=args.policy,
            policies=against,
            reset=args.reset,
            prefill=args.prefill,
            clock=clock,
            progress=advance,
        )
    page = report_page(
        told,
        title=args.title or f"Expert cache report: {name}",
        trace=str(args.trace),
        read=read_again(args),
        typed={policy: text for text, policy in getattr(args, "own", {}).items()},
    ).encode()
    write_atomic(args.output, page)
    kept = {key: told[key] for key in (*KEPT, "budgets")}
    said = told["diagnosis"]["recommendation"]
    return {
        "output": str(args.output),
        "bytes": len(page),
        "recommendation": said,
        "today": today(told),
        **kept,
        **engine_note(args.engine, told["diagnosis"]),
    }


def show(answer: dict[str, Any], args: argparse.Namespace) -> None:
    """Print where the page is, and what it says first."""
    print(f"{answer['output']}: {answer['bytes'] / 1e6:.2f} MB")
    print(f"- {answer['diagnosis']['sentences'][0]}")
    print(f"- {answer['recommendation']}")
    if "engine" in answer:
        print_engine(answer)
    else:
        for line in answer["today"]:  # as on the page
            print(f"- {line}")
