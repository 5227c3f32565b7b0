"""``layered-paging router``."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from ..core.cutting import sessions_where
from ..core.trace import Trace
from ..core.words import counted
from ..errors import ParameterError
from ..plot import check_picture, draw_heat, draw_map, new_figure, save_figure
from ..profiles.behaviour import behaviour, gates, transition_counts
from ..profiles.drift import asking
from . import options as opt
from .common import percent, table
from .options import Group, Option, add, log_options
from .reading import trace_of

EXAMPLES = """examples:
  layered-paging router layered_paging/samples/sample.npz --by category
  layered-paging router layered_paging/samples/sample.npz \\
      --heat heat.svg --transitions transitions.svg --layer 2
  layered-paging router layered_paging/samples/sample.npz \\
      --map map.svg --layer 2 --slots 48 --rounds 120
"""
MOST_TOKENS = 2000


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add(
        parser,
        opt.TRACE,
        opt.WHERE,
        opt.BY(metavar="KEY", help="one line for the sessions of each value of KEY, instead of layers"),
        Option("--heat", group=Group.OUTPUT, metavar="FILE", help="draw how often each layer uses each expert"),
        Option("--transitions", group=Group.OUTPUT, metavar="FILE", help="draw the transitions into --layer"),
        Option(
            "--map", group=Group.OUTPUT, metavar="FILE", help="draw tokens against experts: held, hit, missed, evicted"
        ),
        Option("--layer", group=Group.OUTPUT, type=int, default=0, metavar="J", help="for the pictures (default: 0)"),
        opt.FROM(needs="--map", group=Group.OUTPUT, help="for --map: first round (default: 0)"),
        opt.ROUNDS(needs="--map", group=Group.OUTPUT, default=100, help="for --map: rounds to draw (default: 100)"),
        opt.SLOTS(needs="--map", group=Group.OUTPUT, help="for --map: total slots"),
        opt.POLICY(needs="--map", group=Group.OUTPUT, default="lru", help="for --map (default: lru)"),
        opt.POOL,
        opt.RESET,
        *log_options(),
    )  # fmt: skip
    parser.epilog = EXAMPLES


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Describe the router, and draw."""
    for picture in (args.heat, args.transitions, args.map):
        if picture:
            check_picture(picture)
    trace = trace_of(args)
    if args.where:
        trace = trace.select(sessions_where(trace, args.where))
    if not 0 <= args.layer < trace.layers:
        raise ParameterError(f"--layer must be in 0..{trace.layers - 1}; got {args.layer}")
    tokens = _drawn(args, trace)
    if args.map and args.slots is None:
        raise ParameterError("--map needs --slots")
    seen = behaviour(trace)
    if args.heat:
        figure = new_figure(8, 5)
        rates = np.full((trace.layers, max(trace.n_experts)), np.nan)
        for j, row in enumerate(seen.rates):
            rates[j, : len(row)] = row
        draw_heat(figure.subplots(), rates, xlabel="expert", ylabel="layer", label="share of tokens")
        save_figure(figure, args.heat)
    if args.transitions:
        counts = transition_counts(trace, args.layer)
        shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
        figure = new_figure(6, 5)
        axes = figure.subplots()
        before = (args.layer - 1) % trace.layers
        draw_heat(
            axes, shares, xlabel=f"expert of layer {args.layer}", ylabel=f"expert of layer {before}", label="share"
        )
        save_figure(figure, args.transitions)
    if args.map:
        figure = new_figure(11, 4.5)
        options = {"pool": args.pool, "reset": args.reset}
        draw_map(figure.subplots(), trace, args.policy, args.slots, args.layer, tokens, **options)
        save_figure(figure, args.map)
    rows = _by_kind(trace, args.by) if args.by else _rows(trace, list(range(trace.layers)), "layer")
    pictures = {name: value for name in ("heat", "transitions", "map") if (value := getattr(args, name))}
    return {
        "trace": str(args.trace),
        "rounds": trace.rounds,
        "sessions": len(trace.sessions),
        "by": args.by or "layer",
        "weights": trace.weights is not None,
        "rows": rows,
        "pictures": pictures,
    }


