"""The best possible ratio: the bracket that a search ends with, and its certificate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from ..certificate import Certificate
from ..core.instance import flag, integer, seconds_above_0
from ..core.rules import choice
from ..errors import ParameterError
from .bracket import Bracket
from .game import Game, Side, solve, solve_events
from .given import at_most, problem, stated
from .journal import Journal

__all__ = ["Bracket", "optimal_ratio"]


def optimal_ratio(
    *,
    layers: int,
    experts: int | Sequence[int],
    slots: int,
    randomized: bool = False,
    top_k: int = 1,
    admission: str = "forced",
    memory: int = 8 << 30,
    seconds: float | None = 60,
    tick: Callable[[str, Any], None] = lambda what, value: None,
    resume: str | Path | None = None,
) -> Bracket:
    """Return the best competitive ratio that any policy can have, exactly or between bounds.

    Parameters
    ----------
    layers, experts, slots : int
        At least 1 slot, fewer than pages; ``experts`` may be one int per layer; at most 12 pages.
    randomized : bool
        Whether policies may draw random numbers, against an oblivious adversary; single requests only.
    top_k : int
        Distinct experts of each event; cost is the number of absent members.  At most the experts of a layer, and
        the slots where admission is forced; with more than 1, or with bypass, at most 9 pages.
    admission : {"forced", "bypass"}
        Whether all members stay until their event ends, for policy and optimum alike.
    memory : int
        Bytes that the game may take.
    seconds : float or None
        With ``randomized``: after so long the search ends with the bounds that it has; None for no limit.  A linear
        program is given up then; what was found is still proved.
    tick : callable
        Called as ``tick(what, value)`` with each "phase", with "nodes", with every "bracket" reached, and with what was "taken up" from a
        journal.
    resume : str, Path or None
        A journal, made if it is not there.  It is written when a bound improves, every ten seconds, and at the end or
        a stop.  A later call with it goes on from there, once both bounds are proved again.

    Raises
    ------
    ParameterError
        A value outside its range, or the game does not fit into ``memory``.
    FormatError
        ``resume`` is damaged, is no journal, or states a bound that its evidence does not prove.
    LayeredPagingError
        ``resume`` answers another question or another release, or cannot be written.

    Notes
    -----
    Deterministic policies: exact, by a game on (layer, cache, work function).  Randomized policies: a
    linear program from above and Yao's principle from below; both are exact statements, and the
    value is known where they meet.

    Examples
    --------
    >>> optimal_ratio(layers=2, experts=3, slots=4)
    <Bracket: 3>
    >>> optimal_ratio(layers=2, experts=3, slots=5, top_k=2, admission="bypass")
    <Bracket: 3>
    """
    choice("admission", admission, ("forced", "bypass"))
    events = integer("top_k", top_k, 1) > 1 or admission == "bypass"
    memory = at_most(memory)
    seconds_above_0("seconds", seconds)
    if not isinstance(resume, (str, Path, type(None))):
        raise ParameterError(f"must be a path of a file; got {resume!r}", parameter="resume")
    if flag("randomized", randomized) and events:
        raise ParameterError("is for single requests with forced admission", parameter="randomized", value=True)
    if randomized:
        from .randomized import randomized_bracket

        return randomized_bracket(layers, experts, slots, memory=memory, seconds=seconds, tick=tick, resume=resume)
    size = {"layers": layers, "experts": list(problem(layers, experts, slots).experts), "slots": slots}
    rules = {"top_k": top_k, "admission": admission}
    journal = Journal(resume, {"search": "best deterministic policy", **size, **rules})
    limits: Any = {"memory": memory, "tick": tick, "journal": journal}
    if events:
        game = solve_events(layers, experts, slots, top_k=top_k, bypass=admission == "bypass", **limits)
    else:
        game = solve(layers, experts, slots, **limits)
    lower = game.adversary.ratio if game.adversary else Fraction(0)
    upper = game.policy.ratio if game.policy else None
    statement = {
        **stated(layers, experts, slots),
        **({"top_k": top_k, "admission": admission} if events else {}),
        "lower": str(lower),
        "upper": None if upper is None else str(upper),
    }
    return Bracket(lower, upper, len(game.codes), game.complete, statement, lambda: _certificate(game, statement))


def _certificate(game: Game, statement: dict[str, Any]) -> Certificate:
    evidence: dict[str, Any] = {"policy": None, "adversary": None}
    board = game.board
    if board is not None:
        evidence["works"] = [list(work) for work in board.works]

    def head(side: Side) -> dict[str, Any]:
        codes = game.codes[side.nodes].tolist()
        positions = codes if board is None else [list(board.positions[code]) for code in codes]
        return {"positions": positions, "potential": side.potential.tolist()}

    if game.policy is not None:
        side = game.policy
        moves: list[list[int]] = [[] for _ in side.nodes]
        source = np.repeat(np.arange(len(side.nodes)), np.diff(side.first))
        for at, asked, given in zip(source, side.asked, side.given, strict=True):
            moves[at] += [int(game.asks[asked]), int(game.replies[given])]
        evidence["policy"] = {**head(side), "victims" if board is None else "answers": moves}
    if game.adversary is not None:
        side = game.adversary
        asks = game.asks[side.asked[side.first[:-1]]].tolist()
        evidence["adversary"] = {**head(side), "requests" if board is None else "events": asks}
    return Certificate("ratio-game" if board is None else "ratio-events", statement, evidence)
