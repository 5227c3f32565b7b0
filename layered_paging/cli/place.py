"""``layered-paging place``: which experts go to which edge server."""

from __future__ import annotations

import argparse
import textwrap
import time
from fractions import Fraction
from typing import Any

from ..core.registry import nearest
from ..core.words import counted
from ..edge.bound import BOUNDS
from ..edge.generate import BY as BY_WHAT
from ..edge.placing import ALGORITHMS
from ..errors import ParameterError
from . import options as opt
from .common import percent, progress, table
from .options import Group, Option, add, log_options
from .reading import trace_of
from .values import byte_size, positive

EXAMPLES = """examples:
  layered-paging place --generate --algorithm best popularity --seed 1
  layered-paging place --generate --users 6 --storage 4MiB 8MiB -o curve.svg
  layered-paging place --generate --users 4 --save network.json

with files of your own:
  layered-paging place --network network.json --algorithm ilp \\
      --certificate placement.json
  layered-paging place --generate --profile code.json chat.json --top-k 4
  layered-paging place --generate --trace trace.npz --storage 64MiB

algorithms:
""" + "".join(
    textwrap.fill(f"  {name:17} {text}", 79, subsequent_indent=" " * 20) + "\n"
    for name, text in {**ALGORITHMS, "split": "split inference: whole layers at user, server, cloud"}.items()
)

