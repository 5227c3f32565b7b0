"""Certificates at the edges of single rules: of caches, of quotas, of stall times, of places, of drawn requests."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np
from forgeries import Case
from handmade import changed
from repair import array, repaired, zeros

import layered_paging as lp
from layered_paging.certificate import Certificate
from layered_paging.certify import optimum
from layered_paging.certify.ratio_game import Positions
from layered_paging.certify.ratio_random import Nodes
from layered_paging.core.instance import Instance

__all__ = ["cases"]

THIRDS = [[page, "1/3"] for page in range(3)]


def cases(kinds: set[Any] | None = None) -> Iterator[Case]:
    """Yield those of these kinds, or all."""
    for makes, make in (
        ({"ratio-policy", "ratio-lower"}, _caches),
        ({"ratio-policy", "ratio-lower", None}, _pages),
        ({"ratio-random"}, _victims),
        ({"ratio-game"}, _positions),
        ({"ratio-events"}, _works),
        ({"optimum", "optimum-bound"}, _quotas),
        ({"optimum", "optimum-bound"}, _sizes),
        ({"stall"}, _clocks),
        ({"stall"}, _prices),
        ({"stall"}, _needed),
        ({"placement"}, _events),
    ):
        if kinds is None or kinds & makes:
            yield from make()


def _caches() -> Iterator[Case]:
    """Potentials with one cache more or less: twice, beyond the pages, of a state that is never reached."""
    good = lp.competitive_ratio("lru", layers=1, experts=3, slots=2).certificate
    rows = good.evidence["potential"]
    start = good.evidence["states"].index([0, 0, 0, 0])
    for name, more in {
        "the same again": [0, 0],
        "a bit beyond": [8, 0],
        "two bits beyond": [24, 0],
        "a bit far beyond": [1 << 61, 0],
        "below nothing": [-8, 0],
    }.items():
        for place, row in (("first", [*more, *rows[start]]), ("last", [*rows[start], *more])):
            potential = [row if n == start else old for n, old in enumerate(rows)]
            yield Case(f"start, {place}: {name}", changed(good, potential=potential))
    states = [*good.evidence["states"], [0, 5, 5, 5]]
    for least in (-1, 0, (1 << 60) - 1, 1 << 60, 1 << 62):
        for row in ([0, least, 1, 0], [1, 0, 0, least]):
            potential = [*rows, row]
            yield Case(f"never reached: {row}", changed(good, states=states, potential=potential))
    many = lp.competitive_ratio("lru", layers=2, experts=2, slots=3).certificate
    for one in (good, many):
        for state, row in enumerate(one.evidence["potential"]):
            for at in range(0, len(row), 2):
                potential = copy.deepcopy(one.evidence["potential"])
                del potential[state][at : at + 2]
                yield Case(f"state {state} lacks cache {row[at]}", changed(one, potential=potential))
            potential = copy.deepcopy(one.evidence["potential"])
            potential[state] = []
            yield Case(f"state {state} lacks all caches", changed(one, potential=potential))


def _pages() -> Iterator[Case]:
    """A policy that looks at the numbers of pages, so that renaming them changes it; and events beyond the optimum's slots."""
    from layered_paging.core.registry import register
    from layered_paging.policies.fifo import FIFO
    from layered_paging.policies.lru import LRU
    from layered_paging.policies.mark_lru import MarkLRU

    @register("policy", "mutants-lowest", stack=False, lazy=True, marking=True, conservative=False)
    class Lowest(MarkLRU):
        """Evict the unmarked page of the lowest number."""

        symmetric = False

        def victim(self, candidates: Any, time: Any) -> int:
            if all(self._last[page] >= self._phase for page in candidates):
                self._phase = time.clock
            return min(candidates, key=lambda page: (self._last[page] >= self._phase, page))

        def state(self, resident: Any, time: Any) -> dict[int, int]:
            return {page: int(self._last[page] >= self._phase) for page in resident}

    trace = lp.Trace(np.array([[[0]], [[1]], [[0]]]), 2)
    for cls in (MarkLRU, LRU, FIFO):
        yield Case(
            f"{cls.__name__} given", lp.competitive_ratio("lru", layers=1, experts=3, slots=2).certificate, policy=cls
        )
        yield Case(
            f"{cls.__name__} given with a trace",
            lp.optimum(trace, 1, admission="forced").certificate,
            trace,
            policy=cls,
        )
    for size in ({"experts": 3, "slots": 2}, {"experts": 4, "slots": 3}):
        found = lp.competitive_ratio("mutants-lowest", layers=1, **size)  # type: ignore[arg-type]
        yield Case(f"looks at numbers {size}", found.certificate)
    says = {"policy": "lru", "general": False, "pool": "shared", "layers": 1, "experts": 4, "slots": 3, "lower": "1"}
    for offline, top_k in ((1, 2), (2, 2), (2, 3), (3, 3)):
        for admission in ({}, {"admission": "bypass"}):
            rows = [list(range(top_k)), list(range(4 - top_k, 4))]
            yield Case(
                f"events of {top_k} against {offline} slots {admission}",
                Certificate(
                    "ratio-lower",
                    {**says, "offline_slots": offline, "top_k": top_k, **admission},
                    {"prefix": [], "cycle": rows},
                ),
            )


