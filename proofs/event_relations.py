"""How the optima of events are related: bypass, more slots, and unrolling into single requests.

Evidence. Every sequence of events in the scope, each optimum by trying every cache.
Control.  The chain with one slot less; unrolling as an equality.
"""

from __future__ import annotations

from itertools import combinations, product

from layered_paging.claims import cheapest
from layered_paging.core.registry import register


def sequences(size: int, length: int) -> list[tuple[frozenset[int], ...]]:
    """Return all sequences of events of up to ``size`` of 4 pages that start with the lowest pages."""
    sets = [frozenset(c) for m in range(1, size + 1) for c in combinations(range(4), m)]
    heads = [frozenset(range(m)) for m in range(1, size + 1)]
    return [(head, *rest) for head in heads for rest in product(sets, repeat=length - 1)]


@register(
    "claim",
    "bypass-chain",
    cites=(),
    statement="With events of at most m members:",
    latex=r"\mathrm{OPT}_{\text{forced}}(k + m) \le \mathrm{OPT}_{\text{bypass}}(k) \le \mathrm{OPT}_{\text{forced}}(k)",
    status="[derived]",
    evidence="exhaustive",
    scope={"small": "4 pages, m <= 2, 4 events, every k", "full": "4 pages, m <= 3, 5 events, every k"},
    control={"fewer": 1},
    breaks="the chain breaks",
)
def bypass_chain(scope: str = "small", *, fewer: int = 0) -> str | None:
    """Return events that break the chain."""
    most, length = (2, 4) if scope == "small" else (3, 5)
    for m in range(1, most + 1):
        for events in sequences(m, length):
            for slots in range(m, 5):
                between = cheapest(events, slots, bypass=True)
                wider = max(m, slots + m - fewer * (m + 1))
                if not cheapest(events, wider) <= between <= cheapest(events, slots):
                    return f"the chain breaks: k = {slots}, m = {m}: {[sorted(e) for e in events]}"
    return None


@register(
    "claim",
    "serial-relaxation",
    cites=(),
    statement="Unrolling events into single requests (ascending pages) is a relaxation of the optimum, strictly cheaper on some sequence:",
    latex=r"\mathrm{OPT}(\text{unrolled}) \le \mathrm{OPT}(\text{events})",
    status="[derived]",
    evidence="exhaustive",
    scope={
        "small": "4 pages, events of up to 2, 4 events, every k",
        "full": "4 pages, events of up to 3, 5 events, every k",
    },
    control={"equal": True},
    breaks="against",
)
def serial_relaxation(scope: str = "small", *, equal: bool = False) -> str | None:
    """Return events whose unrolling costs more (or, for the control, not the same)."""
    most, length = (2, 4) if scope == "small" else (3, 5)
    strict = 0
    for events in sequences(most, length):
        single = [frozenset({page}) for event in events for page in sorted(event)]
        for slots in range(most, 5):
            unrolled, whole = cheapest(single, slots), cheapest(events, slots)
            if unrolled > whole or (equal and unrolled != whole):
                return f"k = {slots}: {[sorted(e) for e in events]}: {unrolled} against {whole}"
            strict += unrolled < whole
    return None if strict else "never strictly cheaper"
