"""The C header that an engine includes, and traces as plain text for programs in C."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..core.trace import Trace

__all__ = ["POLICIES", "example", "header", "text_of"]

# What the header decides, as policies of this package; in the order of its numbers.
POLICIES = ("lru", "llru", "lfu-decay", "stamp", "similar-rounds", "classlru")
_FOLDER = Path(__file__).parent


def header() -> str:
    """Return ``layered_cache.h``: the policies of ``POLICIES`` in C99, in one file.

    Examples
    --------
    >>> "layered_cache_serve(" in header()
    True
    """
    return (_FOLDER / "layered_cache.h").read_text()


def example() -> str:
    """Return ``misses.c``: a program that prints what each policy of the header misses on a trace as text."""
    return (_FOLDER / "misses.c").read_text()


def text_of(trace: Trace) -> Iterator[str]:
    """Yield the lines of a trace as text: the layer and its experts for each event, -1 where a session begins.

    Examples
    --------
    >>> import layered_paging as lp
    >>> "".join(text_of(lp.Trace([[[0, 1], [2, -1]]], n_experts=3))).splitlines()
    ['-1', '0 0 1', '1 2']
    """
    starts = set(trace.sessions.tolist())
    for r in range(trace.rounds):
        if r in starts:
            yield "-1\n"
        rows = enumerate(trace.experts[r].tolist())
        yield "".join(f"{j} {' '.join(str(e) for e in row if e >= 0)}".rstrip() + "\n" for j, row in rows)
