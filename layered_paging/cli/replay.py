"""``layered-paging replay``."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ..analysis.losses import one_size
from ..core.instance import integer
from ..core.layout import capacities, lay_out
from ..core.parts import LongTrace
from ..core.rules import Budget, Rules
from ..core.stats import mean_interval
from ..core.trace import Trace, layer_names
from ..core.words import counted
from ..engine.run import Run, replay
from ..errors import ParameterError
from ..formats import load_trace
from ..policies.forecast import Forecast
from ..policies.names import resolve
from ..policies.spec import PolicySpec
from . import options as opt
from . import over_time, tiers
from .clocks import clock_of, clock_options, paced, speed
from .common import percent, progress, table
from .options import Group, Option, add, log_options
from .reading import open_or_load, reading_of
from .traffic import (
    LENDING,
    TRAFFIC,
    Quotas,
    prices_of,
    quotas_of,
    show_prices,
    show_quotas,
    traffic_of,
)
from .values import positive

EXAMPLES = """examples:
  layered-paging replay layered_paging/samples/sample.npz \\
      --slots 24 48 --policy lru llru --reset session --optimum forced
  layered-paging replay layered_paging/samples/sample.npz \\
      --bytes 2MiB --policy lru "lfu-decay(half_life=8)" --over-time
  layered-paging replay layered_paging/samples/sample.npz \\
      --slots 48 --policy marking --repeat 5 --seed 1
  layered-paging replay layered_paging/samples/sample.npz \\
      --slots 48 --policy lru llru guard --predictions markov
  layered-paging replay layered_paging/samples/sample.npz \\
      --slots 48 --policy lru lfu --quotas best --floor 4
  layered-paging replay layered_paging/samples/sample.npz \\
      --slots 48 --policy lru --bypass-above 32 --evict-after 2

