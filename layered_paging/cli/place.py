"""``layered-paging place``: which experts go to which edge server."""

from __future__ import annotations

import argparse
import time
from fractions import Fraction
from typing import Any

from ..core.words import counted
from ..edge.bound import BOUNDS
from ..edge.generate import BY
from ..edge.placing import ALGORITHMS
from ..errors import ParameterError
from .common import byte_size, percent, positive, progress, table
from .options import add_trace_options, trace_of

EXAMPLES = """examples:
  layered-paging place --generate --algorithm best popularity random split --seed 1
  layered-paging place --generate --users 20 --top-k 2 --storage 4MiB 8MiB 16MiB 32MiB -o curve.svg
  layered-paging place --generate --save network.json
  layered-paging place --network network.json --algorithm ilp --certificate placement.json
  layered-paging place --generate --profile code.json chat.json --top-k 4 --storage 16MiB
  layered-paging place --generate --trace trace.npz --by session --storage 64MiB --json
algorithms:
""" + "".join(
    f"  {name:17} {text}\n"
    for name, text in {**ALGORITHMS, "split": "split inference: whole layers at user, server, cloud"}.items()
)

# option -> (type, default, help): what --generate takes
SIZES: dict[str, tuple[Any, Any, str]] = {
    "users": (positive, 12, "users"),
    "servers": (positive, 3, "servers"),
    "layers": (positive, 6, "layers"),
    "experts": (positive, 16, "experts of a layer"),
    "top_k": (positive, None, "experts of an event (default: 2, or all that the trace names)"),
    "tokens": (positive, None, "tokens of each user (default: 64 drawn, or all of the trace)"),
    "expert_bytes": (byte_size, 1 << 20, "bytes of an expert"),
    "user_storage": (byte_size, 4 << 20, "bytes that a user has for experts"),
    "token_bytes": (byte_size, 4096, "bytes of a hidden state"),
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--network", metavar="FILE", help="a network in JSON")
    source.add_argument("--generate", action="store_true", help="a network with a seed; see the sizes below")
    parser.add_argument(
        "--algorithm", nargs="+", default=["best"], metavar="A", help="algorithms, listed below (default: best)"
    )
    parser.add_argument(
        "--storage", nargs="+", type=byte_size, metavar="SIZE", help="bytes of every server; several give a curve"
    )
    parser.add_argument(
        "--bound", choices=BOUNDS, default="auto", help="a lower bound on every placement (default: auto)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the network and of random (default: 0)")
    parser.add_argument("--time-limit", type=float, metavar="SECONDS", help="for ilp")
    parser.add_argument("--held", action="store_true", help="also list what each server holds (with --json: always)")
    parser.add_argument("--save", metavar="FILE", help="write the network in JSON")
    parser.add_argument(
        "--certificate", metavar="FILE", help="write a certificate of the best placement (.json or .json.gz)"
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="plot to a .svg, .png or .pdf file")
    sizes = parser.add_argument_group("with --generate")
    for name, (kind, default, text) in SIZES.items():
        shown = "" if default is None else f" (default: {default})"
        sizes.add_argument(f"--{name.replace('_', '-')}", type=kind, metavar="N", help=text + shown)
    sizes.add_argument("--trace", metavar="TRACE", help="take the activations from a trace file")
    sizes.add_argument("--profile", nargs="+", metavar="FILE", help="draw them from profiles, one user each")
    sizes.add_argument("--by", choices=BY, default="session", help="what makes a user of the trace (default: session)")
    add_trace_options(parser)
    parser.epilog = EXAMPLES


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Place, and write what was asked for."""
    from ..edge import NetworkError, place, save_network, split_inference

    if args.output is not None:
        from ..plot import check_picture

        check_picture(args.output)
    unknown = [name for name in args.algorithm if name not in ALGORITHMS and name != "split"]
    if unknown:
        raise ParameterError(f"unknown algorithm {unknown[0]!r}; available: {', '.join([*ALGORITHMS, 'split'])}")
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

    given = {name: getattr(args, name) for name in SIZES if getattr(args, name) is not None}
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
        "bytes a server",
        "ms a token",
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
