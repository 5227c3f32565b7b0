"""The best deterministic policy: a game of requests against victims, solved exactly.

The optimum is followed by its work function, so both players know all that matters.  Lazy policies
suffice: any policy can be imitated by one that loads only what is requested and evicts only what
it must, with no more misses.  Values of the game at a trial ratio give a policy and an adversary.
Each is then judged exactly against every reply, until the two judgements meet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np

from ..errors import GraphTooLarge, ParameterError
from .event_game import explore
from .exploring import play
from .game_search import Game, Hunt, Side
from .given import problem
from .halting import halting
from .journal import Journal

__all__ = ["Game", "Side", "solve", "solve_events"]

ANSWER_BYTES = 40
EVENT_BYTES = 400  # an answer of the game of events, which is explored in Python
MAX_PAGES, MAX_LAYERS, MAX_SLOTS = 12, 7, 15


def solve(
    layers: int,
    experts: int | Sequence[int],
    slots: int,
    *,
    memory: int = 8 << 30,
    tick: Callable[[str, Any], None] = lambda what, value: None,
    journal: Journal | None = None,
) -> Game:
    """Return the solved game; an interruption keeps what is known, with ``complete`` False.

    Raises
    ------
    ParameterError
        A value outside its range, or the game does not fit into ``memory``.
    """
    instance = problem(layers, experts, slots)
    if instance.pages > MAX_PAGES or (layers > MAX_LAYERS and len(set(instance.experts)) > 1) or slots > MAX_SLOTS:
        raise ParameterError(
            f"the ratio game needs at most {MAX_PAGES} pages, and {MAX_LAYERS} layers if they differ in width; "
            f"got {instance.pages} pages in {layers} layers"
        )
    tick("phase", "positions of the game")
    first = np.array(instance.first, np.int64)
    turn = len(set(instance.experts)) == 1
    seen = np.zeros(3, np.int64)
    tick("growing", seen[:2])
    search = partial(play, first, slots, turn, memory // ANSWER_BYTES, seen)
    codes, ask, page, cost, opt, answer, victim, target = halting(search, partial(seen.__setitem__, 2, 1))
    if len(codes) == 0:
        raise GraphTooLarge(f"the ratio game does not fit into {memory:,} bytes of memory")
    tick("nodes", len(codes))
    return _solved(Game(codes, page, victim, (ask, cost, opt, answer, target)), slots, tick, journal)


def solve_events(
    layers: int,
    experts: int | Sequence[int],
    slots: int,
    *,
    top_k: int,
    bypass: bool,
    memory: int = 8 << 30,
    tick: Callable[[str, Any], None] = lambda what, value: None,
    journal: Journal | None = None,
) -> Game:
    """Return the solved game of events, as ``solve`` does for single requests.

    LRU has ratio at most ``slots``, or ``slots + top_k`` against an optimum with bypass: it misses each page once
    while no more than ``slots`` distinct ones are asked for, and an optimum misses once before the next one is.

    Raises
    ------
    ParameterError
        A value outside its range, or the game does not fit into ``memory``.
    """
    instance = problem(layers, experts, slots)
    most = min(instance.experts) if bypass else min(*instance.experts, slots)
    if top_k > most:
        limits = "the experts of each layer" if bypass else "the experts of each layer and the slots"
        raise ParameterError(f"must be at most {limits}, {most}; got {top_k}", parameter="top_k")
    board = explore(instance, top_k=top_k, bypass=bypass, limit=memory // EVENT_BYTES, tick=tick)
    tick("nodes", len(board.positions))
    game = Game(np.arange(len(board.positions)), board.events, board.kept, board.arcs, board)
    return _solved(game, slots + bypass * top_k, tick, journal)


def _solved(game: Game, above: int, tick: Callable[[str, Any], None], journal: Journal | None) -> Game:
    hunt = Hunt(game, Fraction(above), tick, Journal(None, {}) if journal is None else journal)
    hunt.take_up()
    try:
        hunt.search()
        game.complete = True
    except KeyboardInterrupt:
        pass
    hunt.journal.keep(hunt.state, now=True)
    return game
