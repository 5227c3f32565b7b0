"""``layered-paging prefetch``."""

from __future__ import annotations

import argparse
import shlex
from dataclasses import replace
from typing import Any

import numpy as np

from ..core.cutting import first_rounds, sessions_where
from ..core.layout import merged_prefill
from ..core.rules import RESETS
from ..core.trace import Trace
from ..core.words import counted
from ..errors import ParameterError
from ..formats import load_trace
from ..plot import check_picture, draw_lines, new_figure, save_figure
from ..policies.names import parsed
from ..prefetch.guessing import guesses
from ..prefetch.replay import LOADS, Prefetched, prefetch
from ..prefetch.stall import least_stall
from ..prefetch.timing import TimeModel
from ..profiles.profile import Profile
from . import options as opt
from .common import percent, prefill_note, progress, table
from .options import Group, Option, add, log_options
from .reading import trace_of
from .values import byte_size, positive, seconds

EXAMPLES = """examples:
  layered-paging prefetch layered_paging/samples/sample.npz \\
      --slots 48 --predictor previous markov --first 200 \\
      --layer-compute 500us --bandwidth 2GB --latency 100us

with files of your own, beside the clock:
  layered-paging prefetch trace.npz --slots 192 \\
      --predictor profile --profile italian.json --where language=it ...
  layered-paging prefetch trace.npz --slots 192 \\
      --predictor imported --guesses guessed.npz --staging 8 ...
  layered-paging prefetch trace.npz --slots 192 --sensitivity s.svg \\
      --predictor "oracle(precision=0.8, recall=0.9)" ...
"""
FACTORS = (0.125, 0.25, 0.5, 1, 2, 4, 8)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add(
        parser,
        opt.TRACE,
        opt.SLOTS(nargs="+", required=True),
        Option(
            "--predictor", group=Group.INPUT, nargs="+", default=["previous", "markov"], metavar="P",
            help="popularity, previous, markov, profile, oracle, imported (default: previous markov); "
            "none is always shown",
        ),
        opt.POLICY(default="lru", help="what gives way (default: lru)"),
        opt.WHERE,
        opt.FIRST(help="only the first N rounds of what was chosen"),
        Option(
            "--train-where", group=Group.INPUT, dest="train", nargs="+", default=[], metavar="KEY=VALUE",
            help="sessions that teach the predictor",
        ),
        opt.PROFILE(help="for the predictor 'profile'"),
        Option(
            "--guesses", group=Group.INPUT, metavar="FILE",
            help="for 'imported': a trace file whose experts are the guesses",
        ),
        opt.POOL,
        opt.PREFILL,
        opt.RESET(choices=RESETS[:2], help="what is emptied at each session: nothing, or cache and policy (default: never)"),
        opt.SEED,
        Option(
            "--width", group=Group.GUESSES, type=positive, metavar="N",
            help="guesses for an event (default: the trace's top_k)",
        ),
        Option(
            "--least", group=Group.GUESSES, type=float, default=0.0, metavar="P",
            help="guess only above this score (default: 0)",
        ),
        Option(
            "--budget", group=Group.GUESSES, type=int, metavar="N", help="guesses loaded per event at most (default: all)"
        ),
        Option(
            "--distance", group=Group.GUESSES, type=positive, default=1, metavar="N", help="layers ahead (default: 1)"
        ),
        Option(
            "--staging", group=Group.GUESSES, type=int, default=0, metavar="N",
            help="slots of a buffer of their own for guesses (default: 0)",
        ),
        opt.LAYER_COMPUTE(required=True),
        opt.BANDWIDTH(required=True, help="bytes per second and channel, such as 2GB"),
        opt.LATENCY(required=True, help="of a read, such as 100us"),
        Option(
            "--channels", group=Group.CLOCK, type=positive, default=1, metavar="N", help="loads at a time (default: 1)"
        ),
        Option("--no-overlap", group=Group.CLOCK, action="store_true", help="no load runs while a layer computes"),
        Option(
            "--read-bytes", group=Group.CLOCK, sets=["chunk"], type=byte_size, metavar="SIZE",
            help="bytes of a read at most (default: an expert)",
        ),
        Option(
            "--hit", group=Group.CLOCK, type=seconds, default=0.0, metavar="TIME",
            help="cost of an expert in memory (default: 0s)",
        ),
        opt.EXPERT_BYTES(group=Group.CLOCK, dest="expert_bytes", help="bytes of each expert, where the trace has no sizes"),
        Option(
            "--sensitivity", group=Group.OUTPUT, metavar="FILE",
            help="draw tokens per second against bandwidth and compute time",
        ),
        Option(
            "--least-stall", group=Group.OUTPUT, nargs="?", const="", metavar="FILE",
            help="bounds on the least stall of any schedule (small cases); FILE gets the certificate of the last slots",
        ),
        *log_options("--expert-bytes"),
    )  # fmt: skip
    parser.epilog = EXAMPLES


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Replay every predictor at every number of slots."""
    if args.sensitivity:
        check_picture(args.sensitivity)
    note, trace, train = _chosen(args)
    time = _clock(args)
    rates = None if args.profile is None else Profile.load(args.profile).check(trace).rates
    said = None if args.guesses is None else load_trace(args.guesses)
    width = args.width or trace.top_k
    tables: dict[str, Any] = {"none": None}
    for name in args.predictor:
        text = _at(name, args.distance)
        tables[text] = guesses(trace, text, width, least=args.least, train=train, rates=rates, imported=said)
    options = {
        "page_bytes": args.expert_bytes,
        "policy": args.policy,
        "distance": args.distance,
        "budget": args.budget,
        "staging": args.staging,
        "pool": args.pool,
        "reset": args.reset,
        "seed": args.seed,
    }
    factors = [f for f in FACTORS if f != 1] if args.sensitivity else []
    rows, lines = [], []
    done = 0
    with progress("prefetch", len(args.slots) * len(tables) * (1 + 2 * len(factors)), args.json) as advance:
        for slots in args.slots:
            for name, table_ in tables.items():
                got = prefetch(trace, table_, slots, time=time, **options)
                rows.append(_row(name, got))
                for kind in ("bandwidth", "compute") if args.sensitivity else ():
                    for factor in FACTORS:
                        other = (
                            got
                            if factor == 1
                            else prefetch(trace, table_, slots, time=_scaled(time, kind, factor), **options)
                        )
                        lines.append(
                            {"predictor": name, "slots": slots, "varied": kind, "factor": factor,
                             "tokens_per_second": other.tokens_per_second, "stall_ns_per_token": other.stall_per_token}
                        )  # fmt: skip
                        done += factor != 1
                done += 1
                advance(done)
    if args.sensitivity:
        _draw(args.sensitivity, lines, list(tables), args.slots, time)
    best = []
    for slots in args.slots if args.least_stall is not None else ():
        found = least_stall(trace, slots, time=time, page_bytes=args.expert_bytes)
        best.append({"slots": slots, "lower_ns": found.lower, "upper_ns": found.upper, "relaxed_ns": found.relaxed})
        if args.least_stall:
            found.certificate.save(args.least_stall)
    return {
        "trace": str(args.trace),
        "rounds": trace.rounds,
        "sessions": len(trace.sessions),
        "requests": trace.requests,
        "time": time.to_json(),
        "options": options | {"width": width, "least": args.least, "where": args.where, "train": args.train},
        "runs": rows,
        "optimum": best,
        "sensitivity": lines,
        "picture": args.sensitivity,
        "note": note,
    }


def _chosen(args: argparse.Namespace) -> tuple[str | None, Trace, Trace | None]:
    """Return what is to be said of prompts, the trace that is replayed, and the one that teaches the predictor."""
    whole = trace_of(args)
    note = prefill_note(whole, args.prefill)
    if args.prefill == "merged":
        if args.guesses:
            raise ParameterError(
                "--guesses are about the trace as it is, event by event; --prefill merged cannot go with it"
            )
        whole = merged_prefill(whole)
    trace = whole.select(sessions_where(whole, args.where)) if args.where else whole
    train = _train(whole, args) if args.train else None
    if args.first is not None and args.first < trace.rounds:
        trace = first_rounds(trace, args.first)
    if args.guesses and args.where:
        raise ParameterError("--guesses are about the whole trace, event by event; --where cannot go with it")
    if args.least_stall is not None and (
        args.pool != "shared" or (args.reset == "session" and len(trace.sessions) > 1)
    ):
        raise ParameterError("--least-stall is for one shared pool that is never reset")
    return note, trace, train


def _clock(args: argparse.Namespace) -> TimeModel:
    return TimeModel(
        compute=_ns("--layer-compute", args.layer_compute),
        bandwidth=args.bandwidth,
        latency=_ns("--latency", args.latency),
        channels=args.channels,
        overlap=not args.no_overlap,
        chunk=args.read_bytes,
        hit=_ns("--hit", args.hit),
    )


def _train(whole: Trace, args: argparse.Namespace) -> Trace:
    chosen = sessions_where(whole, args.train)
    used = set(sessions_where(whole, args.where)) if args.where else set(range(len(whole.sessions)))
    both = sorted(used & set(chosen))
    if both:
        raise ParameterError(f"--train-where and --where must choose different sessions; both have {both[:8]}")
    return whole.select(chosen)


def _at(name: str, distance: int) -> str:
    """Return the predictor's text; a Markov chain looks as far ahead as the replay does."""
    base, params = parsed("predictor", name)
    if base != "markov" or "distance" in params:
        if base == "markov" and params["distance"] < distance:
            raise ParameterError(
                f"{name} needs what is known {counted(params['distance'], 'layer')} before; --distance is {distance}"
            )
        return name
    return f"markov({', '.join(f'{k}={v!r}' for k, v in {'distance': distance, **params}.items())})"


