"""What ``replay`` takes about traffic and quotas, and the tables that it prints of them."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from ..analysis.losses import one_size
from ..core.files import read_limited
from ..core.parts import LongTrace
from ..core.rules import LENDS, PREFILL_CACHES, Rules, Traffic
from ..core.trace import Trace
from ..errors import FormatError, ParameterError
from ..policies.spec import PolicySpec
from . import options as opt
from .common import percent, table
from .options import Group, Option
from .values import byte_size

__all__ = [
    "LENDING",
    "REFUSES",
    "TRAFFIC",
    "Quotas",
    "prices_of",
    "quotas_of",
    "rules_of",
    "show_prices",
    "show_quotas",
    "traffic_of",
]


# of commands that measure against the forced optimum: option -> why it is none of theirs
REFUSES = dict.fromkeys(
    ("--bypass-above", "--keep-event", "--keep-round", "--admit-after", "--evict-after", "--prefill-cache"),
    "rules of traffic drop loads, so the forced optimum, which this command measures against, is no bound under them; "
    "'replay', 'curve', 'plan' and 'gap --admission bypass' take them",
)
QUOTA_FILE = 1 << 20  # bytes of a file of quotas
Quotas = str | tuple[int, ...]


def _above(text: str) -> tuple[str, int]:
    """Read ``32`` or ``32tokens``, as the rule and its number; an argparse type."""
    found = re.fullmatch(r"(-?\d{1,18})(tokens|members)?", text, re.ASCII)
    if found is None:
        raise argparse.ArgumentTypeError(f"must be a number of members, or of tokens such as 32tokens; got {text!r}")
    return "bypass_tokens" if found[2] == "tokens" else "bypass_above", int(found[1])


def _numbers(text: str) -> int | list[int]:
    """Read one integer, or several with commas; an argparse type."""
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be an integer, or one per layer with commas; got {text!r}") from None
    return found[0] if len(found) == 1 else found


def rules_of(args: argparse.Namespace) -> Traffic:
    """Return the rules of traffic that the options say.

    Raises
    ------
    ParameterError
        A limit of 0, which could be none at all, or one that keeps nothing.
    """
    names = ("keep_event", "keep_round", "admit_after", "evict_after", "prefill_cache")
    above = {} if args.bypass_above is None else dict([args.bypass_above])
    limits = {"--bypass-above": 0 in above.values(), "--keep-event": args.keep_event == 0}
    limits["--keep-round"] = args.keep_round == 0
    for flag, nothing in limits.items():
        if nothing:
            raise ParameterError(
                f"{flag} must be at least 1; 0 could keep no load, so that every request misses, or be no limit: for that "
                "leave the option out"
            )
    return Traffic(**{name: getattr(args, name) for name in names}, **above)


def _rule(flag: str, text: str, **given: Any) -> Option:
    return Option(flag, group=Group.TRAFFIC, help=text, **{"type": int, "metavar": "N", **given})


TRAFFIC = (
    _rule(
        "--bypass-above",
        "events of more than N members leave the cache alone; 32tokens counts tokens (--batch, --prefill merged)",
        sets=["bypass_tokens"],
        type=_above,
        metavar="N[tokens]",
    ),
    _rule("--keep-event", "keep at most N loads of an event"),
    _rule("--keep-round", "keep at most N loads of a round, in each pool"),
    _rule("--admit-after", "keep a load at its page's N-th miss (default: 1)", default=1),
    _rule("--evict-after", "the same where keeping it evicts a page (default: 1)", default=1),
    Option(
        "--prefill-cache",
        group=Group.TRAFFIC,
        choices=PREFILL_CACHES,
        default="warm",
        help="prefill fills the cache, or leaves it alone (default: warm)",
    ),
)
LENDING = (
    opt.QUOTAS(
        metavar="N,N,...|FILE|best",
        help="one number of slots per layer, or sizes such as 96MiB,64MiB; a JSON list of them; or the best split of a policy",
    ),
    Option(
        "--floor",
        group=Group.QUOTAS,
        type=_numbers,
        default=0,
        metavar="N[,N...]",
        help="with best: slots of a layer are at least this",
    ),
    Option(
        "--ceiling",
        group=Group.QUOTAS,
        type=_numbers,
        metavar="N[,N...]",
        help="with best: slots of a layer are at most this",
    ),
    Option(
        "--lend",
        group=Group.QUOTAS,
        choices=LENDS,
        default="none",
        help="prompts pass layer by layer; who lends slots to the one in flight (default: none)",
    ),
)


def traffic_of(args: argparse.Namespace) -> dict[str, Any]:
    """Return the rules of traffic, and who lends, as options of ``replay``; nothing where they are plain."""
    rules = rules_of(args)
    lent = {} if args.lend == "none" else {"lend": args.lend}
    if lent and (args.optimum or args.workers > 1 or args.sample is not None):
        raise ParameterError("--lend changes the order of requests: it goes without --optimum, --workers and --sample")
    if args.optimum == "forced" and (args.admission == "bypass" or not rules.plain):
        what = "--admission bypass, which may drop loads" if rules.plain else "rules of traffic, which drop loads"
        raise ParameterError(f"--optimum forced is no bound under {what}; --optimum bypass is one")
    if rules.plain:
        return lent
    if args.workers > 1 or args.sample is not None:
        raise ParameterError("rules of traffic go without --workers and --sample")
    return {"traffic": rules, **lent}


def quotas_of(
    trace: Trace | LongTrace, specs: Sequence[PolicySpec], options: dict[str, Any], args: argparse.Namespace
) -> dict[tuple[str, int], Any]:
    """Return the quotas by policy and slots; empty where layers share evenly, or one pool.

    Values are of type ``Split``, or a tuple of int where they are given.
    """
    if args.quotas != "best" and (args.floor != 0 or args.ceiling is not None):
        raise ParameterError("--floor and --ceiling go with --quotas best")
    if args.quotas is None:
        return {}
    if args.workers > 1 or args.sample is not None or args.over_time:
        raise ParameterError("--quotas go without --workers, --sample and --over-time")
    if args.quotas != "best":
        given, sized = _given(args.quotas)
        if (args.slots if sized else args.bytes) is not None:
            raise ParameterError(
                "--quotas with a unit are bytes, and without one slots: give --bytes with 96MiB,64MiB, or --slots with 48,32"
            )
        if sized and trace.page_bytes is None:
            raise ParameterError(
                "--quotas in bytes need a trace with expert_bytes; this one has none (use --quotas without a unit, in slots, "
                "or --expert-bytes)"
            )
        if sized:
            args.bytes = args.bytes or [sum(given)]
        else:
            args.slots = args.slots or [sum(given)]
        return {(spec.name, budget): given for spec in specs for budget in args.slots or args.bytes}
    if isinstance(trace, LongTrace):
        raise ParameterError("--quotas best needs the whole trace; it does not go with --stream")
    if args.slots is None:
        each = one_size(trace)
        same = "experts differ in size" if each is None else f"they hold {' '.join(str(b // each) for b in args.bytes)}"
        raise ParameterError(f"--quotas best splits slots: give --slots, not --bytes ({same})")
    from ..engine.quotas import best_split, layer_curves

    found: dict[tuple[str, int], Any] = {}
    for spec in specs:
        curves = layer_curves(trace, spec, Rules(**options), seed=args.seed)
        found |= {(spec.name, slots): best_split(curves, slots, args.floor, args.ceiling) for slots in args.slots}
    return found


def _given(text: str) -> tuple[tuple[int, ...], bool]:
    """Read quotas, from the option or from a file that it names; and whether they are bytes."""
    if re.fullmatch(r"\d[\d.]*[A-Za-z]*(,\d[\d.]*[A-Za-z]*)*", text, re.ASCII):
        return _in_one_unit(text.split(","), "--quotas")
    try:
        data = read_limited(text, QUOTA_FILE)
        if len(data) > QUOTA_FILE:
            raise ValueError(f"longer than {QUOTA_FILE} bytes")
        found = json.loads(data)
    except (OSError, RecursionError, ValueError) as error:
        what = getattr(error, "strerror", None) or error
        raise FormatError(
            f"--quotas must be numbers with commas, best, or a file with a JSON list; {text}: {what}"
        ) from None
    if not isinstance(found, list) or not all((type(n) is int and n >= 0) or isinstance(n, str) for n in found):
        raise FormatError(f'{text}: quotas must be a JSON list of integers of at least 0, or of sizes such as "96MiB"')
    return _in_one_unit([str(n) for n in found], text)


def _in_one_unit(parts: Sequence[str], where: str) -> tuple[tuple[int, ...], bool]:
    """Return quotas and whether they are bytes: all with a unit, or none; 0 goes with both."""
    sized = {not part.isdecimal() for part in parts if part != "0"}
    if len(sized) > 1:
        raise ParameterError(
            f"{where}: quotas must all be slots, or all be bytes with a unit; got {','.join(parts)[:60]}"
        )
    try:
        return tuple(byte_size(part) for part in parts), sized == {True}
    except argparse.ArgumentTypeError as error:
        raise ParameterError(f"{where}: {error}") from None


def prices_of(
    trace: Trace | LongTrace,
    wanted: Sequence[tuple[PolicySpec, int, int]],
    options: dict[str, Any],
    split: Callable[[PolicySpec, int], Quotas],
    args: argparse.Namespace,
) -> list[dict[str, Any]] | None:
    """Return the price of each rule of traffic, by policy and budget, for the first seed; None for a trace in parts."""
    if "traffic" not in options or isinstance(trace, LongTrace):
        return None
    from ..engine.prices import traffic_prices

    rows = []
    for spec, budget, seed in wanted:
        if seed == args.seed:
            size: dict[str, Any] = {"slots": budget} if args.slots else {"budget_bytes": budget}
            rows += traffic_prices(trace, spec, **size, **options, quotas=split(spec, budget), seed=seed)
    return rows


def show_prices(rows: Sequence[dict[str, Any]], seed: int | None) -> None:
    """Print the price of each rule of traffic; ``seed`` is the one of several that they are of."""
    lines = [
        [
            row["policy"],
            row["rule"].replace("_", "-"),
            row["slots"] or row["budget_bytes"],
            row["misses"],
            row["price"],
            percent(row["price"] / (row["misses"] - row["price"])),
            row["kept"],
        ]
        for row in rows
    ]
    columns = ["policy", "rule", "budget", "misses", "price", "price %", "loads kept"]
    title = "price of each rule of traffic alone, against the same policy without rules"
    table(title + _alone(seed), columns, lines, text=2)


def _alone(seed: int | None) -> str:
    return "" if seed is None else f" (seed {seed} alone)"


def show_quotas(found: Sequence[dict[str, Any]], seed: int | None) -> None:
    """Print what the best quotas gain; the quotas themselves are in the JSON; ``seed`` is the one of several that chose them."""
    lines = [
        [row["policy"], row["slots"], row["uniform"], row["misses"], min(row["quotas"]), max(row["quotas"])]
        for row in found
    ]
    columns = ["policy", "slots", "misses, even quotas", "misses, best quotas", "fewest slots", "most slots"]
    table("best quotas, chosen on this very trace (--json names them all)" + _alone(seed), columns, lines)
