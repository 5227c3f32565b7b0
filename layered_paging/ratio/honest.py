"""Does a policy's ``state`` say all that its future depends on?  What an exact ratio rests on, tried before it is told.

Three trials, all on the class itself and none on the graph that was searched: the labels stay bounded, the class and
its automaton stay together on long walks, and the class pays on the worst cycle what the graph says.  A class that fails
one gets no answer.  Passing them is no proof: a state that forgets what matters only after thousands of events passes.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from itertools import pairwise
from typing import Any

from ..core.instance import Instance
from ..errors import PolicyError
from ..policies.spec import PolicySpec
from .automaton import Automaton, labels_of, labels_of_cloud, start, start_cloud, step, step_cloud

__all__ = ["check_bounded", "check_cycle", "check_walks", "parting"]

Event = tuple[int, ...]

SEED = 0  # of the requests
WALKS = ((160, 24), (4000, 3))  # (events of a walk, walks of each kind)
KINDS = ("random", "cruel", "moody")  # a moody walk asks for what is held for a while, then for what is not
TURNS = 4  # of the worst cycle
WINDOWS = (256, 512, 1024, 2048)  # events after which the largest label is read


def check_bounded(spec: PolicySpec, instance: Instance, pool: str, top_k: int, bypass: bool) -> None:
    """Raise if the largest label grows in proportion to time, as absolute times and counts do.

    Raises
    ------
    PolicyError
        It did over the last three doublings of the number of events.
    """
    if spec.randomized:
        cloud = start_cloud(spec, instance, pool)
        live, dice = cloud.forms[0][0], cloud.dice
    else:
        live, dice = start(spec, instance, pool), None
    draw = random.Random(SEED)
    largest, seen = 0, []
    for n in range(WINDOWS[-1]):
        pages = instance.pages_of(n % instance.layers)
        if dice is not None:
            dice.script, dice.sides = [], []
        live = step(live, sorted(draw.sample(pages, top_k)), instance, bypass, consume=True)[0]
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
    and of misses.

    Raises
    ------
    PolicyError
        A miss or a state differs: ``state`` (or ``symmetric``) promises too much.  The message holds the requests.
    """
    instance = automaton.instance
    draw = random.Random(SEED)

    for kind, length in [(kind, length) for length, count in WALKS for kind in KINDS for _ in range(count)]:
        chosen = _chosen(instance, top_k, draw, "random" if spec.randomized else kind)
        requests = parting(spec, automaton, pool, bypass, chosen, length if not spec.randomized else min(length, 160))
        if requests is not None:
            shown = " ".join("+".join(map(str, event)) for event in requests[-40:])
            raise PolicyError(
                f"{spec.name!r}: the state forgets something that its future depends on (or 'symmetric' is not true); "
                f"after {len(requests)} events it misses or moves otherwise than from another past with the same "
                f"state: {'... ' if len(requests) > 40 else ''}{shown}"
            )


def _chosen(instance: Instance, top_k: int, draw: random.Random, kind: str) -> Callable[[int, Any], Event]:
    """Return what draws the n-th event; see ``check_walks`` for the kinds."""
    mood = {"left": 0, "kind": False}

    def chosen(n: int, here: Any) -> Event:
        layer = n % instance.layers
        pages = list(instance.pages_of(layer))
        draw.shuffle(pages)
        if kind != "random":
            if mood["left"] == 0:
                mood["left"], mood["kind"] = draw.randint(1, 12 * instance.pages), kind == "moody" and not mood["kind"]
            mood["left"] -= 1
            cache = here.caches[layer if len(here.policies) > 1 else 0]
            pages.sort(key=lambda page: (page in cache) != mood["kind"])
        return tuple(sorted(pages[:top_k]))

    return chosen


def parting(
    spec: PolicySpec,
    automaton: Automaton,
    pool: str,
    bypass: bool,
    chosen: Callable[[int, Any], Event],
    length: int,
) -> list[Event] | None:
    """Return the requests up to the first on which the class and its automaton differ, or None.

    ``chosen(n, live)`` is the n-th event, of layer n mod l; ``length`` of them are played from the empty cache.
    """
    instance = automaton.instance
    here: Any = start_cloud(spec, instance, pool) if spec.randomized else start(spec, instance, pool)
    go: Any = step_cloud if spec.randomized else partial(step, consume=True)
    look: Any = labels_of_cloud if spec.randomized else labels_of
    state, order = 0, list(range(instance.pages))  # the automaton's state; place -> page
    layers = automaton.layer.tolist()
    requests: list[Event] = []
    for n in range(length):
        event = chosen(n, here)
        requests.append(event)
        places = tuple(sorted([order.index(page) for page in event]))
        number = automaton.events[layers[state]].index(places)
        here, missed = go(here, event, instance, bypass)
        expected = int(automaton.misses[state, number])
        order = [order[i] for i in automaton.moved[state, number].tolist()]
        state = int(automaton.next[state, number])
        raw = look(here, instance)
        labels = raw if spec.randomized else tuple([raw[page] for page in order])
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
