"""Is a trace sane: its facts beside what chance gives, and warnings of mistakes that people made when logging."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.arguments import kinds
from ..core.tables import Tabular
from ..core.trace import DECODE, Trace
from . import shape
from .checks import Check, event_sizes
from .evidence import distinct_sessions
from .lapses import constant, dummy_prefix, missing, mixed_stages, repeated_sessions
from .losses import uses_of
from .suspicions import copied_layers, cut_off, physical_slots, sorted_by_id, strided, uniform

__all__ = ["CHECKS", "Fact", "Inspection", "inspect", "warned"]

CHECKS: tuple[Callable[[Trace, npt.NDArray[np.int64]], Check], ...] = (
    cut_off,
    sorted_by_id,
    physical_slots,
    copied_layers,
    strided,
    dummy_prefix,
    uniform,
    repeated_sessions,
    constant,
    missing,
    mixed_stages,
)


@dataclass(frozen=True)
class Fact:
    """One fact; ``by_chance`` is what independent tokens of equal experts, or of the same popularity, would give."""

    name: str
    value: Any
    by_chance: Any = None


@dataclass(frozen=True)
class Inspection(Tabular):
    """What ``inspect`` found.

    Attributes
    ----------
    facts : list of Fact
    checks : list of Check
        Every test, in a fixed order, whatever its outcome.
    """

    facts: list[Fact]
    checks: list[Check]

    @property
    def warnings(self) -> list[Check]:
        """The tests that warn."""
        return [one for one in self.checks if one.outcome == "warning"]

    def to_rows(self) -> list[dict[str, Any]]:
        """Return one row per test: its name, outcome and sentence."""
        return [{"check": one.name, "outcome": one.outcome, "sentence": one.sentence} for one in self.checks]

    def to_dict(self) -> dict[str, Any]:
        """Return facts, checks and warnings as JSON holds them."""
        found = asdict(self)
        return {**found, "warnings": [one for one in found["checks"] if one["outcome"] == "warning"]}


@kinds()
def inspect(trace: Trace) -> Inspection:
    """Inspect a trace: what it holds, and whether it looks like a log that went wrong.

    Parameters
    ----------
    trace : Trace

    Returns
    -------
    Inspection
        Every test warns, finds nothing, or says why it cannot tell.  A warning rests on its numbers, and a sane trace may
        still have one: prompts may be meant to repeat.

    Notes
    -----
    Deterministic; a few passes over the trace.  An event that names an expert twice never gets here: ``Trace`` refuses
    it, and readers name the row.  Tests of chance use 2^-40 (sets, orders), 10^-9 (overlap) and 10^-3 (chi-square).

    Examples
    --------
    >>> trace = Trace([[[0, 1], [2, 3]]] * 8, n_experts=64)
    >>> [warning.name for warning in inspect(trace).warnings]
    ['dummy rounds', 'constant layers']
    """
    sizes = event_sizes(trace)
    return Inspection(_facts(trace), [check(trace, sizes) for check in CHECKS])


def warned(trace: Trace, *but: str) -> list[str]:
    """Return the warnings about a trace, one line each, but those of the tests named."""
    sizes = event_sizes(trace)
    found = [check(trace, sizes) for check in CHECKS]
    return [f"Look at the trace ({one.name}): {one.sentence}" for one in found if one.outcome == "warning" and one.name not in but]  # fmt: skip


def _span(values: Any) -> Any:
    low, high = int(min(values)), int(max(values))
    return low if low == high else f"{low} to {high}"


def _facts(trace: Trace) -> list[Fact]:
    sizes = event_sizes(trace)
    uses = uses_of(trace)
    ends = np.append(trace.sessions[1:], trace.rounds)
    whole = int((~(sizes > 0).any(axis=1)).sum())
    decode = int((trace.stage == DECODE).sum())
    touched = int((uses > 0).sum())
    tenth = max(1, trace.pages // 10)
    share = float(np.sort(uses)[::-1][:tenth].sum()) / trace.requests
    overlap, chance = shape.repeated(trace)
    facts = [
        Fact("rounds", trace.rounds),
        Fact("layers", trace.layers),
        Fact("layers with requests", int(trace.asked.sum())),
        Fact("experts of a layer", _span(trace.n_experts)),
        Fact("experts of an event", _span(sizes[sizes > 0])),
        Fact("requests", trace.requests),
        Fact("sessions", len(trace.sessions)),
        Fact("distinct sessions", len(distinct_sessions(trace))),
        Fact("rounds of a session", _span(ends - trace.sessions)),
        Fact("prefill rounds", trace.rounds - decode),
        Fact("decode rounds", decode),
        Fact("rounds without a request", whole),
        Fact(
            "events missing in other rounds", int((sizes == 0)[:, trace.asked].sum()) - whole * int(trace.asked.sum())
        ),
        Fact("pages", trace.pages),
        Fact("distinct pages asked for", touched),
        Fact("gate weights", "yes" if trace.weights is not None else "no"),
    ]
    if trace.page_bytes is None:
        facts.append(Fact("bytes of an expert", "unknown"))
    else:
        facts += [
            Fact("bytes of an expert", _span(trace.page_bytes)),
            Fact("bytes of all experts", int(trace.page_bytes.sum())),
        ]
    return [
        *facts,
        Fact("requests that the round before made too", overlap, chance),
        Fact("requests of the hottest tenth of the pages", round(share, 6), round(shape.by_chance(trace, tenth), 6)),
    ]
