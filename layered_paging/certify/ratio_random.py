"""Check bounds on the best randomized ratio: distributions from above, a request source from below.

A node is the layer of the next request, then (level, age) for each page: levels as in ``ratio_game``, the
age counts requests since the page's last one, up to ``memory``, and is 0 beyond it.  After a request the pages
of each layer are put in the order of their items, equal ones in the order in which they stood.  With
layers of equal width the layer that comes next is put first.  Caches are masks of ``slots`` pages.

Upper side: at every node and request, the transport carries the node's distribution to the next node's,
whose caches all hold the page; its cost obeys ``cost - r * optimum + potential(next) <= potential(here)``.

Lower side: at every node and cache, ``value(here) <= E[least over victims of cost - r * optimum + value(next)]``, and
the optimum pays in every recurrent class.  Policies that start with a full cache, or use pages the
source never asks for, are no exception: the first is a help, the second none.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations
from typing import Any

from ..certificate import Certificate
from ..core.instance import Instance
from .meter import hold, spend
from .ratio import model, stated
from .ratio_game import Positions
from .reading import exact, fraction, need, number

__all__ = ["Nodes", "check"]

Node = tuple[int, ...]


class Nodes:
    """The rules of nodes for one instance and memory."""

    def __init__(self, instance: Instance, memory: int, rows: Any) -> None:
        self.instance, self.memory, self.rules = instance, memory, Positions(instance)
        self.turns = len(set(instance.experts)) == 1
        need(isinstance(rows, list) and len(rows) > 0, "'nodes' must be a list")
        hold(len(rows) * (1 + 2 * instance.pages), "the nodes")
        for row in rows:
            fits = (
                isinstance(row, list)
                and len(row) == 1 + 2 * instance.pages
                and all(type(x) is int and x >= 0 for x in row)
            )
            need(
                fits and row[0] < instance.layers,
                f"a node must be a layer, then a level and an age for each page; got {row!r}",
            )
            need(all(x <= instance.slots for x in row[1::2]), f"a level exceeds the slots: {row!r}")
        self.rows: list[Node] = [tuple(row) for row in rows]
        self.index = {row: i for i, row in enumerate(self.rows)}
        need(len(self.index) == len(self.rows), "'nodes' must be distinct")
        need(
            (0,) * (1 + 2 * instance.pages) in self.index, "the start, empty caches at layer 0, is missing from 'nodes'"
        )

    def pages(self, node: int) -> range:
        """Return the pages that may be requested at a node."""
        return self.instance.pages_of(self.rows[node][0])

    def follow(self, node: int, page: int) -> tuple[int, int, list[int]]:
        """Return the rise of the optimum, the next node, and the page that stands at each of its places."""
        row, instance = self.rows[node], self.instance
        spend(20 * instance.pages, "following every node")
        rise, levels = self.rules.update(row[1::2], page)
        ages = [age + 1 if 0 < age < self.memory else 0 for age in row[2::2]]
        ages[page] = min(1, self.memory)
        blocks = [sorted(instance.pages_of(j), key=lambda p: (levels[p], ages[p])) for j in range(instance.layers)]
        layer = (row[0] + 1) % instance.layers
        if self.turns:
            blocks, layer = blocks[layer:] + blocks[:layer], 0
        places = [p for block in blocks for p in block]
        target = (layer, *(x for p in places for x in (levels[p], ages[p])))
        need(target in self.index, f"what follows a request to page {page} at node {list(row)} is missing")
        return rise, self.index[target], places


def check(certificate: Certificate) -> None:
    """Raise ``CertificateRejected`` unless both bounds of the statement are proved."""
    statement, evidence = stated(certificate), certificate.evidence
    instance = model(statement)
    need(instance.pages <= 12, "at most 12 pages are checked")
    lower = fraction(statement, "lower")
    if evidence.get("source") is None:
        need(lower <= 0, "'lower' has no source to prove it")
    else:
        _lower(instance, lower, evidence["source"])
    if statement.get("upper") is not None:
        _upper(instance, fraction(statement, "upper"), evidence["policy"])


def _exact(text: Any) -> Fraction:
    return exact(text, "a chance")


def _column(side: Any, name: str, nodes: Nodes) -> list[Any]:
    column = side[name]
    need(isinstance(column, list) and len(column) == len(nodes.rows), f"{name!r} must have an entry for each node")
    return list(column)


def _masses(rows: Any, slots: int, pages: int) -> dict[int, Fraction]:
    masses: dict[int, Fraction] = {}
    for cache, mass in rows:
        need(
            type(cache) is int and 0 <= cache < 1 << pages and cache.bit_count() == slots,
            f"{cache!r} is no cache of {slots} pages",
        )
        need(cache not in masses, f"cache {cache} appears twice")
        masses[cache] = _exact(mass)
    return masses


def _upper(instance: Instance, ratio: Fraction, side: Any) -> None:
    nodes = Nodes(instance, number(side, "memory", 0), side.get("nodes"))
    spreads = [_masses(row, instance.slots, instance.pages) for row in _column(side, "distributions", nodes)]
    for row in spreads:
        need(sum(row.values()) == 1, "a distribution must add up to 1")  # a transport carries nothing below 0
    transports = _column(side, "transports", nodes)
    potential = [_exact(v) for v in _column(side, "potential", nodes)]
    for node in range(len(nodes.rows)):
        for page in nodes.pages(node):
            rise, target, places = nodes.follow(node, page)
            goal: dict[int, Fraction] = {}
            for cache, mass in spreads[target].items():
                there = sum((cache >> at & 1) << p for at, p in enumerate(places))
                need(
                    mass == 0 or there >> page & 1 == 1, f"node {target} holds a cache without the page just requested"
                )
                goal[there] = goal.get(there, Fraction(0)) + mass
            need(str(page) in transports[node], f"node {node}: the request to page {page} has no transport")
            out: dict[int, Fraction] = {}
            into: dict[int, Fraction] = {}
            cost = Fraction(0)
            for source, end, text in transports[node][str(page)]:
                mass = _exact(text)
                need(type(source) is int and type(end) is int and mass >= 0, "a transport must not carry less than 0")
                out[source] = out.get(source, Fraction(0)) + mass
                into[end] = into.get(end, Fraction(0)) + mass
                cost += mass * (end & ~source).bit_count()
            need(
                _same(out, spreads[node]) and _same(into, goal),
                f"node {node}: the transport for page {page} does not fit the distributions",
            )
            need(
                cost - ratio * rise + potential[target] <= potential[node],
                f"node {node}: the potential fails at page {page}",
            )


def _same(one: dict[int, Fraction], other: dict[int, Fraction]) -> bool:
    return {key: mass for key, mass in one.items() if mass} == {key: mass for key, mass in other.items() if mass}


def _lower(instance: Instance, ratio: Fraction, side: Any) -> None:
    widths = side.get("experts")
    fits = isinstance(widths, list) and len(widths) == instance.layers and all(type(w) is int for w in widths)
    need(
        fits and all(1 <= w <= n for w, n in zip(widths, instance.experts, strict=True)),
        "'experts' must be pages of each layer",
    )
    part = Instance(instance.layers, widths, instance.slots)
    need(part.pages > part.slots, "the source must use more pages than there are slots")
    nodes = Nodes(part, number(side, "memory", 0), side.get("nodes"))
    chances, values = _column(side, "chances", nodes), []
    for row in _column(side, "values", nodes):
        values.append(_masses(row, part.slots, part.pages))
    caches = [sum(1 << p for p in chosen) for chosen in combinations(range(part.pages), part.slots)]
    for cache in caches:
        need(cache in values[nodes.index[(0,) * (1 + 2 * part.pages)]], "the start must have a value for every cache")
    arcs: list[list[tuple[int, int]]] = []
    for node, row in enumerate(chances):
        total, asked = Fraction(0), []
        for page, text in row:
            need(type(page) is int and page in nodes.pages(node), f"node {node}: page {page!r} cannot be requested")
            chance = _exact(text)
            need(chance > 0, f"node {node}: chances must be above 0")
            total += chance
            asked.append((page, chance, *nodes.follow(node, page)))
        need(total == 1, f"node {node}: chances must add up to 1")
        arcs.append([(target, rise) for _, _, rise, target, _ in asked])
        for cache, value in values[node].items():
            expected = Fraction(0)
            for page, chance, rise, target, places in asked:
                spend(20 * part.pages * part.slots, "the values of every cache")
                options = []
                for cost, after in _answers(cache, page):
                    image = sum((after >> p & 1) << at for at, p in enumerate(places))
                    need(image in values[target], f"node {target} has no value for cache {image}")
                    options.append(cost + values[target][image])
                expected += chance * (min(options) - ratio * rise)
            need(value <= expected, f"node {node}, cache {cache}: the values fail")
    _paying(arcs)


def _answers(cache: int, page: int) -> list[tuple[int, int]]:
    if cache >> page & 1:
        return [(0, cache)]
    return [(1, cache ^ 1 << victim | 1 << page) for victim in range(cache.bit_length()) if cache >> victim & 1]


def _paying(arcs: Sequence[Sequence[tuple[int, int]]]) -> None:
    """Reject unless from every node an arc on which the optimum pays can be reached: then it does again and again."""
    back: list[list[int]] = [[] for _ in arcs]
    reach = set()
    for node, row in enumerate(arcs):
        for target, rise in row:
            back[target].append(node)
            if rise:
                reach.add(node)
    queue = list(reach)
    for node in queue:
        for before in back[node]:
            if before not in reach:
                reach.add(before)
                queue.append(before)
    need(len(reach) == len(arcs), "the source reaches a class of nodes in which the optimum never pays")
