"""Check the best deterministic ratio for events of several experts, forced or with bypass.

A position is (layer of the next event, online cache, work function).  The caches of ``slots`` pages are counted in
lexicographic order.  The work function gives each of them the least cost of serving what has been asked for and ending there,
less the smallest.  Serving an event costs one for each absent member.  Forced, all members are then in the cache, beside
what stays of it; with bypass, any part of cache and event may stay.  Every page that the end lacks costs one more: loading
what no event asked for never pays, but is allowed to the optimum.  Renaming the experts of a layer changes neither side's game.

Lazy policies suffice in the lower side: a policy that keeps what it may and loads only what is asked for
imitates any other with no more misses.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import combinations, permutations, product
from math import comb, factorial, prod
from typing import Any

from ..certificate import Certificate
from ..core.instance import Instance
from .meter import hold, spend
from .ratio import model, stated
from .ratio_game import no_idle_cycle
from .reading import fraction, need, number

__all__ = ["Rules", "check", "renamed"]

Position = tuple[int, int, tuple[int, ...]]


class Rules:
    """Caches, events and moves, all by their definitions; what was computed once is kept."""

    def __init__(self, instance: Instance, top_k: int, bypass: bool) -> None:
        self.instance, self.slots, self.bypass = instance, instance.slots, bypass
        names = prod(factorial(n) for n in instance.experts)
        hold(names * (instance.pages + comb(instance.pages, instance.slots)), "the renamings of caches")
        self.caches = [sum(1 << p for p in c) for c in combinations(range(instance.pages), instance.slots)]
        self.events = [
            [sum(1 << p for p in c) for c in combinations(instance.pages_of(j), top_k)] for j in range(instance.layers)
        ]
        blocks = [list(permutations(instance.pages_of(j))) for j in range(instance.layers)]
        self.renamings = [sum(choice, ()) for choice in product(*blocks)]
        self.sources = [self._sources(names) for names in self.renamings]
        self.least: dict[tuple[int, ...], tuple[tuple[int, ...], list[tuple[int, ...]]]] = {}
        self.served: dict[tuple[tuple[int, ...], int], tuple[int, tuple[int, ...]]] = {}

    def _sources(self, names: Sequence[int]) -> list[int]:
        """Return, for each cache, which one becomes it when page p is called ``names[p]``."""
        come = {renamed(cache, names): at for at, cache in enumerate(self.caches)}
        return [come[cache] for cache in self.caches]

    def position(self, layer: int, cache: int, work: tuple[int, ...]) -> Position:
        """Return a position renamed so that its work function, then its cache, is least."""
        if work not in self.least:
            spend(len(self.sources) * len(self.caches), "the least form of a work function")
            forms = [tuple(work[at] for at in sources) for sources in self.sources]
            best = min(forms)
            self.least[work] = (
                best,
                [names for names, form in zip(self.renamings, forms, strict=True) if form == best],
            )
        best, names = self.least[work]
        return layer, min(renamed(cache, n) for n in names), best

    def serve(self, work: tuple[int, ...], event: int) -> tuple[int, tuple[int, ...]]:
        """Return the rise of the optimum and the work function after an event."""
        if (work, event) not in self.served:
            spend(5 * len(self.caches) ** 2, "serving an event from every cache")
            ends = []
            for end in self.caches:
                ends.append(
                    min(
                        w + (event & ~start).bit_count() + self._more(start, event, end)
                        for w, start in zip(work, self.caches, strict=True)
                    )
                )
            rise = min(ends)
            self.served[work, event] = (rise, tuple(w - rise for w in ends))
        return self.served[work, event]

    def _more(self, start: int, event: int, end: int) -> int:
        """Return how many pages of ``end`` must be loaded besides the event's."""
        if self.bypass:
            return (end & ~(start | event)).bit_count()
        stay = min((end & start & ~event).bit_count(), self.slots - event.bit_count())
        return (end & ~event).bit_count() - stay

    def answers(self, cache: int, event: int) -> Iterator[int]:
        """Yield every cache that a lazy policy may leave."""
        spend(10 * self.instance.pages, "the answers at every position")
        joined = cache | event
        spare = joined if self.bypass else joined & ~event
        members = [1 << p for p in range(self.instance.pages) if spare >> p & 1]
        for gone in combinations(members, max(0, joined.bit_count() - self.slots)):
            yield joined & ~sum(gone)


def renamed(cache: int, names: Sequence[int]) -> int:
    """Return a cache in other names."""
    return sum(1 << name for page, name in enumerate(names) if cache >> page & 1)


