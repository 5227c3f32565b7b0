"""``layered-paging new``: begin a contribution."""

from __future__ import annotations

import argparse
from typing import Any

from ..scaffold import KINDS, new
from .options import Group, Option, add

EXAMPLES = """examples:
  layered-paging new policy my-policy
  layered-paging new plugin my-lab
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add(
        parser,
        Option(
            "kind", group=Group.INPUT, choices=KINDS,
            help="what to begin; a plugin holds a policy, a claim, an adversary, a format",
        ),
        Option("name", group=Group.INPUT, help="lower-case words joined by hyphens"),
        Option("--in", group=Group.OUTPUT, dest="where", default=".", metavar="FOLDER", help="where (default: here)"),
    )  # fmt: skip
    parser.epilog = EXAMPLES


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Write the files."""
    return {"kind": args.kind, "files": [str(path) for path in new(args.kind, args.name, args.where)]}


def show(answer: dict[str, Any], args: argparse.Namespace) -> None:
    """Print what was written, and what to do next."""
    for path in answer["files"]:
        print(path)
    print(f"Next: cd {args.where}/{args.name} && pip install --editable . pytest && pytest tests")
