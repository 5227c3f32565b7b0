"""``layered-paging evidence``: the sheet that maintainers ask for before they take a policy."""

from __future__ import annotations

import argparse
import shlex
import sys
from typing import Any

from ..analysis.sheet import APART, GATE, evidence_sheet
from ..core.files import write_atomic
from ..core.tables import as_markdown
from ..core.version import __version__
from ..core.words import counted, mib
from ..errors import ParameterError
from ..policies.names import resolve
from . import options as opt
from .clocks import clock_of, clock_options, clock_words, speed
from .common import progress, table
from .options import Group, Option, add, log_options
from .own import typed
from .reading import read_again, trace_of
from .traffic import REFUSES
from .values import positive

__all__ = ["REFUSES", "configure", "markdown", "run", "show"]

TIMED = {"kernel": "compiled replays", "reference": "both in the reference loop, in plain Python"}

EXAMPLES = """examples:
  layered-paging evidence layered_paging/samples/sample.npz \\
      --policy llru --against lru --reset session -o sheet.md

with a file of your own:
  layered-paging evidence trace.npz --policy similar-rounds \\
      --bytes 2GiB 12GiB --gate 5% -o sheet.md
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add(parser, opt.TRACE)
    apart = f"two budgets or more, the largest at least {APART} times the smallest"
    add(
        parser,
        opt.SLOTS(nargs="+", help=f"{apart} (default: 5/4 of what a median token asks for, and half of all experts)"),
        opt.BYTES(nargs="+", help=f"{apart}, such as 2GiB 12GiB"),
        one=True,
    )
    add(
        parser,
        opt.POLICY(required=True, help="the policy proposed"),
        opt.AGAINST(default="lru", help="the policy that is there (default: lru)"),
        Option(
            "--gate", group=Group.INPUT, type=_share, default=GATE, metavar="SHARE",
            help=f"what must be saved at every budget, such as 5%% (default: {100 * GATE:g} %%)",
        ),
        Option(
            "--counter", group=Group.INPUT, type=positive, metavar="N",
            help="the engine's own count of loads under --against, at the smallest budget",
        ),
        opt.RESET,
        opt.PREFILL,
        *clock_options(),
        opt.INTO(help="also write the sheet to a .md file"),
        *log_options(),
        opt.BATCH,
        opt.CHUNK,
    )  # fmt: skip
    parser.epilog = EXAMPLES


def _share(text: str) -> float:
    """Read ``3%`` or ``0.03``; an argparse type."""
    try:
        value = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"must be a share such as 3% or 0.03, below 1; got {text!r}")
    return value


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Replay, and hold what is saved against the gate, which stands before the first replay."""
    if args.output is not None and not args.output.endswith(".md"):
        raise ParameterError(f"--output must end with .md; got {args.output!r}")
    trace = trace_of(args)
    clock = clock_of(args, trace.expert_bytes is not None)
    with progress("budgets", 4, args.json) as advance:
        found = evidence_sheet(
            trace,
            args.policy,
            against=args.against,
            sizes=args.bytes or args.slots,
            sized=args.bytes is not None,
            gate=args.gate,
            reset=args.reset,
            prefill=args.prefill,
            progress=advance,
        )
    answer = {"trace": str(args.trace), "reset": args.reset, "prefill": args.prefill, **found.to_dict()}
    answer |= {"random": [n for n in dict.fromkeys((found.policy, found.against)) if resolve(n).randomized], "seed": 0}
    for one in [*answer["compared"], *answer["hot"]]:
        one["policy_speed"] = speed(clock, one["misses"], one["bytes"], found.tokens)
        one["against_speed"] = speed(clock, one["against"], one["against_bytes"], found.tokens)
    answer |= {"counter": args.counter, "version": __version__, "command": _command(args, answer)}
    if args.output is not None:
        write_atomic(args.output, markdown({**answer, **_unit(args)}).encode())
    return {**answer, **_unit(args)}


def _unit(args: argparse.Namespace) -> dict[str, str]:
    return {"unit": "token" if args.batch_size is None else "step"}


