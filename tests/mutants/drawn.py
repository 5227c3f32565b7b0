"""Randomized policies, sources, splits and networks that would prove too much, or as much in other forms, if one rule broke."""

from __future__ import annotations

import base64
import copy
from collections.abc import Iterator
from fractions import Fraction
from itertools import combinations
from typing import Any

import numpy as np
from forgeries import Case, leaves
from handmade import changed
from repair import array, repaired

import layered_paging as lp
from layered_paging.certificate import Certificate
from layered_paging.certify.ratio_game import Positions
from layered_paging.core.instance import Instance

__all__ = ["cases"]


def cases(kinds: set[Any] | None = None) -> Iterator[Case]:
    """Yield those of these kinds, or all."""
    if kinds is None or "placement" in kinds:
        yield from _networks()
    if kinds is None or "optimum" in kinds:
        yield from _splits()
    if kinds is None or "ratio-random" in kinds:
        yield from _policies()
        yield from _nodes()
        yield from _beyond()
        yield from _truths()
    if kinds is None or kinds & {"ratio-policy", "ratio-lower", "ratio-game", "ratio-events", "ratio-random"}:
        yield from _tuples(kinds)


def _networks() -> Iterator[Case]:
    """Networks whose numbers are the least that they can be, or one less."""
    plain: dict[str, Any] = {"name": "u", "top_k": 1, "holds": [], "local_ns": 3, "nonexpert_ns": 1, "cloud": 9, "servers": {"a": 2}, "total": 1,
                             "activations": [[[[0], 1]], [[[0], 1]]]}  # fmt: skip
    changes: list[tuple[dict[str, Any], dict[str, Any]]] = [({}, {})]
    for storage in (-1, 0, 1):
        changes.append(({"servers": [{"name": "a", "storage": storage}]}, {}))
        changes.append(({"nonexpert_bytes": 0}, {"storage": storage}))
    for experts in ([1, 1], [1, 2], [0, 2], [2, 0]):
        changes.append(({"experts": experts}, {}))
    for key, numbers in {
        "cloud": (-1, 0, 1),
        "total": (0, 1, 2),
        "top_k": (0, 1),
        "local_ns": (-1, 0),
        "nonexpert_ns": (-1, 0),
    }.items():
        changes += [({}, {key: number}) for number in numbers]
    changes += [({}, {"servers": {"a": t}}) for t in (-1, 0, 1)]
    changes += [({}, {"activations": [[[[0], 1], [[1], count]], [[[0], 1]]]}) for count in (-1, 0)]
    changes += [({}, {"activations": [[[[0], 1], [[1], count], [[0], -count]], [[[0], 1]]]}) for count in (-1, 1)]
    for more, user in changes:
        network = {"format": "layered-paging network", "version": 1, "experts": [2, 2], "expert_bytes": 1, "nonexpert_bytes": 1,
                   "servers": [{"name": "a", "storage": 2}], "users": [{**plain, **user}], **more}  # fmt: skip
        for users in (network["users"], network["users"] * 2):
            says = {"network": {**network, "users": users}, "held": {}, "latency": "19", "bound": None}
            yield repaired(Case(f"{len(users)} of {more} {user}", Certificate("placement", says, {})))
    for room in (0, 1, 2, 3):
        network = {"format": "layered-paging network", "version": 1, "experts": [2, 2], "expert_bytes": 2, "nonexpert_bytes": 1,
                   "servers": [{"name": "a", "storage": room}], "users": [plain]}  # fmt: skip
        says = {"network": network, "held": {}, "latency": "19", "bound": "1000"}  # set to the most that is proved
        yield repaired(Case(f"room for {room}", Certificate("placement", says, {"prices": [1, 6, 1, 6]})))


