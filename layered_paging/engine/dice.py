"""The random stream of the policies, compiled: the twin of ``policies.stream``."""

from __future__ import annotations

from typing import Any

import numpy as np

from .hooks import inlined

__all__ = ["below", "next_bits", "seed_of", "seeded"]


def seed_of(seed: int) -> Any:
    """Return the seed as the 64 bits that the stream takes."""
    return np.uint64(seed & ((1 << 64) - 1))


@inlined
def next_bits(rng: Any) -> Any:
    """Return the next 64 bits of the stream whose state is ``rng[0]``, modified in place: ``Stream.next``."""
    rng[0] += np.uint64(0x9E3779B97F4A7C15)
    return _mix(rng[0])


@inlined
def below(rng: Any, n: Any) -> Any:
    """Return an integer in 0..n-1: ``Stream.below``."""
    return np.int64(((next_bits(rng) >> np.uint64(32)) * np.uint64(n)) >> np.uint64(32))


@inlined
def seeded(seed: Any, session: int, key: int) -> Any:
    """Return the state of ``Stream(seed, session, key)``."""
    state = _mix(seed)
    state = _mix(state ^ (np.uint64(session) + np.uint64(1)))
    return _mix(state ^ (np.uint64(key) + np.uint64(1)))


@inlined
def _mix(z: Any) -> Any:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
