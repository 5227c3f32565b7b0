"""Check the exact ratio of a given policy.

Lower side: the policy's reference class plays ``prefix`` once and ``cycle`` until its state comes
back, against an offline schedule whose cost is at least the optimum's.  Upper side: from empty
caches at layer 0, every policy state, every offline cache, every event and every lazy offline
answer is visited, with ``q * misses - p * optimum + potential(next) <= potential(here)`` on each move.
Kind ``ratio-lower`` is the lower side alone.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import combinations
from math import ceil, comb
from typing import Any

from ..certificate import Certificate
from ..core.instance import Instance
from ..errors import CertificateRejected, NotRegistered
from ..policies.names import resolve
from ..policies.spec import PolicySpec, Time
from . import caches
from .meter import hold, spend
from .reading import fraction, need, number

__all__ = ["Player", "check", "events_of", "problem", "schedule_cost"]

Event = tuple[int, ...]
TURNS = 100_000
COPY, COPY_PAGE = 200, 40  # steps of copying a policy with its cache
CROWD = 12  # of these for each course of a randomized policy
PROBES = 2_000


PAGES = 24
_PLAYED = "policy general pool offline_slots top_k"
# kind -> what its statement says beside layers, experts and slots
STATEMENTS = {
    "ratio-policy": f"{_PLAYED} value additive",
    "ratio-lower": f"{_PLAYED} lower",
    "ratio-game": "lower upper",
    "ratio-events": "top_k admission lower upper",
    "ratio-random": "lower upper",
}


def stated(certificate: Certificate) -> Mapping[str, Any]:
    """Return the statement, which must say what its kind says and nothing else."""
    keys = {*STATEMENTS[certificate.kind].split(), "layers", "experts", "slots"}
    found = set(certificate.statement)
    if certificate.kind in ("ratio-policy", "ratio-lower") and certificate.statement.get("admission") == "bypass":
        keys.add("admission")  # left out where it is forced
    need(
        found == keys,
        f"the statement must have the keys {', '.join(sorted(keys))}; got {', '.join(map(ascii, sorted(found)))}",
    )
    return certificate.statement


def model(statement: Mapping[str, Any]) -> Instance:
    """Return the instance that a statement is about, of at most ``PAGES`` pages."""
    layers, slots = number(statement, "layers", 1), number(statement, "slots", 1)
    experts = statement["experts"]
    widths = experts if isinstance(experts, list) else [number(statement, "experts", 1)] * min(layers, PAGES + 1)
    small = len(widths) <= PAGES and all(type(n) is int and 0 < n <= PAGES for n in widths) and sum(widths) <= PAGES
    need(small and layers <= PAGES, f"at most {PAGES} pages are checked")
    instance = Instance(layers, experts, slots)
    need(slots < instance.pages, f"'slots' must be below the number of pages, {instance.pages}; got {slots}")
    return instance


class Player:
    """A policy in play: one or more pools, each with the policy's reference class and a cache."""

    def __init__(self, spec: PolicySpec, instance: Instance, pool: str, bypass: bool = False) -> None:
        self.bypass = bypass
        count = instance.layers if pool == "per-layer" else 1
        share, rest = divmod(instance.slots, count)
        self.instance = instance
        self.room = [share + (j < rest) for j in range(count)]
        self.held: list[set[int]] = [set() for _ in range(count)]
        self.policies = [spec.make(Instance(instance.layers, instance.experts, room)) for room in self.room]
        self.clock = 0

    def play(self, event: Event) -> int:
        """Play one event by the rules of the replay and return its misses."""
        spend(20 + self.instance.pages, "playing the policy")
        time = Time(self.clock, self.clock // self.instance.layers, self.clock % self.instance.layers)
        at = time.layer % len(self.held)
        policy: Any = self.policies[at]
        held = self.held[at]
        here = set(event) & held
        for page in sorted(here):
            policy.hit(page, time)
        for page in sorted(set(event) - here):
            policy.miss(page, time)
        misses = len(event) - len(here)
        held |= set(event)
        fixed = set() if self.bypass else set(event)
        if len(held) > self.room[at] and hasattr(policy, "flush"):
            policy.flush(time)
            held &= fixed
        while len(held) > self.room[at]:
            page = policy.victim(sorted(held - fixed), time)
            need(page in held - fixed, f"the policy evicts {page!r}, which is not a candidate")
            held.remove(page)
        self.clock += 1
        return misses

    def after(self, event: Event) -> tuple[Player, int]:
        """Return a player that has played one event more, and the misses."""
        spend(COPY + COPY_PAGE * self.instance.pages, "playing the policy")
        twin = copy.copy(self)  # the size and the rooms never change
        twin.held, twin.policies = copy.deepcopy((self.held, self.policies))
        return twin, twin.play(event)

    def labels(self) -> tuple[int, ...]:
        """Return what the policy says that its future depends on, by page: doubled, and 1 more where resident."""
        last = self.clock - 1
        time = Time(last, last // self.instance.layers, last % self.instance.layers)
        labels = [0] * self.instance.pages
        for policy, held in zip(self.policies, self.held, strict=True):
            for page, label in policy.state(sorted(held), time).items():  # type: ignore[attr-defined]
                labels[page] = 2 * int(label)
            for page in held:
                labels[page] += 1
        return tuple(labels)


class _Branch(Exception):
    """A policy asks for a random number that its script does not hold."""

    def __init__(self, sides: int) -> None:
        self.sides = sides


class _Script:
    """Random numbers written down beforehand."""

    def __init__(self) -> None:
        self.rest: list[int] = []

    def below(self, sides: int) -> int:
        if not self.rest:
            raise _Branch(sides)
        return self.rest.pop(0)

    def place(self, among: Iterable[Any]) -> Fraction:
        """Return a number before, between or after those of ``among``, every place as likely."""
        ranked = sorted(set(among))
        at = self.below(len(ranked) + 1)
        if at == len(ranked):
            return Fraction(ranked[-1] + 1) if ranked else Fraction(0)
        return Fraction(ranked[at] - 1) if at == 0 else Fraction(ranked[at - 1] + ranked[at]) / 2


class Crowd:
    """A randomized policy in play: every course it may have taken, with its probability."""

    def __init__(self, spec: PolicySpec, instance: Instance, pool: str) -> None:
        script = _Script()
        scripted = PolicySpec(spec.name, spec.base, spec.cls, {**spec.params, "rng": script}, {})
        player = Player(scripted, instance, pool)
        self.instance, self.policies = instance, player.policies
        self.courses: list[tuple[Player, _Script, Fraction]] = [(player, script, Fraction(1))]

    def play(self, event: Event) -> Fraction:
        """Play one event in every possible way and return the expected misses."""
        expected = Fraction(0)
        courses: dict[Event, tuple[Player, _Script, Fraction]] = {}
        for before, empty, chance in self.courses:
            waiting: list[tuple[list[int], Fraction]] = [([], chance)]
            while waiting:
                numbers, share = waiting.pop()
                spend(CROWD * (COPY + COPY_PAGE * self.instance.pages), "playing every course of a randomized policy")
                player, script = copy.deepcopy((before, empty))
                script.rest = list(numbers)
                try:
                    expected += share * player.play(event)
                except _Branch as branch:
                    waiting += [([*numbers, x], share / branch.sides) for x in range(branch.sides)]
                    continue
                need(not script.rest, "the policy's random numbers depend on chance that is not its own")
                known = courses.get(player.labels())
                courses[player.labels()] = (player, script, share + (known[2] if known else 0))
        self.courses = list(courses.values())
        return expected

    def after(self, event: Event) -> tuple[Crowd, Fraction]:
        """Return a crowd that has played one event more, and the expected misses."""
        twin = copy.copy(self)
        return twin, twin.play(event)

    def labels(self) -> tuple[Any, ...]:
        """Return the labels of all courses, each with its probability."""
        rows = sorted((player.labels(), chance) for player, _, chance in self.courses)
        return tuple((*labels, str(chance)) for labels, chance in rows)


def schedule_cost(prefix: Sequence[Event], cycle: Sequence[Event], slots: int, bypass: bool = False) -> Fraction:
    """Return what an offline schedule pays for one turn of the cycle in the long run, on average.

    The schedule evicts the page whose next use is furthest; whatever it does, no optimum pays more.
    With an empty cycle: its cost on the prefix, from an empty cache.
    """
    period = len(cycle)
    events = list(prefix) + list(cycle)
    uses: dict[int, list[int]] = {}
    for at, event in enumerate(cycle):
        for page in event:
            uses.setdefault(page, []).append(at)

    def next_use(page: int, at: int) -> int:
        for later in range(at + 1, len(events)):
            if page in events[later]:
                return later
        since = at + 1 - len(prefix)
        return at + 1 + min(((place - since) % period for place in uses.get(page, [])), default=1 << 60)

    held: set[int] = set()

    def serve(event: Event, at: int) -> int:
        nonlocal held
        absent = len(set(event) - held)
        held = held | set(event)
        while len(held) > slots:
            spend(len(held) * (20 + len(events)), "the offline schedule")
            held.remove(max(sorted(held if bypass else held - set(event)), key=lambda page: next_use(page, at)))
        return absent

    total = sum(serve(event, at) for at, event in enumerate(prefix))
    if not period:
        return Fraction(total)
    seen: dict[frozenset[int], tuple[int, int]] = {}
    paid = turns = 0
    while frozenset(held) not in seen:
        need(turns < TURNS, "the offline schedule does not come back")
        seen[frozenset(held)] = (turns, paid)
        # the events of later turns are those of the first: only the place in the turn matters
        paid += sum(serve(event, len(prefix) + at) for at, event in enumerate(cycle))
        turns += 1
    since, before = seen[frozenset(held)]
    return Fraction(paid - before, turns - since)


def check(certificate: Certificate, policy: Any = None) -> None:
    """Raise ``CertificateRejected`` unless the statement is proved; ``policy`` is the class that it names, if given."""
    statement, evidence = stated(certificate), certificate.evidence
    spec, instance, options = problem(statement, policy)
    alone = certificate.kind == "ratio-lower"
    name = "lower" if alone else "value"
    value = None if not alone and statement.get("value") is None else fraction(statement, name)
    prefix = list(events_of(evidence, "prefix", instance, options["top_k"], 0))
    cycle = list(events_of(evidence, "cycle", instance, options["top_k"], len(prefix)))
    need(bool(cycle), "'cycle' must hold at least one event")
    need(len(cycle) % instance.layers == 0, "'cycle' must end at the layer where it starts")
    bypass = options["bypass"]
    need(not (bypass and spec.randomized), "'admission' must be 'forced' for a randomized policy")
    start: Any = (
        Crowd(spec, instance, options["pool"]) if spec.randomized else Player(spec, instance, options["pool"], bypass)
    )
    need(hasattr(start.policies[0], "state"), f"{spec.name!r} does not state what its future depends on")
    misses = _turn(copy.deepcopy(start), prefix, cycle)
    optimum = schedule_cost(prefix, cycle, options["offline"], bypass)
    if value is None:
        need(statement.get("additive") is None, "'additive' must be null where the ratio is unbounded")
        need(optimum == 0 and misses > 0, f"the cycle costs {misses} against {optimum}: that is not unbounded")
        return
    if alone:
        need(misses > 0, "the cycle costs the policy nothing, so it shows no ratio")
        need(misses >= value * optimum, f"the cycle costs {misses} against {optimum}, less than {value} times as much")
        return
    need(optimum > 0, "the cycle costs the optimum nothing, so it shows no ratio")
    need(misses == value * optimum, f"the cycle costs {misses} against {optimum}, not {value} times as much")
    additive = fraction(statement, "additive")
    worst = list(events_of(evidence, "worst_start", instance, options["top_k"], 0))
    first = copy.deepcopy(start)
    need(
        sum(map(first.play, worst)) - value * schedule_cost(worst, [], options["offline"], bypass) >= additive,
        "'worst_start' does not need the additive constant",
    )
    _upper(start, value, additive, evidence, options)


def problem(statement: Any, policy: Any = None) -> tuple[PolicySpec, Instance, dict[str, Any]]:
    """Return the policy, the instance and the options that a statement about a policy names.

    The policy is a registered one, or ``policy`` where that is given; it must be what the statement calls it.
    """
    name = statement.get("policy")
    registered = isinstance(name, str) and not name.startswith("strategy:")
    need(registered, f"'policy' must be the name of a registered policy; got {name!r}")
    instance = model(statement)
    layers, slots = instance.layers, instance.slots
    try:
        spec = resolve(str(name) if policy is None else policy)
    except NotRegistered:
        raise CertificateRejected(
            f"'policy' is {name!r}, which is not registered here: give its class, check(certificate, policy=...), "
            "or on the command line --policy FILE.py:CLASS"
        ) from None
    need(policy is None or spec.name == name, f"the certificate is about the policy {name!r}; got {spec.name!r}")
    need(spec.name == name, f"'policy' must be written {spec.name!r}; got {name!r}")
    general, pool = statement.get("general"), statement.get("pool")
    need(isinstance(general, bool), f"'general' must be true or false; got {general!r}")
    need(pool in ("shared", "per-layer"), f"'pool' must be 'shared' or 'per-layer'; got {pool!r}")
    need(not general or pool == "shared", "'pool' must be 'shared' where 'general' is true")
    need(pool == "shared" or slots >= layers, "'slots' must give each layer one")
    offline, top_k = number(statement, "offline_slots", 1), number(statement, "top_k", 1)
    need(offline <= slots, f"'offline_slots' must be at most {slots}; got {offline}")
    bypass = statement.get("admission", "forced") == "bypass"
    need(top_k <= min(instance.experts), f"'top_k' must be at most {min(instance.experts)}; got {top_k}")
    least = min(offline, slots // layers if pool == "per-layer" else slots)
    need(bypass or top_k <= least, f"'top_k' does not fit into a pool; got {top_k}")
    if general:
        instance = Instance(1, instance.pages, slots)
    return spec, instance, {"pool": pool, "offline": offline, "top_k": top_k, "bypass": bypass}


def events_of(evidence: Any, name: str, instance: Instance, top_k: int, at: int) -> Iterator[Event]:
    """Yield the events of a field, each as its pages in ascending order; the first is event number ``at``."""
    rows = evidence.get(name)
    need(isinstance(rows, list), f"{name!r} must be a list of events")
    for n, row in enumerate(rows):
        pages = instance.pages_of((at + n) % instance.layers)
        fits = isinstance(row, list) and len(row) == len(set(row)) == top_k and all(type(p) is int for p in row)
        need(
            fits and all(page in pages for page in row), f"{name!r}, event {n}: must be {top_k} of {pages}; got {row!r}"
        )
        yield tuple(sorted(row))


def _turn(player: Any, prefix: Iterable[Event], cycle: Sequence[Event]) -> Any:
    """Return the policy's misses in one turn of the cycle, in the long run."""
    for event in prefix:
        player.play(event)
    seen: dict[tuple[Any, ...], tuple[int, Any]] = {}
    paid: Any = 0
    turns = 0
    while player.labels() not in seen:
        need(turns < TURNS, "the policy's state does not come back")
        seen[player.labels()] = (turns, paid)
        paid += sum(map(player.play, cycle))
        turns += 1
        hold(2 + player.instance.pages, "the states of the policy on the cycle")
    since, before = seen[player.labels()]
    return Fraction(paid - before) / (turns - since)


def _least(labels: Sequence[Any], instance: Instance, free: bool) -> tuple[Any, ...]:
    """Return the labels with the places of each layer renamed to the least order, if that is free."""
    if not free:
        return tuple(labels)
    blocks = map(instance.pages_of, range(instance.layers))
    return tuple(labels[p] for block in blocks for p in sorted(block, key=lambda p: labels[p]))


def _upper(start: Any, value: Fraction, additive: Fraction, evidence: Any, options: dict[str, Any]) -> None:
    instance, offline, unit = start.instance, options["offline"], number(evidence, "unit", 1)
    random = isinstance(start, Crowd)
    free = options["top_k"] == 1 and not random and bool(getattr(type(start.policies[0]), "symmetric", False))
    price = unit * value
    counts = [comb(n, options["top_k"]) for n in instance.experts]
    hold(sum(counts) * options["top_k"], "the events of all layers")
    states, rows = evidence.get("states"), evidence.get("potential")
    need(
        isinstance(states, list) and isinstance(rows, list) and len(states) == len(rows),
        "'states' and 'potential' must be lists of one length",
    )
    hold(sum(map(len, rows)) + len(states) * (1 + instance.pages), "the potential")
    events = [list(combinations(instance.pages_of(j), options["top_k"])) for j in range(instance.layers)]
    potential: dict[tuple[Any, ...], caches.Rows] = {}
    for state, row in zip(states, rows, strict=True):
        key = tuple(tuple(part) if isinstance(part, list) else part for part in state)
        potential[key] = caches.rows(row, instance.pages)
    nothing = (0,) * instance.pages
    origin: tuple[Any, ...] = (0, (*nothing, "1")) if random else (0, *nothing)
    empty = [v for mask, v in zip(*potential.get(origin, ((), ())), strict=True) if mask == 0]
    need(bool(empty), "empty caches at layer 0 are missing from 'potential'")
    need(int(empty[0]) <= unit * additive, "'potential' at the empty caches exceeds the additive constant")

    players: dict[tuple[Any, ...], tuple[Any, tuple[int, ...]]] = {origin: (start, tuple(range(instance.pages)))}

    @functools.cache
    def told(state: tuple[Any, ...]) -> list[Any]:
        return _answers(*players[state], events[state[0]], free)

    probes = PROBES
    for state in (queue := [origin]):
        player, pages = players[state]  # place -> page of this player
        layer, after = state[0], (state[0] + 1) % instance.layers
        for places in events[layer]:
            event = tuple(sorted(pages[i] for i in places))
            then, misses = player.after(event)
            raw = then.labels()
            here = tuple(raw[page] for page in pages) if free else raw
            target = (after, *_least(here, instance, free))
            need(target in potential, f"a state after {state} is missing from 'states': {target}")
            if target not in players:
                players[target] = (then, _order(here, pages, instance, free))
                queue.append(target)
            elif probes > 0:
                probes -= 1
                _same(_answers(then, _order(here, pages, instance, free), events[after], free), told(target))
            asked = sum(1 << i for i in places)
            gains = [ceil(unit * misses - price * paid) for paid in range(options["top_k"] + 1)]
            need(
                all(abs(gain) < caches.LARGEST for gain in gains), "'unit' and the value are too large to compute with"
            )
            wrong = caches.missing_or_failing(
                potential[state],
                potential[target],
                asked,
                0 if options["bypass"] else asked,
                offline,
                gains,
                caches.runs_of(here, instance, free),
            )
            if wrong is not None and wrong[0] == "missing":
                raise CertificateRejected(f"an offline answer to {event} in state {state} is missing from 'potential'")
            need(
                wrong is None,
                f"the potential fails at state {state}, offline cache {(wrong or (0, 0))[1]}, event {event}",
            )


def _order(labels: Sequence[Any], pages: Sequence[int], instance: Instance, free: bool) -> tuple[int, ...]:
    if not free:
        return tuple(pages)
    return tuple(
        pages[i] for j in range(instance.layers) for i in sorted(instance.pages_of(j), key=lambda i: labels[i])
    )


def _answers(player: Any, order: Sequence[int], events: Sequence[Event], free: bool) -> list[Any]:
    """Return how a player misses and moves at each event of its places."""
    answers = []
    for places in events:
        then, misses = player.after(tuple(sorted(order[i] for i in places)))
        raw = then.labels()  # place by place: pages of equal labels must fare alike too
        answers.append((misses, tuple(raw[page] for page in order) if free else raw))
    return answers


def _same(answers: list[Any], others: list[Any]) -> None:
    """Reject unless two players of one state miss and move alike: the policy's state must not forget anything."""
    need(answers == others, "the policy's state forgets something that its future depends on")
