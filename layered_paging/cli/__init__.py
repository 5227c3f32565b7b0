"""The command line: each command calls one public function and shows what it returns.

A command is a module of this folder with ``configure(parser)``, ``run(args) -> dict`` (the
answer, as JSON holds it) and ``show(answer, args)``.  It has ``status(answer) -> int`` where the exit
code depends on the answer.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ..errors import LayeredPagingError, ParameterError
from .native import set_aside
from .parsing import check_needs, check_policy_place, complain, misread, parser_of

if TYPE_CHECKING:
    from logging import Handler

__all__ = ["COMMANDS", "main"]

# command -> one line of help; the module of the same name is imported only when it is called
COMMANDS = {
    "list": "policies, adversaries, claims and results that are registered",
    "replay": "replay a trace with policies and count hits and misses",
    "curve": "misses at every number of slots, as a table or a plot",
    "diagnose": "say whether the policy or the working set is at fault",
    "plan": "is it the policy or the memory, and how much memory buys how many tokens per second",
    "clock": "fit a clock to an engine's measured steps, and predict runs it was not fitted to",
    "drive": "play a trace against a real file: milliseconds per token, measured beside predicted",
    "report": "one page about a trace at a budget, for a colleague",
    "evidence": "the sheet that maintainers ask for before they take a policy, in Markdown",
    "gap": "how much of the gap to the optimum policies close, over traces and capacities",
    "show": "a page that replays a trace step by step under several policies",
    "record": "record which experts a live model chooses",
    "optimum": "the offline optimum, with a certificate",
    "formats": "file formats, and what becomes of given files: read, assumed, refused",
    "inspect": "is a trace sane: its facts beside chance, and warnings with their evidence",
    "batch": "from which batch on caching stops paying: unions, loads, hits, least possible",
    "convert": "convert a trace from one file format to another",
    "export": "write the C header of a live cache, and traces for programs in C",
    "ratio": "exact competitive ratios, of a policy or of the best possible one",
    "atlas": "exact ratios at all small sizes, with certificates",
    "check": "check certificates",
    "theory": "exact ratios beside what the theorems say, as a table and a picture",
    "problems": "open problems, the best bounds known, and certificates that move them",
    "coupon": "coupon collectors in parallel, and the Yao bound on randomized policies",
    "router": "how a router behaves: skew, locality, transitions, gate weights, pictures",
    "profile": "profiles of expert use: make, show, export, merge, compare, judge, drift",
    "prefetch": "replay with speculative prefetching, on a clock",
    "attack": "play an adversary against a policy, beside the exact optimum",
    "place": "place experts on edge servers: algorithms, bounds, certificates",
    "sweep": "run a study of many jobs, here or on a cluster, resumable",
    "new": "begin a contribution: a working package with a test",
    "completion": "what makes a shell complete commands, options, policies and files",
    "verify": "run the claims and their controls",
    "reproduce": "run the results of a paper: reported, ours, agrees?",
}


_COMPILER = __name__.replace(".cli", ".core.compiled")  # the logger that is told of compiling


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return 0, 1 if a check failed, 2 for a mistake in the input, 130 if interrupted."""
    words = list(sys.argv[1:] if argv is None else argv)
    name = next((word for word in words if word in COMMANDS), "")
    prog = f"layered-paging {name}".rstrip()
    if "numpy" not in sys.modules:  # each thread that OpenBLAS starts costs time, and no command needs one
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(errors="backslashreplace")
        with _compiling_told(prog):
            try:
                return _run(words, name)
            except SystemExit:  # after a help: a closed pipe is told here, not when the program ends
                if sys.stdout is not None:
                    sys.stdout.flush()
                raise
    except LayeredPagingError as error:
        complain(prog, str(error))
        return 2
    except KeyboardInterrupt as error:
        complain(prog, str(error) or "interrupted")
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.filename is not None:  # a place that a file was to be in, such as the user's cache
            complain(prog, f"{error.filename}: cannot be used; {error.strerror or error}")
            return 2
        complain(prog, f"cannot write the answer; {error.strerror or error}")
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 2


