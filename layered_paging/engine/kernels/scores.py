"""Twins of the policies that look through all pages for the smallest score: lfu-decay, lfru, least-stale."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...core.counts import Counts
from ...core.instance import Instance
from ...core.layout import Grid
from ...errors import ParameterError
from ...policies.spec import PolicySpec
from .driver import run
from .hooks import behaves, inlined

__all__ = ["play"]

LONGEST = 1 << 22  # factors kept where the length of the trace is not known


class Decay(NamedTuple):
    """Decayed counts as of the round of the last use, the factors by age, and what a profile adds."""

    factor: Any
    prior: Any
    value: Any
    round: Any
    tick: Any


class Rate(NamedTuple):
    """Uses, clock and tick of the last use."""

    uses: Any
    clock: Any
    tick: Any


class Stale(NamedTuple):
    """Round, layer and tick of the last use."""

    round: Any
    layer: Any
    tick: Any


def play(grid: Grid, spec: PolicySpec, instance: Instance, capacity: int, **options: Any) -> Counts:
    """Replay one pool; see ``driver.run``."""
    policy: Any = spec.make(instance)
    pages = grid.pages

    def longs() -> Any:
        return np.zeros(pages, np.int64)

    def state() -> Any:
        match spec.base:
            case "lfu-decay":
                length = int(1100 * policy.half_life) + 2
                if options.get("carry") is None:
                    length = min(grid.shape[0], length)
                elif length > LONGEST:
                    raise ParameterError(
                        f"{spec.name}: a trace in parts needs a half_life of at most {LONGEST // 1100} rounds"
                    )
                factor = _factors(policy.factor, policy.half_life, length)
                return Decay(factor, np.array(policy.prior), np.zeros(pages), longs(), longs())
            case "lfru":
                return Rate(longs(), longs(), longs())
            case _:
                return Stale(longs(), longs(), longs())

    return run(grid, capacity, state, **options)


_kept: dict[tuple[float, int], Any] = {}


def _factors(factor: Any, half_life: float, length: int) -> Any:
    """Return the factors by age; the last ones are kept, as many replays want the same."""
    key = (half_life, length)
    if key not in _kept:
        _kept.clear()
        _kept[key] = np.array([factor(age) for age in range(length)])
    return _kept[key]


def _decay_use(state: Any, page: Any, now: Any) -> None:
    value = 0.0
    if state.value[page] > 0.0:
        value = state.value[page] * _faded(state.factor, now.round - state.round[page])
    state.value[page] = value + 1.0
    state.round[page] = now.round
    state.tick[page] = now.tick


@inlined
def _faded(factor: Any, age: Any) -> Any:
    return factor[min(age, factor.shape[0] - 1)]


def _decay_victim(state: Any, resident: Any, guard: Any, now: Any) -> Any:
    best = -1
    least = 0.0
    for page in range(resident.shape[0]):
        if resident[page] and guard[page] != now.stamp:
            value = state.value[page] * _faded(state.factor, now.round - state.round[page]) + state.prior[page]
            if best < 0 or value < least or (value == least and state.tick[page] < state.tick[best]):
                best = page
                least = value
    return best


def _decay_reset(state: Any, session: Any) -> None:
    state.value[:] = 0.0


behaves(Decay, hit=_decay_use, miss=_decay_use, victim=_decay_victim, reset=_decay_reset)


def _rate_use(state: Any, page: Any, now: Any) -> None:
    state.uses[page] += 1
    state.clock[page] = now.clock
    state.tick[page] = now.tick


def _rate_victim(state: Any, resident: Any, guard: Any, now: Any) -> Any:
    best = -1
    uses = 0
    age = 1
    for page in range(resident.shape[0]):
        if resident[page] and guard[page] != now.stamp:
            of_page = max(1, now.clock - state.clock[page] + 1)
            a = state.uses[page] * age
            b = uses * of_page
            if best < 0 or a < b or (a == b and state.tick[page] < state.tick[best]):
                best = page
                uses = state.uses[page]
                age = of_page
    return best


def _rate_reset(state: Any, session: Any) -> None:
    state.uses[:] = 0


behaves(Rate, hit=_rate_use, miss=_rate_use, victim=_rate_victim, reset=_rate_reset)


def _nothing(state: Any, session: Any) -> None:
    return None


def _stale_use(state: Any, page: Any, now: Any) -> None:
    state.round[page] = now.round
    state.layer[page] = now.layer
    state.tick[page] = now.tick


def _stale_victim(state: Any, resident: Any, guard: Any, now: Any) -> Any:
    best = -1
    least = 3
    for page in range(resident.shape[0]):
        if resident[page] and guard[page] != now.stamp:
            kind = 2 if state.round[page] == now.round else (0 if state.layer[page] <= now.layer else 1)
            if best < 0 or kind < least or (kind == least and state.tick[page] < state.tick[best]):
                best = page
                least = kind
    return best


behaves(Stale, hit=_stale_use, miss=_stale_use, victim=_stale_victim, reset=_nothing)
