"""Does a policy's ``state`` say all that its future depends on?  What an exact ratio rests on, tried before it is told.

Three trials, all on the class itself and none on the graph that was searched: the labels stay bounded, and the class and
its automaton stay together on long walks.  The class pays on the worst cycle what the graph says.  A class that fails
one gets no answer.  Passing them is no proof: a state that forgets what matters only after thousands of events passes.
"""

from __future__ import annotations

import random
import sys
import weakref
from collections.abc import Callable, Generator, Sequence
from fractions import Fraction
from functools import partial
from itertools import pairwise
from operator import itemgetter
from types import FunctionType
from typing import Any

from ..core.instance import Instance
from ..errors import PolicyError
from ..policies.spec import PolicySpec, Time
from ..policies.step import Pool
from .automaton import Automaton, Live, labels_of, labels_of_cloud, start, start_cloud, step, step_cloud

__all__ = ["check_bounded", "check_cycle", "check_walks", "parting", "play", "shipped"]

Event = tuple[int, ...]

SEED = 0  # of the requests
_POLICIES = f"{__name__.partition('.')[0]}.policies."
WALKS = ((160, 24), (4000, 3))  # (events of a walk, walks of each kind)
KINDS = ("random", "cruel", "moody")  # a moody walk asks for what is held for a while, then for what is not
TURNS = 4  # of the worst cycle
WINDOWS = (256, 512, 1024, 2048)  # events after which the largest label is read


def check_bounded(spec: PolicySpec, instance: Instance, pool: str, top_k: int, bypass: bool) -> None:
    """Raise if the largest label grows in proportion to time, as absolute times and counts do.

    The events of one class and size are the same each time, so a process plays them once.

    Raises
    ------
    PolicyError
        It did over the last three doublings of the number of events.
    """
    tried = (repr(spec.params), instance, pool, top_k, bypass, hash(_codes(spec.cls)))
    if tried not in _PASSED.setdefault(spec.cls, set()):
        _play_bounded(spec, instance, pool, top_k, bypass)
        _PASSED[spec.cls].add(tried)


