"""Certificates made by hand, each against a condition that no systematic forgery reaches."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain, combinations
from types import SimpleNamespace
from typing import Any

from forgeries import Case

import layered_paging as lp
from layered_paging.certificate import Certificate
from layered_paging.certify.ratio_events import Rules
from layered_paging.certify.ratio_game import Positions
from layered_paging.core.instance import Instance

__all__ = ["cases"]


def cases() -> Iterator[Case]:
    """Yield them; some are true, some are not, and each stands at the edge of a condition."""
    yield from _no_certificates()
    yield from _policies()
    yield from _sizes()
    yield from _games()
    yield from _idle()
    yield from _events()
    yield from _draws()
    yield from _sources()
    yield from _own()


def changed(old: Certificate, statement: dict[str, Any] | None = None, **evidence: Any) -> Certificate:
    """Return a certificate with some entries replaced."""
    shows = {**copy.deepcopy(dict(old.evidence)), **evidence}
    return Certificate(old.kind, {**copy.deepcopy(dict(old.statement)), **(statement or {})}, shows)


def _no_certificates() -> Iterator[Case]:
    good = lp.competitive_ratio("lru", layers=2, experts=2, slots=2).certificate
    yield Case("a text", "certificate")
    yield Case("what looks like one", SimpleNamespace(**vars(good)))
    for kind in (["ratio-policy"], 5, "ratio", "Ratio-policy"):
        yield Case(f"kind {kind!r}", Certificate(kind, good.statement, good.evidence))  # type: ignore[arg-type]
    yield Case("asked without a limit", good, asked=True)


def _policies() -> Iterator[Case]:
    # LRU pays twice in this cycle, and so does the optimum: a price of 0 a miss would prove ratio 1
    good = lp.competitive_ratio("lru", layers=1, experts=3, slots=2).certificate
    zero = [[x if n % 2 == 0 else 0 for n, x in enumerate(row)] for row in good.evidence["potential"]]
    lower = {"prefix": [], "cycle": [[0], [1], [0], [2]], "worst_start": []}
    says = {"value": "1", "additive": "0"}
    for unit in (0, -1, 1):
        yield Case(f"unit {unit}", changed(good, says, **lower, potential=zero, unit=unit))
    said = {key: value for key, value in good.statement.items() if key not in ("value", "additive")}
    shows = {"prefix": [], "cycle": [[0], [1], [2]]}
    for digits in (1996, 1997, 1998, 2500):  # a fraction of 2,000 characters is too long
        yield Case(
            f"a fraction of {digits} digits", Certificate("ratio-lower", {**said, "lower": f"1/1{'0' * digits}"}, shows)
        )


def _sizes() -> Iterator[Case]:
    """Sizes at the edge of what is checked: a round in which LRU and the optimum both miss always, or nothing to prove."""
    rest = {
        "policy": "lru",
        "general": False,
        "pool": "shared",
        "offline_slots": 1,
        "top_k": 1,
        "lower": "1",
        "slots": 1,
    }
    widths: list[Any] = [
        24,
        25,
        [24],
        [25],
        [1] * 24,
        [1] * 25,
        [12, 12],
        [12, 13],
        [13, 12],
        [24, 1],
        [1, 24],
        [0, 2],
        [2, 0],
        [True, 1],
    ]
    for experts in widths:
        layers = len(experts) if isinstance(experts, list) else 1
        first = [sum(experts[:j]) for j in range(layers)] if isinstance(experts, list) else [0]
        cycle = [[page] for page in first] if layers > 1 else [[0], [1]]
        for count in (layers, layers + 1):
            says = {**rest, "layers": count, "experts": experts}
            yield Case(
                f"ratio-lower of {count} x {experts}", Certificate("ratio-lower", says, {"prefix": [], "cycle": cycle})
            )
    for layers in (0, 1, 12, 24, 25):
        says = {**rest, "layers": layers, "experts": 1}
        yield Case(
            f"{layers} layers of one",
            Certificate("ratio-lower", says, {"prefix": [], "cycle": [[j] for j in range(layers)]}),
        )
    says = {"layers": 1, "experts": 3, "slots": 2, "lower": "0", "upper": None}
    for change in ({"slots": 0}, {"slots": 1}, {"slots": 3}, {"slots": 4}, {"layers": 0}, {"experts": 0}, {"admission": "bypass"},
                   {"admission": "forced"}, {"experts": 1, "layers": 2, "slots": 1}, {"lower": "1/2"}, {"lower": "-1"}, {"lower": None}):  # fmt: skip
        yield Case(f"nothing proved, {change}", Certificate("ratio-game", {**says, **change}, {"adversary": None}))
        yield Case(f"nothing drawn, {change}", Certificate("ratio-random", {**says, **change}, {"source": None}))
    plain = {**rest, "layers": 1, "experts": 2, "slots": 1}
    for admission in ("forced", "bypass", None):
        shows = {"prefix": [], "cycle": [[0], [1]]}
        yield Case(f"admission {admission}", Certificate("ratio-lower", {**plain, "admission": admission}, shows))
    for change in ({"offline_slots": 0}, {"offline_slots": 0, "admission": "bypass"}, {"offline_slots": True}, {"offline_slots": 1.0}, {"offline_slots": 2}, {"top_k": 0}, {"top_k": 2}, {"top_k": 3}, {"general": 1}, {"general": True, "pool": "per-layer"},
                   {"pool": "none"}, {"policy": "lru()"}, {"policy": "strategy:x.json"}, {"policy": 5}, {"policy": "static"},
                   {"policy": "random"}, {"pool": "per-layer"}, {"lower": "2"}, {"lower": "0"}, {"lower": "-1"}):  # fmt: skip
        shows = {"prefix": [], "cycle": [[0], [1]]}
        yield Case(f"a round of two, {change}", Certificate("ratio-lower", {**plain, **change}, shows))
    for prefix, cycle in (([], []), ([[0]], [[1], [0]]), ([], [[0]]), ([[1]], [[0]]), ([[0, 1]], [[0], [1]]), ([[0.0]], [[0], [1]]), ([["0"]], [[1]]),
                          ([[2]], [[0], [1]]), ([[-1]], [[0], [1]]), ([0], [[0], [1]]), ([[0]], [[True], [0]]), ([], [(0,), (1,)]), ([(0,), (1,)], [[0], [1]])):  # fmt: skip
        yield Case(f"events {prefix}, {cycle}", Certificate("ratio-lower", plain, {"prefix": prefix, "cycle": cycle}))
    two = {**plain, "layers": 2, "experts": 1}
    for cycle in ([[0], [1]], [[0]], [[0], [1], [0]], [[1], [0]]):
        yield Case(f"two layers, {cycle}", Certificate("ratio-lower", two, {"prefix": [], "cycle": cycle}))


def _games() -> Iterator[Case]:
    # levels, but no evidence is needed for nothing: only the limit of pages decides
    for kind, one, more in (("ratio-game", "adversary", {}), ("ratio-random", "source", {})):
        for pages in (11, 12, 13, 24, 25):
            says = {"layers": 1, "experts": pages, "slots": 1, "lower": "0", "upper": None, **more}
            yield Case(f"{kind} of {pages} pages", Certificate(kind, says, {one: None}))
            yield Case(
                f"{kind} of {pages} layers", Certificate(kind, {**says, "layers": pages, "experts": 1}, {one: None})
            )
    for pages, width in ((9, 3), (10, 5), (7, 7), (8, 8)):
        says = {"layers": pages // width, "experts": width, "slots": 2, "top_k": 1, "admission": "forced", "lower": "0"}
        yield Case(
            f"events of {pages} pages",
            Certificate("ratio-events", {**says, "upper": None}, {"adversary": None, "works": []}),
        )
    for size in ({"layers": 2, "experts": 3, "slots": 3}, {"layers": 3, "experts": 2, "slots": 4}):
        good = lp.optimal_ratio(**size).certificate  # type: ignore[arg-type]
        assert good is not None
        yield Case(f"game with idle moves {size}", good)
    small = lp.optimal_ratio(layers=2, experts=2, slots=2).certificate
    assert small is not None
    for name in ("policy", "adversary"):  # the same position once more, with a bit beyond its pages
        side = copy.deepcopy(small.evidence[name])
        for column in side.values():
            column.append(copy.deepcopy(column[-1]))
        side["positions"][-1] += 1 << 60
        yield Case(f"{name}: a bit beyond", changed(small, **{name: side}))
        side = copy.deepcopy(side)
        side["positions"][-1] = side["positions"][-2] | 30  # a level of 15
        yield Case(f"{name}: a level of 15", changed(small, **{name: side}))
        side = copy.deepcopy(side)
        side["positions"][-1] = side["positions"][-2] & ((1 << 60) - 1) | 30 << 15  # the last page
        yield Case(f"{name}: a level of 15 at the end", changed(small, **{name: side}))
    uneven = lp.optimal_ratio(layers=2, experts=[1, 2], slots=2).certificate
    assert uneven is not None
    for name in ("policy", "adversary"):
        side = copy.deepcopy(uneven.evidence[name])
        for column in side.values():
            column.append(copy.deepcopy(column[-1]))
        side["positions"][-1] = (side["positions"][-1] & ((1 << 60) - 1)) | 2 << 60
        yield Case(f"{name}: a layer too many", changed(uneven, **{name: side}))


def _idle() -> Iterator[Case]:
    """An adversary that asks for the same pages for ever: nobody pays, and any ratio would be proved."""
    for instance in (Instance(1, 3, 2), Instance(2, 2, 2), Instance(2, 2, 3), Instance(3, 2, 4)):
        rules = Positions(instance)
        code = 0
        positions: list[int] = []
        requests = []
        while code not in positions:
            positions.append(code)
            _, items = rules.read(code)
            page = max(
                rules.instance.pages_of(0), key=lambda p: items[p]
            )  # the page of the highest level: the current one
            requests.append(page)
            _, _, moved = rules.request(items, page)
            [(_, after)] = list(rules.answers(moved, page))[:1]
            code = rules.write(1 % instance.layers, after)
        n = instance.experts[0]
        says = {"layers": instance.layers, "experts": n, "slots": instance.slots, "lower": "100", "upper": None}
        first = positions.index(code)  # from there on it goes round; the optimum pays before
        falls = [200 * (first - at) if at < first else 0 for at in range(len(positions))]
        side = {"positions": positions, "requests": requests, "potential": falls}
        yield Case(
            f"asks again at {instance.layers} x {n}, {instance.slots}",
            Certificate("ratio-game", says, {"adversary": side}),
        )
    events = Rules(Instance(1, 3, 2), 1, False)
    work, places, answers = (0, 0, 0), [], []
    here = (0, 0, work)
    while here not in places:
        places.append(here)
        event = max(events.events[0], key=lambda e: (e & here[1]).bit_count())
        answers.append(event)
        _, after = events.serve(here[2], event)
        left = next(iter(events.answers(here[1], event)))
        here = events.position(0, left, after)
    works = list(dict.fromkeys(place[2] for place in places))
    says = {"layers": 1, "experts": 3, "slots": 2, "top_k": 1, "admission": "forced", "lower": "100", "upper": None}
    side = {
        "positions": [[a, b, works.index(w)] for a, b, w in places],
        "events": answers,
        "potential": [0] * len(places),
    }
    yield Case(
        "asks for the same event again",
        Certificate("ratio-events", says, {"works": [list(w) for w in works], "adversary": side}),
    )


def _events() -> Iterator[Case]:
    """Events as large as a layer, or as the cache, or larger."""
    for layers, experts, slots in ((1, 3, 2), (2, 2, 3), (2, 2, 1), (1, 4, 1), (2, 2, 2), (2, [1, 2], 2)):
        for top_k in (0, 1, 2, 3, 4):
            for admission in ("forced", "bypass", "all"):
                says = {"layers": layers, "experts": experts, "slots": slots, "top_k": top_k, "admission": admission}
                shows: dict[str, Any] = {"adversary": None, "works": []}
                name = f"{layers} x {experts}, {slots}, {top_k} {admission}"
                yield Case(f"events, {name}", Certificate("ratio-events", {**says, "lower": "0", "upper": None}, shows))
    for policy, size in {
        "lru": {"experts": 3, "slots": 1, "top_k": 2},
        "fifo": {"experts": 3, "slots": 2, "top_k": 3},
    }.items():
        found = lp.competitive_ratio(policy, layers=1, admission="bypass", **size)  # type: ignore[arg-type]
        yield Case(f"{policy}, events beyond the cache", found.certificate)
    for size in (
        {"layers": 1, "experts": 4, "slots": 2, "top_k": 2},
        {"layers": 2, "experts": 3, "slots": 4, "top_k": 2},
    ):
        found = lp.optimal_ratio(**size, admission="bypass").certificate  # type: ignore[arg-type]
        yield Case(f"events {size}", found)


def _draws() -> Iterator[Case]:
    """Randomized policies whose distributions or sources are no such thing, though everything else fits."""
    good = lp.optimal_ratio(layers=1, experts=3, slots=2, randomized=True).certificate
    assert good is not None
    side = good.evidence["policy"]
    # twice the mass everywhere: twice the cost, twice the ratio; and half of it proves half of the ratio
    for factor in (Fraction(1, 2), Fraction(2), Fraction(1)):

        def times(x: str, factor: Fraction = factor) -> str:
            return str(Fraction(x) * factor)

        scaled = copy.deepcopy(side)
        scaled["distributions"] = [[[c, times(x)] for c, x in row] for row in side["distributions"]]
        scaled["transports"] = [
            {p: [[a, b, times(x)] for a, b, x in t] for p, t in row.items()} for row in side["transports"]
        ]
        scaled["potential"] = [times(x) for x in side["potential"]]
        says = {"lower": "0", "upper": str(Fraction(good.statement["upper"]) * factor)}
        yield Case(f"masses times {factor}", changed(good, says, source=None, policy=scaled))
    zero = copy.deepcopy(side)
    unused = (
        next(c for c in (3, 5, 6) if c not in [c for c, _ in zero["distributions"][-1]])
        if len(zero["distributions"][-1]) < 3
        else None
    )
    if unused is not None:
        zero["distributions"][-1].append([unused, "0"])
        yield Case("a mass of nothing", changed(good, {"lower": "0"}, source=None, policy=zero))
    for chance in ("0", "1", "1/2"):
        source = copy.deepcopy(good.evidence["source"])
        source["chances"][-1] = [[source["chances"][-1][0][0], chance], *source["chances"][-1][1:]]
        yield Case(f"a chance of {chance}", changed(good, {"upper": None}, source=source, policy=None))


def _sources() -> Iterator[Case]:
    """Sources and policies that lack one thing each, or ask for nothing that costs."""
    good = lp.optimal_ratio(layers=1, experts=3, slots=2, randomized=True).certificate
    assert good is not None
    above = {"lower": "0"}
    for node, row in enumerate(good.evidence["policy"]["transports"]):
        for page, moves in row.items():
            for name, new in {
                "nothing": [],
                "a zero more": [*moves, [3, 3, "0"]],
                "less than nothing": [*moves, [3, 3, "-1"], [3, 3, "1"]],
            }.items():
                side = copy.deepcopy(good.evidence["policy"])
                side["transports"][node][page] = new
                yield Case(f"node {node}, page {page} carries {name}", changed(good, above, source=None, policy=side))
    for node, row in enumerate(good.evidence["policy"]["distributions"]):
        for cache in (3, 5, 6):
            if cache not in [c for c, _ in row]:
                side = copy.deepcopy(good.evidence["policy"])
                side["distributions"][node].append([cache, "0"])
                yield Case(f"node {node}: nothing of {cache}", changed(good, above, source=None, policy=side))
    source, below = good.evidence["source"], {"upper": None}
    start = source["nodes"].index([0] * 7)
    for at in range(len(source["values"][start])):
        side = copy.deepcopy(source)
        del side["values"][start][at]
        yield Case(f"the start lacks cache {at}", changed(good, below, source=side, policy=None))
    for widths in ([2], [3, 3], [True], [3.0], ["3"], [4], [0], 3, []):
        yield Case(
            f"a source on {widths}",
            changed(good, below, source={**copy.deepcopy(source), "experts": widths}, policy=None),
        )
    # the page that was asked for is asked for again, for ever
    for instance in (Instance(1, 3, 2), Instance(2, 2, 2)):
        rows = [[0] * (1 + 2 * instance.pages)]
        chances: list[list[list[Any]]] = []
        at = 0
        while at < len(rows):
            row = rows[at]
            block = instance.pages_of(row[0])
            page = max(block, key=lambda p: row[1 + 2 * p])
            _, levels = Positions(instance).update(tuple(row[1::2]), page)
            order = [sorted(instance.pages_of(j), key=lambda p: levels[p]) for j in range(instance.layers)]
            following = [0, *(x for p in chain.from_iterable(order[1:] + order[:1]) for x in (levels[p], 0))]
            chances.append([[page, "1"]])
            if following not in rows:
                rows.append(following)
            at += 1
        caches = [sum(1 << p for p in c) for c in combinations(range(instance.pages), instance.slots)]
        first = len(rows) - 1
        values = [[[c, str(-200 * (first - n) if n < first else 0)] for c in caches] for n in range(len(rows))]
        says = {
            "layers": instance.layers,
            "experts": instance.experts[0],
            "slots": instance.slots,
            "lower": "100",
            "upper": None,
        }
        side = {"experts": list(instance.experts), "memory": 0, "nodes": rows, "chances": chances, "values": values}
        yield Case(
            f"draws the same again at {instance.layers} layers", Certificate("ratio-random", says, {"source": side})
        )


def _own() -> Iterator[Case]:
    """Policies of a user's own, registered for this: one drops what it must keep, one forgets what it depends on."""
    from layered_paging.core.registry import register
    from layered_paging.policies.lru import LRU
    from layered_paging.ratio import given

    @register("policy", "mutants-rogue", stack=False, lazy=True, marking=False, conservative=False)
    class Rogue(LRU):
        """Drop the page just asked for."""

        def victim(self, candidates: Any, time: Any) -> int:
            return max(self._last, key=lambda page: self._last[page])

    @register("policy", "mutants-forgetful", stack=False, lazy=True, marking=False, conservative=False)
    class Forgetful(LRU):
        """LRU that does not say what it depends on."""

        def state(self, resident: Any, time: Any) -> dict[int, int]:
            return {}

    plain = {"general": False, "pool": "shared", "offline_slots": 1, "top_k": 1, "slots": 1, "layers": 1, "experts": 2}
    shows = {"prefix": [], "cycle": [[0], [1]]}
    for lower in ("1", "1/2"):
        says = {**plain, "policy": "mutants-rogue", "lower": lower}
        yield Case(f"drops what it must keep, {lower}", Certificate("ratio-lower", says, shows))
    kept = {name: getattr(given, name) for name in ("check_bounded", "check_walks", "check_cycle")}
    try:
        for name in kept:
            setattr(given, name, lambda *a, **b: None)
        for size in ({"experts": 3, "slots": 2}, {"experts": 4, "slots": 3}, {"layers": 2, "experts": 2, "slots": 3}):
            found = lp.competitive_ratio("mutants-forgetful", **{"layers": 1, **size})  # type: ignore[arg-type]
            yield Case(f"forgets {size}", found.certificate)
            if size["experts"] == 4:  # 2, which it has on this cycle: but it has 3 on another
                cycle = [[1], [3], [2], [0], [3], [0]]
                yield Case(
                    "forgets on another cycle", changed(found.certificate, prefix=[], cycle=cycle, worst_start=[])
                )
    finally:
        for name, value in kept.items():
            setattr(given, name, value)
    for policy in ("marking", "lru"):
        for admission in ({}, {"admission": "bypass"}):
            says = {**plain, "policy": policy, "lower": "1", **admission}
            yield Case(f"{policy} {admission}", Certificate("ratio-lower", says, shows))
    good = lp.competitive_ratio("lru", layers=1, experts=3, slots=2).certificate
    worst = [[0], [1], [2], [0], [1], [2], [0], [1], [2]]
    for additive in ("1", "2", "3", "4"):  # of nine misses the optimum has at least a third
        yield Case(f"an additive constant of {additive}", changed(good, {"additive": additive}, worst_start=worst))
