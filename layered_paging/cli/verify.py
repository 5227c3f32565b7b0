"""``layered-paging verify``: run the claims and their controls."""

from __future__ import annotations

import argparse
from typing import Any

from ..claims import SCOPES, Verdict, status_page, verify
from . import options as opt
from .common import table
from .options import Group, Option, add

EXAMPLES = """examples:
  layered-paging verify belady-optimal
  layered-paging verify 'belady-*' --scope small
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add(
        parser,
        Option(
            "pattern", group=Group.INPUT, nargs="?", default="*", metavar="PATTERN", help="names of claims, with * and ?"
        ),
        opt.SCOPE(choices=SCOPES, help="how much is checked (default: small)"),
        Option("--status", group=Group.OUTPUT, metavar="FILE", help="only write the generated status page"),
    )  # fmt: skip
    parser.epilog = EXAMPLES


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Return one row a claim."""
    if args.status:
        from ..core.files import write_atomic

        write_atomic(args.status, status_page().encode())
        return {"status": args.status, "claims": []}
    if args.json:
        verdicts = verify(args.pattern, args.scope)
    else:
        from .progress import Progress

        said = Progress(args.quiet)
        try:
            verdicts = verify(args.pattern, args.scope, tick=lambda name: said("phase", f"verifying {name}"))
        finally:
            said.clear()
    return {"scope": args.scope, "claims": [row(verdict) for verdict in verdicts]}


def row(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as JSON holds it."""
    fields = {key: value for key, value in vars(verdict).items() if key != "seconds"}
    return {**fields, "seconds": round(verdict.seconds, 3)}


def show(answer: dict[str, Any], args: argparse.Namespace) -> None:
    """Print a table and a line of counts."""
    if "status" in answer:
        print(f"status page: {answer['status']}")
        return
    words = {True: "yes", False: "NO", None: "-"}
    rows = [
        (c["name"], c["evidence"], words[c["holds"]], words[c["control_refuted"]], _seconds(c), c["scope"])
        for c in answer["claims"]
    ]
    table(
        f"claims at {answer['scope']} scope",
        ("claim", "evidence", "holds", "control refuted", "seconds", "scope"),
        rows,
    )
    shared = [claim for claim in answer["claims"] if claim["together"]]
    if shared:
        print(
            f"theorems: the proof kernel took {shared[0]['seconds']:.2f} s for all {shared[0]['together']} in one call"
        )
    for claim in answer["claims"]:
        if claim["reason"]:
            print(f"{claim['name']}: {claim['reason']}")
    verified = sum(c["holds"] is True and c["control_refuted"] is True for c in answer["claims"])
    stated = sum(c["evidence"] == "none" for c in answer["claims"])
    failed = status(answer)
    print(
        f"{verified} verified, {stated} stated only, {len(rows) - verified - stated} not run or failed; {'FAILED' if failed else 'no failure'}"
    )


def _seconds(claim: dict[str, Any]) -> str:
    """Return the seconds of a claim alone; a dash for a theorem, which was not timed alone."""
    return "-" if claim["together"] else f"{claim['seconds']:.2f}"


def status(answer: dict[str, Any]) -> int:
    """Return 1 if a claim or a control went wrong."""
    return int(any(c["holds"] is False or c["control_refuted"] is False for c in answer["claims"]))
