"""``layered-paging profile``: make, show, export, merge, compare and judge profiles of expert use, and find drift."""

from __future__ import annotations

import argparse
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..core.cutting import sessions_where
from ..core.words import counted
from ..errors import ParameterError
from ..formats.counts import is_counts, read_counts, write_counts
from ..profiles.drift import drift
from ..profiles.profile import Profile, compare, merge
from ..profiles.value import WINDOWS, worth
from . import options as opt
from .common import percent, progress, table
from .options import Group, Option, add, log_options
from .parsing import add_manners, sentence
from .reading import trace_of
from .values import positive

EXAMPLES = """examples:
  layered-paging profile make layered_paging/samples/sample.npz -o hot.json
  layered-paging profile show hot.json
  layered-paging profile export hot.json --mask 4 -o pinned.npy
  layered-paging profile drift layered_paging/samples/sample.npz hot.json
  layered-paging profile judge layered_paging/samples/sample.npz \\
      --slots 48 --key category

with files of your own:
  layered-paging profile make trace.npz -o italian.json \\
      --where language=it --half-life 500
  layered-paging profile merge italian.json german.json -o both.json
  layered-paging profile compare italian.json german.json --top 8
"""
HOT = 8  # hottest experts shown a layer


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions and their options."""
    actions = parser.add_subparsers(title="actions", dest="action", metavar="ACTION", required=True)

    def action(name: str, text: str, *options: Option) -> argparse.ArgumentParser:
        sub = actions.add_parser(name, help=text, description=sentence(text), add_help=False)
        add(sub, *options)
        add_manners(sub, below=True)
        return sub

    held = Option("profile", group=Group.INPUT, help="a profile file")
    several = Option("profiles", group=Group.INPUT, nargs="+", metavar="PROFILE", help="profile files")
    made = opt.INTO(required=True, help="the profile to write")
    action(
        "make", "learn a profile from a trace",
        opt.TRACE,
        opt.COUNTS(help="the file holds counts: an .npy of layers x experts"),
        opt.WHERE,
        opt.HALF_LIFE(help="uses fade by half in N tokens (default: never)"),
        opt.WINDOW(group=Group.INPUT, help="only the last N tokens"),
        Option("--model", group=Group.OUTPUT, metavar="NAME", help="name of the model (default: as the trace says)"),
        made,
        *log_options(),
    )  # fmt: skip
    action("show", "what a profile holds", held)
    out = action(
        "export", "write counts or hot experts for an engine that pins them",
        held,
        opt.INTO(required=True, help="the file to write"),
    )  # fmt: skip
    add(
        out,
        Option("--coli", group=Group.OUTPUT, action="store_true", help="counts as .coli_usage of colibri"),
        opt.COUNTS(group=Group.OUTPUT, help="an .npy of counts, layers x experts"),
        Option(
            "--mask", group=Group.OUTPUT, sets=["slots"], type=positive, metavar="N",
            help="an .npy of booleans: the N hottest experts of a layer",
        ),
        one=True,
        required=True,
    )  # fmt: skip
    action(
        "merge", "add profiles of one model up",
        several,
        Option(
            "--weights", group=Group.INPUT, nargs="+", type=float, metavar="W", help="one for each profile (default: 1)"
        ),
        made,
    )  # fmt: skip
    action("compare", "overlap of hot experts and Jensen-Shannon distance, by layer", several(nargs=2), opt.TOP)
    action(
        "drift", "blocks of a trace that a profile no longer fits",
        opt.TRACE,
        held,
        opt.WINDOW(group=Group.INPUT, default=64, help="tokens of a block (default: 64)"),
        opt.TOP,
        *log_options(),
    )  # fmt: skip
    action(
        "judge", "what profiles of other sessions buy, session by session",
        opt.TRACE(help="a trace file whose sessions have items"),
        opt.SLOTS(required=True),
        Option(
            "--key", group=Group.INPUT, default="dataset", metavar="KEY",
            help="what makes sessions alike (default: dataset)",
        ),
        Option(
            "--changed", group=Group.INPUT, action="store_true",
            help="each session follows one of another kind, without a reset",
        ),
        opt.HALF_LIFE(default=32, help="of lfu-decay (default: 32)"),
        opt.POOL(default="per-layer", help="one pool of slots, or a quota for each layer (default: per-layer)"),
        *log_options(),
    )  # fmt: skip
    parser.epilog = EXAMPLES


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Do the action."""
    match args.action:
        case "make":
            if args.counts or (args.trace != "-" and is_counts(args.trace)):
                return _made_of_counts(args)
            trace = trace_of(args)
            if args.where:
                trace = trace.select(sessions_where(trace, args.where))
            made = Profile.of(
                trace, half_life=args.half_life, window=args.window, name=Path(args.trace).name, model=args.model
            )
            made.save(args.output)
            return {"action": "make", "output": args.output, **_summary(made)}
        case "export":
            profile = Profile.load(args.profile)
            way = "coli" if args.coli else "mask" if args.mask else "counts"
            write_counts(profile, args.output, way, args.mask)
            return {"action": "export", "output": args.output, "as": way, **_summary(profile)}
        case "show":
            return {"action": "show", "profile": args.profile, **_summary(Profile.load(args.profile))}
        case "merge":
            whole = merge([Profile.load(path) for path in args.profiles], args.weights)
            whole.save(args.output)
            return {"action": "merge", "output": args.output, **_summary(whole)}
        case "compare":
            one, other = (Profile.load(path) for path in args.profiles)
            got = compare(one, other, top=args.top)
            rows = [
                {"layer": j, "overlap": a, "distance": None if math.isnan(b) else b}
                for j, (a, b) in enumerate(zip(got.overlap.tolist(), got.distance.tolist(), strict=True))
            ]
            known = [row["distance"] for row in rows if row["distance"] is not None]
            return {
                "action": "compare",
                "top": args.top,
                "overlap": float(got.overlap.mean()),
                "distance": sum(known) / len(known) if known else None,
                "layers": rows,
            }
        case "judge":
            return _judge(args)
        case _:
            blocks = drift(trace_of(args), Profile.load(args.profile), window=args.window, top=args.top)
            judged = [b for b in blocks if b.before is not None]
            return {
                "action": "drift",
                "window": args.window,
                "blocks": [vars(b) for b in blocks],
                "judged": len(judged),
                "drifted": sum(b.drifted for b in judged),
            }


