"""``layered-paging diagnose``."""

from __future__ import annotations

import argparse
from typing import Any

from ..analysis.diagnosis import USUAL, diagnose
from ..core.words import counted
from . import options as opt
from .common import percent, progress, table
from .engine import engine_note, print_engine, tried
from .options import add, log_options
from .reading import trace_of
from .traffic import REFUSES

__all__ = ["REFUSES", "configure", "run", "show"]

EXAMPLES = """examples:
  layered-paging diagnose layered_paging/samples/sample.npz \\
      --slots 48 --reset session
  layered-paging diagnose layered_paging/samples/sample.npz --bytes 3MiB

with a file of your own:
  layered-paging diagnose trace.npz --bytes 8GiB --engine llama.cpp
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add(parser, opt.TRACE)
    add(parser, opt.SLOTS, opt.BYTES, one=True, required=True)
    add(
        parser,
        opt.POLICY(default="lru", help="the policy in use (default: lru)"),
        opt.AGAINST(nargs="+", help=f"policies to compare it with (default: {' '.join(USUAL)})"),
        opt.ENGINE,
        opt.RESET,
        opt.PREFILL,
        *log_options(),
        opt.BATCH,
        opt.CHUNK,
    )
    parser.epilog = EXAMPLES


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Diagnose."""
    trace = trace_of(args)
    against = tried(args, USUAL)
    with progress("replay", len(against) + 1, args.json) as advance:
        found = diagnose(
            trace,
            args.slots,
            budget_bytes=args.bytes,
            policy=args.policy,
            policies=against,
            reset=args.reset,
            prefill=args.prefill,
            progress=advance,
        )
    facts = found.to_dict()
    return {"trace": str(args.trace), "reset": args.reset, **facts, **engine_note(args.engine, facts)}


def show(answer: dict[str, Any], args: argparse.Namespace) -> None:
    """Print the findings, then the numbers behind them."""
    for sentence in answer["sentences"]:
        print(f"- {sentence}")
    print(f"- {answer['recommendation']}")
    print_engine(answer)
    for warning in answer["warnings"]:
        print(f"- {warning}")
    print()
    requests, sized = answer["requests"], answer["bytes_read"] is not None

    def row(name: str, misses: int, loaded: int | None = None) -> list[Any]:
        mib = [None if loaded is None else f"{loaded / 2**20:,.1f}"] if sized else []
        return [name, misses, percent(1 - misses / requests), *mib]

    counts = sorted((c, n) for n, c in answer["by_policy"].items() if c is not None)
    rows = [row(name, count, answer["bytes_by_policy"][name]) for count, name in counts]
    exact = answer["optimum_how"] == "exact"
    at_least = "" if exact else ", at least"
    rows.append(row(f"optimum (forced){at_least}", answer["optimum"]))
    if not exact:
        rows.append(row("optimum (forced), at most", answer["optimum_found"]))
    if answer["optimum_bytes"] is not None:
        least, found = answer["optimum_bytes"], answer["optimum_bytes_found"]
        proved = "" if least == found else ", at least"
        rows.append([f"least bytes (forced){proved}", None, None, f"{least / 2**20:,.1f}"])
    if answer["bypass"] is not None:
        rows.append(row(f"optimum (bypass){at_least}", answer["bypass"]))
    rows += [row(f"reference: {r['policy']}", r["misses"]) for r in answer["references"]]
    rows.append(row("compulsory", answer["compulsory"]))
    pages = counted(answer["pages"], "page")
    held = f"{answer['budget_bytes']:,} bytes" if answer["slots"] is None else f"{answer['slots']:,} of {pages}"
    if answer["slots"] is not None and answer["slots"] >= answer["pages"]:
        held = f"the cache holds every page ({answer['pages']:,} in all)"
    columns = ["policy", "misses", "hits %", *(["MiB read"] if sized else [])]
    table(f"{held}, reset {answer['reset']}, prefill {answer['prefill']}", columns, rows)
    table(
        "coverage of the hottest pages",
        ["pages", "requests %"],
        [[k, percent(v)] for k, v in answer["coverage"].items()],
    )
    table(
        "reuse distance (slots that LRU needs to hit)",
        ["share of repeats", "at most"],
        [[k, v] for k, v in answer["reuse"].items()],
    )
