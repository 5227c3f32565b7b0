"""Twins of the policies with marks, levels or dice: random, marking, mark-far, online-min."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...core.counts import Counts
from ...core.instance import Instance
from ...core.layout import Grid
from ...policies.spec import PolicySpec
from .driver import run
from .hooks import behaves, below, next_bits, seeded

__all__ = ["play"]


class Dice(NamedTuple):
    """A random stream."""

    seed: Any
    key: int
    rng: Any


class Marks(NamedTuple):
    """Clock of the last request, clock at which the phase began, and a random stream."""

    seed: Any
    key: int
    rng: Any
    clock: Any
    phase: Any


class Far(NamedTuple):
    """Layers, tick and layer of the last request, tick at which the phase began."""

    layers: int
    tick: Any
    layer: Any
    phase: Any


class Levels(NamedTuple):
    """Level (0: in none) and priority of each page; ``last[0]`` is the page of the last level."""

    seed: Any
    key: int
    rng: Any
    slots: int
    level: Any
    priority: Any
    held: Any  # pages of the cache on each level
    last: Any


def play(grid: Grid, spec: PolicySpec, instance: Instance, capacity: int, **options: Any) -> Counts:
    """Replay one pool; see ``driver.run``."""
    pages = grid.pages
    dice = (np.uint64(options["seed"] & ((1 << 64) - 1)), options["key"], np.zeros(1, np.uint64))

    def longs(n: int) -> Any:
        return np.zeros(n, np.int64)

    def state() -> Any:
        match spec.base:
            case "random":
                return Dice(*dice)
            case "marking":
                return Marks(*dice, longs(pages), longs(1))
            case "mark-far":
                return Far(instance.layers, longs(pages), longs(pages), longs(1))
            case _:
                # more slots than pages change nothing but the cost of walking through empty levels
                slots = min(instance.slots, pages + 1)
                held = np.zeros(slots + 1, np.int32)
                level = np.zeros(pages, np.int32)
                return Levels(*dice, slots, level, np.zeros(pages, np.uint64), held, longs(1))

    return run(grid, capacity, state, **options)


def _ignore(state: Any, page: Any, now: Any) -> None:
    return None


def _seed(state: Any, session: Any) -> None:
    state.rng[0] = seeded(state.seed, session, state.key)


def _dice_victim(state: Any, resident: Any, guard: Any, now: Any) -> Any:
    left = below(state.rng, now.free)
    page = 0
    while True:
        if resident[page] and guard[page] != now.stamp:
            if left == 0:
                return page
            left -= 1
        page += 1


behaves(Dice, hit=_ignore, miss=_ignore, victim=_dice_victim, reset=_seed)


def _marks_use(state: Any, page: Any, now: Any) -> None:
    state.clock[page] = now.clock


def _marks_victim(state: Any, resident: Any, guard: Any, now: Any) -> Any:
    n = 0
    limit = state.phase[0]
    for _ in range(2):
        for page in range(resident.shape[0]):
            n += resident[page] and guard[page] != now.stamp and state.clock[page] < limit
        if n > 0:
            break
        limit = now.clock
        state.phase[0] = limit
    if n == 0:  # only marked members of the event are left
        n = now.free
        limit = np.int64(0x7FFFFFFFFFFFFFFF)
    left = below(state.rng, n)
    page = 0
    while True:
        if resident[page] and guard[page] != now.stamp and state.clock[page] < limit:
            if left == 0:
                return page
            left -= 1
        page += 1


def _marks_reset(state: Any, session: Any) -> None:
    state.rng[0] = seeded(state.seed, session, state.key)
    state.phase[0] = 0


def _marks_clear(state: Any, now: Any) -> None:
    state.phase[0] = now.clock


behaves(Marks, hit=_marks_use, miss=_marks_use, victim=_marks_victim, reset=_marks_reset, clear=_marks_clear)


def _far_use(state: Any, page: Any, now: Any) -> None:
    state.tick[page] = now.tick
    state.layer[page] = now.layer


def _far_victim(state: Any, resident: Any, guard: Any, now: Any) -> Any:
    best = -1
    for attempt in range(3):
        limit = state.phase[0] if attempt < 2 else np.int64(0x7FFFFFFFFFFFFFFF)
        far = 0
        for page in range(resident.shape[0]):
            if resident[page] and guard[page] != now.stamp and state.tick[page] < limit:
                distance = state.layer[page] - now.layer
                if distance <= 0:
                    distance += state.layers
                if distance > far or (distance == far and state.tick[page] < state.tick[best]):
                    best = page
                    far = distance
        if best >= 0:
            return best
        state.phase[0] = now.start
    return best


def _far_reset(state: Any, session: Any) -> None:
    state.phase[0] = 0


def _far_clear(state: Any, now: Any) -> None:
    state.phase[0] = now.start


behaves(Far, hit=_far_use, miss=_far_use, victim=_far_victim, reset=_far_reset, clear=_far_clear)


def _levels_hit(state: Any, page: Any, now: Any) -> None:
    level = state.level
    top = state.slots
    at = level[page]
    if at == 0:
        state.priority[page] = next_bits(state.rng)
        at = top
    if at == top:
        if state.last[0] >= 0:
            level[state.last[0]] = top - 1
    else:
        for other in range(level.shape[0]):
            level[other] -= level[other] >= at
    level[page] = top
    state.last[0] = page


def _levels_victim(state: Any, resident: Any, guard: Any, now: Any) -> Any:
    held = state.held
    held[:] = 0
    for page in range(resident.shape[0]):
        if resident[page]:
            held[state.level[page]] += 1
    total = 0
    for level in range(state.slots + 2):
        bound = min(level, state.slots)
        if level <= state.slots:
            total += held[level]
            if total <= level or held[level] == 0:
                continue
        best = -1
        for page in range(resident.shape[0]):
            free = resident[page] and guard[page] != now.stamp and state.level[page] <= bound
            if free and (best < 0 or state.priority[page] < state.priority[best]):
                best = page
        if best >= 0:
            return best
    return -1


def _levels_reset(state: Any, session: Any) -> None:
    state.rng[0] = seeded(state.seed, session, state.key)
    state.level[:] = 0
    state.last[0] = -1


def _levels_clear(state: Any, now: Any) -> None:
    state.level[:] = 0
    state.last[0] = -1


behaves(Levels, hit=_levels_hit, miss=_levels_hit, victim=_levels_victim, reset=_levels_reset, clear=_levels_clear)
