"""``layered-paging drive``: play a trace against a real file, and test the clock."""

from __future__ import annotations

import argparse
from typing import Any

from ..core.words import counted
from . import options as opt
from .common import table
from .options import Group, Option, add, log_options
from .reading import trace_of
from .values import positive

EXAMPLES = """examples:
  layered-paging drive layered_paging/samples/sample.npz --file weights.bin \\
      --slots 12 24 48 --first 20 --turns 1 --io buffered

with a file of your own:
  layered-paging drive trace.npz --file weights.bin --slots 120 192 288 \\
      --scale 0.0625 --layer-compute 200us
  layered-paging drive trace.npz --file weights.bin --slots 120 192 288 \\
      --io mmap
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add(
        parser,
        opt.TRACE,
        Option(
            "--file", group=Group.INPUT, required=True, metavar="WEIGHTS",
            help="the file that is read; made where there is none",
        ),
        opt.SLOTS(
            nargs="+", required=True,
            help="total slots; the clock is fitted to the smallest and the largest, and predicts the others",
        ),
        opt.POLICY(nargs="+", default=["lru", "llru"], help="policies, played in turn (default: lru llru)"),
        opt.FIRST(default=200, help="play the first N rounds of the trace (default: 200)"),
        Option(
            "--turns", group=Group.SEARCH, type=positive, default=3, metavar="N",
            help="runs of each policy and size (default: 3)",
        ),
        Option(
            "--io", group=Group.RULES, choices=("direct", "buffered", "mmap"), default="direct",
            help="how experts are read: past the page cache (O_DIRECT), through it, or from a mapped file (default: direct)",
        ),
        Option(
            "--scale", group=Group.RULES, type=float, default=1.0, metavar="S",
            help="experts of S times their size, for small disks (default: 1)",
        ),
        opt.LAYER_COMPUTE(default=0.0, help="computing per layer, such as 200us (default: 0s)"),
        Option("--check", group=Group.OUTPUT, action="store_true", help="compare the pool with the file after each run"),
        *log_options(),
    )  # fmt: skip
    parser.epilog = EXAMPLES


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Drive the file; return the runs, the clock and its errors."""
    from ..plan import drive

    found = drive(
        trace_of(args),
        args.file,
        policies=args.policy,
        slots=args.slots,
        tokens=args.first,
        io=args.io,
        scale=args.scale,
        compute=args.layer_compute,
        turns=args.turns,
        check=args.check,
        tick=lambda what: None,
    )
    return {
        **found.options,
        "tokens": found.runs[0].tokens,
        "runs": [{**vars(run), "measured": run.measured, "error": run.error} for run in found.runs],
        "fit": found.fit.to_json(),
        "error": found.error,
        "null_error": found.null_error,
    }


def show(answer: dict[str, Any], args: argparse.Namespace) -> None:
    """Print the table predicted | measured, and the clock."""
    rows = []
    for run in answer["runs"]:
        tokens = run["tokens"]
        rows.append(
            (
                run["policy"],
                run["slots"],
                f"{run['loads'] / tokens:.2f}",
                f"{run['loaded'] / tokens / 2**20:.2f}",
                f"{1e3 * run['measured']:.2f}",
                f"{1e3 * min(run['seconds']):.2f} to {1e3 * max(run['seconds']):.2f}",
                f"{1e3 * run['predicted']:.2f}",
                "fitted" if run["fitted"] else f"{100 * run['error']:+.1f} %",
            )
        )
    table(
        f"{args.trace}: {answer['tokens']} tokens against {answer['file']}, {answer['io']} reads, {counted(answer['turns'], 'turn')}",
        ("policy", "slots", "loads / token", "MiB / token", "measured ms", "turns ms", "predicted ms", "error"),
        rows,
    )
    clock = answer["fit"]
    print(f"Clock: {1e3 * clock['compute']:.2f} ms per token and {clock['bandwidth'] / 1e6:,.0f} MB/s", end="")
    if clock["compute_high"] is not None:
        fastest = "no bound" if clock["bandwidth_high"] is None else f"{clock['bandwidth_high'] / 1e6:,.0f}"
        print(
            f" (95 %: {1e3 * clock['compute_low']:.2f} to {1e3 * clock['compute_high']:.2f} ms, "
            f"{clock['bandwidth_low'] / 1e6:,.0f} to {fastest} MB/s)",
            end="",
        )
    print(".")
    if clock["note"]:
        print(f"Note: {clock['note']}.")
    if answer["error"] is not None:
        print(
            f"Mean absolute error of what was predicted: {100 * answer['error']:.1f} %. "
            f"The null model, the mean time per token, is {100 * answer['null_error']:.1f} % off."
        )
