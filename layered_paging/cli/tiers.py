"""``replay --tier`` and ``replay --devices``: caches behind caches, and caches beside caches."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.parts import LongTrace
from ..core.rules import Budget, Rules
from ..core.slices import of_layers
from ..core.trace import Trace
from ..errors import ParameterError
from ..policies.spec import PolicySpec
from .clocks import clock_of, speed, unsized
from .common import percent, table
from .options import Group, Option
from .values import byte_size

if TYPE_CHECKING:
    from ..offline import Optimum

__all__ = ["OPTIONS", "answered", "asked", "shown"]

MIB = 2**20
DEVICE = "device"  # the name of a device's own pool, where tiers lie behind it


def _size(text: str) -> Budget:
    """Read ``96slots`` or a number of bytes with its unit."""
    if re.fullmatch(r"\s*\d{1,18}\s*", text, re.ASCII):
        bare = text.strip()
        raise argparse.ArgumentTypeError(f"{bare} could be slots or bytes: write {bare}slots, or {bare}B, {bare}GiB")
    found = re.fullmatch(r"(\d{1,12})slots", text)
    total = int(found[1]) if found else byte_size(text)
    if total < 1:
        raise argparse.ArgumentTypeError(f"a size must be at least 1; got {text!r}")
    return Budget(total, None) if found else Budget(None, total)


def _tier(text: str) -> tuple[str, Budget, int | None]:
    """Read a tier; an argparse type."""
    name, equals, rest = text.partition("=")
    size, at, rate = rest.partition("@")
    if not name.strip() or not equals or (at and not rate):
        raise argparse.ArgumentTypeError(f"a tier is such as vram=6GiB or ram=24GiB@2GB; got {text!r}")
    into = byte_size(rate) if at else None
    if into == 0:
        raise argparse.ArgumentTypeError(f"a speed must be above 0; got {text!r}")
    return name.strip(), _size(size), into


def _devices(text: str) -> list[tuple[list[int], Budget]]:
    """Read devices; an argparse type."""
    found = []
    for part in text.removeprefix("layers=").split(","):
        match = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?:(.+)", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if match is None or last < first:
            raise argparse.ArgumentTypeError(f"devices are such as 0-23:8GiB,24-47:8GiB; got {part!r}")
        found.append((list(range(first, last + 1)), _size(match[3])))
    return found


OPTIONS = (
    Option(
        "--tier",
        group=Group.TIERS,
        action="append",
        type=_tier,
        metavar="NAME=SIZE[@SPEED]",
        help="a tier, the first one first, such as vram=6GiB or ram=24GiB@2GB (bytes per second into it); 96slots is a size, too",
    ),
    Option(
        "--tiers",
        group=Group.TIERS,
        choices=("inclusive", "exclusive"),
        default="inclusive",
        help="a lower tier sees the misses of the one above, or takes what it evicts (default: inclusive)",
    ),
    Option(
        "--lower",
        group=Group.TIERS,
        metavar="P",
        help="with --tier: policy of the tiers below the first (default: the same)",
    ),
    Option(
        "--certificates",
        group=Group.TIERS,
        metavar="FOLDER",
        help="write the certificate of each lower bound there: boundary-1.json.gz, ...",
    ),
    Option(
        "--devices",
        group=Group.TIERS,
        type=_devices,
        metavar="A-B:SIZE,...",
        help="layers of each device and its budget: 0-23:8GiB,24-47:8GiB",
    ),
)


def asked(args: argparse.Namespace) -> bool:
    """Return whether there are tiers or devices; refuse what does not go with them.

    Raises
    ------
    ParameterError
        An option does not go with them, or with their absence.
    """
    if args.tier is None and args.devices is None:
        if args.lower is not None or args.tiers != "inclusive" or args.certificates is not None:
            raise ParameterError("--lower, --tiers and --certificates go with --tier")
        return False
    others = {
        "--slots": args.slots, "--bytes": args.bytes, "--quotas": args.quotas, "--by": args.by, "--stream": args.stream,
        "--over-time": args.over_time, "--sample": args.sample, "--optimum": args.optimum,
        "--predictions": args.predictions, "--on-cpu": args.on_cpu, "--cpu": args.cpu, "--overlap": args.overlap,
        "--per-token": args.per_token, "--floor": args.floor != 0, "--ceiling": args.ceiling is not None,
        "--lend": args.lend != "none",
    }  # fmt: skip
    wrong = [name for name, value in others.items() if value]
    wrong += ["--workers"] if args.workers > 1 else []
    wrong += ["--repeat"] if args.repeat > 1 else []
    wrong += ["--oversize allow"] if args.oversize != "error" else []
    if args.tier is None and (args.lower is not None or args.tiers != "inclusive" or args.certificates is not None):
        wrong += ["--lower, --tiers and --certificates"]
    if args.devices is None and args.bandwidth is not None:
        wrong += ["--bandwidth (each --tier has its own, as in ram=24GiB@2GB)"]
    if wrong:
        raise ParameterError(f"{'--tier' if args.tier else '--devices'} goes without {', '.join(wrong)}")
    if args.devices is None and len(args.tier) == 1 and (args.lower is not None or args.tiers != "inclusive"):
        raise ParameterError("--lower and --tiers are of a second --tier; there is one")
    names = [*([DEVICE] if args.devices else []), *(name for name, _, _ in args.tier or ())]
    if len(set(names)) < len(names):
        raise ParameterError(f"each --tier must have a name of its own; got {', '.join(names)}")
    if len({size.unit for _, size, *_ in args.tier or ()} | {size.unit for _, size in args.devices or ()}) > 1:
        raise ParameterError("sizes must all be in slots, or all in bytes; got both")
    return True


def answered(
    trace: Trace | LongTrace, specs: Sequence[PolicySpec], options: dict[str, Any], args: argparse.Namespace
) -> dict[str, Any]:
    """Return what happens at each tier or device, for each policy."""
    assert isinstance(trace, Trace)
    rules = Rules(**options)
    head = {"trace": str(args.trace), "rounds": trace.rounds, "options": rules.options()}
    if args.tier is None:
        return head | {"devices": _by_device(trace, specs, rules, args)}
    return head | {"sharing": args.tiers, "tiers": _by_tier(trace, specs, rules, args)}


def _by_tier(trace: Trace, specs: Sequence[PolicySpec], rules: Rules, args: argparse.Namespace) -> list[dict[str, Any]]:
    from ..engine.tiers import Tier, optima, replay_tiers
    from ..policies.names import resolve

    chains = _chains(trace, args)
    speeds = [into for _, _, tiers in chains for _, _, into in tiers]
    if args.compute is None and (args.latency or any(speeds)):
        raise ParameterError("the speeds of tiers and --latency need --compute, the time of a token without loads")
    if args.compute is not None and not all(speeds):
        first = "" if args.devices is None else ", and of the devices: --bandwidth"
        raise ParameterError(f"--compute needs the speed of every tier, as in ram=24GiB@2GB{first}")
    if args.compute is not None and trace.page_bytes is None:
        raise unsized()
    below = None if args.lower is None else resolve(args.lower)
    found: list[dict[str, Any]] = []
    low: dict[str, list[int]] = {}
    for spec in specs:
        rows: list[dict[str, Any]] = []
        for device, part, sizes in chains:
            tiers = [
                Tier(name, below if n and below is not None else spec, size.slots, size.budget_bytes)
                for n, (name, size, _) in enumerate(sizes)
            ]
            crossings = replay_tiers(part, tiers, args.tiers, rules, seed=args.seed)
            if device not in low:
                best = optima(part, tiers, rules)
                low[device] = [one.bounds[0] for one in best]
                _kept(best, args.certificates, device)
            rows += [
                {"device": device, **asdict(one), "size": size.total, "unit": size.unit, "bound": bound}
                for one, (_, size, _), bound in zip(crossings, sizes, low[device], strict=True)
            ]
        found.append({"policy": spec.name, "rows": rows, **_times(trace, rows, speeds, args)})
    return found


def _chains(trace: Trace, args: argparse.Namespace) -> list[tuple[str, Trace, list[tuple[str, Budget, int | None]]]]:
    """Return the tiers of each device, with its name and the trace of its layers; without devices one chain, nameless."""
    from ..engine.tiers import check_devices

    if args.devices is None:
        return [("", trace, args.tier)]
    check_devices(trace, [layers for layers, _ in args.devices])
    return [
        (f"layers {layers[0]}-{layers[-1]}", of_layers(trace, layers), [(DEVICE, size, args.bandwidth), *args.tier])
        for layers, size in args.devices
    ]


def _kept(best: Sequence[Optimum], folder: str | None, device: str) -> None:
    """Write the certificates, if asked to."""
    if folder is None:
        return
    if not folder or not Path(folder).is_dir():
        raise ParameterError(f"--certificates must name a folder; {folder!r} is none")
    for n, one in enumerate(best, start=1):
        which = f"{device.replace(' ', '-')}-" if device else ""
        one.certificate.save(Path(folder) / f"{which}boundary-{n}.json.gz")


def _times(
    trace: Trace, rows: list[dict[str, Any]], speeds: Sequence[int | None], args: argparse.Namespace
) -> dict[str, float | None]:
    """Return tokens per second: computing, then the loads of every boundary; and what the bounds allow."""
    if args.compute is None:
        return {"tokens_per_second": None, "bound_tokens_per_second": None}
    from ..plan import Clock

    assert trace.page_bytes is not None
    least = int(trace.page_bytes.min())
    took, atleast = args.compute, args.compute
    for row, into in zip(rows, speeds, strict=True):
        clock = Clock(0.0, into or 1, args.latency)
        took += clock.token(row["misses"] / trace.rounds, row["bytes_read"] / trace.rounds)
        atleast += clock.token(row["bound"] / trace.rounds, row["bound"] * least / trace.rounds)
    return {"tokens_per_second": 1 / took, "bound_tokens_per_second": 1 / atleast}


def _by_device(
    trace: Trace, specs: Sequence[PolicySpec], rules: Rules, args: argparse.Namespace
) -> list[dict[str, Any]]:
    from ..engine.tiers import by_device
    from ..offline import optimum

    clock = clock_of(args, trace.page_bytes is not None)
    layers, sizes = [part for part, _ in args.devices], [size for _, size in args.devices]
    asked: dict[str, Any] = {"pool": rules.pool, "reset": rules.reset, "events": rules.events, "prefill": rules.prefill}
    asked["admission"] = rules.admission if rules.traffic.plain else "bypass"
    low: list[int] = []
    found = []
    for spec in specs:
        runs = by_device(trace, layers, sizes, spec, rules, seed=args.seed)
        low = low or [
            optimum(of_layers(trace, part), size.slots, budget_bytes=size.budget_bytes, **asked).bounds[0]
            for part, size in zip(layers, sizes, strict=True)
        ]
        rows = [
            {"layers": [part[0], part[-1]], "size": size.total, "unit": size.unit, "requests": run.requests}
            | {"misses": run.misses, "bytes_read": run.bytes_read, "bound": bound}
            for part, size, run, bound in zip(layers, sizes, runs, low, strict=True)
        ]
        total = {key: sum(row[key] for row in rows) for key in ("requests", "misses", "bound")}
        loaded = None if trace.page_bytes is None else sum(row["bytes_read"] for row in rows)
        pace = speed(clock, total["misses"], loaded, trace.rounds)
        found.append({"policy": spec.name, "rows": rows, **total, "bytes_read": loaded, **pace})
    return found


def _together(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the sums over the devices, tier by tier; nothing where there are none."""
    names = dict.fromkeys(row["tier"] for row in rows if row["device"])
    found = []
    for name in names:
        mine = [row for row in rows if row["tier"] == name]
        sums = {
            key: None if any(row[key] is None for row in mine) else sum(row[key] for row in mine)
            for key in ("size", "requests", "misses", "bound", "bytes_read", "moved_down", "least")
        }
        found.append({**mine[0], **sums, "device": "all devices"})
    return found