def _positions() -> Iterator[Case]:
    """Positions below nothing, and adversaries that ask for pages of any layer: more than the game allows."""
    small = lp.optimal_ratio(layers=2, experts=2, slots=2).certificate
    assert small is not None
    for name in ("policy", "adversary"):
        side = copy.deepcopy(small.evidence[name])
        for column in side.values():
            column.append(copy.deepcopy(column[-1]))
        side["positions"][-1] -= 1 << 60
        yield Case(f"{name}: a position below nothing", changed(small, **{name: side}))
    for size in ({"layers": 2, "experts": 2, "slots": 2}, {"layers": 2, "experts": 2, "slots": 3}):
        for ratio in (Fraction(n, 4) for n in range(12, 3, -1)):
            found = _roaming(Positions(Instance(**size)), ratio)  # type: ignore[arg-type]
            if found is not None:
                says = {**size, "lower": str(ratio), "upper": None}
                yield Case(f"asks for any page {says}", Certificate("ratio-game", says, {"adversary": found}))
                break


def _roaming(rules: Positions, ratio: Fraction) -> Any:
    """Return an adversary that asks for a missing page of the highest level, of whatever layer; None if it falls short."""
    arcs: dict[int, list[tuple[int, int]]] = {}
    asked: dict[int, int] = {}
    for code in (queue := [0]):
        layer, items = rules.read(code)
        page = max((p for p in range(rules.pages) if not items[p] & 1), key=lambda p: (items[p], p))
        cost, rise, moved = rules.request(items, page)
        asked[code], arcs[code] = page, []
        for _, after in rules.answers(moved, page):
            target = rules.write((layer + 1) % rules.instance.layers, after)
            arcs[code].append((target, ratio.denominator * cost - ratio.numerator * rise))
            if target not in asked and target not in queue:
                queue.append(target)
    height = dict.fromkeys(asked, 0)  # the least that a way from here gains: a policy's best
    for _ in range(len(asked) + 1):
        new = {code: min(0, *(gain + height[target] for target, gain in arcs[code])) for code in asked}
        if new == height:
            # gain + potential here - potential there >= 0, with the potential the other way round
            return {
                "positions": list(asked),
                "requests": list(asked.values()),
                "potential": [-height[code] for code in asked],
            }
        height = new
    return None


def _works() -> Iterator[Case]:
    """Work functions that nobody uses and that are none, potentials below nothing, positions beyond the pages."""
    good = lp.optimal_ratio(layers=1, experts=4, slots=3, top_k=2).certificate
    assert good is not None
    works, count = good.evidence["works"], len(good.evidence["works"][0])
    for row in ([], [0], [0] * (count + 1), [9] * count, [-1] * count, [0] * (count - 1) + [True], [0.0] * count):
        yield Case(f"a work function {row}", changed(good, works=[*works, row]))
    for less in (-1, 1, 100):
        side = copy.deepcopy(good.evidence["policy"])
        side["potential"] = [x - less for x in side["potential"]]
        yield Case(f"a potential less by {less}", changed(good, policy=side))
    for name in ("policy", "adversary"):
        for at, new in ((0, 1), (1, 1 << 4), (1, 1 << 9), (2, len(works))):
            side = copy.deepcopy(good.evidence[name])
            for column in side.values():
                column.append(copy.deepcopy(column[-1]))
            side["positions"][-1][at] += new
            yield Case(f"{name}: entry {at} more by {new}", changed(good, **{name: side}))


