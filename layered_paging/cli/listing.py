"""``layered-paging list``."""

from __future__ import annotations

import argparse
from typing import Any

from .. import catalog
from ..registry import KINDS
from .common import table

PLURALS = {"policies": "policy", "adversaries": "adversary", "claims": "claim", "results": "result"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("what", nargs="?", choices=tuple(PLURALS), help="only these (default: all)")
    parser.epilog = "example:\n  layered-paging list policies"


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Return the catalog as JSON holds it."""
    wanted = [PLURALS[args.what]] if args.what else list(KINDS)
    names = {kind: plural for plural, kind in PLURALS.items()}
    found: dict[str, Any] = {names[kind]: [] for kind in wanted}
    for entry in catalog.collect():
        if entry.kind in wanted:
            properties = {key: list(v) if isinstance(v, tuple) else v for key, v in entry.properties.items()}
            plain = {
                k: v if isinstance(v, (str, int, bool, list)) or v is None else str(v) for k, v in properties.items()
            }
            found[names[entry.kind]].append({"name": entry.name, "summary": entry.summary, **plain})
    found["failed_to_load"] = [{"source": f.source, "reason": f.reason} for f in catalog.failures()]
    return found


def show(answer: dict[str, Any], args: argparse.Namespace) -> None:
    """Print one table a kind."""
    for plural, rows in answer.items():
        if plural == "failed_to_load":
            for failure in rows:
                print(f"failed to load: {failure['source']}: {failure['reason']}")
        elif rows or args.what:
            shown = [(row["name"], row["summary"], ", ".join(map(str, row.get("cites", ())))) for row in rows]
            table(f"{len(rows)} {plural}", ["name", "what", "source"], shown, text=3)


def status(answer: dict[str, Any]) -> int:
    """Return 1 if some content failed to load."""
    return 1 if answer["failed_to_load"] else 0
