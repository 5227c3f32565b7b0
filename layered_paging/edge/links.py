"""Latencies of links: from given rates, or from distance and bandwidth."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..core.arguments import kinds_of_fields
from ..errors import ParameterError

__all__ = ["Radio", "trip_ns"]


def trip_ns(size: int, up_bps: int, down_bps: int, extra_ns: int = 0) -> int:
    """Return the nanoseconds for a hidden state to go up and its result to come down, each rounded up.

    Parameters
    ----------
    size : int
        Bytes of a hidden state, at least 1.
    up_bps, down_bps : int
        Bits per second, at least 1.
    extra_ns : int
        Everything else: propagation, computing, a wired part; at least 0.

    Examples
    --------
    >>> trip_ns(1000, 8_000_000, 16_000_000, 7)
    1500007
    """
    for name, value, least in (
        ("bytes", size, 1),
        ("up_bps", up_bps, 1),
        ("down_bps", down_bps, 1),
        ("extra_ns", extra_ns, 0),
    ):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ParameterError(f"must be an integer of at least {least}; got {value!r}", parameter=name)
    bits = 8 * size * 10**9
    return -(-bits // up_bps) - (-bits // down_bps) + extra_ns


@kinds_of_fields()
@dataclass(frozen=True)
class Radio:
    """A wireless link: rate = bandwidth * log2(1 + signal / noise), rounded down to whole bits per second.

    Attributes
    ----------
    bandwidth_hz : float
        Of each direction of a user's link.
    up_dbm, down_dbm : float
        Power that the user, and the server, sends with.
    noise_dbm_hz : float
        Noise power density.
    loss_db : float
        Path loss at 1 m.
    exponent : float
        Path loss grows as distance to this power.
    """

    bandwidth_hz: float = 20e6
    up_dbm: float = 23.0
    down_dbm: float = 43.0
    noise_dbm_hz: float = -174.0
    loss_db: float = 30.0
    exponent: float = 3.5

    def __post_init__(self) -> None:
        if (
            not all(math.isfinite(value) and abs(value) <= 1e15 for value in vars(self).values())
            or self.bandwidth_hz <= 0
        ):
            raise ParameterError(f"a radio link needs finite numbers and a bandwidth above 0; got {self}")

    def bps(self, distance_m: float, power_dbm: float) -> int:
        """Return the rate at a distance in metres (at least 1 m is assumed), at least 1."""
        loss = self.loss_db + 10 * self.exponent * math.log10(max(1.0, distance_m))
        noise = self.noise_dbm_hz + 10 * math.log10(self.bandwidth_hz)
        return max(1, int(self.bandwidth_hz * math.log2(1 + 10 ** ((power_dbm - loss - noise) / 10))))

    def trip_ns(self, size: int, distance_m: float, extra_ns: int = 0) -> int:
        """Return the nanoseconds up and down at a distance, for a hidden state of ``size`` bytes."""
        return trip_ns(size, self.bps(distance_m, self.up_dbm), self.bps(distance_m, self.down_dbm), extra_ns)
