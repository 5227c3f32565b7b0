"""``layered-paging formats [FILE ...]``: the formats that are read, or what becomes of files."""

from __future__ import annotations

import argparse
from typing import Any

from ..core.words import counted
from ..formats import formats
from ..formats.base import flag_of
from ..formats.examine import examine
from .common import table
from .options import Group, Option, add, log_options
from .reading import clean, reading_of

WORDS = {"read": "read", "assumed": "read, with assumptions", "counts": "counts: a profile", "refused": "refused"}
EXAMPLES = """examples:
  layered-paging formats
  layered-paging formats layered_paging/samples/sample.npz

with files of your own:
  layered-paging formats logs/* --top-k 8
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add(
        parser,
        Option("files", group=Group.INPUT, nargs="*", metavar="FILE", help="files to try (default: list the formats)"),
        *log_options("--also", "--expert-bytes"),
    )
    parser.epilog = EXAMPLES


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Return the formats, or what becomes of each file."""
    if args.files:
        return {"files": [found.to_dict() for found in examine(args.files, reading_of(args))]}
    return {
        "formats": [
            {
                "name": one.name,
                "what": (type(one).__doc__ or "").strip().splitlines()[0],
                "suffixes": list(one.suffixes),
                "in_parts": one.in_parts,
                "writes": one.writes,
                "takes": [flag_of(name) for name in one.takes],
            }
            for one in formats()
        ]
    }


def show(answer: dict[str, Any], args: argparse.Namespace) -> None:
    """Print one table."""
    if "formats" in answer:
        listed = [
            (
                row["name"],
                row["what"],
                " ".join(row["takes"]),
                "in parts" if row["in_parts"] else "whole",
                " ".join(f"*{suffix}" for suffix in row["suffixes"]) if row["writes"] else "-",
            )
            for row in answer["formats"]
        ]
        table(counted(len(listed), "format"), ["name", "what", "options", "read", "written as"], listed, text=5)
        return
    rows: list[tuple[Any, ...]] = []
    for row in answer["files"]:
        said = "; ".join(f"{note['about']}: {note['taken']} ({note['why']})" for note in row["assumed"])
        digest = row["digest"].removeprefix("sha256:")[:12]
        what = clean((row["reason"] or said).removeprefix(f"{row['file']}: "))  # the first column says it
        cells = (clean(row["file"]), WORDS[row["outcome"]], row["format"] or "-", row["shape"] or "-", digest or "-", what or "-")  # fmt: skip
        rows.append(cells)
    table(counted(len(rows), "file"), ["file", "outcome", "format", "shape", "digest", "what was assumed, or why not"], rows, text=6)  # fmt: skip
