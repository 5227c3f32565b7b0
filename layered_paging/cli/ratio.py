"""``layered-paging ratio``: exact competitive ratios, of a policy or of the best possible one."""

from __future__ import annotations

import argparse
import sys
from fractions import Fraction
from typing import Any

from ..certificate import FORMAT
from ..core.files import check_replaceable
from ..core.rules import POOLS
from ..core.words import counted
from ..errors import GraphTooLarge, ParameterError
from . import options as opt
from .bracket import between, joins, show_sources
from .common import table
from .options import Group, Option, add
from .progress import Progress, stoppable
from .values import byte_size, positive

# columns that --format can have; the first ones are those that a paper wants
PAPER = ("policy", "layers", "experts", "slots", "ratio", "k - l + 1", "k", "H_k")
COLUMNS = (
    *PAPER, "lower", "upper", "additive", "closed form of lru", "offline slots", "pool", "top-k", "admission",
    "general", "states", "nodes", "complete", "cycle", "misses", "optimum",
)  # fmt: skip


EXAMPLES = """examples:
  layered-paging ratio lru --layers 2 --experts 3 --slots 4 -o lru.json
  layered-paging ratio "llru(rounds='absolute')" --layers 2 --experts 3 \\
      --slots 4 --witness
  layered-paging ratio --optimal --layers 2 --experts 3 --slots 4

longer:
  layered-paging ratio fifo --layers 2 --experts 3 --slots 4 --shortest
  layered-paging ratio --optimal --randomized --layers 2 --experts 2 \\
      --slots 3 --resume search.json
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add(
        parser,
        Option(
            "policy", group=Group.INPUT, nargs="?", metavar="POLICY",
            help="a policy with a method state, or your own as FILE.py:CLASS",
        ),
        Option("--optimal", group=Group.INPUT, action="store_true", help="the best deterministic policy instead"),
        Option(
            "--randomized", group=Group.INPUT, needs="--optimal", action="store_true", help="with --optimal: the best randomized policy"
        ),
        opt.LAYERS(required=True),
        opt.EXPERTS(required=True, nargs="+", help="experts of each layer: one number, or one per layer"),
        opt.SLOTS(required=True, help="slots, fewer than there are pages"),
        Option(
            "--offline-slots", group=Group.INPUT, type=positive, metavar="H",
            help="slots of the optimum (default: as many)",
        ),
        opt.TOP_K(default=1, help="experts of each event (default: 1)"),
        Option(
            "--general", group=Group.RULES, action="store_true", help="classical paging: any page may follow any other"
        ),
        opt.POOL(help="the policy's cache (default: shared)"),
        opt.ADMISSION,
        Option(
            "--memory", group=Group.SEARCH, type=byte_size, default=8 << 30, metavar="SIZE",
            help="memory for the graph (default: 8GiB)",
        ),
        opt.TIME_LIMIT(
            help="end the search after this time and print the bounds known by then (default: 60s with --randomized, "
            "else none)"
        ),
        opt.RESUME(
            metavar="FILE", help="with --optimal: keep in FILE what the search has, and go on from there if FILE is there"
        ),
        Option(
            "--shortest", group=Group.SEARCH, action="store_true",
            help="look for a shortest cycle that has the ratio, within --time-limit or 20s",
        ),
        Option(
            "--witness", group=Group.OUTPUT, action="store_true",
            help="print the worst sequence: pages are numbered layer by layer from 0",
        ),
        Option(
            "--table-columns", group=Group.OUTPUT, nargs="+", choices=COLUMNS, metavar="NAME",
            help=f"columns of --format csv, md or tex: {', '.join(COLUMNS)} (default: those of a paper)",
        ),
        opt.INTO(help="write the certificate (.json or .json.gz)"),
    )  # fmt: skip
    parser.epilog = EXAMPLES


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Return the ratio; fractions as strings, null where unbounded."""
    if (args.policy is None) != args.optimal:
        raise ParameterError("give either a policy or --optimal")
    if args.output:
        check_replaceable(args.output, FORMAT)  # before a long search
    if args.shortest and args.optimal:
        raise ParameterError("--shortest is for a given policy, not for --optimal")
    if args.resume and not args.optimal:
        raise ParameterError(
            "--resume is for --optimal: most time of a given policy's ratio goes into its graph and the last proof, "
            "which would have to be made again"
        )
    experts: Any = args.experts[0] if len(args.experts) == 1 else args.experts
    size = {"layers": args.layers, "experts": experts, "slots": args.slots}
    try:
        return _optimal(args, size) if args.optimal else _given(args, size)
    except GraphTooLarge as error:
        answer: dict[str, Any] = {}
        if not joins(answer, args):
            raise
        raise GraphTooLarge(f"{error}; theorems say: {between(answer)}") from None