# what --generate takes
SIZES = (
    Option("--users", group=Group.NETWORK, type=positive, metavar="N", help="users (default: 12)"),
    Option("--servers", group=Group.NETWORK, type=positive, metavar="N", help="servers (default: 3)"),
    opt.LAYERS(group=Group.NETWORK, help="layers (default: 6)"),
    opt.EXPERTS(group=Group.NETWORK, help="experts of each layer (default: 16)"),
    opt.TOP_K(group=Group.NETWORK, help="experts of each event (default: 2, or all that the trace names)"),
    opt.TOKENS(group=Group.NETWORK, help="tokens of each user (default: 64 drawn, or all of the trace)"),
    opt.EXPERT_BYTES(group=Group.NETWORK, dest="expert_bytes", help="bytes of an expert (default: 1MiB)"),
    Option(
        "--user-storage",
        group=Group.NETWORK,
        type=byte_size,
        metavar="SIZE",
        help="bytes that a user has for experts (default: 4MiB)",
    ),
    Option(
        "--token-bytes",
        group=Group.NETWORK,
        type=byte_size,
        metavar="SIZE",
        help="bytes of a hidden state (default: 4KiB)",
    ),
)
GENERATED = ("users", "servers", "layers", "experts", "top_k", "tokens", "expert_bytes", "user_storage", "token_bytes")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add(
        parser,
        Option("--network", group=Group.INPUT, metavar="FILE", help="a network in JSON"),
        Option("--generate", group=Group.INPUT, action="store_true", help="a network with a seed, of the sizes below"),
        one=True,
        required=True,
    )
    add(
        parser,
        Option(
            "--algorithm", group=Group.INPUT, nargs="+", default=["best"], metavar="A",
            help="algorithms, listed below (default: best)",
        ),
        Option(
            "--storage", group=Group.INPUT, nargs="+", type=byte_size, metavar="SIZE",
            help="bytes of every server; several give a curve",
        ),
        *SIZES,
        opt.TRACES(group=Group.NETWORK, help="take the activations from a trace file"),
        opt.PROFILE(group=Group.NETWORK, nargs="+", help="draw them from profiles, one user each"),
        opt.BY(
            group=Group.NETWORK, choices=BY_WHAT, default="session", help="what makes a user of the trace (default: session)"
        ),
        opt.SEED(group=Group.NETWORK, help="of the network and of random (default: 0)"),
        Option(
            "--bound", group=Group.SEARCH, choices=BOUNDS, default="auto",
            help="a lower bound on every placement (default: auto)",
        ),
        opt.TIME_LIMIT(help="for ilp, such as 20s"),
        Option(
            "--held", group=Group.OUTPUT, action="store_true",
            help="also list what each server holds (with --json: always)",
        ),
        opt.SAVE(help="write the network in JSON"),
        Option(
            "--certificate", group=Group.OUTPUT, metavar="FILE",
            help="write a certificate of the best placement (.json or .json.gz)",
        ),
        opt.INTO,
        *log_options("--top-k", "--expert-bytes"),
    )  # fmt: skip
    parser.epilog = EXAMPLES


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Place, and write what was asked for."""
    from ..edge import NetworkError, place, save_network, split_inference

    if args.output is not None:
        from ..plot import check_picture

        check_picture(args.output)
    unknown = [name for name in args.algorithm if name not in ALGORITHMS and name != "split"]
    if unknown:
        raise ParameterError(f"unknown algorithm {unknown[0]!r}; {nearest(unknown[0], [*ALGORITHMS, 'split'])}")
    network = _network(args)
    if args.save is not None:
        save_network(network, args.save)
    rows: list[dict[str, Any]] = []
    best = None
    jobs = [(size, name) for size in args.storage or [None] for name in args.algorithm]
    with progress("place", len(jobs), args.json) as advance:
        for done, (size, name) in enumerate(jobs):
            start = time.perf_counter()
            if name == "split":
                here = network if size is None else network.with_storage(size)
                rows.append(_row(name, size, split_inference(here).latency, time.perf_counter() - start))
                continue
            options = {"time_limit": args.time_limit} if name == "ilp" else {}
            found = place(network, name, storage=size, bound=args.bound, seed=args.seed, **options)
            row = _row(name, size, found.latency, time.perf_counter() - start)
            row |= {
                "local": float(found.hits.local),
                "edge": float(found.hits.edge),
                "neither": float(found.hits.neither),
                "bound_ns": None if found.bound is None else str(found.bound),
                "bound_ms": None if found.bound is None else float(found.bound) / 1e6,
                "gap": None if found.gap is None else float(found.gap),
                "optimal": found.optimal,
                "held": {server: found.experts_at(n) for n, server in enumerate(network.servers)},
            }
            rows.append(row)
            if best is None or found.latency < best.latency:
                best = found
            advance(done + 1)
    if args.certificate is not None:
        if best is None:
            raise NetworkError("a certificate is about a placement; split inference places none")
        best.certificate.save(args.certificate)
    answer = {
        "network": {
            "users": len(network.users),
            "servers": len(network.servers),
            "layers": network.layers,
            "experts": network.pages,
            "top_k": network.largest_k,
            "bytes": int(network.sizes.sum()),
            "digest": network.digest(),
        },
        "seed": args.seed,
        "placements": rows,
        "saved": args.save,
        "certificate": args.certificate,
        "output": args.output,
    }
    if args.output is not None:
        from ..plot import plot_placements

        plot_placements(rows, args.output, title=_title(answer))
    return answer


def _network(args: argparse.Namespace) -> Any:
    from ..edge import generate, load_network

    given = {name: value for name in GENERATED if (value := getattr(args, name)) is not None}
    if args.network is not None:
        if given or args.trace or args.profile:
            extra = next(iter(given), "trace" if args.trace else "profile").replace("_", "-")
            raise ParameterError(f"--{extra} is for --generate; a network file says everything itself")
        return load_network(args.network)
    taken = "trace" if args.trace else "profile"
    if args.trace is None and args.profile is None:
        return generate(seed=args.seed, **{"top_k": 2, **given})
    for name in ("users", "layers", "experts"):
        if name in given:
            raise ParameterError(f"--{name} is the {taken}'s; leave it out with --{taken}")
    if args.trace and args.profile:
        raise ParameterError("give --trace or --profile, not both")
    if args.profile:
        from ..profiles.profile import Profile

        profiles = [Profile.load(path) for path in args.profile]
        return generate(seed=args.seed, profiles=profiles, **{"top_k": 2, **given})
    return generate(seed=args.seed, trace=trace_of(args), by=args.by, **{"top_k": 0, **given})


def _row(name: str, size: int | None, latency: Fraction, seconds: float) -> dict[str, Any]:
    return {
        "algorithm": name,
        "storage": size,
        "latency_ns": str(latency),
        "latency_ms": float(latency) / 1e6,
        "seconds": seconds,
    }


def _title(answer: dict[str, Any]) -> str:
    n = answer["network"]
    sizes = ", ".join(counted(n[f"{word}s"], word) for word in ("user", "server", "layer", "expert"))
    return f"{sizes}, top {n['top_k']}"


def show(answer: dict[str, Any], args: argparse.Namespace) -> None:
    """Print one row a placement."""
    rows = [
        [
            row["algorithm"],
            "as given" if row["storage"] is None else f"{row['storage']:,}",
            f"{row['latency_ms']:.3f}",
            None if row.get("bound_ms") is None else f"{row['bound_ms']:.3f}",
            None if row.get("gap") is None else percent(row["gap"]),
            *(percent(row.get(kind)) for kind in ("local", "edge", "neither")),
            row.get("optimal"),
        ]
        for row in answer["placements"]
    ]
    heads = [
        "algorithm",
        "bytes per server",
        "ms per token",
        "at least",
        "gap %",
        "local %",
        "edge %",
        "neither %",
        "optimal by",
    ]
    table(_title(answer), heads, rows)
    if args.held:
        for row in answer["placements"]:
            for server, pairs in row.get("held", {}).items():
                words = " ".join(f"{layer}.{expert}" for layer, expert in pairs)
                print(f"{row['algorithm']}, {server} (layer.expert): {words or 'nothing'}")
        print()
    for what in ("saved", "certificate", "output"):
        if answer[what]:
            print(f"wrote {answer[what]}")
