"""A clock of tokens that is given by hand: the options that commands share."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from ..core.words import mib
from ..errors import ParameterError
from . import options as opt
from .options import Group, Option
from .values import seconds

if TYPE_CHECKING:
    from ..plan import Clock

__all__ = ["clock_of", "clock_options", "clock_words", "paced", "speed", "unsized"]

PER_TOKEN = Option(
    "--per-token",
    group=Group.OUTPUT,
    action="store_true",
    help="show loads and bytes per token; with a clock also tokens per second",
)
MEASURED = Option(
    "--measured",
    group=Group.CLOCK,
    metavar="RUNS",
    help='your runs, as in "6GiB:9.8 8GiB:12.1": budget and tokens per second',
)
OTHERS = (
    Option("--overlap", group=Group.CLOCK, action="store_true", help="loads run while the token computes"),
    Option(
        "--on-cpu",
        group=Group.CLOCK,
        type=float,
        default=0.0,
        metavar="SHARE",
        help="misses computed where they lie (default: 0)",
    ),
    Option(
        "--cpu",
        group=Group.CLOCK,
        type=seconds,
        default=0.0,
        metavar="TIME",
        help="per miss that is computed there (default: 0s)",
    ),
)
PACES = {"loads_per_token": "loads per {}", "bytes_per_token": "MiB per {}", "tokens_per_second": "{}s per second"}


def clock_options(measured: bool = False, per_token: bool = False) -> list[Option]:
    """Return the options of a clock; ``measured``: runs to which one is fitted, ``per_token``: loads and bytes as well."""
    shown = [PER_TOKEN] if per_token else []
    runs = [MEASURED] if measured else []
    return [
        *shown,
        *runs,
        opt.COMPUTE,
        opt.BANDWIDTH,
        opt.LATENCY(default=0.0, help="per load beside its bytes (default: 0s)"),
        *OTHERS,
    ]


def unsized() -> ParameterError:
    """Return the error about a clock for a trace that does not know its sizes."""
    return ParameterError(
        "a clock needs the bytes that are loaded; the trace has no sizes", ways=[("expert_bytes", None)]
    )


def clock_of(args: argparse.Namespace, sized: bool | None = None) -> Clock | None:
    """Return the clock that the options give, or None.

    Parameters
    ----------
    args : Namespace
    sized : bool, optional
        Whether the trace knows its sizes; a clock without them is refused.

    Raises
    ------
    ParameterError
        Half a clock, parts of one that is not given, a value out of range, or a clock without sizes.
    """
    if (args.compute is None) != (args.bandwidth is None):
        raise ParameterError("--compute and --bandwidth go together")
    alone = [("--latency", args.latency), ("--on-cpu", args.on_cpu), ("--cpu", args.cpu)]
    ignored = [name for name, value in alone if value and args.compute is None]
    if args.overlap and args.compute is None and getattr(args, "measured", None) is None:
        ignored.append("--overlap")
    if ignored:
        raise ParameterError(f"{', '.join(ignored)}: part of a clock that is given; it needs --compute and --bandwidth")
    if args.compute is None:
        return None
    if args.cpu and not args.on_cpu:
        raise ParameterError("--cpu is per miss that is computed where it lies; it needs --on-cpu, their share")
    if sized is False:
        raise unsized()
    from ..plan import Clock

    return Clock(args.compute, args.bandwidth, args.latency, args.overlap, args.on_cpu, args.cpu)


def clock_words(args: argparse.Namespace) -> list[str]:
    """Return the words that give a command the same clock; none where there is none."""
    if args.compute is None:
        return []
    words = ["--compute", _time(args.compute), "--bandwidth", str(args.bandwidth), "--latency", _time(args.latency)]
    words += ["--on-cpu", repr(args.on_cpu), "--cpu", _time(args.cpu)] if args.on_cpu else []
    return words + (["--overlap"] if args.overlap else [])


def _time(value: float) -> str:
    """Write seconds such that ``seconds`` reads the same number, if any unit can."""
    text = "0s"
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9)):
        number = f"{value / scale:.9f}".rstrip("0").rstrip(".")
        if len(number.partition(".")[0]) < 10:
            text = number + unit
            if seconds(text) == value:
                break
    return text


def speed(clock: Clock | None, misses: float, loaded: float | None, tokens: int | None) -> dict[str, float | None]:
    """Return loads, bytes and seconds per token, and tokens per second; None for what is not known.

    Parameters
    ----------
    clock : Clock or None
    misses, loaded : float
        Of all tokens; ``loaded`` is in bytes, None where sizes are unknown.
    tokens : int or None
    """
    if tokens is None:
        return dict.fromkeys(("loads_per_token", "bytes_per_token", "tokens_per_second"))
    each = None if loaded is None else loaded / tokens
    rate = None if clock is None or each is None else clock.rate(misses / tokens, each)
    return {"loads_per_token": misses / tokens, "bytes_per_token": each, "tokens_per_second": rate}


def paced(rows: list[dict[str, Any]], args: argparse.Namespace) -> dict[str, list[str]]:
    """Return columns of a table, head to cells: what is known per token, where the options ask for it.

    Parameters
    ----------
    rows : list of dict
        With what ``speed`` returns; a row without it gets dashes.
    args : Namespace
    """
    if not args.per_token and args.compute is None:
        return {}
    unit = "token" if getattr(args, "batch_size", None) is None else "step"
    known = {key: head.format(unit) for key, head in PACES.items() if any(row.get(key) is not None for row in rows)}
    return {head: [_pace(key, row.get(key)) for row in rows] for key, head in known.items()}


def _pace(key: str, value: float | None) -> str:
    if value is None:
        return "-"
    return {"loads_per_token": f"{value:.3f}", "bytes_per_token": mib(value)}.get(key, f"{value:.2f}")
