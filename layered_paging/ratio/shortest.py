"""A shortest sequence of requests that, repeated for ever, has the exact ratio.

Words are tried by length.  A word must ask for more pages than the optimum has slots, else the optimum stops paying:
that bounds its length from below.  A length is done when every word was tried from every state of the policy that
can lie on a worst cycle.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from ..certificate import Certificate
from ..errors import ParameterError

if TYPE_CHECKING:
    from .given import Ratio

__all__ = ["Shortest", "least_length", "shortest"]

Word = tuple[int, ...]
LOOK = 64  # words between two looks at the clock
WALKS = 300_000  # ends of walks that are kept in mind
MOST = 1_000_000  # arcs on which nothing is lost; with more of them no word is tried
_TURNS = 10_000  # turns without coming back after which a word is given up; then its length is not done


@dataclass(frozen=True)
class Shortest:
    """A short bad sequence: ``prefix`` once, then ``cycle`` for ever.

    Attributes
    ----------
    prefix, cycle : tuples of pages
    misses, optimum : Fraction
        Of the policy and of the optimum, in one turn of the cycle in the long run.
    at_least : int
        No cycle with fewer events has the ratio.
    """

    prefix: Word
    cycle: Word
    misses: Fraction
    optimum: Fraction
    at_least: int
    _whole: Certificate

    @property
    def minimal(self) -> bool:
        """Whether no shorter cycle has the ratio; otherwise it is the shortest that was found."""
        return len(self.cycle) == self.at_least

    @property
    def certificate(self) -> Certificate:
        """The certificate of the ratio with this cycle as its lower side."""
        cycle = {"prefix": [[page] for page in self.prefix], "cycle": [[page] for page in self.cycle]}
        return Certificate(self._whole.kind, self._whole.statement, {**self._whole.evidence, **cycle})


def least_length(layers: int, slots: int) -> int:
    """Return the least multiple of ``layers`` above ``slots``: with fewer requests the optimum pays nothing in the end.

    Examples
    --------
    >>> least_length(2, 4), least_length(3, 5)
    (6, 6)
    """
    return (slots // layers + 1) * layers


def shortest(
    ratio: Ratio, *, seconds: float = 20, tick: Callable[[str, Any], None] = lambda what, value: None
) -> Shortest:
    """Return a shortest cycle that has a policy's exact ratio, or the shortest that was found in time.

    Parameters
    ----------
    ratio : Ratio
        Of a policy without random numbers, with a finite ratio above 0; single requests, forced admission.
    seconds : float
        After so long the search ends; what it has is then a bound and no minimum.
    tick : callable
        Called as ``tick("phase", text)`` with each length.

    Raises
    ------
    ParameterError
        Another kind of ratio.

    Examples
    --------
    >>> import layered_paging as lp
    >>> found = shortest(lp.competitive_ratio("lru", layers=2, experts=3, slots=4))
    >>> len(found.cycle), found.minimal, found.misses / found.optimum
    (16, True, Fraction(4, 1))
    """
    statement, automaton = ratio.statement, ratio._product.automaton
    plain = statement["top_k"] == 1 and statement.get("admission", "forced") == "forced" and automaton.scale == 1
    if not plain or not ratio.value or isinstance(automaton.labels[0][0], tuple):
        value = "unbounded" if ratio.unbounded else ratio.value
        raise ParameterError(
            "a shortest cycle needs a finite ratio above 0, single requests, forced admission and no random numbers; "
            f"found ratio {value}, top-k {statement['top_k']}, admission {statement.get('admission', 'forced')}, "
            f"{'no ' if automaton.scale == 1 else ''}random numbers. "
            "Without a shortest cycle, the ratio and its certificate can still be had"
        )
    slots, layers, until = ratio._product.slots, ratio.instance.layers, time.monotonic() + seconds
    known = _primitive(ratio.witness.cycle, layers)
    bound = least_length(layers, slots)
    prefix, paid = tuple(page for (page,) in ratio.witness.prefix), (ratio.witness.misses, ratio.witness.optimum)
    share = Fraction(len(known), len(ratio.witness.cycle))
    best = (prefix, known, paid[0] * share, paid[1] * share)
    search = _Search(ratio, until - seconds / 2)
    tick("phase", "cycles after which all is as before")
    round_trip = search.closed(len(known))
    if round_trip is not None:
        prefix, cycle = round_trip
        known = _primitive([(page,) for page in cycle], layers)
        optimum = _optimum(known, slots)
        best = (prefix, known, ratio.value * optimum, optimum)
    search.until, search.done = until, bool(search.starts)
    for length in range(bound, len(known) if search.done else bound, layers):
        tick("phase", f"cycles of {length} events")
        found = search.tried(length)
        if found is not None:
            return Shortest(*found, bound, ratio.certificate)
        if not search.done:
            break
        bound = length + layers
    return Shortest(*best, min(bound, len(known)), ratio.certificate)


def _primitive(cycle: Sequence[tuple[int, ...]], layers: int) -> Word:
    """Return the shortest word of whole rounds whose repetition is the cycle."""
    pages = [page for (page,) in cycle]
    return next(
        tuple(pages[:n]) for n in range(layers, len(pages) + 1, layers) if pages[:n] * (len(pages) // n) == pages
    )


class _Search:
    """Tries words on the arcs of the product graph that a worst cycle can use: those on which nothing is lost.

    On a cycle that has the ratio every arc has ``q * misses - p * optimum + potential there = potential here``, and all
    of them lie in one strongly connected part.  So a word is given up as soon as no offline cache can follow it there.
    """

    def __init__(self, ratio: Ratio, until: float) -> None:
        automaton = ratio._product.automaton
        self.instance, self.slots, self.until = automaton.instance, ratio._product.slots, until
        self.value = ratio.value or Fraction(0)
        self.next, self.misses = automaton.next.tolist(), automaton.misses.tolist()
        self.moved, self.labels = automaton.moved.tolist(), automaton.labels
        self.layer = automaton.layer.tolist()
        self.symmetric = automaton.symmetric
        self.first = [self.instance.pages_of(layer).start for layer in range(self.instance.layers)]
        self.ways = self._paths()
        self.done = True
        self.groups, self.nodes = ratio._product.groups.tolist(), ratio._product.nodes
        self.arcs, self.starts = self._tight(ratio)
        self.number = {int(self.nodes[node]): node for node in self.arcs}

    def _tight(self, ratio: Ratio) -> tuple[dict[int, dict[int, list[int]]], dict[int, set[int]]]:
        """Return targets by node and event, and the nodes of each state that can come before layer 0."""
        from scipy.sparse import coo_matrix
        from scipy.sparse.csgraph import connected_components

        product, value = ratio._product, ratio.value or Fraction(0)
        arcs, potential = product.arcs, ratio._best.potential
        sources = arcs.sources
        gain = value.denominator * np.asarray(arcs.cost, np.int64) - value.numerator * np.asarray(arcs.opt, np.int64)
        tight = np.flatnonzero(gain + potential[arcs.targets] == potential[sources])
        size = len(product.nodes)
        graph = coo_matrix((np.ones(len(tight), np.int8), (sources[tight], arcs.targets[tight])), (size, size)).tocsr()
        part = connected_components(graph, directed=True, connection="strong")[1]
        tight = tight[part[sources[tight]] == part[arcs.targets[tight]]]
        if len(tight) > MOST:
            self.done = False
            return {}, {}
        out: dict[int, dict[int, list[int]]] = {}
        for node, event, target in zip(
            sources[tight].tolist(), product.event[tight].tolist(), arcs.targets[tight].tolist(), strict=True
        ):
            out.setdefault(node, {}).setdefault(event, []).append(target)
        starts: dict[int, set[int]] = {}
        for node in out:
            state = int(product.nodes[node] >> self.instance.pages)
            if state in self.ways:
                starts.setdefault(state, set()).add(node)
        return out, starts

    def closed(self, below: int) -> tuple[Word, Word] | None:
        """Return a prefix and a shortest walk after which policy, optimum and pages are as before, if one is short enough.

        The walks from each state are searched by breadth; the optimum must pay on them.
        """
        best: tuple[Word, Word] | None = None
        for state in sorted(self.starts):
            prefix, order = self.ways[state]
            for node in sorted(self.starts[state]):
                word = self._return(state, node, below)
                if word is not None:
                    below, best = len(word), (prefix, tuple(order[place] for place in word))
        return best

    def _return(self, state: int, node: int, below: int) -> Word | None:
        """Return a shortest closed walk of fewer than ``below`` requests from a node with page i at place i."""
        order = self._tidy(state, list(range(self.instance.pages)))
        start = (state, order, int(self.nodes[node]) & ((1 << self.instance.pages) - 1), False)
        came: dict[Any, Any] = {start: None}
        level = [start]
        for depth in range(1, below):
            after = []
            for here in level:
                for page, there in self._steps(*here):
                    if there[:3] == start[:3] and there[3] and depth % self.instance.layers == 0:
                        word = [page]
                        while came[here] is not None:
                            here, page = came[here]
                            word.append(page)
                        return tuple(word[::-1])
                    if there not in came:
                        came[there] = (here, page)
                        after.append(there)
            level = after
            if not level or len(came) > WALKS or time.monotonic() > self.until:
                return None
        return None

    def _steps(self, state: int, order: tuple[int, ...], cache: int, paid: bool) -> Iterator[tuple[int, Any]]:
        """Yield the requests that lose nothing, each with what follows: state, page at each place, the optimum's cache."""
        here = self.first[self.layer[state]]
        for event, targets in self.arcs.get(self._node(state, order, cache), {}).items():
            page, then = order[here + event], self.next[state][event]
            moved = self._tidy(then, [order[i] for i in self.moved[state][event]])
            miss = not cache >> page & 1
            full = miss and cache.bit_count() == self.slots
            held = [other for other in range(self.instance.pages) if cache >> other & 1] if full else [page]
            for gone in held:
                kept = (cache & ~(1 << gone)) | 1 << page
                if self._node(then, moved, kept) in targets:
                    yield page, (then, moved, kept, paid or miss)

    def _tidy(self, state: int, order: list[int]) -> tuple[int, ...]:
        """Return the page at each place, ascending where the state does not tell places apart."""
        at, out = 0, list[int]()
        while at < len(order):
            end = int(self.groups[state][at])
            out += sorted(order[at:end])
            at = end
        return tuple(out)

    def _node(self, state: int, order: tuple[int, ...], cache: int) -> int:
        """Return the node of a state with the optimum's cache in its places."""
        at, mask = 0, 0
        while at < len(order):
            end = int(self.groups[state][at])
            count = sum(cache >> page & 1 for page in order[at:end])
            mask |= ((1 << count) - 1) << at
            at = end
        return self.number.get(state << self.instance.pages | mask, -1)

    def tried(self, length: int) -> tuple[Word, Word, Fraction, Fraction] | None:
        """Return a word that has the ratio; without one ``done`` says whether every word was tried."""
        for state in sorted(self.starts):
            prefix, order = self.ways[state]
            for number, word in enumerate(self._words(length, state)):
                if number % LOOK == 0 and time.monotonic() > self.until:
                    self.done = False
                    return None
                optimum = _optimum(word, self.slots)
                if 0 < self.value * optimum <= length and self._paid(state, word) == self.value * optimum:
                    return prefix, tuple(order[place] for place in word), self.value * optimum, optimum
        return None

    def _words(self, length: int, begin: int) -> Iterator[Word]:
        """Yield words of the places of a state, of more distinct ones than the optimum has slots.

        Places that the state does not tell apart get their first requests in ascending order.  A word that leads to a
        state of lower number before a round is left out: turned round, it is a word of that state.
        """
        word: list[int] = []
        labels = self.labels[begin]

        def longer(state: int, order: list[int], nodes: set[int], seen: frozenset[int]) -> Iterator[Word]:
            if len(seen) + length - len(word) <= self.slots or time.monotonic() > self.until:
                return
            if len(word) % self.instance.layers == 0 and state < begin:
                return
            if len(word) == length:
                yield tuple(word)
                return
            fresh = set()
            here = self.first[self.layer[state]]
            for page in sorted(order[here + event] for event in range(self._width(state))):
                if self.symmetric and page not in seen:
                    if labels[page] in fresh:
                        continue
                    fresh.add(labels[page])
                event = order.index(page) - here
                after = {target for node in nodes for target in self.arcs.get(node, {}).get(event, ())}
                if after:
                    word.append(page)
                    moved = [order[i] for i in self.moved[state][event]]
                    yield from longer(self.next[state][event], moved, after, seen | {page})
                    word.pop()

        yield from longer(begin, list(range(self.instance.pages)), self.starts[begin], frozenset())
        if time.monotonic() > self.until:
            self.done = False

    def _width(self, state: int) -> int:
        return len(self.instance.pages_of(self.layer[state]))

    def _paid(self, state: int, word: Word) -> Fraction | None:
        """Return the misses in a turn in the long run, from a state with page i at place i."""
        order = list(range(self.instance.pages))
        seen: dict[tuple[int, ...], tuple[int, int]] = {}
        paid = turns = 0
        while (key := (state, *order)) not in seen:
            if turns == _TURNS:
                self.done = False
                return None
            seen[key] = (turns, paid)
            for page in word:
                event = order.index(page) - self.first[self.layer[state]]
                paid += self.misses[state][event]
                order = [order[i] for i in self.moved[state][event]]
                state = self.next[state][event]
            turns += 1
        since, before = seen[key]
        return Fraction(paid - before, turns - since)

    def _paths(self) -> dict[int, tuple[Word, list[int]]]:
        """Return for every state that can come before layer 0: requests that lead there, and the page at each place."""
        layers = self.instance.layers
        start = list(range(self.instance.pages))
        known: dict[tuple[int, int], tuple[Word, list[int]]] = {(0, 0): ((), start)}
        queue = [(0, 0)]
        for state, turn in queue:
            way, order = known[state, turn]
            for event, target in enumerate(self.next[state]):
                there = (target, (turn + 1) % layers)
                if target >= 0 and there not in known:
                    page = order[self.first[self.layer[state]] + event]
                    known[there] = ((*way, page), [order[i] for i in self.moved[state][event]])
                    queue.append(there)
        return {state: way for (state, turn), way in known.items() if turn == 0}


def _optimum(word: Word, slots: int) -> Fraction:
    """Return what the optimum pays in a turn of a repeated word in the long run: it drops the page of furthest next use."""
    period = len(word)
    after = [dict.fromkeys(word, 0) for _ in range(period)]
    for at in range(period):
        for page in after[at]:
            after[at][page] = next(n for n in range(1, period + 1) if word[(at + n) % period] == page)
    held: set[int] = set()
    seen: dict[frozenset[int], tuple[int, int]] = {}
    paid = turns = 0
    while (key := frozenset(held)) not in seen:
        seen[key] = (turns, paid)
        for at, page in enumerate(word):
            if page not in held:
                paid += 1
                if len(held) == slots:
                    held.remove(max(held, key=lambda other: (after[at][other], other)))
                held.add(page)
        turns += 1
    since, before = seen[key]
    return Fraction(paid - before, turns - since)