def _run(words: list[str], chosen: str) -> int:
    parser, mine, module = parser_of(COMMANDS, lambda name: name == chosen)
    if not words:
        parser.print_help()
        return 2
    check_policy_place(mine, words)
    args, left = parser.parse_known_args(words)
    assert module is not None
    if left:
        mine.error(misread(mine, module, left))
    check_needs(mine, args)
    args.json = args.json or args.format == "json"
    try:
        with set_aside(args.quiet), _silent(args.quiet), _said_aloud(args.verbose):
            if any(".py" in word for word in words):
                from .own import loaded

                loaded(args)
            answer = module.run(args)
    except LayeredPagingError as error:
        from .parsing import named

        raise ParameterError(error.said(named(mine))) from None
    except Exception as error:
        blamed = None if args.verbose else _blamed(error)
        if blamed is None:
            raise
        raise blamed from None
    if hasattr(args, "batched"):
        answer["batch"] = args.batched
    if args.json:
        print(json.dumps(answer, allow_nan=False))
    elif args.format != "table":
        print(_only_tables(module, answer, args), end="")
    else:
        module.show(cleaned(answer), args)
    if sys.stdout is not None:
        sys.stdout.flush()
    return int(module.status(answer)) if hasattr(module, "status") else 0


def _blamed(error: Exception) -> LayeredPagingError | None:
    """Return the one line about a mistake in a class of the user's own file; None where it is not there."""
    own = sys.modules.get(f"{__name__}.own")
    return None if own is None else own.blamed(error)


@contextmanager
def _silent(wanted: bool) -> Iterator[None]:
    """Say nothing on standard error while a command works; its errors are said afterwards."""
    if not wanted:
        yield
        return
    with open(os.devnull, "w", encoding="utf-8") as nowhere, contextlib.redirect_stderr(nowhere):
        yield


@contextmanager
def _said_aloud(wanted: bool) -> Iterator[None]:
    """Print what the package logs, one line each, to standard error."""
    if not wanted or sys.stderr is None:
        yield
        return
    import logging

    with _heard(__name__.partition(".")[0], logging.StreamHandler(sys.stderr), logging.DEBUG):
        yield


@contextmanager
def _heard(name: str, handler: Handler, level: int) -> Iterator[None]:
    """Give what a logger says to a handler, and leave the logger as it was."""
    import logging

    log = logging.getLogger(name)
    before = log.level
    log.addHandler(handler)
    log.setLevel(level)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before)


def _only_tables(module: ModuleType, answer: Any, args: argparse.Namespace) -> str:
    """Return the tables of an answer, and nothing else, in the format that was asked for."""
    from . import common

    if args.format == "md" and hasattr(module, "markdown"):  # an answer that is a document
        return str(module.markdown(cleaned(answer)))
    with contextlib.redirect_stdout(io.StringIO()), common.tables_kept() as found:
        module.show(cleaned(answer), args)
        if not found:  # an answer without a table is a row of what it says
            plain = {key: value for key, value in answer.items() if isinstance(value, str | int | float | None)}
            common.table("", list(plain), [list(plain.values())])
    head = "% needs \\usepackage{booktabs}\n" if args.format == "tex" else ""
    return head + common.written(found, args.format)


@contextmanager
def _compiling_told(prog: str) -> Iterator[None]:
    """Say once, on a terminal, that kernels are being compiled."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield
        return
    import logging

    class Line(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            # over what a search may have drawn on the line
            print(f"\r{prog}: compiling kernels, once per installation ...", file=sys.stderr, flush=True)
            logging.getLogger(_COMPILER).removeHandler(self)

    with _heard(_COMPILER, Line(logging.INFO), logging.INFO):
        yield


def cleaned(value: Any) -> Any:
    """Return an answer with what terminals obey taken out of its texts: escapes, and other control characters."""
    if isinstance(value, str):
        return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in value)
    if isinstance(value, dict):
        return {cleaned(key): cleaned(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [cleaned(item) for item in value] if isinstance(value, list) else tuple(map(cleaned, value))
    return value
