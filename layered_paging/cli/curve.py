"""``layered-paging curve``."""

from __future__ import annotations

import argparse
from typing import Any

from ..analysis.losses import one_size
from ..core.layout import merged_prefill
from ..engine.curves import has_one_pass, miss_curve, optimum_curve
from ..errors import ParameterError
from ..policies.names import resolve
from . import options as opt
from .clocks import clock_of, clock_options, paced, speed
from .common import percent, prefill_note, progress, table
from .options import Group, Option, add, log_options
from .reading import trace_of
from .traffic import TRAFFIC, rules_of
from .values import positive

EXAMPLES = """examples:
  layered-paging curve layered_paging/samples/sample.npz \\
      --policy lru llru --optimum forced -o curve.svg
  layered-paging curve layered_paging/samples/sample.npz \\
      --policy sieve --points 6 --pool per-layer --json
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add(
        parser,
        opt.TRACE,
        opt.POLICY(nargs="+", default=["lru", "llru"], help="policies (default: lru llru)"),
        Option(
            "--points", group=Group.INPUT, type=positive, default=40, metavar="N",
            help="sizes for policies that need one replay each (default: 40)",
        ),
        opt.OPTIMUM(
            nargs="*", choices=("forced", "bypass", "none"), help="optima to add (default: forced, and bypass where rules of traffic drop loads)"
        ),
        opt.POOL,
        opt.RESET,
        opt.PREFILL,
        *TRAFFIC,
        *clock_options(per_token=True),
        opt.INTO,
        *log_options(),
        opt.BATCH,
        opt.CHUNK,
    )  # fmt: skip
    parser.epilog = EXAMPLES


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Compute the curves, and plot them if asked to."""
    if args.output is not None:
        from ..plot import check_picture

        check_picture(args.output)
    rules = rules_of(args)
    optima = args.optimum or (["forced"] if rules.plain else ["bypass"])
    if "none" in optima and len(set(optima)) > 1:
        raise ParameterError(f"--optimum none goes alone; got {' '.join(optima)}")
    if not rules.plain and "forced" in optima:
        raise ParameterError("--optimum forced is no bound under rules of traffic, which drop loads; bypass is one")
    trace = trace_of(args)
    clock, each = clock_of(args, trace.expert_bytes is not None), one_size(trace)
    if clock is not None and each is None:
        raise ParameterError("a clock needs one size of all experts here: 'replay --bytes' counts unequal ones")
    tokens = trace.rounds
    note = prefill_note(trace, args.prefill)
    if args.prefill == "merged":
        trace = merged_prefill(trace)
    points = min(args.points, trace.pages)
    grid = sorted({max(1, round(trace.pages * n / points)) for n in range(1, points + 1)})
    curves: dict[str, list[int]] = {}
    for name in args.policy:
        spec = resolve(name)
        sizes = None if has_one_pass(spec) and rules.plain else grid
        with progress(spec.name, len(grid), args.json or sizes is None) as advance:
            curves[spec.name] = miss_curve(
                trace, spec, pool=args.pool, reset=args.reset, sizes=sizes, progress=advance, traffic=rules
            ).tolist()
    for admission in [a for a in optima if a != "none"]:
        name = f"optimum ({admission})" if rules.plain else f"lower bound (optimum {admission}, without rules)"
        curves[name] = optimum_curve(trace, admission=admission, pool=args.pool, reset=args.reset).tolist()
    if not curves:
        raise ParameterError("give at least one policy or optimum")
    answer = {
        "trace": str(args.trace),
        "pages": trace.pages,
        "requests": trace.requests,
        "pool": args.pool,
        "reset": args.reset,
        "prefill": args.prefill,
        "traffic": rules.changed(),
        "note": note,
        "curves": curves,
        "tokens": tokens,
        "expert_bytes": each,
        "clock": None if clock is None else vars(clock),
        "output": args.output,
    }
    if args.output is not None:
        from ..plot import plot_curves

        plot_curves(curves, trace.requests, args.output, title=f"{args.trace} ({args.pool} pool, reset {args.reset})")
    return answer


def show(answer: dict[str, Any], args: argparse.Namespace) -> None:
    """Print hit rates at a dozen sizes."""
    pages, requests, curves = answer["pages"], answer["requests"], answer["curves"]
    legal = [s for s in range(1, pages + 1) if any(curve[s] >= 0 for curve in curves.values())]
    known = [s for s in legal if all(curve[s] >= 0 for curve in curves.values())] or legal
    marks = sorted({known[(len(known) - 1) * n // 11] for n in range(12)})
    rows = [[f"{s:,}", *(percent(1 - c[s] / requests) if c[s] >= 0 else None for c in curves.values())] for s in marks]
    ruled = "".join(f", {key.replace('_', '-')} {value}" for key, value in answer["traffic"].items())
    title = f"{answer['trace']}: hits % by slots ({answer['pool']} pool, reset {answer['reset']}{ruled})"
    table(title, ["slots", *curves], rows)
    _show_pace(answer, args, marks)
    if answer["note"]:
        print(answer["note"])
    if answer["output"]:
        print(f"wrote {answer['output']}")


def _show_pace(answer: dict[str, Any], args: argparse.Namespace, marks: list[int]) -> None:
    """Print loads, MiB and tokens per second at the same sizes, where they are asked for."""
    clock, each = clock_of(args), answer["expert_bytes"]
    by_name = {}
    for name, curve in answer["curves"].items():
        rows = []
        for s in marks:
            pace = speed(clock, curve[s], None if each is None else curve[s] * each, answer["tokens"])
            rows.append(pace if curve[s] >= 0 else dict.fromkeys(pace))
        by_name[name] = paced(rows, args)
    for what in dict.fromkeys(head for columns in by_name.values() for head in columns):
        columns = {name: found.get(what, ["-"] * len(marks)) for name, found in by_name.items()}
        lines = [[f"{s:,}", *(cells[n] for cells in columns.values())] for n, s in enumerate(marks)]
        table(f"{what}, by slots", ["slots", *columns], lines)