def _command(args: argparse.Namespace, answer: dict[str, Any]) -> str:
    """Return the command that gives the same counts again, every choice spelt out."""
    words = ["layered-paging", "evidence", str(args.trace)]
    words += ["--policy", typed(args, args.policy), "--against", typed(args, args.against)]
    words += ["--bytes" if answer["sized"] else "--slots", *(str(one["size"]) for one in answer["compared"])]
    words += ["--gate", f"{100 * args.gate:.15g}%", "--reset", args.reset, "--prefill", args.prefill]
    words += [] if args.counter is None else ["--counter", str(args.counter)]
    words += clock_words(args)
    return shlex.join([*words, *read_again(args)])


HEAD = ("budget", "policy", "loads per {unit}", "MiB per {unit}", "hits %", "{what} saved %", "gap to optimum closed %")


def _rows(answer: dict[str, Any], *, exact: bool = False) -> tuple[list[str], list[list[Any]]]:
    """Return head and rows of the table: two policies and the optimum at each budget, in words or as an exact number."""
    sized = answer["compared"][0]["bytes"] is not None
    timed = answer["compared"][0]["policy_speed"]["tokens_per_second"] is not None
    unit, what = answer["unit"], "bytes" if sized else "loads"
    head = [column.format(unit=unit, what=what) for column in HEAD]
    head += [f"{unit}s per second"] if timed else []
    head[0] += f" in {'bytes' if answer['sized'] else 'slots'}" if exact else ""
    rows = []
    for one in [*answer["compared"], *answer["hot"]]:
        budget = one["size"] if exact else _size(one, answer)
        for name, misses, pace in (
            (answer["against"], one["against"], one["against_speed"]),
            (answer["policy"], one["misses"], one["policy_speed"]),
        ):
            line: list[Any] = [budget, name, *_per(pace), _percent(1 - misses / answer["requests"], 2)]
            proposed = name == answer["policy"]
            line += [_saved(one["saved"]) if proposed else "-", _percent(one["closed"], 1) if proposed else "-"]
            rows.append(line + ([f"{pace['tokens_per_second']:.2f}"] if timed else []))
        least = f"optimum{'' if one['optimum_how'] == 'exact' else ', at least'}"
        loads = one["optimum"] / answer["tokens"]
        hits = _percent(1 - one["optimum"] / answer["requests"], 2)
        rows.append([budget, least, f"{loads:.3f}", "-", hits, "-", "-", *(["-"] if timed else [])])
    if not sized:
        at = head.index(f"MiB per {unit}")
        head, rows = head[:at] + head[at + 1 :], [row[:at] + row[at + 1 :] for row in rows]
    return head, rows


def _size(one: dict[str, Any], answer: dict[str, Any]) -> str:
    from ..plan.words import size_words

    return size_words(one["size"], answer["sized"])


def _per(pace: dict[str, Any]) -> list[str]:
    each = pace["bytes_per_token"]
    return [f"{pace['loads_per_token']:.3f}", "-" if each is None else mib(each)]


