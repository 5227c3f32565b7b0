"""The best bounds known at a size: from theorems, from the atlas, and from certificates that were kept.

Every bound names the theorem, the row, the certificate or the paper that it comes from.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from .. import catalog
from ..errors import FormatError
from .stated import BEST, RANDOMIZED, Size, harmonic

__all__ = ["Bounds", "Found", "bounds", "kept", "kept_file"]

ATLAS = "docs/atlas/table.json"
KEPT = "proofs/open/standing.json"
ROW = ("policy", "layers", "experts", "slots", "lower", "upper")

Value = Fraction | float  # a float only where it is infinite: no ratio holds


@dataclass(frozen=True)
class Found:
    """Bounds of one subject at one size that one source gives; None where it gives none."""

    subject: str
    size: Size
    lower: Value | None
    upper: Value | None
    source: str


@dataclass(frozen=True)
class Bounds:
    """The best bounds of a ratio at a size, and what they come from.

    Attributes
    ----------
    lower, upper : Fraction or None
        None where nothing is known; ``math.inf`` where no ratio holds.
    below, above : str
        The source of each; empty where there is none.
    """

    lower: Value | None
    upper: Value | None
    below: str
    above: str

    @property
    def settled(self) -> bool:
        """Whether both sides meet."""
        return self.lower is not None and self.lower == self.upper

    def __str__(self) -> str:
        if self.settled:
            return written(self.lower)
        return f"{written(self.lower)}..{written(self.upper)}"


def written(value: Value | None) -> str:
    """Return a bound as a fraction; a question mark where none is known."""
    return "?" if value is None else "unbounded" if value == math.inf else str(value)


def kept_file() -> Path:
    """Return the file of the certificates that were kept."""
    return catalog.content_root() / KEPT


def kept() -> list[dict[str, Any]]:
    """Return the rows of the certificates that were kept, as they are stored.

    Raises
    ------
    FormatError
        The file is not what ``keep`` writes.
    """
    return _rows(kept_file())


def bounds(subject: str, size: Size, sources: str = "all") -> Bounds:
    """Return the best bounds known of a subject's ratio at a size.

    Parameters
    ----------
    subject : str
        A policy, ``best deterministic`` or ``best randomized``.
    size : Size
    sources : {"all", "theorems", "computed"}
        Which sources count: theorems, what was computed at this very size, or both and classical bounds.

    Raises
    ------
    FormatError
        Two sources contradict each other: a lower bound above an upper one.

    Examples
    --------
    >>> found = bounds("best deterministic", Size(4, 2, 5))
    >>> str(found), found.below
    ('7/3', 'atlas')
    >>> str(bounds("lru", Size(5, 9, 20))), bounds("lru", Size(5, 9, 20)).above
    ('20', 'theorem lru_exact')
    """
    low: tuple[Value, str] | None = None
    high: tuple[Value, str] | None = None
    theorems = [] if sources == "computed" else proved(subject, size)
    stored = [] if sources == "theorems" else _stored().get((subject, size), [])
    others = classical(subject, size) if sources == "all" else []
    for found in [*theorems, *stored, *others]:
        if found.lower is not None and (low is None or found.lower > low[0]):
            low = (found.lower, found.source)
        if found.upper is not None and (high is None or found.upper < high[0]):
            high = (found.upper, found.source)
    if low and high and low[0] > high[0]:
        raise FormatError(f"{subject}, {size}: {low[1]} proves at least {low[0]}, {high[1]} at most {high[0]}")
    lower, below = low or (None, "")
    upper, above = high or (None, "")
    return Bounds(lower, upper, below, above)


def proved(subject: str, size: Size) -> Iterator[Found]:
    """Yield what theorems say of a subject at a size; their names are those of ``proofs/theorems.toml``."""

    def found(name: str, lower: Value | None, upper: Value | None) -> Found:
        return Found(subject, size, lower, upper, f"theorem {name}")

    l, n, k, m = size.layers, size.experts, size.slots, size.top_k  # noqa: E741  as in the theorems
    if k >= size.pages:
        return
    if size.admission == "bypass":
        if subject == BEST and l * m <= k:
            yield found("events_bypass", Fraction(k - l * m + 2), None)
        return
    if m > 1:
        if subject == BEST and l * m <= k:
            yield found("events_lower", Fraction(k - l * m + 1), None)
        return
    if n < 2:
        return
    lru = Fraction(l - 1, l - k) if k < l else Fraction(2 * l - 1, l) if k == l else Fraction(min(k, 2 * (k - l) + 1))
    if subject == "lru":
        yield found("lru_exact", lru, lru)
    elif subject in (BEST, RANDOMIZED):  # LRU is one policy of them
        yield found("lru_exact", None, lru)
    if subject == "llru" or subject.startswith("llru("):
        yield found("llru_absolute" if "absolute" in subject else "llru_visit", None, Fraction(k + l - 1))
    if subject == BEST and k >= l:
        yield found("deterministic_lower", Fraction(k - l + 1), None)
        if k + 1 == size.pages:
            yield found("mark_far_exact", None, Fraction(k - l + 1))
    if subject == RANDOMIZED and k >= l:
        yield found("randomized_harmonic", harmonic(k - l + 1), None)
    width = (k + 1) // l
    if subject == RANDOMIZED and width * l == k + 1 and 2 <= width <= n:
        value = harmonic(k - l + 1) + Fraction(l - 1, k + 1)
        exact = width == n
        yield found("randomized_exact" if exact else "randomized_at_least", value, value if exact else None)


def classical(subject: str, size: Size) -> Iterator[Found]:
    """Yield upper bounds of the literature for sequences of any pages, which no kernel has checked here."""
    if size.top_k > 1 or size.admission == "bypass" or size.slots >= size.pages:
        return
    value = harmonic(size.slots)
    for name, bound, source in (
        (RANDOMIZED, value, "H_k (mcgeoch-sleator-1991)"),
        ("online-min", value, "H_k (brodal-moruz-negoescu-2015)"),
        ("marking", 2 * value - 1, "2 H_k - 1 (achlioptas-chrobak-noga-2000)"),
    ):
        if subject == name:
            yield Found(subject, size, None, bound, f"classical {source}")


@functools.cache
def _stored() -> dict[tuple[str, Size], list[Found]]:
    """Return what is stored, by subject and size."""
    table: dict[tuple[str, Size], list[Found]] = {}
    root = catalog.content_root()
    for where, name in ((root / ATLAS, "atlas"), (root / KEPT, "certificate")):
        for row in _rows(where):
            if "error" in row:
                continue
            size = Size(
                row["layers"], row["experts"], row["slots"], row.get("top_k", 1), row.get("admission", "forced")
            )
            source = f"{name} {row['digest'][7:19]}" if "digest" in row else name
            found = Found(row["policy"], size, _value(row["lower"]), _value(row["upper"]), source)
            table.setdefault((found.subject, size), []).append(found)
    return table


def forget() -> None:
    """Read the files again when they are asked for next."""
    _stored.cache_clear()


def _value(text: str | None) -> Value | None:
    return None if text is None else math.inf if text == "unbounded" else Fraction(text)


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        rows = json.loads(path.read_bytes())["rows"]
        if not all(isinstance(row, dict) and ("error" in row or all(key in row for key in ROW)) for row in rows):
            raise ValueError("a row lacks something")
    except FileNotFoundError:
        raise FormatError(f"{path}: is missing") from None
    except (ValueError, KeyError, TypeError) as error:
        raise FormatError(f"{path}: must hold an object with rows of {', '.join(ROW)}; {error}") from None
    return list(rows)
