"""``layered-paging atlas``: exact ratios at all small sizes, stored with certificates."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..core.words import counted
from ..errors import ParameterError
from ..ratio import atlas
from . import options as opt
from .common import progress
from .options import add

EXAMPLES = """examples:
  layered-paging atlas --pages 4 --policy lru fifo -o atlas
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add(
        parser,
        opt.PAGES(default=6, help="largest layers * experts (default: 6)"),
        opt.POLICY(nargs="+", help="policies, 'best deterministic', 'best randomized' (default: all)"),
        opt.TIME_LIMIT(default=20.0, help="for each randomized lower bound (default: 20s)"),
        opt.WORKERS,
        opt.INTO(metavar="FOLDER", required=True, help="folder to fill, or to go on filling"),
    )
    parser.epilog = EXAMPLES


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Return all rows of the atlas."""
    if args.pages > 24:
        raise ParameterError(f"--pages must be at most 24, the most that exact ratios allow; got {args.pages}")
    try:
        Path(args.output).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ParameterError(f"{args.output}: no folder can be made there; {error.strerror}") from None
    chosen = args.policy or list(atlas.POLICIES)
    with progress("atlas", len(atlas.jobs(args.pages, chosen)), args.json) as shown:
        rows = atlas.fill(
            args.output,
            args.pages,
            policies=chosen,
            seconds=args.time_limit,
            workers=args.workers,
            tick=lambda done, total, what: shown(done),
        )
    return {"folder": args.output, "rows": rows}


def show(answer: dict[str, Any], args: argparse.Namespace) -> None:
    """Say where the atlas is."""
    failed = [row for row in answer["rows"] if "error" in row]
    print(f"{counted(len(answer['rows']), 'row')} in {answer['folder']}: table.json, README.md, certificates")
    for row in failed:
        print(
            f"  not computed: {row['policy']}, {row['layers']} x {row['experts']}, {counted(row['slots'], 'slot')}: {row['error']}"
        )