def _percent(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{100 * value:.{digits}f}"


def _saved(saved: dict[str, Any]) -> str:
    half = saved["half"]
    return f"{100 * saved['mean']:.2f}" if half is None else f"{100 * saved['mean']:.2f} ± {100 * half:.2f}"


def _gate(answer: dict[str, Any]) -> str:
    what = "bytes" if answer["compared"][0]["bytes"] is not None else "loads"
    return (
        f"Gate, fixed before the first replay: at each of {counted(len(answer['compared']), 'budget')} {answer['policy']} saves at "
        f"least {100 * answer['gate']:.15g} % of the {what} of {answer['against']}, at the lower end of a 95 % interval over distinct "
        "sessions; it loses no such share where nearly everything fits, and nothing where everything does."
    )


def _result(answer: dict[str, Any]) -> str:
    if answer["verdict"] == "none":
        copies = "" if answer["sessions"] == 1 else f" ({answer['sessions']} sessions, all the same)"
        seen = "; ".join(
            f"{100 * one['saved']['mean']:.2f} % at {_size(one, answer)}, in {one['saved']['better_blocks']} of "
            f"{one['saved']['blocks']} blocks of rounds"
            for one in answer["compared"]
        )
        return (
            f"No verdict: this is one session's worth of evidence{copies}. Seen in it: {seen}. Record other sessions."
        )
    if answer["inverted"]:
        return f"Gate missed: {answer['policy']} is worse than {answer['against']} where there is room for nearly everything."
    named = {"met": "meets the gate", "missed": "misses it", "open": "is open"}
    by_budget = "; ".join(
        f"{_size(one, answer)}: {named[one['outcome']]} ({_saved(one['saved'])} %)" for one in answer["compared"]
    )
    lead = {"met": "Gate met", "missed": "Gate missed", "open": "Open: record more sessions"}[answer["verdict"]]
    return f"{lead}. {by_budget}."


def _notes(answer: dict[str, Any]) -> list[str]:
    policy, against, first = answer["policy"], answer["against"], answer["compared"][0]
    sized = "bytes, exact in the command below" if answer["sized"] else "slots"
    copies = "" if answer["distinct"] == answer["sessions"] else f", {answer['distinct']} of them distinct"
    better = ", ".join(f"{one['saved']['better']} at {_size(one, answer)}" for one in answer["compared"])
    hot = answer["hot"][-1]
    same = "the same" if hot["misses"] == hot["against"] else "not the same"
    notes = [
        f"Budgets are {sized}, in one pool for all layers; events are atomic and stay until they end; reset {answer['reset']}, "
        f"prefill {answer['prefill']}.",
        f"Trace: {counted(answer['tokens'], answer['unit'])}, {counted(answer['requests'], 'request')}, "
        f"{counted(answer['sessions'], 'session')}{copies}; contents {answer['digest']}.",
        *(
            f"Nearly everything fits at {_size(one, answer)}: {policy} saves {_saved(one['saved'])} %."
            for one in answer["hot"][:-1]
        ),
        f"Everything fits at {_size(hot, answer)}: {policy} loads {counted(hot['misses'], 'expert')}, {against} {hot['against']:,}, {same}.",
        f"State: {policy} keeps {counted(answer['state'], 'word')} of 64 bits, {against} {answer['against_state']:,} (reference classes, after "
        f"{counted(answer['state_rounds'], 'round')} at the smallest budget).",
        f"Cost: {policy} takes {answer['nanoseconds']:,.0f} ns of CPU time per event, {against} {answer['against_nanoseconds']:,.0f} ns "
        f"({TIMED[answer['timed']]} at the smallest budget, on this machine; an engine has its own).",
        "The optimum knows the future: no policy loads less. The figures are optimistic if the policy was chosen on this trace.",
    ]
    if answer["random"]:
        drawn = " and ".join(answer["random"])
        notes.insert(2, f"Random: {drawn}; every figure is of seed {answer['seed']} alone.")
    if answer["distinct"] > 1:
        notes.insert(2, f"Distinct sessions in which {policy} is better: {better}.")
    else:
        halves = ", ".join(
            f"{100 * one['saved']['mean']:.2f} ± {100 * (one['saved']['half_blocks'] or 0):.2f} % at {_size(one, answer)}"
            for one in answer["compared"]
        )
        notes.insert(2, f"Over blocks of this session: {halves}. Such an interval says nothing of another session.")
    if answer["counter"] is not None:
        off = first["against"] - answer["counter"]
        said = "equal" if off == 0 else f"{off:+,} here, {100 * off / answer['counter']:+.2f} %"
        notes.append(
            f"The engine counts {answer['counter']:,} loads under {against} at {_size(first, answer)}; this replay {first['against']:,}: {said}."
        )
    return notes


def markdown(answer: dict[str, Any]) -> str:
    """Return the sheet for a pull request."""
    head, rows = _rows(answer)
    listed = "\n".join(f"- {note}" for note in _notes(answer))
    lines = as_markdown(head, rows).splitlines()
    lines[1] = "|---:|---|" + "---:|" * (len(head) - 2)
    right = "\n".join(lines) + "\n"
    return (
        f"## {answer['policy']} against {answer['against']}\n\n{_gate(answer)}\n\n**{_result(answer)}**\n\n{right}\n{listed}\n\n"
        f"Counted again by layered-paging {answer['version']}:\n\n```console\n$ {answer['command']}\n```\n"
    )


def show(answer: dict[str, Any], args: argparse.Namespace) -> None:
    """Print the sheet; its table alone for --format csv or tex."""
    if args.format == "table":
        print(markdown(answer), end="")
        if args.output is not None:
            print(f"the sheet is written to {args.output}", file=sys.stderr)
    else:
        table("", *_rows(answer, exact=True), text=2)
