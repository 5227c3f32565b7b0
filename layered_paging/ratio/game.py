"""The best deterministic policy: a game of requests against victims, solved exactly.

The optimum is followed by its work function, so both players know all that matters.  Lazy policies
suffice: any policy can be imitated by one that loads only what is requested and evicts only what
it must, with no more misses.  Values of the game at a trial ratio give a policy and an adversary;
each is then judged exactly against every reply, until the two judgements meet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np

from ..errors import ParameterError
from .cycle import Arcs, Best, closed_walk, largest_ratio
from .event_game import EventGame, explore
from .given import problem
from .halting import halting

__all__ = ["Game", "Side", "solve", "solve_events"]

ANSWER_BYTES = 40
EVENT_BYTES = 400  # an answer of the game of events, which is explored in Python
MAX_PAGES, MAX_LAYERS, MAX_SLOTS = 12, 7, 15


@dataclass
class Side:
    """What one side plays, and the potential that proves how well.

    ``nodes`` are positions, ``first`` their arcs, ``asked`` and ``given`` the request and answer of each arc.
    """

    ratio: Fraction
    nodes: Any
    first: Any
    to: Any
    asked: Any
    given: Any
    potential: Any


@dataclass
class Game:
    """All positions, and the best that each side has found: ``policy`` from above, ``adversary`` from below.

    ``asks`` and ``replies`` name the requests and answers of ``arcs``: page and victim, or, for events, the
    event and the cache that is left, both as masks; then ``board`` explains the positions.
    """

    codes: Any
    asks: Any
    replies: Any
    arcs: tuple[Any, Any, Any, Any, Any]
    board: EventGame | None = None
    policy: Side | None = None
    adversary: Side | None = None
    complete: bool = False


def solve(
    layers: int,
    experts: int | Sequence[int],
    slots: int,
    *,
    memory: int = 8 << 30,
    tick: Callable[[str, Any], None] = lambda what, value: None,
) -> Game:
    """Return the solved game; an interruption keeps what is known, with ``complete`` False.

    Raises
    ------
    ParameterError
        A value outside its range, or the game does not fit into ``memory``.
    """
    from . import game_kernels as kernels

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
    search = partial(kernels.play, first, slots, turn, memory // ANSWER_BYTES, seen)
    codes, ask, page, cost, opt, answer, victim, target = halting(search, partial(seen.__setitem__, 2, 1))
    if len(codes) == 0:
        raise ParameterError(f"the ratio game does not fit into {memory:,} bytes of memory")
    tick("nodes", len(codes))
    return _solved(Game(codes, page, victim, (ask, cost, opt, answer, target)), slots, tick)


def solve_events(
    layers: int,
    experts: int | Sequence[int],
    slots: int,
    *,
    top_k: int,
    bypass: bool,
    memory: int = 8 << 30,
    tick: Callable[[str, Any], None] = lambda what, value: None,
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
        raise ParameterError(f"top_k must be at most {limits}, {most}; got {top_k}")
    board = explore(instance, top_k=top_k, bypass=bypass, limit=memory // EVENT_BYTES, tick=tick)
    tick("nodes", len(board.positions))
    game = Game(np.arange(len(board.positions)), board.events, board.kept, board.arcs, board)
    return _solved(game, slots + bypass * top_k, tick)


def _solved(game: Game, above: int, tick: Callable[[str, Any], None]) -> Game:
    try:
        _search(game, Fraction(above), tick)
    except KeyboardInterrupt:
        return game
    game.complete = True
    return game


def _search(game: Game, above: Fraction, tick: Callable[[str, Any], None]) -> None:
    """Narrow the bracket until both sides meet; no more than ``above`` is ever needed: LRU has it."""
    from . import game_kernels as kernels

    trial = above
    while True:
        value = np.zeros(len(game.codes), np.int64)
        p, q = trial.numerator, trial.denominator
        rounds = 16
        while True:
            tick("phase", f"values at the trial ratio {trial}")
            changed = kernels.sweep(*game.arcs, p, q, value, rounds)
            if changed == 0 or game.policy is not None:
                _judge_policy(game, p, q, value)
            if changed:
                _judge_adversary(game, p, q, value)
            tick("bracket", (_ratio(game.adversary), _ratio(game.policy)))
            if changed == 0 or (game.adversary is not None and game.adversary.ratio >= trial):
                break
            if game.policy is not None and game.policy.ratio <= trial:
                break
            rounds = min(2 * rounds, 1024)
        low, high = _ratio(game.adversary) or Fraction(0), _ratio(game.policy)
        if high is not None and low >= high:
            return
        trial = simplest(low, high if high is not None else above + 1)


def _ratio(side: Side | None) -> Fraction | None:
    return None if side is None else side.ratio


def _judge_policy(game: Game, p: int, q: int, value: Any) -> None:
    from . import game_kernels as kernels

    _, cost, opt, _, _ = game.arcs
    nodes, first, to, asked, given = kernels.reach(*game.arcs, p, q, value, False)
    best = largest_ratio(Arcs(first, to, cost[asked], opt[asked]))
    if best.value is not None and (game.policy is None or best.value < game.policy.ratio):
        game.policy = Side(best.value, nodes, first, to, asked, given, best.potential)


def _judge_adversary(game: Game, p: int, q: int, value: Any) -> None:
    from . import game_kernels as kernels

    _, cost, opt, _, _ = game.arcs
    nodes, first, to, asked, given = kernels.reach(*game.arcs, p, q, value, True)
    c, o = cost[asked], opt[asked]
    idle = (c == 0) & (o == 0)
    if closed_walk(Arcs(first, to, c, o), idle, idle):
        return  # neither side pays on some cycle: nothing is proved
    best: Best = largest_ratio(Arcs(first, to, o, c))
    if best.value is None or best.value == 0:
        return  # a cycle on which only the optimum pays; or one on which it never does, which no bounded game has
    ratio = 1 / best.value
    if game.adversary is None or ratio > game.adversary.ratio:
        game.adversary = Side(ratio, nodes, first, to, asked, given, best.potential)


def simplest(low: Fraction, high: Fraction) -> Fraction:
    """Return the fraction of least denominator strictly between two.

    Examples
    --------
    >>> simplest(Fraction(3, 2), Fraction(5, 3))
    Fraction(8, 5)
    """
    whole = low.numerator // low.denominator
    if whole + 1 < high:
        return Fraction(whole + 1)
    if high == whole + 1 and low == whole:
        return Fraction(2 * whole + 1, 2)
    if low == whole:  # whole < answer < high <= whole + 1
        return whole + Fraction(1, int(1 / (high - whole)) + 1)
    upper = None if high == whole + 1 else 1 / (low - whole)
    return whole + 1 / simplest(Fraction(1) if high == whole + 1 else 1 / (high - whole), upper or 1 / (low - whole))
