"""A solved strategy, read from a certificate and played as a policy: ``strategy:FILE``."""

from __future__ import annotations

from collections.abc import Sequence

from .certificate import Certificate
from .errors import ParameterError, PolicyError
from .instance import Instance
from .policy import Time

__all__ = ["Strategy"]


class Strategy:
    """The policy of a ``ratio-game`` certificate: looks up its victim by (layer, cache, work function).

    Parameters
    ----------
    instance : Instance
        Must be the size that the certificate states.
    file : str
        The certificate; its digest is checked, its truth is not (``layered-paging check`` does that).

    Raises
    ------
    ParameterError
        Another kind of certificate, without a policy, or for another size.

    Notes
    -----
    Plays sequences of single requests that begin with layer 0, from an empty cache. No ties.
    """

    def __init__(self, instance: Instance, *, file: str) -> None:
        certificate = Certificate.load(file)
        side = certificate.evidence.get("policy")
        if certificate.kind != "ratio-game" or not side:
            raise ParameterError(
                f"strategy: {file} must be a certificate of kind 'ratio-game' with a policy; got {certificate.kind!r}"
            )
        stated = tuple(certificate.statement.get(key) for key in ("layers", "experts", "slots"))
        widths = stated[1] if isinstance(stated[1], list) else [stated[1]] * instance.layers
        if (stated[0], tuple(widths), stated[2]) != (instance.layers, instance.experts, instance.slots):
            raise ParameterError(f"strategy: {file} is for layers, experts, slots = {stated}; got {instance}")
        self._table = {
            code: dict(zip(moves[0::2], moves[1::2], strict=True))
            for code, moves in zip(side["positions"], side["victims"], strict=True)
        }
        self._instance, self._turns = instance, len(set(instance.experts)) == 1
        self._level = [0] * instance.pages  # of the optimum's work function
        self._held = [0] * instance.pages
        self._victim: int | None = None

    def hit(self, page: int, time: Time) -> None:
        """Follow the work function, and look up the victim."""
        order, position = self._position(time.layer, page)
        place = order.index(page)
        if place not in self._table.get(position, {}):
            raise PolicyError(
                "strategy: plays single requests to layers 0, 1, ... in turn from an empty cache; this trace leaves them"
            )
        found = self._table[position][place]
        self._victim = None if found < 0 else order[found]
        level, slots = self._level[page], self._instance.slots
        for other, x in enumerate(self._level):
            if level and x >= level:
                self._level[other] = x - 1
            elif not level and x == slots:
                self._level[other] = slots - 1
        self._level[page] = slots
        self._held[page] = 1
        if self._victim is not None:
            self._held[self._victim] = 0

    miss = hit

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
