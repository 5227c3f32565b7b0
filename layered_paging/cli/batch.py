"""``layered-paging batch``: from which batch on caching stops paying."""

from __future__ import annotations

import argparse
from typing import Any

from ..core.words import counted
from . import options as opt
from .common import percent, progress, table
from .options import Group, Option, add, log_options
from .reading import trace_of
from .values import positive

EXAMPLES = """examples:
  layered-paging batch layered_paging/samples/sample.npz \\
      --slots 48 --sizes 1 2 4 8 --chunk 8

with a file of your own:
  layered-paging batch log.jsonl --slots 1536 --policy lru similar-rounds
"""
SIZES = (1, 2, 4, 8, 16, 32)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add(
        parser,
        opt.TRACE(help="a trace file of several sessions; each is a request"),
        opt.SLOTS(required=True),
        Option(
            "--sizes", group=Group.BATCH, nargs="+", type=positive, metavar="N",
            help="requests at once (default: those of 1 2 4 8 16 32 that the trace has requests for)",
        ),
        opt.CHUNK(needs="", dest="chunk", help="prompt tokens of a request per step (default: the whole prompt)"),
        opt.POLICY(nargs="+", default=["lru"], help="policies (default: lru)"),
        *log_options(),
    )  # fmt: skip
    parser.epilog = EXAMPLES


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Replay at every size."""
    from ..analysis.batches import batches

    trace = trace_of(args)
    sizes = args.sizes or [size for size in SIZES if size <= len(trace.sessions)]
    with progress("replay", len(sizes), args.json) as advance:
        found = batches(trace, args.slots, sizes, policies=args.policy, chunk=args.chunk, progress=advance)
    return {"trace": str(args.trace), "pages": trace.pages, **found.to_dict()}


def show(answer: dict[str, Any], args: argparse.Namespace) -> None:
    """Print where caching stops paying, then the table."""
    sizes = answer["sizes"]
    for name, stop in answer["stops"].items():
        who = "the best possible schedule" if name == "optimum" else name
        if stop is None:
            print(f"- {who}: caching pays at the largest batch tried, {sizes[-1]['size']}")
        else:
            print(
                f"- {who}: from a batch of {stop} on, caching saves less than 5 % of the loads, or a union does not fit"
            )
    print()
    names = list(sizes[0]["misses"])

    def per_token(count: int | None, one: dict[str, Any]) -> str | None:
        return None if count is None else f"{count / one['tokens']:.2f}"

    rows = []
    for one in sizes:
        row: list[Any] = [one["size"], f"{one['mean_running']:.2f}", f"{one['mean_union']:.2f}", one["largest_union"]]
        row.append(per_token(one["requests"], one))
        for name in names:
            count = one["misses"][name]
            row += [per_token(count, one), None if count is None else percent(1 - count / one["requests"])]
        rows.append([*row, per_token(one["least"], one)])
    heads = [head for name in names for head in (f"{name}: loads", "hits %")]
    chunk = "whole prompts" if answer["chunk"] is None else f"prompts by {counted(answer['chunk'], 'token')}"
    table(
        f"{counted(answer['slots'], 'slot')} of {counted(answer['pages'], 'page')}, {chunk}; loads per token",
        ["batch", "running", "mean union", "largest", "no cache", *heads, "least"],
        rows,
    )
