"""Perfect predictions give the optimum, with events too; wrong ones can cost BlindOracle anything.

Evidence. ``blind-oracle-consistent``, ``guard-consistent``: every sequence of events in the scope, the optimum by trying every
          cache; Guard must not touch its dice.  By exchange this holds in general: the policies then evict what is needed
          last, and Guard never draws: a page that comes again in the phase of its eviction was needed later than every
          old page, so all of them were requested before it or with it, and the next eviction begins a phase.
          ``blind-oracle-unbounded``: the sequence below, at each size in the scope, against the optimum of the trace.
          ``marking-events``: the graph of (marks, cache, offline cache) with every event, every unmarked victim and every
          offline answer; its largest ratio of misses to offline misses over cycles.  So no prediction and no dice matter.
          In general: the pages requested in a phase stay until it ends, so a phase has at most k misses; they and the
          event that ends it are more than k pages, so the optimum misses in each shifted phase.
Control.  Predictions about page 0 are two events late; the policy is Guard; k - 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import combinations, product
from typing import Any

from layered_paging.claims import cheapest
from layered_paging.core.registry import register

Event = frozenset[int]


def sequences(size: int, length: int, pages: int = 4) -> Iterator[tuple[Event, ...]]:
    """Yield all sequences of events of up to ``size`` of the pages that start with the lowest pages."""
    sets = [frozenset(c) for m in range(1, size + 1) for c in combinations(range(pages), m)]
    for m in range(1, size + 1):
        for rest in product(sets, repeat=length - 1):
            yield (frozenset(range(m)), *rest)


class Perfect:
    """The true next uses; those of page 0 are ``late``."""

    def __init__(self, events: tuple[Event, ...], late: int) -> None:
        self._events, self._late, self._due = events, late, dict[int, float]()

    def told(self, page: int, time: Any) -> None:
        """Read the page's next use from the events."""
        later = (t for t in range(time.clock + 1, len(self._events)) if page in self._events[t])
        self._due[page] = next(later, float("inf")) + (self._late if page == 0 else 0)

    def next_use(self, page: int) -> float:
        """Return what was read last."""
        return self._due[page]


class NoDice:
    """Dice that must not be touched."""

    def below(self, n: int) -> int:
        """Fail."""
        raise AssertionError("drew a number")


def played(policy: str, events: tuple[Event, ...], slots: int, late: int) -> int:
    """Return the misses with (nearly) perfect predictions; more than all requests if it drew."""
    import layered_paging as lp
    from layered_paging.policies.names import resolve
    from layered_paging.policies.spec import Time
    from layered_paging.policies.step import Pool

    spec = resolve(policy)
    extra = {"rng": NoDice()} if spec.randomized else {}
    made = spec.cls(lp.Instance(1, 8, slots), predictions=Perfect(events, late), **extra)
    pool = Pool(made, slots)
    try:
        return sum(len(pool.serve(sorted(event), Time(t, t, 0)).misses) for t, event in enumerate(events))
    except AssertionError:
        return sum(map(len, events)) + 1


def suboptimal(policy: str, scope: str, late: int) -> str | None:
    """Return events on which the policy is not the optimum."""
    cases = [(1, 7), (2, 4)] if scope == "small" else [(1, 8), (2, 5)]
    for size, length in cases:
        for events in sequences(size, length):
            for slots in range(max(2, size), 4):
                misses = played(policy, events, slots, late)
                if misses != cheapest(events, slots):
                    return f"not the optimum: k = {slots}: {[sorted(e) for e in events]}: {misses}"
    return None


SCOPE = {
    "small": "4 pages, k <= 3; 7 single requests; 4 events of up to 2",
    "full": "8 single requests; 5 events of up to 2",
}


@register(
    "claim",
    "blind-oracle-consistent",
    cites=("wei-2020", "belady-1966"),
    statement="With perfect predictions BlindOracle misses what the forced optimum misses, on events too:",
    latex=r"\eta = 0 \Rightarrow \text{BlindOracle} = \mathrm{OPT}",
    status="[classical]; events [derived]",
    evidence="exhaustive",
    scope=SCOPE,
    control={"late": 2},
    breaks="not the optimum",
)
def blind_oracle_consistent(scope: str = "small", *, late: int = 0) -> str | None:
    """Return events on which BlindOracle with perfect predictions is not optimal."""
    return suboptimal("blind-oracle", scope, late)


@register(
    "claim",
    "guard-consistent",
    cites=("chen-et-al-2025",),
    statement="With perfect predictions Guard misses what the forced optimum misses and draws no number, on events too:",
    latex=r"\eta = 0 \Rightarrow \text{Guard} = \mathrm{OPT}",
    status="[second hand]; events [derived]",
    evidence="exhaustive",
    scope=SCOPE,
    control={"late": 2},
    breaks="not the optimum",
)
def guard_consistent(scope: str = "small", *, late: int = 0) -> str | None:
    """Return events on which Guard with perfect predictions is not optimal."""
    return suboptimal("guard", scope, late)


