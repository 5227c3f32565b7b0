"""``layered-paging gap``."""

from __future__ import annotations

import argparse
import csv
import io
from pathlib import Path
from typing import Any

from ..analysis.gaps import TOKENS, gap_table
from ..core.files import write_atomic
from ..errors import ParameterError
from . import options as opt
from .clocks import PACES, clock_of, clock_options, paced, speed, unsized
from .common import prefill_note, progress, table
from .options import Group, Option, add, log_options
from .race import racers, rows_of, show_race
from .reading import trace_of
from .traffic import TRAFFIC, rules_of

EXAMPLES = """examples:
  layered-paging gap layered_paging/samples/sample.npz \\
      --policy lfu-decay --demand 2 4 --reset session

with files of your own:
  layered-paging gap a.npz b.npz --base lru --policy llru -o gap.csv
  layered-paging gap a.npz b.npz --race --reset session
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add(
        parser,
        opt.TRACE(nargs="+", help="trace files"),
        opt.POLICY(nargs="+", help="policies to judge (default: similar-rounds)"),
        Option(
            "--race", group=Group.INPUT, action="store_true",
            help="all policies (or those given), one row each, with what they cost",
        ),
        Option(
            "--base", group=Group.INPUT, default="llru", metavar="P",
            help="the policy that closes nothing (default: llru)",
        ),
        Option(
            "--demand", group=Group.INPUT, sets=["tokens"], nargs="+", type=float, metavar="X",
            help="capacities, as multiples of what a token asks for (default: 1.25 1.5 2 3 4)",
        ),
        opt.POOL,
        opt.ADMISSION,
        opt.PREFILL,
        opt.RESET(nargs="+", default=["never", "session"], help="what is emptied at each session (default: both)"),
        *TRAFFIC,
        *clock_options(per_token=True),
        opt.INTO(help="write the cells to a .csv file"),
        *log_options("--also"),
        opt.BATCH,
        opt.CHUNK,
    )  # fmt: skip
    parser.epilog = EXAMPLES


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Replay, and divide."""
    if args.output is not None and not args.output.endswith(".csv"):
        raise ParameterError(f"--output must end with .csv; got {args.output!r}")
    if args.output is not None and args.output in map(str, args.trace):
        raise ParameterError(f"{args.output}: is a trace itself")
    clock, rules = clock_of(args), rules_of(args)
    traces = {_name(path, args.trace): trace_of(args, path) for path in dict.fromkeys(args.trace)}
    if clock is not None and any(trace.expert_bytes is None for trace in traces.values()):
        raise unsized()
    sizes = args.demand or TOKENS
    policies = args.policy or (racers(args.base) if args.race else ["similar-rounds"])
    with progress("replay", len(traces) * len(sizes) * len(args.reset), args.json) as advance:
        found = gap_table(
            traces,
            policies,
            base=args.base,
            tokens=sizes,
            admission=args.admission,
            pool=args.pool,
            resets=args.reset,
            prefill=args.prefill,
            traffic=rules,
            progress=advance,
        )
    notes = {name: note for name, trace in traces.items() if (note := prefill_note(trace, args.prefill)) is not None}
    answer = {**found.to_dict(), "notes": notes, "traffic": rules.changed()}
    for cell in answer["cells"]:
        for who, misses, loaded in (
            ("", "misses", "bytes"),
            ("base_", "base", "base_bytes"),
            ("optimum_", "optimum", "optimum_bytes"),
        ):
            pace = speed(clock, cell[misses], cell[loaded], cell["rounds"])
            cell |= {who + key: value for key, value in pace.items()}
    if args.race and not rules.plain:
        raise ParameterError("--race has no rules of traffic: its costs are of policies alone")
    if args.race:
        model = {"pool": args.pool, "admission": args.admission, "reset": args.reset[-1], "prefill": args.prefill}
        answer["race"] = rows_of(answer, traces, policies, **model)
    if args.output is not None:
        text = io.StringIO()
        fields = ["policy", "trace", "reset", "tokens", "slots", "misses", "base", "optimum", "share", "margin"]
        fields += [key for key in answer["cells"][0] if key not in fields] if answer["cells"] else []
        writer = csv.DictWriter(text, fields, lineterminator="\n")
        writer.writeheader()
        writer.writerows(answer["cells"])
        write_atomic(args.output, text.getvalue().encode())
    return {**answer, "output": args.output}


