"""``layered-paging inspect``: is this trace sane?"""

from __future__ import annotations

import argparse
from typing import Any

from ..core.words import counted
from . import options as opt
from .common import table
from .options import add, log_options
from .reading import clean, read_of

EXAMPLES = """examples:
  layered-paging inspect layered_paging/samples/sample.npz

with a file of your own:
  layered-paging inspect mylog.jsonl --json
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add(parser, opt.TRACE(help="a trace file, or the log of another program"), *log_options())
    parser.epilog = EXAMPLES


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Read the trace and inspect it."""
    from ..analysis.sanity import inspect

    trace, how = read_of(args)
    read_as = trace.meta.get("read_as")
    return {
        "trace": str(args.trace),
        "format": ", ".join(dict.fromkeys(how.formats)),
        "layout": read_as if isinstance(read_as, dict) else None,
        "assumed": list(how.assumed),
        **inspect(trace).to_dict(),
    }


def show(answer: dict[str, Any], args: argparse.Namespace) -> None:
    """Print the warnings, then the facts, then every test."""
    read_as = answer["layout"]
    layout = f", read as {read_as['layout']} since {read_as['why']}" if read_as else ""
    print(clean(f"{answer['trace']}: {answer['format']}{layout}"))
    warnings = answer["warnings"]
    print(f"{counted(len(warnings), 'warning')}{':' if warnings else ''}")
    for one in warnings:
        print(clean(f"- {one['name']}: {one['sentence']}"))
    print()

    def cell(value: Any) -> Any:
        return f"{value:.6f}" if isinstance(value, float) else value

    facts = [(fact["name"], cell(fact["value"]), cell(fact["by_chance"])) for fact in answer["facts"]]
    table("facts", ["what", "found", "by chance"], facts)
    checks = [
        (one["name"], one["outcome"], clean(one["sentence"]) if one["outcome"] != "warning" else "see above", _numbers(one["evidence"]))
        for one in answer["checks"]
    ]  # fmt: skip
    table("tests", ["test", "outcome", "found", "evidence"], checks, text=4)


def _numbers(evidence: dict[str, Any]) -> str:
    parts = [f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in evidence.items() if value not in (None, [])]  # fmt: skip
    return clean("; ".join(parts)) or "-"
