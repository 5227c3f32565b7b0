"""``layered-paging theory``: exact ratios beside what the theorems say."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ..errors import ParameterError
from . import options as opt
from .common import table
from .options import add

if TYPE_CHECKING:
    from ..problems import Bounds, Compared

MOST = 24


EXAMPLES = """examples:
  layered-paging theory --layers 2 --experts 3 -o theory.svg
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add(parser, opt.LAYERS(required=True), opt.EXPERTS(required=True), opt.INTO)
    parser.epilog = EXAMPLES


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Return what is said and what was computed for each number of slots."""
    from ..problems import compared

    if args.layers * args.experts > MOST:
        raise ParameterError(f"at most {MOST} pages are computed; got {args.layers} x {args.experts}")
    if args.output is not None:
        from ..plot import check_picture

        check_picture(args.output)
    found = compared(args.layers, args.experts)
    rows = [
        {
            "slots": row.size.slots,
            "subject": row.subject,
            "theorem": said(row.theorem),
            "by": ", ".join(
                dict.fromkeys(x.removeprefix("theorem ") for x in (row.theorem.below, row.theorem.above) if x)
            ),
            "computed": None if row.computed.lower is None else str(row.computed),
            "agrees": row.agrees,
        }
        for row in found
    ]
    if args.output is not None:
        picture(found, args.output)
    return {"layers": args.layers, "experts": args.experts, "rows": rows, "output": args.output}


def said(bounds: Bounds) -> str | None:
    """Return what bounds say: a value, one side of it, both, or nothing."""
    if bounds.settled or (bounds.lower is not None and bounds.upper is not None):
        return str(bounds)
    if bounds.lower is not None:
        return f">= {bounds.lower}"
    return None if bounds.upper is None else f"<= {bounds.upper}"


def picture(found: Sequence[Compared], path: str) -> None:
    """Draw the ratios against slots: computed where they are, else what theorems prove; a bracket by its upper side."""
    from ..plot import new_figure, save_figure
    from ..plot.lines import draw_lines

    slots = sorted({row.size.slots for row in found})
    lines: dict[str, list[float | None]] = {}
    for row in found:
        value = row.computed.upper if row.computed.upper is not None or not row.theorem.settled else row.theorem.upper
        lines.setdefault(row.subject, []).append(float(value) if isinstance(value, Fraction) else None)
    figure = new_figure()
    axes = figure.subplots()
    draw_lines(axes, slots, lines, xlabel="slots k", ylabel="competitive ratio")
    size = found[0].size
    axes.set_title(f"{size.layers} layers of {size.experts} experts")
    save_figure(figure, path)


def status(answer: dict[str, Any]) -> int:
    """Return 1 if something computed contradicts a theorem."""
    return int(not all(row["agrees"] for row in answer["rows"]))


def show(answer: dict[str, Any], args: argparse.Namespace) -> None:
    """Print a table of theorems beside values."""
    subjects = list(dict.fromkeys(row["subject"] for row in answer["rows"]))
    cells = {(row["slots"], row["subject"]): row for row in answer["rows"]}
    columns = ["slots"]
    for subject in subjects:
        columns += [f"{subject}: theorem", "computed"]
    rows = []
    for slots in sorted({row["slots"] for row in answer["rows"]}):
        line = [str(slots)]
        for subject in subjects:
            line += [cells[slots, subject]["theorem"] or "-", cells[slots, subject]["computed"] or "-"]
        rows.append(line)
    title = f"ratios at {answer['layers']} layers of {answer['experts']} experts"
    table(title, columns, rows, text=len(columns))
    wrong = [row for row in answer["rows"] if not row["agrees"]]
    print("Every value agrees with the theorems." if not wrong else f"{len(wrong)} values contradict a theorem.")
    if answer["output"]:
        print(f"wrote {answer['output']}")
