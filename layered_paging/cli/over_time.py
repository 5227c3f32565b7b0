"""``replay --over-time``: hits by window of rounds, from an empty cache and after a change of session."""

from __future__ import annotations

import argparse
from typing import Any

from ..analysis.over_time import REACHED, over_time
from ..core.layout import merged_prefill
from ..core.parts import LongTrace
from ..core.rules import Rules
from ..core.trace import Trace
from ..engine.run import replay
from ..errors import ParameterError
from ..policies.spec import PolicySpec
from . import options as opt
from .common import percent, progress, table
from .options import Group, Option

__all__ = ["OPTIONS", "answered", "shown"]


OPTIONS = (
    Option(
        "--over-time",
        group=Group.OUTPUT,
        action="store_true",
        help="hits by window of rounds: cold fill, change, steady",
    ),
    opt.WINDOW(needs="--over-time", help="with --over-time: rounds of a window (default: 8)"),
)


def answered(
    trace: Trace | LongTrace,
    wanted: list[tuple[PolicySpec, int, int]],
    options: dict[str, Any],
    args: argparse.Namespace,
) -> dict[str, Any]:
    """Return the hits over time of every policy at every budget."""
    if isinstance(trace, LongTrace) or args.optimum or args.by or args.repeat > 1:
        raise ParameterError("--over-time goes without --stream, --optimum, --by and --repeat")
    if args.per_token or args.compute is not None or args.workers > 1 or args.sample is not None:
        raise ParameterError("--over-time counts hits: it goes without a clock, --per-token, --workers and --sample")
    played = merged_prefill(trace) if options["prefill"] == "merged" else trace
    rules = options | {"prefill": "token"}
    found = []
    with progress("replay", len(wanted), args.json) as advance:
        for done, (spec, budget, seed) in enumerate(wanted, start=1):
            slots, size = (budget, None) if args.slots else (None, budget)
            run = replay(played, spec, slots, budget_bytes=size, **rules, seed=seed, record=True)
            one = over_time(played, run, args.window)
            found.append({"size": budget, **one.to_dict(), "sentence": one.sentence()})
            advance(done)
    return {"trace": str(args.trace), "options": Rules(**options).options(), "over_time": found}


def shown(answer: dict[str, Any], args: argparse.Namespace) -> None:
    """Print the steady states and times, then the windows."""
    found = answer["over_time"]
    one = found[0]
    unit = "slots" if args.slots else "bytes"
    short = f"; {one['short']:,} shorter ones left out" if one["short"] else ""
    title = (
        f"{answer['trace']}: steady state is the second half of the first {one['horizon']:,} rounds of a session "
        f"({one['sessions']:,} counted{short}); rounds until {100 * REACHED:.0f} % of it, in windows of {one['window']:,}"
    )
    rows = [
        [
            f["policy"], f["size"], percent(f["steady"]), "yes" if f["settled"] else "no", f["cold_rounds"],
            f["change_rounds"],
        ]
        for f in found
    ]  # fmt: skip
    table(title, ["policy", unit, "steady hits %", "steady?", "from empty", "after a change"], rows)
    head = [f"{f['policy']}, {f['size']:,}" for f in found]
    for key, what in (("cold", "from an empty cache"), ("change", "after a change of session")):
        windows = max(len(f[key]) for f in found)
        lines = [[f"{(n + 1) * one['window']:,}", *(percent(f[key][n]) for f in found)] for n in range(windows)]
        if lines:
            table(f"hits % by rounds {what}", ["rounds", *head], lines)