def _drawn(args: argparse.Namespace, trace: Trace) -> range:
    if not 0 <= args.start < trace.rounds:
        raise ParameterError(f"--from must be in 0..{trace.rounds - 1}; got {args.start}")
    if args.rounds > MOST_TOKENS:
        raise ParameterError(f"--rounds must be at most {MOST_TOKENS}; got {args.rounds}")
    return range(args.start, min(args.start + args.rounds, trace.rounds))


def _rows(trace: Trace, names: list[Any], kind: str) -> list[dict[str, Any]]:
    """Return one row a layer, or their mean under one name."""
    seen = behaviour(trace)
    weights = gates(trace) if trace.weights is not None else None
    fields = {
        "gini": seen.gini,
        "hottest_10": seen.coverage[:, 0],
        "hottest_25": seen.coverage[:, 1],
        "hottest_50": seen.coverage[:, 2],
        "overlap": seen.overlap,
        "by_chance": seen.by_chance,
        "median_reuse": seen.median_reuse,
        "first_uses": seen.first_uses,
        "information_bits": seen.information,
        "gate_entropy_bits": None if weights is None else weights.entropy,
        "gate_top_share": None if weights is None else weights.top_share,
    }
    rows = []
    for at, name in enumerate(names):
        row: dict[str, Any] = {kind: name}
        for field, values in fields.items():
            known = None if values is None else values[~np.isnan(values)]
            if kind != "layer":
                row[field] = None if known is None or len(known) == 0 else float(known.mean())
            else:
                row[field] = None if values is None or np.isnan(values[at]) else float(values[at])
        rows.append(row)
    return rows


def _by_kind(trace: Trace, key: str) -> list[dict[str, Any]]:
    items = trace.meta.get("items")
    number = len(trace.sessions)
    if not isinstance(items, list) or len(items) != number or not all(isinstance(i, dict) and key in i for i in items):
        raise ParameterError(f"each session needs an item with {key!r} in the trace's meta")
    kinds = [str(item[key]) for item in items]
    rows = []
    for kind in sorted(set(kinds)):
        chosen = [s for s in asking(trace) if kinds[s] == kind]
        if not chosen:
            continue
        rows += [row | {"sessions": len(chosen)} for row in _rows(trace.select(chosen), [kind], key)]
    return rows


def show(answer: dict[str, Any], args: argparse.Namespace) -> None:
    """Print the table."""
    by = answer["by"]
    columns = [by, "Gini", "10 % hottest", "25 %", "50 %", "overlap %", "chance %", "reuse", "first %", "bits"]
    columns += ["gate bits", "top gate %"] if answer["weights"] else []
    rows = []
    for row in answer["rows"]:
        cells = [row[by], f"{row['gini']:.3f}", *(percent(row[f"hottest_{p}"]) for p in (10, 25, 50))]
        cells += [percent(row["overlap"]), percent(row["by_chance"])]
        cells += ["-" if row["median_reuse"] is None else f"{row['median_reuse']:.1f}", percent(row["first_uses"])]
        cells += [f"{row['information_bits']:.3f}"]
        if answer["weights"]:
            cells += [
                "-" if row["gate_entropy_bits"] is None else f"{row['gate_entropy_bits']:.3f}",
                percent(row["gate_top_share"]),
            ]
        rows.append(cells)
    table(
        f"{counted(answer['rounds'], 'token')}, {counted(answer['sessions'], 'session')}: skew, overlap of consecutive tokens, median tokens "
        "to reuse, first uses, information from the layer before",
        columns,
        rows,
    )
    if not answer["weights"]:
        print("this trace has no gate weights")
    for name, path in answer["pictures"].items():
        print(f"{path}: {name} drawn")