def shown(answer: dict[str, Any], args: argparse.Namespace) -> None:
    """Print a table by policy and tier or device."""
    tiers = "tiers" in answer
    lines = []
    for one in answer["tiers" if tiers else "devices"]:
        total = (
            _together(one["rows"]) if tiers else [one | {"layers": None, "size": sum(r["size"] for r in one["rows"])}]
        )
        for row in [*one["rows"], *total]:
            where = row.get("tier") or ("layers {}-{}".format(*row["layers"]) if row["layers"] else "all devices")
            where = f"{row['device']}, {where}" if row.get("device") else where
            line = [one["policy"] if not tiers else row["policy"], where, row["size"], row["requests"], row["misses"]]
            line += [percent(1 - row["misses"] / row["requests"]) if row["requests"] else None, row["bound"]]
            line += [None if row["bytes_read"] is None else f"{row['bytes_read'] / MIB:,.1f}"]
            lines.append(line + ([row["moved_down" if args.tiers == "exclusive" else "least"]] if tiers else []))
    what = f"{args.tiers} tiers" if tiers else "devices"
    if args.tier is not None and args.devices is not None:
        what += ", each device with tiers of its own, of the size given"
    title = (
        f"{answer['trace']}: {what}, reset {answer['options']['reset']}; least: no policies can load less from below"
    )
    unit = answer["tiers" if tiers else "devices"][0]["rows"][0]["unit"]
    head = ["policy", "tier" if tiers else "device", unit, "requests", "misses", "hits %", "least", "MiB read"]
    table(title, head + (["moved down" if args.tiers == "exclusive" else "least here"] if tiers else []), lines, text=2)
    if tiers and args.tiers == "inclusive":
        print("least here: the fewest loads of this tier alone, for the requests that the tiers above let through.")
    for one in answer["tiers" if tiers else "devices"]:
        if one["tokens_per_second"] is not None:
            bound = one.get("bound_tokens_per_second")
            most = (
                ""
                if bound is None
                else f"; with the least loads at every boundary at once, if that can be, {bound:.2f}"
            )
            unit = "tokens" if args.batch_size is None else "steps"
            print(f"{one['policy']}: {one['tokens_per_second']:.2f} {unit} per second{most}")
