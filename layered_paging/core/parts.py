"""A trace that is read in parts, because it is too long to be held."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .trace import Trace

__all__ = ["LongTrace", "Part"]

PART = 1 << 22  # ids read together


class Part(NamedTuple):
    """Some rounds in a row.

    ``experts`` is an int16 or int32 array of shape (rounds, layers, top_k) as in a ``Trace``. ``stage`` (int8) and
    ``session`` (int64, the number of the session) have one entry a round.
    """

    experts: npt.NDArray[np.signedinteger[Any]]
    stage: npt.NDArray[np.int8]
    session: npt.NDArray[np.int64]


class LongTrace:
    """A trace in parts: ``formats.open_trace`` makes one from a file, ``LongTrace.of`` from a trace.

    Parameters
    ----------
    source : str
        What messages call it.
    layers, top_k : int
    n_experts : tuple of int
        One per layer.
    expert_bytes : int64 array or None
        One per layer or one per page, as in a ``Trace``.
    rounds : int or None
        How many, where it is known beforehand.
    read : callable
        ``read(begin, end)`` yields the parts of rounds begin..end-1 (end None: to the last one), checked.
    starts : callable
        Returns the first round of each session.
    """

    def __init__(
        self,
        source: str,
        layers: int,
        top_k: int,
        n_experts: tuple[int, ...],
        expert_bytes: npt.NDArray[np.int64] | None,
        rounds: int | None,
        read: Callable[[int, int | None], Iterator[Part]],
        starts: Callable[[], npt.NDArray[np.int64]],
    ) -> None:
        self.source = source
        self.layers = layers
        self.top_k = top_k
        self.n_experts = n_experts
        self.expert_bytes = expert_bytes
        self.rounds = rounds
        self._read = read
        self._starts = starts

    @classmethod
    def of(cls, trace: Trace, rounds: int | None = None) -> LongTrace:
        """Return a trace in parts of ``rounds`` rounds (default: about four million ids)."""
        step = rounds or max(1, PART // (trace.layers * trace.top_k))
        number = np.searchsorted(trace.sessions, np.arange(trace.rounds), side="right") - 1

        def read(begin: int, end: int | None) -> Iterator[Part]:
            last = trace.rounds if end is None else end
            for at in range(begin, last, step):
                rows = slice(at, min(at + step, last))
                yield Part(trace.experts[rows], trace.stage[rows], number[rows])

        head = ("trace", trace.layers, trace.top_k, trace.n_experts, trace.expert_bytes, trace.rounds)
        return cls(*head, read, lambda: trace.sessions)

    @property
    def pages(self) -> int:
        """Number of pages over all layers."""
        return sum(self.n_experts)

    @property
    def first_page(self) -> npt.NDArray[np.int64]:
        """Page number of expert 0 of each layer, shape (layers,)."""
        return np.concatenate(([0], np.cumsum(self.n_experts)[:-1])).astype(np.int64)

    @property
    def page_bytes(self) -> npt.NDArray[np.int64] | None:
        """Bytes of each page, shape (pages,), or None where sizes are unknown."""
        if self.expert_bytes is None or len(self.expert_bytes) == self.pages:
            return self.expert_bytes
        return np.repeat(self.expert_bytes, self.n_experts)

    @cached_property
    def starts(self) -> npt.NDArray[np.int64]:
        """First round of each session, shape (sessions,); found by one pass where the file does not say."""
        return self._starts()

    @cached_property
    def asked(self) -> npt.NDArray[np.bool_]:
        """Whether each layer has a request at all, shape (layers,); found by a pass that ends when all have one."""
        found = np.zeros(self.layers, bool)
        for part in self._read(0, None):
            found |= (part.experts >= 0).any(axis=(0, 2))
            if found.all():
                break
        return found

    def parts(self, begin: int = 0, end: int | None = None) -> Iterator[Part]:
        """Yield the rounds begin..end-1 in parts."""
        return self._read(begin, end)

    def __repr__(self) -> str:
        widths = self.n_experts[0] if len(set(self.n_experts)) == 1 else list(self.n_experts)
        rounds = "rounds" if self.rounds is None else f"{self.rounds} rounds"
        return f"<LongTrace: {self.source}, {rounds}, {self.layers} layers x {widths} experts, top_k {self.top_k}>"
