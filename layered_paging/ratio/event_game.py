"""The ratio game for events of several experts, forced or with bypass: its positions.

A position is (layer of the next event, online cache, work function of the optimum).  The work function is held in full.
For every cache of ``slots`` pages it is the least cost of serving all events so far and ending there, less the
smallest of these.  A cache may also load what no event asked for, which never pays but makes ``w`` the usual one.
Positions are taken up to renaming the experts of a layer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import combinations, permutations, product
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.instance import Instance
from ..errors import ParameterError

__all__ = ["MAX_PAGES", "EventGame", "Rules", "explore"]

MAX_PAGES = 9
MAX_RENAMINGS = 20_000
Ints = npt.NDArray[np.int64]


@dataclass
class EventGame:
    """Positions and moves.

    Attributes
    ----------
    works : list of tuples of int
        Every work function that occurs, by cache in the order of ``caches``; renamed to the least such tuple.
    caches : list of int
        The sets of exactly ``slots`` pages, as masks, in lexicographic order of their members.
    positions : list of (layer, online cache as a mask, index into ``works``)
    events, kept : int64 arrays
        The event of each request and the cache left by each answer, as masks.
    arcs : tuple of arrays
        (ask, cost, opt, answer, target) as ``game_kernels`` reads them.
    """

    caches: list[int]
    works: list[tuple[int, ...]] = field(default_factory=list)
    positions: list[tuple[int, int, int]] = field(default_factory=list)
    events: Any = None
    kept: Any = None
    arcs: tuple[Any, Any, Any, Any, Any] = ()  # type: ignore[assignment]


class Rules:
    """How work functions and caches move, and which renaming makes them least; everything is kept once computed."""

    def __init__(self, instance: Instance, top_k: int, bypass: bool) -> None:
        self.slots, self.bypass, pages = instance.slots, bypass, instance.pages
        self.chosen = list(combinations(range(pages), instance.slots))
        self.caches = [sum(1 << p for p in chosen) for chosen in self.chosen]
        blocks = [list(permutations(instance.pages_of(j))) for j in range(instance.layers)]
        self.renamings = np.array([sum(choice, ()) for choice in product(*blocks)], np.int64)
        place = {mask: at for at, mask in enumerate(self.caches)}
        # row r: the cache that each cache comes from under renaming r (page p is then called renamings[r, p])
        self.comes_from = np.empty((len(self.renamings), len(self.caches)), np.int64)
        for r, names in enumerate(self.renamings.tolist()):
            for at, chosen in enumerate(self.chosen):
                self.comes_from[r, place[sum(1 << names[p] for p in chosen)]] = at
        self.events = [
            [sum(1 << p for p in event) for event in combinations(instance.pages_of(j), top_k)]
            for j in range(instance.layers)
        ]
        self.prices: dict[int, Ints] = {}
        self.moves: dict[tuple[int, int], tuple[int, int, Ints]] = {}
        self.works: list[tuple[int, ...]] = []
        self.known: dict[tuple[int, ...], int] = {}
        self.least: dict[bytes, tuple[int, Ints]] = {}

    def enter(self, work: Ints) -> tuple[int, Ints]:
        """Return the number of a work function up to renaming, and the renamings that make it least."""
        key = work.tobytes()
        if key not in self.least:
            rows = work[self.comes_from]
            alive = np.arange(len(rows))
            for column in range(rows.shape[1]):
                values = rows[alive, column]
                alive = alive[values == values.min()]
            least = tuple(rows[alive[0]].tolist())
            if least not in self.known:
                self.known[least] = len(self.works)
                self.works.append(least)
            self.least[key] = (self.known[least], self.renamings[alive])
        return self.least[key]

    def price(self, event: int) -> Ints:
        """Return what it costs from each cache (row) to serve an event and end in each cache (column)."""
        if event not in self.prices:
            start = np.array(self.caches)[:, None]
            end = np.array(self.caches)[None, :]
            absent = np.bitwise_count(event & ~start)
            if self.bypass:
                more = np.bitwise_count(end & ~(start | event))
            else:
                room = self.slots - event.bit_count()
                stays = np.minimum(np.bitwise_count(start & end & ~event), room)
                more = self.slots - np.bitwise_count(end & event) - stays
            self.prices[event] = (absent + more).astype(np.int64)
        return self.prices[event]

    def move(self, work: int, event: int) -> tuple[int, int, Ints]:
        """Return the rise of the optimum, the next work function, and the renamings that make it least."""
        key = (work, event)
        if key not in self.moves:
            after = (np.array(self.works[work])[:, None] + self.price(event)).min(axis=0)
            rise = int(after.min())
            self.moves[key] = (rise, *self.enter(after - rise))
        return self.moves[key]

    def answers(self, cache: int, event: int) -> list[int]:
        """Return the caches that an online policy may leave: it evicts only what it must."""
        joined = cache | event
        need = joined.bit_count() - self.slots
        if need <= 0:
            return [joined]
        spare = joined if self.bypass else joined & ~event
        members = [1 << p for p in range(spare.bit_length()) if spare >> p & 1]
        return [joined & ~sum(gone) for gone in combinations(members, need)]


def explore(
    instance: Instance,
    *,
    top_k: int,
    bypass: bool,
    limit: int,
    tick: Callable[[str, Any], None] = lambda what, value: None,
) -> EventGame:
    """Return all positions that can be reached from empty caches at the first layer.

    Parameters
    ----------
    instance : Instance
        At most ``MAX_PAGES`` pages.
    top_k : int
        Members of each event; at most ``slots`` unless ``bypass``.
    bypass : bool
        Whether a cache may drop a page that its event has just loaded.
    limit : int
        Answers at the most.

    Raises
    ------
    ParameterError
        Too many pages, renamings or answers.
    """
    renamings = 1
    for n in instance.experts:
        renamings *= int(np.prod(np.arange(1, n + 1)))
    if instance.pages > MAX_PAGES or renamings > MAX_RENAMINGS:
        raise ParameterError(
            f"the ratio game of events needs at most {MAX_PAGES} pages, renamed in at most {MAX_RENAMINGS:,} ways; "
            f"got {instance.pages} pages, {renamings:,} ways"
        )
    rules = Rules(instance, top_k, bypass)
    game = EventGame(rules.caches, rules.works)
    begin = (0, 0, rules.enter(np.zeros(len(rules.caches), np.int64))[0])
    game.positions = [begin]
    known = {begin: 0}
    renamed: dict[tuple[int, int, int], int] = {}
    ask, answer, cost, opt, target = [0], [0], list[int](), list[int](), list[int]()
    events, kept = list[int](), list[int]()
    for layer, cache, work in game.positions:
        after_layer = (layer + 1) % instance.layers
        moves = [(event, *rules.move(work, event)) for event in rules.events[layer]]
        # where all else is equal an adversary takes the first request: one for which somebody pays
        moves.sort(key=lambda move: -((move[0] & ~cache).bit_count() + move[1]))
        for event, rise, after, names in moves:
            events.append(event)
            cost.append((event & ~cache).bit_count())
            opt.append(rise)
            begun = len(target)
            for left in rules.answers(cache, event):
                key = (work, event, left)
                if key not in renamed:
                    bits = [p for p in range(instance.pages) if left >> p & 1]
                    renamed[key] = int((np.int64(1) << names[:, bits]).sum(axis=1).min()) if bits else 0
                position = (after_layer, renamed[key], after)
                if position not in known:
                    known[position] = len(game.positions)
                    game.positions.append(position)
                    if len(game.positions) % 1000 == 0:
                        tick("nodes", len(game.positions))
                if known[position] not in target[begun:]:
                    kept.append(left)
                    target.append(known[position])
            answer.append(len(target))
        ask.append(len(events))
        if len(target) > limit:
            raise ParameterError(f"the ratio game has more than {limit:,} answers: too large for its memory")
    game.events, game.kept = np.array(events, np.int64), np.array(kept, np.int64)
    game.arcs = (
        np.array(ask, np.int64), np.array(cost, np.int8), np.array(opt, np.int8),
        np.array(answer, np.int64), np.array(target, np.int32),
    )  # fmt: skip
    return game
