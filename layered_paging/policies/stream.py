"""The random numbers that a policy may draw, alike in Python and in compiled code."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["Stream"]

_MASK = (1 << 64) - 1


class Stream:
    """A stream of random numbers that Python and the compiled kernels draw alike (SplitMix64).

    Parameters
    ----------
    seed : int
        Any integer of at least 0.
    *key : int
        What the stream is for, such as (session, layer); different keys give independent streams.

    Notes
    -----
    SplitMix64 by Steele, Lea and Flood (steele-lea-flood-2014).

    Examples
    --------
    >>> dice = Stream(7, 0, 0)
    >>> [dice.below(6) for _ in range(8)]
    [0, 0, 5, 3, 2, 2, 5, 1]
    """

    __slots__ = ("state",)

    def __init__(self, seed: int, *key: int) -> None:
        self.state = _mix(seed & _MASK)
        for part in key:
            self.state = _mix((self.state ^ (part + 1)) & _MASK)

    def next(self) -> int:
        """Return the next 64 random bits."""
        self.state = (self.state + 0x9E3779B97F4A7C15) & _MASK
        return _mix(self.state)

    def place(self, among: Iterable[int]) -> int:
        """Return ``next()`` to a caller for whom only its order against the numbers of ``among``, drawn so too, matters.

        Exact ratios then count the places among them, each as likely as any other.
        """
        return self.next()

    def below(self, n: int) -> int:
        """Return an integer in 0..n-1 (n < 2^31); the bias is below n / 2^32."""
        return ((self.next() >> 32) * n) >> 32

    def random(self) -> float:
        """Return a float in [0, 1) with 53 random bits."""
        return (self.next() >> 11) * (1.0 / (1 << 53))


def _mix(z: int) -> int:
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)
