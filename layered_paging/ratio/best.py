"""The best possible ratio: the bracket that a search ends with, and its certificate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from ..certificate import Certificate
from .game import Game, solve

__all__ = ["Bracket", "optimal_ratio"]


@dataclass(eq=False)
class Bracket:
    """Bounds on the best ratio that any policy can have; equal when solved.

    Attributes
    ----------
    lower : Fraction
        No policy has a smaller ratio.
    upper : Fraction or None
        Some policy has this ratio; None if the search was stopped before it found one.
    nodes : int
        Positions of the game, or nodes of the linear program.
    complete : bool
        Whether the search came to its end.
    statement : dict
        Size and kind, as in the certificate.
    """

    lower: Fraction
    upper: Fraction | None
    nodes: int
    complete: bool
    statement: dict[str, Any]
    _prove: Callable[[], Certificate] = field(repr=False)

    @property
    def solved(self) -> bool:
        """Whether both bounds meet."""
        return self.lower == self.upper

    @cached_property
    def certificate(self) -> Certificate:
        """Both sides, for ``layered_paging.certify``; computed on first access."""
        return self._prove()

    def __repr__(self) -> str:
        return f"<Bracket: {self.lower}>" if self.solved else f"<Bracket: {self.lower} .. {self.upper}>"


def optimal_ratio(
    *,
    layers: int,
    experts: int | Sequence[int],
    slots: int,
    randomized: bool = False,
    memory: int = 8 << 30,
    seconds: float | None = None,
    tick: Callable[[str, Any], None] = lambda what, value: None,
) -> Bracket:
    """Return the best competitive ratio that any policy can have, exactly or between bounds.

    Parameters
    ----------
    layers, experts, slots : int
        At least 1 slot, fewer than pages; ``experts`` may be one int a layer; at most 12 pages.
    randomized : bool
        Whether policies may draw random numbers, against an oblivious adversary.
    memory : int
        Bytes that the game may take.
    seconds : float, optional
        After so long the search for randomized policies' lower bound ends with what it has.
    tick : callable
        Called as ``tick(what, value)`` with "nodes" and with every "bracket" reached.

    Raises
    ------
    ParameterError
        A value outside its range, or the game does not fit into ``memory``.

    Notes
    -----
    Deterministic policies: exact, by a game on (layer, cache, work function).  Randomized policies: a
    linear program from above and Yao's principle from below; both are exact statements, and the
    value is known where they meet.

    Examples
    --------
    >>> optimal_ratio(layers=2, experts=3, slots=4)
    <Bracket: 3>
    """
    if randomized:
        from .randomized import randomized_bracket

        return randomized_bracket(layers, experts, slots, memory=memory, seconds=seconds, tick=tick)
    game = solve(layers, experts, slots, memory=memory, tick=tick)
    lower = game.adversary.ratio if game.adversary else Fraction(0)
    upper = game.policy.ratio if game.policy else None
    statement = {
        "layers": layers,
        "experts": experts if isinstance(experts, int) else [int(n) for n in experts],
        "slots": slots,
        "lower": str(lower),
        "upper": None if upper is None else str(upper),
    }
    return Bracket(lower, upper, len(game.codes), game.complete, statement, lambda: _certificate(game, statement))


def _certificate(game: Game, statement: dict[str, Any]) -> Certificate:
    evidence: dict[str, Any] = {"policy": None, "adversary": None}
    if game.policy is not None:
        side = game.policy
        moves: list[list[int]] = [[] for _ in side.nodes]
        source = np.repeat(np.arange(len(side.nodes)), np.diff(side.first))
        for at, asked, given in zip(source, side.asked, side.given, strict=True):
            moves[at] += [int(game.page[asked]), int(game.victim[given])]
        evidence["policy"] = {
            "positions": game.codes[side.nodes].tolist(),
            "victims": moves,
            "potential": side.potential.tolist(),
        }
    if game.adversary is not None:
        side = game.adversary
        evidence["adversary"] = {
            "positions": game.codes[side.nodes].tolist(),
            "requests": game.page[side.asked[side.first[:-1]]].tolist(),
            "potential": side.potential.tolist(),
        }
    return Certificate("ratio-game", statement, evidence)
