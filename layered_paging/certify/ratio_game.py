"""Check the best deterministic ratio: a policy's table from above, an adversary's graph from below.

A position is one int, five bits per page: ``2 * level + resident``, items ascending within each layer.  With
layers of equal width the layer that comes next stands first; otherwise its number stands above bit 60.
Renaming the experts of a layer, and turning the layers round, change neither side's game.

The levels stand for the optimum's work function: its value at a set S of at most k pages, less
its least value, is |S| - rank(S).  The rank counts the members of S level by level, at most j from the
levels 1..j.  That every update of levels is the work function's own update is verified
by the definition: after a request to p, ``w'(S) = w(S)`` for S with p, otherwise the least of
``w(S + p)`` and ``w(S - x + p) + 1``.

Lazy policies suffice in the lower side: any policy can be imitated lazily with no more misses.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from graphlib import CycleError, TopologicalSorter
from itertools import combinations
from typing import Any

from ..certificate import Certificate
from ..core.instance import Instance
from ..errors import CertificateRejected
from .meter import hold, spend
from .ratio import model, stated
from .reading import fraction, need

__all__ = ["Positions", "check", "no_idle_cycle"]

Levels = tuple[int, ...]


class Positions:
    """The rules: how positions are written, and where requests and victims lead."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.slots, self.pages = instance.slots, instance.pages
        self.turns = len(set(instance.experts)) == 1
        self.subsets = [
            sum(1 << p for p in chosen)
            for size in range(self.slots + 1)
            for chosen in combinations(range(self.pages), size)
        ]
        self.verified: set[tuple[Levels, int]] = set()

    def read(self, code: int) -> tuple[int, list[int]]:
        """Return the next layer and the items of a position."""
        items = [code >> 5 * p & 31 for p in range(self.pages)]
        layer = 0 if self.turns else code >> 60
        need(0 <= layer < self.instance.layers, f"position {code} names layer {layer}")
        need(all(item >> 1 <= self.slots for item in items), f"position {code} has a level above {self.slots}")
        return layer, items

    def write(self, layer: int, items: Sequence[int]) -> int:
        """Return the position before an event of ``layer``, renamed to the least order."""
        blocks = [sorted(items[q] for q in self.instance.pages_of(j)) for j in range(self.instance.layers)]
        if self.turns:
            blocks = blocks[layer:] + blocks[:layer]
        code = 0 if self.turns else layer << 60
        for p, item in enumerate(item for block in blocks for item in block):
            code |= item << 5 * p
        return code

    def request(self, items: Sequence[int], page: int) -> tuple[int, int, list[int]]:
        """Return the miss, the rise of the optimum, and the items after a request and before an eviction."""
        levels = tuple(item >> 1 for item in items)
        rise, after = self.update(levels, page)
        moved = [2 * level + (item & 1) for level, item in zip(after, items, strict=True)]
        moved[page] |= 1
        return 1 - (items[page] & 1), rise, moved

    def answers(self, moved: Sequence[int], page: int) -> Iterator[tuple[int, list[int]]]:
        """Yield every lazy answer: the victim (-1 for none) and the items after it."""
        spend(4 * self.pages * self.slots, "the answers at every position")
        if sum(item & 1 for item in moved) <= self.slots:
            yield -1, list(moved)
            return
        for victim in range(self.pages):
            if victim != page and moved[victim] & 1:
                yield victim, [item & ~1 if p == victim else item for p, item in enumerate(moved)]

    def update(self, levels: Levels, page: int) -> tuple[int, Levels]:
        """Return the rise of the optimum and the levels after a request, verified by the definition."""
        k, level = self.slots, levels[page]
        if level == 0:
            # one of the k best pages must go, whichever it is: the last two levels become one
            new = [k - 1 if x == k else x for x in levels]
        else:
            new = [x - 1 if x >= level else x for x in levels]
        new[page] = k
        rise, after = int(level == 0), tuple(new)
        if (levels, page) not in self.verified:
            self._verify(levels, page, rise, after)
            self.verified.add((levels, page))
        return rise, after

    def _verify(self, levels: Levels, page: int, rise: int, after: Levels) -> None:
        spend(3 * len(self.subsets) * (self.pages + self.slots), "verifying a work function")
        before, bit, least = self._work(levels), 1 << page, 1 << 60
        new: dict[int, int] = {}
        for s in self.subsets:
            if s & bit:
                new[s] = before[s]
            else:
                options = [before[s ^ 1 << x | bit] + 1 for x in range(self.pages) if s >> x & 1]
                if s | bit in before:
                    options.append(before[s | bit])
                new[s] = min(options)
            least = min(least, new[s])
        wanted = self._work(after)
        need(
            least == rise and all(new[s] - least == wanted[s] for s in self.subsets),
            f"levels {levels} are not followed by {after} after a request to page {page}",
        )

    def _work(self, levels: Levels) -> dict[int, int]:
        at = [sum(1 << p for p, x in enumerate(levels) if x == level) for level in range(self.slots + 1)]
        work: dict[int, int] = {}
        for s in self.subsets:
            rank = 0
            for level in range(1, self.slots + 1):
                rank = min(level, rank + (s & at[level]).bit_count())
            work[s] = s.bit_count() - rank
        return work


