"""``layered-paging sweep``."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from ..core.words import counted
from ..sweep import load_spec
from ..sweep import run as run_spec
from ..sweep.running import FORMATS
from . import options as opt
from .common import progress, table
from .options import Group, Option, add

SHOWN = 20  # failures printed

EXAMPLES = """examples, with a spec of your own:
  layered-paging sweep study.toml -o study --workers 8
  layered-paging sweep study.toml -o study --resume --retry
  layered-paging sweep study.toml -o study --cluster tcp://10.0.0.1:8786
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add(
        parser,
        Option("spec", group=Group.INPUT, metavar="SPEC", help="a spec in TOML"),
        opt.WORKERS(default=None, help="processes (default: the cores)"),
        Option(
            "--cluster", group=Group.SEARCH, metavar="ADDRESS", help="a Dask scheduler, or 'local' to start one"
        ),
        opt.RESUME(action="store_true", help="go on in the folder, and skip what is done"),
        Option("--retry", group=Group.SEARCH, needs="--resume", action="store_true", help="with --resume: play again what failed"),
        opt.INTO(metavar="FOLDER", required=True, help="a new folder for the results"),
        Option(
            "--form", group=Group.OUTPUT, choices=FORMATS, default="jsonl",
            help="Parquet besides JSON Lines (default: jsonl)",
        ),
    )  # fmt: skip
    parser.epilog = EXAMPLES


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Run the spec."""
    spec = load_spec(args.spec)
    kept = 0
    with progress("jobs", len(spec.jobs), args.json) as tell:

        def draw(done: int, total: int, failures: int) -> None:
            nonlocal kept
            kept = done
            tell(done, total=total, failed=failures)

        try:
            report = run_spec(
                spec,
                args.output,
                workers=args.workers,
                cluster=args.cluster,
                resume=args.resume,
                retry=args.retry,
                form=args.form,
                progress=draw,
            )
        except KeyboardInterrupt:
            print(f"kept: {kept} of {counted(len(spec.jobs), 'job')}; go on with --resume", file=sys.stderr)
            raise
    return {
        "folder": str(report.folder),
        "results": str(report.results),
        "jobs": report.jobs,
        "played": report.played,
        "failures": [{"job": n, "error": error} for n, error in report.failures],
    }


def show(answer: dict[str, Any], args: argparse.Namespace) -> None:
    """Say where the results are, and list failures."""
    failures = answer["failures"]
    print(
        f"{counted(answer['jobs'], 'job')}, {answer['played']} played now, {len(failures)} failed: {answer['results']}"
    )
    if failures:
        more = f" (the first {SHOWN})" if len(failures) > SHOWN else ""
        rows = [(str(row["job"]), row["error"]) for row in failures[:SHOWN]]
        table(f"failures{more}", ("job", "error"), rows, text=2)


def status(answer: dict[str, Any]) -> int:
    """Return 1 if a job failed."""
    return 1 if answer["failures"] else 0
