"""The adversary in the certificate of a best possible ratio, played against a policy of one's choice.

``ratio-game`` and ``ratio-events`` hold a graph: at every position (layer, cache, work function) one request.
``ratio-random`` holds a random source: at every node the chance of each request, whatever the policy does.
Positions are written up to renaming the experts of a layer; here they get their names back.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

from ..certificate import Certificate
from ..certify.ratio import Player, model
from ..certify.ratio_events import Rules, renamed
from ..certify.ratio_game import Positions
from ..certify.ratio_random import Nodes
from ..core.instance import Instance
from ..errors import ParameterError
from ..policies.names import resolve

__all__ = ["OPPONENTS", "attack"]

Event = tuple[int, ...]


def attack(certificate: Certificate, policy: str, steps: int, seed: int = 0) -> list[Event]:
    """Return what the adversary of a certificate asks for, as lists of page numbers, layer by layer.

    Parameters
    ----------
    certificate : Certificate
        Of kind ``ratio-game``, ``ratio-events`` or ``ratio-random``; its truth is not checked here.
    policy : str
        Whom it plays against; deterministic, but for ``ratio-random``, whose source does not look at the policy.
    steps : int
        How many events.
    seed : int
        Of the random source.

    Raises
    ------
    ParameterError
        The certificate holds no adversary, or the policy is randomized and the adversary looks at it.
    """
    instance = model(certificate.statement)
    name = "source" if certificate.kind == "ratio-random" else "adversary"
    side = certificate.evidence.get(name)
    if side is None:
        raise ParameterError(f"the certificate holds no {name}: it bounds the ratio from above alone")
    if certificate.kind == "ratio-random":
        return [event for event, _ in zip(_source(instance, side, random.Random(seed)), range(steps), strict=False)]
    spec = resolve(policy)
    if spec.randomized:
        raise ParameterError(
            f"must be deterministic: the adversary answers to what it holds; got {policy!r}", parameter="policy"
        )
    bypass = certificate.statement.get("admission") == "bypass"
    player = Player(spec, instance, "shared", bypass)
    asks = OPPONENTS[certificate.kind](certificate, instance, side)
    events = []
    for t in range(steps):
        event = asks(t % instance.layers, player.held[0])
        player.play(event)
        events.append(event)
    return events


def _game(certificate: Certificate, instance: Instance, side: Any) -> Callable[[int, set[int]], Event]:
    """Single requests: levels of the work function, and which pages are held."""
    rules, table = Positions(instance), dict(zip(side["positions"], side["requests"], strict=True))
    levels = [0] * instance.pages

    def ask(layer: int, held: set[int]) -> Event:
        nonlocal levels
        items = [2 * level + (page in held) for page, level in enumerate(levels)]
        blocks = [sorted(instance.pages_of(j), key=lambda page: items[page]) for j in range(instance.layers)]
        if rules.turns:
            blocks = blocks[layer:] + blocks[:layer]
        places = [page for block in blocks for page in block]
        page = places[_known(table, rules.write(layer, items))]
        levels = list(rules.update(tuple(levels), page)[1])
        return (page,)

    return ask


def _events(certificate: Certificate, instance: Instance, side: Any) -> Callable[[int, set[int]], Event]:
    """Events of several experts: the work function as a value for each cache."""
    said = certificate.statement
    rules = Rules(instance, int(said["top_k"]), said["admission"] == "bypass")
    works = [tuple(row) for row in certificate.evidence["works"]]
    rows = zip(side["positions"], side["events"], strict=True)
    table = {(layer, cache, works[work]): event for (layer, cache, work), event in rows}
    work = (0,) * len(rules.caches)

    def ask(layer: int, held: set[int]) -> Event:
        nonlocal work
        cache = sum(1 << page for page in held)
        named = _known(table, rules.position(layer, cache, work))
        names = min(rules.least[work][1], key=lambda chosen: renamed(cache, chosen))
        event = tuple(page for page in range(instance.pages) if named >> names[page] & 1)
        work = rules.serve(work, sum(1 << page for page in event))[1]
        return event

    return ask


def _source(instance: Instance, side: Any, rng: random.Random) -> Iterator[Event]:
    """Yield single requests, each drawn by the chances of the node."""
    part = Instance(instance.layers, side["experts"], instance.slots)
    nodes = Nodes(part, int(side["memory"]), side["nodes"])
    first = [instance.pages_of(j).start for j in range(instance.layers)]
    names = [first[part.layer_of(page)] + page - part.pages_of(part.layer_of(page)).start for page in range(part.pages)]
    node = nodes.index[(0,) * (1 + 2 * part.pages)]
    while True:
        draw = Fraction(rng.getrandbits(64), 1 << 64)
        asked = iter(side["chances"][node])
        while draw >= 0:
            page, chance = next(asked)
            draw -= Fraction(chance)
        yield (names[page],)
        _, node, places = nodes.follow(node, page)
        names = [names[at] for at in places]


def _known(table: dict[Any, Any], position: Any) -> Any:
    if position not in table:
        raise ParameterError("the adversary has no request here: the policy is not lazy, or the certificate not sound")
    return table[position]


# kinds whose adversary looks at the policy
OPPONENTS: dict[str, Callable[[Certificate, Instance, Any], Callable[[int, set[int]], Event]]] = {
    "ratio-game": _game,
    "ratio-events": _events,
}
