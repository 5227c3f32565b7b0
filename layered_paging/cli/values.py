"""Values as they are typed: sizes in bytes, times with their unit, numbers; each is a type of argparse."""

from __future__ import annotations

import argparse
import re

__all__ = ["byte_size", "columns", "positive", "seconds"]

_UNITS = {
    "": 1,
    "b": 1,
    "kib": 1 << 10,
    "mib": 1 << 20,
    "gib": 1 << 30,
    "tib": 1 << 40,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
}
_TIMES = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}


def byte_size(text: str) -> int:
    """Read a size such as ``250MiB``, ``2GiB``, ``1.5GB`` or ``4096``; an argparse type."""
    if text.lstrip().startswith("-"):
        raise argparse.ArgumentTypeError(f"a size must not be negative; got {text!r}")
    match = re.fullmatch(r"\s*(\d{1,18}(?:\.\d{1,18})?)\s*([a-zA-Z]*)\s*", text, re.ASCII)
    factor = None if match is None else _UNITS.get(match[2].lower())
    if match is None or factor is None:
        raise argparse.ArgumentTypeError(
            f"a size is a number with B, KiB, MiB, GiB, TiB, kB, MB, GB or TB, such as 250MiB; got {text!r}"
        )
    whole, _, part = match[1].partition(".")
    size: int = int(whole + part) * factor // 10 ** len(part)
    return size


def seconds(text: str) -> float:
    """Read a time such as ``200us``, ``1.5ms``, ``0.02s``, ``5min`` or ``1h``, in seconds; an argparse type."""
    match = re.fullmatch(r"\s*(\d{1,9}(?:\.\d{1,9})?)\s*([a-z]*)\s*", text, re.ASCII)
    if match is None or match[2] not in _TIMES:
        bare = f", without a unit (did you mean {text.strip()}s?)" if match is not None and not match[2] else ""
        raise argparse.ArgumentTypeError(f"must be a time such as 200us, 1.5ms, 20s or 5min; got {text!r}{bare}")
    return float(match[1]) * _TIMES[match[2]]


def positive(text: str) -> int:
    """Read an integer of at least 1; an argparse type."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be an integer of at least 1; got {text!r}")
    return number


def columns(text: str) -> dict[str, str]:
    """Read ``token=pos,layer=blk``; an argparse type."""
    pairs = [part.partition("=") for part in text.split(",")]
    if not all(key.strip() and mark and name.strip() for key, mark, name in pairs):
        raise argparse.ArgumentTypeError(f"columns are named such as token=pos,layer=blk,experts=ids; got {text!r}")
    return {key.strip(): name.strip() for key, _, name in pairs}
