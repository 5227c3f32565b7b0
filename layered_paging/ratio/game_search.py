"""The search for the value of the game: values at trial ratios, what each side plays by them, and how well, exactly.

A journal keeps the values from which the best of each side was read, and those of the trial that runs.  They are hints:
each side is judged again by them before it is used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from ..core.rented import Rented
from .cycle import Arcs, Best, closed_walk, largest_ratio
from .event_game import EventGame
from .journal import Journal, fraction

__all__ = ["Game", "Hunt", "Side", "simplest"]

ROUNDS = 16  # of a first sweep
LARGE = 1 << 40  # no value of a game is as large
FINE = 1 << 20  # no trial ratio has such a numerator or denominator
SMALL = 1 << 22  # answers of a game that plain Python may play
ANSWER = 1e-6  # seconds of plain Python for one answer of a game
_SWEEP = Rented(f"{__package__}.game_kernels", "sweep", 1.0)
_REACH = Rented(f"{__package__}.game_kernels", "reach", 0.8)


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


class Hunt:
    """The bracket of a game as it narrows, the trial that runs, and the values that both sides were read from.

    Parameters
    ----------
    game : Game
    above : Fraction
        No larger ratio is ever needed: LRU has it.
    tick : callable
    journal : Journal
    """

    def __init__(self, game: Game, above: Fraction, tick: Callable[[str, Any], None], journal: Journal) -> None:
        self.game, self.above, self.tick, self.journal = game, above, tick, journal
        ask, cost, opt, answer, target = game.arcs
        if len(target) < SMALL:  # in plain Python, products of short integers would be cut
            cost, opt = cost.astype(np.int64), opt.astype(np.int64)
        self.arcs, self.work = (ask, cost, opt, answer, target), len(target) * ANSWER
        self.origins: dict[str, tuple[Fraction, Any]] = {}
        self._begin(above)

    def _begin(self, trial: Fraction) -> None:
        self.trial, self.value, self.rounds = trial, np.zeros(len(self.game.codes), np.int64), ROUNDS

    def search(self) -> None:
        """Narrow the bracket until both sides meet."""
        game = self.game
        while not self._met():
            self.tick("phase", f"values at the trial ratio {self.trial}")
            p, q = self.trial.numerator, self.trial.denominator
            changed = _SWEEP(self.rounds * self.work, *self.arcs, p, q, self.value, self.rounds)
            before = self._bracket()
            if changed == 0 or game.policy is not None:
                self._judge_policy(self.trial, self.value)
            if changed:
                self._judge_adversary(self.trial, self.value)
            reached = adversary, high = self._bracket()
            low = adversary or Fraction(0)
            if changed and low < self.trial and (high is None or high > self.trial):
                self.rounds = min(2 * self.rounds, 1024)
            elif not self._met():
                self._begin(simplest(low, high if high is not None else self.above + 1))
            self.journal.keep(self.state, now=before != reached)
            self.tick("bracket", reached)

    def _bracket(self) -> tuple[Fraction | None, Fraction | None]:
        return _ratio(self.game.adversary), _ratio(self.game.policy)

    def _met(self) -> bool:
        """Return whether both sides have the same ratio."""
        low, high = self._bracket()
        return low is not None and high is not None and low >= high

    def _judge_policy(self, trial: Fraction, value: Any) -> None:
        game = self.game
        _, cost, opt, _, _ = self.arcs
        p, q = trial.numerator, trial.denominator
        nodes, first, to, asked, given = _REACH(self.work, *self.arcs, p, q, value, False)
        best = _judged(Arcs(first, to, cost[asked], opt[asked]))
        if best.value is not None and (game.policy is None or best.value < game.policy.ratio):
            game.policy = Side(best.value, nodes, first, to, asked, given, best.potential)
            self._remember("policy", trial, value)

    def _judge_adversary(self, trial: Fraction, value: Any) -> None:
        game = self.game
        _, cost, opt, _, _ = self.arcs
        p, q = trial.numerator, trial.denominator
        nodes, first, to, asked, given = _REACH(self.work, *self.arcs, p, q, value, True)
        c, o = cost[asked], opt[asked]
        idle = (c == 0) & (o == 0)
        if closed_walk(Arcs(first, to, c, o), idle, idle):
            return  # neither side pays on some cycle: nothing is proved
        best = _judged(Arcs(first, to, o, c))
        if best.value is None or best.value == 0:
            return  # a cycle on which only the optimum pays; or one on which it never does, which no bounded game has
        ratio = 1 / best.value
        if game.adversary is None or ratio > game.adversary.ratio:
            game.adversary = Side(ratio, nodes, first, to, asked, given, best.potential)
            self._remember("adversary", trial, value)

    def _remember(self, name: str, trial: Fraction, value: Any) -> None:
        if self.journal.path is not None:
            self.origins[name] = trial, value.copy()

    def state(self) -> dict[str, Any]:
        """Return what a journal keeps."""
        sides = {"policy": self.game.policy, "adversary": self.game.adversary}
        kept: dict[str, Any] = {"running": {**_point(self.trial, self.value), "rounds": self.rounds}}
        for name, (trial, value) in self.origins.items():
            kept[name] = {"ratio": str(_ratio(sides[name])), **_point(trial, value)}
        return kept

    def take_up(self) -> None:
        """Go on from what the journal keeps, if it keeps something.

        Raises
        ------
        FormatError
            A side does not have the ratio that is written there, or a field is no such thing.
        """
        kept = self.journal.kept
        if not kept:
            return
        self.tick("phase", "both sides of the journal")
        try:
            for name, judge in (("policy", self._judge_policy), ("adversary", self._judge_adversary)):
                if name in kept:
                    judge(*self._read(kept[name]))
                    found = self.game.policy if name == "policy" else self.game.adversary
                    if _ratio(found) != fraction(kept[name]["ratio"]):
                        raise ValueError(f"its {name} does not have the ratio {kept[name]['ratio']}")
            self.trial, self.value = self._read(kept["running"])
            self.rounds = kept["running"]["rounds"]
            if type(self.rounds) is not int or not 1 <= self.rounds <= 1024:
                raise ValueError(f"rounds must be an integer from 1 to 1024; got {ascii(self.rounds)[:60]}")
        except (ValueError, TypeError, LookupError, ArithmeticError) as error:
            raise self.journal.damaged(f"{type(error).__name__}: {ascii(str(error))[1:-1][:160]}") from None
        lower, upper = self._bracket()
        self.tick("taken up", f"between {lower} and {upper}; values at the trial ratio {self.trial}")

    def _read(self, kept: dict[str, Any]) -> tuple[Fraction, Any]:
        trial, rows = fraction(kept["trial"]), kept["values"]
        if not 0 < trial <= self.above + 1 or max(trial.numerator, trial.denominator) >= FINE:
            raise ValueError(f"no trial ratio: {str(trial)[:60]}")
        if not isinstance(rows, list) or len(rows) != len(self.game.codes):
            raise ValueError(f"a value for each of {len(self.game.codes)} positions is needed")
        if not all(type(v) is int and 0 <= v < LARGE for v in rows):
            raise ValueError("a value is no integer of the game's size")
        return trial, np.array(rows, np.int64)


def _judged(arcs: Arcs) -> Best:
    """Return the largest ratio; a judgement that was interrupted proves nothing, so the interruption goes on."""
    best = largest_ratio(arcs)
    if not best.complete:
        raise KeyboardInterrupt
    return best


def _point(trial: Fraction, value: Any) -> dict[str, Any]:
    return {"trial": str(trial), "values": value.tolist()}


def _ratio(side: Side | None) -> Fraction | None:
    return None if side is None else side.ratio


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
