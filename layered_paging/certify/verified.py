"""What a certificate says, written as the numbers that the proved checker reads.

The checker is written and proved in Coq (``proofs/library/Judge.v``), extracted to OCaml and compiled;
``layered_paging.proved`` builds and runs it.  Nothing here is trusted: a mistake in this module leads to a
refusal, never to a theorem that is not true.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import lcm
from typing import Any

from ..certificate import Certificate
from ..core.instance import Instance
from ..errors import CertificateRejected, LayeredPagingError
from ..policies.spec import PolicySpec
from .ratio import TURNS, Player, events_of, problem, stated
from .reading import fraction, need, number
from .verified_game import sides

__all__ = ["NotCovered", "questions"]

POLICIES = {
    ("lru",): 0,
    ("fifo",): 1,
    ("mark-far",): 2,
    ("llru", "visit", "far"): 3,
    ("llru", "visit", "near"): 4,
    ("llru", "absolute", "far"): 5,
    ("llru", "absolute", "near"): 6,
}
READ = ("ratio-policy", "ratio-lower", "ratio-game")
EXACT, UNBOUNDED, LOWER = 1, 2, 3
State = list[tuple[int, int]]


class NotCovered(LayeredPagingError):
    """The proved checker does not know this kind of certificate, or this policy."""


def questions(certificate: Certificate) -> list[list[int]]:
    """Return the numbers that the proved checker reads, a list for each theorem that it is to obtain.

    Lists are written as their length and their items; the order is that of ``proofs/library/Judge.v``.
    A certificate about a given policy gives one theorem, one about the best policy one for each side that it has.

    Raises
    ------
    NotCovered
        Another kind, another policy, events of several members, bypass, pools, or layers of unequal width.
    CertificateRejected
        The certificate is malformed.

    Examples
    --------
    >>> import layered_paging as lp
    >>> found = lp.competitive_ratio("lru", layers=2, experts=2, slots=2)
    >>> [numbers[:9] for numbers in questions(found.certificate)]
    [[1, 0, 2, 2, 2, 2, 3, 2, 0]]
    """
    try:
        if certificate.kind in ("ratio-policy", "ratio-lower"):
            return [_numbers(certificate)]
        if certificate.kind == "ratio-game":
            if isinstance(certificate.statement.get("experts"), list):
                raise NotCovered("the proved checker knows layers of equal width")
            return sides(certificate)
        raise NotCovered(f"the proved checker reads {', '.join(READ)}; got kind {certificate.kind!r}")
    except (NotCovered, CertificateRejected):
        raise
    except (LayeredPagingError, TypeError, ValueError, KeyError, IndexError, AttributeError, OverflowError) as error:
        raise CertificateRejected(f"malformed: {type(error).__name__}: {error}") from None


def _numbers(certificate: Certificate) -> list[int]:
    statement, evidence = stated(certificate), certificate.evidence
    spec, instance, options = problem(statement)
    code = _code(spec, instance, options)
    player = Player(spec, instance, options["pool"])
    prefix = [page for (page,) in events_of(evidence, "prefix", instance, 1, 0)]
    cycle = [page for (page,) in events_of(evidence, "cycle", instance, 1, len(prefix))]
    need(bool(cycle) and len(cycle) % instance.layers == 0, "'cycle' must be of whole rounds, at least one")
    size = [code, instance.layers, instance.experts[0], instance.slots, options["offline"]]
    low, paid, least = _cycle(player, prefix, cycle, options["offline"])
    if certificate.kind == "ratio-lower":
        value = fraction(statement, "lower")
        return [LOWER, *size, value.numerator, value.denominator, *low, paid, least]
    if statement["value"] is None:
        need(statement["additive"] is None, "'additive' must be null where the ratio is unbounded")
        need(least == 0, f"the cycle costs the optimum {least}, so it does not show that no ratio holds")
        return [UNBOUNDED, *size, *low, paid]
    value, additive, unit = fraction(statement, "value"), fraction(statement, "additive"), number(evidence, "unit", 1)
    more = lcm((unit * value).denominator, (unit * additive).denominator)
    prices = [int(more * unit * value), more * unit, int(more * unit * additive)]
    rows = _rows(code, instance, evidence["states"], evidence["potential"], more)
    worst = [page for (page,) in events_of(evidence, "worst_start", instance, 1, 0)]
    schedule = _schedule(worst, [], options["offline"], 0)
    return [EXACT, *size, *prices, *rows, *low, paid, least, *_pages(worst), *_many(_pages, schedule)]


def _code(spec: PolicySpec, instance: Instance, options: dict[str, Any]) -> int:
    key: tuple[str, ...] = (spec.base,)
    if spec.base == "llru":
        key = ("llru", spec.params.get("rounds", "visit"), spec.params.get("same_layer", "far"))
    if key not in POLICIES:
        raise NotCovered(f"the proved checker knows lru, fifo, mark-far and llru; got {spec.name!r}")
    if options["pool"] != "shared" or options["top_k"] != 1 or options["bypass"] or len(set(instance.experts)) > 1:
        raise NotCovered("the proved checker knows single forced requests, one pool, and layers of equal width")
    return POLICIES[key]


def _pages(pages: Sequence[int]) -> list[int]:
    return [len(pages), *pages]


def _many(write: Callable[[Any], list[int]], items: Sequence[Any]) -> list[int]:
    return [len(items), *(x for item in items for x in write(item))]


def _cycle(player: Player, prefix: list[int], cycle: list[int], slots: int) -> tuple[list[int], int, int]:
    """Return the cycle of requests and of a schedule's caches as numbers, with what policy and schedule pay on it."""
    # a cycle must begin at layer 0: turn it so that it does
    short = -len(prefix) % player.instance.layers
    prefix, cycle = prefix + cycle[:short], cycle[short:] + cycle[:short]
    for page in prefix:
        player.play((page,))
    seen: dict[tuple[object, tuple[int, ...]], tuple[int, int]] = {}
    paid, turns = 0, 0
    held = _schedule(prefix, cycle, slots, 0)
    while (key := (player.labels(), tuple(held[-1]) if held else ())) not in seen:
        need(turns < TURNS, "the policy's state does not come back")
        seen[key] = (turns, paid)
        paid += sum(player.play((page,)) for page in cycle)
        turns += 1
        held += _schedule(prefix, cycle, slots, turns, held)
    first, before = seen[key]
    start, end = len(prefix) + first * len(cycle), len(prefix) + turns * len(cycle)
    requests = prefix + cycle * turns
    loads = [len(set(now) - set(then)) for then, now in zip([[], *held], held, strict=False)]
    parts = [_pages(requests[:start]), _pages(requests[start:end])]
    parts += [_many(_pages, held[:start]), _many(_pages, held[start:end])]
    return [x for part in parts for x in part], paid - before, sum(loads[start:end])


