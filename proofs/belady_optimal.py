"""Belady's rule is optimal: evict the page whose next request is furthest.

Evidence. Every sequence in the scope up to renaming, against the least cost over all schedules (every cache after every
          request); for events, every sequence of sets in the scope, forced and with bypass.
Control.  The rule with its order reversed (nearest instead of furthest); for events likewise.
"""

from __future__ import annotations

from itertools import combinations, product

from layered_paging.claims import cheapest, layered_sequences
from layered_paging.core.registry import register
from layered_paging.policies.belady import furthest


@register(
    "claim",
    "belady-optimal",
    cites=("belady-1966", "mattson-gecsei-slutz-traiger-1970"),
    statement="For single requests, evicting the page that is needed furthest in the future is optimal, for every prefix too.",
    latex=r"\mathrm{Belady}(s) = \mathrm{OPT}(s)",
    status="[classical]",
    evidence="exhaustive",
    scope={"small": "l n <= 4, up to 8 requests, every k", "full": "l n <= 6, up to 10 requests, every k"},
    control={"nearest": True},
    breaks="not the fewest misses",
)
def belady_optimal(scope: str = "small", *, nearest: bool = False) -> str | None:
    """Return a sequence on which the rule is not optimal."""
    sizes = ((1, 3, 7), (1, 4, 7), (2, 2, 4)) if scope == "small" else ((1, 4, 9), (2, 2, 5), (2, 3, 4), (3, 2, 3))
    for layers, experts, rounds in sizes:
        for pages in layered_sequences(layers, experts, rounds):
            events = [frozenset({page}) for page in pages]
            for slots in range(1, layers * experts):
                paid = batch_belady(events, slots, nearest=True) if nearest else sum(furthest(pages, slots))
                if paid != cheapest(events, slots):
                    return f"not the fewest misses: k = {slots}: {pages}"
    return None


@register(
    "claim",
    "batch-belady-optimal",
    cites=("belady-1966",),
    statement="For events (sets that must be resident together), unit cost, evicting outside the event what is needed furthest in the future is optimal; with bypass, over cache and event together.",
    latex=r"\mathrm{Belady}(B_1 \dots B_T) = \mathrm{OPT}(B_1 \dots B_T)",
    status="[derived]",
    evidence="exhaustive",
    scope={
        "small": "4 pages in one layer, events of 1 or 2, 4 events, every k",
        "full": "4 pages, events of 1 to 3, 5 events, every k",
    },
    control={"nearest": True},
    breaks="not the fewest misses of the events",
)
def batch_belady_optimal(scope: str = "small", *, nearest: bool = False) -> str | None:
    """Return events on which the rule is not optimal."""
    size, length = (2, 4) if scope == "small" else (3, 5)
    for events in event_sequences(4, size, length):
        for slots in range(size, 5):
            for bypass in (False, True):
                if batch_belady(events, slots, bypass=bypass, nearest=nearest) != cheapest(
                    events, slots, bypass=bypass
                ):
                    return f"not the fewest misses of the events: k = {slots}, {'bypass' if bypass else 'forced'}: {[sorted(e) for e in events]}"
    return None


def event_sequences(pages: int, size: int, length: int) -> list[tuple[frozenset[int], ...]]:
    """Return all sequences of events of up to ``size`` of the pages that start with the lowest pages."""
    sets = [frozenset(c) for m in range(1, size + 1) for c in combinations(range(pages), m)]
    heads = [frozenset(range(m)) for m in range(1, size + 1)]
    return [(head, *rest) for head in heads for rest in product(sets, repeat=length - 1)]


def batch_belady(
    events: list[frozenset[int]] | tuple[frozenset[int], ...],
    slots: int,
    *,
    bypass: bool = False,
    nearest: bool = False,
) -> int:
    """Return the misses of the furthest-next-use rule for events."""
    cache: set[int] = set()
    paid = 0
    for t, event in enumerate(events):
        paid += len(event - cache)
        cache |= event
        while len(cache) > slots:
            free = cache if bypass else cache - event

            def next_use(page: int, t: int = t) -> int:
                return next((s for s in range(t + 1, len(events)) if page in events[s]), len(events))

            cache.remove(min(free, key=next_use) if nearest else max(free, key=next_use))
    return paid