with files of your own:
  layered-paging replay trace.npz --bytes 2GiB --compute 20ms --bandwidth 2GB
  layered-paging replay trace.npz --slots 192 --profile hot.json --pin 96
  layered-paging replay log.parquet --stream --slots 192 --reset session \\
      --sample 200
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add(parser, opt.TRACE)
    add(
        parser,
        opt.SLOTS(nargs="+", help="total slots, one or more numbers"),
        opt.BYTES(nargs="+", help="budgets such as 250MiB or 2GiB"),
        one=True,
    )
    add(
        parser,
        opt.POLICY(nargs="+", default=["lru", "llru"], help="policies (default: lru llru)"),
        Option(
            "--predictions", group=Group.INPUT, metavar="P",
            help="next uses for the policies that take predictions: perfect, noisy:SIGMA, uniform:ROUNDS, inverted "
            "(oracles), or learnt online: popularity, previous, markov, with parameters; NAME@request predicts at "
            "requests only",
        ),
        Option(
            "--train", group=Group.INPUT, needs="--predictions", metavar="TRACE", help="another trace, which learnt predictions observe first"
        ),
        opt.PROFILE(help="also keep the hottest pages of a profile (profile make); its policy is 'static'"),
        Option(
            "--pin", group=Group.INPUT, needs="--profile", nargs="+", type=positive, default=[], metavar="N",
            help="with --profile: also keep only its N hottest pages, and use lru for the rest",
        ),
        opt.POOL(default=None),  # shared, but with quotas, which are of layers
        opt.RESET,
        opt.EACH_EVENT,
        opt.ADMISSION,
        opt.PREFILL,
        opt.TIE,
        opt.OVERSIZE,
        opt.SEED,
        Option(
            "--repeat", group=Group.RULES, type=positive, default=1, metavar="N",
            help="runs of randomized policies, seeds SEED, SEED + 1, ...",
        ),
        Option(
            "--stream", group=Group.SEARCH, action="store_true",
            help="read the file in parts (Parquet, JSON Lines): for traces of any length",
        ),
        opt.WORKERS(needs="--stream", help="with --stream --reset session: processes (default: 1)"),
        Option(
            "--sample", group=Group.SEARCH, needs="--stream", sets=["sessions"], type=positive, metavar="N",
            help="with --stream --reset session: estimate from N sessions",
        ),
        opt.OPTIMUM(choices=("forced", "bypass")),
        opt.BY(choices=("layer", "session"), help="also hits and misses of each layer or session"),
        *over_time.OPTIONS,
        *clock_options(per_token=True),
        *TRAFFIC,
        *LENDING,
        *tiers.OPTIONS,
        *log_options(),
        opt.BATCH,
        opt.CHUNK,
    )  # fmt: skip
    parser.epilog = EXAMPLES
    parser.set_defaults(misused=parser.error)  # a budget can be given in several ways


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Replay every policy at every budget."""
    several = tiers.asked(args)
    if not several and args.slots is None and args.bytes is None and args.quotas in (None, "best"):
        args.misused("give --slots or --bytes, the --quotas of all layers, --tier or --devices")
    if args.quotas is not None and args.pool == "shared":
        raise ParameterError("--quotas are of each layer; they do not go with --pool shared")
    args.pool = args.pool or ("shared" if args.quotas is None else "per-layer")
    traffic = traffic_of(args)
    trace = open_or_load(args, args.stream)
    clock = None if several else clock_of(args, trace.expert_bytes is not None)
    specs = [resolve(name) for name in args.policy] + _pinned(trace, args)
    integer("--seed", args.seed, 0)
    options: dict[str, Any] = {
        name: getattr(args, name) for name in ("pool", "reset", "events", "admission", "prefill", "ties", "oversize")
    } | traffic
    if isinstance(trace, LongTrace):
        if args.predictions is not None or args.train is not None:
            raise ParameterError("--predictions are of a whole trace; they do not go with --stream")
        said = None
    else:
        forecast, said = _predictions(trace, specs, options, args)
        needy = [spec.predicted and spec.predictions is None for spec in specs]
        specs = [replace(spec, predictions=forecast) if n else spec for spec, n in zip(specs, needy, strict=True)]
    if several:
        return tiers.answered(trace, specs, options, args)
    quotas = quotas_of(trace, specs, options, args)
    budgets: Sequence[int] = args.slots or args.bytes
    key = "slots" if args.slots else "budget_bytes"
    wanted = [
        (spec, budget, args.seed + n)
        for budget in budgets
        for spec in specs
        for n in range(args.repeat if spec.randomized else 1)
    ]
    if args.over_time:
        return over_time.answered(trace, wanted, options, args)
    if args.sample is not None:
        return _sampled(trace, wanted, options, args)

    def split(spec: PolicySpec, slots: int) -> Quotas:
        found = quotas.get((spec.name, slots), "uniform")
        given: Quotas = getattr(found, "quotas", found)
        return given

    runs = _runs(trace, wanted, options, split, args)
    rows = []
    for _ in budgets:
        for spec in specs:
            rows.append(_row([next(runs) for _ in range(args.repeat if spec.randomized else 1)], args.by))
    best = [_optimum(trace, key, budget, args, split(specs[0], budget)) for budget in budgets] if args.optimum else None
    for row in rows:
        row |= speed(clock, row["misses"], row["bytes_read"], trace.rounds)
    each = None if isinstance(trace, LongTrace) else one_size(trace)
    for row in best or ():
        row |= speed(clock, row["misses"], None if each is None else row["misses"] * each, trace.rounds)
    return {
        "trace": str(args.trace),
        "rounds": trace.rounds,
        "layers": trace.layers,
        "layer_names": layer_names(trace) if args.by == "layer" else None,
        "sessions": len(trace.starts) if isinstance(trace, LongTrace) else len(trace.sessions),
        "requests": rows[0]["requests"],
        "compulsory": rows[0]["compulsory"],
        "options": Rules(**options).options(),
        "predictions": said,
        "runs": rows,
        "optimum": best,
        "prices": prices_of(trace, wanted, options, split, args),
        "best_quotas": [
            {"policy": name, "slots": slots, **asdict(found)} for (name, slots), found in quotas.items()
        ] if args.quotas == "best" else None,
    }  # fmt: skip


def _pinned(trace: Trace | LongTrace, args: argparse.Namespace) -> list[PolicySpec]:
    """Return the policies that a profile asks for: its hottest pages, or some of them and LRU for the rest."""
    if args.profile is None:
        return []
    import numpy as np

    from ..profiles.profile import Profile

    rates = Profile.load(args.profile).check(trace).page_rates  # type: ignore[arg-type]
    order = np.argsort(rates, kind="stable")
    ranks = np.empty(len(rates), np.int64)
    ranks[order] = np.arange(len(rates))
    found = [replace(resolve(f"static(profile={ranks.tolist()})"), name=f"hottest by {Path(args.profile).name}")]
    for number in args.pin:
        if number > len(rates):
            raise ParameterError(f"--pin must be at most the pages, {len(rates)}; got {number}")
        held = np.where((ranks >= len(rates) - number) & (rates > 0), 1, 0).tolist()
        found.append(replace(resolve(f"static(profile={held})"), name=f"pin {number}, lru for the rest"))
    return found


def _predictions(
    trace: Trace, specs: Sequence[PolicySpec], options: dict[str, Any], args: argparse.Namespace
) -> tuple[Forecast | None, dict[str, Any] | None]:
    """Return the predictions and what to say about them."""
    if args.predictions is None:
        return None, None
    if not any(spec.predicted and spec.predictions is None for spec in specs):
        raise ParameterError(
            f"--predictions needs a policy that takes predictions and names none itself; got {', '.join(spec.name for spec in specs)}"
        )
    from ..prediction.next_use import source
    from ..prediction.steps import error_of

    made = source(args.predictions, train=None if args.train is None else load_trace(args.train))
    grid = lay_out(trace, Rules(**options))
    with progress(f"predictions {args.predictions}", 1, args.json) as advance:
        forecast = made.forecast(trace, grid, args.reset)
        advance(1)
    total = error_of(forecast, grid, args.reset)
    requests = int((forecast.members >= 0).sum())
    said = {"source": forecast.label, "error_steps": total, "error_rounds_per_request": total / trace.layers / requests}
    return forecast, said


def _runs(
    trace: Trace | LongTrace,
    wanted: list[tuple[PolicySpec, int, int]],
    options: dict[str, Any],
    split: Callable[[PolicySpec, int], Quotas],
    args: argparse.Namespace,
) -> Iterator[Run]:
    """Yield the runs in order; those of a trace in parts come from one pass over it."""
    if not isinstance(trace, LongTrace):
        with progress("replay", len(wanted), args.json) as advance:
            for done, (spec, budget, seed) in enumerate(wanted):
                slots, size = (budget, None) if args.slots else (None, budget)
                yield replay(trace, spec, slots, budget_bytes=size, **options, quotas=split(spec, budget), seed=seed)
                advance(done + 1)
        return
    if args.workers > 1:
        from ..sweep import replay_sharded

        if not args.slots or args.repeat > 1:
            raise ParameterError("--workers goes with --slots, and without --repeat")
        if args.profile is not None:
            raise ParameterError("--workers goes without --profile")
        names = [spec.name for spec in map(resolve, args.policy)]
        if reading_of(args).given():
            raise ParameterError("--workers reads our own formats; 'layered-paging convert' writes .parquet or .jsonl")
        yield from replay_sharded(args.trace, names, args.slots, workers=args.workers, seed=args.seed, **options)
        return
    from ..engine.run import Wanted, replay_all

    every = [Wanted(spec, b if args.slots else None, None if args.slots else b, seed) for spec, b, seed in wanted]
    with progress("replay", trace.rounds or 0, args.json) as advance:
        rules = Rules.with_quotas(split(*wanted[0][:2]), **options)
        yield from replay_all(trace, every, rules, progress=advance)


def _sampled(
    trace: Trace | LongTrace,
    wanted: list[tuple[PolicySpec, int, int]],
    options: dict[str, Any],
    args: argparse.Namespace,
) -> dict[str, Any]:
    """Estimate every policy at every number of slots."""
    from ..sweep import estimate

    if not args.slots or args.optimum or args.by or args.workers > 1 or args.repeat > 1:
        raise ParameterError("--sample goes with --slots, and without --optimum, --by, --workers, --repeat")
    if args.per_token or args.compute is not None or args.profile is not None:
        raise ParameterError("--sample estimates hits: it goes without a clock, --per-token and --profile")
    found = []
    with progress("sample", len(wanted), args.json) as advance:
        for done, (spec, slots, seed) in enumerate(wanted):
            found.append(asdict(estimate(trace, spec.name, slots, sessions=args.sample, seed=seed, **options)))
            advance(done + 1)
    return {"trace": str(args.trace), "options": options, "estimates": found}


def _row(runs: list[Run], by: str | None) -> dict[str, Any]:
    first = runs[0]
    row: dict[str, Any] = {
        "policy": first.policy,
        "slots": first.slots,
        "budget_bytes": first.budget_bytes,
        "requests": first.requests,
        "hits": first.hits,
        "misses": first.misses,
        "hit_rate": first.hit_rate,
        "hit_rate_prefill": first.stage_hit_rate(0),
        "hit_rate_decode": first.stage_hit_rate(1),
        "compulsory": first.compulsory,
        "bytes_read": first.bytes_read,
        "seed": first.seed,
    }
    if len(runs) > 1:  # every figure is then the mean over the seeds
        mean, half = mean_interval([r.misses for r in runs])
        row |= {"repeats": len(runs), "all_misses": [r.misses for r in runs], "half_width_95": half}
        row |= {"misses": mean, "hits": first.requests - mean, "hit_rate": 1 - mean / first.requests}
        for stage, key in enumerate(("hit_rate_prefill", "hit_rate_decode")):
            rates = [rate for r in runs if (rate := r.stage_hit_rate(stage)) is not None]
            row[key] = sum(rates) / len(rates) if rates else None
        if first.bytes_read is not None:
            row["bytes_read"] = sum(r.bytes_read or 0 for r in runs) / len(runs)
    if by is not None:
        misses: Any
        if by == "layer":
            requests, misses = first.requests_by_layer, sum(r.misses_by_layer for r in runs) / len(runs)
        else:
            requests = first.requests_by_session.sum(axis=1)
            misses = sum(r.misses_by_session.sum(axis=1) for r in runs) / len(runs)
        row[f"by_{by}"] = [
            {by: n, "requests": int(a), "misses": int(b) if len(runs) == 1 else float(b)}
            for n, (a, b) in enumerate(zip(requests, misses, strict=True))
        ]
    return row


def _optimum(
    trace: Trace | LongTrace, key: str, budget: int, args: argparse.Namespace, quotas: Quotas
) -> dict[str, Any]:
    slots, told = budget, {"slots": budget}
    if key == "budget_bytes":
        sizes = None if isinstance(trace, LongTrace) else trace.expert_bytes
        if sizes is None or int(sizes.min()) < int(sizes.max()):
            raise ParameterError(
                "--optimum is exact for slots, and for bytes where all experts have one size; "
                "otherwise use 'layered-paging optimum', which states bound and gap"
            )
        slots = budget // int(sizes[0])
        if not isinstance(quotas, str):  # whole experts of each layer
            quotas = tuple(share // int(sizes[0]) for share in quotas)
            slots = sum(quotas)
        told = {"slots": slots, "budget_bytes": budget}
    if args.ties != "page" or args.oversize != "error":
        raise ParameterError("--optimum goes with --ties page and --oversize error")
    if isinstance(trace, LongTrace):
        fixed = {"pool": args.pool, "reset": args.reset, "events": args.events, "prefill": args.prefill}
        best = replay(trace, "belady", slots, admission=args.optimum, quotas=quotas, **fixed)
        split = capacities(trace, Budget(slots), Rules.with_quotas(quotas, **fixed))
        return {"admission": args.optimum, **told, "misses": best.misses, "split": split}
    from ..offline import optimum

    found = optimum(
        trace,
        slots,
        admission=args.optimum,
        pool=args.pool,
        reset=args.reset,
        events=args.events,
        prefill=args.prefill,
        quotas="free" if args.quotas == "best" else quotas,
    )
    return {"admission": args.optimum, **told, "misses": found.misses, "split": list(found.split)}


def show(answer: dict[str, Any], args: argparse.Namespace) -> None:
    """Print one table, budgets in the order given, the optimum below its policies."""
    if "tiers" in answer or "devices" in answer:
        tiers.shown(answer, args)
        return
    if "over_time" in answer:
        over_time.shown(answer, args)
        return
    if "estimates" in answer:
        one = answer["estimates"][0]
        title = f"{answer['trace']}: {one['sessions']:,} of {one['of']:,} sessions, seed {args.seed}"
        estimates: list[list[Any]] = [
            [e["policy"], e["slots"], percent(e["hit_rate"]), percent(e["low"]), percent(e["high"])]
            for e in answer["estimates"]
        ]
        table(title, ["policy", "slots", "hits %", "95 % from", "to"], estimates)
        return
    options = ", ".join(
        f"{key} {value}" for key, value in answer["options"].items() if key in ("pool", "reset", "events", "admission")
    )
    title = (
        f"{answer['trace']}: {counted(answer['requests'], 'request')}, "
        f"{counted(answer['compulsory'], 'compulsory miss', 'compulsory misses')} ({options})"
    )
    optima = {row.get("budget_bytes", row["slots"]): row["misses"] for row in answer["optimum"] or ()}
    rows: list[list[Any]] = []
    shown: list[dict[str, Any]] = []
    budgets = list(dict.fromkeys(row["slots"] or row["budget_bytes"] for row in answer["runs"]))
    for budget in budgets:
        here = [row for row in answer["runs"] if (row["slots"] or row["budget_bytes"]) == budget]
        best = optima.get(budget)
        for row in here:
            spread = f" ± {row['half_width_95']:,.0f}" if "repeats" in row else ""
            misses = f"{row['misses']:,.0f}{spread}" if spread else row["misses"]
            line = [row["policy"], budget, misses, percent(row["hit_rate"])]
            line += [f"{row['misses'] / best:.3f}" if best else None] if optima else []
            line += [f"{row['bytes_read'] / 2**20:,.1f}"] if row["bytes_read"] is not None else []
            line += (
                [percent(row["hit_rate_prefill"]), percent(row["hit_rate_decode"])]
                if row["hit_rate_prefill"] is not None
                else []
            )
            rows.append(line)
            shown.append(row)
        if best is not None:
            rows.append([_best_name(answer, args), budget, best, percent(1 - best / answer["requests"]), "1.000"])
            shown.append(next(row for row in answer["optimum"] if row.get("budget_bytes", row["slots"]) == budget))
    first = answer["runs"][0]
    columns = ["policy", "slots" if first["slots"] else "bytes", "misses", "hits %"]
    columns += ["to optimum"] if optima else []
    columns += ["MiB read"] if first["bytes_read"] is not None else []
    columns += ["prefill hits %", "decode hits %"] if first["hit_rate_prefill"] is not None else []
    if answer["predictions"]:
        error = answer["predictions"]["error_rounds_per_request"]
        title += f"\npredictions: {answer['predictions']['source']}, mean error {error:,.2f} rounds per request"
    rows = [row + [None] * (len(columns) - len(row)) for row in rows]
    for head, cells in paced(shown, args).items():
        columns.append(head)
        rows = [[*row, cell] for row, cell in zip(rows, cells, strict=True)]
    table(title, columns, rows)
    seed = args.seed if any("repeats" in row for row in answer["runs"]) else None
    if answer["best_quotas"]:
        show_quotas(answer["best_quotas"], seed)
    if answer["prices"]:
        show_prices(answer["prices"], seed)
    elif "traffic" in answer["options"]:
        print(
            "the price of each rule of traffic is left out: it takes further replays of a whole trace (without --stream)"
        )
    for row in answer["runs"] if args.by else ():
        name = f"{row['policy']}, {row['slots'] or row['budget_bytes']}"
        lines = [
            (
                answer["layer_names"][part["layer"]] if args.by == "layer" else part[args.by],
                part["requests"],
                part["misses"],
                percent(1 - part["misses"] / max(1, part["requests"])),
            )
            for part in row[f"by_{args.by}"]
        ]
        table(f"{name} by {args.by}", [args.by, "requests", "misses", "hits %"], lines)


def _best_name(answer: dict[str, Any], args: argparse.Namespace) -> str:
    """Return what the last row of a budget is: the optimum, or under rules of traffic a lower bound."""
    if "traffic" in answer["options"]:
        return f"lower bound (optimum {args.optimum}, without rules)"
    return f"optimum ({args.optimum}{', best split' if args.quotas == 'best' else ''})"
