"""The exact competitive ratio of a given policy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property, partial
from math import comb
from typing import Any

import numpy as np

from ..certificate import Certificate
from ..core.instance import Instance, flag, integer
from ..core.rules import POOLS, choice
from ..core.tables import Tabular
from ..errors import GraphTooLarge, ParameterError
from ..policies.names import resolve
from ..policies.spec import PolicySpec
from .automaton import Automaton, build, stateful
from .components import found_from
from .cycle import Arcs, Best, largest_ratio
from .exploring import explore
from .halting import halting
from .honest import check_bounded, check_cycle, check_walks

__all__ = ["Interrupted", "Product", "Ratio", "Witness", "competitive_ratio", "problem"]

Event = tuple[int, ...]
ARC_BYTES = 30  # peak memory for an arc, nodes included


@dataclass(frozen=True)
class Witness:
    """A request sequence for the lower side: ``prefix`` once, then ``cycle`` for ever.

    Attributes
    ----------
    prefix, cycle : tuples of events, each a tuple of pages
        ``cycle`` starts at the layer where ``prefix`` ends.
    misses, optimum : Fraction, int
        Misses of the policy (expected ones, if it is randomized) and cost of an offline schedule in one turn of the cycle.
    """

    prefix: tuple[Event, ...]
    cycle: tuple[Event, ...]
    misses: Fraction
    optimum: int

    def __str__(self) -> str:
        def show(events: Sequence[Event]) -> str:
            return " ".join("+".join(map(str, event)) for event in events) or "nothing"

        return f"{show(self.prefix)}, then for ever {show(self.cycle)}"


@dataclass
class Product:
    """The graph of (policy state, offline cache) and what was found on it."""

    automaton: Automaton
    groups: Any
    nodes: Any
    arcs: Arcs
    event: Any
    slots: int
    bypass: bool = False

    def walk(self, path: Sequence[int], sigma: list[int]) -> tuple[list[Event], list[int]]:
        """Return the pages that a path of arcs requests; ``sigma`` maps places to pages."""
        pages = self.automaton.instance.pages
        sources = np.searchsorted(self.arcs.first, np.array(path, np.int64), side="right") - 1
        out: list[Event] = []
        for arc, source in zip(path, sources, strict=True):
            here, there = int(self.nodes[source]), int(self.nodes[self.arcs.targets[arc]])
            state, mask, target = here >> pages, here & ((1 << pages) - 1), there & ((1 << pages) - 1)
            at = int(self.event[arc])
            event = self.automaton.events[int(self.automaton.layer[state])][at]
            out.append(tuple(sorted(sigma[i] for i in event)))
            moved = self.automaton.moved[state, at]
            groups = self.groups[there >> pages]
            joined = mask | sum(1 << i for i in event)
            for kept in _kept(joined, 0 if self.bypass else sum(1 << i for i in event), self.slots):
                order: list[int] = []
                i = 0
                while i < pages:
                    run = [int(moved[j]) for j in range(i, int(groups[i]))]
                    order += sorted(run, key=lambda j: not kept >> j & 1)
                    i = int(groups[i])
                if sum((kept >> j & 1) << i for i, j in enumerate(order)) == target:
                    sigma = [sigma[j] for j in order]
                    break
            else:
                raise AssertionError("an arc without an offline answer")
        return out, sigma

    def path_to(self, node: int) -> list[int]:
        """Return the arcs of a shortest path from the start to a node."""
        before = found_from(self.arcs.first, self.arcs.targets)
        path: list[int] = []
        while node != 0:
            source = int(before[node])
            begin, end = int(self.arcs.first[source]), int(self.arcs.first[source + 1])
            path.append(begin + int(np.flatnonzero(self.arcs.targets[begin:end] == node)[0]))
            node = source
        return path[::-1]


@dataclass(eq=False)
class Ratio(Tabular):
    """An exact competitive ratio and what proves it.

    Attributes
    ----------
    policy : str
    instance : Instance
        Of the sequences: one layer of all pages if ``general``.
    value : Fraction or None
        The ratio; None if it is unbounded.
    additive : Fraction or None
        The least ``c`` with ``policy <= value * optimum + c`` on every sequence from empty caches at layer 0.
    states, nodes : int
        Of the policy, and of the product graph.
    """

    policy: str
    instance: Instance
    value: Fraction | None
    additive: Fraction | None
    statement: dict[str, Any]
    _product: Product = field(repr=False)
    _best: Best = field(repr=False)
    _unit: int

    @property
    def unbounded(self) -> bool:
        """Whether no ratio holds."""
        return self.value is None

    def constant(self, ratio: Fraction | int) -> Fraction:
        """Return the least ``c`` with ``policy <= ratio * optimum + c`` on every sequence from empty caches at layer 0.

        Parameters
        ----------
        ratio : Fraction or int
            At least ``value``; at ``value`` the answer is ``additive``.

        Raises
        ------
        ParameterError
            A smaller ratio, or the policy's is unbounded: no constant will do.

        Examples
        --------
        >>> found = competitive_ratio("mark-far", layers=2, experts=2, slots=3, offline_slots=1)
        >>> found.value, found.additive, found.constant(1)
        (Fraction(2, 3), Fraction(4, 3), Fraction(0, 1))
        """
        if self.value is None or ratio < self.value:
            raise ParameterError(
                f"must be at least {self.value or 'infinite: it is unbounded'}; got {ratio}", parameter="ratio"
            )
        scale = self._product.automaton.scale
        best = largest_ratio(self._product.arcs, at_least=Fraction(ratio) * scale)
        return Fraction(int(best.potential[0]), Fraction(ratio * scale).denominator * scale)

    @property
    def states(self) -> int:
        """Number of states of the policy."""
        return len(self._product.automaton.labels)

    @property
    def nodes(self) -> int:
        """Number of nodes of the product graph."""
        return len(self._product.nodes)

    @cached_property
    def witness(self) -> Witness:
        """Requests on which the ratio is attained; computed on first access."""
        product, cycle = self._product, self._best.cycle
        if not cycle:  # no cycle costs the policy more than nothing: any cycle will do
            raise ParameterError("no sequence makes the policy miss for ever, so there is no witness")
        home = int(np.searchsorted(product.arcs.first, cycle[0], side="right") - 1)
        prefix, sigma = product.walk(product.path_to(home), list(range(self.instance.pages)))
        at, turns = sigma, 0
        events: list[Event] = []
        while turns == 0 or at != sigma:
            more, at = product.walk(cycle, at)
            events += more
            turns += 1
        misses = Fraction(turns * int(product.arcs.cost[cycle].astype(np.int64).sum()), product.automaton.scale)
        optimum = turns * int(product.arcs.opt[cycle].astype(np.int64).sum())
        return Witness(tuple(prefix), tuple(events), misses, optimum)

    @cached_property
    def worst_start(self) -> tuple[Event, ...]:
        """Requests from empty caches on which ``misses - value * optimum`` is ``additive``; empty if unbounded."""
        path: list[int] = []
        node = 0
        while self.value is not None and self._best.choice[node] >= 0:
            path.append(int(self._best.choice[node]))
            node = int(self._product.arcs.targets[path[-1]])
        return tuple(self._product.walk(path, list(range(self.instance.pages)))[0])

    @cached_property
    def certificate(self) -> Certificate:
        """Both sides, for ``layered_paging.certify``; computed on first access."""
        witness = self.witness
        evidence: dict[str, Any] = {
            "prefix": [list(event) for event in witness.prefix],
            "cycle": [list(event) for event in witness.cycle],
        }
        if self.value is not None:
            evidence["worst_start"] = [list(event) for event in self.worst_start]
            evidence["unit"] = self._unit
            evidence["states"], evidence["potential"] = self._tables()
        return Certificate("ratio-policy", self.statement, evidence)

    def _tables(self) -> tuple[list[list[Any]], list[list[int]]]:
        """Return the states, each with its layer, and beside each the offline caches and their potentials."""
        product, pages = self._product, self.instance.pages
        nodes = product.nodes & ((1 << pages) - 1)
        order = np.argsort(product.nodes >> pages, kind="stable")
        ends = np.searchsorted((product.nodes >> pages)[order], np.arange(self.states + 1))
        states: list[list[Any]] = []
        rows: list[list[int]] = []
        for state, layer, page in product.automaton.spread():
            here = order[ends[state] : ends[state + 1]]
            masks, labels = nodes[here], product.automaton.labels[state]
            if page[0]:
                masks = sum((masks >> place & 1) << at for place, at in enumerate(page))
                labels = tuple(labels[place] for place in np.argsort(page))
            states.append([layer, *_plain(labels)])
            rows.append(np.stack([masks, self._best.potential[here]], axis=1).ravel().tolist())
        return states, rows

    def to_rows(self) -> list[dict[str, Any]]:
        """Return one row: policy, size, ratio (None if unbounded) and additive constant."""
        size = {key: self.statement.get(key) for key in ("layers", "experts", "slots")}
        return [{"policy": self.policy, **size, "ratio": self.value, "additive": self.additive}]

    def __repr__(self) -> str:
        shown = "unbounded" if self.value is None else f"{self.value} (additive {self.additive})"
        return f"<Ratio: {self.policy}, {self.instance.slots} slots: {shown}>"


class Interrupted(KeyboardInterrupt):
    """The search was interrupted when it had a cycle: the ratio is at least ``lower``, and no upper side is known.

    Attributes
    ----------
    lower : Fraction
    """

    def __init__(self, lower: Fraction, found: Ratio) -> None:
        super().__init__(f"interrupted; the ratio is at least {lower}")
        self.lower, self._found = lower, found

    @property
    def witness(self) -> Witness:
        """Requests on which the ratio is ``lower``."""
        return self._found.witness

    @property
    def certificate(self) -> Certificate:
        """The lower side alone, for ``layered_paging.certify``."""
        statement = {key: v for key, v in self._found.statement.items() if key not in ("value", "additive")}
        evidence = {"prefix": [*map(list, self.witness.prefix)], "cycle": [*map(list, self.witness.cycle)]}
        return Certificate("ratio-lower", {**statement, "lower": str(self.lower)}, evidence)


def _plain(labels: tuple[Any, ...]) -> list[Any]:
    """Return labels as JSON holds them: numbers, or for a randomized policy lists of numbers and a chance."""
    return [[*part[0], str(part[1])] if isinstance(part, tuple) else int(part) for part in labels]


def stated(layers: int, experts: int | Sequence[int], slots: int) -> dict[str, Any]:
    """Return a size as certificates state it: in Python's own ints."""
    widths: Any = [int(n) for n in experts] if isinstance(experts, Sequence) else int(experts)
    return {"layers": int(layers), "experts": widths, "slots": int(slots)}