def _ns(name: str, time: float) -> int:
    if time > 1e6:
        raise ParameterError(f"{name} must be at most 10^6 s; got {time} s")
    return round(time * 1e9)


def _scaled(time: TimeModel, kind: str, factor: float) -> TimeModel:
    if kind == "bandwidth":
        return _with(time, bandwidth=max(1, round(time.bandwidth * factor)))
    assert isinstance(time.compute, int)
    return _with(time, compute=round(time.compute * factor))


def _with(time: TimeModel, **changes: Any) -> TimeModel:
    return replace(time, **changes)


def _row(name: str, got: Prefetched) -> dict[str, Any]:
    return {
        "predictor": name,
        "policy": got.policy,
        "slots": got.slots,
        "requests": got.requests,
        "hits": got.hits,
        "staged": got.staged,
        "misses": got.misses,
        "hit_rate": got.hit_rate,
        "loads": got.loads,
        "bytes_loaded": got.bytes_loaded,
        "refused": got.refused,
        "skipped": got.skipped,
        "stall_ns_per_token": got.stall_per_token,
        "tokens_per_second": got.tokens_per_second,
        "guess_precision": got.guess_precision,
        "guess_recall": got.guess_recall,
        "cache_precision": got.cache_precision,
        "cache_recall": got.cache_recall,
    }


