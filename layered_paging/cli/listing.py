"""``layered-paging list``."""

from __future__ import annotations

import argparse
import inspect
import sys
from collections.abc import Mapping
from typing import Any

from .. import catalog, formats  # noqa: F401 - formats register themselves
from ..core.registry import KINDS
from ..core.words import counted
from .common import table
from .options import Group, Option, add

PLURALS = {
    "policies": "policy",
    "adversaries": "adversary",
    "claims": "claim",
    "results": "result",
    "formats": "format",
}


EXAMPLES = """examples:
  layered-paging list policies
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add(
        parser,
        Option(
            "what",
            group=Group.INPUT,
            nargs="?",
            choices=tuple(PLURALS),
            help="only these (default: all); --format csv and --json also say what each declares, and its source",
        ),
    )
    parser.epilog = EXAMPLES


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Return the catalog as JSON holds it."""
    wanted = [PLURALS[args.what]] if args.what else list(KINDS)
    names = {kind: plural for plural, kind in PLURALS.items()}
    found: dict[str, Any] = {names[kind]: [] for kind in wanted}
    for entry in catalog.collect():
        if entry.kind in wanted:
            parameters = {
                name: None if p.default is p.empty else p.default
                for name, p in inspect.signature(entry.obj).parameters.items()
                if p.kind is p.KEYWORD_ONLY and name not in ("future", "predictions", "rng")
            }
            row = {"name": entry.name, "summary": entry.summary, "parameters": _plain(parameters)}
            found[names[entry.kind]].append({**row, **{key: _plain(v) for key, v in entry.properties.items()}})
    found["failed_to_load"] = [{"source": f.source, "reason": f.reason} for f in catalog.failures()]
    return found


def show(answer: dict[str, Any], args: argparse.Namespace) -> None:
    """Print one table a kind."""
    whole: list[list[Any]] = []
    for plural, rows in answer.items():
        if plural == "failed_to_load":
            for failure in rows:
                print(f"failed to load: {failure['source']}: {failure['reason']}")
        elif rows or args.what:
            shown = [
                (_signature(row), row.get("statement", row["summary"]), _declared(row), ", ".join(row.get("cites", ())))
                for row in rows
            ]
            whole += [[PLURALS[plural], *row] for row in shown]
            if args.format == "csv":
                continue
            if args.format == "table" and not (sys.stdout and sys.stdout.isatty()):
                print(counted(len(rows), PLURALS[plural], plural))  # for grep: a name and what it is, one each line
                print("".join(f"{name}: {' '.join(what.split())}\n" for name, what, _, _ in shown))
                continue
            table(counted(len(rows), PLURALS[plural], plural), ["name", "what", "declares", "source"], shown, text=4)
    if args.format == "csv":
        table("", ["kind", "name", "what", "declares", "source"], whole, text=5)


def _plain(value: Any) -> Any:
    """Return a value as JSON holds it."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return value if isinstance(value, (str, int, bool, float)) or value is None else str(value)


def _signature(row: dict[str, Any]) -> str:
    given = ", ".join(f"{name}={value!r}" for name, value in row["parameters"].items())
    return f"{row['name']}({given})" if given and "statement" not in row else str(row["name"])


def _declared(row: dict[str, Any]) -> str:
    """Return what a policy is declared to be and where its rules are from, or the evidence of a claim."""
    flags = [name if value else f"not {name}" for name, value in row.items() if isinstance(value, bool)]
    return ", ".join([*flags, *(str(row[key]) for key in ("evidence", "forces", "origin") if row.get(key))])


def status(answer: dict[str, Any]) -> int:
    """Return 1 if some content failed to load."""
    return 1 if answer["failed_to_load"] else 0
