"""``layered-paging clock``: fit a clock to the steps of an engine's runs, and predict runs that it was not fitted to."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .common import table
from .options import Group, Option, add

if TYPE_CHECKING:
    from ..plan.steps import MeasuredRun, StepClock

EXAMPLES = """examples, with runs of an engine, one CSV file each:
  layered-paging clock none.csv@4 2000MiB.csv@4 4000MiB.csv@4
  layered-paging clock none.csv@4 2000MiB.csv@4 --predict 4000MiB.csv@4

A file has a row for each decoding step. Its columns are wall_ms, io_ms,
compute_ms, read_bytes and cache_hit_pct (-1: no cache).
In the table, 'if at once' is the time if loading and computing ran at the
same time. 'null model' is the error of the mean time of the fitted runs.
"""

# column, key of the answer, factor from the answer's unit to that of the column
EXACT: tuple[tuple[str, str, int | None], ...] = (
    ("run", "run", None),
    ("lanes", "lanes", None),
    ("loaded, bytes per step", "loaded", 1),
    ("measured, ms", "measured", 1000),
    ("predicted, ms", "predicted", 1000),
    ("error, %", "error", 100),
    ("if at once, ms", "at_once", 1000),
    ("error if at once, %", "at_once_error", 100),
    ("error of the null model, %", "null_error", 100),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add(
        parser,
        Option(
            "run", group=Group.INPUT, nargs="+", metavar="FILE[@LANES]", help="runs to fit; @4: four reads ran at once"
        ),
        Option(
            "--predict", group=Group.INPUT, nargs="+", default=[], metavar="FILE[@LANES]",
            help="runs to predict (default: each run, from the others)",
        ),
    )  # fmt: skip
    parser.epilog = EXAMPLES


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Return the predictions, their errors, and the clock of the given runs."""
    from ..plan.spread import clock_spread
    from ..plan.steps import fit_steps, predict_steps

    stems = [Path(_parts(text)[0]).stem for text in [*args.run, *args.predict]]
    fitted, others = ([_read(text, stems) for text in given] for given in (args.run, args.predict))
    found = [prediction.to_json() for prediction in predict_steps(fitted, others)]
    used = [each for each in fitted if not each.overlapped] or fitted
    clock, spread = fit_steps(used), clock_spread(used)
    lanes: list[int | None] = [] if clock.overlapped else [*clock.lanes] or [None]
    keep = clock.keep or 0.0
    # where the two are only bounds, neither is a prediction
    judged = [row for row in found if row["at_once"] is None or not row["overlapped"]]
    return {
        "runs": found,
        "clock": vars(clock) | {"lanes": list(clock.lanes)},
        "plans": [
            {"lanes": n, "compute": clock.compute + clock.wait, "bandwidth": _rate(clock.loading(n) + keep)}
            | {"compute_95": spread.interval(lambda one: one.compute + one.wait)}
            | {"bandwidth_95": _rates(spread.interval(_loads(n, kept=True)))}
            for n in lanes
        ],
        "spread": {
            "draws": len(spread.clocks),
            "seed": spread.seed,
            "blocks": list(spread.blocks),
            "compute": spread.interval(lambda one: one.compute),
            "wait": spread.interval(lambda one: one.wait),
            "keep": None if clock.keep is None else spread.interval(lambda one: one.keep or 0.0),
            "loading": {"all" if n is None else str(n): spread.interval(_loads(n)) for n in clock.lanes or (None,)},
        },
        "mean_error": _mean([row["error"] for row in judged]),
        "mean_null_error": _mean([row["null_error"] for row in judged if row["error"] is not None]),
    }


def _rate(per_byte: float) -> float | None:
    return 1 / per_byte if per_byte > 0 else None


def _rates(per_byte: tuple[float, float]) -> tuple[float | None, float | None]:
    """Return the bandwidths of the ends of an interval of seconds per byte, the smaller one first."""
    return _rate(per_byte[1]), _rate(per_byte[0])