def check(certificate: Certificate) -> None:
    """Raise ``CertificateRejected`` unless both bounds of the statement are proved."""
    statement, evidence = stated(certificate), certificate.evidence
    instance, top_k = model(statement), number(statement, "top_k", 1)
    admission = statement.get("admission")
    need(admission in ("forced", "bypass"), f"'admission' must be 'forced' or 'bypass'; got {admission!r}")
    need(top_k <= min(instance.experts), f"'top_k' must be at most {min(instance.experts)}; got {top_k}")
    need(admission == "bypass" or top_k <= instance.slots, f"'top_k' must be at most {instance.slots}; got {top_k}")
    small = instance.pages <= 9 and max(instance.experts) <= 7  # that is, at most 10080 renamings
    need(small, "at most 9 pages, and 7 in a layer, are checked")
    rules = Rules(instance, top_k, admission == "bypass")
    works: Any = evidence.get("works")
    need(isinstance(works, list), "'works' must be a list")
    known = [tuple(row) for row in works]
    for row in known:
        fits = len(row) == len(rules.caches) and all(type(w) is int and 0 <= w <= instance.slots for w in row)
        need(fits, "a work function must hold one integer of 0..slots for each cache")
    lower = fraction(statement, "lower")
    if evidence.get("adversary") is None:
        need(lower <= 0, "'lower' has no adversary to prove it")
    else:
        _lower(rules, lower, _table(rules, known, evidence["adversary"], "events"))
    if statement.get("upper") is not None:
        _upper(rules, fraction(statement, "upper"), _table(rules, known, evidence.get("policy"), "answers"))


def _table(rules: Rules, works: Sequence[tuple[int, ...]], side: Any, name: str) -> Mapping[Position, tuple[Any, int]]:
    """Return what one side plays and its potential, by position; the empty caches at layer 0 are among them."""
    rows, played, potentials = side["positions"], side[name], side["potential"]
    need(
        all(isinstance(c, list) and len(c) == len(rows) for c in (rows, played, potentials)),
        "the columns must be lists of one length",
    )
    table: dict[Position, tuple[Any, int]] = {}
    for row, move, potential in zip(rows, played, potentials, strict=True):
        need(len(row) == 3 and all(type(x) is int and x >= 0 for x in row), "a position is three integers")
        need(type(potential) is int, "potentials must be integers")
        layer, cache, work = row
        need(layer < rules.instance.layers and work < len(works), "a position names no layer or no work function")
        need(cache >> rules.instance.pages == 0, "a position's cache names no page")
        table[layer, cache, works[work]] = (move, potential)
    need((0, 0, (0,) * len(rules.caches)) in table, "empty caches at layer 0 are missing from the positions")
    return table


def _upper(rules: Rules, ratio: Fraction, table: Mapping[Position, tuple[Any, int]]) -> None:
    p, q = ratio.numerator, ratio.denominator
    for (layer, cache, work), (moves, here) in table.items():
        need(here >= 0, "a policy's potential must not be negative")
        chosen = dict(zip(moves[0::2], moves[1::2], strict=True))
        for event in rules.events[layer]:
            need(event in chosen, f"event {event:b} has no answer at a position of layer {layer}")
            left = chosen[event]
            need(left in rules.answers(cache, event), f"cache {left!r} cannot be left by event {event:b}")
            rise, after = rules.serve(work, event)
            target = rules.position((layer + 1) % rules.instance.layers, left, after)
            need(target in table, f"what follows event {event:b} at a position of layer {layer} is missing")
            cost = (event & ~cache).bit_count()
            need(q * cost - p * rise + table[target][1] <= here, f"the policy's potential fails at event {event:b}")


def _lower(rules: Rules, ratio: Fraction, table: Mapping[Position, tuple[Any, int]]) -> None:
    p, q = ratio.numerator, ratio.denominator
    idle: dict[Position, list[Position]] = {}
    for (layer, cache, work), (event, here) in table.items():
        need(event in rules.events[layer], f"event {event!r} cannot be asked for in layer {layer}")
        rise, after = rules.serve(work, event)
        cost = (event & ~cache).bit_count()
        for left in rules.answers(cache, event):
            target = rules.position((layer + 1) % rules.instance.layers, left, after)
            need(target in table, "an answer to the event leads out of the adversary's graph")
            need(q * cost - p * rise + here - table[target][1] >= 0, "the adversary's potential fails")
            if cost == rise == 0:
                idle.setdefault((layer, cache, work), []).append(target)
    no_idle_cycle(idle)