def _victims() -> Iterator[Case]:
    """Bounds that are true only of policies that never evict the lowest of their pages, or the highest."""
    good = lp.optimal_ratio(layers=1, experts=3, slots=2, randomized=True).certificate
    assert good is not None
    # after a rise the page that stood before the last one comes next: what was asked for last was better dropped
    source = {**good.evidence["source"], "chances": [THIRDS, THIRDS, [[0, "1/4"], [1, "3/4"]], [[0, "1"]]]}
    nodes = Nodes(Instance(1, 3, 2), 0, source["nodes"])
    for name, kept in (("lowest", min), ("highest", max), ("none", None)):
        for ratio in (Fraction(n, 8) for n in range(32, 0, -1)):
            values = _restrained(nodes, source["chances"], ratio, kept)
            if values is None:
                continue
            side = {**copy.deepcopy(source), "values": values}
            yield Case(
                f"never evicts the {name}: {ratio}",
                changed(good, {"lower": str(ratio), "upper": None}, source=side, policy=None),
            )
            break


def _restrained(nodes: Nodes, chances: Any, ratio: Fraction, kept: Callable[[list[int]], int] | None) -> Any:
    """Return values that prove the ratio if one page of each cache is never evicted; None if sixty turns find none."""
    caches = [3, 5, 6]
    value = {(node, cache): Fraction(0) for node in range(len(nodes.rows)) for cache in caches}
    for _ in range(60):
        new = {}
        for node, cache in value:
            held = [p for p in range(3) if cache >> p & 1]
            expected = Fraction(0)
            for page, chance in chances[node]:
                rise, target, places = nodes.follow(node, page)
                after = [(0, cache)] if cache >> page & 1 else [
                    (1, cache ^ 1 << p | 1 << page) for p in held if kept is None or p != kept(held)
                ]  # fmt: skip
                least = min(
                    cost + value[target, sum((c >> p & 1) << at for at, p in enumerate(places))] for cost, c in after
                )
                expected += Fraction(chance) * (least - ratio * rise)
            new[node, cache] = expected
        if all(value[key] <= new[key] for key in value):
            return [[[c, str(value[n, c])] for c in caches] for n in range(len(nodes.rows))]
        low = min(new.values())
        value = {key: Fraction(int((x - low) * 2**20), 2**20) for key, x in new.items()}
    return None


def _quotas() -> Iterator[Case]:
    """Quotas that are free, of one pool, of none, of layers that need no more than they hold at the start."""
    ids = np.full((8, 2, 1), -1)
    ids[0, 0, 0], ids[:, 1, 0] = 3, [0, 1, 2, 3, 0, 1, 2, 3]
    idle = lp.Trace(ids, 4)
    for slots in (2, 3, 4, 5):
        for warm in ([], [0], [0, 4], [0, 1], [0, 1, 4], [4], [3], [2, 7]):
            if len(warm) > slots:
                continue
            good = lp.optimum(idle, slots, admission="bypass", quotas="free", warm=warm).certificate
            yield Case(f"{slots} free slots, warm {warm}", good, idle)
            for other in ([], [0], [1], [4], [5], [4, 0]):
                yield repaired(
                    Case(
                        f"{slots} free slots of {warm}, warm {other}",
                        Certificate(good.kind, {**good.statement, "warm": other}, good.evidence),
                        idle,
                    )
                )
    first = lp.Trace(np.array([[[0], [1]], [[0], [2]], [[0], [3]], [[0], [1]]]), 4)
    for slots in (2, 3, 4):
        for quotas in ("uniform", "free"):
            good = lp.optimum(first, slots, admission="forced", pool="per-layer", quotas=quotas).certificate
            yield Case(f"always expert 0, {slots} {quotas}", good, first)
    narrow = lp.Trace(np.array([[[0], [0]], [[1], [1]]] * 3), 2)
    shared = lp.optimum(narrow, 2, admission="forced").certificate
    for slots in (2, 3, 4):
        shows = {"hits": shared.evidence["hits"], "supports": [shared.evidence["prices"]], "slot_price": 0}
        says = {**shared.statement, "slots": slots, "quotas": "free"}
        yield repaired(Case(f"one pool of {slots} free slots", Certificate("optimum", says, shows), narrow))
    bypass = lp.optimum(first, 1, admission="bypass").certificate
    length = bypass.evidence["hits"]["length"]
    shows = {"hits": {**bypass.evidence["hits"], "data": zeros(length)}, "prices": [array([1] * 8)]}
    for slots in (0, 1):
        says = {**bypass.statement, "slots": slots, "split": [slots]}
        yield repaired(Case(f"{slots} slots that hold nothing", Certificate("optimum", says, shows), first))


