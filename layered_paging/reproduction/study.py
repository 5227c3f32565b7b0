"""What a result is given, what it returns, and what its registration must say."""

from __future__ import annotations

import inspect
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from ..core.registry import Entry
from ..core.trace import Trace
from ..errors import LayeredPagingError, ParameterError
from ..formats import FORMATS, load_trace

__all__ = ["AGREES", "SCOPES", "STATUSES", "Finding", "Study", "problems", "traces_from"]

AGREES = ("yes", "partly", "no", "not decidable")
SCOPES = ("small", "full")
STATUSES = ("[text]", "[second hand]", "[derived]", "[computed]", "[classical]", "[open]", "[not reported]")
SMALL_ROUNDS = 160  # rounds of a trace at the small scope
FOLDER = "LAYERED_PAGING_TRACES"  # environment variable: folder of traces


@dataclass(frozen=True)
class Finding:
    """What came out.

    Parameters
    ----------
    ours : str
        What was found, in a sentence or two with its numbers; goes into the table.
    agrees : {"yes", "partly", "no", "not decidable"}
        By the rule that the registration states as ``agrees_when``.
    rows : sequence of mappings
        The data behind it: plain values (str, bool, int, finite float, Fraction, None) by column.
    draw : callable, optional
        Called with an empty matplotlib figure, on which it draws.
    notes : str
        What a reader should know beside it.

    Raises
    ------
    ParameterError
        A field is not of its kind; the message names it.
    """

    ours: str
    agrees: str
    rows: Sequence[Mapping[str, Any]] = ()
    draw: Callable[[Any], None] | None = None
    notes: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.ours, str) or not self.ours.strip():
            raise ParameterError(f"Finding: ours must be a sentence; got {self.ours!r}")
        if self.agrees not in AGREES:
            raise ParameterError(f"Finding: agrees must be one of {', '.join(AGREES)}; got {self.agrees!r}")
        object.__setattr__(self, "rows", [_plain_row(at, row) for at, row in enumerate(self.rows)])


def _plain_row(at: int, row: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(row, Mapping):
        raise ParameterError(f"Finding: rows[{at}] must be a mapping of plain values; got {row!r}")
    plain: dict[str, Any] = {}
    for name, given in row.items():
        value = given.item() if isinstance(given, np.generic) else given
        if isinstance(value, Fraction):
            value = str(value)
        if not isinstance(value, (str, int, float)) and value is not None:
            raise ParameterError(f"Finding: rows[{at}][{name!r}] must be a plain value; got {value!r}")
        if isinstance(value, float) and not math.isfinite(value):
            raise ParameterError(f"Finding: rows[{at}][{name!r}] must be finite; got {value!r}")
        plain[str(name)] = value
    return plain


@dataclass
class Study:
    """What a result may use: how much to run, the seed, the traces at hand.

    Attributes
    ----------
    scope : {"small", "full"}
        Small runs in seconds.
    seed : int
        All randomness comes from it.
    progress : callable
        ``progress(done, total)`` moves the bar.
    traces : list of (name, Trace)
        May be empty.  At the small scope each is cut to its first 160 rounds.
    """

    scope: str = "small"
    seed: int = 0
    given: Sequence[tuple[str, Trace]] = ()
    progress: Callable[[int, int], None] = lambda done, total: None
    used_traces: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        if self.scope not in SCOPES:
            raise ParameterError(f"must be one of {', '.join(SCOPES)}; got {self.scope!r}", parameter="scope")
        if self.scope == "small":
            self.given = [(name, first_rounds(trace, SMALL_ROUNDS)) for name, trace in self.given]

    @property
    def full(self) -> bool:
        """Whether the scope is full."""
        return self.scope == "full"

    @property
    def traces(self) -> list[tuple[str, Trace]]:
        """Traces by name; asking for them makes the result depend on them."""
        self.used_traces = True
        return list(self.given)

    @property
    def digests(self) -> dict[str, str]:
        """Digest of each trace by its name."""
        return {name: trace.digest() for name, trace in self.given}


def first_rounds(trace: Trace, rounds: int) -> Trace:
    """Return the trace of the first rounds."""
    if trace.rounds <= rounds:
        return trace
    starts = trace.sessions[trace.sessions < rounds]
    weights = None if trace.weights is None else trace.weights[:rounds]
    meta = {key: value for key, value in trace.meta.items() if key != "items"}
    return Trace(
        trace.experts[:rounds], trace.n_experts, starts, trace.stage[:rounds], trace.expert_bytes, meta, weights
    )


def traces_from(files: Iterable[str | os.PathLike[str]]) -> list[tuple[str, Trace]]:
    """Read the given trace files, or else those of the folder that LAYERED_PAGING_TRACES names.

    Names of files in the folder may differ only in what follows the first dot. Then the first
    format counts in the order npz, jsonl, jsonl.gz, events.csv, route.csv, parquet.

    Raises
    ------
    FormatError, TraceError
        A file cannot be read, or holds no trace; the message names it.
    ParameterError
        Two files have the same name, or the folder is missing.
    """
    named = [Path(file) for file in files]
    if not named and os.environ.get(FOLDER):
        folder = Path(os.environ[FOLDER])
        if not folder.is_dir():
            raise ParameterError(f"{FOLDER} must name a folder of traces; got {folder}")
        found: dict[str, Path] = {}
        for suffix in [suffix for known in FORMATS for suffix in known.suffixes]:
            for path in sorted(folder.glob(f"*{suffix}")):
                found.setdefault(_stem(path), path)
        named = [found[stem] for stem in sorted(found)]
    read: dict[str, Trace] = {}
    for path in named:
        if _stem(path) in read:
            raise ParameterError(f"{path}: each trace needs a name of its own; got {_stem(path)!r} twice")
        try:
            read[_stem(path)] = load_trace(path)
        except LayeredPagingError as error:
            if str(path) in str(error):
                raise
            raise type(error)(f"{path}: {error}") from None
    return list(read.items())


def _stem(path: Path) -> str:
    return path.name.split(".")[0] or path.name


def problems(entry: Entry) -> list[str]:
    """Return what is wrong with the registration of a result."""
    facts = entry.properties
    found = [
        f"lacks {name!r}"
        for name in ("reported", "status", "agrees_when")
        if not isinstance(facts.get(name), str) or not facts[name].strip()
    ]
    parts = entry.name.split("/")
    if len(parts) != 2 or not all(parts) or entry.name != entry.name.lower() or not set(entry.name) <= _ALLOWED:
        found.append(f"its name must be PAPER/NAME in lower case with hyphens; got {entry.name!r}")
    if parts[0] not in facts.get("cites", ()):
        found.append(f"cites must name its paper {parts[0]!r}; got {facts.get('cites', ())!r}")
    status = str(facts.get("status", ""))
    if status and not any(word in status for word in STATUSES):
        found.append(f"status must contain one of {', '.join(STATUSES)}; got {status!r}")
    if facts.get("small") is not None and facts["small"] not in AGREES:
        found.append(f"small must be one of {', '.join(AGREES)}; got {facts['small']!r}")
    if not isinstance(facts.get("needs_traces", False), bool):
        found.append(f"needs_traces must be True or False; got {facts['needs_traces']!r}")
    if not callable(entry.obj) or len(inspect.signature(entry.obj).parameters) != 1:
        found.append("it must be a function of one parameter, the study")
    return found


_ALLOWED = set("abcdefghijklmnopqrstuvwxyz0123456789-/")