def _name(path: str, paths: list[str]) -> str:
    stem = Path(path).stem
    return stem if sum(Path(other).stem == stem for other in set(paths)) == 1 else path


def _percent(share: float | None, margin: float | None) -> str:
    if share is None:
        return "-"
    return f"{100 * share:.1f}" + ("" if margin is None else f" +- {100 * margin:.1f}")


def show(answer: dict[str, Any], args: argparse.Namespace) -> None:
    """Print the cells, then the means; or the race."""
    if "race" in answer:
        show_race(answer, _percent)
        tried = len(args.demand or TOKENS) * len(answer["sessions"]) * len(args.reset)
        seen = len({(cell["trace"], cell["reset"], cell["tokens"]) for cell in answer["cells"]})
        if 0 < seen < tried:
            print(
                f"left out: {tried - seen} of {tried} cells, below the largest event or with room for nearly all pages"
            )
    else:
        _show_cells(answer)
    _show_pace(answer, args)
    if any(cell["margin"] is not None for cell in answer["cells"]):
        print("+-: 95 % interval over sessions, paired")
    for name, note in answer["notes"].items():
        print(f"{name}: {note}")
    if answer["output"]:
        print(f"wrote {answer['output']}")


def _show_cells(answer: dict[str, Any]) -> None:
    sizes = list(dict.fromkeys(cell["tokens"] for cell in answer["cells"]))
    share = {(c["policy"], c["trace"], c["reset"], c["tokens"]): c for c in answer["cells"]}
    rows = []
    for gap in answer["gaps"]:
        at = [share.get((gap["policy"], gap["trace"], gap["reset"], size)) for size in sizes]
        cells = ["" if cell is None else _percent(cell["share"], cell["margin"]) for cell in at]
        mean = _percent(gap["share"], gap["margin"])
        worst = _percent(gap["worst"], None)
        rows.append([gap["policy"], gap["trace"], gap["reset"], *cells, mean, worst, gap["left_out"]])
    ruled = "".join(f", {key.replace('_', '-')} {value}" for key, value in answer["traffic"].items())
    title = f"share of the gap from {answer['base']} to the optimum that is closed, % (pool {answer['pool']}, admission {answer['admission']}{ruled})"
    unit = "step" if "batch" in answer else "token"
    heads = [f"{size} {unit}" if size == "1" else f"{size} {unit}s" for size in sizes]
    table(
        title,
        ["policy", "trace", "reset", *heads, "mean", "worst", "left out"],
        rows,
        text=3,
    )


def _show_pace(answer: dict[str, Any], args: argparse.Namespace) -> None:
    """Print loads, MiB and tokens per second of each cell, where they are asked for."""
    seen: dict[tuple[Any, ...], dict[str, Any]] = {}
    for cell in answer["cells"]:
        place = (cell["trace"], cell["reset"], cell["slots"])
        for who, name in (("base_", answer["base"]), ("", cell["policy"]), ("optimum_", "optimum")):
            seen[(*place, name)] = {key: cell[who + key] for key in PACES}
    columns = paced(list(seen.values()), args)
    if columns:
        lines = [[*key[:2], f"{key[2]:,}", key[3]] for key in seen]
        rows = [[*line, *cells] for line, cells in zip(lines, zip(*columns.values(), strict=True), strict=True)]
        table("what is loaded", ["trace", "reset", "slots", "policy", *columns], rows, text=4)
