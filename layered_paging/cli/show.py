"""``layered-paging show``: the replay page, the playground, and pictures for slides."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..core.files import write_atomic
from ..core.trace import Trace
from ..core.words import counted
from ..errors import NotRegistered, ParameterError
from . import options as opt
from .common import progress
from .options import Group, Option, add, log_options
from .reading import trace_of

EXAMPLES = """examples:
  layered-paging show --sequence "0,0 1,1 0,2 2,1" --slots 3 -o replay.html
  layered-paging show --sequence "0,0 1,1 0,2 2,1" --slots 3 \\
      --static board.tex
  layered-paging show layered_paging/samples/sample.npz --slots 48 \\
      --policy lru llru opt --from 100 --rounds 50 -o replay.html
  layered-paging show docs/atlas/lru-2x3-4.json.gz -o worst.html
  layered-paging show --play -o play.html
"""
_PICTURES = {".svg": "svg", ".tex": "tikz"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add(
        parser,
        opt.TRACE(
            nargs="?", help="a trace file, or the certificate of a ratio, whose worst cycle or adversary is played"
        ),
        Option(
            "--sequence", group=Group.INPUT, metavar="TEXT",
            help="instead of a file: rounds separated by blanks, layers by commas, experts of an event by +",
        ),
        Option(
            "--play", group=Group.INPUT, action="store_true", help="write the playground, which takes its sequences itself"
        ),
        opt.EXPERTS(needs="--sequence", help="experts of each layer of --sequence"),
        opt.POLICY(nargs="+", help="policies to show (default: lru llru opt)"),
        opt.SLOTS,
        opt.FROM,
        opt.ROUNDS(help="rounds to show (default: what makes 5,000 steps)"),
        opt.POOL,
        opt.RESET,
        opt.ADMISSION,
        opt.SEED,
        opt.INTO(help="the page, a .html file"),
        Option(
            "--static", group=Group.OUTPUT, metavar="FILE",
            help="a picture for a slide, .svg or .tex, beside the page or alone",
        ),
        opt.TITLE(help="shown above (default: what the page shows)"),
        *log_options(),
    )  # fmt: skip
    parser.epilog = EXAMPLES


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Write the page, the picture, or both."""
    from ..report.witness import is_certificate

    if args.output is not None and not args.output.lower().endswith((".html", ".htm")):
        raise ParameterError(f"--output must end in .html; got {args.output!r}")
    if args.static is not None and Path(args.static).suffix.lower() not in _PICTURES:
        raise ParameterError(f"--static must end in .svg or .tex; got {args.static!r}")
    if args.play:
        return _playground(args)
    if (args.trace is None) == (args.sequence is None):
        raise ParameterError("give a trace file or --sequence, one of them")
    if args.output is None and args.static is None:
        raise ParameterError("give -o FILE.html for a page, or --static FILE.svg for a picture")
    if args.trace is not None and is_certificate(args.trace):
        return _witness(args)
    return _replay(args)


def _playground(args: argparse.Namespace) -> dict[str, Any]:
    from ..report.playing import play_page

    if args.output is None or args.static is not None:
        raise ParameterError("--play writes a page: give -o FILE.html")
    given = [args.trace, args.sequence, args.experts, args.policy, args.slots, args.rounds]
    if any(value is not None for value in given):
        raise ParameterError("--play takes no trace and no policies: they are chosen on the page, or by its address")
    page = play_page(args.title) if args.title else play_page()
    write_atomic(args.output, page.encode())
    return {"output": args.output, "bytes": len(page.encode())}


