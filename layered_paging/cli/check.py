"""``layered-paging check``: does a certificate prove what it states?"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..certificate import Certificate
from ..certify.meter import LIMIT
from ..core.trace import Trace
from ..errors import CertificateRejected, FormatError, NotChecked
from . import options as opt
from .common import table
from .options import Group, Option, add, log_options
from .reading import trace_of
from .values import positive

EXAMPLES = """examples:
  layered-paging check docs/atlas/lru-2x3-4.json.gz
  layered-paging check docs/atlas/best-deterministic-1x2-1.json.gz

with files of your own:
  layered-paging check optimum.json.gz --trace trace.npz
  layered-paging check --verified ratio.json
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add(
        parser,
        Option("files", group=Group.INPUT, nargs="+", metavar="FILE", help="certificate files"),
        opt.POLICY(
            metavar="FILE.py:CLASS", help="the class that a ratio certificate of a policy of your own is about"
        ),
        opt.TRACES(help="the trace that a certificate of an optimum or a stall is about"),
        opt.FIRST(needs="--trace", help="about the first N rounds, as 'prefetch --first'"),
        opt.WHERE(needs="--trace", help="about these sessions of the trace"),
        opt.PREFILL(needs="--trace"),
        Option(
            "--limit", group=Group.SEARCH, type=positive, default=LIMIT, metavar="STEPS",
            help=f"steps of work that a file may take, of about a third of a microsecond (default: {LIMIT:,})",
        ),
        Option(
            "--verified", group=Group.SEARCH, action="store_true",
            help="also run the checker that is proved in Coq (kinds ratio-policy, ratio-lower and ratio-game), "
            "and print the theorem obtained",
        ),
        Option(
            "--kernel", group=Group.SEARCH, action="store_true",
            help="the same, evaluated by the kernel of Coq itself instead of the extracted program; for small certificates",
        ),
        *log_options(),
    )  # fmt: skip
    parser.epilog = EXAMPLES


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Check every file; one that is there but is no certificate counts as rejected, and beyond the limit nothing is said."""
    from ..certify import ABOUT_TRACES, KINDS, check

    for file in args.files:
        _must_be_there(file)
    trace = None
    if args.trace:
        trace = _part(trace_of(args), args)
    program = None
    if args.verified or args.kernel:
        from ..proved import build

        program = build()
    results = []
    for file in args.files:
        kind, statement, reason, obtained, verdict = None, None, None, None, "accepted"
        try:
            certificate = Certificate.load(file)
            kind, statement = certificate.kind, dict(certificate.statement)
            check(certificate, trace, args.limit)
            obtained = _obtained(certificate, program, args.kernel) if program else None
        except (CertificateRejected, FormatError) as error:
            reason, verdict = str(error), "not checked" if isinstance(error, NotChecked) else "rejected"
        used = trace is not None and KINDS.get(kind or "") in ABOUT_TRACES
        results.append(
            {
                "file": file,
                "kind": kind,
                "verdict": verdict,
                "accepted": reason is None,
                "reason": reason,
                "trace_used": used,
                "statement": statement,
                "theorem": obtained,
            }
        )
    return {"checked": results}


def _part(trace: Trace, args: argparse.Namespace) -> Trace:
    """Return what ``prefetch`` replays of a trace, with the same options."""
    from ..core.cutting import first_rounds, sessions_where
    from ..core.layout import merged_prefill

    if args.prefill == "merged":
        trace = merged_prefill(trace)
    if args.where:
        trace = trace.select(sessions_where(trace, args.where))
    return first_rounds(trace, args.first) if args.first is not None and args.first < trace.rounds else trace


def _obtained(certificate: Certificate, program: Path, kernel: bool) -> dict[str, Any]:
    """Return the theorems that the proved checker obtains, in Coq and in words, or why it does not know the kind."""
    from ..certify.verified import NotCovered
    from ..proved import in_kernel, obtain

    try:
        found = in_kernel(certificate, program) if kernel else obtain(certificate, program)
    except NotCovered as error:
        return {"coq": [], "words": f"no theorem: {error}", "by": None}
    return {"coq": list(found.theorems), "words": found.words, "by": "the kernel" if kernel else "the proved checker"}


def _must_be_there(file: str) -> None:
    """Raise unless a file can be opened; pipes are opened only once, to be read."""
    try:
        if not Path(file).is_fifo():
            Path(file).open("rb").close()
        elif not file.startswith(("/dev/", "/proc/")):
            raise FormatError(f"{file}: cannot be read as a certificate; not a regular file")
    except FileNotFoundError:
        raise FormatError(f"{file}: no such file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise FormatError(f"{file}: cannot be read as a certificate; {reason}") from None


def status(answer: dict[str, Any]) -> int:
    """Return 0 if all were accepted, and by the proved checker too where it was asked for."""
    good = (entry["accepted"] and (not entry["theorem"] or entry["theorem"]["coq"]) for entry in answer["checked"])
    return 0 if all(good) else 1


def show(answer: dict[str, Any], args: argparse.Namespace) -> None:
    """Print what each certificate proves, or why it does not."""
    rows = []
    for entry in answer["checked"]:
        rows.append(
            (entry["file"], entry["kind"] or "-", entry["verdict"], entry["reason"] or _proved(entry["statement"]))
        )
    table("certificates", ("file", "kind", "verdict", "what it proves, or why not"), rows, text=4)
    for entry in answer["checked"]:
        if entry["theorem"]:
            print(f"{entry['file']}: {entry['theorem']['words']}.")
            for theorem in entry["theorem"]["coq"]:
                print(f"  theorem, by {entry['theorem']['by']}: {theorem}")
    for entry in answer["checked"] if args.trace else ():
        if entry["kind"] is not None and not entry["trace_used"]:
            print(f"The trace was not used for {entry['file']}: kind {entry['kind']} is not about a trace.")


def _proved(statement: dict[str, Any]) -> str:
    unbounded = "value" in statement and statement["value"] is None and "additive" in statement
    words = ["ratio unbounded"] if unbounded else []
    for key, value in statement.items():
        text = str(value)
        if value is not None and key != "trace" and len(text) <= 24 and text not in ("[]", "never"):
            words.append(f"{key} {text}")
    return ", ".join(words)
