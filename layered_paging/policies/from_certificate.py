"""A solved strategy, read from a certificate and played as a policy: ``strategy:FILE``."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from math import lcm
from typing import Any, TypeVar

from ..certificate import Certificate
from ..core.instance import Instance
from ..errors import LayeredPagingError, ParameterError, PolicyError
from .spec import PolicySpec, Time
from .stream import Stream

__all__ = ["RandomStrategy", "Strategy", "strategy"]

LEAVES = "strategy: plays single requests to layers 0, 1, ... in turn from an empty cache; this trace leaves them"
F = TypeVar("F", bound=Callable[..., Any])


def _unchecked(function: F) -> F:
    """Say that a certificate is no policy, whatever is wrong in it; its truth is not checked here."""

    @functools.wraps(function)
    def called(*arguments: Any, **named: Any) -> Any:
        try:
            return function(*arguments, **named)
        except LayeredPagingError:
            raise
        except (ArithmeticError, AttributeError, LookupError, MemoryError, TypeError, ValueError) as error:
            raise PolicyError(
                f"strategy: the certificate is not sound, 'layered-paging check' would reject it; {error!r}"
            ) from None

    return called  # type: ignore[return-value]


def strategy(name: str) -> PolicySpec:
    """Return the policy that ``strategy:FILE`` stands for; one that the certificate mixes is randomized.

    Raises
    ------
    FormatError
        The file is no certificate.
    ParameterError
        Another kind of certificate, or one without a policy.
    """
    file = name.removeprefix("strategy:")
    certificate = Certificate.load(file)
    classes: dict[str, type] = {"ratio-game": Strategy, "ratio-random": RandomStrategy}
    if certificate.kind not in classes or not certificate.evidence.get("policy"):
        raise ParameterError(
            f"strategy: {file} must be a certificate of kind 'ratio-game' or 'ratio-random' with a policy; "
            f"got {certificate.kind!r}"
        )
    properties = {"unregistered": True, "randomized": certificate.kind == "ratio-random"}
    return PolicySpec(name, "strategy", classes[certificate.kind], {"certificate": certificate}, properties)


def _side(certificate: Certificate, instance: Instance) -> Any:
    """Return the policy in a certificate for this instance."""
    stated = tuple(certificate.statement.get(key) for key in ("layers", "experts", "slots"))
    widths = stated[1] if isinstance(stated[1], list) else [stated[1]] * instance.layers
    if (stated[0], tuple(widths), stated[2]) != (instance.layers, instance.experts, instance.slots):
        raise ParameterError(f"strategy: the certificate is for layers, experts, slots = {stated}; got {instance}")
    return certificate.evidence["policy"]


def _raised(levels: Sequence[int], page: int, slots: int) -> list[int]:
    """Return the levels of the optimum's work function after a request."""
    level = levels[page]
    after = [x - (x >= level if level else x == slots) for x in levels]
    after[page] = slots
    return after


class Strategy:
    """The policy of a ``ratio-game`` certificate: looks up its victim by (layer, cache, work function).

    Parameters
    ----------
    instance : Instance
        Must be the size that the certificate states.
    certificate : Certificate
        Its truth is not checked here (``layered-paging check`` does that).

    Raises
    ------
    ParameterError
        The certificate is for another size.

    Notes
    -----
    Plays sequences of single requests that begin with layer 0, from an empty cache. No ties.
    """

    @_unchecked
    def __init__(self, instance: Instance, *, certificate: Certificate) -> None:
        side = _side(certificate, instance)
        self._table = {
            code: dict(zip(moves[0::2], moves[1::2], strict=True))
            for code, moves in zip(side["positions"], side["victims"], strict=True)
        }
        self._instance, self._turns = instance, len(set(instance.experts)) == 1
        self._level = [0] * instance.pages  # of the optimum's work function
        self._held = [0] * instance.pages
        self._victim: int | None = None

    @_unchecked
    def hit(self, page: int, time: Time) -> None:
        """Follow the work function, and look up the victim."""
        order, position = self._position(time.layer, page)
        place = order.index(page)
        if place not in self._table.get(position, {}):
            raise PolicyError(LEAVES)
        found = self._table[position][place]
        self._victim = None if found < 0 else order[found]
        self._level = _raised(self._level, page, self._instance.slots)
        self._held[page] = 1
        if self._victim is not None:
            self._held[self._victim] = 0

    miss = hit

    @_unchecked
    def victim(self, candidates: Sequence[int], time: Time) -> int:
        """Return the victim that the table gives."""
        if self._victim is None:
            raise PolicyError("strategy: the table gives no victim here; the cache is not the one it was solved for")
        return self._victim

    def _position(self, layer: int, page: int) -> tuple[list[int], int]:
        """Return the pages by place, equals of the requested page after it, and the position."""
        item = [2 * level + held for level, held in zip(self._level, self._held, strict=True)]
        blocks = [
            sorted(self._instance.pages_of(j), key=lambda p: (item[p], p != page)) for j in range(self._instance.layers)
        ]
        if self._turns:
            blocks = blocks[layer:] + blocks[:layer]
        order = [p for block in blocks for p in block]
        code = 0 if self._turns else layer << 60
        return order, code + sum(item[p] << 5 * at for at, p in enumerate(order))