def _given(args: argparse.Namespace, size: dict[str, Any]) -> dict[str, Any]:
    said = Progress(args.json)
    try:
        return _of_policy(args, size, said)
    finally:
        said.clear()


def _of_policy(args: argparse.Namespace, size: dict[str, Any], said: Progress) -> dict[str, Any]:
    from ..ratio import Interrupted, competitive_ratio, shortest

    options = {"pool": args.pool, "offline_slots": args.offline_slots, "general": args.general, "top_k": args.top_k}
    options["admission"] = args.admission
    answer: dict[str, Any]
    found: Any
    try:
        with stoppable(args.time_limit):
            found = competitive_ratio(args.policy, **size, **options, memory=args.memory, tick=said)
        answer = {**found.statement, "unbounded": found.unbounded, "states": found.states, "nodes": found.nodes}
        complete = True
    except Interrupted as stopped:
        found, complete = stopped, False
        answer = {"policy": args.policy, **size, **options, "lower": str(stopped.lower), "upper": None}
    except KeyboardInterrupt:
        answer = {"policy": args.policy, **size, **options, "lower": None, "upper": None, "complete": False}
        return _unsearched(answer, args, said)
    if not complete:
        joins(answer, args)
    witness = found.witness
    answer["witness"] = {
        "prefix": [list(event) for event in witness.prefix],
        "cycle": [list(event) for event in witness.cycle],
        "misses": str(witness.misses),
        "optimum": witness.optimum,
    }
    answer["complete"] = complete
    certificate = found.certificate if args.output or args.shortest else None
    if args.shortest and complete:
        try:
            short = shortest(found, seconds=args.time_limit or 20, tick=said)
        except ParameterError as error:
            none = f"; {args.output} was not written (leave --shortest out)" if args.output else ""
            raise ParameterError(f"{error}{none}") from None
        certificate = short.certificate
        answer["witness"] = {
            "prefix": [[page] for page in short.prefix],
            "cycle": [[page] for page in short.cycle],
            "misses": str(short.misses),
            "optimum": str(short.optimum),
        }
        answer["shortest"] = {"events": len(short.cycle), "at_least": short.at_least, "minimal": short.minimal}
    if args.output and certificate is not None:
        certificate.save(args.output)
        answer["certificate"] = args.output
    return answer


def _optimal(args: argparse.Namespace, size: dict[str, Any]) -> dict[str, Any]:
    from ..ratio import optimal_ratio

    if args.general or args.offline_slots or args.pool != POOLS[0]:
        raise ParameterError(
            "--optimal goes with --layers, --experts, --slots, --top-k, --admission and --randomized only"
        )
    events = {"top_k": args.top_k, "admission": args.admission}
    said = Progress(args.json)
    limit = args.time_limit if args.time_limit is not None or not args.randomized else 60.0
    try:
        # a randomized search ends by itself, with what it has proved by then
        with stoppable(None if args.randomized else limit):
            bracket = optimal_ratio(
                **size,
                **events,
                randomized=args.randomized,
                memory=args.memory,
                seconds=limit,
                tick=said,
                resume=args.resume,
            )
    except KeyboardInterrupt:
        kind = {"randomized": args.randomized, "lower": None, "upper": None, "complete": False}
        return _unsearched({**size, **events, **kind}, args, said)
    finally:
        said.clear()
    answer: dict[str, Any] = {
        **size,
        **events,
        "randomized": args.randomized,
        "lower": str(bracket.lower),
        "upper": None if bracket.upper is None else str(bracket.upper),
        "nodes": bracket.nodes,
        "complete": bracket.complete,
    }
    if not bracket.solved:
        joins(answer, args)
    answer["solved"] = answer["lower"] == answer["upper"]
    if args.resume:
        answer |= {"journal": args.resume, "taken_up": said.facts.get("taken up")}
    if args.output:
        bracket.certificate.save(args.output)
        answer["certificate"] = args.output
    return answer


def _unsearched(answer: dict[str, Any], args: argparse.Namespace, said: Progress) -> dict[str, Any]:
    """Return what theorems say where the search was stopped before it had a bound; there is no certificate."""
    said.clear()
    none = "; no certificate was written" if args.output else ""
    print(f"stopped before any bound was found, in this phase: {said.phase}{none}", file=sys.stderr)
    if not joins(answer, args):
        raise KeyboardInterrupt("no theorem gives a bound here")
    answer["solved"] = answer["lower"] == answer["upper"]
    return answer


