"""``layered-paging new``: begin a contribution."""

from __future__ import annotations

import argparse
from typing import Any

from ..scaffold import KINDS, new

EXAMPLES = """examples:
  layered-paging new policy my-policy
  layered-paging new plugin my-lab --in ~/src
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "kind", choices=KINDS, help="what to begin; a plugin holds a policy, a claim, an adversary, a format"
    )
    parser.add_argument("name", help="lower-case words joined by hyphens")
    parser.add_argument("--in", dest="where", default=".", metavar="FOLDER", help="where (default: here)")
    parser.epilog = EXAMPLES


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Write the files."""
    return {"kind": args.kind, "files": [str(path) for path in new(args.kind, args.name, args.where)]}


def show(answer: dict[str, Any], args: argparse.Namespace) -> None:
    """Print what was written, and what to do next."""
    for path in answer["files"]:
        print(path)
    print(f"Next: cd {args.where}/{args.name} && pip install --editable . pytest && pytest tests")