class RandomStrategy:
    """The policy of a ``ratio-random`` certificate: one distribution on caches for each node of work functions.

    It plans a cache: at each request the next one is drawn by the transport from the one before. So at every
    node the plan has the distribution of the certificate.  The cache follows lazily: loaded is what is requested,
    evicted what is not planned.  Its misses are at most what the plan loads, and ``slots`` more.

    Parameters
    ----------
    instance, certificate
        As for ``Strategy``, with the same error.

    Notes
    -----
    Plays sequences of single requests that begin with layer 0, from an empty cache.  Ties among pages that are not
    planned: the lowest page number is evicted.  Draws integers below common denominators, exactly uniform; one for
    the first plan and one for each request, none where only one plan is possible.

    Attributes
    ----------
    node : int
        Of the certificate, before the next request.
    plan : frozenset of int
        The pages planned.
    """

    @_unchecked
    def __init__(self, instance: Instance, *, certificate: Certificate, rng: Stream) -> None:
        side = _side(certificate, instance)
        self._instance, self._turns, self._rng = instance, len(set(instance.experts)) == 1, rng
        self._memory, self._transports = int(side["memory"]), side["transports"]
        self._index = {tuple(row): i for i, row in enumerate(side["nodes"])}
        self._levels, self._ages = [0] * instance.pages, [0] * instance.pages
        self._order = list(range(instance.pages))  # the page at each place
        self._layer = 0
        self.node = self._index[(0,) * (1 + 2 * instance.pages)]
        self._mask = self._draw(side["distributions"][self.node])

    @property
    def plan(self) -> frozenset[int]:
        """Return the pages planned."""
        return frozenset(page for at, page in enumerate(self._order) if self._mask >> at & 1)

    @_unchecked
    def hit(self, page: int, time: Time) -> None:
        """Draw the next plan."""
        instance, place = self._instance, self._order.index(page)
        if place not in instance.pages_of(self._layer):
            raise PolicyError(LEAVES)
        moves = self._transports[self.node][str(place)]
        mask = self._draw([(end, mass) for source, end, mass in moves if source == self._mask])
        levels = _raised(self._levels, place, instance.slots)
        ages = [age + 1 if 0 < age < self._memory else 0 for age in self._ages]
        ages[place] = min(1, self._memory)
        blocks = [sorted(instance.pages_of(j), key=lambda p: (levels[p], ages[p])) for j in range(instance.layers)]
        self._layer = (self._layer + 1) % instance.layers
        if self._turns:
            blocks, self._layer = blocks[self._layer :] + blocks[: self._layer], 0
        places = [p for block in blocks for p in block]
        self._order = [self._order[p] for p in places]
        self._levels, self._ages = [levels[p] for p in places], [ages[p] for p in places]
        self._mask = sum((mask >> p & 1) << at for at, p in enumerate(places))
        row = (self._layer, *(x for item in zip(self._levels, self._ages, strict=True) for x in item))
        self.node = self._index[row]

    miss = hit

    @_unchecked
    def victim(self, candidates: Sequence[int], time: Time) -> int:
        """Return the lowest candidate that is not planned."""
        return min(set(candidates) - self.plan)

    def _draw(self, rows: Sequence[Sequence[Any]]) -> int:
        """Return the first entry of a row, with a chance in proportion to its second."""
        masses = [_mass(mass) for _, mass in rows]
        scale = lcm(*(mass.denominator for mass in masses))
        number = _below(self._rng, int(sum(masses) * scale))
        for (value, _), mass in zip(rows, masses, strict=True):
            number -= int(mass * scale)
            if number < 0:
                return int(value)
        raise PolicyError("strategy: the certificate has no move here; the trusted checker would reject it")


def _mass(value: object) -> Fraction:
    """Return a fraction written as an integer or "a/b": an exponent could stand for any size."""
    if not re.fullmatch(r"[0-9]+(/[0-9]+)?", str(value)):
        raise ValueError(f"not a fraction: {str(value)[:40]!r}")
    return Fraction(str(value))


def _below(rng: Stream, n: int) -> int:
    """Return an integer in 0..n-1, each exactly as likely: random bits, drawn again while they are too large."""
    bits = max(n - 1, 0).bit_length()
    words = -(-bits // 64)
    while True:
        number = 0
        for _ in range(words):
            number = number << 64 | rng.next()
        number >>= 64 * words - bits
        if number < n or not bits:
            return number