def _sizes() -> Iterator[Case]:
    """Sizes, costs, prices and numbers of pages at the edge of what is computed exactly."""
    for sizes in ([1 << 53, 1], [(1 << 53) - 2, 3], [(1 << 53) - 3, 3], [(1 << 53) - 4, 3], [2, 1, 1 << 60], [2, 1, (1 << 60) - 1], [2, 1, 1 << 61]):  # fmt: skip
        for budget in (sizes[0] + sizes[1] - 1, sizes[0] + sizes[1]):
            for admission in ("forced", "bypass"):
                yield _bound([[0, 1], [0, 1]], sizes, budget, [0, 0, 0, 0], [0, 0], admission=admission)
    rows = [[0, 1], [0, 1]]
    for prices in ([1 << 61, 0], [(1 << 61) - 1, 0]):
        yield _bound([[0], [0]], [1], 3, [0, 0], prices, requests=2, misses=2, upper=2)
    for cost in (-1, 0, 1):
        yield _bound(rows, [2, 1, 1], 3, [0, 0, 0, 0], [0, 0], costs=[cost, 1, 1])
    for cost in ((1 << 60) - 1, 1 << 60, 1 << 61):
        yield _bound(rows, [2, 1, 1], 3, [0, 0, 0, 0], [0, 0], costs=[1, 1, cost])
    for prices in ([1 << 61, 0], [(1 << 61) - 1, 0], [1 << 60, (1 << 60) - 1], [1 << 60, 1 << 60], [(1 << 60) - 1] * 2):
        for sizes in ([1, 1], [1, 2]):
            yield _bound(rows, sizes, 3, [0, 0, 0, 0], prices)
    for scale in ((1 << 61) - 1, 1 << 61):
        yield _bound(rows, [1, 1], 3, [0, 0, 0, 0], [0, 0], denominator=scale)
    # prices whose sum is 2^64 - 1, or that say -1: read as 64 bits with a sign they prove too much
    twice = lp.Trace(np.array([[[0]], [[0]], [[1]], [[1]], [[1]]]), 2)
    good = lp.optimum(twice, 2, admission="forced").certificate
    shows = {"hits": {"length": 5, "bytes": 0, "data": "UA=="}, "prices": [array([(1 << 62) - 1] * 4 + [3])]}
    yield _lax(Case("prices of 2^64 - 1 in all", Certificate("optimum", good.statement, shows), twice))
    shows = {**shows, "prices": [array([0] * 4 + [(1 << 64) - 1])]}
    yield _lax(Case("a price of 2^64 - 1", Certificate("optimum", good.statement, shows), twice))
    for entry in (1, (1 << 62) - 1, 1 << 62, 1 << 63):
        hits = array([0, entry, 0, 1, 1])
        yield Case(f"a hit of {entry}", changed(good, hits=hits), twice)
    for change in ({"misses": 2.0}, {"cost": 2.0}, {"requests": 5.0}, {"misses": True}):
        yield Case(f"{change}", changed(good, change), twice)
    single = lp.Trace(np.array([[[0]]]), 1)
    for change in ({}, {"requests": True}, {"misses": True}, {"cost": True}, {"requests": 1.0}):
        yield Case(f"of one, {change}", changed(lp.optimum(single, 1, admission="forced").certificate, change), single)
    for pages in (1 << 16, (1 << 16) + 1):  # the last page is another one than the first
        trace = lp.Trace(np.array([[[0]], [[pages - 1]], [[0]]]), pages)
        good = lp.optimum(trace, 1, admission="forced").certificate
        yield Case(f"{pages} pages", good, trace)
        hits = {"length": 3, "bytes": 0, "data": "YA=="}
        yield _lax(Case(f"{pages} pages, all alike", changed(good, {"cost": 1, "misses": 1}, hits=hits), trace))


