"""``layered-paging show``: the replay page."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..core.files import write_atomic
from ..core.words import counted
from ..errors import ParameterError
from ..formats import load_trace
from .common import add_model_options, positive, progress

EXAMPLES = """examples:
  layered-paging show --sequence "0,0 1,1 0,0 1,1" --policy lru llru opt --slots 3 -o replay.html
  layered-paging show trace.npz --policy lru llru opt --slots 192 --from 100 --rounds 50 -o replay.html
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("trace", nargs="?", help="a trace file")
    parser.add_argument(
        "--sequence",
        metavar="TEXT",
        help="instead of a file: rounds separated by blanks, layers by commas, experts of an event by +",
    )
    parser.add_argument("--experts", type=positive, metavar="N", help="experts of each layer of --sequence")
    parser.add_argument("--policy", nargs="+", default=["lru", "llru", "opt"], metavar="P", help="policies to show")
    parser.add_argument("--slots", type=positive, required=True, metavar="K", help="total slots")
    parser.add_argument("--from", dest="first", type=int, default=0, metavar="R", help="first round (default: 0)")
    parser.add_argument("--rounds", type=positive, metavar="N", help="rounds to show (default: what makes 5,000 steps)")
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="the page, a .html file")
    parser.add_argument("--title", default="", help="shown above (default: what the page shows)")
    parser.add_argument("--seed", type=int, default=0, help="seed of randomized policies (default: 0)")
    add_model_options(parser, "pool", "reset", "admission")
    parser.epilog = EXAMPLES


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Write the page."""
    from ..engine.run import replay
    from ..report.replaying import SHOWN, headline, parse_sequence, replay_page, window

    if (args.trace is None) == (args.sequence is None):
        raise ParameterError("give a trace file or --sequence, one of them")
    if args.experts is not None and args.sequence is None:
        raise ParameterError("--experts goes with --sequence; a trace file knows its own")
    if not str(args.output).lower().endswith((".html", ".htm")):
        raise ParameterError(f"--output must end in .html; got {args.output!r}")
    whole = load_trace(args.trace) if args.sequence is None else parse_sequence(args.sequence, args.experts)
    rounds = args.rounds or max(1, SHOWN // whole.layers)
    trace = window(whole, args.first, rounds)
    note = ""
    if trace is not whole:
        last = args.first + trace.rounds - 1
        note = f"rounds {args.first:,} to {last:,} of {whole.rounds:,}, from an empty cache"
    source = (
        Path(args.trace).name if args.trace else f"{counted(whole.rounds, 'round')} of {counted(whole.layers, 'layer')}"
    )
    title = args.title or headline(args.policy, args.slots, source, args.admission)
    options = {"pool": args.pool, "reset": args.reset, "admission": args.admission}
    with progress("replay", len(args.policy), args.json) as advance:
        page = replay_page(
            trace, args.policy, args.slots, **options, seed=args.seed, title=title, note=note, progress=advance
        )
    write_atomic(args.output, page.encode())
    runs = []
    for name in dict.fromkeys(args.policy):
        got = replay(trace, "belady" if name == "opt" else name, args.slots, **options, seed=args.seed)
        runs.append({"policy": name, "requests": got.requests, "misses": got.misses})
    return {
        "output": str(args.output),
        "first_round": args.first,
        "rounds": trace.rounds,
        "bytes": len(page.encode()),
        "slots": args.slots,
        **options,
        "runs": runs,
    }


def show(answer: dict[str, Any], args: argparse.Namespace) -> None:
    """Print where the page is and what it counts."""
    print(f"{answer['output']}: {counted(answer['rounds'], 'round')}, {answer['bytes'] / 1e6:.2f} MB")
    for row in answer["runs"]:
        print(f"  {row['policy']}: {counted(row['misses'], 'miss', 'misses')} of {counted(row['requests'], 'request')}")
