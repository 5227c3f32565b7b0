"""No deterministic policy beats k - l + 1.

Claim.    If k >= l and k + 1 <= l n, every deterministic policy has ratio at least k - l + 1.
Evidence. The layered cruel adversary against every answer: the graph of (layer, absent page, page requested last in
          each layer, pages seen in the phase) is explored completely, for all evictions.  Every k-phase that ends has at
          least k - l + 1 misses; phases that never end cost only finitely often or the ratio is unbounded.  The optimum
          misses once a phase: there are k + 1 pages.  The exact, certified ratio of MARK-FAR at k + 1 = l n agrees.
Control.  k - l + 2: MARK-FAR is below it.
"""

from __future__ import annotations

from layered_paging.adversary import spread
from layered_paging.claims import certified_ratio
from layered_paging.core.registry import register

State = tuple[int, int, tuple[int, ...], frozenset[int]]


@register(
    "claim",
    "deterministic-lower",
    cites=("angelopoulos-marchal-obrecht-simon-2025",),
    statement="Every deterministic policy has ratio at least k - l + 1:",
    latex=r"k \ge l,\; k + 1 \le l n \Rightarrow r \ge k - l + 1",
    status="[second hand], proof [derived]",
    evidence="exhaustive",
    scope={"small": "l = 2, k <= 5 and l = 3, k <= 4, every eviction", "full": "1 <= l <= 4, k <= 7, every eviction"},
    control={"extra": 1},
    breaks="mark-far has ratio",
    tight="mark-far at k + 1 = l n",
)
def deterministic_lower(scope: str = "small", *, extra: int = 0) -> str | None:
    """Return a size at which MARK-FAR's ratio, or the fewest misses in a phase, is another number."""
    small = scope == "small"
    for layers, experts in ((2, 2), (3, 2), (2, 3)):
        slots = layers * experts - 1
        value = certified_ratio("mark-far", layers=layers, experts=experts, slots=slots).value
        if value != slots - layers + 1 + extra:
            return f"l = {layers}, n = {experts}, k = {slots}: mark-far has ratio {value}"
    for layers in range(2, 4) if small else range(1, 5):
        for slots in range(layers, 8 - layers if small else 8):
            least = fewest_misses(layers, slots)
            if least != slots - layers + 1 + extra:
                return f"l = {layers}, k = {slots}: a phase with {least} misses"
    return None


def fewest_misses(layers: int, slots: int) -> int:
    """Return the least number of misses in a k-phase over all evictions, phases after the first."""
    experts = -(-(slots + 1) // layers)
    pages = spread(layers, experts, slots + 1)
    every = frozenset(page for row in pages for page in row)
    least = slots
    # misses so far in the phase, by state; a phase starts with the miss of the page that was absent
    fewest: dict[State, int] = {}
    todo: list[tuple[State, int]] = []

    def visit(state: State, cost: int) -> None:
        if cost < fewest.get(state, slots + 2):
            fewest[state] = cost
            todo.append((state, cost))

    def serve(layer: int, absent: int, last: tuple[int, ...], seen: frozenset[int], cost: int) -> None:
        nonlocal least
        page = absent if absent in pages[layer] else last[layer]
        after = seen | {page}
        if len(after) == slots + 1:
            least = min(least, cost)
            after, cost = frozenset({page}), 0
        then = (*last[:layer], page, *last[layer + 1 :])
        if page != absent:
            visit(((layer + 1) % layers, absent, then, after), cost)
            return
        for victim in every - {page}:
            visit(((layer + 1) % layers, victim, then, after), cost + 1)

    # any page absent, any last requests that are in the cache, the phase starting with the absent page
    for layer in range(layers):
        for absent in pages[layer]:
            for last in _choices(pages, absent):
                start = (layer, absent, last, frozenset(range(-slots, 0)))
                serve(start[0], start[1], start[2], frozenset(), 0)
    while todo:
        (layer, absent, last, seen), cost = todo.pop()
        if fewest[layer, absent, last, seen] == cost:
            serve(layer, absent, last, seen, cost)
    return least


def _choices(pages: list[list[int]], absent: int) -> list[tuple[int, ...]]:
    found: list[tuple[int, ...]] = [()]
    for row in pages:
        found = [(*head, page) for head in found for page in row if page != absent or row == [absent]]
    return found
