"""The combination of LLRU and BlindOracle misses at most twice as often as the better of them, and g k - 1 times more.

Evidence. ``hedge-bound``: all sequences of single requests in the scope and all predictions at once: for each state (order of last
          uses, cache of BlindOracle, cache that counts, who is followed) and each pair of miss counts of the two, the most
          misses of the combination, step by step; the bound is checked at every step.  BlindOracle may evict anything,
          since predictions may say anything.  With one layer LLRU is LRU.  The model is compared with the registered class
          on random walks.
          In general it is the accounting of ``follow-accounting``, which holds for any two policies.
Control.  A factor of 1.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from layered_paging.core.registry import register

State = tuple[tuple[int, ...], frozenset[int], frozenset[int], int]  # newest use first, BlindOracle's, ours, lead


def moves(state: State, page: int, slots: int) -> Iterator[tuple[int, int, int, tuple[State, State], int | None]]:
    """Yield (LRU missed, BlindOracle missed, we missed, next state if LRU or BlindOracle is followed then, BlindOracle's victim)."""
    order, trusted, held, _ = state
    recent = frozenset(order[:slots])
    then = (page, *(p for p in order if p != page))
    missed = int(page not in recent), int(page not in trusted)
    victims = sorted(trusted) if missed[1] and len(trusted) == slots else [None]

    def next_state(after: frozenset[int], lead: int) -> State:
        followed = after if lead else frozenset(then[:slots])
        mine = held | {page}
        if len(mine) > slots:
            mine -= {min(mine - {page}, key=lambda p: (p in followed, -then.index(p)))}
        return then, after, mine, lead

    for gone in victims:
        after = trusted - {gone} | {page}
        yield *missed, int(page not in held), (next_state(after, 0), next_state(after, 1)), gone


@register(
    "claim",
    "hedge-bound",
    cites=("wei-2020", "angelopoulos-marchal-obrecht-simon-2025"),
    statement="Hedge with patience g, whatever the predictions, M being the fewer misses of LLRU and BlindOracle:",
    latex=r"\text{Hedge} \le 2 M + g k - 1",
    status="[derived]",
    evidence="exhaustive",
    scope={
        "small": "l = m = 1; 3 pages, k = 2, g = 1 and 2, 40 requests",
        "full": "l = m = 1; 3 and 4 pages, k = 2 and 3, g = 1 and 2, 80 requests",
    },
    control={"less": 1},
    breaks="misses where LRU has",
)
def hedge_bound(scope: str = "small", *, less: int = 0) -> str | None:
    """Return a size at which the bound fails, or the registered class is not the model."""
    sizes = ((3, 2),) if scope == "small" else ((3, 2), (4, 2), (4, 3))
    for pages, slots in sizes:
        for patience in (1, 2):
            found = exceeded(pages, slots, patience, 40 if scope == "small" else 80, less)
            found = found or differs(pages, slots, patience)
            if found is not None:
                return f"{pages} pages, k = {slots}, g = {patience}: {found}"
    return None


def exceeded(pages: int, slots: int, patience: int, length: int, less: int) -> str | None:
    """Return the counts at which misses > (2 - less) M + g k - 1."""
    import numpy as np

    size = length + 1
    never = -(1 << 40)
    start: State = ((), frozenset(), frozenset(), 1)
    most = {start: np.full((size, size), never, np.int64)}
    most[start][0, 0] = 0
    lru, oracle = np.indices((size, size))
    bound = (2 - less) * np.minimum(lru, oracle) + patience * slots - 1
    behind = (lru - oracle >= patience * slots, oracle - lru >= patience * slots)  # for the lead 0, and 1
    steps: dict[State, list[tuple[int, int, int, tuple[State, State]]]] = {}
    for _ in range(length):
        after: dict[State, Any] = {}
        for state, table in most.items():
            if state not in steps:
                steps[state] = [m[:4] for page in range(pages) for m in moves(state, page, slots)]
            for a, b, c, then in steps[state]:
                moved = np.full_like(table, never)
                moved[a:, b:] = table[: size - a, : size - b] + c
                lead = state[3]
                for target, where in ((lead, ~behind[lead]), (1 - lead, behind[lead])):
                    part = np.where(where, moved, never)
                    if (part >= 0).any():
                        key = then[target]
                        after[key] = np.maximum(after[key], part) if key in after else part
        most = after
        for table in most.values():
            wrong = np.argwhere(table > bound)
            if len(wrong):
                a, b = wrong[0].tolist()
                return f"{int(table[a, b])} misses where LRU has {a} and BlindOracle {b}"
    return None


class Chosen:
    """Predictions under which BlindOracle evicts what was chosen."""

    def __init__(self, victims: list[int | None]) -> None:
        self.victims, self.now = victims, 0

    def told(self, page: int, time: Any) -> None:
        """Note the step."""
        self.now = time.clock

    def next_use(self, page: int) -> float:
        """Return a late time for the chosen victim alone."""
        return float(page == self.victims[self.now])


def differs(pages: int, slots: int, patience: int, walks: int = 30) -> str | None:
    """Compare the model with the registered class on random walks."""
    import layered_paging as lp
    from layered_paging.core.layout import lay_out
    from layered_paging.engine.step import steps
    from layered_paging.policies.hedge import Hedge

    rng = random.Random(pages + slots)
    for _ in range(walks):
        state: State = ((), frozenset(), frozenset(), 1)
        counts, total = [0, 0], 0
        asked, victims = list[int](), list[int | None]()
        for _ in range(60):
            page = rng.randrange(pages)
            a, b, c, then, gone = rng.choice(list(moves(state, page, slots)))
            counts, total, lead = [counts[0] + a, counts[1] + b], total + c, state[3]
            state = then[1 - lead if counts[lead] - counts[1 - lead] >= patience * slots else lead]
            asked.append(page)
            victims.append(gone)
        trace = lp.Trace([[page] for page in asked], pages)
        made = Hedge(trace.instance(slots), predictions=Chosen(victims), patience=patience)
        misses = sum(len(step.misses) for step in steps(lay_out(trace), lambda _, made=made: made, slots))
        if misses != total:
            return f"{total} misses on {asked}, the class has {misses}"
    return None