def _bound(rows: list[list[int]], sizes: list[int], budget: int, hits: list[int], prices: list[int], denominator: int = 1, **says: Any) -> Case:  # fmt: skip
    """Return a bound in bytes that says what the checker finds, were no number too large."""
    trace = lp.Trace(np.array([[row] for row in rows]), len(sizes), expert_bytes=np.array(sizes))
    said = {"trace": trace.digest(), "admission": "forced", "pool": "shared", "reset": "never", "events": "atomic", "prefill": "token", "warm": [],
            "requests": 4, "costs": None, "lower": 0, "upper": 4, "misses": 4, "split": [budget], "budget_bytes": budget, **says}  # fmt: skip
    shows = {"hits": array(hits), "prices": [array(prices)], "denominator": denominator}
    name = f"sizes {sizes} in {budget}, prices {prices} / {denominator}, {says}"
    return _lax(Case(name, Certificate("optimum-bound", said, shows), trace))


def _lax(case: Case) -> Case:
    """Return a certificate that says what a checker without the limits of numbers would find."""
    need = optimum.need
    optimum.need = lambda holds, message: need(holds or "too large" in message, message)  # type: ignore[attr-defined]
    try:
        return repaired(case)
    finally:
        optimum.need = need  # type: ignore[attr-defined]


def _stall(
    rows: list[list[int]],
    slots: int,
    compute: int,
    load: int,
    loads: Any,
    multipliers: Any = (),
    lower: int = 0,
    upper: int = 0,
) -> Case:
    """Return a certificate about a trace of one layer, whose upper side says what the clock says."""
    width = max(map(len, rows))
    trace = lp.Trace(np.array([[row + [-1] * (width - len(row))] for row in rows]), 5)
    says = {"trace": trace.digest(), "slots": slots, "compute": [compute], "load": load, "unit_ns": 1, "lower": lower, "upper": upper}  # fmt: skip
    shows = {"loads": loads, "multipliers": [list(pair) for pair in multipliers]}
    name = f"stall {rows}, {slots} slots, {compute}, {load}, {loads}, {multipliers}, {lower}"
    return Case(name, Certificate("stall", says, shows), trace)


