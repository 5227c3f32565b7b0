"""``layered-paging diagnose``."""

from __future__ import annotations

import argparse
from typing import Any

from ..analysis.diagnosis import USUAL, diagnose
from ..core.words import counted
from ..formats import load_trace
from .common import add_model_options, byte_size, percent, progress, table

EXAMPLES = """examples:
  layered-paging diagnose trace.npz --slots 192 --reset session
  layered-paging diagnose trace.npz --bytes 2GiB --policy lfu
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("trace", help="a trace file")
    budget = parser.add_mutually_exclusive_group(required=True)
    budget.add_argument("--slots", type=int, metavar="N", help="total slots")
    budget.add_argument(
        "--bytes", type=byte_size, metavar="SIZE", help="a budget such as 2GiB; needs a trace with sizes"
    )
    parser.add_argument("--policy", default="lru", metavar="P", help="the policy in use (default: lru)")
    parser.add_argument("--against", nargs="+", default=list(USUAL), metavar="P", help="policies to compare it with")
    add_model_options(parser, "reset")
    parser.epilog = EXAMPLES


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Diagnose."""
    trace = load_trace(args.trace)
    with progress("replay", len(args.against) + 1, args.json) as advance:
        found = diagnose(
            trace,
            args.slots,
            budget_bytes=args.bytes,
            policy=args.policy,
            policies=args.against,
            reset=args.reset,
            progress=advance,
        )
    return {"trace": str(args.trace), "reset": args.reset, **found.to_dict()}


def show(answer: dict[str, Any], args: argparse.Namespace) -> None:
    """Print the findings, then the numbers behind them."""
    for sentence in answer["sentences"]:
        print(f"- {sentence}")
    print()
    requests = answer["requests"]
    counts = sorted((c, n) for n, c in answer["by_policy"].items() if c is not None)
    rows: list[list[Any]] = [[name, count, percent(1 - count / requests)] for count, name in counts]
    rows.append(["optimum (forced)", answer["optimum"], percent(1 - answer["optimum"] / requests)])
    rows.append(["optimum (bypass)", answer["bypass"], percent(1 - answer["bypass"] / requests)])
    held = f"{answer['slots']:,} of {counted(answer['pages'], 'page')}"
    if answer["slots"] >= answer["pages"]:
        held = f"the cache holds every page ({answer['pages']:,} in all)"
    rows.append(["compulsory", answer["compulsory"], percent(1 - answer["compulsory"] / requests)])
    table(
        f"{held}, reset {answer['reset']}",
        ["policy", "misses", "hits %"],
        rows,
    )
    table(
        "coverage of the hottest pages",
        ["pages", "requests %"],
        [["1 slot" if k == "1 slots" else k, percent(v)] for k, v in answer["coverage"].items()],
    )
    table(
        "reuse distance (slots that LRU needs to hit)",
        ["share of repeats", "at most"],
        [[k, v] for k, v in answer["reuse"].items()],
    )