def _schedule(
    prefix: list[int], cycle: list[int], slots: int, turn: int, before: list[list[int]] | None = None
) -> list[list[int]]:
    """Return the caches that drop the page of furthest next use: on the prefix, or on turn ``turn`` of the cycle."""
    period = len(cycle)
    whole = prefix + cycle + cycle  # what follows any request within a turn is the same in every turn

    def next_use(page: int, at: int) -> int:
        later = (x for x in range(at + 1, len(whole)) if whole[x] == page)
        return next(later, len(whole) + page)

    held = set(before[-1]) if before else set()
    caches = []
    for at in range(len(prefix)) if turn == 0 else range(len(prefix), len(prefix) + period):
        held.add(whole[at])
        if len(held) > slots:
            held.remove(max(sorted(held - {whole[at]}), key=lambda page: next_use(page, at)))
        caches.append(sorted(held))
    return caches


def _rows(code: int, instance: Instance, states: list[Any], potential: list[Any], more: int) -> list[int]:
    """Return the policy's states, tidied up, each with the offline caches and their potentials."""
    need(len(states) == len(potential), "'states' and 'potential' must be lists of one length")
    n = instance.experts[0]
    out = [len(states)]
    for (layer, *labels), row in zip(states, potential, strict=True):
        need(len(labels) == instance.pages, f"a state must hold {instance.pages} labels; got {len(labels)}")
        state = _state(code, labels, n)
        place = _tidied((page for page, _ in state), {}, n)
        out += [layer, len(state), *(x for page, note in state for x in (place[page], note))]
        out.append(len(row) // 2)
        for mask, value in zip(row[0::2], row[1::2], strict=True):
            cache = [page for page in range(instance.pages) if mask >> page & 1]
            at = _tidied(cache, place, n)
            out += [*_pages(sorted(at[page] for page in cache)), more * value]
    return out


def _tidied(pages: Iterable[int], place: dict[int, int], n: int) -> dict[int, int]:
    """Return numbers for pages: within each layer the first that comes has the first number that is free."""
    place = dict(place)
    used = [page // n for page in place]
    for page in pages:
        if page not in place:
            place[page] = page // n * n + used.count(page // n)
            used.append(page // n)
    return place


def _state(code: int, labels: list[int], n: int) -> State:
    """Return a state of the proved policies: (page, note), what came last first."""
    need(all(type(label) is int and (label & 1 or not label) for label in labels), f"not labels of a state: {labels}")
    held = [(label >> 1, page) for page, label in enumerate(labels) if label & 1]
    if code > 2:
        return [(page, label) for label, page in sorted(held, key=lambda item: (item[0], -(item[1] // n)))]
    if code == 2:  # twice the place, and one less where marked
        held = [((label + 1) >> 1, page) for label, page in held]
    held.sort()
    need([place for place, _ in held] == list(range(1, len(held) + 1)), f"not an order of the pages: {labels}")
    return [(page, labels[page] >> 1 & 1 if code == 2 else 0) for _, page in held]
