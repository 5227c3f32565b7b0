"""Certificates made by hand, each against a condition that no systematic forgery reaches."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from forgeries import Case

import layered_paging as lp
from layered_paging.certificate import Certificate

__all__ = ["cases"]


def cases() -> Iterator[Case]:
    """Yield them; some are true, some are not, and each stands at the edge of a condition."""
    yield from _no_certificates()
    yield from _policies()
    yield from _sizes()
    yield from _games()


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
    for change in ({"offline_slots": 0}, {"offline_slots": 2}, {"top_k": 0}, {"top_k": 2}, {"top_k": 3}, {"general": 1}, {"general": True, "pool": "per-layer"},
                   {"pool": "none"}, {"policy": "lru()"}, {"policy": "strategy:x.json"}, {"policy": 5}, {"policy": "static"},
                   {"policy": "random"}, {"pool": "per-layer"}, {"lower": "2"}, {"lower": "0"}, {"lower": "-1"}):  # fmt: skip
        shows = {"prefix": [], "cycle": [[0], [1]]}
        yield Case(f"a round of two, {change}", Certificate("ratio-lower", {**plain, **change}, shows))
    for prefix, cycle in (([], []), ([[0]], [[1], [0]]), ([], [[0]]), ([[1]], [[0]]), ([[0, 1]], [[0], [1]]), ([[0.0]], [[0], [1]]), ([["0"]], [[1]]),
                          ([[2]], [[0], [1]]), ([[-1]], [[0], [1]]), ([0], [[0], [1]]), ([[0]], [[True], [0]])):  # fmt: skip
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
    uneven = lp.optimal_ratio(layers=2, experts=[1, 2], slots=2).certificate
    assert uneven is not None
    for name in ("policy", "adversary"):
        side = copy.deepcopy(uneven.evidence[name])
        for column in side.values():
            column.append(copy.deepcopy(column[-1]))
        side["positions"][-1] = (side["positions"][-1] & ((1 << 60) - 1)) | 2 << 60
        yield Case(f"{name}: a layer too many", changed(uneven, **{name: side}))