def _play_bounded(spec: PolicySpec, instance: Instance, pool: str, top_k: int, bypass: bool) -> None:
    if spec.randomized:
        cloud = start_cloud(spec, instance, pool)
        live, dice = cloud.forms[0][0], cloud.dice
    else:
        live, dice = start(spec, instance, pool), None
    player = _lively(live, instance, bypass)
    next(player)
    chosen = _chosen(instance, top_k, random.Random(SEED), "random")
    largest, seen = 0, []
    for n in range(WINDOWS[-1]):
        if dice is not None:
            dice.script, dice.sides = [], []
        player.send(chosen(n, live))
        largest = max(largest, *labels_of(live, instance))
        if n + 1 in WINDOWS:
            seen.append(largest // 2)
    if all(5 * late >= 9 * soon > 0 for soon, late in pairwise(seen)):
        told = ", ".join(f"{label} after {n}" for n, label in zip(WINDOWS, seen, strict=True))
        raise PolicyError(
            f"{spec.name!r}: the state must take finitely many values, but its largest label grows: {told} events "
            "(say differences of times, or their order by policies.spec.ranks)"
        )


def check_walks(spec: PolicySpec, automaton: Automaton, pool: str, top_k: int, bypass: bool) -> None:
    """Follow the class and its automaton through the same requests; raise where they part.

    Some walks are random, some ask for an absent page wherever there is one, and some change between long runs of hits
    and of misses.  The long ones are for classes of others: the tests of this package play them with its own.  The walks
    of one class, size and automaton are the same each time, so a process plays them once.

    Raises
    ------
    PolicyError
        A miss or a state differs: ``state`` (or ``symmetric``) promises too much.  The message holds the requests.
    """
    tried = (repr(spec.params), automaton.instance, pool, top_k, bypass, _fingerprint(spec.cls, automaton))
    if tried not in _PASSED.setdefault(spec.cls, set()):
        play(spec, automaton, pool, top_k, bypass, WALKS[:1] if shipped(spec.cls) else WALKS)
        _PASSED[spec.cls].add(tried)


def shipped(cls: type) -> bool:
    """Whether a class is one of this package, found under its own name."""
    home = sys.modules.get(cls.__module__)
    return cls.__module__.startswith(_POLICIES) and getattr(home, cls.__qualname__, None) is cls


def play(
    spec: PolicySpec, automaton: Automaton, pool: str, top_k: int, bypass: bool, walks: Sequence[tuple[int, int]]
) -> None:
    """Play walks, given as (events, how many of each kind); raise where the class and its automaton part."""
    draw, moves = random.Random(SEED), _Moves(automaton)
    for kind, length in [(kind, length) for length, count in walks for kind in KINDS for _ in range(count)]:
        chosen = _chosen(automaton.instance, top_k, draw, "random" if spec.randomized else kind)
        most = length if not spec.randomized else min(length, 160)
        requests = parting(spec, automaton, pool, bypass, chosen, most, moves)
        if requests is not None:
            shown = " ".join("+".join(map(str, event)) for event in requests[-40:])
            raise PolicyError(
                f"{spec.name!r}: the state forgets something that its future depends on (or 'symmetric' is not true); "
                f"after {len(requests)} events it misses or moves otherwise than from another past with the same "
                f"state: {'... ' if len(requests) > 40 else ''}{shown}"
            )


# class -> what its walks, and its labels, were tried with
_PASSED: weakref.WeakKeyDictionary[type, set[Any]] = weakref.WeakKeyDictionary()


def _fingerprint(cls: type, automaton: Automaton) -> int:
    """Return a number that changes with the automaton and with the code of the class, which a notebook may replace."""
    tables = [table.tobytes() for table in (automaton.next, automaton.misses, automaton.moved)]
    return hash((_codes(cls), *tables, tuple(map(tuple, automaton.labels)), automaton.symmetric, automaton.turns))


def _codes(cls: type) -> tuple[Any, ...]:
    return tuple(
        (name, value.__code__)
        for base in cls.__mro__
        for name, value in vars(base).items()
        if isinstance(value, FunctionType)
    )


def _chosen(instance: Instance, top_k: int, draw: random.Random, kind: str) -> Callable[[int, Any], Event]:
    """Return what draws the n-th event; see ``check_walks`` for the kinds."""
    mood = {"left": 0, "kind": False}
    layers = [list(instance.pages_of(layer)) for layer in range(instance.layers)]

    def some(pages: list[int], count: int) -> list[int]:
        return [pages[int(draw.random() * len(pages))]] if count == 1 else draw.sample(pages, count)

    def chosen(n: int, here: Any) -> Event:
        layer = n % instance.layers
        pages = layers[layer]
        if kind == "random":
            return tuple(sorted(some(pages, top_k)))
        if mood["left"] == 0:
            mood["left"], mood["kind"] = draw.randint(1, 12 * instance.pages), kind == "moody" and not mood["kind"]
        mood["left"] -= 1
        cache = here.caches[layer if len(here.policies) > 1 else 0]
        first = [page for page in pages if (page in cache) == mood["kind"]]
        if len(first) >= top_k:
            return tuple(sorted(some(first, top_k)))
        rest = [page for page in pages if page not in first]
        return tuple(sorted(first + some(rest, top_k - len(first))))

    return chosen


class _Moves(dict[tuple[int, Event], tuple[int, int, Callable[[Any], Any]]]):
    """The moves of an automaton as they are met: (state, places of the event) -> next state, misses, what moves the pages."""

    def __init__(self, automaton: Automaton) -> None:
        self._of = automaton

    def __missing__(self, key: tuple[int, Event]) -> tuple[int, int, Callable[[Any], Any]]:
        state, places = key
        number = self._of.events[int(self._of.layer[state])].index(places)
        at = state, number
        self[key] = int(self._of.next[at]), int(self._of.misses[at]), itemgetter(*self._of.moved[at].tolist())
        return self[key]


def _player(spec: PolicySpec, instance: Instance, pool: str, bypass: bool) -> Generator[tuple[Any, Any], Event, None]:
    """Play the class: yield it with its misses after each event that is sent; first as it starts."""
    if spec.randomized:
        cloud, paid = start_cloud(spec, instance, pool), Fraction(0)
        while True:
            event = yield cloud, paid
            cloud, paid = step_cloud(cloud, event, instance, bypass)
    yield from _lively(start(spec, instance, pool), instance, bypass)


def _lively(live: Live, instance: Instance, bypass: bool) -> Generator[tuple[Live, int], Event, None]:
    """Play on a live policy: yield it with its misses after each event that is sent; first as it is."""
    missed = 0
    pools = [Pool(policy, slots, bypass=bypass) for policy, slots in zip(live.policies, live.slots, strict=True)]
    while True:
        event = yield live, missed
        time = Time(live.clock, *divmod(live.clock, instance.layers))
        at = time.layer if len(pools) > 1 else 0
        missed = len(pools[at].serve(event, time).misses)
        if missed:
            live.caches[at] = tuple(sorted(pools[at].cache))
        live.clock += 1


def parting(
    spec: PolicySpec,
    automaton: Automaton,
    pool: str,
    bypass: bool,
    chosen: Callable[[int, Any], Event],
    length: int,
    moves: _Moves | None = None,
) -> list[Event] | None:
    """Return the requests up to the first on which the class and its automaton differ, or None.

    ``chosen(n, live)`` is the n-th event, of layer n mod l; ``length`` of them are played from the empty cache.
    ``moves`` keeps what was read of the automaton between calls.
    """
    instance = automaton.instance
    moves = _Moves(automaton) if moves is None else moves
    player = _player(spec, instance, pool, bypass)
    here, _ = next(player)
    look: Any = labels_of_cloud if spec.randomized else labels_of
    state, order = 0, tuple(range(instance.pages))  # the automaton's state; place -> page
    requests: list[Event] = []
    for n in range(length):
        event = chosen(n, here)
        requests.append(event)
        places = (order.index(event[0]),) if len(event) == 1 else tuple(sorted([order.index(page) for page in event]))
        here, missed = player.send(event)
        state, expected, moved = moves[state, places]
        order = moved(order)
        raw = look(here, instance)
        labels = raw if spec.randomized else tuple(map(raw.__getitem__, order))
        if missed * automaton.scale != expected or labels != automaton.labels[state]:
            return requests
    return None


def check_cycle(
    spec: PolicySpec,
    instance: Instance,
    pool: str,
    bypass: bool,
    prefix: Sequence[Event],
    cycle: Sequence[Event],
    misses: Fraction,
) -> None:
    """Play a witness with the class; raise unless each turn costs what is claimed of it.

    Raises
    ------
    PolicyError
        It costs something else: ``state`` forgets something.
    """
    here: Any = start_cloud(spec, instance, pool) if spec.randomized else start(spec, instance, pool)
    go: Any = step_cloud if spec.randomized else partial(step, consume=True)
    for event in prefix:
        here = go(here, event, instance, bypass)[0]
    for turn in range(TURNS):
        paid = Fraction(0)
        for event in cycle:
            here, missed = go(here, event, instance, bypass)
            paid += missed
        if paid != misses:
            raise PolicyError(
                f"{spec.name!r}: the state forgets something that its future depends on: a worst cycle was found that "
                f"costs {misses} per turn by its states, and costs {paid} in turn {turn + 1} when the class plays it"
            )