def _draw(path: str, lines: list[dict[str, Any]], names: list[str], slots: list[int], time: TimeModel) -> None:
    figure = new_figure(9, 3.8)
    for axes, kind in zip(figure.subplots(1, 2, sharey=True), ("bandwidth", "compute"), strict=True):
        series = {
            name if len(slots) == 1 else f"{name}, {counted(s, 'slot')}": [
                row["tokens_per_second"]
                for row in lines
                if (row["predictor"], row["slots"], row["varied"]) == (name, s, kind)
            ]
            for s in slots
            for name in names
        }
        unit = (
            f"{time.bandwidth / 1e9:g} GB/s" if kind == "bandwidth" else f"{np.mean(time.compute) / 1e3:g} us a layer"
        )
        draw_lines(
            axes,
            FACTORS,
            series,
            xlabel=f"{kind}, times {unit}",
            ylabel="tokens per second",
            log="xy",
            legend=kind == "compute",
        )
    save_figure(figure, path)


def show(answer: dict[str, Any], args: argparse.Namespace) -> None:
    """Print what each predictor gains."""
    rows = [
        (
            row["predictor"], row["slots"], percent(row["hit_rate"]), f"{row['stall_ns_per_token'] / 1e6:.3f}",
            "-" if row["tokens_per_second"] is None else f"{row['tokens_per_second']:.3f}",
            percent(row["guess_precision"]), percent(row["guess_recall"]), percent(row["cache_precision"]),
            *(row["loads"][kind] for kind in LOADS), row["skipped"] + row["refused"],
        )
        for row in answer["runs"]
    ]  # fmt: skip
    time = ", ".join(f"{key} {value}" for key, value in answer["time"].items())
    table(
        f"{args.policy}, {args.pool}, reset {args.reset}; {time}",
        ["predictor", "slots", "ready %", "stall ms", "tokens/s" if args.prefill == "token" else "rounds/s", "precision %", "recall %", "cache prec. %",
         *(kind.replace("_", " ") for kind in LOADS), "not loaded"],
        rows,
    )  # fmt: skip
    for row in answer["optimum"]:
        low, high = (row[key] / 1e6 / answer["rounds"] for key in ("lower_ns", "upper_ns"))
        print(
            f"{counted(row['slots'], 'slot')}: any schedule stalls at least {low:.3f} ms per token; one stalls {high:.3f}"
        )
    if answer["note"]:
        print(answer["note"])
    if args.least_stall:
        part = [] if args.first is None else ["--first", str(args.first)]
        part += ["--where", *args.where] if args.where else []
        part += ["--prefill", args.prefill] if args.prefill != "token" else []
        words = ["layered-paging", "check", args.least_stall, "--trace", args.trace, *part]
        print(f"{args.least_stall}: written; {' '.join(map(shlex.quote, words))}")
    if args.sensitivity:
        print(f"{args.sensitivity}: written")