def problem(layers: int, experts: int | Sequence[int], slots: int, *, general: bool = False) -> Instance:
    """Return the instance, one layer of all pages if ``general``; the pages must not all fit.

    Raises
    ------
    ParameterError
        A value outside its range, or at least as many slots as pages.
    """
    instance = Instance(layers, experts, slots)
    if instance.slots >= instance.pages:
        raise ParameterError(f"must be below the number of pages, {instance.pages}; got {slots}", parameter="slots")
    if instance.pages > 24:
        raise ParameterError(f"exact ratios need at most 24 pages; got {instance.pages}")
    return Instance(1, instance.pages, slots) if general else instance


def at_most(memory: int) -> int:
    """Return bytes of memory as a kernel counts them: below 2^63, and at least 1."""
    return min(integer("memory", memory, 1), 1 << 62)


def competitive_ratio(
    policy: str | type | PolicySpec,
    *,
    layers: int,
    experts: int | Sequence[int],
    slots: int,
    pool: str = "shared",
    offline_slots: int | None = None,
    general: bool = False,
    top_k: int = 1,
    admission: str = "forced",
    memory: int = 8 << 30,
    tick: Callable[[str, Any], None] = lambda what, value: None,
) -> Ratio:
    """Return the exact competitive ratio of a policy with finitely many states.

    It is the largest ratio of misses to optimal misses over the cycles of a graph, in exact integers.  The nodes are
    (policy state, offline cache), reached from empty caches at the first layer.

    Parameters
    ----------
    policy : str, type or PolicySpec
        With a method ``state`` (see ``layered_paging.policy.Policy``).
    layers, experts, slots : int
        ``experts`` may be one int per layer; at least 1 slot, fewer than pages; at most 24 pages.
    pool : {"shared", "per-layer"}
        The policy's cache: one pool, or a quota for each layer.  The optimum's is always one pool.
    offline_slots : int, optional
        Slots of the optimum, at most ``slots``; default as many.
    general : bool
        Classical paging: any page may follow any other, and the policy sees a single layer.
    top_k : int
        Distinct experts of each event, at least 1; cost is the number of absent members.
    admission : {"forced", "bypass"}
        Whether all members stay until their event ends, for policy and optimum alike.
    memory : int
        Bytes that the graph may take.
    tick : callable
        Called as ``tick(what, value)`` with each "phase" as it begins, "states" explored, "nodes at most" before they
        are, "nodes", "arcs", and every "ratio" reached.  With "growing" comes an array of two numbers that keep up: nodes
        done, nodes known.

    Raises
    ------
    ParameterError
        A value outside its range, or the graph does not fit into ``memory``.
    PolicyError
        The policy has no ``state``, or one that grows or forgets something: that is tried with the class itself before
        anything is returned (``ratio.honest``).  It draws random numbers other than by ``rng.below`` and ``rng.place``.
    BudgetError
        An event does not fit into its pool.
    Interrupted
        A ``KeyboardInterrupt`` came when a cycle was known: it carries the lower bound, its witness and certificate.

    Notes
    -----
    Renamings inside layers are divided out for a policy that declares itself ``symmetric``.
    A randomized policy is judged by its expected misses against an oblivious adversary: its state is the
    distribution over the states of its runs, of which there must be finitely many.
    Exact: every number is an int or a Fraction.

    Examples
    --------
    >>> competitive_ratio("lru", layers=2, experts=2, slots=2).value
    Fraction(3, 2)
    """
    spec = resolve(policy)
    choice("pool", pool, POOLS)
    bypass = choice("admission", admission, ("forced", "bypass")) == "bypass"
    integer("top_k", top_k, 1)
    memory = at_most(memory)
    instance = problem(layers, experts, slots, general=flag("general", general))
    if general and pool != "shared":
        raise ParameterError(
            "has a single layer, so the pool must be 'shared'; got 'per-layer'", parameter="general", value=True
        )
    offline = instance.slots if offline_slots is None else integer("offline_slots", offline_slots, 1)
    if offline > instance.slots:
        raise ParameterError(f"must be at most slots, {instance.slots}; got {offline}", parameter="offline_slots")
    if bypass and spec.randomized:
        raise ParameterError("is for policies that draw no random numbers", parameter="admission", value="bypass")
    most = min(instance.experts) if bypass else min(*instance.experts, offline)
    if top_k > most:
        limits = "the experts of each layer" if bypass else "the experts of each layer and the slots"
        raise ParameterError(f"must be at most {limits}, {most}; got {top_k}", parameter="top_k")
    stateful(spec)
    tick("phase", "states of the policy")
    check_bounded(spec, instance, pool, top_k, bypass)
    automaton = build(
        spec, instance, pool=pool, top_k=top_k, bypass=bypass, memory=memory, tick=lambda count: tick("states", count)
    )
    tick("phase", "walks that try the state")
    check_walks(spec, automaton, pool, top_k, bypass)
    tick("states", len(automaton.labels))
    tick("nodes at most", len(automaton.labels) * sum(comb(instance.pages, size) for size in range(offline + 1)))
    product = _product(automaton, offline, bypass, memory, tick)
    tick("phase", "longest paths")
    tick("nodes", len(product.nodes))
    tick("arcs", len(product.arcs.targets))
    best = largest_ratio(product.arcs, tick=lambda ratio: tick("ratio", ratio))
    value = None if best.value is None else best.value / automaton.scale
    unit = 1 if best.value is None else best.value.denominator * automaton.scale
    additive = None if value is None else Fraction(int(best.potential[0]), unit)
    statement = {
        "policy": spec.name,
        **stated(layers, experts, slots),
        "pool": pool,
        "offline_slots": offline,
        "general": bool(general),
        "top_k": top_k,
        **({"admission": admission} if bypass else {}),
        "value": None if value is None else str(value),
        "additive": None if additive is None else str(additive),
    }
    found = Ratio(spec.name, instance, value, additive, statement, product, best, unit)
    if best.cycle:
        witness = found.witness
        check_cycle(spec, instance, pool, bypass, witness.prefix, witness.cycle, witness.misses)
    if best.complete:
        return found
    assert value is not None  # an unbounded ratio is complete
    raise Interrupted(value, found)