def _splits() -> Iterator[Case]:
    """Splits that are not what they are called, pages held at the start that are none, prices of slots below nothing."""
    narrow = lp.Trace(np.array([[[0], [0]], [[1], [1]]] * 3), 2)
    free = lp.optimum(narrow, 4, admission="forced", quotas="free").certificate
    for slots in (4, 5, 6):
        for price in (-1, 0):
            for hits in (
                "1111111111110000",
                "0000111111110000",
                "0000011111110000",
                "0000001111110000",
                "0000000111110000",
            ):
                packed = {"length": 12, "bytes": 0, "data": base64.b64encode(int(hits, 2).to_bytes(2, "big")).decode()}
                shows = {**free.evidence, "slot_price": price, "hits": packed}
                yield repaired(
                    Case(
                        f"{slots} slots at {price}, hits {hits}",
                        Certificate("optimum", {**free.statement, "slots": slots}, shows),
                        narrow,
                    )
                )
    first = lp.Trace(np.array([[[0], [1]], [[0], [2]], [[0], [3]], [[0], [1]]]), 4)
    given = lp.optimum(first, 4, admission="forced", quotas="free").certificate
    prices = [array([0] * 4), array([0] * 4)]
    for quotas in ("uniform", "given"):
        for split in ([1, 3], [2, 2], [3, 1]):
            says = {**given.statement, "quotas": quotas, "split": split}
            shows = {"hits": {"length": 8, "bytes": 0, "data": "Kg=="}, "prices": prices}
            for data in ("KA==", "KQ==", "Kg==", "Kw=="):
                shows = {"hits": {"length": 8, "bytes": 0, "data": data}, "prices": prices}
                yield repaired(Case(f"{quotas} {split}, hits {data}", Certificate("optimum", says, shows), first))
    wide = lp.optimum(first, 6, admission="forced").certificate
    for change in ({"admission": "x"}, {"pool": "x"}, {"reset": "x"}, {"events": "x"}, {"prefill": "x"}):
        yield repaired(Case(f"{change}", changed(wide, change), first))
    for warm in ([1, 4], [1], [-1], [8], [1, 1], [2, 3, 6]):
        for slots in (1, 2, 6):
            shows = {"hits": {"length": 8, "bytes": 0, "data": "AA=="}, "prices": [array([1] * 8)]}
            says = {**wide.statement, "slots": slots, "split": [slots], "warm": warm}
            yield repaired(Case(f"{slots} slots, warm {warm}", Certificate("optimum", says, shows), first))
            yield repaired(
                Case(f"{slots} slots, warm {warm}, as before", Certificate("optimum", says, wide.evidence), first)
            )


def _random(**size: Any) -> Certificate:
    good = lp.optimal_ratio(**size, randomized=True).certificate
    assert good is not None
    return good


def _policies() -> Iterator[Case]:
    """Policies of too many pages, without the page just requested, or that carry less than nothing: they never pay."""
    good = _random(layers=1, experts=3, slots=2)
    side = good.evidence["policy"]
    count = len(side["nodes"])
    says = {"lower": "0", "upper": "0"}
    for name, row in {
        "all pages": [[7, "1"]],
        "no page": [[0, "1"]],
        "every cache": [[3, "1/3"], [5, "1/3"], [6, "1/3"]],
    }.items():
        carried = {str(page): [[cache, cache, mass] for cache, mass in row] for page in range(3)}
        made = {
            **copy.deepcopy(side),
            "distributions": [row] * count,
            "transports": [carried] * count,
            "potential": ["0"] * count,
        }
        yield Case(f"holds {name}", changed(good, says, source=None, policy=made))
    back = [[3, 3, "9"], [3, 5, "-9"], [5, 5, "9"], [5, 3, "-9"]]
    made = copy.deepcopy(side)
    made["transports"] = [{page: [*moves, *back] for page, moves in row.items()} for row in side["transports"]]
    made["potential"] = ["0"] * count
    yield Case("carries back", changed(good, says, source=None, policy=made))
    for page in ("0", "1", "2"):  # what is carried is less than what is there
        made = copy.deepcopy(side)
        made["transports"][0][page] = made["transports"][0][page][:-1]
        yield Case(f"carries less at {page}", changed(good, {"lower": "0"}, source=None, policy=made))
    small = _random(layers=1, experts=3, slots=1)
    yield Case(
        "a source on more pages than there are",
        changed(small, {"experts": 2, "upper": None}, policy=None),
    )


def _beyond() -> Iterator[Case]:
    """Sources that ask for pages that the layer does not have, or that another layer has."""
    for part, says, roaming in (
        (Instance(1, 3, 1), {"layers": 1, "experts": 2, "slots": 1}, False),
        (Instance(2, 2, 2), {"layers": 2, "experts": 2, "slots": 2}, True),
    ):
        for ratio in (Fraction(n, 8) for n in range(16, 0, -1)):
            side = _source(part, ratio, roaming)
            if side is not None:
                stated = {**says, "lower": str(ratio), "upper": None}
                yield Case(f"draws beyond its pages {stated}", Certificate("ratio-random", stated, {"source": side}))
                break


