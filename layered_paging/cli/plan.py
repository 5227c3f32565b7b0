"""``layered-paging plan``: from a trace to a decision in tokens per second."""

from __future__ import annotations

import argparse
import re
from typing import Any

from ..errors import ParameterError
from . import options as opt
from .clocks import clock_of, clock_options
from .common import progress, table
from .options import Group, Option, add, log_options
from .reading import trace_of
from .traffic import TRAFFIC, rules_of
from .values import byte_size

EXAMPLES = """examples:
  layered-paging plan layered_paging/samples/sample.npz \\
      --bytes 2MiB --reset session
  layered-paging plan layered_paging/samples/sample.npz \\
      --slots 48 --target 80%hits

with a file of your own:
  layered-paging plan trace.npz --bytes 8GiB --target 15tok/s \\
      --measured "6GiB:9.8 8GiB:12.1 12GiB:16.0"
  layered-paging plan trace.npz --bytes 8GiB --compute 20ms \\
      --bandwidth 2GB --engine llama.cpp
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add(parser, opt.TRACE)
    add(
        parser,
        opt.BYTES(help="the budget in use, such as 8GiB"),
        opt.SLOTS(help="the budget in use, in slots"),
        one=True,
    )
    add(
        parser,
        opt.POLICY(sets=["using"], default="lru", help="the policy in use (default: lru)"),
        opt.AGAINST(
            sets=["policies"],
            nargs="+",
            help="policies to try beside it (default: lru llru lfu-decay slru similar-rounds)",
        ),
        opt.ENGINE,
        Option("--target", group=Group.INPUT, metavar="T", help="smallest memory for 15tok/s, or for 80%%hits"),
        opt.POOL,
        opt.RESET,
        opt.PREFILL,
        *TRAFFIC,
        *clock_options(measured=True),
        *log_options(),
        opt.BATCH,
        opt.CHUNK,
    )
    parser.epilog = EXAMPLES


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Return the plan."""
    from ..plan import plan
    from ..plan.answers import POLICIES
    from ..plan.several import sentence, several

    if args.batch_size is not None and (args.measured is not None or "tok/s" in (args.target or "")):
        raise ParameterError(
            "tokens per second do not go with --batch: they can be of all requests together, or of each "
            "(give --compute per step; --target in %hits)"
        )
    rules = rules_of(args)
    trace = trace_of(args)
    clock = clock_of(args)
    sized = False if args.slots is not None else True if args.bytes is not None else trace.page_bytes is not None
    with progress("replaying", 0, args.json) as tick:
        found = plan(
            trace,
            size=args.slots if args.slots is not None else args.bytes,
            sized=sized,
            using=args.policy,
            policies=args.against or (POLICIES if args.engine is None else ()),
            engine=args.engine,
            clock=clock,
            measured=[] if args.measured is None else measured(args.measured, sized),
            overlap=args.overlap,
            target=None if args.target is None else target(args.target),
            pool=args.pool,
            reset=args.reset,
            prefill=args.prefill,
            traffic=rules,
            progress=tick,
        )
    answer = {"trace": str(args.trace), **found.to_json(), "traffic": rules.changed()}
    together = several(trace, found, pool=args.pool, traffic=rules) if args.prefill == "token" else None
    answer["several"] = None if together is None else together.to_json()
    if together is not None:
        answer["sentences"].append(sentence(together, found))
    return answer if args.batch_size is None else in_steps(answer)


def in_steps(answer: dict[str, Any]) -> dict[str, Any]:
    """Return the answer in words of a batch: what is said of a token holds for a step."""
    answer["sentences"] = [re.sub(r"\btoken(?=s?\b)", "step", line) for line in answer["sentences"]]
    unknown = [line.replace("--measured, or ", "") for line in answer["unknown"] if "--prefill merged" not in line]
    unknown = [line for line in unknown if not line.startswith("There is one session")]
    answer["unknown"] = [
        *unknown,
        "A batch is one run: whether other requests behave alike is not known.",
        "A step serves several requests: its loads and its time are shared by their tokens.",
    ]
    return answer


def measured(text: str, sized: bool) -> list[tuple[int, float]]:
    """Read ``6GiB:9.8 8GiB:12.1``, or ``144:9.8 192:12.1`` where budgets are slots."""
    runs = []
    for part in re.split(r"[\s,]+", text.strip()):
        size, colon, rate = part.partition(":")
        if not colon or not re.fullmatch(r"\d{1,9}(\.\d{1,9})?", rate):
            raise ParameterError(f"--measured must be budgets and tokens per second, as in '6GiB:9.8'; got {part!r}")
        if not sized and not size.isdecimal():
            raise ParameterError(f"--measured must have slots where the budget is slots, as in '144:9.8'; got {part!r}")
        if sized and size.isdecimal():
            raise ParameterError(
                f"--measured must have units where the budget is bytes, as in '6GiB:9.8'; got {part!r}"
            )
        try:
            runs.append((byte_size(size), float(rate)))
        except argparse.ArgumentTypeError as error:
            raise ParameterError(f"--measured: {error}") from None
    return runs


def target(text: str) -> tuple[str, float]:
    """Read ``15tok/s`` or ``80%hits``."""
    found = re.fullmatch(r"\s*(\d{1,9}(?:\.\d{1,9})?)\s*(tok/s|%\s*hits)\s*", text)
    if found is None:
        raise ParameterError(f"--target must be such as 15tok/s or 80%hits; got {text!r}")
    value, hits = float(found[1]), found[2] != "tok/s"
    if not value > 0 or (hits and value > 100):
        most = " and at most 100 %" if hits else ""
        raise ParameterError(f"--target must be above 0{most}, such as 15tok/s or 80%hits; got {text!r}")
    return ("hits", value / 100) if hits else ("rate", value)


def show(answer: dict[str, Any], args: argparse.Namespace) -> None:
    """Print the answers, then the table."""
    from ..plan.words import size_words

    sized = answer["unit"] == "bytes"
    for line in answer["sentences"]:
        print(f"- {line}")
    print()
    names = list(dict.fromkeys(row["policy"] for row in answer["rows"]))
    timed = answer["clock"] is not None
    unit = "step" if "batch" in answer else "token"
    exact = args.format == "csv"  # for programs: nothing is rounded
    cells: dict[int, dict[str, str]] = {}
    for row in answer["rows"]:
        number = row["rate" if timed else "loads"]
        value = str(number) if exact else f"{number:.2f}"
        cells.setdefault(row["budget"] if sized else row["slots"], {})[row["policy"]] = value
    table(
        f"{f'{unit}s per second' if timed else f'loads per {unit}'} by budget",
        (f"budget, {answer['unit']}" if exact else "budget", *names),
        [
            (size if exact else size_words(size, sized), *(found.get(name, "-") for name in names))
            for size, found in sorted(cells.items())
        ],
    )
    print("Not known from this:")
    for line in answer["unknown"]:
        print(f"- {line}")