def _loads(lanes: int | None, kept: bool = False) -> Callable[[StepClock], float]:
    """Return what tells a clock's seconds per byte at a number of lanes, those of keeping counted in if asked."""
    return lambda clock: clock.loading(lanes) + ((clock.keep or 0.0) if kept else 0.0)


def _mean(errors: list[float | None]) -> float | None:
    known = [abs(error) for error in errors if error is not None]
    return sum(known) / len(known) if known else None


def _parts(text: str) -> tuple[str, int | None]:
    path, at, lanes = text.rpartition("@")
    return (path, int(lanes)) if at and lanes.isdecimal() and len(lanes) < 7 else (text, None)


def _read(text: str, stems: Sequence[str]) -> MeasuredRun:
    """Read a run; its name is the stem of its file, or all of it where two files have the same one."""
    from ..plan.steps import read_steps

    path, lanes = _parts(text)
    found = read_steps(path, lanes)
    return found if stems.count(found.name) == 1 else replace(found, name=path)


def show(answer: dict[str, Any], args: argparse.Namespace) -> None:
    """Print measured beside predicted, then the clock."""
    if args.format != "table":  # for programs and papers: numbers, units in the names of columns, nothing rounded
        table("each run by a clock that was not fitted to it", [name for name, _, _ in EXACT], _exact(answer["runs"]))
        return
    rows = []
    for row in answer["runs"]:
        rows.append(
            (
                row["run"],
                "-" if row["lanes"] is None else row["lanes"],
                f"{row['loaded'] / 2**20:.1f}",
                _ms(row["measured"]),
                _ms(row["predicted"]),
                _percent(row["error"]),
                _ms(row["at_once"]),
                _percent(row["at_once_error"]),
                _percent(row["null_error"]),
            )
        )
    columns = ("run", "lanes", "MiB / step", "measured", "predicted", "error", "if at once", "its error", "null model")
    table("milliseconds per step, each run by a clock that was not fitted to it", columns, rows)
    for row in answer["runs"]:
        print(f"{row['run']}, from {', '.join(row['fitted'])}: {_words(row)}.")
    if answer["mean_error"] is not None:
        print(
            f"Mean absolute error of what was predicted: {100 * answer['mean_error']:.1f} %. "
            f"The null model, the mean time of the fitted runs, is {100 * answer['mean_null_error']:.1f} % off."
        )
    for plan in answer["plans"]:
        if plan["bandwidth"] is not None:
            of = "" if plan["lanes"] is None else f" with {plan['lanes']} lanes"
            kept = (
                "with a cache"
                if answer["clock"]["keep"] is not None
                else "no run has a cache, what it takes is left out"
            )
            low, high = plan["compute_95"]
            slow, fast = plan["bandwidth_95"]
            print(
                f"For plan{of}, {kept}: --compute {1e3 * plan['compute']:.3f}ms --bandwidth {plan['bandwidth'] / 1e6:.1f}MB "
                f"(95 %: {1e3 * low:.3f} to {1e3 * high:.3f} ms, {_mb(slow)} to {_mb(fast)} MB)"
            )
    if answer["plans"]:
        drawn = answer["spread"]
        print(
            f"The intervals: {drawn['draws']:,} clocks of blocks of up to {max(drawn['blocks'])} steps in a row, drawn anew "
            f"(seed {drawn['seed']}). They say how far the steps of these runs leave the clock open, not how another run differs."
        )


def _exact(runs: Sequence[dict[str, Any]]) -> list[list[Any]]:
    """Return the rows of ``EXACT``."""
    return [
        [row[key] if scale is None or row[key] is None else scale * row[key] for _, key, scale in EXACT] for row in runs
    ]


def _words(row: dict[str, Any]) -> str:
    if row["reason"]:
        return f"not predicted, {row['reason']}"
    single = f"single steps are {100 * row['step_error']:.1f} % off on average"
    if row["overlapped"] and row["at_once"] is not None:
        return f"loading overlaps computing here alone, and the two figures are bounds if neither slows the other; {single}"
    return single


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{1e3 * value:.1f}"


def _mb(rate: float | None) -> str:
    return "any" if rate is None else f"{rate / 1e6:.1f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:+.1f} %"