def _source(part: Instance, ratio: Fraction, roaming: bool) -> Any:
    """Return a source that asks for all pages of the layer, or of all layers, alike; None if it falls short of the ratio."""
    rules, width = Positions(part), part.pages
    rows = [(0,) * (1 + 2 * width)]
    arcs: list[list[tuple[int, int, int, list[int]]]] = []
    for row in rows:
        arcs.append([])
        for page in range(width) if roaming else part.pages_of(row[0]):
            rise, levels = rules.update(row[1::2], page)
            blocks = [sorted(part.pages_of(j), key=lambda p: levels[p]) for j in range(part.layers)]
            places = [p for block in blocks[1:] + blocks[:1] for p in block]
            after = (0, *(x for p in places for x in (levels[p], 0)))
            if after not in rows:
                rows.append(after)
            arcs[-1].append((page, rise, rows.index(after), places))
    caches = [sum(1 << p for p in held) for held in combinations(range(width), part.slots)]
    value = {(n, cache): Fraction(0) for n in range(len(rows)) for cache in caches}
    for _ in range(80):
        new = {}
        for n, cache in value:
            total = Fraction(0)
            for page, rise, target, places in arcs[n]:
                left = (
                    [(0, cache)]
                    if cache >> page & 1
                    else [(1, cache ^ 1 << p | 1 << page) for p in range(width) if cache >> p & 1]
                )
                total += (
                    min(
                        cost + value[target, sum((c >> p & 1) << at for at, p in enumerate(places))] for cost, c in left
                    )
                    - ratio * rise
                )
            new[n, cache] = total / len(arcs[n])
        if all(value[key] <= new[key] for key in value):
            chances = [[[page, str(Fraction(1, len(row)))] for page, *_ in row] for row in arcs]
            values = [[[c, str(value[n, c])] for c in caches] for n in range(len(rows))]
            return {
                "experts": list(part.experts),
                "memory": 0,
                "nodes": list(map(list, rows)),
                "chances": chances,
                "values": values,
            }
        low = min(new.values())
        value = {key: Fraction(int((x - low) * 2**20), 2**20) for key, x in new.items()}
    return None


def _nodes() -> Iterator[Case]:
    """One node more, which is no node, or a node again; and chances that are none."""
    good = _random(layers=1, experts=3, slots=2)
    for name, other, says in (("policy", "source", {"lower": "0"}), ("source", "policy", {"upper": None})):
        side = good.evidence[name]
        columns = [key for key, value in side.items() if isinstance(value, list) and key != "experts"]
        last = side["nodes"][-1]
        for what, row in {
            "again": last,
            "longer": [*last, 0, 0],
            "shorter": last[:-1],
            "of an age below nothing": [*last[:-1], -1],
            "of an age that is a truth": [*last[:-1], False],
            "of another layer": [1, *last[1:]],
            "of a layer below nothing": [-1, *last[1:]],
            "of a level too high": [last[0], 3, *last[2:]],
            "of a last level too high": [*last[:-2], 3, 0],
        }.items():
            made = copy.deepcopy(side)
            for key in columns:
                made[key].append(copy.deepcopy(made[key][-1]))
            made["nodes"][-1] = row
            yield Case(f"{name}: a node {what}", changed(good, says, **{name: made, other: None}))
    source = good.evidence["source"]
    for node in range(len(source["nodes"])):
        for chances in (
            [["0", "1"]],
            [[0, "0"], [1, "1/2"], [2, "1/2"]],
            [[0, "-1"], [1, "1"], [2, "1"]],
            [[0, "1"], [1, "0"]],
            [[0, "1"]],
        ):
            for values in (None, "-100"):
                made = copy.deepcopy(source)
                made["chances"][node] = chances
                if values:
                    made["values"][node] = [[cache, values] for cache, _ in made["values"][node]]
                yield Case(
                    f"node {node}: chances {chances}, values {values}",
                    changed(good, {"lower": "1", "upper": None}, source=made, policy=None),
                )


def _truths() -> Iterator[Case]:
    """Caches of one page that are called true, and numbers that are no integers."""
    good = _random(layers=1, experts=2, slots=1)
    yield Case("one slot", good)
    for name in ("policy", "source"):
        for path in leaves(good.evidence[name]):
            value: Any = good.evidence[name]
            for key in path:
                value = value[key]
            if type(value) is int and value in (0, 1):
                for new in (bool(value), float(value)):
                    made = copy.deepcopy(good.evidence[name])
                    holder = made
                    for key in path[:-1]:
                        holder = holder[key]
                    holder[path[-1]] = new
                    yield Case(f"{name}: {path} as {new}", changed(good, **{name: made}))
    for key, value in good.statement.items():
        if value == 1:
            for new in (True, 1.0):
                yield Case(f"{key} as {new}", changed(good, {key: new}))


def _tuples(kinds: set[Any] | None) -> Iterator[Case]:
    """What must be a list as a tuple: the same numbers, but no list."""
    for good in (
        lp.competitive_ratio("lru", layers=1, experts=3, slots=2).certificate,
        lp.optimal_ratio(layers=1, experts=3, slots=2).certificate,
        lp.optimal_ratio(layers=1, experts=4, slots=3, top_k=2).certificate,
        _random(layers=1, experts=3, slots=2),
    ):
        assert good is not None
        if kinds is not None and good.kind not in kinds:
            continue
        for path in leaves(dict(good.evidence)):
            shows = copy.deepcopy(dict(good.evidence))
            holder: Any = shows
            for key in path[:-1]:
                holder = holder[key]
            if isinstance(holder[path[-1]], list) and len(path) <= 3:
                holder[path[-1]] = tuple(holder[path[-1]])
                yield Case(f"{good.kind}: {path} as a tuple", Certificate(good.kind, good.statement, shows))
