"""``layered-paging reproduce``: the results of a paper, run here."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..reproduction import SCOPES, Outcome, of_paper, reproduce, write_table
from . import options as opt
from .common import progress, table
from .options import Group, Option, add

EXAMPLES = """examples:
  layered-paging reproduce chen-chen-huang-2025 \\
      --figure greedy-guarantee -o results

with a trace of your own:
  layered-paging reproduce angelopoulos-marchal-obrecht-simon-2025 \\
      --figure capacity --trace mixtral.jsonl -o results
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add(
        parser,
        Option(
            "paper", group=Group.INPUT, metavar="PAPER",
            help="citation key of a paper (see: layered-paging list results)",
        ),
        Option(
            "--figure", group=Group.INPUT, nargs="+", default=[], metavar="NAME", help="only these results, with * and ?"
        ),
        opt.SCOPE(choices=SCOPES),
        opt.TRACES(
            nargs="+", default=[], help="trace files (default: those of the folder LAYERED_PAGING_TRACES, if set)"
        ),
        opt.SEED(help="seed of all randomness (default: 0)"),
        opt.INTO(metavar="FOLDER", help="where files go (default: reproduced/PAPER/SCOPE); made if need be"),
        Option("--again", group=Group.OUTPUT, action="store_true", help="run also what an earlier run left in the folder"),
    )  # fmt: skip
    parser.epilog = EXAMPLES


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Return one row a result."""
    paper = of_paper(args.paper, args.figure)[0].name.split("/")[0]
    output = Path(args.output) if args.output is not None else Path("reproduced") / paper / args.scope
    options = {"scope": args.scope, "seed": args.seed, "traces": args.trace, "output": output, "again": args.again}
    with progress(paper, 0, args.json) as advance:
        outcomes = reproduce(
            paper, args.figure, **options, tick=lambda name, done, total: advance(done, total=total, label=name)
        )
    readme = write_table(paper, output)
    return {
        "paper": paper,
        "scope": args.scope,
        "seed": args.seed,
        "output": str(output),
        "readme": None if readme is None else str(readme),
        "results": [row(outcome) for outcome in outcomes],
    }


def row(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as JSON holds it."""
    fields = {key: value for key, value in vars(outcome).items() if key != "seconds"}
    return {**fields, "seconds": round(outcome.seconds, 3)}


def show(answer: dict[str, Any], args: argparse.Namespace) -> None:
    """Print a table, and where the files are."""
    rows = [
        (r["name"], r["reported"], r["ours"] or f"{r['state']}: {r['reason']}", r["agrees"] or "-")
        for r in answer["results"]
    ]
    table(f"{answer['paper']} at {answer['scope']} scope", ("result", "reported", "ours", "agrees?"), rows, text=4)
    for r in answer["results"]:
        if r["notes"]:
            print(f"{r['name']}: {r['notes']}")
    count = {
        state: sum(r["state"] == state for r in answer["results"]) for state in ("run", "kept", "skipped", "failed")
    }
    print(
        ", ".join(f"{number} {state}" for state, number in count.items() if number) + f"; files in {answer['output']}"
    )
    if answer["readme"]:
        print(f"table written into {answer['readme']}")


def status(answer: dict[str, Any]) -> int:
    """Return 1 if a result failed to run; a result that does not agree is an answer, not a failure."""
    return int(any(r["state"] == "failed" for r in answer["results"]))