def _replay(args: argparse.Namespace) -> dict[str, Any]:
    from ..core.cutting import window
    from ..engine.run import replay
    from ..report.replaying import SHOWN, headline, parse_sequence, replay_page

    if args.slots is None:
        raise ParameterError("--slots must be given: the total number of slots")
    policies = args.policy or ["lru", "llru", "opt"]
    whole = trace_of(args) if args.sequence is None else parse_sequence(args.sequence, args.experts)
    rounds = args.rounds or max(1, SHOWN // whole.layers)
    trace = window(whole, args.start, rounds)
    note = ""
    if trace is not whole:
        last = args.start + trace.rounds - 1
        note = f"rounds {args.start:,} to {last:,} of {whole.rounds:,}, from an empty cache"
    source = (
        Path(args.trace).name if args.trace else f"{counted(whole.rounds, 'round')} of {counted(whole.layers, 'layer')}"
    )
    title = args.title or headline(policies, args.slots, source, args.admission)
    options = {"pool": args.pool, "reset": args.reset, "admission": args.admission}
    _picture(args, trace, policies, args.slots)
    size = 0
    if args.output is not None:
        with progress("replay", len(policies), args.json) as advance:
            page = replay_page(
                trace, policies, args.slots, **options, seed=args.seed, title=title, note=note, progress=advance
            )
        size = len(page.encode())
        write_atomic(args.output, page.encode())
    runs = []
    for name in dict.fromkeys(policies):
        got = replay(trace, "belady" if name == "opt" else name, args.slots, **options, seed=args.seed)
        runs.append({"policy": name, "requests": got.requests, "misses": got.misses})
    about = {"first_round": args.start, "rounds": trace.rounds, "slots": args.slots, **options, "runs": runs}
    return {"output": args.output, "bytes": size, "static": args.static, **about}


def _witness(args: argparse.Namespace) -> dict[str, Any]:
    from ..certificate import Certificate
    from ..report.witness import witness_of, witness_page

    chosen = [args.slots, args.experts, args.rounds]
    if any(value is not None for value in chosen) or args.start or args.pool != "shared" or args.admission != "forced":
        raise ParameterError(
            f"{args.trace} is a certificate: it says itself what is played, but for an adversary's --policy"
        )
    if args.policy is not None and len(args.policy) != 1:
        raise ParameterError(f"--policy must be one policy beside a certificate; got {len(args.policy)}")
    certificate = Certificate.load(args.trace)
    own = certificate.kind in ("ratio-game", "ratio-random") and certificate.evidence.get("policy") is not None
    default = f"strategy:{args.trace}" if own else None
    try:
        found = witness_of(certificate, args.policy[0] if args.policy else default, seed=args.seed)
        page = witness_page(found, title=args.title)
    except NotRegistered as error:
        if args.policy is not None:
            raise
        unknown = str(error).partition(";")[0]
        raise NotRegistered(f"{args.trace}: {unknown}; give its class by --policy FILE.py:CLASS") from None
    if args.static is not None:
        if found.options["pool"] != "shared" or found.options["admission"] != "forced" or found.offline != found.slots:
            raise ParameterError("--static draws a shared pool, forced, of as many slots as the optimum's; use -o")
        _picture(args, found.trace, [found.policy, "opt"], found.slots)
    if args.output is not None:
        write_atomic(args.output, page.encode())
    about = {"rounds": found.trace.rounds, "slots": found.slots, "runs": found.runs(), "cycle": found.cycle}
    return {"output": args.output, "bytes": len(page.encode()), "static": args.static, **about, **found.options}


def _picture(args: argparse.Namespace, trace: Trace, policies: list[str], slots: int) -> None:
    from ..report.figures import figure

    if args.static is None:
        return
    if args.pool != "shared" or args.admission != "forced":
        raise ParameterError("--static draws a shared pool, and forced admission; use -o for the others")
    form = _PICTURES[Path(args.static).suffix.lower()]
    write_atomic(args.static, figure(trace, policies, slots, form=form, reset=args.reset, title=args.title).encode())


def show(answer: dict[str, Any], args: argparse.Namespace) -> None:
    """Print where the page is and what it counts."""
    if "runs" not in answer:
        print(f"{answer['output']}: {answer['bytes'] / 1e6:.2f} MB")
        return
    if answer["static"] is not None:
        print(f"{answer['static']}: {counted(answer['rounds'], 'round')}")
    if answer["output"] is not None:
        print(f"{answer['output']}: {counted(answer['rounds'], 'round')}, {answer['bytes'] / 1e6:.2f} MB")
    for row in answer["runs"]:
        print(f"  {row['policy']}: {counted(row['misses'], 'miss', 'misses')} of {counted(row['requests'], 'request')}")
    if answer.get("cycle"):
        cycle = answer["cycle"]
        misses = "misses without end" if cycle["misses"] is None else cycle["misses"]
        print(f"  each turn of {counted(cycle['steps'], 'step')}: {misses} against {cycle['optimum']}")