def check(certificate: Certificate) -> None:
    """Raise ``CertificateRejected`` unless both bounds of the statement are proved."""
    statement, evidence = stated(certificate), certificate.evidence
    instance = model(statement)
    need(instance.pages <= 12, "a position holds at most 12 pages")
    rules = Positions(instance)
    lower = fraction(statement, "lower")
    if evidence.get("adversary") is None:
        need(lower <= 0, "'lower' has no adversary to prove it")
    else:
        _lower(rules, lower, evidence["adversary"])
    if statement.get("upper") is None:
        return
    _upper(rules, fraction(statement, "upper"), evidence.get("policy"))


def _table(side: Any, *names: str) -> dict[int, tuple[Any, ...]]:
    columns = [side[name] for name in ("positions", *names)]
    hold(sum(len(c) for c in columns if isinstance(c, list)), "the table of positions")
    need(
        all(isinstance(c, list) and len(c) == len(columns[0]) for c in columns),
        "the columns must be lists of one length",
    )
    for code, potential in zip(columns[0], columns[-1], strict=True):
        need(type(code) is int and code >= 0 and type(potential) is int, "positions and potentials must be integers")
    need(0 in columns[0], "empty caches at layer 0 are missing from the positions")
    return {row[0]: row[1:] for row in zip(*columns, strict=True)}


def _upper(rules: Positions, ratio: Fraction, side: Any) -> None:
    table = _table(side, "victims", "potential")
    p, q = ratio.numerator, ratio.denominator
    for code, (moves, here) in table.items():
        need(here >= 0, "a policy's potential must not be negative")
        layer, items = rules.read(code)
        chosen = dict(zip(moves[0::2], moves[1::2], strict=True))
        block = rules.instance.pages_of(layer)
        for page in block:
            if page > block.start and items[page] == items[page - 1]:
                continue  # a page just like the one before it
            need(page in chosen, f"position {code}: the request to page {page} has no answer")
            cost, rise, moved = rules.request(items, page)
            after = dict(rules.answers(moved, page)).get(chosen[page])
            if after is None:
                need(False, f"position {code}: page {chosen[page]} cannot be the victim of a request to page {page}")
                return
            target = rules.write((layer + 1) % rules.instance.layers, after)
            need(target in table, f"position {code}: what follows a request to page {page} is missing")
            need(
                q * cost - p * rise + table[target][1] <= here,
                f"position {code}: the policy's potential fails at page {page}",
            )


def _lower(rules: Positions, ratio: Fraction, side: Any) -> None:
    table = _table(side, "requests", "potential")
    p, q = ratio.numerator, ratio.denominator
    idle: dict[int, list[int]] = {}
    for code, (page, here) in table.items():
        layer, items = rules.read(code)
        need(
            type(page) is int and page in rules.instance.pages_of(layer),
            f"position {code}: page {page!r} cannot be requested",
        )
        cost, rise, moved = rules.request(items, page)
        for _, after in rules.answers(moved, page):
            target = rules.write((layer + 1) % rules.instance.layers, after)
            need(target in table, f"position {code}: an answer to the request leads out of the adversary's graph")
            need(
                q * cost - p * rise + here - table[target][1] >= 0, f"position {code}: the adversary's potential fails"
            )
            if cost == rise == 0:
                idle.setdefault(code, []).append(target)
    no_idle_cycle(idle)


def no_idle_cycle(arcs: Mapping[Any, Sequence[Any]]) -> None:
    """Reject if arcs on which neither side pays close a cycle."""
    try:
        TopologicalSorter(arcs).prepare()
    except CycleError:
        raise CertificateRejected("the adversary can be led round a cycle on which neither side pays") from None