def _product(automaton: Automaton, slots: int, bypass: bool, memory: int, tick: Callable[[str, Any], None]) -> Product:
    instance = automaton.instance
    counts = np.array([len(events) for events in automaton.events], np.int64)
    masks = np.zeros((instance.layers, counts.max()), np.int64)
    for j, events in enumerate(automaton.events):
        masks[j, : len(events)] = [sum(1 << page for page in event) for event in events]
    groups = np.zeros((len(automaton.labels), instance.pages), np.int8)
    for s, labels in enumerate(automaton.labels):
        for j in range(instance.layers):
            end = instance.pages_of(j).stop
            for i in reversed(instance.pages_of(j)):
                if not automaton.symmetric or i + 1 == instance.pages_of(j).stop or labels[i] != labels[i + 1]:
                    end = i + 1
                groups[s, i] = end
    limit = memory // ARC_BYTES
    seen = np.zeros(3, np.int64)
    tick("phase", "nodes of the graph")
    tick("growing", seen[:2])
    search = partial(
        explore,
        automaton.layer,
        automaton.next,
        automaton.misses,
        automaton.moved,
        groups,
        masks,
        counts,
        slots=slots,
        bypass=bypass,
        limit=limit,
        seen=seen,
    )
    nodes, first, targets, cost, opt, event = halting(search, partial(seen.__setitem__, 2, 1))
    if len(first) == 0:
        raise GraphTooLarge(
            f"the graph of {len(automaton.labels):,} policy states with offline caches does not fit into {memory:,} bytes of memory"
        )
    return Product(automaton, groups, nodes, Arcs(first, targets, cost, opt), event, slots, bypass)


def _kept(joined: int, fixed: int, slots: int) -> list[int]:
    """Return the caches that a lazy offline answer may leave, ``fixed`` in all of them."""
    need = joined.bit_count() - slots
    if need <= 0:
        return [joined]
    spare = joined & ~fixed
    gone, out = spare, []
    while gone:
        if gone.bit_count() == need:
            out.append(joined & ~gone)
        gone = (gone - 1) & spare
    return out
