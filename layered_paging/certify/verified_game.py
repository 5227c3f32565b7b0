"""The two sides of a certificate of the best deterministic ratio, written as the numbers that the proved checker reads.

Positions are turned so that every layer has its own: the proved checker renames pages inside layers only.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from ..certificate import Certificate
from .ratio import model, stated
from .ratio_game import Positions, no_idle_cycle
from .reading import fraction, need

__all__ = ["sides"]

UPPER, LOWER = 4, 5
Asked = set[tuple[tuple[int, ...], int]]


def sides(certificate: Certificate) -> list[list[int]]:
    """Return the numbers of the sides that a certificate of kind ``ratio-game`` has: upper, lower, or both."""
    statement, evidence = stated(certificate), certificate.evidence
    instance = model(statement)
    rules = Positions(instance)
    need(rules.turns and instance.pages <= 12, "layers of equal width and at most 12 pages in all")
    lower, found = fraction(statement, "lower"), []
    if statement["upper"] is not None:
        found.append(_upper(rules, fraction(statement, "upper"), evidence["policy"]))
    if evidence.get("adversary") is None:
        need(lower <= 0, "'lower' has no adversary to prove it")
    else:
        found.append(_lower(rules, lower, evidence["adversary"]))
    need(bool(found), "neither side has evidence")
    return found


def _size(rules: Positions, ratio: Fraction) -> list[int]:
    instance = rules.instance
    return [instance.layers, instance.experts[0], instance.slots, ratio.numerator, ratio.denominator]


def _list(items: Any) -> list[int]:
    return [len(items), *items]


def _turned(rules: Positions, items: list[int]) -> Iterator[tuple[int, list[int], list[int]]]:
    """Yield each layer with the place of every item, and the items by place, when that layer comes next."""
    n, pages = rules.instance.experts[0], rules.pages
    for layer in range(rules.instance.layers):
        place = [(i + layer * n) % pages for i in range(pages)]
        by_place = [0] * pages
        for i, item in enumerate(items):
            by_place[place[i]] = item
        yield layer, place, by_place


def _position(layer: int, items: list[int]) -> list[int]:
    return [layer, *_list([item >> 1 for item in items]), *_list([p for p, item in enumerate(items) if item & 1])]


def _requests(asked: Asked) -> list[int]:
    return [len(asked), *(x for levels, page in sorted(asked) for x in (*_list(levels), page))]


def _upper(rules: Positions, ratio: Fraction, side: Any) -> list[int]:
    asked: Asked = set()
    rows: list[int] = []
    block = rules.instance.pages_of(0)
    columns = list(zip(side["positions"], side["victims"], side["potential"], strict=True))
    need(any(code == 0 for code, _, _ in columns), "empty caches at layer 0 are missing from the positions")
    for code, moves, here in columns:
        chosen = dict(zip(moves[0::2], moves[1::2], strict=True))
        _, items = rules.read(code)
        for page in block:
            if page > block.start and items[page] == items[page - 1]:  # just like the one before it
                first = next(p for p in block if items[p] == items[page])
                chosen[page] = {first: page, page: first}.get(chosen[first], chosen[first])
            fits = items[page] & 1 or sum(item & 1 for item in items) < rules.slots
            need(chosen[page] == -1 if fits else chosen[page] >= 0, f"position {code}: not a victim: {chosen[page]!r}")
        for layer, place, by_place in _turned(rules, items):
            levels = tuple(item >> 1 for item in by_place)
            asked |= {(levels, place[page]) for page in block}
            victims = [(place[page], place[chosen[page]] if chosen[page] >= 0 else 0) for page in block]
            rows += [*_position(layer, by_place), len(victims), *(x for pair in victims for x in pair), here]
    start = next(here for code, _, here in columns if code == 0)
    count = len(columns) * rules.instance.layers
    return [UPPER, *_size(rules, ratio), *_requests(asked), count, *rows, max(start, 0)]


def _lower(rules: Positions, ratio: Fraction, side: Any) -> list[int]:
    asked: Asked = set()
    rows: list[int] = []
    columns = list(zip(side["positions"], side["requests"], side["potential"], strict=True))
    falls = _falls(rules, [(code, page) for code, page, _ in columns])
    for code, page, here in columns:
        _, items = rules.read(code)
        for layer, place, by_place in _turned(rules, items):
            asked.add((tuple(item >> 1 for item in by_place), place[page]))
            rows += [*_position(layer, by_place), place[page], here, falls.get(code, 0)]
    return [LOWER, *_size(rules, ratio), *_requests(asked), len(columns) * rules.instance.layers, *rows]


def _falls(rules: Positions, asked: list[tuple[int, int]]) -> dict[int, int]:
    """Return for each position how many moves may follow on which neither side pays: there must be no cycle of them."""
    idle: dict[int, list[int]] = {}
    for code, page in asked:
        _, items = rules.read(code)
        need(page in rules.instance.pages_of(0), f"position {code}: page {page!r} cannot be requested")
        cost, rise, moved = rules.request(items, page)
        if cost == rise == 0:
            idle[code] = [rules.write(1 % rules.instance.layers, after) for _, after in rules.answers(moved, page)]
    no_idle_cycle(idle)
    falls: dict[int, int] = {}
    waiting = list(idle)
    while waiting:
        code = waiting.pop()
        later = [target for target in idle.get(code, []) if target not in falls]
        if later:
            waiting += [code, *later]
        else:
            falls[code] = 1 + max((falls[target] for target in idle.get(code, [])), default=-1)
    return falls