def _clocks() -> Iterator[Case]:
    """Schedules of events of several sizes, of loads at once and of loads that wait for the disk."""
    asked = [[0, 0], [2, 2], [4, 4], [6, 6]]
    for rows, slots, load, loads in (  # the slots and loads may be wrong
        ([[0], [1]], 2, 2, asked[:2]),
        ([[0], [1]], 1, 2, asked[:2]),
        ([[0], [1]], 2, 2, [[0, 0], [1, 1]]),  # the first event waits while it computes
        ([[0], [1]], True, 2, asked[:2]),
        ([[0], [1]], 1.0, 2, asked[:2]),
        ([[0], [1]], 1, 0, asked[:2]),
        ([[0, 1], [2]], 2, 3, [[0, 0], [0, 0], [0, 2]]),  # a third page during the first event
        ([[0, 1], [2]], 3, 3, [[0, 0], [0, 0], [0, 2]]),
        ([[0], [1, 2]], 1, 3, [[0, 0], [2, 2], [2, 2]]),  # a last event that does not fit
        ([[0], [1, 2]], 2, 3, [[0, 0], [2, 2], [2, 2]]),
        ([[0, 1], [2], [3]], 2, 3, [[0, 0], [0, 0], [2, 2], [2, 4]]),  # beside the second event, not the first
        ([[0], [1], [2]], 3, 5, [[0, 0], [2, 2], [0, 4]]),  # the second event waits for the disk
        ([[0], [1], [2]], 4, 2, [[0, 0], [0, 2], [0, 4]]),  # two loads at once
        ([[0], [1], [2]], 4, 1, [[0, 0], [0, 1], [0, 4]]),
    ):
        for upper in range(20):  # the true one is among them, and what a broken clock says
            case = _stall(rows, slots, 2, load, loads, upper=upper)
            yield case._replace(name=f"{case.name}, upper {upper}")
    for compute in (0, 1):
        case = _stall([[0], [1]], 2, compute, 2, [[0, 0], [compute, compute]], upper=4)
        yield repaired(case)
    yield repaired(_stall([[0], [1]], 2, 2, 2, asked[:2]))
    unit = _stall([[0], [1]], 2, 2, 2, asked[:2], upper=4)
    for number in (0, 1):
        says = {**unit.certificate.statement, "unit_ns": number}
        yield Case(f"units of {number} ns", Certificate("stall", says, unit.certificate.evidence), unit.trace)


def _prices() -> Iterator[Case]:
    """Multipliers at the ends of their list, before and behind it, below nothing, and where nothing is to be had."""
    loads = [[0, 0], None]
    rows = [[0], [0]]  # two units an event; four of slots, four of the disk, two of requests
    for pair in (
        (0, "0"),
        (0, "1"),
        (9, "0"),
        (10, "0"),
        (10, "1"),
        (-1, "0"),
        (-10, "0"),
        (9, "-1"),
        (3, "100"),
        (7, "100"),
        (0, "100"),
        (9, "100"),
        (9, "1/1001"),
        (9, "1/0"),
        (9, 1),
        ("9", "1"),
        (True, "0"),
    ):
        for lower in (0, 1, 2, 3, 4):
            yield repaired(_stall(rows, 2, 2, 3, loads, [pair], lower=lower, upper=3))


def _needed() -> Iterator[Case]:
    """Multipliers of which each is needed: for what crosses the begin of an event, and for loads that would end behind it."""
    for rows, compute, load, slots, pairs, lower in (
        ([[1], [0, 1], [0, 2], [1]], 1, 3, 2, [(3, "1"), (7, "1"), (12, "1")], 3),
        ([[1], [2], [2, 0], [2]], 2, 4, 2, [(2, "2"), (13, "1"), (17, "2")], 4),
        ([[], [1], [0, 1]], 2, 4, 2, [(0, "1"), (1, "1"), (5, "2")], 2),
        ([[], [0], [0, 1], [2, 1]], 1, 4, 3, [(8, "2")], 6),
    ):
        loads = [[n * compute] * 2 for n, row in enumerate(rows) for _ in row]
        for stated in (lower, lower + 1):
            yield repaired(_stall(rows, slots, compute, load, loads, pairs, lower=stated))


def _events() -> Iterator[Case]:
    """Users with one event that is wider than the rest, at the begin or the end."""
    for name, wide in (("first", 0), ("last", 2), ("middle", 1)):
        rows = [[[[0, 1] if n == wide else [n % 2], 1]] for n in range(3)]
        user = {"name": "u", "top_k": 1, "holds": [], "local_ns": 3, "nonexpert_ns": 1, "cloud": 9, "servers": {"a": 2}, "total": 1,
                "activations": rows}  # fmt: skip
        for top_k in (1, 2):
            network = {"format": "layered-paging network", "version": 1, "experts": [2, 2, 2], "expert_bytes": 1, "nonexpert_bytes": 1,
                       "servers": [{"name": "a", "storage": 2}], "users": [{**user, "top_k": top_k}]}  # fmt: skip
            says = {"network": network, "held": {"a": []}, "latency": "28", "bound": None}
            yield repaired(Case(f"the {name} event is wide, {top_k}", Certificate("placement", says, {})))