def _made_of_counts(args: argparse.Namespace) -> dict[str, Any]:
    """Make a profile of counts, which need no trace."""
    given = [name for name in ("where", "half_life", "window") if getattr(args, name)]
    if given:
        raise ParameterError(f"--{given[0].replace('_', '-')} needs a trace; {args.trace} holds counts")
    made = read_counts(args.trace, args.log_n_experts, args.log_top_k)
    made = replace(made, model=args.model)
    made.save(args.output)
    return {"action": "make", "output": args.output, **_summary(made)}


def _judge(args: argparse.Namespace) -> dict[str, Any]:
    trace = trace_of(args)
    options = {"pool": args.pool, "key": args.key, "changed": args.changed, "half_life": args.half_life}
    with progress("judge", len(trace.sessions), getattr(args, "json", False)) as advance:
        got = worth(trace, args.slots, **options, progress=lambda done, total: advance(done))
    rows = []
    for one in got.outcomes:
        row: dict[str, Any] = {"method": one.method, "trained_on": one.trained_on, "sessions": len(one.sessions)}
        for window in WINDOWS:
            values = [x for x in one.hit_rate[window].tolist() if x == x]
            row[window] = sum(values) / len(values) if values else None
            gain = one.gain(got.of("lfu-decay", "nothing"), window) if values else None
            row[f"{window}_gain"], row[f"{window}_low"], row[f"{window}_high"] = gain or (None, None, None)
        rows.append(row)
    return {"action": "judge", "trace": args.trace, "slots": args.slots, **options, "rows": rows}


def _summary(profile: Profile) -> dict[str, Any]:
    rows = []
    for j, rate in enumerate(profile.rates):
        order = profile.hottest(j, HOT)
        total = float(profile.counts[j].sum())
        share = float(profile.counts[j][order].sum()) / total if total else 0.0
        rows.append(
            {
                "layer": j,
                "experts": len(rate),
                "used": int((rate > 0).sum()),
                "hottest": order,
                "share_of_hottest": share,
            }
        )
    return {
        "model": profile.model,
        "learnt": profile.learnt,
        "events": profile.events.tolist(),
        "sources": list(profile.sources),
        "layers": rows,
    }


def show(answer: dict[str, Any], args: argparse.Namespace) -> None:
    """Print the answer as tables."""
    rows: list[tuple[Any, ...]]
    match answer["action"]:
        case "compare":
            rows = [(row["layer"], percent(row["overlap"]), _three(row["distance"])) for row in answer["layers"]]
            rows.append(("mean", percent(answer["overlap"]), _three(answer["distance"])))
            table(f"hot sets of {answer['top']}", ["layer", "overlap %", "distance"], rows)
        case "judge":
            columns = ["method", "profile of", "sessions"]
            for window in WINDOWS:
                columns += [f"{window} %", "gain", "interval"]
            rows = [
                (row["method"], row["trained_on"], row["sessions"], *(cell for w in WINDOWS for cell in _gain(row, w)))
                for row in answer["rows"]
            ]
            words = "after a session of another kind" if answer["changed"] else "each session anew"
            table(
                f"{counted(answer['slots'], 'slot')}, {answer['pool']}, {words}; gains over lfu-decay in points, 95 %",
                columns,
                rows,
                text=2,
            )
        case "drift":
            rows = [
                (b["session"], b["first"], _three(b["distance"]), _three(b["before"]), percent(b["covered"]),
                 percent(b["covered_before"]), "drifted" if b["drifted"] else "")
                for b in answer["blocks"]
            ]  # fmt: skip
            table(
                f"blocks of {counted(answer['window'], 'token')}: to the profile, and to the block before",
                ["session", "first", "distance", "before", "covered %", "before %", ""],
                rows,
            )
            print(
                f"further from the profile than from their past: {answer['drifted']} of {counted(answer['judged'], 'block')}"
            )
        case _:
            if "output" in answer:
                print(f"{answer['output']}: written")
            learnt = ", ".join(f"{k} {v}" for k, v in answer["learnt"].items() if v is not None) or "all events alike"
            model = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in (answer["model"] or "not named")[:200])
            print(f"model {model}; {learnt}; from {counted(len(answer['sources']), 'source')}")
            rows = [
                (
                    row["layer"],
                    row["used"],
                    row["experts"],
                    percent(row["share_of_hottest"]),
                    " ".join(map(str, row["hottest"])),
                )
                for row in answer["layers"]
            ]
            table("", ["layer", "used", "experts", f"share of the {HOT} hottest, %", "hottest"], rows)


def _gain(row: dict[str, Any], window: str) -> tuple[str, str, str]:
    if row[window] is None:
        return "-", "-", "-"
    low, mean, high = (100 * row[f"{window}_{end}"] for end in ("low", "gain", "high"))
    return percent(row[window]), f"{mean:+.2f}", f"{low:+.2f}..{high:+.2f}"


def _three(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
