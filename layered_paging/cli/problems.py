"""``layered-paging problems``: open problems, the best bounds known, and certificates that move them."""

from __future__ import annotations

import argparse
from typing import Any

from ..core.words import counted
from ..errors import ParameterError
from . import options as opt
from .common import table
from .options import Group, Option, add

EXAMPLES = """examples:
  layered-paging problems
  layered-paging problems tightness --pages 9

with a certificate of your own:
  layered-paging problems --submit best.json

A certificate moves a problem if 'check' accepts it and its bound is better
than all that are known. In a checkout, --keep adds it to
proofs/open/standing.json: commit that, and the certificate beside it.
"""


LEGEND = (
    "There are l layers of n pages and k slots; an event asks for m pages; H_j = 1 + 1/2 + ... + 1/j.\n"
    "Sizes are counted at which the best known bounds say that the statement holds, leave it open, or refute it."
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add(
        parser,
        Option(
            "name", group=Group.INPUT, nargs="?", metavar="PROBLEM", help="one problem, with its statement and its sizes"
        ),
        opt.PAGES(default=10, help="sizes of at most N pages (default: 10)"),
        Option(
            "--submit", group=Group.INPUT, nargs="+", metavar="FILE",
            help="certificates: check them, and say what they move",
        ),
        Option("--keep", group=Group.OUTPUT, needs="--submit", action="store_true", help="with --submit: keep what improves a bound"),
    )  # fmt: skip
    parser.epilog = EXAMPLES


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Return the problems, one problem, or what certificates do."""
    from ..problems import PROBLEMS, formal, named, standing

    if args.pages > 24:
        raise ParameterError(f"--pages must be at most 24, the most that exact ratios allow; got {args.pages}")
    if args.submit:
        return {"submitted": [_submitted(file, args.keep) for file in args.submit]}
    chosen = [named(args.name)] if args.name else list(PROBLEMS)
    answer: dict[str, Any] = {"pages": args.pages, "problems": []}
    for problem in chosen:
        found = standing(problem, args.pages)
        row: dict[str, Any] = {
            "name": problem.name,
            "subject": problem.subject,
            "says": problem.says,
            "coq": formal(problem),
        }
        row |= {"command": f"layered-paging {problem.solver}", "constant": f"LP.open_problems.{problem.constant}"}
        row |= {word: found.count(word) for word in ("holds", "open", "refuted")}
        row["sizes"] = [
            {
                **r.size._asdict(),
                "size": str(r.size),
                "says": r.says,
                "known": str(r.known),
                "below": r.known.below,
                "above": r.known.above,
                "verdict": r.verdict,
            }
            for r in found.rows
        ]
        answer["problems"].append(row)
    return answer


def _submitted(file: str, wanted: bool) -> dict[str, Any]:
    """Check a certificate file, say what it moves, and keep it if that is asked for."""
    from ..certificate import Certificate
    from ..errors import CertificateRejected, FormatError
    from ..problems import keep, submit

    try:
        found = submit(Certificate.load(file))
    except ParameterError as error:
        raise ParameterError(f"{file}: {error}") from None
    except (CertificateRejected, FormatError) as error:
        return {"file": file, "accepted": False, "reason": str(error), "size": None, "moves": [], "kept": None}
    kept = None
    if wanted and found.improves:
        path = keep(found)
        kept = "the row and the certificate" if path else "the row; the certificate is too large"
    moves = [
        {
            "problem": move.problem.name,
            "before": str(move.before),
            "after": str(move.after),
            "was": move.was,
            "is": move.is_now,
            "moves": move.moves,
        }
        for move in found.moves
    ]
    size = f"{found.found.subject}, {found.found.size}"
    return {"file": file, "accepted": True, "reason": None, "size": size, "moves": moves, "kept": kept}


def status(answer: dict[str, Any]) -> int:
    """Return 1 if a certificate was not accepted."""
    return int(not all(entry["accepted"] for entry in answer.get("submitted", ())))


def show(answer: dict[str, Any], args: argparse.Namespace) -> None:
    """Print the problems, or what certificates do."""
    if "submitted" in answer:
        _show_submitted(answer["submitted"])
    elif args.name:
        _show_one(answer["problems"][0], answer["pages"])
    else:
        rows = [(p["name"], p["says"], p["holds"], p["open"], p["refuted"]) for p in answer["problems"]]
        columns = ("problem", "statement", "holds", "open", "refuted")
        table(f"open problems, at sizes of at most {answer['pages']} pages", columns, rows, text=2)
        print(LEGEND)
        print("One problem, with its statement in Coq and its sizes: layered-paging problems NAME")
        print("A certificate that moves one: layered-paging problems --submit FILE")


def _show_one(problem: dict[str, Any], pages: int) -> None:
    print(f"{problem['name']}: {problem['says']}")
    print(f"In Coq ({problem['constant']}), defined and not claimed:")
    print("\n".join(f"  {line}" for line in problem["coq"].splitlines()))
    rows = [(s["size"], s["says"], s["known"], s["verdict"], s["below"], s["above"]) for s in problem["sizes"]]
    columns = ("size", "said", "known", "verdict", "from below", "from above")
    table(f"{problem['subject']}, at most {pages} pages", columns, rows, text=6)
    print(f"{counted(problem['holds'], 'size')} settled as said, {problem['open']} open, {problem['refuted']} refuted.")
    print(f"A certificate: {problem['command']} --layers L --experts N --slots K -o FILE")
    print("What it moves: layered-paging problems --submit FILE")


def _show_submitted(entries: list[dict[str, Any]]) -> None:
    for entry in entries:
        if not entry["accepted"]:
            print(f"{entry['file']}: rejected: {entry['reason']}")
            continue
        print(f"{entry['file']}: accepted: {entry['size']}")
        for move in entry["moves"]:
            if move["moves"]:
                change = f"known {move['before']} -> {move['after']}; {move['was']} -> {move['is']}"
            else:
                change = f"moves nothing: known {move['before']}, {move['is']}"
            print(f"  {move['problem']}: {change}")
        if entry["kept"]:
            print(f"  kept: {entry['kept']}")
