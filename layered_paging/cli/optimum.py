"""``layered-paging optimum``: the offline optimum of a trace."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from ..core.files import read_limited
from ..core.words import counted
from ..errors import FormatError, ParameterError
from . import options as opt
from .common import one_of, percent, table
from .options import Group, Option, add, log_options
from .reading import trace_of

COSTS = 1 << 26  # bytes of a file of costs
EXAMPLES = """examples:
  layered-paging optimum layered_paging/samples/sample.npz \\
      --slots 48 --admission forced --reset session
  layered-paging optimum layered_paging/samples/sample.npz \\
      --slots 48 --admission bypass -o optimum.json.gz
  layered-paging optimum layered_paging/samples/sample.npz \\
      --slots 48 --admission forced --quotas free
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add(
        parser,
        opt.TRACE,
        opt.SLOTS,
        opt.BYTES(help="budget in bytes, such as 2GiB (NP-hard)"),
        Option(
            "--costs", group=Group.INPUT, metavar="bytes|FILE",
            help="cost of a load: bytes, or a JSON list of integers",
        ),
        opt.ADMISSION(
            required=True, default=None,
            help="whether all members must stay until their event ends; no default, they are different problems",
        ),
        opt.POOL,
        opt.RESET,
        opt.EACH_EVENT,
        opt.PREFILL,
        opt.QUOTAS(
            group=Group.RULES, choices=("uniform", "free"), default="uniform",
            help="free: the best fixed split of the slots (default: uniform)",
        ),
        Option(
            "--lookahead", group=Group.SEARCH, type=int, metavar="M", help="an oracle that sees M further rounds instead"
        ),
        Option(
            "--solver", group=Group.SEARCH, default="auto", metavar="NAME",
            help="auto, belady, flow, paths, ortools, highs, networkx, ilp, cbc, lp or brute (default: auto)",
        ),
        opt.TIME_LIMIT(help="for every solver, such as 20s"),
        opt.INTO(help="write the certificate here (.json or .json.gz)"),
        *log_options(),
    )  # fmt: skip
    parser.epilog = EXAMPLES


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Solve, and write the certificate if asked to."""
    from ..offline import optimum

    one_of("--slots and --bytes", [args.slots, args.bytes])
    trace = trace_of(args)
    best = optimum(
        trace,
        args.slots,
        admission=args.admission,
        pool="per-layer" if args.quotas == "free" else args.pool,
        reset=args.reset,
        events=args.events,
        costs=_costs(args.costs),
        budget_bytes=args.bytes,
        prefill=args.prefill,
        quotas=args.quotas,
        lookahead=args.lookahead,
        solver=args.solver,
        time_limit=args.time_limit,
    )
    low, high = (None, None) if args.lookahead is not None else best.bounds
    known = best.exact or args.lookahead is not None
    if args.output is not None:
        if Path(args.output).exists() and Path(args.output).samefile(args.trace):
            raise ParameterError(f"{args.output}: is the trace itself")
        best.certificate.save(args.output)
    return {
        "trace": str(args.trace),
        "slots": best.slots,
        "budget_bytes": best.budget_bytes,
        **{key: value for key, value in best.options.items() if key != "warm"},
        "quotas": args.quotas,
        "split": list(best.split),
        "lookahead": args.lookahead,
        "solver": best.solver,
        "exact": best.exact,
        "requests": best.requests,
        "misses": best.misses if known else None,
        "hit_rate": best.hit_rate if known else None,
        "cost": best.cost if known else None,
        "lower": low,
        "upper": high,
        "gap": None if low is None or high is None else high - low,
        "certificate": args.output,
    }


def _costs(given: str | None) -> Any:
    if given is None or given == "bytes":
        return given
    try:
        data = read_limited(given, COSTS)
        if len(data) > COSTS:
            raise ValueError(f"longer than {COSTS} bytes")
        return json.loads(data.decode())
    except (OSError, RecursionError, ValueError) as error:
        what = getattr(error, "strerror", None) or error
        raise FormatError(f"{given}: costs must be a JSON list of integers; {what}") from None


def show(answer: dict[str, Any], args: argparse.Namespace) -> None:
    """Print a table; bounds are called bounds."""
    size = (
        counted(answer["slots"], "slot") if answer["budget_bytes"] is None else counted(answer["budget_bytes"], "byte")
    )
    title = f"{answer['trace']}: {answer['admission']}, {size}, {answer['pool']} pool, reset {answer['reset']}"
    rows: list[tuple[str, Any]] = [("requests", answer["requests"])]
    if answer["misses"] is None:
        rows += [
            ("least cost is at least", answer["lower"]),
            ("least cost is at most", answer["upper"]),
            ("gap (no optimum is known)", answer["gap"]),
        ]
    else:
        name = "oracle" if answer["lookahead"] is not None else "optimum"
        if args.costs:  # the least cost is not the cost of the fewest misses
            rows.append((f"cost ({name})", answer["cost"]))
        rows.append(("misses at this cost" if args.costs else f"misses ({name})", answer["misses"]))
        rows.append(("hits, %", percent(answer["hit_rate"])))
        if answer["gap"]:
            rows.append(("proved by the certificate: at least", answer["lower"]))
    if len(answer["split"]) > 1:
        rows.append(("split", " ".join(map(str, answer["split"]))))
    rows.append(("solver", answer["solver"]))
    if answer["certificate"]:
        rows.append(("certificate", answer["certificate"]))
    table(title, ("", "value"), rows)