@register(
    "claim",
    "blind-oracle-unbounded",
    cites=("wei-2020",),
    statement="BlindOracle is not robust: for l layers and k = l + 1 there are T rounds and predictions with",
    latex=r"\text{BlindOracle} \ge T,\quad \mathrm{OPT} = l + 2",
    status="[classical]",
    evidence="exhaustive",
    scope={"small": "l <= 4, T = 40", "full": "l <= 8, T = 400"},
    control={"policy": "guard"},
    breaks="misses in",
)
def blind_oracle_unbounded(scope: str = "small", *, policy: str = "blind-oracle") -> str | None:
    """Return a size at which the policy misses less than T times, or the optimum not l + 2 times."""
    import numpy as np

    import layered_paging as lp
    from layered_paging.policies.belady import furthest

    most, rounds = (4, 40) if scope == "small" else (8, 400)
    for layers in range(1, most + 1):
        # layer 0: page 2 once, then 0 and 1 in turn; one page in each other layer; what was just used is predicted last, but page 2
        asked = [[2 if r == 0 else r % 2] + [0] * (layers - 1) for r in range(rounds)]
        trace = lp.Trace(asked, [3] + [1] * (layers - 1))
        said = np.ones((rounds, layers, 1))
        said[1:, 0] = rounds + 1
        misses = lp.replay(trace, policy, layers + 1, predictions=said, engine="reference").misses
        pages = [int(first) + expert for row in asked for first, expert in zip(trace.first_page, row, strict=True)]
        best = sum(furthest(pages, layers + 1))
        if misses < rounds or best != layers + 2:
            return f"l = {layers}: {misses} misses in {rounds} rounds, optimum {best}"
    return None


@register(
    "claim",
    "marking-events",
    cites=("borodin-el-yaniv-1998",),
    statement="Every marking policy has at most k times the misses of the forced optimum on events, whatever it is told and however its dice fall:",
    latex=r"r(\text{marking}) \le k",
    status="single requests [classical]; events [derived]",
    evidence="exhaustive",
    scope={"small": "4 pages, events of up to 2, k = 2 and 3", "full": "5 pages, events of up to 3, k = 3 and 4"},
    control={"less": 1},
    breaks="not k",
)
def marking_events(scope: str = "small", *, less: int = 0) -> str | None:
    """Return a size at which some marking policy has a larger ratio on some cycle."""
    for pages, size, slots in ((4, 2, 2), (4, 2, 3)) if scope == "small" else ((5, 3, 3), (5, 3, 4)):
        value = marking_ratio(pages, size, slots)
        if value is None or value > slots - less:
            return f"not k: {pages} pages, events of up to {size}, k = {slots}: {value}"
    return None


def marking_ratio(pages: int, size: int, slots: int) -> Fraction | None:
    """Return the largest ratio over all marking policies at once; None if unbounded."""
    import numpy as np

    from layered_paging.ratio.cycle import Arcs, largest_ratio

    events = [frozenset(c) for m in range(1, size + 1) for c in combinations(range(pages), m)]
    start = (frozenset[int](), frozenset[int](), frozenset[int]())
    number = {start: 0}
    todo = [start]
    arcs: list[tuple[int, int, int, int]] = []
    while todo:
        node = todo.pop()
        marked, cache, offline = node
        for event in events:
            cost, paid = len(event - cache), len(event - offline)
            kept = sorted(offline - event)
            room = slots - len(event)
            answers = [event | frozenset(c) for c in combinations(kept, min(room, len(kept)))]
            for after in marking_answers(marked | event, cache | event, event, slots):
                for answer in answers:
                    then = (*after, answer)
                    if then not in number:
                        number[then] = len(number)
                        todo.append(then)
                    arcs.append((number[node], number[then], cost, paid))
    arcs.sort()
    table = np.array(arcs, np.int64)
    first = np.searchsorted(table[:, 0], np.arange(len(number) + 1)).astype(np.int64)
    columns = [np.ascontiguousarray(table[:, i]) for i in (1, 2, 3)]
    return largest_ratio(Arcs(first, *columns)).value


def marking_answers(marked: Event, held: Event, event: Event, slots: int) -> set[tuple[Event, Event]]:
    """Return (marks, cache) after every choice of victims that a marking policy has."""
    if len(held) <= slots:
        return {(marked, held)}
    unmarked = held - marked
    if not unmarked:
        marked, unmarked = event, held - event
    return {found for page in unmarked for found in marking_answers(marked, held - {page}, event, slots)}