def show(answer: dict[str, Any], args: argparse.Namespace) -> None:
    """Print the ratio, and where asked for the sequence that has it."""
    if args.format not in ("table", "json"):
        table("", *_row(answer, args))
        return
    each = answer["experts"]
    width = counted(each, "expert") if isinstance(each, int) else f"{each} experts"
    where = f"{counted(answer['layers'], 'layer')} of {width}, {counted(answer['slots'], 'slot')}"
    if args.top_k > 1:
        where += f", {args.top_k} experts per event"
    if args.admission == "bypass":
        where += ", with bypass"
    if args.optimal:
        kind = "randomized" if args.randomized else "deterministic"
        print(f"best {kind} policy, {where}: {between(answer)}")
        if not answer["complete"]:
            rest = (
                "what is proved settles it"
                if answer["solved"]
                else "the bounds hold, but are not the best that can be had"
            )
            print(f"stopped early: {rest}")
        elif not answer["solved"]:
            print("the search came to its end, and left a gap")
        show_sources(answer)
        if answer.get("taken_up"):
            print(f"  went on from {answer['journal']}: {answer['taken_up']}")
        if "journal" in answer and not answer["complete"]:
            print(f"  the same command goes on from {answer['journal']}")
    elif not answer["complete"]:
        print(f"{answer['policy']}, {where}: {between(answer)} (stopped early)")
        show_sources(answer)
        if "witness" in answer:
            _show_witness(answer["witness"], events=True, most="at most ")
    else:
        value = (
            "unbounded" if answer["unbounded"] else f"ratio {answer['value']}, additive constant {answer['additive']}"
        )
        print(f"{answer['policy']}, {where}: {value}")
        print(f"  {counted(answer['states'], 'state')} of the policy, {answer['nodes']:,} with the optimum's caches")
        _show_witness(answer["witness"], events=args.witness or args.shortest)
        if "shortest" in answer:
            least = answer["shortest"]
            said = "no shorter one has the ratio" if least["minimal"] else "the shortest that was found"
            print(f"  {said}; every one has at least {counted(least['at_least'], 'event')}")
    if "certificate" in answer:
        own = "".join(f" --policy {text}" for text in getattr(args, "own", []))
        print(f"  certificate: {answer['certificate']} (layered-paging check {answer['certificate']}{own})")


def _row(answer: dict[str, Any], args: argparse.Namespace) -> tuple[list[str], list[list[Any]]]:
    """Return the names and the one row of a table for a paper, or of the columns that were asked for."""
    from ..ratio import lru_closed_form

    layers, slots, each = answer["layers"], answer["slots"], answer["experts"]
    single = args.top_k == 1 and args.admission == "forced" and not args.general and args.offline_slots in (None, slots)
    lower, upper = (answer.get(key, answer.get("value")) for key in ("lower", "upper"))
    lower, upper = ("unbounded" if answer.get("unbounded") else bound for bound in (lower, upper))
    best = ("best randomized" if args.randomized else "best deterministic") if args.optimal else answer["policy"]
    known: dict[str, Any] = {
        "policy": best,
        "layers": layers,
        "experts": each if isinstance(each, int) else "+".join(map(str, each)),
        "slots": slots,
        "ratio": _exact(lower) if lower == upper else f"{lower} to {upper or 'unknown'}",
        "k - l + 1": slots - layers + 1 if single and slots >= layers else None,
        "k": slots if single else None,
        "H_k": sum((Fraction(1, i) for i in range(1, slots + 1)), Fraction(0)) if single else None,
        "lower": _exact(lower),
        "upper": _exact(upper),
        "additive": _exact(answer.get("additive")),
        "closed form of lru": lru_closed_form(layers, slots) if single and isinstance(each, int) and each > 1 else None,
        "offline slots": answer.get("offline_slots"),
        "pool": answer.get("pool", "shared"),
        "top-k": args.top_k,
        "admission": args.admission,
        "general": str(args.general),
        "states": answer.get("states"),
        "nodes": answer.get("nodes"),
        "complete": str(answer["complete"]),
    }
    if "witness" in answer:
        witness = answer["witness"]
        known |= {"cycle": " ".join("+".join(map(str, event)) for event in witness["cycle"])}
        known |= {"misses": _exact(witness["misses"]), "optimum": witness["optimum"]}
    names = args.table_columns or [name for name in PAPER if known[name] is not None]
    return list(names), [[known.get(name) for name in names]]


def _exact(text: str | None) -> Any:
    return text if text is None or text == "unbounded" else Fraction(text)


def _show_witness(witness: dict[str, Any], *, events: bool, most: str = "") -> None:
    mean = " on average over its turns" if "/" in str(witness["optimum"]) else ""
    paid = f"costs {witness['misses']}, the optimum {most}{witness['optimum']}{mean}"
    print(f"  a cycle of {counted(len(witness['cycle']), 'event')} {paid}")
    for name in ("prefix", "cycle") if events else ():
        print(f"  {name}: " + " ".join("+".join(map(str, event)) for event in witness[name]))
